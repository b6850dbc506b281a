//! What a bus has to do, from the configuration: comparable, so that a bus whose plan has not
//! changed need not be started anew.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_config::{
    Bus, BusChip, CameraSource, ChipKind, Config, Contact, Device, Line, Loop, Measures, Sim,
};
use gatehouse_core::id::Id;
use gatehouse_drivers::eol::{Bands, LoopConfig, LoopState, Ohms, Preset};

use crate::io::sim::chips::{AtRest, SimBoard};
use crate::unit::gpio_lines::LineConfig;
use crate::unit::owner::{Owner, Thing, Wire, wired};

/// One bus, its chips, and what is wired to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChipBus {
    pub(super) bus: Bus,
    /// Each in the order of the file.
    pub(crate) chips: Vec<ChipPlan>,
    /// Who moves the chips of a simulated bus.
    pub(super) world: Option<Sim>,
}

/// One chip and what is wired to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChipPlan {
    pub(crate) chip: BusChip,
    pub(super) lines: Vec<LinePlan>,
    /// If it is a camera.
    pub(super) still: Option<StillPlan>,
}

/// A camera: where its sensor is, and how often a picture is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StillPlan {
    pub(super) sensor: Device,
    pub(super) every: Duration,
}

/// One line in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinePlan {
    pub(super) line: u8,
    /// As events name it, `exp1:3`.
    pub(super) name: String,
    pub(super) thing: Thing,
    pub(super) wiring: Wiring,
}

/// How a line is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wiring {
    /// A contact on a line of an expander.
    Contact(LineConfig),
    /// A supervised loop on an input of a converter.
    Loop(LoopPlan),
    /// The presence that a sensor tells.
    Presence,
}

/// A supervised loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoopPlan {
    pub(super) config: LoopConfig,
    pub(super) active: Active,
}

/// What of a loop is the activation of its contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Active {
    /// The band of that name.
    Band,
    /// The normal band: the contact closes on alarm.
    Rest,
    /// An open loop, of one resistor.
    Open,
    /// A shorted loop, of one resistor.
    Short,
}

impl ChipBus {
    /// The name of its unit and thread.
    pub(crate) fn name(&self) -> String {
        let kind = match self.bus.device {
            Device::Spi(_) => "spi_bus",
            Device::Sim if self.chips.iter().any(|chip| chip.chip.kind.is_spi()) => "spi_bus",
            Device::I2c(_) | Device::Sim => "i2c_bus",
        };
        format!("{kind}({})", self.bus.id)
    }

    /// How fast SPI may be clocked, in hertz.
    pub(super) fn speed_hz(&self) -> u32 {
        let camera = self.chips.iter().any(|chip| chip.still.is_some());
        // Half of what the ArduChip may have (its application note, 3), for wires that are not short:
        // a picture of 30 kB takes 60 ms. An MCP3208 may have 1 MHz with 3.3 V (Microchip DS21298E, 6.2).
        if camera { 4_000_000 } else { 1_000_000 }
    }

    /// The simulated bus, if it is one.
    pub(super) fn board(&self) -> Option<SimBoard> {
        if self.bus.device != Device::Sim {
            return None;
        }
        let chips = self.chips.iter().map(|plan| (&plan.chip, plan.at_rest()));
        Some(SimBoard::new(self.bus.id.as_str(), chips))
    }
}

/// Where the things of a plan are in one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The bus, among the rules' buses.
    pub(super) bus: usize,
    /// The chips there, in the order of the plan.
    pub(super) chips: Vec<usize>,
    /// Whose the lines are.
    pub(super) owners: BTreeMap<Thing, Owner>,
}

impl ChipBus {
    /// Where its things are in a configuration; `None`: it is not of this configuration.
    pub(crate) fn places(&self, config: &Config) -> Option<Places> {
        let bus = config.buses.iter().position(|bus| bus.id == self.bus.id)?;
        let chip = |plan: &ChipPlan| {
            let place = config.chips.iter().position(|chip| chip.id == plan.chip.id);
            place.map(|place| config.chip_place(place))
        };
        let chips = self.chips.iter().map(chip).collect::<Option<_>>()?;
        let lines = self.chips.iter().flat_map(|chip| &chip.lines);
        let owners = lines.filter_map(|line| Some((line.thing.clone(), line.thing.owner(config)?)));
        Some(Places { bus: config.bus_place(bus), chips, owners: owners.collect() })
    }

    /// The interrupt lines of its chips, where they are real: simulated chips ring by themselves.
    pub(crate) fn interrupts(&self) -> impl Iterator<Item = (&Id, &Line)> {
        let real = self.bus.device != Device::Sim;
        let lines = self.chips.iter().filter_map(|plan| plan.chip.interrupt.as_ref());
        lines.filter(move |_| real).map(|line| (&self.bus.id, line))
    }

    /// Its id.
    pub(crate) const fn id(&self) -> &Id {
        &self.bus.id
    }
}

impl ChipPlan {
    /// What a simulated converter is wired to: each loop at rest.
    fn at_rest(&self) -> AtRest {
        let mut rest = AtRest { ohms: [1_000.0; 8], pull_up: [1_000.0; 8] };
        for line in &self.lines {
            let Wiring::Loop(of_loop) = line.wiring else { continue };
            let input = usize::from(line.line) % 8;
            let nominal = f64::from(of_loop.config.bands.nominal().0);
            rest.pull_up[input] = f64::from(of_loop.config.pull_up.0);
            rest.ohms[input] = match of_loop.active {
                // The contact is open at rest: both resistors, or in the middle of the alarm band.
                Active::Rest => nominal * 2.0,
                Active::Band | Active::Open | Active::Short => nominal,
            };
        }
        rest
    }
}

/// A plan for each bus that has chips.
pub(crate) fn plans(config: &Config) -> Vec<ChipBus> {
    let mut lines: BTreeMap<usize, Vec<LinePlan>> = BTreeMap::new();
    for wire in wired(config) {
        let Some(chip) = config.chip(wire.line) else { continue };
        let plan = line(config, chip, &wire);
        lines.entry(chip).or_default().push(plan);
    }
    let mut chips = BTreeMap::<usize, Vec<ChipPlan>>::new();
    for (index, chip) in config.chips.iter().enumerate() {
        let lines = lines.remove(&index).unwrap_or_default();
        // Its place among the buses may move, and is nothing to it.
        let still = still(config, index);
        let mut plan = ChipPlan { chip: BusChip { bus: 0, ..chip.clone() }, lines, still };
        if let Measures::Pictures { sensor_bus } = &mut plan.chip.measures {
            *sensor_bus = 0;
        }
        chips.entry(chip.bus).or_default().push(plan);
    }
    let plan = |(index, bus): (usize, &Bus)| {
        let chips = chips.remove(&index)?;
        let world = config.sim.clone().filter(|_| bus.device == Device::Sim);
        Some(ChipBus { bus: bus.clone(), chips, world })
    };
    config.buses.iter().enumerate().filter_map(plan).collect()
}

/// What a chip that is a camera has to do.
fn still(config: &Config, chip: usize) -> Option<StillPlan> {
    let Measures::Pictures { sensor_bus } = config.chips.get(chip)?.measures else { return None };
    let sensor = config.buses.get(sensor_bus)?.device.clone();
    let every = config.cameras.iter().find_map(|camera| match camera.source {
        CameraSource::Chip { chip: of, every } if of == chip => Some(every),
        _ => None,
    });
    // One that no camera is: it is looked whether it is there.
    Some(StillPlan { sensor, every: every.unwrap_or(UNUSED) })
}

/// How often a picture is taken that nobody wants.
const UNUSED: Duration = Duration::from_secs(5);

fn line(config: &Config, chip: usize, wire: &Wire<'_>) -> LinePlan {
    let chip = &config.chips[chip];
    let wiring = match (chip.kind, wire.supervised) {
        (ChipKind::Amg8833, _) => Wiring::Presence,
        (kind, Some(supervised)) if kind.is_converter() => {
            let pull_up = match chip.measures {
                Measures::Loops { pull_up, .. } => pull_up,
                _ => None,
            };
            Wiring::Loop(of_loop(supervised, pull_up, wire.contact))
        }
        _ => Wiring::Contact(wire.config),
    };
    LinePlan {
        // The configuration holds it within the chip's lines.
        line: u8::try_from(wire.line.offset).unwrap_or(u8::MAX),
        name: wire.line.to_string(),
        thing: wire.thing.clone(),
        wiring,
    }
}

fn of_loop(supervised: Loop, pull_up: Option<u32>, contact: Contact) -> LoopPlan {
    let bands = match supervised {
        Loop::Preset(name) => {
            let preset = Preset::from_name(name);
            preset.expect("the configuration has the names of the presets").bands()
        }
        Loop::Custom { end, contact } => custom(end, contact),
    };
    let pull_up = pull_up.map_or(bands.nominal(), Ohms);
    let tells_alarm = bands.iter().any(|(state, _)| state == LoopState::Alarm);
    let active = match (tells_alarm, contact) {
        (true, Contact::NormallyClosed) => Active::Band,
        (true, Contact::NormallyOpen) => Active::Rest,
        (false, Contact::NormallyClosed) => Active::Open,
        (false, Contact::NormallyOpen) => Active::Short,
    };
    LoopPlan { config: LoopConfig::custom(bands, pull_up), active }
}

/// The table of one's own resistors: the edges of Bosch's AMAX in parts of them, 65, 75, 125 and 135 %
/// of the one at the end, and 115.5 % of both together.
fn custom(end: u32, contact: Option<u32>) -> Bands {
    let of_end = |percent: u32| Ohms(end * percent / 100);
    let rest = [
        (of_end(65), LoopState::LowR),
        (of_end(75), LoopState::Normal),
        (of_end(125), LoopState::HighR),
    ];
    let above = match contact {
        None => vec![(of_end(135), LoopState::Open)],
        Some(contact) => {
            let both = u64::from(end) + u64::from(contact);
            let open = u32::try_from(both * 231 / 200).unwrap_or(u32::MAX);
            vec![(of_end(135), LoopState::Alarm), (Ohms(open), LoopState::Open)]
        }
    };
    let table: Vec<_> = rest.into_iter().chain(above).collect();
    Bands::new(Ohms(end), LoopState::Short, &table)
        .expect("the configuration holds the resistors apart")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_configuration_knows_the_presets_of_the_drivers_and_no_others() {
        let ours: Vec<_> = Loop::presets().collect();
        let theirs: Vec<_> = Preset::ALL.into_iter().map(Preset::name).collect();
        assert_eq!(ours, theirs);
    }

    proptest! {
        /// Every pair of resistors that the configuration lets through has a table, in which each
        /// state is what its resistance says.
        #[test]
        fn own_resistors_have_a_table(end in 500_u32..=20_000, tenths in 5_u32..=50) {
            let contact = end * tenths / 10;
            prop_assume!(contact * 2 >= end);
            let bands = custom(end, Some(contact));
            prop_assert_eq!(bands.state(Ohms(0)), LoopState::Short);
            prop_assert_eq!(bands.state(Ohms(end)), LoopState::Normal);
            prop_assert_eq!(bands.state(Ohms(end + contact)), LoopState::Alarm);
            prop_assert_eq!(bands.state(Ohms::OPEN), LoopState::Open);
            let single = custom(end, None);
            prop_assert_eq!(single.state(Ohms(end)), LoopState::Normal);
            prop_assert_eq!(single.state(Ohms::OPEN), LoopState::Open);
        }
    }
}
