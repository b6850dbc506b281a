//! What each wired line belongs to, and what its readings are to the rules.

use gatehouse_config::{Config, Line, Loop, WiredInput};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Contact, Input, ReaderPart, ZoneLine};
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
    /// The request-to-exit input of a door.
    Rex(Id),
    /// The tamper contact of a reader.
    Case(Id),
    /// A further line of a zone's detector.
    ZoneLine(Id, ZoneLine),
    /// The button of a checkpoint.
    Checkpoint(Id),
    /// The input that the challenge test's output is wired to.
    LoopBack,
}

impl Thing {
    /// As source of events: a kind of thing and its id.
    pub(super) fn source(&self) -> (&'static str, Id) {
        match self {
            Self::Door(id) | Self::Rex(id) => ("door", id.clone()),
            Self::Zone(id) | Self::ZoneLine(id, _) => ("zone", id.clone()),
            Self::Checkpoint(id) => ("checkpoint", id.clone()),
            Self::Interrupt(id) => ("bus", id.clone()),
            Self::KeySwitch(id) => ("key-switch", id.clone()),
            Self::Case(id) => ("reader", id.clone()),
            Self::LoopBack => ("input", "loop-back".parse().expect("letters and a dash are an id")),
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
            Self::Rex(id) => config.doors.iter().position(|door| door.id == *id).map(Owner::Rex),
            Self::Case(id) => {
                config.readers.iter().position(|one| one.rules.id == *id).map(Owner::Case)
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
    KeySwitch(usize),
    /// The request-to-exit input of a door.
    Rex(usize),
    /// The tamper contact of a reader.
    Case(usize),
    /// A further line of a zone's detector.
    ZoneLine(usize, ZoneLine),
    /// The button of a checkpoint.
    Checkpoint(usize),
    /// The input that the challenge test's output is wired to.
    LoopBack,
}

impl Owner {
    /// What a reading of its line is to the rules; `None`: nothing that they need to know.
    pub(super) fn input(self, reading: &Reading) -> Option<Input> {
        let condition = match reading.state {
            ContactState::Unknown => Condition::Unknown,
            ContactState::Closed => Condition::Normal,
            ContactState::Open => Condition::Active,
        };
        self.condition(condition, reading.at, reading.resynced)
    }

    /// What a condition of its line is to the rules. A supervised loop or a sensor tells more than a
    /// contact.
    pub(super) fn condition(self, condition: Condition, at: Mono, resynced: bool) -> Option<Input> {
        // What a contact says, quiet or not: closed is quiet, whatever way it is wired.
        let active = match condition {
            Condition::Normal => Some(false),
            Condition::Active => Some(true),
            // What a detector says of itself is nothing that a plain contact has.
            _ => None,
        };
        Some(match self {
            Self::Zone(zone) => Input::Zone { zone, condition, at, resynced },
            Self::Door(door) => {
                let contact = match active {
                    _ if condition == Condition::Tamper => Contact::Tamper,
                    None => Contact::Unknown,
                    Some(false) => Contact::Closed,
                    Some(true) => Contact::Open,
                };
                Input::Contact { door, contact, at, resynced }
            }
            Self::KeySwitch(switch) => Input::KeySwitch { switch, turned: active, at, resynced },
            Self::LoopBack => Input::LoopBack { condition, at },
            Self::Rex(door) => match active {
                None => Input::RexLost { door, at },
                Some(pressed) => Input::Rex { door, pressed, at },
            },
            Self::Case(reader) => {
                // That its chip is gone is told by the chip.
                let good = !active?;
                let cause = (!good).then(|| "its tamper contact is open".to_owned());
                Input::ReaderStatus { reader, part: ReaderPart::Case, good, cause, at }
            }
            Self::ZoneLine(zone, line) => Input::ZoneLine { zone, line, active, at, resynced },
            Self::Checkpoint(checkpoint) => Input::Checkpoint { checkpoint, pressed: active, at },
        })
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

impl<'c> Wire<'c> {
    /// An input beside a door or a reader.
    fn plain(input: &'c WiredInput, thing: Thing) -> Self {
        let config = LineConfig::input(input);
        Self { line: &input.line, config, contact: input.contact, supervised: None, thing }
    }
}

/// Every wired line of the configuration, how it is wired, and whose it is.
pub(super) fn wired(config: &Config) -> impl Iterator<Item = Wire<'_>> {
    let doors = config.doors.iter().filter_map(|door| {
        let line = door.input.line()?;
        Some(Wire {
            line,
            config: LineConfig::door(line, door),
            contact: door.contact,
            supervised: door.supervised,
            thing: Thing::Door(door.id.clone()),
        })
    });
    let zones = config.zones.iter().filter_map(|zone| {
        let line = zone.input.line()?;
        Some(Wire {
            line,
            config: LineConfig::zone(line, zone),
            contact: zone.contact,
            supervised: zone.supervised,
            thing: Thing::Zone(zone.rules.id.clone()),
        })
    });
    let switches = config.key_switches.iter().map(|switch| Wire {
        line: &switch.input,
        config: LineConfig::key_switch(switch),
        contact: switch.contact,
        supervised: None,
        thing: Thing::KeySwitch(switch.rules.id.clone()),
    });
    let rex = config.doors.iter().filter_map(|door| {
        let input = &door.rex.as_ref()?.input;
        Some(Wire::plain(input, Thing::Rex(door.id.clone())))
    });
    let cases = config.readers.iter().filter_map(|reader| {
        let input = reader.tamper.as_ref()?;
        Some(Wire::plain(input, Thing::Case(reader.rules.id.clone())))
    });
    let further = config.zones.iter().flat_map(|zone| {
        zone.further
            .iter()
            .map(|(line, input)| Wire::plain(input, Thing::ZoneLine(zone.rules.id.clone(), *line)))
    });
    // To the rules a help point is a zone.
    let points = config.help_points.iter().flat_map(|point| {
        let id = &point.rules.id;
        let one = point.input.iter().map(|input| Wire::plain(input, Thing::Zone(id.clone())));
        let second = |input| Wire::plain(input, Thing::ZoneLine(id.clone(), ZoneLine::Second));
        one.chain(point.second.iter().map(second))
    });
    let checkpoints = config.checkpoints.iter().filter_map(|one| {
        Some(Wire::plain(one.input.as_ref()?, Thing::Checkpoint(one.rules.id.clone())))
    });
    let challenge = config.challenge.iter().map(|test| Wire {
        line: &test.input,
        config: LineConfig::challenge(test),
        contact: test.contact,
        supervised: None,
        thing: Thing::LoopBack,
    });
    let inputs = rex.chain(cases).chain(further).chain(points).chain(checkpoints).chain(challenge);
    doors.chain(zones).chain(switches).chain(inputs)
}
