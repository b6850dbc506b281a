//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line, Loop};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input, ZoneLine};
use gatehouse_core::time::Mono;

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its id: a place moves when another thing is added or taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Door(Id),
    Zone(Id),
    /// A further line of a zone's detector.
    ZoneLine(Id, ZoneLine),
    /// The button of a checkpoint.
    Checkpoint(Id),
    /// The interrupt pins of chips on a bus: it wakes that bus, and is nothing to the rules.
    Interrupt(Id),
    KeySwitch(Id),
}

impl Thing {
    /// As source of events: a kind of thing and its id.
    pub(super) fn source(&self) -> (&'static str, Id) {
        match self {
            Self::Door(id) => ("door", id.clone()),
            Self::Zone(id) | Self::ZoneLine(id, _) => ("zone", id.clone()),
            Self::Checkpoint(id) => ("checkpoint", id.clone()),
            Self::Interrupt(id) => ("bus", id.clone()),
            Self::KeySwitch(id) => ("key-switch", id.clone()),
        }
    }

    /// Its place in a configuration.
    pub(super) fn owner(&self, config: &Config) -> Option<Owner> {
        let zone = |id: &Id| config.zone_rules().position(|zone| zone.id == *id);
        match self {
            Self::Door(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Door),
            Self::Zone(id) => zone(id).map(Owner::Zone),
            Self::ZoneLine(id, line) => zone(id).map(|zone| Owner::ZoneLine(zone, *line)),
            Self::Checkpoint(id) => {
                let place = config.checkpoints.iter().position(|one| one.rules.id == *id);
                place.map(Owner::Checkpoint)
            }
            Self::Interrupt(_) => None,
            Self::KeySwitch(id) => {
                let place = config.key_switches.iter().position(|it| it.rules.id == *id);
                place.map(Owner::KeySwitch)
            }
        }
    }
}

/// What a line belongs to, by its place in the configuration that its unit was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
    /// A further line of a zone's detector.
    ZoneLine(usize, ZoneLine),
    /// The button of a checkpoint.
    Checkpoint(usize),
    KeySwitch(usize),
}

impl Owner {
    /// What a reading of its line is to the rules.
    pub(super) fn input(self, reading: &Reading) -> Input {
        let (at, resynced) = (reading.at, reading.resynced);
        match self {
            Self::Door(door) => {
                let contact = match reading.state {
                    ContactState::Unknown => Contact::Unknown,
                    ContactState::Closed => Contact::Closed,
                    ContactState::Open => Contact::Open,
                };
                Input::Contact { door, contact, at, resynced }
            }
            Self::Zone(zone) => {
                let condition = match reading.state {
                    ContactState::Unknown => Condition::Unknown,
                    ContactState::Closed => Condition::Normal,
                    ContactState::Open => Condition::Active,
                };
                Input::Zone { zone, condition, at, resynced }
            }
            Self::ZoneLine(zone, line) => {
                Input::ZoneLine { zone, line, active: reading.active(), at, resynced }
            }
            Self::Checkpoint(checkpoint) => {
                Input::Checkpoint { checkpoint, pressed: reading.active(), at }
            }
            Self::KeySwitch(switch) => {
                let turned = match reading.state {
                    ContactState::Unknown => None,
                    ContactState::Closed => Some(false),
                    ContactState::Open => Some(true),
                };
                Input::KeySwitch { switch, turned, at, resynced }
            }
        }
    }
}

impl Owner {
    /// What a condition of its line is to the rules, where that is more than a contact tells: a
    /// supervised loop, a sensor.
    pub(super) fn condition(self, condition: Condition, at: Mono, resynced: bool) -> Input {
        let active = |condition| match condition {
            Condition::Normal => Some(false),
            Condition::Active => Some(true),
            _ => None,
        };
        let door = match self {
            Self::Zone(zone) => return Input::Zone { zone, condition, at, resynced },
            Self::Door(door) => door,
            Self::KeySwitch(switch) => {
                let turned = active(condition);
                return Input::KeySwitch { switch, turned, at, resynced };
            }
            Self::ZoneLine(zone, line) => {
                return Input::ZoneLine { zone, line, active: active(condition), at, resynced };
            }
            Self::Checkpoint(checkpoint) => {
                return Input::Checkpoint { checkpoint, pressed: active(condition), at };
            }
        };
        let contact = match condition {
            Condition::Normal => Contact::Closed,
            Condition::Active => Contact::Open,
            Condition::Tamper => Contact::Tamper,
            // What a detector says of itself is nothing that a door's contact has.
            Condition::Unknown | Condition::Fault | Condition::Masked => Contact::Unknown,
        };
        Input::Contact { door, contact, at, resynced }
    }
}

/// One wired line.
pub(super) struct Wire<'c> {
    pub(super) line: &'c Line,
    pub(super) config: LineConfig,
    pub(super) contact: gatehouse_config::Contact,
    /// How its loop is wired, if it is one.
    pub(super) supervised: Option<Loop>,
    pub(super) thing: Thing,
}

/// Every wired line of the configuration, how it is wired, and whose it is.
pub(super) fn wired(config: &Config) -> impl Iterator<Item = Wire<'_>> {
    let doors = config.doors.iter().map(|door| Wire {
        line: &door.input,
        config: LineConfig::door(door),
        contact: door.contact,
        supervised: door.supervised,
        thing: Thing::Door(door.id.clone()),
    });
    let zones = config.zones.iter().map(|zone| Wire {
        line: &zone.input,
        config: LineConfig::zone(zone),
        contact: zone.contact,
        supervised: zone.supervised,
        thing: Thing::Zone(zone.rules.id.clone()),
    });
    let switches = config.key_switches.iter().map(|switch| Wire {
        line: &switch.input,
        config: LineConfig::key_switch(switch),
        contact: switch.contact,
        supervised: None,
        thing: Thing::KeySwitch(switch.rules.id.clone()),
    });
    let further = config.zones.iter().flat_map(|zone| {
        let id = &zone.rules.id;
        zone.further.iter().map(|(line, input)| (input, Thing::ZoneLine(id.clone(), *line)))
    });
    // To the rules a help point is a zone.
    let points = config.help_points.iter().flat_map(|point| {
        let id = &point.rules.id;
        let one = point.input.iter().map(|input| (input, Thing::Zone(id.clone())));
        let second = |input| (input, Thing::ZoneLine(id.clone(), ZoneLine::Second));
        one.chain(point.second.iter().map(second))
    });
    let checkpoints = config.checkpoints.iter();
    let checkpoints = checkpoints
        .filter_map(|one| Some((one.input.as_ref()?, Thing::Checkpoint(one.rules.id.clone()))));
    let inputs = further.chain(points).chain(checkpoints).map(|(input, thing)| Wire {
        line: &input.line,
        config: LineConfig::input(input),
        contact: input.contact,
        supervised: None,
        thing,
    });
    doors.chain(zones).chain(switches).chain(inputs)
}
