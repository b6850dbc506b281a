//! Help points: who is called, by whom, and the reset of what latches.
//!
//! A help point is a zone: its faults, its lost line, its bypass and its hours in the ledger are
//! those of any zone. What it has beside them is a place and the list of those who come at this
//! hour. The lists are named by ids; who is on them is the control room's matter.

use serde_json::{Value, json};

use super::arming::By;
use super::command::{Answer, Refusal};
use super::out::Out;
use super::zone::Found;
use super::{Card, Condition, Effect, Responders, Site};
use crate::id::Id;
use crate::time::{ClockState, Mono, Now};

impl Site {
    /// Whether weekly windows can be looked up: the wall clock is known well enough.
    pub(super) fn knows_time(&self, now: &Now) -> bool {
        let bound = u128::from(now.err_ms.unwrap_or(u32::MAX));
        now.clock != ClockState::Never && bound <= self.access.clock_error.as_millis()
    }

    /// Where a help point calls from and who is to come, for its alarm; `None`: it is none.
    pub(super) fn called(&self, index: usize, now: &Now) -> Option<Value> {
        let help = self.zones[index].config.help.as_ref()?;
        let (list, sure) = self.list_of_the_hour(&help.responders, help.otherwise.as_ref(), now);
        let mut facts = json!({ "place": help.place, "responders": list });
        if !sure {
            // The list may not be that of the hour, and the operator must know.
            facts["time"] = json!("unknown");
        }
        Some(facts)
    }

    /// Who is to come now, and whether that is sure: the first whose window is open, or who comes at
    /// any other time.
    fn list_of_the_hour(
        &self,
        responders: &[Responders],
        otherwise: Option<&Id>,
        now: &Now,
    ) -> (Option<Id>, bool) {
        let known = self.knows_time(now);
        let mut windows = responders.iter().filter(|_| known);
        let open = windows.find(|responders| {
            let zone = &self.access.time_zone;
            responders.weekly.iter().any(|window| window.contains(now.utc, zone))
        });
        let list = open.map(|responders| &responders.list).or(otherwise);
        (list.cloned(), known || responders.is_empty())
    }

    /// An alarm that nobody acknowledged says who is to be called at this hour.
    pub(super) fn call_responders(&self, out: &mut Out<'_>) {
        let escalation = &self.escalation;
        if escalation.responders.is_empty() && escalation.otherwise.is_none() {
            return;
        }
        for effect in &mut out.effects {
            let Effect::Record(draft) = effect else { continue };
            if draft.kind != "alarm.escalated" {
                continue;
            }
            let then = out.now.at(draft.time.mono_ns);
            let otherwise = escalation.otherwise.as_ref();
            let (list, sure) = self.list_of_the_hour(&escalation.responders, otherwise, &then);
            let detail = draft.detail.get_or_insert_with(|| json!({}));
            detail["responders"] = json!(list);
            if !sure {
                detail["time"] = json!("unknown");
            }
        }
    }

    /// A card at a help point's reader. Says whether the reader is one.
    pub(super) fn card_calls(&mut self, card: &Card, out: &mut Out<'_>) -> bool {
        let here = |zone: &super::zone::Zone| {
            zone.config.help.as_ref().is_some_and(|help| help.reader == Some(card.reader))
        };
        let Some(index) = self.zones.iter().position(here) else { return false };
        let good = self.is_somebodys(card);
        // When and where it may open doors does not matter to somebody who calls for help.
        if good {
            let actor = card.credential.to_string();
            self.alarm(index, Found::default(), ("card", Some(&actor)), card.at, out);
        }
        good
    }

    /// Somebody resets an alarm that latched.
    pub(super) fn reset(
        &mut self,
        index: usize,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let Some(zone) = self.zones.get_mut(index) else {
            return Answer::Refused { reason: Refusal::Unknown, blockers: Vec::new() };
        };
        let silent = zone.config.kind.is_silent();
        if zone.in_alarm() && zone.condition() == Condition::Normal {
            zone.end_alarm(at, out, |draft| {
                draft.cause = Some("reset".to_owned());
                draft.actor = by.actor.map(str::to_owned);
                draft.detail = Some(json!({ "via": by.via.as_str() }));
            });
            zone.show(index, at, out);
            return Answer::Done;
        }
        // Whether a silent one has called is nothing that an answer may tell.
        match (silent, zone.in_alarm()) {
            (true, _) => Answer::Done,
            (false, true) => Answer::Refused { reason: Refusal::Active, blockers: Vec::new() },
            (false, false) => Answer::Already,
        }
    }
}
