//! Instructions per event, counted by callgrind: a figure that no noise of a machine moves.
//!
//! With `GATEHOUSE_CALLGRIND=FOLDER` the profiles stay there, for `callgrind_annotate`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_tests::process::Process;
use gatehouse_tests::{Gateway, Record, gateway};
use rustix::process::Signal;
use tokio::process::Command;

use crate::rows::{Row, Rows, say};
use crate::sink::Sink;
use crate::throughput::feed;
use crate::wires::Wires;
use crate::{Size, bed};

/// The daemon runs fifty times slower here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the daemon has to do.
#[derive(Clone, Copy)]
enum Work {
    Nothing,
    /// So many events, each after the one before has come out.
    Lone(u64),
    /// So many as fast as they come out.
    FlatOut(u64),
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "idle",
            Self::Lone(_) => "lone",
            Self::FlatOut(_) => "flat-out",
        }
    }
}

pub(crate) async fn measure(size: Size, rows: &mut Rows) -> anyhow::Result<()> {
    let found = Command::new("valgrind").arg("--version").output().await;
    if !found.is_ok_and(|output| output.status.success()) {
        say("cpu: no valgrind; install it to count instructions");
        return Ok(());
    }
    let (lone, storm) = size.pick((300, 12_800), (2000, 64_000));
    say("cpu: callgrind, idle");
    let idle = instructions(Work::Nothing).await?;
    say(&format!("cpu: callgrind, {lone} lone events"));
    let each = (instructions(Work::Lone(lone)).await? - idle) / crate::stats::number(lone) / 1e3;
    rows.push(Row::new("kilo_instructions_per_lone_event", each, "kI"));
    say(&format!("cpu: callgrind, {storm} events flat out"));
    let each =
        (instructions(Work::FlatOut(storm)).await? - idle) / crate::stats::number(storm) / 1e3;
    rows.push(Row::new("kilo_instructions_per_event_flat_out", each, "kI"));
    Ok(())
}

/// Instructions of a whole life of the daemon with this work.
async fn instructions(work: Work) -> anyhow::Result<f64> {
    let broker = bed::broker().await?;
    let sink = Sink::start(broker.address())?;
    let wires = Wires::start(bed::DOORS)?;
    let box_ = Gateway::prepare(bed::options(&wires, bed::DOORS, broker.address()))?;
    let folder = box_.config().parent().context("the folder of the configuration")?.to_owned();
    let log = Record::default();
    let kept =
        std::env::var_os("GATEHOUSE_CALLGRIND").map_or_else(|| folder.clone(), PathBuf::from);
    let counts = kept.join(format!("callgrind.{}", work.name()));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(gateway::program()?).arg("run").arg("--config").arg(box_.config());
    command.env("NOTIFY_SOCKET", folder.join("notify.sock"));
    let mut process = Process::start("valgrind", &mut command, &log)?;
    log.wait_for("the daemon under valgrind to connect", PATIENCE, |log| {
        log.iter().any(|line| line.contains(" connected broker=")).then_some(())
    })
    .await?;
    wires.wait_for_box(1)?;
    bed::quiet(process.id().context("valgrind runs")?).await?;
    match work {
        Work::Nothing => {}
        Work::Lone(count) => {
            let base = sink.seen().count;
            for n in 0..count {
                wires.turn([usize::try_from(n % u64::from(bed::DOORS))?])?;
                sink.wait_for(base + n + 1, PATIENCE)?;
            }
        }
        Work::FlatOut(count) => drop(feed(&wires, &sink, count)?),
    }
    bed::quiet(process.id().context("valgrind runs")?).await?;
    let status = process.end(Signal::TERM, PATIENCE).await?;
    ensure!(status.success(), "the daemon ended with {status}\n{}", log.all().join("\n"));
    total(&counts)
}

/// The sum that callgrind writes at the end of its file.
fn total(path: &Path) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals:"));
    Ok(line.context("no totals in callgrind's file")?.trim().parse()?)
}
