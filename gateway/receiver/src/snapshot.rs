//! What an embedding program, a test or a screen sees of the receiver.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gatehouse_core::contract::{Heartbeat, RetainedState};
use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, Now, UtcMs};
use gatehouse_core::topic::Address;

use crate::life::Life;

/// How many of the latest events a [`Snapshot`] holds: a tall terminal's worth.
pub const LATEST_EVENTS: usize = 64;

/// An event whose commit has returned.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Who sent it.
    pub address: Arc<Address>,
    /// Its number.
    pub seq: Seq,
    /// What it is about.
    pub class: Class,
    /// Its canonical bytes.
    pub body: Arc<[u8]>,
    /// It had been committed before; nothing was stored.
    pub duplicate: bool,
    /// The gateway sent it late.
    pub replayed: bool,
    /// When it came off the wire, on the receiver's clocks.
    pub received: Now,
    /// When its commit had returned, on the receiver's boot-time clock.
    pub committed: Mono,
}

impl Committed {
    /// The whole event.
    ///
    /// # Errors
    /// When a field that committing does not need is not what the contract says: the gateway's bug.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// The receiver's link to its broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// No connection yet, or it was lost.
    #[default]
    Connecting,
    /// Subscribed to everything.
    Up,
    /// The last attempt failed, for this reason.
    Down(String),
}

/// Counts and states at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The link to the broker.
    pub link: Link,
    /// Why the database takes no commits at present, if so.
    pub failing: Option<String>,
    /// Events committed, by this receiver and those before it on the same database.
    pub received: u64,
    /// Deliveries of an event that was committed before.
    pub duplicates: u64,
    /// Deliveries of another content under a committed number.
    pub conflicts: u64,
    /// Payloads that are no events.
    pub quarantined: u64,
    /// Places where the chain does not hold.
    pub breaks: u64,
    /// Messages left to the gateway, since a bound was reached (see `gaps::MAX_HOLES`).
    pub deferred: u64,
    /// Commits since the start; `received` per commit says how well they are grouped.
    pub commits: u64,
    /// Receipts handed to the broker since the start.
    pub receipts: u64,
    /// Each gateway.
    pub gateways: BTreeMap<Address, GatewayView>,
    /// The latest events, newest last.
    pub latest: VecDeque<Committed>,
}

impl Snapshot {
    /// Numbers that are missing at present, over all gateways.
    pub fn holes(&self) -> u64 {
        self.gateways.values().map(|gateway| gateway.missing).sum()
    }

    /// A copy with the sums over all gateways.
    pub(crate) fn summed(&self) -> Self {
        let sum = |of: fn(&GatewayView) -> u64| self.gateways.values().map(of).sum();
        Self {
            received: sum(|gateway| gateway.received),
            duplicates: sum(|gateway| gateway.duplicates),
            conflicts: sum(|gateway| gateway.conflicts),
            quarantined: sum(|gateway| gateway.quarantined),
            breaks: sum(|gateway| gateway.breaks),
            ..self.clone()
        }
    }
}

/// One gateway at one moment.
#[derive(Clone, Debug, Default)]
pub struct GatewayView {
    /// Whether it lives.
    pub life: Life,
    /// The newest start of its daemon that is known of.
    pub session: u64,
    /// Nothing is missing up to here.
    pub upto: Seq,
    /// The newest number.
    pub head: Seq,
    /// The first few ranges that are missing.
    pub holes: Vec<(Seq, Seq)>,
    /// How many numbers are missing.
    pub missing: u64,
    /// How often it has begun anew: its flash was wiped, and it numbers from 1 again. What else is
    /// counted here is of the time since.
    pub began_anew: u64,
    /// Events committed.
    pub received: u64,
    /// Deliveries of an event that was committed before.
    pub duplicates: u64,
    /// Deliveries of another content under a committed number.
    pub conflicts: u64,
    /// Payloads that are no events.
    pub quarantined: u64,
    /// Places where the chain does not hold.
    pub breaks: u64,
    /// The last heartbeat and when it came.
    pub heartbeat: Option<(Mono, Arc<Heartbeat>)>,
    /// Its doors.
    pub doors: Arc<BTreeMap<String, DoorView>>,
}

/// One door as the gateway says it is. Whether that is to be believed, says [`DoorView::shown`].
#[derive(Clone, Debug)]
pub struct DoorView {
    /// The retained state.
    pub state: RetainedState,
    /// What a reader is to be shown: the state, or `unknown`.
    pub shown: String,
    /// When it came.
    pub received: UtcMs,
}
