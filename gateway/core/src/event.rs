//! One event: what the journal stores, the broker carries and the district commits.
//!
//! The *canonical bytes* of an event are its JSON as the journal stored it. They never change:
//! `prev` of the next event is their BLAKE3, and a receiver checks the chain on them. A delivery
//! that comes late carries the flag `replayed`; it is spliced into the bytes at the end
//! ([`with_replayed`]) and taken out again ([`canonical`]), so the stored bytes stay as they are.

use std::borrow::Cow;
use std::io::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Id, Seq};
use crate::time::Time;

/// The version of the payload, its field `v`.
pub const PAYLOAD_VERSION: u8 = 1;

/// The largest event payload, in bytes. Pictures are never inside.
pub const MAX_PAYLOAD: usize = 8 * 1024;

/// What kind of matter an event is; its topic is `ev/{class}`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are the field's own")]
#[repr(u8)]
pub enum Class {
    Panic = 0,
    Alarm = 1,
    Tamper = 2,
    Fault = 3,
    Access = 4,
    Arm = 5,
    Camera = 6,
    Door = 7,
    System = 8,
    Test = 9,
}

/// Which queue an event waits in. The alarm lane always goes first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// `panic`, `alarm` and `tamper`: sent first and at once, never dropped undelivered.
    Alarm,
    /// Everything else: oldest first, paced.
    Normal,
}

impl Class {
    /// Every class, in the order of its number.
    pub const ALL: [Self; 10] = [
        Self::Panic,
        Self::Alarm,
        Self::Tamper,
        Self::Fault,
        Self::Access,
        Self::Arm,
        Self::Camera,
        Self::Door,
        Self::System,
        Self::Test,
    ];

    /// The word in topics and payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Alarm => "alarm",
            Self::Tamper => "tamper",
            Self::Fault => "fault",
            Self::Access => "access",
            Self::Arm => "arm",
            Self::Camera => "camera",
            Self::Door => "door",
            Self::System => "system",
            Self::Test => "test",
        }
    }

    /// The class of this number in a journal, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The class of this word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// The lane its events wait in.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Panic | Self::Alarm | Self::Tamper => Lane::Alarm,
            _ => Lane::Normal,
        }
    }
}

/// Whether an event begins something, ends it, or only reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Qualifier {
    /// Something began.
    New,
    /// What the event in `opens` began has ended.
    Restore,
    /// A report without an end.
    Status,
}

/// Where an event comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// `door`, `zone`, `gateway`, `input`, `camera`, `reader`, `output`.
    pub kind: Cow<'static, str>,
    /// Its identifier.
    pub id: Id,
    /// The wire it was read from, as `gpiochip0:17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transition {
    /// The state before.
    pub from: Cow<'static, str>,
    /// The state after.
    pub to: Cow<'static, str>,
}

/// Everything of an event but what only the journal can know (`session`, `seq`, `prev`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// `panic`, `alarm`, `tamper`, …
    pub class: Class,
    /// What happened, as `door.opened`: a stable word, dotted.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Begins, ends or reports.
    pub qualifier: Qualifier,
    /// 1 (act now) to 5 (for the record).
    pub severity: u8,
    /// The partition concerned, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
    /// Where it comes from.
    pub source: Source,
    /// When it happened.
    pub time: Time,
    /// The change of state, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Transition>,
    /// The mode in which the partition protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arming: Option<Cow<'static, str>>,
    /// Who did it: a credential's keyed hash or an operator's id, never a name or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What led to it: a reason in the field's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The seq of the event that this one ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Seq>,
    /// Facts of this type of event, as `{"from":5,"to":9,"reason":"retention"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
    /// The type of the event that this one ends, when its seq is not known yet: the journal, which
    /// numbers both, fills `opens` with the newest event of that type and the same source.
    #[serde(skip)]
    pub closes: Option<&'static str>,
    /// Made by a test or walk test: shown, never acted on.
    pub test: bool,
    /// Facts of the storing or the delivery. Last, so that `replayed` can be spliced in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

/// A fact about how an event was seen, stored or delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The change happened while the gateway was not running; `time` is when it was found.
    WhileDown,
    /// Found by re-reading the level, since the edge itself was lost.
    Resynced,
    /// Sent more than 10 s after it was stored. Never stored: added on delivery, always last.
    Replayed,
}

/// One whole event, as stored, sent and committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// [`PAYLOAD_VERSION`].
    pub v: u8,
    /// The gateway.
    pub gw: Id,
    /// Counts the starts of the gateway's daemon.
    pub session: u64,
    /// The event's number.
    pub seq: Seq,
    /// BLAKE3 of the canonical bytes of event `seq − 1`, 64 hex digits; of the first event, the
    /// birth of its journal: random, so that no two journals have one chain.
    pub prev: String,
    /// Unique over all gateways and times: the key by which a duplicate is recognised.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub draft: Draft,
}

/// `prev` of the first event of a chain that has no journal: of tests, tools and simulations. A
/// journal begins with 32 random bytes instead, its birth.
pub const GENESIS: [u8; 32] = [0; 32];

/// The hash that the next event carries as `prev`.
pub fn chain_hash(canonical: &[u8]) -> [u8; 32] {
    *blake3::hash(canonical).as_bytes()
}

/// 32 bytes as the 64 hex digits of `prev`.
pub fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// The id of the event with this seq whose predecessor hashes to `prev`.
///
/// 32 hex digits of BLAKE3 over gateway, session, seq and `prev`. A gateway whose flash was wiped
/// begins its numbers and sessions anew; what keeps the ids apart is the chain, which begins with
/// the random birth of each journal. Rendering itself needs neither a clock nor a random source.
pub fn event_id(gateway: &Id, session: u64, seq: Seq, prev: &[u8; 32]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(gateway.as_str().as_bytes());
    hasher.update(&session.to_le_bytes());
    hasher.update(&seq.0.to_le_bytes());
    hasher.update(prev);
    hasher.finalize().to_hex()[..32].to_owned()
}

/// An event's identity while it is rendered: all that the journal adds to a [`Draft`].
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The gateway.
    pub gateway: &'a Id,
    /// Counts the daemon's starts.
    pub session: u64,
    /// The number allocated in the storing transaction.
    pub seq: Seq,
    /// Hash of the event before.
    pub prev: [u8; 32],
}

/// How the canonical bytes of an event begin, up to and with the `"id":"`: as [`Event`] is
/// serialised, but written by hand, since none of it needs escaping.
pub fn head(gateway: &Id, session: u64, seq: Seq, prev: &[u8; 32], out: &mut Vec<u8>) {
    let prev = blake3::Hash::from_bytes(*prev).to_hex();
    write!(
        out,
        r#"{{"v":{PAYLOAD_VERSION},"gw":"{}","session":{session},"seq":{},"prev":"{}","id":""#,
        gateway.as_str(),
        seq.0,
        prev.as_str()
    )
    .expect("a Vec takes all that is written");
}

/// The canonical bytes of a draft with its stamp.
///
/// # Errors
/// When the event is larger than [`MAX_PAYLOAD`]: a bug of the rule that made it, or a `detail`
/// that quotes outside text without a bound.
pub fn render(stamp: &Stamp<'_>, draft: &Draft) -> Result<Vec<u8>, RenderError> {
    let mut bytes = Vec::with_capacity(640);
    head(stamp.gateway, stamp.session, stamp.seq, &stamp.prev, &mut bytes);
    let id = event_id(stamp.gateway, stamp.session, stamp.seq, &stamp.prev);
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(br#"","#);
    // The draft's fields follow in the same object: its own brace gives way to the comma.
    bytes.pop();
    let brace = bytes.len();
    serde_json::to_writer(&mut bytes, draft).map_err(RenderError::Json)?;
    bytes[brace] = b',';
    if bytes.len() > MAX_PAYLOAD {
        return Err(RenderError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Why a draft has no canonical bytes.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The event does not fit; the rule that made it put too much into `detail` or `cause`.
    #[error("the event has {0} bytes, the limit is {MAX_PAYLOAD}")]
    TooLarge(usize),
    /// `detail` holds something JSON cannot say; our bug.
    #[error("the event is not JSON: {0}")]
    Json(serde_json::Error),
}

const SPLICE_ALONE: &[u8] = br#","flags":["replayed"]}"#;
const SPLICE_AFTER: &[u8] = br#","replayed"]}"#;

/// The bytes to publish for an event that is sent late: canonical bytes plus the flag `replayed`.
///
/// `flags` is the last field, so no parsing is needed.
pub fn with_replayed(canonical: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(canonical.len() + SPLICE_ALONE.len());
    if let Some(head) = canonical.strip_suffix(b"]}") {
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(SPLICE_AFTER);
    } else if let Some(head) = canonical.strip_suffix(b"}") {
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(SPLICE_ALONE);
    } else {
        bytes.extend_from_slice(canonical);
    }
    bytes
}

/// The canonical bytes of a published payload, and whether it carried `replayed`.
pub fn canonical(payload: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let (head, tail): (_, &[u8]) = if let Some(head) = payload.strip_suffix(SPLICE_ALONE) {
        (head, b"}")
    } else if let Some(head) = payload.strip_suffix(SPLICE_AFTER) {
        (head, b"]}")
    } else {
        return (Cow::Borrowed(payload), false);
    };
    (Cow::Owned([head, tail].concat()), true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::time::{ClockState, Mono, UtcMs};

    pub(crate) fn draft(class: Class, flags: Vec<Flag>) -> Draft {
        Draft {
            class,
            kind: "door.opened".into(),
            qualifier: Qualifier::New,
            severity: 4,
            partition: None,
            source: Source {
                kind: "door".into(),
                id: "lobby".parse().unwrap(),
                driver: Some("gpiochip0:3".into()),
            },
            time: Time {
                utc: UtcMs(0),
                boot: "b".into(),
                mono_ns: Mono(7),
                err_ms: Some(12),
                clock: ClockState::Synced,
            },
            state: Some(Transition { from: "closed".into(), to: "open".into() }),
            arming: None,
            actor: None,
            cause: None,
            opens: None,
            closes: None,
            detail: None,
            test: false,
            flags,
        }
    }

    #[test]
    fn what_is_rendered_parses_to_the_same_event_and_survives_a_late_delivery() {
        let gateway: Id = "g-7f3a".parse().unwrap();
        for flags in [vec![], vec![Flag::WhileDown]] {
            let draft = draft(Class::Door, flags);
            let stamp = Stamp { gateway: &gateway, session: 3, seq: Seq(9), prev: GENESIS };
            let bytes = render(&stamp, &draft).unwrap();
            let event: Event = serde_json::from_slice(&bytes).unwrap();
            assert_eq!((event.seq, &event.draft), (Seq(9), &draft));

            let late = with_replayed(&bytes);
            let event: Event = serde_json::from_slice(&late).unwrap();
            assert_eq!(event.draft.flags.last(), Some(&Flag::Replayed));
            assert_eq!(canonical(&late), (Cow::Borrowed(&bytes[..]), true));
            assert_eq!(canonical(&bytes), (Cow::Borrowed(&bytes[..]), false));
        }
    }

    #[test]
    fn a_detail_without_bound_is_refused() {
        let gateway: Id = "g".parse().unwrap();
        let mut draft = draft(Class::System, vec![]);
        draft.detail = Some("x".repeat(MAX_PAYLOAD).into());
        let stamp = Stamp { gateway: &gateway, session: 1, seq: Seq(1), prev: GENESIS };
        assert!(matches!(render(&stamp, &draft), Err(RenderError::TooLarge(_))));
    }

    #[test]
    fn each_class_has_its_own_number_word_and_lane() {
        for (number, class) in (0u8..).zip(Class::ALL) {
            assert_eq!(class as u8, number);
            assert_eq!(Class::from_number(number), Some(class));
            assert_eq!(Class::from_word(class.as_str()), Some(class));
        }
        let first: Vec<_> = Class::ALL.iter().filter(|c| c.lane() == Lane::Alarm).collect();
        assert_eq!(first, [&Class::Panic, &Class::Alarm, &Class::Tamper]);
    }
}
