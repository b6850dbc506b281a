//! Dates and spans as ONVIF writes them, and a camera's clock.

use std::time::Duration;

use gatehouse_core::time::{Mono, UtcMs};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The camera's clock as it was read, which is the offset from ours: wall time of our own is not
/// needed, and may be wrong by years on a box without a battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraClock {
    /// What it showed.
    pub utc: UtcMs,
    /// When it was read.
    pub at: Mono,
}

impl CameraClock {
    /// What it shows at another time.
    pub fn shows(&self, now: Mono) -> UtcMs {
        let ms = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        UtcMs(self.utc.0.saturating_add(ms))
    }
}

/// `xs:dateTime`. `None`: none, as the `0000-00-00T00:00:00Z` of cameras that do not know.
pub(super) fn instant(text: &str) -> Option<UtcMs> {
    let text = text.trim();
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(UtcMs(stamp.as_millisecond()));
    }
    // Without a zone it is UTC, as ONVIF wants all of them.
    civil(text.parse::<DateTime>().ok()?)
}

/// The `Date` of HTTP (RFC 9110, 5.6.7).
pub(super) fn http(text: &str) -> Option<UtcMs> {
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(UtcMs(date.timestamp().as_millisecond()))
}

/// A date in UTC.
pub(super) fn civil(date: DateTime) -> Option<UtcMs> {
    let stamp = TimeZone::UTC.to_timestamp(date).ok()?;
    Some(UtcMs(stamp.as_millisecond()))
}

/// As `xs:dateTime`, with milliseconds.
pub(super) fn written(at: UtcMs) -> Option<String> {
    let stamp = Timestamp::from_millisecond(at.0).ok()?;
    Some(format!("{stamp:.3}"))
}

/// In seconds only: some cameras read `PT10M` as ten seconds.
pub(super) fn seconds(span: Duration) -> String {
    format!("PT{}S", span.as_secs().max(1))
}

/// `xs:duration` of a camera, with neither years nor months.
pub(super) fn span(text: &str) -> Option<Duration> {
    text.trim().parse::<SignedDuration>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_cameras_write_them() {
        for (text, ms) in [
            ("2026-08-01T10:00:00Z", Some(1_785_578_400_000)),
            ("2026-08-01T10:00:00.250Z", Some(1_785_578_400_250)),
            ("2026-08-01T12:00:00+02:00", Some(1_785_578_400_000)),
            ("2026-08-01T10:00:00", Some(1_785_578_400_000)),
            ("0000-00-00T00:00:00Z", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(instant(text).map(|at| at.0), ms, "{text}");
        }
        let ms = http("Sat, 01 Aug 2026 10:00:00 GMT").map(|at| at.0);
        assert_eq!(ms, Some(1_785_578_400_000));
        assert_eq!(written(UtcMs(1_785_578_400_250)).unwrap(), "2026-08-01T10:00:00.250Z");
    }

    #[test]
    fn spans_are_written_in_seconds_and_read_in_any_unit() {
        assert_eq!(seconds(Duration::from_secs(600)), "PT600S");
        assert_eq!(seconds(Duration::ZERO), "PT1S");
        assert_eq!(span("PT1M30S"), Some(Duration::from_secs(90)));
        assert_eq!(span("-PT1S"), None);
    }

    #[test]
    fn a_cameras_clock_goes_on_with_ours() {
        let clock = CameraClock { utc: UtcMs(5_000), at: Mono(1_000_000_000) };
        assert_eq!(clock.shows(Mono(3_500_000_000)), UtcMs(7_500));
    }
}
