//! Every table and key of the file: the one declaration that the reader, the schema and the
//! manual page come from.

pub(crate) mod broker;

use crate::spec::{Table, Times};

/// The file as a whole.
pub(crate) static FILE: Table = Table {
    name: "",
    times: Times::Once,
    doc: "The configuration of one Gatehouse gateway.",
    keys: &[],
    tables: &[
        &gateway::TABLE,
        &door::TABLE,
        &broker::TABLE,
        &uplink::TABLE,
        &journal::TABLE,
        &log::TABLE,
        &sim::TABLE,
    ],
};

pub(crate) mod gateway {
    use crate::kind::{Identifier, Place};
    use crate::spec::Presence::{Default, Required};
    use crate::spec::{Key, Table, Times};

    pub(crate) static TABLE: Table = Table {
        name: "gateway",
        times: Times::Once,
        doc: "Which gateway this is. The three ids make its topics, \
              `gatehouse/v1/{district}/{site}/{id}/…`, and everyone who may look into the broker \
              sees them: no names, no addresses.",
        keys: &[&ID, &DISTRICT, &SITE, &STATE_DIR, &SOCKET],
        tables: &[],
    };

    pub(crate) static ID: Key<Identifier> = Key {
        name: "id",
        kind: Identifier,
        presence: Required,
        doc: "The gateway's id, unique in its district. It is also the MQTT client id and the \
              common name of its certificate.",
    };
    pub(crate) static DISTRICT: Key<Identifier> = Key {
        name: "district",
        kind: Identifier,
        presence: Required,
        doc: "The district whose control room receives the events.",
    };
    pub(crate) static SITE: Key<Identifier> = Key {
        name: "site",
        kind: Identifier,
        presence: Required,
        doc: "The residential community.",
    };
    pub(crate) static STATE_DIR: Key<Place> = Key {
        name: "state-dir",
        kind: Place::Folder,
        presence: Default("\"/var/lib/gatehouse\""),
        doc: "The folder of the journal. It must be on a disk that survives a power cut: not on \
              a tmpfs.",
    };
    pub(crate) static SOCKET: Key<Place> = Key {
        name: "socket",
        kind: Place::Socket,
        presence: Default("\"/run/gatehouse/control.sock\""),
        doc: "The control socket that `gatehouse status` asks.",
    };
}

pub(crate) mod door {
    use std::time::Duration;

    use crate::MAX_DOORS;
    use crate::door::{Bias, Contact, LineKind};
    use crate::kind::{Choice, Identifier, Number, Text};
    use crate::spec::Presence::{Default, Optional, Required};
    use crate::spec::{Key, Table, Times};

    pub(crate) static TABLE: Table = Table {
        name: "door",
        times: Times::Several { min: 0, max: MAX_DOORS },
        doc: "One door and the contact that watches it. Repeat the table for every door.",
        keys: &[&ID, &NAME, &INPUT, &CONTACT, &BIAS, &DEBOUNCE, &HELD_OPEN, &PARTITION],
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
              of `[sim]`. A label stays the same when chips are found in another order.",
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
        doc: "How long the contact must be still before it is believed. Up to 300 keeps to the \
              rule that a signal of 400 ms is always reported.",
    };
    pub(crate) static HELD_OPEN: Key<Number<Duration>> = Key {
        name: "held-open-s",
        kind: Number { min: 1, max: 86_400, unit: "in seconds", make: Duration::from_secs },
        presence: Optional,
        doc: "A door that is open for longer is reported as held open. Without this key it \
              never is.",
    };
    pub(crate) static PARTITION: Key<Identifier> = Key {
        name: "partition",
        kind: Identifier,
        presence: Optional,
        doc: "The partition that the door belongs to: what is armed and disarmed as one.",
    };
}

pub(crate) mod uplink {
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
        kind: Number { min: 5, max: 3600, unit: "in seconds", make: Duration::from_secs },
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
        kind: Number { min: 0, max: 3600, unit: "in seconds", make: Duration::from_secs },
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
        kind: Number { min: 10, max: 3600, unit: "in seconds", make: Duration::from_secs },
        presence: Default("60"),
        doc: "When the control room's receipts make no progress for so long, the events are sent \
              again, then the next broker is tried.",
    };
}

pub(crate) mod journal {
    use crate::kind::Number;
    use crate::spec::Presence::Default;
    use crate::spec::{Key, Table, Times};

    pub(crate) static TABLE: Table = Table {
        name: "journal",
        times: Times::AtMostOnce,
        doc: "How events are kept on the box. An undelivered panic, alarm or tamper event is \
              never dropped; what is dropped leaves a record.",
        keys: &[&MAX, &RESERVE],
        tables: &[&keep::TABLE],
    };

    pub(crate) static MAX: Key<Number<u64>> = Key {
        name: "max-mib",
        kind: Number { min: 8, max: 1_048_576, unit: "in MiB", make: super::mib },
        presence: Default("512"),
        doc: "The most that the journal may take of the disk. The oldest delivered events make \
              room.",
    };
    pub(crate) static RESERVE: Key<Number<u64>> = Key {
        name: "reserve-mib",
        kind: Number { min: 1, max: 1024, unit: "in MiB", make: super::mib },
        presence: Default("4"),
        doc: "Room that is set aside on the disk, so that alarms are recorded even when the disk \
              is full.",
    };

    pub(crate) mod keep {
        use std::time::Duration;

        use crate::kind::Number;
        use crate::spec::Presence::Optional;
        use crate::spec::{Key, Table, Times};

        pub(crate) static TABLE: Table = Table {
            name: "keep-days",
            times: Times::AtMostOnce,
            doc: "How many days events are kept, by class. A class without a key is kept until \
                  room is needed.",
            keys: &[
                &CLASSES[0],
                &CLASSES[1],
                &CLASSES[2],
                &CLASSES[3],
                &CLASSES[4],
                &CLASSES[5],
                &CLASSES[6],
                &CLASSES[7],
                &CLASSES[8],
                &CLASSES[9],
            ],
            tables: &[],
        };

        /// In the order of `Class::ALL`; a test holds the words to it.
        pub(crate) static CLASSES: [Key<Number<Duration>>; 10] = [
            days("panic", "Hold-up and panic buttons."),
            days("alarm", "Alarms."),
            days("tamper", "Opened boxes, cut lines."),
            days("fault", "What does not work."),
            days("access", "Who was let in or refused; personal data in most countries."),
            days("arm", "Arming and disarming."),
            days("camera", "What cameras report."),
            days("door", "Doors opened and closed."),
            days("system", "Starts, connections, clocks, drops."),
            days("test", "Tests and walk tests."),
        ];

        const fn days(name: &'static str, doc: &'static str) -> Key<Number<Duration>> {
            const DAY: u64 = 24 * 60 * 60;
            let kind = Number {
                min: 1,
                max: 3650,
                unit: "in days",
                make: |days| Duration::from_secs(days * DAY),
            };
            Key { name, kind, presence: Optional, doc }
        }
    }
}

pub(crate) mod log {
    use crate::config::{LogFormat, LogLevel};
    use crate::kind::Choice;
    use crate::spec::Presence::Default;
    use crate::spec::{Key, Table, Times};

    pub(crate) static TABLE: Table = Table {
        name: "log",
        times: Times::AtMostOnce,
        doc: "What the gateway writes to its log.",
        keys: &[&LEVEL, &FORMAT],
        tables: &[],
    };

    pub(crate) static LEVEL: Key<Choice<LogLevel>> = Key {
        name: "level",
        kind: Choice::NEW,
        presence: Default("\"info\""),
        doc: "The least important message that is still written.",
    };
    pub(crate) static FORMAT: Key<Choice<LogFormat>> = Key {
        name: "format",
        kind: Choice::NEW,
        presence: Default("\"text\""),
        doc: "How a message is written.",
    };
}

pub(crate) mod sim {
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
}

/// A number within `u16`; the key's own bound keeps it there.
fn u16(n: u64) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// A number within `u32`; the key's own bound keeps it there.
fn u32(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn mib(n: u64) -> u64 {
    n * 1024 * 1024
}

#[cfg(test)]
mod tests {
    use gatehouse_core::event::Class;

    use super::*;
    use crate::spec::Presence;

    fn visit(table: &'static Table, seen: &mut impl FnMut(&'static Table)) {
        seen(table);
        for table in table.tables {
            visit(table, seen);
        }
    }

    #[test]
    fn every_default_is_a_value_that_its_own_key_allows() {
        visit(&FILE, &mut |table| {
            for key in table.keys {
                if let Presence::Default(text) = key.presence() {
                    assert!(key.accepts(text), "{}.{} = {text}", table.name, key.name());
                }
            }
        });
    }

    #[test]
    fn names_are_kebab_case_and_unique_within_their_table() {
        visit(&FILE, &mut |table| {
            let mut names: Vec<_> = table.names().collect();
            assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.names().count(), "{}", table.name);
        });
    }

    #[test]
    fn each_class_of_events_has_its_key_in_its_place() {
        let words: Vec<_> = journal::keep::CLASSES.iter().map(|key| key.name).collect();
        assert_eq!(words, Class::ALL.map(Class::as_str));
    }
}
