//! From an edge to its PUBLISH on the wire, and to its commit at the control room.
//!
//! A bare flush to the same disk runs between the edges, half a period away from each, so that
//! both meet the same noise and neither waits for the other. The tap's own way, from a write on
//! loopback to its thread's note, is measured too: it is in every delay, and in no flush.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, ensure};
use gatehouse_core::event::Class;
use gatehouse_tests::wait::{SOON, boottime, monotonic_ns};
use gatehouse_tests::{Broker, ClientOptions, District, Gateway, Subscriber, is_move};
use serde_json::Value;

use crate::cameras::Streams;
use crate::disk::Flusher;
use crate::process::{account, pid};
use crate::rows::{Goal, Row, Rows, say};
use crate::stats::{number, steady};
use crate::tap::Tap;
use crate::wires::Wires;
use crate::{Size, bed, pace};

/// Few enough that each door moves at a believable pace.
const DOORS: u32 = 8;

/// Percentiles are medians over so many parts of a run.
const PARTS: usize = 3;

/// One event costs one flush; what is added on the way to the wire.
const P50_ABOVE_FLUSH_US: f64 = 300.0;

/// Checkpoints and a shared disk: the worst is bounded by the disk's own worst.
const P99_FLUSHES: f64 = 3.0;

/// As many cameras as a box of this size is meant for.
const CAMERAS: u32 = 16;

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let mut bench = Bench::start("").await?;
    // The journal's files reach the size that they keep.
    bench.run(500, size.pick(500, 1500)).await?;
    bench.rates(10, size.pick(120, 900), "", rows).await?;
    bench.rates(100, size.pick(1800, 9000), "", rows).await?;
    let own = own_way(size.pick(200, 1000))?;
    rows.push(Row::new("of_it_the_tap_p50_at_100", steady(&own, 50, PARTS), "us"));
    Ok(())
}

/// The same daemon without cameras, with sixteen in whose pictures nothing moves, with sixteen in
/// whose pictures something moves all the time, and without again. The cameras' servers run on the
/// same processors: what they take is in it.
pub(crate) async fn beside_cameras(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    for (name, busy) in [
        ("_without", None),
        ("_quiet", Some(false)),
        ("_busy", Some(true)),
        ("_without_again", None),
    ] {
        let streams = match busy {
            Some(busy) => Some(Streams::start(busy).await?),
            None => None,
        };
        let config = streams.as_ref().map_or(String::new(), |streams| streams.config(CAMERAS));
        let mut bench = Bench::start(&config).await?;
        if streams.is_some() {
            bench.cameras_up().await?;
        }
        bench.run(500, size.pick(500, 1500)).await?;
        if streams.is_some() {
            // Views are learnt, rings are full.
            bench.run(10, 200).await?;
        }
        bench.rates(10, size.pick(120, 900), name, rows).await?;
        bench.rates(100, size.pick(1800, 9000), name, rows).await?;
    }
    Ok(())
}

/// Microseconds from a write to the note of a thread that waits for it, as the tap's does.
fn own_way(count: u64) -> anyhow::Result<Vec<f64>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    let (mut far, _) = listener.accept()?;
    let noted = std::thread::spawn(move || {
        let mut noted = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(1..) = far.read(&mut buffer) {
            noted.push(monotonic_ns());
        }
        noted
    });
    let start = monotonic_ns();
    let mut written = Vec::new();
    for n in 1..=count {
        pace::until(start + n * 10_000_000);
        written.push(monotonic_ns());
        near.write_all(&[0; 500])?;
    }
    drop(near);
    let noted = noted.join().map_err(|_| anyhow::anyhow!("the tap's thread panicked"))?;
    ensure!(noted.len() == written.len(), "a write was not noted by itself");
    Ok(written.iter().zip(&noted).map(|(from, to)| number(to - from) / 1e3).collect())
}

struct Bench {
    tap: Tap,
    district: District,
    heard: Subscriber,
    wires: Wires,
    gateway: Gateway,
    flusher: Option<Flusher>,
    /// Line and time of each edge of the run.
    edges: VecDeque<(usize, u64)>,
    _broker: Broker,
}

/// What a run measured, in microseconds for each event.
struct Delays {
    publish: Vec<f64>,
    commit: Vec<f64>,
}

impl Bench {
    /// A daemon with these further tables, that has nothing to do but what they say.
    async fn start(extra: &str) -> anyhow::Result<Self> {
        let broker = bed::broker().await?;
        let tap = Tap::start(broker.address())?;
        let district = District::start(broker.address()).await?;
        let heard = Subscriber::start(
            broker.address(),
            ClientOptions::new("watcher"),
            &["gatehouse/v1/+/+/+/camera/#"],
        )
        .await?;
        let wires = Wires::start(DOORS)?;
        let mut options = bed::options(&wires, DOORS, tap.address());
        options.extra.push_str(extra);
        let gateway = Gateway::start(options).await?;
        if extra.is_empty() {
            bed::settle(&gateway, &wires, 1).await?;
        } else {
            bed::connected(&gateway, &wires, 1).await?;
        }
        let edges = VecDeque::new();
        Ok(Self { tap, district, heard, wires, gateway, flusher: None, edges, _broker: broker })
    }

    /// Waits until all cameras give pictures.
    async fn cameras_up(&self) -> anyhow::Result<()> {
        let all = self.heard.messages();
        all.wait_for("all cameras to be up", SOON * 4, |all| {
            let mut up = BTreeSet::new();
            for message in all {
                let state = serde_json::from_slice::<Value>(&message.publish.payload).ok();
                if state.is_some_and(|state| state["state"] == "up") {
                    up.insert(&message.publish.topic);
                }
            }
            (up.len() == CAMERAS as usize).then_some(())
        })
        .await
    }

    async fn rates(
        &mut self,
        rate: u64,
        count: u64,
        name: &str,
        rows: &mut Rows,
    ) -> anyhow::Result<()> {
        say(&format!("latency{name}: {count} edges at {rate}/s"));
        self.flusher = Some(Flusher::new(&self.gateway.state())?);
        let before = account(pid(&self.gateway)?)?;
        let delays = self.run(rate, count).await?;
        let after = account(pid(&self.gateway)?)?;
        let flusher = self.flusher.take().context("it was just made")?;
        let flush = |percent| steady(&flusher.took_us, percent, PARTS);
        let what = "bare 4 KiB fdatasync, interleaved";
        for (percent, goal) in [(50, flush(50) + P50_ABOVE_FLUSH_US), (99, flush(99) * P99_FLUSHES)]
        {
            let value = steady(&delays.publish, percent, PARTS);
            let row = Row::new(format!("edge_to_publish_p{percent}_at_{rate}{name}"), value, "us")
                .reference(flush(percent), what);
            rows.push(row.goal(Goal::AtMost(goal)));
            let value = steady(&delays.commit, percent, PARTS);
            let row = Row::new(format!("edge_to_commit_p{percent}_at_{rate}{name}"), value, "us");
            rows.push(row.reference(flush(percent), what));
        }
        if rate >= 100 && name.is_empty() {
            let cpu = (after.cpu_us - before.cpu_us) / number(count);
            let bare = flusher.cpu_us / number(flusher.took_us.len() as u64);
            let row = Row::new(format!("cpu_per_event_at_{rate}"), cpu, "us");
            rows.push(row.goal(Goal::AtMost(400.0)).reference(bare, "CPU of a bare fdatasync"));
            let bytes = (after.written - before.written) / number(count);
            let row = Row::new(format!("bytes_per_event_at_{rate}"), bytes, "B");
            rows.push(row.goal(Goal::AtMost(22_000.0)).reference(4096.0, "one 4 KiB block"));
        }
        Ok(())
    }

    /// Makes edges at a rate, each line in turn, and says how long each took.
    async fn run(&mut self, rate: u64, count: u64) -> anyhow::Result<Delays> {
        let (arrived, committed) = (self.tap.arrivals()?.len(), self.district.committed().len());
        let period = 1_000_000_000 / rate;
        let start = monotonic_ns() + period;
        self.edges.clear();
        for n in 0..count {
            pace::until(start + n * period);
            let line = usize::try_from(n % u64::from(DOORS))?;
            let at_ns = self.wires.turn([line])?;
            self.edges.push_back((line, at_ns));
            if let Some(flusher) = &mut self.flusher {
                pace::until(start + n * period + period / 2);
                flusher.flush()?;
            }
        }
        let count = usize::try_from(count)?;
        let committed = self
            .district
            .committed()
            .wait_for("all events at the control room", SOON, |all| {
                // Moves alone: a door that is found at the start is of the same class, and counted
                // as an edge it ends the wait before the last edges are through.
                let doors = all[committed..].iter().filter(|event| !event.duplicate);
                let moves: Vec<_> = doors
                    .filter(|event| event.class == Class::Door)
                    .filter(|event| event.event().is_ok_and(|event| is_move(&event)))
                    .map(|event| (event.seq, event.committed.0))
                    .collect();
                (moves.len() >= count).then_some(moves)
            })
            .await?;
        let arrivals = self.tap.arrivals()?.split_off(arrived);
        ensure!(arrivals.len() == count, "{} events for {count} edges", arrivals.len());
        self.delays(&arrivals, &committed.into_iter().collect())
    }

    fn delays(
        &self,
        arrivals: &[crate::tap::Arrival],
        committed: &HashMap<gatehouse_core::id::Seq, u64>,
    ) -> anyhow::Result<Delays> {
        // The control room's clock runs while the machine sleeps, that of edges does not.
        let (boot, monotonic) = (boottime().0, monotonic_ns());
        let ahead = boot.saturating_sub(monotonic);
        let mut delays = Delays { publish: Vec::new(), commit: Vec::new() };
        // Edges of one line become events in their order; of several lines too, at this rate.
        for ((line, edge_ns), arrival) in self.edges.iter().zip(arrivals) {
            let door = arrival.event.draft.source.id.as_str();
            ensure!(door == format!("door-{line}"), "an event of {door} for an edge of {line}");
            delays.publish.push(number(arrival.at_ns.saturating_sub(*edge_ns)) / 1e3);
            let committed = committed.get(&arrival.event.seq).context("a committed event")?;
            delays.commit.push(number(committed.saturating_sub(edge_ns + ahead)) / 1e3);
        }
        Ok(delays)
    }
}
