//! The table `[[key-switch]]`.

use std::time::Duration;

use gatehouse_core::site::{KeyMotion, Mode};

use crate::MAX_KEY_SWITCHES;
use crate::clock::KeyActs;
use crate::kind::{Choice, Identifier, Number, Text};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "key-switch",
    times: Times::Several { min: 0, max: MAX_KEY_SWITCHES },
    doc: "A switch that is turned with a key, and arms and disarms a partition. Only a turn that \
          was seen counts: how the switch is found after a start, or after its wire was lost, says \
          nothing. Whoever has the key, or the wire, can do what it does: put it where both are \
          safe.",
    keys: &[
        &ID, &NAME, &INPUT, &CONTACT, &BIAS, &DEBOUNCE, &PARTITION, &MODE, &MOTION, &ACTS, &STUCK,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The switch's id in events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The switch's name for people, in any script. It stays on the box: it is never published.",
};
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Required,
    doc: "The line the switch is wired to, as for a door. Each line serves one thing.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-open\""),
    doc: "What the circuit does while the key is not turned. With a normally open switch a cut \
          wire turns nothing.",
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
    presence: Default("100"),
    doc: "How long the contact must be still before it is believed.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Required,
    doc: "The id of the partition. A common area follows its users and has no switch of its own.",
};
pub(crate) static MODE: Key<Choice<Mode>> = Key {
    name: "mode",
    kind: Choice::NEW,
    presence: Default("\"away\""),
    doc: "The mode in which it arms, with the exit delay of the mode. What is not ready is not \
          armed, and that is reported.",
};
pub(crate) static MOTION: Key<Choice<KeyMotion>> = Key {
    name: "motion",
    kind: Choice::NEW,
    presence: Default("\"momentary\""),
    doc: "How the switch moves.",
};
pub(crate) static ACTS: Key<Choice<KeyActs>> = Key {
    name: "does",
    kind: Choice::NEW,
    presence: Default("\"arm-and-disarm\""),
    doc: "What the switch may do.",
};
pub(crate) static STUCK: Key<Number<Duration>> = Key {
    name: "stuck-s",
    kind: super::seconds(5, 600),
    presence: Default("30"),
    doc: "A momentary switch that stays turned for so long is reported as stuck, until it springs \
          back.",
};
