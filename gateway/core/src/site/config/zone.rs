//! Zones: what a detector is for.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Modes, Weekly};
use crate::event::Class;
use crate::id::Id;

/// What an activation of a zone means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneKind {
    /// Burglary at once while armed.
    Instant,
    /// The way in and out: the entry delay begins.
    EntryExit,
    /// On the way in: quiet while an entry delay runs, at once otherwise.
    Follower,
    /// Burglary at any time, armed or not.
    #[serde(rename = "24h", alias = "hours24")]
    Hours24,
    /// Hold-up with noise, at any time.
    Panic,
    /// Hold-up that nobody here must notice, at any time.
    SilentPanic,
    /// A case, a cabinet or a cable, at any time.
    Tamper,
    /// Fire or a manual call point, at any time.
    Fire,
    /// Water where it should not be, at any time.
    Flood,
    /// Gas, at any time.
    Gas,
    /// A pump, a freezer, a lift: not a danger to persons, at any time.
    Technical,
}

impl ZoneKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Instant,
        Self::EntryExit,
        Self::Follower,
        Self::Hours24,
        Self::Panic,
        Self::SilentPanic,
        Self::Tamper,
        Self::Fire,
        Self::Flood,
        Self::Gas,
        Self::Technical,
    ];

    /// Whether it protects only while its partition is armed.
    pub const fn needs_arming(self) -> bool {
        matches!(self, Self::Instant | Self::EntryExit | Self::Follower)
    }

    /// The type of its alarm and of the restore.
    pub const fn alarm(self) -> (&'static str, &'static str) {
        match self {
            Self::Instant | Self::Follower => ("zone.alarm", "zone.alarm_restored"),
            Self::EntryExit => ("zone.entry_alarm", "zone.entry_alarm_restored"),
            Self::Hours24 => ("zone.24h_alarm", "zone.24h_alarm_restored"),
            Self::Panic => ("panic.alarm", "panic.alarm_restored"),
            Self::SilentPanic => ("panic.silent", "panic.silent_restored"),
            Self::Tamper => ("tamper.alarm", "tamper.alarm_restored"),
            Self::Fire => ("fire.alarm", "fire.alarm_restored"),
            Self::Flood => ("flood.alarm", "flood.alarm_restored"),
            Self::Gas => ("gas.alarm", "gas.alarm_restored"),
            Self::Technical => ("technical.alarm", "technical.alarm_restored"),
        }
    }

    /// The class of its alarm.
    pub const fn class(self) -> Class {
        match self {
            Self::Panic | Self::SilentPanic => Class::Panic,
            Self::Tamper => Class::Tamper,
            _ => Class::Alarm,
        }
    }

    /// The severity of its alarm.
    pub const fn severity(self) -> u8 {
        match self {
            Self::Tamper | Self::Flood => 2,
            Self::Technical => 3,
            _ => 1,
        }
    }

    /// Whether nobody at the site may notice its alarm.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::SilentPanic)
    }
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// Its id.
    pub id: Id,
    /// Its partition, by its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
    /// A zone whose kind needs arming and that has none is never live.
    pub partition: Option<usize>,
    /// What its activation means.
    pub kind: ZoneKind,
    /// The wire as events name it.
    pub driver: String,
    /// The bus it hangs on, by its place in [`SiteConfig::buses`](super::SiteConfig::buses): while
    /// that is lost, the loss of the zone is not told.
    pub bus: Option<usize>,
    /// The modes in which it protects, if its kind needs arming.
    pub modes: Modes,
    /// Instead of the mode's entry delay.
    pub entry: Option<Duration>,
    /// After so many alarms in one arming it is shut down until the next; 0: never.
    pub swinger: u8,
    /// The group that must agree, by its place in [`SiteConfig::crosses`](super::SiteConfig::crosses).
    pub cross: Option<usize>,
    /// Its activation chimes while nothing is armed.
    pub chime: bool,
    /// A fault, a mask or a lost line must last so long to be told.
    pub hold_off: Duration,
    /// Whether it may be bypassed.
    pub bypassable: bool,
    /// On a soak test: its events carry `test` and nothing acts on them.
    pub soak: bool,
    /// Each opening and closing is recorded, also while nothing is armed, and compared after a
    /// restart: for contacts, not for motion detectors. What protects at any time is compared
    /// anyway.
    pub record: bool,
    /// Its further lines.
    pub lines: LinesConfig,
    /// It has no wire: it is made of what a camera sees move.
    pub camera: Option<MotionConfig>,
    /// Its alarm stays until somebody resets it, also when it is normal again.
    pub latch: bool,
    /// A button that is held for so long is stuck: a fault. `None`: it may be held for ever.
    pub stuck: Option<Duration>,
    /// It is a help point: whom its call is for.
    pub help: Option<HelpConfig>,
}

impl ZoneConfig {
    /// A zone with the defaults of its kind.
    pub fn new(id: Id, kind: ZoneKind, partition: Option<usize>, driver: String) -> Self {
        Self {
            id,
            partition,
            kind,
            driver,
            bus: None,
            modes: Modes::ALL,
            entry: None,
            // An alarm installer's default in the field.
            swinger: if kind.needs_arming() { 6 } else { 0 },
            cross: None,
            chime: false,
            hold_off: Duration::from_secs(10),
            bypassable: kind.needs_arming(),
            soak: false,
            record: kind.needs_arming(),
            lines: LinesConfig::default(),
            camera: None,
            latch: false,
            stuck: None,
            help: None,
        }
    }

    /// The type of its alarm and of the restore.
    pub const fn alarm(&self) -> (&'static str, &'static str) {
        match (&self.help, self.kind.is_silent()) {
            (None, _) => self.kind.alarm(),
            (Some(_), false) => ("panic.help", "panic.help_restored"),
            (Some(_), true) => ("panic.help_silent", "panic.help_silent_restored"),
        }
    }

    /// Whether its alarm stays until somebody resets it. A card is not let go, so its call always
    /// does.
    pub fn latches(&self) -> bool {
        self.latch || self.help.as_ref().is_some_and(|help| help.reader.is_some())
    }
}

/// What a camera sees move, as a zone's detector. The area's own `tells` and windows are of no
/// account: whether motion is an alarm is the zone's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MotionConfig {
    /// The camera, by its place in [`SiteConfig::cameras`](super::SiteConfig::cameras). With one that
    /// does not exist the zone is told as one with a wire.
    pub camera: usize,
    /// The area; `None`: any of the camera's.
    pub area: Option<Id>,
}

/// The further lines of a zone, beside its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesConfig {
    /// It has a second button, and both must be pressed within so long or held at once.
    pub second: Option<Duration>,
    /// The detector has a fault output.
    pub fault: bool,
    /// The detector has an output for being covered.
    pub mask: bool,
}

/// A help point: a button, two buttons or a reader with which somebody calls for help.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelpConfig {
    /// Where it is.
    pub place: Option<Id>,
    /// A known card that is shown at this reader calls too: by its place in
    /// [`SiteConfig::readers`](super::SiteConfig::readers).
    pub reader: Option<usize>,
    /// It has no button: nothing is ever heard of a line of its own.
    pub only_card: bool,
    /// Who comes when: the first whose window is open.
    pub responders: Vec<Responders>,
    /// Who comes at any other time, and when the time is not known.
    pub otherwise: Option<Id>,
}

/// Who comes in some windows of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responders {
    /// The list's id: who is on it is the control room's matter.
    pub list: Id,
    /// When.
    pub weekly: Vec<Weekly>,
}

/// A group of zones of which several must be active within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossConfig {
    /// Its id.
    pub id: Id,
    /// So many different zones; at least 2.
    pub need: u8,
    /// Within so long.
    pub window: Duration,
}
