//! The tables `[[schedule]]` and `[[holiday]]`.

use std::time::Duration;

use gatehouse_core::site::Mode;

use crate::clock::{DayKind, Like, TimeOfDay, WeekDay};
use crate::kind::{Choice, Identifier, Number, Switch};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Presence, Table, Times};
use crate::{MAX_HOLIDAYS, MAX_SCHEDULES};

pub(crate) static TABLE: Table = Table {
    name: "schedule",
    times: Times::Several { min: 0, max: MAX_SCHEDULES },
    doc: "Arms or disarms a partition at times of the week, on the clock on the wall of the \
          gateway's `time-zone`. Each time counts once: one that daylight saving leaves out counts \
          at the first minute after, one that comes twice counts the first time. Between the times \
          people decide: who disarms after hours is not overruled before the next time. While the \
          time is not known nothing is disarmed, and that is reported. `gatehouse schedule` shows \
          what comes next.",
    keys: &[
        &ID, &PARTITION, &DAYS, &ARM, &DISARM, &ARMED_BY, &MODE, &WARNING, &RETRY, &FORCE,
        &POSTPONE, &HOLIDAYS,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The schedule's id in events, unique on this gateway.",
};
pub(crate) static PARTITION: Key<Identifier> = Key {
    name: "partition",
    kind: Identifier,
    presence: Required,
    doc: "The id of the partition. A common area follows its users and has no schedule of its own.",
};
pub(crate) static DAYS: Key<List<Choice<WeekDay>>> = Key {
    name: "days",
    kind: List { of: Choice::NEW, min: 1, max: 7, what: "a list of one or more of" },
    presence: Default(
        "[\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\", \
         \"sunday\"]",
    ),
    doc: "The days on which the times count. A time after midnight belongs to the day that has \
          begun.",
};
pub(crate) static ARM: Key<TimeOfDay> = Key {
    name: "arm-at",
    kind: TimeOfDay,
    presence: Optional,
    doc: "Arms at this time, with the exit delay of the mode. What people have armed stays as they \
          did. One that comes too late, as after a power cut, is done all the same; more than an \
          hour late it is reported as failed as well.",
};
pub(crate) static DISARM: Key<TimeOfDay> = Key {
    name: "disarm-at",
    kind: TimeOfDay,
    presence: Optional,
    doc: "Disarms at this time. More than a quarter of an hour late, with an alarm in the \
          partition, or without a clock it does not, and that is reported.",
};
pub(crate) static ARMED_BY: Key<TimeOfDay> = Key {
    name: "armed-by",
    kind: TimeOfDay,
    presence: Optional,
    doc: "By this time people are to have armed the partition. If not, it is reported as late to \
          close until they do. Nothing is armed by this.",
};
pub(crate) static MODE: Key<Choice<Mode>> = Key {
    name: "mode",
    kind: Choice::NEW,
    presence: Default("\"away\""),
    doc: "The mode in which it arms. A schedule never arms anew in a weaker mode.",
};
pub(crate) static WARNING: Key<Number<Duration>> = minutes(
    "warning-min",
    60,
    Default("5"),
    "The arming is announced so long before, so that people can leave or put it off. 0: not.",
);
pub(crate) static RETRY: Key<Number<Duration>> = minutes(
    "retry-min",
    240,
    Default("30"),
    "What is not ready at the time, as an open window, is waited for so long. 0: not at all.",
);
pub(crate) static FORCE: Key<Switch> = Key {
    name: "force",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether what is not ready then is bypassed, with a report of each. Without it the arming \
          fails, which is reported.",
};
pub(crate) static POSTPONE: Key<Number<Duration>> = minutes(
    "postpone-min",
    240,
    Default("120"),
    "One arming may be put off so long, all in all, by `gatehouse postpone`. 0: not at all.",
);
pub(crate) static HOLIDAYS: Key<Switch> = Key {
    name: "holidays",
    kind: Switch,
    presence: Default("true"),
    doc: "Whether a `[[holiday]]` counts as its own day. Without: holidays change nothing here.",
};

const fn minutes(
    name: &'static str,
    max: u64,
    presence: Presence,
    doc: &'static str,
) -> Key<Number<Duration>> {
    let make = |n| Duration::from_secs(n * 60);
    Key { name, kind: Number { min: 0, max, unit: "in minutes", make }, presence, doc }
}

/// `[[holiday]]`.
pub(crate) mod holiday {
    use super::{
        Choice, DayKind, Default, Identifier, Key, Like, MAX_HOLIDAYS, Optional, Required, Table,
        Times,
    };

    pub(crate) static TABLE: Table = Table {
        name: "holiday",
        times: Times::Several { min: 0, max: MAX_HOLIDAYS },
        doc: "A day, or some days, that schedules take for another day of the week. Of several on \
              one day the first in the file counts.",
        keys: &[&ID, &FROM, &UNTIL, &AS],
        tables: &[],
    };

    pub(crate) static ID: Key<Identifier> = Key {
        name: "id",
        kind: Identifier,
        presence: Required,
        doc: "The holiday's id, unique on this gateway.",
    };
    pub(crate) static FROM: Key<DayKind> = Key {
        name: "from",
        kind: DayKind,
        presence: Required,
        doc: "The day, or the first of them: of one year, or without a year of every year.",
    };
    pub(crate) static UNTIL: Key<DayKind> = Key {
        name: "until",
        kind: DayKind,
        presence: Optional,
        doc: "The last day, which is one of them. Without this key it is one day. Without years it \
              may lie in the next year: from `12-24` until `01-06`.",
    };
    pub(crate) static AS: Key<Choice<Like>> = Key {
        name: "as",
        kind: Choice::NEW,
        presence: Default("\"sunday\""),
        doc: "What schedules take the day for.",
    };
}
