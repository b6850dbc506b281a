//! Buses and the chips on them, and what must fit together among them.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use gatehouse_core::id::Id;

use super::Seen;
use super::named::Named;
use super::wires::{Known, Wires};
use crate::devices::{Bus, BusChip, ChipKind, Device, LoopSupply, Measures, Power, PowerWord};
use crate::finding::Finding;
use crate::keys::{bus, chip as keys};
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;
use crate::wiring::Line;

/// Any change of a contact must be seen within so long, for the rule of 300 and 400 ms to hold.
const SLOWEST_POLL: Duration = Duration::from_millis(50);
/// Twice as often, so that a reading that is late now and then does no harm.
const EXPANDER_POLL: Duration = Duration::from_millis(25);
/// Sensors, and what an interrupt announces anyway.
const SLOW_POLL: Duration = Duration::from_secs(1);
/// Longer than a motor starts or a door stands open in winter.
const HOLD: Duration = Duration::from_secs(30);

/// All buses and chips. `None`: one of them is wrong, and was reported.
pub(super) fn devices(
    file: &Reader<'_, '_>,
    wires: &mut Wires,
    ids: &mut Seen<Id>,
    notes: &mut Notes<'_>,
) -> Option<(Vec<Bus>, Vec<BusChip>)> {
    let mut named = Named::new(&bus::TABLE);
    let mut devices = Seen::default();
    let buses: Vec<_> = { file.tables(&bus::TABLE, notes) }
        .iter()
        .map(|table| {
            let id = table.get(&bus::ID, notes);
            named.declare(id.as_ref(), notes);
            if let Some(id) = &id {
                ids.before(id.value.clone(), &id.span);
            }
            one_bus(table, id, wires, &mut devices, notes)
        })
        .collect();
    let mut board = Board { buses: &buses, addresses: HashSet::new(), interrupts: HashSet::new() };
    let chips: Vec<_> = { file.tables(&keys::TABLE, notes) }
        .iter()
        .map(|table| {
            let id = table.get(&keys::ID, notes);
            ids.once(id.as_ref(), notes, |id| {
                format!("the id \"{id}\" is used twice among buses and chips")
            });
            board.chip(table, id, &named, wires, notes)
        })
        .collect();
    board.spi(&chips, notes);
    let chips: Option<Vec<_>> = chips.into_iter().map(|chip| chip.map(|chip| chip.0)).collect();
    let buses: Option<Vec<_>> = buses.into_iter().map(|bus| bus.map(|bus| bus.0)).collect();
    Some((buses?, chips?))
}

/// A bus and where its device stands.
fn one_bus(
    table: &Reader<'_, '_>,
    id: Option<At<Id>>,
    wires: &mut Wires,
    devices: &mut Seen<Device>,
    notes: &mut Notes<'_>,
) -> Option<(Bus, Range<usize>)> {
    let device = table.get(&bus::DEVICE, notes);
    let scl = table.get(&bus::SCL, notes);
    let sda = table.get(&bus::SDA, notes);
    let hold_off = table.get(&bus::HOLD_OFF, notes);
    wires.connect(scl.as_ref(), notes);
    wires.connect(sda.as_ref(), notes);
    if let Some(device) = &device {
        match device.value {
            Device::Sim if !wires.has_sim() => notes.error(
                Finding::new(
                    "`device` is \"sim\", but there is no table [sim]",
                    device.span.clone(),
                )
                .label("simulated")
                .hint("add [sim] with socket, or name the device as \"/dev/i2c-1\"")
                .absent(),
            ),
            // Each simulated bus is one of its own.
            Device::Sim => {}
            _ => devices.once(Some(device), notes, |_| "two buses have one `device`".to_owned()),
        }
        let pins = [(&scl, &bus::SCL), (&sda, &bus::SDA)];
        for (_, key) in pins.into_iter().filter(|(line, _)| line.is_some()) {
            if !matches!(device.value, Device::I2c(_)) {
                let title = format!("`{}` is only for a bus on /dev/i2c-…", key.name);
                notes.error(Finding::new(title, table.span_of(key)).label("not for this bus"));
            }
        }
    }
    if table.has(&bus::SCL) != table.has(&bus::SDA) {
        let (there, missing) =
            if table.has(&bus::SCL) { (&bus::SCL, &bus::SDA) } else { (&bus::SDA, &bus::SCL) };
        let title = format!("`{}` stands without `{}`", there.name, missing.name);
        notes.error(
            Finding::new(title, table.span_of(there))
                .label("alone")
                .hint("freeing a bus takes both of its lines")
                .absent(),
        );
    }
    let recovery = scl.zip(sda).map(|(scl, sda)| (scl.value, sda.value));
    let device = device?;
    let bus = Bus { id: id?.value, device: device.value, recovery, hold_off: hold_off?.value };
    Some((bus, device.span))
}

/// What the chips are checked against.
struct Board<'a> {
    buses: &'a [Option<(Bus, Range<usize>)>],
    /// Which addresses are taken on which bus.
    addresses: HashSet<(usize, u8)>,
    /// Which interrupt lines there are.
    interrupts: HashSet<(usize, Line)>,
}

impl Board<'_> {
    fn chip(
        &mut self,
        table: &Reader<'_, '_>,
        id: Option<At<Id>>,
        named: &Named,
        wires: &mut Wires,
        notes: &mut Notes<'_>,
    ) -> Option<(BusChip, Range<usize>)> {
        let before = notes.errors.len();
        let at = table.get(&keys::BUS, notes);
        let place = at.and_then(|at| named.find(&keys::BUS, table, &at, notes));
        let kind = table.get(&keys::KIND, notes);
        let address = table.get(&keys::ADDRESS, notes);
        let interrupt = table.get(&keys::INTERRUPT, notes);
        let poll = table.get(&keys::POLL, notes);
        let settings = Settings::read(table, notes);
        if let Some(id) = &id {
            reserved(id, notes);
        }
        let kind = kind?;
        Fits { table, kind: &kind }.all(notes);
        let address = self.address(table, &kind, address.as_ref(), place, notes);
        if let (Some(place), Some(line)) = (place, &interrupt) {
            // Several chips of one bus pull one line.
            if self.interrupts.insert((place, line.value.clone())) {
                wires.connect(Some(line), notes);
            }
        }
        let watched = interrupt.is_some();
        let poll = self::poll(&kind, poll.as_ref(), watched, notes);
        let supply_input = settings.supply_input.as_ref().map_or(3, |at| at.value);
        let measures = if kind.value == ChipKind::Ov2640 {
            self.pictures(table, &kind, named, notes)
        } else {
            settings.measures(&kind, table, notes)
        };
        if let (Some(id), Some(place)) = (&id, place) {
            let two = matches!(kind.value, ChipKind::Ads1115 | ChipKind::Ads1015);
            wires.declare(Known {
                id: id.value.to_string(),
                kind: kind.value,
                bus: place,
                supply_input: two.then_some(u32::from(supply_input)),
                span: kind.span.clone(),
                loops: 0,
            });
        }
        if notes.errors.len() > before {
            return None;
        }
        let chip = BusChip {
            id: id?.value,
            bus: place?,
            kind: kind.value,
            address,
            interrupt: interrupt.map(|at| at.value),
            poll,
            measures: measures?,
        };
        Some((chip, kind.span))
    }

    /// Where the sensor of a camera is, which is on I2C while the chip is on SPI.
    fn pictures(
        &mut self,
        table: &Reader<'_, '_>,
        kind: &At<ChipKind>,
        named: &Named,
        notes: &mut Notes<'_>,
    ) -> Option<Measures> {
        let at = table.get(&keys::SENSOR_BUS, notes);
        let Some(at) = at else {
            if !table.has(&keys::SENSOR_BUS) {
                notes.error(
                    Finding::new(
                        "`sensor-bus` is missing from a [[chip]] that is a camera",
                        kind.span.clone(),
                    )
                    .label("has two buses")
                    .hint("add sensor-bus = \"…\", the id of the [[bus]] on I2C of its sensor")
                    .absent(),
                );
            }
            return None;
        };
        let sensor_bus = named.find(&keys::SENSOR_BUS, table, &at, notes)?;
        if let Some((bus, span)) = self.buses.get(sensor_bus).and_then(Option::as_ref)
            && matches!(bus.device, Device::Spi(_))
        {
            notes.error(
                Finding::new("`sensor-bus` is on SPI; the camera's sensor is on I2C", at.span)
                    .label("not I2C")
                    .also(span.clone(), "its device"),
            );
        } else if !self.addresses.insert((sensor_bus, ChipKind::OV2640_SENSOR)) {
            notes.error(
                Finding::new("two cameras have their sensors on one I2C bus", at.span)
                    .label("again here")
                    .hint("the sensor's address cannot be changed: wire it to another bus"),
            );
        }
        Some(Measures::Pictures { sensor_bus })
    }

    fn address(
        &mut self,
        table: &Reader<'_, '_>,
        kind: &At<ChipKind>,
        at: Option<&At<u8>>,
        bus: Option<usize>,
        notes: &mut Notes<'_>,
    ) -> u8 {
        let name = kind.value.name();
        if kind.value.is_spi() {
            return 0;
        }
        let address = at.map_or(*kind.value.addresses().start(), |at| at.value);
        let span = at.map_or_else(|| table.span.clone(), |at| at.span.clone());
        if !kind.value.has_address(address) {
            let (first, last) = (kind.value.addresses(), kind.value.addresses());
            let title = format!(
                "`address` is {address:#04x}, which the {name} cannot have; allowed: {:#04x} to \
                 {:#04x}",
                first.start(),
                last.end()
            );
            notes.error(
                Finding::new(title, span)
                    .label("not allowed")
                    .also(kind.span.clone(), "the chip")
                    .hint("`i2cdetect -y 1` shows which addresses answer on bus 1"),
            );
        } else if let Some(bus) = bus
            && !self.addresses.insert((bus, address))
        {
            let title = format!("two chips of one bus have the address {address:#04x}");
            notes.error(
                Finding::new(title, span)
                    .label("again here")
                    .hint("set the address pins of one of them, or wire it to another bus"),
            );
        }
        address
    }

    /// A chip select has one chip; a bus is I2C or SPI.
    fn spi(&self, chips: &[Option<(BusChip, Range<usize>)>], notes: &mut Notes<'_>) {
        for (place, bus) in self.buses.iter().enumerate() {
            let Some((bus, span)) = bus else { continue };
            let on: Vec<_> = chips.iter().flatten().filter(|(chip, _)| chip.bus == place).collect();
            let spi = on.iter().filter(|(chip, _)| chip.kind.is_spi()).count();
            let select = matches!(bus.device, Device::Spi(_));
            for (chip, at) in &on {
                let wrong = match bus.device {
                    Device::I2c(_) => chip.kind.is_spi(),
                    Device::Spi(_) => !chip.kind.is_spi(),
                    Device::Sim => false,
                };
                if wrong {
                    let is = if chip.kind.is_spi() { "SPI" } else { "I2C" };
                    let title = format!("the {} is on {is}, but its bus is not", chip.kind.name());
                    notes.error(
                        Finding::new(title, at.clone())
                            .label(format!("on {is}"))
                            .also(span.clone(), "its bus"),
                    );
                }
            }
            if (spi > 0 || select) && on.len() > 1 {
                let title =
                    format!("{} chips are on one chip select of SPI, which has one", on.len());
                notes.error(
                    Finding::new(title, span.clone())
                        .label("one chip")
                        .hint("give each chip a [[bus]] of its own, as \"/dev/spidev0.1\""),
                );
            }
        }
    }
}

/// An id that other chips have.
fn reserved(id: &At<Id>, notes: &mut Notes<'_>) {
    let name = id.value.as_str();
    if name == "sim" || name.starts_with("gpiochip") {
        let title = format!("the chip id \"{name}\" means another chip in `input`");
        notes
            .error(Finding::new(title, id.span.clone()).label("taken").hint("name it as \"exp1\""));
    }
}

/// How often it is read.
fn poll(
    kind: &At<ChipKind>,
    at: Option<&At<Duration>>,
    watched: bool,
    notes: &mut Notes<'_>,
) -> Duration {
    let expander = kind.value.is_expander();
    let usual = if expander && !watched { EXPANDER_POLL } else { SLOW_POLL };
    if let Some(at) = at.filter(|at| expander && !watched && at.value > SLOWEST_POLL) {
        let title = format!(
            "`poll-ms` is {}, but an expander without `interrupt` is read at least every {}",
            at.value.as_millis(),
            SLOWEST_POLL.as_millis()
        );
        notes.error(
            Finding::new(title, at.span.clone())
                .label("too seldom")
                .hint("a signal of 400 ms must always be reported; or wire its interrupt pin"),
        );
    }
    at.map_or(usual, |at| at.value)
}

/// The keys of all that measures.
struct Settings {
    pull_up: Option<At<u32>>,
    supply_input: Option<At<u8>>,
    supply: Option<At<LoopSupply>>,
    shunt: Option<At<u32>>,
    measures: Option<At<PowerWord>>,
    lost_below: Option<At<u32>>,
    high: Option<At<i32>>,
    low: Option<At<i32>>,
    hold: Option<At<Duration>>,
}

impl Settings {
    fn read(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Self {
        Self {
            pull_up: table.get(&keys::PULL_UP, notes),
            supply_input: table.get(&keys::SUPPLY_INPUT, notes),
            supply: table.get(&keys::LOOP_SUPPLY, notes),
            shunt: table.get(&keys::SHUNT, notes),
            measures: table.get(&keys::MEASURES, notes),
            lost_below: table.get(&keys::LOST_BELOW, notes),
            high: table.get(&keys::TOO_HOT, notes),
            low: table.get(&keys::TOO_COLD, notes),
            hold: table.get(&keys::HOLD_OFF, notes),
        }
    }

    fn measures(
        self,
        kind: &At<ChipKind>,
        table: &Reader<'_, '_>,
        notes: &mut Notes<'_>,
    ) -> Option<Measures> {
        let hold = self.hold.map_or(HOLD, |at| at.value);
        Some(match kind.value {
            ChipKind::Ads1115 | ChipKind::Ads1015 | ChipKind::Mcp3208 | ChipKind::Mcp3008 => {
                Measures::Loops {
                    pull_up: self.pull_up.map(|at| at.value),
                    supply_input: self.supply_input.map_or(3, |at| at.value),
                    supply: self.supply.map_or(LoopSupply::V3_3, |at| at.value),
                }
            }
            ChipKind::Ina219 | ChipKind::Ina226 => {
                let word = self.measures.as_ref().map_or(PowerWord::Supply, |at| at.value);
                let of = match (word, &self.lost_below) {
                    (PowerWord::Supply, Some(below)) => {
                        Power::Supply(i32::try_from(below.value).unwrap_or(i32::MAX))
                    }
                    (PowerWord::Supply, None) => {
                        if !table.has(&keys::LOST_BELOW) {
                            notes.error(
                                Finding::new(
                                    "`lost-below-mv` is missing from a [[chip]] that measures the \
                                     supply",
                                    kind.span.clone(),
                                )
                                .label("of the supply")
                                .hint(
                                    "add lost-below-mv = …: the voltage below which the mains are \
                                     lost; or measures = \"lead-acid-12v\" for a battery",
                                )
                                .absent(),
                            );
                        }
                        return None;
                    }
                    (_, Some(below)) => {
                        notes.error(
                            Finding::new(
                                "`lost-below-mv` is for the supply, not for a battery, whose \
                                 limits are known",
                                below.span.clone(),
                            )
                            .label("not for a battery"),
                        );
                        return None;
                    }
                    (PowerWord::LeadAcid12V, None) => Power::LeadAcid12V,
                    (PowerWord::LithiumCell, None) => Power::LithiumCell,
                };
                let shunt_milliohms = self.shunt.map_or(100, |at| at.value);
                Measures::Power { shunt_milliohms, of, hold }
            }
            ChipKind::Tmp102 | ChipKind::Sht3x => {
                if let (Some(high), Some(low)) = (&self.high, &self.low)
                    && high.value <= low.value + 4
                {
                    notes.error(
                        Finding::new(
                            "`too-hot-c` is not more than 4 degrees above `too-cold-c`",
                            high.span.clone(),
                        )
                        .label("too low")
                        .also(low.span.clone(), "too cold"),
                    );
                }
                let (high, low) = (self.high.map(|at| at.value), self.low.map(|at| at.value));
                Measures::Temperature { high, low, hold }
            }
            ChipKind::Ds3231 => Measures::Clock,
            ChipKind::Mcp23017
            | ChipKind::Pca9555
            | ChipKind::Pcf8574
            | ChipKind::Amg8833
            // Its other bus is no setting, and read apart.
            | ChipKind::Ov2640 => Measures::Lines,
        })
    }
}

/// Which keys fit the kind of a chip.
struct Fits<'a, 'd, 'i> {
    table: &'a Reader<'d, 'i>,
    kind: &'a At<ChipKind>,
}

impl Fits<'_, '_, '_> {
    fn all(&self, notes: &mut Notes<'_>) {
        let kind = self.kind.value;
        let ads = matches!(kind, ChipKind::Ads1115 | ChipKind::Ads1015);
        let ina = matches!(kind, ChipKind::Ina219 | ChipKind::Ina226);
        let climate = matches!(kind, ChipKind::Tmp102 | ChipKind::Sht3x);
        self.only(&keys::ADDRESS, !kind.is_spi(), notes);
        self.only(&keys::INTERRUPT, kind.is_expander(), notes);
        self.only(&keys::POLL, !kind.is_converter() && kind != ChipKind::Ov2640, notes);
        self.only(&keys::SENSOR_BUS, kind == ChipKind::Ov2640, notes);
        self.only(&keys::PULL_UP, kind.is_converter(), notes);
        self.only(&keys::SUPPLY_INPUT, ads, notes);
        self.only(&keys::LOOP_SUPPLY, ads, notes);
        self.only(&keys::SHUNT, ina, notes);
        self.only(&keys::MEASURES, ina, notes);
        self.only(&keys::LOST_BELOW, ina, notes);
        self.only(&keys::TOO_HOT, climate, notes);
        self.only(&keys::TOO_COLD, climate, notes);
        self.only(&keys::HOLD_OFF, ina || climate, notes);
    }

    /// Reports a key that this kind cannot have.
    fn only<K>(&self, key: &Key<K>, fits: bool, notes: &mut Notes<'_>) {
        if fits || !self.table.has(key) {
            return;
        }
        let title = format!("`{}` is not for the {}", key.name, self.kind.value.name());
        notes.error(
            Finding::new(title, self.table.span_of(key))
                .label("not for this chip")
                .also(self.kind.span.clone(), "the chip")
                .hint(format!("leave `{}` out", key.name)),
        );
    }
}
