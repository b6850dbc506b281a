//! Which events are an incident's.
//!
//! * What opened or joined it: the alarm's `detail` names the incident.
//! * What ended one of those: a restore, by its `opens`.
//! * What was done about it: the incident is the event's source.

use std::collections::BTreeSet;

use gatehouse_core::event::{Event, Qualifier};
use gatehouse_core::id::{Id, Seq};

use super::Act;

/// The types of events that an act leaves.
const ACTS: [&str; 4] = ["incident.acked", "incident.noted", "incident.closed", "alarm.escalated"];

/// Takes events by their numbers, and tells those of one incident.
pub(crate) struct Members {
    incident: Id,
    /// The incident's id as JSON has it: what does not hold it need not be parsed.
    quoted: String,
    seqs: BTreeSet<Seq>,
}

impl Members {
    pub(crate) fn new(incident: &Id) -> Self {
        let quoted = format!("\"{incident}\"");
        Self { incident: incident.clone(), quoted, seqs: BTreeSet::new() }
    }

    /// The event, if it is the incident's.
    pub(crate) fn look(&mut self, body: &[u8]) -> Option<Event> {
        let named = holds(body, self.quoted.as_bytes());
        if !named && (self.seqs.is_empty() || !holds(body, b"\"opens\":")) {
            return None;
        }
        let event: Event = serde_json::from_slice(body).ok()?;
        let ends = event.draft.qualifier == Qualifier::Restore
            && event.draft.opens.is_some_and(|opens| self.seqs.contains(&opens));
        if !(self.is_source(&event) || self.is_joined(&event) || ends) {
            return None;
        }
        self.seqs.insert(event.seq);
        Some(event)
    }

    fn is_source(&self, event: &Event) -> bool {
        event.draft.source.kind == "incident" && event.draft.source.id == self.incident
    }

    fn is_joined(&self, event: &Event) -> bool {
        let incident = event.draft.detail.as_ref().and_then(|detail| detail["incident"].as_str());
        incident == Some(self.incident.as_str())
    }

    /// What was done, if this event of the incident tells of that.
    pub(super) fn act(&self, event: &Event) -> Option<Act> {
        let draft = &event.draft;
        if !self.is_source(event) || !ACTS.contains(&&*draft.kind) {
            return None;
        }
        let via = draft.detail.as_ref().and_then(|detail| detail["via"].as_str());
        Some(Act {
            seq: event.seq,
            act: draft.kind.to_string(),
            by: draft.actor.clone(),
            via: via.map(str::to_owned),
            utc: draft.time.utc,
            text: draft.cause.clone(),
        })
    }
}

/// Whether a type of event tells of an act.
pub(crate) fn is_act(kind: &str) -> bool {
    ACTS.contains(&kind)
}

/// Whether these bytes stand anywhere in the others.
pub(crate) fn holds(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}
