//! What the thread that commits asks of a database: the one seam between it and SQLite or
//! PostgreSQL.
//!
//! A transaction is for the gateways named at its beginning. While it lasts nobody else changes
//! these: in a file because there is one receiver, on a server because their rows are locked. So
//! what [`Writer::begin`] says of them holds until the commit, and receipts are computed from it.

use std::sync::Arc;

use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_core::topic::Address;

use super::StoreError;
use super::pictures::NewPicture;
use super::shots::NewShot;
use crate::correspondent::Counts;
use crate::gaps::GapTracker;
use crate::responders::{Called, End};
use crate::wire::Anchor;

/// The most rows in `quarantine` and in `conflicts`: a gateway gone mad must not fill the disk.
/// What comes above is counted and logged, and not kept.
pub(crate) const MAX_ODD_ROWS: i64 = 100_000;

/// A gateway as the database knows it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) row: i64,
    /// Counts the changes of the row; another one means that another receiver was there.
    pub(crate) revision: i64,
    /// Rows of before it began anew.
    pub(crate) former: Vec<i64>,
    pub(crate) tracker: GapTracker,
    pub(crate) counts: Counts,
}

/// A gateway of a transaction, as the receiver knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) address: &'a Address,
    /// Row and revision; none before its first event, and when it is to be read anew.
    pub(crate) known: Option<(i64, i64)>,
}

/// An event to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewEvent<'a> {
    pub(crate) gw: i64,
    pub(crate) seq: Seq,
    pub(crate) class: Class,
    pub(crate) recv: UtcMs,
    pub(crate) replayed: bool,
    pub(crate) when: When,
    pub(crate) body: &'a [u8],
}

/// Somebody may have to be told of an event.
#[derive(Clone, Debug)]
pub(crate) struct NewCall<'a> {
    pub(crate) address: &'a Address,
    pub(crate) gw: i64,
    pub(crate) seq: Seq,
    /// The event's own id.
    pub(crate) event: &'a str,
    pub(crate) class: Class,
    pub(crate) kind: &'a str,
    pub(crate) recv: UtcMs,
    pub(crate) when: When,
    pub(crate) called: &'a Called,
}

/// When an event happened, as well as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The best that is known.
    pub utc: UtcMs,
    /// Where that comes from.
    pub basis: Basis,
}

/// Where the time of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Basis {
    /// The gateway's own clock, which it believed.
    Gateway = 0,
    /// The gateway's boot clock and a `system.time_anchor` of the same boot.
    Anchor = 1,
    /// The receiver's clock: the gateway had no time, and no anchor has come.
    Receipt = 2,
}

impl Basis {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Anchor => "anchor",
            Self::Receipt => "receipt",
        }
    }

    pub(crate) const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Gateway,
            1 => Self::Anchor,
            _ => Self::Receipt,
        }
    }
}

/// What a transaction leaves of a gateway.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    pub(crate) row: i64,
    pub(crate) tracker: &'a GapTracker,
    /// Events and duplicates that this transaction brought.
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    /// All of this gateway, with this transaction's.
    pub(crate) counts: Counts,
}

/// What stays in the place of an event's bytes, by its class, time and number; none: it stays whole.
pub(crate) type Left<'a> = &'a dyn Fn(Class, UtcMs, Seq, &[u8]) -> Option<Vec<u8>>;

/// What is to be emptied: events in the order of their time, from a place on.
pub(crate) struct Expiring<'a> {
    /// Time and arrival of the last that was looked at.
    pub(crate) after: (i64, i64),
    /// Nothing from this on.
    pub(crate) until: UtcMs,
    /// So many are looked at.
    pub(crate) limit: u32,
    /// What stays of them.
    pub(crate) left: Left<'a>,
}

/// Looks that may have had their time, in the order in which they were kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpiringLooks {
    /// The last that was looked at.
    pub(crate) after: i64,
    /// At pictures, from before this; of those that are kept none.
    pub(crate) before: UtcMs,
    /// At whole incidents; `None`: some events are kept for ever, so none.
    pub(crate) bundles: Option<UtcMs>,
    /// So many are looked at.
    pub(crate) limit: u32,
}

/// Whether what is of this class and time has had its time.
pub(crate) type Over<'a> = &'a dyn Fn(Class, UtcMs) -> bool;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    /// How many were looked at: fewer than the limit, and there are no more.
    pub(crate) looked: u32,
    /// How many were emptied.
    pub(crate) gone: u64,
    /// Time and arrival of the last.
    pub(crate) last: (i64, i64),
}

/// See the module's page.
pub(crate) trait Writer {
    /// Every gateway of a district.
    fn load_all(
        &mut self,
        district: &str,
        now: Mono,
    ) -> Result<Vec<(Arc<Address>, Loaded)>, StoreError>;

    /// Opens a transaction for these gateways, each once, and makes their rows where there are
    /// none. Says, by index, what is not as the receiver knows it.
    fn begin(
        &mut self,
        wanted: &[Wanted<'_>],
        now: Mono,
    ) -> Result<Vec<(usize, Loaded)>, StoreError>;

    /// Bodies that will be asked for, if they are there: a server is asked once.
    fn prefetch(&mut self, _wanted: &[(i64, Seq)]) -> Result<(), StoreError> {
        Ok(())
    }

    /// When this returns `Ok`, everything since `begin` survives the power.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Gives up what was done since `begin`; nothing is to be done if that is so already.
    fn roll_back(&mut self);

    /// Outside of a transaction: what is not as the receiver knows it, by index.
    fn refresh(
        &mut self,
        _wanted: &[Wanted<'_>],
        _now: Mono,
    ) -> Result<Vec<(usize, Loaded)>, StoreError> {
        Ok(Vec::new())
    }

    /// A gateway has begun anew: what it sent before is kept under its name with `#1`, `#2`, … (no
    /// gateway's id can hold a `#`). Returns the row for what comes.
    fn begin_anew(&mut self, gw: i64, address: &Address) -> Result<i64, StoreError>;

    /// Stores an event, unless there is one under its number: then says false. (Or the commit
    /// fails by [`StoreError::is_contention`].)
    fn event(&mut self, event: &NewEvent<'_>) -> Result<bool, StoreError>;

    /// The canonical bytes under a number, if an event is stored there.
    fn body(&mut self, gw: i64, seq: Seq) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps other bytes that came under the number of a stored event.
    fn conflict(&mut self, gw: i64, seq: Seq, recv: UtcMs, body: &[u8]) -> Result<(), StoreError>;

    /// Keeps a payload that is no event.
    fn quarantine(
        &mut self,
        gw: i64,
        topic: &str,
        seq: Option<Seq>,
        recv: UtcMs,
        reason: &str,
        body: &[u8],
    ) -> Result<(), StoreError>;

    /// Records that a range can never come.
    fn gap(&mut self, gw: i64, from: Seq, to: Seq, at: Seq, reason: &str)
    -> Result<(), StoreError>;

    /// Records that `prev` of this number is not the hash of the event before it.
    fn chain_break(
        &mut self,
        gw: i64,
        seq: Seq,
        recv: UtcMs,
        expected: &str,
        found: &str,
    ) -> Result<(), StoreError>;

    /// Outside of a transaction: the latest time that a gateway's own clock gave an event.
    fn newest(&mut self) -> Result<Option<UtcMs>, StoreError>;

    /// Outside of a transaction: empties events that have had their time.
    fn expire(&mut self, expiring: &Expiring<'_>) -> Result<Expired, StoreError>;

    /// Outside of a transaction: empties what is no event, or a second content of a number, from
    /// before this; says how many.
    fn expire_odd(&mut self, before: UtcMs) -> Result<u64, StoreError>;

    /// Outside of a transaction: takes away calls and handovers that are over and whose class, at
    /// their time, has had its time; says how many.
    fn expire_told(&mut self, over: Over<'_>) -> Result<u64, StoreError>;

    /// Keeps what an event says of a picture.
    fn shot(&mut self, shot: &NewShot<'_>) -> Result<(), StoreError>;

    /// Outside of a transaction: keeps pictures, each once, for good when it returns `Ok`. Says of
    /// each whether it was not there.
    fn pictures(&mut self, pictures: &[NewPicture<'_>]) -> Result<Vec<bool>, StoreError>;

    /// Outside of a transaction: takes away pictures from before this, by the time of their event
    /// or, without one, of their receipt; so many at most. Says how many.
    fn expire_pictures(&mut self, before: UtcMs, limit: u32) -> Result<u64, StoreError>;

    /// Outside of a transaction: takes away looks that have had their time. Of what came of it, `last` has
    /// the number of the last look in its first place.
    fn expire_looks(&mut self, expiring: &ExpiringLooks) -> Result<Expired, StoreError>;

    /// Outside of a transaction: where pictures have more bytes than these, takes away the oldest of
    /// the camera that has the most; so many at most. Says how many.
    fn trim_pictures(&mut self, most: u64, limit: u32) -> Result<u64, StoreError>;

    /// The anchor of a gateway's boot, if one has come.
    fn anchor(&mut self, gw: i64, boot: &str) -> Result<Option<Anchor>, StoreError>;

    /// Keeps the anchor of a boot and corrects the times of its earlier events, whose bytes stay
    /// as they are. Says how many.
    fn set_anchor(&mut self, gw: i64, boot: &str, anchor: Anchor) -> Result<u64, StoreError>;

    /// Keeps a call in the transaction of its event; another one of the same incident, list and
    /// escalation is none.
    fn call(&mut self, call: &NewCall<'_>) -> Result<(), StoreError>;

    /// Nobody is told of an incident any more.
    fn call_over(&mut self, gw: i64, incident: &Id, end: End, at: UtcMs) -> Result<(), StoreError>;

    /// Records what the transaction leaves of a gateway; returns the row's new revision.
    fn progress(&mut self, progress: &Progress<'_>) -> Result<i64, StoreError>;
}

/// A number as the database's signed integers keep it.
pub(super) fn signed(seq: Seq) -> i64 {
    i64::try_from(seq.0).expect("numbers above MAX_SEQ are refused before they come here")
}

/// A number as it was kept.
pub(super) fn seq(row: i64) -> Seq {
    Seq(u64::try_from(row).unwrap_or(0))
}

/// A count as it was kept.
pub(super) fn count(row: i64) -> u64 {
    u64::try_from(row).unwrap_or(0)
}

/// A count as the database keeps it.
pub(super) fn signed_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
