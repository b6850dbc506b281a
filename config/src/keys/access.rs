//! The table `[access]`.

use std::time::Duration;

use gatehouse_core::site::UnknownClock;

use crate::kind::{Choice, Number, Place};
use crate::spec::Presence::Default;
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "access",
    times: Times::AtMostOnce,
    doc: "What holds for all readers, and where the list of credentials is.",
    keys: &[&CREDENTIALS, &UNKNOWN_CLOCK, &CLOCK_ERROR, &LATE],
    tables: &[],
};

pub(crate) static CREDENTIALS: Key<Place> = Key {
    name: "credentials",
    kind: Place::Beside,
    presence: Default("\"credentials.toml\""),
    doc: "The file of credentials, which `gatehouse credential` writes and people may edit: a name \
          beside this file, or a whole path. See `credentials.toml`(5). It is read only if there \
          is a `[[reader]]`.",
};
pub(crate) static UNKNOWN_CLOCK: Key<Choice<UnknownClock>> = Key {
    name: "unknown-clock",
    kind: Choice::NEW,
    presence: Default("\"refuse\""),
    doc: "What a credential with a time limit may do while the box does not know the time, as \
          after a power cut without network. One without a limit is not concerned.",
};
pub(crate) static CLOCK_ERROR: Key<Number<Duration>> = Key {
    name: "clock-error-s",
    kind: super::seconds(1, 86_400),
    presence: Default("300"),
    doc: "With a larger bound of its error the wall clock counts as not known.",
};
pub(crate) static LATE: Key<Number<Duration>> = Key {
    name: "late-s",
    kind: super::seconds(1, 30),
    presence: Default("5"),
    doc: "A card, a request to exit or a wish to open that is older than this is reported as late \
          and does nothing: who waited so long has gone, or somebody else stands at the door.",
};
