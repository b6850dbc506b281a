//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line, Loop};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input, ReaderPart};
use gatehouse_core::time::Mono;

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// Why a reader's case is not as it should be.
const CASE_OPEN: &str = "its tamper contact is open";

/// What a line belongs to, by its id: a place moves when another thing is added or taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Door(Id),
    Zone(Id),
    /// The interrupt pins of chips on a bus: it wakes that bus, and is nothing to the rules.
    Interrupt(Id),
    KeySwitch(Id),
    /// The request-to-exit input of a door.
    Rex(Id),
    /// The tamper contact of a reader.
    Case(Id),
}

impl Thing {
    /// As source of events: a kind of thing and its id.
    pub(super) fn source(&self) -> (&'static str, Id) {
        match self {
            Self::Door(id) | Self::Rex(id) => ("door", id.clone()),
            Self::Case(id) => ("reader", id.clone()),
            Self::Zone(id) => ("zone", id.clone()),
            Self::Interrupt(id) => ("bus", id.clone()),
            Self::KeySwitch(id) => ("key-switch", id.clone()),
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
            Self::Rex(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Rex),
            Self::Case(id) => {
                config.readers.iter().position(|one| one.rules.id == *id).map(Owner::Case)
            }
        }
    }
}

/// What a line belongs to, by its place in the configuration that its unit was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
    KeySwitch(usize),
    /// The request-to-exit input of a door.
    Rex(usize),
    /// The tamper contact of a reader.
    Case(usize),
}

impl Owner {
    /// What a reading of its line is to the rules; `None`: nothing that they need to know.
    pub(super) fn input(self, reading: &Reading) -> Option<Input> {
        let (at, resynced) = (reading.at, reading.resynced);
        Some(match self {
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
            Self::KeySwitch(switch) => {
                let turned = match reading.state {
                    ContactState::Unknown => None,
                    ContactState::Closed => Some(false),
                    ContactState::Open => Some(true),
                };
                Input::KeySwitch { switch, turned, at, resynced }
            }
            Self::Rex(door) => match reading.state {
                ContactState::Unknown => Input::RexLost { door, at },
                // Quiet is closed, whatever way it is wired.
                state => Input::Rex { door, pressed: state == ContactState::Open, at },
            },
            Self::Case(reader) => {
                let good = match reading.state {
                    // That its chip is gone is told by the chip.
                    ContactState::Unknown => return None,
                    state => state == ContactState::Closed,
                };
                let cause = (!good).then(|| CASE_OPEN.to_owned());
                Input::ReaderStatus { reader, part: ReaderPart::Case, good, cause, at }
            }
        })
    }
}

impl Owner {
    /// What a condition of its line is to the rules, where that is more than a contact tells: a
    /// supervised loop, a sensor. `None`: nothing that they need to know.
    pub(super) fn condition(self, condition: Condition, at: Mono, resynced: bool) -> Option<Input> {
        let door = match self {
            Self::Zone(zone) => return Some(Input::Zone { zone, condition, at, resynced }),
            Self::Door(door) => door,
            Self::Rex(door) => {
                return Some(match condition {
                    Condition::Normal | Condition::Active => {
                        Input::Rex { door, pressed: condition == Condition::Active, at }
                    }
                    _ => Input::RexLost { door, at },
                });
            }
            Self::Case(reader) => {
                if condition == Condition::Unknown {
                    return None;
                }
                let good = condition == Condition::Normal;
                let cause = (!good).then(|| CASE_OPEN.to_owned());
                let part = ReaderPart::Case;
                return Some(Input::ReaderStatus { reader, part, good, cause, at });
            }
            Self::KeySwitch(switch) => {
                let turned = match condition {
                    Condition::Normal => Some(false),
                    Condition::Active => Some(true),
                    _ => None,
                };
                return Some(Input::KeySwitch { switch, turned, at, resynced });
            }
        };
        let contact = match condition {
            Condition::Normal => Contact::Closed,
            Condition::Active => Contact::Open,
            Condition::Tamper => Contact::Tamper,
            // What a detector says of itself is nothing that a door's contact has.
            Condition::Unknown | Condition::Fault | Condition::Masked => Contact::Unknown,
        };
        Some(Input::Contact { door, contact, at, resynced })
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
    let rex = config
        .doors
        .iter()
        .filter_map(|door| Some(beside(&door.rex.as_ref()?.input, Thing::Rex(door.id.clone()))));
    let cases = config.readers.iter().filter_map(|reader| {
        Some(beside(reader.tamper.as_ref()?, Thing::Case(reader.rules.id.clone())))
    });
    doors.chain(zones).chain(switches).chain(rex).chain(cases)
}

/// An input beside a door or a reader.
fn beside(input: &gatehouse_config::WiredInput, thing: Thing) -> Wire<'_> {
    Wire {
        line: &input.line,
        config: LineConfig::input(input),
        contact: input.contact,
        supervised: None,
        thing,
    }
}
