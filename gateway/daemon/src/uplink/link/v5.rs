//! MQTT 5 through rumqttc.

use std::time::Duration;

use gatehouse_config::Broker;
use gatehouse_core::uplink::{Ack, Down, Failure};
use gatehouse_link::Route;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, Filter, LastWill, Packet, PubAckReason, PublishProperties,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use tokio::sync::mpsc;

use super::{
    ConnectError, EVENTS, Fifo, Gone, Hello, Link, LinkEvent, MAX_INCOMING, Message, PacketIds,
    Sender, dial, watchdog,
};

/// The broker keeps our session (and what is addressed to us) over a week of absence.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;

pub(super) async fn connect(
    broker: &Broker,
    hello: &Hello,
    route: Route,
) -> Result<Link, ConnectError> {
    let options = options(broker, hello, &route)?;
    // Twice the window, so that the channel never fills although control messages go beside.
    let (client, mut eventloop) = AsyncClient::new(options, usize::from(hello.in_flight) * 2 + 16);
    let mut early = Vec::new();
    let (session_present, receive_max) = loop {
        match eventloop.poll().await.map_err(|error| refused(&error))? {
            Event::Incoming(Packet::ConnAck(ack)) => {
                if ack.code != ConnectReturnCode::Success {
                    return Err(refusal(ack.code));
                }
                let limits = ack.properties.as_ref().and_then(|p| p.receive_max);
                break (ack.session_present, limits.unwrap_or(u16::MAX));
            }
            other => early.extend(incoming(other)),
        }
    };
    // Subscribed before the first publish: SUBSCRIBE takes packet ids from the same counter.
    let filters = hello.subscriptions.iter().map(|topic| Filter::new(topic, QoS::AtLeastOnce));
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
    let keep_alive = broker.keep_alive;
    let mut pump = route.tunnel;
    pump.spawn(run(eventloop, PacketIds::new(fifo.clone()), tell, keep_alive));
    // A fifth of the packet ids stays free, so that acknowledgements out of order do not collide.
    let window = (receive_max - receive_max / 5).min(hello.in_flight).max(1);
    let sender = Box::new(V5 { client });
    Ok(Link { sender, events, session_present, window, fifo, _pump: pump })
}

fn options(broker: &Broker, hello: &Hello, route: &Route) -> Result<MqttOptions, ConnectError> {
    let mut options = MqttOptions::new(hello.client_id.clone(), route.host.clone(), route.port);
    options.set_transport(route.transport.clone());
    options.set_keep_alive(broker.keep_alive);
    options.set_clean_start(false);
    options.set_session_expiry_interval(Some(SESSION_EXPIRY_S));
    options.set_max_packet_size(Some(MAX_INCOMING));
    options.set_connection_timeout(super::CONNECT_TIMEOUT.as_secs());
    // Twice the window of packet ids; also keeps rumqttc from allotting 65,536 slots (14 MB).
    options.set_outgoing_inflight_upper_limit(hello.in_flight.saturating_mul(2).max(8));
    options.set_connection_timeout(super::CONNECT_TIMEOUT.as_secs());
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some((user, password)) = dial::credentials(broker)? {
        options.set_credentials(user, password);
    }
    let (topic, payload) = &hello.will;
    options.set_last_will(LastWill::new(topic, payload.clone(), QoS::AtLeastOnce, true, None));
    Ok(options)
}

struct V5 {
    client: AsyncClient,
}

impl Sender for V5 {
    fn publish(&mut self, message: Message) -> Result<(), Gone> {
        let Message { topic, payload, retain, properties } = message;
        let qos = QoS::AtLeastOnce;
        let result = if properties.is_empty() {
            self.client.try_publish(topic, qos, retain, payload)
        } else {
            let properties =
                PublishProperties { user_properties: properties, ..PublishProperties::default() };
            self.client.try_publish_with_properties(topic, qos, retain, payload, properties)
        };
        result.map_err(|_| Gone)
    }

    fn publish_lossy(&mut self, topic: String, payload: Vec<u8>) -> Result<(), Gone> {
        self.client.try_publish(topic, QoS::AtMostOnce, false, payload).map_err(|_| Gone)
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
                Err((down, why)) => (down, why),
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

fn translate(event: Event, ids: &mut PacketIds) -> Result<Option<LinkEvent>, (Down, String)> {
    match event {
        Event::Outgoing(Outgoing::Publish(id)) => {
            ids.written(id).map_err(|why| (Down::Network, why))?;
            Ok(None)
        }
        Event::Outgoing(Outgoing::Disconnect) => {
            Err((Down::Network, "we have disconnected".to_owned()))
        }
        Event::Incoming(Packet::PubAck(ack)) => {
            let ack_code = match ack.reason {
                PubAckReason::Success => Ack::Taken,
                PubAckReason::NoMatchingSubscribers => Ack::Unheard,
                PubAckReason::UnspecifiedError => Ack::Refused(0x80),
                PubAckReason::ImplementationSpecificError => Ack::Refused(0x83),
                PubAckReason::NotAuthorized => Ack::Refused(0x87),
                PubAckReason::TopicNameInvalid => Ack::Refused(0x90),
                PubAckReason::PacketIdentifierInUse => Ack::Refused(0x91),
                PubAckReason::QuotaExceeded => Ack::Refused(0x97),
                PubAckReason::PayloadFormatInvalid => Ack::Refused(0x99),
            };
            Ok(ids.acked(ack.pkid).map(|token| LinkEvent::Acked(token, ack_code)))
        }
        other => Ok(incoming(other)),
    }
}

fn incoming(event: Event) -> Option<LinkEvent> {
    match event {
        Event::Incoming(Packet::Publish(publish)) => {
            let topic = String::from_utf8(publish.topic.to_vec()).ok()?;
            let payload = publish.payload.to_vec();
            Some(LinkEvent::Message { topic, payload, retained: publish.retain })
        }
        _ => None,
    }
}

/// Whether the peer may have ended the connection because of what it was sent.
fn blame(error: &ConnectionError) -> Down {
    match error {
        ConnectionError::MqttState(
            StateError::Deserialization(_)
            | StateError::WrongPacket
            | StateError::ServerDisconnect { .. }
            | StateError::OutgoingPacketTooLarge { .. }
            | StateError::ConnectionAborted,
        ) => Down::Peer,
        _ => Down::Network,
    }
}

fn refused(error: &ConnectionError) -> ConnectError {
    match error {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => refusal(*code),
        other => ConnectError::unreachable(other),
    }
}

fn refusal(code: ConnectReturnCode) -> ConnectError {
    let failure = match code {
        ConnectReturnCode::BadUserNamePassword
        | ConnectReturnCode::NotAuthorized
        | ConnectReturnCode::ClientIdentifierNotValid
        | ConnectReturnCode::Banned
        | ConnectReturnCode::BadAuthenticationMethod
        | ConnectReturnCode::UnsupportedProtocolVersion => Failure::Refused,
        _ => Failure::Unreachable,
    };
    ConnectError { failure, text: format!("the broker refuses us: {code:?}") }
}
