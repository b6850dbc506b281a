//! The task that keeps a room in touch with the others: takes in, sends what is owed, relays acts.
//!
//! It decides nothing: that is the [`Book`]'s. After each step it reads the book anew, so that what
//! receivers beside this one have done is seen within a second.

mod inbox;
mod relay;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::time::Mono;
use gatehouse_core::topic::Address;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

pub use inbox::Handovers;
pub(crate) use inbox::{Inbox, channel};

use inbox::Input;
use relay::{Relayed, relayed};

use super::matter::{Handover, is_late};
use super::{Book, HandoverError, HandoverView, Owed, RoomsView, Side, State, Voice};
use crate::bundle::holds;
use crate::clock::Clock;
use crate::desk;
use crate::operator::Operator;
use crate::outbox::{Outbox, Saying, Taken};
use crate::snapshot::{Committed, Link, Snapshot};
use crate::store::Kept;

/// How often it is looked what is due, and what other receivers have done.
const LOOK: Duration = Duration::from_secs(1);

/// A message without a receipt is said again after this, then after twice as long …
const AGAIN: Duration = Duration::from_secs(5);

/// … up to this: each copy may lie at a broker for a room that is away.
const AGAIN_MOST: Duration = Duration::from_secs(600);

/// What was sent and has no receipt.
struct Sent {
    /// When it is said again …
    again: Mono,
    /// … and how long that is after the last time.
    pause: Duration,
    /// The broker's word, while it is awaited.
    taken: Option<oneshot::Receiver<Taken>>,
    trouble: Option<String>,
}

/// A broker tells what is retained at once; until this long after a connection has begun, that a
/// gateway or its incident is not known says nothing.
const SETTLED: Duration = Duration::from_secs(5);

/// See the module's page.
pub(crate) struct Room {
    book: Arc<Mutex<Book>>,
    /// The same as the book's; that one may be busy.
    voice: Voice,
    outbox: Arc<Outbox>,
    board: Arc<Mutex<Snapshot>>,
    operator: Operator,
    clock: Arc<dyn Clock>,
    inputs: mpsc::Receiver<Input>,
    events: broadcast::Receiver<Arc<Committed>>,
    kept: Vec<Kept>,
    sent: HashMap<(Id, u64), Sent>,
    /// Receipts on their way: the outbox drops what nobody waits for.
    receipts: Vec<oneshot::Receiver<Taken>>,
    relays: JoinSet<Relayed>,
    relaying: HashSet<(Id, u64)>,
    /// Of these, what is tried again.
    later: Vec<(Id, u64)>,
    /// Whether there was a connection at the last look: a new one gets everything again at once.
    connected: bool,
    /// Since when.
    since: Option<Mono>,
    failing: bool,
}

/// What a room shares with the rest of its receiver.
pub(crate) struct Shares {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) board: Arc<Mutex<Snapshot>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) events: broadcast::Receiver<Arc<Committed>>,
}

impl Room {
    pub(crate) fn new(
        book: Book,
        operator: Operator,
        inputs: mpsc::Receiver<Input>,
        shares: Shares,
    ) -> Self {
        let Shares { outbox, board, clock, events } = shares;
        let voice = book.voice.clone();
        Self {
            book: Arc::new(Mutex::new(book)),
            voice,
            outbox,
            board,
            operator,
            clock,
            inputs,
            events,
            kept: Vec::new(),
            sent: HashMap::new(),
            receipts: Vec::new(),
            relays: JoinSet::new(),
            relaying: HashSet::new(),
            later: Vec::new(),
            connected: false,
            since: None,
            failing: false,
        }
    }

    /// Works until the receiver has ended.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What was committed while this room was away.
        let mut follow = true;
        loop {
            self.look(follow).await;
            follow = false;
            tokio::select! {
                _ = ticks.tick() => {
                    for key in self.later.drain(..) {
                        self.relaying.remove(&key);
                    }
                }
                input = self.inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return,
                },
                Some(relayed) = self.relays.join_next(), if !self.relays.is_empty() => {
                    if let Ok((id, act, outcome)) = relayed {
                        let key = (id.clone(), act);
                        if let Some(outcome) = outcome {
                            let done = self.on_book(move |book| book.outcome(&id, act, outcome));
                            self.note(done.await);
                            // The event of it may have come before.
                            follow = true;
                            self.relaying.remove(&key);
                        } else {
                            // At the next tick, not at once.
                            self.later.push(key);
                        }
                    }
                }
                told = next_of(&mut self.events, &self.kept) => match told {
                    Some(()) => follow = true,
                    None => return,
                },
            }
        }
    }

    /// Works in the book, on a thread that may wait for a disk or a server.
    fn on_book<T: Send + 'static, W>(&self, work: W) -> impl Future<Output = T> + use<T, W>
    where
        W: FnOnce(&mut Book) -> T + Send + 'static,
    {
        let book = Arc::clone(&self.book);
        let done = tokio::task::spawn_blocking(move || {
            // Every change of it is a transaction of its database.
            work(&mut book.lock().unwrap_or_else(PoisonError::into_inner))
        });
        async move {
            match done.await {
                Ok(value) => value,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime ends.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Heard(topic, payload) => {
                let heard = self.on_book(move |book| book.hear(&topic, &payload)).await;
                let reply = self.note(heard.map_err(HandoverError::from)).flatten();
                if let Some(reply) = reply {
                    // Without a room for it the other side asks again.
                    let (told, taken) = oneshot::channel();
                    self.put(reply.topic.to_string(), reply.payload, AGAIN_MOST, told);
                    let open = |one: &mut oneshot::Receiver<Taken>| {
                        matches!(one.try_recv(), Err(oneshot::error::TryRecvError::Empty))
                    };
                    self.receipts.retain_mut(open);
                    self.receipts.push(taken);
                }
            }
            Input::Offer(offered, told) => {
                drop(told.send(self.on_book(move |book| book.offer(*offered)).await));
            }
            Input::Accept(id, by, told) => {
                drop(told.send(self.on_book(move |book| book.accept(&id, &by)).await));
            }
            Input::Refuse(id, by, why, told) => {
                drop(told.send(self.on_book(move |book| book.refuse(&id, &by, &why)).await));
            }
            Input::Withdraw(id, by, told) => {
                drop(told.send(self.on_book(move |book| book.withdraw(&id, &by)).await));
            }
            Input::Act(id, act, told) => {
                drop(told.send(self.on_book(move |book| book.ask(&id, act)).await));
            }
            Input::Bundle(id, told) => {
                drop(told.send(self.on_book(move |book| book.taken_bundle(&id)).await));
            }
        }
    }

    /// Logs an error once, where it is handled; the next look tries again.
    fn note<T>(&mut self, done: Result<T, HandoverError>) -> Option<T> {
        match done {
            Ok(value) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the database takes handovers again");
                }
                Some(value)
            }
            Err(HandoverError::Store(error)) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "handovers cannot be read or written; trying again");
                }
                None
            }
            Err(error) => {
                tracing::warn!(%error, "a handover is left as it is");
                None
            }
        }
    }

    /// Reads the book anew, does what is due, and shows it.
    async fn look(&mut self, follow: bool) {
        self.read().await;
        if follow {
            for matter in self.given() {
                let done = self.on_book(move |book| book.follow(&matter)).await;
                self.note(done);
            }
            self.read().await;
        }
        self.send();
        self.relay();
        self.show();
    }

    async fn read(&mut self) {
        let listed = self.on_book(Book::list).await;
        if let Some(kept) = self.note(listed.map_err(HandoverError::from)) {
            self.kept = kept;
        }
    }

    fn given(&self) -> Vec<Handover> {
        let open = |kept: &&Kept| kept.matter.side == Side::Given && kept.matter.is_open();
        self.kept.iter().filter(open).map(|kept| kept.matter.clone()).collect()
    }

    fn board(&self) -> std::sync::MutexGuard<'_, Snapshot> {
        desk::lock(&self.board)
    }

    /// Sends what is owed: at once, after each reconnection, and then ever more rarely.
    fn send(&mut self) {
        let up = self.board().link == Link::Up;
        if !std::mem::replace(&mut self.connected, up) {
            self.since = up.then(|| self.clock.now().mono);
            // What still lies in the outbox is withdrawn with its channel.
            self.sent.clear();
        }
        let now = self.clock.now().mono;
        let owed: HashSet<(Id, u64)> = self
            .kept
            .iter()
            .flat_map(|kept| kept.owed.iter().map(|one| (kept.matter.id.clone(), one.number)))
            .collect();
        self.sent.retain(|key, _| owed.contains(key));
        for sent in self.sent.values_mut() {
            match sent.taken.as_mut().map(oneshot::Receiver::try_recv) {
                None | Some(Err(oneshot::error::TryRecvError::Empty)) => continue,
                Some(Ok(Taken::NobodyListens)) => sent.trouble = Some("nobody_listens".to_owned()),
                Some(Ok(Taken::Refused(why))) => sent.trouble = Some(format!("refused: {why}")),
                Some(Ok(Taken::Held) | Err(_)) => sent.trouble = None,
            }
            sent.taken = None;
        }
        if !up {
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        for Kept { matter, owed } in &kept {
            let Some(topic) = self.voice.topic(&matter.peer, &matter.id) else { continue };
            for one in owed {
                let key = (matter.id.clone(), one.number);
                let before = self.sent.get(&key);
                if before.is_some_and(|sent| sent.taken.is_some() || now < sent.again) {
                    continue;
                }
                let pause = before.map_or(AGAIN, |sent| (2 * sent.pause).min(AGAIN_MOST));
                let trouble = before.and_then(|sent| sent.trouble.clone());
                let (told, taken) = oneshot::channel();
                if self.put(topic.to_string(), one.payload.clone(), pause, told) {
                    let (again, taken) = (now.plus(pause), Some(taken));
                    self.sent.insert(key, Sent { again, pause, taken, trouble });
                }
            }
        }
        self.kept = kept;
    }

    /// Hands something to the connection; false: there is too much on its way.
    fn put(
        &self,
        topic: String,
        payload: Vec<u8>,
        expiry: Duration,
        told: oneshot::Sender<Taken>,
    ) -> bool {
        self.outbox.act(Saying { topic, payload, expiry, respond: None, told }).is_ok()
    }

    /// Hands acts of takers to their gateways, each once.
    fn relay(&mut self) {
        if !self.connected {
            return;
        }
        let now = self.clock.now();
        let settled = self.since.is_some_and(|since| now.mono.since(since) >= SETTLED);
        for Kept { matter, .. } in &self.kept {
            // An incident that has ended may have been ended by the very act that nobody answered.
            let ended = matter.side == Side::Given && matter.state == State::Ended;
            if !matter.is_theirs() && !ended {
                continue;
            }
            for asked in matter.acts.iter().filter(|asked| asked.outcome.is_none()) {
                let key = (matter.id.clone(), asked.number);
                if !self.relaying.insert(key) {
                    continue;
                }
                let (book, operator) = (Arc::clone(&self.book), self.operator.clone());
                let late = is_late(asked.op, asked.at, now.utc);
                let asked = asked.clone();
                self.relays.spawn(relayed(book, operator, matter.clone(), asked, settled, late));
            }
        }
    }

    fn show(&self) {
        let rooms = &self.voice.rooms;
        let view = |kept: &Kept| {
            let owed = kept.owed.first().map(|oldest| Owed {
                kind: oldest.kind.clone(),
                since: oldest.at,
                messages: kept.owed.len(),
                trouble: self
                    .sent
                    .get(&(kept.matter.id.clone(), oldest.number))
                    .and_then(|sent| sent.trouble.clone()),
            });
            HandoverView { handover: kept.matter.clone(), owed }
        };
        let shown = RoomsView {
            name: Some(rooms.name.clone()),
            peers: rooms.peers.iter().map(|peer| peer.name.clone()).collect(),
            handovers: self.kept.iter().map(view).collect(),
        };
        let mut board = self.board();
        if *board.rooms != shown {
            board.rooms = Arc::new(shown);
        }
    }
}

/// Waits for an event that may be of an incident which another room is told of; `None`: the receiver
/// has ended.
async fn next_of(events: &mut broadcast::Receiver<Arc<Committed>>, kept: &[Kept]) -> Option<()> {
    loop {
        match events.recv().await {
            Ok(event) => {
                let of = |kept: &Kept| {
                    let Handover { district, site, gateway, incident, .. } = &kept.matter;
                    let Address { district: of, site: at, gateway: by } = &*event.address;
                    kept.matter.side == Side::Given
                        && kept.matter.is_open()
                        && (of, at, by) == (district, site, gateway)
                        && (holds(&event.body, format!("\"{}\"", incident.id).as_bytes())
                            || holds(&event.body, b"\"opens\":"))
                };
                if !event.duplicate && kept.iter().any(of) {
                    return Some(());
                }
            }
            // The database has them.
            Err(RecvError::Lagged(_)) => return Some(()),
            Err(RecvError::Closed) => return None,
        }
    }
}
