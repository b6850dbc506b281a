//! Getting to a journal that can be written, whatever is found in the folder.

use std::fs;
use std::io;
use std::path::Path;

use gatehouse_core::id::Seq;

use crate::error::{Failure, OpenError};
use crate::files::{self, MARK_BLOCK, Paths, Reserve, SeqMark};
use crate::kept;
use crate::options::{Cursors, Options, Quarantine};
use crate::record::Record;
use crate::salvage::Salvage;
use crate::schema::{self, Found, Meta};
use crate::store::Store;

/// A writer, and what was wrong if something was.
pub(crate) fn open(
    options: &Options,
    paths: &Paths,
) -> Result<(Store, Option<Quarantine>), OpenError> {
    loop {
        match attempt(options, paths) {
            // A full disk must not keep the box from starting: the reserve is for this.
            Err(failure) if failure.is_full() => {
                let shrunk = Reserve::shrink(paths)
                    .map_err(|error| io_error("cannot shrink the reserve in", paths, error))?;
                if !shrunk {
                    return Err(failure.into_error(paths));
                }
            }
            other => return other.map_err(|failure| failure.into_error(paths)),
        }
    }
}

/// Less free space than this, and an error of input or output is taken for a full disk: SQLite
/// reports some of its files' failure to grow as such.
const FULL_BELOW: u64 = 256 << 10;

fn disk_is_full(paths: &Paths) -> bool {
    rustix::fs::statvfs(&paths.dir)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BELOW)
}

/// Why an attempt to open failed.
enum OpenFailure {
    Full(OpenError),
    Fatal(OpenError),
    Database(Failure),
}

impl OpenFailure {
    const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Database(Failure::Full(_)))
    }

    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let full = is_full(&source);
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

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
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
            Err(OpenFailure::Database(Failure::Io(why))) if disk_is_full(paths) => {
                return Err(Failure::Full(why).into());
            }
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
    // What is kept is read whole at once: damage there is found now, not in the middle of a day.
    kept::read(&conn)?;
    let head = crate::tail::load(&conn)?.head;
    let known = mark.unwrap_or_default();
    // Marks are renewed at half a block, so that a full disk has half a million numbers left.
    let ahead = known.seq.0.saturating_sub(head.0) >= MARK_BLOCK / 2;
    let mark = SeqMark {
        seq: if ahead { known.seq } else { Seq(head.0 + MARK_BLOCK) },
        session: meta.session.max(known.session) + 1,
    };
    let mark = match mark.save(paths) {
        Ok(()) => mark,
        // The numbers that are declared already will do, while no file can be written.
        Err(error) if is_full(&error) && known.seq > head => {
            SeqMark { session: mark.session, ..known }
        }
        Err(error) => return Err(OpenFailure::io("cannot write", &paths.mark, error)),
    };
    let mut store = Store::new(conn, paths.clone(), options, mark)?;
    if let Err(failure) = store.begin_session() {
        // The space that the WAL has will do, when what is in it can move to the database.
        if !matches!(failure, Failure::Full(_)) || !store.checkpoint("RESTART")? {
            return Err(failure.into());
        }
        store.begin_session()?;
    }
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
    let facts = old.as_ref().and_then(|old| kept::read(old).ok()).unwrap_or_default();
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
        if let Some((_, hash)) = newest {
            store.tail.hash = hash;
        }
        store.transaction(|store| {
            store.write_marks(&Meta { session: 0, host_upto, acked }, now.mono)?;
            let mut drafts: Vec<_> =
                holes.iter().map(|hole| store.author.gap(&now, *hole, "journal_lost")).collect();
            drafts.push(store.author.quarantined(&now, &quarantine));
            let mut drafts: Vec<_> = drafts.iter_mut().collect();
            for (key, value) in &facts {
                kept::write(&store.conn, key, Some(value))?;
            }
            schema::write_session(&store.conn, session, &store.author.gateway, &store.author.boot)?;
            store.append(&mut drafts, &now)?;
            Ok(())
        })?;
        store.checkpoint("TRUNCATE")?;
    }
    files::remove_wal(&fresh).map_err(|e| OpenFailure::io("cannot remove", &fresh, e))?;
    fs::rename(&fresh, &paths.database).map_err(|e| OpenFailure::io("cannot rename", &fresh, e))?;
    files::sync_dir(&paths.dir).map_err(|e| OpenFailure::io("cannot flush", &paths.dir, e))?;
    let Found::Journal(conn) = schema::open(&paths.database)? else {
        return Err(Failure::Other("a new journal is empty".to_owned()).into());
    };
    let mut store = Store::new(conn, paths.clone(), options, next_mark)?;
    store.begin_session()?;
    Ok((store, quarantine))
}
