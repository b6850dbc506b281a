//! Incidents: what an operator handles. An alarm opens one or joins one; its end does not close it.
//!
//! | phase | when |
//! |---|---|
//! | `active` | something of it is still in alarm |
//! | `restored` | everything of it is over, and nobody has acknowledged it |
//! | `acked` | an operator has taken it |
//! | `closed` | an operator has ended it, or it was over and acknowledged for a day |
//!
//! One incident holds the alarms of one partition and one kind of danger. An alarm after the
//! acknowledgement opens another: it is news, and the operator must hear it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::command::{Answer, Refusal, Via};
use super::out::{Head, Out};
use super::timer::KeptTimer;
use super::{Effect, is_silent};
use crate::event::{Class, Draft, Lane, Qualifier};
use crate::id::Id;
use crate::time::{Mono, Now, UtcMs};

/// Open incidents, at most. A box with 64 zones has no more to say; when one more comes, the oldest
/// that is over is closed, and if none is over, the oldest.
const MAX_OPEN: usize = 64;

/// The first letter of an incident's id, by its series.
const LETTERS: [char; 2] = ['a', 's'];

/// Where the next number is kept, by the series.
const NEXT: [&str; 2] = ["next", "next-silent"];

/// Where the acts that were done are kept, and how many: a broker sends again what it saw no
/// acknowledgement of, also to a box that was restarted meanwhile.
const ACTS: &str = "acts";
const MAX_ACTS: usize = 64;

/// An incident that is over and acknowledged is closed by itself after this.
const CLOSED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Notes of one incident, at most, and their length in characters: they live in a retained payload.
const MAX_NOTES: usize = 16;
const MAX_NOTE: usize = 200;

/// How far an incident has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Something of it is still in alarm.
    Active,
    /// Everything of it is over; nobody has acknowledged it.
    Restored,
    /// An operator has taken it.
    Acked,
}

impl Phase {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Restored => "restored",
            Self::Acked => "acked",
        }
    }
}

/// The dangers that are kept apart.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words are the field's own")]
pub enum Danger {
    Burglary,
    Panic,
    SilentPanic,
    Tamper,
    Fire,
    Flood,
    Gas,
    Technical,
    /// A door is propped open.
    Door,
}

impl Danger {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Burglary => "burglary",
            Self::Panic => "panic",
            Self::SilentPanic => "silent-panic",
            Self::Tamper => "tamper",
            Self::Fire => "fire",
            Self::Flood => "flood",
            Self::Gas => "gas",
            Self::Technical => "technical",
            Self::Door => "door",
        }
    }

    /// What an event of the alarm lane means.
    pub(super) fn of(draft: &Draft) -> Self {
        match (&*draft.kind, draft.class) {
            (kind, _) if is_silent(kind) => Self::SilentPanic,
            ("fire.alarm", _) => Self::Fire,
            ("flood.alarm", _) => Self::Flood,
            ("gas.alarm", _) => Self::Gas,
            ("technical.alarm", _) => Self::Technical,
            ("door.propped", _) => Self::Door,
            (_, Class::Panic) => Self::Panic,
            (_, Class::Tamper) => Self::Tamper,
            _ => Self::Burglary,
        }
    }
}

/// Somebody's word on an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Who: an operator's id or a credential's keyed hash.
    pub by: Option<String>,
    /// When.
    pub utc: UtcMs,
    /// What they say.
    pub text: String,
}

/// One open incident, as `alarm/{id}` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its id, unique for this gateway.
    pub id: Id,
    /// How far it has come.
    pub phase: Phase,
    /// What kind of danger.
    pub danger: Danger,
    /// The class of its alarms.
    pub class: Class,
    /// The most urgent severity among them.
    pub severity: u8,
    /// Where, if it is in one partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
    /// When it began.
    pub since: UtcMs,
    /// Everything that was in alarm, in order of appearance, as `zone/hall`.
    pub sources: Vec<String>,
    /// Of these, what still is: the source and the type of its alarm.
    pub open: BTreeSet<(String, String)>,
    /// Who acknowledged it, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<(Option<String>, UtcMs)>,
    /// Nobody acknowledged it in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
    /// What was said of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    incident: Incident,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<KeptTimer>,
}

#[derive(Clone, Debug)]
struct Open {
    incident: Incident,
    /// The end of the time to acknowledge, or when it closes by itself.
    due: Option<Mono>,
    changed: bool,
}

/// What an incident turned out to be, as who closes it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CloseReason {
    /// There was a danger.
    Real,
    /// There was none.
    False,
    /// Somebody tried whether it works.
    Test,
    /// Nobody found out.
    Unknown,
}

impl CloseReason {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Real, Self::False, Self::Test, Self::Unknown];

    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::False => "false",
            Self::Test => "test",
            Self::Unknown => "unknown",
        }
    }

    /// The reason of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What is wanted of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// I take it.
    Acknowledge,
    /// Let it be known that.
    Note(String),
    /// It is over.
    Close,
    /// It is over, and was this.
    CloseAs(CloseReason),
    /// Call the others now.
    Escalate,
}

#[derive(Clone, Debug)]
pub(super) struct Incidents {
    open: Vec<Open>,
    /// The number of the next one, and of the next silent one: a hole in the numbers that are
    /// shown would tell of it.
    next: [u64; 2],
    next_kept: [u64; 2],
    ack_within: Duration,
    gone: Vec<Id>,
    /// The newest acts that were done, by their nonces.
    acts: VecDeque<String>,
    acts_changed: bool,
}

impl Incidents {
    pub(super) const fn new(ack_within: Duration) -> Self {
        Self {
            open: Vec::new(),
            next: [1; 2],
            next_kept: [1; 2],
            ack_within,
            gone: Vec::new(),
            acts: VecDeque::new(),
            acts_changed: false,
        }
    }

    /// Goes on with what is open under another configuration.
    pub(super) fn take_over(&mut self, old: Self) {
        let Self { open, next, next_kept, ack_within: _, gone, acts, acts_changed } = old;
        (self.open, self.next, self.next_kept, self.gone) = (open, next, next_kept, gone);
        (self.acts, self.acts_changed) = (acts, acts_changed);
    }

    /// All open ones, the oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Incident> {
        self.open.iter().map(|open| &open.incident)
    }

    pub(super) fn restore(
        &mut self,
        id: &str,
        value: &str,
        boot: &str,
        now: &Now,
    ) -> serde_json::Result<()> {
        if let Some(series) = NEXT.iter().position(|next| *next == id) {
            self.next[series] = serde_json::from_str(value)?;
            self.next_kept = self.next;
            return Ok(());
        }
        if id == ACTS {
            self.acts = serde_json::from_str(value)?;
            return Ok(());
        }
        let kept: Kept = serde_json::from_str(value)?;
        let longest = CLOSED_AFTER.max(self.ack_within);
        let due = kept.due.map(|due| due.on(boot, now, longest));
        self.open.push(Open { incident: kept.incident, due, changed: true });
        // Keys come in the order of their text, incidents have numbers.
        self.open.sort_by_key(|open| number(&open.incident.id));
        Ok(())
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.open.iter().filter_map(|open| open.due).min()
    }

    /// The earliest deadline has come: escalate, or close what is over.
    pub(super) fn expire(&mut self, out: &mut Out<'_>) {
        let Some(at) = self.deadline() else { return };
        let Some(place) = self.open.iter().position(|open| open.due == Some(at)) else { return };
        let open = &mut self.open[place];
        open.due = None;
        open.changed = true;
        if open.incident.acked.is_some() {
            self.close(place, "over and acknowledged for a day", Hand::RULES, None, at, out);
        } else {
            open.incident.escalated = true;
            let cause = "nobody acknowledged it in time";
            event(&open.incident, "alarm.escalated", cause, Hand::RULES, at, out);
        }
    }

    /// Looks at what the rules have just recorded: alarms join, ends end.
    pub(super) fn watch(&mut self, out: &mut Out<'_>) {
        let mut effects = std::mem::take(&mut out.effects);
        for effect in &mut effects {
            let Effect::Record(draft) = effect else { continue };
            if draft.class.lane() != Lane::Alarm || draft.test || draft.source.kind == "incident" {
                continue;
            }
            // Nothing ends a duress but an operator.
            let begins = draft.qualifier == Qualifier::New || draft.kind == "access.duress";
            if begins {
                let id = self.begin(draft, out);
                let detail = draft.detail.get_or_insert_with(|| json!({}));
                if let Some(facts) = detail.as_object_mut() {
                    facts.insert("incident".to_owned(), json!(id));
                }
            } else if draft.qualifier == Qualifier::Restore {
                self.end(draft);
            }
        }
        effects.append(&mut out.effects);
        out.effects = effects;
    }

    fn begin(&mut self, draft: &Draft, out: &mut Out<'_>) -> Id {
        let danger = Danger::of(draft);
        let source = name(draft);
        let joins = |open: &Open| {
            let incident = &open.incident;
            incident.danger == danger
                && incident.partition == draft.partition
                && incident.acked.is_none()
        };
        let place = self.open.iter().position(joins).unwrap_or_else(|| {
            self.make_room(danger, draft.time.mono_ns, out);
            self.open.push(self.first(danger, draft));
            self.next[series(danger)] += 1;
            self.open.len() - 1
        });
        let open = &mut self.open[place];
        let incident = &mut open.incident;
        if !incident.sources.contains(&source) {
            incident.sources.push(source.clone());
        }
        if draft.qualifier == Qualifier::New {
            incident.open.insert((source, draft.kind.to_string()));
        }
        incident.severity = incident.severity.min(draft.severity);
        incident.phase = Phase::Active;
        open.changed = true;
        incident.id.clone()
    }

    /// A new incident, as its first alarm makes it.
    fn first(&self, danger: Danger, draft: &Draft) -> Open {
        let series = series(danger);
        let id = format!("{}{}", LETTERS[series], self.next[series])
            .parse()
            .expect("a letter and digits are an id");
        let incident = Incident {
            id,
            phase: Phase::Active,
            danger,
            class: draft.class,
            severity: draft.severity,
            partition: draft.partition.clone(),
            since: draft.time.utc,
            sources: Vec::new(),
            open: BTreeSet::new(),
            acked: None,
            escalated: false,
            notes: Vec::new(),
        };
        Open { incident, due: Some(draft.time.mono_ns.plus(self.ack_within)), changed: true }
    }

    fn end(&mut self, draft: &Draft) {
        let Some(closes) = draft.closes else { return };
        let ended = (name(draft), closes.to_owned());
        for open in &mut self.open {
            let incident = &mut open.incident;
            if !incident.open.remove(&ended) {
                continue;
            }
            open.changed = true;
            if incident.open.is_empty() {
                if incident.acked.is_some() {
                    open.due = Some(draft.time.mono_ns.plus(CLOSED_AFTER));
                } else {
                    incident.phase = Phase::Restored;
                }
            }
        }
    }

    /// The silent ones have a room of their own.
    fn make_room(&mut self, danger: Danger, at: Mono, out: &mut Out<'_>) {
        let of_series = |open: &Open| series(open.incident.danger) == series(danger);
        let all = || self.open.iter().enumerate().filter(|(_, open)| of_series(open));
        if all().count() >= MAX_OPEN {
            let over = all().find(|(_, open)| open.incident.open.is_empty());
            let place = over.or_else(|| all().next()).map_or(0, |(place, _)| place);
            self.close(place, "too many are open", Hand::RULES, None, at, out);
        }
    }

    fn close(
        &mut self,
        place: usize,
        cause: &str,
        by: Hand<'_>,
        reason: Option<CloseReason>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let open = self.open.remove(place);
        told(&open.incident, "incident.closed", cause, by, reason, at, out);
        self.gone.push(open.incident.id);
    }

    /// Whether an act was done before; it is now. Nonces are told apart by 64 characters.
    pub(super) fn is_done(&mut self, nonce: &str) -> bool {
        let nonce = told_apart(nonce);
        if self.acts.contains(&nonce) {
            return true;
        }
        if self.acts.len() >= MAX_ACTS {
            self.acts.pop_front();
        }
        self.acts.push_back(nonce);
        self.acts_changed = true;
        false
    }

    /// An operator's act on an incident.
    pub(super) fn act(
        &mut self,
        id: &Id,
        act: &Act,
        by: Hand<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let Some(place) = self.open.iter().position(|open| open.incident.id == *id) else {
            return Answer::Refused { reason: Refusal::Unknown, blockers: Vec::new() };
        };
        let open = &mut self.open[place];
        let incident = &mut open.incident;
        match act {
            Act::Acknowledge if incident.acked.is_some() => return Answer::Already,
            Act::Acknowledge => {
                incident.acked = Some((by.actor.map(str::to_owned), out.now.utc_at(at)));
                incident.phase = Phase::Acked;
                open.due = incident.open.is_empty().then(|| at.plus(CLOSED_AFTER));
                event(incident, "incident.acked", "acknowledged", by, at, out);
            }
            Act::Note(text) => {
                let text: String = text.chars().take(MAX_NOTE).collect();
                let utc = out.now.utc_at(at);
                event(incident, "incident.noted", &text, by, at, out);
                // The record has every note; what is shown has the newest.
                if incident.notes.len() == MAX_NOTES {
                    incident.notes.remove(0);
                }
                incident.notes.push(Note { by: by.actor.map(str::to_owned), utc, text });
            }
            Act::Escalate if incident.escalated => return Answer::Already,
            Act::Escalate => {
                incident.escalated = true;
                event(incident, "alarm.escalated", "wanted", by, at, out);
            }
            Act::Close | Act::CloseAs(_) => {
                let reason = if let Act::CloseAs(reason) = act { Some(*reason) } else { None };
                self.close(place, "closed", by, reason, at, out);
                return Answer::Done;
            }
        }
        self.open[place].changed = true;
        Answer::Done
    }

    /// Hands out what changed: to be shown and to be kept.
    pub(super) fn keep(&mut self, out: &mut Out<'_>) {
        for id in self.gone.drain(..) {
            out.effects.push(Effect::Keep { key: format!("incident/{id}"), value: None });
            out.effects.push(Effect::Incident { id, shown: None });
        }
        for open in self.open.iter_mut().filter(|open| open.changed) {
            open.changed = false;
            let due = open.due.map(|due| KeptTimer::new(due, out.boot, out.now));
            let kept = Kept { incident: open.incident.clone(), due };
            out.keep(format!("incident/{}", open.incident.id), &kept);
            let shown = Some(Box::new(open.incident.clone()));
            out.effects.push(Effect::Incident { id: open.incident.id.clone(), shown });
        }
        if std::mem::take(&mut self.acts_changed) {
            out.keep(format!("incident/{ACTS}"), &self.acts);
        }
        for (series, key) in NEXT.iter().enumerate() {
            if self.next[series] != self.next_kept[series] {
                self.next_kept[series] = self.next[series];
                out.keep(format!("incident/{key}"), &self.next[series]);
            }
        }
    }
}

/// As much of a nonce as is kept and told.
pub(super) fn told_apart(nonce: &str) -> String {
    nonce.chars().take(64).collect()
}

/// Who does something about an incident.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hand<'a> {
    pub(super) via: Via,
    pub(super) actor: Option<&'a str>,
    /// By what the control room knows its own act again.
    pub(super) nonce: Option<&'a str>,
}

impl Hand<'_> {
    const RULES: Self = Self { via: Via::Rules, actor: None, nonce: None };
}

fn number(id: &Id) -> u64 {
    id.as_str().trim_start_matches(LETTERS).parse().unwrap_or(u64::MAX)
}

/// Whether this is the id of an incident that nobody at the site may notice.
pub(super) fn is_silent_incident(id: &Id) -> bool {
    id.as_str().starts_with(LETTERS[1])
}

/// By which series an incident is numbered: those that are shown, and the silent ones.
fn series(danger: Danger) -> usize {
    usize::from(danger == Danger::SilentPanic)
}

fn name(draft: &Draft) -> String {
    format!("{}/{}", draft.source.kind, draft.source.id)
}

fn event(
    incident: &Incident,
    kind: &'static str,
    cause: &str,
    by: Hand<'_>,
    at: Mono,
    out: &mut Out<'_>,
) {
    told(incident, kind, cause, by, None, at, out);
}

fn told(
    incident: &Incident,
    kind: &'static str,
    cause: &str,
    Hand { via, actor, nonce }: Hand<'_>,
    reason: Option<CloseReason>,
    at: Mono,
    out: &mut Out<'_>,
) {
    // An escalation is as urgent as its incident; what an operator did is for the record.
    let escalated = kind == "alarm.escalated";
    let class = if escalated { incident.class } else { Class::Arm };
    let severity = if escalated { incident.severity } else { 5 };
    let source = ("incident", &incident.id);
    let head = Head { class, kind, qualifier: Qualifier::Status, severity, source };
    out.record(at, head, |draft| {
        draft.partition.clone_from(&incident.partition);
        draft.actor = actor.map(str::to_owned);
        draft.cause = Some(cause.to_owned());
        let mut detail = json!({ "via": via.as_str(), "danger": incident.danger });
        if let Some(nonce) = nonce {
            detail["nonce"] = json!(nonce);
        }
        if let Some(reason) = reason {
            detail["reason"] = json!(reason);
        }
        draft.detail = Some(detail);
    });
}
