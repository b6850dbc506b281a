//! Schedules: arming and disarming at times of the week.
//!
//! The rules, which [`ScheduleConfig`] only sets the numbers of:
//!
//! - **A schedule is a list of moments, not a state.** Between them people decide: who disarms after
//!   hours stays disarmed until the next arming, who arms at noon stays armed until the next
//!   disarming. What came too late is not caught up over the head of somebody who has armed or
//!   disarmed since.
//! - **Each moment counts once.** It is named by its date on the wall's calendar. An hour that is
//!   left out runs at the first minute after it, one that comes twice runs the first time. A clock
//!   that is set back does not run a date again, and says so if that was more than an hour ago.
//! - **A late moment** (the clock was set forward, the box was dark, the clock was not known) runs
//!   if it is the partition's last one: a disarming up to a quarter of an hour late, an arming up
//!   to an hour. All others are told as failed. An arming that is later still is told as failed and
//!   done all the same: it raises the protection, and it is what should be. A disarming never is.
//! - **Without a clock nothing moves.** Never set since the start: nothing runs. Known but with too
//!   large an error: only armings do. Both are told as `schedule.held` after ten minutes.
//! - **Arming is announced** and may be put off by people on the spot. One that nobody was warned
//!   of is announced first and done after the time of the warning. It has the exit delay of its
//!   mode. What is not ready is waited for, then bypassed if the schedule may, or told as failed.
//! - **A schedule never lowers protection by arming**: what people have armed stays as they did; what
//!   a schedule has armed is armed anew only in a stronger mode. **It never ends an alarm**: a partition with an alarm in it is not disarmed.
//! - Of two moments at the same minute a disarming comes first.
//!
//! The clock is looked at with each input and once a minute, so a step is noticed within a minute.
//! Deadlines are on the boot-time clock, and set anew with each look. What ran, what was put off and
//! what is being tried is kept over a restart.

mod act;
mod attempt;
pub(super) mod calendar;
mod hand;
mod kept;

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::out::{Head, Out};
use super::partition::Partition;
use super::timer::KeptTimer;
use super::zone::FIRST_READING;
use super::{HolidayConfig, Id, Mode, ScheduleConfig, Site};
use crate::event::{Class, Draft, Qualifier};
use crate::time::{ClockState, Mono, Now, UtcMs};
use attempt::Attempt;
use calendar::{Calendar, Occurrence};

pub(super) use kept::HELD_KEY;

/// A step of the wall clock is noticed within this.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Later than this, a moment is late: the look of each minute, and a second of slack.
const ON_TIME_MS: i64 = 61_000;

/// A disarming that is later than this is not done: the building may have been looked at since and
/// found armed.
const DISARM_LATE_MS: i64 = 15 * 60_000;

/// An arming that is later than this is told as failed.
const ARM_LATE_MS: i64 = 60 * 60_000;

/// How far back moments are counted when the clock was set forward: further away nobody asks for
/// each day.
const LOOK_BACK_MS: i64 = 400 * 86_400_000;

/// So many dates are remembered as done. A clock that was wrong by more days than this and is set
/// back runs them again.
const REMEMBERED: usize = 64;

/// A clock that is not good for so long is told. A start takes some minutes to be synchronised.
const HELD_AFTER: Duration = Duration::from_secs(600);

/// What a schedule does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScheduleAct {
    /// Disarms.
    Disarm,
    /// Arms.
    Arm,
    /// Looks whether people have armed.
    ArmedBy,
}

impl ScheduleAct {
    /// All of them, in the order in which they come within one minute.
    pub const ALL: [Self; 3] = [Self::Disarm, Self::Arm, Self::ArmedBy];

    /// The word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disarm => "disarm",
            Self::Arm => "arm",
            Self::ArmedBy => "armed-by",
        }
    }
}

/// What comes next of one schedule, by [`ScheduleAct`]; all `None` while the clock is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coming {
    /// When it disarms, arms and looks, in the order of [`ScheduleAct::ALL`]; put off included.
    pub at: [Option<UtcMs>; 3],
    /// The next arming was put off by so much.
    pub postponed: Duration,
    /// An arming is being tried.
    pub trying: bool,
}

/// The next moments of a schedule after an instant, from its configuration alone: nothing that was
/// put off.
pub fn schedule_after(
    schedule: &ScheduleConfig,
    holidays: &[HolidayConfig],
    zone: &TimeZone,
    after: UtcMs,
) -> Coming {
    let calendar = Calendar { zone: zone.clone(), holidays: holidays.to_vec() };
    let at = ScheduleAct::ALL.map(|act| {
        let minute = minute(schedule, act)?;
        Some(calendar.after(schedule, minute, after)?.at)
    });
    Coming { at, ..Coming::default() }
}

const fn minute(config: &ScheduleConfig, act: ScheduleAct) -> Option<u16> {
    match act {
        ScheduleAct::Disarm => config.disarm,
        ScheduleAct::Arm => config.arm,
        ScheduleAct::ArmedBy => config.armed_by,
    }
}

/// How far the wall clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Not at all.
    Nothing,
    /// Armings only.
    Arming,
    Whole,
}

/// All schedules.
#[derive(Clone, Debug)]
pub(super) struct Schedules {
    all: Vec<Schedule>,
    calendar: Calendar,
    /// When the clock is looked at at the latest.
    look_at: Option<Mono>,
    /// The next instant at which there is something to do.
    next: Option<UtcMs>,
    /// The same on the boot-time clock, as the two stand to each other now.
    wake: Option<Mono>,
    /// Since when the clock is not good enough.
    bad_since: Option<Mono>,
    /// It was told.
    held: bool,
}

/// One schedule.
#[derive(Clone, Debug)]
struct Schedule {
    config: ScheduleConfig,
    partition: Id,
    /// By act: everything up to here was done or told.
    marks: [Option<UtcMs>; 3],
    /// By act: what comes first after the mark.
    next: [Option<Occurrence>; 3],
    /// By act: the dates that ran.
    ran: [Vec<Date>; 3],
    /// When the last of each ran, if that was in this life.
    ran_at: [Option<Mono>; 3],
    /// The date of the arming that was announced.
    warned: Option<Date>,
    /// The date of the arming that was put off, and by how much.
    postponed: Option<(Date, Duration)>,
    attempt: Option<Attempt>,
    /// `schedule.late_to_close` is open.
    overdue: bool,
    /// When somebody last armed or disarmed the partition.
    by_hand: Option<KeptTimer>,
    /// It stands armed as somebody armed it.
    hand_armed: bool,
    shown: Option<Coming>,
    /// There is something to be kept.
    changed: bool,
}

impl Schedule {
    fn new(config: ScheduleConfig, partition: Id) -> Self {
        Self {
            config,
            partition,
            marks: [None; 3],
            next: [None; 3],
            ran: Default::default(),
            ran_at: [None; 3],
            warned: None,
            postponed: None,
            attempt: None,
            overdue: false,
            by_hand: None,
            hand_armed: false,
            shown: None,
            changed: false,
        }
    }

    /// Whether there is nothing to arm: people have, or a schedule has in a mode as strong.
    fn is_covered(&self, partitions: &[Partition]) -> bool {
        let is = partitions[self.config.partition].mode();
        is != Mode::Disarmed && (self.hand_armed || is.rank() >= self.config.mode.rank())
    }

    /// By how much the arming of this date was put off, in milliseconds.
    fn put_off_ms(&self, date: Date) -> i64 {
        let by = self.postponed.filter(|(of, _)| *of == date).map(|(_, by)| by.as_millis());
        by.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0)
    }

    /// When an occurrence is due: when it comes, and by how much it was put off.
    fn due(&self, act: ScheduleAct, occurrence: Occurrence) -> UtcMs {
        let put_off = match act {
            ScheduleAct::Arm => self.put_off_ms(occurrence.date),
            ScheduleAct::Disarm | ScheduleAct::ArmedBy => 0,
        };
        UtcMs(occurrence.at.0.saturating_add(put_off))
    }

    fn mark(&mut self, act: ScheduleAct, mark: UtcMs, calendar: &Calendar) {
        let place = act as usize;
        self.marks[place] = Some(mark);
        let minute = minute(&self.config, act);
        self.next[place] = minute.and_then(|minute| calendar.after(&self.config, minute, mark));
        self.changed = true;
    }

    fn event(
        &self,
        at: Mono,
        kind: &'static str,
        out: &mut Out<'_>,
        fill: impl FnOnce(&mut Draft),
    ) {
        let source = ("schedule", &self.config.id);
        let head =
            Head { class: Class::Arm, kind, qualifier: Qualifier::Status, severity: 5, source };
        out.record(at, head, |draft| {
            draft.partition = Some(self.partition.clone());
            fill(draft);
        });
    }
}

impl Schedules {
    pub(super) fn new(
        all: Vec<ScheduleConfig>,
        holidays: Vec<HolidayConfig>,
        zone: &TimeZone,
        partitions: &[Id],
    ) -> Self {
        let known = all.into_iter().filter_map(|config| {
            let partition = partitions.get(config.partition)?.clone();
            Some(Schedule::new(config, partition))
        });
        Self {
            all: known.collect(),
            calendar: Calendar { zone: zone.clone(), holidays },
            look_at: None,
            next: None,
            wake: None,
            bad_since: None,
            held: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let attempts = self.all.iter().filter_map(|one| one.attempt.as_ref().map(|it| it.next));
        attempts.chain(self.look_at).chain(self.wake).min()
    }

    /// The start: zones must have been read once before anything is armed.
    pub(super) fn begin(&mut self, now: &Now) {
        if !self.all.is_empty() {
            self.look_at = Some(now.mono.plus(FIRST_READING));
        }
    }

    /// Aims anew at the next instant, as the wall clock stands now to that of durations.
    pub(super) fn aim(&mut self, now: &Now) {
        if !self.all.is_empty() && self.look_at.is_none() {
            self.look_at = Some(now.mono);
        }
        self.wake = self.next.filter(|_| now.clock != ClockState::Never).map(|at| {
            let left = u64::try_from(at.0.saturating_sub(now.utc.0)).unwrap_or(0);
            now.mono.plus(Duration::from_millis(left))
        });
    }
}

impl Site {
    fn trust(&self, now: &Now) -> Trust {
        let bound = u32::try_from(self.access.clock_error.as_millis()).unwrap_or(u32::MAX);
        match now.clock {
            ClockState::Never => Trust::Nothing,
            _ if now.err_ms.is_some_and(|err| err <= bound) => Trust::Whole,
            ClockState::Holdover | ClockState::Synced => Trust::Arming,
        }
    }

    /// Looks at the clock, and does what is due.
    pub(super) fn schedules_due(&mut self, at: Mono, out: &mut Out<'_>) {
        let trust = self.trust(out.now);
        self.hold(trust, at, out);
        if trust > Trust::Nothing {
            let wall = out.now.utc_at(at);
            self.begin_schedules(wall);
            self.announce(wall, at, out);
            self.moments(wall, trust, at, out);
        }
        for place in 0..self.schedules.all.len() {
            self.attempt(place, at, out);
        }
        let wall = (trust > Trust::Nothing).then(|| out.now.utc_at(at));
        self.schedules.settle(wall, at, out);
    }

    /// What was never looked at begins now, and so does what the clock was set back behind.
    fn begin_schedules(&mut self, wall: UtcMs) {
        let Schedules { all, calendar, .. } = &mut self.schedules;
        for schedule in all {
            for act in ScheduleAct::ALL {
                if minute(&schedule.config, act).is_none() {
                    continue;
                }
                match schedule.marks[act as usize] {
                    Some(mark) if mark <= wall => {
                        // After a restart.
                        if schedule.next[act as usize].is_none() {
                            let changed = schedule.changed;
                            schedule.mark(act, mark, calendar);
                            schedule.changed = changed;
                        }
                    }
                    _ => schedule.mark(act, wall, calendar),
                }
            }
        }
    }

    /// Tells of a clock that is not good enough, and of its end.
    fn hold(&mut self, trust: Trust, at: Mono, out: &mut Out<'_>) {
        let disarms = self.schedules.all.iter().any(|one| one.config.disarm.is_some());
        let good = trust == Trust::Whole || (trust == Trust::Arming && !disarms);
        let Some(gateway) = &self.gateway else { return };
        let schedules = &mut self.schedules;
        if good {
            schedules.bad_since = None;
        } else if schedules.bad_since.is_none() {
            schedules.bad_since = Some(at);
        }
        let long = schedules.bad_since.is_some_and(|since| at.since(since) >= HELD_AFTER);
        let told = match (schedules.held, good) {
            (false, _) if long => ("schedule.held", Qualifier::New),
            (true, true) => ("schedule.held_restored", Qualifier::Restore),
            _ => return,
        };
        schedules.held = !good;
        out.keep(HELD_KEY.to_owned(), &schedules.held);
        let head = Head {
            class: Class::Fault,
            kind: told.0,
            qualifier: told.1,
            severity: if good { 4 } else { 3 },
            source: ("gateway", gateway),
        };
        let now = out.now;
        out.record(at, head, |draft| {
            if good {
                draft.closes = Some("schedule.held");
                return;
            }
            let cause = match trust {
                Trust::Nothing => "the time of day is not known: schedules do nothing",
                _ => "the clock may be wrong by too much: schedules disarm nothing",
            };
            draft.cause = Some(cause.to_owned());
            draft.detail = Some(serde_json::json!({ "err_ms": now.err_ms }));
        });
    }
}

impl Schedules {
    /// When to look again, and what is shown of what comes.
    fn settle(&mut self, wall: Option<UtcMs>, at: Mono, out: &mut Out<'_>) {
        self.look_at = Some(at.plus(LOOK_EVERY));
        self.next = None;
        for (place, schedule) in self.all.iter_mut().enumerate() {
            let mut coming = Coming { trying: schedule.attempt.is_some(), ..Coming::default() };
            for act in ScheduleAct::ALL {
                let (Some(wall), Some(next)) = (wall, schedule.next[act as usize]) else {
                    continue;
                };
                let due = schedule.due(act, next);
                coming.at[act as usize] = Some(due);
                let mut instants = vec![due];
                if act == ScheduleAct::Arm {
                    let ms = schedule.put_off_ms(next.date);
                    coming.postponed = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
                    instants.extend(schedule.warning_at(next));
                }
                // What is held back waits for the look of each minute.
                let ahead = instants.into_iter().filter(|instant| *instant > wall);
                self.next = ahead.chain(self.next).min();
            }
            if schedule.shown != Some(coming) {
                schedule.shown = Some(coming);
                out.effects.push(super::Effect::Schedule { schedule: place, coming });
            }
        }
        self.aim(out.now);
        // Rounding to milliseconds must not bring the same instant again and again.
        let later = at.plus(Duration::from_millis(1));
        self.wake = self.wake.map(|wake| wake.max(later));
    }
}
