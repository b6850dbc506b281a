//! Schedules, holidays and key switches.

use std::time::Duration;

use jiff::civil::{Date, Weekday};

use super::{Days, Mode};
use crate::id::Id;

/// Arms and disarms one partition at times of the week, on the clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// Its id.
    pub id: Id,
    /// The partition, by its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
    pub partition: usize,
    /// On which days; a holiday counts as its own day.
    pub days: Days,
    /// Arms at this minute of the day, below 1440.
    pub arm: Option<u16>,
    /// Disarms at this minute of the day.
    pub disarm: Option<u16>,
    /// By this minute people are to have armed it; if not, that is told.
    pub armed_by: Option<u16>,
    /// In which mode it arms.
    pub mode: Mode,
    /// Arming is announced so long before; zero: not.
    pub warning: Duration,
    /// What is not ready is waited for so long; zero: it fails at once.
    pub retry: Duration,
    /// After that, what is not ready is bypassed and reported, if it may be.
    pub force: bool,
    /// People on the spot may put one arming off so long, all in all; zero: not.
    pub postpone: Duration,
    /// Whether holidays change its days.
    pub holidays: bool,
}

impl ScheduleConfig {
    /// A schedule that does nothing yet: every day, mode away, a warning of five minutes.
    pub const fn new(id: Id, partition: usize) -> Self {
        Self {
            id,
            partition,
            days: Days::ALL,
            arm: None,
            disarm: None,
            armed_by: None,
            mode: Mode::Away,
            warning: Duration::from_secs(300),
            retry: Duration::from_secs(1800),
            force: false,
            postpone: Duration::from_secs(7200),
            holidays: true,
        }
    }
}

/// A day or some days on which schedules follow another day of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolidayConfig {
    /// Its id.
    pub id: Id,
    /// When. Of several that hold on a day the first counts.
    pub dates: Dates,
    /// Which day of the week schedules take it for; `None`: they do nothing on it.
    pub like: Option<Weekday>,
}

/// Dates of a [`HolidayConfig`], first and last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// Of one year, or over the end of one.
    Once {
        /// The first day.
        from: Date,
        /// The last day.
        until: Date,
    },
    /// Of every year, month and day; `until` before `from` is over the end of the year. The 29th of
    /// February is a day of leap years only.
    Yearly {
        /// The first day.
        from: (i8, i8),
        /// The last day.
        until: (i8, i8),
    },
}

impl Dates {
    /// Whether this day is among them.
    pub fn contains(&self, date: Date) -> bool {
        match *self {
            Self::Once { from, until } => (from..=until).contains(&date),
            Self::Yearly { from, until } => {
                let day = (date.month(), date.day());
                if from <= until {
                    (from..=until).contains(&day)
                } else {
                    day >= from || day <= until
                }
            }
        }
    }
}

/// A switch that is turned with a key, and arms and disarms a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySwitchConfig {
    /// Its id.
    pub id: Id,
    /// The wire as events name it.
    pub driver: String,
    /// The partition, by its place in [`SiteConfig::partitions`](super::SiteConfig::partitions).
    pub partition: usize,
    /// In which mode it arms.
    pub mode: Mode,
    /// How it moves.
    pub motion: KeyMotion,
    /// Whether it arms.
    pub arms: bool,
    /// Whether it disarms.
    pub disarms: bool,
    /// A momentary one that is turned for so long is stuck.
    pub stuck: Duration,
}

/// How a key switch moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMotion {
    /// It springs back: each turn arms what is disarmed, and disarms what is not.
    Momentary,
    /// It stays: turned is armed, turned back is disarmed.
    Maintained,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_yearly_holiday_comes_each_year_and_may_lie_over_its_end() {
        let school = Dates::Yearly { from: (12, 24), until: (1, 6) };
        for (day, is) in [
            (date(2026, 12, 23), false),
            (date(2026, 12, 24), true),
            (date(2027, 1, 6), true),
            (date(2027, 1, 7), false),
            (date(2030, 12, 31), true),
        ] {
            assert_eq!(school.contains(day), is, "{day}");
        }
        let leap = Dates::Yearly { from: (2, 29), until: (2, 29) };
        assert!(leap.contains(date(2028, 2, 29)) && !leap.contains(date(2027, 2, 28)));
        let once = Dates::Once { from: date(2026, 12, 31), until: date(2027, 1, 1) };
        assert!(once.contains(date(2027, 1, 1)) && !once.contains(date(2027, 12, 31)));
    }
}
