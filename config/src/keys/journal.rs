//! The tables `[journal]` and `[journal.keep-days]`.

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
