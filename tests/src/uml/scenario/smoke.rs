//! Edges in, events at the broker, receipts back.

use std::path::Path;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use serde_json::{Value, json};

use super::{settle, wait_receipts};
use crate::is_move;
use crate::uml::ledger::Book;
use crate::uml::order::{Edge, Order, write_edges};
use crate::uml::stage::{self, DRAIN, Options, Programs, Stage};

const DOORS: u32 = 4;

/// A few per door, and an odd number of times four: each door moves as often as the others.
const EDGES: u32 = 200;

/// Well above the tick, so that each edge is one: 5 ms measured 200 of 200.
const SPACING_US: u64 = 5_000;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, 0);
    let stage = Stage::set(folder, programs, options).await?;
    let mut booted = stage.boot(&[false; DOORS as usize]).await?;
    stage.start_daemon(&mut booted, true).await?;
    for door in 0..DOORS {
        stage.wait_door(door, "closed", 0).await?;
    }

    let from = stage.seen().len();
    let pattern = pattern();
    write_edges(&stage.machine.file("pattern"), &pattern)?;
    booted.order(Order::Play { file: "pattern".into() }).await?;
    let events = stage
        .seen()
        .wait_for("an event for every edge", DRAIN, |messages| {
            let doors = messages[from..].iter().filter_map(stage::event).filter(is_move);
            let doors: Vec<_> = doors.collect();
            (doors.len() >= pattern.len()).then_some(doors)
        })
        .await
        .with_context(|| stage.daemon_log())?;
    check(&pattern, &events)?;

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    wait_receipts(&stage, &mut booted, verdict.stored).await?;
    ensure!(verdict.is_clean() && verdict.stored == verdict.received, "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "smoke", "edges": pattern.len(), "events": events.len(),
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}

/// All doors in turn, open and closed again.
fn pattern() -> Vec<Edge> {
    let edge = |n: u32| Edge {
        line: n % DOORS,
        high: (n / DOORS).is_multiple_of(2),
        after_us: SPACING_US,
    };
    (0..EDGES).map(edge).collect()
}

/// The events tell the pattern, edge for edge, with the kernel's timestamps in order.
fn check(pattern: &[Edge], events: &[Event]) -> anyhow::Result<()> {
    ensure!(events.len() == pattern.len(), "{} events of {} edges", events.len(), pattern.len());
    for (edge, event) in pattern.iter().zip(events) {
        let door = format!("door-{}", edge.line);
        let kind = if edge.high { "door.opened" } else { "door.closed" };
        let is = (event.draft.source.id.as_str(), &*event.draft.kind);
        ensure!(is == (&*door, kind), "{edge:?} became {is:?} (seq {})", event.seq.0);
    }
    for pair in events.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        ensure!(before.seq < after.seq, "{} came before {}", before.seq.0, after.seq.0);
        let apart = after.draft.time.mono_ns.since(before.draft.time.mono_ns);
        // Half the spacing: the tick delays an edge by up to 1 ms, a busy host by more, but stamps
        // taken in user space would come in batches.
        ensure!(
            after.draft.time.mono_ns > before.draft.time.mono_ns,
            "the kernel's timestamps do not rise: {} and {} are {apart:?} apart",
            before.seq.0,
            after.seq.0
        );
    }
    Ok(())
}
