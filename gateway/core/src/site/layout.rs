//! Which thing stands at which place of a configuration, and what was said under one configuration
//! told to another.

use super::{Card, Command, Input, SiteConfig, Verb};
use crate::id::Id;

/// The ids of all things that inputs name by their places, in the order of one configuration.
///
/// Who sends inputs goes on naming the places of the configuration that it was started with; what
/// moved since, or went, is found by its id ([`Input::moved`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    doors: Vec<Id>,
    zones: Vec<Id>,
    partitions: Vec<Id>,
    buses: Vec<Id>,
    readers: Vec<Id>,
    key_switches: Vec<Id>,
    checkpoints: Vec<Id>,
    outputs: Vec<Id>,
    cameras: Vec<Id>,
}

/// The place of a thing that is not there any more: no list is so long.
pub(super) const NOWHERE: usize = usize::MAX;

impl SiteConfig {
    /// Which thing stands where.
    pub fn layout(&self) -> Layout {
        Layout {
            doors: self.doors.iter().map(|door| door.id.clone()).collect(),
            zones: self.zones.iter().map(|zone| zone.id.clone()).collect(),
            partitions: self.partitions.iter().map(|partition| partition.id.clone()).collect(),
            buses: self.buses.iter().map(|bus| bus.id.clone()).collect(),
            readers: self.readers.iter().map(|reader| reader.id.clone()).collect(),
            key_switches: self.key_switches.iter().map(|switch| switch.id.clone()).collect(),
            checkpoints: self.checkpoints.iter().map(|one| one.id.clone()).collect(),
            outputs: self.outputs.iter().map(|output| output.id.clone()).collect(),
            cameras: self.cameras.iter().map(|camera| camera.id.clone()).collect(),
        }
    }
}

/// The place in `to` of what stands at `place` in `from`.
pub(super) fn moved(place: usize, from: &[Id], to: &[Id]) -> usize {
    let id = from.get(place);
    id.and_then(|id| to.iter().position(|known| known == id)).unwrap_or(NOWHERE)
}

impl Input {
    /// The same input with the places of another configuration. What it concerns may be gone: then
    /// it concerns nothing, has no effect, and a command is refused as unknown.
    #[must_use]
    pub fn moved(self, from: &Layout, to: &Layout) -> Self {
        let door = |door| moved(door, &from.doors, &to.doors);
        let zone = |zone| moved(zone, &from.zones, &to.zones);
        let partition = |place| moved(place, &from.partitions, &to.partitions);
        let reader = |reader| moved(reader, &from.readers, &to.readers);
        match self {
            Self::Contact { door: place, contact, at, resynced } => {
                Self::Contact { door: door(place), contact, at, resynced }
            }
            Self::Zone { zone: place, condition, at, resynced } => {
                Self::Zone { zone: zone(place), condition, at, resynced }
            }
            Self::ZoneLine { zone: place, line, active, at, resynced } => {
                Self::ZoneLine { zone: zone(place), line, active, at, resynced }
            }
            Self::Checkpoint { checkpoint: place, pressed, at } => {
                let checkpoint = moved(place, &from.checkpoints, &to.checkpoints);
                Self::Checkpoint { checkpoint, pressed, at }
            }
            Self::Bus { bus, lost, at } => {
                Self::Bus { bus: moved(bus, &from.buses, &to.buses), lost, at }
            }
            Self::Rex { door: place, pressed, at } => Self::Rex { door: door(place), pressed, at },
            Self::KeySwitch { switch, turned, at, resynced } => {
                let switch = moved(switch, &from.key_switches, &to.key_switches);
                Self::KeySwitch { switch, turned, at, resynced }
            }
            Self::Output { output, does, fault, at } => {
                let output = moved(output, &from.outputs, &to.outputs);
                Self::Output { output, does, fault, at }
            }
            Self::Camera { camera, says, at } => {
                Self::Camera { camera: moved(camera, &from.cameras, &to.cameras), says, at }
            }
            Self::RexLost { door: place, at } => Self::RexLost { door: door(place), at },
            Self::Card(card) => Self::Card(Card { reader: reader(card.reader), ..card }),
            Self::ReaderStatus { reader: place, part, good, cause, at } => {
                Self::ReaderStatus { reader: reader(place), part, good, cause, at }
            }
            Self::Recall { door: place, state } => Self::Recall { door: door(place), state },
            Self::Command(command) => {
                let verb = match command.verb {
                    Verb::Arm { partition: place, mode, force, at_once } => {
                        Verb::Arm { partition: partition(place), mode, force, at_once }
                    }
                    Verb::Disarm { partition: place } => {
                        Verb::Disarm { partition: partition(place) }
                    }
                    Verb::Bypass { zone: place } => Verb::Bypass { zone: zone(place) },
                    Verb::Unbypass { zone: place } => Verb::Unbypass { zone: zone(place) },
                    Verb::WalkTest { partition: place, lasts } => {
                        Verb::WalkTest { partition: partition(place), lasts }
                    }
                    Verb::Postpone { partition: place, by } => {
                        Verb::Postpone { partition: partition(place), by }
                    }
                    Verb::Release { door: place } => Verb::Release { door: door(place) },
                    Verb::Reset { zone: place } => Verb::Reset { zone: zone(place) },
                    Verb::Silence { partition: place } => {
                        Verb::Silence { partition: place.map(partition) }
                    }
                    Verb::Enrol { reader: place, lasts } => {
                        Verb::Enrol { reader: reader(place), lasts }
                    }
                    // The places in it are those of another configuration: it is to be read anew.
                    Verb::Credentials { .. } => {
                        Verb::Enrol { reader: NOWHERE, lasts: std::time::Duration::ZERO }
                    }
                    verb @ (Verb::Incident { .. }
                    | Verb::IncidentOnce { .. }
                    | Verb::Challenge { .. }
                    // Things stand in it by their ids.
                    | Verb::District(_)
                    | Verb::DistrictOver { .. }
                    | Verb::Ask(_)) => verb,
                };
                Self::Command(Command { verb, ..command })
            }
            same @ (Self::LoopBack { .. } | Self::Report(_) | Self::Tick) => same,
        }
    }
}
