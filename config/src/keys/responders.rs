//! The table `[[responders]]`.

use crate::MAX_RESPONDERS;
use crate::kind::Identifier;
use crate::list::List;
use crate::spec::Presence::{Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::when::Window;

pub(crate) static TABLE: Table = Table {
    name: "responders",
    times: Times::Several { min: 0, max: MAX_RESPONDERS },
    doc: "A list of people who come when somebody calls for help. The gateway knows only its id; \
          who is on it is the control room's matter. Repeat the table for every list.",
    keys: &[&ID, &HOURS],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The list's id, as the control room knows it.",
};
pub(crate) static HOURS: Key<List<Window>> = Key {
    name: "hours",
    kind: List { of: Window, min: 1, max: 16, what: "a list of one or more of" },
    presence: Optional,
    doc: "When they come, by the clock on the site's wall. Without this key: at any time, and when \
          the time is not known.",
};
