//! The connection: one fresh rumqttc event loop for each, never a second life of an old one.
//!
//! rumqttc is a dumb pipe here. Nothing is queued in it that is not also kept elsewhere: what
//! comes in is acknowledged only after its commit, what goes out lies in the [`Outbox`] or can be
//! given back to it. A connection subscribes before it says anything, whether or not the broker
//! remembers the session: that costs little, and brings the retained states anew.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use gatehouse_core::contract::{DistrictState, Receipt};
use gatehouse_core::topic::{self, Address};
use gatehouse_link::Stamp;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet, PubAck, PubAckReason, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::approach::{Approach, Failure, WATCHDOG};
use crate::clock::Clock;
use crate::config::ReceiverConfig;
use crate::desk::{self, Inbound, Work};
use crate::operator::ACT_WITHIN;
use crate::outbox::{Outbox, Say, Saying, Taken};
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

/// What was handed to rumqttc and is not acknowledged by the broker.
#[derive(Debug, Default)]
struct Flight {
    /// In the order of handing over; rumqttc numbers them in that order.
    handed: VecDeque<Handed>,
    numbered: HashMap<u16, Handed>,
}

#[derive(Debug)]
enum Handed {
    State,
    Receipt(Arc<Address>, Receipt),
    Act(Saying),
}

impl Flight {
    fn len(&self) -> usize {
        self.handed.len() + self.numbered.len()
    }
}

/// One connection's shared facts between its reading and its speaking half.
struct Session<'a> {
    linker: &'a Linker,
    epoch: u64,
    client: AsyncClient,
    window: usize,
    flight: Mutex<Flight>,
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
        for epoch in 1.. {
            let files = Stamp::of(self.config.files());
            let failure = match self.connection(epoch, &mut unreachable, &mut refused).await {
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
            let backoff = if failure.is_refusal() { &mut refused } else { &mut unreachable };
            let wait = backoff.next(fastrand::f64());
            tracing::warn!(broker = %self.config.broker, error = %failure, ?wait,
                "no connection to the broker");
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
        epoch: u64,
        unreachable: &mut Backoff,
        refused: &mut Backoff,
    ) -> End {
        let mut stop = self.stop.clone();
        let approach = tokio::select! {
            approach = self.approach() => approach,
            _ = stop.wait_for(|stop| *stop) => return End::Stopped,
        };
        let Approach { options, trouble, tunnel: _tunnel } = match approach {
            Ok(approach) => approach,
            Err(failure) => return End::Failed(failure),
        };
        let end = self.converse(epoch, options, unreachable, refused).await;
        match (end, trouble.take()) {
            // TLS knows better than "connection closed".
            (End::Failed(_), Some(why)) => End::Failed(Failure::Dial(why)),
            (end, _) => end,
        }
    }

    async fn converse(
        &self,
        epoch: u64,
        options: MqttOptions,
        unreachable: &mut Backoff,
        refused: &mut Backoff,
    ) -> End {
        let (client, mut eventloop) = AsyncClient::new(options, 256);
        let mut stop = self.stop.clone();
        let connack = tokio::select! {
            connected = timeout(WATCHDOG, eventloop.poll()) => match connected {
                Ok(Ok(Event::Incoming(Packet::ConnAck(connack)))) => connack,
                // With a fresh event loop the first event is the CONNACK.
                Ok(Ok(_)) | Err(_) => return End::Failed(Failure::Stuck),
                Ok(Err(error)) => return End::Failed(Failure::Mqtt(Box::new(error))),
            },
            _ = stop.wait_for(|stop| *stop) => return End::Stopped,
        };
        let receive_max = connack
            .properties
            .as_ref()
            .and_then(|properties| properties.receive_max)
            .unwrap_or(u16::MAX);
        tracing::info!(broker = %self.config.broker, session_present = connack.session_present,
            receive_max, "connected");
        self.outbox.connected(epoch);
        let session = Session {
            linker: self,
            epoch,
            client,
            window: usize::from((receive_max / 2).clamp(1, WINDOW)),
            flight: Mutex::default(),
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
            end = session.listen(&mut eventloop) => end,
            Err(failure) = speaking => End::Failed(failure),
        };
        for event in eventloop.state.events.drain(..) {
            session.note(&event);
        }
        session.give_back();
        end
    }

    /// What the district is told of this receiver. One that cannot commit does not receive.
    pub(crate) fn state(&self, online: bool) -> DistrictState {
        let now = self.clock.now();
        DistrictState {
            online: online && !self.outbox.failing(),
            host: self.config.host.clone(),
            ts: now.utc,
            utc_ms: now.utc.0,
            replay: self.config.replay,
            hb_s: self.config.heartbeat_s,
        }
    }

    fn filters(&self) -> Vec<Filter> {
        let filter = |what: &str, group, qos| {
            Filter::new(topic::subscription(&self.config.district, what, group), qos)
        };
        vec![
            // Only the events are shared: every receiver of a group shows all gateways' states.
            filter("ev/+", self.config.group.as_ref(), QoS::AtLeastOnce),
            filter("status", None, QoS::AtLeastOnce),
            filter("hb", None, QoS::AtMostOnce),
            filter("door/+", None, QoS::AtLeastOnce),
            filter("zone/+", None, QoS::AtLeastOnce),
            filter("partition/+", None, QoS::AtLeastOnce),
            filter("reader/+", None, QoS::AtLeastOnce),
            filter("output/+", None, QoS::AtLeastOnce),
            filter("alarm/+", None, QoS::AtLeastOnce),
            filter("desc", None, QoS::AtLeastOnce),
        ]
    }
}

impl Session<'_> {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to everything and waits until the broker has granted it.
    async fn subscribe(&self) -> Result<(), Failure> {
        let filters = self.linker.filters();
        self.client.subscribe_many(filters).await.map_err(|_| Failure::Closed)?;
        let mut subscribed = self.subscribed.subscribe();
        subscribed.wait_for(|yes| *yes).await.map_err(|_| Failure::Closed).map(drop)
    }

    /// Reads until the connection ends. Never waits for the database as long as the broker keeps
    /// to the receive maximum; if it does not, nothing more is read until there is room.
    async fn listen(&self, eventloop: &mut EventLoop) -> End {
        loop {
            let event = match timeout(WATCHDOG, eventloop.poll()).await {
                Ok(Ok(event)) => event,
                Ok(Err(error)) => return End::Failed(Failure::Mqtt(Box::new(error))),
                Err(_) => return End::Failed(Failure::Stuck),
            };
            self.note(&event);
            match event {
                Event::Incoming(Packet::Publish(publish)) => {
                    let Ok(()) = self.inbound(publish).await else { return End::DeskGone };
                }
                Event::Incoming(Packet::SubAck(suback)) => {
                    let refused = suback
                        .return_codes
                        .iter()
                        .zip(self.linker.filters())
                        .find(|(code, _)| !matches!(code, SubscribeReasonCode::Success(_)));
                    if let Some((reason, filter)) = refused {
                        let (filter, reason) = (filter.path, *reason);
                        return End::Failed(Failure::Subscription { filter, reason });
                    }
                    self.subscribed.send_replace(true);
                }
                Event::Outgoing(Outgoing::Disconnect) => return End::Stopped,
                _ => {}
            }
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
        linker.slots.acquire().await.map_err(drop)?.forget();
        let inbound = Inbound { epoch: self.epoch, publish, at: linker.clock.now() };
        match linker.work.try_send(Work::In(inbound)) {
            Ok(()) => Ok(()),
            // There are as many slots as the channel has room, so it is the other end.
            Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => Err(()),
        }
    }

    /// Follows what was handed over to its packet id and its acknowledgement.
    fn note(&self, event: &Event) {
        match event {
            Event::Outgoing(Outgoing::Publish(pkid)) if *pkid != 0 => {
                let mut flight = self.flight();
                if let Some(handed) = flight.handed.pop_front() {
                    flight.numbered.insert(*pkid, handed);
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                let handed = self.flight().numbered.remove(&ack.pkid);
                self.acknowledged(handed, ack);
                self.linker.outbox.nudge();
            }
            _ => {}
        }
    }

    fn acknowledged(&self, handed: Option<Handed>, ack: &PubAck) {
        let reason = ack.reason;
        let taken = match reason {
            PubAckReason::Success => Taken::Held,
            PubAckReason::NoMatchingSubscribers => Taken::NobodyListens,
            _ => Taken::Refused(format!("{reason:?}")),
        };
        match handed {
            Some(handed) if matches!(taken, Taken::Refused(_)) => {
                tracing::error!(?reason, what = ?handed,
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
                    // All that an acknowledgement needs of the publish.
                    let publish = Publish { qos: QoS::AtLeastOnce, pkid, ..Publish::default() };
                    self.client.ack(&publish).await.map_err(|_| Failure::Closed)?;
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
                _ = every.tick() => self.hand_over(Handed::State).await?,
            }
        }
    }

    async fn hand_over(&self, what: Handed) -> Result<(), Failure> {
        let mut properties = PublishProperties::default();
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
                // The broker must not keep it for a gateway that comes back after the operator
                // was told that nothing came of it.
                let seconds = u32::try_from(ACT_WITHIN.as_secs());
                properties.message_expiry_interval = seconds.ok();
                (saying.topic.clone(), Ok(saying.payload.clone()), false)
            }
        };
        let Ok(payload) = payload else {
            tracing::error!(?what, "cannot be rendered: our bug");
            return Ok(());
        };
        // Noted before it is handed over, so that the reading half cannot see its number first.
        self.flight().handed.push_back(what);
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
            .await
            .map_err(|_| Failure::Closed)
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
        self.client.disconnect().await.map_err(|_| Failure::Closed)?;
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
