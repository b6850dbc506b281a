//! When a time of the day is, on the days that a schedule has: dates, holidays, daylight saving.

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::site::{HolidayConfig, ScheduleConfig};
use crate::time::UtcMs;

/// So many days are looked at for the next one that a schedule has: more than a year, so that what
/// comes once a year is found.
const LOOK_AHEAD: usize = 400;

/// A time of the day on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Occurrence {
    /// The instant.
    pub(super) at: UtcMs,
    /// The day on the wall's calendar: what makes it this one and no other.
    pub(super) date: Date,
    /// The minute of the day on the clock on the wall.
    pub(super) minute: u16,
}

/// The calendar that all schedules go by.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    pub(super) zone: TimeZone,
    pub(super) holidays: Vec<HolidayConfig>,
}

impl Calendar {
    /// The first time after this instant that a schedule's day has this minute.
    pub(super) fn after(
        &self,
        schedule: &ScheduleConfig,
        minute: u16,
        after: UtcMs,
    ) -> Option<Occurrence> {
        // Outside the years -9999 to 9999 there are no days.
        let then = Timestamp::from_millisecond(after.0).ok()?;
        // A time that was left out yesterday may run today.
        let mut date = self.zone.to_datetime(then).date().yesterday().ok()?;
        for _ in 0..LOOK_AHEAD {
            let is_on = self.day(schedule, date).is_some_and(|day| schedule.days.contains(day));
            if let Some(at) = self.instant(date, minute).filter(|at| is_on && *at > after) {
                return Some(Occurrence { at, date, minute });
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// Which day of the week a schedule takes a day for; `None`: a day on which it does nothing.
    fn day(&self, schedule: &ScheduleConfig, date: Date) -> Option<Weekday> {
        let mut holidays = self.holidays.iter().filter(|_| schedule.holidays);
        match holidays.find(|holiday| holiday.dates.contains(date)) {
            Some(holiday) => holiday.like,
            None => Some(date.weekday()),
        }
    }

    /// The instant at which the clock on the wall shows this minute of this day. What comes twice
    /// counts the first time; what is left out is at once after the hole.
    fn instant(&self, date: Date, minute: u16) -> Option<UtcMs> {
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        if hour > 23 {
            return None;
        }
        let wall = self.zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
        let at = if let AmbiguousOffset::Gap { .. } = wall.offset() {
            let behind = wall.later().ok()?;
            let behind = behind.checked_add(SignedDuration::from_millis(1)).ok()?;
            self.zone.preceding(behind).next()?.timestamp()
        } else {
            wall.earlier().ok()?
        };
        Some(UtcMs(at.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::site::{Dates, Days};

    fn calendar(posix: &str) -> Calendar {
        Calendar { zone: TimeZone::posix(posix).unwrap(), holidays: Vec::new() }
    }

    fn schedule() -> ScheduleConfig {
        ScheduleConfig::new("s".parse().unwrap(), 0)
    }

    fn utc(text: &str) -> UtcMs {
        UtcMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn what_is_left_out_comes_at_once_after_the_hole_and_what_comes_twice_comes_once() {
        for (zone, minute, after, expected) in [
            // Central Europe: 02:00 to 03:00 is left out on 2026-03-29.
            ("CET-1CEST,M3.5.0,M10.5.0/3", 150, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 120, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 180, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            // 02:30 comes twice on 2026-10-25: in summer time, and the next is on the day after.
            ("CET-1CEST,M3.5.0,M10.5.0/3", 150, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 150, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            // Chile: midnight itself is left out.
            ("<-04>4<-03>,M9.1.6/24,M4.1.6/24", 0, "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"),
            // Lord Howe: half an hour.
            (
                "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                135,
                "2026-10-03T12:00:00Z",
                "2026-10-03T15:30:00Z",
            ),
            // Shanghai has none.
            ("CST-8", 150, "2026-03-28T12:00:00Z", "2026-03-28T18:30:00Z"),
        ] {
            let found = calendar(zone).after(&schedule(), minute, utc(after)).unwrap();
            assert_eq!(found.at, utc(expected), "{zone} {minute}");
        }
    }

    #[test]
    fn a_holiday_counts_as_its_own_day_and_only_where_it_is_followed() {
        let mut calendar = calendar("CST-8");
        let sunday = Some(Weekday::Sunday);
        let day = date(2026, 10, 1);
        let dates = Dates::Once { from: day, until: date(2026, 10, 7) };
        calendar.holidays =
            vec![HolidayConfig { id: "golden-week".parse().unwrap(), dates, like: sunday }];
        let mut work = ScheduleConfig { days: Days::WORK, ..schedule() };
        let noon = utc("2026-09-30T04:00:00Z");
        assert_eq!(calendar.after(&work, 720, noon).unwrap().date, date(2026, 10, 8));
        work.holidays = false;
        assert_eq!(calendar.after(&work, 720, noon).unwrap().date, day);
        work.holidays = true;
        work.days = Days::of([Weekday::Sunday]);
        assert_eq!(calendar.after(&work, 720, noon).unwrap().date, day);
        calendar.holidays[0].like = None;
        assert_eq!(calendar.after(&work, 720, noon).unwrap().date, date(2026, 10, 11));
    }

    #[test]
    fn a_schedule_without_days_or_at_no_time_never_comes() {
        let never = ScheduleConfig { days: Days::default(), ..schedule() };
        assert_eq!(calendar("CST-8").after(&never, 0, utc("2026-01-01T00:00:00Z")), None);
        assert_eq!(calendar("CST-8").after(&schedule(), 1440, utc("2026-01-01T00:00:00Z")), None);
        assert_eq!(calendar("CST-8").after(&schedule(), 0, UtcMs(i64::MAX)), None);
    }
}
