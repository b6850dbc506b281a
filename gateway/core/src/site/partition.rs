//! One partition: disarmed, leaving, armed, entered.

use serde::{Deserialize, Serialize};

use super::layout::NOWHERE;
use super::out::{Head, Out};
use super::timer::KeptTimer;
use super::walk::Walk;
use super::zone::FIRST_READING;
use super::{Mode, ModeConfig, PartitionConfig, Sound, Thing};
use crate::event::{Class, Draft, Qualifier};
use crate::time::{Mono, Now};

/// How far arming has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arming {
    /// Only what is always live protects.
    Disarmed,
    /// The exit delay runs.
    Leaving { mode: Mode, until: Mono, force: bool },
    /// Armed.
    Armed { mode: Mode },
    /// Armed, and an entry delay runs; these zones become alarms at its end.
    Entered { mode: Mode, until: Mono, zones: Vec<usize> },
}

/// What outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptPartition {
    mode: Mode,
    /// The end of an exit or entry delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<KeptTimer>,
    /// Of an exit delay: armed by force.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    force: bool,
    /// Of an entry delay: the ids of the zones that become alarms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entered: Vec<String>,
    /// There was an alarm in this arming.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    alarm: bool,
    /// A walk test goes through it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    walk: bool,
    /// Who disarmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) config: PartitionConfig,
    arming: Arming,
    /// There was an alarm in this arming (or, disarmed, of something always live).
    alarm: bool,
    /// The walk test that goes through it.
    pub(super) walk: Option<Walk>,
    /// One went through it when the box was last on.
    walk_cut_off: bool,
    /// Who disarmed it.
    by: Option<String>,
    /// The delay that is heard.
    heard: Option<Sound>,
    kept: Option<KeptPartition>,
}

impl Partition {
    pub(super) const fn new(config: PartitionConfig) -> Self {
        Self {
            config,
            arming: Arming::Disarmed,
            alarm: false,
            walk: None,
            walk_cut_off: false,
            by: None,
            heard: None,
            kept: None,
        }
    }

    pub(super) fn restore(
        &mut self,
        kept: KeptPartition,
        zone: impl Fn(&str) -> Option<usize>,
        boot: &str,
        now: &Now,
    ) {
        let mode = kept.mode;
        let delays = self.config.mode(mode).unwrap_or_default();
        self.alarm = kept.alarm;
        self.walk_cut_off = kept.walk;
        self.by.clone_from(&kept.by);
        self.arming = match &kept.until {
            _ if mode == Mode::Disarmed => Arming::Disarmed,
            None => Arming::Armed { mode },
            Some(until) if kept.entered.is_empty() => {
                // Whether the site is ready can be said once its zones are known again.
                let until = until.on(boot, now, delays.exit).max(now.mono.plus(FIRST_READING));
                Arming::Leaving { mode, until, force: kept.force }
            }
            Some(until) => {
                let zones = kept.entered.iter().filter_map(|id| zone(id)).collect();
                Arming::Entered { mode, until: until.on(boot, now, delays.entry), zones }
            }
        };
        self.kept = Some(kept);
    }

    /// Goes on from what the same partition was under another configuration; `zones`: their new
    /// places by the old ones.
    pub(super) fn take_over(&mut self, old: Self, zones: &[usize]) {
        let Self { config: _, arming, alarm, walk, walk_cut_off, by, heard, kept } = old;
        self.heard = heard;
        let there = |zone: usize| Some(zones[zone]).filter(|place| *place != NOWHERE);
        self.arming = match arming {
            Arming::Entered { mode, until, zones } => {
                let zones = zones.into_iter().filter_map(there).collect();
                Arming::Entered { mode, until, zones }
            }
            same => same,
        };
        self.walk = walk.map(|walk| walk.moved(there));
        (self.alarm, self.walk_cut_off, self.by, self.kept) = (alarm, walk_cut_off, by, kept);
    }

    pub(super) const fn arming(&self) -> &Arming {
        &self.arming
    }

    /// The mode it is in or is leaving for.
    pub(super) const fn mode(&self) -> Mode {
        match self.arming {
            Arming::Disarmed => Mode::Disarmed,
            Arming::Leaving { mode, .. }
            | Arming::Armed { mode }
            | Arming::Entered { mode, .. } => mode,
        }
    }

    /// The mode in which it protects at this moment: none while people leave.
    pub(super) const fn protects(&self) -> Mode {
        match self.arming {
            Arming::Disarmed | Arming::Leaving { .. } => Mode::Disarmed,
            Arming::Armed { mode } | Arming::Entered { mode, .. } => mode,
        }
    }

    pub(super) fn delays(&self) -> ModeConfig {
        self.config.mode(self.mode()).unwrap_or_default()
    }

    /// Whether a restart cut a walk test off; once.
    pub(super) const fn walk_cut_off(&mut self) -> bool {
        std::mem::replace(&mut self.walk_cut_off, false)
    }

    pub(super) fn note_by(&mut self, by: Option<&str>) {
        self.by = by.map(str::to_owned);
    }

    /// Who disarmed it.
    pub(super) fn set_by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    pub(super) const fn had_alarm(&self) -> bool {
        self.alarm
    }

    pub(super) const fn deadline(&self) -> Option<Mono> {
        match self.arming {
            Arming::Leaving { until, .. } | Arming::Entered { until, .. } => Some(until),
            Arming::Armed { .. } => None,
            Arming::Disarmed => match &self.walk {
                Some(walk) => Some(walk.until),
                None => None,
            },
        }
    }

    /// What is to be heard of its delays from now on, if that has changed.
    pub(super) fn beep(&mut self) -> Option<Sound> {
        let sound = match self.arming {
            Arming::Leaving { until, .. } => Some(Sound::Leaving { until }),
            Arming::Entered { until, .. } => Some(Sound::Entered { until }),
            Arming::Disarmed | Arming::Armed { .. } => None,
        };
        let changed = std::mem::replace(&mut self.heard, sound) != sound;
        changed.then(|| sound.unwrap_or(Sound::Quiet))
    }

    pub(super) fn set(&mut self, index: usize, arming: Arming, at: Mono, out: &mut Out<'_>) {
        self.arming = arming;
        self.show(index, at, out);
    }

    pub(super) fn set_alarm(&mut self, index: usize, alarm: bool, at: Mono, out: &mut Out<'_>) {
        if self.alarm != alarm {
            self.alarm = alarm;
            self.show(index, at, out);
        }
    }

    /// An entry zone was entered: the delay begins, or gets shorter. Says whether it began.
    pub(super) fn enter(
        &mut self,
        index: usize,
        zone: usize,
        until: Mono,
        at: Mono,
        out: &mut Out<'_>,
    ) -> bool {
        match &mut self.arming {
            Arming::Armed { mode } => {
                self.arming = Arming::Entered { mode: *mode, until, zones: vec![zone] };
                self.show(index, at, out);
                true
            }
            Arming::Entered { until: running, zones, .. } => {
                // The shorter delay wins, whichever began first.
                *running = until.min(*running);
                if !zones.contains(&zone) {
                    zones.push(zone);
                }
                false
            }
            Arming::Disarmed | Arming::Leaving { .. } => false,
        }
    }

    /// A follower on the way in: told at the end of the delay, with the entry zone.
    pub(super) fn follow(&mut self, zone: usize) {
        if let Arming::Entered { zones, .. } = &mut self.arming
            && !zones.contains(&zone)
        {
            zones.push(zone);
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self.arming {
            Arming::Disarmed => "disarmed",
            Arming::Leaving { .. } => "arming",
            Arming::Entered { .. } => "pending",
            Arming::Armed { .. } if self.alarm => "triggered",
            Arming::Armed { mode } => mode.armed_word(),
        }
    }

    pub(super) fn show(&self, index: usize, at: Mono, out: &mut Out<'_>) {
        let all = [(self.alarm, "alarm"), (self.walk.is_some(), "walk-test")];
        let flags = all.into_iter().filter_map(|(is, flag)| is.then_some(flag)).collect();
        out.state(Thing::Partition(index), self.word(), flags, at);
    }

    /// Hands out what changed of that which outlives a restart.
    pub(super) fn keep(&mut self, id: impl Fn(usize) -> String, out: &mut Out<'_>) {
        let (until, force, zones) = match &self.arming {
            Arming::Disarmed | Arming::Armed { .. } => (None, false, None),
            Arming::Leaving { until, force, .. } => (Some(*until), *force, None),
            Arming::Entered { until, zones, .. } => (Some(*until), false, Some(zones)),
        };
        let entered: Vec<_> = zones.into_iter().flatten().map(|zone| id(*zone)).collect();
        // A timer is kept as it was when it was set: the wall clock may have stepped since.
        let same = self.kept.as_ref().is_some_and(|kept| {
            kept.mode == self.mode()
                && kept.force == force
                && kept.entered == entered
                && kept.alarm == self.alarm
                && kept.walk == self.walk.is_some()
                && kept.by == self.by
                && kept.until.as_ref().map(|kept| kept.mono(out.boot)) == until.map(Some)
        });
        let nothing = self.arming == Arming::Disarmed
            && !self.alarm
            && self.walk.is_none()
            && self.by.is_none();
        if same || (self.kept.is_none() && nothing) {
            return;
        }
        let kept = KeptPartition {
            mode: self.mode(),
            until: until.map(|at| KeptTimer::new(at, out.boot, out.now)),
            force,
            entered,
            alarm: self.alarm,
            walk: self.walk.is_some(),
            by: self.by.clone(),
        };
        out.keep(format!("partition/{}", self.config.id), &kept);
        self.kept = Some(kept);
    }

    pub(super) fn event(
        &self,
        at: Mono,
        kind: &'static str,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("partition", &self.config.id);
        let head =
            Head { class: Class::Arm, kind, qualifier: Qualifier::Status, severity: 5, source };
        out.record(at, head, |draft| {
            draft.partition = Some(self.config.id.clone());
            draft.arming = Some(self.mode().as_str().into());
            fill(draft);
        });
    }
}
