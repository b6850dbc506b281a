//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line, Loop};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input};
use gatehouse_core::time::Mono;

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its id: a place moves when another thing is added or taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Door(Id),
    Zone(Id),
    /// The interrupt pins of chips on a bus: it wakes that bus, and is nothing to the rules.
    Interrupt(Id),
    KeySwitch(Id),
    /// The input that the challenge test's output is wired to.
    LoopBack,
}

impl Thing {
    /// As source of events: a kind of thing and its id.
    pub(super) fn source(&self) -> (&'static str, Id) {
        match self {
            Self::Door(id) => ("door", id.clone()),
            Self::Zone(id) => ("zone", id.clone()),
            Self::Interrupt(id) => ("bus", id.clone()),
            Self::KeySwitch(id) => ("key-switch", id.clone()),
            Self::LoopBack => ("input", "loop-back".parse().expect("letters and a dash are an id")),
        }
    }

    /// Its place in a configuration.
    pub(super) fn owner(&self, config: &Config) -> Option<Owner> {
        match self {
            Self::Door(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Door),
            Self::Zone(id) => {
                config.zones.iter().position(|zone| zone.rules.id == *id).map(Owner::Zone)
            }
            Self::Interrupt(_) => None,
            Self::KeySwitch(id) => {
                let place = config.key_switches.iter().position(|it| it.rules.id == *id);
                place.map(Owner::KeySwitch)
            }
            Self::LoopBack => config.challenge.is_some().then_some(Owner::LoopBack),
        }
    }
}

/// What a line belongs to, by its place in the configuration that its unit was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
    /// The input that the challenge test's output is wired to.
    LoopBack,
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
                Input::Zone { zone, condition: condition(reading.state), at, resynced }
            }
            Self::LoopBack => Input::LoopBack { condition: condition(reading.state), at },
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
        let door = match self {
            Self::Zone(zone) => return Input::Zone { zone, condition, at, resynced },
            Self::LoopBack => return Input::LoopBack { condition, at },
            Self::Door(door) => door,
            Self::KeySwitch(switch) => {
                let turned = match condition {
                    Condition::Normal => Some(false),
                    Condition::Active => Some(true),
                    _ => None,
                };
                return Input::KeySwitch { switch, turned, at, resynced };
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

const fn condition(state: ContactState) -> Condition {
    match state {
        ContactState::Unknown => Condition::Unknown,
        ContactState::Closed => Condition::Normal,
        ContactState::Open => Condition::Active,
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
    let challenge = config.challenge.iter().map(|test| Wire {
        line: &test.input,
        config: LineConfig::challenge(test),
        contact: test.contact,
        supervised: None,
        thing: Thing::LoopBack,
    });
    doors.chain(zones).chain(switches).chain(challenge)
}
