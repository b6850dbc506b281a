//! Handovers in a file.

use std::path::Path;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::super::ledger::{Change, Decide, Kept, Ledger, Spoken, read, written};
use super::super::writer::{count, signed_count};
use super::super::{OpenError, StoreError};
use super::schema;

/// A connection of its own to the receiver's file; the receiver holds the lock.
#[derive(Debug)]
pub(in super::super) struct Handovers {
    connection: Connection,
    room: String,
}

impl Handovers {
    pub(in super::super) fn open(path: &Path, room: &Id) -> Result<Self, OpenError> {
        Ok(Self { connection: super::beside(path, true)?, room: room.to_string() })
    }

    pub(in super::super) fn in_memory(room: &Id) -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let connection = Connection::open_in_memory().map_err(sqlite)?;
        schema::prepare(&connection, path)?;
        Ok(Self { connection, room: room.to_string() })
    }
}

impl Ledger for Handovers {
    fn change(&mut self, id: &Id, decide: Decide<'_>) -> Result<bool, StoreError> {
        let work = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let facts = work
            .query_row(
                "SELECT facts FROM handovers WHERE room = ?1 AND id = ?2",
                [&*self.room, id.as_str()],
                |row| row.get::<_, String>(0),
            )
            .optional()?;
        let known = match facts.as_deref().map(read) {
            Some(None) => return Ok(false),
            known => known.flatten(),
        };
        let Some(change) = decide(known) else { return Ok(false) };
        write(&work, &self.room, &change)?;
        work.commit()?;
        Ok(true)
    }

    fn heard(&mut self, id: &Id, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT payload FROM handover_messages \
                   WHERE room = ?1 AND id = ?2 AND ours = 0 AND number = ?3";
        let values = params![self.room, id.as_str(), signed_count(number)];
        let found = self.connection.query_row(sql, values, |row| row.get(0)).optional()?;
        Ok(found)
    }

    fn all(&mut self, since: UtcMs, most: i64) -> Result<Vec<Kept>, StoreError> {
        // One view for both: a receipt in between must not hide what it covers.
        let work = self.connection.transaction()?;
        let mut select = work.prepare_cached(
            "SELECT facts FROM handovers h WHERE room = ?1 AND (open OR changed_ms >= ?2 OR EXISTS \
             (SELECT 1 FROM handover_messages m WHERE m.room = h.room AND m.id = h.id \
             AND m.ours = 1 AND NOT m.receipted)) \
             ORDER BY open DESC, changed_ms DESC, id LIMIT ?3",
        )?;
        let facts =
            select.query_map(params![self.room, since.0, most], |row| row.get::<_, String>(0))?;
        let facts = facts.collect::<Result<Vec<_>, _>>()?;
        let mut owed = work.prepare_cached(
            "SELECT number, kind, at_ms, payload FROM handover_messages \
             WHERE room = ?1 AND id = ?2 AND ours = 1 AND NOT receipted ORDER BY number",
        )?;
        let mut all = Vec::new();
        for matter in facts.iter().filter_map(|facts| read(facts)) {
            let owed = owed.query_map([&*self.room, matter.id.as_str()], |row| {
                Ok(Spoken {
                    number: count(row.get(0)?),
                    kind: row.get(1)?,
                    at: UtcMs(row.get(2)?),
                    payload: row.get(3)?,
                })
            })?;
            let owed = owed.collect::<Result<Vec<_>, _>>()?;
            all.push(Kept { matter, owed });
        }
        Ok(all)
    }
}

fn write(work: &Connection, room: &str, change: &Change) -> Result<(), StoreError> {
    let Change { matter, said, heard, upto } = change;
    let id = matter.id.as_str();
    let at = said.iter().chain(heard).map(|spoken| spoken.at.0).max().unwrap_or(0);
    work.execute(
        "INSERT INTO handovers (room, id, peer, open, changed_ms, facts) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (room, id) DO UPDATE SET \
         open = excluded.open, facts = excluded.facts, \
         changed_ms = max(changed_ms, excluded.changed_ms)",
        params![room, id, matter.peer.as_str(), matter.is_open(), at, written(matter)],
    )?;
    let ours = said.iter().map(|one| (true, one));
    for (ours, spoken) in ours.chain(heard.iter().map(|one| (false, one))) {
        let Spoken { number, kind, at, payload } = spoken;
        work.execute(
            "INSERT INTO handover_messages (room, id, ours, number, kind, at_ms, payload) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![room, id, ours, signed_count(*number), kind, at.0, payload],
        )?;
    }
    if let Some(upto) = upto {
        work.execute(
            "UPDATE handover_messages SET receipted = 1 \
             WHERE room = ?1 AND id = ?2 AND ours = 1 AND number <= ?3 AND NOT receipted",
            params![room, id, signed_count(*upto)],
        )?;
    }
    Ok(())
}
