//! The table `[uplink]`.

use std::time::Duration;

use gatehouse_core::uplink::Reporting;

use crate::kind::{Choice, Number};
use crate::spec::Presence::{Default, Optional};
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "uplink",
    times: Times::AtMostOnce,
    doc: "How events are delivered. Alarms always go first and at once.",
    keys: &[
        &REPORTING,
        &HEARTBEAT,
        &STANDBY_POLL,
        &REPLAY_RATE,
        &REPLAY_JITTER,
        &IN_FLIGHT,
        &HOST_TIMEOUT,
    ],
    tables: &[],
};

pub(crate) static REPORTING: Key<Choice<Reporting>> = Key {
    name: "reporting",
    kind: Choice::NEW,
    presence: Default("\"90s\""),
    doc: "The failure reporting profile, after EN 50136-1: within this time the control room knows \
          that the gateway cannot be heard, and the gateway that its path has failed. Heartbeats, \
          keep alive, the will's delay and the looks at a standby follow from it.",
};
pub(crate) static HEARTBEAT: Key<Number<Duration>> = Key {
    name: "heartbeat-s",
    kind: super::seconds(5, 553),
    presence: Optional,
    doc: "The period of heartbeats, until the control room sets a shorter one. Without this key it \
          follows from `reporting`: 5, 25, 50 or 500.",
};
pub(crate) static STANDBY_POLL: Key<Number<Duration>> = Key {
    name: "standby-poll-s",
    kind: super::seconds(10, 43_200),
    presence: Optional,
    doc: "With more than one broker: how often those that are not in use are looked at. Without \
          this key it follows from `reporting`: 300, 900, 3600 or 21600.",
};
pub(crate) static REPLAY_RATE: Key<Number<u32>> = Key {
    name: "replay-rate",
    kind: Number { min: 1, max: 10_000, unit: "in events per second", make: super::u32 },
    presence: Default("200"),
    doc: "The pace at which events that waited are sent, until the control room sets another.",
};
pub(crate) static REPLAY_JITTER: Key<Number<Duration>> = Key {
    name: "replay-jitter-s",
    kind: super::seconds(0, 3600),
    presence: Default("30"),
    doc: "Events that waited are sent after a random delay of at most this, so that the \
          boxes of a district do not all begin together.",
};
pub(crate) static IN_FLIGHT: Key<Number<u16>> = Key {
    name: "in-flight",
    kind: Number { min: 1, max: 128, unit: "", make: super::u16 },
    presence: Default("16"),
    doc: "The most events on their way without the broker's acknowledgement. The broker may \
          set a lower limit.",
};
pub(crate) static HOST_TIMEOUT: Key<Number<Duration>> = Key {
    name: "host-timeout-s",
    kind: super::seconds(10, 3600),
    presence: Default("60"),
    doc: "When the control room's receipts make no progress for so long, the events are sent \
          again, then the next broker is tried.",
};
