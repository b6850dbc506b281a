//! The database: its schema, its settings, and the checks that decide whether it is believed.

use std::path::Path;
use std::time::Duration;

use gatehouse_core::id::{Id, Seq};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::Failure;
use crate::options::Cursors;

/// "GhJ1" in the database's header: `file` and `sqlite3` can tell whose it is.
const APPLICATION_ID: i64 = 0x4768_4a31;

/// The format, in `user_version`. A change of the schema or of the row's form raises it.
pub(crate) const FORMAT: i64 = 1;

/// See FORMAT.md for what each column and index is for.
const SCHEMA: &str = "
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  session INTEGER NOT NULL,
  host_upto INTEGER NOT NULL,
  acked_alarm INTEGER NOT NULL,
  acked_normal INTEGER NOT NULL,
  closes INTEGER NOT NULL
) STRICT;
CREATE TABLE session (
  n INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL,
  boot TEXT NOT NULL
) STRICT;
CREATE INDEX session_copy ON session (n, gateway, boot);
CREATE TABLE source (
  n INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  UNIQUE (kind, id)
) STRICT;
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  class INTEGER NOT NULL,
  source INTEGER NOT NULL,
  session INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  utc_ms INTEGER NOT NULL,
  prev BLOB NOT NULL,
  sum INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX event_alarm ON event (seq) WHERE class < 3;
CREATE TABLE block (
  n INTEGER PRIMARY KEY,
  events INTEGER NOT NULL,
  alarms INTEGER NOT NULL,
  classes INTEGER NOT NULL,
  utc_min INTEGER NOT NULL,
  utc_max INTEGER NOT NULL,
  sources_0 INTEGER NOT NULL,
  sources_1 INTEGER NOT NULL,
  sources_2 INTEGER NOT NULL,
  sources_3 INTEGER NOT NULL
) STRICT;
CREATE TABLE kept (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES (1, 0, 0, 0, 0, 0);
";

/// The one row of `meta`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub session: u64,
    pub host_upto: Seq,
    pub acked: Cursors,
}

/// What an existing file is.
pub(crate) enum Found {
    /// A journal.
    Journal(Connection),
    /// Nothing was ever stored in it: creation was cut off.
    Unfinished,
}

/// Makes a new database, schema and all, in one transaction.
pub(crate) fn create(path: &Path, page_size: u32) -> Result<Connection, Failure> {
    let conn = connect(path, flags(true))?;
    conn.pragma_update(None, "page_size", page_size)?;
    settings(&conn)?;
    conn.execute_batch(&format!(
        "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {FORMAT}; COMMIT;"
    ))?;
    Ok(conn)
}

/// Opens an existing database for writing, and believes it only when it looks like ours.
pub(crate) fn open(path: &Path) -> Result<Found, Failure> {
    let conn = connect(path, flags(false))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && tables == 0 {
        return Ok(Found::Unfinished);
    }
    if application != APPLICATION_ID {
        return Err(Failure::Corrupt(format!("its application id is {application:#x}, not ours")));
    }
    let format: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        return Err(Failure::Newer(format));
    }
    if format < 1 {
        return Err(Failure::Corrupt(format!("its format is {format}")));
    }
    settings(&conn)?;
    // Every statement that the journal uses must compile against this schema.
    for sql in [
        "SELECT session, host_upto, acked_alarm, acked_normal, closes FROM meta",
        "SELECT gateway, boot FROM session INDEXED BY session_copy WHERE n = 0",
        "SELECT n FROM source WHERE kind = '' AND id = ''",
        "SELECT seq, class, source, session, stored, utc_ms, prev, sum, body FROM event \
         INDEXED BY event_alarm WHERE class < 3 AND seq > 0",
        "SELECT n, events, alarms, classes, utc_min, utc_max, sources_0, sources_1, sources_2, \
         sources_3 FROM block",
        "SELECT key, value FROM kept",
    ] {
        conn.prepare(sql).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::Unknown) => Failure::Corrupt(error.to_string()),
            _ => error.into(),
        })?;
    }
    Ok(Found::Journal(conn))
}

/// Opens a database for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = connect(path, flags)?;
    // A reader of the daemon shares its memory budget; the file system caches the rest.
    conn.pragma_update(None, "cache_size", -256)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// Only a checkpoint or a recovery by another process can hold a lock, both for milliseconds.
const BUSY: Duration = Duration::from_secs(5);

fn flags(create: bool) -> OpenFlags {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Failure> {
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    // Closing changes nothing: the WAL keeps its space over a restart (see `Store::rest`), and
    // a file that is refused or set aside stays as it was found.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

fn settings(conn: &Connection) -> Result<(), Failure> {
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::Other(format!(
            "the file system of the journal does not support a WAL (journal mode is {mode})"
        )));
    }
    // FULL: the WAL is flushed in each commit. NORMAL would lose the newest commits in a power cut.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // The writer checkpoints itself, after it has answered: never inside a commit.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    // The rightmost pages of one table and of the alarms' index are all that is hot.
    conn.pragma_update(None, "cache_size", -1024)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // Damaged cells are reported as such when a page is read, not followed.
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}

pub(crate) fn meta(conn: &Connection) -> Result<Meta, Failure> {
    let sql = "SELECT session, host_upto, acked_alarm, acked_normal FROM meta WHERE one = 1";
    Ok(conn.query_row(sql, [], |row| {
        Ok(Meta {
            session: number(row, 0)?,
            host_upto: Seq(number(row, 1)?),
            acked: Cursors { alarm: Seq(number(row, 2)?), normal: Seq(number(row, 3)?) },
        })
    })?)
}

pub(crate) fn write_meta(conn: &Connection, meta: &Meta) -> Result<(), Failure> {
    let sql = "UPDATE meta SET session = ?1, host_upto = ?2, acked_alarm = ?3, acked_normal = ?4";
    conn.prepare_cached(sql)?.execute((
        signed(meta.session),
        signed(meta.host_upto.0),
        signed(meta.acked.alarm.0),
        signed(meta.acked.normal.0),
    ))?;
    Ok(())
}

pub(crate) fn write_session(
    conn: &Connection,
    n: u64,
    gateway: &Id,
    boot: &str,
) -> Result<(), Failure> {
    let sql = "INSERT OR REPLACE INTO session VALUES (?1, ?2, ?3)";
    conn.prepare_cached(sql)?.execute((signed(n), gateway.as_str(), boot))?;
    Ok(())
}

/// The number of this source, a new one if it is new.
pub(crate) fn source_number(conn: &Connection, kind: &str, id: &Id) -> Result<i64, Failure> {
    if let Some(n) = find_source(conn, kind, id)? {
        return Ok(n);
    }
    let sql = "INSERT INTO source (kind, id) VALUES (?1, ?2)";
    conn.prepare_cached(sql)?.execute((kind, id.as_str()))?;
    Ok(conn.last_insert_rowid())
}

/// The number of this source, if it has ever had an event.
pub(crate) fn find_source(conn: &Connection, kind: &str, id: &Id) -> Result<Option<i64>, Failure> {
    use rusqlite::OptionalExtension;
    let sql = "SELECT n FROM source WHERE kind = ?1 AND id = ?2";
    Ok(conn.prepare_cached(sql)?.query_row((kind, id.as_str()), |row| row.get(0)).optional()?)
}

/// SQLite's integers are signed. Seqs and sessions stay far below 2^63; boot-time nanoseconds too.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}
