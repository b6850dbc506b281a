//! The task that owns the rules: inputs in, events to the journal, states to the board.
//!
//! It takes whatever has come, applies it, and stores all of it in one transaction; while that is
//! on its way to flash, the next inputs gather. So one event costs one fsync, and a storm few.

use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use gatehouse_core::event::Draft;
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Effect, Input, Site};
use gatehouse_core::time::UtcMs;
use gatehouse_journal::{AppendError, Journal, Record};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::board::Board;
use crate::clock::Clock;
use crate::supervise::Outcome;

/// Inputs that wait for the rules. Units wait when it is full: an edge is never dropped here, and
/// the kernel's own buffer tells when one is.
pub const QUEUE: usize = 1024;

/// Inputs that are applied and stored together.
const BATCH: usize = 256;

/// A failing disk is tried so often before events are given up: about four seconds, in which the
/// kernel's buffer holds the edges. Waiting longer would lose more than it saves.
const DISK_TRIES: u32 = 6;

/// The rules and where their effects go.
pub struct Rules {
    site: Site,
    journal: Journal,
    board: Board,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    stop: watch::Receiver<bool>,
}

/// A door's new state, and which of the batch's drafts brought it.
struct Change {
    door: usize,
    state: gatehouse_core::site::DoorState,
    since: UtcMs,
    draft: Option<usize>,
}

impl Rules {
    /// Rules over a site, fed by `inputs`.
    pub fn new(
        site: Site,
        journal: Journal,
        board: Board,
        clock: Clock,
        inputs: mpsc::Receiver<Input>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { site, journal, board, clock, inputs, stop }
    }

    /// Runs until `stop` turns true and everything that was sent before is stored.
    ///
    /// # Errors
    /// When the journal has ended: without it there is nothing to do here.
    pub async fn run(mut self) -> Outcome {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let now = self.clock.mono();
            let deadline = self.site.next_deadline().map(|at| at.since(now));
            tokio::select! {
                taken = self.inputs.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return Ok(());
                    }
                }
                () = sleep(deadline) => batch.push(Input::Tick),
                // What is in the queue already is still taken.
                _ = self.stop.wait_for(|stop| *stop), if !self.inputs.is_closed() => {
                    self.inputs.close();
                    continue;
                }
            }
            self.apply(batch.drain(..)).await?;
        }
    }

    async fn apply(&mut self, inputs: impl Iterator<Item = Input>) -> Outcome {
        let mut drafts = Vec::new();
        let mut changes = Vec::new();
        for input in inputs {
            for effect in self.site.apply(input, &self.clock.now()) {
                match effect {
                    Effect::Record(draft) => drafts.push(draft),
                    Effect::State { door, state, since } => {
                        let draft = drafts.len().checked_sub(1);
                        changes.push(Change { door, state, since, draft });
                    }
                }
            }
        }
        let seqs = self.store(drafts).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let digest = self.site.digest();
        self.board.change(|view| {
            for change in changes {
                let door = &mut view.doors[change.door];
                door.state = change.state;
                door.since = change.since;
                if let Some(seq) = change.draft.and_then(|draft| seqs.get(draft)) {
                    door.seq = *seq;
                }
                door.version += 1;
            }
            view.digest = digest;
        });
        Ok(())
    }

    /// Stores the drafts and says their numbers, in their order; none for what was not stored.
    async fn store(&mut self, mut drafts: Vec<Draft>) -> Result<Vec<Seq>, String> {
        let mut backoff = Backoff::UNIT;
        while !drafts.is_empty() {
            drafts = match append(&self.journal, drafts).await {
                Ok(records) => return Ok(records.iter().map(|record| record.seq).collect()),
                Err(AppendError::Closed { .. }) => return Err("the journal has ended".to_owned()),
                Err(AppendError::DiskFull { stored, refused }) => {
                    // The journal counts what it refused and says so in an event when it can.
                    error!(stored = stored.len(), refused = refused.len(), "the disk is full");
                    return Ok(Vec::new());
                }
                Err(AppendError::QueueFull { drafts, .. }) => drafts,
                Err(AppendError::Io { drafts, why }) if backoff.attempts() >= DISK_TRIES => {
                    error!(%why, lost = drafts.len(), "events were not stored: the disk fails");
                    return Ok(Vec::new());
                }
                Err(AppendError::Io { drafts, why }) => {
                    warn!(%why, "the disk fails; trying again");
                    drafts
                }
            };
            tokio::time::sleep(backoff.next(fastrand::f64())).await;
        }
        Ok(Vec::new())
    }
}

/// Appends and waits for the commit's fsync.
///
/// # Errors
/// As [`Journal::append`].
pub async fn append(journal: &Journal, drafts: Vec<Draft>) -> Result<Vec<Record>, AppendError> {
    let (tell, told) = oneshot::channel();
    journal.append(drafts, move |result| {
        if tell.send(result).is_err() {
            warn!("nobody waited for a commit");
        }
    });
    told.await.unwrap_or(Err(AppendError::Closed { drafts: Vec::new() }))
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
