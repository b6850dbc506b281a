//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line};
use gatehouse_core::site::{Condition, Contact, Input, ReaderPart};

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its place in the configuration.
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
pub(super) fn wired(config: &Config) -> impl Iterator<Item = (&Line, LineConfig, Owner)> {
    let doors = config.doors.iter().enumerate();
    let doors = doors.map(|(n, door)| (&door.input, LineConfig::door(door), Owner::Door(n)));
    let zones = config.zones.iter().enumerate();
    let zones = zones.map(|(n, zone)| (&zone.input, LineConfig::zone(zone), Owner::Zone(n)));
    let rex = config.doors.iter().enumerate().filter_map(|(n, door)| {
        let input = &door.rex.as_ref()?.input;
        Some((&input.line, LineConfig::input(input), Owner::Rex(n)))
    });
    let cases = config.readers.iter().enumerate().filter_map(|(n, reader)| {
        let input = reader.tamper.as_ref()?;
        Some((&input.line, LineConfig::input(input), Owner::Case(n)))
    });
    doors.chain(zones).chain(rex).chain(cases)
}
