//! What happens to a site: the inputs of [`Site::apply`](super::Site::apply).

use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::Mono;

use super::{Command, DoorState};

/// What a contact says once it is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Not known: just started, or the line was lost.
    Unknown,
    /// The door is closed.
    Closed,
    /// The door is open.
    Open,
}

/// What a zone's detector or loop says once it is stable.
///
/// A plain contact knows only `Unknown`, `Normal` and `Active`; a supervised loop and a detector
/// with a fault output know the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Not known: just started, or the line or the bus was lost. Never taken for normal.
    #[default]
    Unknown,
    /// At rest.
    Normal,
    /// The detector has triggered.
    Active,
    /// The loop is cut, shorted or swapped, or the case is open.
    Tamper,
    /// The detector reports its own fault.
    Fault,
    /// The detector reports that it is covered.
    Masked,
}

/// Something that happened to the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A contact became stable, or was lost.
    Contact {
        /// The door's place in [`SiteConfig::doors`](super::SiteConfig::doors).
        door: usize,
        /// What it says now.
        contact: Contact,
        /// The kernel's timestamp of the edge (of the finding, if there was no edge).
        at: Mono,
        /// Found by re-reading the level.
        resynced: bool,
    },
    /// A zone's detector became stable in a condition, or was lost.
    Zone {
        /// The zone's place in [`SiteConfig::zones`](super::SiteConfig::zones).
        zone: usize,
        /// What it says now.
        condition: Condition,
        /// The kernel's timestamp of the edge (of the finding, if there was no edge).
        at: Mono,
        /// Found by re-reading the level.
        resynced: bool,
    },
    /// A bus was lost, or is there again.
    Bus {
        /// Its place in [`SiteConfig::buses`](super::SiteConfig::buses).
        bus: usize,
        /// Why it is lost; `None`: it is there.
        lost: Option<String>,
        /// When that was found.
        at: Mono,
    },
    /// Somebody wants something: a person, a schedule or the district.
    Command(Command),
    /// What the journal knows of a door from before this start.
    Recall {
        /// The door's place in [`SiteConfig::doors`](super::SiteConfig::doors).
        door: usize,
        /// Its last recorded state.
        state: DoorState,
    },
    /// A technical report of the gateway itself: a chip is gone, a broker does not answer.
    Report(Report),
    /// A deadline may have passed.
    Tick,
}

/// A technical report, as [`Input::Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `fault` or `system`, mostly.
    pub class: Class,
    /// The event's type.
    pub kind: &'static str,
    /// Begins, ends or reports.
    pub qualifier: Qualifier,
    /// 1 to 5.
    pub severity: u8,
    /// What it concerns: a kind of thing and its id.
    pub source: (&'static str, Id),
    /// The type of event that this one ends.
    pub closes: Option<&'static str>,
    /// Why.
    pub cause: Option<String>,
    /// Facts.
    pub detail: Option<serde_json::Value>,
    /// When; `None`: now.
    pub at: Option<Mono>,
}
