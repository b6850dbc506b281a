//! What schedules keep over a restart.

use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::attempt::Attempt;
use super::{Schedule, Schedules};
use crate::id::Id;
use crate::site::out::Out;
use crate::site::timer::KeptTimer;
use crate::site::zone::FIRST_READING;
use crate::time::{Mono, Now, UtcMs};

/// Where it is kept that the clock is not good enough.
pub(in crate::site) const HELD_KEY: &str = "schedules/held";

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::site) struct KeptSchedule {
    /// Its days and times: with others, what was done is another matter.
    of: String,
    marks: [Option<UtcMs>; 3],
    ran: [Vec<Day>; 3],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warned: Option<Day>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    postponed: Option<(Day, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<KeptAttempt>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overdue: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by_hand: Option<KeptTimer>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hand_armed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptAttempt {
    date: Day,
    next: KeptTimer,
    until: KeptTimer,
    over: bool,
}

/// A date, written as `2026-03-29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day(Date);

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl Schedules {
    /// Hands out what changed.
    pub(in crate::site) fn keep(&mut self, out: &mut Out<'_>) {
        for schedule in &mut self.all {
            if std::mem::take(&mut schedule.changed) {
                let kept = schedule.kept(out);
                out.keep(format!("schedule/{}", schedule.config.id), &kept);
            }
        }
    }

    /// Takes back what was kept. Says whether there is such a schedule.
    pub(in crate::site) fn restore(
        &mut self,
        id: &str,
        kept: KeptSchedule,
        boot: &str,
        now: &Now,
    ) -> bool {
        let schedule = self.all.iter_mut().find(|one| one.config.id.as_str() == id);
        let Some(schedule) = schedule else { return false };
        schedule.restore(kept, boot, now);
        true
    }

    pub(in crate::site) const fn restore_held(&mut self, held: bool) {
        self.held = held;
    }
}

impl Schedules {
    /// Goes on as what it was in another configuration. Says what is gone.
    pub(in crate::site) fn take_over(&mut self, old: Self, now: &Now) -> Vec<Id> {
        let Self { all, calendar, look_at, next, wake, bad_since, held } = old;
        (self.bad_since, self.held, self.look_at) = (bad_since, held, look_at);
        (self.next, self.wake) = (next, wake);
        // What an hour or a day is called may have changed.
        let same_calendar =
            calendar.zone == self.calendar.zone && calendar.holidays == self.calendar.holidays;
        let mut changed = !same_calendar || all.len() != self.all.len();
        let mut gone = Vec::new();
        for (place, old) in all.into_iter().enumerate() {
            let id = old.config.id.clone();
            let Some(at) = self.all.iter().position(|known| known.config.id == id) else {
                gone.push(id);
                continue;
            };
            changed |= at != place || self.all[at].config != old.config;
            self.all[at].take_over(old, same_calendar, at == place);
        }
        if changed && !self.all.is_empty() {
            self.look_at = Some(now.mono);
        }
        gone
    }

    /// Ends what stands open of schedules that the new site does not have.
    pub(in crate::site) fn finish(&mut self, new: &Self, at: Mono, out: &mut Out<'_>) {
        for schedule in &mut self.all {
            if !new.all.iter().any(|known| known.config.id == schedule.config.id) {
                schedule.late_to_close(false, at, out);
            }
        }
    }
}

impl Schedule {
    fn take_over(&mut self, old: Self, same_calendar: bool, same_place: bool) {
        let same_times = old.times() == self.times();
        let Self {
            config: _,
            partition: _,
            marks,
            next,
            ran,
            ran_at,
            warned,
            postponed,
            attempt,
            overdue,
            by_hand,
            hand_armed,
            shown,
            changed,
        } = old;
        (self.overdue, self.by_hand, self.hand_armed) = (overdue, by_hand, hand_armed);
        self.changed = changed || !same_times;
        if same_place {
            self.shown = shown;
        }
        if same_times {
            (self.marks, self.ran, self.ran_at) = (marks, ran, ran_at);
            (self.warned, self.postponed, self.attempt) = (warned, postponed, attempt);
        }
        if same_times && same_calendar {
            self.next = next;
        }
    }

    /// Its days and times in short.
    fn times(&self) -> String {
        let it = &self.config;
        format!(
            "{} {:?} {:?} {:?} {:?} {}",
            self.partition, it.days, it.arm, it.disarm, it.armed_by, it.holidays
        )
    }

    fn kept(&self, out: &Out<'_>) -> KeptSchedule {
        let timer = |at| KeptTimer::new(at, out.boot, out.now);
        let ran = |dates: &Vec<Date>| dates.iter().copied().map(Day).collect();
        KeptSchedule {
            of: self.times(),
            marks: self.marks,
            ran: self.ran.each_ref().map(ran),
            warned: self.warned.map(Day),
            postponed: self.postponed.map(|(date, by)| (Day(date), by.as_secs())),
            attempt: self.attempt.as_ref().map(|it| KeptAttempt {
                date: Day(it.date),
                next: timer(it.next),
                until: timer(it.until),
                over: it.over,
            }),
            overdue: self.overdue,
            by_hand: self.by_hand.clone(),
            hand_armed: self.hand_armed,
        }
    }

    fn restore(&mut self, kept: KeptSchedule, boot: &str, now: &Now) {
        // What is open must be closed, whatever the times are now.
        self.overdue = kept.overdue;
        self.by_hand = kept.by_hand;
        self.hand_armed = kept.hand_armed;
        if kept.of != self.times() {
            return;
        }
        self.marks = kept.marks;
        self.ran = kept.ran.map(|days| days.into_iter().map(|day| day.0).collect());
        self.warned = kept.warned.map(|day| day.0);
        self.postponed = kept.postponed.map(|(day, by)| (day.0, Duration::from_secs(by)));
        self.attempt = kept.attempt.map(|it| {
            let longest = self.config.warning.max(self.config.postpone);
            let ready = now.mono.plus(FIRST_READING);
            Attempt {
                date: it.date.0,
                next: it.next.on(boot, now, longest).max(ready),
                until: it.until.on(boot, now, longest + self.config.retry).max(ready),
                over: it.over,
            }
        });
    }
}
