//! Zones: a storm of all 64 into the journal, and what one input costs the rules.
//!
//! The storm is that of a box in which everything flaps at once: half of the zones are contacts whose
//! openings and closings are recorded, half protect at any time, so each activation is an alarm with
//! its incident and each end a restore. Every edge is one event and its zone's kept state. What is
//! counted are events behind a commit's fsync, as the control socket's `follow` tells them.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use gatehouse_core::id::Id;
use gatehouse_core::site::{
    Condition, Input, ModeConfig, PartitionConfig, Site, SiteConfig, ZoneConfig, ZoneKind,
};
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use gatehouse_tests::Gateway;
use gatehouse_tests::wait::monotonic_ns;

use crate::process::{account, pid};
use crate::rows::{Goal, Row, Rows, say};
use crate::sink::Sink;
use crate::stats::{median, number};
use crate::wires::Wires;
use crate::{Size, bed};

/// The zones of a full box.
const ZONES: u32 = 64;

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    rows.push(Row::new("apply_zone_of_64", apply_us()?, "us").goal(Goal::AtMost(5.0)));
    let (rounds, turns) = size.pick((3, 200), (5, 500));
    let count = u64::from(ZONES) * turns;
    say(&format!("storm: {rounds} rounds of {count} edges of {ZONES} zones"));
    let broker = bed::broker().await?;
    let _sink = Sink::start(broker.address())?;
    let wires = Wires::start(ZONES)?;
    let mut options = bed::options(&wires, 0, broker.address());
    options.extra = format!("{}{}", zones()?, options.extra);
    let gateway = Gateway::start(options).await?;
    bed::settle(&gateway, &wires, 1).await?;
    let pid = pid(&gateway)?;
    let socket = gateway.state().parent().context("the folder")?.join("control.sock");
    let (mut rates, mut costs, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bed::quiet(pid).await?;
        let before = account(pid)?;
        let mut heads = Heads::follow(&socket)?;
        let goal = heads.next()? + count;
        let start = monotonic_ns();
        for _ in 0..turns {
            wires.turn(0..ZONES as usize)?;
        }
        while heads.next()? < goal {}
        let took = monotonic_ns() - start;
        let after = account(pid)?;
        rates.push(number(count) * 1e9 / number(took));
        costs.push((after.cpu_us - before.cpu_us) / number(count));
        bytes.push((after.written - before.written) / number(count));
    }
    rows.push(Row::new("storm_of_64_zones_events", median(&rates), "1/s"));
    // Delivery goes on beside it, and what is not delivered yet is not in it.
    rows.push(Row::new("cpu_per_event_storm_of_64_zones", median(&costs), "us"));
    rows.push(Row::new("bytes_per_event_storm_of_64_zones", median(&bytes), "B"));
    Ok(())
}

/// The newest stored number after each commit.
struct Heads(BufReader<UnixStream>);

impl Heads {
    fn follow(socket: &Path) -> anyhow::Result<Self> {
        let mut stream = UnixStream::connect(socket).context("the control socket")?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(b"follow\n")?;
        Ok(Self(BufReader::new(stream)))
    }

    fn next(&mut self) -> anyhow::Result<u64> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the daemon said {line:?}"))
    }
}

fn zones() -> Result<String, std::fmt::Error> {
    let mut text = "[[partition]]\nid = \"p\"\n".to_owned();
    for zone in 0..ZONES {
        let kind = if zone % 2 == 0 { "instant" } else { "24h" };
        writeln!(text, "[[zone]]\nid = \"zone-{zone}\"\nkind = \"{kind}\"\npartition = \"p\"")?;
        writeln!(text, "input = \"sim:{zone}\"\ndebounce-ms = 0")?;
    }
    Ok(text)
}

/// Microseconds of the processor for one opening or closing, on a site of 64 zones in 4 partitions.
/// `gateway/core/examples/apply_bench.rs` has every kind of input.
fn apply_us() -> anyhow::Result<f64> {
    const INPUTS: u64 = 200_000;
    let id = |text: String| text.parse::<Id>();
    let delays = ModeConfig { exit: Duration::from_secs(30), entry: Duration::from_secs(30) };
    let mut config = SiteConfig::default();
    for n in 0..4_usize {
        let (id, common_to) = (id(format!("house-{n}"))?, Vec::new());
        config.partitions.push(PartitionConfig { id, common_to, modes: [Some(delays); 4] });
    }
    for n in 0..64_usize {
        let kind = ZoneKind::ALL[n % ZoneKind::ALL.len()];
        let id = id(format!("zone-{n}"))?;
        config.zones.push(ZoneConfig::new(id, kind, Some(n % 4), format!("sim:{n}")));
    }
    let now = |n: u64| {
        let ms = 1_000 + n * 300;
        let utc = UtcMs(1_790_000_000_000 + i64::try_from(ms).unwrap_or_default());
        Now { mono: Mono(ms * 1_000_000), utc, err_ms: Some(5), clock: ClockState::Synced }
    };
    let mut site = Site::new(config, "5e1c7f3a-0b0a-4b7e-9c53-0123456789ab");
    site.restore([], &"g-1".parse()?, &now(0));
    let mut turn = |n: u64| {
        let condition =
            if (n / 64).is_multiple_of(2) { Condition::Normal } else { Condition::Active };
        let (zone, now) = (usize::try_from(n % 64).unwrap_or_default(), now(n));
        black_box(site.apply(Input::Zone { zone, condition, at: now.mono, resynced: false }, &now));
    };
    (0..128).for_each(&mut turn);
    let began = on_cpu_ns()?;
    (128..128 + INPUTS).for_each(&mut turn);
    Ok(number(on_cpu_ns()? - began) / number(INPUTS) / 1_000.0)
}

/// Nanoseconds that this thread has run: other work on the machine does not count.
fn on_cpu_ns() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    stat.split(' ').next().context("no time")?.parse().context("no number")
}
