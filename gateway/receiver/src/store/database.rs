//! Where the events are kept: a file, memory, or a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};

use super::postgres::Server;

/// Where the events are kept.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file, made when it is not there. Beside it lie `-wal`, `-shm` and `.lock`, and
    /// the `.sock` of the program. One receiver writes it.
    File(PathBuf),
    /// In memory: for tests and demonstrations, gone with the receiver.
    Memory,
    /// A PostgreSQL server. Any number of receivers write it side by side.
    Postgres(Box<Server>),
}

impl From<PathBuf> for Database {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&PathBuf> for Database {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&Database> for Database {
    fn from(database: &Database) -> Self {
        database.clone()
    }
}

impl From<Server> for Database {
    fn from(server: Server) -> Self {
        Self::Postgres(Box::new(server))
    }
}

/// For people: a path, or a server without its secrets.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory => f.write_str(":memory:"),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}
