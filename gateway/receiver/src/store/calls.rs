//! What of telling responders is kept: calls, what was tried, and which receiver tells.
//!
//! | table | what |
//! |---|---|
//! | `calls` | what somebody may have to be told, written in the transaction of its event |
//! | `told` | each attempt to tell somebody, and what came of it |
//! | `tellers` | on a server: which receiver tells a district, and until when unless it says so again |
//!
//! The tables are made where they are missing, beside the layout: a receiver that knows nothing of
//! them is not disturbed by them.

use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::postgres::PostgresLedger;
use super::sqlite::SqliteLedger;
use super::{Basis, Database, OpenError, StoreError, When};
use crate::responders::{Call, End, Outcome};

/// A receiver that tells says so again every few seconds; after so long, in seconds, another one
/// does its work.
pub(crate) const LEASE_S: i32 = 15;

/// Rows that are read at once, at most: a district in its worst hour.
pub(crate) const MOST_ROWS: i64 = 10_000;

/// An attempt with whom it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its number in the database.
    pub(crate) number: i64,
    pub(crate) site: Id,
    pub(crate) gateway: Id,
    pub(crate) incident: Id,
    pub(crate) kind: String,
    /// How many incidents the message was about.
    pub(crate) calls: i64,
    pub(crate) outcome: Outcome,
}

/// Which attempts are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) incident: Option<Id>,
    /// Only those with a higher number.
    pub(crate) above: Option<i64>,
    pub(crate) since: Option<UtcMs>,
    /// Only those that MQTT does not have yet, each once.
    pub(crate) unpublished: bool,
    pub(crate) most: i64,
}

/// What the telling task asks of a database. Every answer is of one transaction.
pub(crate) trait Ledger: Send {
    /// Whether this receiver tells the district now, and for the next [`LEASE_S`].
    fn lead(&mut self, district: &str) -> Result<bool, StoreError>;

    /// Every call of the district that is open, the oldest first.
    fn open_calls(&mut self, district: &str) -> Result<Vec<Call>, StoreError>;

    /// What was tried for those, in order.
    fn tried(&mut self, district: &str) -> Result<Vec<Outcome>, StoreError>;

    /// These calls are of this message.
    fn gather(&mut self, matter: i64, calls: &[i64]) -> Result<(), StoreError>;

    /// Nobody is told of these any more.
    fn over(&mut self, calls: &[i64], end: End, at: UtcMs) -> Result<(), StoreError>;

    /// Records an attempt; the same one again changes nothing.
    fn record(&mut self, district: &str, outcome: &Outcome) -> Result<(), StoreError>;

    /// Attempts, the oldest first; of a storm one for each of its incidents.
    fn told(&mut self, district: Option<&str>, wanted: &Wanted) -> Result<Vec<Told>, StoreError>;

    /// The broker has these.
    fn published(&mut self, numbers: &[i64]) -> Result<(), StoreError>;

    /// Ways that failed since their last success: since when, and when last; in the order of
    /// [`crate::responders::WAYS`].
    fn failing(&mut self, district: &str) -> Result<Vec<(String, UtcMs, UtcMs)>, StoreError>;
}

/// Opens it for the receiver that tells. The store makes its tables before.
pub(crate) fn open(database: &Database) -> Result<Box<dyn Ledger>, OpenError> {
    opened(database, true)
}

/// Opens it only for reading.
pub(crate) fn open_to_read(database: &Database) -> Result<Box<dyn Ledger>, OpenError> {
    opened(database, false)
}

fn opened(database: &Database, write: bool) -> Result<Box<dyn Ledger>, OpenError> {
    match database {
        Database::File(path) => Ok(Box::new(SqliteLedger::open(path, write)?)),
        Database::Memory => Err(missing("a database in memory".to_owned())),
        Database::Postgres(server) => Ok(Box::new(PostgresLedger::open(server)?)),
    }
}

/// There are no tables for it.
pub(super) fn missing(place: String) -> OpenError {
    OpenError::Foreign {
        place,
        found: "no table of calls to responders".to_owned(),
        allowed: "one that `gatehouse-receiver run` of this version has opened".to_owned(),
    }
}

/// Columns of a call, in the order of [`RawCall`].
pub(super) const CALL: &str = "c.call, c.site, c.gateway, c.seq, c.event, c.incident, c.class, \
     c.kind, c.severity, c.source, c.list, c.escalated, c.utc_ms, c.basis, c.recv_ms, c.matter";

/// Columns of an attempt, in the order of [`RawOutcome`].
pub(super) const OUTCOME: &str = "t.matter, t.list, t.round, t.member, t.way, t.place, t.pass, \
     t.at_ms, t.why, t.next_ms, t.token";

/// A call as it lies in a row.
pub(super) struct RawCall {
    pub(super) number: i64,
    pub(super) site: String,
    pub(super) gateway: String,
    pub(super) seq: i64,
    pub(super) event: String,
    pub(super) incident: String,
    pub(super) class: i64,
    pub(super) kind: String,
    pub(super) severity: i64,
    pub(super) source: String,
    pub(super) list: String,
    pub(super) escalated: i64,
    pub(super) utc: i64,
    pub(super) basis: i64,
    pub(super) recv: i64,
    pub(super) matter: Option<i64>,
}

impl RawCall {
    /// None: ids that this version does not know as ids.
    pub(super) fn read(self) -> Option<Call> {
        let class = u8::try_from(self.class).ok().and_then(Class::from_number)?;
        Some(Call {
            number: self.number,
            site: self.site.parse().ok()?,
            gateway: self.gateway.parse().ok()?,
            seq: super::writer::seq(self.seq),
            event: self.event,
            incident: self.incident.parse().ok()?,
            class,
            kind: self.kind,
            severity: u8::try_from(self.severity).unwrap_or(1),
            source: self.source,
            list: self.list.parse().ok(),
            escalated: self.escalated != 0,
            when: When { utc: UtcMs(self.utc), basis: Basis::from_number(self.basis) },
            recv: UtcMs(self.recv),
            matter: self.matter,
        })
    }
}

/// An attempt as it lies in a row.
pub(super) struct RawOutcome {
    pub(super) matter: i64,
    pub(super) list: String,
    pub(super) round: i64,
    pub(super) member: String,
    pub(super) way: String,
    pub(super) place: i64,
    pub(super) pass: i64,
    pub(super) at: i64,
    pub(super) why: Option<String>,
    pub(super) next: Option<i64>,
    pub(super) key: String,
}

impl RawOutcome {
    pub(super) fn read(self) -> Option<Outcome> {
        Some(Outcome {
            matter: self.matter,
            list: self.list.parse().ok()?,
            round: u32::try_from(self.round).ok()?,
            member: self.member.parse().ok(),
            way: self.way,
            place: usize::try_from(self.place).ok()?,
            pass: u32::try_from(self.pass).ok()?,
            at: UtcMs(self.at),
            result: self.why.map_or(Ok(()), Err),
            next: self.next.map(UtcMs),
            key: self.key,
        })
    }
}
