//! The table `[sim]`.

use crate::kind::Place;
use crate::spec::Presence::Optional;
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "sim",
    times: Times::AtMostOnce,
    doc: "Simulated wiring, for trials and demonstrations: what the inputs `sim:0`, `sim:1`, … \
          are connected to. Either `socket` or `script`.",
    keys: &[&SOCKET, &SCRIPT],
    tables: &[],
};

pub(crate) static SOCKET: Key<Place> = Key {
    name: "socket",
    kind: Place::Socket,
    presence: Optional,
    doc: "The Unix socket of the program that plays the doors.",
};
pub(crate) static SCRIPT: Key<Place> = Key {
    name: "script",
    kind: Place::Any,
    presence: Optional,
    doc: "A file of timed edges to play.",
};
