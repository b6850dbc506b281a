//! A change of the configuration as a transaction: checked, shown, applied whole or not at all, and put
//! back by itself when it could have cut off whoever made it and nobody confirms it.
//!
//! ```text
//!  text or steps ─▶ draft: mistakes · diff · what it touches ─▶ apply ─▶ file replaced ─▶ reload
//!                                                                              │
//!   before on flash ◀── put back: not confirmed, undone, a start ◀── unconfirmed │ confirmed ─▶ holds
//! ```
//!
//! The page, `gatehouse config` and the district's commands all come here; nothing else writes the file.
//! One task ([`Changes::run`]) makes the changes, one after the other, so that whoever asked may go away in
//! the midst of it. Carrying out is the [`reload`](crate::reload)'s: what is equal runs on, no event is
//! lost. What is on flash at each moment, and what a start makes of it, stands in `files`.
//!
//! * The file must be the one that runs: what somebody at the box is editing is not overwritten.
//! * A change of brokers, delivery or the page must be confirmed within `confirm-within-s`. Any start in
//!   between takes it back, before the deadline too: the start may be its doing, and whoever made it has
//!   nothing open any more to confirm it with.
//! * Somebody who edits the file by hand and reloads it has the last word: nothing is put back over it.
//! * What holds from the next start only is named, and is not tried by this: after the confirmation it is
//!   the next start that shows whether it works.
//! * Every configuration that held is in the [`History`], with who and what; applied, confirmed and put
//!   back are events (`config.applied`, `config.confirmed`, `config.rolled_back`), without any value.

mod changes;
mod diff;
mod draft;
pub(crate) mod files;
mod history;
mod keeper;
mod who;

use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};

pub use changes::{Changes, Parts};
pub use diff::{Line, Mark as LineMark};
pub(crate) use draft::Guard;
pub(crate) use files::{at_start, replace, settle};
pub use history::{Entry, Held, History};
pub use who::{Way, Who};

use crate::replay::Summary;

/// What a change can cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touch {
    /// The way to the district: brokers and delivery.
    Broker,
    /// The gateway's own page.
    Page,
}

/// A change that could be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The hash of what holds.
    pub before: String,
    /// The hash that would hold.
    pub hash: String,
    /// The lines in which they differ, secrets as stars.
    pub diff: Vec<Line>,
    /// The places in which they differ, as `door.lobby.name`.
    pub changed: Vec<String>,
    /// What it can cut off.
    pub touches: Vec<Touch>,
    /// Within so many seconds it must be confirmed.
    pub confirm_within_s: Option<u64>,
    /// Keys that would hold from the next start only.
    pub needs_restart: Vec<String>,
    /// What is allowed but unwise.
    pub warnings: Vec<String>,
    /// What would have been different in the last days; none: nobody asked.
    pub replay: Option<Summary>,
}

/// What was made of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The hash before.
    pub before: String,
    /// The hash that holds; the same: there was nothing to do.
    pub after: String,
    /// Keys that hold from the next start only.
    pub needs_restart: Vec<String>,
    /// What is allowed but unwise.
    pub warnings: Vec<String>,
    /// Within so many seconds it must be confirmed, or the one before is put back.
    pub confirm_within_s: Option<u64>,
}

/// A change that holds until it is confirmed or its time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// The hash that would be put back.
    pub before: String,
    /// The hash that holds.
    pub after: String,
    /// Who made it.
    pub who: Who,
    /// What it can cut off; none: whoever made it wanted to confirm it.
    pub touches: Vec<Touch>,
    /// When it is put back, by the box's clock.
    pub ends: UtcMs,
    /// So many seconds are left.
    pub left_s: u64,
}

/// Why nothing is changed. Its text is for people; where files are stays in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Refusal {
    /// It has mistakes.
    #[error("{text}")]
    Mistakes {
        /// How many.
        count: usize,
        /// All of them, each with its place.
        text: String,
    },
    /// A step cannot be made.
    #[error("{text}")]
    Step {
        /// Why not.
        text: String,
    },
    /// The file is not the one that runs.
    #[error(
        "the file was edited and does not hold yet (it is {file}, {running} runs): reload it, or put it \
         back, first"
    )]
    FileChanged {
        /// What runs.
        running: String,
        /// What the file is.
        file: String,
    },
    /// It was made for another one than holds now.
    #[error("it was made for configuration {wanted}, but {running} holds by now: look at it again")]
    Moved {
        /// What it was made for.
        wanted: String,
        /// What holds.
        running: String,
    },
    /// Another change is unconfirmed.
    #[error("another change is unconfirmed for {left_s} s more: confirm or undo it first")]
    Unconfirmed {
        /// So long.
        left_s: u64,
    },
    /// Nothing is unconfirmed.
    #[error("no change is unconfirmed")]
    NothingUnconfirmed,
    /// The history has no such entry.
    #[error("the history has no number {n}")]
    NoEntry {
        /// The number that was named.
        n: u32,
    },
    /// It would change who may command what.
    #[error("it would change what the district may command, which is the site's own")]
    ChangesRights,
    /// It would change the gateway's ids.
    #[error("it would change the gateway's own ids")]
    ChangesIdentity,
    /// The file or its folder cannot be written.
    #[error(
        "the gateway may not write its configuration: its user needs to write the file's folder, see \
         gatehouse(8)"
    )]
    ReadOnly,
    /// It was tried, and the one before holds again.
    #[error("it was tried and refused, and the one before holds again: {text}")]
    RolledBack {
        /// Why.
        text: String,
    },
    /// Whoever asked may not.
    #[error("only root and the gateway's own user may change the configuration")]
    NotAllowed,
    /// Others are at it.
    #[error("others are changing the configuration just now: try again")]
    Busy,
    /// The gateway could not do it; its log says why.
    #[error("the gateway could not do it; its log says why")]
    Internal,
}
