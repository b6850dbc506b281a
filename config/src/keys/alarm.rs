//! The table `[alarm]`.

use std::time::Duration;

use crate::MAX_RESPONDERS;
use crate::kind::{Identifier, Number};
use crate::list::List;
use crate::spec::Presence::{Default, Optional};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "alarm",
    times: Times::AtMostOnce,
    doc: "What holds for the alarm system as a whole.",
    keys: &[&GRADE, &ACK_WITHIN, &ESCALATE_TO],
    tables: &[],
};

pub(crate) static GRADE: Key<Number<u8>> = Key {
    name: "grade",
    kind: Number { min: 1, max: 4, unit: "", make: super::u8 },
    presence: Default("2"),
    doc: "The grade that the site is designed towards, after EN 50131-1: it decides what prevents \
          arming. An active or lost detector always does; a fault or tamper does from grade 2, a \
          masked detector from grade 3. Dwellings and communities are grade 2.",
};
pub(crate) static ACK_WITHIN: Key<Number<Duration>> = Key {
    name: "ack-within-s",
    kind: super::seconds(10, 3600),
    presence: Default("60"),
    doc: "How long the control room may take to acknowledge an alarm before it is escalated.",
};
pub(crate) static ESCALATE_TO: Key<List<Identifier>> = Key {
    name: "escalate-to",
    kind: List { of: Identifier, min: 1, max: MAX_RESPONDERS, what: "a list of one or more ids:" },
    presence: Optional,
    doc: "Who is called when an alarm is escalated: the ids of the `[[responders]]`, the first whose \
          hours it is. One without hours is called at any other time, and when the time is not known.",
};
