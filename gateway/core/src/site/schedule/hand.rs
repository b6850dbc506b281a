//! What people do beside the schedules: arm, disarm, and put an arming off.

use std::time::Duration;

use serde_json::json;

use super::{ScheduleAct, Trust};
use crate::site::arming::{By, refused};
use crate::site::out::Out;
use crate::site::timer::KeptTimer;
use crate::site::{Answer, Mode, Refusal, Site};
use crate::time::Mono;

/// An arming that is further away than this is not meant by who puts one off now.
const NEAR_MS: i64 = 4 * 3_600_000;

impl Site {
    /// Somebody armed or disarmed a partition: what they want counts until the next moment.
    pub(in crate::site) fn by_hand(
        &mut self,
        place: usize,
        disarmed: bool,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        for schedule in &mut self.schedules.all {
            if schedule.config.partition == place {
                schedule.by_hand = Some(KeptTimer::new(at, out.boot, out.now));
                schedule.hand_armed = !disarmed;
                schedule.changed = true;
            }
        }
        if disarmed {
            self.end_attempts(place, "somebody has disarmed", at, out);
        }
    }

    /// A partition was disarmed, by whomever.
    pub(in crate::site) fn schedules_opened(&mut self, place: usize) {
        for schedule in &mut self.schedules.all {
            if schedule.config.partition == place && schedule.hand_armed {
                schedule.hand_armed = false;
                schedule.changed = true;
            }
        }
    }

    /// Puts the next arming of a partition off.
    pub(in crate::site) fn postpone(
        &mut self,
        place: usize,
        lasts: Duration,
        by: By<'_>,
        at: Mono,
        out: &mut Out<'_>,
    ) -> Answer {
        if self.trust(out.now) == Trust::Nothing {
            return refused(Refusal::NotScheduled);
        }
        if self.partitions[place].mode() != Mode::Disarmed {
            return refused(Refusal::Armed);
        }
        let wall = out.now.utc_at(at);
        // An attempt counts as due now.
        let due = |this: &Self, n: usize| {
            let schedule = &this.schedules.all[n];
            if schedule.attempt.is_some() {
                return Some((wall, None));
            }
            let next = schedule.next[ScheduleAct::Arm as usize]?;
            Some((schedule.due(ScheduleAct::Arm, next), Some(next)))
        };
        let of_it = |this: &Self| -> Vec<usize> {
            let all = this.schedules.all.iter().enumerate();
            all.filter(|(_, one)| one.config.partition == place).map(|(n, _)| n).collect()
        };
        let places = of_it(self);
        let first = places.iter().filter_map(|n| due(self, *n)).map(|(due, _)| due).min();
        let Some(first) = first.filter(|first| first.0.saturating_sub(wall.0) <= NEAR_MS) else {
            return refused(Refusal::NotScheduled);
        };
        let ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let target = first.0.max(wall.0).saturating_add(ms);
        // All that would arm it before are put off to the same instant, or none.
        let mut changes = Vec::new();
        for n in places {
            let Some((due, next)) = due(self, n).filter(|(due, _)| due.0 < target) else {
                continue;
            };
            let schedule = &self.schedules.all[n];
            let date = match (&schedule.attempt, next) {
                (Some(attempt), _) => attempt.date,
                (None, Some(next)) => next.date,
                (None, None) => continue,
            };
            let whole = schedule.put_off_ms(date).saturating_add(target.saturating_sub(due.0));
            let whole = Duration::from_millis(u64::try_from(whole).unwrap_or(0));
            if whole > schedule.config.postpone {
                return refused(Refusal::TooLong);
            }
            changes.push((n, date, whole));
        }
        let to = out.now.utc_at(at);
        for (n, date, whole) in changes {
            let schedule = &mut self.schedules.all[n];
            schedule.postponed = Some((date, whole));
            schedule.warned = None;
            schedule.changed = true;
            let left = u64::try_from(target.saturating_sub(to.0)).unwrap_or(0);
            let next = at.plus(Duration::from_millis(left));
            if let Some(attempt) = &mut schedule.attempt {
                attempt.next = next;
                attempt.until = next.plus(schedule.config.retry);
                attempt.over = false;
            }
            schedule.event(at, "schedule.postponed", out, |draft| {
                draft.severity = 4;
                draft.actor = by.actor.map(str::to_owned);
                draft.detail = Some(json!({
                    "via": by.via.as_str(), "by_s": whole.as_secs(),
                    "due": crate::time::UtcMs(target),
                }));
            });
        }
        // Deadlines have moved.
        self.schedules.look_at = Some(out.now.mono);
        Answer::Done
    }
}
