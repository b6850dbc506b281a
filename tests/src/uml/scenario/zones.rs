//! Zones on a real kernel: pulses, chatter, all lines at once, the alarm lane first, and what
//! changes while the box is off.
//!
//! All 64 lines of one chip: two doors, zones that protect at any time, and windows of a partition
//! that is not armed, whose openings and closings are events of the normal lane.

mod dark;
mod lanes;
mod pulses;
mod storm;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::machine::Booted;
use crate::uml::order::Edge;
use crate::uml::stage::{self, DRAIN, Options, PREFIX, Programs, Stage};
use crate::wait;

/// As many as one request of the kernel's can have.
const LINES: u32 = 64;

/// Lines from 0.
const DOORS: u32 = 2;

/// Of kind `24h` with the usual debounce: one for each length of pulse.
const PULSED: [u32; 4] = [2, 3, 4, 5];

/// Of kind `24h` with the usual debounce, and its readings are recorded.
const SAFE: u32 = 6;

/// Of kind `panic`, with the usual debounce.
const PANIC: u32 = 7;

/// The first of the windows, which are all other lines.
const WINDOWS: u32 = 8;

/// Of doors and windows, so that they can flap fast and yet each edge is one event.
const FAST_MS: u32 = 20;

/// Between two edges of a door or a window: each is stable for long enough, also on a busy machine,
/// since the agent is never too soon.
const FLAP_US: u64 = 40_000;

/// Longer than the usual debounce of 350 ms, and than what must always be told.
const HOLD_US: u64 = 450_000;

/// A kernel's stamp is so far from the moment of driving at most: the tick, on a machine that does
/// other things. A stamp of when the debounce was over would be 350 ms late.
const STAMP_NS: u64 = 100_000_000;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, FAST_MS);
    let mut stage = Stage::set(folder, programs, options).await?;
    let path = stage.machine.file("gateway.toml");
    let doors = std::fs::read_to_string(&path)?;
    std::fs::write(&path, doors + &zones())?;

    let mut booted = stage.boot(&[false; LINES as usize]).await?;
    dark::set_the_clock(&mut booted).await?;
    stage.start_daemon(&mut booted, true).await?;
    wait_all(&stage, false, 0).await?;

    let part = |what: &str| eprintln!("zones: {what}, {} ms", wait::boottime().0 / 1_000_000);
    part("pulses");
    let pulses = pulses::pulses(&stage, &mut booted).await?;
    part("chatter");
    let chatter = pulses::chatter(&stage, &mut booted).await?;
    part("doors");
    let doors = pulses::two_doors(&stage, &mut booted).await?;
    part("flapping");
    let flapping = storm::flapping(&stage, &mut booted).await?;
    part("lanes");
    let lanes = lanes::alarm_first(&mut stage, &mut booted).await?;
    part("dark");
    let (mut booted, dark) = dark::changes(&stage, booted).await?;
    part("end");

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean() && verdict.stored == verdict.received, "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "zones", "pulses": pulses, "chatter": chatter, "two_doors": doors,
        "flapping": flapping, "lanes": lanes, "dark": dark,
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}

/// What `gateway.toml` has beyond the doors.
fn zones() -> String {
    let mut text = String::from("\n[[partition]]\nid = \"rooms\"\nmodes = [\"away\"]\n");
    for line in DOORS..LINES {
        let more = match line {
            SAFE => "kind = \"24h\"\nrecord = true".to_owned(),
            PANIC => "kind = \"panic\"".to_owned(),
            WINDOWS.. => format!(
                "kind = \"instant\"\npartition = \"rooms\"\nrecord = true\ndebounce-ms = {FAST_MS}"
            ),
            _ => "kind = \"24h\"".to_owned(),
        };
        write!(
            text,
            "\n[[zone]]\nid = \"zone-{line}\"\ninput = \"gpiochip0:{line}\"\nbias = \"as-is\"\n{more}\n"
        )
        .expect("a String takes everything");
    }
    text
}

/// Whether a line is a door's or a window's, each edge of which is an event of the normal lane.
const fn is_fast(line: u32) -> bool {
    line < DOORS || line >= WINDOWS
}

/// The id of what is wired to a line.
fn id(line: u32) -> String {
    if line < DOORS { format!("door-{line}") } else { format!("zone-{line}") }
}

/// Whether an event tells of the opening, the alarm or the end of either of what is wired to `line`.
fn tells_of(event: &Event, line: u32) -> bool {
    let kind = &*event.draft.kind;
    let moves = ["opened", "closed", "alarm", "alarm_restored"];
    event.draft.source.id.as_str() == id(line)
        && kind
            .split_once('.')
            .is_some_and(|(_, word)| moves.contains(&word.strip_prefix("24h_").unwrap_or(word)))
}

/// Whether it tells of an opening or an alarm, not of the end of one.
fn begins(event: &Event) -> bool {
    !(event.draft.kind.ends_with("closed") || event.draft.kind.ends_with("restored"))
}

/// What was told of a line since message `from`, in the order of arrival.
fn told(stage: &Stage, line: u32, from: usize) -> Vec<Event> {
    stage.seen().read(|messages| {
        let events = messages[from..].iter().filter_map(stage::event);
        events.filter(|event| tells_of(event, line)).collect()
    })
}

/// Waits until what a line came to after `since_ns` is told. Lines are read in order, so whatever
/// was driven before, on a line of the same debounce, and is told at all, has been told by then.
async fn wait_last(stage: &Stage, line: u32, since_ns: u64, from: usize) -> anyhow::Result<()> {
    let what = format!("the last that {} came to", id(line));
    let is = |event: &Event| tells_of(event, line) && event.draft.time.mono_ns.0 >= since_ns;
    stage.wait_event(&what, from, is).await.map(drop)
}

/// Opens and closes a window and waits until its closing is told and shown: whatever was driven before and is told at
/// all has been told by then, since the lines are read in order, and the window's rest is longer
/// than any debounce.
async fn flush(stage: &Stage, booted: &mut Booted) -> anyhow::Result<()> {
    let from = stage.seen().len();
    let edge = |high| Edge { line: WINDOWS, high, after_us: HOLD_US };
    let moments = stage.play(booted, &[edge(true), edge(false)]).await?;
    let closing = moments.last().context("two edges were driven")?.before_ns;
    // Not one of its earlier moves, which may still be under way.
    let is = |event: &Event| tells_of(event, WINDOWS) && event.draft.time.mono_ns.0 >= closing;
    let told = stage.wait_event("the closing of the window that ends a part", from, is).await?;
    let since = serde_json::to_value(told.draft.time.utc)?;
    let topic = format!("{PREFIX}/zone/{}", id(WINDOWS));
    let shown = stage.seen().wait_for("the window to be shown as closed", DRAIN, |messages| {
        let of_it = messages[from..].iter().filter(|message| message.publish.topic == topic);
        let mut states = of_it.filter_map(|m| serde_json::from_slice(&m.publish.payload).ok());
        states.find(|state: &Value| state["since"] == since && state["state"] == "normal").map(drop)
    });
    shown.await.with_context(|| stage.daemon_log())
}

/// Waits until each line is shown as standing as the levels say, as published since message `from`.
async fn wait_all(stage: &Stage, high: bool, from: usize) -> anyhow::Result<()> {
    wait_levels(stage, &[high; LINES as usize], from).await
}

async fn wait_levels(stage: &Stage, high: &[bool], from: usize) -> anyhow::Result<()> {
    for (line, &high) in (0..).zip(high) {
        let (place, words) = if line < DOORS {
            ("door", ["closed", "open"])
        } else {
            ("zone", ["normal", "active"])
        };
        let place = format!("{place}/{}", id(line));
        stage.wait_state(&place, words[usize::from(high)], from).await?;
    }
    Ok(())
}
