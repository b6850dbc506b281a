//! What control rooms say to each other, signed.
//!
//! | `kind` | from | what |
//! |---|---|---|
//! | `offer` | giver | take this incident over: its state, and the bundle of its history |
//! | `accepted` `refused` | taker | after its commit; only then it is handed over, or stays |
//! | `withdrawn` | giver | an offer that nobody had answered is taken back |
//! | `act` | taker | what its operator does about it; the giver's room hands it to the gateway |
//! | `done` | giver | what came of an act: the number of the gateway's event, or why not |
//! | `event` | giver | what the gateway recorded of the incident since the offer, as it stored it |
//! | `receipt` | both | committed up to this number; it has no number of its own |
//!
//! All but `receipt` are numbered from 1 for each handover and side, stored before they are sent,
//! taken only in order, and sent again until a receipt covers them.
//!
//! A payload is `{"message": "…", "sig": "…"}`: the message's JSON as a text, and 128 hex digits of
//! the Ed25519 signature over `gatehouse-handover 1`, the topic and that text, each with a line feed
//! after it. The topic names both rooms and the handover, so nothing can be carried elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatehouse_core::checkpoint::{from_hex, to_hex};
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{CloseReason, Incident};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::HandoverTopic;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::signing::SigningKey;

/// What stands before every signed text. Another form gets another number.
const CONTEXT: &str = "gatehouse-handover 1";

/// The largest bundle in an offer, in bytes: with base64 and envelope it stays below the 256 KiB that
/// a receiver takes, and below the 300,000 bytes of the recommended brokers.
pub(crate) const MAX_BUNDLE: usize = 160 * 1024;

/// What one room says to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Its number; 0 of a receipt.
    pub(crate) number: u64,
    /// When it was made, by the sender's clock.
    pub(crate) at: UtcMs,
    #[serde(flatten)]
    pub(crate) said: Said,
}

/// See the module's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Said {
    Offer(Box<Offer>),
    Accepted {
        operator: String,
    },
    Refused {
        /// Nobody: the room itself, since it may not be taken.
        operator: Option<String>,
        why: String,
    },
    Withdrawn {
        operator: String,
    },
    Act(Act),
    Done {
        /// The number of the act.
        act: u64,
        /// The gateway's event of it.
        seq: Option<Seq>,
        /// Why it was not done, as a word.
        error: Option<String>,
    },
    Event {
        /// Canonical bytes.
        body: String,
    },
    Receipt {
        upto: u64,
    },
}

impl Said {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Offer(_) => "offer",
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Act(_) => "act",
            Self::Done { .. } => "done",
            Self::Event { .. } => "event",
            Self::Receipt { .. } => "receipt",
        }
    }
}

/// An incident to be taken over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) district: Id,
    pub(crate) site: Id,
    pub(crate) gateway: Id,
    pub(crate) incident: Incident,
    pub(crate) operator: String,
    /// As `gatehouse-receiver bundle` makes it, signed by the same key.
    #[serde(serialize_with = "base64", deserialize_with = "of_base64")]
    pub(crate) bundle: Vec<u8>,
}

/// What an operator does about an incident that was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) op: AlarmOp,
    pub(crate) operator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<CloseReason>,
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn of_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    message: String,
    sig: String,
}

/// Why a payload is not what a peer has said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSaid {
    #[error("it is no signed message: {0}")]
    Form(String),
    #[error("its signature is not of the key that the peers' file names")]
    Signature,
}

fn stated(topic: &HandoverTopic, message: &str) -> Vec<u8> {
    format!("{CONTEXT}\n{topic}\n{message}\n").into_bytes()
}

/// The payload of a message under this topic.
pub(crate) fn seal(
    message: &Message,
    topic: &HandoverTopic,
    key: &SigningKey,
) -> Result<Vec<u8>, serde_json::Error> {
    let message = serde_json::to_string(message)?;
    let sig = to_hex(&key.seal(&stated(topic, &message)));
    serde_json::to_vec(&Sealed { message, sig })
}

/// The message in a payload, if whoever has this key has said it under this topic.
///
/// # Errors
/// [`NotSaid`].
pub(crate) fn open(
    payload: &[u8],
    topic: &HandoverTopic,
    key: &[u8; 32],
) -> Result<Message, NotSaid> {
    let form = |error: serde_json::Error| NotSaid::Form(error.to_string());
    let Sealed { message, sig } = serde_json::from_slice(payload).map_err(form)?;
    let sig = from_hex::<64>(&sig).ok_or(NotSaid::Signature)?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&stated(topic, &message), &sig)
        .map_err(|_| NotSaid::Signature)?;
    serde_json::from_str(&message).map_err(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_under_its_topic_with_its_key_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| {
            SigningKey::make(&folder.path().join(name), name.parse().unwrap()).unwrap()
        };
        let (ours, other) = (key("ours"), key("other"));
        let public = |key: &SigningKey| from_hex::<32>(&key.public()).unwrap();
        let topic = HandoverTopic::parse("gatehouse/v1/d-2/_dc/handover/south/north/h-1").unwrap();
        let act = Act { op: AlarmOp::Ack, operator: "op-7".into(), text: None, reason: None };
        let message = Message { number: 2, at: UtcMs(7), said: Said::Act(act) };
        let payload = seal(&message, &topic, &ours).unwrap();
        assert_eq!(open(&payload, &topic, &public(&ours)), Ok(message));
        assert_eq!(open(&payload, &topic, &public(&other)), Err(NotSaid::Signature));
        let elsewhere = HandoverTopic { id: "h-2".parse().unwrap(), ..topic.clone() };
        assert_eq!(open(&payload, &elsewhere, &public(&ours)), Err(NotSaid::Signature));
        let text = String::from_utf8(payload).unwrap();
        let changed = text.replace("op-7", "op-8");
        assert_ne!(text, changed);
        assert_eq!(open(changed.as_bytes(), &topic, &public(&ours)), Err(NotSaid::Signature));
        assert!(matches!(open(b"{}", &topic, &public(&ours)), Err(NotSaid::Form(_))));
    }

    #[test]
    fn the_largest_offer_fits_into_a_packet_that_every_receiver_takes() {
        let incident = serde_json::json!({"id": "a1", "phase": "active", "danger": "burglary",
            "class": "alarm", "severity": 1, "since": "2026-11-29T00:00:00.000Z",
            "sources": vec!["zone/window-of-the-north-side-of-tower-1"; 64], "open": []});
        let offer = Offer {
            district: "d-1".parse().unwrap(),
            site: "s-1".parse().unwrap(),
            gateway: "g-1".parse().unwrap(),
            incident: serde_json::from_value(incident).unwrap(),
            operator: "o".repeat(64),
            bundle: vec![0xff; MAX_BUNDLE],
        };
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::make(&folder.path().join("k"), "k".parse().unwrap()).unwrap();
        let topic = HandoverTopic::parse("gatehouse/v1/d-2/_dc/handover/south/north/h-1").unwrap();
        let message = Message { number: 1, at: UtcMs(7), said: Said::Offer(Box::new(offer)) };
        let payload = seal(&message, &topic, &key).unwrap();
        assert!(payload.len() < 250 * 1024, "{}", payload.len());
    }
}
