//! The thread that commits, and decides what is owed to whom afterwards.
//!
//! It takes whatever is queued as one transaction (group commit: no timer), and only when the
//! commit has returned does it let the messages be acknowledged, in the order in which they came,
//! and receipts be sent. While the database takes no commits, nothing is acknowledged: the queue
//! fills, the broker stops at the receive maximum, and the gateways keep what they have.

mod ingest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::event::{Class, Lane};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, Now};
use gatehouse_core::topic::Address;
use rumqttc::v5::mqttbytes::v5::Publish;
use tokio::sync::{Semaphore, broadcast};

use crate::clock::Clock;
use crate::command::Answered;
use crate::correspondent::Correspondent;
use crate::outbox::Outbox;
use crate::snapshot::{Committed, LATEST_EVENTS, Snapshot};
use crate::store::{Store, Writer};

/// The most messages in one transaction, and in the queue before it. At 8 KiB each that is 32 MiB
/// at the very worst; some 3 MiB as events are.
pub(crate) const QUEUE: usize = 4096;

/// The most gateways of one district: five times the largest that the design knows.
const MAX_GATEWAYS: usize = 16_384;

/// How long a database that takes no commits is left alone before the next try.
const RETRY: Duration = Duration::from_secs(1);

/// The longest wait when nothing is due; only bounds the arithmetic.
const LONG: Duration = Duration::from_secs(3600);

/// One message off the wire.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// The connection that brought it.
    pub(crate) epoch: u64,
    pub(crate) publish: Publish,
    pub(crate) at: Now,
}

/// What the thread is given.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "`Stop` comes once; a box would cost every message")]
pub(crate) enum Work {
    In(Inbound),
    /// Commit what is queued, say what is owed, end.
    Stop,
}

/// The fate of one message, known before the commit, told after it.
#[derive(Debug)]
enum Fate {
    Event {
        at: usize,
        seq: Seq,
        class: Class,
        session: u64,
        duplicate: bool,
        replayed: bool,
        body: Option<Arc<[u8]>>,
    },
    Conflict {
        at: usize,
        seq: Seq,
    },
    Bad {
        at: Option<usize>,
        seq: Option<Seq>,
    },
    /// Not kept, since a bound was reached; the gateway keeps it.
    Deferred,
    /// No event: applied after the commit.
    Other,
}

/// What the handle gives the thread.
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) district: Id,
    pub(crate) host: String,
    pub(crate) period: Duration,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) board: Arc<Mutex<Snapshot>>,
    pub(crate) watchers: broadcast::Sender<Arc<Committed>>,
    /// What gateways say of commands.
    pub(crate) results: broadcast::Sender<Arc<Answered>>,
    pub(crate) slots: Arc<Semaphore>,
    /// Set when the receiver is to end even if the database takes no commits.
    pub(crate) stop: Arc<AtomicBool>,
}

pub(crate) struct Desk {
    parts: Parts,
    gateways: Vec<Correspondent>,
    /// By the topic's prefix, so that no event costs the parsing of its address.
    by_prefix: HashMap<Box<str>, usize>,
    due: BTreeSet<(Mono, usize)>,
    /// Gateways that the present batch changed, each once.
    touched: BTreeSet<usize>,
}

impl Desk {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            gateways: Vec::new(),
            by_prefix: HashMap::new(),
            due: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Takes over every gateway that the database knows; each is owed a receipt, since nobody
    /// knows whether the last one reached it.
    pub(crate) fn load(&mut self, writer: &Writer<'_>) -> rusqlite::Result<()> {
        let now = self.parts.clock.now();
        for (address, loaded) in writer.load_all(self.parts.district.as_str(), now.mono)? {
            let at = self.gateways.len();
            self.by_prefix.insert(address.to_string().into(), at);
            let mut gateway = Correspondent::new(address);
            gateway.restore(Some(loaded));
            gateway.owed.at_once();
            self.gateways.push(gateway);
            self.touched.insert(at);
        }
        self.settle(now, |_| {});
        Ok(())
    }

    /// Works until told to stop, or until every sender is gone.
    pub(crate) fn run(mut self, store: &Store, work: &Receiver<Work>) -> rusqlite::Result<()> {
        let mut writer = store.writer()?;
        self.load(&writer)?;
        let mut batch = Vec::with_capacity(QUEUE);
        let mut stop = false;
        while !stop {
            match work.recv_timeout(self.wait()) {
                Ok(Work::In(inbound)) => batch.push(inbound),
                Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => stop = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            while batch.len() < QUEUE
                && let Ok(next) = work.try_recv()
            {
                match next {
                    Work::In(inbound) => batch.push(inbound),
                    Work::Stop => stop = true,
                }
            }
            self.parts.slots.add_permits(batch.len());
            let kept = self.commit(&mut writer, &batch, stop);
            if kept {
                self.parts.outbox.acks(
                    batch
                        .iter()
                        .filter(|inbound| inbound.publish.pkid != 0)
                        .map(|inbound| (inbound.epoch, inbound.publish.pkid)),
                );
            }
            batch.clear();
            self.say_what_is_due(stop);
        }
        self.parts.outbox.finish();
        Ok(())
    }

    fn wait(&self) -> Duration {
        let Some((due, _)) = self.due.first() else { return LONG };
        due.since(self.parts.clock.now().mono)
    }

    /// Commits a batch, trying again for as long as it takes. False only if the receiver is to
    /// stop and the database still takes nothing: then nothing of it is acknowledged.
    fn commit(&mut self, writer: &mut Writer<'_>, batch: &[Inbound], stop: bool) -> bool {
        if batch.is_empty() {
            return true;
        }
        loop {
            let error = match self.transaction(writer, batch) {
                Ok(fates) => {
                    self.tell(batch, fates);
                    return true;
                }
                Err(error) => error,
            };
            tracing::error!(%error, events = batch.len(),
                "the database takes no commit; nothing is acknowledged, trying again");
            self.board().failing = Some(error.to_string());
            self.parts.outbox.set_failing(true);
            writer.roll_back();
            self.forget(writer);
            if stop || self.parts.stop.load(Ordering::Acquire) {
                return false;
            }
            std::thread::park_timeout(RETRY);
        }
    }

    /// After a roll-back: what was noted of the touched gateways is the database's again.
    fn forget(&mut self, writer: &Writer<'_>) {
        let now = self.parts.clock.now().mono;
        for at in std::mem::take(&mut self.touched) {
            let gateway = &mut self.gateways[at];
            match writer.load(&gateway.address, now) {
                Ok(loaded) => gateway.restore(loaded),
                Err(error) => {
                    tracing::error!(%error, gateway = %gateway.address, "cannot read it back");
                    // Kept for the next attempt, which begins by reading it back.
                    self.touched.insert(at);
                }
            }
        }
    }

    /// Everything that follows from a commit that has returned.
    fn tell(&mut self, batch: &[Inbound], fates: Vec<Fate>) {
        let now = self.parts.clock.now();
        let mut deferred = 0;
        let mut committed = Vec::new();
        for (inbound, fate) in batch.iter().zip(fates) {
            match fate {
                Fate::Event { at, seq, class, session, duplicate, replayed, body } => {
                    let gateway = &mut self.gateways[at];
                    gateway.event(session);
                    gateway.owed.event(now.mono);
                    if class.lane() == Lane::Alarm {
                        gateway.owed.at_once();
                    }
                    if let Some(body) = body {
                        committed.push(Committed {
                            address: Arc::clone(&gateway.address),
                            seq,
                            class,
                            body,
                            duplicate,
                            replayed,
                            received: inbound.at,
                            committed: now.mono,
                        });
                    }
                }
                Fate::Conflict { at, seq } => self.gateways[at].owed.nak(seq, "conflict"),
                Fate::Bad { at: Some(at), seq: Some(seq) } => {
                    self.gateways[at].owed.nak(seq, "bad_payload");
                }
                Fate::Bad { at, seq } => {
                    tracing::debug!(?at, ?seq, "no nak without a number");
                }
                Fate::Deferred => deferred += 1,
                Fate::Other => self.apply(inbound, now),
            }
        }
        self.settle(now, |board| {
            board.commits += 1;
            board.deferred += deferred;
            board.failing = None;
            let fresh = committed.iter().filter(|event| !event.duplicate);
            board.latest.extend(fresh.cloned());
            let over = board.latest.len().saturating_sub(LATEST_EVENTS);
            board.latest.drain(..over);
        });
        if self.parts.outbox.failing() {
            tracing::info!("the database takes commits again");
            self.parts.outbox.set_failing(false);
        }
        for event in committed {
            // An error means that nobody watches.
            let _ = self.parts.watchers.send(Arc::new(event));
        }
    }

    /// Brings the touched gateways' due times and the board up to date.
    fn settle(&mut self, now: Now, also: impl FnOnce(&mut Snapshot)) {
        let touched = std::mem::take(&mut self.touched);
        let board = Arc::clone(&self.parts.board);
        let mut board = lock(&board);
        for at in touched {
            let gateway = &mut self.gateways[at];
            gateway.notice(now.mono, self.parts.period);
            if let Some(due) = gateway.due.take() {
                self.due.remove(&(due, at));
            }
            gateway.due = gateway.next_due(now.mono, self.parts.period);
            if let Some(due) = gateway.due {
                self.due.insert((due, at));
            }
            let view = gateway.view(now.mono, self.parts.period);
            match board.gateways.get_mut(&*gateway.address) {
                Some(shown) => *shown = view,
                None => drop(board.gateways.insert(Address::clone(&gateway.address), view)),
            }
        }
        also(&mut board);
    }

    /// Sends every receipt that is due; at the end, every one that is owed.
    fn say_what_is_due(&mut self, all: bool) {
        let now = self.parts.clock.now();
        let mut ripe = Vec::new();
        while let Some((due, at)) = self.due.first().copied()
            && (all || due <= now.mono)
        {
            self.due.remove(&(due, at));
            self.gateways[at].due = None;
            ripe.push(at);
        }
        for at in ripe {
            let gateway = &mut self.gateways[at];
            let reachable = gateway.life(now.mono, self.parts.period).reachable();
            let owed = gateway.owed.due(&gateway.tracker, reachable);
            if owed.is_some_and(|due| due <= now.mono || (all && gateway.owed.is_owed())) {
                let receipt =
                    gateway.owed.receipt(&gateway.tracker, reachable, &self.parts.host, now);
                self.parts.outbox.receipt(&gateway.address, receipt);
            }
            self.touched.insert(at);
        }
        if !self.touched.is_empty() && !all {
            self.settle(now, |_| {});
        }
    }

    fn board(&self) -> MutexGuard<'_, Snapshot> {
        lock(&self.parts.board)
    }
}

/// The board, whoever panicked holding it: every change to it is complete under its lock.
pub(crate) fn lock(board: &Mutex<Snapshot>) -> MutexGuard<'_, Snapshot> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
