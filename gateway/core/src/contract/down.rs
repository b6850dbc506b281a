//! What the district says to a gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Id, Seq};
use crate::site::CloseReason;
use crate::time::UtcMs;

/// An event that the receiver will never commit as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nak {
    /// The event.
    pub seq: Seq,
    /// Why, as `bad_payload`, `conflict`.
    pub code: String,
}

/// `receipt`: sent after the receiver's commit. Only this ends the duty to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Every event up to this one is committed (or accounted for by `system.gap`).
    pub upto: Seq,
    /// Holes above `upto` and below the newest received, inclusive: send them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<(Seq, Seq)>,
    /// Refused events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nak: Vec<Nak>,
    /// Which receiver.
    pub host: String,
    /// The receiver's clock at its commit.
    pub recv_ts: UtcMs,
}

/// `alarm/{id}/op`: what an operator does about an incident. Never retained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmAct {
    /// What.
    pub op: AlarmOp,
    /// Who: the control room's id of the operator, never a name.
    pub operator: String,
    /// When, by the control room's clock.
    pub time: UtcMs,
    /// Another one for each act: a delivery that comes twice is done once.
    pub nonce: String,
    /// Of a note: what is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a close: what it was. It stands in `incident.closed`; an older gateway passes it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CloseReason>,
}

/// What an operator can do about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlarmOp {
    /// I take it.
    Ack,
    /// Let it be known that.
    Note,
    /// It is over.
    Close,
    /// Call the others now.
    Escalate,
}

/// How fast a gateway may send what waited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Backlog events per second per gateway; at least 1.
    pub rate: u32,
    /// The backlog begins after a random delay of at most so many seconds.
    pub jitter_s: u32,
}

/// `gatehouse/v1/{district}/_dc/state`, retained: the control room itself, with its own will.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistrictState {
    /// Whether anybody receives.
    pub online: bool,
    /// Which receiver says so.
    pub host: String,
    /// When.
    pub ts: UtcMs,
    /// The same in milliseconds since 1970.
    pub utc_ms: i64,
    /// The pace of backlogs; without it the gateway's own configuration holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The heartbeat's period in seconds; without it 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hb_s: Option<u32>,
}

/// `gatehouse/v1/{district}/_dc/told`: an attempt of the control room to tell a responder on duty of
/// an incident, and what came of it. Not retained; QoS 1: it may come twice with the same `number`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// Counts the attempts of this control room's database.
    pub number: u64,
    /// The community.
    pub site: Id,
    /// The gateway.
    pub gateway: Id,
    /// Its incident; of a message about many, the first.
    pub incident: Id,
    /// The type of the event, as `panic.help`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many incidents the message was about: more than 1 in a storm.
    pub incidents: u32,
    /// The list of responders.
    pub list: Id,
    /// Who, by the control room's id; absent: nobody of the list could be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Id>,
    /// `webhook`, `email`, `ntfy` or `home-assistant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// 0, and one more each time it is told again.
    pub round: u32,
    /// When, by the control room's clock.
    pub time: UtcMs,
    /// Whether the way took the message.
    pub told: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When the same member is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UtcMs>,
}
