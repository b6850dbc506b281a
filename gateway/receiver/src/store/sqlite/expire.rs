//! Emptying what has had its time, in a file.

use gatehouse_core::event::Class;
use gatehouse_core::time::UtcMs;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::super::ledger;
use super::super::writer::{Expired, Expiring, ExpiringLooks, Over, seq};

pub(super) fn expire(
    connection: &Connection,
    expiring: &Expiring<'_>,
) -> Result<Expired, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT utc_ms, arrival, seq, class, body FROM events \
         WHERE (utc_ms, arrival) > (?1, ?2) AND utc_ms < ?3 ORDER BY utc_ms, arrival LIMIT ?4",
    )?;
    let (utc, arrival) = expiring.after;
    let mut rows = select.query(params![utc, arrival, expiring.until.0, expiring.limit])?;
    let mut expired = Expired { last: expiring.after, ..Expired::default() };
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        expired.looked += 1;
        expired.last = (row.get(0)?, row.get(1)?);
        let class = Class::from_number(row.get(3)?).unwrap_or(Class::System);
        let body = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        let left = (expiring.left)(class, UtcMs(expired.last.0), seq(row.get(2)?), body);
        gone.extend(left.map(|left| (expired.last.1, left)));
    }
    drop(rows);
    if gone.is_empty() {
        return Ok(expired);
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut update = connection.prepare_cached("UPDATE events SET body = ?2 WHERE arrival = ?1")?;
    for (arrival, left) in &gone {
        expired.gone += update.execute(params![arrival, left])? as u64;
    }
    connection.execute_batch("COMMIT")?;
    Ok(expired)
}

pub(super) fn odd(connection: &Connection, before: UtcMs) -> Result<u64, StoreError> {
    let mut gone = 0;
    for table in ["conflicts", "quarantine"] {
        let sql = format!("UPDATE {table} SET body = x'' WHERE recv_ms < ?1 AND length(body) > 0");
        gone += connection.execute(&sql, [before.0])? as u64;
    }
    Ok(gone)
}

pub(super) fn newest(connection: &Connection) -> Result<Option<UtcMs>, StoreError> {
    let sql = "SELECT utc_ms FROM events WHERE basis = 0 ORDER BY utc_ms DESC LIMIT 1";
    Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?.map(UtcMs))
}

/// Calls that are over with every attempt of theirs, and handovers that are over and owe nothing.
pub(super) fn told(connection: &Connection, over: Over<'_>) -> Result<u64, StoreError> {
    let changes = super::begin(connection)?;
    let mut gone = 0;
    let mut select =
        changes.prepare("SELECT call, class, utc_ms FROM calls WHERE over IS NOT NULL")?;
    let calls = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, UtcMs(row.get(2)?))))?
        .collect::<Result<Vec<(i64, u8, UtcMs)>, _>>()?;
    drop(select);
    for (call, class, utc) in calls {
        if Class::from_number(class).is_none_or(|class| over(class, utc)) {
            gone += changes.execute("DELETE FROM calls WHERE call = ?1", [call])?;
        }
    }
    // Of a storm, attempts go with the last of its calls.
    gone += changes.execute(
        "DELETE FROM told WHERE NOT EXISTS (SELECT 1 FROM calls c WHERE c.matter = told.matter)",
        [],
    )?;
    let mut select = changes.prepare(
        "SELECT room, id, facts FROM handovers h WHERE NOT open AND NOT EXISTS (SELECT 1 \
         FROM handover_messages m WHERE m.room = h.room AND m.id = h.id AND m.ours = 1 \
         AND NOT m.receipted)",
    )?;
    let handovers = select
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
        .collect::<Result<Vec<[String; 3]>, _>>()?;
    drop(select);
    for [room, id, facts] in handovers {
        if ledger::is_over(&facts, over) {
            for table in ["handover_messages", "handovers"] {
                let sql = format!("DELETE FROM {table} WHERE room = ?1 AND id = ?2");
                gone += changes.execute(&sql, [&room, &id])?;
            }
        }
    }
    changes.commit()?;
    Ok(gone as u64)
}

/// Looks at pictures that are gone, and at incidents of whose time no event is kept.
pub(super) fn looks(
    connection: &Connection,
    expiring: &ExpiringLooks,
) -> Result<Expired, StoreError> {
    let changes = super::begin(connection)?;
    // The index of pictures begins with their district, of which a look says nothing.
    let mut select = changes.prepare_cached(
        "SELECT look, CASE WHEN camera IS NULL THEN at_ms < ?3 ELSE NOT EXISTS (SELECT 1 \
         FROM pictures p WHERE p.district IN (SELECT district FROM gateways) AND p.site = l.site \
         AND p.gateway = l.gateway AND p.sha256 = l.sha256) END \
         FROM looks l WHERE look > ?1 AND at_ms < ?2 ORDER BY look LIMIT ?4",
    )?;
    let bundles = expiring.bundles.map_or(i64::MIN, |before| before.0);
    let values = params![expiring.after, expiring.before.0, bundles, expiring.limit];
    let found = select
        .query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, bool)>, _>>()?;
    drop(select);
    let mut expired = Expired { last: (expiring.after, 0), ..Expired::default() };
    let mut delete = changes.prepare_cached("DELETE FROM looks WHERE look = ?1")?;
    for (look, over) in found {
        expired.looked += 1;
        expired.last.0 = look;
        if over {
            expired.gone += delete.execute([look])? as u64;
        }
    }
    drop(delete);
    changes.commit()?;
    Ok(expired)
}
