//! The table `[[rs485]]`.

use std::time::Duration;

use crate::MAX_RS485;
use crate::access::Direction;
use crate::kind::{Choice, Identifier, Number, OneOf, Place, Switch};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "rs485",
    times: Times::Several { min: 0, max: MAX_RS485 },
    doc: "A two-wire bus with OSDP readers, up to 8 on each. Repeat the table for every bus.",
    keys: &[&ID, &DEVICE, &BAUD, &DIRECTION, &KEY_FILE, &INSTALL, &HOLD_OFF],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The bus's id in events, unique on this gateway.",
};
pub(crate) static DEVICE: Key<Place> = Key {
    name: "device",
    kind: Place::Device,
    presence: Required,
    doc: "The serial port. A name below `/dev/serial/by-path` stays the same when adapters are \
          found in another order.",
};
pub(crate) static BAUD: Key<OneOf> = Key {
    name: "baud",
    kind: OneOf {
        of: &[9_600, 19_200, 38_400, 57_600, 115_200, 230_400],
        unit: "in bits per second",
    },
    presence: Default("9600"),
    doc: "The speed of the bus. All its readers are set to it; new ones have 9600.",
};
pub(crate) static DIRECTION: Key<Choice<Direction>> = Key {
    name: "direction",
    kind: Choice::NEW,
    presence: Default("\"adapter\""),
    doc: "Who switches the two wires between sending and receiving.",
};
pub(crate) static KEY_FILE: Key<Place> = Key {
    name: "key-file",
    kind: Place::Secret,
    presence: Optional,
    doc: "The file that holds the key of the secure channel, 32 hexadecimal digits, readable by \
          the gateway's user only (chmod 600). `openssl rand -hex 16` makes one. Without this key \
          the readers speak in the clear, and whoever reaches the wires can play back a card.",
};
pub(crate) static INSTALL: Key<Switch> = Key {
    name: "install-key",
    kind: Switch,
    presence: Default("false"),
    doc: "New readers are given the key, under the key that everybody knows: whoever listens \
          meanwhile has it. Only while somebody stands by with the bus in sight.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "fault-hold-off-s",
    kind: super::seconds(0, 600),
    presence: Default("5"),
    doc: "How long the port must be gone before that is reported: one fault for the bus, none for \
          each reader.",
};
