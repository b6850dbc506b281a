//! rumqttc behind one face for both protocols: the only file that knows the difference.
//!
//! What comes in is told in MQTT 5's words, which say all that 3.1.1 can say: there every PUBACK is
//! a success, and nobody knows whether anybody listened.

use std::time::Duration;

use gatehouse_core::topic;
use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet as Packet5, PubAckReason, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{self, Event as Event5};
use rumqttc::{Event, Outgoing, Packet, QoS, SubscribeFilter};

use super::{Linker, Taken};
use crate::approach::{self, Failure, Options};

/// Requests that wait for rumqttc to take them.
const REQUESTS: usize = 256;

/// The reading side of a connection. A fresh one for each.
pub(super) enum Pipe {
    V4(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// The speaking side.
pub(super) enum Speaker {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// What happens on a connection.
pub(super) enum Heard {
    /// CONNACK: the first of all.
    Connected {
        session_present: bool,
        /// How many publishes of ours the broker takes without its acknowledgement.
        receive_max: u16,
    },
    Message(Publish),
    /// SUBACK: for each filter why it was refused, or nothing.
    Subscribed(Vec<Option<String>>),
    /// A publish of ours was written under this packet id.
    Written(u16),
    Acked(u16, Taken),
    /// Our goodbye was written.
    Closed,
    Other,
}

/// What MQTT 5 adds to a publish.
#[derive(Debug, Default)]
pub(super) struct With {
    /// Then the broker drops it.
    pub(super) expiry: Option<Duration>,
    /// Where and with what an answer is wanted.
    pub(super) respond: Option<(String, Vec<u8>)>,
}

/// A filter, and the quality of service that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) filter: String,
    at_least_once: bool,
}

impl Wish {
    fn of(linker: &Linker, what: &str, shared: bool) -> Self {
        let group = linker.config.group.as_ref().filter(|_| shared);
        let filter = topic::subscription(&linker.config.district, what, group);
        Self { filter, at_least_once: what != "hb" }
    }
}

/// Everything that a receiver subscribes to.
pub(super) fn wishes(linker: &Linker) -> Vec<Wish> {
    // Only what is stored is shared: every receiver of a group shows all gateways' states.
    let states = [
        "status",
        "hb",
        "door/+",
        "zone/+",
        "partition/+",
        "reader/+",
        "output/+",
        "camera/+",
        "alarm/+",
        "desc",
        "cmd/+/res",
    ];
    let states = states.iter().map(|what| Wish::of(linker, what, false));
    // What the receivers beside this one say of themselves.
    let filter = topic::district_state(&linker.config.district);
    let beside = Wish { filter, at_least_once: false };
    let rooms = linker.config.room.iter().map(|room| {
        let filter = topic::HandoverTopic::all_to(&linker.config.district, &room.name);
        Wish { filter, at_least_once: true }
    });
    let stored = ["ev/+", "snap/+"].into_iter().map(|what| Wish::of(linker, what, true));
    stored.chain(states).chain([beside]).chain(rooms).collect()
}

/// Both sides of a connection that is yet to be made.
pub(super) fn open(options: Options) -> (Speaker, Pipe) {
    match options {
        Options::V4(options) => {
            let (client, mut eventloop) = rumqttc::AsyncClient::new(*options, REQUESTS);
            eventloop.set_network_options(approach::network());
            (Speaker::V4(client), Pipe::V4(Box::new(eventloop)))
        }
        Options::V5(options) => {
            let (client, eventloop) = v5::AsyncClient::new(*options, REQUESTS);
            (Speaker::V5(client), Pipe::V5(Box::new(eventloop)))
        }
    }
}

impl Pipe {
    /// Waits for what happens next.
    pub(super) async fn next(&mut self) -> Result<Heard, Failure> {
        match self {
            Self::V4(eventloop) => {
                let event = eventloop.poll().await;
                event.map(heard4).map_err(|error| Failure::Mqtt4(Box::new(error)))
            }
            Self::V5(eventloop) => {
                let event = eventloop.poll().await;
                event.map(heard5).map_err(|error| Failure::Mqtt(Box::new(error)))
            }
        }
    }

    /// What came before the end and was not told yet.
    pub(super) fn rest(&mut self) -> Vec<Heard> {
        match self {
            Self::V4(eventloop) => eventloop.state.events.drain(..).map(heard4).collect(),
            Self::V5(eventloop) => eventloop.state.events.drain(..).map(heard5).collect(),
        }
    }
}

impl Speaker {
    pub(super) async fn subscribe(&self, wishes: Vec<Wish>) -> Result<(), Failure> {
        let sent = match self {
            Self::V4(client) => {
                let filters = wishes.into_iter().map(|Wish { filter, at_least_once }| {
                    let qos = if at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                    SubscribeFilter::new(filter, qos)
                });
                client.subscribe_many(filters).await.is_ok()
            }
            Self::V5(client) => {
                let filters = wishes.into_iter().map(|Wish { filter, at_least_once }| {
                    let qos = if at_least_once { QoS5::AtLeastOnce } else { QoS5::AtMostOnce };
                    Filter::new(filter, qos)
                });
                client.subscribe_many(filters).await.is_ok()
            }
        };
        sent.then_some(()).ok_or(Failure::Closed)
    }

    /// Acknowledges the publish that came with this packet id.
    pub(super) async fn acknowledge(&self, pkid: u16) -> Result<(), Failure> {
        // All that an acknowledgement needs of the publish.
        let sent = match self {
            Self::V4(client) => {
                let mut publish = rumqttc::Publish::new("", QoS::AtLeastOnce, Vec::new());
                publish.pkid = pkid;
                client.ack(&publish).await.is_ok()
            }
            Self::V5(client) => {
                let qos = QoS5::AtLeastOnce;
                client.ack(&Publish { qos, pkid, ..Publish::default() }).await.is_ok()
            }
        };
        sent.then_some(()).ok_or(Failure::Closed)
    }

    /// Publishes with QoS 1. `with` is for MQTT 5 alone: with 3.1.1 the broker keeps it for a
    /// subscriber that is away for as long as it keeps its session.
    pub(super) async fn publish(
        &self,
        topic: String,
        retain: bool,
        payload: Vec<u8>,
        with: With,
    ) -> Result<(), Failure> {
        let sent = match self {
            Self::V4(client) => {
                client.publish(topic, QoS::AtLeastOnce, retain, payload).await.is_ok()
            }
            Self::V5(client) => {
                let With { expiry, respond } = with;
                let seconds = expiry.and_then(|expiry| u32::try_from(expiry.as_secs()).ok());
                let (response_topic, correlation) = respond.unzip();
                let properties = PublishProperties {
                    message_expiry_interval: seconds,
                    response_topic,
                    correlation_data: correlation.map(Into::into),
                    ..Default::default()
                };
                let qos = QoS5::AtLeastOnce;
                let sent =
                    client.publish_with_properties(topic, qos, retain, payload, properties).await;
                sent.is_ok()
            }
        };
        sent.then_some(()).ok_or(Failure::Closed)
    }

    pub(super) async fn disconnect(&self) -> Result<(), Failure> {
        let sent = match self {
            Self::V4(client) => client.disconnect().await.is_ok(),
            Self::V5(client) => client.disconnect().await.is_ok(),
        };
        sent.then_some(()).ok_or(Failure::Closed)
    }
}

fn heard4(event: Event) -> Heard {
    match event {
        Event::Incoming(Packet::ConnAck(connack)) => {
            Heard::Connected { session_present: connack.session_present, receive_max: u16::MAX }
        }
        Event::Incoming(Packet::Publish(publish)) => {
            let rumqttc::Publish { dup, qos, retain, topic, pkid, payload } = publish;
            let qos = match qos {
                QoS::AtMostOnce => QoS5::AtMostOnce,
                QoS::AtLeastOnce => QoS5::AtLeastOnce,
                QoS::ExactlyOnce => QoS5::ExactlyOnce,
            };
            let topic = topic.into();
            Heard::Message(Publish { dup, qos, retain, topic, pkid, payload, properties: None })
        }
        Event::Incoming(Packet::SubAck(suback)) => {
            let refused = suback.return_codes.iter().map(|code| match code {
                rumqttc::SubscribeReasonCode::Success(_) => None,
                rumqttc::SubscribeReasonCode::Failure => Some("Failure".to_owned()),
            });
            Heard::Subscribed(refused.collect())
        }
        Event::Incoming(Packet::PubAck(ack)) => Heard::Acked(ack.pkid, Taken::Held),
        Event::Outgoing(outgoing) => written(&outgoing),
        Event::Incoming(_) => Heard::Other,
    }
}

fn heard5(event: Event5) -> Heard {
    match event {
        Event5::Incoming(Packet5::ConnAck(connack)) => {
            let properties = connack.properties.as_ref();
            let receive_max = properties.and_then(|properties| properties.receive_max);
            let receive_max = receive_max.unwrap_or(u16::MAX);
            Heard::Connected { session_present: connack.session_present, receive_max }
        }
        Event5::Incoming(Packet5::Publish(publish)) => Heard::Message(publish),
        Event5::Incoming(Packet5::SubAck(suback)) => {
            let refused = suback.return_codes.iter().map(|code| match code {
                SubscribeReasonCode::Success(_) => None,
                refusal => Some(format!("{refusal:?}")),
            });
            Heard::Subscribed(refused.collect())
        }
        Event5::Incoming(Packet5::PubAck(ack)) => {
            let taken = match ack.reason {
                PubAckReason::Success => Taken::Held,
                PubAckReason::NoMatchingSubscribers => Taken::NobodyListens,
                reason => Taken::Refused(format!("{reason:?}")),
            };
            Heard::Acked(ack.pkid, taken)
        }
        Event5::Outgoing(outgoing) => written(&outgoing),
        Event5::Incoming(_) => Heard::Other,
    }
}

fn written(outgoing: &Outgoing) -> Heard {
    match outgoing {
        Outgoing::Publish(pkid) if *pkid != 0 => Heard::Written(*pkid),
        Outgoing::Disconnect => Heard::Closed,
        _ => Heard::Other,
    }
}
