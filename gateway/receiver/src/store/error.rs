//! What can go wrong with a database, for whoever has to mend it.

use std::fmt;
use std::path::PathBuf;

use tokio_postgres::error::SqlState;

use crate::password::PasswordError;

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
    #[error(
        "{0} is in use by another receiver; stop that one, give this one its own --db file, or let \
         both share a PostgreSQL: --db postgres://HOST/DATABASE"
    )]
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
    #[error("{place} is not a database of this receiver ({found}; allowed is {allowed})")]
    Foreign {
        /// The file or server.
        place: String,
        /// What it says of itself.
        found: String,
        /// What it should say.
        allowed: String,
    },
    /// The PostgreSQL server is away, refuses the user, or cannot do what is needed.
    #[error("cannot open {server}: {source}{hint}", hint = hint(source))]
    Server {
        /// The server, without its secrets.
        server: String,
        /// Why.
        source: StoreError,
    },
}

/// Why the open database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file's disk is full or failing, or the file is damaged.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The server refuses something, or the connection to it is lost.
    #[error("PostgreSQL: {}", told(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The server does not answer in this time.
    #[error("PostgreSQL: no answer within {0} s")]
    Silent(u64),
    /// The password's file.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The files of TLS, or what TLS says of the server.
    #[error("PostgreSQL: {0}")]
    Tls(String),
    /// Other receivers changed what this one was about to; it reads anew and tries again.
    #[error("another receiver was faster; this one reads anew")]
    Overtaken,
}

impl StoreError {
    /// Whether trying again at once is right: another receiver was in the way, nothing is broken.
    pub(crate) fn is_contention(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Postgres(error) => error.code().is_some_and(|code| {
                [
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::UNIQUE_VIOLATION,
                ]
                .contains(code)
            }),
            _ => false,
        }
    }

    /// Whether it ends without anybody's help: the server, or the way to it, is away. What the
    /// database itself says of a statement or of its contents does not.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Silent(_) => true,
            // Without a code it is the connection that failed. Classes of PostgreSQL's appendix A:
            // 08 connection, 53 resources, 57 the operator's intervention.
            Self::Postgres(error) => error
                .code()
                .is_none_or(|code| ["08", "53", "57"].iter().any(|c| code.code().starts_with(c))),
            _ => self.is_contention(),
        }
    }
}

/// The server's own words: the crate's are only "db error".
struct Told<'a>(&'a tokio_postgres::Error);

fn told(error: &tokio_postgres::Error) -> Told<'_> {
    Told(error)
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(db) = self.0.as_db_error() {
            write!(f, "{} ({})", db.message(), db.code().code())?;
            return db.detail().map_or(Ok(()), |detail| write!(f, ": {detail}"));
        }
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// What to do about a server that cannot be opened.
fn hint(error: &StoreError) -> &'static str {
    let StoreError::Postgres(error) = error else { return "" };
    match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD => {
            "; hint: --db-password-file names the file with the user's password"
        }
        Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "; hint: pg_hba.conf must let this user in from here (with TLS: --db-ca)"
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => {
            "; hint: createdb makes a database"
        }
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; hint: the user needs CREATE on the database once, or a schema `gatehouse` of its own"
        }
        Some(_) => "",
        None => "; hint: is the server there? --db postgres://USER@HOST:PORT/DATABASE",
    }
}
