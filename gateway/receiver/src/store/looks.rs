//! Who looked at pictures, and who took them along: kept before anything is shown or written.
//!
//! | table | what |
//! |---|---|
//! | `looks` | each look at a picture on the wall, and each bundle that was made |
//!
//! The table is made where it is missing, beside the layout. Its rows have a time of their own
//! ([`Keep`](crate::Keep), a year), and stay longer where what they are of does: a look at a picture as long
//! as the picture, a bundle as long as any event of its time.

use gatehouse_core::time::UtcMs;

use super::postgres::PostgresLooks;
use super::sqlite::SqliteLooks;
use super::{Database, OpenError, StoreError};

/// Looks in a list, at most: the latest.
pub(crate) const MOST: i64 = 10_000;

/// One look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// When.
    pub(crate) at: UtcMs,
    /// An account of the wall, or `uid-1000` for a user of the machine.
    pub(crate) who: String,
    /// `wall`: it was shown; `bundle`: it was written into a file.
    pub(crate) via: String,
    pub(crate) site: String,
    pub(crate) gateway: String,
    /// Of the picture; of a bundle none.
    pub(crate) camera: Option<String>,
    /// Of what was given out.
    pub(crate) sha256: Option<String>,
    /// Whose pictures.
    pub(crate) incident: Option<String>,
}

/// See the module's page.
pub(crate) trait Looks {
    /// Records a look. When this returns `Ok`, it survives the power.
    fn record(&mut self, look: &Look) -> Result<(), StoreError>;

    /// The latest of them from then on, the oldest first.
    fn list(&mut self, since: UtcMs) -> Result<Vec<Look>, StoreError>;
}

/// Opens them; `write`: to record.
pub(crate) fn open(database: &Database, write: bool) -> Result<Box<dyn Looks>, OpenError> {
    match database {
        Database::File(path) => Ok(Box::new(SqliteLooks::open(path, write)?)),
        Database::Memory => Err(missing("a database in memory".to_owned())),
        Database::Postgres(server) => Ok(Box::new(PostgresLooks::open(server)?)),
    }
}

/// There is no table for them.
pub(super) fn missing(place: String) -> OpenError {
    OpenError::Foreign {
        place,
        found: "no table of looks".to_owned(),
        allowed: "one that `gatehouse-receiver run` of this version has opened".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_there_for_whoever_asks_later_and_the_latest_come_last() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::File(folder.path().join("r.db"));
        drop(super::super::Store::open(&database).unwrap());
        let look = |at: i64, who: &str| Look {
            at: UtcMs(at),
            who: who.to_owned(),
            via: "wall".to_owned(),
            site: "s-1".to_owned(),
            gateway: "g-1".to_owned(),
            camera: Some("gate".to_owned()),
            sha256: Some("ab".repeat(32)),
            incident: None,
        };
        let mut looks = open(&database, true).unwrap();
        let all = [look(1, "op-1"), look(2, "op-2"), look(3, "op-1")];
        for one in &all {
            looks.record(one).unwrap();
        }
        drop(looks);
        let mut later = open(&database, false).unwrap();
        assert_eq!(later.list(UtcMs(0)).unwrap(), all);
        assert_eq!(later.list(UtcMs(3)).unwrap(), all[2..]);
        assert!(later.record(&all[0]).is_err(), "who only reads records nothing");
    }
}
