//! One arming by a schedule, from its moment until it is armed or has failed.

use std::time::Duration;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::ScheduleAct;
use crate::site::arming::By;
use crate::site::out::Out;
use crate::site::partition::Arming;
use crate::site::{Answer, Mode, Site, Via};
use crate::time::Mono;

/// What is not ready is looked at again after this.
const TRY_EVERY: Duration = Duration::from_secs(60);

/// An arming that is being tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Of which date.
    pub(super) date: Date,
    /// When it is tried next.
    pub(super) next: Mono,
    /// Until when what is not ready is waited for.
    pub(super) until: Mono,
    /// It was tried once after that.
    pub(super) over: bool,
}

impl Site {
    /// The moment has come: armed as soon as people are warned and all is ready.
    pub(super) fn begin_attempt(&mut self, place: usize, date: Date, at: Mono, out: &mut Out<'_>) {
        let schedule = &mut self.schedules.all[place];
        let warning = schedule.config.warning;
        let unwarned = !warning.is_zero() && schedule.warned != Some(date);
        let next = if unwarned { at.plus(warning) } else { at };
        let until = next.plus(schedule.config.retry);
        schedule.attempt = Some(Attempt { date, next, until, over: false });
        schedule.changed = true;
        if unwarned {
            self.warn(place, date, out.now.utc_at(next), at, out);
        }
        // Now, if it may be: the next moment may have come as well.
        self.attempt(place, at, out);
    }

    /// Tries an arming whose time has come.
    pub(super) fn attempt(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        let schedule = &self.schedules.all[place];
        let Some(attempt) = schedule.attempt.clone().filter(|attempt| attempt.next <= at) else {
            return;
        };
        let (partition, mode) = (schedule.config.partition, schedule.config.mode);
        let force = schedule.config.force;
        match *self.partitions[partition].arming() {
            Arming::Leaving { until, .. } => {
                // Whether that succeeds is seen at its end.
                self.again(place, until.plus(Duration::from_secs(1)), attempt.over);
                return;
            }
            _ if schedule.is_covered(&self.partitions) => {
                self.give_up(place);
                return;
            }
            _ => {}
        }
        let exit = self.partitions[partition].config.mode(mode).unwrap_or_default().exit;
        let blockers = self.blockers(partition, mode, !exit.is_zero());
        let waited = attempt.until <= at;
        let forced = force && waited && blockers.iter().all(|blocker| blocker.forcible);
        if (blockers.is_empty() || forced) && !attempt.over {
            let id = self.schedules.all[place].config.id.to_string();
            let by = By { via: Via::Schedule, actor: Some(&id) };
            self.again(place, at.plus(exit.max(Duration::from_secs(1))), waited);
            let answer = self.arm(partition, mode, (force && waited, false), by, at, out);
            if answer == Answer::Done && self.partitions[partition].protects() == mode {
                self.give_up(place);
            }
            return;
        }
        if !waited {
            self.again(place, at.plus(TRY_EVERY).min(attempt.until), false);
            return;
        }
        self.give_up(place);
        let few = &blockers[..blockers.len().min(16)];
        let detail = json!({
            "act": ScheduleAct::Arm.as_str(), "mode": mode,
            "blockers": few, "count": blockers.len(),
        });
        self.schedules.all[place].fail(ScheduleAct::Arm, "not ready", detail, at, out);
    }

    fn again(&mut self, place: usize, next: Mono, over: bool) {
        let schedule = &mut self.schedules.all[place];
        if let Some(attempt) = &mut schedule.attempt {
            (attempt.next, attempt.over) = (next, over);
            schedule.changed = true;
        }
    }

    fn give_up(&mut self, place: usize) {
        let schedule = &mut self.schedules.all[place];
        schedule.attempt = None;
        schedule.changed = true;
    }

    /// Ends every attempt at a partition, told as failed.
    pub(super) fn end_attempts(
        &mut self,
        partition: usize,
        cause: &'static str,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        for place in 0..self.schedules.all.len() {
            let schedule = &self.schedules.all[place];
            if schedule.config.partition == partition && schedule.attempt.is_some() {
                self.give_up(place);
                // What it has armed is no failure.
                if self.partitions[partition].protects() == Mode::Disarmed {
                    let detail: Value = json!({ "act": ScheduleAct::Arm.as_str() });
                    self.schedules.all[place].fail(ScheduleAct::Arm, cause, detail, at, out);
                }
            }
        }
    }
}
