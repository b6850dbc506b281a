//! What is due: announced, run, late or failed.

use serde_json::{Value, json};

use super::calendar::Occurrence;
use super::{
    ARM_LATE_MS, DISARM_LATE_MS, LOOK_BACK_MS, ON_TIME_MS, REMEMBERED, Schedule, ScheduleAct,
    Schedules, Trust,
};
use crate::event::Qualifier;
use crate::site::arming::By;
use crate::site::out::Out;
use crate::site::{Effect, Mode, Site, Sound, Thing, Via};
use crate::time::{Mono, UtcMs};

/// One moment that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    due: UtcMs,
    occurrence: Occurrence,
    act: ScheduleAct,
    schedule: usize,
    /// The clock is not good enough to do it.
    held: bool,
}

/// Moments of one act that failed for one reason, told together.
struct Failed {
    schedule: usize,
    act: ScheduleAct,
    cause: &'static str,
    first: UtcMs,
    last: UtcMs,
    count: u32,
}

/// What is to be done with a moment.
enum Verdict {
    Run,
    /// Told as failed, and done all the same.
    RunAndTell(&'static str),
    Fail(&'static str),
    /// It ran before.
    Again,
    Nothing,
}

impl Site {
    /// Announces the armings that come.
    pub(super) fn announce(&mut self, wall: UtcMs, at: Mono, out: &mut Out<'_>) {
        for place in 0..self.schedules.all.len() {
            let schedule = &self.schedules.all[place];
            let Some(next) = schedule.next[ScheduleAct::Arm as usize] else { continue };
            let due = schedule.due(ScheduleAct::Arm, next);
            let is_time = schedule.warning_at(next).is_some_and(|from| from <= wall) && wall < due;
            let covered = schedule.is_covered(&self.partitions);
            let ran = schedule.ran[ScheduleAct::Arm as usize].contains(&next.date);
            if is_time && !covered && !ran && schedule.attempt.is_none() {
                self.warn(place, next.date, due, at, out);
            }
        }
    }

    /// Says that a partition is about to be armed.
    pub(super) fn warn(
        &mut self,
        place: usize,
        date: jiff::civil::Date,
        due: UtcMs,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let schedule = &mut self.schedules.all[place];
        schedule.warned = Some(date);
        schedule.changed = true;
        schedule.event(at, "schedule.warning", out, |draft| {
            draft.detail = Some(json!({ "mode": schedule.config.mode, "due": due }));
        });
        let of = Thing::Partition(schedule.config.partition);
        out.effects.push(Effect::Chime { of, sound: Sound::Chime });
    }

    /// Does what has come.
    pub(super) fn moments(&mut self, wall: UtcMs, trust: Trust, at: Mono, out: &mut Out<'_>) {
        let all = self.schedules.come(wall, trust);
        // Of each partition the last one says what should be.
        let mut last = vec![None; self.partitions.len()];
        for (n, moment) in all.iter().enumerate() {
            if moment.act != ScheduleAct::ArmedBy {
                last[self.schedules.all[moment.schedule].config.partition] = Some(n);
            }
        }
        let mut failed: Vec<Failed> = Vec::new();
        for (n, moment) in all.iter().enumerate().filter(|(_, moment)| !moment.held) {
            let partition = self.schedules.all[moment.schedule].config.partition;
            let verdict = self.judge(moment, last[partition] == Some(n), out);
            let (run, cause) = match verdict {
                Verdict::Run => (true, None),
                Verdict::RunAndTell(cause) => (true, Some(cause)),
                Verdict::Fail(cause) => (false, Some(cause)),
                Verdict::Again | Verdict::Nothing => (false, None),
            };
            let again = matches!(verdict, Verdict::Again) && self.schedules.long_ago(moment, at);
            let cause =
                cause.or(again.then_some("it ran already, and the clock was set back since"));
            if let Some(cause) = cause {
                count(&mut failed, moment, cause);
            }
            if run {
                // What failed before comes before.
                for failed in failed.drain(..) {
                    self.schedules.all[failed.schedule].failed(&failed, at, out);
                }
            }
            let Schedules { all, calendar, .. } = &mut self.schedules;
            all[moment.schedule].mark(moment.act, moment.occurrence.at, calendar);
            if run {
                all[moment.schedule].remember(moment, at);
                self.run_moment(moment, cause.is_none(), at, out);
            }
        }
        for failed in failed {
            self.schedules.all[failed.schedule].failed(&failed, at, out);
        }
    }

    fn judge(&self, moment: &Moment, is_last: bool, out: &Out<'_>) -> Verdict {
        let schedule = &self.schedules.all[moment.schedule];
        let partition = &self.partitions[schedule.config.partition];
        let late = out.now.utc.0.saturating_sub(moment.due.0);
        let on_time = late <= ON_TIME_MS;
        if schedule.ran[moment.act as usize].contains(&moment.occurrence.date) {
            return Verdict::Again;
        }
        if moment.act == ScheduleAct::ArmedBy {
            // Whether it was armed then is not known any more; later looks tell of later days.
            return if on_time { Verdict::Run } else { Verdict::Nothing };
        }
        if !on_time {
            let by_hand = schedule.by_hand.as_ref().and_then(|hand| hand.utc(out.boot, out.now));
            if by_hand.is_some_and(|hand| hand > moment.due) {
                return Verdict::Fail("late, and somebody has armed or disarmed since");
            }
            if !is_last {
                return Verdict::Fail("late, and the next one has come");
            }
        }
        match moment.act {
            ScheduleAct::Disarm if partition.had_alarm() && partition.mode() != Mode::Disarmed => {
                Verdict::Fail("there was an alarm, which a schedule does not end")
            }
            ScheduleAct::Disarm if late > DISARM_LATE_MS => Verdict::Fail("too late to disarm"),
            ScheduleAct::Arm if late > ARM_LATE_MS => {
                Verdict::RunAndTell("too late; armed all the same")
            }
            _ => Verdict::Run,
        }
    }

    fn run_moment(&mut self, moment: &Moment, tell: bool, at: Mono, out: &mut Out<'_>) {
        let schedule = &self.schedules.all[moment.schedule];
        let place = schedule.config.partition;
        let mode = self.partitions[place].mode();
        if moment.act == ScheduleAct::ArmedBy {
            if mode == Mode::Disarmed {
                self.schedules.all[moment.schedule].late_to_close(true, at, out);
            }
            return;
        }
        let wanted = schedule.config.mode;
        let already = match moment.act {
            ScheduleAct::Arm => schedule.is_covered(&self.partitions),
            _ => mode == Mode::Disarmed && !self.partitions[place].had_alarm(),
        };
        if tell {
            let late = out.now.utc.0.saturating_sub(moment.due.0).max(0) / 1000;
            schedule.event(at, "schedule.ran", out, |draft| {
                let arms = moment.act == ScheduleAct::Arm;
                let outcome = match (already, arms) {
                    (true, _) => "already",
                    (false, true) => "begun",
                    (false, false) => "done",
                };
                draft.detail = Some(json!({
                    "act": moment.act.as_str(), "due": moment.due, "late_s": late,
                    "outcome": outcome, "mode": arms.then_some(wanted),
                }));
            });
        }
        match moment.act {
            _ if already => {}
            ScheduleAct::Arm => {
                self.begin_attempt(moment.schedule, moment.occurrence.date, at, out);
            }
            _ => {
                self.end_attempts(place, "the time to disarm has come", at, out);
                let id = self.schedules.all[moment.schedule].config.id.to_string();
                let by = By { via: Via::Schedule, actor: Some(&id) };
                self.disarm(place, by, at, out);
            }
        }
    }

    /// A partition was armed: what was late to close is closed.
    pub(in crate::site) fn schedules_closed(&mut self, place: usize, at: Mono, out: &mut Out<'_>) {
        for schedule in &mut self.schedules.all {
            if schedule.config.partition == place && schedule.overdue {
                schedule.late_to_close(false, at, out);
            }
        }
    }
}

impl Schedules {
    /// Every moment up to now that was not looked at yet, in the order of their times.
    fn come(&mut self, wall: UtcMs, trust: Trust) -> Vec<Moment> {
        let mut all = Vec::new();
        for (place, schedule) in self.all.iter_mut().enumerate() {
            for act in ScheduleAct::ALL {
                let held = act == ScheduleAct::Disarm && trust < Trust::Whole;
                let mut next = schedule.next[act as usize];
                // Years are not counted day by day.
                if next.is_some_and(|it| it.at.0 < wall.0.saturating_sub(LOOK_BACK_MS)) {
                    let mark = UtcMs(wall.0.saturating_sub(LOOK_BACK_MS));
                    schedule.mark(act, mark, &self.calendar);
                    next = schedule.next[act as usize];
                }
                while let Some(occurrence) = next {
                    let due = schedule.due(act, occurrence);
                    if due > wall {
                        break;
                    }
                    all.push(Moment { due, occurrence, act, schedule: place, held });
                    next = self.calendar.after(&schedule.config, occurrence.minute, occurrence.at);
                }
            }
        }
        all.sort_unstable_by_key(|it| (it.due, it.occurrence, it.act, it.schedule));
        all
    }

    /// Whether the last of this kind ran more than an hour ago, or before this start.
    fn long_ago(&self, moment: &Moment, at: Mono) -> bool {
        let ran = self.all[moment.schedule].ran_at[moment.act as usize];
        moment.act != ScheduleAct::ArmedBy && ran.is_none_or(|ran| at.since(ran).as_secs() >= 3600)
    }
}

impl Schedule {
    /// When an arming is to be announced; `None`: never, or it was.
    pub(super) fn warning_at(&self, next: Occurrence) -> Option<UtcMs> {
        let warning = i64::try_from(self.config.warning.as_millis()).unwrap_or(i64::MAX);
        let due = self.due(ScheduleAct::Arm, next);
        (warning > 0 && self.warned != Some(next.date))
            .then(|| UtcMs(due.0.saturating_sub(warning)))
    }

    fn remember(&mut self, moment: &Moment, at: Mono) {
        let ran = &mut self.ran[moment.act as usize];
        ran.push(moment.occurrence.date);
        if ran.len() > REMEMBERED {
            ran.remove(0);
        }
        self.ran_at[moment.act as usize] = Some(at);
        self.changed = true;
    }

    fn failed(&self, failed: &Failed, at: Mono, out: &mut Out<'_>) {
        let (first, last, count) = (failed.first, failed.last, failed.count);
        let detail = json!({
            "act": failed.act.as_str(), "due": last, "first": first, "count": count,
        });
        self.fail(failed.act, failed.cause, detail, at, out);
    }

    /// Tells that it did not do what it should.
    pub(super) fn fail(
        &self,
        act: ScheduleAct,
        cause: &'static str,
        detail: Value,
        at: Mono,
        out: &mut Out<'_>,
    ) {
        let kind = match act {
            ScheduleAct::Disarm => "schedule.disarm_failed",
            ScheduleAct::Arm | ScheduleAct::ArmedBy => "schedule.arm_failed",
        };
        self.event(at, kind, out, |draft| {
            draft.severity = 3;
            draft.cause = Some(cause.to_owned());
            draft.detail = Some(detail);
        });
    }

    pub(super) fn late_to_close(&mut self, late: bool, at: Mono, out: &mut Out<'_>) {
        if std::mem::replace(&mut self.overdue, late) == late {
            return;
        }
        self.changed = true;
        let kind = if late { "schedule.late_to_close" } else { "schedule.late_to_close_restored" };
        self.event(at, kind, out, |draft| {
            draft.severity = if late { 3 } else { 5 };
            draft.qualifier = if late { Qualifier::New } else { Qualifier::Restore };
            draft.closes = (!late).then_some("schedule.late_to_close");
        });
    }
}

fn count(failed: &mut Vec<Failed>, moment: &Moment, cause: &'static str) {
    let same = |known: &&mut Failed| {
        (known.schedule, known.act, known.cause) == (moment.schedule, moment.act, cause)
    };
    if let Some(known) = failed.iter_mut().find(same) {
        known.last = moment.due;
        known.count += 1;
        return;
    }
    let (schedule, act, due) = (moment.schedule, moment.act, moment.due);
    failed.push(Failed { schedule, act, cause, first: due, last: due, count: 1 });
}
