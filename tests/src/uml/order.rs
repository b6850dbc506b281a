//! What the test tells the box, and what it hears: one JSON line each way, over the box's console.

use std::io::Write as _;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// One edge to drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The line of the chip.
    pub line: u32,
    /// Electrically high.
    pub high: bool,
    /// How long to wait before it.
    pub after_us: u64,
}

/// What is added to the name of a pattern's file for that of its [`Moment`]s.
pub const PLAYED: &str = ".played";

/// When an edge was driven, in nanoseconds of the box's `CLOCK_MONOTONIC`: it cannot have been
/// sooner, nor later but for the kernel's tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Read before the line was driven.
    pub before_ns: u64,
    /// Read after it.
    pub after_ns: u64,
}

/// An order to the agent in the box. It answers each with one [`Answer`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Build the chip and put these levels on its lines, before anybody can have asked for it.
    Wire {
        /// The level of each line.
        high: Vec<bool>,
    },
    /// Pull the chip out while it is in use.
    Unplug,
    /// Put it back, with these levels on its lines.
    Plug {
        /// The level of each line.
        high: Vec<bool>,
    },
    /// Drive the edges in this file of the run's folder, one JSON line each. When each was driven
    /// goes to the file with [`PLAYED`] after its name.
    Play {
        /// The file's name.
        file: String,
    },
    /// Begin to drive random edges in the background.
    Noise(Noise),
    /// End [`Order::Noise`]; answered with what was driven.
    Quiet,
    /// Start a program; its output goes to `<name>.out` and `<name>.err` in the run's folder.
    Start {
        /// What it is called in [`Order::Signal`] and [`Order::Wait`].
        name: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// Answer when it has said `READY=1` as to systemd, at most after this; none: at once.
        ready_ms: Option<u64>,
    },
    /// Send a signal to a program.
    Signal {
        /// Its name.
        name: String,
        /// The signal's number.
        signal: i32,
    },
    /// Wait for the end of a program; answered with its exit code.
    Wait {
        /// Its name.
        name: String,
        /// How long at most.
        limit_ms: u64,
    },
    /// As [`Order::Wait`], and fails unless the exit code is 0.
    Ended {
        /// Its name.
        name: String,
        /// How long at most.
        limit_ms: u64,
    },
    /// Set the box's wall clock, as its time daemon does, and leave its mark.
    SetClock {
        /// Milliseconds since 1970.
        real_ms: i64,
    },
    /// Sleep until the wall clock reads this; fails when it is past by more than a second.
    Until {
        /// Milliseconds since 1970.
        real_ms: i64,
    },
    /// Carry these out one after the other without asking; answered when all are done. For a box
    /// whose time does not wait for the host.
    Row {
        /// What.
        orders: Vec<Order>,
    },
    /// What the chip's lines read now, as the kernel sees them.
    Levels,
    /// What the box's clocks read now.
    Clock,
    /// Unmount and power off in order.
    Off,
}

/// Edges at random lines and times, reproducible by their seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Noise {
    /// Lines 0 to this, exclusive.
    pub lines: u32,
    /// How many edges per second, spread over the lines.
    pub per_s: u32,
    /// Of the random numbers.
    pub seed: u64,
    /// The file that gets one JSON line per edge driven.
    pub file: String,
}

/// The agent's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// The agent is there: sent once, unasked, after the boot.
    Ready,
    /// The order is carried out.
    Done,
    /// The answer to [`Order::Quiet`] and [`Order::Play`].
    Driven {
        /// How many edges.
        edges: u64,
        /// The level of each line afterwards.
        high: Vec<bool>,
    },
    /// The answer to [`Order::Levels`].
    Levels {
        /// The level of each line.
        high: Vec<bool>,
    },
    /// The answer to [`Order::Clock`].
    Clock {
        /// `CLOCK_BOOTTIME` in nanoseconds.
        boot_ns: u64,
        /// `CLOCK_REALTIME` in nanoseconds.
        real_ns: i64,
    },
    /// The answer to [`Order::Wait`].
    Ended {
        /// The exit code; none if a signal ended it.
        code: Option<i32>,
    },
    /// The order could not be carried out.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Writes one JSON line in a single write, so that nothing gets between its parts.
pub fn write_line(to: &mut impl std::io::Write, what: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(what).context("every order and answer is JSON")?;
    line.push(b'\n');
    to.write_all(&line).context("write a line to the console")?;
    to.flush().context("write a line to the console")
}

/// The edges of a pattern file.
pub fn read_edges(path: &std::path::Path) -> anyhow::Result<Vec<Edge>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Writes a pattern file.
pub fn write_edges(path: &std::path::Path, edges: &[Edge]) -> anyhow::Result<()> {
    let file = std::fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut file = std::io::BufWriter::new(file);
    for edge in edges {
        write_line_unflushed(&mut file, edge)?;
    }
    file.flush().with_context(|| format!("write {}", path.display()))
}

fn write_line_unflushed(to: &mut impl std::io::Write, what: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *to, what)?;
    Ok(to.write_all(b"\n")?)
}
