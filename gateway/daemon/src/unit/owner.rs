//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input, ReaderPart};

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its id: a place moves when another thing is added or taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Door(Id),
    Zone(Id),
    /// The request-to-exit input of a door.
    Rex(Id),
    /// The tamper contact of a reader.
    Case(Id),
}

impl Thing {
    /// Its place in a configuration.
    pub(super) fn owner(&self, config: &Config) -> Option<Owner> {
        match self {
            Self::Door(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Door),
            Self::Zone(id) => {
                config.zones.iter().position(|zone| zone.rules.id == *id).map(Owner::Zone)
            }
            Self::Rex(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Rex),
            Self::Case(id) => {
                config.readers.iter().position(|one| one.rules.id == *id).map(Owner::Case)
            }
        }
    }
}

/// What a line belongs to, by its place in the configuration that its unit was started with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
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
                let cause = (!good).then(|| "its tamper contact is open".to_owned());
                Input::ReaderStatus { reader, part: ReaderPart::Case, good, cause, at }
            }
        })
    }
}

/// Every wired line of the configuration, how it is wired, and whose it is.
pub(super) fn wired(config: &Config) -> impl Iterator<Item = (&Line, LineConfig, Thing)> {
    let doors = config.doors.iter();
    let doors =
        doors.map(|door| (&door.input, LineConfig::door(door), Thing::Door(door.id.clone())));
    let zones = config.zones.iter();
    let zones =
        zones.map(|zone| (&zone.input, LineConfig::zone(zone), Thing::Zone(zone.rules.id.clone())));
    let rex = config.doors.iter().filter_map(|door| {
        let input = &door.rex.as_ref()?.input;
        Some((&input.line, LineConfig::input(input), Thing::Rex(door.id.clone())))
    });
    let cases = config.readers.iter().filter_map(|reader| {
        let input = reader.tamper.as_ref()?;
        Some((&input.line, LineConfig::input(input), Thing::Case(reader.rules.id.clone())))
    });
    doors.chain(zones).chain(rex).chain(cases)
}
