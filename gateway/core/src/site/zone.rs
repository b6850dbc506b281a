//! One zone: what its detector says, and the three machines that are kept apart: alarm, tamper and
//! trouble (fault, masked, lost). Each of them has its restore.
//!
//! Whether an activation is an alarm is not decided here but in `guard`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::out::{Head, Out, found};
use super::{Condition, Thing, ZoneConfig, ZoneKind};
use crate::event::{Class, Draft, Qualifier};
use crate::id::Id;
use crate::time::{Mono, Now};

/// After a start a zone has so long to be known, beyond any debounce and the start of any bus.
pub(super) const FIRST_READING: Duration = Duration::from_secs(10);

/// Why a zone is out of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Bypass {
    /// Somebody wanted it.
    Manual,
    /// It was not ready when its partition was armed by force, or when its siren had run its time:
    /// it protects again as soon as it is normal.
    UntilNormal,
}

/// What keeps a detector from detecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Trouble {
    Fault,
    Masked,
    Lost,
}

impl Trouble {
    const fn of(condition: Condition) -> Option<Self> {
        match condition {
            Condition::Unknown => Some(Self::Lost),
            Condition::Fault => Some(Self::Fault),
            Condition::Masked => Some(Self::Masked),
            Condition::Normal | Condition::Active | Condition::Tamper => None,
        }
    }

    const fn kinds(self) -> (&'static str, &'static str) {
        match self {
            Self::Fault => ("zone.fault", "zone.fault_restored"),
            Self::Masked => ("zone.masked", "zone.masked_restored"),
            Self::Lost => ("zone.lost", "zone.lost_restored"),
        }
    }
}

/// How a change came to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) while_down: bool,
    pub(super) resynced: bool,
}

/// What a reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// It was not active, or not known, and is.
    Activated(Found),
    /// It was active and is normal.
    Calmed(Found),
    /// Neither.
    None,
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptZone {
    /// The last reading, of a zone whose readings are recorded or that protects at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(skip_serializing_if = "is_false")]
    alarm: bool,
    /// `zone.opened` stands without its `zone.closed`.
    #[serde(skip_serializing_if = "is_false")]
    opened: bool,
    #[serde(skip_serializing_if = "is_false")]
    tamper: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<Trouble>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bypass: Option<Bypass>,
    /// Who wanted the bypass.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    swings: u8,
    #[serde(skip_serializing_if = "is_false")]
    shut: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(value: &u8) -> bool {
    *value == 0
}

#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) config: ZoneConfig,
    /// The id of its partition.
    partition: Option<Id>,
    condition: Condition,
    /// The last reading that was normal or active; `None`: none is known.
    active: Option<bool>,
    /// Whether `active` is of before this start.
    before_start: bool,
    /// A walk test goes through its partition.
    pub(super) walking: bool,
    /// Trouble that has not lasted long enough to be told, and when it will have.
    pending: Option<(Trouble, Mono)>,
    state: KeptZone,
    kept: KeptZone,
}

impl Zone {
    pub(super) fn new(config: ZoneConfig, partition: Option<Id>) -> Self {
        Self {
            config,
            partition,
            condition: Condition::Unknown,
            active: None,
            before_start: true,
            walking: false,
            pending: None,
            state: KeptZone::default(),
            kept: KeptZone::default(),
        }
    }

    pub(super) fn restore(&mut self, kept: KeptZone) {
        self.active = kept.active;
        self.kept = kept.clone();
        self.state = kept;
    }

    /// Whether a zone of this configuration means the same by what it says.
    pub(super) fn means_as(&self, config: &ZoneConfig) -> bool {
        self.config.kind == config.kind && self.config.soak == config.soak
    }

    /// Ends what stands open of it: it is gone, or becomes something else.
    pub(super) fn finish(&mut self, cause: &'static str, at: Mono, out: &mut Out<'_>) {
        let state = std::mem::take(&mut self.state);
        // Whoever bypassed it wanted it out, whatever it means.
        (self.state.bypass, self.state.by) = (state.bypass, state.by);
        let kind = self.config.kind;
        let (alarm, swinger) = (kind.alarm(), ("zone.swinger", "zone.swinger_restored"));
        let trouble = state.trouble.map(|trouble| (trouble.kinds(), Class::Fault));
        let over = [
            state.alarm.then_some((alarm, kind.class())),
            state.opened.then_some((("zone.opened", "zone.closed"), Class::Door)),
            state.tamper.then_some((("zone.tamper", "zone.tamper_restored"), Class::Tamper)),
            trouble,
            state.shut.then_some((swinger, Class::Fault)),
        ];
        for ((began, ended), class) in over.into_iter().flatten() {
            self.event(at, ended, Qualifier::Restore, out, |draft| {
                draft.class = class;
                draft.severity = 4;
                draft.closes = Some(began);
                draft.cause = Some(cause.to_owned());
            });
        }
        self.pending = None;
    }

    /// Ends its bypass.
    pub(super) fn finish_bypass(&mut self, cause: &'static str, at: Mono, out: &mut Out<'_>) {
        self.state.by = None;
        if self.state.bypass.take().is_some() {
            self.event(at, "zone.unbypassed", Qualifier::Restore, out, |draft| {
                draft.class = Class::Arm;
                draft.severity = 3;
                draft.closes = Some("zone.bypassed");
                draft.cause = Some(cause.to_owned());
            });
        }
    }

    /// What it said is not known any more.
    pub(super) const fn forget(&mut self) {
        self.condition = Condition::Unknown;
        self.active = None;
        self.before_start = false;
    }

    /// Goes on from what the same zone was under another configuration.
    pub(super) fn take_over(&mut self, index: usize, old: Self, at: Mono, out: &mut Out<'_>) {
        let Self {
            config,
            partition: _,
            condition,
            active,
            before_start,
            walking: _,
            pending,
            state,
            kept,
        } = old;
        (self.active, self.state, self.kept) = (active, state, kept);
        let wire = |config: &ZoneConfig| (config.driver.clone(), config.bus.is_some());
        if wire(&self.config) == wire(&config) && self.means_as(&config) {
            (self.condition, self.before_start, self.pending) = (condition, before_start, pending);
        } else {
            // Another wire: what it says is compared with what the old one said.
            self.before_start = false;
            self.await_reading(at);
            self.show(index, at, out);
        }
    }

    /// The start: what is not known by then is lost.
    pub(super) fn begin(&mut self, now: &Now) {
        self.await_reading(now.mono);
    }

    /// Its bus is back: it has a while to be known.
    pub(super) fn await_reading(&mut self, at: Mono) {
        if self.condition == Condition::Unknown && self.state.trouble != Some(Trouble::Lost) {
            let wait = self.config.hold_off.max(FIRST_READING);
            self.pending = Some((Trouble::Lost, at.plus(wait)));
        }
    }

    /// Its bus is lost: nothing is expected of it.
    pub(super) fn excuse(&mut self) {
        self.pending = self.pending.filter(|(pending, _)| *pending != Trouble::Lost);
    }

    pub(super) const fn condition(&self) -> Condition {
        self.condition
    }

    /// Whether a tamper of it stands told.
    pub(super) const fn is_tampered(&self) -> bool {
        self.state.tamper
    }

    /// Whether it was active when it last said so or otherwise.
    pub(super) const fn was_active(&self) -> bool {
        matches!(self.active, Some(true))
    }

    pub(super) const fn bypass(&self) -> Option<Bypass> {
        self.state.bypass
    }

    pub(super) fn bypassed_by(&self) -> Option<&str> {
        self.state.by.as_deref()
    }

    /// What keeps it from detecting, if anything does.
    pub(super) const fn why_blind(&self) -> Option<&'static str> {
        match self.condition {
            Condition::Unknown => Some("lost"),
            Condition::Fault => Some("fault"),
            Condition::Masked => Some("masked"),
            Condition::Tamper => Some("tamper"),
            Condition::Normal | Condition::Active => None,
        }
    }

    pub(super) const fn in_alarm(&self) -> bool {
        self.state.alarm
    }

    /// Whether it protects, as far as it alone is concerned.
    pub(super) const fn is_out(&self) -> bool {
        self.state.bypass.is_some() || self.state.shut
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.pending.map(|(_, at)| at)
    }

    /// Trouble has lasted: it is told.
    pub(super) fn expire(&mut self, index: usize, out: &mut Out<'_>) {
        let Some((trouble, at)) = self.pending.take() else { return };
        self.state.trouble = Some(trouble);
        self.event(at, trouble.kinds().0, Qualifier::New, out, |draft| draft.class = Class::Fault);
        self.show(index, at, out);
    }

    pub(super) fn reading(
        &mut self,
        index: usize,
        (condition, excused): (Condition, bool),
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) -> Edge {
        if condition == self.condition {
            return Edge::None;
        }
        self.tamper(condition, at, out);
        self.trouble(condition, excused, at, out);
        let after_gap = self.condition == Condition::Unknown && !self.before_start;
        self.condition = condition;
        let edge = self.edge(condition, resynced || after_gap);
        self.show(index, at, out);
        edge
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

    /// `excused`: its bus is lost, which is told once for all.
    fn trouble(&mut self, condition: Condition, excused: bool, at: Mono, out: &mut Out<'_>) {
        let now = Trouble::of(condition).filter(|now| !(excused && *now == Trouble::Lost));
        if now == self.state.trouble {
            self.pending = None;
            return;
        }
        if let Some(over) = self.state.trouble.take() {
            let (began, ended) = over.kinds();
            self.event(at, ended, Qualifier::Restore, out, |draft| {
                draft.class = Class::Fault;
                draft.closes = Some(began);
            });
        }
        let began = self.pending.filter(|(pending, _)| Some(*pending) == now);
        self.pending = began.or(now.map(|trouble| (trouble, at.plus(self.config.hold_off))));
    }

    /// An alarm of this zone. It stays open until the zone is normal again.
    pub(super) fn alarm(
        &mut self,
        index: usize,
        at: Mono,
        found: Found,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let kind = self.config.kind;
        self.state.alarm = true;
        self.event(at, kind.alarm().0, Qualifier::New, out, |draft| {
            draft.class = kind.class();
            draft.severity = kind.severity();
            draft.flags = self::found(found.while_down, found.resynced);
            draft.state = Some(super::out::change("normal", "active"));
            fill(draft);
        });
        self.show(index, at, out);
    }

    /// Counts an alarm of this arming; says whether it was the last one that is told.
    pub(super) const fn swing(&mut self) -> bool {
        self.state.swings = self.state.swings.saturating_add(1);
        let limit = self.config.swinger;
        self.state.shut = limit > 0 && self.state.swings >= limit;
        self.state.shut
    }

    /// The zone is normal again: its alarm or its opening is over.
    pub(super) fn calm(&mut self, index: usize, at: Mono, how: Found, out: &mut Out<'_>) {
        let flags = found(how.while_down, how.resynced);
        if std::mem::take(&mut self.state.alarm) {
            let kind = self.config.kind;
            let (began, ended) = kind.alarm();
            self.event(at, ended, Qualifier::Restore, out, |draft| {
                draft.class = kind.class();
                draft.severity = 4;
                draft.closes = Some(began);
                draft.flags.clone_from(&flags);
                draft.state = Some(super::out::change("active", "normal"));
            });
        }
        if std::mem::take(&mut self.state.opened) {
            self.event(at, "zone.closed", Qualifier::Restore, out, |draft| {
                draft.severity = 5;
                draft.closes = Some("zone.opened");
                draft.flags = flags;
                draft.state = Some(super::out::change("active", "normal"));
            });
        }
        self.show(index, at, out);
    }

    /// An activation that is no alarm, for the record.
    pub(super) fn open(&mut self, at: Mono, how: Found, out: &mut Out<'_>) {
        if !self.config.record || self.state.opened || self.state.alarm {
            return;
        }
        self.state.opened = true;
        self.event(at, "zone.opened", Qualifier::New, out, |draft| {
            draft.severity = 5;
            draft.flags = found(how.while_down, how.resynced);
            draft.state = Some(super::out::change("normal", "active"));
        });
    }

    pub(super) fn set_bypass(
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
    pub(super) const fn unswing(&mut self) -> bool {
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
        let state = match self.condition {
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
            (self.config.soak, "soak"),
        ];
        flags.extend(all.into_iter().filter_map(|(is, flag)| is.then_some(flag)));
        (state, flags)
    }

    pub(super) fn word(&self) -> &'static str {
        self.shown().0
    }

    pub(super) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        let (state, flags) = self.shown();
        out.state(Thing::Zone(index), state, flags, at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, out: &mut Out<'_>) {
        if self.kept != self.state {
            self.kept = self.state.clone();
            out.keep(format!("zone/{}", self.config.id), &self.state);
        }
    }

    pub(super) fn event(
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
    pub(super) fn entry(&self, mode: Duration) -> Duration {
        self.config.entry.unwrap_or(mode)
    }
}
