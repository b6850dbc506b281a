//! Reading a file.

use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql, params_from_iter};

use super::super::read::{Cell, Each, Life, Reading, Select, Side, Value};
use super::super::writer::{count, seq};
use super::super::{Basis, StoreError, Stored, When};
use super::File;

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Integer(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}

impl Reading for File {
    fn events(&self, select: &Select, each: Each<'_>) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(&select.sql)?;
        let mut rows = statement.query(params_from_iter(&select.values))?;
        while let Some(row) = rows.next()? {
            if !each(stored(row)?) {
                break;
            }
        }
        Ok(())
    }

    fn still(&self, look: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let _view = self.connection.unchecked_transaction()?;
        look()
    }

    fn cells(&self, select: &Select, each: &mut dyn FnMut(Vec<Cell>)) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(&select.sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(&select.values))?;
        while let Some(row) = rows.next()? {
            let cell = |at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Integer(value) => Cell::Integer(value),
                    ValueRef::Text(value) => Cell::Text(String::from_utf8_lossy(value).into()),
                    ValueRef::Blob(value) => Cell::Bytes(value.to_vec()),
                    ValueRef::Null | ValueRef::Real(_) => Cell::Null,
                })
            };
            each((0..columns).map(cell).collect::<rusqlite::Result<_>>()?);
        }
        Ok(())
    }

    fn lives(&self, gateway: Option<&Id>) -> Result<Vec<Life>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT gw, site, gateway, duplicates FROM gateways \
             WHERE ?1 IS NULL OR gateway = ?1 OR gateway GLOB ?1 || '#*' ORDER BY site, gateway",
        )?;
        let lives = statement.query_map([gateway.map(Id::as_str)], |row| {
            Ok(Life {
                row: row.get(0)?,
                site: row.get(1)?,
                gateway: row.get(2)?,
                duplicates: count(row.get(3)?),
            })
        })?;
        Ok(lives.collect::<Result<_, _>>()?)
    }

    fn bodies(&self, life: i64, each: &mut dyn FnMut(Seq, i64, &[u8])) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT seq, class, body FROM events WHERE gw = ?1 ORDER BY seq")?;
        let mut rows = statement.query([life])?;
        while let Some(row) = rows.next()? {
            let body = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            each(seq(row.get(0)?), row.get(1)?, body);
        }
        Ok(())
    }

    fn side(&self, life: i64) -> Result<Side, StoreError> {
        let ranges = |sql: &str| -> rusqlite::Result<Vec<(Seq, Seq)>> {
            let mut statement = self.connection.prepare(sql)?;
            let rows =
                statement.query_map([life], |row| Ok((seq(row.get(0)?), seq(row.get(1)?))))?;
            rows.collect()
        };
        let quarantined = ranges(
            "SELECT seq, seq FROM quarantine WHERE gw = ?1 AND seq IS NOT NULL ORDER BY seq",
        )?;
        let conflicts = "SELECT count(*) FROM conflicts WHERE gw = ?1";
        Ok(Side {
            gaps: ranges("SELECT from_seq, to_seq FROM gaps WHERE gw = ?1")?,
            quarantined: quarantined.into_iter().map(|(seq, _)| seq).collect(),
            conflicts: self.connection.query_row(conflicts, [life], |row| row.get(0)).map(count)?,
        })
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let class: u8 = row.get(4)?;
    Ok(Stored {
        district: row.get(0)?,
        site: row.get(1)?,
        gateway: row.get(2)?,
        seq: seq(row.get(3)?),
        class: Class::from_number(class).unwrap_or(Class::System),
        recv: UtcMs(row.get(5)?),
        when: When { utc: UtcMs(row.get(6)?), basis: Basis::from_number(row.get(7)?) },
        replayed: row.get(8)?,
        body: row.get(9)?,
        arrival: row.get(10)?,
    })
}
