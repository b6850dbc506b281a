//! The file of credentials: the table `[[credential]]`.

use crate::kind::{HashText, Identifier, Switch, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::when::{Moment, Window};
use crate::{MAX_AREAS, MAX_CREDENTIALS, MAX_DOORS, MAX_PARTITIONS};

/// The file as a whole.
pub(crate) static FILE: Table = Table {
    name: "",
    times: Times::Once,
    doc: "Who may pass where and when, at one Gatehouse gateway.",
    keys: &[],
    tables: &[&TABLE],
};

pub(crate) static TABLE: Table = Table {
    name: "credential",
    times: Times::Several { min: 0, max: MAX_CREDENTIALS },
    doc: "One card or code, and what it may do. Repeat the table for every one.",
    keys: &[
        &HASH,
        &LABEL,
        &BLOCKED,
        &FROM,
        &UNTIL,
        &WEEKLY,
        &DOORS,
        &AREAS,
        &ARMS,
        &DISARMS,
        &PIN,
        &DURESS_PIN,
        &DURESS,
    ],
    tables: &[],
};

/// Tables of `gateway.toml`, by their ids.
const fn ids(max: usize, what: &'static str) -> List<Identifier> {
    List { of: Identifier, min: 0, max, what }
}

pub(crate) static HASH: Key<HashText> = Key {
    name: "hash",
    kind: HashText,
    presence: Required,
    doc: "Which card or code it is: the hash as events name it in `actor`. `gatehouse credential \
          enrol` writes it. The number on a card stands nowhere.",
};
pub(crate) static LABEL: Key<Text> = Key {
    name: "label",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "Whose it is, for people: a flat or a key ring rather than a name. It stays on the box: it \
          is never published.",
};
pub(crate) static BLOCKED: Key<Switch> = Key {
    name: "blocked",
    kind: Switch,
    presence: Default("false"),
    doc: "It is lost or stolen: refused everywhere, and counted as a wrong attempt.",
};
pub(crate) static FROM: Key<Moment> = Key {
    name: "from",
    kind: Moment,
    presence: Optional,
    doc: "It is valid from then on, in the site's time; a day begins at midnight.",
};
pub(crate) static UNTIL: Key<Moment> = Key {
    name: "until",
    kind: Moment,
    presence: Optional,
    doc: "It is valid until then, in the site's time; a day counts to its end.",
};
pub(crate) static WEEKLY: Key<List<Window>> = Key {
    name: "weekly",
    kind: List { of: Window, min: 1, max: 16, what: "a list of windows, each" },
    presence: Optional,
    doc: "It is valid in these windows of each week, in the site's time. Without this key: at any \
          time. A window over midnight belongs to the day on which it opens.",
};
pub(crate) static DOORS: Key<List<Identifier>> = Key {
    name: "doors",
    kind: ids(MAX_DOORS, "a list of door ids, each of"),
    presence: Optional,
    doc: "The doors that it opens. Without `doors` and `areas`: every door. `[]`: none, for a card \
          that only arms and disarms.",
};
pub(crate) static AREAS: Key<List<Identifier>> = Key {
    name: "areas",
    kind: ids(MAX_AREAS, "a list of area ids, each of"),
    presence: Optional,
    doc: "It opens every door that joins one of these areas, beside those of `doors`.",
};
pub(crate) static ARMS: Key<List<Identifier>> = Key {
    name: "arms",
    kind: ids(MAX_PARTITIONS, "a list of partition ids, each of"),
    presence: Optional,
    doc: "The partitions that it may arm, at readers that arm them.",
};
pub(crate) static DISARMS: Key<List<Identifier>> = Key {
    name: "disarms",
    kind: ids(MAX_PARTITIONS, "a list of partition ids, each of"),
    presence: Optional,
    doc: "The partitions that it may disarm, at readers that disarm them.",
};
pub(crate) static PIN: Key<HashText> = Key {
    name: "pin",
    kind: HashText,
    presence: Optional,
    doc: "The hash of its PIN, for readers that ask for one. `gatehouse credential enrol --pin` \
          writes it; the digits stand nowhere.",
};
pub(crate) static DURESS_PIN: Key<HashText> = Key {
    name: "duress-pin",
    kind: HashText,
    presence: Optional,
    doc: "The hash of the PIN that its holder gives under duress. It does the same as the other, \
          nothing at the site differs, and the control room is told.",
};
pub(crate) static DURESS: Key<Switch> = Key {
    name: "duress",
    kind: Switch,
    presence: Default("false"),
    doc: "It is shown only under duress: a second card or code of its holder.",
};
