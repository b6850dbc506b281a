//! The table `[[area]]`.

use crate::MAX_AREAS;
use crate::kind::{Identifier, Switch, Text};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "area",
    times: Times::Several { min: 0, max: MAX_AREAS },
    doc: "Somewhere that people are in or not: a house, a garage, a floor. Doors name the areas \
          that they join, and credentials those that they may enter. Repeat the table for every \
          area.",
    keys: &[&ID, &NAME, &PASSBACK],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The area's id, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The area's name for people, in any script. It stays on the box: it is never published.",
};
pub(crate) static PASSBACK: Key<Switch> = Key {
    name: "anti-passback",
    kind: Switch,
    presence: Default("false"),
    doc: "A card that comes in twice and never left in between is reported. It is let in. Needs a \
          reader at both sides of every door of the area.",
};
