//! Where wishes are handed in, and where their answers are waited for.
//!
//! An answer comes after the commit of what was done: who was told `armed` finds it armed after a
//! power cut.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::id::Seq;
use gatehouse_core::site::{Answer, Command, Input, Verb, Via};
use gatehouse_core::time::Mono;
use tokio::sync::oneshot;

use super::Inputs;
use crate::clock::Clock;

type Waiting = BTreeMap<u64, oneshot::Sender<(Answer, Seq)>>;

/// The desk of the rules; a clone is the same desk.
#[derive(Clone, Debug)]
pub struct Desk {
    inputs: Inputs,
    clock: Clock,
    waiting: Arc<Mutex<Waiting>>,
    next: Arc<AtomicU64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The gateway is stopping, or its disk failed before the commit.
    #[error("the gateway stopped before this was stored")]
    Stopped,
}

impl Desk {
    /// A desk that hands wishes to the rules through `inputs`.
    pub fn new(inputs: Inputs, clock: Clock) -> Self {
        Self { inputs, clock, waiting: Arc::default(), next: Arc::new(AtomicU64::new(1)) }
    }

    /// The same desk, for who names the places of another configuration.
    #[must_use]
    pub fn of(&self, inputs: Inputs) -> Self {
        Self { inputs, ..self.clone() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A panic while it is held leaves a map that is still a map.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a wish, stamped now, and waits until what came of it is stored.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(
        &self,
        via: Via,
        actor: Option<String>,
        verb: Verb,
    ) -> Result<Answer, AskError> {
        self.hand_in(via, actor, verb, self.clock.mono()).await.map(|(answer, _)| answer)
    }

    /// The same of a wish of this instant; with the number of the newest event before the answer, 0
    /// if there is none.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn hand_in(
        &self,
        via: Via,
        actor: Option<String>,
        verb: Verb,
        at: Mono,
    ) -> Result<(Answer, Seq), AskError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.waiting().insert(id, tell);
        let forget = Forget { desk: self, id };
        let command = Command { id, via, actor, verb, at };
        let sent = self.inputs.send(Input::Command(command)).await;
        let answer = match sent {
            Ok(()) => told.await.map_err(|_| AskError::Stopped),
            Err(_) => Err(AskError::Stopped),
        };
        drop(forget);
        answer
    }

    pub(super) fn answer(&self, command: u64, answer: Answer, seq: Seq) {
        if let Some(tell) = self.waiting().remove(&command) {
            // Who asked may have gone away; what was done is done.
            let _ = tell.send((answer, seq));
        }
    }
}

/// Nobody waits any more, also when the waiting was given up.
struct Forget<'a> {
    desk: &'a Desk,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.desk.waiting().remove(&self.id);
    }
}
