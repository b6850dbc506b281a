//! SQLite in WAL mode with `synchronous=FULL`: one file, one receiver, and a commit that has
//! returned survives the power.

mod calls;
mod expire;
mod handovers;
mod looks;
mod pictures;
mod read;
mod schema;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{OpenError, StoreError};
pub(super) use calls::SqliteLedger;
pub(super) use handovers::Handovers;
pub(super) use looks::SqliteLooks;
use write::SqliteWriter;

/// The open file.
#[derive(Debug)]
pub(super) struct File {
    connection: Connection,
    /// Held for its lock, which ends with the process however that ends.
    lock: Option<fs::File>,
}

impl File {
    pub(super) fn in_memory() -> Result<Self, OpenError> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory()
            .map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
        schema::prepare(&connection, &path)?;
        Ok(Self { connection, lock: None })
    }

    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let connection = Connection::open(path)
            .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
        schema::prepare(&connection, path)?;
        Ok(Self { connection, lock: Some(lock) })
    }

    pub(super) fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        fs::metadata(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
        schema::check(&connection, path)?;
        Ok(Self { connection, lock: None })
    }

    pub(super) fn writer(&self) -> Result<SqliteWriter<'_>, StoreError> {
        Ok(SqliteWriter::new(&self.connection)?)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // By word, not only by closing: a child that this process is just starting may still hold
        // a copy of the descriptor for a moment.
        if let Some(lock) = &self.lock {
            let _ = rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock);
        }
    }
}

/// A transaction that waits for its turn at its begin, and not in its middle.
fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// A connection beside the one that commits, to a file that is prepared: both wait for each other's
/// transactions, which are short.
fn beside(path: &Path, write: bool) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let flags = if write {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        fs::metadata(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    schema::check(&connection, path)?;
    // A commit of the events' writer takes tens of milliseconds; a checkpoint of a slow disk seconds.
    connection.busy_timeout(Duration::from_secs(10)).map_err(sqlite)?;
    if write {
        connection.execute_batch("PRAGMA synchronous=FULL").map_err(sqlite)?;
    }
    Ok(connection)
}

fn lock(database: &Path) -> Result<fs::File, OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = fs::File::create(&path).map_err(|source| OpenError::Io { path, source })?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(database.to_owned())),
        Err(errno) => Err(OpenError::Io { path: database.to_owned(), source: errno.into() }),
    }
}
