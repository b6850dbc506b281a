//! The task that watches the wall clock: `system.time_anchor` and `system.clock_step`.

use gatehouse_core::id::Id;
use gatehouse_core::site::Input;
use gatehouse_core::wall::{ANCHOR, LOOK_EVERY, SOURCE, WallWatch};
use gatehouse_journal::Journal;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::clock::Clock;
use crate::rules::Inputs;
use crate::supervise::Outcome;

/// How many of the clock's newest events are looked at for the anchor: steps may lie above it.
const LOOKED_AT: usize = 64;

/// Watches until the task is ended.
///
/// # Errors
/// When the rules have ended.
pub async fn run(journal: Journal, gateway: Id, clock: Clock, rules: Inputs) -> Outcome {
    let mut watch = WallWatch::new(is_anchored(journal, &gateway, clock.boot()).await);
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Some(report) = watch.look(&clock.now(), &gateway) {
            warn!(kind = report.kind, detail = ?report.detail, "the wall clock");
            rules.send(Input::Report(report)).await.map_err(|error| error.to_string())?;
        }
    }
}

/// Whether the record has the anchor of this boot. If it cannot be read, another does no harm.
async fn is_anchored(journal: Journal, gateway: &Id, boot: &str) -> bool {
    let gateway = gateway.clone();
    let read = spawn_blocking(move || journal.last_of_source(SOURCE, &gateway, LOOKED_AT));
    match read.await {
        Ok(Ok(events)) => {
            events.iter().any(|event| event.draft.kind == ANCHOR && event.draft.time.boot == boot)
        }
        Ok(Err(error)) => {
            warn!(%error, "the clock's past cannot be read");
            false
        }
        Err(_) => false,
    }
}
