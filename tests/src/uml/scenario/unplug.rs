//! The chip is pulled out while it is in use, and put back.

use std::path::Path;

use anyhow::ensure;
use gatehouse_core::event::{Class, Qualifier};
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::order::Order;
use crate::uml::stage::{Options, Programs, Stage};

const DOORS: u32 = 2;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, 10);
    let stage = Stage::set(folder, programs, options).await?;
    let mut booted = stage.boot(&[false, true]).await?;
    stage.start_daemon(&mut booted, true).await?;
    stage.wait_door(0, "closed", 0).await?;
    stage.wait_door(1, "open", 0).await?;

    let mut types = Vec::new();
    // Twice: a box that gets over it once must get over it again.
    for high in [[true, true], [false, false]] {
        let from = stage.seen().len();
        booted.order(Order::Unplug).await?;
        let fault = stage
            .wait_event("a fault of the chip", from, |event| {
                event.draft.class == Class::Fault && event.draft.qualifier == Qualifier::New
            })
            .await?;
        for door in 0..DOORS {
            stage.wait_door(door, "unknown", from).await?;
        }

        let from = stage.seen().len();
        booted.order(Order::Plug { high: high.to_vec() }).await?;
        let restore = stage
            .wait_event("the restore of the chip's fault", from, |event| {
                event.draft.class == Class::Fault && event.draft.qualifier == Qualifier::Restore
            })
            .await?;
        ensure!(
            restore.draft.opens == Some(fault.seq),
            "the restore ends {:?}, the fault was {}",
            restore.draft.opens,
            fault.seq.0
        );
        for (door, high) in (0..).zip(high) {
            stage.wait_door(door, if high { "open" } else { "closed" }, from).await?;
        }
        types.push([fault.draft.kind, restore.draft.kind]);
    }

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "unplug", "times": types.len(), "types": types[0],
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}
