//! The table `[[checkpoint]]`.

use std::time::Duration;

use crate::MAX_CHECKPOINTS;
use crate::kind::{Choice, Identifier, Number, Text};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "checkpoint",
    times: Times::Several { min: 0, max: MAX_CHECKPOINTS },
    doc: "A place that patrol rounds pass: a button or a reader. Repeat the table for every one.",
    keys: &[&ID, &NAME, &INPUT, &CONTACT, &BIAS, &DEBOUNCE, &READER, &HOLD_OFF],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "Its id in events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "Its name for people, in any script. It stays on the box: it is never published.",
};
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of its button, as for a door. Without this key it needs a `reader`.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-open\""),
    doc: "What the button's circuit does while nobody presses it. Normally open is the rule: a cut \
          wire must not say that somebody was there.",
};
pub(crate) static BIAS: Key<Choice<Bias>> = Key {
    name: "bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to the input.",
};
pub(crate) static DEBOUNCE: Key<Number<Duration>> = Key {
    name: "debounce-ms",
    kind: Number { min: 0, max: 2000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Default("50"),
    doc: "How long the button must be still before it is believed.",
};
pub(crate) static READER: Key<Identifier> = Key {
    name: "reader",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[reader]]` at which any known card is a visit, of its holder.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "fault-hold-off-s",
    kind: super::seconds(0, 600),
    presence: Default("10"),
    doc: "How long a lost line must last before it is reported.",
};
