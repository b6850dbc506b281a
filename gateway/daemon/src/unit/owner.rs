//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line};
use gatehouse_core::site::{Condition, Contact, Input, ZoneLine};

use super::gpio_lines::{ContactState, LineConfig, Reading};

/// What a line belongs to, by its place in the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Door(usize),
    Zone(usize),
    /// A further line of a zone's detector.
    ZoneLine(usize, ZoneLine),
    /// The button of a checkpoint.
    Checkpoint(usize),
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
        }
    }
}

/// Every wired line of the configuration, how it is wired, and whose it is.
pub(super) fn wired(config: &Config) -> impl Iterator<Item = (&Line, LineConfig, Owner)> {
    let doors = config.doors.iter().enumerate();
    let doors = doors.map(|(n, door)| (&door.input, LineConfig::door(door), Owner::Door(n)));
    let zones = config.zones.iter().enumerate();
    let zones = zones.map(|(n, zone)| (&zone.input, LineConfig::zone(zone), Owner::Zone(n)));
    let further = config.zones.iter().enumerate().flat_map(|(n, zone)| {
        let lines = zone.further.iter();
        lines.map(move |(line, input)| (input, Owner::ZoneLine(n, *line)))
    });
    // To the rules a help point is a zone behind all others.
    let first = config.zones.len();
    let points = config.help_points.iter().enumerate().flat_map(move |(n, point)| {
        let place = first + n;
        let one = point.input.iter().map(move |input| (input, Owner::Zone(place)));
        let second = Owner::ZoneLine(place, ZoneLine::Second);
        one.chain(point.second.iter().map(move |input| (input, second)))
    });
    let checkpoints = config.checkpoints.iter().enumerate();
    let checkpoints =
        checkpoints.filter_map(|(n, one)| Some((one.input.as_ref()?, Owner::Checkpoint(n))));
    let inputs = further.chain(points).chain(checkpoints);
    let inputs = inputs.map(|(input, owner)| (&input.line, LineConfig::input(input), owner));
    doors.chain(zones).chain(inputs)
}
