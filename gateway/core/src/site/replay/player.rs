//! Two sites that are told the same.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Replayed, Told};
use super::steps::{Beside, Outcome, Recording, Step, What};
use crate::id::Id;
use crate::site::ZoneLine;
use crate::site::door::Door;
use crate::site::layout::{Layout, NOWHERE};
use crate::site::zone::{Bypass, Trouble};
use crate::site::{
    Command, Condition, Contact, DoorState, Effect, Input, Mode, Site, SiteConfig, Verb, Via,
};
use crate::time::{Mono, Now, UtcMs};

/// One site and what it has told.
struct Player {
    config: SiteConfig,
    layout: Layout,
    site: Site,
    kept: BTreeMap<String, String>,
    told: Vec<Told>,
    life: u32,
}

impl Player {
    fn new(config: SiteConfig) -> Self {
        let site = Site::new(config.clone(), "");
        let layout = config.layout();
        Self { config, layout, site, kept: BTreeMap::new(), told: Vec::new(), life: 0 }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Record(draft) if Told::concerns(&draft) => {
                    self.told.push(Told::of(&draft, self.life));
                }
                Effect::Keep { key, value: Some(value) } => {
                    self.kept.insert(key, value);
                }
                Effect::Keep { key, value: None } => {
                    self.kept.remove(&key);
                }
                _ => {}
            }
        }
    }

    /// Every deadline up to then, each at its own time.
    fn wait(&mut self, until: Mono, now: &Now) {
        while let Some(due) = self.site.next_deadline().filter(|due| *due <= until) {
            let effects = self.site.apply(Input::Tick, &now.at(due));
            self.take(effects);
        }
    }

    fn start(&mut self, boot: &str, gateway: &Id, life: u32, now: &Now) {
        self.life = life;
        self.site = Site::new(self.config.clone(), boot);
        let kept = std::mem::take(&mut self.kept);
        let given = kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let effects = self.site.restore(given, gateway, now);
        self.kept = kept;
        self.take(effects);
    }
}

/// Both, and what is believed of the wires.
struct Stage<'a> {
    base: Layout,
    present: Player,
    proposed: Player,
    gateway: &'a Id,
    /// Since when each zone is active.
    since: Vec<Mono>,
    /// The trouble of zones that are active or tampered with as well, which one line cannot say.
    beside: BTreeSet<(usize, Trouble)>,
}

impl Recording {
    /// Plays the recording to a site as it is and to one as proposed. Only what was told from
    /// `since` on is compared.
    pub fn replay(mut self, proposed: &SiteConfig, gateway: &Id, since: UtcMs) -> Replayed {
        self.sort();
        self.unplayed(proposed);
        let proposed = super::comparable(proposed);
        let mut stage = Stage {
            base: self.present.layout(),
            present: Player::new(self.present.clone()),
            proposed: Player::new(proposed.clone()),
            gateway,
            since: vec![Mono(0); self.present.zones.len()],
            beside: BTreeSet::new(),
        };
        let steps = std::mem::take(&mut self.steps);
        if let Some(first) = steps.first() {
            stage.open(&self, first);
        }
        for (place, step) in steps.iter().enumerate() {
            stage.step(step, step.beside(&steps[place + 1..]));
        }
        // What follows from time alone has no step.
        let end = self.end;
        stage.present.wait(end.mono, &end);
        stage.proposed.wait(end.mono, &end);
        let (mut now, mut then) = (stage.present.told, stage.proposed.told);
        for told in [&mut now, &mut then, &mut self.told] {
            told.retain(|told| told.since(since));
        }
        self.finish(&proposed, &now, &then)
    }
}

impl Stage<'_> {
    fn both(&mut self, input: &Input, now: &Now) {
        for player in [&mut self.present, &mut self.proposed] {
            let input = input.clone().moved(&self.base, &player.layout);
            let effects = player.site.apply(input, now);
            player.take(effects);
        }
    }

    fn zone(&mut self, zone: usize, condition: Condition, at: Mono, now: &Now) {
        if condition == Condition::Active && self.condition(zone) != Condition::Active {
            self.since[zone] = at;
        }
        self.both(&Input::Zone { zone, condition, at, resynced: false }, now);
    }

    /// What the further lines of a zone say: the troubles that it has beside what its own says.
    fn lines(&mut self, zone: usize, now: &Now) {
        let has = |trouble| self.beside.contains(&(zone, trouble));
        let mask = if has(Trouble::Lost) { None } else { Some(has(Trouble::Masked)) };
        for (line, active) in [(ZoneLine::Fault, Some(has(Trouble::Fault))), (ZoneLine::Mask, mask)]
        {
            let at = now.mono;
            self.both(&Input::ZoneLine { zone, line, active, at, resynced: false }, now);
        }
    }

    fn condition(&self, zone: usize) -> Condition {
        self.present.site.zones[zone].condition()
    }

    /// The state before the first event, as far as the events tell.
    fn open(&mut self, recording: &Recording, first: &Step) {
        // A moment before it.
        let now = &first.now.at(Mono(first.at.0.saturating_sub(1_000_000)));
        let (boot, life) = match &first.what {
            What::Start(boot) => (boot.clone(), first.life),
            _ => ("".into(), first.life),
        };
        for player in [&mut self.present, &mut self.proposed] {
            player.start(&boot, self.gateway, life, now);
        }
        for (partition, mode) in recording.modes.iter().enumerate() {
            if let Some(mode) = mode.filter(|mode| *mode != Mode::Disarmed) {
                let verb = Verb::Arm { partition, mode, force: true, at_once: true };
                self.want(verb, now);
            }
        }
        (0..self.since.len()).for_each(|zone| self.lines(zone, now));
        for (zone, condition) in recording.initial.iter().enumerate() {
            self.zone(zone, condition.unwrap_or(Condition::Normal), now.mono, now);
        }
        for (door, contact) in recording.doors.iter().enumerate() {
            let contact = contact.unwrap_or(Contact::Closed);
            self.both(&Input::Contact { door, contact, at: now.mono, resynced: false }, now);
        }
        // All that was told before.
        self.present.told.clear();
        self.proposed.told.clear();
    }

    fn want(&mut self, verb: Verb, now: &Now) {
        let at = now.mono;
        self.both(&Input::Command(Command { id: 0, via: Via::Cli, actor: None, verb, at }), now);
    }

    /// Whether an alarm would follow from it as the site is.
    fn would_alarm(&self, verb: &Verb, now: &Now) -> bool {
        let (verb, at) = (verb.clone(), now.mono);
        let command = Command { id: 0, via: Via::Cli, actor: None, verb, at };
        let effects = self.present.site.clone().apply(Input::Command(command), now);
        let mut drafts = effects.iter().filter_map(Effect::record);
        drafts.any(Told::concerns)
    }

    /// `beside`: what came with the end of a condition.
    fn step(&mut self, step: &Step, beside: Beside) {
        let (at, now) = (step.at, &step.now);
        if let What::Start(boot) = &step.what {
            if step.life != self.present.life {
                self.restart(boot, step.life, now);
            }
            return;
        }
        self.present.wait(at, now);
        self.proposed.wait(at, now);
        match &step.what {
            What::Start(_) => {}
            What::Zone(zone, condition) => {
                let known = &self.present.site.zones[*zone];
                // Danger comes first: a trouble hides neither of them.
                let more = known.is_tampered() || known.heard() == Condition::Active;
                match Trouble::of(*condition).filter(|_| more) {
                    Some(trouble) => {
                        self.beside.insert((*zone, trouble));
                        self.lines(*zone, now);
                    }
                    None => self.zone(*zone, *condition, at, now),
                }
            }
            What::Activated(zone) => {
                if self.condition(*zone) == Condition::Active && self.since[*zone] != at {
                    // It was normal in between, which nobody recorded.
                    self.zone(*zone, Condition::Normal, at, now);
                }
                self.zone(*zone, Condition::Active, at, now);
            }
            What::NormalAgain(zone) => {
                let known = &self.present.site.zones[*zone];
                // With a `zone.closed` of the same moment it is known already.
                if known.bypass().is_some() && !known.was_active() {
                    self.zone(*zone, Condition::Active, at, now);
                }
                self.zone(*zone, Condition::Normal, at, now);
            }
            What::Reset(zone) => {
                if self.condition(*zone) != Condition::Normal {
                    self.zone(*zone, Condition::Normal, at, now);
                }
                self.want(Verb::Reset { zone: *zone }, now);
            }
            What::Over(zone, condition)
                if Trouble::of(*condition)
                    .is_some_and(|trouble| self.beside.remove(&(*zone, trouble))) =>
            {
                self.lines(*zone, now);
            }
            What::Over(zone, condition) => {
                let tampered = self.present.site.zones[*zone].is_tampered();
                // A lost line does not end a tamper: only what is known again does.
                let tamper_ends = *condition == Condition::Tamper && tampered;
                if self.condition(*zone) == *condition || tamper_ends {
                    let known = &self.present.site.zones[*zone];
                    let is = match *condition {
                        // It stands, and its end is told by itself.
                        over if over != Condition::Tamper && tampered => Condition::Tamper,
                        _ if known.was_active() => Condition::Active,
                        _ => Condition::Normal,
                    };
                    let until_normal = known.bypass() == Some(Bypass::UntilNormal);
                    match beside {
                        // Nobody saw it normal in between.
                        Beside::Activated if is == Condition::Normal => {}
                        // Normal, it would have been taken in again, which is always told.
                        Beside::Nothing if is == Condition::Normal && until_normal => {
                            // A lost line would not end a tamper.
                            let tamper = *condition == Condition::Tamper;
                            let is = if tamper { Condition::Fault } else { Condition::Unknown };
                            self.zone(*zone, is, at, now);
                        }
                        _ => self.zone(*zone, is, at, now),
                    }
                    // That is not an activation: one told at the same moment is another.
                    self.since[*zone] = Mono(0);
                }
            }
            What::Contact(door, contact) => {
                let (door, contact) = (*door, *contact);
                self.both(&Input::Contact { door, contact, at, resynced: false }, now);
            }
            What::Bus(bus, lost) => {
                let (bus, lost) = (*bus, lost.as_deref().map(str::to_owned));
                self.both(&Input::Bus { bus, lost, at }, now);
            }
            What::Unbypassed { zone, quiet } => {
                let (zone, verb) = (*zone, Verb::Unbypass { zone: *zone });
                if *quiet && self.would_alarm(&verb, now) {
                    // Nothing followed from it: it was not active, which nobody recorded.
                    self.zone(zone, Condition::Unknown, at, now);
                }
                self.want(verb, now);
            }
            What::Wanted(verb) => self.want(verb.clone(), now),
            What::Outcome(outcome) => self.outcome(outcome, at, now),
        }
    }

    /// The box starts again: each site with what it kept, and every wire as it was.
    fn restart(&mut self, boot: &str, life: u32, now: &Now) {
        let zones: Vec<_> = (0..self.since.len()).map(|zone| self.condition(zone)).collect();
        let doors: Vec<_> = self.present.site.doors.iter().map(Door::state).collect();
        for player in [&mut self.present, &mut self.proposed] {
            player.start(boot, self.gateway, life, now);
        }
        (0..self.since.len()).for_each(|zone| self.lines(zone, now));
        for (zone, condition) in zones.into_iter().enumerate() {
            if condition != Condition::Unknown {
                self.zone(zone, condition, now.mono, now);
            }
        }
        for (door, state) in doors.into_iter().enumerate() {
            let contact = match state {
                DoorState::Unknown => continue,
                DoorState::Closed => Contact::Closed,
                DoorState::Open | DoorState::HeldOpen => Contact::Open,
            };
            self.both(&Input::Recall { door, state }, now);
            self.both(&Input::Contact { door, contact, at: now.mono, resynced: false }, now);
        }
    }

    /// What nobody recorded is set so that the site as it is does what it did.
    fn outcome(&mut self, outcome: &Outcome, at: Mono, now: &Now) {
        let stands = |stage: &Self| -> Vec<usize> {
            let site = &stage.present.site;
            let all = site.blockers(outcome.partition, outcome.mode, outcome.leaving);
            let place = |id: &Id| site.zones.iter().position(|zone| zone.config.id == *id);
            all.iter().filter_map(|blocker| place(&blocker.id)).collect()
        };
        let standing = stands(self);
        let named = |zone: usize| outcome.not_ready.iter().any(|(known, _)| *known == zone);
        for zone in standing.iter().copied().filter(|zone| !outcome.more && !named(*zone)) {
            self.zone(zone, Condition::Normal, at, now);
        }
        for (zone, condition) in &outcome.not_ready {
            if standing.contains(zone) || *zone == NOWHERE {
                continue;
            }
            // Nothing must follow from it but that it is not ready.
            let quiet = self.present.config.zones[*zone].kind.needs_arming();
            let active = *condition == Condition::Active;
            let is = if active && !quiet { Condition::Unknown } else { *condition };
            self.zone(*zone, is, at, now);
        }
    }
}
