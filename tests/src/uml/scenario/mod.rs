//! What is tried on the simulated box. Each scenario ends with one line of JSON.

mod camera;
mod flood;
mod itself;
mod latency;
mod outputs;
mod power_cut;
mod reboot;
mod smoke;
mod unplug;
mod week;
mod zones;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Subcommand;
use serde_json::Value;

use super::ledger::{self, Book, Verdict};
use super::machine::Booted;
use super::stage::{DRAIN, Programs, Stage};
use crate::wait;

/// One scenario and its options.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// The simulated box without the product: doors move, and a power cut takes what was not synced.
    Itself,
    /// Edges in, events at the broker and receipts back: nothing lost, all in order.
    Smoke,
    /// A door that was opened while the box was off is reported after the boot.
    Reboot,
    /// The chip is pulled out while in use, and put back.
    Unplug,
    /// More edges than the kernel keeps: the loss is reported, and the last level is right.
    Flood,
    /// Pulses, chatter, all lines at once, the alarm lane first, and zones that change in the dark.
    Zones,
    /// A camera of the box: picture, clip, pulled out and plugged in again.
    Camera,
    /// A siren and a strobe: driven, let go by a killed daemon, set safe, driven on; unplugged.
    Outputs,
    /// A week of schedules over a change of clocks, in a few minutes.
    Week,
    /// The power fails at random moments while events flow.
    PowerCut {
        /// How often.
        #[arg(long, default_value_t = 25)]
        cuts: u32,
        /// Of the random numbers; another seed, other edges and moments.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// From the kernel's timestamp of an edge to its PUBLISH on the wire.
    Latency {
        /// Edges per second.
        #[arg(long, default_value_t = 100)]
        rate: u32,
        /// How many edges.
        #[arg(long, default_value_t = 500)]
        edges: u32,
    },
}

/// Runs one scenario in an empty folder; the result is its JSON line. An error is a failure.
pub async fn run(
    scenario: &Scenario,
    folder: PathBuf,
    programs: Programs,
) -> anyhow::Result<Value> {
    let folder = folder.as_path();
    match scenario {
        Scenario::Itself => itself::run(folder, programs).await,
        Scenario::Smoke => smoke::run(folder, programs).await,
        Scenario::Reboot => reboot::run(folder, programs).await,
        Scenario::Unplug => unplug::run(folder, programs).await,
        Scenario::Flood => flood::run(folder, programs).await,
        Scenario::Zones => zones::run(folder, programs).await,
        Scenario::Camera => camera::run(folder, programs).await,
        Scenario::Outputs => outputs::run(folder, programs).await,
        Scenario::Week => week::run(folder, programs).await,
        Scenario::PowerCut { cuts, seed } => power_cut::run(folder, programs, *cuts, *seed).await,
        Scenario::Latency { rate, edges } => latency::run(folder, programs, *rate, *edges).await,
    }
}

/// Waits until the district has everything, and compares its book with the journal's and with what
/// `witnessed` says was stored. The daemon must run, and nothing may drive edges any more.
async fn settle(stage: &Stage, booted: &mut Booted, witnessed: Book) -> anyhow::Result<Verdict> {
    let text = stage.ask(booted, &["events", "--all", "--json"]).await?;
    let mut stored = witnessed;
    let conflicts = ledger::enter(&mut stored, &text, false)?;
    let head = *stored.last_key_value().context("the journal is empty")?.0;
    stage.wait_received(head).await?;
    let received: Book = stage.received()?.into_iter().collect();
    let mut verdict = ledger::compare(&stored, &received, head)?;
    let audit = stage.audit()?;
    verdict.conflicts += conflicts + audit.conflicts;
    ensure!(audit.is_clean(), "the receiver's audit found {audit:?}");
    Ok(verdict)
}

/// Waits until the box itself knows that the district has everything up to `head`.
async fn wait_receipts(stage: &Stage, booted: &mut Booted, head: u64) -> anyhow::Result<()> {
    let what = format!("the box to know of receipts up to {head}");
    wait::until(&what, DRAIN, async || {
        let status = stage.ask(booted, &["status", "--json"]).await?;
        let status: Value = serde_json::from_str(&status).context("read the box's status")?;
        Ok((status["host_upto"].as_u64() >= Some(head)).then_some(()))
    })
    .await
    .with_context(|| stage.daemon_log())
}
