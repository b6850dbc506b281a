//! Gatehouse on one laptop: a community with doors that people use and sensors that a burglar
//! meets, the box that watches them, a broker and the control room, and one page on which all of it
//! can be armed, broken into and broken.
//!
//! ```text
//!  people ─▶ world ──wires──▶ box (child process) ──MQTT──▶ broker (child process) ──▶ receiver
//!             ▲   Unix socket   the real daemon              all in memory             in-process
//!             │                 │ its flash: a folder                                  │
//!           page ◀── snapshots ─┴────────────── three witnesses ───────────────────────┘
//! ```
//!
//! The box and the broker are processes of their own, started from this same binary, so that "cut"
//! is SIGKILL and nothing softer. The world outlives the box, as a building does. What is shown
//! and counted is never what the box says of itself: the journal is read from its file, the broker
//! tells what reached it, and the control room's database is compared with the journal number by
//! number at the end.
//!
//! Limits: Linux only (the parts die with the demo by a signal of the kernel); SIGKILL does not
//! lose what the kernel holds in its page cache, so this shows a crash of the daemon and an
//! unplugged broker, while the tests with a simulated kernel show power cuts down to the flash.
//!
//! ```console
//! $ gatehouse-demo                      # the page on http://127.0.0.1:8090/
//! $ gatehouse-demo --for 30s --json     # cuts broker and power and breaks in by itself;
//! #                                     # exit 0: nothing lost, and the alarm was handled
//! ```

mod child;
mod cli;
mod clock;
mod error;
mod lab;
mod latency;
mod ledger;
mod outcome;
mod page;
mod room;
mod script;
mod story;
mod teller;
mod tiles;
mod truth;
mod view;
mod watcher;
mod wish;
mod world;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Demo, Part};
use error::DemoError;
use lab::Lab;
use outcome::Outcome;
use teller::{Teller, Tone};

/// Nothing was lost, and a scripted break-in went as it must.
const KEPT: u8 = 0;
/// Something was lost, or the break-in did not.
const LOST: u8 = 1;
/// The command line is wrong (`EX_USAGE`).
const USAGE: u8 = 64;
/// The demo could not run (`EX_SOFTWARE`).
const BROKEN: u8 = 70;

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap too, but not wrong.
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let _ = error.print();
            return ExitCode::from(if asked { KEPT } else { USAGE });
        }
    };
    match cli.part {
        None => demo(&cli.demo),
        Some(part) => run_part(&part),
    }
}

/// One of the demo's own child processes.
fn run_part(part: &Part) -> ExitCode {
    let (Part::Broker { parent, .. } | Part::Box { parent, .. }) = part;
    if let Err(error) = child::die_with_parent(*parent) {
        let _ = writeln!(std::io::stderr(), "{error}");
        return ExitCode::from(BROKEN);
    }
    match part {
        Part::Broker { port, .. } => {
            log("error");
            child::broker::run(*port)
        }
        Part::Box { config, .. } => {
            log("info");
            child::gatebox::run(config)
        }
    }
}

fn demo(demo: &Demo) -> ExitCode {
    log("error");
    let teller = Teller::new(demo.json);
    // One thread: the kernel's "die with the parent" is about the thread that started the child,
    // so the thread that starts the parts must be the one that lives as long as the program.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(teller, &DemoError::System(error)),
    };
    match runtime.block_on(run(demo, teller)) {
        Ok(outcome) => {
            if demo.json {
                // Numbers and fixed words always have a JSON form.
                let line = serde_json::to_string(&outcome).unwrap_or_default();
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            ExitCode::from(if outcome.is_well() { KEPT } else { LOST })
        }
        Err(error) => failed(teller, &error),
    }
}

fn failed(teller: Teller, error: &DemoError) -> ExitCode {
    teller.say(Tone::Broken, format_args!("gatehouse-demo: {error}"));
    ExitCode::from(BROKEN)
}

async fn run(demo: &Demo, teller: Teller) -> Result<Outcome, DemoError> {
    let place = Place::make(demo.keep.as_deref())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DemoError::System)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(DemoError::System)?;

    let mut lab = Lab::start(demo, teller, place.path()).await?;
    lab.meet().await?;
    if demo.runs_for.is_none() {
        teller.say(Tone::Plain, "open the page and break something; Ctrl-C ends and counts");
    }
    let asked = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let drained = lab.run(asked).await?;
    let journal = lab.journal();
    let stopping = async {
        let remains = lab.stop(drained).await?;
        let truth = truth::compare(&journal, &room::database(place.path()))?;
        let outcome = Outcome::tell(&remains, &truth, demo.calm, teller);
        lab.close(&outcome).await;
        Ok(outcome)
    };
    tokio::select! {
        outcome = stopping => outcome,
        // A second signal is somebody who does not want to wait; the parts die with us.
        _ = interrupt.recv() => Err(DemoError::Impatient),
    }
}

/// Where the demo keeps its files.
enum Place {
    /// Removed at the end.
    Temporary(tempfile::TempDir),
    /// Asked for by `--keep`.
    Kept(PathBuf),
}

impl Place {
    fn make(keep: Option<&Path>) -> Result<Self, DemoError> {
        let Some(dir) = keep else {
            let builder = tempfile::Builder::new().prefix("gatehouse-demo-").tempdir();
            return builder
                .map(Self::Temporary)
                .map_err(|source| DemoError::Folder { dir: std::env::temp_dir(), source });
        };
        let failed = |source| DemoError::Folder { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
        if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(failed(std::io::ErrorKind::DirectoryNotEmpty.into()));
        }
        // The box's configuration holds absolute paths.
        dir.canonicalize().map(Self::Kept).map_err(failed)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}

/// Logs go to standard error; `RUST_LOG` asks for more.
fn log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // A second call finds the first one's subscriber, which is as good.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
