//! Looks in a file.

use std::path::Path;

use gatehouse_core::time::UtcMs;
use rusqlite::{Connection, params};

use super::super::looks::{Look, Looks, MOST, missing};
use super::super::{OpenError, StoreError};
use super::schema::LOOKS;

/// A connection of its own beside the one that commits.
#[derive(Debug)]
pub(in super::super) struct SqliteLooks(Connection);

impl SqliteLooks {
    pub(in super::super) fn open(path: &Path, write: bool) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let connection = super::beside(path, write)?;
        if write {
            connection.execute_batch(LOOKS).map_err(sqlite)?;
        } else if !connection.table_exists(None, "looks").map_err(sqlite)? {
            return Err(missing(path.display().to_string()));
        }
        Ok(Self(connection))
    }
}

impl Looks for SqliteLooks {
    fn record(&mut self, look: &Look) -> Result<(), StoreError> {
        let Look { at, who, via, site, gateway, camera, sha256, incident } = look;
        self.0.execute(
            "INSERT INTO looks (at_ms, who, via, site, gateway, camera, sha256, incident) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![at.0, who, via, site, gateway, camera, sha256, incident],
        )?;
        Ok(())
    }

    fn list(&mut self, since: UtcMs) -> Result<Vec<Look>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT at_ms, who, via, site, gateway, camera, sha256, incident FROM looks \
             WHERE at_ms >= ?1 ORDER BY look DESC LIMIT ?2",
        )?;
        let rows = select.query_map([since.0, MOST], |row| {
            Ok(Look {
                at: UtcMs(row.get(0)?),
                who: row.get(1)?,
                via: row.get(2)?,
                site: row.get(3)?,
                gateway: row.get(4)?,
                camera: row.get(5)?,
                sha256: row.get(6)?,
                incident: row.get(7)?,
            })
        })?;
        let mut all = rows.collect::<Result<Vec<_>, _>>()?;
        all.reverse();
        Ok(all)
    }
}
