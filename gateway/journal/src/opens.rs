//! Which events are open, so that a restore can name what it ends.
//!
//! Kept in memory for what was stored since the start; older ones are looked up through the index
//! on the source, once per source and type.

use std::borrow::Cow;
use std::collections::HashMap;

use gatehouse_core::id::Seq;
use rusqlite::Connection;
use serde::Deserialize;

use crate::error::Failure;
use crate::schema::number;

/// Open events of one type and source that are remembered; of more, the oldest are looked up again.
const REMEMBERED: usize = 16;

/// Events of a source that a look-up reads, newest first: a door that was opened longer ago than
/// this many of its own events has no opening left to name.
const SEARCHED: i64 = 512;

/// One type of event of one source.
#[derive(Debug)]
struct Open {
    kind: Cow<'static, str>,
    /// Ascending.
    seqs: Vec<Seq>,
    /// Nothing older than `seqs` is open.
    complete: bool,
}

/// The open events of every source.
#[derive(Debug, Default)]
pub(crate) struct Opens(HashMap<i64, Vec<Open>>);

#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    opens: Option<Seq>,
}

impl Opens {
    /// Forgets all, after a transaction that did not happen.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// An event was stored; `opens` is the one that it ends.
    pub(crate) fn stored(
        &mut self,
        source: i64,
        kind: Cow<'static, str>,
        seq: Seq,
        opens: Option<Seq>,
    ) {
        let all = self.0.entry(source).or_default();
        if let Some(ended) = opens {
            for open in all.iter_mut() {
                open.seqs.retain(|seq| *seq != ended);
            }
        }
        match all.iter_mut().find(|open| open.kind == kind) {
            Some(open) => {
                open.seqs.push(seq);
                if open.seqs.len() > REMEMBERED {
                    open.seqs.remove(0);
                    open.complete = false;
                }
            }
            None => all.push(Open { kind, seqs: vec![seq], complete: false }),
        }
    }

    /// The newest event of this type and source that is not closed yet.
    pub(crate) fn newest(
        &mut self,
        conn: &Connection,
        source: i64,
        kind: &'static str,
    ) -> Result<Option<Seq>, Failure> {
        let all = self.0.entry(source).or_default();
        if let Some(open) = all.iter_mut().find(|open| open.kind == kind) {
            if open.seqs.is_empty() && !open.complete {
                open.seqs = search(conn, source, kind)?;
                open.complete = true;
            }
            return Ok(open.seqs.last().copied());
        }
        let seqs = search(conn, source, kind)?;
        let newest = seqs.last().copied();
        all.push(Open { kind: kind.into(), seqs, complete: true });
        Ok(newest)
    }
}

/// The open events of this type, ascending, from the newest rows of the source.
fn search(conn: &Connection, source: i64, kind: &str) -> Result<Vec<Seq>, Failure> {
    let sql = "SELECT seq, body FROM event INDEXED BY event_source WHERE source = ?1 \
               ORDER BY seq DESC LIMIT ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query((source, SEARCHED))?;
    let mut closed = Vec::new();
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = Seq(number(row, 0)?);
        let body = row.get_ref(1)?.as_bytes().map_err(|e| Failure::Corrupt(e.to_string()))?;
        let Ok(glance) = serde_json::from_slice::<Glance<'_>>(body) else {
            return Err(Failure::Corrupt(format!("event {seq} is not JSON")));
        };
        closed.extend(glance.opens);
        if glance.kind == kind && !closed.contains(&seq) && open.len() < REMEMBERED {
            open.push(seq);
        }
    }
    open.reverse();
    Ok(open)
}
