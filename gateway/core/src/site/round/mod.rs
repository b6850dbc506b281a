//! Patrol rounds: somebody must have been at these checkpoints, in this order, at these times.
//!
//! A round is due once in each of its windows of the week. Each time that it is due ends as exactly
//! one of `round.done` (every checkpoint, each way in time), `round.late` (every checkpoint, but
//! somebody was overdue on the way) or `round.missed`. Who has begun and does not come to the next
//! checkpoint in time is told at once, as `round.overdue`: they may be in trouble.
//!
//! | it happens | it is so |
//! |---|---|
//! | another checkpoint of a strict round | `round.out_of_order`, and it does not count |
//! | one that was visited already | a visit, and nothing more: people press twice |
//! | a checkpoint while nothing is due | a visit without a round |
//! | faster than one can walk | `round.too_fast`, and it counts |
//! | the next window opens before it ended | the old one is missed |
//!
//! The windows are those of the wall clock, the ways are counted on `CLOCK_BOOTTIME`. Each window
//! counts once, whatever the wall clock does: one that goes back opens none again, and of those that
//! a step or a dark time passed over each is missed, or due for the rest of its time. While the time
//! is not known nothing becomes due; that lasting, it is told (`round.clock_unknown`), and once the
//! time is known, each window in between is told.

mod checkpoint;
mod openings;
mod watch;

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::out::{Head, Out};
use super::reconfigure::{GONE, forget};
use super::{Card, CheckpointConfig, Order, RoundConfig, Site};
use crate::event::{Class, Qualifier};
use crate::id::Id;
use crate::time::{Mono, Now};
use checkpoint::Checkpoint;
use watch::Round;

/// A clock that is set some minutes after the start is usual; for longer, nobody watches the rounds.
const CLOCK_HOLD_OFF: Duration = Duration::from_secs(900);

/// Where it is kept that the unknown clock was told.
pub(super) const CLOCK_KEY: &str = "rounds/clock";

/// All rounds and their checkpoints.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    checkpoints: Vec<Checkpoint>,
    all: Vec<Round>,
    zone: TimeZone,
    /// When the unknown clock is told.
    clock_at: Option<Mono>,
    clock_told: bool,
    clock_kept: bool,
}

impl Rounds {
    /// Places of checkpoints that are not there are left out, and so is what is a round of nothing.
    pub(super) fn new(
        checkpoints: Vec<CheckpointConfig>,
        rounds: Vec<RoundConfig>,
        zone: TimeZone,
    ) -> Self {
        let count = checkpoints.len();
        let rounds = rounds.into_iter().filter_map(|mut round| {
            round.checkpoints.retain(|place| *place < count);
            (!round.checkpoints.is_empty()).then(|| Round::new(round))
        });
        Self {
            all: rounds.collect(),
            checkpoints: checkpoints.into_iter().map(Checkpoint::new).collect(),
            zone,
            clock_at: None,
            clock_told: false,
            clock_kept: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let rounds = self.all.iter().filter_map(Round::deadline);
        rounds
            .chain(self.checkpoints.iter().filter_map(|one| one.lost_at))
            .chain(self.clock_at)
            .min()
    }

    fn expire(&mut self, known: bool, gateway: Option<&Id>, at: Mono, out: &mut Out<'_>) {
        if self.clock_at == Some(at) {
            self.clock_at = None;
            if let Some(gateway) = gateway {
                self.clock_told = true;
                clock_event(("round.clock_unknown", Qualifier::New), gateway, at, out);
            }
        }
        for checkpoint in self.checkpoints.iter_mut().filter(|one| one.lost_at == Some(at)) {
            checkpoint.expire(at, out);
        }
        for round in self.all.iter_mut().filter(|round| round.deadline() == Some(at)) {
            round.expire(at, out);
            // Its window may open at this very instant.
            let now = out.now.at(at.min(out.now.mono));
            round.look(&now, known, &self.zone, out);
        }
    }

    fn look(&mut self, now: &Now, known: bool, gateway: Option<&Id>, out: &mut Out<'_>) {
        if self.all.is_empty() {
            return;
        }
        for round in &mut self.all {
            round.look(now, known, &self.zone, out);
        }
        if !known && !self.clock_told {
            self.clock_at.get_or_insert(now.mono.plus(CLOCK_HOLD_OFF));
        } else if known {
            self.clock_at = None;
            if let Some(gateway) = gateway.filter(|_| self.clock_told) {
                self.clock_told = false;
                let kind = ("round.clock_unknown_restored", Qualifier::Restore);
                clock_event(kind, gateway, now.mono, out);
            }
        }
    }

    /// Somebody is at a checkpoint.
    fn touch(&mut self, place: usize, actor: Option<&str>, at: Mono, out: &mut Out<'_>) {
        // Who is on the way comes before who has not begun, and both before who went astray.
        let begun = self.all.iter().position(|one| one.is_begun() && one.wants(place));
        let wanted = begun.or_else(|| self.all.iter().position(|one| one.wants(place)));
        let astray = |one: &Round| one.config.order == Order::Strict && one.passes(place);
        let round = wanted.or_else(|| self.all.iter().position(astray));
        let id = round.map(|round| self.all[round].config.id.clone());
        self.checkpoints[place].seen(id.as_ref(), actor, at, out);
        let Some(round) = round.map(|round| &mut self.all[round]) else { return };
        if wanted.is_some() {
            round.visit(place, actor, at, out);
        } else if let Some(expected) = round.expected() {
            let ids = [place, expected].map(|place| &self.checkpoints[place].config.id);
            round.strays(ids[0], ids[1], at, out);
        }
    }

    pub(super) fn restore(
        &mut self,
        kind: &str,
        id: &str,
        value: &str,
        boot: &str,
        now: &Now,
    ) -> serde_json::Result<bool> {
        let checkpoints = &mut self.checkpoints;
        if kind == "checkpoint" {
            let one = checkpoints.iter_mut().find(|one| one.config.id.as_str() == id);
            let Some(one) = one else { return Ok(false) };
            one.restore(serde_json::from_str(value)?);
            return Ok(true);
        }
        let place = |id: &Id| checkpoints.iter().position(|one| one.config.id == *id);
        let round = self.all.iter_mut().find(|one| one.config.id.as_str() == id);
        let Some(round) = round else { return Ok(false) };
        round.restore(serde_json::from_str(value)?, place, boot, now);
        Ok(true)
    }

    pub(super) fn restore_clock(&mut self, value: &str) -> serde_json::Result<()> {
        self.clock_told = serde_json::from_str(value)?;
        self.clock_kept = self.clock_told;
        Ok(())
    }

    /// Goes on from what there was under another configuration.
    pub(super) fn take_over(&mut self, old: Self, now: &Now, out: &mut Out<'_>) {
        let Self { checkpoints, all: rounds, zone, clock_at, clock_told, clock_kept } = old;
        (self.clock_at, self.clock_told, self.clock_kept) = (clock_at, clock_told, clock_kept);
        let id = |place: usize| Some(checkpoints.get(place)?.config.id.clone());
        let ids: Vec<_> = self.checkpoints.iter().map(|one| one.config.id.clone()).collect();
        for mut old in rounds {
            let known = self.all.iter_mut().find(|known| known.config.id == old.config.id);
            let Some(known) = known else {
                old.missed(GONE, now.mono, out);
                forget("round", &old.config.id, out);
                continue;
            };
            let passes = |places: &[usize]| -> Vec<_> {
                places.iter().map(|place| ids.get(*place).cloned()).collect()
            };
            let passed: Vec<_> = old.config.checkpoints.iter().map(|place| id(*place)).collect();
            let same = passes(&known.config.checkpoints) == passed;
            known.take_over(old, same, self.zone == zone, now.mono, out);
        }
        for mut old in checkpoints {
            let known = self.checkpoints.iter_mut().find(|known| known.config.id == old.config.id);
            if let Some(known) = known {
                known.take_over(&old, now.mono);
            } else {
                old.end(GONE, now.mono, out);
                forget("checkpoint", &old.config.id, out);
            }
        }
        for fresh in &mut self.checkpoints {
            fresh.begin(now.mono);
        }
    }

    /// The start.
    pub(super) fn begin(&mut self, at: Mono) {
        for checkpoint in &mut self.checkpoints {
            checkpoint.begin(at);
        }
    }

    pub(super) fn keep(&mut self, out: &mut Out<'_>) {
        for checkpoint in self.checkpoints.iter_mut().filter(|one| one.changed) {
            checkpoint.changed = false;
            out.keep(format!("checkpoint/{}", checkpoint.config.id), &checkpoint.is_lost());
        }
        for round in &mut self.all {
            let id = |place: usize| Some(self.checkpoints.get(place)?.config.id.clone());
            round.keep(id, out);
        }
        if self.clock_told != self.clock_kept {
            self.clock_kept = self.clock_told;
            out.keep(CLOCK_KEY.to_owned(), &self.clock_told);
        }
    }
}

impl Site {
    /// A button of a checkpoint.
    pub(super) fn checkpoint(
        &mut self,
        place: usize,
        pressed: Option<bool>,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let Some(checkpoint) = self.rounds.checkpoints.get_mut(place) else { return };
        if checkpoint.says(pressed, at, out) {
            self.visited(place, None, at, out);
        }
    }

    fn visited(&mut self, place: usize, actor: Option<&str>, at: Mono, out: &mut Out<'_>) {
        // A window that has opened since is open for who comes in.
        self.look_at_rounds(&out.now.at(at.min(out.now.mono)), out);
        self.rounds.touch(place, actor, at, out);
    }

    /// A known card at a checkpoint's reader. Says whether it was one.
    pub(super) fn card_visits(&mut self, card: &Card, out: &mut Out<'_>) -> bool {
        let mut checkpoints = self.rounds.checkpoints.iter();
        let place = checkpoints.position(|one| one.config.reader == Some(card.reader));
        let Some(place) = place.filter(|_| self.is_somebodys(card)) else { return false };
        self.visited(place, Some(&card.credential.to_string()), card.at, out);
        true
    }

    pub(super) fn look_at_rounds(&mut self, now: &Now, out: &mut Out<'_>) {
        let known = self.knows_time(now);
        self.rounds.look(now, known, self.gateway.as_ref(), out);
    }

    pub(super) fn rounds_due(&mut self, at: Mono, out: &mut Out<'_>) {
        let known = self.knows_time(out.now);
        self.rounds.expire(known, self.gateway.as_ref(), at, out);
    }

    /// What is due, under way and next, for `gatehouse rounds`.
    pub(super) fn rounds_told(&self, now: &Now) -> Value {
        let id = |place: usize| Some(self.rounds.checkpoints.get(place)?.config.id.clone());
        let rounds: Vec<_> = self.rounds.all.iter().map(|one| one.told(id, now)).collect();
        json!({ "rounds": rounds, "time_known": self.knows_time(now) })
    }
}

fn clock_event(
    (kind, qualifier): (&'static str, Qualifier),
    gateway: &Id,
    at: Mono,
    out: &mut Out<'_>,
) {
    let source = ("gateway", gateway);
    let severity = if qualifier == Qualifier::New { 2 } else { 4 };
    let head = Head { class: Class::Fault, kind, qualifier, severity, source };
    out.record(at, head, |draft| {
        draft.closes = (qualifier == Qualifier::Restore).then_some("round.clock_unknown");
        draft.cause = Some("no patrol round is watched while the time is not known".to_owned());
    });
}
