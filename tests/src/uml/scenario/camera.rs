//! A camera of the box on a real kernel: its simulated camera driver, vivid, unplugged and plugged in
//! again under the daemon.

use std::path::Path;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use serde_json::{Value, json};

use super::settle;
use crate::uml::ledger::Book;
use crate::uml::machine::Booted;
use crate::uml::order::{Edge, Order};
use crate::uml::stage::{Options, Programs, Stage};

/// A button beside the one door.
const BUTTON: u32 = 1;

const TABLES: &str = r#"
[[zone]]
id = "safe"
kind = "24h"
input = "gpiochip0:1"
bias = "as-is"
debounce-ms = 20

[[camera]]
id = "hall"
device = "/dev/video0"
hold-off-s = 1
zones = ["safe"]
pre-s = 1
post-s = 2
"#;

/// The driver's own folder, in which a device is taken from it and given back.
const DRIVER: &str = "/sys/bus/platform/drivers/vivid";

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let stage = Stage::set(folder, programs, Options::new(1, 10)).await?;
    let path = stage.machine.file("gateway.toml");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, text + TABLES)?;
    let mut booted = stage.boot(&[false, false]).await?;
    stage.start_daemon(&mut booted, true).await?;
    stage.wait_state("camera/hall", "up", 0).await?;

    let from = stage.seen().len();
    stage.play(&mut booted, &[Edge { line: BUTTON, high: true, after_us: 0 }]).await?;
    let snapshot = of(&stage, "camera.snapshot", from).await?;
    let facts = snapshot.draft.detail.context("its facts")?;
    ensure!(facts["width"] == 640 && facts["height"] == 480, "{facts}");
    let clip = of(&stage, "camera.clip", from).await?;
    let facts = clip.draft.detail.context("its facts")?;
    let frames = facts["clip"]["frames"].as_u64().context("its pictures")?;
    ensure!(frames >= 8, "{facts}");

    let pulled = stage.seen().len();
    shell(&mut booted, &format!("echo vivid.0 >{DRIVER}/unbind")).await?;
    let lost = of(&stage, "camera.lost", pulled).await?;
    ensure!(lost.draft.cause.as_deref() == Some("it is not plugged in"), "{lost:?}");
    shell(&mut booted, &format!("echo vivid.0 >{DRIVER}/bind")).await?;
    of(&stage, "camera.lost_restored", pulled).await?;
    stage.wait_state("camera/hall", "up", pulled).await?;

    let verdict = settle(&stage, &mut booted, Book::new()).await?;
    ensure!(verdict.is_clean(), "{verdict:?}");
    stage.stop_daemon(&mut booted).await?;
    booted.off().await?;
    Ok(json!({ "scenario": "camera", "frames": frames,
        "stored": verdict.stored, "received": verdict.received, "lost": verdict.lost }))
}

async fn of(stage: &Stage, kind: &str, from: usize) -> anyhow::Result<Event> {
    stage.wait_event(kind, from, |event| event.draft.kind == *kind).await
}

async fn shell(booted: &mut Booted, script: &str) -> anyhow::Result<()> {
    let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
    booted.order(Order::Start { name: "shell".into(), argv, ready_ms: None }).await?;
    booted.order(Order::Ended { name: "shell".into(), limit_ms: 20_000 }).await.map(drop)
}
