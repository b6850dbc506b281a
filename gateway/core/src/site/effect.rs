//! What is to be done: the outcome of [`Site::apply`](super::Site::apply).

use std::time::Duration;

use super::incident::is_silent_incident;
use super::{Answer, Incident, is_silent_event};
use crate::event::Draft;
use crate::id::Id;
use crate::time::{Mono, UtcMs};

/// A thing that has a state which is shown and published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// A door, by its place in [`SiteConfig::doors`](super::SiteConfig::doors).
    Door(usize),
    /// A zone, by its place in [`SiteConfig::zones`](super::SiteConfig::zones).
    Zone(usize),
    /// A partition, by its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
    Partition(usize),
    /// A reader, by its place in [`SiteConfig::readers`](super::SiteConfig::readers).
    Reader(usize),
    /// An output, by its place in [`SiteConfig::outputs`](super::SiteConfig::outputs).
    Output(usize),
    /// A camera, by its place in [`SiteConfig::cameras`](super::SiteConfig::cameras).
    Camera(usize),
}

/// How an output is switched. *On* is what its [`Role`](super::Role) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// On, until something else is said.
    On,
    /// Off.
    Off,
    /// On for so long from now, then off. Another pulse meanwhile begins anew.
    Pulse(Duration),
}

/// What people at the site are to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Once: a zone that chimes was entered while nothing is armed, a door that chimes is held open,
    /// or a schedule is about to arm a partition.
    Chime,
    /// The exit delay runs: beeps until then.
    Leaving {
        /// Its end.
        until: Mono,
    },
    /// An entry delay runs: faster beeps until then.
    Entered {
        /// Its end.
        until: Mono,
    },
    /// No delay runs any more.
    Quiet,
}

/// What a reader shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Green.
    Granted,
    /// Red.
    Denied,
    /// Amber: a card is wanted.
    Wait,
}

impl Thing {
    /// The word for its kind in topics and events.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Door(_) => "door",
            Self::Zone(_) => "zone",
            Self::Partition(_) => "partition",
            Self::Reader(_) => "reader",
            Self::Output(_) => "output",
            Self::Camera(_) => "camera",
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a few at a time, and most are records")]
pub enum Effect {
    /// Store this event.
    Record(Draft),
    /// A state has changed: show it, and publish it with the seq of the newest event above.
    State {
        /// Whose.
        of: Thing,
        /// The word for it.
        state: &'static str,
        /// Remarks: `bypassed`, `tamper`, `fault`, …
        flags: Vec<&'static str>,
        /// Since when.
        since: UtcMs,
    },
    /// Keep this over a restart, in the transaction that stores the events above.
    Keep {
        /// Whose it is, as `zone/lobby-pir`.
        key: String,
        /// What is to be given back to [`Site::restore`](super::Site::restore); `None`: forget it.
        value: Option<String>,
    },
    /// An incident has changed: show it as `alarm/{id}`.
    Incident {
        /// Its id.
        id: Id,
        /// What it is now; `None`: it is closed.
        shown: Option<Box<Incident>>,
    },
    /// Tell who asked.
    Answer {
        /// The [`Command`](super::Command)'s id.
        command: u64,
        /// What they are told.
        answer: Answer,
    },
    /// What comes next of a schedule has changed.
    Schedule {
        /// Its place in [`SiteConfig::schedules`](super::SiteConfig::schedules).
        schedule: usize,
        /// What comes.
        coming: super::Coming,
    },
    /// Let people at the site hear something: at the chimes, not at the sirens.
    Chime {
        /// Of which door, zone or partition.
        of: Thing,
        /// What.
        sound: Sound,
    },
    /// Switch an output.
    Output {
        /// Its place in [`SiteConfig::outputs`](super::SiteConfig::outputs).
        output: usize,
        /// How.
        drive: Drive,
    },
    /// Take a picture and a clip of the newest event above.
    Look {
        /// The camera's place in [`SiteConfig::cameras`](super::SiteConfig::cameras).
        camera: usize,
        /// Nobody at the site may notice the event.
        silent: bool,
    },
    /// Show something at a reader.
    Reader {
        /// Its place in [`SiteConfig::readers`](super::SiteConfig::readers).
        reader: usize,
        /// What.
        show: Show,
    },
}

impl Effect {
    /// The event, if it is one.
    pub fn record(&self) -> Option<&Draft> {
        match self {
            Self::Record(draft) => Some(draft),
            _ => None,
        }
    }

    /// Whether nobody at the site may notice it: a silent event, or what an operator does about it.
    /// What is not silent is the same, whether there is a silent one beside it or not; only the
    /// numbers of events have a hole where it stands.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Record(draft) => is_silent_event(draft),
            Self::Incident { id, .. } => is_silent_incident(id),
            Self::Look { silent, .. } => *silent,
            _ => false,
        }
    }
}
