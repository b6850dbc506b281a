//! The task that owns the rules: inputs in, events to the journal, states to the board.
//!
//! It takes whatever has come, applies it, and sends what is to be stored on its way; it does not
//! wait for the commit before it takes more ([`pipe`]). So one event costs one fsync, and in a storm
//! each commit holds what came during the one before. Nothing is shown before its own commit.

mod desk;
mod inputs;
mod pipe;

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::event::Draft;
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Effect, Input, Layout, Site, SiteConfig};
use gatehouse_core::time::Mono;
use gatehouse_journal::{AppendError, Journal, Keep, Record};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use crate::board::{Board, IncidentView, View};
use crate::clock::Clock;
use crate::eyes::{self, Eyes, Wish};
use crate::hands::Hands;
use crate::supervise::Outcome;
pub use desk::{AskError, Desk};
use inputs::Message;
pub use inputs::{Inputs, Queue, SendError};
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
    queue: Queue,
    stop: watch::Receiver<bool>,
}

impl Rules {
    /// Rules over a site, fed by `inputs`.
    pub fn new(
        site: Site,
        journal: &Journal,
        (board, desk, hands): (Board, Desk, Hands),
        clock: Clock,
        queue: Queue,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { site, pipe: Pipe::new(journal), board, desk, hands, clock, queue, stop }
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
                () = stopped(&mut self.stop), if !self.queue.from.is_closed() => {
                    self.queue.from.close();
                }
                heard = self.pipe.hear(|| clock.mono()), if !self.pipe.is_empty() => {
                    heard.map_err(|ended| ended.to_string())?;
                    self.show();
                }
                () = until(retry, now) => self.pipe.retry(),
                taken = self.queue.from.recv_many(&mut batch, BATCH), if takes => {
                    ended = taken == 0;
                    self.take(batch.drain(..));
                    if ended {
                        // Until now it was watched: the dark interval begins here.
                        let effects = self.site.stop(&clock.now());
                        self.carry_out(effects);
                    }
                }
                () = until(deadline, now) => {
                    let effects = self.site.apply(Input::Tick, &clock.now());
                    self.carry_out(effects);
                }
            }
        }
        Ok(())
    }

    /// Applies inputs and sends what they bring to the journal. An effect that must not wait for
    /// the disk is to be carried out here.
    fn take(&mut self, messages: impl Iterator<Item = Message>) {
        let mut effects = Vec::new();
        for message in messages {
            match message {
                Message::Input(said, input) => {
                    let known = Arc::ptr_eq(&said, &self.queue.places);
                    // Said under an earlier configuration: what it names may have moved.
                    let input = if known { input } else { input.moved(&said, &self.queue.places) };
                    effects.append(&mut self.site.apply(input, &self.clock.now()));
                }
                Message::Reconfigure { to, places, report, stored } => {
                    // What came before is shown at its old place.
                    self.carry_out(std::mem::take(&mut effects));
                    self.reconfigure(*to, (places, report), stored);
                }
            }
        }
        self.carry_out(effects);
    }

    /// Goes on under another configuration.
    fn reconfigure(
        &mut self,
        to: SiteConfig,
        (places, report): (Arc<Layout>, Input),
        stored: oneshot::Sender<()>,
    ) {
        self.hands.moved(&to);
        let now = self.clock.now();
        let mut effects = self.site.reconfigure(to, &now);
        effects.append(&mut self.site.apply(report, &now));
        self.queue.places = places;
        let things = self.site.states().map(|(thing, id, state)| (thing, id.clone(), state));
        let what = What::Things { things: things.collect(), since: now.utc, stored };
        self.push(effects, vec![Change { what, draft: None }]);
    }

    /// Carries out what the rules say, also what they said before this task ran.
    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        self.push(effects, Vec::new());
    }

    /// `changes` are shown before those that the effects bring.
    fn push(&mut self, effects: Vec<Effect>, mut changes: Vec<Change>) {
        let mut drafts = Vec::new();
        let mut keeps = Vec::new();
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
                Effect::Schedule { schedule, coming } => What::Schedule { schedule, coming },
                Effect::Answer { command, answer } => What::Reply { command, reply: answer },
                // Behind the commit: a picture names the event that it is of.
                Effect::Look { camera, silent } => {
                    let Some(config) = self.site.camera_config(camera) else { continue };
                    What::Look { camera: config.id.clone(), silent, at: self.clock.mono() }
                }
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
                    if let Some(config) = self.site.reader(reader) {
                        self.hands.reader(&config.id, show);
                    }
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
        let (pipe, to) = (&mut self.pipe, (&self.desk, self.hands.eyes()));
        self.board.change(|view| {
            loop {
                let Settled { changes, seqs } = next;
                for change in changes {
                    let seq = change.draft.and_then(|draft| seqs.get(draft)).copied();
                    show(view, to, change.what, seq);
                }
                match pipe.settled() {
                    Some(more) => next = more,
                    None => break,
                }
            }
        });
    }
}

fn show(view: &mut View, (desk, eyes): (&Desk, &Eyes), what: What, seq: Option<Seq>) {
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
        What::Schedule { schedule, coming } => {
            view.schedules.insert(schedule, coming);
        }
        What::Look { camera, silent, at } => {
            let what = eyes::What::All;
            eyes.want(&camera, Wish { of: seq, silent, command: None, what, answer: None, at });
        }
        What::Reply { command, reply } => desk.answer(command, reply, seq.unwrap_or_default()),
        What::Things { things, since, stored } => {
            view.replace_things(things, since);
            // Who asked may have gone away; the configuration holds all the same.
            let _ = stored.send(());
        }
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
