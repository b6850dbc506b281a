//! One handover: a machine without clock, database and network. Both rooms hold one, each its side.
//!
//! ```text
//!   giver   offered ──accepted──▶ accepted ──incident closed──▶ ended
//!              ├────refused─────▶ refused      (the incident stays the giver's, as all along)
//!              ├─by the giver────▶ withdrawn   (likewise)
//!              └─incident closed▶ ended
//! ```
//!
//! The taker's side has the same states, and is in each of them first or later by one message. Only
//! the giver's word `accepted`, after the taker's commit, makes the incident another's.

use gatehouse_core::contract::AlarmOp;
use gatehouse_core::event::Event;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{CloseReason, Incident, Note, Phase};
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};

use super::message::{Act, Offer, Said};
use crate::bundle;

/// Entries of a history, at most: the database has the rest.
const MAX_HISTORY: usize = 200;

/// Acts of a taker, at most, over the life of a handover.
const MAX_ACTS: usize = 200;

/// The longest text of a note or a refusal, in characters, as the gateway keeps it.
const MAX_TEXT: usize = 200;

/// An act that comes later than this is told to be late and not done: whoever wanted it may have
/// given up or done something else. A note is never late.
const ACT_LIVES_MS: i64 = 120_000;

/// Which side of a handover this room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The incident is of a gateway of ours.
    Given,
    /// It is offered to us.
    Taken,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has answered: the incident is the giver's.
    Offered,
    /// The taker acts.
    Accepted,
    /// The incident is the giver's.
    Refused,
    /// The giver has taken the offer back: the incident is the giver's.
    Withdrawn,
    /// The incident is closed.
    Ended,
}

impl State {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }
}

/// Who, and when by this room's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// An operator's id; of the other room as `operator@room`.
    pub by: String,
    /// When.
    pub at: UtcMs,
}

/// Something that the gateway recorded of the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The event's number.
    pub seq: Seq,
    /// Its type, as `incident.acked`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who; of the other room as `operator@room`.
    pub by: Option<String>,
    /// When, by the gateway's clock.
    pub at: UtcMs,
    /// What a note says, or where it was.
    pub text: Option<String>,
}

/// What the taker's operator wanted of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The number of its message.
    pub number: u64,
    /// What.
    pub op: AlarmOp,
    /// Who, at the taker's.
    pub operator: String,
    /// Of a note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CloseReason>,
    /// When, by the taker's clock.
    pub at: UtcMs,
    /// What came of it; none: nobody knows yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The gateway's event of it is committed at the giver's.
    Done(Seq),
    /// Why not, as a word.
    Failed(String),
}

/// One handover as this room has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    /// Its id, the same in both rooms.
    pub id: Id,
    /// The other room.
    pub peer: Id,
    /// Which side this room is.
    pub side: Side,
    /// How far it has come.
    pub state: State,
    /// The gateway's district.
    pub district: Id,
    /// Its community.
    pub site: Id,
    /// The gateway.
    pub gateway: Id,
    /// The incident, as it is known here.
    pub incident: Incident,
    /// Who offered it.
    pub offered: Mark,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Mark>,
    /// Of a refusal: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What the gateway recorded of it, oldest first: at most the latest 200.
    pub history: Vec<Entry>,
    /// What the taker wanted done.
    pub acts: Vec<Asked>,
    /// The number of the last message of ours.
    pub said: u64,
    /// The number of the last of theirs.
    pub heard: u64,
    /// The giver's: the incident's first event, and up to where the taker was told of it.
    pub from: Seq,
    /// See `from`.
    pub told: Seq,
}

/// Why something cannot be done about a handover now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Of the other side.
    #[error("{0} was offered to {1} from here: {1} answers, not we")]
    NotOurs(Id, Id),
    /// Of this side.
    #[error("{0} was offered to us by {1}: that room withdraws, we accept or refuse")]
    NotTheirs(Id, Id),
    /// Too early or too late.
    #[error("{0} is {state} already", state = .1.as_str())]
    State(Id, State),
    /// Nobody has accepted it.
    #[error("{0} is not accepted; accept it first")]
    NotAccepted(Id),
    /// Something is wrong that no person does.
    #[error("{0} has had {MAX_ACTS} acts; call {1}")]
    TooMany(Id, Id),
}

/// What a room names whoever acts in another.
pub(crate) fn foreign(operator: &str, room: &Id) -> String {
    format!("{operator}@{room}")
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

impl Handover {
    /// The giver's side of an offer that is just made.
    pub(crate) fn giving(id: Id, peer: Id, offer: &Offer, at: UtcMs) -> Self {
        let mark = Mark { by: offer.operator.clone(), at };
        Self::new(id, peer, Side::Given, offer, mark)
    }

    /// The taker's side of an offer that has just come. It has not been weighed.
    pub(crate) fn taking(id: Id, peer: Id, offer: &Offer, at: UtcMs) -> Self {
        let mark = Mark { by: foreign(&offer.operator, &peer), at };
        Self::new(id, peer, Side::Taken, offer, mark)
    }

    fn new(id: Id, peer: Id, side: Side, offer: &Offer, offered: Mark) -> Self {
        Self {
            id,
            peer,
            side,
            state: State::Offered,
            district: offer.district.clone(),
            site: offer.site.clone(),
            gateway: offer.gateway.clone(),
            incident: offer.incident.clone(),
            offered,
            answered: None,
            why: None,
            history: Vec::new(),
            acts: Vec::new(),
            said: 0,
            heard: 0,
            from: Seq::ZERO,
            told: Seq::ZERO,
        }
    }

    /// Whether anything can still come of it.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Offered | State::Accepted)
    }

    /// Whether the incident is the other room's to handle.
    pub fn is_theirs(&self) -> bool {
        self.side == Side::Given && self.state == State::Accepted
    }

    /// Takes entries into the history, oldest first.
    pub(crate) fn remember(&mut self, entries: Vec<Entry>) {
        self.history.extend(entries);
        let over = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..over);
    }

    /// The taker's operator takes it.
    pub(crate) fn accept(&mut self, operator: &str, at: UtcMs) -> Result<Said, NotNow> {
        self.may_answer()?;
        self.state = State::Accepted;
        self.answered = Some(Mark { by: operator.to_owned(), at });
        Ok(Said::Accepted { operator: operator.to_owned() })
    }

    /// The taker's operator does not; without one the room itself does not.
    pub(crate) fn refuse(
        &mut self,
        operator: Option<&str>,
        why: &str,
        at: UtcMs,
    ) -> Result<Said, NotNow> {
        self.may_answer()?;
        self.state = State::Refused;
        let why = short(why);
        self.answered = operator.map(|by| Mark { by: by.to_owned(), at });
        self.why = Some(why.clone());
        Ok(Said::Refused { operator: operator.map(str::to_owned), why })
    }

    /// The giver's operator takes an offer back that nobody has answered here. A word that crosses
    /// this one has no effect: the giver's side decides, and the taker is told.
    pub(crate) fn withdraw(&mut self, operator: &str, at: UtcMs) -> Result<Said, NotNow> {
        match (self.side, self.state) {
            (Side::Taken, _) => Err(NotNow::NotTheirs(self.id.clone(), self.peer.clone())),
            (Side::Given, State::Offered) => {
                self.state = State::Withdrawn;
                self.answered = Some(Mark { by: operator.to_owned(), at });
                Ok(Said::Withdrawn { operator: operator.to_owned() })
            }
            (Side::Given, state) => Err(NotNow::State(self.id.clone(), state)),
        }
    }

    fn may_answer(&self) -> Result<(), NotNow> {
        match (self.side, self.state) {
            (Side::Given, _) => Err(NotNow::NotOurs(self.id.clone(), self.peer.clone())),
            (Side::Taken, State::Offered) => Ok(()),
            (Side::Taken, state) => Err(NotNow::State(self.id.clone(), state)),
        }
    }

    /// The taker's operator acts. The message's number is the next.
    pub(crate) fn ask(&mut self, act: Act, at: UtcMs) -> Result<Said, NotNow> {
        match (self.side, self.state) {
            (Side::Given, _) => return Err(NotNow::NotOurs(self.id.clone(), self.peer.clone())),
            (Side::Taken, State::Accepted) => {}
            (Side::Taken, State::Offered) => return Err(NotNow::NotAccepted(self.id.clone())),
            (Side::Taken, state) => return Err(NotNow::State(self.id.clone(), state)),
        }
        if self.acts.len() >= MAX_ACTS {
            return Err(NotNow::TooMany(self.id.clone(), self.peer.clone()));
        }
        let text = act.text.as_deref().map(short);
        let act = Act { text, ..act };
        self.acts.push(asked(self.said + 1, &act, at));
        Ok(Said::Act(act))
    }

    /// The other room's next message; what is to be answered. Whatever makes no sense where this
    /// side is by now has no effect: it may have crossed another message.
    pub(crate) fn hear(&mut self, said: Said, sent: UtcMs, own: &Id, now: UtcMs) -> Vec<Said> {
        self.heard += 1;
        match (self.side, said) {
            (Side::Given, Said::Accepted { operator }) if self.state == State::Offered => {
                self.state = State::Accepted;
                self.answered = Some(Mark { by: foreign(&operator, &self.peer), at: now });
            }
            (Side::Given, Said::Refused { operator, why }) if self.state == State::Offered => {
                self.state = State::Refused;
                self.answered = operator.map(|by| Mark { by: foreign(&by, &self.peer), at: now });
                self.why = Some(short(&why));
            }
            (Side::Given, Said::Act(act)) => {
                let late = is_late(act.op, sent, now);
                let refusal = match self.state {
                    _ if self.acts.len() >= MAX_ACTS => Some("busy"),
                    State::Accepted if late => Some("expired"),
                    State::Accepted => None,
                    State::Ended => Some("closed"),
                    State::Offered | State::Refused | State::Withdrawn => Some("not_accepted"),
                };
                let mut asked = asked(self.heard, &act, sent);
                asked.outcome = refusal.map(|why| Outcome::Failed(why.to_owned()));
                if self.acts.len() < MAX_ACTS {
                    self.acts.push(asked);
                }
                let error = refusal.map(str::to_owned);
                let done =
                    error.map(|why| Said::Done { act: self.heard, seq: None, error: Some(why) });
                return done.into_iter().collect();
            }
            (Side::Taken, Said::Withdrawn { operator }) if self.is_open() => {
                self.state = State::Withdrawn;
                self.answered = Some(Mark { by: foreign(&operator, &self.peer), at: now });
            }
            (Side::Taken, Said::Done { act, seq, error }) => {
                let outcome = match (seq, error) {
                    (Some(seq), None) => Outcome::Done(seq),
                    (_, error) => Outcome::Failed(error.unwrap_or_else(|| "unknown".to_owned())),
                };
                let asked = self.acts.iter_mut().find(|asked| asked.number == act);
                if let Some(asked) = asked {
                    asked.outcome.get_or_insert(outcome);
                }
            }
            (Side::Taken, Said::Event { body }) => {
                if let Ok(event) = serde_json::from_str::<Event>(&body) {
                    self.happened(&event, own);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// What came of an act at the gateway; what is to be said of it. None: that is said already.
    pub(crate) fn outcome(&mut self, act: u64, outcome: Outcome) -> Option<Said> {
        let asked = self.acts.iter_mut().find(|asked| asked.number == act)?;
        if asked.outcome.is_some() {
            return None;
        }
        let (seq, error) = match &outcome {
            Outcome::Done(seq) => (Some(*seq), None),
            Outcome::Failed(why) => (None, Some(why.clone())),
        };
        asked.outcome = Some(outcome);
        Some(Said::Done { act, seq, error })
    }

    /// An event of the incident that this side had not known.
    pub(crate) fn happened(&mut self, event: &Event, own: &Id) {
        if event.seq <= self.told {
            return;
        }
        self.told = event.seq;
        let entry = self.entry(event, own);
        let incident = &mut self.incident;
        match &*entry.kind {
            "incident.acked" => {
                incident.acked = Some((entry.by.clone(), entry.at));
                incident.phase = Phase::Acked;
            }
            "incident.noted" => {
                let (by, text) = (entry.by.clone(), entry.text.clone().unwrap_or_default());
                incident.notes.push(Note { by, utc: entry.at, text });
                let over = incident.notes.len().saturating_sub(MAX_HISTORY);
                incident.notes.drain(..over);
            }
            "alarm.escalated" => incident.escalated = true,
            "incident.closed" if self.is_open() => self.state = State::Ended,
            _ => {}
        }
        self.remember(vec![entry]);
    }

    /// The event for people of this room.
    pub(crate) fn entry(&self, event: &Event, own: &Id) -> Entry {
        let draft = &event.draft;
        let act = bundle::is_act(&draft.kind);
        let source = || format!("{}/{}", draft.source.kind, draft.source.id);
        let text = if act { draft.cause.clone() } else { Some(source()) };
        let by = draft.actor.as_deref().filter(|_| act).map(|by| self.named(by, own));
        Entry { seq: event.seq, kind: draft.kind.to_string(), by, at: draft.time.utc, text }
    }

    /// Whoever a gateway's event names, as this room calls them: the gateway is the giver's.
    pub(crate) fn named(&self, by: &str, own: &Id) -> String {
        match (self.side, by.rsplit_once('@')) {
            (Side::Given, _) => by.to_owned(),
            (Side::Taken, Some((operator, room))) if room == own.as_str() => operator.to_owned(),
            (Side::Taken, _) => foreign(by, &self.peer),
        }
    }
}

/// Whether an act comes too late to be done.
pub(crate) fn is_late(op: AlarmOp, sent: UtcMs, now: UtcMs) -> bool {
    op != AlarmOp::Note && now.0.saturating_sub(sent.0) > ACT_LIVES_MS
}

fn asked(number: u64, act: &Act, at: UtcMs) -> Asked {
    let Act { op, operator, text, reason } = act.clone();
    Asked { number, op, operator, text, reason, at, outcome: None }
}

#[cfg(test)]
mod tests;
