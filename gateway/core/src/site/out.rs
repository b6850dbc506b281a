//! Collects effects, and stamps drafts with the time of what happened.

use std::borrow::Cow;

use super::{Effect, Report, Thing};
use crate::event::{Class, Draft, Flag, Qualifier, Source, Transition};
use crate::id::Id;
use crate::time::{Mono, Now, Time};

/// The effects of one input so far, and the knowledge of the clocks.
pub(super) struct Out<'a> {
    pub(super) boot: &'a str,
    pub(super) now: &'a Now,
    pub(super) effects: Vec<Effect>,
    /// So many of them were looked at for what makes a siren sound.
    pub(super) warned: usize,
}

/// What every draft needs.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) class: Class,
    pub(super) kind: &'static str,
    pub(super) qualifier: Qualifier,
    pub(super) severity: u8,
    pub(super) source: (&'static str, &'a Id),
}

impl<'a> Out<'a> {
    pub(super) const fn new(boot: &'a str, now: &'a Now) -> Self {
        Self { boot, now, effects: Vec::new(), warned: 0 }
    }

    pub(super) fn time(&self, at: Mono) -> Time {
        let then = self.now.at(at);
        Time {
            utc: then.utc,
            boot: self.boot.to_owned(),
            mono_ns: at,
            err_ms: then.err_ms,
            clock: then.clock,
        }
    }

    pub(super) fn record(&mut self, at: Mono, head: Head<'_>, fill: impl FnOnce(&mut Draft)) {
        let mut draft = Draft {
            class: head.class,
            kind: Cow::Borrowed(head.kind),
            qualifier: head.qualifier,
            severity: head.severity,
            partition: None,
            source: Source {
                kind: Cow::Borrowed(head.source.0),
                id: head.source.1.clone(),
                driver: None,
            },
            time: self.time(at),
            state: None,
            arming: None,
            actor: None,
            cause: None,
            opens: None,
            closes: None,
            detail: None,
            test: false,
            flags: Vec::new(),
        };
        fill(&mut draft);
        self.effects.push(Effect::Record(draft));
    }

    pub(super) fn report(&mut self, report: Report) {
        let head = Head {
            class: report.class,
            kind: report.kind,
            qualifier: report.qualifier,
            severity: report.severity,
            source: (report.source.0, &report.source.1),
        };
        self.record(report.at.unwrap_or(self.now.mono), head, |draft| {
            draft.closes = report.closes;
            draft.cause = report.cause;
            draft.detail = report.detail;
        });
    }

    pub(super) fn state(
        &mut self,
        of: Thing,
        state: &'static str,
        flags: Vec<&'static str>,
        at: Mono,
    ) {
        let since = self.now.utc_at(at);
        self.effects.push(Effect::State { of, state, flags, since });
    }

    pub(super) fn keep(&mut self, key: String, value: &impl serde::Serialize) {
        let value = serde_json::to_string(value).expect("what is kept has only string keys");
        self.effects.push(Effect::Keep { key, value: Some(value) });
    }
}

/// The flags of a change that was found rather than seen.
pub(super) fn found(while_down: bool, resynced: bool) -> Vec<Flag> {
    let mut flags = Vec::new();
    if while_down {
        flags.push(Flag::WhileDown);
    }
    if resynced {
        flags.push(Flag::Resynced);
    }
    flags
}

/// A change of state, in words.
pub(super) const fn change(from: &'static str, to: &'static str) -> Transition {
    Transition { from: Cow::Borrowed(from), to: Cow::Borrowed(to) }
}
