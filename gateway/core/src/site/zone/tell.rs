//! What is told of a zone: alarms, openings, bypasses, its state.

use std::time::Duration;

use super::{Bypass, Found, Zone};
use crate::event::{Class, Draft, Qualifier};
use crate::site::out::{Head, Out, found};
use crate::site::{Condition, Thing, ZoneKind};
use crate::time::Mono;

impl Zone {
    /// An alarm of this zone. It stays open until the zone is normal again.
    pub(in crate::site) fn alarm(
        &mut self,
        index: usize,
        at: Mono,
        found: Found,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let kind = self.config.kind;
        self.state.alarm = true;
        self.event(at, self.config.alarm().0, Qualifier::New, out, |draft| {
            draft.class = kind.class();
            draft.severity = kind.severity();
            draft.flags = self::found(found.while_down, found.resynced);
            draft.state = Some(crate::site::out::change("normal", "active"));
            fill(draft);
        });
        self.show(index, at, out);
    }

    /// Counts an alarm of this arming; says whether it was the last one that is told.
    pub(in crate::site) const fn swing(&mut self) -> bool {
        self.state.swings = self.state.swings.saturating_add(1);
        let limit = self.config.swinger;
        self.state.shut = limit > 0 && self.state.swings >= limit;
        self.state.shut
    }

    /// The zone is normal again: its alarm or its opening is over.
    pub(in crate::site) fn calm(&mut self, index: usize, at: Mono, how: Found, out: &mut Out<'_>) {
        let flags = found(how.while_down, how.resynced);
        // What latches waits for its reset.
        if !self.config.latches() {
            self.end_alarm(at, out, |draft| draft.flags.clone_from(&flags));
        }
        if std::mem::take(&mut self.state.opened) {
            self.event(at, "zone.closed", Qualifier::Restore, out, |draft| {
                draft.severity = 5;
                draft.closes = Some("zone.opened");
                draft.flags = flags;
                draft.state = Some(crate::site::out::change("active", "normal"));
            });
        }
        self.show(index, at, out);
    }

    /// The alarm is over, if there is one.
    pub(in crate::site) fn end_alarm(
        &mut self,
        at: Mono,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        if !std::mem::take(&mut self.state.alarm) {
            return;
        }
        let (began, ended) = self.config.alarm();
        self.event(at, ended, Qualifier::Restore, out, |draft| {
            draft.class = self.config.kind.class();
            draft.severity = 4;
            draft.closes = Some(began);
            draft.state = Some(crate::site::out::change("active", "normal"));
            fill(draft);
        });
    }

    /// An activation that is no alarm, for the record.
    pub(in crate::site) fn open(&mut self, at: Mono, how: Found, out: &mut Out<'_>) {
        if !self.config.record || self.state.opened || self.state.alarm {
            return;
        }
        self.state.opened = true;
        self.event(at, "zone.opened", Qualifier::New, out, |draft| {
            draft.severity = 5;
            draft.flags = found(how.while_down, how.resynced);
            draft.state = Some(crate::site::out::change("normal", "active"));
        });
    }

    pub(in crate::site) fn set_bypass(
        &mut self,
        index: usize,
        to: Option<(Bypass, Option<&str>)>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.state.bypass = to.map(|(bypass, _)| bypass);
        self.state.by = to.and_then(|(_, by)| by.map(str::to_owned));
        self.show(index, at, out);
    }

    /// A new arming begins: swings count from zero. Says whether it had been shut down.
    pub(in crate::site) const fn unswing(&mut self) -> bool {
        let shut = self.state.shut;
        self.state.swings = 0;
        self.state.shut = false;
        shut
    }

    /// What may be told of it here: a silent panic never shows.
    fn shown(&self) -> (&'static str, Vec<&'static str>) {
        if self.config.kind == ZoneKind::SilentPanic {
            return ("normal", Vec::new());
        }
        let state = match self.condition() {
            Condition::Unknown => "unknown",
            Condition::Normal => "normal",
            Condition::Active => "active",
            Condition::Tamper => "tamper",
            Condition::Fault => "fault",
            Condition::Masked => "masked",
        };
        let mut flags = Vec::new();
        let state_of = &self.state;
        let all = [
            (state_of.alarm, "alarm"),
            (state_of.tamper, "tamper"),
            (state_of.trouble.is_some(), "trouble"),
            (state_of.bypass.is_some(), "bypassed"),
            (state_of.shut, "shut-down"),
            (state_of.stuck, "stuck"),
            (self.config.soak, "soak"),
        ];
        flags.extend(all.into_iter().filter_map(|(is, flag)| is.then_some(flag)));
        (state, flags)
    }

    pub(in crate::site) fn word(&self) -> &'static str {
        self.shown().0
    }

    pub(in crate::site) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        let (state, flags) = self.shown();
        out.state(Thing::Zone(index), state, flags, at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(in crate::site) fn keep(&mut self, out: &mut Out<'_>) {
        if self.kept != self.state {
            self.kept = self.state.clone();
            out.keep(format!("zone/{}", self.config.id), &self.state);
        }
    }

    pub(in crate::site) fn event(
        &self,
        at: Mono,
        kind: &'static str,
        qualifier: Qualifier,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("zone", &self.config.id);
        let head = Head { class: Class::Door, kind, qualifier, severity: 2, source };
        out.record(at, head, |draft| {
            draft.source.driver = Some(self.config.driver.clone());
            draft.partition.clone_from(&self.partition);
            fill(draft);
            // Of a walk test is what a walk can make. A tamper or a fault is found, not made by
            // it, and what began before it is as real as it was.
            let walked = self.walking && matches!(draft.class, Class::Door | Class::Test);
            draft.test = self.config.soak || walked;
        });
    }

    /// The entry delay of this zone where the mode's is `mode`.
    pub(in crate::site) fn entry(&self, mode: Duration) -> Duration {
        self.config.entry.unwrap_or(mode)
    }
}
