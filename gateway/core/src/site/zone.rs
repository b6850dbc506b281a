//! One zone: what its detector says, and the three machines that are kept apart: alarm, tamper and
//! trouble (fault, masked, lost). Each of them has its restore.
//!
//! Whether an activation is an alarm is not decided here but in `guard`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lines::{Lines, Said};
use super::out::{Head, Out, found};
use super::{Condition, LinesConfig, Thing, ZoneConfig, ZoneKind, ZoneLine};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Trouble {
    Fault,
    Masked,
    Lost,
}

impl Trouble {
    pub(super) const fn of(condition: Condition) -> Option<Self> {
        match condition {
            Condition::Unknown => Some(Self::Lost),
            Condition::Fault => Some(Self::Fault),
            Condition::Masked => Some(Self::Masked),
            Condition::Normal | Condition::Active | Condition::Tamper => None,
        }
    }

    const fn condition(self) -> Condition {
        match self {
            Self::Fault => Condition::Fault,
            Self::Masked => Condition::Masked,
            Self::Lost => Condition::Unknown,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Masked => "masked",
            Self::Lost => "lost",
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
    /// A button is stuck.
    #[serde(skip_serializing_if = "is_false")]
    stuck: bool,
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
    /// What its fault and mask lines say against it.
    against: Option<Trouble>,
    lines: Lines,
    /// When a button that is held is stuck.
    stuck_at: Option<Mono>,
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
        let lines = &config.lines;
        let further = lines.fault || lines.mask;
        Self {
            lines: Lines::new(*lines),
            config,
            partition,
            condition: Condition::Unknown,
            against: further.then_some(Trouble::Lost),
            stuck_at: None,
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
        self.lines.resume(kept.active == Some(true));
        self.kept = kept.clone();
        self.state = kept;
    }

    /// Whether a zone of this configuration means the same by what it says.
    pub(super) fn means_as(&self, config: &ZoneConfig) -> bool {
        let what = |config: &ZoneConfig| {
            let (help, stuck) = (config.help.is_some(), config.stuck.is_some());
            (config.kind, config.soak, config.latches(), help, stuck)
        };
        what(&self.config) == what(config)
    }

    /// Ends what stands open of it: it is gone, or becomes something else.
    pub(super) fn finish(&mut self, cause: &'static str, at: Mono, out: &mut Out<'_>) {
        let state = std::mem::take(&mut self.state);
        // Whoever bypassed it wanted it out, whatever it means.
        (self.state.bypass, self.state.by) = (state.bypass, state.by);
        let kind = self.config.kind;
        let (alarm, swinger) = (self.config.alarm(), ("zone.swinger", "zone.swinger_restored"));
        let trouble = state.trouble.map(|trouble| (trouble.kinds(), Class::Fault));
        let over = [
            state.alarm.then_some((alarm, kind.class())),
            state.opened.then_some((("zone.opened", "zone.closed"), Class::Door)),
            state.tamper.then_some((("zone.tamper", "zone.tamper_restored"), Class::Tamper)),
            trouble,
            state.shut.then_some((swinger, Class::Fault)),
            state.stuck.then_some((self.stuck_kinds(), Class::Fault)),
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
        self.stuck_at = None;
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
            against,
            lines,
            stuck_at,
        } = old;
        (self.active, self.state, self.kept) = (active, state, kept);
        let wire = |config: &ZoneConfig| {
            let LinesConfig { second, fault, mask } = config.lines;
            (config.driver.clone(), config.bus.is_some(), second.is_some(), fault, mask)
        };
        let same = wire(&self.config) == wire(&config);
        if same {
            self.lines = lines.under(self.config.lines);
            self.against = against;
        } else {
            self.lines.resume(self.active == Some(true));
        }
        if same && self.means_as(&config) {
            (self.condition, self.before_start, self.pending) = (condition, before_start, pending);
            self.stuck_at = stuck_at;
        } else {
            // Another wire: what it says is compared with what the old one said.
            self.before_start = false;
            self.await_reading(at);
            self.show(index, at, out);
        }
    }

    /// The start: what is not known by then is lost.
    pub(super) fn begin(&mut self, now: &Now) {
        if self.config.help.as_ref().is_some_and(|help| help.only_card) {
            // There is nothing to wait for: its reader tells of itself.
            self.lines.main(Condition::Normal, now.mono);
            self.condition = Condition::Normal;
            self.before_start = false;
            self.active = Some(false);
        }
        self.await_reading(now.mono);
    }

    /// What its own line says, whatever the others do.
    pub(super) const fn heard(&self) -> Condition {
        self.lines.heard()
    }

    /// Its bus is back: it has a while to be known.
    pub(super) fn await_reading(&mut self, at: Mono) {
        let unknown = self.condition() == Condition::Unknown;
        if unknown && self.state.trouble != Some(Trouble::Lost) {
            let wait = self.config.hold_off.max(FIRST_READING);
            self.pending = Some((Trouble::Lost, at.plus(wait)));
        }
    }

    /// Its bus is lost: nothing is expected of it.
    pub(super) fn excuse(&mut self) {
        self.pending = self.pending.filter(|(pending, _)| *pending != Trouble::Lost);
    }

    /// What all its lines say: a detector that is masked or at fault is not normal.
    pub(super) fn condition(&self) -> Condition {
        match self.against {
            Some(trouble) if self.condition == Condition::Normal => trouble.condition(),
            _ => self.condition,
        }
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
    pub(super) fn why_blind(&self) -> Option<&'static str> {
        match self.condition {
            Condition::Tamper => Some("tamper"),
            condition => Trouble::of(condition).or(self.against).map(Trouble::word),
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
        self.pending.map(|(_, at)| at).into_iter().chain(self.stuck_at).min()
    }

    /// Trouble has lasted, or a button was held too long: it is told.
    pub(super) fn expire(&mut self, index: usize, out: &mut Out<'_>) {
        if let Some(at) = self.stuck_at.filter(|at| self.deadline() == Some(*at)) {
            return self.tell_stuck(index, at, out);
        }
        let Some((trouble, at)) = self.pending.take() else { return };
        self.state.trouble = Some(trouble);
        self.event(at, trouble.kinds().0, Qualifier::New, out, |draft| draft.class = Class::Fault);
        self.show(index, at, out);
    }

    /// What its own line says.
    pub(super) fn reading(
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
    pub(super) fn further(
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
    pub(super) fn is_half(&self) -> bool {
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

    fn tell_stuck(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        self.stuck_at = None;
        self.state.stuck = true;
        self.event(at, self.stuck_kinds().0, Qualifier::New, out, |draft| {
            draft.class = Class::Fault;
            draft.cause = Some("a button is held or stuck".to_owned());
        });
        self.show(index, at, out);
    }

    /// Of a silent one a fault that follows its call would tell of the call.
    const fn stuck_kinds(&self) -> (&'static str, &'static str) {
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
        self.event(at, self.config.alarm().0, Qualifier::New, out, |draft| {
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
        // What latches waits for its reset.
        if !self.config.latches() {
            self.end_alarm(at, out, |draft| draft.flags.clone_from(&flags));
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

    /// The alarm is over, if there is one.
    pub(super) fn end_alarm(&mut self, at: Mono, out: &mut Out<'_>, fill: impl FnOnce(&mut Draft)) {
        if !std::mem::take(&mut self.state.alarm) {
            return;
        }
        let (began, ended) = self.config.alarm();
        self.event(at, ended, Qualifier::Restore, out, |draft| {
            draft.class = self.config.kind.class();
            draft.severity = 4;
            draft.closes = Some(began);
            draft.state = Some(super::out::change("active", "normal"));
            fill(draft);
        });
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
