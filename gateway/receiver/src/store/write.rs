//! What the one writer does inside its transactions.

use std::sync::Arc;

use gatehouse_core::event::{self, Class};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_core::topic::Address;
use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::FORMER;
use crate::gaps::GapTracker;

/// The most rows in `quarantine` and in `conflicts`: a gateway gone mad must not fill the disk.
/// What comes above is counted and logged, and not kept.
pub(crate) const MAX_ODD_ROWS: i64 = 100_000;

/// The prepared statements of the writing thread.
#[derive(Debug)]
pub(crate) struct Writer<'c> {
    connection: &'c Connection,
    insert: Statement<'c>,
    body: Statement<'c>,
    progress: Statement<'c>,
}

/// A gateway as the database knows it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) row: i64,
    /// Rows of before it began anew.
    pub(crate) former: Vec<i64>,
    pub(crate) tracker: GapTracker,
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    pub(crate) quarantined: u64,
    pub(crate) breaks: u64,
}

fn signed(seq: Seq) -> i64 {
    i64::try_from(seq.0).expect("numbers above MAX_SEQ are refused before they come here")
}

fn seq(row: i64) -> Seq {
    Seq(u64::try_from(row).unwrap_or(0))
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            insert: connection.prepare(
                "INSERT INTO events (gw, seq, class, recv_ms, replayed, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )?,
            body: connection.prepare("SELECT body FROM events WHERE gw = ?1 AND seq = ?2")?,
            progress: connection.prepare(
                "UPDATE gateways SET upto = ?2, events = events + ?3, \
                 duplicates = duplicates + ?4 WHERE gw = ?1",
            )?,
        })
    }

    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    /// When this returns `Ok`, everything since `begin` survives the power.
    pub(crate) fn commit(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")
    }

    /// Gives up what was done since `begin`; nothing is to be done if SQLite did so already.
    pub(crate) fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
    }

    /// The row of a gateway, made when it is not there.
    pub(crate) fn gateway(&self, address: &Address) -> rusqlite::Result<i64> {
        let key =
            params![address.district.as_str(), address.site.as_str(), address.gateway.as_str()];
        self.connection.execute(
            "INSERT INTO gateways (district, site, gateway) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO NOTHING",
            key,
        )?;
        self.connection.query_row(
            "SELECT gw FROM gateways WHERE district = ?1 AND site = ?2 AND gateway = ?3",
            key,
            |row| row.get(0),
        )
    }

    /// A gateway has begun anew: what it sent before is kept under its name with `#1`, `#2`, … (no
    /// gateway's id can hold a `#`), and its address is free for what comes.
    pub(crate) fn begin_anew(&self, gw: i64, address: &Address) -> rusqlite::Result<()> {
        let number = self.former(address)?.len() + 1;
        let name = format!("{}{FORMER}{number}", address.gateway);
        self.connection
            .execute("UPDATE gateways SET gateway = ?2 WHERE gw = ?1", params![gw, name])
            .map(drop)
    }

    /// The rows of what a gateway sent before it began anew.
    pub(crate) fn former(&self, address: &Address) -> rusqlite::Result<Vec<i64>> {
        // `$` is the character after `#`: a range of the index, for whole districts are loaded.
        let mut statement = self.connection.prepare(
            "SELECT gw FROM gateways WHERE district = ?1 AND site = ?2 \
             AND gateway > ?3 || '#' AND gateway < ?3 || '$'",
        )?;
        let key =
            params![address.district.as_str(), address.site.as_str(), address.gateway.as_str()];
        statement.query_map(key, |row| row.get(0))?.collect()
    }

    /// Stores an event, unless there is one under its number: then says false.
    pub(crate) fn event(
        &mut self,
        gw: i64,
        number: Seq,
        class: Class,
        recv: UtcMs,
        replayed: bool,
        body: &[u8],
    ) -> rusqlite::Result<bool> {
        self.insert
            .execute(params![gw, signed(number), class as u8, recv.0, replayed, body])
            .map(|rows| rows > 0)
    }

    /// The canonical bytes under a number, if an event is stored there.
    pub(crate) fn body(&mut self, gw: i64, number: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
        self.body.query_row(params![gw, signed(number)], |row| row.get(0)).optional()
    }

    /// Keeps other bytes that came under the number of a stored event.
    pub(crate) fn conflict(
        &self,
        gw: i64,
        number: Seq,
        recv: UtcMs,
        body: &[u8],
    ) -> rusqlite::Result<()> {
        self.connection
            .execute(
                "INSERT INTO conflicts (gw, seq, digest, recv_ms, body) \
                 SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM conflicts) < ?6 \
                 ON CONFLICT DO UPDATE SET times = times + 1",
                params![gw, signed(number), event::chain_hash(body), recv.0, body, MAX_ODD_ROWS],
            )
            .map(drop)
    }

    /// Keeps a payload that is no event.
    pub(crate) fn quarantine(
        &self,
        gw: Option<i64>,
        topic: &str,
        number: Option<Seq>,
        recv: UtcMs,
        reason: &str,
        body: &[u8],
    ) -> rusqlite::Result<()> {
        let digest = event::chain_hash(body);
        let kept = &body[..body.len().min(2 * event::MAX_PAYLOAD)];
        self.connection
            .execute(
                "INSERT INTO quarantine (topic, digest, gw, seq, recv_ms, reason, body) \
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT count(*) FROM quarantine) < ?8 \
                 ON CONFLICT DO UPDATE SET times = times + 1",
                params![topic, digest, gw, number.map(signed), recv.0, reason, kept, MAX_ODD_ROWS],
            )
            .map(drop)
    }

    /// Records that a range can never come.
    pub(crate) fn gap(
        &self,
        gw: i64,
        from: Seq,
        to: Seq,
        at: Seq,
        reason: &str,
    ) -> rusqlite::Result<()> {
        self.connection
            .execute(
                "INSERT INTO gaps (gw, from_seq, to_seq, at_seq, reason) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![gw, signed(from), signed(to), signed(at), reason],
            )
            .map(drop)
    }

    /// Records that `prev` of this number is not the hash of the event before it.
    pub(crate) fn chain_break(
        &self,
        gw: i64,
        number: Seq,
        recv: UtcMs,
        expected: &str,
        found: &str,
    ) -> rusqlite::Result<()> {
        self.connection
            .execute(
                "INSERT INTO breaks (gw, seq, recv_ms, expected, found) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![gw, signed(number), recv.0, expected, found],
            )
            .map(drop)
    }

    /// Records up to which number nothing is missing, and what this transaction brought.
    pub(crate) fn progress(
        &mut self,
        gw: i64,
        upto: Seq,
        events: u64,
        duplicates: u64,
    ) -> rusqlite::Result<()> {
        let signed_count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.progress
            .execute(params![gw, signed(upto), signed_count(events), signed_count(duplicates)])
            .map(drop)
    }

    /// Every gateway of a district.
    pub(crate) fn load_all(
        &self,
        district: &str,
        now: Mono,
    ) -> rusqlite::Result<Vec<(Arc<Address>, Loaded)>> {
        let mut statement = self
            .connection
            .prepare("SELECT district, site, gateway FROM gateways WHERE district = ?1")?;
        let addresses = statement
            .query_map([district], |row| Ok([row.get(0)?, row.get(1)?, row.get::<_, String>(2)?]))?
            .collect::<Result<Vec<[String; 3]>, _>>()?;
        let mut loaded = Vec::with_capacity(addresses.len());
        for [district, site, gateway] in &addresses {
            let (Ok(district), Ok(site), Ok(gateway)) =
                (district.parse(), site.parse(), gateway.parse())
            else {
                continue;
            };
            let address = Address { district, site, gateway };
            if let Some(found) = self.load(&address, now)? {
                loaded.push((Arc::new(address), found));
            }
        }
        Ok(loaded)
    }

    /// One gateway, with what is accounted for above `upto`.
    pub(crate) fn load(&self, address: &Address, now: Mono) -> rusqlite::Result<Option<Loaded>> {
        let found: Option<(i64, i64, i64, i64)> = self
            .connection
            .query_row(
                "SELECT gw, upto, events, duplicates FROM gateways \
                 WHERE district = ?1 AND site = ?2 AND gateway = ?3",
                params![address.district.as_str(), address.site.as_str(), address.gateway.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .optional()?;
        let Some((row, upto, events, duplicates)) = found else { return Ok(None) };
        let mut tracker = GapTracker::resumed(seq(upto));
        let mut resolve = |sql: &str| -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([row, upto])?;
            while let Some(found) = rows.next()? {
                tracker.resolve(seq(found.get(0)?), seq(found.get(1)?), now);
            }
            Ok(())
        };
        resolve("SELECT seq, seq FROM events WHERE gw = ?1 AND seq > ?2 ORDER BY seq")?;
        resolve("SELECT from_seq, to_seq FROM gaps WHERE gw = ?1 AND to_seq > ?2")?;
        resolve("SELECT seq, seq FROM quarantine WHERE gw = ?1 AND seq > ?2")?;
        let count = |sql: &str| -> rusqlite::Result<u64> {
            let count: i64 = self.connection.query_row(sql, [row], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        Ok(Some(Loaded {
            row,
            former: self.former(address)?,
            tracker,
            events: u64::try_from(events).unwrap_or(0),
            duplicates: u64::try_from(duplicates).unwrap_or(0),
            conflicts: count("SELECT coalesce(sum(times), 0) FROM conflicts WHERE gw = ?1")?,
            quarantined: count("SELECT coalesce(sum(times), 0) FROM quarantine WHERE gw = ?1")?,
            breaks: count("SELECT count(*) FROM breaks WHERE gw = ?1")?,
        }))
    }
}
