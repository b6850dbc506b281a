//! The connection: one fresh rumqttc event loop for each, never a second life of an old one. What
//! differs between MQTT 5 and 3.1.1 is in [`pipe`].
//!
//! rumqttc is a dumb pipe here. Nothing is queued in it that is not also kept elsewhere: what
//! comes in is acknowledged only after its commit, what goes out lies in the [`Outbox`] or can be
//! given back to it. A connection subscribes before it says anything, whether or not the broker
//! remembers the session: that costs little, and brings the retained states anew.

mod flight;
mod pipe;

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flight::{Flight, Handed};
use gatehouse_core::backoff::Backoff;
use gatehouse_core::contract::DistrictState;
use gatehouse_core::topic;
use gatehouse_link::Stamp;
use pipe::{Heard, Pipe, Speaker, With};
use rumqttc::v5::mqttbytes::v5::Publish;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::approach::{Approach, Failure, Options, WATCHDOG};
use crate::clock::Clock;
use crate::config::{BrokerAddress, ReceiverConfig};
use crate::desk::{self, Inbound, Work};
use crate::outbox::{Outbox, Say, Taken};
use crate::snapshot::{Link, Snapshot};

/// The most messages that the broker may have sent without our acknowledgement: at 30,000 events
/// a second and 20 ms per commit, 600 are on their way; three times that leaves room for a slow
/// disk. Also the bound of what waits between wire and database.
pub(crate) const RECEIVE_MAXIMUM: u16 = 2048;

/// The most receipts without PUBACK.
const WINDOW: u16 = 64;

/// The contract's period of `_dc/state`.
const STATE_EVERY: Duration = Duration::from_secs(30);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// A receiver is one per district, there is no herd of them: it comes back faster than a gateway.
const UNREACHABLE: Backoff =
    Backoff::new(Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(5));

/// Everything that one receiver's connections share.
pub(crate) struct Linker {
    pub(crate) config: Arc<ReceiverConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) board: Arc<Mutex<Snapshot>>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) work: SyncSender<Work>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// Said goodbye, as asked.
    Stopped,
    /// The database's thread is gone: no connection makes sense any more.
    DeskGone,
    Failed(Failure),
}

/// One connection's shared facts between its reading and its speaking half.
struct Session<'a> {
    linker: &'a Linker,
    epoch: u64,
    speaker: Speaker,
    window: usize,
    flight: Mutex<Flight>,
    /// The district was told that nobody receives, which is not so.
    still_here: Notify,
    /// The broker has granted every subscription.
    subscribed: watch::Sender<bool>,
}

impl Linker {
    /// Connects for as long as the receiver runs. Returns when told to stop, or when the
    /// database's thread is gone.
    pub(crate) async fn run(self) {
        let mut stop = self.stop.clone();
        let mut unreachable = UNREACHABLE;
        let mut refused = Backoff::REFUSED;
        let mut brokers = self.config.brokers().cycle();
        let mut round = 0..self.config.brokers().count();
        for (epoch, broker) in (1..).zip(&mut brokers) {
            let files = Stamp::of(self.config.files());
            round.next();
            let failure = match self.connection(broker, epoch, &mut unreachable, &mut refused).await
            {
                End::Stopped => return,
                End::DeskGone => {
                    tracing::error!("the database's thread has ended; the receiver ends too");
                    return;
                }
                End::Failed(failure) => failure,
            };
            desk::lock(&self.board).link = Link::Down(failure.to_string());
            if *stop.borrow() {
                return;
            }
            let wait = if failure.is_refusal() {
                refused.next(fastrand::f64())
            } else if round.is_empty() {
                round = 0..self.config.brokers().count();
                unreachable.next(fastrand::f64())
            } else {
                // Another node of the cluster takes over at once.
                Duration::ZERO
            };
            tracing::warn!(%broker, error = %failure, ?wait, "no connection to the broker");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Whoever renews a refused certificate wants no 15 minutes of silence after it.
                () = self.renewed(&files) => tracing::info!("the files are renewed; trying at once"),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn connection(
        &self,
        broker: &BrokerAddress,
        epoch: u64,
        unreachable: &mut Backoff,
        refused: &mut Backoff,
    ) -> End {
        let mut stop = self.stop.clone();
        let approach = tokio::select! {
            approach = self.approach(broker) => approach,
            _ = stop.wait_for(|stop| *stop) => return End::Stopped,
        };
        let Approach { options, trouble, tunnel: _tunnel } = match approach {
            Ok(approach) => approach,
            Err(failure) => return End::Failed(failure),
        };
        let end = self.converse(broker, epoch, options, unreachable, refused).await;
        match (end, trouble.take()) {
            // TLS knows better than "connection closed".
            (End::Failed(_), Some(why)) => End::Failed(Failure::Dial(why)),
            (end, _) => end,
        }
    }

    async fn converse(
        &self,
        broker: &BrokerAddress,
        epoch: u64,
        options: Options,
        unreachable: &mut Backoff,
        refused: &mut Backoff,
    ) -> End {
        let (speaker, mut pipe) = pipe::open(options);
        let mut stop = self.stop.clone();
        let (session_present, receive_max) = tokio::select! {
            connected = timeout(WATCHDOG, pipe.next()) => match connected {
                Ok(Ok(Heard::Connected { session_present, receive_max })) => {
                    (session_present, receive_max)
                }
                // With a fresh event loop the first event is the CONNACK.
                Ok(Ok(_)) | Err(_) => return End::Failed(Failure::Stuck),
                Ok(Err(failure)) => return End::Failed(failure),
            },
            _ = stop.wait_for(|stop| *stop) => return End::Stopped,
        };
        tracing::info!(%broker, session_present, receive_max, "connected");
        self.outbox.connected(epoch);
        let session = Session {
            linker: self,
            epoch,
            speaker,
            window: usize::from((receive_max / 2).clamp(1, WINDOW)),
            flight: Mutex::default(),
            still_here: Notify::new(),
            subscribed: watch::Sender::new(false),
        };
        let speaking = async {
            session.subscribe().await?;
            unreachable.reset();
            refused.reset();
            desk::lock(&self.board).link = Link::Up;
            session.speak().await
        };
        // Both halves live as long as the connection: rumqttc's poll must never be dropped while
        // its event loop is to be used again, and it is not.
        let end = tokio::select! {
            end = session.listen(&mut pipe) => end,
            Err(failure) = speaking => End::Failed(failure),
        };
        for heard in pipe.rest() {
            session.note(&heard);
        }
        session.give_back();
        end
    }
}

impl Session<'_> {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to everything and waits until the broker has granted it.
    async fn subscribe(&self) -> Result<(), Failure> {
        self.speaker.subscribe(pipe::wishes(self.linker)).await?;
        let mut subscribed = self.subscribed.subscribe();
        subscribed.wait_for(|yes| *yes).await.map_err(|_| Failure::Closed).map(drop)
    }

    /// Reads until the connection ends. Never waits for the database as long as the broker keeps
    /// to the receive maximum; if it does not, nothing more is read until there is room.
    async fn listen(&self, pipe: &mut Pipe) -> End {
        loop {
            let heard = match timeout(WATCHDOG, pipe.next()).await {
                Ok(Ok(heard)) => heard,
                Ok(Err(failure)) => return End::Failed(failure),
                Err(_) => return End::Failed(Failure::Stuck),
            };
            self.note(&heard);
            match heard {
                Heard::Message(publish) if self.is_state(&publish) => {
                    self.beside(&publish.payload);
                }
                Heard::Message(publish) => {
                    let Ok(()) = self.inbound(publish).await else { return End::DeskGone };
                }
                Heard::Subscribed(refused) => {
                    let wishes = pipe::wishes(self.linker);
                    let refused = refused.into_iter().zip(wishes);
                    let mut refused = refused.filter_map(|(why, wish)| Some((why?, wish.filter)));
                    if let Some((reason, filter)) = refused.next() {
                        return End::Failed(Failure::Subscription { filter, reason });
                    }
                    self.subscribed.send_replace(true);
                }
                Heard::Closed => return End::Stopped,
                _ => {}
            }
        }
    }

    fn is_state(&self, publish: &Publish) -> bool {
        publish.topic == topic::district_state(&self.linker.config.district)
    }

    /// One topic says whether anybody receives. When a receiver beside this one ends, or its will
    /// comes, that is not so as long as this one does.
    fn beside(&self, payload: &[u8]) {
        let ended =
            serde_json::from_slice(payload).is_ok_and(|DistrictState { online, host, .. }| {
                !online && host != self.linker.config.host
            });
        if ended && self.linker.state(!*self.linker.stop.borrow()).online {
            self.still_here.notify_one();
        }
    }

    async fn inbound(&self, publish: Publish) -> Result<(), ()> {
        let linker = self.linker;
        if *linker.stop.borrow() {
            // Not acknowledged: the broker keeps it for the next receiver.
            return Ok(());
        }
        if publish.pkid == 0 && linker.slots.available_permits() == 0 {
            // A heartbeat is worth no waiting; the next one comes.
            return Ok(());
        }
        let slots = desk::slots(&publish);
        linker.slots.acquire_many(slots).await.map_err(drop)?.forget();
        let inbound = Inbound { epoch: self.epoch, publish, at: linker.clock.now() };
        match linker.work.try_send(Work::In(inbound)) {
            Ok(()) => Ok(()),
            // There are as many slots as the channel has room, so it is the other end.
            Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => Err(()),
        }
    }

    /// Follows what was handed over to its packet id and its acknowledgement.
    fn note(&self, heard: &Heard) {
        match heard {
            Heard::Written(pkid) => {
                let mut flight = self.flight();
                if let Some(handed) = flight.handed.pop_front() {
                    flight.numbered.insert(*pkid, handed);
                }
            }
            Heard::Acked(pkid, taken) => {
                let handed = self.flight().numbered.remove(pkid);
                self.acknowledged(handed, taken.clone());
                self.linker.outbox.nudge();
            }
            _ => {}
        }
    }

    fn acknowledged(&self, handed: Option<Handed>, taken: Taken) {
        match handed {
            Some(handed) if matches!(taken, Taken::Refused(_)) => {
                tracing::error!(reason = ?taken, what = ?handed,
                    "the broker refuses what we say; check its ACL");
                if let Handed::Act(saying) = handed {
                    let _ = saying.told.send(taken);
                }
            }
            Some(Handed::Receipt(address, _)) => {
                tracing::trace!(gateway = %address, "receipt delivered to the broker");
                desk::lock(&self.linker.board).receipts += 1;
            }
            // Whoever waited may have given up.
            Some(Handed::Act(saying)) => drop(saying.told.send(taken)),
            Some(Handed::State) | None => {}
        }
    }

    /// Says what is to be said until the connection ends. Returns only on failure: after the
    /// goodbye the reading half sees the end.
    async fn speak(&self) -> Result<(), Failure> {
        let linker = self.linker;
        let mut every = interval_at(Instant::now(), STATE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = None;
        loop {
            if failing != Some(linker.outbox.failing()) {
                failing = Some(linker.outbox.failing());
                every.reset_immediately();
            }
            let room = self.flight().len() < self.window;
            match linker.outbox.next(room) {
                Some(Say::Ack(pkid)) => {
                    self.speaker.acknowledge(pkid).await?;
                    continue;
                }
                Some(Say::Act(saying)) => {
                    self.hand_over(Handed::Act(saying)).await?;
                    continue;
                }
                Some(Say::Receipt(address, receipt)) => {
                    self.hand_over(Handed::Receipt(address, receipt)).await?;
                    continue;
                }
                None => {}
            }
            if linker.outbox.is_done() {
                return self.say_goodbye().await;
            }
            tokio::select! {
                () = linker.outbox.changed() => {}
                () = self.still_here.notified() => self.hand_over(Handed::State).await?,
                _ = every.tick() => self.hand_over(Handed::State).await?,
            }
        }
    }

    async fn hand_over(&self, what: Handed) -> Result<(), Failure> {
        let mut with = With::default();
        let (topic, payload, retain) = match &what {
            Handed::State => (
                topic::district_state(&self.linker.config.district),
                serde_json::to_vec(&self.linker.state(!*self.linker.stop.borrow())),
                true,
            ),
            Handed::Receipt(address, receipt) => {
                (address.receipt(), serde_json::to_vec(receipt), false)
            }
            Handed::Act(saying) => {
                with.expiry = Some(saying.expiry);
                with.respond.clone_from(&saying.respond);
                (saying.topic.clone(), Ok(saying.payload.clone()), false)
            }
        };
        let Ok(payload) = payload else {
            tracing::error!(?what, "cannot be rendered: our bug");
            return Ok(());
        };
        // Noted before it is handed over, so that the reading half cannot see its number first.
        self.flight().handed.push_back(what);
        self.speaker.publish(topic, retain, payload, with).await
    }

    /// The last word is that nobody receives; then the connection is closed in order, so that the
    /// will does not come.
    async fn say_goodbye(&self) -> Result<(), Failure> {
        self.hand_over(Handed::State).await?;
        let all_taken = async {
            while self.flight().len() > 0 {
                self.linker.outbox.changed().await;
            }
        };
        if timeout(GOODBYE, all_taken).await.is_err() {
            tracing::warn!("the broker does not take the goodbye");
        }
        self.speaker.disconnect().await?;
        std::future::pending().await
    }

    /// What was handed over and not acknowledged is said again by the next connection.
    fn give_back(&self) {
        let mut flight = self.flight();
        let numbered = std::mem::take(&mut flight.numbered);
        let handed = std::mem::take(&mut flight.handed);
        for what in numbered.into_values().chain(handed) {
            match what {
                Handed::Receipt(address, receipt) => {
                    self.linker.outbox.give_back(&address, receipt);
                }
                Handed::Act(saying) => self.linker.outbox.give_back_act(saying),
                Handed::State => {}
            }
        }
    }
}
