//! One incident as a file that proves itself, on any machine and without the database.
//!
//! An uncompressed tar, so that what is in it can be looked at with what every machine has; the same
//! events make the same bytes, and there is no byte in it that is not checked.
//!
//! | member | what |
//! |---|---|
//! | `manifest.json` | [`Manifest`]: which incident, its events and the acts on it, every part with its BLAKE3 |
//! | `manifest.sig` | Ed25519 of the bytes of `manifest.json`, 64 bytes, by the receiver's key |
//! | `events.jsonl` | canonical bytes as the gateway stored them, one event a line, by number |
//! | `chain.txt` | number and BLAKE3 of each of these events: what the next one carries as `prev` |
//!
//! [`Extent::Whole`] holds every event from the incident's first to the gateway's next signed
//! checkpoint, other matters among them: without their bytes there is no chain. [`Extent::Own`] holds
//! the incident's events only; what lies between is the receiver's word.
//!
//! Which events are an incident's, both sides decide alike: see `members`.
//!
//! An incident with pictures makes form 2, which differs in this: what cameras took of its events is the
//! incident's as well, the manifest names each picture, and those that are here follow as
//! `pictures/SHA256.jpg`. What makes them the gateway's is its events, which carry their SHA-256.
//!
//! Limits: 64 MiB, pictures 24 MiB and 200 of them; what is left out is named by its SHA-256. A bundle
//! between rooms, of 160 KiB, has no picture at all.

mod check;
mod make;
mod members;
mod pictures;

use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};

pub use check::{NotABundle, Report, check};
pub use make::{MakeError, make};
pub(crate) use members::{Members, holds, is_act};

/// Whoever has a bundle may read its members, once they are unpacked.
const MODE: u32 = 0o644;

/// The first word of the manifest. Another form gets another number; this one never changes, since
/// bundles of years ago must verify.
pub const FORMAT: &str = "gatehouse-incident 1";

/// The first word of the manifest of an incident with pictures.
pub const PICTURED: &str = "gatehouse-incident 2";

/// The largest bundle: it is made and read in memory.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The members of the container, in their order.
const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const EVENTS: &str = "events.jsonl";
const CHAIN: &str = "chain.txt";

/// How much of the gateway's log a bundle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Every event up to the next signed checkpoint: the gateway itself proves it.
    Whole,
    /// The incident's own events: nothing of other matters is shown.
    Own,
}

/// Which pictures a bundle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// Those that are in the database, as far as there is room.
    Here,
    /// None: only their SHA-256.
    Named,
}

/// What a bundle says of itself; signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`] or [`PICTURED`].
    pub format: String,
    /// The district.
    pub district: Id,
    /// The community.
    pub site: Id,
    /// The gateway.
    pub gateway: Id,
    /// The incident.
    pub incident: Id,
    /// How much of the log it holds.
    pub extent: Extent,
    /// The number of the first event in it.
    pub from: Seq,
    /// And of the last.
    pub to: Seq,
    /// The checkpoint that covers the whole incident, if the gateway has signed one yet.
    pub checkpoint: Option<Seq>,
    /// The gateway's public key, as its checkpoints tell it; the same stands in its `desc`.
    pub device: Option<String>,
    /// The public key of the receiver that signs this.
    pub signer: String,
    /// The incident's own events.
    pub events: Vec<Own>,
    /// What was done about it.
    pub acts: Vec<Act>,
    /// What cameras took of it, by the events that tell of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Pictured>,
    /// Each part with its digest.
    pub parts: Vec<Part>,
}

/// One of the incident's own events. What the receiver adds to it is its word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Its number.
    pub seq: Seq,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The best that the receiver knows of when it happened.
    pub utc: UtcMs,
    /// By what it knows that.
    pub basis: String,
    /// When it came to the receiver.
    pub recv: UtcMs,
}

/// What was done about the incident, as the gateway's event of it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// The event's number.
    pub seq: Seq,
    /// `incident.acked`, `incident.noted`, `incident.closed` or `alarm.escalated`.
    pub act: String,
    /// Who: an operator's id or a credential's keyed hash; nobody: the gateway itself.
    pub by: Option<String>,
    /// By which way, as `district`.
    pub via: Option<String>,
    /// When, by the gateway's clock.
    pub utc: UtcMs,
    /// What a note says, or why.
    pub text: Option<String>,
}

/// A picture, as the gateway's event tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictured {
    /// The event's number.
    pub seq: Seq,
    /// The event that it was taken of.
    pub of: Option<Seq>,
    /// The camera.
    pub camera: Id,
    /// Its SHA-256, 64 hex digits.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it is in the bundle. If not, it was left out or had not come.
    pub here: bool,
}

/// A part of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of it, 64 hex digits.
    pub blake3: String,
}

impl Part {
    fn of(name: &str, bytes: &[u8]) -> Self {
        let blake3 = gatehouse_core::event::hex(&gatehouse_core::event::chain_hash(bytes));
        Self { name: name.to_owned(), bytes: bytes.len() as u64, blake3 }
    }
}
