//! Reading a server.

use std::pin::pin;
use std::sync::mpsc::sync_channel;
use std::thread;

use futures_util::TryStreamExt;
use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::super::read::{Cell, Each, Life, Reading, Select, Side, Value};
use super::super::writer::{count, seq};
use super::super::{Basis, StoreError, Stored, When};
use super::{Client, outside};

/// Rows that are on their way between the connection and whoever takes them.
const AHEAD: usize = 64;

impl Client {
    /// Calls `each` with every row, on this thread, until it has enough. The connection is served
    /// by another: this one may be of a program's own runtime.
    fn rows(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        each: &mut dyn FnMut(&Row) -> bool,
    ) -> Result<(), StoreError> {
        let (send, rows) = sync_channel(AHEAD);
        thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let session = self.session()?;
                self.wait(async {
                    let values = values.iter().copied();
                    let stream = session.client.query_raw(sql, values).await?;
                    let mut stream = pin!(stream);
                    while let Some(row) = stream.try_next().await? {
                        // Whoever takes them has enough.
                        if send.send(row).is_err() {
                            break;
                        }
                    }
                    Ok(())
                })
            });
            for row in &rows {
                if !each(&row) {
                    break;
                }
            }
            drop(rows);
            match reading.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        outside(|| {
            let session = self.session()?;
            self.wait(async { Ok(session.client.batch_execute(sql).await?) })
        })
    }
}

impl Value {
    fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Integer(value) => value,
            Self::Text(value) => value,
        }
    }
}

impl Reading for Client {
    fn events(&self, select: &Select, each: Each<'_>) -> Result<(), StoreError> {
        let values: Vec<_> = select.values.iter().map(Value::parameter).collect();
        self.rows(&select.sql, &values, &mut |row| each(stored(row)))
    }

    fn still(&self, look: &mut dyn FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL idle_in_transaction_session_timeout = 0;",
        )?;
        let looked = look();
        let ended = self.execute("COMMIT");
        looked.and(ended)
    }

    fn lives(&self, gateway: Option<&Id>) -> Result<Vec<Life>, StoreError> {
        let gateway = gateway.map(Id::as_str);
        let mut lives = Vec::new();
        let sql = "SELECT gw, site, gateway, duplicates FROM gateways WHERE $1::text IS NULL \
                   OR gateway = $1 OR (retired AND split_part(gateway, '#', 1) = $1) \
                   ORDER BY site, gateway";
        self.rows(sql, &[&gateway], &mut |row| {
            lives.push(Life {
                row: row.get(0),
                site: row.get(1),
                gateway: row.get(2),
                duplicates: count(row.get(3)),
            });
            true
        })?;
        Ok(lives)
    }

    fn cells(&self, select: &Select, each: &mut dyn FnMut(Vec<Cell>)) -> Result<(), StoreError> {
        let values: Vec<_> = select.values.iter().map(Value::parameter).collect();
        self.rows(&select.sql, &values, &mut |row| {
            each((0..row.len()).map(|at| cell(row, at)).collect());
            true
        })
    }

    fn bodies(&self, life: i64, each: &mut dyn FnMut(Seq, i64, &[u8])) -> Result<(), StoreError> {
        let sql = "SELECT seq, class, body FROM events WHERE gw = $1 ORDER BY seq";
        self.rows(sql, &[&life], &mut |row| {
            each(seq(row.get(0)), row.get::<_, i16>(1).into(), row.get(2));
            true
        })
    }

    fn side(&self, life: i64) -> Result<Side, StoreError> {
        let ranges = |sql: &str| {
            let mut ranges = Vec::new();
            self.rows(sql, &[&life], &mut |row| {
                ranges.push((row.get(0), row.get(1)));
                true
            })?;
            Ok::<Vec<(i64, i64)>, StoreError>(ranges)
        };
        let gaps = ranges("SELECT from_seq, to_seq FROM gaps WHERE gw = $1")?;
        let quarantined = ranges(
            "SELECT seq, seq FROM quarantine WHERE gw = $1 AND seq IS NOT NULL ORDER BY seq",
        )?;
        let conflicts = ranges("SELECT count(*), 0::bigint FROM conflicts WHERE gw = $1")?;
        Ok(Side {
            gaps: gaps.into_iter().map(|(from, to)| (seq(from), seq(to))).collect(),
            quarantined: quarantined.into_iter().map(|(number, _)| seq(number)).collect(),
            conflicts: conflicts.first().map_or(0, |(conflicts, _)| count(*conflicts)),
        })
    }
}

/// Every column's type that is asked for anywhere.
fn cell(row: &Row, at: usize) -> Cell {
    let integer = |value: Option<i64>| value.map_or(Cell::Null, Cell::Integer);
    match *row.columns()[at].type_() {
        Type::INT8 => integer(row.get(at)),
        Type::INT4 => integer(row.get::<_, Option<i32>>(at).map(i64::from)),
        Type::INT2 => integer(row.get::<_, Option<i16>>(at).map(i64::from)),
        Type::BOOL => integer(row.get::<_, Option<bool>>(at).map(i64::from)),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(at).map_or(Cell::Null, Cell::Bytes),
        _ => row.get::<_, Option<String>>(at).map_or(Cell::Null, Cell::Text),
    }
}

pub(super) fn stored(row: &Row) -> Stored {
    let class = u8::try_from(row.get::<_, i16>(4)).ok().and_then(Class::from_number);
    Stored {
        district: row.get(0),
        site: row.get(1),
        gateway: row.get(2),
        seq: seq(row.get(3)),
        class: class.unwrap_or(Class::System),
        recv: UtcMs(row.get(5)),
        when: When {
            utc: UtcMs(row.get(6)),
            basis: Basis::from_number(row.get::<_, i16>(7).into()),
        },
        replayed: row.get(8),
        body: row.get(9),
        arrival: row.get(10),
    }
}
