//! What somebody may want of a site, and what they are answered.

use std::borrow::Cow;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Act, Credential, CredentialHash, Mode};
use crate::commands::{Order, Outcome};
use crate::id::Id;
use crate::time::Mono;

/// By which way a wish came. It decides nothing here: who may do what was looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// `gatehouse arm …` on the box.
    Cli,
    /// The local web page.
    Web,
    /// A card or a code at a reader.
    Reader,
    /// A key switch.
    KeySwitch,
    /// A schedule.
    Schedule,
    /// The control room.
    District,
    /// The rules themselves: a common area follows its users.
    Rules,
}

impl Via {
    /// The word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Web => "web",
            Self::Reader => "reader",
            Self::KeySwitch => "key-switch",
            Self::Schedule => "schedule",
            Self::District => "district",
            Self::Rules => "rules",
        }
    }
}

/// A wish, stamped with when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What [`Effect::Answer`](super::Effect::Answer) names it by.
    pub id: u64,
    /// By which way it came.
    pub via: Via,
    /// Who: a credential's keyed hash or an operator's id, never a name or a number.
    pub actor: Option<String>,
    /// What is wanted.
    pub verb: Verb,
    /// When it was made.
    pub at: Mono,
}

/// What is wanted. Partitions and zones by their places in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Arm a partition.
    Arm {
        /// Its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
        partition: usize,
        /// In which mode; never [`Mode::Disarmed`].
        mode: Mode,
        /// Bypass what is not ready, and report it.
        force: bool,
        /// Without exit delay.
        at_once: bool,
    },
    /// Disarm a partition.
    Disarm {
        /// Its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
        partition: usize,
    },
    /// Take a zone out of protection.
    Bypass {
        /// Its place in [`SiteConfig::zones`](super::SiteConfig::zones).
        zone: usize,
    },
    /// Take it in again.
    Unbypass {
        /// Its place in [`SiteConfig::zones`](super::SiteConfig::zones).
        zone: usize,
    },
    /// Begin a walk test, or end it.
    WalkTest {
        /// Its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
        partition: usize,
        /// How long it lasts at most, up to [`LONGEST_WALK`](super::LONGEST_WALK); zero: end it.
        lasts: Duration,
    },
    /// Put off the next arming by a schedule.
    Postpone {
        /// Its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
        partition: usize,
        /// By how much.
        by: Duration,
    },
    /// Let a door open once.
    Release {
        /// Its place in [`SiteConfig::doors`](super::SiteConfig::doors).
        door: usize,
    },
    /// End an alarm that stays until it is reset.
    Reset {
        /// Its place in [`SiteConfig::zones`](super::SiteConfig::zones).
        zone: usize,
    },
    /// Silence the sirens; nothing is disarmed.
    Silence {
        /// Of this partition, by its place in
        /// [`SiteConfig::partitions`](super::SiteConfig::partitions); `None`: all.
        partition: Option<usize>,
    },
    /// Send a nonce through the whole path. The answer is the outcome.
    Challenge {
        /// What must come back, up to [`LONGEST_NONCE`](super::LONGEST_NONCE) characters.
        nonce: String,
    },
    /// Take the next card or code that nobody knows at a reader for a new one. The answer comes when
    /// it is shown, or when the time is over.
    Enrol {
        /// Its place in [`SiteConfig::readers`](super::SiteConfig::readers).
        reader: usize,
        /// How long it is waited for at most, up to [`LONGEST_ENROL`](super::LONGEST_ENROL); zero: it
        /// is not wanted any more.
        lasts: Duration,
    },
    /// Another list of credentials.
    Credentials {
        /// All of them. Of several with the same hash the first counts.
        list: Vec<Credential>,
        /// Which list that is: equal hashes, equal lists.
        hash: String,
    },
    /// Something about an incident.
    Incident {
        /// Its id.
        id: Id,
        /// What.
        act: Act,
    },
    /// The same, at most once: an act that came before, also before a restart, is done already.
    IncidentOnce {
        /// What this act is known by.
        nonce: String,
        /// The incident's id.
        id: Id,
        /// What.
        act: Act,
    },
    /// A command of the district.
    District(Box<Order>),
    /// What came of one that was accepted, and that others have carried out.
    DistrictOver {
        /// Its id.
        id: Id,
        /// What.
        outcome: Outcome,
    },
    /// Tell something; nothing changes.
    Ask(Question),
}

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The protection ledger of the running day.
    Ledger,
    /// The patrol rounds: what is due, under way and next.
    Rounds,
}

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// It is done.
    Done,
    /// It was so already.
    Already,
    /// This card or code was shown.
    Shown {
        /// Its hash.
        credential: CredentialHash,
    },
    /// It is not done.
    Refused {
        /// Why, as a stable word.
        reason: Refusal,
        /// What stands in the way.
        blockers: Vec<Blocker>,
    },
    /// What came of a command of the district.
    Commanded {
        /// So far; `None`: it is not answered.
        outcome: Option<Outcome>,
        /// The newest event is that of it.
        recorded: bool,
    },
    /// What was asked for.
    Told {
        /// The facts.
        facts: serde_json::Value,
    },
}

/// Why a wish is not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// There is no such partition, zone or door, or it has no such mode.
    Unknown,
    /// Something prevents arming; the blockers say what.
    NotReady,
    /// The zone's configuration forbids its bypass.
    NotBypassable,
    /// The site does not let the gateway open this door.
    NotAllowed,
    /// It came too late to be obeyed.
    Late,
    /// It is still active, or not known.
    Active,
    /// Nobody came in time.
    TimeOut,
    /// Somebody else is at it, or another one is under way.
    Busy,
    /// The partition is armed.
    Armed,
    /// It follows its users and is not armed or disarmed by itself.
    Common,
    /// It was tried and did not come about; the event says why.
    Failed,
    /// No schedule arms it in the next hours, or the time is not known.
    NotScheduled,
    /// It was put off for as long as the schedule allows.
    TooLong,
}

/// Something that prevents arming (EN 50131-1:2006, Table 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// `zone`, `gateway`.
    pub kind: Cow<'static, str>,
    /// Its id.
    pub id: Id,
    /// What is the matter with it: `active`, `unknown`, `tamper`, `fault`, `masked`, `mains`, …
    pub why: Cow<'static, str>,
    /// Whether forced arming may pass over it.
    pub forcible: bool,
}
