//! One connection to one broker: the only files that know rumqttc.
//!
//! A link is made fresh for each connection and thrown away with it: rumqttc's own resend is never
//! used, since it loses what is queued when a session is gone and can mix up acknowledgements
//! across connections. Within one connection the n-th QoS 1 request is the n-th
//! `Outgoing::Publish` with a packet id, so a FIFO of tokens and a map from packet id to token are
//! exact.

mod dial;
mod v4;
mod v5;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_config::{Broker, Protocol};
use gatehouse_core::id::Seq;
use gatehouse_core::uplink::{Ack, Down, Failure};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A connection must be up and subscribed within this time, or the next broker is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

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
}

/// A message to publish with QoS 1.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where to.
    pub topic: String,
    /// The bytes.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// MQTT 5 user properties.
    pub properties: Vec<(String, String)>,
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
        /// It was kept by the broker, not sent now.
        retained: bool,
    },
    /// The connection is over; nothing follows.
    Down(Down, String),
}

/// What a connection starts with.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The MQTT client id.
    pub client_id: String,
    /// Topic and payload of the will (QoS 1, retained).
    pub will: (String, Vec<u8>),
    /// What to subscribe with QoS 1.
    pub subscriptions: Vec<String>,
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
    fifo: Fifo,
    _pump: JoinSet<()>,
}

impl Link {
    /// Hands over a QoS 1 publish.
    ///
    /// # Errors
    /// When the connection is over; a [`LinkEvent::Down`] tells why.
    pub fn publish(&mut self, token: Token, message: Message) -> Result<(), Gone> {
        self.fifo.lock().push_back(token);
        self.sender.publish(message)
    }

    /// Hands over a QoS 0 publish, if there is room.
    ///
    /// # Errors
    /// When the connection is over or has no room.
    pub fn publish_lossy(&mut self, topic: String, payload: Vec<u8>) -> Result<(), Gone> {
        self.sender.publish_lossy(topic, payload)
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
    fn publish(&mut self, message: Message) -> Result<(), Gone>;
    fn publish_lossy(&mut self, topic: String, payload: Vec<u8>) -> Result<(), Gone>;
    fn disconnect(&mut self);
}

/// Connects, subscribes, and starts to read.
///
/// # Errors
/// When the broker cannot be reached in time, or refuses.
pub async fn connect(broker: &Broker, hello: &Hello) -> Result<Link, ConnectError> {
    let attempt = async {
        let route = dial::route(broker).await?;
        let trouble = route.trouble.clone();
        let link = match broker.protocol {
            Protocol::V5 => v5::connect(broker, hello, route).await,
            Protocol::V311 => v4::connect(broker, hello, route).await,
        };
        // TLS knows better than "connection closed" why there is none.
        link.map_err(|error| trouble.take().map_or(error, ConnectError::from))
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::unreachable(&"no answer within 20 s")),
    }
}

/// How long rumqttc may stay silent. Its MQTT 5 client can hang in a flush without noticing that
/// the peer is gone; otherwise keep-alive wakes it at least once in every period.
fn watchdog(keep_alive: Duration) -> Duration {
    (keep_alive * 2).max(Duration::from_secs(30))
}

/// The tokens that were handed over and have no packet id yet.
#[derive(Clone, Default)]
struct Fifo(Arc<Mutex<VecDeque<Token>>>);

impl Fifo {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packet ids of one connection, and what they stand for.
#[derive(Default)]
struct PacketIds {
    fifo: Fifo,
    tokens: HashMap<u16, Token>,
}

impl PacketIds {
    fn new(fifo: Fifo) -> Self {
        Self { fifo, tokens: HashMap::new() }
    }

    /// rumqttc wrote a publish with this packet id.
    fn written(&mut self, packet_id: u16) -> Result<(), String> {
        if packet_id == 0 {
            return Ok(());
        }
        let Some(token) = self.fifo.lock().pop_front() else {
            return Err(format!("packet id {packet_id} was given to nothing that was handed over"));
        };
        match self.tokens.insert(packet_id, token) {
            None => Ok(()),
            Some(_) => Err(format!("packet id {packet_id} was given twice")),
        }
    }

    fn acked(&mut self, packet_id: u16) -> Option<Token> {
        self.tokens.remove(&packet_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_ids_stand_for_what_was_handed_over_in_order() {
        let fifo = Fifo::default();
        let mut ids = PacketIds::new(fifo.clone());
        fifo.lock().extend([Token::Event(Seq(7)), Token::Control, Token::Event(Seq(8))]);
        assert!(ids.written(1).is_ok() && ids.written(0).is_ok() && ids.written(2).is_ok());
        assert_eq!(ids.acked(2), Some(Token::Control));
        assert_eq!(ids.acked(1), Some(Token::Event(Seq(7))));
        assert_eq!(ids.acked(1), None, "a second PUBACK of the same id means nothing");
        assert!(ids.written(2).is_ok());
        assert!(ids.written(3).is_err(), "more publishes than were handed over");
    }
}
