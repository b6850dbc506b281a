//! What a gateway says of itself.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Id, Seq};
use crate::site::Incident;
use crate::time::{ClockState, UtcMs};

/// The life of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GatewayState {
    /// Connected; its retained states are being refreshed and are not yet to be believed.
    Starting,
    /// Every retained state is current.
    Online,
    /// Stops in order.
    Stopping,
    /// Installs a new version; back soon.
    Updating,
    /// The broker's will: nobody knows. Its doors are unknown.
    Lost,
}

/// `status`, retained; the will is the same with `lost` and the same `session`, so a late will
/// cannot bury a new session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The gateway's life.
    pub state: GatewayState,
    /// Counts the daemon's starts.
    pub session: u64,
    /// The kernel's boot id.
    pub boot_id: String,
    /// When this state began.
    pub since: UtcMs,
    /// Why, in the field's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The daemon's version.
    pub version: String,
    /// Counts the configurations that held since the daemon started, from 1. In the will it is that of
    /// the connection's beginning.
    #[serde(default)]
    pub config_rev: u32,
    /// BLAKE3 of the running configuration, 16 hex digits.
    pub config_hash: String,
    /// The period of its heartbeats in seconds: two missed ones make it suspect, three lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hb_s: Option<u32>,
    /// Its failure reporting profile (EN 50136-1): within so many seconds the failure of its path is
    /// known, here as there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting_s: Option<u32>,
}

/// One path of a gateway to its district, with the measures of EN 50136-1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathState {
    /// The id of the broker's entry in the configuration.
    pub id: Id,
    /// Whether events go over it now; else it is a standby.
    pub active: bool,
    /// Whether it worked when it was used or looked at last; `null`: not looked at yet.
    pub works: Option<bool>,
    /// Parts of a million of the observed time of the last 7 days in which it worked.
    pub available_ppm: Option<u32>,
    /// Seconds of the last 7 days in which it was observed.
    pub observed_s: u32,
    /// Mean time from the event on flash to the control room's receipt, in milliseconds.
    pub mean_ms: Option<u32>,
    /// Its 95th percentile.
    pub p95_ms: Option<u32>,
    /// Events that both are of, at most the last 1,000.
    pub events: u32,
}

/// How much waits in each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backlog {
    /// Events of `panic`, `alarm` and `tamper` without PUBACK.
    pub alarm: u64,
    /// All other events without PUBACK.
    pub normal: u64,
}

/// What a thermometer of the box says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Temperature {
    /// The sensor: a chip's id, or `cpu`.
    pub id: Id,
    /// Hundredths of a degree Celsius.
    pub centi_celsius: i32,
}

/// What a supply or a battery says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// The chip that measures it.
    pub id: Id,
    /// What is measured.
    pub of: PowerKind,
    /// Millivolts.
    pub mv: i32,
    /// Milliamperes through the shunt, from IN+ to IN-.
    pub ma: i32,
}

/// What a power chip measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PowerKind {
    /// The supply from the mains.
    Supply,
    /// A battery.
    Battery,
}

/// `hb`, QoS 0: one for the whole gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// Counts the daemon's starts.
    pub session: u64,
    /// When it was sent.
    pub utc: UtcMs,
    /// Seconds since the daemon started.
    pub uptime_s: u64,
    /// The newest stored event.
    pub head: Seq,
    /// The newest event that the control room has received without a hole.
    pub host_upto: Seq,
    /// What waits.
    pub backlog: Backlog,
    /// Age in seconds of the oldest event without receipt; 0 if there is none.
    pub oldest_unreceived_s: u64,
    /// What is known of the wall clock.
    pub clock: ClockState,
    /// Its error bound in milliseconds.
    pub err_ms: Option<u32>,
    /// The daemon's share of one core since the heartbeat before, in thousandths; `null` in the
    /// first.
    #[serde(default)]
    pub cpu_permille: Option<u32>,
    /// Resident memory of the daemon in KiB.
    pub rss_kib: u64,
    /// Memory that the box could still give to a program, in KiB; 0 when the kernel does not tell.
    #[serde(default)]
    pub memory_free_kib: u64,
    /// Free bytes on the journal's file system.
    pub disk_free: u64,
    /// Bytes written to flash by the journal since the start.
    pub journal_written: u64,
    /// How much of its life the flash has used, in percent (JEDEC eMMC 5.0, in steps of ten); `null`
    /// when it does not tell.
    #[serde(default)]
    pub flash_used_percent: Option<u8>,
    /// What the box's thermometers say, that of the processor as `cpu`; none of a lost chip.
    #[serde(default)]
    pub temperatures: Vec<Temperature>,
    /// What its supplies and batteries say; none of a lost chip.
    #[serde(default)]
    pub power: Vec<Power>,
    /// Units that are degraded at this moment.
    pub degraded: Vec<String>,
    /// Digest over all door and zone states, 16 hex digits: a receiver that holds other states
    /// has missed something.
    pub digest: String,
    /// The period of heartbeats in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hb_s: Option<u32>,
    /// Its paths, in order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathState>,
    /// Another one with each heartbeat: a command that carries one of the latest is fresh, whatever
    /// the gateway's clock says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// `door/{id}`, `zone/{id}` and their like, retained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetainedState {
    /// `unknown`, `closed`, `open`, `held-open`, …
    pub state: Cow<'static, str>,
    /// Since when.
    pub since: UtcMs,
    /// The event that brought it; 0 if none has yet.
    pub seq: Seq,
    /// Past so many seconds without a sign of the gateway, a reader shows *unknown*.
    pub valid_s: u32,
    /// Short remarks, as `fault`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Counts the daemon's starts.
    pub session: u64,
}

/// `alarm/{id}`, retained: an open incident. A closed one has an empty payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmState {
    /// What it is now.
    #[serde(flatten)]
    pub incident: Incident,
    /// The newest event of it in this session; 0 if there is none.
    pub seq: Seq,
    /// Counts the daemon's starts. Past `online` of a newer session, an incident that was not told
    /// again is closed.
    pub session: u64,
}
