//! The table `[home-assistant]`.

use crate::kind::{Identifier, Switch};
use crate::spec::Presence::Default;
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "home-assistant",
    times: Times::AtMostOnce,
    doc: "A Home Assistant that reads the same broker finds the gateway by itself: its doors, zones, \
          partitions, readers and outputs, and how the box is. It shows them; nothing can be switched \
          or disarmed through it. Silent panic buttons are not shown.",
    keys: &[&ENABLED, &PREFIX, &NAMES],
    tables: &[],
};

pub(crate) static ENABLED: Key<Switch> = Key {
    name: "enabled",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether the gateway describes itself there. Switched off again, it takes back what it said.",
};
pub(crate) static PREFIX: Key<Identifier> = Key {
    name: "prefix",
    kind: Identifier,
    presence: Default("\"homeassistant\""),
    doc: "Where Home Assistant looks: its `discovery_prefix`. The broker must let the gateway write \
          `PREFIX/device/gatehouse-ID/config` and read `PREFIX/status`.",
};
pub(crate) static NAMES: Key<Switch> = Key {
    name: "names",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether the names for people (`name`) go with it: everybody who may read there then sees \
          them. Otherwise ids stand in their place.",
};
