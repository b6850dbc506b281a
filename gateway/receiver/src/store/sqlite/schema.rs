//! The tables of a file, and how an older file gets them.

use std::path::Path;

use rusqlite::{Connection, params};

use super::super::{Basis, OpenError, VERSION};
use crate::wire;

/// "gate" as a number: marks the file as ours (`application_id`).
const APPLICATION: i64 = 0x6761_7465;

/// Pages of 4 KiB in the WAL before they are moved into the file: 16 MiB. The default, 4 MiB,
/// moves the index's hot pages four times as often when a district's backlog comes in.
const CHECKPOINT_PAGES: u32 = 4096;

/// Makes what is missing.
pub(super) fn prepare(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let found = marks(connection).map_err(sqlite)?;
    // Layout 2 lacks the tables of handovers, which are made where there are none.
    let known = [(0, 0), (APPLICATION, 1), (APPLICATION, 2), (APPLICATION, VERSION)];
    if !known.contains(&found) {
        return Err(foreign(path, found));
    }
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}; PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON; \
             PRAGMA busy_timeout=5000; BEGIN IMMEDIATE;"
        ))
        .map_err(sqlite)?;
    if found == (APPLICATION, 1) {
        tracing::info!(path = %path.display(), "giving the times of its events to an older file");
        second(connection).map_err(sqlite)?;
    }
    connection
        .execute_batch(&format!(
            "{SCHEMA} {CALLS} {PICTURES} {LOOKS} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
        ))
        .map_err(sqlite)
}

/// Whether it is a file of ours with the present layout.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found =
        marks(connection).map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
    if found == (APPLICATION, VERSION) { Ok(()) } else { Err(foreign(path, found)) }
}

fn foreign(path: &Path, (application, version): (i64, i64)) -> OpenError {
    OpenError::Foreign {
        place: path.display().to_string(),
        found: format!("application {application:#x}, layout {version}"),
        allowed: format!(
            "{APPLICATION:#x}, {VERSION}; `gatehouse-receiver run` brings an older one up to date"
        ),
    }
}

fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let one = |pragma: &str| connection.query_row(pragma, [], |row| row.get(0));
    Ok((one("PRAGMA application_id")?, one("PRAGMA user_version")?))
}

/// From layout 1: events get their time.
fn second(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "ALTER TABLE events ADD COLUMN utc_ms INTEGER NOT NULL DEFAULT 0; \
         ALTER TABLE events ADD COLUMN basis INTEGER NOT NULL DEFAULT 0;",
    )?;
    let mut update =
        connection.prepare("UPDATE events SET utc_ms = ?2, basis = ?3 WHERE arrival = ?1")?;
    let mut select = connection.prepare(
        "SELECT arrival, recv_ms, body FROM events WHERE arrival > ?1 ORDER BY arrival LIMIT 1000",
    )?;
    let mut last = i64::MIN;
    loop {
        let some: Vec<(i64, i64, Vec<u8>)> = select
            .query_map([last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let Some((newest, ..)) = some.last() else { return Ok(()) };
        last = *newest;
        for (arrival, recv, body) in &some {
            let (utc, basis) = match wire::stamped(body).and_then(|time| time.utc()) {
                Some(utc) => (utc.0, Basis::Gateway),
                None => (*recv, Basis::Receipt),
            };
            update.execute(params![arrival, utc, basis as u8])?;
        }
    }
}

/// `events` is a rowid table, so that a district's events are appended whichever gateway they are
/// of; only the narrow index by number is written in many places.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS gateways (
  gw INTEGER PRIMARY KEY, district TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL,
  upto INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 0,
  duplicates INTEGER NOT NULL DEFAULT 0,
  UNIQUE (district, site, gateway)) STRICT;
CREATE TABLE IF NOT EXISTS events (
  arrival INTEGER PRIMARY KEY, gw INTEGER NOT NULL, seq INTEGER NOT NULL, class INTEGER NOT NULL,
  recv_ms INTEGER NOT NULL, replayed INTEGER NOT NULL, body BLOB NOT NULL,
  utc_ms INTEGER NOT NULL DEFAULT 0, basis INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS events_by_seq ON events (gw, seq);
CREATE INDEX IF NOT EXISTS events_by_time ON events (utc_ms, arrival);
CREATE INDEX IF NOT EXISTS events_without_time ON events (gw) WHERE basis = 2;
CREATE TABLE IF NOT EXISTS gaps (
  gw INTEGER NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL,
  at_seq INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (gw, from_seq, to_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conflicts (
  gw INTEGER NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, recv_ms INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1, body BLOB NOT NULL, PRIMARY KEY (gw, seq, digest)) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
  topic TEXT NOT NULL, digest BLOB NOT NULL, gw INTEGER, seq INTEGER, recv_ms INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1, reason TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (topic, digest)) STRICT;
CREATE TABLE IF NOT EXISTS breaks (
  gw INTEGER NOT NULL, seq INTEGER NOT NULL, recv_ms INTEGER NOT NULL, expected TEXT NOT NULL,
  found TEXT NOT NULL, PRIMARY KEY (gw, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anchors (
  gw INTEGER NOT NULL, boot TEXT NOT NULL, utc_ms INTEGER NOT NULL, mono_ns INTEGER NOT NULL,
  PRIMARY KEY (gw, boot)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS handovers (
  room TEXT NOT NULL, id TEXT NOT NULL, peer TEXT NOT NULL, open INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (room, id)) STRICT;
CREATE TABLE IF NOT EXISTS handover_messages (
  room TEXT NOT NULL, id TEXT NOT NULL, ours INTEGER NOT NULL, number INTEGER NOT NULL,
  kind TEXT NOT NULL, at_ms INTEGER NOT NULL, payload BLOB NOT NULL,
  receipted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (room, id, ours, number)) STRICT;
CREATE INDEX IF NOT EXISTS handover_messages_owed ON handover_messages (room, id)
  WHERE ours = 1 AND NOT receipted;
";

/// Looks at pictures: see `store::looks`.
pub(super) const LOOKS: &str = "
CREATE TABLE IF NOT EXISTS looks (
  look INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL,
  via TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL, camera TEXT, sha256 TEXT,
  incident TEXT) STRICT;
";

/// Telling responders: see `store::calls`. One call for an incident, list and escalation.
const CALLS: &str = "
CREATE TABLE IF NOT EXISTS calls (
  call INTEGER PRIMARY KEY, district TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL,
  gw INTEGER NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, incident TEXT NOT NULL,
  class INTEGER NOT NULL, kind TEXT NOT NULL, severity INTEGER NOT NULL, source TEXT NOT NULL,
  list TEXT NOT NULL, escalated INTEGER NOT NULL, utc_ms INTEGER NOT NULL, basis INTEGER NOT NULL,
  recv_ms INTEGER NOT NULL, matter INTEGER, over TEXT, over_ms INTEGER,
  UNIQUE (gw, incident, list, escalated)) STRICT;
CREATE INDEX IF NOT EXISTS calls_open ON calls (district, call) WHERE over IS NULL;
CREATE INDEX IF NOT EXISTS calls_by_matter ON calls (matter);
CREATE TABLE IF NOT EXISTS told (
  told INTEGER PRIMARY KEY AUTOINCREMENT, district TEXT NOT NULL, matter INTEGER NOT NULL,
  list TEXT NOT NULL, round INTEGER NOT NULL, member TEXT NOT NULL, way TEXT NOT NULL,
  place INTEGER NOT NULL, pass INTEGER NOT NULL, at_ms INTEGER NOT NULL, why TEXT,
  next_ms INTEGER, token TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0,
  UNIQUE (token, pass, place)) STRICT;
CREATE INDEX IF NOT EXISTS told_by_matter ON told (matter);
CREATE INDEX IF NOT EXISTS told_by_way ON told (district, way, told);
CREATE INDEX IF NOT EXISTS told_unpublished ON told (told) WHERE published = 0;
";

/// Pictures, and what events say of them: see `store::pictures`. The index by camera also answers how
/// much there is without a look at the pictures.
const PICTURES: &str = "
CREATE TABLE IF NOT EXISTS pictures (
  picture INTEGER PRIMARY KEY, district TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL,
  camera TEXT NOT NULL, sha256 TEXT NOT NULL, seq INTEGER, bytes INTEGER NOT NULL,
  recv_ms INTEGER NOT NULL, jpeg BLOB NOT NULL,
  UNIQUE (district, site, gateway, sha256)) STRICT;
CREATE INDEX IF NOT EXISTS pictures_by_camera
  ON pictures (district, site, gateway, camera, recv_ms, picture, bytes);
CREATE INDEX IF NOT EXISTS pictures_by_receipt ON pictures (recv_ms, picture);
CREATE TABLE IF NOT EXISTS shots (
  gw INTEGER NOT NULL, seq INTEGER NOT NULL, district TEXT NOT NULL, site TEXT NOT NULL,
  gateway TEXT NOT NULL, camera TEXT NOT NULL, sha256 TEXT NOT NULL, of_seq INTEGER, incident TEXT,
  silent INTEGER NOT NULL, masked INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  PRIMARY KEY (gw, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shots_by_digest ON shots (district, site, gateway, sha256);
CREATE INDEX IF NOT EXISTS shots_by_incident ON shots (district, site, gateway, incident);
";

#[cfg(test)]
mod tests {
    use super::super::super::{Database, Filter, Store, StoreError};
    use super::*;

    /// Layout 1, as far as its tables are others.
    const FIRST: &str = "
    CREATE TABLE events (
      arrival INTEGER PRIMARY KEY, gw INTEGER NOT NULL, seq INTEGER NOT NULL,
      class INTEGER NOT NULL, recv_ms INTEGER NOT NULL, replayed INTEGER NOT NULL,
      body BLOB NOT NULL) STRICT;
    CREATE TABLE gateways (
      gw INTEGER PRIMARY KEY, district TEXT NOT NULL, site TEXT NOT NULL, gateway TEXT NOT NULL,
      upto INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 0,
      duplicates INTEGER NOT NULL DEFAULT 0, UNIQUE (district, site, gateway)) STRICT;
    INSERT INTO gateways (district, site, gateway) VALUES ('d', 's', 'g');
    PRAGMA application_id=0x67617465; PRAGMA user_version=1;";

    #[test]
    fn a_file_of_layout_2_gets_the_tables_of_handovers_and_keeps_its_events() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("r.db");
        drop(Store::open(&Database::File(path.clone())).unwrap());
        let old = Connection::open(&path).unwrap();
        old.execute_batch(
            "DROP TABLE handovers; DROP TABLE handover_messages; PRAGMA user_version=2; \
             INSERT INTO gateways (district, site, gateway) VALUES ('d', 's', 'g'); \
             INSERT INTO events VALUES (1, 1, 1, 7, 0, 0, CAST('x' AS BLOB), 0, 0);",
        )
        .unwrap();
        drop(old);
        let unread = Store::open_to_read(&path).map(drop).unwrap_err().to_string();
        assert!(unread.contains("layout 2; allowed is"), "{unread}");
        drop(Store::open(&Database::File(path.clone())).unwrap());
        let mut book =
            crate::store::ledger(&Database::File(path.clone()), &"north".parse().unwrap()).unwrap();
        assert!(book.list(gatehouse_core::time::UtcMs(0)).unwrap().is_empty());
        let mut events = 0;
        let each = |_| {
            events += 1;
            Ok(())
        };
        let store = Store::open_to_read(&path).unwrap();
        store.query::<StoreError>(&Filter::default(), each).unwrap();
        assert_eq!(events, 1);
    }

    #[test]
    fn an_older_file_gets_the_times_of_its_events_and_its_bytes_stay() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("r.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(FIRST).unwrap();
        let time = |clock: &str| {
            format!(
                r#"{{"time":{{"utc":"2026-11-24T00:00:00.000Z","boot":"b","mono_ns":5,"clock":"{clock}"}}}}"#
            )
        };
        let bodies = [time("synced"), time("never"), "no event".to_owned()];
        for (seq, body) in (1_i64..).zip(&bodies) {
            let values = params![seq, 77 + seq, body.as_bytes()];
            old.execute("INSERT INTO events VALUES (NULL, 1, ?1, 7, ?2, 0, ?3)", values).unwrap();
        }
        let unread = Store::open_to_read(&path).map(drop).unwrap_err().to_string();
        assert!(unread.contains("layout 1; allowed is 0x67617465, 3"), "{unread}");
        drop(Store::open(&Database::File(path.clone())).unwrap());
        let mut found = Vec::new();
        Store::open_to_read(&path)
            .unwrap()
            .query::<StoreError>(&Filter::default(), |event| {
                assert_eq!(event.body, bodies[found.len()].as_bytes());
                found.push((event.when.utc.0, event.when.basis));
                Ok(())
            })
            .unwrap();
        let midnight = 1_795_478_400_000;
        let receipt = Basis::Receipt;
        assert_eq!(found, [(midnight, Basis::Gateway), (79, receipt), (80, receipt)]);
    }
}
