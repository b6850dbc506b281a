//! The description of one gateway as a device of Home Assistant.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_config::{BusChip, Config, Measures, Power};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Role, ZoneConfig, ZoneKind};
use gatehouse_drivers::BatteryConfig;
use serde_json::{Map, Value, json};

use super::map;

/// A heartbeat's value is not shown after so many periods without one.
const EXPIRES: u64 = 3;

/// The device with all its components.
pub(super) fn device(config: &Config, heartbeat: Duration) -> Value {
    let maker = Maker { config, heartbeat };
    let version = env!("CARGO_PKG_VERSION");
    let gateway = &config.address.gateway;
    json!({
        "dev": {
            "ids": [format!("gatehouse_{gateway}")],
            "name": format!("Gatehouse {gateway}"),
            "mf": "Gatehouse",
            "mdl": "gateway",
            "sw": version,
        },
        "o": { "name": "gatehouse", "sw": version },
        "availability": [{
            "topic": config.address.status(),
            "value_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
        }],
        "cmps": maker.components(),
    })
}

/// The components of a device with their platforms.
pub(super) fn components(device: &Value) -> BTreeMap<String, String> {
    let all = device["cmps"].as_object().into_iter().flatten();
    all.filter_map(|(key, it)| Some((key.clone(), it["p"].as_str()?.to_owned()))).collect()
}

/// The same device, in which these components are taken back.
pub(super) fn without(device: &Value, gone: &BTreeMap<String, String>) -> Value {
    let mut device = device.clone();
    for (key, platform) in gone {
        device["cmps"][key] = json!({ "p": platform });
    }
    device
}

struct Maker<'a> {
    config: &'a Config,
    heartbeat: Duration,
}

impl Maker<'_> {
    fn components(&self) -> Map<String, Value> {
        let config = self.config;
        let mut all = Map::new();
        let mut put = |(key, component)| all.insert(key, component);
        for door in &config.doors {
            let thing = Thing { kind: "door", id: &door.id, name: door.name.as_deref() };
            let state = words(&[("closed", "OFF"), ("open", "ON"), ("held-open", "ON")]);
            put(self.binary(&thing, "", Some("door"), &state));
            put(self.problem(&thing, "['tamper', 'forced', 'propped', 'rex-stuck']"));
        }
        let zones = config.zones.iter().map(|zone| (&zone.rules, zone.name.as_deref()));
        let points = config.help_points.iter().map(|it| (&it.rules, it.name.as_deref()));
        // Nobody at the site may notice a silent button, and a Home Assistant is at the site.
        for (zone, name) in zones.chain(points).filter(|(zone, _)| !zone.kind.is_silent()) {
            let thing = Thing { kind: "zone", id: &zone.id, name };
            let state = words(&[("normal", "OFF"), ("active", "ON")]);
            put(self.binary(&thing, "", Some(class(zone)), &state));
            put(self.problem(&thing, "['tamper', 'trouble', 'stuck', 'shut-down']"));
        }
        for partition in &config.partitions {
            let name = partition.name.as_deref();
            put(self.panel(&Thing { kind: "partition", id: &partition.rules.id, name }));
        }
        for reader in &config.readers {
            let name = reader.name.as_deref();
            let thing = Thing { kind: "reader", id: &reader.rules.id, name };
            let state = words(&[("online", "ON"), ("offline", "OFF")]);
            put(self.binary(&thing, "", Some("connectivity"), &state));
            put(self.problem(&thing, "['tamper', 'power', 'insecure', 'locked-out']"));
        }
        for output in &config.outputs {
            let name = output.name.as_deref();
            let thing = Thing { kind: "output", id: &output.rules.id, name };
            let class = match output.rules.role {
                Role::Siren | Role::Chime => Some("sound"),
                // On is released.
                Role::Lock => Some("lock"),
                Role::Strobe | Role::Other => None,
            };
            let state = words(&[("on", "ON"), ("off", "OFF")]);
            put(self.binary(&thing, "", class, &state));
            put(self.problem(&thing, "['fault']"));
        }
        self.gateway(&mut put);
        all
    }

    /// How the box is, by its status and its heartbeats.
    fn gateway(&self, put: &mut impl FnMut((String, Value)) -> Option<Value>) {
        let config = self.config;
        let thing = Thing { kind: "gateway", id: &config.address.gateway, name: None };
        let state = "{{ 'ON' if value_json.state == 'online' else 'OFF' }}";
        let (key, mut component) = self.binary(&thing, "", Some("connectivity"), state);
        component["state_topic"] = config.address.status().into();
        // It is what the others are available by: lost is `off` here, not unavailable.
        component["availability"] = json!([]);
        component["ent_cat"] = "diagnostic".into();
        put((key, component));
        let state = "{{ 'ON' if value_json.degraded else 'OFF' }}";
        let degraded = self.binary(&thing, "degraded", Some("problem"), state);
        put(self.beating(degraded));
        for chip in &config.chips {
            self.chip(chip, put);
        }
    }

    fn chip(&self, chip: &BusChip, put: &mut impl FnMut((String, Value)) -> Option<Value>) {
        let thing = Thing { kind: "sensor", id: &chip.id, name: None };
        let measured = |list: &str, field: &str| {
            let all = format!("value_json.{list} | selectattr('id', 'eq', '{}')", chip.id);
            format!("({all} | map(attribute='{field}') | list | first)")
        };
        match &chip.measures {
            Measures::Power { of, .. } => {
                let mv = measured("power", "mv");
                let volts = format!("{{{{ {mv} / 1000 }}}}");
                put(self.beating(self.sensor(&thing, "voltage", "V", &volts)));
                let battery = |limits: BatteryConfig| ("battery", limits.low.0, "ON", "OFF");
                let (class, limit, below, above) = match *of {
                    Power::Supply(below) => ("power", below, "OFF", "ON"),
                    Power::LeadAcid12V => battery(BatteryConfig::lead_acid_12v()),
                    Power::LithiumCell => battery(BatteryConfig::lithium_cell()),
                };
                let state = format!("{{{{ '{below}' if {mv} < {limit} else '{above}' }}}}");
                put(self.beating(self.binary(&thing, class, Some(class), &state)));
            }
            Measures::Temperature { .. } => {
                let degrees =
                    format!("{{{{ {} / 100 }}}}", measured("temperatures", "centi_celsius"));
                put(self.beating(self.sensor(&thing, "temperature", "°C", &degrees)));
            }
            _ => {}
        }
    }

    fn binary(
        &self,
        thing: &Thing<'_>,
        what: &str,
        class: Option<&str>,
        template: &str,
    ) -> (String, Value) {
        let (key, mut component) = self.component(thing, "binary_sensor", what, template);
        if let Some(class) = class {
            component["device_class"] = class.into();
        }
        (key, component)
    }

    /// Whether a thing shows one of these remarks, or cannot be told of.
    fn problem(&self, thing: &Thing<'_>, flags: &str) -> (String, Value) {
        let bad = format!(
            "(value_json.flags | default([])) | select('in', {flags}) | list or \
             value_json.state in ['unknown', 'tamper', 'fault', 'masked']"
        );
        let template = format!("{{{{ 'ON' if {bad} else 'OFF' }}}}");
        let (key, mut component) = self.binary(thing, "problem", Some("problem"), &template);
        component["ent_cat"] = "diagnostic".into();
        (key, component)
    }

    /// It shows the partition's state. Home Assistant wants a topic for commands, but none is offered,
    /// and what comes there is refused.
    fn panel(&self, thing: &Thing<'_>) -> (String, Value) {
        let template = words(&[
            ("disarmed", "disarmed"),
            ("arming", "arming"),
            ("pending", "pending"),
            ("triggered", "triggered"),
            ("armed-away", "armed_away"),
            ("armed-home", "armed_home"),
            ("armed-night", "armed_night"),
            ("armed-custom", "armed_custom_bypass"),
        ]);
        let (key, mut component) = self.component(thing, "alarm_control_panel", "", &template);
        component["command_topic"] = format!("{}/cmd/home-assistant", self.config.address).into();
        component["supported_features"] = json!([]);
        component["code_arm_required"] = false.into();
        component["code_disarm_required"] = false.into();
        (key, component)
    }

    fn sensor(
        &self,
        thing: &Thing<'_>,
        class: &str,
        unit: &str,
        template: &str,
    ) -> (String, Value) {
        let (key, mut component) = self.component(thing, "sensor", class, template);
        component["device_class"] = class.into();
        component["unit_of_measurement"] = unit.into();
        component["state_class"] = "measurement".into();
        (key, component)
    }

    /// Of the heartbeat: what is not said again is not shown.
    fn beating(&self, (key, mut component): (String, Value)) -> (String, Value) {
        component["state_topic"] = self.config.address.heartbeat().into();
        component["expire_after"] = (self.heartbeat.as_secs() * EXPIRES).into();
        component["qos"] = 0.into();
        component["ent_cat"] = "diagnostic".into();
        (key, component)
    }

    fn component(
        &self,
        thing: &Thing<'_>,
        platform: &str,
        what: &str,
        template: &str,
    ) -> (String, Value) {
        let Thing { kind, id, name } = thing;
        let key = match what {
            "" => format!("{kind}_{id}"),
            what => format!("{kind}_{id}_{what}"),
        };
        let name = name.filter(|_| self.config.home_assistant.names).unwrap_or(id.as_str());
        let name = match (*kind, what) {
            ("gateway", "") => "uplink".to_owned(),
            ("gateway", what) => what.to_owned(),
            (_, "") => name.to_owned(),
            (_, what) => format!("{name} {what}"),
        };
        let component = map([
            ("p", platform.into()),
            ("unique_id", format!("gatehouse_{}_{key}", self.config.address.gateway).into()),
            ("name", name.into()),
            ("state_topic", self.config.address.state(kind, id).into()),
            ("value_template", template.into()),
            ("qos", 1.into()),
        ]);
        (key, Value::Object(component))
    }
}

/// What a component is of.
struct Thing<'a> {
    kind: &'static str,
    id: &'a Id,
    name: Option<&'a str>,
}

/// What Home Assistant calls a zone of this kind.
const fn class(zone: &ZoneConfig) -> &'static str {
    match zone.kind {
        // Contacts are recorded each time, motion detectors are not.
        ZoneKind::Instant | ZoneKind::EntryExit | ZoneKind::Follower if zone.record => "opening",
        ZoneKind::Instant | ZoneKind::EntryExit | ZoneKind::Follower => "motion",
        ZoneKind::Hours24 | ZoneKind::Panic | ZoneKind::SilentPanic => "safety",
        ZoneKind::Tamper => "tamper",
        ZoneKind::Fire => "smoke",
        ZoneKind::Flood => "moisture",
        ZoneKind::Gas => "gas",
        ZoneKind::Technical => "problem",
    }
}

/// A template that says these words for those, and `None`, which is unknown, for any other.
fn words(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(ours, theirs)| format!("'{ours}': '{theirs}'")).collect();
    format!("{{{{ {{{}}}.get(value_json.state, 'None') }}}}", pairs.join(", "))
}
