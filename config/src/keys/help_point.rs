//! The table `[[help-point]]`.

use std::time::Duration;

use crate::kind::{Choice, Identifier, Number, Switch, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};
use crate::{MAX_HELP_POINTS, MAX_RESPONDERS};

pub(crate) static TABLE: Table = Table {
    name: "help-point",
    times: Times::Several { min: 0, max: MAX_HELP_POINTS },
    doc: "A place where people call for help: a button, two buttons, or a reader. The call tells \
          where it comes from and who is to come at this hour. In status, topics and events it is \
          a zone. Repeat the table for every help point.",
    keys: &[
        &ID,
        &NAME,
        &PLACE,
        &RESPONDERS,
        &INPUT,
        &SECOND,
        &WITHIN,
        &CONTACT,
        &BIAS,
        &DEBOUNCE,
        &READER,
        &SILENT,
        &LATCHED,
        &STUCK,
        &PARTITION,
        &HOLD_OFF,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "Its id in topics and events. No zone has the same.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "Its name for people, in any script. It stays on the box, unless `[home-assistant]` says `names = true`.",
};
pub(crate) static PLACE: Key<Identifier> = Key {
    name: "place",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the place, as the control room's plan has it. Without this key its own id.",
};
pub(crate) static RESPONDERS: Key<List<Identifier>> = Key {
    name: "responders",
    kind: List { of: Identifier, min: 1, max: MAX_RESPONDERS, what: "a list of one or more ids:" },
    presence: Optional,
    doc: "The ids of the `[[responders]]`: the first whose hours it is are called. One without \
          hours is called at any other time, and when the time is not known.",
};
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of its button, as for a door. Without this key it needs a `reader`.",
};
pub(crate) static SECOND: Key<LineKind> = Key {
    name: "second-input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of a second button: both must be pressed, against calls by accident. One alone \
          is told, but is no alarm.",
};
pub(crate) static WITHIN: Key<Number<Duration>> = Key {
    name: "second-within-s",
    kind: super::seconds(1, 30),
    presence: Default("2"),
    doc: "The two buttons are pressed within so long of each other, or held at once.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-closed\""),
    doc: "What the circuit of a button does while nobody presses it. Normally closed is the rule: \
          a cut wire calls for help.",
};
pub(crate) static BIAS: Key<Choice<Bias>> = Key {
    name: "bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to the inputs.",
};
pub(crate) static DEBOUNCE: Key<Number<Duration>> = Key {
    name: "debounce-ms",
    kind: Number { min: 0, max: 2000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Default("100"),
    doc: "How long a button must be still before it is believed. Somebody in fear presses for a \
          short time: more than 350 is accepted with a warning.",
};
pub(crate) static READER: Key<Identifier> = Key {
    name: "reader",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[reader]]` at which any known card calls for help, whatever doors it may \
          open. Such a call always waits for its reset.",
};
pub(crate) static SILENT: Key<Switch> = Key {
    name: "silent",
    kind: Switch,
    presence: Default("false"),
    doc: "Nobody at the site must notice the call: it shows nowhere on the box and sounds nothing.",
};
pub(crate) static LATCHED: Key<Switch> = Key {
    name: "latched",
    kind: Switch,
    presence: Default("true"),
    doc: "The call stays until somebody resets it (`gatehouse reset`), also when the button is let \
          go. Who presses again before that calls again.",
};
pub(crate) static STUCK: Key<Number<Duration>> = Key {
    name: "stuck-s",
    kind: super::seconds(10, 86_400),
    presence: Default("300"),
    doc: "A button that is held for so long is stuck, which is a fault beside the call.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the partition that it belongs to, for its incidents and sirens. It calls \
          whether that is armed or not.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "fault-hold-off-s",
    kind: super::seconds(0, 600),
    presence: Default("10"),
    doc: "How long a lost line must last before it is reported.",
};
