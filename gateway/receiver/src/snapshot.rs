//! What an embedding program, a test or a screen sees of the receiver.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::{AlarmState, Heartbeat, RetainedState};
use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::Seq;
use gatehouse_core::site::Danger;
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use gatehouse_core::topic::Address;

use crate::handover::RoomsView;
use crate::life::Life;
use crate::responders::Shown;
use crate::storms::StormView;

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
    /// Faults of many gateways that are one matter, the latest first.
    pub storms: Vec<StormView>,
    /// Who was told of incidents, and ways by which nobody can be.
    pub told: Arc<Shown>,
    /// Other control rooms, and what goes to them or comes from them.
    pub rooms: Arc<RoomsView>,
    /// The latest events, newest last.
    pub latest: VecDeque<Committed>,
}

impl Snapshot {
    /// Numbers that are missing at present, over all gateways.
    pub fn holes(&self) -> u64 {
        self.gateways.values().map(|gateway| gateway.missing).sum()
    }

    /// Every open incident: those that nobody has taken first, then the most urgent, then the
    /// oldest.
    pub fn open_incidents(&self) -> Vec<(&Address, &GatewayView, &IncidentView)> {
        let of = |(address, gateway)| {
            let gateway: &GatewayView = gateway;
            gateway.incidents.values().map(move |incident| (address, gateway, incident))
        };
        let mut open: Vec<_> = self.gateways.iter().flat_map(of).collect();
        open.sort_by_key(|(_, _, view)| {
            let incident = &view.state.incident;
            (!view.is_unanswered(), incident.severity, incident.since)
        });
        open
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
    pub doors: Arc<BTreeMap<String, ThingView>>,
    /// Its zones.
    pub zones: Arc<BTreeMap<String, ThingView>>,
    /// Its partitions.
    pub partitions: Arc<BTreeMap<String, ThingView>>,
    /// Its readers.
    pub readers: Arc<BTreeMap<String, ThingView>>,
    /// Its outputs.
    pub outputs: Arc<BTreeMap<String, ThingView>>,
    /// Its cameras.
    pub cameras: Arc<BTreeMap<String, ThingView>>,
    /// Pictures of its cameras that this receiver has stored since its start.
    pub pictures: u64,
    /// Its open incidents, the silent ones among them.
    pub incidents: Arc<BTreeMap<String, IncidentView>>,
}

impl GatewayView {
    /// How long an incident has been open. By the gateway's clock, unless that is known to be
    /// wrong: then since this receiver heard of it first, which is at least as short.
    pub fn age(&self, incident: &IncidentView, now: UtcMs) -> Duration {
        let never = |(_, beat): &(Mono, Arc<Heartbeat>)| beat.clock == ClockState::Never;
        let began = incident.state.incident.since;
        let unsure = began > now || self.heartbeat.as_ref().is_some_and(never);
        let since = if unsure { incident.received } else { began };
        Duration::from_millis(u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0))
    }
}

/// A door, zone, partition, reader, output or camera as the gateway says it is. Whether that is to be
/// believed, says [`ThingView::shown`].
#[derive(Clone, Debug)]
pub struct ThingView {
    /// The retained state.
    pub state: RetainedState,
    /// What a reader is to be shown: the state, or `unknown`.
    pub shown: String,
    /// When it came.
    pub received: UtcMs,
}

impl ThingView {
    /// Its remarks, as far as its state is believed.
    pub fn flags(&self) -> &[String] {
        if self.shown == "unknown" { &[] } else { &self.state.flags }
    }
}

/// An open incident as the gateway told it last.
#[derive(Clone, Debug)]
pub struct IncidentView {
    /// The retained state.
    pub state: AlarmState,
    /// Its phase, or `unknown` while nobody hears of the gateway. It is listed all the same: what
    /// was open when the gateway was lost is not over.
    pub shown: String,
    /// When it was first heard of here.
    pub received: UtcMs,
}

impl IncidentView {
    /// Nobody at the site may notice it: who rings back would tell.
    pub fn is_silent(&self) -> bool {
        self.state.incident.danger == Danger::SilentPanic
    }

    /// Whether an operator has yet to take it.
    pub const fn is_unanswered(&self) -> bool {
        self.state.incident.acked.is_none()
    }
}
