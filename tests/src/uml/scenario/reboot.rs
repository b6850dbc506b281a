//! A door that was opened while the box was off: found and reported after the boot.

use std::path::Path;

use anyhow::{bail, ensure};
use gatehouse_core::event::Flag;
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::stage::{self, Options, Programs, Stage};

const DOORS: u32 = 3;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, 10);
    let stage = Stage::set(folder, programs, options).await?;
    let mut high = [false, false, true];
    let mut booted = stage.boot(&high).await?;
    stage.start_daemon(&mut booted, true).await?;
    for (door, state) in (0..).zip(["closed", "closed", "open"]) {
        stage.wait_door(door, state, 0).await?;
    }
    // First in order, then by a power cut: the record must be the same.
    let mut found = Vec::new();
    for in_order in [true, false] {
        if in_order {
            stage.stop_daemon(&mut booted).await?;
            booted.off().await?;
        } else {
            booted.cut().await?;
        }
        // Meanwhile one door is opened, another closed, and the third left alone.
        high = [!high[0], false, !high[2]];
        let from = stage.seen().len();
        booted = stage.boot(&high).await?;
        stage.start_daemon(&mut booted, true).await?;
        for door in [0, 2] {
            let id = format!("door-{door}");
            let kind = if high[door] { "door.opened" } else { "door.closed" };
            let what = format!("{kind} of {id}, which moved while the box was off");
            let event = stage
                .wait_event(&what, from, |event| {
                    event.draft.source.id.as_str() == id && event.draft.kind == kind
                })
                .await?;
            let flags = &event.draft.flags;
            ensure!(flags.contains(&Flag::WhileDown), "{what}: its flags are {flags:?}");
            found.push(event.seq.0);
        }
        stage.wait_door(1, "closed", from).await?;
        let moved = stage.seen().read(|messages| {
            messages[from..].iter().filter_map(stage::event).find(|event| {
                event.draft.source.id.as_str() == "door-1"
                    && event.draft.flags.contains(&Flag::WhileDown)
            })
        });
        if let Some(event) = moved {
            bail!("door-1 was left alone, and yet: {event:?}");
        }
    }

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "reboot", "boots": 3, "while_down": found.len(),
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}
