//! From the kernel's timestamp of an edge to its PUBLISH on the wire.
//!
//! The daemon's broker is a tap of this program, which notes when each packet has come and passes it
//! on. The guest's clock and the host's are compared before and after over the console; the error
//! of that is in the result. The kernel's tick adds up to 1 ms to when an edge is stamped, not to
//! what is measured from there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use gatehouse_core::event::{Event, canonical};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::mqtt::{self, Publish};
use crate::record::Record;
use crate::uml::machine::Booted;
use crate::uml::order::{Answer, Edge, Order, write_edges};
use crate::uml::stage::{DISTRICT, DRAIN, Options, PREFIX, Programs, Stage};
use crate::wait::boottime;

const DOORS: u32 = 4;

/// Where the tap listens, instead of the broker.
const TAP_PORT: u16 = 1884;

/// When a packet came up, on the host's clock.
type Arrival = (u64, Vec<u8>);

pub(super) async fn run(
    folder: &Path,
    programs: Programs,
    rate: u32,
    edges: u32,
) -> anyhow::Result<Value> {
    // The agent answers an order within a minute.
    ensure!(edges / rate.max(1) < 50, "--edges / --rate: at most 50 seconds");
    ensure!((1..=1_000).contains(&rate), "--rate is 1 to 1000 edges per second: the tick is 1 ms");
    let options = Options { broker_port: TAP_PORT, ..Options::new(DOORS, 0) };
    let stage = Stage::set(folder, programs, options).await?;
    let listener = TcpListener::bind((DISTRICT, TAP_PORT)).await.context("listen as the tap")?;
    let arrivals = Record::default();
    let mut tasks = JoinSet::new();
    tasks.spawn(tap(listener, stage.broker.address(), arrivals.clone()));

    let mut booted = stage.boot(&[false; DOORS as usize]).await?;
    stage.start_daemon(&mut booted, true).await?;
    for door in 0..DOORS {
        stage.wait_door(door, "closed", 0).await?;
    }
    let pattern: Vec<_> = (0..edges)
        .map(|n| Edge {
            line: n % DOORS,
            high: (n / DOORS).is_multiple_of(2),
            after_us: 1_000_000 / u64::from(rate),
        })
        .collect();
    write_edges(&stage.machine.file("pattern"), &pattern)?;

    let before = offset(&mut booted).await?;
    let from = arrivals.len();
    booted.order(Order::Play { file: "pattern".into() }).await?;
    let wanted = usize::try_from(edges).context("a number of edges")?;
    let seen = arrivals
        .wait_for("a PUBLISH for every edge", DRAIN, |all| {
            let events = moves(&all[from..]);
            (events.len() >= wanted).then_some(events)
        })
        .await
        .with_context(|| stage.daemon_log())?;
    let after = offset(&mut booted).await?;
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;

    let shift = i64::midpoint(before.0, after.0);
    let error_ns = before.1.max(after.1) + before.0.abs_diff(after.0);
    let mut delays: Vec<i64> = Vec::new();
    for (edge_ns, arrived_ns) in seen.values() {
        delays.push(arrived_ns.checked_sub_unsigned(*edge_ns).context("a clock")? - shift);
    }
    delays.sort_unstable();
    let ms = |permille: usize| {
        let index = (delays.len() * permille / 1000).min(delays.len() - 1);
        rounded(delays[index])
    };
    Ok(json!({ "scenario": "latency", "rate": rate, "edges": edges,
        "edge_to_publish_ms": { "p50": ms(500), "p99": ms(990), "max": ms(1000) },
        "clock_error_ms": rounded(i64::try_from(error_ns)?) }))
}

/// Milliseconds with three digits.
#[expect(clippy::cast_precision_loss, reason = "a delay of 104 days would lose a microsecond")]
fn rounded(ns: i64) -> f64 {
    (ns / 1_000) as f64 / 1_000.0
}

/// What the host's boot clock is ahead of the guest's, and how far that can be wrong, in ns: the
/// question that came back fastest says it best.
async fn offset(booted: &mut Booted) -> anyhow::Result<(i64, u64)> {
    let mut best: Option<(u64, i64)> = None;
    for _ in 0..200 {
        let asked = boottime().0;
        let answer = booted.order(Order::Clock).await?;
        let heard = boottime().0;
        let Answer::Clock { boot_ns, .. } = answer else { bail!("{answer:?}") };
        let middle = i64::try_from(u64::midpoint(asked, heard))?;
        let round = heard - asked;
        if best.is_none_or(|(fastest, _)| round < fastest) {
            best = Some((round, middle - i64::try_from(boot_ns)?));
        }
    }
    let (round, offset) = best.context("asked at least once")?;
    Ok((offset, round / 2))
}

/// By number: the kernel's timestamp of each door event, and when its first PUBLISH came.
fn moves(arrivals: &[Arrival]) -> BTreeMap<u64, (u64, i64)> {
    let mut found = BTreeMap::new();
    for (at, payload) in arrivals {
        let Ok(event) = serde_json::from_slice::<Event>(&canonical(payload).0) else { continue };
        if crate::is_move(&event) {
            let at = i64::try_from(*at).expect("292 years of uptime");
            found.entry(event.seq.0).or_insert((event.draft.time.mono_ns.0, at));
        }
    }
    found
}

async fn tap(listener: TcpListener, broker: SocketAddr, arrivals: Record<Arrival>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(pass(stream, broker, arrivals.clone()));
    }
}

/// Passes a connection on, byte for byte, and notes each event as soon as its last byte is there.
async fn pass(box_side: TcpStream, broker: SocketAddr, arrivals: Record<Arrival>) {
    let Ok(broker_side) = TcpStream::connect(broker).await else { return };
    let _ = (box_side.set_nodelay(true), broker_side.set_nodelay(true));
    let (mut from_box, mut to_box) = box_side.into_split();
    let (mut from_broker, mut to_broker) = broker_side.into_split();
    // Larger than any packet of the protocol: the copy never waits for the reader below.
    let (mut copy, mut packets) = tokio::io::duplex(1 << 20);
    let up = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_box.read(&mut buffer).await {
            if copy.write_all(&buffer[..length]).await.is_err()
                || to_broker.write_all(&buffer[..length]).await.is_err()
            {
                return;
            }
        }
    };
    let note = async {
        let prefix = format!("{PREFIX}/ev/");
        while let Ok(packet) = mqtt::read_packet(&mut packets).await {
            let at = boottime().0;
            if packet.kind == mqtt::kind::PUBLISH
                && let Ok(publish) = Publish::parse(&packet, 5)
                && publish.topic.starts_with(&prefix)
            {
                arrivals.push((at, publish.payload));
            }
        }
    };
    let down = tokio::io::copy(&mut from_broker, &mut to_box);
    tokio::select! {
        () = up => {}
        () = note => {}
        _ = down => {}
    }
}
