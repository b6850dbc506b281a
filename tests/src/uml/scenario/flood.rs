//! More edges than the kernel keeps.
//!
//! The daemon is held (a disk that stalls, a box that starves) while more edges come than the line
//! request's FIFO can take; the kernel drops the oldest, and the numbers of the edges show a gap.

use std::path::Path;

use anyhow::{bail, ensure};
use gatehouse_core::event::{Class, Event};
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::order::{Answer, Edge, Order, write_edges};
use crate::uml::stage::{Options, Programs, Stage};

const DOORS: u32 = 4;

/// Three times the largest FIFO that the kernel gives: 64 lines times 16.
const EDGES: u32 = 3 * 1024 + 1;

/// Per line 1.6 ms, above the tick of 1 ms: edges do not merge before they are counted.
const SPACING_US: u64 = 400;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, 0);
    let stage = Stage::set(folder, programs, options).await?;
    let mut booted = stage.boot(&[false; DOORS as usize]).await?;
    stage.start_daemon(&mut booted, true).await?;
    for door in 0..DOORS {
        stage.wait_door(door, "closed", 0).await?;
    }

    let from = stage.seen().len();
    let pattern: Vec<_> = (0..EDGES)
        .map(|n| Edge {
            line: n % DOORS,
            high: (n / DOORS).is_multiple_of(2),
            after_us: SPACING_US,
        })
        .collect();
    write_edges(&stage.machine.file("pattern"), &pattern)?;
    let name = String::from("gatehouse");
    booted.order(Order::Signal { name: name.clone(), signal: 19 }).await?;
    let driven = booted.order(Order::Play { file: "pattern".into() }).await?;
    booted.order(Order::Signal { name, signal: 18 }).await?;
    let Answer::Driven { edges, high } = driven else { bail!("{driven:?}") };

    let fault = stage
        .wait_event("a fault that tells of lost edges", from, |event| {
            let cause = event.draft.cause.as_deref().unwrap_or_default();
            event.draft.class == Class::Fault && cause.contains("lost")
        })
        .await?;
    // The number of edges is odd: one door ends open, and the last three as the pattern left them.
    for (door, &high) in (0..).zip(&high) {
        stage.wait_door(door, if high { "open" } else { "closed" }, from).await?;
    }
    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    ensure!(verdict.stored < u64::from(EDGES), "nothing was lost: the flood was too small");
    // A fault has its restore, once it has been quiet for long enough.
    let restore = |event: &Event| event.draft.opens == Some(fault.seq);
    stage.wait_event("the restore of the fault", from, restore).await?;
    // Settled: no later event may have moved a door away from where it stands.
    for (door, &high) in (0..).zip(&high) {
        stage.wait_door(door, if high { "open" } else { "closed" }, from).await?;
    }
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "flood", "edges": edges, "type": fault.draft.kind,
        "detail": fault.draft.detail, "stored": verdict.stored, "received": verdict.received,
        "lost": verdict.lost }))
}
