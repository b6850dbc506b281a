//! The table `[[door]]`.

use std::time::Duration;

use gatehouse_core::site::Fail;

use super::supervised;
use crate::MAX_DOORS;
use crate::kind::{Choice, Identifier, Number, Switch, Text};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "door",
    times: Times::Several { min: 0, max: MAX_DOORS },
    doc: "One door and the contact that watches it. Repeat the table for every door.",
    keys: &[
        &ID,
        &NAME,
        &INPUT,
        &CONTACT,
        &BIAS,
        &DEBOUNCE,
        &supervised::LOOP,
        &supervised::END,
        &supervised::ALARM,
        &HELD_OPEN,
        &PARTITION,
        &LOCK,
        &LOCK_PULSE,
        &FAIL,
        &RELEASE,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The door's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The door's name for people, in any script. It stays on the box: it is never \
          published.",
};
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Required,
    doc: "The line the contact is wired to: a chip by its name or label, and the number of \
          the line, as `gpioinfo` shows them; or `sim:` and a number for the simulated wiring \
          of `[sim]`; or the id of a `[[chip]]` and the number of its line, as `exp1:3`. A label \
          stays the same when chips are found in another order.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-closed\""),
    doc: "What the contact's circuit does while the door is closed. With the contact wired \
          to ground and `bias = \"pull-up\"`, a closed circuit is level 0.",
};
pub(crate) static BIAS: Key<Choice<Bias>> = Key {
    name: "bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to the input. It also tells to which side the \
          contact is wired.",
};
pub(crate) static DEBOUNCE: Key<Number<Duration>> = Key {
    name: "debounce-ms",
    kind: Number { min: 0, max: 2000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Default("50"),
    doc: "How long the contact must be still before it is believed. Up to 350 keeps to the \
          rule that a signal of 400 ms is always reported.",
};
pub(crate) static HELD_OPEN: Key<Number<Duration>> = Key {
    name: "held-open-s",
    kind: super::seconds(1, 86_400),
    presence: Optional,
    doc: "A door that is open for longer is reported as held open. Without this key it \
          never is.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[partition]]` that the door belongs to: what is armed and disarmed as \
          one.",
};
pub(crate) static LOCK: Key<Identifier> = Key {
    name: "lock",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[output]]` with the role `lock` that lets the door open. With it `fail` \
          must be stated.",
};
pub(crate) static LOCK_PULSE: Key<Number<Duration>> = Key {
    name: "lock-pulse-s",
    kind: super::seconds(1, 60),
    presence: Optional,
    doc: "How long the lock is released each time. Without this key 5.",
};
pub(crate) static FAIL: Key<Choice<Fail>> = Key {
    name: "fail",
    kind: Choice::NEW,
    presence: Optional,
    doc: "What the lock does without power. It is a matter of the lock, not of the gateway: what \
          stands here is what people rely on in a fire, so it must be stated.",
};
pub(crate) static RELEASE: Key<Switch> = Key {
    name: "release",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether the gateway may release the lock at all: by a card, a request to exit or a \
          command. Without this key it never does.",
};
