//! The table `[[chip]]`.

use std::time::Duration;

use crate::MAX_CHIPS;
use crate::devices::{ChipKind, LoopSupply, PowerWord};
use crate::kind::{Choice, Degrees, Identifier, Number};
use crate::spec::Presence::{Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::LineKind;

pub(crate) static TABLE: Table = Table {
    name: "chip",
    times: Times::Several { min: 0, max: MAX_CHIPS },
    doc: "One chip on a bus: an expander for contacts, a converter for supervised loops, a camera, or \
          a sensor of the box itself. A line of it is named like any other: the line 3 of the chip \
          `exp1` is `exp1:3`.",
    keys: &[
        &ID,
        &BUS,
        &KIND,
        &ADDRESS,
        &SENSOR_BUS,
        &INTERRUPT,
        &POLL,
        &PULL_UP,
        &SUPPLY_INPUT,
        &LOOP_SUPPLY,
        &SHUNT,
        &MEASURES,
        &LOST_BELOW,
        &TOO_HOT,
        &TOO_COLD,
        &HOLD_OFF,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The chip's id in events and in `input`, unique among buses and chips. Neither `sim` nor \
          a name that begins with `gpiochip`, which are other chips.",
};
pub(crate) static BUS: Key<Identifier> =
    Key { name: "bus", kind: Identifier, presence: Required, doc: "The id of its `[[bus]]`." };
pub(crate) static KIND: Key<Choice<ChipKind>> =
    Key { name: "kind", kind: Choice::NEW, presence: Required, doc: "What it is." };
pub(crate) static ADDRESS: Key<Number<u8>> = Key {
    name: "address",
    kind: Number { min: 0x08, max: 0x77, unit: "", make: super::u8 },
    presence: Optional,
    doc: "Its address on I2C, as `0x20`. Without this key the lowest that the chip can have. Not \
          for chips on SPI.",
};
pub(crate) static SENSOR_BUS: Key<Identifier> = Key {
    name: "sensor-bus",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[bus]]` on I2C that the sensor of an `ov2640` is on, at address 0x30; its \
          `bus` is the chip select of SPI. Needed for it.",
};
pub(crate) static INTERRUPT: Key<LineKind> = Key {
    name: "interrupt",
    kind: LineKind,
    presence: Optional,
    doc: "The line that an expander's interrupt pin is wired to, active low; several chips of a \
          bus may share one. On a simulated bus any line of `sim`: the simulated chip pulls it by \
          itself.",
};
pub(crate) static POLL: Key<Number<Duration>> = Key {
    name: "poll-ms",
    kind: Number { min: 5, max: 60_000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Optional,
    doc: "How often the chip is read. Without this key 25 for expanders, 1000 for those with an \
          interrupt line, and 1000 for sensors. An expander without one is read at least every 50. \
          Not for converters, which are read as their loops need it, nor for cameras, which have \
          `every-ms`.",
};
pub(crate) static PULL_UP: Key<Number<u32>> = Key {
    name: "pull-up-ohms",
    kind: Number { min: 100, max: 100_000, unit: "in ohm", make: super::u32 },
    presence: Optional,
    doc: "The resistor between the supply and each loop of a converter. Without this key each loop \
          has one of its own normal resistance, which is best.",
};
pub(crate) static SUPPLY_INPUT: Key<Number<u8>> = Key {
    name: "supply-input",
    kind: Number { min: 0, max: 3, unit: "", make: super::u8 },
    presence: Optional,
    doc: "The input of an ADS1115 or ADS1015 that measures the supply of the loops. Without this \
          key 3.",
};
pub(crate) static LOOP_SUPPLY: Key<Choice<LoopSupply>> = Key {
    name: "loop-supply",
    kind: Choice::NEW,
    presence: Optional,
    doc: "What feeds the loops of an ADS1115 or ADS1015. Without this key `3v3`.",
};
pub(crate) static SHUNT: Key<Number<u32>> = Key {
    name: "shunt-milliohms",
    kind: Number { min: 1, max: 10_000, unit: "in milliohm", make: super::u32 },
    presence: Optional,
    doc: "The shunt of an INA219 or INA226. Without this key 100, as on most boards.",
};
pub(crate) static MEASURES: Key<Choice<PowerWord>> = Key {
    name: "measures",
    kind: Choice::NEW,
    presence: Optional,
    doc: "What an INA219 or INA226 watches. Without this key `supply`.",
};
pub(crate) static LOST_BELOW: Key<Number<u32>> = Key {
    name: "lost-below-mv",
    kind: Number { min: 1_000, max: 36_000, unit: "in millivolts", make: super::u32 },
    presence: Optional,
    doc: "Below this voltage the supply from the mains is lost: somewhat above that of a full \
          battery, where both feed one rail.",
};
pub(crate) static TOO_HOT: Key<Degrees> = Key {
    name: "too-hot-c",
    kind: Degrees,
    presence: Optional,
    doc: "Above this temperature of a TMP102 or SHT3x it is too hot.",
};
pub(crate) static TOO_COLD: Key<Degrees> = Key {
    name: "too-cold-c",
    kind: Degrees,
    presence: Optional,
    doc: "Below this temperature of a TMP102 or SHT3x it is too cold.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "hold-off-s",
    kind: super::seconds(0, 3600),
    presence: Optional,
    doc: "How long a voltage or temperature must be beyond its limit to be reported. Without this \
          key 30.",
};
