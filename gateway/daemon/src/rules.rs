//! The task that owns the rules: inputs in, events to the journal, states to the board.
//!
//! It takes whatever has come, applies it, and sends what is to be stored on its way; it does not
//! wait for the commit before it takes more ([`pipe`]). So one event costs one fsync, and in a storm
//! each commit holds what came during the one before. Nothing is shown before its own commit.

mod desk;
mod pipe;

use std::time::Duration;

use gatehouse_core::event::Draft;
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Effect, Input, Site};
use gatehouse_core::time::Mono;
use gatehouse_journal::{AppendError, Journal, Keep, Record};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use crate::board::{Board, IncidentView, View};
use crate::clock::Clock;
use crate::hands::Hands;
use crate::supervise::Outcome;
pub use desk::{AskError, Desk};
use pipe::{Change, Pipe, Settled, What};

/// Inputs that wait for the rules. Units wait when it is full: an edge is never dropped here, and
/// the kernel's own buffer tells when one is.
pub const QUEUE: usize = 1024;

/// Inputs that are applied and appended together.
const BATCH: usize = 256;

/// The rules and where their effects go.
pub struct Rules {
    site: Site,
    pipe: Pipe,
    board: Board,
    desk: Desk,
    hands: Hands,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    stop: watch::Receiver<bool>,
}

impl Rules {
    /// Rules over a site, fed by `inputs`.
    pub fn new(
        site: Site,
        journal: &Journal,
        (board, desk, hands): (Board, Desk, Hands),
        clock: Clock,
        inputs: mpsc::Receiver<Input>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { site, pipe: Pipe::new(journal), board, desk, hands, clock, inputs, stop }
    }

    /// Runs until `stop` turns true and everything that was sent before is stored.
    ///
    /// # Errors
    /// When the journal has ended: without it there is nothing to do here.
    pub async fn run(mut self) -> Outcome {
        let mut batch = Vec::with_capacity(BATCH);
        let mut ended = false;
        let clock = self.clock.clone();
        while !ended || !self.pipe.is_empty() {
            let takes = !ended && self.pipe.has_room();
            let now = clock.mono();
            let deadline = self.site.next_deadline().filter(|_| takes);
            let retry = self.pipe.retry_at();
            tokio::select! {
                biased;
                // What is in the queue already is still taken.
                () = stopped(&mut self.stop), if !self.inputs.is_closed() => {
                    self.inputs.close();
                }
                heard = self.pipe.hear(|| clock.mono()), if !self.pipe.is_empty() => {
                    heard.map_err(|ended| ended.to_string())?;
                    self.show();
                }
                () = until(retry, now) => self.pipe.retry(),
                taken = self.inputs.recv_many(&mut batch, BATCH), if takes => {
                    ended = taken == 0;
                    self.apply(batch.drain(..));
                    if ended {
                        // Until now it was watched: the dark interval begins here.
                        let effects = self.site.stop(&clock.now());
                        self.carry_out(effects);
                    }
                }
                () = until(deadline, now) => self.apply(std::iter::once(Input::Tick)),
            }
        }
        Ok(())
    }

    /// Applies inputs and sends what they bring to the journal.
    fn apply(&mut self, inputs: impl Iterator<Item = Input>) {
        let mut effects = Vec::new();
        for input in inputs {
            effects.append(&mut self.site.apply(input, &self.clock.now()));
        }
        self.carry_out(effects);
    }

    /// Carries out what the rules say, also what they said before this task ran.
    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut drafts = Vec::new();
        let mut keeps = Vec::new();
        let mut changes = Vec::new();
        for effect in effects {
            let what = match effect {
                Effect::Record(draft) => {
                    drafts.push(draft);
                    continue;
                }
                Effect::Keep { key, value } => {
                    keeps.push(Keep { key, value });
                    continue;
                }
                Effect::State { of, state, flags, since } => {
                    What::State { of, state, flags, since }
                }
                Effect::Incident { id, shown } => What::Incident { id, shown },
                Effect::Answer { command, answer } => What::Reply { command, reply: answer },
                // At once: a siren does not wait for the disk.
                Effect::Output { output, drive } => {
                    self.hands.output(output, drive);
                    continue;
                }
                Effect::Chime { of, sound } => {
                    self.hands.chime(of, sound);
                    continue;
                }
                Effect::Reader { reader, show } => {
                    self.hands.reader(reader, show);
                    continue;
                }
            };
            changes.push(Change { what, draft: drafts.len().checked_sub(1) });
        }
        if !drafts.is_empty() || !keeps.is_empty() || !changes.is_empty() {
            self.pipe.push(drafts, keeps, changes);
            self.show();
        }
    }

    /// Shows what has been stored.
    fn show(&mut self) {
        let Some(mut next) = self.pipe.settled() else { return };
        let (pipe, desk) = (&mut self.pipe, &self.desk);
        self.board.change(|view| {
            loop {
                let Settled { changes, seqs } = next;
                for change in changes {
                    let seq = change.draft.and_then(|draft| seqs.get(draft)).copied();
                    show(view, desk, change.what, seq);
                }
                match pipe.settled() {
                    Some(more) => next = more,
                    None => break,
                }
            }
        });
    }
}

fn show(view: &mut View, desk: &Desk, what: What, seq: Option<Seq>) {
    match what {
        What::State { of, state, flags, since } => {
            let Some(thing) = view.thing_mut(of) else { return };
            if thing.state != state {
                thing.since = since;
            }
            thing.state = state;
            thing.flags = flags;
            thing.seq = seq.unwrap_or(thing.seq);
            thing.version += 1;
        }
        What::Incident { id, shown } => {
            let view = view.incidents.entry(id).or_insert(IncidentView {
                incident: None,
                seq: Seq::ZERO,
                version: 0,
            });
            view.incident = shown.map(|shown| *shown);
            view.seq = seq.unwrap_or(view.seq);
            view.version += 1;
        }
        What::Reply { command, reply } => desk.answer(command, reply),
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

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could ask for it: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn until(at: Option<Mono>, now: Mono) {
    match at.map(|at| at.since(now)) {
        Some(Duration::ZERO) => {}
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
