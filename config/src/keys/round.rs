//! The table `[[round]]`.

use std::time::Duration;

use gatehouse_core::site::Order;

use crate::kind::{Choice, Identifier, Number, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::when::Window;
use crate::{MAX_CHECKPOINTS, MAX_ROUNDS};

pub(crate) static TABLE: Table = Table {
    name: "round",
    times: Times::Several { min: 0, max: MAX_ROUNDS },
    doc: "A patrol round: the checkpoints that somebody must visit, and when. It is due once in \
          each of its windows and is reported as done, late or missed; who has begun and does not \
          come to the next checkpoint in time is reported at once. Repeat the table for every \
          round.",
    keys: &[&ID, &NAME, &CHECKPOINTS, &ORDER, &STARTS, &LEG_MIN, &LEG_MAX, &TOLERANCE, &GIVE_UP],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The round's id in events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The round's name for people, in any script. It stays on the box: it is never published.",
};
pub(crate) static CHECKPOINTS: Key<List<Identifier>> = Key {
    name: "checkpoints",
    kind: List { of: Identifier, min: 1, max: MAX_CHECKPOINTS, what: "a list of one or more ids:" },
    presence: Required,
    doc: "The ids of its checkpoints, each once.",
};
pub(crate) static ORDER: Key<Choice<Order>> = Key {
    name: "order",
    kind: Choice::NEW,
    presence: Default("\"strict\""),
    doc: "In which order they are visited.",
};
pub(crate) static STARTS: Key<List<Window>> = Key {
    name: "starts",
    kind: List { of: Window, min: 1, max: 24, what: "a list of one or more of" },
    presence: Required,
    doc: "The windows in which it must begin, by the clock on the site's wall: it is due once in \
          each. Where clocks change, a time that is left out opens the window at what the clock \
          shows then, and one that comes twice at its first time.",
};
pub(crate) static LEG_MIN: Key<Number<Duration>> = Key {
    name: "leg-min-s",
    kind: super::seconds(0, 3600),
    presence: Default("0"),
    doc: "The way from one checkpoint to the next takes so long at least; who is faster is reported.",
};
pub(crate) static LEG_MAX: Key<Number<Duration>> = Key {
    name: "leg-max-s",
    kind: super::seconds(10, 14_400),
    presence: Default("600"),
    doc: "The way from one checkpoint to the next takes so long at most; then somebody is overdue.",
};
pub(crate) static TOLERANCE: Key<Number<Duration>> = Key {
    name: "tolerance-s",
    kind: super::seconds(0, 3600),
    presence: Default("60"),
    doc: "So much later is still in time, at the start and on each way.",
};
pub(crate) static GIVE_UP: Key<Number<Duration>> = Key {
    name: "give-up-s",
    kind: super::seconds(60, 14_400),
    presence: Default("1800"),
    doc: "Overdue for so long, the round is given up as missed.",
};
