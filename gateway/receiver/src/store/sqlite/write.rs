//! What the one writer does inside its transactions.

use std::sync::Arc;

use gatehouse_core::event;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_core::topic::Address;
use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::super::writer::{
    Expired, Expiring, ExpiringLooks, MAX_ODD_ROWS, Over, count, seq, signed, signed_count,
};
use super::super::{
    Basis, FORMER, Loaded, NewCall, NewEvent, NewPicture, NewShot, Progress, StoreError, Wanted,
    Writer,
};
use super::{expire, pictures};
use crate::correspondent::Counts;
use crate::gaps::GapTracker;
use crate::responders::End;
use crate::wire::{self, Anchor};

/// A row has no other writer, and never another revision.
const REVISION: i64 = 0;

/// The prepared statements of the writing thread.
#[derive(Debug)]
pub(in super::super) struct SqliteWriter<'c> {
    connection: &'c Connection,
    insert: Statement<'c>,
    body: Statement<'c>,
    progress: Statement<'c>,
}

impl<'c> SqliteWriter<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            insert: connection.prepare(
                "INSERT INTO events (gw, seq, class, recv_ms, replayed, body, utc_ms, basis) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            )?,
            body: connection.prepare("SELECT body FROM events WHERE gw = ?1 AND seq = ?2")?,
            progress: connection.prepare(
                "UPDATE gateways SET upto = ?2, events = events + ?3, \
                 duplicates = duplicates + ?4 WHERE gw = ?1",
            )?,
        })
    }

    /// The row of a gateway, made when it is not there.
    fn gateway(&self, address: &Address) -> rusqlite::Result<i64> {
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

    /// The rows of what a gateway sent before it began anew.
    fn former(&self, address: &Address) -> rusqlite::Result<Vec<i64>> {
        // `$` is the character after `#`: a range of the index, for whole districts are loaded.
        let mut statement = self.connection.prepare_cached(
            "SELECT gw FROM gateways WHERE district = ?1 AND site = ?2 \
             AND gateway > ?3 || '#' AND gateway < ?3 || '$'",
        )?;
        let key =
            params![address.district.as_str(), address.site.as_str(), address.gateway.as_str()];
        statement.query_map(key, |row| row.get(0))?.collect()
    }

    /// One gateway, with what is accounted for above `upto`.
    fn load(&self, address: &Address, now: Mono) -> rusqlite::Result<Option<Loaded>> {
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
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query([row, upto])?;
            while let Some(found) = rows.next()? {
                tracker.resolve(seq(found.get(0)?), seq(found.get(1)?), now);
            }
            Ok(())
        };
        resolve("SELECT seq, seq FROM events WHERE gw = ?1 AND seq > ?2 ORDER BY seq")?;
        resolve("SELECT from_seq, to_seq FROM gaps WHERE gw = ?1 AND to_seq > ?2")?;
        resolve("SELECT seq, seq FROM quarantine WHERE gw = ?1 AND seq > ?2")?;
        let sum = |sql: &str| -> rusqlite::Result<u64> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([row], |row| row.get(0)).map(count)
        };
        let counts = Counts {
            received: count(events),
            duplicates: count(duplicates),
            conflicts: sum("SELECT coalesce(sum(times), 0) FROM conflicts WHERE gw = ?1")?,
            quarantined: sum("SELECT coalesce(sum(times), 0) FROM quarantine WHERE gw = ?1")?,
            breaks: sum("SELECT count(*) FROM breaks WHERE gw = ?1")?,
        };
        let former = self.former(address)?;
        Ok(Some(Loaded { row, revision: REVISION, former, tracker, counts }))
    }
}

impl Writer for SqliteWriter<'_> {
    fn load_all(
        &mut self,
        district: &str,
        now: Mono,
    ) -> Result<Vec<(Arc<Address>, Loaded)>, StoreError> {
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

    fn begin(
        &mut self,
        wanted: &[Wanted<'_>],
        now: Mono,
    ) -> Result<Vec<(usize, Loaded)>, StoreError> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut news = Vec::new();
        for (at, wanted) in wanted.iter().enumerate() {
            if wanted.known.is_some() {
                continue;
            }
            self.gateway(wanted.address)?;
            if let Some(loaded) = self.load(wanted.address, now)? {
                news.push((at, loaded));
            }
        }
        Ok(news)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
    }

    fn begin_anew(&mut self, gw: i64, address: &Address) -> Result<i64, StoreError> {
        let number = self.former(address)?.len() + 1;
        let name = format!("{}{FORMER}{number}", address.gateway);
        self.connection
            .execute("UPDATE gateways SET gateway = ?2 WHERE gw = ?1", params![gw, name])?;
        Ok(self.gateway(address)?)
    }

    fn event(&mut self, event: &NewEvent<'_>) -> Result<bool, StoreError> {
        let NewEvent { gw, seq, class, recv, replayed, when, body } = *event;
        let rows = self.insert.execute(params![
            gw,
            signed(seq),
            class as u8,
            recv.0,
            replayed,
            body,
            when.utc.0,
            when.basis as u8
        ])?;
        Ok(rows > 0)
    }

    fn body(&mut self, gw: i64, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.body.query_row(params![gw, signed(seq)], |row| row.get(0)).optional()?)
    }

    fn conflict(&mut self, gw: i64, seq: Seq, recv: UtcMs, body: &[u8]) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO conflicts (gw, seq, digest, recv_ms, body) \
             SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM conflicts) < ?6 \
             ON CONFLICT DO UPDATE SET times = times + 1",
            params![gw, signed(seq), event::chain_hash(body), recv.0, body, MAX_ODD_ROWS],
        )?;
        Ok(())
    }

    fn quarantine(
        &mut self,
        gw: i64,
        topic: &str,
        seq: Option<Seq>,
        recv: UtcMs,
        reason: &str,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let digest = event::chain_hash(body);
        let kept = &body[..body.len().min(2 * event::MAX_PAYLOAD)];
        self.connection.execute(
            "INSERT INTO quarantine (topic, digest, gw, seq, recv_ms, reason, body) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT count(*) FROM quarantine) < ?8 \
             ON CONFLICT DO UPDATE SET times = times + 1",
            params![topic, digest, gw, seq.map(signed), recv.0, reason, kept, MAX_ODD_ROWS],
        )?;
        Ok(())
    }

    fn gap(
        &mut self,
        gw: i64,
        from: Seq,
        to: Seq,
        at: Seq,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO gaps (gw, from_seq, to_seq, at_seq, reason) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![gw, signed(from), signed(to), signed(at), reason],
        )?;
        Ok(())
    }

    fn chain_break(
        &mut self,
        gw: i64,
        seq: Seq,
        recv: UtcMs,
        expected: &str,
        found: &str,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO breaks (gw, seq, recv_ms, expected, found) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![gw, signed(seq), recv.0, expected, found],
        )?;
        Ok(())
    }

    fn newest(&mut self) -> Result<Option<UtcMs>, StoreError> {
        expire::newest(self.connection)
    }

    fn expire(&mut self, expiring: &Expiring<'_>) -> Result<Expired, StoreError> {
        expire::expire(self.connection, expiring)
    }

    fn expire_odd(&mut self, before: UtcMs) -> Result<u64, StoreError> {
        expire::odd(self.connection, before)
    }

    fn expire_told(&mut self, over: Over<'_>) -> Result<u64, StoreError> {
        expire::told(self.connection, over)
    }

    fn expire_looks(&mut self, expiring: &ExpiringLooks) -> Result<Expired, StoreError> {
        expire::looks(self.connection, expiring)
    }

    fn shot(&mut self, shot: &NewShot<'_>) -> Result<(), StoreError> {
        pictures::shot(self.connection, shot)
    }

    fn pictures(&mut self, pictures: &[NewPicture<'_>]) -> Result<Vec<bool>, StoreError> {
        pictures::keep(self.connection, pictures)
    }

    fn expire_pictures(&mut self, before: UtcMs, limit: u32) -> Result<u64, StoreError> {
        pictures::expire(self.connection, before, limit)
    }

    fn trim_pictures(&mut self, most: u64, limit: u32) -> Result<u64, StoreError> {
        pictures::trim(self.connection, most, limit)
    }

    fn anchor(&mut self, gw: i64, boot: &str) -> Result<Option<Anchor>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT utc_ms, mono_ns FROM anchors WHERE gw = ?1 AND boot = ?2")?;
        let anchor = statement.query_row(params![gw, boot], |row| {
            let mono = Mono(count(row.get(1)?));
            Ok(Anchor { utc: UtcMs(row.get(0)?), mono })
        });
        Ok(anchor.optional()?)
    }

    fn set_anchor(&mut self, gw: i64, boot: &str, anchor: Anchor) -> Result<u64, StoreError> {
        let mono = signed_count(anchor.mono.0);
        self.connection.execute(
            "INSERT INTO anchors (gw, boot, utc_ms, mono_ns) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET utc_ms = excluded.utc_ms, mono_ns = excluded.mono_ns",
            params![gw, boot, anchor.utc.0, mono],
        )?;
        let mut waiting = self
            .connection
            .prepare_cached("SELECT arrival, body FROM events WHERE gw = ?1 AND basis = 2")?;
        let mut corrected = Vec::new();
        let mut rows = waiting.query([gw])?;
        while let Some(row) = rows.next()? {
            let body: Vec<u8> = row.get(1)?;
            if let Some(time) = wire::stamped(&body).filter(|time| time.boot == boot) {
                corrected.push((row.get::<_, i64>(0)?, time.corrected(anchor)));
            }
        }
        let mut update = self
            .connection
            .prepare_cached("UPDATE events SET utc_ms = ?2, basis = ?3 WHERE arrival = ?1")?;
        for (arrival, utc) in &corrected {
            update.execute(params![arrival, utc.0, Basis::Anchor as u8])?;
        }
        Ok(corrected.len() as u64)
    }

    fn call(&mut self, call: &NewCall<'_>) -> Result<(), StoreError> {
        let (address, called) = (call.address, call.called);
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO calls (district, site, gateway, gw, seq, event, incident, class, kind, \
             severity, source, list, escalated, utc_ms, basis, recv_ms) VALUES (?1, ?2, ?3, ?4, \
             ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) ON CONFLICT DO NOTHING",
        )?;
        insert.execute(params![
            address.district.as_str(),
            address.site.as_str(),
            address.gateway.as_str(),
            call.gw,
            signed(call.seq),
            call.event,
            called.incident.as_str(),
            call.class as u8,
            call.kind,
            called.severity,
            called.source,
            called.list.as_ref().map_or("", Id::as_str),
            called.escalated,
            call.when.utc.0,
            call.when.basis as u8,
            call.recv.0
        ])?;
        Ok(())
    }

    fn call_over(&mut self, gw: i64, incident: &Id, end: End, at: UtcMs) -> Result<(), StoreError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE calls SET over = ?3, over_ms = ?4 \
             WHERE gw = ?1 AND incident = ?2 AND over IS NULL",
        )?;
        update.execute(params![gw, incident.as_str(), end.as_str(), at.0])?;
        Ok(())
    }

    fn progress(&mut self, progress: &Progress<'_>) -> Result<i64, StoreError> {
        self.progress.execute(params![
            progress.row,
            signed(progress.tracker.upto()),
            signed_count(progress.events),
            signed_count(progress.duplicates)
        ])?;
        Ok(REVISION)
    }
}
