//! Windows of the week, in the site's own time.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::time::UtcMs;

/// A set of weekdays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// Monday to Friday.
    pub const WORK: Self = Self(0b001_1111);

    /// The set of these.
    pub fn of(days: impl IntoIterator<Item = Weekday>) -> Self {
        Self(days.into_iter().map(bit).fold(0, |all, bit| all | bit))
    }

    /// Whether this day is in it.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }
}

const fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

/// A window that opens on each of some days.
///
/// It is compared with what a clock on the wall shows. So on the day when clocks go back, an hour
/// that comes twice is within it both times; on the day when they go forward, what is left out
/// is left out, and the rest of the window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekly {
    /// The days on which it opens.
    pub days: Days,
    /// It opens at this minute of the day.
    pub from: u16,
    /// It closes at this minute: up to 1440, or, if not after `from`, on the day after.
    pub until: u16,
}

impl Weekly {
    /// The days as configurations write them.
    pub const DAYS: [(&'static str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];

    /// A window as configurations write it: `mon-fri 06:00-18:00`, `sat,sun 08:00-12:00` or
    /// `daily 22:00-06:00`. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (days, hours) = text.split_once(' ')?;
        let (from, until) = hours.split_once('-')?;
        let (from, until) = (minute(from)?, minute(until)?);
        // A window that never closes is the whole day; it has another way to be written.
        let good = from < 1440 && from != until;
        good.then_some(Self { days: days_of(days)?, from, until })
    }

    /// Whether it is open at this instant.
    pub fn contains(&self, utc: UtcMs, zone: &TimeZone) -> bool {
        // Outside the years -9999 to 9999 no window is open.
        let Ok(timestamp) = Timestamp::from_millisecond(utc.0) else { return false };
        let civil = zone.to_datetime(timestamp);
        let minute =
            u16::from(civil.hour().unsigned_abs()) * 60 + u16::from(civil.minute().unsigned_abs());
        let today = civil.weekday();
        if self.from < self.until {
            return self.days.contains(today) && (self.from..self.until).contains(&minute);
        }
        (self.days.contains(today) && minute >= self.from)
            || (self.days.contains(today.previous()) && minute < self.until)
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let minute = minute.parse().ok().filter(|minute: &u16| *minute < 60)?;
    Some(hour.parse::<u16>().ok()? * 60 + minute).filter(|all| *all <= 1440)
}

fn days_of(text: &str) -> Option<Days> {
    if text == "daily" {
        return Some(Days::ALL);
    }
    let days = &Weekly::DAYS;
    let place = |name: &str| days.iter().position(|(day, _)| *day == name);
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // `fri-mon` goes over the end of the week.
        let count = (last + days.len() - first) % days.len() + 1;
        all.extend((first..first + count).map(|day| days[day % days.len()].1));
    }
    Some(Days::of(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central Europe: 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00.
    fn europe() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> UtcMs {
        UtcMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn open(window: Weekly, utc: &str) -> bool {
        window.contains(at(utc), &europe())
    }

    #[test]
    fn a_window_follows_the_clock_on_the_wall_over_daylight_saving() {
        let cleaners = Weekly { days: Days::WORK, from: 6 * 60, until: 8 * 60 };
        // Friday in winter, and Monday after the change: each time 06:00 to 08:00 local.
        for (utc, is) in [
            ("2026-03-27T04:59:59Z", false),
            ("2026-03-27T05:00:00Z", true),
            ("2026-03-27T06:59:59Z", true),
            ("2026-03-27T07:00:00Z", false),
            ("2026-03-30T03:59:59Z", false),
            ("2026-03-30T04:00:00Z", true),
            ("2026-03-30T06:00:00Z", false),
            ("2026-03-28T05:30:00Z", false),
        ] {
            assert_eq!(open(cleaners, utc), is, "{utc}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_counts_twice_and_one_that_is_left_out_never() {
        let night = Weekly { days: Days::ALL, from: 2 * 60, until: 3 * 60 };
        assert!(open(night, "2026-10-25T00:30:00Z"), "02:30 in summer time");
        assert!(open(night, "2026-10-25T01:30:00Z"), "02:30 in winter time");
        assert!(!open(night, "2026-10-25T02:00:00Z"));
        assert!(!open(night, "2026-03-29T00:59:59Z"), "01:59:59, the last before the change");
        assert!(!open(night, "2026-03-29T01:00:00Z"), "03:00, the first after it");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
        let watch = Weekly { days: Days::of([Weekday::Friday]), from: 22 * 60, until: 6 * 60 };
        assert!(open(watch, "2026-03-27T21:00:00Z"), "Friday 22:00");
        assert!(open(watch, "2026-03-28T04:59:00Z"), "Saturday 05:59");
        assert!(!open(watch, "2026-03-28T05:00:00Z"), "Saturday 06:00");
        assert!(!open(watch, "2026-03-28T21:00:00Z"), "Saturday 22:00");
        assert!(!open(watch, "2026-03-27T04:00:00Z"), "Friday 05:00");
    }

    #[test]
    fn a_window_may_last_the_whole_day() {
        let sunday = Weekly { days: Days::of([Weekday::Sunday]), from: 0, until: 1440 };
        assert!(open(sunday, "2026-03-28T23:00:00Z") && open(sunday, "2026-03-29T21:59:59Z"));
        assert!(!open(sunday, "2026-03-29T22:00:00Z") && !open(sunday, "2026-03-28T22:59:59Z"));
        assert!(!sunday.contains(UtcMs(i64::MAX), &TimeZone::UTC));
    }
}
