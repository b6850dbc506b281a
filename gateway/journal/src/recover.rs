//! Getting to a journal that can be written, whatever is found in the folder.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use gatehouse_core::event::{Event, GENESIS, chain_hash};
use gatehouse_core::id::Seq;
use gatehouse_core::time::Mono;
use rusqlite::Connection;

use crate::block::Block;
use crate::error::{Failure, OpenError};
use crate::files::{self, MARK_BLOCK, Paths, Reserve, SeqMark};
use crate::options::{Cursors, Options, Quarantine};
use crate::read::{Linked, Rows, find_session};
use crate::record::{Record, Session, compact};
use crate::schema::{self, Found, Meta, number};
use crate::store::{Row, Store, insert};

/// The time that salvage may take before recording goes on without the rest: newest events first,
/// and at some 100,000 a second all of a usual journal.
const SALVAGE_TIME: Duration = Duration::from_secs(10);

/// Events per transaction of salvage: what a disk that fills up meanwhile can take back.
const SALVAGE_STEP: u64 = 4096;

/// Runs of lost numbers that get a `system.gap` event each; older than that all is given up.
const SALVAGE_HOLES: usize = 256;

/// The longest stretch of numbers that is skipped at once where pages cannot be read.
const LONGEST_JUMP: u64 = 4096;

/// Reads that may fail before salvage is given up.
const SALVAGE_FAILURES: u32 = 10_000;

/// A writer, and what was wrong if something was.
pub(crate) fn open(
    options: &Options,
    paths: &Paths,
) -> Result<(Store, Option<Quarantine>), OpenError> {
    match attempt(options, paths) {
        Err(OpenFailure::Full(_)) => {
            // A full disk must not keep the box from starting: the reserve is for this.
            Reserve::release(paths).map_err(|error| io_error("cannot remove", paths, error))?;
            attempt(options, paths).map_err(|failure| failure.into_error(paths))
        }
        other => other.map_err(|failure| failure.into_error(paths)),
    }
}

/// Why an attempt to open failed.
enum OpenFailure {
    Full(OpenError),
    Fatal(OpenError),
    Database(Failure),
}

impl OpenFailure {
    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let full =
            matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let error = OpenError::Io { what, path: path.to_owned(), source };
        if full { Self::Full(error) } else { Self::Fatal(error) }
    }

    fn into_error(self, paths: &Paths) -> OpenError {
        let path = paths.database.clone();
        match self {
            Self::Full(error) | Self::Fatal(error) => error,
            Self::Database(Failure::Newer(found)) => {
                OpenError::Newer { path, found, known: schema::FORMAT }
            }
            Self::Database(failure) => OpenError::Database { path, why: failure.to_string() },
        }
    }
}

impl From<Failure> for OpenFailure {
    fn from(failure: Failure) -> Self {
        Self::Database(failure)
    }
}

fn io_error(what: &'static str, paths: &Paths, source: io::Error) -> OpenError {
    OpenError::Io { what, path: paths.dir.clone(), source }
}

fn attempt(options: &Options, paths: &Paths) -> Result<(Store, Option<Quarantine>), OpenFailure> {
    let mark = SeqMark::load(paths).map_err(|e| OpenFailure::io("cannot read", &paths.mark, e))?;
    let exists = fs::exists(&paths.database)
        .map_err(|e| OpenFailure::io("cannot look for", &paths.database, e))?;
    let reason = match (exists, mark) {
        (true, _) => match open_sound(options, paths, mark) {
            Ok(Some(store)) => return Ok((store, None)),
            // Creation was cut off before anything was stored.
            Ok(None) if mark.is_none() => {
                files::remove_database(&paths.database)
                    .map_err(|e| OpenFailure::io("cannot remove", &paths.database, e))?;
                return Ok((create_first(options, paths)?, None));
            }
            Ok(None) => "it holds no tables".to_owned(),
            // A medium that cannot give back the pages that opening reads is damage too.
            Err(OpenFailure::Database(Failure::Corrupt(why) | Failure::Io(why))) => why,
            Err(other) => return Err(other),
        },
        (false, None) => return Ok((create_first(options, paths)?, None)),
        (false, Some(_)) => "the file is missing".to_owned(),
    };
    let (store, quarantine) = quarantine(options, paths, reason, mark, &[], None)?;
    Ok((store, Some(quarantine)))
}

/// The first journal of this gateway.
fn create_first(options: &Options, paths: &Paths) -> Result<Store, OpenFailure> {
    let conn = schema::create(&paths.database, options.page_size)?;
    files::sync_dir(&paths.dir).map_err(|e| OpenFailure::io("cannot flush", &paths.dir, e))?;
    // After the schema, before any event: a mark without a journal means a lost journal.
    let mark = SeqMark { seq: Seq(MARK_BLOCK), session: 1 };
    mark.save(paths).map_err(|e| OpenFailure::io("cannot write", &paths.mark, e))?;
    let mut store = Store::new(conn, paths.clone(), options, mark)?;
    // The schema moves out of the WAL at once: whatever happens to a WAL, there is a database.
    store.checkpoint("PASSIVE")?;
    store.begin_session()?;
    Ok(store)
}

fn open_sound(
    options: &Options,
    paths: &Paths,
    mark: Option<SeqMark>,
) -> Result<Option<Store>, OpenFailure> {
    let Found::Journal(conn) = schema::open(&paths.database)? else { return Ok(None) };
    let meta = schema::meta(&conn)?;
    let head = crate::tail::load(&conn)?.head;
    let known = mark.unwrap_or_default();
    // Marks are renewed at half a block, so that a full disk has half a million numbers left.
    let ahead = known.seq.0.saturating_sub(head.0) >= MARK_BLOCK / 2;
    let mark = SeqMark {
        seq: if ahead { known.seq } else { Seq(head.0 + MARK_BLOCK) },
        session: meta.session.max(known.session) + 1,
    };
    mark.save(paths).map_err(|e| OpenFailure::io("cannot write", &paths.mark, e))?;
    let mut store = Store::new(conn, paths.clone(), options, mark)?;
    store.begin_session()?;
    Ok(Some(store))
}

/// Sets the database aside, takes over what can be read, and continues in a new file above every
/// number that may have been used.
///
/// `hot` are the newest events, if this process still has them; `head` is the newest number, if
/// this process knows it.
pub(crate) fn quarantine_running(
    options: &Options,
    paths: &Paths,
    reason: String,
    mark: SeqMark,
    hot: &[Record],
    head: Seq,
) -> Result<(Store, Quarantine), OpenError> {
    quarantine(options, paths, reason, Some(mark), hot, Some(head))
        .map_err(|failure| failure.into_error(paths))
}

fn quarantine(
    options: &Options,
    paths: &Paths,
    reason: String,
    mark: Option<SeqMark>,
    hot: &[Record],
    head: Option<Seq>,
) -> Result<(Store, Quarantine), OpenFailure> {
    tracing::error!(reason, "the journal cannot be used and is set aside");
    let now = options.clock.now();
    let existed = fs::exists(&paths.database)
        .map_err(|e| OpenFailure::io("cannot look for", &paths.database, e))?;
    let aside = existed
        .then(|| paths.set_aside())
        .transpose()
        .map_err(|e| OpenFailure::io("cannot set aside", &paths.database, e))?;

    // All of it happens beside the final name: the new file appears there whole, with the gap
    // events in it, or the next start begins again with the same mark.
    let fresh = paths.dir.join("journal.new.db");
    files::remove_database(&fresh).map_err(|e| OpenFailure::io("cannot remove", &fresh, e))?;
    let conn = schema::create(&fresh, options.page_size)?;
    let mut salvage = Salvage::new(options, &conn, now.mono);
    let old = aside.as_deref().and_then(|path| schema::open_reader(path).ok());
    let meta = old.as_ref().and_then(|old| schema::meta(old).ok()).unwrap_or_default();
    salvage.run(hot, old.as_ref(), mark.map(|mark| mark.seq))?;
    let Salvage { salvaged, newest, mut holes, oldest, .. } = salvage;
    let newest_seq = newest.as_ref().map_or(Seq::ZERO, |(seq, _)| *seq);

    // Numbering: where this process knows the head and still has it, right behind it; else above
    // everything that may have been used.
    let used = match (head, mark) {
        (Some(head), _) if head == newest_seq => head,
        (_, Some(mark)) => mark.seq.max(newest_seq),
        (_, None) => Seq(newest_seq.0 + 2 * MARK_BLOCK),
    };
    let before = mark.unwrap_or_default().session.max(meta.session);
    let session = if head.is_some() { before } else { before + 1 };
    let next_mark = SeqMark { seq: Seq(used.0 + MARK_BLOCK), session };
    next_mark.save(paths).map_err(|e| OpenFailure::io("cannot write", &paths.mark, e))?;

    // A host_upto above all numbers is not a number of ours: everything is sent again.
    let host_upto = if meta.host_upto <= used { meta.host_upto } else { Seq::ZERO };
    let bounded = |seq: Seq| if seq <= used { seq } else { Seq::ZERO };
    let acked = Cursors { alarm: bounded(meta.acked.alarm), normal: bounded(meta.acked.normal) };
    if let Some(oldest) = oldest
        && oldest.0 > 1
    {
        holes.push((Seq(1), Seq(oldest.0 - 1)));
    }
    let lost = (newest_seq.next(), used);
    if lost.0 <= lost.1 {
        holes.push(lost);
    }
    holes.retain(|(_, to)| *to > host_upto);
    for hole in &mut holes {
        hole.0 = hole.0.max(host_upto.next());
    }
    holes.sort_unstable();

    let quarantine = Quarantine { path: aside, reason, salvaged, lost };
    {
        let mut store = Store::new(conn, paths.clone(), options, next_mark)?;
        store.tail.head = used;
        store.tail.hash = newest.map_or(GENESIS, |(_, hash)| hash);
        store.transaction(|store| {
            store.write_marks(&Meta { session: 0, host_upto, acked }, now.mono)?;
            let mut drafts: Vec<_> =
                holes.iter().map(|hole| store.author.gap(&now, *hole, "journal_lost")).collect();
            drafts.push(store.author.quarantined(&now, &quarantine));
            let mut drafts: Vec<_> = drafts.iter_mut().collect();
            schema::write_session(&store.conn, session, &store.author.gateway, &store.author.boot)?;
            store.append(&mut drafts, &now)?;
            Ok(())
        })?;
        store.checkpoint("TRUNCATE")?;
        // Dropped here: the last connection that closes removes the WAL.
    }
    fs::rename(&fresh, &paths.database).map_err(|e| OpenFailure::io("cannot rename", &fresh, e))?;
    files::sync_dir(&paths.dir).map_err(|e| OpenFailure::io("cannot flush", &paths.dir, e))?;
    let Found::Journal(conn) = schema::open(&paths.database)? else {
        return Err(Failure::Other("a new journal is empty".to_owned()).into());
    };
    let mut store = Store::new(conn, paths.clone(), options, next_mark)?;
    store.begin_session()?;
    Ok((store, quarantine))
}

/// Takes events over into a new file, newest first.
struct Salvage<'a> {
    options: &'a Options,
    conn: &'a Connection,
    deadline: Mono,
    salvaged: u64,
    newest: Option<(Seq, [u8; 32])>,
    oldest: Option<Seq>,
    /// `prev` of the event read last, taken over or not, and its number.
    successor: Option<(Seq, [u8; 32])>,
    holes: Vec<(Seq, Seq)>,
    sessions: HashMap<u64, Session>,
}

impl<'a> Salvage<'a> {
    fn new(options: &'a Options, conn: &'a Connection, now: Mono) -> Self {
        let deadline = now.plus(SALVAGE_TIME);
        Self {
            options,
            conn,
            deadline,
            salvaged: 0,
            newest: None,
            oldest: None,
            successor: None,
            holes: Vec::new(),
            sessions: HashMap::new(),
        }
    }

    fn run(
        &mut self,
        hot: &[Record],
        old: Option<&Connection>,
        upto: Option<Seq>,
    ) -> Result<(), Failure> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let outcome = self.take_all(hot, old, upto);
        match outcome {
            Ok(()) => {}
            // What was taken over so far stays; the rest is lost.
            Err(Failure::Full(why)) => {
                tracing::error!(why, "the disk is full: not all events could be salvaged");
                if !self.conn.is_autocommit() {
                    self.conn.execute_batch("ROLLBACK")?;
                }
                self.recount()?;
                self.conn.execute_batch("BEGIN IMMEDIATE")?;
            }
            Err(other) => return Err(other),
        }
        let blocks = {
            let mut statement =
                self.conn.prepare("SELECT DISTINCT seq / 256 FROM event ORDER BY 1")?;
            let blocks = statement.query_map([], |row| number(row, 0))?;
            blocks.collect::<Result<Vec<u64>, _>>()?
        };
        // Without the newest: its row is written when an event of a later block is stored.
        for n in blocks.into_iter().rev().skip(1) {
            Block::summarise(self.conn, n)?.write(self.conn)?;
        }
        self.conn.execute_batch("COMMIT")?;
        Ok(())
    }

    fn take_all(
        &mut self,
        hot: &[Record],
        old: Option<&Connection>,
        upto: Option<Seq>,
    ) -> Result<(), Failure> {
        for record in hot.iter().rev() {
            self.take(record, old)?;
        }
        let Some(old) = old else { return Ok(()) };
        let mut rows = Rows::new(self.options.boot.clone());
        let mut at = Seq(self.oldest.map_or(u64::MAX, |seq| seq.0 - 1));
        let mut jump = 1;
        for _ in 0..SALVAGE_FAILURES {
            let mut reached = None;
            let mut ours: Option<Failure> = None;
            let outcome = rows.descend(old, at, |read| {
                // A row that is damaged in itself leaves a hole.
                if let Ok(linked) = read {
                    reached = Some(linked.record.seq);
                    ours = self.consider(&linked, old).err();
                }
                ours.is_none() && self.in_time() && self.holes.len() < SALVAGE_HOLES
            });
            if let Some(failure) = ours {
                return Err(failure);
            }
            if outcome.is_ok() || !self.in_time() {
                return Ok(());
            }
            // A page that cannot be read: try below it, further below each time.
            let next = match (reached, upto) {
                (Some(seq), _) => {
                    jump = 1;
                    seq.0.checked_sub(1)
                }
                (None, Some(upto)) if at.0 == u64::MAX => Some(upto.0),
                (None, None) if at.0 == u64::MAX => None,
                (None, _) => {
                    jump = (jump * 2).min(LONGEST_JUMP);
                    at.0.checked_sub(jump / 2)
                }
            };
            let Some(next) = next else { return Ok(()) };
            at = Seq(next);
        }
        Ok(())
    }

    fn in_time(&self) -> bool {
        self.options.clock.now().mono < self.deadline
    }

    /// Takes an event over if it is the one that its successor follows.
    fn consider(&mut self, linked: &Linked, old: &Connection) -> Result<(), Failure> {
        let seq = linked.record.seq;
        let linked_to = self.successor.filter(|(next, _)| *next == seq.next());
        self.successor = Some((seq, linked.prev));
        if linked_to.is_some_and(|(_, prev)| prev != linked.hash) {
            return Ok(());
        }
        self.take(&linked.record, Some(old))
    }

    fn take(&mut self, record: &Record, old: Option<&Connection>) -> Result<(), Failure> {
        let Ok(event) = serde_json::from_slice::<Event>(&record.payload) else { return Ok(()) };
        if event.seq != record.seq || event.draft.class != record.class {
            return Ok(());
        }
        let Some(prev) = unhex(&event.prev) else { return Ok(()) };
        let source = &event.draft.source;
        let number = schema::source_number(self.conn, &source.kind, &source.id)?;
        let session = self.session(record.session, old)?;
        let hash = chain_hash(&record.payload);
        let mut body = Vec::new();
        compact(session, record.seq, &prev, &record.payload, &mut body);
        insert(
            self.conn,
            &Row {
                seq: record.seq,
                class: record.class,
                source: number,
                session: record.session,
                stored: record.stored,
                utc_ms: record.utc.0,
                prev: &prev,
                hash: &hash,
                body: &body,
            },
        )?;
        if let Some(later) = self.oldest
            && record.seq.next() < later
        {
            self.holes.push((record.seq.next(), Seq(later.0 - 1)));
        }
        self.oldest = Some(record.seq);
        self.newest.get_or_insert_with(|| (record.seq, hash));
        self.successor = Some((record.seq, prev));
        self.salvaged += 1;
        if self.salvaged.is_multiple_of(SALVAGE_STEP) {
            self.conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(PASSIVE); BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// The session of an event that is taken over: as the old file knows it, or, for one that only
    /// memory has, as this process does.
    fn session(&mut self, number: u64, old: Option<&Connection>) -> Result<&Session, Failure> {
        match self.sessions.entry(number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let ours = || (self.options.gateway.clone(), self.options.boot.clone());
                let found = old.and_then(|old| find_session(old, number).ok());
                let (gateway, boot) = found.unwrap_or_else(ours);
                schema::write_session(self.conn, number, &gateway, &boot)?;
                Ok(place.insert(Session { number, gateway, boot, this_boot: false }))
            }
        }
    }

    /// What is in the file after a transaction of salvage was taken back.
    fn recount(&mut self) -> Result<(), Failure> {
        let sql = "SELECT count(*), coalesce(min(seq), 0) FROM event";
        let (events, oldest) =
            self.conn.query_row(sql, [], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
        self.salvaged = events;
        self.oldest = (events > 0).then_some(Seq(oldest));
        if events == 0 {
            self.newest = None;
            self.holes.clear();
        }
        self.holes.retain(|(from, _)| from.0 > oldest);
        Ok(())
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}
