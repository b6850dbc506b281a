//! Small facts that outlive a restart, stored in the transaction of the events that changed them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::error::Failure;

/// All facts, by their key.
pub type Kept = BTreeMap<String, String>;

/// One fact to be kept, or forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Whose it is, as `zone/hall`.
    pub key: String,
    /// What it is now; `None`: it is forgotten.
    pub value: Option<String>,
}

pub(crate) fn read(conn: &Connection) -> Result<Kept, Failure> {
    let mut statement = conn.prepare("SELECT key, value FROM kept")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Inside a transaction.
pub(crate) fn write(conn: &Connection, key: &str, value: Option<&str>) -> Result<(), Failure> {
    if let Some(value) = value {
        let sql = "INSERT INTO kept VALUES (?1, ?2) \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        conn.prepare_cached(sql)?.execute((key, value))?;
    } else {
        conn.prepare_cached("DELETE FROM kept WHERE key = ?1")?.execute([key])?;
    }
    Ok(())
}
