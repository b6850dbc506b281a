//! The simulated box itself, without the product: that its doors move and its power really fails.
//!
//! A power cut that takes nothing away would let every other scenario pass. So: what was synced is
//! there after the next boot, what was not is gone, and the host's folder has both.

use std::path::Path;

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use crate::uml::machine::Booted;
use crate::uml::order::{Answer, Edge, Order, write_edges};
use crate::uml::stage::{Options, Programs, Stage};

const LINES: u32 = 4;

pub(super) async fn run(folder: &Path, programs: Programs) -> anyhow::Result<Value> {
    let stage = Stage::set(folder, programs, Options::new(LINES, 0)).await?;
    let high = [true, false, true, false];
    let mut booted = stage.boot(&high).await?;
    ensure!(levels(&mut booted).await? == high, "the levels at the boot are not the wiring's");

    let edge = |line, high| Edge { line, high, after_us: 5_000 };
    let pattern = [edge(0, false), edge(1, true), edge(0, true), edge(3, true)];
    write_edges(&stage.machine.file("pattern"), &pattern)?;
    booted.order(Order::Play { file: "pattern".into() }).await?;
    let after = [true, true, true, true];
    ensure!(levels(&mut booted).await? == after, "the levels are not where the pattern ended");

    // Also the district's end of the cable, and that this kernel can reach it.
    let reach = format!("exec 3<>/dev/tcp/{}/1883", crate::uml::stage::DISTRICT);
    shell(&mut booted, &reach).await?;

    shell(&mut booted, "echo synced | dd of=/run/flash/synced conv=fsync status=none").await?;
    shell(&mut booted, "echo lost > /run/flash/unsynced; echo kept > \"$BOX_DIR/unsynced\"")
        .await?;
    booted.cut().await?;
    let kept = std::fs::read_to_string(stage.machine.file("unsynced"))?;
    ensure!(
        kept == "kept\n",
        "the host's folder must have at once what the guest writes: {kept:?}"
    );

    let mut booted = stage.boot(&high).await?;
    shell(&mut booted, "grep -qx synced /run/flash/synced").await?;
    shell(&mut booted, "! grep -qs lost /run/flash/unsynced").await?;
    // In order, everything is kept.
    shell(&mut booted, "echo late > /run/flash/unsynced").await?;
    booted.off().await?;
    let mut booted = stage.boot(&high).await?;
    shell(&mut booted, "grep -qx late /run/flash/unsynced").await?;
    booted.off().await?;
    Ok(json!({ "scenario": "itself", "boots": 3, "synced": "kept", "unsynced": "lost" }))
}

async fn levels(booted: &mut Booted) -> anyhow::Result<Vec<bool>> {
    match booted.order(Order::Levels).await? {
        Answer::Levels { high } => Ok(high),
        other => bail!("{other:?}"),
    }
}

/// Runs a line of shell in the guest; an exit code but 0 is an error.
async fn shell(booted: &mut Booted, line: &str) -> anyhow::Result<()> {
    let argv = ["bash", "-c", line].map(String::from).to_vec();
    booted.order(Order::Start { name: "shell".into(), argv, ready_ms: None }).await?;
    match booted.order(Order::Wait { name: "shell".into(), limit_ms: 10_000 }).await? {
        Answer::Ended { code: Some(0) } => Ok(()),
        other => bail!("in the box, {line:?} ended with {other:?}"),
    }
}
