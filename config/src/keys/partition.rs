//! The tables `[[partition]]` and `[partition.away]`, `[partition.home]` and so on.

use std::time::Duration;

use gatehouse_core::site::Mode;

use crate::MAX_PARTITIONS;
use crate::kind::{Choice, Identifier, Number, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{AnyKey, Key, Presence, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "partition",
    times: Times::Several { min: 0, max: MAX_PARTITIONS },
    doc: "What is armed and disarmed as one: a flat, a lobby, a pump room. Doors and zones name \
          the partition they belong to. Repeat the table for every partition.",
    keys: &[&ID, &NAME, &MODES, &EXIT, &ENTRY, &COMMON_TO],
    tables: &[&MODE_TABLES[0], &MODE_TABLES[1], &MODE_TABLES[2], &MODE_TABLES[3]],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The partition's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The partition's name for people, in any script. It stays on the box, unless \
          `[home-assistant]` says `names = true`.",
};
pub(crate) static MODES: Key<List<Choice<Mode>>> = Key {
    name: "modes",
    kind: List { of: Choice::NEW, min: 1, max: 4, what: "a list of one or more of" },
    presence: Default("[\"away\", \"home\", \"night\", \"custom\"]"),
    doc: "The ways in which the partition can be armed. A school or a pump station needs \
          `[\"away\"]` only.",
};
pub(crate) static EXIT: Key<Number<Duration>> = exit(
    Default("30"),
    "The exit delay: time to leave by the entry/exit zones after arming. 0: armed at once.",
);
pub(crate) static ENTRY: Key<Number<Duration>> = entry(
    Default("20"),
    "The entry delay: time to disarm after an entry/exit zone was opened. 0: an alarm at once. \
     EN 50131-1 allows at most 45; more is accepted with a warning.",
);
pub(crate) static COMMON_TO: Key<List<Identifier>> = Key {
    name: "common-to",
    kind: List {
        of: Identifier,
        min: 1,
        max: MAX_PARTITIONS,
        what: "a list of partition ids, each of",
    },
    presence: Optional,
    doc: "Makes this a common area, a stair or a lift lobby, of the partitions with these ids. \
          It cannot be armed by itself: it is armed at once when the last of them is armed, in the \
          mildest of their modes, and disarmed when the first of them is disarmed. Of the modes it \
          needs only those in which it shall be armed: a stair that a family at home walks by has \
          `[\"away\"]`.",
};

/// The delays of one mode, in the order of [`Mode::ARMED`].
pub(crate) static MODE_TABLES: [Table; 4] = [
    of_mode("away", "The delays when everybody has left, where they differ from the partition's."),
    of_mode("home", "The delays when people are in and only the perimeter is armed."),
    of_mode("night", "The delays at night."),
    of_mode("custom", "The delays in the mode that the site has agreed on."),
];
pub(crate) static MODE_EXIT: Key<Number<Duration>> =
    exit(Optional, "The exit delay in this mode, instead of the partition's. 0: armed at once.");
pub(crate) static MODE_ENTRY: Key<Number<Duration>> = entry(
    Optional,
    "The entry delay in this mode, instead of the partition's. 0: an alarm at once. EN 50131-1 \
     allows at most 45; more is accepted with a warning.",
);

static MODE_KEYS: [&dyn AnyKey; 2] = [&MODE_EXIT, &MODE_ENTRY];

const fn of_mode(name: &'static str, doc: &'static str) -> Table {
    Table { name, times: Times::AtMostOnce, doc, keys: &MODE_KEYS, tables: &[] }
}

const fn exit(presence: Presence, doc: &'static str) -> Key<Number<Duration>> {
    Key { name: "exit-s", kind: super::seconds(0, 600), presence, doc }
}

const fn entry(presence: Presence, doc: &'static str) -> Key<Number<Duration>> {
    Key { name: "entry-s", kind: super::seconds(0, 300), presence, doc }
}
