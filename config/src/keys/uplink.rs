//! The table `[uplink]`.

use std::time::Duration;

use crate::kind::Number;
use crate::spec::Presence::Default;
use crate::spec::{Key, Table, Times};

pub(crate) static TABLE: Table = Table {
    name: "uplink",
    times: Times::AtMostOnce,
    doc: "How events are delivered. Alarms always go first and at once.",
    keys: &[&HEARTBEAT, &REPLAY_RATE, &REPLAY_JITTER, &IN_FLIGHT, &HOST_TIMEOUT],
    tables: &[],
};

pub(crate) static HEARTBEAT: Key<Number<Duration>> = Key {
    name: "heartbeat-s",
    kind: super::seconds(5, 3600),
    presence: Default("30"),
    doc: "The period of heartbeats, until the control room sets another.",
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
