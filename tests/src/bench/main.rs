//! Measures the daemon against its goals, next to what limits it and to peers, in one run.
//!
//! Every part is real: the release binary of the daemon, its journal on this disk, mosquitto. What
//! is fed and what is listened with is thin, so that it is the daemon that is measured: wires that
//! write to a socket ([`wires`]), a tap that notes when bytes come ([`tap`]), a subscriber that
//! acknowledges and sends receipts ([`sink`]).
//!
//! `tests/bench/run [quick]` builds and calls this. `tests/bench/RESULTS.md` says what was found.

mod bed;
mod cameras;
mod chips;
mod cpu;
mod disk;
mod flash;
mod ingest;
mod kernel;
mod latency;
mod memory;
mod pace;
mod peer;
mod prefill;
mod process;
mod rows;
mod sink;
mod stats;
mod storm;
mod tap;
mod throughput;
mod wires;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use rows::Rows;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Below four minutes.
    Quick,
    /// Enough for figures that are written down.
    Full,
}

impl Size {
    const fn pick<T: Copy>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// Measures the daemon against its goals.
#[derive(Parser)]
struct Arguments {
    /// Less of everything: below four minutes.
    quick: Option<Quick>,
    /// Only these parts, by name.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Exit 1 when a goal is missed. Shared machines miss some by noise alone.
    #[arg(long)]
    strict: bool,
    /// Where the rows go.
    #[arg(long, default_value = "results.json")]
    out: PathBuf,
    /// Publish as a peer and say what it cost: the bench calls itself with this.
    #[arg(long, hide = true)]
    peer: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Quick {
    Quick,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Memory,
    Latency,
    Cameras,
    Kernel,
    Throughput,
    Storm,
    Flash,
    Cpu,
    Chips,
    Ingest,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("gatehouse-bench: {error:#}");
            ExitCode::from(70)
        }
    }
}

/// Whether all is well.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(order) = &arguments.peer {
        peer::publish(&serde_json::from_str(order)?)?;
        return Ok(true);
    }
    let size = if arguments.quick.is_some() { Size::Quick } else { Size::Full };
    let runtime = tokio::runtime::Runtime::new()?;
    let rows = runtime.block_on(measure(size, &arguments.only))?;
    rows.print();
    rows.write(&arguments.out)?;
    Ok(rows.met() || !arguments.strict)
}

async fn measure(size: Size, only: &[Part]) -> anyhow::Result<Rows> {
    let wanted = |part| only.is_empty() || only.contains(&part);
    let mut rows = Rows::default();
    if wanted(Part::Memory) {
        memory::measure(size, &mut rows).await?;
    }
    if wanted(Part::Latency) {
        latency::measure(size, &mut rows).await?;
    }
    if wanted(Part::Cameras) {
        latency::beside_cameras(size, &mut rows).await?;
    }
    if wanted(Part::Kernel) {
        kernel::measure(size, &mut rows).await?;
    }
    if wanted(Part::Throughput) {
        throughput::measure(size, &mut rows).await?;
    }
    if wanted(Part::Storm) {
        storm::measure(size, &mut rows).await?;
    }
    if wanted(Part::Flash) {
        flash::measure(size, &mut rows).await?;
    }
    if wanted(Part::Cpu) {
        cpu::measure(size, &mut rows).await?;
    }
    if wanted(Part::Chips) {
        chips::measure(size, &mut rows).await?;
    }
    if wanted(Part::Ingest) {
        ingest::measure(size, &mut rows).await?;
    }
    Ok(rows)
}
