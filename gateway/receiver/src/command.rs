//! Commands to gateways: sent once, answered by the gateway, never called done on less.
//!
//! A command lives until it expires: after that the broker drops it, and a gateway with a clock
//! refuses it. What the gateway says of it comes to `cmd/{id}/res`, which every receiver of a
//! district hears; whoever sent it knows it by its id.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::{Command, CommandResult, CommandStatus};
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;
use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::operator::{ActError, Operator, Place, reach};
use crate::outbox::{Saying, Taken};
use crate::signing::SigningKey;

/// A command expires after this, if nothing else is said: as long as an operator waits for a door.
pub const USUAL_EXPIRY: Duration = Duration::from_secs(30);

/// What was accepted is waited for so long beyond the expiry: a challenge takes a minute, and so
/// does a reload of a large box.
pub const DONE_WITHIN: Duration = Duration::from_secs(90);

/// The gateway's clock and ours may differ by so much: its word that a command is late is waited for.
const MARGIN: Duration = Duration::from_secs(5);

/// What a gateway said of a command, as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) address: Arc<Address>,
    pub(crate) id: Id,
    pub(crate) result: CommandResult,
}

/// What an operator wants of a gateway.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// One of the contract's verbs.
    pub verb: String,
    /// With what.
    pub args: Map<String, Value>,
    /// The control room's id of whoever wants it, never a name.
    pub operator: String,
    /// In which role; none: `operator`.
    pub role: Option<Id>,
    /// From then on it must not be carried out: up to 24 h, in whole seconds.
    pub expires: Duration,
}

/// What a command to a gateway needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The gateway.
    pub address: Address,
    /// The nonce of its latest heartbeat.
    pub nonce: Option<String>,
    /// The receiver's clock.
    pub now: UtcMs,
}

impl Prepared {
    /// The command, and the id that it goes by. With a key it is signed.
    pub fn command(&self, wanted: Wanted, key: Option<&SigningKey>) -> (Id, Command) {
        let lives = i64::try_from(wanted.expires.as_millis()).unwrap_or(i64::MAX);
        let mut command = Command {
            verb: wanted.verb,
            args: wanted.args,
            issued: self.now,
            expires: Some(UtcMs(self.now.0.saturating_add(lives))),
            nonce: self.nonce.clone(),
            operator: wanted.operator,
            role: wanted.role,
            sig: None,
        };
        let id = format!("{:032x}", fastrand::u128(..));
        let id: Id = id.parse().unwrap_or_else(|_| unreachable!("32 hex digits are an id"));
        if let Some(key) = key {
            command.sig = key.sign(&command, &self.address, &id);
        }
        (id, command)
    }
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was not sent.
    #[error(transparent)]
    NotSent(#[from] ActError),
    /// A command without an expiry, or with one that is over.
    #[error("a command must expire, and not have expired")]
    Expiry,
    /// It was sent, and the gateway said nothing until it expired. Where it has no trusted clock and
    /// the answer alone was lost, it may have done it.
    #[error("sent, but {0} has said nothing of it: it is not known to be done; look at it again")]
    NoAnswer(Place),
    /// It was accepted, and nothing more was heard of it.
    #[error("{0} has accepted it, and has not said what came of it; its events will")]
    Unfinished(Place),
    /// The receiver ends.
    #[error("the receiver is ending; it is not known to be done")]
    Ending,
}

impl Operator {
    /// What a command to this gateway needs to know of it.
    ///
    /// # Errors
    /// When the gateway is not known, or cannot be reached.
    pub fn prepare(&self, place: &Place) -> Result<Prepared, CommandError> {
        let snapshot = self.snapshot();
        // An answer would wait behind events that are not committed.
        if let Some(why) = &snapshot.failing {
            return Err(ActError::NotCommitting(why.clone()).into());
        }
        let (address, view) = reach(&snapshot, place)?;
        let nonce = view.heartbeat.as_ref().and_then(|(_, beat)| beat.nonce.clone());
        Ok(Prepared { address: address.clone(), nonce, now: self.now() })
    }

    /// Wants something of a gateway, and waits for what comes of it. The result is final: `done`,
    /// `failed`, `refused`, `expired` or, where this very id came before, what came of that one.
    ///
    /// # Errors
    /// [`CommandError`]; only with `NoAnswer`, `Unfinished` and `Ending` the gateway may have done
    /// it all the same.
    pub async fn command(
        &self,
        place: &Place,
        wanted: Wanted,
        key: Option<&SigningKey>,
    ) -> Result<CommandResult, CommandError> {
        let (id, command) = self.prepare(place)?.command(wanted, key);
        self.send(place, &id, &command).await
    }

    /// The same of a command that was made elsewhere, as by the operator's own tool, which holds the
    /// key.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn send(
        &self,
        place: &Place,
        id: &Id,
        command: &Command,
    ) -> Result<CommandResult, CommandError> {
        let address = self.prepare(place)?.address;
        let left = command.expires.map_or(0, |expires| expires.0.saturating_sub(self.now().0));
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        // MQTT counts whole seconds; rounded down it would never be sent.
        let expiry = Duration::from_secs(left.as_secs().max(1));
        if left.is_zero() {
            return Err(CommandError::Expiry);
        }
        // Before it goes out: the answer may be here before this function goes on.
        let mut results = self.results.upgrade().ok_or(CommandError::Ending)?.subscribe();
        let (told, taken) = oneshot::channel();
        let payload = serde_json::to_vec(command).map_err(|_| ActError::Busy)?;
        let respond = Some((address.command_result(id), id.as_str().as_bytes().to_vec()));
        let saying = Saying { topic: address.command(id), payload, expiry, respond, told };
        self.outbox.act(saying).map_err(|_| ActError::Busy)?;
        let mut until = Instant::now() + left + MARGIN;
        let mut accepted = false;
        tokio::pin!(taken);
        let mut waits = true;
        loop {
            let heard = async {
                tokio::select! {
                    taken = &mut taken, if waits => Heard::Taken(taken),
                    result = results.recv() => Heard::Result(result),
                }
            };
            let heard = match timeout_at(until, heard).await {
                Ok(heard) => heard,
                Err(_) if accepted => return Err(CommandError::Unfinished(place.clone())),
                // Who was lost meanwhile says more than "no answer".
                Err(_) => {
                    return Err(match reach(&self.snapshot(), place) {
                        Err(error @ (ActError::Away(..) | ActError::NoBroker(_))) => error.into(),
                        _ => CommandError::NoAnswer(place.clone()),
                    });
                }
            };
            match heard {
                Heard::Taken(Ok(Taken::NobodyListens)) => {
                    return Err(ActError::NobodyListens(place.clone()).into());
                }
                Heard::Taken(Ok(Taken::Refused(reason))) => {
                    return Err(ActError::Refused(reason).into());
                }
                Heard::Taken(Ok(Taken::Held) | Err(_)) => waits = false,
                Heard::Result(Err(RecvError::Closed)) => return Err(CommandError::Ending),
                // If ours was among them, the time limit tells.
                Heard::Result(Err(RecvError::Lagged(_))) => {}
                Heard::Result(Ok(answered)) => {
                    if *answered.address != address || answered.id != *id {
                        continue;
                    }
                    let result = first_outcome(&answered.result);
                    if result.status.is_final() {
                        return Ok(result);
                    }
                    if !std::mem::replace(&mut accepted, true) {
                        until = Instant::now() + left + DONE_WITHIN;
                    }
                }
            }
        }
    }
}

enum Heard {
    Taken(Result<Taken, oneshot::error::RecvError>),
    Result(Result<Arc<Answered>, RecvError>),
}

/// A delivery that came twice is answered `duplicate`: what counts is what came of the first.
fn first_outcome(result: &CommandResult) -> CommandResult {
    let was = result.detail.as_ref().and_then(|detail| detail.get("was"));
    let was = was.and_then(|was| serde_json::from_value::<CommandStatus>(was.clone()).ok());
    match (result.status, was) {
        (CommandStatus::Duplicate, Some(status)) => CommandResult { status, ..result.clone() },
        _ => result.clone(),
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::id::Seq;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_duplicate_of_ones_own_command_is_what_came_of_the_first() {
        let detail = Some(json!({ "was": "refused" }));
        let reason = Some("not_allowed".into());
        let (status, seq) = (CommandStatus::Duplicate, Seq(9));
        let twice = CommandResult { status, reason, seq, detail };
        let result = first_outcome(&twice);
        assert_eq!(
            (result.status, result.reason.as_deref()),
            (CommandStatus::Refused, Some("not_allowed"))
        );
        let plain = CommandResult { detail: None, ..twice };
        assert_eq!(first_outcome(&plain).status, CommandStatus::Duplicate);
    }
}
