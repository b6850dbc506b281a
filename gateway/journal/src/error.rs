//! One error type per operation, and the one place where SQLite's codes are judged.

use std::io;
use std::path::PathBuf;

use gatehouse_core::event::Draft;
use gatehouse_core::id::Seq;
use rusqlite::ErrorCode;

use crate::record::Record;

/// Why a journal could not be opened. A damaged file is no error: it is quarantined.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes this journal: a second daemon, or one that has not ended yet.
    #[error("the journal {} is in use by another process; stop that one first", dir.display())]
    InUse {
        /// The journal's folder.
        dir: PathBuf,
    },
    /// The folder or a file in it cannot be read or written: rights, a full or failing disk.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file was written by a newer version of this program.
    #[error("the journal {} has format {found}, this program knows up to {known}; install the version that wrote it", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that is understood.
        known: i64,
    },
    /// SQLite refused for a reason that is neither damage nor a full disk.
    #[error("the journal {} cannot be used: {why}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// In SQLite's words.
        why: String,
    },
}

/// Why drafts were not stored. What was not stored comes back.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// More drafts wait than the queue holds: the disk is too slow for this rate. The caller keeps
    /// the drafts and tries again after the next commit.
    #[error("{} drafts wait for the disk already; try again after the next commit", .waiting)]
    QueueFull {
        /// What was not taken.
        drafts: Vec<Draft>,
        /// How many wait.
        waiting: usize,
    },
    /// The disk is full: only the alarm lane is recorded, from the reserve, until space returns.
    #[error("the disk is full: {} stored, {} refused; free space, or lower [journal] max-mib", .stored.len(), .refused.len())]
    DiskFull {
        /// What was stored nevertheless.
        stored: Vec<Record>,
        /// What was not.
        refused: Vec<Draft>,
    },
    /// The disk fails. The journal goes on trying with every append.
    #[error("the journal's disk fails: {why}; check the medium (dmesg), replace it")]
    Io {
        /// What was not stored.
        drafts: Vec<Draft>,
        /// In SQLite's words.
        why: String,
    },
    /// The journal was closed, or its writer has died (an essential part: stop and restart).
    #[error("the journal is closed")]
    Closed {
        /// What was not stored.
        drafts: Vec<Draft>,
    },
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is damaged; the writer has been told and sets it aside. Try again.
    #[error("the journal is damaged and is being replaced: {0}; try again")]
    Damaged(String),
    /// The file cannot be read now.
    #[error("the journal cannot be read: {0}")]
    Failed(String),
}

/// Marks that were not taken: somebody acknowledges what this journal has never stored. An older
/// flash was put in, two boxes have one id, or it is our bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {told} is said to be delivered, but the newest that was ever stored is {head}")]
pub struct MarkError {
    /// The newest number that was told.
    pub told: Seq,
    /// The newest event.
    pub head: Seq,
}

/// Why retention did nothing.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The transaction failed; nothing was dropped. Try again later.
    #[error("nothing was dropped: {0}")]
    Failed(String),
}

/// Why marks were not made durable, or closing was not clean. Costs duplicates, no events.
#[derive(Debug, thiserror::Error)]
#[error("the marks were not written: {0}; events may be sent twice")]
pub struct FlushError(pub(crate) String);

/// How a failure of the database is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The file is not what was written: set it aside.
    Corrupt(String),
    /// No space: use the reserve.
    Full(String),
    /// The medium fails.
    Io(String),
    /// A newer format: refuse.
    Newer(i64),
    /// Anything else: report and try again.
    Other(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Corrupt(why) | Self::Full(why) | Self::Io(why) | Self::Other(why) => {
                f.write_str(why)
            }
            Self::Newer(format) => write!(f, "format {format} is newer than this program"),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        /// A file system that reports its own checksum failure on read.
        const IOERR_CORRUPTFS: i32 = 0x0a | (33 << 8);
        /// Fewer bytes than the file should have: a truncated database.
        const IOERR_SHORT_READ: i32 = 0x0a | (2 << 8);
        const IOERR_SHMSIZE: i32 = 0x0a | (19 << 8);
        let why = error.to_string();
        match &error {
            rusqlite::Error::SqliteFailure(code, _) => match code.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(why),
                ErrorCode::DiskFull => Self::Full(why),
                // The WAL's index could not grow: it lives in shared memory of the same disk.
                _ if code.extended_code == IOERR_SHMSIZE => Self::Full(why),
                _ if code.extended_code == IOERR_CORRUPTFS
                    || code.extended_code == IOERR_SHORT_READ =>
                {
                    Self::Corrupt(why)
                }
                ErrorCode::SystemIoFailure => Self::Io(format!("{why} ({})", code.extended_code)),
                // A key that exists twice or a NULL where none can be written: our statements
                // cannot cause it on a sound file.
                ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => Self::Corrupt(why),
                _ => Self::Other(why),
            },
            // A value that our schema cannot hold, or a row that must exist.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::QueryReturnedNoRows => Self::Corrupt(why),
            _ => Self::Other(why),
        }
    }
}
