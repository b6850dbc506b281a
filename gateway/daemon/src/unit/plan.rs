//! What is to run for a configuration, and what of that a new configuration changes: pure.
//!
//! A unit is planned as a value that can be compared ([`Spec`]): what is equal runs on and notices
//! nothing. Places of the rules are not in it, ids are; see [`crate::rules::Inputs`]. A unit of any
//! kind is stopped, started or kept as a whole, but for the lines of a GPIO chip: these are watched
//! in *parts*, so that a line that is added disturbs none that is watched already. At the start there
//! is one part for each chip; a line that is gone is watched on and ignored; only a line that is
//! wired otherwise makes its part be started anew.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_config::{Chip, Config, Sim};

use super::camera;
use super::chip_bus::{self, ChipBus};
use super::gpio_lines::{LineConfig, LineSource};
use super::owner::{Thing, Wire, wired};
use super::readers;
use crate::io::gpiochip::MAX_LINES;
use crate::io::sim::Origin;

/// What a unit is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spec {
    /// Lines of one chip.
    Lines(Part),
    /// A bus with its chips.
    Chips(Box<ChipBus>),
    /// The readers of one bus, or one on two lines.
    Readers(readers::Plan),
    /// A camera.
    Camera(Box<camera::Plan>),
}

/// Lines of one chip that are watched together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) chip: LineSource,
    /// By the name of the line: how it is wired, and whose it is.
    pub(super) lines: BTreeMap<String, (LineConfig, Thing)>,
    /// Lines that the unit watches and that are nobody's any more.
    pub(super) ignored: BTreeSet<String>,
}

/// What a new configuration changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Ended, all of them before anything is started.
    pub(super) stop: BTreeSet<String>,
    /// Started: what is in `stop` too is started anew.
    pub(super) start: BTreeMap<String, Spec>,
    /// Runs on, as this.
    pub(super) keep: BTreeMap<String, Spec>,
}

/// What is to run for a configuration, by the names of the units.
pub(super) fn plan(config: &Config) -> BTreeMap<String, Spec> {
    let mut units: BTreeMap<String, Spec> = BTreeMap::new();
    let buses = chip_bus::plans(config);
    let of_chips = |wire: &Wire<'_>| config.chip(wire.line).is_some();
    let lines = wired(config).filter(|wire| !of_chips(wire));
    let lines = lines.map(|wire| (wire.line, wire.config, wire.thing));
    let interrupts = buses.iter().flat_map(ChipBus::interrupts);
    let interrupts = interrupts
        .map(|(bus, line)| (line, LineConfig::interrupt(line), Thing::Interrupt(bus.clone())));
    for (input, line, owner) in lines.chain(interrupts) {
        let Some(source) = source(&input.chip, config.sim.as_ref()) else { continue };
        let name = match &input.chip {
            Chip::Gpio(name) => format!("gpio_lines({name})"),
            Chip::Sim => "gpio_lines(sim)".to_owned(),
        };
        let unit = units.entry(name).or_insert_with(|| {
            Spec::Lines(Part { chip: source, lines: BTreeMap::new(), ignored: BTreeSet::new() })
        });
        // The name is that of a chip.
        if let Spec::Lines(lines) = unit {
            lines.lines.insert(input.to_string(), (line, owner));
        }
    }
    units.extend(buses.into_iter().map(|bus| (bus.name(), Spec::Chips(Box::new(bus)))));
    units.extend(camera::plan(config).map(|(name, plan)| (name, Spec::Camera(Box::new(plan)))));
    units.extend(readers::plan(config).map(|(name, plan)| (name, Spec::Readers(plan))));
    units
}

/// Where the lines of a chip are. `None`: a line of the simulated wiring where there is none, which
/// the configuration refuses.
pub(super) fn source(chip: &Chip, sim: Option<&Sim>) -> Option<LineSource> {
    Some(match (chip, sim) {
        (Chip::Gpio(name), _) => LineSource::Gpio { chip: name.clone(), kernel_debounce: None },
        (Chip::Sim, Some(Sim::Socket(path))) => LineSource::Sim(Origin::Socket(path.clone())),
        (Chip::Sim, Some(Sim::Script(path))) => LineSource::Sim(Origin::Script(path.clone())),
        (Chip::Sim, None) => return None,
    })
}

/// What has to change so that what runs becomes what is wanted.
pub(super) fn change(running: &BTreeMap<String, Spec>, wanted: BTreeMap<String, Spec>) -> Change {
    let mut change = Change { stop: running.keys().cloned().collect(), ..Change::default() };
    for (name, spec) in wanted {
        match spec {
            Spec::Lines(lines) => change_lines(running, &name, lines, &mut change),
            // Kept or started as a whole.
            spec @ (Spec::Chips(_) | Spec::Readers(_) | Spec::Camera(_)) => {
                if running.get(&name) == Some(&spec) {
                    change.stop.remove(&name);
                    change.keep.insert(name, spec);
                } else {
                    change.start.insert(name, spec);
                }
            }
        }
    }
    change
}

/// The parts of one chip.
fn change_lines(
    running: &BTreeMap<String, Spec>,
    name: &str,
    mut wanted: Part,
    change: &mut Change,
) {
    let mut anew: BTreeMap<String, Part> = BTreeMap::new();
    for (part, spec) in running.iter().filter(|(part, _)| is_part(part, name)) {
        let Spec::Lines(runs) = spec else { continue };
        let here: BTreeMap<_, _> =
            runs.lines.keys().filter_map(|line| wanted.lines.remove_entry(line)).collect();
        let again = runs.ignored.iter().any(|line| wanted.lines.contains_key(line));
        let same = here.iter().all(|(line, wired)| runs.lines.get(line) == Some(wired));
        if here.is_empty() && !again {
            continue;
        }
        if same && !again && runs.chip == wanted.chip {
            change.stop.remove(part);
            let gone = runs.lines.keys().filter(|line| !here.contains_key(*line)).cloned();
            let ignored = runs.ignored.iter().cloned().chain(gone).collect();
            let kept = Part { chip: runs.chip.clone(), lines: here, ignored };
            change.keep.insert(part.clone(), Spec::Lines(kept));
        } else {
            let lines = Part { lines: here, ignored: BTreeSet::new(), ..wanted.clone() };
            anew.insert(part.clone(), lines);
        }
    }
    // What is new joins a part that is started anyway, or is a part of its own.
    while !wanted.lines.is_empty() {
        let room = anew.iter().find(|(_, part)| part.lines.len() < MAX_LINES);
        let part = room.map_or_else(|| free_name(change, &anew, name), |(part, _)| part.clone());
        let empty = Part { lines: BTreeMap::new(), ..wanted.clone() };
        let part = anew.entry(part).or_insert(empty);
        while part.lines.len() < MAX_LINES
            && let Some((line, wired)) = wanted.lines.pop_first()
        {
            part.lines.insert(line, wired);
        }
    }
    change.start.extend(anew.into_iter().map(|(part, lines)| (part, Spec::Lines(lines))));
}

/// The first name for a part of a chip that none has.
fn free_name(change: &Change, anew: &BTreeMap<String, Part>, name: &str) -> String {
    let names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}+{n}")));
    let taken = |name: &String| change.keep.contains_key(name) || anew.contains_key(name);
    { names }.find(|name| !taken(name)).expect("numbers do not end")
}

fn is_part(part: &str, name: &str) -> bool {
    part.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

#[cfg(test)]
mod tests;
