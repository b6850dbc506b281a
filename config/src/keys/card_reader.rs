//! The table `[[reader]]`.

use std::time::Duration;

use gatehouse_core::site::{Mode, Side};

use crate::MAX_READERS;
use crate::kind::{Choice, Identifier, Number, Switch, Text};
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Bias, Contact, LineKind};

pub(crate) static TABLE: Table = Table {
    name: "reader",
    times: Times::Several { min: 0, max: MAX_READERS },
    doc: "One card reader or keypad: on an RS-485 bus (`bus`, `address`) or on two lines \
          (`wiegand-d0`, `wiegand-d1`). Repeat the table for every reader.",
    keys: &[
        &ID,
        &NAME,
        &BUS,
        &ADDRESS,
        &SECURE,
        &D0,
        &D1,
        &LINES_BIAS,
        &INVERTED,
        &TAMPER,
        &TAMPER_CONTACT,
        &TAMPER_BIAS,
        &DOOR,
        &SIDE,
        &PARTITION,
        &DISARMS,
        &ARMS,
        &PIN,
        &ATTEMPTS,
        &WINDOW,
        &LOCKOUT,
        &HOLD_OFF,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The reader's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The reader's name for people, in any script. It stays on the box, unless `[home-assistant]` says `names = true`.",
};
pub(crate) static BUS: Key<Identifier> = Key {
    name: "bus",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the `[[rs485]]` bus that the reader hangs on. With `address`.",
};
pub(crate) static ADDRESS: Key<Number<u8>> = Key {
    name: "address",
    kind: Number { min: 0, max: 126, unit: "", make: super::u8 },
    presence: Optional,
    doc: "The reader's OSDP address on its bus, as its switches or its card say.",
};
pub(crate) static SECURE: Key<Switch> = Key {
    name: "secure",
    kind: Switch,
    presence: Optional,
    doc: "The reader speaks in the secure channel of its bus's `key-file`, or not at all; the loss \
          of the channel is a tamper. Without this key: yes on a bus with a `key-file`. `false` \
          there is for trying out a reader.",
};
pub(crate) static D0: Key<LineKind> = Key {
    name: "wiegand-d0",
    kind: LineKind,
    presence: Optional,
    doc: "The line of D0 (green) of a Wiegand reader. With `wiegand-d1`, on the same chip. A \
          Wiegand reader does not tell that its cable is cut: wire its tamper contact too.",
};
pub(crate) static D1: Key<LineKind> =
    Key { name: "wiegand-d1", kind: LineKind, presence: Optional, doc: "The line of D1 (white)." };
pub(crate) static LINES_BIAS: Key<Choice<Bias>> = Key {
    name: "wiegand-bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to D0 and D1.",
};
pub(crate) static INVERTED: Key<Switch> = Key {
    name: "wiegand-inverted",
    kind: Switch,
    presence: Default("false"),
    doc: "A pulse is level 1: an inverting coupler stands between the reader and the box.",
};
pub(crate) static TAMPER: Key<LineKind> = Key {
    name: "tamper-input",
    kind: LineKind,
    presence: Optional,
    doc: "The line of a Wiegand reader's tamper contact. An OSDP reader tells it over the bus.",
};
pub(crate) static TAMPER_CONTACT: Key<Choice<Contact>> = Key {
    name: "tamper-contact",
    kind: Choice::NEW,
    presence: Default("\"normally-closed\""),
    doc: "What the tamper contact's circuit does while the reader is closed and on its wall.",
};
pub(crate) static TAMPER_BIAS: Key<Choice<Bias>> = Key {
    name: "tamper-bias",
    kind: Choice::NEW,
    presence: Default("\"pull-up\""),
    doc: "The resistor that the box switches to the tamper input.",
};
pub(crate) static DOOR: Key<Identifier> = Key {
    name: "door",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the door that the reader is at. Without this key it only arms and disarms.",
};
pub(crate) static SIDE: Key<Choice<Side>> = Key {
    name: "side",
    kind: Choice::NEW,
    presence: Default("\"outside\""),
    doc: "At which side of its door the reader is.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Optional,
    doc: "The id of the partition that the reader arms and disarms.",
};
pub(crate) static DISARMS: Key<Switch> = Key {
    name: "disarms",
    kind: Switch,
    presence: Default("false"),
    doc: "A granted card that may disarm the partition does so.",
};
pub(crate) static ARMS: Key<Choice<Mode>> = Key {
    name: "arms",
    kind: Choice::NEW,
    presence: Optional,
    doc: "A granted card that may arm the partition, shown twice within 5 seconds, arms it in this \
          mode. Without this key the reader arms nothing.",
};
pub(crate) static PIN: Key<Switch> = Key {
    name: "pin",
    kind: Switch,
    presence: Default("false"),
    doc: "A PIN is asked for with the card; who has none is refused.",
};
pub(crate) static ATTEMPTS: Key<Number<u8>> = Key {
    name: "lockout-attempts",
    kind: Number { min: 0, max: 20, unit: "in wrong attempts", make: super::u8 },
    presence: Default("5"),
    doc: "After so many wrong attempts within `lockout-window-s` the reader is locked, with a \
          tamper event. 0: never.",
};
pub(crate) static WINDOW: Key<Number<Duration>> = Key {
    name: "lockout-window-s",
    kind: super::seconds(10, 3600),
    presence: Default("60"),
    doc: "A wrong attempt counts for so long.",
};
pub(crate) static LOCKOUT: Key<Number<Duration>> = Key {
    name: "lockout-s",
    kind: super::seconds(10, 3600),
    presence: Default("90"),
    doc: "The reader is locked for so long. EN 50131-1 asks for 90 or more; less is accepted with \
          a warning.",
};
pub(crate) static HOLD_OFF: Key<Number<Duration>> = Key {
    name: "fault-hold-off-s",
    kind: super::seconds(0, 600),
    presence: Default("10"),
    doc: "How long the reader must be away or without supply before that is reported. Tamper and \
          the loss of the secure channel never wait for it.",
};
