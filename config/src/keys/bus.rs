//! The table `[[bus]]`.

use std::time::Duration;

use crate::MAX_BUSES;
use crate::kind::{DeviceKind, Identifier, Number};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::LineKind;

pub(crate) static TABLE: Table = Table {
    name: "bus",
    times: Times::Several { min: 0, max: MAX_BUSES },
    doc: "One I2C bus, or one chip select of SPI, with the chips of `[[chip]]` on it. Each has a \
          thread of its own.",
    keys: &[&ID, &DEVICE, &SCL, &SDA, &HOLD_OFF],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The bus's id in events, unique among buses and chips.",
};
pub(crate) static DEVICE: Key<DeviceKind> = Key {
    name: "device",
    kind: DeviceKind,
    presence: Required,
    doc: "The device file of the kernel, or `sim`: then the chips are simulated at the level of \
          their registers, and the world of `[sim]` turns their wires.",
};
pub(crate) static SCL: Key<LineKind> = Key {
    name: "scl",
    kind: LineKind,
    presence: Optional,
    doc: "The clock of the bus as a GPIO line, with `sda`: a bus that a chip holds is then freed \
          by up to nine clocks. Not needed where the device tree gives the adapter recovery pins.",
};
pub(crate) static SDA: Key<LineKind> = Key {
    name: "sda",
    kind: LineKind,
    presence: Optional,
    doc: "The data line of the bus as a GPIO line, with `scl`.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "fault-hold-off-s",
    kind: super::seconds(0, 600),
    presence: Default("10"),
    doc: "How long the bus, or a chip on it, must be lost before that is reported: as one fault \
          for all that hang on it.",
};
