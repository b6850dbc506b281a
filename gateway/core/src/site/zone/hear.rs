//! What the lines of a zone say: activations, tamper and trouble.

use serde_json::json;

use super::{Edge, Found, Trouble, Zone};
use crate::event::{Class, Qualifier};
use crate::site::lines::Said;
use crate::site::out::Out;
use crate::site::{Condition, ZoneLine};
use crate::time::Mono;

impl Zone {
    /// What its own line says.
    pub(in crate::site) fn reading(
        &mut self,
        index: usize,
        (condition, excused): (Condition, bool),
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) -> Edge {
        let said = self.lines.main(condition, at);
        self.said(index, (said, excused), at, resynced, out)
    }

    /// What a further line says; `None`: it is not known.
    pub(in crate::site) fn further(
        &mut self,
        index: usize,
        (line, active, excused): (ZoneLine, Option<bool>, bool),
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) -> Edge {
        let said = self.lines.further(line, active, at);
        self.said(index, (said, excused), at, resynced, out)
    }

    fn said(
        &mut self,
        index: usize,
        (said, excused): (Said, bool),
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) -> Edge {
        let condition = said.condition;
        let against = said.against.and_then(Trouble::of);
        self.watch_held(index, at, out);
        if said.single && !self.walking {
            self.single(at, out);
        }
        if condition == self.condition && against == self.against {
            return Edge::None;
        }
        self.against = against;
        self.tamper(condition, at, out);
        self.trouble(condition, excused, at, out);
        if condition == self.condition {
            self.show(index, at, out);
            return Edge::None;
        }
        let after_gap = self.condition == Condition::Unknown && !self.before_start;
        self.condition = condition;
        let edge = self.edge(condition, resynced || after_gap);
        self.show(index, at, out);
        edge
    }

    /// One button of two was pressed, and the other may follow.
    #[cfg(test)]
    pub(in crate::site) fn is_half(&self) -> bool {
        self.lines.is_half()
    }

    /// One button of two: an accident, or somebody who could not reach the other.
    fn single(&self, at: Mono, out: &mut Out<'_>) {
        let silent = self.config.kind.is_silent();
        let kind = if silent { "panic.single_silent" } else { "panic.single" };
        self.event(at, kind, Qualifier::Status, out, |draft| {
            draft.class = Class::Panic;
            draft.severity = 3;
            draft.cause = Some("one button of two".to_owned());
            draft.detail = self.config.help.as_ref().map(|help| json!({ "place": help.place }));
        });
    }

    /// A button is held, or let go.
    fn watch_held(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        let Some(after) = self.config.stuck else { return };
        self.stuck_at = self.lines.held_since().map(|since| since.plus(after));
        if self.state.stuck {
            self.stuck_at = None;
        }
        if self.lines.is_let_go() && std::mem::take(&mut self.state.stuck) {
            let (began, ended) = self.stuck_kinds();
            self.event(at, ended, Qualifier::Restore, out, |draft| {
                draft.class = Class::Fault;
                draft.severity = 4;
                draft.closes = Some(began);
            });
            self.show(index, at, out);
        }
    }

    pub(super) fn tell_stuck(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        self.stuck_at = None;
        self.state.stuck = true;
        self.event(at, self.stuck_kinds().0, Qualifier::New, out, |draft| {
            draft.class = Class::Fault;
            draft.cause = Some("a button is held or stuck".to_owned());
        });
        self.show(index, at, out);
    }

    /// Of a silent one a fault that follows its call would tell of the call.
    pub(super) const fn stuck_kinds(&self) -> (&'static str, &'static str) {
        if self.config.kind.is_silent() {
            ("panic.stuck_silent", "panic.stuck_silent_restored")
        } else {
            ("panic.stuck", "panic.stuck_restored")
        }
    }

    fn edge(&mut self, condition: Condition, resynced: bool) -> Edge {
        let active = match condition {
            Condition::Active => true,
            Condition::Normal => false,
            _ => return Edge::None,
        };
        let first = std::mem::take(&mut self.before_start);
        let before = self.active.replace(active);
        // Of a zone that protects at any time each change is an alarm or its end, which is kept
        // anyway: so this costs no write, and a start knows what changed in the dark.
        if self.config.record || !self.config.kind.needs_arming() {
            self.state.active = Some(active);
        }
        let found = Found { while_down: first && before.is_some_and(|b| b != active), resynced };
        match (before, active) {
            (Some(false) | None, true) => Edge::Activated(found),
            // An alarm or an opening of before the start, whose end nobody saw.
            (Some(true), false) => Edge::Calmed(found),
            (None, false) if self.state.alarm || self.state.opened => {
                Edge::Calmed(Found { while_down: first, resynced })
            }
            _ => Edge::None,
        }
    }

    fn tamper(&mut self, condition: Condition, at: Mono, out: &mut Out<'_>) {
        match (condition, self.state.tamper) {
            (Condition::Tamper, false) => {
                self.state.tamper = true;
                self.event(at, "zone.tamper", Qualifier::New, out, |draft| {
                    draft.class = Class::Tamper;
                });
            }
            // A lost line is not a closed case.
            (Condition::Tamper | Condition::Unknown, _) | (_, false) => {}
            (_, true) => {
                self.state.tamper = false;
                self.event(at, "zone.tamper_restored", Qualifier::Restore, out, |draft| {
                    draft.class = Class::Tamper;
                    draft.closes = Some("zone.tamper");
                });
            }
        }
    }

    /// The trouble that stands told is over, or another takes its place.
    pub(super) fn end_trouble(&mut self, at: Mono, out: &mut Out<'_>) {
        let Some(over) = self.state.trouble.take() else { return };
        let (began, ended) = over.kinds();
        self.event(at, ended, Qualifier::Restore, out, |draft| {
            draft.class = Class::Fault;
            draft.closes = Some(began);
        });
    }

    /// `excused`: its bus is lost, which is told once for all.
    fn trouble(&mut self, condition: Condition, excused: bool, at: Mono, out: &mut Out<'_>) {
        let now = Trouble::of(condition)
            .or(self.against)
            .filter(|now| !(excused && *now == Trouble::Lost));
        // A fault line that is not known does not say that the fault is over.
        let unheard = Trouble::of(condition).is_none() && now == Some(Trouble::Lost);
        if now == self.state.trouble || (unheard && self.state.trouble.is_some()) {
            self.pending = None;
            return;
        }
        self.end_trouble(at, out);
        let began = self.pending.filter(|(pending, _)| Some(*pending) == now);
        self.pending = began.or(now.map(|trouble| (trouble, at.plus(self.config.hold_off))));
    }
}
