//! Puts together what the witnesses say, for the page and for the end of the run.

use std::path::Path;
use std::sync::Arc;

use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use gatehouse_journal::Reader;
use gatehouse_receiver::{Committed, GatewayView, Life, Link, Snapshot};
use tokio::sync::watch;

use crate::child::broker::Passed;
use crate::latency::{Latency, Percentiles};
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::view::{Banner, Counts, Cuts, DoorTile, Part, View};
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
    view: watch::Sender<Arc<str>>,
    ledger: Ledger,
    latency: Latency,
    /// The newest event that was read from the journal.
    head: u64,
    /// The broker has seen a receipt for everything up to this number.
    receipted: u64,
    /// The control room's view of the one box.
    gateway: GatewayView,
    linked: bool,
    /// The box has been online since it was last switched on.
    met: bool,
}

impl Watcher {
    pub(crate) fn new(
        journal: &Path,
        world: watch::Receiver<WorldView>,
        view: watch::Sender<Arc<str>>,
    ) -> Self {
        Self {
            journal: Reader::open(journal, ""),
            world,
            view,
            ledger: Ledger::default(),
            latency: Latency::default(),
            head: 0,
            receipted: 0,
            gateway: GatewayView::default(),
            linked: false,
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
        let Some(gateway) = room.gateways.values().next() else { return };
        let from = self.gateway.upto.0;
        self.gateway = gateway.clone();
        for seq in from + 1..=gateway.upto.0 {
            self.ledger.received(seq);
        }
    }

    /// Box and control room have met, and every door is known.
    pub(crate) fn online(&self) -> bool {
        self.linked && self.gateway.life == Life::Online && self.known_doors() == DOORS.len()
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

    fn known_doors(&self) -> usize {
        self.gateway.doors.values().filter(|door| door.shown != "unknown").count()
    }

    /// Sends a new snapshot to the page, if it says anything new.
    pub(crate) fn show(&mut self, broker: bool, gatebox: bool, quiet: bool, cuts: Cuts) {
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
        let banner = banner(broker, gatebox, online, quiet, cuts, &counts);
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
            edges: world.edges,
            in_the_dark: world.in_the_dark,
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
            doors: self.doors(&world),
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

    fn doors(&self, world: &WorldView) -> Vec<DoorTile> {
        let tile = |(door, open): (&crate::world::Door, bool)| DoorTile {
            id: door.id,
            en: door.name_en,
            zh: door.name_zh,
            state: self
                .gateway
                .doors
                .get(door.id)
                .map_or_else(|| "unknown".to_owned(), |door| door.shown.clone()),
            wire: if open { "open" } else { "closed" },
        };
        DOORS.iter().zip(world.open).map(tile).collect()
    }
}

/// The sentence for the present state of things; the worst first.
fn banner(
    broker: Part,
    gatebox: Part,
    online: bool,
    quiet: bool,
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
        _ if quiet && counts.waiting > 0 => Banner::Draining,
        _ if counts.waiting > BACKLOG => Banner::CatchingUp,
        _ => Banner::Calm,
    }
}
