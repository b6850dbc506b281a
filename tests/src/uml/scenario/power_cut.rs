//! The power fails at random moments while events flow, again and again.
//!
//! What the box had told anybody to be stored is known outside of it: from the witness files, which
//! lie on the host, and from what has crossed the broker. After the last cut the box is booted once
//! more and left alone until the district has received everything; then the books must agree.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::{Event, canonical};
use serde_json::{Value, json};

use super::settle;
use crate::uml::agent::Random;
use crate::uml::ledger::{self, Book};
use crate::uml::order::{Noise, Order};
use crate::uml::stage::{Options, PREFIX, Programs, Stage};
use crate::wait;

const DOORS: u32 = 8;

/// Edges per second over all doors. A cut leaves some 200 events of 700 bytes, so that half a MiB of
/// flash for each is enough.
const RATE: u32 = 300;

/// A box that sends its backlog for longer than this gets half the edges from then on: on a busy
/// machine a debug build delivers some 200 events a second, and would never come to new ones.
const BUSY: Duration = Duration::from_secs(4);

/// One cut in so many comes while the daemon still starts, the others while events flow.
const EARLY: u64 = 5;

/// An early cut comes at most so long after the daemon was started.
const EARLY_MS: u64 = 400;

/// The others come at most so long after the first new event has crossed the broker.
const FLOW_MS: u64 = 1_500;

pub(super) async fn run(
    folder: &Path,
    programs: Programs,
    cuts: u32,
    seed: u64,
) -> anyhow::Result<Value> {
    let options = Options { flash_mib: 64 + cuts / 2, ..Options::new(DOORS, 0) };
    let stage = Stage::set(folder, programs, options).await?;
    let mut random = Random(seed);
    let mut stored = Book::new();
    let mut conflicts = 0;
    let mut per_s = RATE;
    for cut in 1..=cuts {
        let levels: Vec<_> = (0..DOORS).map(|_| random.below(2) == 1).collect();
        let mut booted = stage.boot(&levels).await.with_context(|| format!("boot {cut}"))?;
        let noise = Noise {
            lines: DOORS,
            per_s,
            seed: random.below(u64::MAX),
            file: format!("driven-{cut}"),
        };
        booted.order(Order::Noise(noise)).await?;
        let early = random.below(EARLY) == 0;
        let moment = Duration::from_millis(random.below(if early { EARLY_MS } else { FLOW_MS }));
        let after = stored.last_key_value().map_or(0, |(seq, _)| *seq);
        let from = stage.seen().len();
        let started = wait::boottime();
        let running = async {
            stage.start_daemon(&mut booted, true).await?;
            stage.start_witness(&mut booted, cut, after).await?;
            std::future::pending::<anyhow::Result<()>>().await
        };
        let power = async {
            if !early {
                // Not one that was known before: what waited from earlier boots comes first.
                let new = |event: &Event| crate::is_move(event) && event.seq.0 > after;
                stage.wait_event("new events to flow", from, new).await?;
                if wait::boottime().since(started) > BUSY {
                    per_s = (per_s / 2).max(50);
                    eprintln!("this machine is busy: {per_s} edges per second from now on");
                }
            }
            tokio::time::sleep(moment).await;
            anyhow::Ok(())
        };
        tokio::select! {
            failed = running => failed?,
            failed = power => failed?,
        }
        booted.cut().await?;

        let before = stored.len();
        let witness = stage.machine.file(format!("witness-{cut}.out"));
        // A power that fails before the daemon is ready leaves no witness.
        let told = if witness.exists() { std::fs::read_to_string(witness)? } else { String::new() };
        conflicts += ledger::enter(&mut stored, &told, true)?;
        let witnessed = stored.len() - before;
        // What is published is said to be stored, too.
        conflicts += ledger::enter(&mut stored, &published(&stage, from), false)?;
        eprintln!(
            "cut {cut} of {cuts}, {} ms {}: {witnessed} more events were told to be stored, {} \
             more were published",
            moment.as_millis(),
            if early { "into the start" } else { "into the flow" },
            stored.len() - before - witnessed
        );
        ensure!(
            conflicts == 0,
            "after {cut} cuts, {conflicts} numbers have been told to be stored with two contents"
        );
    }
    ensure!(!stored.is_empty(), "nothing was ever stored\n{}", stage.daemon_log());

    let mut booted = stage.boot(&[false; DOORS as usize]).await.context("the last boot")?;
    stage.start_daemon(&mut booted, true).await?;
    for door in 0..DOORS {
        stage.wait_door(door, "closed", 0).await?;
    }
    let verdict = settle(&stage, &mut booted, stored).await?;
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    Ok(json!({ "cuts": cuts, "stored": verdict.stored, "received": verdict.received,
        "lost": verdict.lost, "holes": verdict.holes }))
}

/// The canonical bytes of the events that have crossed the broker since message `from`, as lines.
fn published(stage: &Stage, from: usize) -> String {
    let prefix = format!("{PREFIX}/ev/");
    stage.seen().read(|messages| {
        let mut lines = String::new();
        for message in &messages[from..] {
            if message.publish.topic.starts_with(&prefix) {
                lines.push_str(&String::from_utf8_lossy(&canonical(&message.publish.payload).0));
                lines.push('\n');
            }
        }
        lines
    })
}
