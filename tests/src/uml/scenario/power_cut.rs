//! The power fails at random moments while events flow, again and again.
//!
//! What the box had told anybody to be stored is in the witness files, which lie on the host. After
//! the last cut the box is booted once more and left alone until the district has received
//! everything; then the books must agree.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::settle;
use crate::uml::agent::Random;
use crate::uml::ledger::{self, Book};
use crate::uml::order::{Noise, Order};
use crate::uml::stage::{Options, Programs, Stage};

const DOORS: u32 = 8;

/// Edges per second over all doors.
const RATE: u32 = 300;

/// The power fails so long after the daemon was started, at random: sometimes while it still opens
/// its journal, mostly while events flow.
const MOMENT_MS: std::ops::Range<u64> = 50..2_000;

pub(super) async fn run(
    folder: &Path,
    programs: Programs,
    cuts: u32,
    seed: u64,
) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, 0);
    let stage = Stage::set(folder, programs, options).await?;
    let mut random = Random(seed);
    let mut stored = Book::new();
    let mut conflicts = 0;
    for cut in 1..=cuts {
        let levels: Vec<_> = (0..DOORS).map(|_| random.below(2) == 1).collect();
        let mut booted = stage.boot(&levels).await.with_context(|| format!("boot {cut}"))?;
        stage.start_daemon(&mut booted, false).await?;
        stage.start_witness(&mut booted, cut).await?;
        let noise = Noise {
            lines: DOORS,
            per_s: RATE,
            seed: random.below(u64::MAX),
            file: format!("driven-{cut}"),
        };
        booted.order(Order::Noise(noise)).await?;
        let moment = MOMENT_MS.start + random.below(MOMENT_MS.end - MOMENT_MS.start);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        booted.cut().await?;

        let before = stored.len();
        let told = std::fs::read_to_string(stage.machine.file(format!("witness-{cut}.out")))?;
        conflicts += ledger::enter(&mut stored, &told, true)?;
        eprintln!(
            "cut {cut} of {cuts} after {moment} ms: {} more events were told to be stored",
            stored.len() - before
        );
    }
    ensure!(!stored.is_empty(), "nothing was ever stored\n{}", stage.daemon_log());

    let mut booted = stage.boot(&[false; DOORS as usize]).await.context("the last boot")?;
    stage.start_daemon(&mut booted, true).await?;
    for door in 0..DOORS {
        stage.wait_door(door, "closed", 0).await?;
    }
    let mut verdict = settle(&stage, &mut booted, stored).await?;
    verdict.conflicts += conflicts;
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    Ok(json!({ "cuts": cuts, "stored": verdict.stored, "received": verdict.received,
        "lost": verdict.lost, "holes": verdict.holes }))
}
