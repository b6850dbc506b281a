//! Commands of the district: which of them are carried out, and why the others are not.
//!
//! [`Commands::judge`] decides about one, from what it says, what was found out about its signature
//! and nonce, the site's [`Rights`], the clock, and the ids that came before. The rules
//! ([`Site`](crate::site::Site)) ask it and carry out what is theirs in the same step: so a
//! command's event, what it did and the memory of its id are stored together, or none of them is.
//!
//! In this order, the first that holds:
//!
//! | refused since | status, reason |
//! |---|---|
//! | it was retained | `refused`, `retained`; told once, and never again for the same id |
//! | more than 60 at once, or one a second | `refused`, `busy`, without an event |
//! | it cannot be read, or is too large | `refused`, `malformed`, `too_large` |
//! | its signature is wrong, or missing where the site wants one | `refused`, `bad_signature`, `foreign_key`, `unsigned`, `key_of_another_role` |
//! | its id came before | `duplicate`, with what came of that one |
//! | it has no expiry, or none that makes sense | `refused`, `no_expiry`, `bad_expiry` |
//! | its expiry is over, by a trusted clock | `expired`, `late` |
//! | it is of the future, by a trusted clock | `refused`, `not_yet` |
//! | there is no such verb, or not with these arguments | `refused`, `unknown_verb`, `bad_args` |
//! | its role is not known, or may not do this | `refused`, `unknown_role`, `not_allowed` |
//! | the site does not let the district do this | `refused`, `lowers_protection` |
//! | without a trusted clock, it must not be late and has no good nonce | `refused`, `no_nonce`, `stale_nonce` |
//! | the memory of ids is full of commands that could still be carried out | `refused`, `busy` |

mod memory;
mod nonces;
mod reason;
mod rights;
#[cfg(test)]
mod tests;
mod verb;
mod wanted;

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use memory::{KIND, Taken};
pub use memory::{MAX_REMEMBERED, REMEMBERED};
pub use nonces::{Fresh, Nonces};
pub use reason::Reason;
pub use rights::{Rights, Role, USUAL_ROLE};
pub use verb::{Lowering, Lowerings, Verb, Verbs};
pub use wanted::{LONGEST_PULSE_S, MAX_CONFIG, Wanted};

use crate::contract::{Command, CommandStatus};
use crate::id::Id;
use crate::time::{ClockState, Mono, Now};
use memory::Memory;

/// A wall clock with a larger error is not trusted with commands, which live for seconds.
pub const TRUSTED_ERR_MS: u32 = 5_000;

/// So far the control room's clock may be ahead of ours.
const AHEAD_MS: i64 = 60_000;

/// So many commands may come at once, and then one a second: each leaves an event on flash.
const BURST: u32 = 60;

/// The longest operator's id.
const MAX_OPERATOR: usize = 64;

/// Retained commands that were told of, so that each is told once.
const RETAINED_TOLD: usize = 64;

/// A command as it came, with what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id, from the topic.
    pub id: Id,
    /// What it says, or why that is not known.
    pub said: Result<Command, Reason>,
    /// Its signature.
    pub signed: Signed,
    /// Its nonce.
    pub fresh: Fresh,
    /// It was kept by the broker, or was to be kept.
    pub retained: bool,
}

/// What was found out about a command's signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Signed {
    /// It has none.
    #[default]
    No,
    /// It is good, and this key's, which is of this role.
    By {
        /// The key.
        key: Id,
        /// Its role.
        role: Id,
    },
    /// The site knows no such key.
    Foreign,
    /// It is not this key's signature of this command.
    Wrong,
}

/// What came of a command, so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// How far it is.
    pub status: CommandStatus,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl Outcome {
    /// It is done, with these facts.
    pub const fn done(detail: Option<Value>) -> Self {
        Self { status: CommandStatus::Done, reason: None, detail }
    }

    /// It was tried and did not come about.
    pub const fn failed(reason: Reason, detail: Option<Value>) -> Self {
        Self { status: CommandStatus::Failed, reason: Some(reason), detail }
    }

    /// It is not carried out.
    pub const fn refused(reason: Reason, detail: Option<Value>) -> Self {
        Self { status: CommandStatus::Refused, reason: Some(reason), detail }
    }
}

/// What is to be done with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not carried out; that is an event.
    Told(Outcome),
    /// It is not carried out, and leaves no event. `None`: nor is it answered.
    Untold(Option<Outcome>),
    /// It is carried out; its id is remembered from now on.
    Accept(Wanted),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Commands {
    rights: Rights,
    memory: Memory,
    retained: VecDeque<Id>,
    flow: Flow,
}

impl Commands {
    /// One that has not heard of anything.
    pub fn new(rights: Rights) -> Self {
        Self { rights, memory: Memory::default(), retained: VecDeque::new(), flow: Flow::default() }
    }

    /// Goes on with what is remembered, under other rights.
    pub(crate) fn take_over(&mut self, old: Self) {
        let Self { rights: _, memory, retained, flow } = old;
        (self.memory, self.retained, self.flow) = (memory, retained, flow);
    }

    /// How many ids are remembered: at most [`MAX_REMEMBERED`].
    pub fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// Decides about a command. `boot` is the id of this boot.
    pub fn judge(&mut self, order: &Order, boot: &str, now: &Now) -> Verdict {
        if order.retained {
            return self.retained(&order.id);
        }
        if !self.flow.permits(now.mono) {
            return Verdict::Untold(Some(Outcome::refused(Reason::Busy, None)));
        }
        let trusted = is_trusted(now);
        match self.decide(order, trusted, now) {
            Err(outcome) => Verdict::Told(outcome),
            Ok((command, wanted)) => {
                if !self.memory.has_room(now, trusted) {
                    return Verdict::Told(Outcome::refused(Reason::Busy, None));
                }
                let accepted =
                    Outcome { status: CommandStatus::Accepted, reason: None, detail: None };
                let taken = Taken {
                    id: order.id.clone(),
                    verb: wanted.verb(),
                    operator: command.operator.clone(),
                    args: wanted.told(),
                    // It has one, or it would not be here.
                    expires: command.expires.unwrap_or(now.utc),
                    until: now.mono.plus(REMEMBERED),
                    outcome: accepted,
                };
                self.memory.take(taken, boot, now);
                Verdict::Accept(wanted)
            }
        }
    }

    /// A retained command does nothing: with each connection it would do it again.
    fn retained(&mut self, id: &Id) -> Verdict {
        if self.retained.contains(id) {
            return Verdict::Untold(None);
        }
        if self.retained.len() >= RETAINED_TOLD {
            self.retained.pop_front();
        }
        self.retained.push_back(id.clone());
        Verdict::Told(Outcome::refused(Reason::Retained, None))
    }

    fn decide<'o>(
        &self,
        order: &'o Order,
        trusted: bool,
        now: &Now,
    ) -> Result<(&'o Command, Wanted), Outcome> {
        let refuse = |reason| Err(Outcome::refused(reason, None));
        let command = match &order.said {
            Ok(command) if is_operator(&command.operator) => command,
            Ok(_) => return refuse(Reason::Malformed),
            Err(reason) => return refuse(*reason),
        };
        let role = command.role.as_ref().map_or(USUAL_ROLE, Id::as_str);
        match &order.signed {
            Signed::No if self.rights.signed => return refuse(Reason::Unsigned),
            Signed::Foreign => return refuse(Reason::ForeignKey),
            Signed::Wrong => return refuse(Reason::BadSignature),
            Signed::By { role: of, .. } if of.as_str() != role => {
                return refuse(Reason::KeyOfAnotherRole);
            }
            Signed::No | Signed::By { .. } => {}
        }
        if let Some(before) = self.memory.find(&order.id) {
            let was = &before.outcome;
            let detail = json!({ "was": was.status, "reason": was.reason });
            let reason = was.reason;
            let status = CommandStatus::Duplicate;
            return Err(Outcome { status, reason, detail: Some(detail) });
        }
        let Some(expires) = command.expires else { return refuse(Reason::NoExpiry) };
        let lives = expires.0.saturating_sub(command.issued.0);
        if lives <= 0 || lives > i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX) {
            return refuse(Reason::BadExpiry);
        }
        let err = i64::from(now.err_ms.unwrap_or(0));
        if trusted && now.utc.0.saturating_add(err) >= expires.0 {
            let (status, reason) = (CommandStatus::Expired, Some(Reason::Late));
            let detail = Some(json!({ "expires": expires, "utc": now.utc }));
            return Err(Outcome { status, reason, detail });
        }
        if trusted && command.issued.0 > now.utc.0.saturating_add(err + AHEAD_MS) {
            let detail = json!({ "issued": command.issued, "utc": now.utc });
            return Err(Outcome::refused(Reason::NotYet, Some(detail)));
        }
        let Some(verb) = Verb::from_word(&command.verb) else {
            let verbs: Vec<_> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
            return Err(Outcome::refused(Reason::UnknownVerb, Some(json!({ "verbs": verbs }))));
        };
        let wanted = Wanted::of(verb, &command.args)
            .map_err(|why| Outcome::refused(Reason::BadArgs, Some(json!({ "why": why }))))?;
        match self.rights.role(role) {
            None => return refuse(Reason::UnknownRole),
            Some(known) if !known.verbs.contains(verb) => return refuse(Reason::NotAllowed),
            Some(_) => {}
        }
        if !self.rights.allows(verb) {
            return refuse(Reason::LowersProtection);
        }
        match order.fresh {
            Fresh::Unknown if !trusted && verb.must_not_be_late() => refuse(Reason::NoNonce),
            Fresh::No if !trusted && verb.must_not_be_late() => refuse(Reason::StaleNonce),
            _ => Ok((command, wanted)),
        }
    }

    /// What came of a command that was accepted. `None`: no such one is under way.
    pub(crate) fn over(
        &mut self,
        id: &Id,
        outcome: &Outcome,
        boot: &str,
        now: &Now,
    ) -> Option<Taken> {
        self.memory.over(id, outcome, boot, now)
    }

    pub(crate) fn restore(
        &mut self,
        id: &str,
        value: &str,
        boot: &str,
        now: &Now,
    ) -> serde_json::Result<bool> {
        self.memory.restore(id, value, boot, now)
    }

    pub(crate) fn unfinished(&self) -> Vec<Id> {
        self.memory.unfinished()
    }

    pub(crate) fn changes(&mut self) -> impl Iterator<Item = (String, Option<String>)> {
        self.memory.changes()
    }
}

/// Whether the wall clock is good enough to say that a command is late.
pub fn is_trusted(now: &Now) -> bool {
    now.clock != ClockState::Never && now.err_ms.is_some_and(|err| err <= TRUSTED_ERR_MS)
}

/// What may stand in an event as who did it.
fn is_operator(id: &str) -> bool {
    let visible = |c: char| !c.is_control() && !c.is_whitespace();
    (1..=MAX_OPERATOR).contains(&id.chars().count()) && id.chars().all(visible)
}

/// How many commands may come.
#[derive(Clone, Debug)]
struct Flow {
    /// As many as may come now.
    left: u32,
    /// When it was counted last.
    at: Mono,
}

impl Default for Flow {
    fn default() -> Self {
        Self { left: BURST, at: Mono(0) }
    }
}

impl Flow {
    fn permits(&mut self, now: Mono) -> bool {
        let seconds = now.since(self.at).as_secs();
        if seconds > 0 {
            let gained = u32::try_from(seconds).unwrap_or(BURST);
            self.left = self.left.saturating_add(gained).min(BURST);
            self.at = self.at.plus(Duration::from_secs(seconds));
        }
        let permits = self.left > 0;
        self.left = self.left.saturating_sub(1);
        permits
    }
}
