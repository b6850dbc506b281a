//! The thread that commits, and decides what is owed to whom afterwards.
//!
//! It takes whatever is queued as one transaction (group commit: no timer), and only when the
//! commit has returned does it let the messages be acknowledged, in the order in which they came,
//! and receipts be sent. While the database takes no commits, nothing is acknowledged: the queue
//! fills, the broker stops at the receive maximum, and the gateways keep what they have.

mod elsewhere;
mod expiry;
mod ingest;
mod shots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::event::{self, Class, Lane};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, Now};
use gatehouse_core::topic::{self, Address};
use rumqttc::v5::mqttbytes::v5::Publish;
use tokio::sync::{Notify, Semaphore, broadcast};

use crate::clock::Clock;
use crate::command::Answered;
use crate::correspondent::Correspondent;
use crate::handover::Inbox;
use crate::meter::{Meter, count};
use crate::outbox::Outbox;
use crate::snapshot::{Committed, LATEST_EVENTS, Snapshot};
pub(crate) use elsewhere::{Bell, Elsewhere};
use expiry::Expiry;

use crate::retention::Keep;
use crate::store::{Search, Store, StoreError, Stored, Wanted, When, Writer};
use crate::storms::{StormRule, Storms};

/// The most messages in one transaction, and in the queue before it. At 8 KiB each that is 32 MiB
/// at the very worst; some 3 MiB as events are.
pub(crate) const QUEUE: usize = 4096;

/// How many places of the queue a message takes: one for each 8 KiB, so that pictures do not take
/// more memory than events could.
pub(crate) fn slots(publish: &Publish) -> u32 {
    u32::try_from(publish.payload.len() / event::MAX_PAYLOAD).unwrap_or(u32::MAX).saturating_add(1)
}

/// The most gateways of one district: five times the largest that the design knows.
const MAX_GATEWAYS: usize = 16_384;

/// How long a database that takes no commits is left alone before the next try.
const RETRY: Duration = Duration::from_secs(1);

/// How often a transaction in which another receiver was in the way is tried again at once. Each
/// time one of the receivers gets through, so it takes few.
const CONTENDED: u32 = 20;

/// With more than so many other events in a batch, its alarms are committed before them: below, two
/// commits take longer than one.
const WORTH_A_COMMIT: usize = 32;

/// Faults that are looked at again at the start: those of a district's storm.
const RECALLED: u32 = 20_000;

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
    /// Others have committed something: see [`Elsewhere`].
    Look,
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
        /// When it happened; none of a duplicate.
        when: Option<When>,
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
    pub(crate) storm: StormRule,
    pub(crate) keep: Keep,
    /// The most bytes of pictures.
    pub(crate) pictures_max: u64,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) board: Arc<Mutex<Snapshot>>,
    pub(crate) watchers: broadcast::Sender<Arc<Committed>>,
    /// What gateways say of commands.
    pub(crate) results: broadcast::Sender<Arc<Answered>>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) elsewhere: Arc<Elsewhere>,
    /// Told of calls to responders, where any are told from here.
    pub(crate) calling: Option<Arc<Notify>>,
    /// Where other control rooms' messages go, if this one is in touch with any.
    pub(crate) inbox: Option<Inbox>,
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
    storms: Storms,
    /// Something of them may be other than it is shown.
    stormy: bool,
    expiry: Expiry,
}

impl Desk {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            storms: Storms::new(parts.storm),
            stormy: false,
            expiry: Expiry::new(parts.keep.clone(), parts.pictures_max, parts.clock.now().mono),
            parts,
            gateways: Vec::new(),
            by_prefix: HashMap::new(),
            due: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Takes over every gateway that the database knows; each is owed a receipt, since nobody
    /// knows whether the last one reached it.
    pub(crate) fn load(&mut self, writer: &mut dyn Writer) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        // What an earlier try took over.
        self.storms = Storms::new(self.parts.storm);
        self.gateways.clear();
        self.by_prefix.clear();
        self.due.clear();
        self.touched.clear();
        for (address, loaded) in writer.load_all(self.parts.district.as_str(), now.mono)? {
            let at = self.gateways.len();
            self.by_prefix.insert(address.to_string().into(), at);
            let mut gateway = Correspondent::new(address);
            gateway.restore(loaded);
            gateway.owed.at_once();
            self.gateways.push(gateway);
            self.touched.insert(at);
        }
        self.settle(now, |_| {});
        Ok(())
    }

    /// Works until told to stop, or until every sender is gone.
    pub(crate) fn run(mut self, store: &Store, work: &Receiver<Work>) -> Result<(), StoreError> {
        let Some(mut writer) = self.open(store)? else {
            self.parts.outbox.finish();
            return Ok(());
        };
        let writer = &mut *writer;
        let mut batch = Vec::with_capacity(QUEUE);
        let mut stop = false;
        while !stop {
            let mut look = false;
            match work.recv_timeout(self.wait()) {
                Ok(Work::In(inbound)) => batch.push(inbound),
                Ok(Work::Look) => look = true,
                Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => stop = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            while batch.len() < QUEUE
                && let Ok(next) = work.try_recv()
            {
                match next {
                    Work::In(inbound) => batch.push(inbound),
                    Work::Look => look = true,
                    Work::Stop => stop = true,
                }
            }
            self.parts.meter.in_hand.store(batch.len() as u64, Ordering::Relaxed);
            let slots = batch.iter().map(|inbound| slots(&inbound.publish) as usize).sum();
            self.parts.slots.add_permits(slots);
            // All goes into the database before any of the batch is acknowledged.
            let (pictures, rest): (Vec<_>, Vec<_>) =
                batch.iter().partition(|inbound| shots::is_picture(inbound));
            let kept = alarms_first(rest).iter().all(|part| self.commit(writer, part, stop))
                && self.keep_pictures(writer, &pictures, stop);
            if kept {
                self.parts.outbox.acks(
                    batch
                        .iter()
                        .filter(|inbound| inbound.publish.pkid != 0)
                        .map(|inbound| (inbound.epoch, inbound.publish.pkid)),
                );
            }
            batch.clear();
            self.parts.meter.in_hand.store(0, Ordering::Relaxed);
            if look {
                self.look(writer);
            }
            self.say_what_is_due(writer, stop);
            if !stop {
                self.expiry.step(writer, self.parts.clock.now(), &self.parts.meter);
            }
        }
        self.parts.outbox.finish();
        Ok(())
    }

    /// A connection, and all that the database knows, trying again while the server is away: it
    /// was there a moment ago. None if the receiver is to stop before that.
    fn open<'s>(&mut self, store: &'s Store) -> Result<Option<Box<dyn Writer + 's>>, StoreError> {
        loop {
            let begun = store.writer().and_then(|mut writer| {
                self.load(&mut *writer)?;
                self.recall(store)?;
                Ok(writer)
            });
            let error = match begun {
                Ok(writer) => {
                    self.board().failing = None;
                    self.parts.outbox.set_failing(false);
                    return Ok(Some(writer));
                }
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            tracing::error!(%error, "the database cannot be read; nothing is received, trying again");
            count(&self.parts.meter.failures);
            self.board().failing = Some(error.to_string());
            self.parts.outbox.set_failing(true);
            if self.parts.stop.load(Ordering::Acquire) {
                return Ok(None);
            }
            std::thread::park_timeout(RETRY);
        }
    }

    /// Which faults had not ended, from the latest of them in the database.
    fn recall(&mut self, store: &Store) -> Result<(), StoreError> {
        let search = Search {
            district: Some(self.parts.district.clone()),
            classes: vec![Class::Fault],
            limit: RECALLED,
            ..Search::default()
        };
        for stored in store.page(&search)?.events.iter().rev() {
            let prefix = format!("{}/{}/{}", stored.district, stored.site, stored.gateway);
            let Some(at) = self.by_prefix.get(&*format!("{}/{prefix}", topic::ROOT)) else {
                continue;
            };
            let address = Arc::clone(&self.gateways[*at].address);
            let Stored { seq, class, when, body, .. } = stored;
            self.stormy |= self.storms.event(&address, *seq, *class, when.utc, body);
        }
        let now = self.parts.clock.now();
        self.settle(now, |_| {});
        Ok(())
    }

    fn wait(&self) -> Duration {
        let due = self.due.first().map(|(due, _)| *due);
        let next = self.expiry.due();
        let due = due.map_or(next, |due| due.min(next));
        due.since(self.parts.clock.now().mono).min(LONG)
    }

    /// Commits events, trying again for as long as it takes. False only if the receiver is to
    /// stop and the database still takes nothing: then nothing of it is acknowledged.
    fn commit(&mut self, writer: &mut dyn Writer, batch: &[&Inbound], stop: bool) -> bool {
        if batch.is_empty() {
            return true;
        }
        let work = |desk: &mut Self, writer: &mut dyn Writer| desk.transaction(writer, batch);
        let Some(fates) = self.insist(writer, batch.len(), stop, work) else { return false };
        self.tell(batch, fates);
        true
    }

    /// Does something to the database that must be done before anything of it is acknowledged.
    fn insist<T>(
        &mut self,
        writer: &mut dyn Writer,
        messages: usize,
        stop: bool,
        mut work: impl FnMut(&mut Self, &mut dyn Writer) -> Result<T, StoreError>,
    ) -> Option<T> {
        let mut contended = 0;
        loop {
            let began = self.parts.clock.now().mono;
            let error = match work(self, writer) {
                Ok(done) => {
                    let took = self.parts.clock.now().mono.since(began);
                    self.parts.meter.commit(took, messages);
                    self.took_it();
                    return Some(done);
                }
                Err(error) => error,
            };
            writer.roll_back();
            // What was noted of the touched gateways is the database's again.
            for at in std::mem::take(&mut self.touched) {
                self.gateways[at].doubt();
            }
            if error.is_contention() && contended < CONTENDED {
                contended += 1;
                tracing::debug!(%error, "another receiver was in the way; at once again");
                continue;
            }
            tracing::error!(%error, messages,
                "the database takes no commit; nothing is acknowledged, trying again");
            count(&self.parts.meter.failures);
            self.board().failing = Some(error.to_string());
            self.parts.outbox.set_failing(true);
            if stop || self.parts.stop.load(Ordering::Acquire) {
                return None;
            }
            std::thread::park_timeout(RETRY);
        }
    }

    /// Everything that follows from a commit that has returned.
    fn tell(&mut self, batch: &[&Inbound], fates: Vec<Fate>) {
        let now = self.parts.clock.now();
        let mut deferred = 0;
        let mut committed = Vec::new();
        let meter = Arc::clone(&self.parts.meter);
        for (inbound, fate) in batch.iter().zip(fates) {
            match &fate {
                Fate::Event { duplicate: true, .. } => count(&meter.duplicates),
                Fate::Event { class, .. } => meter.event(*class),
                Fate::Conflict { .. } => count(&meter.conflicts),
                Fate::Bad { .. } => count(&meter.quarantined),
                Fate::Deferred => count(&meter.deferred),
                Fate::Other => {}
            }
            match fate {
                Fate::Event { at, seq, class, session, duplicate, replayed, body, .. } => {
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
            board.deferred += deferred;
            let fresh = committed.iter().filter(|event| !event.duplicate);
            board.latest.extend(fresh.cloned());
            let over = board.latest.len().saturating_sub(LATEST_EVENTS);
            board.latest.drain(..over);
        });
        for event in committed {
            // An error means that nobody watches.
            let _ = self.parts.watchers.send(Arc::new(event));
        }
    }

    /// A commit has returned.
    fn took_it(&self) {
        let mut board = self.board();
        board.commits += 1;
        board.failing = None;
        drop(board);
        if self.parts.outbox.failing() {
            tracing::info!("the database takes commits again");
            self.parts.outbox.set_failing(false);
        }
    }

    /// Brings the touched gateways' due times and the board up to date.
    fn settle(&mut self, now: Now, also: impl FnOnce(&mut Snapshot)) {
        let touched = std::mem::take(&mut self.touched);
        let storms = std::mem::take(&mut self.stormy).then(|| self.storms.view());
        let board = Arc::clone(&self.parts.board);
        let mut board = lock(&board);
        if let Some(storms) = storms {
            board.storms = storms;
        }
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
    fn say_what_is_due(&mut self, writer: &mut dyn Writer, all: bool) {
        let now = self.parts.clock.now();
        let mut ripe = Vec::new();
        while let Some((due, at)) = self.due.first().copied()
            && (all || due <= now.mono)
        {
            self.due.remove(&(due, at));
            self.gateways[at].due = None;
            ripe.push(at);
        }
        if !self.reread(writer, &ripe) {
            // What cannot be read cannot be confirmed: later.
            let later = now.mono.plus(RETRY);
            for at in ripe {
                self.gateways[at].due = Some(later);
                self.due.insert((later, at));
            }
            return;
        }
        for at in ripe {
            let gateway = &mut self.gateways[at];
            if gateway.doubtful {
                // Its next transaction reads it anew.
                gateway.due = Some(now.mono.plus(RETRY));
                self.due.extend(gateway.due.map(|due| (due, at)));
                continue;
            }
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

    /// Takes over what other receivers have committed for these gateways: a receipt says what is
    /// in the database. False if that cannot be read.
    fn reread(&mut self, writer: &mut dyn Writer, gateways: &[usize]) -> bool {
        let now = self.parts.clock.now().mono;
        let wanted = |at: &usize| {
            let gateway = &self.gateways[*at];
            Wanted { address: &gateway.address, known: gateway.known }
        };
        let wanted: Vec<_> = gateways.iter().map(wanted).collect();
        if wanted.is_empty() {
            return true;
        }
        match writer.refresh(&wanted, now) {
            Ok(news) => {
                for (index, loaded) in news {
                    self.gateways[gateways[index]].restore(loaded);
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the database cannot be read; no receipts until it can");
                false
            }
        }
    }

    fn board(&self) -> MutexGuard<'_, Snapshot> {
        lock(&self.parts.board)
    }
}

/// A batch in the order in which it is committed: alarms do not wait for a backlog. Not those of a
/// gateway that begins to number from 1: its first event says that it does.
fn alarms_first(batch: Vec<&Inbound>) -> Vec<Vec<&Inbound>> {
    let lane = |inbound: &&Inbound| {
        let topic = &inbound.publish.topic[..];
        let word = topic.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let class = std::str::from_utf8(word).ok().and_then(Class::from_word);
        class.is_some_and(|class| class.lane() == Lane::Alarm)
    };
    let (alarms, others): (Vec<_>, Vec<_>) = batch.iter().copied().partition(lane);
    let first = |inbound: &&Inbound| {
        let payload = &inbound.publish.payload[..payload_head(inbound)];
        payload.windows(FIRST.len()).any(|window| window == FIRST)
    };
    if alarms.is_empty() || others.len() < WORTH_A_COMMIT || others.iter().any(first) {
        return vec![batch];
    }
    vec![alarms, others]
}

/// How the first event of a journal says its number.
const FIRST: &[u8] = b"\"seq\":1,";

/// The number stands in the first bytes of an event.
fn payload_head(inbound: &Inbound) -> usize {
    inbound.publish.payload.len().min(128)
}

/// The board, whoever panicked holding it: every change to it is complete under its lock.
pub(crate) fn lock(board: &Mutex<Snapshot>) -> MutexGuard<'_, Snapshot> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
