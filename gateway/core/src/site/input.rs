//! What happens to a site: the inputs of [`Site::apply`](super::Site::apply).

use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::Mono;

use super::{CameraSays, Command, CredentialHash, DoorState, ZoneLine};

/// What a contact says once it is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Not known: just started, or the line was lost.
    Unknown,
    /// The door is closed.
    Closed,
    /// The door is open.
    Open,
    /// The contact's loop is cut, shorted or swapped: the door is not known.
    Tamper,
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

/// What an output does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Does {
    /// Not known: its line is gone, or its read-back says something else than was written.
    #[default]
    Unknown,
    /// It is on: what its role says.
    On,
    /// It is off.
    Off,
}

impl Does {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::On => "on",
            Self::Off => "off",
        }
    }
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
    /// A further line of a zone's detector became stable, or was lost.
    ZoneLine {
        /// The zone's place in [`SiteConfig::zones`](super::SiteConfig::zones).
        zone: usize,
        /// Which line.
        line: ZoneLine,
        /// Pressed, at fault or masked; `None`: not known.
        active: Option<bool>,
        /// The kernel's timestamp of the edge (of the finding, if there was no edge).
        at: Mono,
        /// Found by re-reading the level.
        resynced: bool,
    },
    /// The button of a checkpoint became stable, or was lost.
    Checkpoint {
        /// Its place in [`SiteConfig::checkpoints`](super::SiteConfig::checkpoints).
        checkpoint: usize,
        /// Pressed or let go; `None`: not known.
        pressed: Option<bool>,
        /// The kernel's timestamp of the edge.
        at: Mono,
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
    /// A request-to-exit button, bar or detector. Its level is to be told once at the start too:
    /// found pressed then, it explains an opening and releases nothing.
    Rex {
        /// The door's place in [`SiteConfig::doors`](super::SiteConfig::doors).
        door: usize,
        /// Pressed or let go.
        pressed: bool,
        /// The kernel's timestamp of the edge.
        at: Mono,
    },
    /// The line of a request-to-exit input is lost: whether it is pressed, nobody can say. What it
    /// says next is found, not seen.
    RexLost {
        /// The door's place in [`SiteConfig::doors`](super::SiteConfig::doors).
        door: usize,
        /// Since when.
        at: Mono,
    },
    /// A key switch became stable, or was lost.
    KeySwitch {
        /// Its place in [`SiteConfig::key_switches`](super::SiteConfig::key_switches).
        switch: usize,
        /// Whether the key is turned; `None`: not known.
        turned: Option<bool>,
        /// The kernel's timestamp of the edge.
        at: Mono,
        /// Found by re-reading the level.
        resynced: bool,
    },
    /// A card or a code at a reader.
    Card(Card),
    /// What a reader says of itself.
    ReaderStatus {
        /// Its place in [`SiteConfig::readers`](super::SiteConfig::readers).
        reader: usize,
        /// Of which part.
        part: ReaderPart,
        /// Whether that is as it should be.
        good: bool,
        /// Why it is not, for a person.
        cause: Option<String>,
        /// When it was noticed.
        at: Mono,
    },
    /// What an output does, as its driver or its read-back says.
    Output {
        /// Its place in [`SiteConfig::outputs`](super::SiteConfig::outputs).
        output: usize,
        /// What it does.
        does: Does,
        /// Why it cannot be relied on; `None`: it can.
        fault: Option<String>,
        /// Since when.
        at: Mono,
    },
    /// What a camera's unit says of it.
    Camera {
        /// Its place in [`SiteConfig::cameras`](super::SiteConfig::cameras).
        camera: usize,
        /// What.
        says: CameraSays,
        /// When the picture came that tells it, or when it was found.
        at: Mono,
    },
    /// What the input says that the challenge test's output is wired to.
    LoopBack {
        /// What it says now.
        condition: Condition,
        /// The kernel's timestamp of the edge.
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

impl Input {
    /// When it happened, if that is another matter than when it is looked at.
    pub(super) const fn at(&self) -> Option<Mono> {
        match self {
            Self::Contact { at, .. }
            | Self::Zone { at, .. }
            | Self::ZoneLine { at, .. }
            | Self::Checkpoint { at, .. }
            | Self::Rex { at, .. }
            | Self::RexLost { at, .. }
            | Self::KeySwitch { at, .. }
            | Self::ReaderStatus { at, .. }
            | Self::Output { at, .. }
            | Self::Camera { at, .. }
            | Self::LoopBack { at, .. }
            | Self::Bus { at, .. } => Some(*at),
            Self::Card(card) => Some(card.at),
            Self::Command(command) => Some(command.at),
            Self::Recall { .. } | Self::Report(_) | Self::Tick => None,
        }
    }
}

/// A card or a code, as [`Input::Card`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The place of the reader in [`SiteConfig::readers`](super::SiteConfig::readers).
    pub reader: usize,
    /// Which credential.
    pub credential: CredentialHash,
    /// The PIN that was given with it.
    pub pin: Option<CredentialHash>,
    /// When it was shown: stamped as near to the reader as can be.
    pub at: Mono,
    /// The reader or its bus knows that it kept this back: it was shown while the link was down.
    pub late: bool,
}

/// A part of a reader that has a state of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReaderPart {
    /// Its case is closed and it is on its wall.
    Case,
    /// Its supply.
    Power,
    /// It answers.
    Link,
    /// Its link is encrypted with the agreed key.
    Channel,
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
