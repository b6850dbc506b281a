//! The control room: what one receiver commits per second of a backlog that its broker holds, into
//! SQLite and into PostgreSQL, next to what each database takes in when only the same rows are put
//! into the same tables, in batches of the receiver's size and with a commit after each.
//!
//! The backlog is that of twenty gateways. The receiver does all of its work: MQTT, the chain, the
//! gaps, receipts. Broker, database and receiver share the machine.

use std::path::Path;
use std::pin::pin;

use anyhow::Context;
use gatehouse_core::event::{self, Class, Draft, GENESIS, Qualifier, Source, Stamp};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_receiver::{Database, Handle, Link, Receiver, ReceiverConfig, Store};
use gatehouse_tests::postgres::Postgres;
use gatehouse_tests::wait::{SOON, boottime, monotonic_ns, until};
use gatehouse_tests::{Broker, Client, ClientOptions};
use tempfile::TempDir;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::rows::{Goal, Row, Rows, say};
use crate::stats::{median, number};
use crate::{Size, bed};

const GATEWAYS: usize = 20;

/// What a receiver puts into one transaction when more waits than that.
const BATCH: usize = 2048;

/// Publishes without PUBACK while the backlog is made.
const WINDOW: usize = 500;

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let (rounds, each) = size.pick((3, 1000), (5, 5000));
    say(&format!("ingest: {rounds} rounds of {} events of {GATEWAYS} gateways", each * GATEWAYS));
    let events = events(each)?;
    let (mut sqlite, mut postgres) = (Vec::new(), Vec::new());
    let (mut sqlite_bulk, mut postgres_bulk) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let folder = TempDir::new()?;
        let file = Database::File(folder.path().join("r.db"));
        sqlite.push(receive(&events, &file).await?);
        sqlite_bulk.push(into_sqlite(&events, folder.path())?);
        let server = Postgres::start().await?;
        postgres.push(receive(&events, &server.database()?).await?);
        postgres_bulk.push(into_postgres(&events, &server).await?);
    }
    let bulk = median(&sqlite_bulk);
    rows.push(
        Row::new("ingest_sqlite", median(&sqlite), "1/s")
            .goal(Goal::AtLeast(bulk / 2.0))
            .reference(bulk, "its own bulk insert"),
    );
    let bulk = median(&postgres_bulk);
    rows.push(
        Row::new("ingest_postgresql", median(&postgres), "1/s")
            .goal(Goal::AtLeast(bulk / 2.0))
            .reference(bulk, "its own COPY"),
    );
    Ok(())
}

/// An event, and the topic that it comes under.
struct Sent {
    gateway: usize,
    seq: u64,
    topic: String,
    body: Vec<u8>,
}

/// Of each gateway so many, in the order in which a district sends them.
fn events(each: usize) -> anyhow::Result<Vec<Sent>> {
    let draft = Draft {
        class: Class::Door,
        kind: "door.opened".into(),
        qualifier: Qualifier::New,
        severity: 4,
        partition: Some("lobby".parse()?),
        source: Source {
            kind: "door".into(),
            id: "lobby-main".parse()?,
            driver: Some("gpiochip0:17".into()),
        },
        time: Time {
            utc: UtcMs(1_790_000_000_000),
            boot: "5e1c0000-0000-0000-0000-000000000000".into(),
            mono_ns: Mono(8_831_220_112_233),
            err_ms: Some(12),
            clock: ClockState::Synced,
        },
        state: None,
        arming: None,
        actor: None,
        cause: None,
        opens: None,
        detail: None,
        closes: None,
        test: false,
        flags: vec![],
    };
    let ids: Vec<Id> =
        (0..GATEWAYS).map(|gateway| format!("g-{gateway}").parse()).collect::<Result<_, _>>()?;
    let mut prev = vec![GENESIS; GATEWAYS];
    let mut events = Vec::with_capacity(GATEWAYS * each);
    for seq in (1..).take(each) {
        for (gateway, id) in ids.iter().enumerate() {
            let stamp = Stamp { gateway: id, session: 1, seq: Seq(seq), prev: prev[gateway] };
            let body = event::render(&stamp, &draft)?;
            prev[gateway] = event::chain_hash(&body);
            let topic = format!("gatehouse/v1/d-1/s-1/{id}/ev/door");
            events.push(Sent { gateway, seq, topic, body });
        }
    }
    Ok(events)
}

/// Events per second from the start of a receiver whose broker holds them all.
async fn receive(events: &[Sent], database: &Database) -> anyhow::Result<f64> {
    let broker = bed::broker().await?;
    // The session is made, then its receiver is away while events come.
    receiver(&broker, database).await?.stop().await;
    let mut client = Client::connect(broker.address(), ClientOptions::new("backlog")).await?;
    for some in events.chunks(WINDOW) {
        let mut last = None;
        for event in some {
            last = Some(client.hand_over(&event.topic, &event.body, false).await?);
        }
        if let Some(last) = last {
            client.acknowledged(last).await?;
        }
    }
    let began = boottime();
    let handle = receiver(&broker, database).await?;
    let all = events.len() as u64;
    until("all to be committed", 20 * SOON, async || {
        Ok((handle.snapshot().received == all).then_some(()))
    })
    .await?;
    let took = boottime().since(began);
    handle.stop().await;
    let audit = Store::open_to_read(database)?.audit(None, &mut |finding| say(&finding))?;
    anyhow::ensure!(audit.events == all && audit.is_clean(), "not all was received: {audit:?}");
    Ok(number(all) / took.as_secs_f64())
}

async fn receiver(broker: &Broker, database: &Database) -> anyhow::Result<Handle> {
    let url = format!("mqtt://{}", broker.address()).parse()?;
    let handle = Receiver::start(ReceiverConfig::new(url, "d-1".parse()?, database)).await?;
    until("the receiver to connect", SOON, async || {
        Ok((handle.snapshot().link == Link::Up).then_some(()))
    })
    .await?;
    Ok(handle)
}

/// Rows per second into the receiver's own tables in a file.
fn into_sqlite(events: &[Sent], folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("bulk.db");
    drop(Store::open(&Database::File(path.clone()))?);
    let mut connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4096; PRAGMA temp_store=MEMORY;",
    )?;
    let began = monotonic_ns();
    for batch in events.chunks(BATCH) {
        let transaction = connection.transaction()?;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO events (gw, seq, class, recv_ms, replayed, body, utc_ms, basis) \
             VALUES (?1, ?2, 7, 0, 0, ?3, ?4, 0)",
        )?;
        for event in batch {
            let (gw, seq) = (i64::try_from(event.gateway)?, i64::try_from(event.seq)?);
            insert.execute(rusqlite::params![gw, seq, event.body, 1_790_000_000_000_i64])?;
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(number(events.len() as u64) * 1e9 / number(monotonic_ns() - began))
}

/// Rows per second into the receiver's own tables on a server, beside those that are there.
async fn into_postgres(events: &[Sent], server: &Postgres) -> anyhow::Result<f64> {
    let client = server.client().await?;
    client.batch_execute("SET search_path = gatehouse; TRUNCATE events").await?;
    let copy = client
        .prepare(
            "COPY events (arrival, gw, seq, recv_ms, utc_ms, class, basis, replayed, body) \
             FROM STDIN (FORMAT binary)",
        )
        .await
        .context("the receiver has made its tables")?;
    let (int8, int2) = (Type::INT8, Type::INT2);
    let types = [
        int8.clone(),
        int8.clone(),
        int8.clone(),
        int8.clone(),
        int8,
        int2.clone(),
        int2,
        Type::BOOL,
        Type::BYTEA,
    ];
    let began = monotonic_ns();
    let mut arrival = 0_i64;
    for batch in events.chunks(BATCH) {
        client.batch_execute("BEGIN").await?;
        let sink = client.copy_in(&copy).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for event in batch {
            arrival += 1;
            let (gw, seq) = (i64::try_from(event.gateway)?, i64::try_from(event.seq)?);
            let values: [&(dyn ToSql + Sync); 9] = [
                &arrival,
                &gw,
                &seq,
                &0_i64,
                &1_790_000_000_000_i64,
                &7_i16,
                &0_i16,
                &false,
                &event.body,
            ];
            writer.as_mut().write(&values).await?;
        }
        writer.finish().await?;
        client.batch_execute("COMMIT").await?;
    }
    Ok(number(events.len() as u64) * 1e9 / number(monotonic_ns() - began))
}
