//! What the page shows: one whole snapshot, so that a page that missed some is right again with
//! the next.

use serde::Serialize;

use crate::latency::Percentiles;
use crate::ledger::Row;
use crate::story::Scene;
use crate::tiles::{CameraTile, DoorTile, IncidentTile, PartitionTile, ZoneTile};

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
    /// An incident waits for an operator.
    Alarm,
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
    /// Movements of doors and sensors.
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
    pub(crate) zones: Vec<ZoneTile>,
    pub(crate) cameras: Vec<CameraTile>,
    pub(crate) partitions: Vec<PartitionTile>,
    /// Open ones, those that nobody has taken first.
    pub(crate) incidents: Vec<IncidentTile>,
    /// Where the break-in has come to, if one is played.
    pub(crate) story: Option<Scene>,
    pub(crate) events: Vec<Row>,
}
