//! A switch that is turned with a key, and arms and disarms a partition.
//!
//! Only an edge that was seen acts: a switch that is found turned at the start, or after its line was
//! lost or its edges were, says nothing of what anybody wants now. An edge that is looked at too
//! late is told and does nothing. A momentary switch that stays turned is stuck, and acts again
//! only after it was seen at rest.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::arming::By;
use super::out::{Head, Out};
use super::reconfigure::GONE;
use super::{Id, KeyMotion, KeySwitchConfig, Mode, Site, Via};
use crate::event::{Class, Draft, Qualifier};
use crate::time::Mono;

/// What outlives a restart: that it is told as stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stuck {
    stuck: bool,
}

#[derive(Clone, Debug)]
pub(super) struct KeySwitch {
    config: KeySwitchConfig,
    partition: Id,
    /// Whether it is turned; `None`: not known.
    turned: Option<bool>,
    /// A momentary one is stuck then.
    stuck_at: Option<Mono>,
    stuck: bool,
    changed: bool,
}

impl KeySwitch {
    pub(super) const fn new(config: KeySwitchConfig, partition: Id) -> Self {
        Self { config, partition, turned: None, stuck_at: None, stuck: false, changed: false }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.config.id.as_str() == id
    }

    pub(super) const fn id(&self) -> &Id {
        &self.config.id
    }

    /// Goes on as what it was in another configuration. One that is wired elsewhere is not known.
    pub(super) fn take_over(&mut self, old: Self) {
        let Self { config, partition: _, turned, stuck_at, stuck, changed } = old;
        (self.stuck, self.changed) = (stuck, changed);
        if config.driver == self.config.driver && config.motion == self.config.motion {
            (self.turned, self.stuck_at) = (turned, stuck_at);
        }
    }

    /// It is taken out of the configuration.
    pub(super) fn finish(&mut self, at: Mono, out: &mut Out<'_>) {
        if std::mem::take(&mut self.stuck) {
            self.event(at, "key_switch.stuck_restored", out, |draft| {
                draft.class = Class::Fault;
                draft.qualifier = Qualifier::Restore;
                draft.closes = Some("key_switch.stuck");
                draft.cause = Some(GONE.to_owned());
            });
        }
    }

    pub(super) const fn restore(&mut self) {
        self.stuck = true;
    }

    pub(super) const fn deadline(&self) -> Option<Mono> {
        self.stuck_at
    }

    pub(super) fn expire(&mut self, out: &mut Out<'_>) {
        let Some(at) = self.stuck_at.take() else { return };
        self.stuck = true;
        self.changed = true;
        self.event(at, "key_switch.stuck", out, |draft| {
            draft.class = Class::Fault;
            draft.qualifier = Qualifier::New;
            draft.severity = 3;
        });
    }

    /// What it says now. Says whether that is an edge that was seen.
    fn says(
        &mut self,
        turned: Option<bool>,
        (at, resynced): (Mono, bool),
        out: &mut Out<'_>,
    ) -> bool {
        let was = std::mem::replace(&mut self.turned, turned);
        if was == turned {
            return false;
        }
        let momentary = self.config.motion == KeyMotion::Momentary;
        let seen = was.is_some() && turned.is_some() && !resynced;
        if turned == Some(true) {
            // Also one that is found turned: nobody holds a key for that long.
            self.stuck_at = (momentary && !self.stuck).then(|| at.plus(self.config.stuck));
        } else {
            self.stuck_at = None;
        }
        if turned == Some(false) && std::mem::take(&mut self.stuck) {
            self.changed = true;
            self.event(at, "key_switch.stuck_restored", out, |draft| {
                draft.class = Class::Fault;
                draft.qualifier = Qualifier::Restore;
                draft.severity = 4;
                draft.closes = Some("key_switch.stuck");
            });
        }
        seen && (!momentary || turned == Some(true))
    }

    /// What an edge wants of its partition, which is armed or not.
    fn wants(&self, armed: bool) -> Option<bool> {
        let arm = match self.config.motion {
            KeyMotion::Momentary => !armed,
            KeyMotion::Maintained => self.turned == Some(true),
        };
        let may = if arm { self.config.arms } else { self.config.disarms };
        may.then_some(arm)
    }

    pub(super) fn keep(&mut self, out: &mut Out<'_>) {
        if std::mem::take(&mut self.changed) {
            let key = format!("key-switch/{}", self.config.id);
            if self.stuck {
                out.keep(key, &Stuck { stuck: true });
            } else {
                out.effects.push(super::Effect::Keep { key, value: None });
            }
        }
    }

    fn event(
        &self,
        at: Mono,
        kind: &'static str,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("key-switch", &self.config.id);
        let head =
            Head { class: Class::Arm, kind, qualifier: Qualifier::Status, severity: 4, source };
        out.record(at, head, |draft| {
            draft.partition = Some(self.partition.clone());
            draft.source.driver = Some(self.config.driver.clone());
            fill(draft);
        });
    }
}

impl Site {
    pub(super) fn key_switch(
        &mut self,
        index: usize,
        turned: Option<bool>,
        (at, resynced): (Mono, bool),
        out: &mut Out<'_>,
    ) {
        let Some(switch) = self.key_switches.get_mut(index) else { return };
        if !switch.says(turned, (at, resynced), out) {
            return;
        }
        let (place, mode) = (switch.config.partition, switch.config.mode);
        let armed = self.partitions[place].mode() != Mode::Disarmed;
        let Some(arm) = switch.wants(armed) else { return };
        let late = out.now.mono.since(at);
        if late > self.access.late {
            switch.event(at, "key_switch.late", out, |draft| {
                let wanted = if arm { "arm" } else { "disarm" };
                draft.detail = Some(json!({ "act": wanted, "late_s": late.as_secs() }));
            });
            return;
        }
        let id = switch.config.id.to_string();
        let by = By { via: Via::KeySwitch, actor: Some(&id) };
        if !self.partitions[place].config.common_to.is_empty() {
            return;
        }
        if arm {
            // What prevents it is told by `partition.arm_failed`.
            self.arm(place, mode, (false, false), by, at, out);
        } else {
            self.disarm(place, by, at, out);
        }
    }
}
