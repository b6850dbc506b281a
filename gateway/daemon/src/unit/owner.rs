//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line};
use gatehouse_core::site::{Condition, Contact, Input};

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its place in the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
    /// The input that the challenge test's output is wired to.
    LoopBack,
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
        }
    }
}

const fn condition(state: ContactState) -> Condition {
    match state {
        ContactState::Unknown => Condition::Unknown,
        ContactState::Closed => Condition::Normal,
        ContactState::Open => Condition::Active,
    }
}

/// Every wired line of the configuration, how it is wired, and whose it is.
pub(super) fn wired(config: &Config) -> impl Iterator<Item = (&Line, LineConfig, Owner)> {
    let doors = config.doors.iter().enumerate();
    let doors = doors.map(|(n, door)| (&door.input, LineConfig::door(door), Owner::Door(n)));
    let zones = config.zones.iter().enumerate();
    let zones = zones.map(|(n, zone)| (&zone.input, LineConfig::zone(zone), Owner::Zone(n)));
    let challenge = config.challenge.iter();
    let challenge = challenge.map(|it| (&it.input, LineConfig::challenge(it), Owner::LoopBack));
    doors.chain(zones).chain(challenge)
}
