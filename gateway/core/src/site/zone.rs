//! One zone: what its detector says, and the three machines that are kept apart: alarm, tamper and
//! trouble (fault, masked, lost). Each of them has its restore.
//!
//! Whether an activation is an alarm is not decided here but in `guard`.

mod change;
mod hear;
mod tell;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::out::Out;
use super::{Condition, ZoneConfig};
use crate::event::{Class, Qualifier};
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
        // After a start, or on another wire, what stood before may stand still.
        self.end_trouble(at, out);
        self.state.trouble = Some(trouble);
        self.event(at, trouble.kinds().0, Qualifier::New, out, |draft| draft.class = Class::Fault);
        self.show(index, at, out);
    }
}
