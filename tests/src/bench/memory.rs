//! Resident memory and the time to `READY=1`: of a new box, and of one that has a million events
//! to deliver.

use std::net::SocketAddr;

use gatehouse_tests::wait::monotonic_ns;
use gatehouse_tests::{Broker, Gateway, gateway};

use crate::process::{pid, resident_mb};
use crate::rows::{Goal, Row, Rows, say};
use crate::stats::{median, number};
use crate::wires::Wires;
use crate::{Size, bed, peer, prefill};

const MILLION: u64 = 1_000_000;

/// Milliseconds to `READY=1`.
const READY: Goal = Goal::AtMost(150.0);

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let broker = bed::broker().await?;
    let floor = just_started(size.pick(5, 15)).await?;
    let bridge = bed::broker_with(&peer::bridge(broker.address())).await?;
    let peer_mb = resident_mb(process_of(&bridge)?)?.0;

    say("memory: a new box with 64 doors");
    let wires = Wires::start(bed::DOORS)?;
    let options = bed::options(&wires, bed::DOORS, broker.address());
    let mut took = Vec::new();
    for _ in 0..size.pick(5, 15) {
        let mut gateway = Gateway::prepare(options.clone())?;
        took.push(start(&mut gateway).await?);
        gateway.stop().await?;
    }
    let row = Row::new("ready_with_empty_journal", median(&took), "ms").goal(READY);
    rows.push(row.reference(floor, "`gatehouse --version`, start to end"));
    let mut gateway = Gateway::prepare(options)?;
    start(&mut gateway).await?;
    gateway
        .log()
        .wait_for("the connection", gatehouse_tests::wait::SOON, |log| {
            log.iter().any(|line| line.contains(" connected broker=")).then_some(())
        })
        .await?;
    bed::quiet(pid(&gateway)?).await?;
    let row = Row::new("rss_idle_64_doors", resident_mb(pid(&gateway)?)?.0, "MB");
    rows.push(row.goal(Goal::AtMost(12.0)).reference(peer_mb, "mosquitto with a bridge, idle"));
    gateway.stop().await?;
    million(size, wires, floor, rows).await
}

/// The broker cannot be reached: everything stays pending.
async fn million(size: Size, wires: Wires, floor: f64, rows: &mut Rows) -> anyhow::Result<()> {
    let nobody = gatehouse_tests::ports::Port::hold()?;
    let address: SocketAddr = nobody.address();
    let mut gateway = Gateway::prepare(bed::options(&wires, bed::DOORS, address))?;
    say("memory: a million pending events");
    let before = monotonic_ns();
    prefill::fill(&bed::journal(&gateway), bed::DOORS, MILLION)?;
    let seconds = number(monotonic_ns() - before) / 1e9;
    let bytes = bed::size_of(&bed::journal(&gateway))?;
    rows.push(Row::new("journal_alone_events", number(MILLION) / seconds, "1/s"));
    rows.push(Row::new("journal_bytes_per_event", number(bytes) / number(MILLION), "B"));
    let mut took = Vec::new();
    for _ in 0..size.pick(5, 15) {
        took.push(start(&mut gateway).await?);
        gateway.kill().await?;
    }
    let row = Row::new("ready_with_a_million_pending", median(&took), "ms").goal(READY);
    rows.push(row.reference(floor, "`gatehouse --version`, start to end"));
    start(&mut gateway).await?;
    bed::quiet(pid(&gateway)?).await?;
    let (resident, peak) = resident_mb(pid(&gateway)?)?;
    let row = Row::new("rss_with_a_million_pending", resident, "MB");
    rows.push(row.goal(Goal::AtMost(40.0)));
    rows.push(Row::new("rss_peak_with_a_million_pending", peak, "MB"));
    gateway.kill().await?;
    Ok(())
}

/// Milliseconds from the start of the process to `READY=1`.
async fn start(gateway: &mut Gateway) -> anyhow::Result<f64> {
    let before = monotonic_ns();
    gateway.launch().await?;
    Ok(number(monotonic_ns() - before) / 1e6)
}

/// What it takes to start the same binary for nothing.
async fn just_started(times: usize) -> anyhow::Result<f64> {
    let program = gateway::program()?;
    let mut took = Vec::new();
    for _ in 0..times {
        let before = monotonic_ns();
        tokio::process::Command::new(&program).arg("--version").output().await?;
        took.push(number(monotonic_ns() - before) / 1e6);
    }
    Ok(median(&took))
}

/// A broker's process, found by the folder in its command line.
fn process_of(broker: &Broker) -> anyhow::Result<u32> {
    let config = broker.folder().join("mosquitto.conf");
    let config = config.to_str().unwrap_or_default();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if words.split(|byte| *byte == 0).any(|word| word == config.as_bytes()) {
            return Ok(pid);
        }
    }
    anyhow::bail!("no process has {config} on its command line")
}
