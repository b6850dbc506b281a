//! What the page shows: one whole snapshot, so that a page that missed some is right again with
//! the next.

use serde::Serialize;

use crate::latency::Percentiles;
use crate::ledger::Row;

/// Whether a part runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// It runs and does its work.
    Up,
    /// It runs, but has not got through to the others yet.
    Starting,
    /// It is dead.
    Down,
}

/// The one sentence that says what goes on; its words are the page's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Banner {
    Starting,
    Calm,
    BrokerDown,
    PowerDown,
    BothDown,
    BoxStarting,
    Reconnecting,
    CatchingUp,
    Draining,
    Done,
    Lost,
}

/// How many events have come how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Movements of doors.
    pub(crate) edges: u64,
    /// Of these, while no box was there to see them.
    pub(crate) in_the_dark: u64,
    pub(crate) stored: u64,
    pub(crate) broker_acked: u64,
    pub(crate) received: u64,
    /// The control room's receipts cover the events up to this number.
    pub(crate) receipted: u64,
    /// Stored and not yet received.
    pub(crate) waiting: u64,
    pub(crate) duplicates: u64,
    pub(crate) lost: u64,
}

/// What was broken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Cuts {
    pub(crate) broker: u32,
    pub(crate) power: u32,
}

/// One door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DoorTile {
    pub(crate) id: &'static str,
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
    /// As the control room sees it: `closed`, `open`, `held-open` or `unknown`.
    pub(crate) state: String,
    /// As it really is: `closed` or `open`.
    pub(crate) wire: &'static str,
}

/// Everything on the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct View {
    pub(crate) banner: Banner,
    pub(crate) broker: Part,
    #[serde(rename = "box")]
    pub(crate) gatebox: Part,
    pub(crate) counts: Counts,
    pub(crate) cuts: Cuts,
    /// Edge to broker, over loopback and into the broker's process.
    pub(crate) latency: Option<Percentiles>,
    pub(crate) doors: Vec<DoorTile>,
    pub(crate) events: Vec<Row>,
}
