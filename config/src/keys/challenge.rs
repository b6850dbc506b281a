//! The table `[challenge]`.

use std::time::Duration;

use crate::kind::{Choice, Identifier, Number};
use crate::spec::Presence::{Default, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "challenge",
    times: Times::AtMostOnce,
    doc: "The challenge test: an output that is wired back to an input. `gatehouse challenge` and the \
          control room send a nonce through the rules, the output, the wire, the input, the journal \
          and the uplink, and it comes back with each hop's time. It is never an alarm.",
    keys: &[&OUTPUT, &INPUT, &CONTACT, &BIAS, &DEBOUNCE, &PULSE, &WITHIN],
    tables: &[],
};

pub(crate) static OUTPUT: Key<Identifier> = Key {
    name: "output",
    kind: Identifier,
    presence: Required,
    doc: "The id of the `[[output]]` with the role `other` that is wired back.",
};
pub(crate) static INPUT: Key<LineKind> = Key {
    name: "input",
    kind: LineKind,
    presence: Required,
    doc: "The line it is wired to. It belongs to no door and no zone.",
};
pub(crate) static CONTACT: Key<Choice<Contact>> = Key {
    name: "contact",
    kind: Choice::NEW,
    presence: Default("\"normally-open\""),
    doc: "What the circuit at the input does while the output is off. A relay that closes it, or an \
          open drain on the input itself, is normally open.",
};
pub(crate) static BIAS: Key<Choice<Bias>> = Key {
    name: "bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor at the input, as for a door.",
};
pub(crate) static DEBOUNCE: Key<Number<Duration>> = Key {
    name: "debounce-ms",
    kind: Number { min: 0, max: 2000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Default("50"),
    doc: "How long the input must be still before it is believed.",
};
pub(crate) static PULSE: Key<Number<Duration>> = Key {
    name: "pulse-ms",
    kind: Number { min: 100, max: 5000, unit: "in milliseconds", make: Duration::from_millis },
    presence: Default("500"),
    doc: "How long the output is on.",
};
pub(crate) static WITHIN: Key<Number<Duration>> = Key {
    name: "within-s",
    kind: super::seconds(1, 60),
    presence: Default("5"),
    doc: "The input must have followed, and be at rest again, within so long.",
};
