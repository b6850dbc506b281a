//! The table `[[cross-zone]]`.

use std::time::Duration;

use crate::kind::{Identifier, Number};
use crate::spec::Presence::{Default, Required};
use crate::spec::{Key, Table, Times};
use crate::{MAX_CROSS_ZONES, MAX_ZONES};

pub(crate) static TABLE: Table = Table {
    name: "cross-zone",
    times: Times::Several { min: 0, max: MAX_CROSS_ZONES },
    doc: "A group of zones of which several must be activated within a time before there is an \
          alarm: for detectors that a draught or a cat may set off. One alone is reported as not \
          verified. Zones join with `cross-zone`.",
    keys: &[&ID, &NEED, &WINDOW],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The group's id, unique on this gateway.",
};
pub(crate) static NEED: Key<Number<u8>> = Key {
    name: "need",
    kind: Number { min: 2, max: MAX_ZONES as u64, unit: "", make: super::u8 },
    presence: Default("2"),
    doc: "So many different zones of the group must be activated. The group must have at least as \
          many.",
};
pub(crate) static WINDOW: Key<Number<Duration>> = Key {
    name: "window-s",
    kind: super::seconds(1, 3600),
    presence: Default("60"),
    doc: "Within so long of each other.",
};
