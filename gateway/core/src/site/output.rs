//! One output: why it is on, what it really does, and its fault with its restore.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::arming::By;
use super::out::{Head, Out};
use super::timer::KeptTimer;
use super::{Danger, Does, Drive, Effect, OutputConfig, Thing};
use crate::event::{Class, Draft, Qualifier};
use crate::id::Id;
use crate::time::{Mono, Now};

/// What makes a siren or strobe go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    pub(super) danger: Danger,
    /// By its place; `None`: it belongs to none.
    pub(super) partition: Option<usize>,
}

/// It is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct On {
    pub(super) causes: BTreeSet<Cause>,
    /// The end of a siren.
    pub(super) until: Option<Mono>,
}

impl On {
    pub(super) fn new(cause: Cause, until: Option<Mono>) -> Self {
        Self { causes: BTreeSet::from([cause]), until }
    }
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptOutput {
    /// It is on for these, each with the id of its partition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<(Danger, Option<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<KeptTimer>,
    /// A fault stands told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fault: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) config: OutputConfig,
    on: Option<On>,
    does: Does,
    /// A fault was told and has not ended.
    fault: bool,
    changed: bool,
}

impl Output {
    pub(super) const fn new(config: OutputConfig) -> Self {
        Self { config, on: None, does: Does::Unknown, fault: false, changed: false }
    }

    pub(super) fn restore(
        &mut self,
        kept: KeptOutput,
        partition: impl Fn(&str) -> Option<usize>,
        boot: &str,
        now: &Now,
    ) {
        self.fault = kept.fault;
        if kept.causes.is_empty() {
            return;
        }
        let causes = kept.causes.into_iter().filter_map(|(danger, id)| match id {
            None => Some(Cause { danger, partition: None }),
            Some(id) => Some(Cause { danger, partition: Some(partition(&id)?) }),
        });
        let causes: BTreeSet<_> = causes.collect();
        let until = match kept.until {
            // Its partitions are gone: it ends, and that is told.
            _ if causes.is_empty() => Some(now.mono),
            until => until.map(|until| until.on(boot, now, self.config.lasts)),
        };
        self.on = Some(On { causes, until });
    }

    pub(super) const fn on(&self) -> Option<&On> {
        self.on.as_ref()
    }

    /// Whether a fault of it stands told.
    pub(super) const fn is_faulty(&self) -> bool {
        self.fault
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.on.as_ref().and_then(|on| on.until)
    }

    pub(super) fn switch_on(
        &mut self,
        index: usize,
        on: On,
        id: impl Fn(usize) -> Id,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let cause = on.causes.first().copied();
        let lasts = on.until.map(|until| until.since(at).as_secs());
        self.on = Some(on);
        self.changed = true;
        out.effects.push(Effect::Output { output: index, drive: Drive::On });
        self.event(at, "output.on", Qualifier::New, out, |draft| {
            draft.partition = cause.and_then(|cause| cause.partition).map(id);
            draft.cause = cause.map(|cause| cause.danger.as_str().to_owned());
            draft.detail = Some(json!({ "lasts_s": lasts }));
        });
    }

    /// It is on for one more reason; `until`: that gives it more time.
    pub(super) fn join(&mut self, cause: Cause, until: Option<Mono>) {
        let Some(on) = &mut self.on else { return };
        self.changed |= on.causes.insert(cause) || until.is_some();
        on.until = until.or(on.until);
    }

    /// Forgets reasons. Says whether there were any.
    pub(super) fn forget(&mut self, ends: impl Fn(&Cause) -> bool) -> bool {
        let Some(on) = &mut self.on else { return false };
        let before = on.causes.len();
        on.causes.retain(|cause| !ends(cause));
        let ended = on.causes.len() < before;
        self.changed |= ended;
        ended
    }

    pub(super) fn switch_off(
        &mut self,
        index: usize,
        why: &'static str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.on = None;
        self.changed = true;
        out.effects.push(Effect::Output { output: index, drive: Drive::Off });
        self.event(at, "output.off", Qualifier::Restore, out, |draft| {
            draft.closes = Some("output.on");
            draft.cause = Some(why.to_owned());
            draft.actor = by.actor.map(str::to_owned);
            draft.detail = Some(json!({ "via": by.via.as_str() }));
        });
    }

    /// After a start the line is in its safe state, whatever it was before: what is on is switched on
    /// again, and what ended while the box was dark is switched off, where the safe state keeps it.
    pub(super) fn resume(&self, index: usize, out: &mut Out<'_>) {
        if self.config.role.warns() {
            let drive = if self.on.is_some() { Drive::On } else { Drive::Off };
            out.effects.push(Effect::Output { output: index, drive });
        }
    }

    /// Whether this is the same output of another configuration.
    pub(super) fn is_still(&self, new: &Self) -> bool {
        (&self.config.id, self.config.role) == (&new.config.id, new.config.role)
    }

    /// Goes on as what it was; `partitions`: the new place of each.
    pub(super) fn take_over(&mut self, old: Self, partitions: &[usize]) {
        self.on = old.on.map(|on| {
            let causes = on.causes.into_iter().map(|cause| Cause {
                partition: cause.partition.map(|place| partitions[place]),
                ..cause
            });
            On { causes: causes.collect(), until: on.until }
        });
        (self.does, self.fault, self.changed) = (old.does, old.fault, old.changed);
    }

    /// It is taken out: what stands open of it ends.
    pub(super) fn finish(&mut self, index: usize, why: &'static str, at: Mono, out: &mut Out<'_>) {
        if self.on.is_some() {
            let by = By { via: super::Via::Rules, actor: None };
            self.switch_off(index, why, by, at, out);
        }
        self.says(index, Does::Unknown, None, at, out);
    }

    /// What its unit says.
    pub(super) fn says(
        &mut self,
        index: usize,
        does: Does,
        fault: Option<String>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        if (does, fault.is_some()) == (self.does, self.fault) {
            return;
        }
        let had = std::mem::replace(&mut self.fault, fault.is_some());
        self.does = does;
        match fault {
            Some(cause) if !had => {
                self.changed = true;
                self.event(at, "output.fault", Qualifier::New, out, |draft| {
                    draft.class = Class::Fault;
                    draft.severity = 2;
                    draft.cause = Some(cause);
                });
            }
            None if had => {
                self.changed = true;
                self.event(at, "output.restored", Qualifier::Restore, out, |draft| {
                    draft.class = Class::Fault;
                    draft.severity = 4;
                    draft.closes = Some("output.fault");
                });
            }
            _ => {}
        }
        self.show(index, at, out);
    }

    pub(super) const fn word(&self) -> &'static str {
        self.does.as_str()
    }

    pub(super) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        let flags = self.fault.then_some("fault").into_iter().collect();
        out.state(Thing::Output(index), self.word(), flags, at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, id: impl Fn(usize) -> String, out: &mut Out<'_>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let key = format!("output/{}", self.config.id);
        if self.on.is_none() && !self.fault {
            out.effects.push(Effect::Keep { key, value: None });
            return;
        }
        let causes = self.on.iter().flat_map(|on| &on.causes);
        let causes = causes.map(|cause| (cause.danger, cause.partition.map(&id)));
        let kept = KeptOutput {
            causes: causes.collect(),
            until: self.deadline().map(|until| KeptTimer::new(until, out.boot, out.now)),
            fault: self.fault,
        };
        out.keep(key, &kept);
    }

    fn event(
        &self,
        at: Mono,
        kind: &'static str,
        qualifier: Qualifier,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("output", &self.config.id);
        let head = Head { class: Class::System, kind, qualifier, severity: 4, source };
        out.record(at, head, |draft| {
            draft.source.driver = Some(self.config.driver.clone());
            fill(draft);
        });
    }
}
