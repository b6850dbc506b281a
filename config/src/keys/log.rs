//! The table `[log]`.

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
