//! Sensors of the box: supply, battery, temperature, clock, and presence as a line.

use std::num::NonZeroU32;
use std::time::Duration;

use gatehouse_config::{ChipKind, Measures, Power};
use gatehouse_core::contract::PowerKind;
use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Report};
use gatehouse_drivers::{
    Battery, BatteryConfig, BatteryState, CentiCelsius, ChipError, Ds3231, Ina219, Ina226,
    Milliohms, Millivolts, PowerMonitor, Presence, PresenceConfig, PresenceSensor, Sht3x, Tmp102,
};
use serde_json::{Value, json};

use super::limit::{Limit, Place};
use super::plan::{ChipPlan, Places, Wiring};
use super::seat::{Device, News, Trouble, next};
use crate::gauges::Gauge;
use crate::io::wire::{Wire, WireError};
use crate::unit::owner::Owner;

/// Three readings in a row: one may be noise on the bus.
const PATIENCE: u32 = 3;

/// A supply is there again when it is so much above its limit: more than it gains when the load of a
/// lock goes.
const SUPPLY_MARGIN_MV: i32 = 200;

/// A temperature is good again when it is so far within its limit.
const MARGIN_CENTI: i32 = 200;

/// How often a presence sensor is asked for its next frame: it says so itself if there is none.
const FRAME: Duration = Duration::from_millis(250);

/// Every fault that a sensor can have, and its end.
const FAULTS: [(&str, &str); 6] = [
    ("supply.lost", "supply.lost_restored"),
    ("battery.low", "battery.low_restored"),
    ("battery.missing", "battery.missing_restored"),
    ("temperature.high", "temperature.high_restored"),
    ("temperature.low", "temperature.low_restored"),
    ("clock.stopped", "clock.stopped_restored"),
];

pub(super) struct Sensor {
    chip: Chip,
    id: Id,
    period: Duration,
    due_ns: u64,
    /// It has said that it does not watch what another configuration may have had it watch.
    begun: bool,
}

#[expect(clippy::large_enum_variant, reason = "one for each sensor of a box, made once")]
enum Chip {
    Power { monitor: Box<dyn PowerMonitor<BusError = WireError>>, watch: Watch },
    Tmp102 { chip: Tmp102<Wire>, limits: Limits },
    Sht3x { chip: Sht3x<Wire>, started: bool, limits: Limits },
    Clock { chip: Ds3231<Wire>, told: Option<bool> },
    Presence { chip: PresenceSensor<Wire>, owner: Option<Owner>, told: Presence },
}

enum Watch {
    Supply { below: i32, limit: Limit },
    Battery { battery: Battery, low: Option<bool>, missing: Option<bool> },
}

struct Limits {
    high: Option<(i32, Limit)>,
    low: Option<(i32, Limit)>,
}

impl Sensor {
    pub(super) fn new(plan: &ChipPlan, places: &Places, wire: Wire) -> Self {
        let chip = chip(plan, places, wire);
        let period = match chip {
            // It has a frame a second, and none for who comes a moment too early.
            Chip::Presence { .. } => plan.chip.poll.min(FRAME),
            _ => plan.chip.poll,
        };
        Self { chip, id: plan.chip.id.clone(), period, due_ns: 0, begun: false }
    }
}

/// The driver of the chip; the configuration has checked its address.
fn chip(plan: &ChipPlan, places: &Places, wire: Wire) -> Chip {
    const CHECKED: &str = "the configuration has checked the address";
    let at = plan.chip.address;
    match plan.chip.kind {
        ChipKind::Ina219 | ChipKind::Ina226 => {
            let (shunt, of, hold) = match plan.chip.measures {
                Measures::Power { shunt_milliohms, of, hold } => (shunt_milliohms, of, hold),
                _ => (100, Power::LeadAcid12V, Duration::ZERO),
            };
            let shunt = Milliohms(NonZeroU32::new(shunt).unwrap_or(NonZeroU32::MIN));
            let monitor: Box<dyn PowerMonitor<BusError = WireError>> = match plan.chip.kind {
                ChipKind::Ina219 => Box::new(Ina219::new(wire, at, shunt).expect(CHECKED)),
                _ => Box::new(Ina226::new(wire, at, shunt).expect(CHECKED)),
            };
            let battery = |config| Watch::Battery {
                battery: Battery::new(BatteryConfig { hold, ..config }),
                low: None,
                missing: None,
            };
            let watch = match of {
                Power::Supply(below) => Watch::Supply { below, limit: Limit::new(hold) },
                Power::LeadAcid12V => battery(BatteryConfig::lead_acid_12v()),
                Power::LithiumCell => battery(BatteryConfig::lithium_cell()),
            };
            Chip::Power { monitor, watch }
        }
        ChipKind::Sht3x => {
            let chip = Sht3x::new(wire, at).expect(CHECKED);
            Chip::Sht3x { chip, started: false, limits: Limits::new(&plan.chip.measures) }
        }
        ChipKind::Ds3231 => Chip::Clock { chip: Ds3231::new(wire), told: None },
        ChipKind::Amg8833 => {
            let chip = PresenceSensor::new(wire, at, PresenceConfig::default()).expect(CHECKED);
            let line = plan.lines.iter().find(|line| line.wiring == Wiring::Presence);
            let owner = line.and_then(|line| places.owners.get(&line.thing)).copied();
            Chip::Presence { chip, owner, told: Presence::Unknown }
        }
        _ => {
            let chip = Tmp102::new(wire, at).expect(CHECKED);
            Chip::Tmp102 { chip, limits: Limits::new(&plan.chip.measures) }
        }
    }
}

impl Chip {
    /// Whether it has this fault begin and end.
    fn watches(&self, fault: &str) -> bool {
        match self {
            Self::Power { watch: Watch::Supply { .. }, .. } => fault == "supply.lost",
            Self::Power { watch: Watch::Battery { .. }, .. } => fault.starts_with("battery."),
            Self::Tmp102 { limits, .. } | Self::Sht3x { limits, .. } => {
                (fault == "temperature.high" && limits.high.is_some())
                    || (fault == "temperature.low" && limits.low.is_some())
            }
            Self::Clock { .. } => fault == "clock.stopped",
            Self::Presence { .. } => false,
        }
    }
}

impl Device for Sensor {
    fn patience(&self) -> u32 {
        PATIENCE
    }

    fn serve(&mut self, now_ns: u64, _: Option<u64>, news: &mut Vec<News>) -> Result<u64, Trouble> {
        let mut out = Out { id: &self.id, news };
        if !std::mem::replace(&mut self.begun, true) {
            for kinds in FAULTS.into_iter().filter(|(began, _)| !self.chip.watches(began)) {
                out.fault(kinds, false, json!({ "watched": false }), now_ns);
            }
        }
        let soon = match &mut self.chip {
            Chip::Power { monitor, watch } => {
                let power = monitor.measure().map_err(trouble)?;
                let of = watch.of();
                out.gauge(Gauge::Power { of, mv: power.bus.0, ma: power.current.0 });
                watch.feed(power.bus, now_ns, &mut out);
                None
            }
            Chip::Tmp102 { chip, limits } => {
                limits.feed(chip.measure(now_ns).map_err(trouble)?, now_ns, &mut out);
                None
            }
            Chip::Sht3x { chip, started, limits } => {
                if std::mem::take(started) {
                    let climate = chip.finish(now_ns).map_err(trouble)?;
                    limits.feed(climate.temperature, now_ns, &mut out);
                    None
                } else {
                    let ready_ns = chip.start(now_ns).map_err(trouble)?;
                    *started = true;
                    Some(ready_ns)
                }
            }
            Chip::Clock { chip, told } => {
                let health = chip.health().map_err(trouble)?;
                let bad = health.stopped || health.stops_on_battery;
                if told.replace(bad) != Some(bad) {
                    let kinds = ("clock.stopped", "clock.stopped_restored");
                    let detail = json!({
                        "stopped": health.stopped,
                        "stops_on_battery": health.stops_on_battery,
                    });
                    out.fault(kinds, bad, detail, now_ns);
                }
                None
            }
            Chip::Presence { chip, owner, told } => {
                let presence = chip.poll(now_ns).map_err(trouble)?;
                if let Some(owner) = *owner
                    && std::mem::replace(told, presence) != presence
                {
                    let condition = match presence {
                        Presence::Unknown => Condition::Unknown,
                        Presence::Absent => Condition::Normal,
                        Presence::Present => Condition::Active,
                    };
                    out.news.push(News::Line { owner, condition, at_ns: now_ns, resynced: false });
                }
                None
            }
        };
        if let Some(soon_ns) = soon {
            return Ok(soon_ns);
        }
        self.due_ns = next(self.due_ns, self.period, now_ns);
        Ok(self.due_ns)
    }

    fn try_again(&self, now_ns: u64) -> u64 {
        // Both INA need 35 ms for a measurement, others less.
        now_ns.saturating_add(50_000_000)
    }

    fn forget(&mut self, now_ns: u64, news: &mut Vec<News>) {
        news.push(News::Gauge { sensor: self.id.clone(), gauge: None });
        match &mut self.chip {
            Chip::Power { watch: Watch::Supply { limit, .. }, .. } => limit.gap(),
            // What is told of a battery stays told until it is measured again.
            Chip::Power { watch: Watch::Battery { battery, .. }, .. } => battery.lost(),
            Chip::Tmp102 { limits, .. } => limits.gap(),
            Chip::Sht3x { limits, started, .. } => {
                *started = false;
                limits.gap();
            }
            Chip::Clock { .. } => {}
            Chip::Presence { chip, owner, told } => {
                chip.lost();
                *told = Presence::Unknown;
                if let Some(owner) = *owner {
                    let condition = Condition::Unknown;
                    news.push(News::Line { owner, condition, at_ns: now_ns, resynced: false });
                }
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err has it")]
fn trouble(error: ChipError<WireError>) -> Trouble {
    Trouble { kind: error.kind(), cause: error.to_string() }
}

/// Where a sensor's faults go.
struct Out<'a> {
    id: &'a Id,
    news: &'a mut Vec<News>,
}

impl Out<'_> {
    fn gauge(&mut self, gauge: Gauge) {
        self.news.push(News::Gauge { sensor: self.id.clone(), gauge: Some(gauge) });
    }

    fn fault(
        &mut self,
        (began, ended): (&'static str, &'static str),
        begins: bool,
        detail: Value,
        at_ns: u64,
    ) {
        let report = Report {
            class: Class::Fault,
            kind: if begins { began } else { ended },
            qualifier: if begins { Qualifier::New } else { Qualifier::Restore },
            severity: if begins { 2 } else { 4 },
            source: ("sensor", self.id.clone()),
            closes: (!begins).then_some(began),
            cause: None,
            detail: Some(detail),
            at: None,
        };
        self.news.push(News::Report { report, at_ns });
    }
}

impl Watch {
    const fn of(&self) -> PowerKind {
        match self {
            Self::Supply { .. } => PowerKind::Supply,
            Self::Battery { .. } => PowerKind::Battery,
        }
    }

    fn feed(&mut self, voltage: Millivolts, now_ns: u64, out: &mut Out<'_>) {
        let detail = json!({ "mv": voltage.0 });
        match self {
            Self::Supply { below, limit } => {
                let place = Place::above(voltage.0, *below, SUPPLY_MARGIN_MV);
                if let Some((lost, since_ns)) = limit.feed(place, now_ns) {
                    let kinds = ("supply.lost", "supply.lost_restored");
                    out.fault(kinds, lost, detail, since_ns);
                }
            }
            Self::Battery { battery, low, missing } => {
                let Some(change) = battery.feed(voltage, now_ns) else { return };
                let is_missing = change.state == BatteryState::Missing;
                let is_low = matches!(change.state, BatteryState::Low | BatteryState::Critical);
                let states = [
                    (low, is_low, ("battery.low", "battery.low_restored")),
                    (missing, is_missing, ("battery.missing", "battery.missing_restored")),
                ];
                for (told, is, kinds) in states {
                    if told.replace(is) != Some(is) {
                        out.fault(kinds, is, detail.clone(), change.since_ns);
                    }
                }
            }
        }
    }
}

impl Limits {
    fn new(measures: &Measures) -> Self {
        let Measures::Temperature { high, low, hold } = measures else {
            return Self { high: None, low: None };
        };
        let limit = |degrees: &Option<i32>| degrees.map(|c| (c * 100, Limit::new(*hold)));
        Self { high: limit(high), low: limit(low) }
    }

    fn feed(&mut self, measured: CentiCelsius, now_ns: u64, out: &mut Out<'_>) {
        let mut told = Vec::new();
        out.gauge(Gauge::Temperature(measured.0));
        if let Some((bound, limit)) = &mut self.high {
            let change = limit.feed(Place::below(measured.0, *bound, MARGIN_CENTI), now_ns);
            told.push((change, ("temperature.high", "temperature.high_restored")));
        }
        if let Some((bound, limit)) = &mut self.low {
            let change = limit.feed(Place::above(measured.0, *bound, MARGIN_CENTI), now_ns);
            told.push((change, ("temperature.low", "temperature.low_restored")));
        }
        for (change, kinds) in told {
            let Some((beyond, since_ns)) = change else { continue };
            out.fault(kinds, beyond, json!({ "centi_celsius": measured.0 }), since_ns);
        }
    }

    fn gap(&mut self) {
        for (_, limit) in self.high.iter_mut().chain(&mut self.low) {
            limit.gap();
        }
    }
}
