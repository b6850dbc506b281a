//! What is to be done: the outcome of [`Site::apply`](super::Site::apply).

use super::{Answer, Incident};
use crate::event::Draft;
use crate::id::Id;
use crate::time::UtcMs;

/// A thing that has a state which is shown and published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// A door, by its place in [`SiteConfig::doors`](super::SiteConfig::doors).
    Door(usize),
    /// A zone, by its place in [`SiteConfig::zones`](super::SiteConfig::zones).
    Zone(usize),
    /// A partition, by its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
    Partition(usize),
}

impl Thing {
    /// The word for its kind in topics and events.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Door(_) => "door",
            Self::Zone(_) => "zone",
            Self::Partition(_) => "partition",
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
    /// A zone that chimes was entered while nothing is armed.
    Chime {
        /// Its place in [`SiteConfig::zones`](super::SiteConfig::zones).
        zone: usize,
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
}
