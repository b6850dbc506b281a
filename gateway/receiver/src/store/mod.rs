//! The database: every fact in the transaction that brings it.
//!
//! Two kinds, behind one [`Writer`](writer::Writer) and one [`Store`] to read: SQLite in a file for
//! one receiver, PostgreSQL for any number side by side. The canonical bytes of each event are kept
//! as they came.
//!
//! | table | what |
//! |---|---|
//! | `gateways` | address (`g-1#1`: what `g-1` sent before its flash was wiped), the number up to which nothing is missing, events and duplicates seen |
//! | `events` | canonical bytes in order of arrival, each with the best that is known of its time; unique by (gateway, seq) |
//! | `gaps` | ranges that a `system.gap` accounts for |
//! | `conflicts` | the same number with other content, once per content |
//! | `quarantine` | payloads that are no events, once per content |
//! | `breaks` | places where `prev` is not the hash of the event before |
//! | `handovers` | incidents that go to another control room or come from one, each as JSON |
//! | `handover_messages` | what the rooms have said of each, as on the wire; ours until a receipt is owed |
//! | `pictures`, `shots` | pictures of cameras, and what events say of them: see `pictures` |
//! | `looks` | who looked at a picture, or took pictures along: see `looks` |
//! | `anchors` | wall time at one instant of a boot, by which earlier events of it get their time |

pub(crate) mod calls;
mod database;
mod error;
mod ledger;
pub(crate) mod looks;
pub(crate) mod pictures;
pub(crate) mod postgres;
mod read;
pub(crate) mod shots;
mod sqlite;
mod writer;

pub use database::Database;
pub use error::{OpenError, StoreError};
pub(crate) use ledger::{Change, Kept, Ledger, Spoken, ledger};
pub(crate) use pictures::NewPicture;
pub use read::{Audit, Cursor, Filter, Page, Search, Stored};
pub(crate) use shots::NewShot;
pub use writer::{Basis, When};
pub(crate) use writer::{
    Expiring, ExpiringLooks, Loaded, NewCall, NewEvent, Progress, Wanted, Writer,
};

/// The layout of the tables.
const VERSION: i64 = 3;

/// Stands after a gateway's id, before the number, in the name of what it sent before its flash was
/// wiped and its numbers began anew.
pub(crate) const FORMER: char = '#';

/// The open database.
#[derive(Debug)]
pub struct Store {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Sqlite(sqlite::File),
    Postgres(Box<postgres::Client>),
}

impl Store {
    /// Opens the database for a receiver that writes it; a file for the only one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(database: &Database) -> Result<Self, OpenError> {
        let inner = match database {
            Database::File(path) => Inner::Sqlite(sqlite::File::open(path)?),
            Database::Memory => Inner::Sqlite(sqlite::File::in_memory()?),
            Database::Postgres(server) => {
                Inner::Postgres(Box::new(postgres::Client::open(server)?))
            }
        };
        Ok(Self { inner })
    }

    /// Opens it only for reading; receivers may be writing it meanwhile.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_to_read(database: impl Into<Database>) -> Result<Self, OpenError> {
        let inner = match database.into() {
            Database::File(path) => Inner::Sqlite(sqlite::File::open_to_read(&path)?),
            Database::Memory => Inner::Sqlite(sqlite::File::in_memory()?),
            Database::Postgres(server) => {
                Inner::Postgres(Box::new(postgres::Client::open_to_read(&server)?))
            }
        };
        Ok(Self { inner })
    }

    /// How this receiver signs its commits where others commit as well; none: there are no others.
    pub(crate) fn token(&self) -> Option<i64> {
        match &self.inner {
            Inner::Sqlite(_) => None,
            Inner::Postgres(client) => Some(client.token()),
        }
    }

    /// The one who writes.
    pub(crate) fn writer(&self) -> Result<Box<dyn Writer + '_>, StoreError> {
        Ok(match &self.inner {
            Inner::Sqlite(file) => Box::new(file.writer()?),
            Inner::Postgres(client) => Box::new(client.writer()),
        })
    }
}
