//! A siren and a strobe on a real kernel: driven, let go by a killed daemon, set safe, and driven on.

use std::path::Path;

use anyhow::{bail, ensure};
use gatehouse_core::event::Event;
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::machine::Booted;
use crate::uml::order::{Answer, Edge, Order};
use crate::uml::stage::{DRAIN, Options, Programs, Stage};
use crate::wait;

/// A door, a window, a siren that is on at high, a strobe that is on at low.
const WINDOW: u32 = 1;
const SIREN: usize = 2;
const STROBE: usize = 3;

/// The resistors of the board hold both off while nobody drives them.
const REST: [bool; 4] = [false, false, false, true];

const TABLES: &str = r#"
[[partition]]
id = "rooms"

[[zone]]
id = "window"
kind = "instant"
partition = "rooms"
input = "gpiochip0:1"
bias = "as-is"
debounce-ms = 20

[[output]]
id = "siren"
line = "gpiochip0:2"
role = "siren"
lasts-s = 8

[[output]]
id = "strobe"
line = "gpiochip0:3"
role = "strobe"
active = "low"
"#;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let stage = Stage::set(folder, programs, Options::new(1, 10)).await?;
    let path = stage.machine.file("gateway.toml");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, text + TABLES)?;
    let mut booted = stage.boot(&REST).await?;
    stage.start_daemon(&mut booted, true).await?;
    stage.wait_state("zone/window", "normal", 0).await?;
    stage.wait_state("output/siren", "off", 0).await?;
    stage.wait_state("output/strobe", "off", 0).await?;

    stage.ask(&mut booted, &["arm", "rooms", "--now"]).await?;
    let from = stage.seen().len();
    stage.play(&mut booted, &[Edge { line: WINDOW, high: true, after_us: 0 }]).await?;
    driven(&mut booted, true, true).await?;
    let on = of(&stage, "output.on", from).await?;
    stage.wait_state("output/siren", "on", from).await?;

    // Killed while they are on: this chip lets a line go when its holder does, others keep it.
    booted.order(Order::Signal { name: "gatehouse".into(), signal: 9 }).await?;
    booted.order(Order::Wait { name: "gatehouse".into(), limit_ms: 20_000 }).await?;
    let let_go = levels(&mut booted).await?;
    let told = stage.ask(&mut booted, &["safe-outputs"]).await?;
    ensure!(told == "2 of 2 set to their safe state\n", "{told}");
    driven(&mut booted, false, false).await?;

    // The next start sounds the rest of it.
    stage.start_daemon(&mut booted, true).await?;
    driven(&mut booted, true, true).await?;
    // And so does a chip that comes back.
    let pulled = stage.seen().len();
    booted.order(Order::Unplug).await?;
    of(&stage, "output.fault", pulled).await?;
    let mut high = REST;
    high[WINDOW as usize] = true;
    booted.order(Order::Plug { high: high.to_vec() }).await?;
    of(&stage, "output.restored", pulled).await?;
    driven(&mut booted, true, true).await?;

    let off = of(&stage, "output.off", from).await?;
    ensure!(off.draft.cause.as_deref() == Some("its time is over"), "{off:?}");
    let lasted = off.draft.time.mono_ns.since(on.draft.time.mono_ns).as_millis();
    ensure!((7_900..9_500).contains(&lasted), "{lasted} ms");
    driven(&mut booted, false, true).await?;
    stage.ask(&mut booted, &["disarm", "rooms"]).await?;
    driven(&mut booted, false, false).await?;

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "outputs", "lasted_ms": lasted, "let_go": let_go,
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}

async fn of(stage: &Stage, kind: &str, from: usize) -> anyhow::Result<Event> {
    stage.wait_event(kind, from, |event| event.draft.kind == *kind).await
}

async fn levels(booted: &mut Booted) -> anyhow::Result<Vec<bool>> {
    match booted.order(Order::Levels).await? {
        Answer::Levels { high } => Ok(high),
        other => bail!("{other:?}"),
    }
}

/// Waits until siren and strobe are driven so.
async fn driven(booted: &mut Booted, siren: bool, strobe: bool) -> anyhow::Result<()> {
    let what = format!("siren {siren}, strobe {strobe}");
    wait::until(&what, DRAIN, async || {
        let high = levels(booted).await?;
        Ok(((high[SIREN], !high[STROBE]) == (siren, strobe)).then_some(()))
    })
    .await
}
