//! MQTT 3.1.1 through rumqttc, for brokers that speak nothing newer.
//!
//! Weaker by nature: a PUBACK has no reason, so a broker that denies a topic may acknowledge and
//! drop; only the control room's receipt tells. There is no receive maximum and no session expiry.
//!
//! Within one connection the n-th QoS 1 request is the n-th `Outgoing::Publish` with a packet id,
//! so a FIFO of tokens and a map from packet id to token are exact.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_config::Broker;
use gatehouse_core::uplink::{Ack, Down, Failure};
use gatehouse_link::Route;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Packet, QoS, StateError, SubscribeFilter,
};
use tokio::sync::mpsc;

use super::{
    ConnectError, EVENTS, Gone, Hello, Link, LinkEvent, MAX_INCOMING, Message, Sender, Token,
    Wants, dial,
};

pub(super) async fn connect(
    broker: &Broker,
    hello: &Hello,
    route: Route,
) -> Result<Link, ConnectError> {
    let options = options(broker, hello, &route)?;
    let (client, mut eventloop) = AsyncClient::new(options, usize::from(hello.in_flight) * 2 + 16);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    // For connecting there is a limit around it; this is what a flush may take.
    network.set_connection_timeout(super::FLUSH_TIMEOUT.as_secs());
    eventloop.set_network_options(network);
    let mut early = Vec::new();
    let session_present = loop {
        match eventloop.poll().await.map_err(|error| refused(&error))? {
            Event::Incoming(Packet::ConnAck(ack)) => break ack.session_present,
            other => early.extend(incoming(other)),
        }
    };
    let filters = hello.subscriptions.iter();
    let qos = if broker.receive_qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let filters = filters.map(|topic| SubscribeFilter::new(topic.clone(), qos));
    client.try_subscribe_many(filters).map_err(|error| ConnectError::unreachable(&error))?;
    loop {
        match eventloop.poll().await.map_err(|error| refused(&error))? {
            Event::Incoming(Packet::SubAck(_)) => break,
            other => early.extend(incoming(other)),
        }
    }
    let (tell, events) = mpsc::channel(EVENTS);
    for event in early {
        // The channel is empty and the district sends less than it holds before our first word.
        let _ = tell.try_send(event);
    }
    let fifo = Fifo::default();
    let mut pump = route.tunnel;
    pump.spawn(run(eventloop, PacketIds::new(fifo.clone()), tell, broker.keep_alive));
    let (sender, window) = (Box::new(V4 { client, fifo }), hello.in_flight.max(1));
    Ok(Link { sender, events, session_present, window, _pump: pump })
}

fn options(broker: &Broker, hello: &Hello, route: &Route) -> Result<MqttOptions, ConnectError> {
    let mut options = MqttOptions::new(hello.client_id.clone(), route.host.clone(), route.port);
    options.set_transport(route.transport.clone());
    options.set_keep_alive(broker.keep_alive);
    options.set_clean_session(false);
    let incoming = usize::try_from(MAX_INCOMING).unwrap_or(usize::MAX);
    options.set_max_packet_size(incoming, incoming);
    // Twice the window of packet ids, so that acknowledgements out of order do not collide.
    options.set_inflight(hello.in_flight.saturating_mul(2).max(8));
    if let Some((user, password)) = dial::credentials(broker)? {
        options.set_credentials(user, password);
    }
    let will = &hello.will;
    let topic = String::from_utf8_lossy(&will.topic);
    let will = LastWill::new(topic, will.payload.clone(), QoS::AtLeastOnce, will.retain);
    options.set_last_will(will);
    Ok(options)
}

struct V4 {
    client: AsyncClient,
    fifo: Fifo,
}

impl Sender for V4 {
    fn publish(&mut self, token: Token, message: Message) -> Result<(), Gone> {
        let Message { topic, payload, retain, .. } = message;
        let topic = String::from_utf8_lossy(&topic);
        self.fifo.lock().push_back(token);
        self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload).map_err(|_| Gone)
    }

    fn publish_lossy(&mut self, message: Message) -> Result<(), Gone> {
        let Message { topic, payload, retain, .. } = message;
        let topic = String::from_utf8_lossy(&topic);
        self.client.try_publish(topic, QoS::AtMostOnce, retain, payload).map_err(|_| Gone)
    }

    fn disconnect(&mut self) {
        // Full or closed: then the connection ends by being dropped.
        let _ = self.client.try_disconnect();
    }
}

/// Polls one event loop until its connection ends, then drops it.
async fn run(
    mut eventloop: EventLoop,
    mut ids: PacketIds,
    tell: mpsc::Sender<LinkEvent>,
    keep_alive: Duration,
) {
    let patience = watchdog(keep_alive);
    loop {
        let (down, why) = match tokio::time::timeout(patience, eventloop.poll()).await {
            Ok(Ok(event)) => match translate(event, &mut ids) {
                Ok(None) => continue,
                Ok(Some(event)) => {
                    if tell.send(event).await.is_err() {
                        return;
                    }
                    continue;
                }
                Err(why) => (Down::Network, why),
            },
            Ok(Err(error)) => (blame(&error), error.to_string()),
            Err(_) => (Down::Network, format!("the connection is stuck for {patience:?}")),
        };
        // PUBACKs that came before the end still count.
        for event in std::mem::take(&mut eventloop.state.events) {
            if let Ok(Some(event)) = translate(event, &mut ids)
                && tell.send(event).await.is_err()
            {
                return;
            }
        }
        // Nobody listens any more: then nobody needs to know.
        let _ = tell.send(LinkEvent::Down(down, why)).await;
        return;
    }
}

fn translate(event: Event, ids: &mut PacketIds) -> Result<Option<LinkEvent>, String> {
    match event {
        Event::Outgoing(Outgoing::Publish(id)) => ids.written(id).map(|()| None),
        Event::Outgoing(Outgoing::Disconnect) => Err("we have disconnected".to_owned()),
        Event::Incoming(Packet::PubAck(ack)) => {
            Ok(ids.acked(ack.pkid).map(|token| LinkEvent::Acked(token, Ack::Taken)))
        }
        other => Ok(incoming(other)),
    }
}

fn incoming(event: Event) -> Option<LinkEvent> {
    match event {
        Event::Incoming(Packet::Publish(publish)) => Some(LinkEvent::Message {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            retained: publish.retain,
            wants: Wants::default(),
        }),
        _ => None,
    }
}

/// Whether the peer may have ended the connection because of what it was sent.
fn blame(error: &ConnectionError) -> Down {
    match error {
        ConnectionError::MqttState(
            StateError::Deserialization(_)
            | StateError::WrongPacket
            | StateError::ConnectionAborted,
        ) => Down::Peer,
        _ => Down::Network,
    }
}

fn refused(error: &ConnectionError) -> ConnectError {
    let failure = match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::BadClientId
            | ConnectReturnCode::RefusedProtocolVersion,
        ) => Failure::Refused,
        _ => Failure::Unreachable,
    };
    ConnectError { failure, text: error.to_string() }
}

/// How long rumqttc may stay silent. Keep-alive wakes it at least once in every period.
fn watchdog(keep_alive: Duration) -> Duration {
    keep_alive * 2 + Duration::from_secs(5)
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
    use gatehouse_core::id::Seq;

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
