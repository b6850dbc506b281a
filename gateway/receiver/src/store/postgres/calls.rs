//! Telling responders from a server: one of its receivers tells, by a lease on the district's row.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::calls::{
    CALL, LEASE_S, Ledger, MOST_ROWS, OUTCOME, RawCall, RawOutcome, Told, Wanted, missing,
};
use super::super::{OpenError, StoreError};
use super::connection::{ANSWER_S, Session};
use super::{Client, Server, outside};
use crate::responders::{Call, End, Outcome, WAYS};

/// A connection of its own beside the one that commits.
#[derive(Debug)]
pub(in super::super) struct PostgresLedger(Client);

impl PostgresLedger {
    pub(in super::super) fn open(server: &Server) -> Result<Self, OpenError> {
        let ledger = Self(Client::open_to_read(server)?);
        let there = outside(|| ledger.rows("SELECT to_regclass('calls') IS NOT NULL", &[]));
        let there = there
            .map_err(|source| OpenError::Server { server: server.to_string(), source })?
            .first()
            .is_some_and(|row| row.get(0));
        if there { Ok(ledger) } else { Err(missing(server.to_string())) }
    }

    /// Waits for the server, but not for ever.
    fn ask<T>(
        &self,
        work: impl AsyncFnOnce(Arc<Session>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let session = self.0.session()?;
        let limit = Duration::from_secs(ANSWER_S);
        let Ok(answer) = self.0.wait(async { timeout(limit, work(session)).await }) else {
            self.0.hang_up();
            return Err(StoreError::Silent(ANSWER_S));
        };
        Ok(answer?)
    }

    fn rows(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.ask(async |session| session.client.query(sql, values).await)
    }

    fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        self.ask(async |session| session.client.execute(sql, values).await)
    }
}

fn call(row: &Row) -> RawCall {
    RawCall {
        number: row.get(0),
        site: row.get(1),
        gateway: row.get(2),
        seq: row.get(3),
        event: row.get(4),
        incident: row.get(5),
        class: row.get::<_, i16>(6).into(),
        kind: row.get(7),
        severity: row.get::<_, i16>(8).into(),
        source: row.get(9),
        list: row.get(10),
        escalated: row.get::<_, i16>(11).into(),
        utc: row.get(12),
        basis: row.get::<_, i16>(13).into(),
        recv: row.get(14),
        matter: row.get(15),
    }
}

/// An attempt whose columns begin at this one.
fn outcome(row: &Row, at: usize) -> RawOutcome {
    RawOutcome {
        matter: row.get(at),
        list: row.get(at + 1),
        round: row.get::<_, i32>(at + 2).into(),
        member: row.get(at + 3),
        way: row.get(at + 4),
        place: row.get::<_, i32>(at + 5).into(),
        pass: row.get::<_, i32>(at + 6).into(),
        at: row.get(at + 7),
        why: row.get(at + 8),
        next: row.get(at + 9),
        key: row.get(at + 10),
    }
}

fn small(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

impl Ledger for PostgresLedger {
    /// By the server's clock alone: those of the receivers may differ.
    fn lead(&mut self, district: &str) -> Result<bool, StoreError> {
        let changed = self.execute(
            "INSERT INTO tellers AS t (district, owner, until) \
             VALUES ($1, $2, now() + make_interval(secs => $3)) \
             ON CONFLICT (district) DO UPDATE SET owner = excluded.owner, until = excluded.until \
             WHERE t.owner = excluded.owner OR t.until < now()",
            &[&district, &self.0.token(), &f64::from(LEASE_S)],
        )?;
        Ok(changed == 1)
    }

    fn open_calls(&mut self, district: &str) -> Result<Vec<Call>, StoreError> {
        let rows = self.rows(
            &format!(
                "SELECT {CALL} FROM calls c WHERE c.district = $1 AND c.over IS NULL \
                 ORDER BY c.call LIMIT {MOST_ROWS}"
            ),
            &[&district],
        )?;
        Ok(rows.iter().map(call).filter_map(RawCall::read).collect())
    }

    fn tried(&mut self, district: &str) -> Result<Vec<Outcome>, StoreError> {
        let rows = self.rows(
            &format!(
                "SELECT {OUTCOME} FROM told t WHERE t.matter IN (SELECT c.matter FROM calls c \
                 WHERE c.district = $1 AND c.over IS NULL) ORDER BY t.told"
            ),
            &[&district],
        )?;
        Ok(rows.iter().map(|row| outcome(row, 0)).filter_map(RawOutcome::read).collect())
    }

    fn gather(&mut self, matter: i64, calls: &[i64]) -> Result<(), StoreError> {
        self.execute("UPDATE calls SET matter = $1 WHERE call = ANY($2)", &[&matter, &calls])?;
        Ok(())
    }

    fn over(&mut self, calls: &[i64], end: End, at: UtcMs) -> Result<(), StoreError> {
        self.execute(
            "UPDATE calls SET over = $1, over_ms = $2, matter = coalesce(matter, call) \
             WHERE over IS NULL AND call = ANY($3)",
            &[&end.as_str(), &at.0, &calls],
        )?;
        Ok(())
    }

    fn record(&mut self, district: &str, outcome: &Outcome) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO told (district, matter, list, round, member, way, place, pass, at_ms, \
             why, next_ms, token) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT DO NOTHING",
            &[
                &district,
                &outcome.matter,
                &outcome.list.as_str(),
                &small(outcome.round),
                &outcome.member.as_ref().map_or("", |member| member.as_str()),
                &outcome.way,
                &small(outcome.place),
                &small(outcome.pass),
                &outcome.at.0,
                &outcome.result.as_ref().err(),
                &outcome.next.map(|at| at.0),
                &outcome.key,
            ],
        )?;
        Ok(())
    }

    fn told(&mut self, district: Option<&str>, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        let first = if wanted.unpublished {
            "AND NOT t.published AND c.call = (SELECT min(m.call) FROM calls m WHERE m.matter = \
             t.matter)"
        } else {
            ""
        };
        let incident = wanted.incident.as_ref().map(Id::as_str);
        let (above, since) = (wanted.above.unwrap_or(-1), wanted.since.map_or(i64::MIN, |at| at.0));
        let rows = self.rows(
            &format!(
                "SELECT * FROM (SELECT t.told AS number, c.site, c.gateway, c.incident, c.kind, \
                 (SELECT count(*) FROM calls m WHERE m.matter = t.matter), {OUTCOME} \
                 FROM told t JOIN calls c ON c.matter = t.matter \
                 WHERE ($1::text IS NULL OR t.district = $1) \
                 AND ($2::text IS NULL OR c.incident = $2) AND t.told > $3 AND t.at_ms >= $4 \
                 {first} ORDER BY t.told DESC, c.call LIMIT $5) AS newest ORDER BY number"
            ),
            &[&district, &incident, &above, &since, &wanted.most],
        )?;
        let of = |row: &Row| {
            let id = |at: usize| row.get::<_, &str>(at).parse().ok();
            Some(Told {
                number: row.get(0),
                site: id(1)?,
                gateway: id(2)?,
                incident: id(3)?,
                kind: row.get(4),
                calls: row.get(5),
                outcome: outcome(row, 6).read()?,
            })
        };
        Ok(rows.iter().filter_map(of).collect())
    }

    fn published(&mut self, numbers: &[i64]) -> Result<(), StoreError> {
        self.execute("UPDATE told SET published = true WHERE told = ANY($1)", &[&numbers])?;
        Ok(())
    }

    fn failing(&mut self, district: &str) -> Result<Vec<(String, UtcMs, UtcMs)>, StoreError> {
        let rows = self.rows(
            "SELECT w.way, f.first, f.last FROM unnest($2::text[]) AS w (way), LATERAL \
             (SELECT min(t.at_ms) AS first, max(t.at_ms) AS last FROM told t \
             WHERE t.district = $1 AND t.way = w.way AND t.told > coalesce((SELECT o.told \
             FROM told o WHERE o.district = $1 AND o.way = w.way AND o.why IS NULL \
             ORDER BY o.told DESC LIMIT 1), 0)) AS f WHERE f.first IS NOT NULL",
            &[&district, &&WAYS[..]],
        )?;
        let of = |row: &Row| (row.get(0), UtcMs(row.get(1)), UtcMs(row.get(2)));
        Ok(rows.iter().map(of).collect())
    }
}
