//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input, ZoneLine};

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
}

impl Thing {
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
        }
    }
}

/// What a line belongs to, by its place in the configuration that its unit was started with.
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
pub(super) fn wired(config: &Config) -> impl Iterator<Item = (&Line, LineConfig, Thing)> {
    let doors = config.doors.iter();
    let doors =
        doors.map(|door| (&door.input, LineConfig::door(door), Thing::Door(door.id.clone())));
    let zones = config.zones.iter();
    let zones =
        zones.map(|zone| (&zone.input, LineConfig::zone(zone), Thing::Zone(zone.rules.id.clone())));
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
    let inputs = further.chain(points).chain(checkpoints);
    let inputs = inputs.map(|(input, thing)| (&input.line, LineConfig::input(input), thing));
    doors.chain(zones).chain(inputs)
}
