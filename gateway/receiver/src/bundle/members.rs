//! Which events are an incident's.
//!
//! * What opened or joined it: the alarm's `detail` names the incident.
//! * What ended one of those: a restore, by its `opens`.
//! * What was done about it: the incident is the event's source.
//! * What cameras took of one of those, by its `of`. Not in bundles of form 1.

use std::collections::BTreeSet;

use gatehouse_core::event::{Event, Qualifier};
use gatehouse_core::id::{Id, Seq};
use serde_json::Value;

use super::Act;

/// The types of events that an act leaves.
const ACTS: [&str; 4] = ["incident.acked", "incident.noted", "incident.closed", "alarm.escalated"];

/// Takes events by their numbers, and tells those of one incident.
pub(crate) struct Members {
    incident: Id,
    /// The incident's id as JSON has it: what does not hold it need not be parsed.
    quoted: String,
    seqs: BTreeSet<Seq>,
    /// Pictures and clips as well.
    pictured: bool,
}

impl Members {
    pub(crate) fn new(incident: &Id) -> Self {
        let quoted = format!("\"{incident}\"");
        Self { incident: incident.clone(), quoted, seqs: BTreeSet::new(), pictured: true }
    }

    /// As bundles of form 1 have them.
    pub(super) fn without_pictures(incident: &Id) -> Self {
        Self { pictured: false, ..Self::new(incident) }
    }

    /// The event, if it is the incident's.
    pub(crate) fn look(&mut self, body: &[u8]) -> Option<Event> {
        let named = holds(body, self.quoted.as_bytes());
        let refers = || holds(body, b"\"opens\":") || (self.pictured && holds(body, b"\"of\":"));
        if !named && (self.seqs.is_empty() || !refers()) {
            return None;
        }
        let event: Event = serde_json::from_slice(body).ok()?;
        let ends = event.draft.qualifier == Qualifier::Restore
            && event.draft.opens.is_some_and(|opens| self.seqs.contains(&opens));
        if !(self.is_source(&event) || self.is_joined(&event) || ends || self.is_taken_of(&event)) {
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

    /// A picture is of one event, a clip of several.
    fn is_taken_of(&self, event: &Event) -> bool {
        if !self.pictured || !is_taken(&event.draft.kind) {
            return false;
        }
        let of = event.draft.detail.as_ref().map(|detail| &detail["of"]);
        let has = |seq: &Value| seq.as_u64().is_some_and(|seq| self.seqs.contains(&Seq(seq)));
        of.is_some_and(|of| has(of) || of.as_array().is_some_and(|all| all.iter().any(has)))
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

/// Whether a type of event tells that a camera took something.
pub(super) fn is_taken(kind: &str) -> bool {
    kind.starts_with("camera.snapshot") || kind.starts_with("camera.clip")
}

/// Whether a type of event tells of an act.
pub(crate) fn is_act(kind: &str) -> bool {
    ACTS.contains(&kind)
}

/// Whether these bytes stand anywhere in the others.
pub(crate) fn holds(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}
