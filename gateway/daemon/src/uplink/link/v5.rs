//! MQTT 5 with rumqttc's packets, over a stream of our own.
//!
//! rumqttc's event loop writes and flushes each PUBLISH by itself: two thirds of what an event in
//! a storm costs us, and a wake-up of the broker each. Here what was handed over since the last
//! write goes out as one ([`wire`](super::wire)); TLS needs no tunnel; packet ids are our own; and
//! a PUBACK may carry any reason, also those that rumqttc takes for a broken connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use gatehouse_config::Broker;
use gatehouse_core::uplink::{Ack, Down, Failure};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode,
    Filter, LastWill, LastWillProperties, Login, Packet, PingReq, PubAck, Publish,
    PublishProperties, Subscribe,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::wire::{self, Framed, Peer};
use super::{
    ConnectError, EVENTS, Gone, Hello, Link, LinkEvent, MAX_INCOMING, Message, Sender, Token,
    Wants, dial,
};

/// The broker keeps our session (and what is addressed to us) over a week of absence.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;

/// QoS 0 goes out only while less than this waits: a heartbeat that is late is worth nothing.
const LOSSY_BELOW: usize = 256 * 1024;

/// What all our payloads are (MQTT 5, 3.3.2.3.2 and 3.3.2.3.9).
const JSON: &str = "application/json";
const UTF_8: u8 = 1;

/// The packet id of the one SUBSCRIBE, which comes before the first publish.
const SUBSCRIBE_ID: u16 = 1;

pub(super) async fn connect(broker: &Broker, hello: &Hello) -> Result<Link, ConnectError> {
    let mut framed = Framed::new(dial::open(broker).await?);
    let mut packet = BytesMut::new();
    write(&greeting(broker, hello)?, &mut packet)?;
    framed.write_out(&mut packet).await.map_err(|error| ConnectError::from(&error))?;
    let ack = match next(&mut framed).await? {
        Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => ack,
        Packet::ConnAck(ack) => return Err(refusal(ack.code)),
        other => return Err(unexpected(&other)),
    };
    let qos = if broker.receive_qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let subscribe = Subscribe {
        pkid: SUBSCRIBE_ID,
        ..Subscribe::new_many(
            hello.subscriptions.iter().map(|topic| Filter {
                preserve_retain: hello.as_published.as_ref() == Some(topic),
                ..Filter::new(topic, qos)
            }),
            None,
        )
    };
    write(&Packet::Subscribe(subscribe), &mut packet)?;
    framed.write_out(&mut packet).await.map_err(|error| ConnectError::from(&error))?;
    let (tell, events) = mpsc::channel(EVENTS);
    let limits = ack.properties.as_ref();
    let receive_max = limits.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
    let window = (receive_max - receive_max / 5).min(hello.in_flight).max(1);
    let max_packet = limits.and_then(|p| p.max_packet_size);
    let outbox = Arc::new(Outbox::new(window, max_packet));
    let mut session = Session { outbox: Arc::clone(&outbox), subscribed: false };
    // What the broker kept for us comes right behind its CONNACK.
    while !session.subscribed {
        match framed.read().await.map_err(|error| ConnectError::from(&error))? {
            0 => return Err(ConnectError::unreachable(&"the broker closed the connection")),
            _ => {
                for event in session.hear(framed.inbox()).map_err(|(_, why)| refused(&why))? {
                    // The channel is empty, and the district sends less than it holds before our
                    // first word.
                    let _ = tell.try_send(event);
                }
            }
        }
    }
    let keep_alive = keep_alive(broker, &ack);
    let mut pump = JoinSet::new();
    pump.spawn(wire::run(framed, session, tell, keep_alive));
    let sender = Box::new(V5 { outbox });
    Ok(Link { sender, events, session_present: ack.session_present, window, _pump: pump })
}

fn greeting(broker: &Broker, hello: &Hello) -> Result<Packet, ConnectError> {
    let properties = ConnectProperties {
        session_expiry_interval: Some(SESSION_EXPIRY_S),
        max_packet_size: Some(MAX_INCOMING),
        ..ConnectProperties::new()
    };
    let connect = Connect {
        keep_alive: u16::try_from(broker.keep_alive.as_secs()).unwrap_or(u16::MAX),
        client_id: hello.client_id.clone(),
        clean_start: false,
        properties: Some(properties),
    };
    let delay = u32::try_from(hello.will_delay.as_secs()).ok().filter(|seconds| *seconds > 0);
    let will = LastWill {
        topic: hello.will.topic.clone(),
        message: hello.will.payload.clone(),
        qos: QoS::AtLeastOnce,
        retain: hello.will.retain,
        properties: Some(LastWillProperties {
            delay_interval: delay,
            payload_format_indicator: Some(UTF_8),
            message_expiry_interval: hello.will.expiry_s,
            content_type: Some(JSON.to_owned()),
            response_topic: None,
            correlation_data: None,
            user_properties: hello.will.properties.clone(),
        }),
    };
    let login = dial::credentials(broker)?.map(|(user, password)| Login::new(user, password));
    Ok(Packet::Connect(connect, Some(will), login))
}

/// Ours, or the shorter one that the broker wants.
fn keep_alive(broker: &Broker, ack: &ConnAck) -> Duration {
    let wanted = ack.properties.as_ref().and_then(|p| p.server_keep_alive);
    let wanted = wanted.filter(|seconds| *seconds > 0).map(|s| Duration::from_secs(s.into()));
    wanted.map_or(broker.keep_alive, |wanted| wanted.min(broker.keep_alive))
}

fn write(packet: &Packet, out: &mut BytesMut) -> Result<(), ConnectError> {
    packet.write(out, None).map(drop).map_err(|error| ConnectError::unreachable(&error))
}

/// The next packet of the greeting.
async fn next(framed: &mut Framed) -> Result<Packet, ConnectError> {
    loop {
        match Packet::read(framed.inbox(), Some(MAX_INCOMING)) {
            Ok(packet) => return Ok(packet),
            Err(Error::InsufficientBytes(_)) => {}
            Err(error) => return Err(ConnectError::unreachable(&error)),
        }
        if framed.read().await.map_err(|error| ConnectError::from(&error))? == 0 {
            return Err(ConnectError::unreachable(&"the broker closed the connection"));
        }
    }
}

/// What waits to be written, shared by who publishes and who writes.
struct Outbox {
    state: Mutex<Waiting>,
    filled: Arc<Notify>,
    max_packet: Option<u32>,
}

struct Waiting {
    bytes: BytesMut,
    ids: PacketIds,
    over: Option<(Down, String)>,
    /// A DISCONNECT is in `bytes`.
    closing: bool,
}

impl Outbox {
    fn new(window: u16, max_packet: Option<u32>) -> Self {
        let ids = PacketIds::new(window);
        let state = Waiting { bytes: BytesMut::new(), ids, over: None, closing: false };
        Self { state: Mutex::new(state), filled: Arc::new(Notify::new()), max_packet }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, token: Option<Token>, message: Message) -> Result<(), Gone> {
        let Message { topic, payload, retain, expiry_s, properties, correlation } = message;
        let mut waiting = self.lock();
        if waiting.over.is_some() || waiting.closing {
            return Err(Gone);
        }
        if token.is_none() && waiting.bytes.len() >= LOSSY_BELOW {
            return Err(Gone);
        }
        let (qos, pkid) = match token {
            None => (QoS::AtMostOnce, 0),
            Some(token) => (QoS::AtLeastOnce, waiting.ids.take(token).ok_or(Gone)?),
        };
        // Nothing has no form, and does not expire.
        let properties = (!payload.is_empty()).then(|| PublishProperties {
            payload_format_indicator: Some(UTF_8),
            message_expiry_interval: expiry_s,
            content_type: Some(JSON.to_owned()),
            user_properties: properties,
            correlation_data: correlation,
            ..PublishProperties::default()
        });
        let publish = Publish { dup: false, qos, retain, topic, pkid, payload, properties };
        let was_empty = waiting.bytes.is_empty();
        let written = Packet::Publish(publish).write(&mut waiting.bytes, self.max_packet);
        if let Err(error) = written {
            // As a broker would do it that gets the packet: the connection is over.
            waiting.over = Some((Down::Peer, error.to_string()));
            self.filled.notify_one();
            return Err(Gone);
        }
        drop(waiting);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }
}

struct V5 {
    outbox: Arc<Outbox>,
}

impl Sender for V5 {
    fn publish(&mut self, token: Token, message: Message) -> Result<(), Gone> {
        self.outbox.publish(Some(token), message)
    }

    fn publish_lossy(&mut self, message: Message) -> Result<(), Gone> {
        self.outbox.publish(None, message)
    }

    fn disconnect(&mut self) {
        let mut waiting = self.outbox.lock();
        let disconnect = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
        if Packet::Disconnect(disconnect).write(&mut waiting.bytes, None).is_ok() {
            waiting.closing = true;
        }
        self.outbox.filled.notify_one();
    }
}

/// What is said on an open connection.
struct Session {
    outbox: Arc<Outbox>,
    subscribed: bool,
}

impl Session {
    /// Takes the whole packets out of the inbox.
    fn hear(&mut self, inbox: &mut BytesMut) -> Result<Vec<LinkEvent>, (Down, String)> {
        let mut events = Vec::new();
        let mut waiting = self.outbox.lock();
        loop {
            if let Some((id, reason)) = puback(inbox) {
                let ack = match reason {
                    0x10 => Ack::Unheard,
                    ..0x80 => Ack::Taken,
                    code => Ack::Refused(code),
                };
                // A second PUBACK of the same id means nothing.
                events.extend(waiting.ids.acked(id).map(|token| LinkEvent::Acked(token, ack)));
                continue;
            }
            match Packet::read(inbox, Some(MAX_INCOMING)) {
                Ok(Packet::Publish(publish)) => {
                    if publish.qos == QoS::AtLeastOnce {
                        let ack = Packet::PubAck(PubAck::new(publish.pkid, None));
                        ack.write(&mut waiting.bytes, None)
                            .map_err(|error| (Down::Network, error.to_string()))?;
                    }
                    if let Ok(topic) = String::from_utf8(publish.topic.to_vec()) {
                        let (payload, retained) = (publish.payload.to_vec(), publish.retain);
                        let wants = publish.properties.map_or_else(Wants::default, |with| Wants {
                            topic: with.response_topic,
                            correlation: with.correlation_data,
                        });
                        events.push(LinkEvent::Message { topic, payload, retained, wants });
                    }
                }
                Ok(Packet::SubAck(_)) => self.subscribed = true,
                // Any sign of life counts as an answer to a ping.
                Ok(Packet::PingResp(_)) => {}
                Ok(Packet::Disconnect(bye)) => {
                    let reason = bye.properties.and_then(|p| p.reason_string).unwrap_or_default();
                    let why = format!("the broker disconnects: {:?} {reason}", bye.reason_code);
                    events.push(LinkEvent::Down(Down::Peer, why));
                    return Ok(events);
                }
                Ok(other) => {
                    let why = format!("the broker sent what it may not: {other:?}");
                    events.push(LinkEvent::Down(Down::Peer, why));
                    return Ok(events);
                }
                Err(Error::InsufficientBytes(_)) => return Ok(events),
                Err(error) => {
                    // What came before still counts.
                    events.push(LinkEvent::Down(Down::Peer, error.to_string()));
                    return Ok(events);
                }
            }
        }
    }
}

impl Peer for Session {
    fn filled(&self) -> Arc<Notify> {
        Arc::clone(&self.outbox.filled)
    }

    fn take(&mut self, out: &mut BytesMut) -> Result<bool, (Down, String)> {
        let mut waiting = self.outbox.lock();
        if waiting.bytes.is_empty()
            && let Some(over) = waiting.over.clone()
        {
            return Err(over);
        }
        // The emptied buffer of the last write is filled next.
        std::mem::swap(out, &mut waiting.bytes);
        Ok(waiting.closing)
    }

    fn hear(&mut self, inbox: &mut BytesMut) -> Result<Vec<LinkEvent>, (Down, String)> {
        Self::hear(self, inbox)
    }

    fn ping(&mut self, out: &mut BytesMut) {
        PingReq::write(out).expect("a buffer in memory takes two bytes");
    }
}

/// Takes a PUBACK off the front: packet id and reason. By hand, since nearly all packets are
/// PUBACKs and rumqttc knows only some of the reasons.
fn puback(inbox: &mut BytesMut) -> Option<(u16, u8)> {
    match inbox.get(..4)? {
        &[0x40, length @ 2..0x80, high, low] => {
            let frame = 2 + usize::from(length);
            if inbox.len() < frame {
                return None;
            }
            let reason = if length > 2 { inbox[4] } else { 0 };
            bytes::Buf::advance(inbox, frame);
            Some((u16::from_be_bytes([high, low]), reason))
        }
        _ => None,
    }
}

/// Packet ids of one connection, and what they stand for.
struct PacketIds {
    /// Of id 1 and up. Twice the window: an id is used again late.
    tokens: Vec<Option<Token>>,
    next: usize,
}

impl PacketIds {
    fn new(window: u16) -> Self {
        Self { tokens: vec![None; (usize::from(window) * 2).clamp(8, 0xffff)], next: 0 }
    }

    /// A free id for this; none when more are in flight than any window allows.
    fn take(&mut self, token: Token) -> Option<u16> {
        let count = self.tokens.len();
        let place = (self.next..count).chain(0..self.next).find(|n| self.tokens[*n].is_none())?;
        self.tokens[place] = Some(token);
        self.next = (place + 1) % count;
        u16::try_from(place + 1).ok()
    }

    fn acked(&mut self, id: u16) -> Option<Token> {
        self.tokens.get_mut(usize::from(id).checked_sub(1)?)?.take()
    }
}

fn refused(why: &str) -> ConnectError {
    ConnectError::unreachable(&why)
}

fn unexpected(packet: &Packet) -> ConnectError {
    ConnectError::unreachable(&format!("the broker greets with {packet:?}"))
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gatehouse_core::id::Seq;

    use super::*;

    fn session() -> Session {
        Session { outbox: Arc::new(Outbox::new(4, Some(100))), subscribed: true }
    }

    fn message(size: usize) -> Message {
        let payload = Bytes::from(vec![b'x'; size]);
        let (retain, expiry_s, properties, correlation) = (false, None, Vec::new(), None);
        Message { topic: "a".into(), payload, retain, expiry_s, properties, correlation }
    }

    #[test]
    fn packet_ids_stand_for_what_was_handed_over_and_are_used_again_late() {
        let mut ids = PacketIds::new(4);
        let taken: Vec<_> = (0..8).map(|n| ids.take(Token::Event(Seq(n)))).collect();
        assert_eq!(taken, (1..=8).map(Some).collect::<Vec<_>>());
        assert_eq!(ids.take(Token::Control), None, "all are in use");
        assert_eq!(ids.acked(3), Some(Token::Event(Seq(2))));
        assert_eq!(ids.acked(3), None, "a second PUBACK of the same id means nothing");
        assert_eq!((ids.acked(0), ids.acked(9)), (None, None), "never given");
        assert_eq!(ids.take(Token::Control), Some(3));
    }

    #[test]
    fn acknowledgements_of_any_reason_are_heard_however_the_bytes_come() {
        let mut session = session();
        for seq in 1..=4 {
            session.outbox.publish(Some(Token::Event(Seq(seq))), message(1)).unwrap();
        }
        let bytes = [0x40, 2, 0, 2, 0x40, 3, 0, 1, 0x10, 0x40, 4, 0, 4, 0x95, 0, 0x40, 2, 0, 3];
        let mut inbox = BytesMut::new();
        let mut heard = Vec::new();
        for byte in bytes {
            inbox.extend_from_slice(&[byte]);
            for event in session.hear(&mut inbox).unwrap() {
                let LinkEvent::Acked(Token::Event(seq), ack) = event else { panic!("{event:?}") };
                heard.push((seq.0, ack));
            }
        }
        let all = [(2, Ack::Taken), (1, Ack::Unheard), (4, Ack::Refused(0x95)), (3, Ack::Taken)];
        assert_eq!(heard, all);
    }

    #[test]
    fn a_packet_above_the_brokers_limit_ends_the_connection_behind_what_was_written_before() {
        let mut session = session();
        session.outbox.publish(Some(Token::Event(Seq(1))), message(1)).unwrap();
        session.outbox.publish(Some(Token::Event(Seq(2))), message(200)).unwrap_err();
        let mut out = BytesMut::new();
        session.take(&mut out).unwrap();
        // 21 bytes of it say that it is JSON in UTF-8.
        assert_eq!(out.len(), 30, "the first goes out whole, and nothing of the second");
        let (down, why) = session.take(&mut BytesMut::new()).unwrap_err();
        assert_eq!(down, Down::Peer, "{why}");
    }
}
