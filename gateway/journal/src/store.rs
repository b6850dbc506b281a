//! The writer's half of the database: numbering, chaining and storing, one transaction at a time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatehouse_core::event::{self, Draft, GENESIS, Lane, RenderError, Stamp};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, Now};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::block::Block;
use crate::error::Failure;
use crate::files::{MARK_BLOCK, Paths, SeqMark};
use crate::kept::{self, Keep, Kept};
use crate::opens::Opens;
use crate::options::{Cursors, Options};
use crate::own::Author;
use crate::record::{Record, Session, compact, sum};
use crate::schema::{self, Meta, signed};

/// Marks that have moved are written with a commit at most this often: one page of the WAL for
/// each lone event would be a third of its flash, and losing a mark only costs duplicates.
const MARKS_EVERY: Duration = Duration::from_secs(5);

/// The end of the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub head: Seq,
    pub heads: Cursors,
    /// Hash of the newest event.
    pub hash: [u8; 32],
    pub block: Block,
}

impl Default for Tail {
    fn default() -> Self {
        let (head, heads, block) = (Seq::ZERO, Cursors::default(), Block::default());
        Self { head, heads, hash: GENESIS, block }
    }
}

pub(crate) struct Store {
    pub conn: Connection,
    pub paths: Paths,
    pub author: Author,
    pub tail: Tail,
    pub mark: SeqMark,
    /// Bytes of all bodies and heads stored by this process, as sent.
    pub payload_bytes: u64,
    /// What `meta` holds.
    written: Meta,
    marks_written: Mono,
    session: Session,
    opens: Opens,
    sources: HashMap<Id, Vec<(Cow<'static, str>, i64)>>,
    wal_pages: Arc<AtomicUsize>,
    checkpoint_pages: usize,
    checkpoint_at: usize,
    page_size: u64,
    quota_pages: Option<(u64, u64)>,
    body: Vec<u8>,
}

impl Store {
    /// The writer of an open database; `mark` is already saved and covers `session`.
    pub(crate) fn new(
        mut conn: Connection,
        paths: Paths,
        options: &Options,
        mark: SeqMark,
    ) -> Result<Self, Failure> {
        let wal_pages = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counter.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let page_size: u64 =
            conn.pragma_query_value(None, "page_size", |row| schema::number(row, 0))?;
        let checkpoint_pages = usize::try_from(options.checkpoint_bytes / page_size).unwrap_or(1);
        let quota_pages =
            options.quota_bytes.map(|bytes| (bytes / page_size, options.reserve_bytes / page_size));
        let mut store = Self {
            conn,
            paths,
            author: Author { gateway: options.gateway.clone(), boot: options.boot.clone() },
            tail: Tail::default(),
            mark,
            payload_bytes: 0,
            written: Meta::default(),
            marks_written: Mono::default(),
            session: Session {
                number: mark.session,
                gateway: options.gateway.clone(),
                boot: options.boot.clone(),
                this_boot: true,
            },
            opens: Opens::default(),
            sources: HashMap::new(),
            wal_pages,
            checkpoint_pages,
            checkpoint_at: checkpoint_pages,
            page_size,
            quota_pages,
            body: Vec::with_capacity(1024),
        };
        store.reload()?;
        Ok(store)
    }

    /// Reads the end of the journal from the file.
    fn reload(&mut self) -> Result<(), Failure> {
        self.written = schema::meta(&self.conn)?;
        self.tail = crate::tail::load(&self.conn)?;
        Ok(())
    }

    pub(crate) const fn session(&self) -> u64 {
        self.session.number
    }

    /// The durable marks and session.
    pub(crate) const fn written(&self) -> &Meta {
        &self.written
    }

    /// Makes this start's session durable.
    pub(crate) fn begin_session(&mut self) -> Result<(), Failure> {
        let session = self.session.number;
        self.transaction(|store| {
            let meta = Meta { session, ..store.written };
            schema::write_meta(&store.conn, &meta)?;
            store.written = meta;
            schema::write_session(&store.conn, session, &store.author.gateway, &store.author.boot)
        })
    }

    /// Stores drafts in one transaction. The first records are those of `drafts`, one each, in
    /// order; events about oversize drafts may follow.
    pub(crate) fn commit(
        &mut self,
        drafts: &mut [&mut Draft],
        keeps: &[Keep],
        now: &Now,
        marks: &Meta,
    ) -> Result<Vec<Record>, Failure> {
        self.transaction(|store| {
            let records = store.append(drafts, now)?;
            for Keep { key, value } in keeps {
                kept::write(&store.conn, key, value.as_deref())?;
            }
            let due = now.mono.since(store.marks_written) >= MARKS_EVERY;
            if due && store.moved(marks) {
                store.write_marks(marks, now.mono)?;
            }
            Ok(records)
        })
    }

    /// Keeps all of this and nothing else.
    pub(crate) fn keep_all(&mut self, facts: &Kept) -> Result<(), Failure> {
        self.transaction(|store| {
            store.conn.execute("DELETE FROM kept", [])?;
            for (key, value) in facts {
                kept::write(&store.conn, key, Some(value))?;
            }
            Ok(())
        })
    }

    /// Makes marks durable now, if they moved.
    pub(crate) fn flush(&mut self, marks: &Meta, now: &Now) -> Result<(), Failure> {
        if self.moved(marks) {
            self.transaction(|store| store.write_marks(marks, now.mono))?;
        }
        Ok(())
    }

    fn moved(&self, marks: &Meta) -> bool {
        (marks.host_upto, marks.acked) != (self.written.host_upto, self.written.acked)
    }

    pub(crate) fn write_marks(&mut self, marks: &Meta, at: Mono) -> Result<(), Failure> {
        let meta = Meta { session: self.written.session, ..*marks };
        schema::write_meta(&self.conn, &meta)?;
        self.written = meta;
        self.marks_written = at;
        Ok(())
    }

    /// Runs `work` in a transaction that either is on the disk when this returns, or never was.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let before = (self.tail, self.written, self.marks_written, self.payload_bytes);
        let outcome = self.execute("BEGIN IMMEDIATE").and_then(|()| work(self)).and_then(|value| {
            self.execute("COMMIT")?;
            Ok(value)
        });
        if outcome.is_err() {
            // SQLite has already rolled back after some failures.
            if !self.conn.is_autocommit()
                && let Err(error) = self.execute("ROLLBACK")
            {
                tracing::warn!(%error, "a failed transaction could not be rolled back");
            }
            (self.tail, self.written, self.marks_written, self.payload_bytes) = before;
            // Both may name what is not there now.
            self.opens.clear();
            self.sources.clear();
        }
        outcome
    }

    fn execute(&self, sql: &'static str) -> Result<(), Failure> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Inside a transaction: stores drafts at the end.
    pub(crate) fn append(
        &mut self,
        drafts: &mut [&mut Draft],
        now: &Now,
    ) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::with_capacity(drafts.len());
        let mut about = Vec::new();
        for draft in drafts {
            records.push(self.append_one(draft, now, &mut about)?);
        }
        for mut draft in about {
            // An event of ours has a bounded size: it cannot be oversize itself.
            records.push(self.append_one(&mut draft, now, &mut Vec::new())?);
        }
        Ok(records)
    }

    fn append_one(
        &mut self,
        draft: &mut Draft,
        now: &Now,
        about: &mut Vec<Draft>,
    ) -> Result<Record, Failure> {
        let seq = self.number()?;
        let mut source = self.source(draft)?;
        if let (None, Some(kind)) = (draft.opens, draft.closes) {
            draft.opens = self.opens.newest(&self.conn, source, kind)?;
        }
        let gateway = self.author.gateway.clone();
        let stamp =
            Stamp { gateway: &gateway, session: self.session.number, seq, prev: self.tail.hash };
        let canonical = match event::render(&stamp, draft) {
            Ok(canonical) => canonical,
            Err(error) => {
                let bytes = match error {
                    RenderError::TooLarge(bytes) => bytes,
                    RenderError::Json(_) => 0,
                };
                let fault = self.author.oversize(now, draft, bytes);
                // What happened matters more than its details: an alarm stays an alarm.
                draft.detail = Some(serde_json::json!({ "oversize": bytes }));
                draft.cause = None;
                if let Ok(canonical) = event::render(&stamp, draft) {
                    about.push(fault);
                    canonical
                } else {
                    *draft = fault;
                    source = self.source(draft)?;
                    event::render(&stamp, draft)
                        .map_err(|error| Failure::Other(error.to_string()))?
                }
            }
        };
        let hash = event::chain_hash(&canonical);
        let utc = draft.time.utc;
        compact(&self.session, seq, &stamp.prev, utc, &canonical, &mut self.body);
        insert(
            &self.conn,
            &Row {
                seq,
                class: draft.class,
                source,
                session: self.session.number,
                stored: now.mono,
                utc_ms: draft.time.utc.0,
                prev: &stamp.prev,
                hash: &hash,
                body: &self.body,
            },
        )?;
        self.opens.stored(source, draft.kind.clone(), seq, draft.opens);
        if let Some(done) = self.tail.block.add(seq, draft.class, draft.time.utc, source) {
            done.write(&self.conn)?;
        }
        self.tail.head = seq;
        *self.tail.heads.of_mut(draft.class.lane()) = seq;
        self.tail.hash = hash;
        self.payload_bytes += canonical.len() as u64;
        Ok(Record {
            seq,
            class: draft.class,
            session: self.session.number,
            stored: now.mono,
            this_boot: true,
            utc: draft.time.utc,
            payload: canonical.into(),
        })
    }

    /// The next number, declared as used before it is.
    fn number(&mut self) -> Result<Seq, Failure> {
        let seq = self.tail.head.next();
        if seq > self.mark.seq {
            let mark = SeqMark { seq: Seq(seq.0 + MARK_BLOCK), ..self.mark };
            mark.save(&self.paths).map_err(|error| match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Failure::Full(format!("seq.mark: {error}"))
                }
                _ => Failure::Other(format!("seq.mark: {error}")),
            })?;
            self.mark = mark;
        }
        Ok(seq)
    }

    fn source(&mut self, draft: &Draft) -> Result<i64, Failure> {
        let of_id = self.sources.get(&draft.source.id);
        if let Some((_, n)) =
            of_id.and_then(|kinds| kinds.iter().find(|(kind, _)| *kind == draft.source.kind))
        {
            return Ok(*n);
        }
        let n = schema::source_number(&self.conn, &draft.source.kind, &draft.source.id)?;
        let known = self.sources.entry(draft.source.id.clone()).or_default();
        known.push((draft.source.kind.clone(), n));
        Ok(n)
    }

    /// Copies the WAL into the database when it has grown enough. After the answers, not before.
    pub(crate) fn checkpoint_if_due(&mut self) -> Result<(), Failure> {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < self.checkpoint_at {
            return Ok(());
        }
        // A reader in the middle of a long query holds a passive checkpoint up. Rather than try
        // with each commit, let the WAL grow a quarter; at four times its size, wait for readers.
        let mode = if pages >= 4 * self.checkpoint_pages { "RESTART" } else { "PASSIVE" };
        // A failed attempt has written all pages up to the failure: not with each commit either.
        self.checkpoint_at = pages + self.checkpoint_pages / 4;
        let complete = self.checkpoint(mode)?;
        self.checkpoint_at = if complete {
            self.wal_pages.store(0, Ordering::Relaxed);
            self.checkpoint_pages
        } else {
            pages + self.checkpoint_pages / 4
        };
        Ok(())
    }

    /// Whether all of the WAL was copied.
    pub(crate) fn checkpoint(&self, mode: &'static str) -> Result<bool, Failure> {
        Ok(self.conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
        })?)
    }

    /// Leaves the files as the next start wants them: everything in the database, and the WAL with
    /// its space but next to no content.
    ///
    /// SQLite would remove the WAL when the last connection closes, and give its space to whatever
    /// fills the disk meanwhile.
    pub(crate) fn rest(&mut self) -> Result<(), Failure> {
        self.checkpoint("RESTART")?;
        self.transaction(|store| {
            // Anything that changes a page: the next content of the WAL begins at its start.
            store.conn.execute("UPDATE meta SET closes = closes + 1", [])?;
            Ok(())
        })
    }

    /// Bytes of pages in use: what `max_bytes` limits. Freed pages are used again before the file
    /// grows.
    pub(crate) fn used_bytes(&self) -> Result<u64, Failure> {
        let sql =
            "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count";
        let pages = self.conn.prepare_cached(sql)?.query_row([], |row| schema::number(row, 0))?;
        Ok(pages * self.page_size)
    }

    /// Applies [`Options::quota_bytes`]: what is left of the reserve counts against it.
    pub(crate) fn limit_pages(&self, reserve_left: u64) -> Result<(), Failure> {
        if let Some((quota, _)) = self.quota_pages {
            let pages = quota.saturating_sub(reserve_left / self.page_size);
            let _: i64 = self.conn.query_row(
                &format!("PRAGMA max_page_count = {}", pages.max(1)),
                [],
                |row| row.get(0),
            )?;
        }
        Ok(())
    }

    /// Whether the quota, if there is one, leaves room for the reserve again.
    pub(crate) fn quota_has_room(&self) -> Result<bool, Failure> {
        let Some((quota, reserve)) = self.quota_pages else { return Ok(true) };
        // A sixteenth of the reserve as margin, lest the next event fills it again at once.
        Ok(self.used_bytes()? / self.page_size + reserve + reserve / 16 < quota)
    }
}

/// One row of `event`.
pub(crate) struct Row<'a> {
    pub seq: Seq,
    pub class: gatehouse_core::event::Class,
    pub source: i64,
    pub session: u64,
    pub stored: Mono,
    pub utc_ms: i64,
    pub prev: &'a [u8; 32],
    pub hash: &'a [u8; 32],
    pub body: &'a [u8],
}

pub(crate) fn insert(conn: &Connection, row: &Row<'_>) -> Result<(), Failure> {
    let sql = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    conn.prepare_cached(sql)?.execute((
        signed(row.seq.0),
        row.class as u8,
        row.source,
        signed(row.session),
        signed(row.stored.0),
        row.utc_ms,
        row.prev.as_slice(),
        sum(row.hash),
        // JSON is UTF-8 by construction; binding it as bytes saves checking it again.
        ToSqlOutput::Borrowed(ValueRef::Text(row.body)),
    ))?;
    Ok(())
}

/// The lane of this word in SQL: a term that matches the partial index.
pub(crate) const fn lane_term(lane: Option<Lane>) -> &'static str {
    match lane {
        None => "1",
        Some(Lane::Alarm) => "class < 3",
        Some(Lane::Normal) => "class >= 3",
    }
}
