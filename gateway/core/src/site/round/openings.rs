//! When the windows of a round open, as instants.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::site::Weekly;
use crate::time::UtcMs;

/// A window of the week comes again after seven days; one more for each end of the search.
const DAYS: i64 = 9;

/// A window that daylight saving leaves nothing of is open for this long.
const SHORTEST_MS: i64 = 60_000;

/// The first window that opens after an instant: when it opens and when it closes.
///
/// A time that daylight saving leaves out opens at what the clock shows then, and one that comes
/// twice the first time: so each window opens exactly once on each of its days. Windows that open
/// at the same instant are one, as long as the longest.
pub(super) fn next_after(
    after: UtcMs,
    windows: &[Weekly],
    zone: &TimeZone,
) -> Option<(UtcMs, UtcMs)> {
    let today = zone.to_datetime(Timestamp::from_millisecond(after.0).ok()?).date();
    let mut best: Option<(UtcMs, UtcMs)> = None;
    for day in -1..=DAYS {
        let Ok(date) = today.checked_add(day.days()) else { continue };
        for window in windows.iter().filter(|window| window.days.contains(date.weekday())) {
            let instant = |days: i64, minute: u16| {
                let minutes = i64::from(minute) + days * 1_440;
                let civil = date.at(0, 0, 0, 0).checked_add(minutes.minutes()).ok()?;
                let found = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
                Some(UtcMs(found.as_millisecond()))
            };
            let overnight = i64::from(window.until <= window.from);
            let (Some(opens), Some(closes)) =
                (instant(0, window.from), instant(overnight, window.until))
            else {
                continue;
            };
            if opens <= after {
                continue;
            }
            let closes = closes.max(UtcMs(opens.0 + SHORTEST_MS));
            best = match best {
                Some((first, _)) if first < opens => best,
                Some((first, last)) if first == opens => Some((first, last.max(closes))),
                _ => Some((opens, closes)),
            };
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Days;

    fn at(text: &str) -> UtcMs {
        UtcMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn europe() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn each_window_opens_once_on_each_of_its_days_over_daylight_saving() {
        let night = Weekly { days: Days::ALL, from: 2 * 60 + 30, until: 3 * 60 + 15 };
        for (from, first) in [
            ("2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z"),
            // 02:30 is left out: the clock shows 03:30 then.
            ("2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"),
            ("2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
            // 02:30 comes twice: the first time counts.
            ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ] {
            let (opens, closes) = next_after(at(from), &[night], &europe()).unwrap();
            assert_eq!(opens, at(first), "after {from}");
            assert!(closes > opens);
        }
    }

    #[test]
    fn a_window_over_midnight_closes_on_the_day_after_and_none_on_no_day_never_opens() {
        let late = Weekly { days: Days::WORK, from: 23 * 60, until: 60 };
        // Friday evening is the last of the week.
        let next = next_after(at("2026-11-27T12:00:00Z"), &[late], &TimeZone::UTC);
        assert_eq!(next, Some((at("2026-11-27T23:00:00Z"), at("2026-11-28T01:00:00Z"))));
        let next = next_after(at("2026-11-27T23:00:00Z"), &[late], &TimeZone::UTC);
        assert_eq!(next, Some((at("2026-11-30T23:00:00Z"), at("2026-12-01T01:00:00Z"))));
        let never = Weekly { days: Days::default(), ..late };
        assert_eq!(next_after(UtcMs(0), &[never], &TimeZone::UTC), None);
        assert_eq!(next_after(UtcMs(i64::MAX), &[late], &TimeZone::UTC), None);
    }
}
