//! One connection to one broker: the only files that know rumqttc.
//!
//! A link is made fresh for each connection and thrown away with it: rumqttc's own resend is never
//! used, since it loses what is queued when a session is gone and can mix up acknowledgements
//! across connections. For MQTT 5 rumqttc's packets go over a stream of our own ([`v5`]); for
//! 3.1.1 its event loop is used ([`v4`]).

mod dial;
mod look;
mod v4;
mod v5;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use gatehouse_config::{Broker, Protocol};
use gatehouse_core::id::Seq;
use gatehouse_core::uplink::{Ack, Down, Failure};
pub(crate) use look::look;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A flush may take so long, in MQTT 3.1.1: packets are small, but a slow uplink needs its time.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(20);

/// Events of a link on their way to the uplink. When it is full the link stops reading from the
/// network, and TCP holds the broker back.
const EVENTS: usize = 1024;

/// The largest message that is taken from the district: a receipt with many holes, a command.
const MAX_INCOMING: u32 = 64 * 1024;

/// What a QoS 1 publish is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// An event of the journal.
    Event(Seq),
    /// A status, description or state.
    Control,
    /// What came of a command, by its number among them.
    Result(u64),
    /// A picture; one at a time.
    Picture,
}

/// A message to publish.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where to.
    pub topic: Bytes,
    /// JSON; empty: nothing is there any more.
    pub payload: Bytes,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// The broker may hold it for so many seconds; `None`: as long as it takes. MQTT 5 only.
    pub expiry_s: Option<u32>,
    /// MQTT 5 user properties.
    pub properties: Vec<(String, String)>,
    /// MQTT 5: what a result is known by to whoever waits for it.
    pub correlation: Option<Bytes>,
}

/// What happens on a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// A publish was acknowledged.
    Acked(Token, Ack),
    /// The district says something.
    Message {
        /// Where.
        topic: String,
        /// What.
        payload: Vec<u8>,
        /// It was kept by the broker, not sent now; of a command with MQTT 5 also: it is to be kept.
        retained: bool,
        /// Where an answer is wanted.
        wants: Wants,
    },
    /// The connection is over; nothing follows.
    Down(Down, String),
}

/// Where and how an answer is wanted (MQTT 5: Response Topic, Correlation Data).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// There, if it is ours to write to.
    pub topic: Option<String>,
    /// With this in it.
    pub correlation: Option<Bytes>,
}

/// What a connection starts with.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The MQTT client id.
    pub client_id: String,
    /// The will (QoS 1).
    pub will: Message,
    /// How long the broker waits before it publishes the will; MQTT 3.1.1 has no such wait.
    pub will_delay: Duration,
    /// The connection must be up and subscribed within this time, or the next path is tried.
    pub within: Duration,
    /// What to subscribe with QoS 1.
    pub subscriptions: Vec<String>,
    /// Of these the one whose messages say whether they are to be retained (MQTT 5), also when they
    /// are sent just now.
    pub as_published: Option<String>,
    /// The most publishes without PUBACK that we want.
    pub in_flight: u16,
}

/// An open connection.
pub struct Link {
    sender: Box<dyn Sender>,
    /// What happens, in order.
    pub events: mpsc::Receiver<LinkEvent>,
    /// The broker remembers our session.
    pub session_present: bool,
    /// How many publishes without PUBACK are safe here.
    pub window: u16,
    _pump: JoinSet<()>,
}

impl Link {
    /// Hands over a QoS 1 publish.
    ///
    /// # Errors
    /// When the connection is over; a [`LinkEvent::Down`] tells why.
    pub fn publish(&mut self, token: Token, message: Message) -> Result<(), Gone> {
        self.sender.publish(token, message)
    }

    /// Hands over a QoS 0 publish, if there is room.
    ///
    /// # Errors
    /// When the connection is over or has no room.
    pub fn publish_lossy(&mut self, message: Message) -> Result<(), Gone> {
        self.sender.publish_lossy(message)
    }

    /// Ends the connection with a DISCONNECT, so that the broker forgets the will.
    pub fn disconnect(&mut self) {
        self.sender.disconnect();
    }
}

/// The connection is over, or takes nothing at this moment.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection takes nothing more")]
pub struct Gone;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ConnectError {
    /// How to go on.
    pub failure: Failure,
    /// For the log.
    pub text: String,
}

impl ConnectError {
    fn unreachable(text: &dyn std::fmt::Display) -> Self {
        Self { failure: Failure::Unreachable, text: text.to_string() }
    }
}

trait Sender: Send {
    fn publish(&mut self, token: Token, message: Message) -> Result<(), Gone>;
    fn publish_lossy(&mut self, message: Message) -> Result<(), Gone>;
    fn disconnect(&mut self);
}

/// Connects, subscribes, and starts to read.
///
/// # Errors
/// When the broker cannot be reached in time, or refuses.
pub async fn connect(broker: &Broker, hello: &Hello) -> Result<Link, ConnectError> {
    let attempt = async {
        if broker.protocol == Protocol::V5 {
            return v5::connect(broker, hello).await;
        }
        let route = dial::route(broker).await?;
        let trouble = route.trouble.clone();
        let link = v4::connect(broker, hello, route).await;
        // TLS knows better than "connection closed" why there is none.
        link.map_err(|error| trouble.take().map_or(error, |why| ConnectError::from(&why)))
    };
    match tokio::time::timeout(hello.within, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::unreachable(&format!("no answer within {:?}", hello.within))),
    }
}
