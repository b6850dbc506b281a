//! The tables on a server, in the schema `gatehouse` of the database.

use tokio_postgres::Client;

use super::super::{StoreError, VERSION};

/// Held while the tables are made: receivers that start at once must not do it twice. "gate" as a
/// number.
const MAKING: i64 = 0x6761_7465;

/// Makes what is missing. Says which layout is there, if it is another.
pub(super) async fn prepare(client: &Client) -> Result<Option<i64>, StoreError> {
    client.batch_execute("BEGIN").await?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING]).await?;
    let mut found = layout(client).await?;
    if found.is_none() {
        client
            .batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS gatehouse; {SCHEMA} {THIRD} \
             INSERT INTO layout (version) VALUES ({VERSION});"
            ))
            .await?;
    }
    if found == Some(2) {
        tracing::info!("giving the tables of handovers to an older database");
        let path = "SET LOCAL search_path = gatehouse;";
        client
            .batch_execute(&format!("{path} {THIRD} UPDATE layout SET version = {VERSION};"))
            .await?;
        found = Some(VERSION);
    }
    // Beside the layout, in databases of before as well. (Asked first: who may not make tables
    // must not be refused over ones that are there.)
    if found.is_none_or(|found| found == VERSION) {
        for (table, make) in [("calls", CALLS), ("pictures", PICTURES), ("looks", LOOKS)] {
            let there = format!("SELECT to_regclass('gatehouse.{table}') IS NOT NULL");
            if !client.query_one(&there, &[]).await?.get::<_, bool>(0) {
                client.batch_execute(make).await?;
            }
        }
    }
    client.batch_execute("COMMIT").await?;
    Ok(found.filter(|found| *found != VERSION))
}

/// Which layout is there, if any.
pub(super) async fn layout(client: &Client) -> Result<Option<i64>, StoreError> {
    let there = client.query_one("SELECT to_regclass('gatehouse.layout') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_opt("SELECT version FROM gatehouse.layout", &[]).await?;
    Ok(Some(row.map_or(0, |row| row.get(0))))
}

/// `gateways` changes with every batch, and has room in each page for that. The state of each
/// gateway's numbers (`upto`, `head`, `holes`: first and last of each, in order) is in its row, so
/// that whoever locks the row knows it without a look at the events. `arrivals` gives a batch its
/// numbers in one step.
const SCHEMA: &str = "
SET LOCAL search_path = gatehouse;
CREATE TABLE layout (version bigint NOT NULL);
CREATE TABLE gateways (
  gw bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  district text COLLATE \"C\" NOT NULL, site text COLLATE \"C\" NOT NULL,
  gateway text COLLATE \"C\" NOT NULL,
  revision bigint NOT NULL DEFAULT 0, upto bigint NOT NULL DEFAULT 0,
  head bigint NOT NULL DEFAULT 0, holes bigint[] NOT NULL DEFAULT '{}',
  events bigint NOT NULL DEFAULT 0, duplicates bigint NOT NULL DEFAULT 0,
  conflicts bigint NOT NULL DEFAULT 0, quarantined bigint NOT NULL DEFAULT 0,
  breaks bigint NOT NULL DEFAULT 0, former integer NOT NULL DEFAULT 0,
  retired boolean NOT NULL DEFAULT false,
  UNIQUE (district, site, gateway)) WITH (fillfactor = 50);
CREATE SEQUENCE arrivals INCREMENT BY 4096;
CREATE TABLE events (
  arrival bigint NOT NULL, gw bigint NOT NULL, seq bigint NOT NULL, recv_ms bigint NOT NULL,
  utc_ms bigint NOT NULL, class smallint NOT NULL, basis smallint NOT NULL,
  replayed boolean NOT NULL, body bytea NOT NULL, PRIMARY KEY (gw, seq));
CREATE UNIQUE INDEX events_by_arrival ON events (arrival);
CREATE INDEX events_by_time ON events (utc_ms, arrival);
CREATE INDEX events_without_time ON events (gw) WHERE basis = 2;
CREATE TABLE gaps (
  gw bigint NOT NULL, from_seq bigint NOT NULL, to_seq bigint NOT NULL, at_seq bigint NOT NULL,
  reason text NOT NULL, PRIMARY KEY (gw, from_seq, to_seq));
CREATE TABLE conflicts (
  gw bigint NOT NULL, seq bigint NOT NULL, digest bytea NOT NULL, recv_ms bigint NOT NULL,
  times bigint NOT NULL DEFAULT 1, body bytea NOT NULL, PRIMARY KEY (gw, seq, digest));
CREATE TABLE quarantine (
  topic text NOT NULL, digest bytea NOT NULL, gw bigint, seq bigint, recv_ms bigint NOT NULL,
  times bigint NOT NULL DEFAULT 1, reason text NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (topic, digest));
CREATE TABLE breaks (
  gw bigint NOT NULL, seq bigint NOT NULL, recv_ms bigint NOT NULL, expected text NOT NULL,
  found text NOT NULL, PRIMARY KEY (gw, seq));
CREATE TABLE anchors (
  gw bigint NOT NULL, boot text NOT NULL, utc_ms bigint NOT NULL, mono_ns bigint NOT NULL,
  PRIMARY KEY (gw, boot));
";

/// Looks at pictures: see `store::looks`.
const LOOKS: &str = "SET LOCAL search_path = gatehouse;
CREATE TABLE looks (
  look bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at_ms bigint NOT NULL,
  who text COLLATE \"C\" NOT NULL, via text COLLATE \"C\" NOT NULL,
  site text COLLATE \"C\" NOT NULL, gateway text COLLATE \"C\" NOT NULL,
  camera text COLLATE \"C\", sha256 text COLLATE \"C\", incident text COLLATE \"C\");
";

/// Telling responders: see `store::calls`. One call for an incident, list and escalation.
const CALLS: &str = "
SET LOCAL search_path = gatehouse;
CREATE TABLE calls (
  call bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, district text COLLATE \"C\" NOT NULL,
  site text NOT NULL, gateway text NOT NULL, gw bigint NOT NULL, seq bigint NOT NULL,
  event text NOT NULL, incident text COLLATE \"C\" NOT NULL, class smallint NOT NULL,
  kind text NOT NULL, severity smallint NOT NULL, source text NOT NULL,
  list text COLLATE \"C\" NOT NULL, escalated smallint NOT NULL, utc_ms bigint NOT NULL,
  basis smallint NOT NULL, recv_ms bigint NOT NULL, matter bigint, over text, over_ms bigint,
  UNIQUE (gw, incident, list, escalated));
CREATE INDEX calls_open ON calls (district, call) WHERE over IS NULL;
CREATE INDEX calls_by_matter ON calls (matter);
CREATE TABLE told (
  told bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, district text COLLATE \"C\" NOT NULL,
  matter bigint NOT NULL, list text NOT NULL, round integer NOT NULL, member text NOT NULL,
  way text COLLATE \"C\" NOT NULL, place integer NOT NULL, pass integer NOT NULL,
  at_ms bigint NOT NULL, why text, next_ms bigint, token text COLLATE \"C\" NOT NULL,
  published boolean NOT NULL DEFAULT false, UNIQUE (token, pass, place));
CREATE INDEX told_by_matter ON told (matter);
CREATE INDEX told_by_way ON told (district, way, told);
CREATE INDEX told_unpublished ON told (told) WHERE NOT published;
CREATE TABLE tellers (
  district text COLLATE \"C\" PRIMARY KEY, owner bigint NOT NULL, until timestamptz NOT NULL);
";

/// Pictures, and what events say of them: see `store::pictures`. JPEGs are as small as they get: the
/// server need not try to compress them.
const PICTURES: &str = "
SET LOCAL search_path = gatehouse;
CREATE TABLE pictures (
  picture bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, district text COLLATE \"C\" NOT NULL,
  site text COLLATE \"C\" NOT NULL, gateway text COLLATE \"C\" NOT NULL,
  camera text COLLATE \"C\" NOT NULL, sha256 text COLLATE \"C\" NOT NULL, seq bigint,
  bytes bigint NOT NULL, recv_ms bigint NOT NULL, jpeg bytea NOT NULL,
  UNIQUE (district, site, gateway, sha256));
ALTER TABLE pictures ALTER COLUMN jpeg SET STORAGE EXTERNAL;
CREATE INDEX pictures_by_camera
  ON pictures (district, site, gateway, camera, recv_ms, picture) INCLUDE (bytes);
CREATE INDEX pictures_by_receipt ON pictures (recv_ms, picture);
CREATE TABLE shots (
  gw bigint NOT NULL, seq bigint NOT NULL, district text COLLATE \"C\" NOT NULL,
  site text COLLATE \"C\" NOT NULL, gateway text COLLATE \"C\" NOT NULL,
  camera text COLLATE \"C\" NOT NULL, sha256 text COLLATE \"C\" NOT NULL, of_seq bigint,
  incident text COLLATE \"C\", silent boolean NOT NULL, masked boolean NOT NULL,
  width integer NOT NULL, height integer NOT NULL, PRIMARY KEY (gw, seq));
CREATE INDEX shots_by_digest ON shots (district, site, gateway, sha256);
CREATE INDEX shots_by_incident ON shots (district, site, gateway, incident);
";

/// What layout 3 adds to layout 2. Receivers of layout 2 that run beside do not mind.
const THIRD: &str = "
CREATE TABLE handovers (
  room text COLLATE \"C\" NOT NULL, id text COLLATE \"C\" NOT NULL, peer text NOT NULL,
  open boolean NOT NULL, changed_ms bigint NOT NULL, facts text NOT NULL, PRIMARY KEY (room, id));
CREATE TABLE handover_messages (
  room text COLLATE \"C\" NOT NULL, id text COLLATE \"C\" NOT NULL, ours boolean NOT NULL,
  number bigint NOT NULL, kind text NOT NULL, at_ms bigint NOT NULL, payload bytea NOT NULL,
  receipted boolean NOT NULL DEFAULT false, PRIMARY KEY (room, id, ours, number));
CREATE INDEX handover_messages_owed ON handover_messages (room, id) WHERE ours AND NOT receipted;
";
