//! What a gateway has, as `desc` tells of it.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::site::{Mode, Role, ZoneKind};

/// `desc`, retained: what this gateway has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Description {
    /// Counts the daemon's starts.
    pub session: u64,
    /// Counts the configurations that held since then, from 1: a reload is another one.
    #[serde(default)]
    pub revision: u32,
    /// The daemon's version.
    pub version: String,
    /// Its doors.
    pub doors: Vec<DescribedDoor>,
    /// Its zones, help points among them.
    #[serde(default)]
    pub zones: Vec<DescribedZone>,
    /// Its partitions.
    #[serde(default)]
    pub partitions: Vec<DescribedPartition>,
    /// Its outputs.
    #[serde(default)]
    pub outputs: Vec<DescribedOutput>,
    /// Its readers.
    #[serde(default)]
    pub readers: Vec<DescribedReader>,
    /// Its cameras.
    #[serde(default)]
    pub cameras: Vec<DescribedCamera>,
    /// The types of event that it can send.
    pub event_types: Vec<Cow<'static, str>>,
    /// What it keeps to.
    pub limits: Limits,
    /// The key that signs its checkpoints; none when it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<DeviceKey>,
}

/// The public half of the key that a gateway made at its first start (Ed25519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceKey {
    /// Its id, as checkpoints name it: 16 hex digits.
    pub id: String,
    /// The public key, 64 hex digits.
    pub public: String,
}

/// A door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedDoor {
    /// Its id.
    pub id: Id,
    /// The partition that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
    /// After so many seconds open it is held open; `null`: never.
    pub held_open_s: Option<u32>,
    /// After so many seconds open it is an alarm; `null`: never.
    #[serde(default)]
    pub propped_s: Option<u32>,
    /// Whether the gateway drives its lock and may release it.
    #[serde(default)]
    pub release: bool,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedZone {
    /// Its id.
    pub id: Id,
    /// What its activation means.
    pub kind: ZoneKind,
    /// The partition that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
    /// Whether it may be bypassed.
    pub bypassable: bool,
    /// On a soak test: its events carry `test`, and nothing acts on them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soak: bool,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedPartition {
    /// Its id.
    pub id: Id,
    /// The modes in which it can be armed.
    pub modes: Vec<DescribedMode>,
    /// A common area: it is armed exactly while all these are, and not by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_to: Vec<Id>,
}

/// A mode of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedMode {
    /// Which.
    pub mode: Mode,
    /// Seconds to leave after arming.
    pub exit_s: u32,
    /// Seconds to disarm after an entry.
    pub entry_s: u32,
}

/// A card reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedReader {
    /// Its id.
    pub id: Id,
    /// The door that it is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Id>,
    /// The partition that it arms and disarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedOutput {
    /// Its id.
    pub id: Id,
    /// What it is for.
    pub role: Role,
}

/// A camera. Neither its address nor what it looks like from outside is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedCamera {
    /// Its id.
    pub id: Id,
    /// The partition that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
    /// The doors that it looks at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<Id>,
    /// The zones that it looks at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Id>,
    /// Where it looks for motion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<Id>,
    /// Something of its picture is painted over.
    pub masked: bool,
    /// It takes pictures and clips.
    pub records: bool,
}

/// What a gateway keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// The largest event, in bytes.
    pub payload_bytes: u32,
    /// The most publishes on their way without PUBACK.
    pub in_flight: u16,
    /// The heartbeat's period in seconds, unless the control room asks for another.
    pub heartbeat_s: u32,
    /// A retained state is said again after so many seconds at the latest.
    pub say_again_s: u32,
}
