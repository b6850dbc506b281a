//! Sustained events per second from the wire to the broker's acknowledgement, next to peers.
//!
//! Daemon and peers take turns at the same broker with the same subscriber, message size,
//! properties and window. Two ways to feed the daemon:
//! - sustained: as fast as it delivers. So many edges are under way at most that none waits in the
//!   journal, so it could go on for ever.
//! - burst: as fast as it takes edges from the wires. What is not delivered at once waits in the
//!   journal; the rate is that of the last event's delivery.
//!
//! What each costs is counted in the same runs. All 64 doors move in turn, which no site does: each
//! commit touches every door's place in the journal's index. So bytes are also counted for a burst
//! of four doors.

use std::time::Duration;

use gatehouse_tests::Gateway;
use gatehouse_tests::wait::monotonic_ns;

use crate::process::{account, pid, resident_mb};
use crate::rows::{Goal, Row, Rows, say};
use crate::sink::Sink;
use crate::stats::{median, number};
use crate::wires::Wires;
use crate::{Size, bed, peer};

/// Edges under way at most: below what the journal keeps in memory, above what fills every queue.
const UNDER_WAY: u64 = 1920;

/// The share of raw rumqttc's throughput that is left with a journal before it.
const RATIO: f64 = 0.85;

/// A busy entrance.
const FEW: usize = 4;

/// Before anything is measured.
const WARM_UP: u64 = 6400;

/// Nothing for so long is a failure.
const SILENCE: Duration = Duration::from_secs(20);

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let (rounds, count) = size.pick((3, 48_000), (5, 128_000));
    let broker = bed::broker().await?;
    let sink = Sink::start(broker.address())?;
    let wires = Wires::start(bed::DOORS)?;
    let gateway = Gateway::start(bed::options(&wires, bed::DOORS, broker.address())).await?;
    bed::settle(&gateway, &wires, 1).await?;
    // Files reach the size they keep, and the size of an event is known.
    feed(&wires, &sink, WARM_UP)?;
    let payload = sink.seen().payload;

    let (mut raws, mut sustained) = (Vec::new(), Vec::new());
    let (mut bursts, mut few) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        say(&format!("throughput: round {round} of {rounds}, {count} events each"));
        raws.push(raw(&sink, broker.address(), count, payload).await?);
        sustained.push(run(&gateway, count, || feed(&wires, &sink, count)).await?);
        bursts
            .push(run(&gateway, count, || burst(&wires, &sink, count, bed::DOORS as usize)).await?);
        few.push(run(&gateway, count, || burst(&wires, &sink, count, FEW)).await?);
    }
    let raw = Run::median(&raws);
    let what = "raw rumqttc: same broker, subscriber, messages, window";
    for (name, runs) in [("sustained", &sustained), ("burst", &bursts), ("burst_of_4_doors", &few)]
    {
        let ours = Run::median(runs);
        let row = Row::new(format!("{name}_events"), ours.rate, "1/s").reference(raw.rate, what);
        rows.push(row.goal(Goal::AtLeast(RATIO * raw.rate)));
        let row = Row::new(format!("cpu_per_event_{name}"), ours.cpu_us, "us");
        rows.push(row.goal(Goal::AtMost(15.0)).reference(raw.cpu_us, "raw rumqttc"));
        let row = Row::new(format!("bytes_per_event_{name}"), ours.bytes, "B");
        rows.push(row.goal(Goal::AtMost(1024.0)).reference(number(payload as u64), "its JSON"));
    }
    let resident = resident_mb(pid(&gateway)?)?.0;
    let events = rounds * 3 * count + WARM_UP;
    let row = Row::new(format!("rss_after_{events}_events"), resident, "MB");
    rows.push(row.goal(Goal::AtMost(40.0)));
    bridge(&sink, broker.address(), count, payload, raw.rate, rows).await
}

/// One run, or the median of several.
struct Run {
    /// Events per second.
    rate: f64,
    /// User and system time of the publisher, per event.
    cpu_us: f64,
    /// Bytes to disk, per event.
    bytes: f64,
}

impl Run {
    fn median(runs: &[Self]) -> Self {
        let of = |what: fn(&Self) -> f64| median(&runs.iter().map(what).collect::<Vec<_>>());
        Self { rate: of(|run| run.rate), cpu_us: of(|run| run.cpu_us), bytes: of(|run| run.bytes) }
    }
}

/// Measures the daemon while `feed` feeds it and waits for what comes out.
async fn run(
    gateway: &Gateway,
    count: u64,
    feed: impl FnOnce() -> anyhow::Result<f64>,
) -> anyhow::Result<Run> {
    let pid = pid(gateway)?;
    bed::quiet(pid).await?;
    let before = account(pid)?;
    let rate = feed()?;
    let after = account(pid)?;
    let each = |total: f64| total / number(count);
    let (cpu_us, bytes) =
        (each(after.cpu_us - before.cpu_us), each(after.written - before.written));
    Ok(Run { rate, cpu_us, bytes })
}

/// Feeds edges as fast as they are delivered; says how many per second were.
pub(crate) fn feed(wires: &Wires, sink: &Sink, count: u64) -> anyhow::Result<f64> {
    let lines = u64::from(bed::DOORS);
    let base = sink.seen().count;
    let start = monotonic_ns();
    let mut fed = 0;
    while fed < count {
        if fed + lines > UNDER_WAY {
            sink.wait_for(base + fed + lines - UNDER_WAY, SILENCE)?;
        }
        let batch = lines.min(count - fed);
        wires.turn(0..usize::try_from(batch)?)?;
        fed += batch;
    }
    let seen = sink.wait_for(base + count, SILENCE)?;
    Ok(number(count) * 1e9 / number(seen.last_ns - start))
}

/// Feeds edges as fast as they are recorded: what is not delivered at once waits in the journal.
fn burst(wires: &Wires, sink: &Sink, count: u64, doors: usize) -> anyhow::Result<f64> {
    let base = sink.seen().count;
    let start = monotonic_ns();
    for _ in 0..count / u64::from(bed::DOORS) {
        wires.turn((0..bed::DOORS as usize).map(|n| n % doors))?;
    }
    let seen = sink.wait_for(base + count, SILENCE)?;
    Ok(number(count) * 1e9 / number(seen.last_ns - start))
}

async fn raw(
    sink: &Sink,
    broker: std::net::SocketAddr,
    count: u64,
    payload: usize,
) -> anyhow::Result<Run> {
    let base = sink.seen().count;
    let done = peer::run(&peer::Order { broker, count, payload, client: "raw".into() }).await?;
    let seen = sink.wait_for(base + count, SILENCE)?;
    let rate = number(count) * 1e9 / number(seen.last_ns - done.first_ns);
    Ok(Run { rate, cpu_us: done.cpu_us / number(count), bytes: 0.0 })
}

/// A publisher, a local mosquitto, and its bridge to the same broker.
async fn bridge(
    sink: &Sink,
    broker: std::net::SocketAddr,
    count: u64,
    payload: usize,
    raw: f64,
    rows: &mut Rows,
) -> anyhow::Result<()> {
    say("throughput: mosquitto's bridge");
    let local = bed::broker_with(&peer::bridge(broker)).await?;
    let base = sink.seen().count;
    let order =
        peer::Order { broker: local.address(), count, payload, client: "before-bridge".into() };
    let done = peer::run(&order).await?;
    let seen = sink.wait_for(base + count, SILENCE)?;
    let rate = number(count) * 1e9 / number(seen.last_ns - done.first_ns);
    rows.push(Row::new("bridge_events", rate, "1/s").reference(raw, "raw rumqttc"));
    Ok(())
}
