//! The database: one file, one writer, and every fact in the transaction that brings it.
//!
//! SQLite in WAL mode with `synchronous=FULL`: a commit that has returned survives the power. The
//! canonical bytes of each event are kept as they came.
//!
//! | table | what |
//! |---|---|
//! | `gateways` | address (`g-1#1`: what `g-1` sent before its flash was wiped), the number up to which nothing is missing, events and duplicates seen |
//! | `events` | canonical bytes in order of arrival; unique by (gateway, seq) |
//! | `gaps` | ranges that a `system.gap` accounts for |
//! | `conflicts` | the same number with other content, once per content |
//! | `quarantine` | payloads that are no events, once per content |
//! | `breaks` | places where `prev` is not the hash of the event before |

mod read;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

pub use read::{Audit, Filter, Stored};
pub(crate) use write::{Loaded, Writer};

/// The layout of the tables, kept in `user_version`.
const VERSION: i64 = 1;

/// "gate" as a number: marks the file as ours (`application_id`).
const APPLICATION: i64 = 0x6761_7465;

/// Stands after a gateway's id, before the number, in the name of what it sent before its flash was
/// wiped and its numbers began anew.
pub(crate) const FORMER: char = '#';

/// Pages of 4 KiB in the WAL before they are moved into the file: 16 MiB. The default, 4 MiB,
/// moves the index's hot pages four times as often when a district's backlog comes in.
const CHECKPOINT_PAGES: u32 = 4096;

/// Where the events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file, made when it is not there. Beside it lie `-wal`, `-shm` and `.lock`, and
    /// the `.sock` of the program.
    File(PathBuf),
    /// In memory: for tests and demonstrations, gone with the receiver.
    Memory,
}

impl From<PathBuf> for Database {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be read or written: permissions, or a wrong path.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Another receiver has it open. Two at once would send each other's receipts.
    #[error("{0} is in use by another receiver; stop that one, or give this one its own --db file")]
    InUse(PathBuf),
    /// SQLite will not have it: the file is damaged, or is no database.
    #[error("cannot open {path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A database of something else, or of a newer receiver.
    #[error(
        "{path} is not a database of this receiver (application {application:#x}, layout {version}; allowed is {APPLICATION:#x}, {VERSION})"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its `application_id`.
        application: i64,
        /// Its `user_version`.
        version: i64,
    },
}

/// The open database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Held for its lock, which ends with the process however that ends.
    lock: Option<File>,
}

impl Store {
    /// Opens the database for the one receiver that writes it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(database: &Database) -> Result<Self, OpenError> {
        let Database::File(path) = database else {
            let path = PathBuf::from(":memory:");
            let connection = Connection::open_in_memory()
                .map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
            return Self::prepared(connection, None, &path);
        };
        let lock = lock(path)?;
        let connection = Connection::open(path)
            .map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
        Self::prepared(connection, Some(lock), path)
    }

    /// Opens the file only for reading; a receiver may be writing it meanwhile.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        std::fs::metadata(path)
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
        let found = marks(&connection).map_err(sqlite)?;
        if found != (APPLICATION, VERSION) {
            let (application, version) = found;
            return Err(OpenError::Foreign { path: path.to_owned(), application, version });
        }
        Ok(Self { connection, lock: None })
    }

    fn prepared(
        connection: Connection,
        lock: Option<File>,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let (application, version) = marks(&connection).map_err(sqlite)?;
        if ![(0, 0), (APPLICATION, VERSION)].contains(&(application, version)) {
            return Err(OpenError::Foreign { path: path.to_owned(), application, version });
        }
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}; PRAGMA temp_store=MEMORY; \
             PRAGMA busy_timeout=5000; BEGIN IMMEDIATE; {SCHEMA} \
             PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
            ))
            .map_err(sqlite)?;
        Ok(Self { connection, lock })
    }

    /// The one who writes.
    pub(crate) fn writer(&self) -> rusqlite::Result<Writer<'_>> {
        Writer::new(&self.connection)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // By word, not only by closing: a child that this process is just starting may still hold
        // a copy of the descriptor for a moment.
        if let Some(lock) = &self.lock {
            let _ = rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock);
        }
    }
}

fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let one = |pragma: &str| connection.query_row(pragma, [], |row| row.get(0));
    Ok((one("PRAGMA application_id")?, one("PRAGMA user_version")?))
}

fn lock(database: &Path) -> Result<File, OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::create(&path).map_err(|source| OpenError::Io { path, source })?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(database.to_owned())),
        Err(errno) => Err(OpenError::Io { path: database.to_owned(), source: errno.into() }),
    }
}

/// `events` is a rowid table, so that a district's events are appended whichever gateway they are
/// of; only the narrow index by number is written in many places.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS gateways (
  gw INTEGER PRIMARY KEY, district TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL,
  upto INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 0,
  duplicates INTEGER NOT NULL DEFAULT 0,
  UNIQUE (district, site, gateway)) STRICT;
CREATE TABLE IF NOT EXISTS events (
  arrival INTEGER PRIMARY KEY, gw INTEGER NOT NULL, seq INTEGER NOT NULL, class INTEGER NOT NULL,
  recv_ms INTEGER NOT NULL, replayed INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS events_by_seq ON events (gw, seq);
CREATE TABLE IF NOT EXISTS gaps (
  gw INTEGER NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL,
  at_seq INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (gw, from_seq, to_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conflicts (
  gw INTEGER NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, recv_ms INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1, body BLOB NOT NULL, PRIMARY KEY (gw, seq, digest)) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
  topic TEXT NOT NULL, digest BLOB NOT NULL, gw INTEGER, seq INTEGER, recv_ms INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1, reason TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (topic, digest)) STRICT;
CREATE TABLE IF NOT EXISTS breaks (
  gw INTEGER NOT NULL, seq INTEGER NOT NULL, recv_ms INTEGER NOT NULL, expected TEXT NOT NULL,
  found TEXT NOT NULL, PRIMARY KEY (gw, seq)) STRICT, WITHOUT ROWID;
";
