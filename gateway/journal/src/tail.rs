//! Reading the end of a journal, and deciding whether it is believed.

use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use rusqlite::{Connection, OptionalExtension};
use rustix::rand::GetRandomFlags;

use crate::block::Block;
use crate::error::Failure;
use crate::options::Cursors;
use crate::read::Rows;
use crate::schema::number;
use crate::store::Tail;

/// Newest events whose chain is checked at open: the pages that a torn write can have touched.
/// The rest is checked when it is read, and by `verify`.
const CHECKED: usize = 64;

/// What an empty journal's chain begins with: `prev` of its first event. A box whose flash was wiped
/// numbers from 1 again; by this its events have other ids than those before, and the control room
/// sees that another journal has begun.
fn birth() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    // Unique, not secret: a box that has just booted for the first time need not wait for entropy.
    let filled = rustix::rand::getrandom(&mut bytes, GetRandomFlags::INSECURE)
        .map_err(|error| Failure::Io(format!("no random bytes: {error}")))?;
    if filled < bytes.len() {
        return Err(Failure::Io(format!("only {filled} random bytes")));
    }
    Ok(bytes)
}

/// The end of this journal.
pub(crate) fn load(conn: &Connection) -> Result<Tail, Failure> {
    let mut rows = Rows::new(String::new());
    let newest = rows.newest(conn, CHECKED)?;
    let Some(head) = newest.first() else {
        return Ok(Tail { hash: birth()?, ..Tail::default() });
    };
    for record in &newest {
        let event: Event = serde_json::from_slice(&record.record.payload)
            .map_err(|error| Failure::Corrupt(format!("event {}: {error}", record.record.seq)))?;
        if event.seq != record.record.seq || event.draft.class != record.record.class {
            return Err(Failure::Corrupt(format!(
                "the row {} holds the event {}",
                record.record.seq, event.seq
            )));
        }
    }
    for pair in newest.windows(2) {
        let (later, earlier) = (&pair[0], &pair[1]);
        let linked = earlier.record.seq.next() == later.record.seq;
        if linked && earlier.hash != later.prev {
            return Err(Failure::Corrupt(format!(
                "event {} is not the one that event {} follows",
                earlier.record.seq, later.record.seq
            )));
        }
    }
    let newest_of = |sql: &str| -> Result<Seq, Failure> {
        Ok(Seq(conn.query_row(sql, [], |row| number(row, 0)).optional()?.unwrap_or(0)))
    };
    let alarm =
        "SELECT seq FROM event INDEXED BY event_alarm WHERE class < 3 ORDER BY seq DESC LIMIT 1";
    let normal = "SELECT seq FROM event WHERE class >= 3 ORDER BY seq DESC LIMIT 1";
    Ok(Tail {
        head: head.record.seq,
        heads: Cursors { alarm: newest_of(alarm)?, normal: newest_of(normal)? },
        hash: head.hash,
        block: Block::summarise(conn, Block::of(head.record.seq))?,
    })
}
