//! Puts together what the witnesses say, for the page and for the end of the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use gatehouse_journal::Reader;
use gatehouse_receiver::{Committed, GatewayView, Life, Link, Snapshot, ThingView};
use tokio::sync::watch;

use crate::child::broker::Passed;
use crate::latency::{Latency, Percentiles};
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::story::Scene;
use crate::tiles::{self, IncidentTile};
use crate::view::{Banner, Counts, Cuts, Part, View};
use crate::world::community::{PARTITIONS, SENSORS};
use crate::world::{DOORS, WorldView};

/// Events per look at the journal; a look comes eight times a second.
const EVENTS_PER_LOOK: usize = 500;

/// Bytes per look at the journal.
const BYTES_PER_LOOK: usize = 1 << 20;

/// More than this on the way is a backlog, and worth a sentence.
const BACKLOG: u64 = 8;

/// What was seen of the events by the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) broker_acked: u64,
    pub(crate) duplicates: u64,
    pub(crate) edges_recorded: u64,
    pub(crate) latency: Percentiles,
}

#[derive(Debug)]
pub(crate) struct Watcher {
    journal: Reader,
    world: watch::Receiver<WorldView>,
    scene: watch::Receiver<Option<Scene>>,
    view: watch::Sender<Arc<str>>,
    ledger: Ledger,
    latency: Latency,
    /// The newest event that was read from the journal.
    head: u64,
    /// The broker has seen a receipt for everything up to this number.
    receipted: u64,
    /// The control room's view of the one box.
    gateway: GatewayView,
    incidents: Vec<IncidentTile>,
    linked: bool,
    /// Something is before the garage's camera.
    covered: bool,
    /// The box has been online since it was last switched on.
    met: bool,
}

impl Watcher {
    pub(crate) fn new(
        journal: &Path,
        world: watch::Receiver<WorldView>,
        scene: watch::Receiver<Option<Scene>>,
        view: watch::Sender<Arc<str>>,
    ) -> Self {
        Self {
            journal: Reader::open(journal, ""),
            world,
            scene,
            view,
            ledger: Ledger::default(),
            latency: Latency::default(),
            head: 0,
            receipted: 0,
            gateway: GatewayView::default(),
            incidents: Vec::new(),
            linked: false,
            covered: false,
            met: false,
        }
    }

    /// The broker has taken an event or a receipt.
    pub(crate) fn passed(&mut self, passed: &Passed) {
        match passed {
            Passed::Event(arrival) => {
                if self.ledger.acked(arrival.seq) && arrival.live {
                    self.latency.add(arrival.took_ns);
                }
            }
            Passed::Receipt(upto) => self.receipted = self.receipted.max(*upto),
        }
    }

    /// The control room has committed an event, or has got one again.
    pub(crate) fn committed(&mut self, event: &Committed) {
        self.ledger.received(event.seq.0);
        self.ledger.delivered(event.seq.0, event.replayed, event.duplicate);
    }

    /// Asks journal and control room.
    pub(crate) fn look(&mut self, room: Option<&Snapshot>) {
        match self.journal.read(None, Seq(self.head), EVENTS_PER_LOOK, BYTES_PER_LOOK) {
            Ok(records) => {
                for record in records {
                    self.head = record.seq.0;
                    match serde_json::from_slice::<Event>(&record.payload) {
                        Ok(event) => self.ledger.stored(&event),
                        Err(error) => {
                            tracing::error!(%error, seq = record.seq.0, "the journal holds no event");
                        }
                    }
                }
            }
            // Before the box's first start there is no file yet.
            Err(error) => tracing::debug!(%error, "the journal cannot be read at this moment"),
        }
        let Some(room) = room else {
            self.linked = false;
            return;
        };
        self.linked = room.link == Link::Up;
        self.incidents = tiles::incidents(room);
        let Some(gateway) = room.gateways.values().next() else { return };
        let from = self.gateway.upto.0;
        self.gateway = gateway.clone();
        for seq in from + 1..=gateway.upto.0 {
            self.ledger.received(seq);
        }
    }

    /// Box and control room have met, and everything is known.
    pub(crate) fn online(&self) -> bool {
        let known = |things: &BTreeMap<String, ThingView>| {
            things.values().filter(|thing| thing.shown != "unknown").count()
        };
        // Between two heartbeats of a busy machine a box may be suspect; it is believed all the same.
        self.linked
            && matches!(self.gateway.life, Life::Online | Life::Suspect)
            && known(&self.gateway.doors) == DOORS.len()
            && known(&self.gateway.zones) == SENSORS.len()
            && known(&self.gateway.partitions) == PARTITIONS.len()
    }

    /// Whether the control room sees this partition armed, with or without an alarm in it.
    pub(crate) fn armed(&self, partition: &str) -> bool {
        let shown = self.gateway.partitions.get(partition).map(|partition| &*partition.shown);
        shown.is_some_and(|shown| shown == "triggered" || shown.starts_with("armed-"))
    }

    /// Everything has arrived, the receipts for it included; and every owed edge is among it.
    pub(crate) fn drained(&self, edges_owed: Option<u64>) -> bool {
        self.head > 0
            && self.online()
            && self.all_received()
            && self.host_upto() >= self.head
            && edges_owed.is_none_or(|owed| self.ledger.edges_recorded() >= owed)
    }

    /// The control room has every event that is stored.
    pub(crate) fn all_received(&self) -> bool {
        self.gateway.upto.0 >= self.head
    }

    /// Events that are stored and not received.
    pub(crate) fn waiting(&self) -> u64 {
        self.ledger.count_stored().saturating_sub(self.ledger.count_received())
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            broker_acked: self.ledger.count_acked(),
            duplicates: self.gateway.duplicates,
            edges_recorded: self.ledger.edges_recorded(),
            latency: self.latency.percentiles(),
        }
    }

    /// Up to where the box knows that the control room has everything.
    fn host_upto(&self) -> u64 {
        self.gateway.heartbeat.as_ref().map_or(0, |(_, beat)| beat.host_upto.0)
    }

    /// Sends a new snapshot to the page, if it says anything new.
    pub(crate) fn show(
        &mut self,
        (broker, gatebox): (bool, bool),
        covered: bool,
        quiet: bool,
        cuts: Cuts,
    ) {
        self.covered = covered;
        let online = self.online();
        if !gatebox {
            self.met = false;
        }
        self.met |= online;
        let counts = self.counts();
        let gatebox = match (gatebox, self.met) {
            (false, _) => Part::Down,
            (true, false) => Part::Starting,
            (true, true) => Part::Up,
        };
        let broker = if broker { Part::Up } else { Part::Down };
        let unanswered = self.incidents.iter().any(|incident| !incident.acked);
        let banner = banner(broker, gatebox, online, quiet, unanswered, cuts, &counts);
        self.send(banner, broker, gatebox, counts, cuts);
    }

    /// The last snapshot: what the comparison of the files says.
    pub(crate) fn verdict(&mut self, outcome: &Outcome, cuts: Cuts) {
        let counts = Counts {
            stored: outcome.stored,
            received: outcome.received,
            waiting: 0,
            lost: outcome.lost,
            ..self.counts()
        };
        self.send(Banner::Done, Part::Down, Part::Down, counts, cuts);
    }

    fn counts(&self) -> Counts {
        let world = *self.world.borrow();
        Counts {
            edges: world.doors.edges + world.sensors.edges,
            in_the_dark: world.doors.in_the_dark + world.sensors.in_the_dark,
            stored: self.ledger.count_stored(),
            broker_acked: self.ledger.count_acked(),
            received: self.ledger.count_received(),
            receipted: self.receipted.max(self.host_upto()),
            waiting: self.waiting(),
            duplicates: self.gateway.duplicates,
            lost: self.ledger.lost(self.host_upto()),
        }
    }

    fn send(&mut self, banner: Banner, broker: Part, gatebox: Part, counts: Counts, cuts: Cuts) {
        let latency = self.latency.percentiles();
        let world = *self.world.borrow();
        let view = View {
            banner,
            broker,
            gatebox,
            counts,
            cuts,
            latency: latency.p50.is_some().then_some(latency),
            doors: tiles::doors(&self.gateway, &world),
            zones: tiles::zones(&self.gateway, &world),
            cameras: tiles::cameras(&self.gateway, &self.ledger, self.covered),
            partitions: tiles::partitions(&self.gateway, &self.ledger),
            incidents: self.incidents.clone(),
            story: *self.scene.borrow(),
            events: self.ledger.rows(),
        };
        // A view is made of strings and numbers only.
        let Ok(rendered) = serde_json::to_string(&view) else { return };
        self.view.send_if_modified(|now| {
            let news = **now != *rendered;
            if news {
                *now = rendered.into();
            }
            news
        });
    }
}

/// The sentence for the present state of things; the worst first.
fn banner(
    broker: Part,
    gatebox: Part,
    online: bool,
    quiet: bool,
    unanswered: bool,
    cuts: Cuts,
    counts: &Counts,
) -> Banner {
    match (broker, gatebox) {
        _ if counts.lost > 0 => Banner::Lost,
        (Part::Down, Part::Down) => Banner::BothDown,
        (Part::Down, _) => Banner::BrokerDown,
        (_, Part::Down) => Banner::PowerDown,
        (_, Part::Starting) if cuts.power > 0 => Banner::BoxStarting,
        (_, Part::Starting) => Banner::Starting,
        _ if !online => Banner::Reconnecting,
        _ if unanswered => Banner::Alarm,
        _ if quiet && counts.waiting > 0 => Banner::Draining,
        _ if counts.waiting > BACKLOG => Banner::CatchingUp,
        _ => Banner::Calm,
    }
}
