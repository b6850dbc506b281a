//! Telling responders from a file: its one receiver tells.

use std::path::Path;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::super::calls::{
    CALL, Ledger, MOST_ROWS, OUTCOME, RawCall, RawOutcome, Told, Wanted, missing,
};
use super::super::{OpenError, StoreError};
use crate::responders::{Call, End, Outcome, WAYS};

/// As many numbers in one statement.
const BATCH: usize = 500;

/// A connection of its own beside the one that commits.
#[derive(Debug)]
pub(in super::super) struct SqliteLedger(Connection);

impl SqliteLedger {
    pub(in super::super) fn open(path: &Path, write: bool) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let connection = super::beside(path, write)?;
        if !connection.table_exists(None, "calls").map_err(sqlite)? {
            return Err(missing(path.display().to_string()));
        }
        Ok(Self(connection))
    }

    /// Changes the calls of these numbers, whatever their number.
    fn each(&mut self, sql: &str, first: &[&dyn ToSql], numbers: &[i64]) -> Result<(), StoreError> {
        let changes = self.0.transaction()?;
        for some in numbers.chunks(BATCH) {
            let marks = vec!["?"; some.len()].join(",");
            let values = first.iter().copied().chain(some.iter().map(|n| n as &dyn ToSql));
            changes.execute(&format!("{sql} IN ({marks})"), params_from_iter(values))?;
        }
        Ok(changes.commit()?)
    }
}

fn call(row: &Row<'_>) -> rusqlite::Result<RawCall> {
    Ok(RawCall {
        number: row.get(0)?,
        site: row.get(1)?,
        gateway: row.get(2)?,
        seq: row.get(3)?,
        event: row.get(4)?,
        incident: row.get(5)?,
        class: row.get(6)?,
        kind: row.get(7)?,
        severity: row.get(8)?,
        source: row.get(9)?,
        list: row.get(10)?,
        escalated: row.get(11)?,
        utc: row.get(12)?,
        basis: row.get(13)?,
        recv: row.get(14)?,
        matter: row.get(15)?,
    })
}

/// An attempt whose columns begin at this one.
fn outcome(row: &Row<'_>, at: usize) -> rusqlite::Result<RawOutcome> {
    Ok(RawOutcome {
        matter: row.get(at)?,
        list: row.get(at + 1)?,
        round: row.get(at + 2)?,
        member: row.get(at + 3)?,
        way: row.get(at + 4)?,
        place: row.get(at + 5)?,
        pass: row.get(at + 6)?,
        at: row.get(at + 7)?,
        why: row.get(at + 8)?,
        next: row.get(at + 9)?,
        key: row.get(at + 10)?,
    })
}

impl Ledger for SqliteLedger {
    fn lead(&mut self, _district: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn open_calls(&mut self, district: &str) -> Result<Vec<Call>, StoreError> {
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT {CALL} FROM calls c WHERE c.district = ?1 AND c.over IS NULL \
             ORDER BY c.call LIMIT {MOST_ROWS}"
        ))?;
        let rows = statement.query_map([district], call)?.collect::<Result<Vec<_>, _>>()?;
        Ok(rows.into_iter().filter_map(RawCall::read).collect())
    }

    fn tried(&mut self, district: &str) -> Result<Vec<Outcome>, StoreError> {
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT {OUTCOME} FROM told t WHERE t.matter IN (SELECT c.matter FROM calls c \
             WHERE c.district = ?1 AND c.over IS NULL) ORDER BY t.told"
        ))?;
        let rows = statement
            .query_map([district], |row| outcome(row, 0))?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(rows.into_iter().filter_map(RawOutcome::read).collect())
    }

    fn gather(&mut self, matter: i64, calls: &[i64]) -> Result<(), StoreError> {
        self.each("UPDATE calls SET matter = ? WHERE call", &[&matter], calls)
    }

    fn over(&mut self, calls: &[i64], end: End, at: UtcMs) -> Result<(), StoreError> {
        let sql = "UPDATE calls SET over = ?, over_ms = ?, matter = coalesce(matter, call) \
                   WHERE over IS NULL AND call";
        self.each(sql, &[&end.as_str(), &at.0], calls)
    }

    fn record(&mut self, district: &str, outcome: &Outcome) -> Result<(), StoreError> {
        self.0.execute(
            "INSERT INTO told (district, matter, list, round, member, way, place, pass, at_ms, \
             why, next_ms, token) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT DO NOTHING",
            params![
                district,
                outcome.matter,
                outcome.list.as_str(),
                outcome.round,
                outcome.member.as_ref().map_or("", |member| member.as_str()),
                outcome.way,
                i64::try_from(outcome.place).unwrap_or(i64::MAX),
                outcome.pass,
                outcome.at.0,
                outcome.result.as_ref().err(),
                outcome.next.map(|at| at.0),
                outcome.key
            ],
        )?;
        Ok(())
    }

    fn told(&mut self, district: Option<&str>, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        let first = if wanted.unpublished {
            "AND t.published = 0 AND c.call = (SELECT min(m.call) FROM calls m WHERE m.matter = \
             t.matter)"
        } else {
            ""
        };
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT * FROM (SELECT t.told, c.site, c.gateway, c.incident, c.kind, \
             (SELECT count(*) FROM calls m WHERE m.matter = t.matter), {OUTCOME} \
             FROM told t JOIN calls c ON c.matter = t.matter \
             WHERE (?1 IS NULL OR t.district = ?1) AND (?2 IS NULL OR c.incident = ?2) \
             AND t.told > ?3 AND t.at_ms >= ?4 {first} ORDER BY t.told DESC, c.call LIMIT ?5) \
             ORDER BY 1"
        ))?;
        let incident = wanted.incident.as_ref().map(Id::as_str);
        let (above, since) = (wanted.above.unwrap_or(-1), wanted.since.map_or(i64::MIN, |at| at.0));
        let rows =
            statement.query_map(params![district, incident, above, since, wanted.most], |row| {
                let strings: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
                Ok((row.get(0)?, strings, row.get(5)?, outcome(row, 6)?))
            })?;
        let rows: Vec<(i64, [String; 4], i64, RawOutcome)> = rows.collect::<Result<_, _>>()?;
        Ok(rows.into_iter().filter_map(told).collect())
    }

    fn published(&mut self, numbers: &[i64]) -> Result<(), StoreError> {
        self.each("UPDATE told SET published = 1 WHERE told", &[], numbers)
    }

    fn failing(&mut self, district: &str) -> Result<Vec<(String, UtcMs, UtcMs)>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "SELECT min(at_ms), max(at_ms) FROM told WHERE district = ?1 AND way = ?2 AND told > \
             coalesce((SELECT told FROM told WHERE district = ?1 AND way = ?2 AND why IS NULL \
             ORDER BY told DESC LIMIT 1), 0)",
        )?;
        let mut failing = Vec::new();
        for way in WAYS {
            let found: (Option<i64>, Option<i64>) =
                statement.query_row([district, way], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let (Some(first), Some(last)) = found {
                failing.push((way.to_owned(), UtcMs(first), UtcMs(last)));
            }
        }
        Ok(failing)
    }
}

fn told((number, strings, calls, outcome): (i64, [String; 4], i64, RawOutcome)) -> Option<Told> {
    let [site, gateway, incident, kind] = strings;
    let (site, gateway, incident) =
        (site.parse().ok()?, gateway.parse().ok()?, incident.parse().ok()?);
    Some(Told { number, site, gateway, incident, kind, calls, outcome: outcome.read()? })
}
