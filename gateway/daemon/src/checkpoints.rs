//! The task that signs checkpoints of the chain: at each start, every 1,000 events, once a day.

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::checkpoint::{EVENT, EVERY_EVENTS, SOURCE};
use gatehouse_core::event::{self, Class, Qualifier};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{Input, Report};
use gatehouse_journal::{Cursors, Journal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use crate::device_key::DeviceKey;
use crate::rules::Inputs;
use crate::supervise::Outcome;

/// At the latest after so long, so that a quiet box's day is proof too.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// What the task is made of.
#[derive(Clone)]
pub struct Parts {
    /// The folder with the key.
    pub state_dir: PathBuf,
    /// The gateway.
    pub gateway: Id,
    /// Where the events are.
    pub journal: Journal,
    /// The newest event of each lane.
    pub heads: watch::Receiver<Cursors>,
    /// Where the checkpoint becomes an event.
    pub rules: Inputs,
}

/// Signs until the task is ended.
///
/// # Errors
/// When the key is not to be used, the journal cannot be read, or the rules have ended; the
/// supervisor tries again, and tells of it.
pub async fn run(mut parts: Parts) -> Outcome {
    let key = DeviceKey::open(&parts.state_dir).map_err(|error| error.to_string())?;
    // The first tick comes at once: nobody knows what came behind the last one of the life before.
    let mut day = tokio::time::interval(EVERY);
    day.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut signed = Seq::ZERO;
    loop {
        let due = tokio::select! {
            _ = day.tick() => true,
            changed = parts.heads.changed() => {
                changed.map_err(|_| "the journal has ended")?;
                false
            }
        };
        let cursors = *parts.heads.borrow_and_update();
        let head = cursors.alarm.max(cursors.normal);
        // A checkpoint is an event itself: there is always one to sign, and none is signed twice.
        if due || head.0 >= signed.0 + EVERY_EVENTS {
            sign(&parts, &key, head).await?;
            signed = head;
            // A day from now, as nothing else is to be proof.
            day.reset();
        }
    }
}

async fn sign(parts: &Parts, key: &DeviceKey, head: Seq) -> Outcome {
    let journal = parts.journal.clone();
    let read = spawn_blocking(move || journal.range(head, head, 1));
    let records = read.await.map_err(|error| error.to_string())?;
    let records = records.map_err(|error| error.to_string())?;
    let record = records.first().ok_or_else(|| format!("event {head} is not in the journal"))?;
    let checkpoint = key.sign(&parts.gateway, head, &event::chain_hash(&record.payload));
    let report = Report {
        class: Class::System,
        kind: EVENT,
        qualifier: Qualifier::Status,
        severity: 5,
        source: (SOURCE, parts.gateway.clone()),
        closes: None,
        cause: None,
        detail: serde_json::to_value(&checkpoint).ok(),
        at: None,
    };
    parts.rules.send(Input::Report(report)).await.map_err(|error| error.to_string())
}
