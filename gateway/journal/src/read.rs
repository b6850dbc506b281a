//! Reading: rows to records, and the connections that readers share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use gatehouse_core::event::{Class, Event, Lane, chain_hash};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, UtcMs};
use rusqlite::{Connection, Row, StatementStatus, ToSql};

use crate::block::{BLOCK, Sources};
use crate::error::{Failure, ReadError};
use crate::record::{Record, Session, expand, sum};
use crate::schema::{self, number, signed};
use crate::store::lane_term;

/// The columns of a row, in the order of [`Rows::record`].
const COLUMNS: &str = "e.seq, e.class, e.session, e.stored, e.utc_ms, e.prev, e.sum, e.body";

/// The most events that one call returns: answers are bounded, callers page on.
const MOST: usize = 10_000;

/// Connections kept open for the next reader: the uplink's, and one for the web page or a query.
const KEPT_CONNECTIONS: usize = 2;

/// A record with its links.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    pub record: Record,
    pub prev: [u8; 32],
    /// Of its own canonical bytes.
    pub hash: [u8; 32],
}

/// Turns rows into records; remembers the sessions that it met.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    boot: String,
    sessions: HashMap<u64, Session>,
}

impl Rows {
    pub(crate) fn new(boot: String) -> Self {
        Self { boot, ..Self::default() }
    }

    /// Reads one row of [`COLUMNS`].
    pub(crate) fn linked(&mut self, conn: &Connection, row: &Row<'_>) -> Result<Linked, Failure> {
        let seq = Seq(number(row, 0)?);
        let class: u8 = row.get(1)?;
        let class = Class::from_number(class)
            .ok_or_else(|| Failure::Corrupt(format!("event {seq} has class {class}")))?;
        let session = self.session(conn, number(row, 2)?)?;
        let prev: [u8; 32] = row.get(5)?;
        let body = row.get_ref(7)?.as_str().map_err(|e| Failure::Corrupt(e.to_string()))?;
        let utc = UtcMs(row.get(4)?);
        let payload = expand(session, seq, &prev, utc, body.as_bytes());
        let hash = chain_hash(&payload);
        if sum(&hash) != row.get::<_, i64>(6)? {
            return Err(Failure::Corrupt(format!("event {seq} is not what was stored")));
        }
        let record = Record {
            seq,
            class,
            session: session.number,
            stored: Mono(number(row, 3)?),
            this_boot: session.this_boot,
            utc,
            payload,
        };
        Ok(Linked { record, prev, hash })
    }

    fn session(&mut self, conn: &Connection, n: u64) -> Result<&Session, Failure> {
        match self.sessions.entry(n) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let (gateway, boot) = find_session(conn, n)?;
                let this_boot = boot == self.boot;
                Ok(place.insert(Session { number: n, gateway, boot, this_boot }))
            }
        }
    }

    /// Runs a query for [`COLUMNS`] and reads up to `limit` rows and about `max_bytes`.
    fn collect(
        &mut self,
        conn: &Connection,
        sql: &str,
        params: &[(&str, &dyn ToSql)],
        limit: usize,
        max_bytes: usize,
        found: &mut Vec<Linked>,
    ) -> Result<(), Failure> {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut bytes = 0;
        while found.len() < limit {
            let Some(row) = rows.next()? else { break };
            let linked = self.linked(conn, row)?;
            bytes += linked.record.payload.len();
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push(linked);
        }
        drop(rows);
        // Either would go through a million rows.
        debug_assert_eq!(statement.get_status(StatementStatus::AutoIndex), 0, "{sql}");
        debug_assert_eq!(statement.get_status(StatementStatus::Sort), 0, "{sql}");
        Ok(())
    }

    /// Hands the rows at or before `upto` to `each`, newest first, until it says no; of a row that
    /// is damaged in itself, the damage. An error says that a page could not be read; it comes
    /// after all rows that were read before.
    pub(crate) fn descend(
        &mut self,
        conn: &Connection,
        upto: Seq,
        mut each: impl FnMut(Result<Linked, Failure>) -> bool,
    ) -> Result<(), Failure> {
        let sql = format!("SELECT {COLUMNS} FROM event e WHERE e.seq <= ?1 ORDER BY e.seq DESC");
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query([signed(upto.0)])?;
        while let Some(row) = rows.next()? {
            if !each(self.linked(conn, row)) {
                break;
            }
        }
        Ok(())
    }

    /// The newest events, newest first.
    pub(crate) fn newest(
        &mut self,
        conn: &Connection,
        limit: usize,
    ) -> Result<Vec<Linked>, Failure> {
        let sql = format!("SELECT {COLUMNS} FROM event e ORDER BY e.seq DESC LIMIT :limit");
        let mut found = Vec::new();
        let params: [(&str, &dyn ToSql); 1] = [(":limit", &count(limit))];
        self.collect(conn, &sql, &params, limit, usize::MAX, &mut found)?;
        Ok(found)
    }

    /// Events with `after < seq <= upto` of a lane, oldest first.
    pub(crate) fn after(
        &mut self,
        conn: &Connection,
        lane: Option<Lane>,
        after: Seq,
        upto: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Linked>, Failure> {
        let index = if lane == Some(Lane::Alarm) { "INDEXED BY event_alarm" } else { "" };
        let sql = format!(
            "SELECT {COLUMNS} FROM event e {index} WHERE e.seq > :after AND e.seq <= :upto \
             AND {} ORDER BY e.seq LIMIT :limit",
            lane_term(lane)
        );
        let mut found = Vec::new();
        let params: [(&str, &dyn ToSql); 3] =
            [(":after", &signed(after.0)), (":upto", &signed(upto.0)), (":limit", &count(limit))];
        self.collect(conn, &sql, &params, limit, max_bytes, &mut found)?;
        Ok(found)
    }

    fn query(&mut self, conn: &Connection, query: &Query) -> Result<Vec<Linked>, Failure> {
        let limit = query.limit.min(MOST);
        let (low, high) = match (query.after, query.newest_first) {
            (Some(after), true) => (Seq::ZERO, Seq(after.0.saturating_sub(1))),
            (Some(after), false) => (after.next(), Seq(u64::MAX)),
            (None, _) => (Seq::ZERO, Seq(u64::MAX)),
        };
        let since = query.since.map_or(i64::MIN, |utc| utc.0);
        let until = query.until.map_or(i64::MAX, |utc| utc.0);
        let (first, last) = query.class.map_or((0, 9), |class| (class as u8, class as u8));
        let order = if query.newest_first { "DESC" } else { "ASC" };
        let rest = "e.utc_ms BETWEEN :since AND :until AND e.class BETWEEN :first AND :last";
        let mut found = Vec::new();
        // One read transaction: a block that is completed meanwhile is seen once.
        let snapshot = conn.unchecked_transaction()?;
        let params: Vec<(&str, &dyn ToSql)> =
            vec![(":since", &since), (":until", &until), (":first", &first), (":last", &last)];
        // Without an index, a source is searched in the blocks that it has events in.
        let (mut of_source, mut has_source) = (String::new(), String::new());
        if let Some((kind, id)) = &query.source {
            let Some(source) = schema::find_source(conn, kind, id)? else { return Ok(found) };
            // The plus keeps SQLite from making an index on all rows for this one search.
            of_source = format!("AND +e.source = {source}");
            has_source = format!("AND {}", Sources::condition(source));
        }
        // The newest block has no summary yet: its rows are read directly, before or after the
        // others as the order asks.
        let open: u64 = conn
            .prepare_cached("SELECT coalesce(max(n) + 1, 0) FROM block")?
            .query_row([], |row| number(row, 0))?;
        let open_from = Seq(open * BLOCK);
        let mask: u16 = query.class.map_or(u16::MAX, |class| 1 << (class as u8));
        let direct = format!(
            "SELECT {COLUMNS} FROM event e WHERE e.seq BETWEEN :low AND :high AND {rest} {of_source} \
             ORDER BY e.seq {order} LIMIT :limit"
        );
        // The plus keeps SQLite from going through all rows for each block.
        let blocks = format!(
            "SELECT {COLUMNS} FROM block b CROSS JOIN event e \
             ON e.seq BETWEEN b.n * {BLOCK} AND b.n * {BLOCK} + {BLOCK} - 1 \
             WHERE b.n BETWEEN :low / {BLOCK} AND :high / {BLOCK} AND b.classes & :mask \
             AND b.utc_max >= :since AND b.utc_min <= :until {has_source} \
             AND +e.seq BETWEEN :low AND :high AND {rest} {of_source} \
             ORDER BY b.n {order}, e.seq {order} LIMIT :limit"
        );
        for in_blocks in [!query.newest_first, query.newest_first] {
            let left = limit - found.len();
            if left == 0 {
                break;
            }
            let low = signed(if in_blocks { low } else { low.max(open_from) }.0);
            let limit_ = count(left);
            let high = signed(high.0);
            let mut params = params.clone();
            let more: [(&str, &dyn ToSql); 3] =
                [(":low", &low), (":high", &high), (":limit", &limit_)];
            params.extend(more);
            if in_blocks {
                params.push((":mask", &mask));
            }
            let sql = if in_blocks { &blocks } else { &direct };
            self.collect(conn, sql, &params, limit, usize::MAX, &mut found)?;
        }
        drop(snapshot);
        Ok(found)
    }
}

/// Whose session this was, and in which boot. Every event needs it to be read, so it stands in two
/// places: the table, and an index that holds all of it.
pub(crate) fn find_session(conn: &Connection, n: u64) -> Result<(Id, String), Failure> {
    let find = |sql: &str| -> Result<(Id, String), Failure> {
        let (gateway, boot): (String, String) = conn
            .prepare_cached(sql)?
            .query_row([signed(n)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let gateway =
            gateway.parse().map_err(|_| Failure::Corrupt(format!("session {n} has no gateway")))?;
        Ok((gateway, boot))
    };
    find("SELECT gateway, boot FROM session NOT INDEXED WHERE n = ?1").or_else(|failure| {
        find("SELECT gateway, boot FROM session INDEXED BY session_copy WHERE n = ?1")
            .map_err(|_| failure)
    })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit.min(MOST)).unwrap_or(i64::MAX)
}

/// What to look for. All that is given must match.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Happened at this wall time or later.
    pub since: Option<UtcMs>,
    /// Happened at this wall time or earlier.
    pub until: Option<UtcMs>,
    /// Of this class.
    pub class: Option<Class>,
    /// From this source: kind and id.
    pub source: Option<(String, Id)>,
    /// The last event of the page before: the answer begins with the one that follows it in the
    /// order asked for.
    pub after: Option<Seq>,
    /// Newest first instead of oldest first (in the order of storing).
    pub newest_first: bool,
    /// At most this many, and never more than 10,000.
    pub limit: usize,
}

/// Reads a journal, from any thread and any process, while it is written.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    boot: String,
    idle: Mutex<Vec<(Connection, Rows)>>,
    /// Which file the path names: a connection to an earlier one is not used again.
    generation: AtomicU64,
}

impl Reader {
    /// A reader of the journal in this folder. `boot` is the kernel's boot id, by which
    /// [`Record::this_boot`] is judged.
    pub fn open(dir: &Path, boot: impl Into<String>) -> Self {
        let path = crate::files::Paths::new(dir).database;
        Self { path, boot: boot.into(), idle: Mutex::default(), generation: AtomicU64::new(0) }
    }

    /// Events after `after`, oldest first: at most `limit` of them and about `max_bytes` of
    /// payload, but always one if there is one.
    ///
    /// # Errors
    /// The file is damaged, missing or cannot be read.
    pub fn read(
        &self,
        lane: Option<Lane>,
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.with(|conn, rows| rows.after(conn, lane, after, Seq(u64::MAX), limit, max_bytes))
            .map(records)
    }

    /// Events from `from` to `to`, both included, oldest first.
    ///
    /// # Errors
    /// The file is damaged, missing or cannot be read.
    pub fn range(&self, from: Seq, to: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        let Some(after) = from.0.checked_sub(1) else {
            return self.range(Seq(1), to, limit);
        };
        self.with(|conn, rows| rows.after(conn, None, Seq(after), to, limit, usize::MAX))
            .map(records)
    }

    /// Events that match.
    ///
    /// # Errors
    /// The file is damaged, missing or cannot be read.
    pub fn query(&self, query: &Query) -> Result<Vec<Record>, ReadError> {
        self.with(|conn, rows| rows.query(conn, query)).map(records)
    }

    /// The newest events of a source, newest first: from the blocks that it has events in.
    ///
    /// # Errors
    /// The file is damaged, missing or cannot be read.
    pub fn last_of_source(
        &self,
        kind: &str,
        id: &Id,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        let query = Query {
            source: Some((kind.to_owned(), id.clone())),
            newest_first: true,
            limit,
            ..Query::default()
        };
        self.with(|conn, rows| {
            rows.query(conn, &query)?
                .iter()
                .map(|found| {
                    serde_json::from_slice(&found.record.payload).map_err(|error| {
                        Failure::Corrupt(format!("event {}: {error}", found.record.seq))
                    })
                })
                .collect()
        })
    }

    /// Runs `work` on an idle connection, or a new one.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection, &mut Rows) -> Result<T, Failure>,
    ) -> Result<T, ReadError> {
        let generation = self.generation.load(Ordering::Acquire);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let outcome = match idle {
            Some(idle) => Ok(idle),
            None => schema::open_reader(&self.path).map(|c| (c, Rows::new(self.boot.clone()))),
        }
        .and_then(|(conn, mut rows)| {
            let value = work(&conn, &mut rows)?;
            // Only a connection that worked is used again.
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let same = self.generation.load(Ordering::Acquire) == generation;
            if same && idle.len() < KEPT_CONNECTIONS {
                idle.push((conn, rows));
            }
            Ok(value)
        });
        outcome.map_err(|failure| match failure {
            Failure::Corrupt(why) => ReadError::Damaged(why),
            other => ReadError::Failed(other.to_string()),
        })
    }

    /// Closes every idle connection: the file is about to be another one.
    pub(crate) fn forget(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        idle.clear();
    }
}

fn records(found: Vec<Linked>) -> Vec<Record> {
    found.into_iter().map(|linked| linked.record).collect()
}
