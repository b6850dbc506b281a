//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input};

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its id: a place moves when another thing is added or taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Door(Id),
    Zone(Id),
}

impl Thing {
    /// Its place in a configuration.
    pub(super) fn owner(&self, config: &Config) -> Option<Owner> {
        match self {
            Self::Door(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Door),
            Self::Zone(id) => {
                config.zones.iter().position(|zone| zone.rules.id == *id).map(Owner::Zone)
            }
        }
    }
}

/// What a line belongs to, by its place in the configuration that its unit was started with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
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
        }
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
    doors.chain(zones)
}
