//! Restarts with doors in every state: what moved while the box was off is found and told, what did
//! not is not told again.

use std::path::Path;

use anyhow::{bail, ensure};
use gatehouse_core::event::{Event, Flag};
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::order::Edge;
use crate::uml::stage::{self, Options, Programs, Stage};

/// Open or closed, and two of them move.
const DOORS: u32 = 3;

/// Held open, propped, forced, and one whose chip is not there.
const MORE: &str = "
[[door]]
id = \"door-3\"
input = \"gpiochip0:3\"
bias = \"as-is\"
held-open-s = 1

[[door]]
id = \"door-4\"
input = \"gpiochip0:4\"
bias = \"as-is\"
held-open-s = 1
propped-s = 2

[[door]]
id = \"door-5\"
input = \"gpiochip0:5\"
bias = \"as-is\"
rex-input = \"gpiochip0:6\"
rex-bias = \"as-is\"

[[door]]
id = \"door-6\"
input = \"gpiochip9:0\"
";

/// Of the doors that stand open: what was told of them, how they are shown, and what ends it.
const STAND: [(u32, &str, &str, &str); 3] = [
    (3, "door.held_open", "held-open", "door.held_open_ended"),
    (4, "door.propped", "held-open", "door.propped_restored"),
    (5, "door.forced", "open", "door.forced_restored"),
];

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let options = Options::new(DOORS, 10);
    let stage = Stage::set(folder, programs, options).await?;
    let path = stage.machine.file("gateway.toml");
    std::fs::write(&path, std::fs::read_to_string(&path)? + MORE)?;
    // The request to exit of line 6 is at rest.
    let mut high = [false, false, true, false, false, false, true];
    let mut booted = stage.boot(&high).await?;
    stage.start_daemon(&mut booted, true).await?;
    for (door, state) in (0..).zip(["closed", "closed", "open", "closed", "closed", "closed"]) {
        stage.wait_door(door, state, 0).await?;
    }
    let edges = STAND.map(|(line, ..)| Edge { line, high: true, after_us: 50_000 });
    stage.play(&mut booted, &edges).await?;
    for (line, kind, ..) in STAND {
        high[line as usize] = true;
        let is = |event: &Event| is_of(event, line) && event.draft.kind == kind;
        stage.wait_event(&format!("{kind} of door-{line}"), 0, is).await?;
    }
    // First in order, then by a power cut: the record must be the same. At last all are closed.
    let mut found = Vec::new();
    for (in_order, close) in [(true, false), (false, false), (false, true)] {
        if in_order {
            stage.stop_daemon(&mut booted).await?;
            booted.off().await?;
        } else {
            booted.cut().await?;
        }
        // Meanwhile one door is opened, another closed, and the third left alone.
        (high[0], high[2]) = (!high[0], !high[2]);
        for (line, ..) in STAND {
            high[line as usize] = !close;
        }
        let from = stage.seen().len();
        booted = stage.boot(&high).await?;
        stage.start_daemon(&mut booted, true).await?;
        for door in [0, 2] {
            let kind = if high[door as usize] { "door.opened" } else { "door.closed" };
            found.push(while_down(&stage, door, kind, from).await?);
        }
        for (line, _, shown, ends) in STAND {
            if close {
                found.push(while_down(&stage, line, "door.closed", from).await?);
                let is = |event: &Event| is_of(event, line) && event.draft.kind == ends;
                stage.wait_event(&format!("{ends} of door-{line}"), from, is).await?;
            }
            stage.wait_door(line, if close { "closed" } else { shown }, from).await?;
        }
        stage.wait_door(1, "closed", from).await?;
        // Unknown is not closed.
        stage.wait_door(6, "unknown", from).await?;
        let untold = |event: &Event| {
            let moved = event.draft.flags.contains(&Flag::WhileDown);
            let begins = ["door.opened", "door.held_open", "door.propped", "door.forced"];
            let again = begins.contains(&&*event.draft.kind);
            (is_of(event, 1) && moved)
                || ((3..=5).any(|line| is_of(event, line)) && again)
                || (is_of(event, 6) && event.draft.kind != "door.unknown")
        };
        let told = stage
            .seen()
            .read(|messages| messages[from..].iter().filter_map(stage::event).find(untold));
        if let Some(event) = told {
            bail!("nothing has moved here, and yet: {event:?}");
        }
    }

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "reboot", "boots": 4, "while_down": found.len(),
        "stood": ["unknown", "closed", "open", "held-open", "propped", "forced"],
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}

fn is_of(event: &Event, door: u32) -> bool {
    event.draft.source.id.as_str() == format!("door-{door}")
}

/// Waits for what a door did while the box was off; says its number.
async fn while_down(stage: &Stage, door: u32, kind: &str, from: usize) -> anyhow::Result<u64> {
    let what = format!("{kind} of door-{door}, which moved while the box was off");
    let is = |event: &Event| is_of(event, door) && event.draft.kind == kind;
    let event = stage.wait_event(&what, from, is).await?;
    let flags = &event.draft.flags;
    ensure!(flags.contains(&Flag::WhileDown), "{what}: its flags are {flags:?}");
    Ok(event.seq.0)
}
