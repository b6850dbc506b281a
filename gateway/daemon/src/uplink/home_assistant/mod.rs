//! What a Home Assistant on the same broker is told: MQTT discovery of one device
//! (home-assistant.io, "MQTT", "Device discovery payload").
//!
//! The device's components read our own topics, so nothing is said twice; here is only the
//! description, retained, and the memory of what the broker was told, so that it can be taken back
//! when the switch is off or a thing is gone. What another broker holds is taken back when the gateway
//! is connected to that one.

mod memory;
mod payload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_config::Config;
use serde_json::{Map, Value};
use tracing::warn;

use memory::Told;

/// What is to be published, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Publication {
    pub(super) topic: String,
    /// `None`: the broker forgets what is there.
    pub(super) payload: Option<Value>,
}

/// What was told, and what is to be.
#[derive(Debug)]
pub(super) struct HomeAssistant {
    file: PathBuf,
    told: Told,
    /// Something was published that has not been acknowledged.
    unsettled: bool,
}

impl HomeAssistant {
    /// With what an earlier start has told, if the file of it can be read.
    pub(super) fn new(config: &Config) -> Self {
        let file = config.state_dir.join("home-assistant.json");
        let told = memory::read(&file).unwrap_or_else(|error| {
            // The broker may keep what nobody remembers; Home Assistant can delete a device by hand.
            warn!(file = %file.display(), %error, "what Home Assistant was told is not known");
            Told::default()
        });
        Self { file, told, unsettled: false }
    }

    /// Where Home Assistant says that it has started.
    pub(super) fn birth(config: &Config) -> Option<String> {
        let there = &config.home_assistant;
        there.enabled.then(|| format!("{}/status", there.prefix))
    }

    /// Everything that is to be said now; it is remembered first, so that it can be taken back.
    pub(super) fn publications(
        &mut self,
        config: &Config,
        heartbeat: Duration,
    ) -> Vec<Publication> {
        let there = &config.home_assistant;
        let wanted = there.enabled.then(|| {
            let topic = topic(config);
            (topic, payload::device(config, heartbeat))
        });
        let mut all = Vec::new();
        let here = wanted.as_ref().map(|(topic, _)| topic);
        for old in self.told.topics.keys().filter(|old| Some(*old) != here) {
            all.push(Publication { topic: old.clone(), payload: None });
        }
        if let Some((topic, device)) = wanted {
            let components = payload::components(&device);
            let known = self.told.topics.entry(topic.clone()).or_default();
            let gone: BTreeMap<_, _> = known
                .iter()
                .filter(|(key, _)| !components.contains_key(*key))
                .map(|(key, platform)| (key.clone(), platform.clone()))
                .collect();
            known.extend(components);
            if !gone.is_empty() {
                // A component with nothing but its platform is removed.
                all.push(Publication {
                    topic: topic.clone(),
                    payload: Some(payload::without(&device, &gone)),
                });
            }
            all.push(Publication { topic, payload: Some(device) });
        }
        self.unsettled = !all.is_empty();
        if self.unsettled {
            self.remember();
        }
        all
    }

    /// The broker has acknowledged all that was said: what was taken back is forgotten.
    pub(super) fn settle(&mut self, config: &Config, heartbeat: Duration) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.told.topics.clear();
        if config.home_assistant.enabled {
            let device = payload::device(config, heartbeat);
            self.told.topics.insert(topic(config), payload::components(&device));
        }
        self.remember();
    }

    fn remember(&self) {
        if let Err(error) = memory::write(&self.file, &self.told) {
            warn!(file = %self.file.display(), %error, "what Home Assistant was told is not kept");
        }
    }
}

/// Where the device is described.
fn topic(config: &Config) -> String {
    let (prefix, gateway) = (&config.home_assistant.prefix, &config.address.gateway);
    format!("{prefix}/device/gatehouse-{gateway}/config")
}

/// A map of these fields.
fn map<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
