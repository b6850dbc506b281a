//! Buses of the box, and the chips on them.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::id::Id;

use crate::kind::Word;
use crate::wiring::Line;

/// One bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    /// Its id in events.
    pub id: Id,
    /// Where it is.
    pub device: Device,
    /// Clock and data as GPIO lines, to free a bus that a chip holds.
    pub recovery: Option<(Line, Line)>,
    /// Its loss, and that of a chip on it, must last so long to be told.
    pub hold_off: Duration,
}

/// Where a bus is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// An I2C adapter of the kernel, as `/dev/i2c-1`.
    I2c(PathBuf),
    /// A chip select of an SPI controller, as `/dev/spidev0.0`.
    Spi(PathBuf),
    /// Simulated chips, moved by the world of `[sim]`.
    Sim,
}

/// One chip on a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusChip {
    /// Its id in events, and in `input` as `id:line`.
    pub id: Id,
    /// Its bus, by its place in [`Config::buses`](crate::Config::buses).
    pub bus: usize,
    /// What it is.
    pub kind: ChipKind,
    /// Its address; 0 for a chip on SPI.
    pub address: u8,
    /// The line that its interrupt pin is wired to.
    pub interrupt: Option<Line>,
    /// How often it is read.
    pub poll: Duration,
    /// What it measures, if it is no expander.
    pub measures: Measures,
}

/// What a chip measures, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measures {
    /// Nothing beyond its lines.
    Lines,
    /// Supervised loops.
    Loops {
        /// The resistor between the supply and each loop, in ohm; `None`: the loop's own normal
        /// resistance.
        pull_up: Option<u32>,
        /// The input of an ADS1115 or ADS1015 that measures the supply.
        supply_input: u8,
        /// What feeds the loops, of an ADS1115 or ADS1015.
        supply: LoopSupply,
    },
    /// A supply or a battery, through a shunt.
    Power {
        /// The shunt, in milliohm, never 0.
        shunt_milliohms: u32,
        /// Which of them.
        of: Power,
        /// How long a limit must be passed.
        hold: Duration,
    },
    /// A temperature.
    Temperature {
        /// Above, it is too hot, in degrees Celsius.
        high: Option<i32>,
        /// Below, it is too cold.
        low: Option<i32>,
        /// How long a limit must be passed.
        hold: Duration,
    },
    /// The health of a clock.
    Clock,
    /// Pictures, whose sensor is on I2C while the chip is on SPI.
    Pictures {
        /// The bus of the sensor, by its place in [`Config::buses`](crate::Config::buses).
        sensor_bus: usize,
    },
}

/// What an INA219 or INA226 watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The supply from the mains, which is lost below so many millivolts.
    Supply(i32),
    /// A battery of six lead cells.
    LeadAcid12V,
    /// One lithium-ion cell.
    LithiumCell,
}

/// The words of `measures`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PowerWord {
    Supply,
    LeadAcid12V,
    LithiumCell,
}

impl Word for PowerWord {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Supply, "supply", "the supply from the mains; needs `lost-below-mv`"),
        (Self::LeadAcid12V, "lead-acid-12v", "a battery of six lead cells"),
        (Self::LithiumCell, "lithium-cell", "a battery of one lithium-ion cell"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("mains", "supply"),
        ("battery", "lead-acid-12v"),
        ("lead-acid", "lead-acid-12v"),
        ("12v", "lead-acid-12v"),
        ("lithium", "lithium-cell"),
        ("li-ion", "lithium-cell"),
    ];
}

/// What feeds the loops of a converter with a reference of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopSupply {
    /// 3.3 V.
    V3_3,
    /// 5 V.
    V5,
}

impl Word for LoopSupply {
    const WORDS: &'static [(Self, &'static str, &'static str)] =
        &[(Self::V3_3, "3v3", "3.3 volts"), (Self::V5, "5v", "5 volts")];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("3.3v", "3v3"), ("3.3", "3v3"), ("5", "5v"), ("5.0", "5v")];
}

/// The chips that the gateway knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the chips' own names")]
pub enum ChipKind {
    Mcp23017,
    Pca9555,
    Pcf8574,
    Ads1115,
    Ads1015,
    Mcp3208,
    Mcp3008,
    Ina219,
    Ina226,
    Tmp102,
    Sht3x,
    Ds3231,
    Amg8833,
    Ov2640,
}

impl ChipKind {
    /// The address of the sensor of an OV2640, on its other bus.
    pub const OV2640_SENSOR: u8 = 0x30;

    /// Its name, as in the file.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, word, _)| *word)
    }

    /// How many lines it has that a door or zone can be wired to.
    pub const fn lines(self) -> u32 {
        match self {
            Self::Mcp23017 | Self::Pca9555 => 16,
            Self::Pcf8574 | Self::Mcp3208 | Self::Mcp3008 => 8,
            Self::Ads1115 | Self::Ads1015 => 4,
            Self::Amg8833 => 1,
            Self::Ina219
            | Self::Ina226
            | Self::Tmp102
            | Self::Sht3x
            | Self::Ds3231
            | Self::Ov2640 => 0,
        }
    }

    /// Whether it is on SPI; all others are on I2C.
    pub const fn is_spi(self) -> bool {
        matches!(self, Self::Mcp3208 | Self::Mcp3008 | Self::Ov2640)
    }

    /// Whether its lines are plain contacts.
    pub const fn is_expander(self) -> bool {
        matches!(self, Self::Mcp23017 | Self::Pca9555 | Self::Pcf8574)
    }

    /// Whether its lines are supervised loops.
    pub const fn is_converter(self) -> bool {
        matches!(self, Self::Ads1115 | Self::Ads1015 | Self::Mcp3208 | Self::Mcp3008)
    }

    /// Whether it can have this address on I2C.
    pub fn has_address(self, address: u8) -> bool {
        // The PCF8574A has 0x38 to 0x3f, and nobody of its kind what lies between.
        let hole = self == Self::Pcf8574 && (0x28..=0x37).contains(&address);
        self.addresses().contains(&address) && !hole
    }

    /// The lowest and the highest address that it can have on I2C.
    pub const fn addresses(self) -> RangeInclusive<u8> {
        match self {
            Self::Mcp23017 | Self::Pca9555 => 0x20..=0x27,
            Self::Pcf8574 => 0x20..=0x3f,
            Self::Ads1115 | Self::Ads1015 | Self::Tmp102 => 0x48..=0x4b,
            Self::Ina219 | Self::Ina226 => 0x40..=0x4f,
            Self::Sht3x => 0x44..=0x45,
            Self::Ds3231 => 0x68..=0x68,
            Self::Amg8833 => 0x68..=0x69,
            Self::Mcp3208 | Self::Mcp3008 | Self::Ov2640 => 0..=0,
        }
    }

    /// What each of its loops takes of 100 ms of its bus at 400 kHz, in milliseconds: 16 samples
    /// of each, and its share of those of the supply.
    pub(crate) const fn loop_ms(self) -> u32 {
        match self {
            // 1.6 ms a sample and 0.7 ms: pages of the drivers.
            Self::Ads1115 => 28,
            Self::Ads1015 => 12,
            // 40 clocks at 1 MHz.
            _ => 1,
        }
    }
}

impl Word for ChipKind {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Mcp23017, "mcp23017", "16 lines for contacts"),
        (Self::Pca9555, "pca9555", "16 lines for contacts"),
        (Self::Pcf8574, "pcf8574", "8 lines for contacts; also the PCF8574A"),
        (Self::Ads1115, "ads1115", "three supervised loops, and one input for their supply"),
        (Self::Ads1015, "ads1015", "three supervised loops, and one input for their supply"),
        (Self::Mcp3208, "mcp3208", "eight supervised loops, on SPI"),
        (Self::Mcp3008, "mcp3008", "eight supervised loops, on SPI, with 10 bits"),
        (Self::Ina219, "ina219", "supply or battery of the box"),
        (Self::Ina226, "ina226", "supply or battery of the box"),
        (Self::Tmp102, "tmp102", "temperature of the box"),
        (Self::Sht3x, "sht3x", "temperature of the box; SHT30, SHT31, SHT35"),
        (Self::Ds3231, "ds3231", "the health of the clock and of its battery"),
        (Self::Amg8833, "amg8833", "presence of somebody warm, as line 0; no picture leaves it"),
        (Self::Ov2640, "ov2640", "a camera, ArduCAM Mini 2MP: on SPI, its sensor on I2C"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("mcp23s17", "mcp23017"),
        ("pcf8574a", "pcf8574"),
        ("ads1x15", "ads1115"),
        ("sht30", "sht3x"),
        ("sht31", "sht3x"),
        ("sht35", "sht3x"),
        ("grid-eye", "amg8833"),
        ("arducam", "ov2640"),
    ];
}

/// How a supervised loop is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// The table of a common panel, by its name.
    Preset(&'static str),
    /// Resistors of one's own, in ohm.
    Custom {
        /// At the end of the loop.
        end: u32,
        /// Across the contact; `None`: only one at the end.
        contact: Option<u32>,
    },
}

/// The words of `loop`: those of the drivers' presets, and `custom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopWord(pub(crate) &'static str);

/// The word for resistors of one's own.
pub(crate) const CUSTOM: &str = "custom";

const fn preset(
    name: &'static str,
    meaning: &'static str,
) -> (LoopWord, &'static str, &'static str) {
    (LoopWord(name), name, meaning)
}

impl Word for LoopWord {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        preset("galaxy-1k", "Honeywell Galaxy: 1 kohm at the end, 1 kohm across the contact"),
        preset("galaxy-2k2", "Honeywell Galaxy: 2.2 kohm and 2.2 kohm"),
        preset("galaxy-4k7", "Honeywell Galaxy: 4.7 kohm and 4.7 kohm"),
        preset("galaxy-5k6", "Honeywell Galaxy: 5.6 kohm and 5.6 kohm"),
        preset("galaxy-1k-fault", "Honeywell Galaxy: 1 kohm and 1 kohm, 3 kohm across the fault"),
        preset("maxpro-single-2k", "one of 2 kohm at the end: an open contact is a cut cable"),
        preset("maxpro-1k-1k", "MaxPro: 1 kohm and 1 kohm"),
        preset("maxpro-2k-2k", "MaxPro: 2 kohm and 2 kohm"),
        preset("maxpro-2k2-4k7", "MaxPro: 2.2 kohm and 4.7 kohm"),
        preset("maxpro-4k7-4k7", "MaxPro: 4.7 kohm and 4.7 kohm"),
        preset("maxpro-1k-1k-3k", "MaxPro: 1 kohm and 1 kohm, 3 kohm across the fault"),
        preset("amax-single-2k2", "one of 2.2 kohm at the end: an open contact is a cut cable"),
        preset("amax-2k2-2k2", "Bosch AMAX: 2.2 kohm and 2.2 kohm"),
        preset("dsc-single-5k6", "one of 5.6 kohm at the end: an open contact is a cut cable"),
        preset("3k3-6k8", "3.3 kohm at the end, 6.8 kohm across the contact"),
        preset(CUSTOM, "resistors of your own: `end-ohms`, and `alarm-ohms` across the contact"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("2k2-4k7", "maxpro-2k2-4k7"),
        ("1k-1k", "galaxy-1k"),
        ("2k2-2k2", "amax-2k2-2k2"),
        ("4k7-4k7", "galaxy-4k7"),
        ("5k6", "dsc-single-5k6"),
        ("2k2", "amax-single-2k2"),
        ("own", CUSTOM),
    ];
}

impl Loop {
    /// The names of the presets, for whoever has their tables.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        LoopWord::WORDS.iter().map(|(_, word, _)| *word).filter(|word| *word != CUSTOM)
    }
}
