//! Which events are open, so that a restore can name what it ends.
//!
//! Kept in memory for what was stored since the start; older ones are looked up in the blocks that
//! the source has events in, once per source and type.

use std::borrow::Cow;
use std::collections::HashMap;

use gatehouse_core::id::Seq;
use rusqlite::Connection;
use serde::Deserialize;

use crate::block::{Block, Sources};
use crate::error::Failure;
use crate::schema::{number, signed};

/// Open events of one type and source that are remembered; of more, the oldest are looked up again.
const REMEMBERED: usize = 16;

/// Blocks with events of a source that a look-up reads, newest first, some milliseconds in the worst
/// case: a door that was opened before all of them has no opening left to name.
const SEARCHED: i64 = 64;

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
                open.seqs.extend(search(conn, source, kind)?);
                open.complete = open.seqs.is_empty();
            }
            return Ok(open.seqs.last().copied());
        }
        let newest = search(conn, source, kind)?;
        let seqs: Vec<Seq> = newest.into_iter().collect();
        all.push(Open { kind: kind.into(), complete: seqs.is_empty(), seqs });
        Ok(newest)
    }
}

/// The newest open event of this type.
fn search(conn: &Connection, source: i64, kind: &str) -> Result<Option<Seq>, Failure> {
    let open = "SELECT coalesce(max(n) + 1, 0) FROM block";
    let open: u64 = conn.prepare_cached(open)?.query_row([], |row| number(row, 0))?;
    let blocks = format!(
        "SELECT n FROM block b WHERE {} ORDER BY n DESC LIMIT {SEARCHED}",
        Sources::condition(source)
    );
    let mut blocks = conn.prepare_cached(&blocks)?;
    let blocks = blocks.query_map([], |row| number(row, 0))?;
    let sql = "SELECT seq, body FROM event WHERE seq BETWEEN ?1 AND ?2 AND source = ?3 \
               ORDER BY seq DESC";
    let mut statement = conn.prepare_cached(sql)?;
    let mut closed = Vec::new();
    // The newest block has no summary yet.
    let newest = (Block::first(open), Seq(u64::MAX));
    let summarised = blocks.map(|n| n.map(|n| (Block::first(n), Block::last(n))));
    for block in std::iter::once(Ok(newest)).chain(summarised) {
        let (first, last) = block?;
        let mut rows = statement.query((signed(first.0), signed(last.0), source))?;
        while let Some(row) = rows.next()? {
            let seq = Seq(number(row, 0)?);
            let body = row.get_ref(1)?.as_bytes().map_err(|e| Failure::Corrupt(e.to_string()))?;
            let Ok(glance) = serde_json::from_slice::<Glance<'_>>(body) else {
                return Err(Failure::Corrupt(format!("event {seq} is not JSON")));
            };
            closed.extend(glance.opens);
            if glance.kind == kind && !closed.contains(&seq) {
                return Ok(Some(seq));
            }
        }
    }
    Ok(None)
}
