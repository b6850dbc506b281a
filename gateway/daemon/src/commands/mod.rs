//! The district's commands: read, proved, judged by the rules, carried out, answered.
//!
//! Each is a task of its own, so that one which cannot be read at all ends itself and nothing else,
//! and a challenge of a minute holds up no arming. The rules judge ([`gatehouse_core::commands`]),
//! do what is theirs, and remember the id, all in one commit; what they accept beyond that is
//! carried out here, and told to them when it is over.

mod config;
mod prove;

use std::path::PathBuf;
use std::sync::Arc;

use gatehouse_core::commands::{Order, Outcome, Reason, Signed, Wanted};
use gatehouse_core::contract::{Command, CommandResult, CommandStatus, MAX_COMMAND};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{Answer, Verb, Via};
use serde_json::json;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::control::{self, Sources};
use crate::eyes::{Eyes, Taken, What, Wish};
use crate::rules::Desk;
use crate::supervise;
use crate::uplink::commands::{Arrival, Say};
use config::Proposal;

/// Commands that are carried out at once; the next one waits.
const AT_ONCE: usize = 16;

/// A picture that takes longer is none: the camera is gone, or the box has too much to do.
const TAKEN_WITHIN: std::time::Duration = std::time::Duration::from_secs(8);

/// What commands are carried out with.
#[derive(Clone)]
pub struct Parts {
    sources: Sources,
    say: mpsc::Sender<Say>,
    eyes: Eyes,
    /// The configuration file.
    path: PathBuf,
    /// What was proposed so far. Whoever holds it is the only one at the file.
    proposal: Arc<Mutex<Proposal>>,
}

impl Parts {
    /// Over what the control socket answers from, with the ways to the uplink and the cameras, and the
    /// file that a reload reads.
    pub fn new(sources: Sources, say: mpsc::Sender<Say>, eyes: Eyes, path: PathBuf) -> Self {
        Self { sources, say, eyes, path, proposal: Arc::default() }
    }
}

/// Carries commands out until the task is ended.
///
/// # Errors
/// Never: what goes wrong with a command is its answer.
pub async fn run(parts: Parts, mut arrivals: mpsc::Receiver<Arrival>) -> supervise::Outcome {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            Some(arrival) = arrivals.recv(), if tasks.len() < AT_ONCE => {
                let parts = parts.clone();
                tasks.spawn(async move { parts.take(arrival).await });
            }
            Some(ended) = tasks.join_next() => if let Err(error) = ended {
                error!(%error, "a command has ended its task: our bug");
            },
            // The uplink is gone: so is the daemon, in a moment.
            else => std::future::pending().await,
        }
    }
}

impl Parts {
    async fn take(self, arrival: Arrival) {
        let Ok(id) = arrival.name.parse::<Id>() else {
            // Nothing can be said of it: an event's source is an id, too.
            let name: String = arrival.name.chars().take(64).collect();
            warn!(name = name.escape_debug().to_string(), "a command whose id is none");
            return;
        };
        let running = self.sources.running.borrow().clone();
        let said = read(&arrival.payload);
        let signed = match &said {
            Ok(command) => prove::signed(command, &id, &running.config),
            Err(_) => Signed::No,
        };
        let nonce = said.as_ref().ok().and_then(|command| command.nonce.as_deref());
        let fresh = arrival.nonces.look_at(nonce, arrival.at);
        let command = said.as_ref().ok().cloned();
        let order = Order { id: id.clone(), said, signed, fresh, retained: arrival.retained };
        let verb = Verb::District(Box::new(order));
        let handed = running.desk.hand_in(Via::District, None, verb, arrival.at).await;
        // Stopping: nothing is stored of it, so nothing is said of it.
        let Ok((Answer::Commanded { outcome: Some(outcome), recorded }, seq)) = handed else {
            return;
        };
        let seq = if recorded { seq } else { Seq::ZERO };
        info!(command = %id, status = outcome.status.as_str(), reason = ?outcome.reason, "a command");
        let accepted = outcome.status == CommandStatus::Accepted;
        self.answer(&arrival, outcome, seq).await;
        let Some(command) = command.filter(|_| accepted) else { return };
        let outcome = self.carry_out(&id, &command).await;
        let verb = Verb::DistrictOver { id: id.clone(), outcome: outcome.clone() };
        let desk = self.sources.running.borrow().desk.clone();
        let handed = desk.hand_in(Via::District, None, verb, self.sources.clock.mono()).await;
        // Stopping else: the next start tells that it was cut off.
        if let Ok((Answer::Commanded { .. }, seq)) = handed {
            info!(command = %id, status = outcome.status.as_str(), reason = ?outcome.reason,
                "a command is over");
            self.answer(&arrival, outcome, seq).await;
        }
    }

    async fn answer(&self, arrival: &Arrival, outcome: Outcome, seq: Seq) {
        let prefix = self.sources.running.borrow().config.address.to_string();
        let Outcome { status, reason, detail } = outcome;
        let reason = reason.map(|reason| reason.as_str().into());
        let result = CommandResult { status, reason, seq, detail };
        let answered = arrival.answer(&prefix, &result);
        if self.say.send(Say::Result(answered)).await.is_err() {
            warn!("a result found no way out: the daemon stops");
        }
    }

    /// Does what the rules have accepted and cannot do themselves.
    async fn carry_out(&self, id: &Id, command: &Command) -> Outcome {
        let verb = gatehouse_core::commands::Verb::from_word(&command.verb);
        let Some(Ok(wanted)) = verb.map(|verb| Wanted::of(verb, &command.args)) else {
            // The rules have read it before.
            return Outcome::failed(Reason::Internal, None);
        };
        match wanted {
            Wanted::Challenge { nonce } => self.challenge(&command.operator, nonce).await,
            Wanted::Resend { from, to } => self.resend(from, to).await,
            Wanted::State {} => {
                let (told, count) = oneshot::channel();
                let sent = self.say.send(Say::State { told }).await;
                match count.await {
                    Ok(count) if sent.is_ok() => Outcome::done(Some(json!({ "states": count }))),
                    _ => Outcome::failed(Reason::ConnectionLost, None),
                }
            }
            Wanted::Diag {} => self.diag(),
            Wanted::Snapshot { camera } => self.snapshot(id, &camera).await,
            Wanted::Clip { camera, seq } => self.clip(id, &camera, seq),
            Wanted::ConfigGet { at } => config::get(&self.sources.changes, at).await,
            Wanted::ConfigPropose { text, at, of } => {
                let mut proposal = self.proposal.lock().await;
                proposal.take(&self.path, &self.sources.changes, (text, at, of)).await
            }
            Wanted::ConfigConfirm { hash } => {
                let mut proposal = self.proposal.lock().await;
                proposal.confirm(&self.path, &self.sources.changes, &hash, &command.operator).await
            }
            _ => Outcome::failed(Reason::Internal, None),
        }
    }

    async fn challenge(&self, operator: &str, nonce: String) -> Outcome {
        let desk: Desk = self.sources.running.borrow().desk.clone();
        let actor = Some(operator.to_owned());
        match desk.ask(Via::District, actor, Verb::Challenge { nonce }).await {
            Ok(Answer::Refused { reason, .. }) => Outcome::failed(Reason::of(reason), None),
            Ok(_) => Outcome::done(None),
            Err(_) => Outcome::failed(Reason::Restart, None),
        }
    }

    async fn resend(&self, from: Seq, to: Seq) -> Outcome {
        let heads = *self.sources.heads.borrow();
        let head = heads.alarm.max(heads.normal);
        if from > head {
            return Outcome::failed(Reason::NoSuchEvents, Some(json!({ "head": head })));
        }
        let to = to.min(head);
        let (told, over) = oneshot::channel();
        let sent = self.say.send(Say::Resend { from, to, told }).await;
        match over.await {
            Ok(true) if sent.is_ok() => Outcome::done(Some(json!({ "from": from, "to": to }))),
            Ok(false) => Outcome::failed(Reason::ConnectionLost, None),
            _ => Outcome::failed(Reason::Busy, None),
        }
    }

    /// One picture, now.
    async fn snapshot(&self, id: &Id, camera: &Id) -> Outcome {
        let (answer, taken) = oneshot::channel();
        let wish = self.wish(id, What::Picture, Some(answer));
        self.eyes.want(camera, wish);
        match tokio::time::timeout(TAKEN_WITHIN, taken).await {
            Ok(Ok(Ok(facts))) => Outcome::done(Some(facts)),
            Ok(Ok(Err(why))) => Outcome::failed(Reason::NoPicture, Some(json!({ "why": why }))),
            // Its unit was built anew, or it has too much to do.
            Ok(Err(_)) | Err(_) => Outcome::failed(Reason::Busy, None),
        }
    }

    /// A clip from now on, or the one of an event, which is named.
    fn clip(&self, id: &Id, camera: &Id, seq: Option<Seq>) -> Outcome {
        let running = self.sources.running.borrow().config.clone();
        if let Some(seq) = seq {
            let found = crate::unit::clip_of(&running, camera, seq);
            return match found {
                Some((name, bytes)) => Outcome::done(Some(json!({ "ref": name, "bytes": bytes }))),
                None => Outcome::failed(Reason::NoPicture, None),
            };
        }
        self.eyes.want(camera, self.wish(id, What::Clip, None));
        Outcome::done(Some(json!({ "ref": format!("{camera}-{id}.mp4") })))
    }

    fn wish(&self, id: &Id, what: What, answer: Option<oneshot::Sender<Taken>>) -> Wish {
        let (command, at) = (Some(id.clone()), self.sources.clock.mono());
        Wish { of: None, silent: false, command, what, answer, at }
    }

    /// What `gatehouse status` shows, without names: these stay on the box.
    fn diag(&self) -> Outcome {
        let mut report = control::report(&self.sources);
        report.things.iter_mut().for_each(|thing| thing.name = None);
        match serde_json::to_value(report) {
            Ok(facts) => Outcome::done(Some(facts)),
            Err(error) => {
                error!(%error, "the facts cannot be written: our bug");
                Outcome::failed(Reason::Internal, None)
            }
        }
    }
}

fn read(payload: &[u8]) -> Result<Command, Reason> {
    if payload.len() > MAX_COMMAND {
        return Err(Reason::TooLarge);
    }
    serde_json::from_slice(payload).map_err(|error| {
        warn!(%error, "a command cannot be read");
        Reason::Malformed
    })
}
