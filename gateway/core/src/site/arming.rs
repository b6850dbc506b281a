//! Arming and disarming: what prevents it, what is passed over by force, and who follows whom.

use std::borrow::Cow;

use serde_json::json;

use super::command::{Answer, Blocker, Command, Refusal, Verb, Via};
use super::incident::{Hand, told_apart};
use super::out::Out;
use super::partition::Arming;
use super::zone::{Bypass, Edge, Found};
use super::{Condition, Mode, Site};
use crate::event::{Class, Qualifier};
use crate::time::Mono;

/// Who does it, for the events.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) via: Via,
    pub(super) actor: Option<&'a str>,
}

impl By<'_> {
    /// Whether a person wants it, here or in the control room.
    const fn is_somebody(self) -> bool {
        !matches!(self.via, Via::Schedule | Via::Rules)
    }

    /// Whether they see why it was refused, and can say that they want it all the same.
    const fn can_insist(self) -> bool {
        matches!(self.via, Via::Cli | Via::Web | Via::District)
    }
}

impl Site {
    /// Does what is wanted. `None`: the answer comes later.
    pub(super) fn command(&mut self, command: &Command, out: &mut Out<'_>) -> Option<Answer> {
        if let Verb::Enrol { reader, lasts } = command.verb {
            return self.enrol(command, reader, lasts, out);
        }
        if let Verb::Challenge { nonce } = &command.verb {
            self.challenge_begin(command, nonce, out);
            return None;
        }
        Some(self.do_now(command, out))
    }

    pub(super) fn do_now(&mut self, command: &Command, out: &mut Out<'_>) -> Answer {
        let by = By { via: command.via, actor: command.actor.as_deref() };
        let at = command.at;
        match &command.verb {
            Verb::Incident { id, act } => {
                let hand = Hand { via: by.via, actor: by.actor, nonce: None };
                self.incidents.act(id, act, hand, at, out)
            }
            Verb::IncidentOnce { nonce, id, act } => {
                if self.incidents.is_done(nonce) {
                    return Answer::Already;
                }
                let nonce = told_apart(nonce);
                let hand = Hand { via: by.via, actor: by.actor, nonce: Some(&nonce) };
                self.incidents.act(id, act, hand, at, out)
            }
            Verb::District(order) => self.district(order, at, out),
            Verb::DistrictOver { id, outcome } => self.district_over(id, outcome, at, out),
            &Verb::Arm { partition, mode, force, at_once } => {
                let Some(known) = self.partitions.get(partition) else {
                    return refused(Refusal::Unknown);
                };
                if !known.config.common_to.is_empty() {
                    return refused(Refusal::Common);
                }
                self.arm(partition, mode, (force, at_once), by, at, out)
            }
            &Verb::Disarm { partition } => match self.partitions.get(partition) {
                None => refused(Refusal::Unknown),
                Some(known) if !known.config.common_to.is_empty() => refused(Refusal::Common),
                Some(_) => self.disarm(partition, by, at, out),
            },
            &Verb::WalkTest { partition, lasts } => match self.partitions.get(partition) {
                None => refused(Refusal::Unknown),
                Some(_) if lasts.is_zero() => self.walk_end(partition, "wanted", by, at, out),
                Some(_) => self.walk_begin(partition, lasts, by, at, out),
            },
            // Answered later, above.
            Verb::Enrol { .. } => Answer::Already,
            Verb::Credentials { list, hash } => self.load_credentials(list, hash, by, at, out),
            &Verb::Postpone { partition, by: lasts } => match self.partitions.get(partition) {
                None => refused(Refusal::Unknown),
                Some(known) if !known.config.common_to.is_empty() => refused(Refusal::Common),
                Some(_) => self.postpone(partition, lasts, by, at, out),
            },
            &Verb::Release { door } => self.release(door, by, at, out),
            &Verb::Reset { zone } => self.reset(zone, by, at, out),
            &Verb::Ask(question) => self.asked(question, out.now),
            &Verb::Silence { partition } => self.silence(partition, by, at, out),
            // Its answer is its outcome, which is not known here.
            Verb::Challenge { .. } => refused(Refusal::NotAllowed),
            &Verb::Bypass { zone } => match self.zones.get(zone) {
                None => refused(Refusal::Unknown),
                Some(known) if !known.config.bypassable => refused(Refusal::NotBypassable),
                Some(known) if known.bypass() == Some(Bypass::Manual) => Answer::Already,
                Some(_) => {
                    self.bypass(zone, Bypass::Manual, "wanted", by, at, out);
                    Answer::Done
                }
            },
            &Verb::Unbypass { zone } => match self.zones.get(zone) {
                None => refused(Refusal::Unknown),
                Some(known) if known.bypass().is_none() => Answer::Already,
                Some(known) => {
                    let active = known.condition() == Condition::Active;
                    self.unbypass(zone, "wanted", by, at, out);
                    if active {
                        // It protects again, and it is active now.
                        self.zone_edge(zone, Edge::Activated(Found::default()), at, out);
                    }
                    Answer::Done
                }
            },
        }
    }

    /// What prevents arming a partition in a mode, or completing it.
    ///
    /// `leaving`: an exit delay follows, in which the way out may be open.
    pub fn blockers(&self, partition: usize, mode: Mode, leaving: bool) -> Vec<Blocker> {
        let grade = self.grade();
        let zones = self.zones.iter().filter_map(|zone| {
            let config = &zone.config;
            let concerned = config.partition == Some(partition)
                && (!config.kind.needs_arming() || config.modes.contains(mode));
            if !concerned || zone.bypass().is_some() {
                return None;
            }
            let on_the_way = leaving
                && matches!(config.kind, super::ZoneKind::EntryExit | super::ZoneKind::Follower);
            // EN 50131-1:2006, Table 4: activity and a lost line always; faults and tamper from
            // grade 2, masking from grade 3.
            let stands = match zone.condition() {
                Condition::Normal => false,
                Condition::Active => !on_the_way,
                Condition::Unknown => true,
                Condition::Tamper | Condition::Fault => grade >= 2,
                Condition::Masked => grade >= 3,
            };
            stands.then(|| Blocker {
                kind: Cow::Borrowed("zone"),
                id: config.id.clone(),
                why: Cow::Borrowed(zone.word()),
                forcible: config.bypassable,
            })
        });
        zones.collect()
    }

    /// The grade that holds: dwellings and communities are 2.
    pub(super) const fn grade(&self) -> u8 {
        if self.grade == 0 { 2 } else { self.grade }
    }

    pub(super) fn arm(
        &mut self,
        place: usize,
        mode: Mode,
        (force, at_once): (bool, bool),
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let Some(delays) = self.partitions[place].config.mode(mode) else {
            return refused(Refusal::Unknown);
        };
        if self.partitions[place].mode() == mode {
            return Answer::Already;
        }
        let leaving = !at_once && !delays.exit.is_zero();
        self.walk_end(place, "armed", by, at, out);
        let mut blockers = self.blockers(place, mode, leaving);
        // Who cannot be asked leaves no site unarmed because its mains are down: that is told only.
        if by.can_insist() {
            blockers.extend(self.box_blockers(place));
        }
        if blockers.iter().any(|blocker| !force || !blocker.forcible) {
            self.arm_failed(place, mode, &blockers, by, at, out);
            return Answer::Refused { reason: Refusal::NotReady, blockers };
        }
        self.bypass_all(&blockers, by, at, out);
        if leaving {
            let until = at.plus(delays.exit);
            self.partitions[place].set(place, Arming::Leaving { mode, until, force }, at, out);
            self.partitions[place].event(at, "partition.arming", out, |draft| {
                draft.actor = by.actor.map(str::to_owned);
                let exit_s = delays.exit.as_secs();
                draft.detail = Some(json!({ "via": by.via.as_str(), "exit_s": exit_s }));
                if force {
                    // What was forced and what was ready are not the same to who looks back.
                    draft.detail.get_or_insert_default()["force"] = json!(true);
                }
            });
        } else {
            self.armed(place, mode, by, at, out);
        }
        if by.is_somebody() {
            self.by_hand(place, false, at, out);
        }
        Answer::Done
    }

    /// The exit delay is over: what is not ready now fails the arming, or is passed over by force.
    pub(super) fn exit_ended(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        let Arming::Leaving { mode, force, .. } = *self.partitions[place].arming() else { return };
        let by = By { via: Via::Rules, actor: None };
        let blockers = self.blockers(place, mode, false);
        if blockers.iter().any(|blocker| !force || !blocker.forcible) {
            self.partitions[place].set(place, Arming::Disarmed, at, out);
            self.arm_failed(place, mode, &blockers, by, at, out);
            self.end_of_arming(place, by, at, out);
            return;
        }
        self.bypass_all(&blockers, by, at, out);
        self.armed(place, mode, by, at, out);
    }

    fn armed(&mut self, place: usize, mode: Mode, by: By<'_>, at: Mono, out: &mut Out<'_>) {
        self.partitions[place].set(place, Arming::Armed { mode }, at, out);
        self.partitions[place].note_by(None);
        let faults = self.box_faults(place);
        let faults: Vec<_> = faults.into_iter().map(|(fault, _)| fault).collect();
        self.partitions[place].event(at, "partition.armed", out, |draft| {
            draft.actor = by.actor.map(str::to_owned);
            let mut detail = json!({ "via": by.via.as_str() });
            if !faults.is_empty() {
                detail["despite"] = json!(faults);
            }
            draft.detail = Some(detail);
        });
        self.schedules_closed(place, at, out);
        self.common_areas(at, out);
    }

    fn arm_failed(
        &self,
        place: usize,
        mode: Mode,
        blockers: &[Blocker],
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.partitions[place].event(at, "partition.arm_failed", out, |draft| {
            draft.severity = 3;
            draft.actor = by.actor.map(str::to_owned);
            // A few name the cause; sixty would not fit beside the rest.
            let few = &blockers[..blockers.len().min(16)];
            draft.detail = Some(json!({
                "via": by.via.as_str(), "mode": mode, "blockers": few, "count": blockers.len(),
            }));
        });
    }

    pub(super) fn disarm(
        &mut self,
        place: usize,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        let calmed = self.calm(place, by, at, out);
        let partition = &mut self.partitions[place];
        if partition.mode() == Mode::Disarmed && !partition.had_alarm() {
            return if calmed { Answer::Done } else { Answer::Already };
        }
        let was = partition.mode();
        let after_alarm = partition.had_alarm();
        partition.set(place, Arming::Disarmed, at, out);
        partition.set_alarm(place, false, at, out);
        partition.note_by(by.actor);
        partition.event(at, "partition.disarmed", out, |draft| {
            draft.actor = by.actor.map(str::to_owned);
            draft.cause = after_alarm.then(|| "after an alarm".to_owned());
            draft.detail = Some(json!({ "via": by.via.as_str(), "was": was }));
        });
        self.end_of_arming(place, by, at, out);
        self.schedules_opened(place);
        if by.is_somebody() {
            self.by_hand(place, true, at, out);
        }
        self.common_areas(at, out);
        Answer::Done
    }

    /// What lasted for one arming ends: bypasses, swingers.
    fn end_of_arming(&mut self, place: usize, by: By<'_>, at: Mono, out: &mut Out<'_>) {
        for index in 0..self.zones.len() {
            let zone = &mut self.zones[index];
            if zone.config.partition != Some(place) || !zone.config.kind.needs_arming() {
                continue;
            }
            if zone.unswing() {
                zone.event(at, "zone.swinger_restored", Qualifier::Restore, out, |draft| {
                    draft.class = Class::Fault;
                    draft.severity = 4;
                    draft.closes = Some("zone.swinger");
                });
                zone.show(index, at, out);
            }
            if self.zones[index].bypass().is_some() {
                self.unbypass(index, "disarmed", by, at, out);
            }
        }
    }

    /// A common area is armed exactly while all its users are, in the mildest of their modes.
    pub(super) fn common_areas(&mut self, at: Mono, out: &mut Out<'_>) {
        let by = By { via: Via::Rules, actor: None };
        for place in 0..self.partitions.len() {
            let users = &self.partitions[place].config.common_to;
            if users.is_empty() {
                continue;
            }
            let modes = users.iter().map(|user| self.partitions[*user].protects());
            let wanted = modes.min_by_key(|mode| mode.rank());
            // A mode that it does not have is one in which its users pass through it.
            let has = |mode: &Mode| self.partitions[place].config.mode(*mode).is_some();
            let wanted = wanted.filter(has);
            let is = self.partitions[place].mode();
            match wanted {
                Some(Mode::Disarmed) | None if is != Mode::Disarmed => {
                    self.disarm(place, by, at, out);
                }
                Some(mode) if mode != Mode::Disarmed && mode != is => {
                    // Its users have left already, and nobody is there to hear a refusal.
                    self.arm(place, mode, (true, true), by, at, out);
                }
                _ => {}
            }
        }
    }

    fn bypass_all(&mut self, blockers: &[Blocker], by: By<'_>, at: Mono, out: &mut Out<'_>) {
        for blocker in blockers.iter().filter(|blocker| blocker.kind == "zone") {
            let zone = self.zones.iter().position(|zone| zone.config.id == blocker.id);
            if let Some(zone) = zone {
                self.bypass(zone, Bypass::UntilNormal, "armed by force", by, at, out);
            }
        }
    }

    fn bypass(
        &mut self,
        index: usize,
        how: Bypass,
        cause: &'static str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let before = self.zones[index].bypass();
        self.zones[index].set_bypass(index, Some((how, by.actor)), at, out);
        // What is told stands: only its end was decided anew.
        if before.is_none() {
            self.bypass_event(index, ("zone.bypassed", Qualifier::New), cause, by, at, out);
        }
    }

    fn unbypass(
        &mut self,
        index: usize,
        cause: &'static str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        self.zones[index].set_bypass(index, None, at, out);
        self.bypass_event(index, ("zone.unbypassed", Qualifier::Restore), cause, by, at, out);
    }

    /// A zone that was passed over protects again once it is normal.
    pub(super) fn include_again(&mut self, index: usize, at: Mono, out: &mut Out<'_>) {
        if self.zones[index].bypass() == Some(Bypass::UntilNormal) {
            let by = By { via: Via::Rules, actor: None };
            self.unbypass(index, "normal again", by, at, out);
        }
    }

    /// A siren has run its time. That never disarms: what is still active is bypassed and told, and
    /// everything else goes on protecting.
    pub(super) fn rearm_after_siren(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        if self.partitions[place].protects() == Mode::Disarmed {
            return;
        }
        let by = By { via: Via::Rules, actor: None };
        for index in 0..self.zones.len() {
            let zone = &self.zones[index];
            if zone.config.partition == Some(place)
                && zone.config.kind.needs_arming()
                && zone.in_alarm()
                && zone.bypass().is_none()
                && zone.condition() != Condition::Normal
            {
                self.bypass(index, Bypass::UntilNormal, "siren ran its time", by, at, out);
            }
        }
    }

    fn bypass_event(
        &self,
        index: usize,
        (kind, qualifier): (&'static str, Qualifier),
        cause: &'static str,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let zone = &self.zones[index];
        zone.event(at, kind, qualifier, out, |draft| {
            draft.class = Class::Arm;
            draft.severity = 3;
            draft.actor = by.actor.map(str::to_owned);
            draft.cause = Some(cause.to_owned());
            draft.closes = (qualifier == Qualifier::Restore).then_some("zone.bypassed");
            draft.detail = Some(json!({ "via": by.via.as_str() }));
        });
    }
}

pub(super) const fn refused(reason: Refusal) -> Answer {
    Answer::Refused { reason, blockers: Vec::new() }
}
