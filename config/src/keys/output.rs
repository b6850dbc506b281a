//! The table `[[output]]`.

use std::time::Duration;

use gatehouse_core::site::{Danger, Role, SafeState};

use crate::kind::{Choice, Identifier, Number, Switch, Text};
use crate::list::List;
use crate::spec::Presence::{Default, Optional, Required};
use crate::spec::{Key, Table, Times};
use crate::wiring::{Drive, Level, LineKind};
use crate::{MAX_OUTPUTS, MAX_PARTITIONS};

pub(crate) static TABLE: Table = Table {
    name: "output",
    times: Times::Several { min: 0, max: MAX_OUTPUTS },
    doc: "One line that the gateway switches: a siren, a strobe, a lock, a chime. Repeat the table \
          for every output. A line that nobody drives floats: while the box is off, starts, or was \
          cut off, its load does what the wiring makes of that. Give the relay or transistor a \
          resistor that holds it off then.",
    keys: &[
        &ID,
        &NAME,
        &LINE,
        &ROLE,
        &ACTIVE,
        &DRIVE,
        &SAFE_STATE,
        &MAX_ON,
        &READ_BACK,
        &READ_BACK_ACTIVE,
        &PARTITIONS,
        &DANGERS,
        &LASTS,
        &OUTSIDE,
    ],
    tables: &[],
};

pub(crate) static ID: Key<Identifier> = Key {
    name: "id",
    kind: Identifier,
    presence: Required,
    doc: "The output's id in topics and events, unique on this gateway.",
};
pub(crate) static NAME: Key<Text> = Key {
    name: "name",
    kind: Text { max: 64 },
    presence: Optional,
    doc: "The output's name for people, in any script. It stays on the box, unless `[home-assistant]` says `names = true`.",
};
pub(crate) static LINE: Key<LineKind> = Key {
    name: "line",
    kind: LineKind,
    presence: Required,
    doc: "The line that switches the load, as for a door's `input`. Each line serves one thing.",
};
pub(crate) static ROLE: Key<Choice<Role>> = Key {
    name: "role",
    kind: Choice::NEW,
    presence: Required,
    doc: "What the output is for. *On* is what the role says: a siren sounds, a lock is released.",
};
pub(crate) static ACTIVE: Key<Choice<Level>> = Key {
    name: "active",
    kind: Choice::NEW,
    presence: Default("\"high\""),
    doc: "The level of the line that switches it on. A magnet that holds a door while it has \
          current, and is released without, is on at the level that cuts the current.",
};
pub(crate) static DRIVE: Key<Choice<Drive>> = Key {
    name: "drive",
    kind: Choice::NEW,
    presence: Default("\"push-pull\""),
    doc: "How the line is driven.",
};
pub(crate) static SAFE_STATE: Key<Choice<SafeState>> = Key {
    name: "safe-state",
    kind: Choice::NEW,
    presence: Default("\"off\""),
    doc: "What the output is set to when the gateway starts, when it stops, and by `gatehouse \
          safe-outputs` after it was cut off. `on` is for the lock of an escape route.",
};
pub(crate) static MAX_ON: Key<Number<Duration>> = Key {
    name: "max-on-s",
    kind: super::seconds(1, 86_400),
    presence: Optional,
    doc: "It is never on for longer in one go, whatever is wanted of it. Without this key 900 for a \
          siren (EN 50131-4 allows 15 minutes), 30 for a lock, and no limit for all others.",
};
pub(crate) static READ_BACK: Key<LineKind> = Key {
    name: "read-back",
    kind: LineKind,
    presence: Optional,
    doc: "A line that tells what the load really does: the second contact of the relay, or the \
          voltage at the load. Where it disagrees, that is a fault.",
};
pub(crate) static READ_BACK_ACTIVE: Key<Choice<Level>> = Key {
    name: "read-back-active",
    kind: Choice::NEW,
    presence: Default("\"high\""),
    doc: "The level of the `read-back` line while the load is on. With `low` the box pulls the line \
          up, for a contact to ground; with `high` it pulls it down.",
};
pub(crate) static PARTITIONS: Key<List<Identifier>> = Key {
    name: "partitions",
    kind: List {
        of: Identifier,
        min: 1,
        max: MAX_PARTITIONS,
        what: "a list of partition ids, each of",
    },
    presence: Optional,
    doc: "The ids of the partitions that a siren, strobe or chime is for. Without this key: all of \
          them, and zones without a partition.",
};
pub(crate) static DANGERS: Key<List<Choice<Danger>>> = Key {
    name: "dangers",
    kind: List { of: Choice::NEW, min: 1, max: 8, what: "a list of one or more of" },
    presence: Optional,
    doc: "The dangers for which a siren or strobe goes on. Without this key burglary, panic, tamper \
          and fire. A silent panic never sounds.",
};
pub(crate) static LASTS: Key<Number<Duration>> = Key {
    name: "lasts-s",
    kind: super::seconds(1, 900),
    presence: Optional,
    doc: "How long a siren sounds in one go. Its end disarms nothing: a zone that is still active is \
          bypassed until it is normal, and reported; everything else goes on protecting. Without \
          this key 180, which many councils allow. A strobe flashes until its partition is disarmed.",
};
pub(crate) static OUTSIDE: Key<Switch> = Key {
    name: "outside",
    kind: Switch,
    presence: Default("false"),
    doc: "Whether a siren or strobe is outside the building. One that is never goes on for a tamper \
          while its partition is disarmed: somebody works at the box.",
};
