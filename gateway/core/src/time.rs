//! Time with its quality: a boot-time clock for durations, wall time only with an error bound.

use std::fmt;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds on `CLOCK_BOOTTIME` of one boot: the only time that durations are taken from.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// The time that has passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This instant moved forward; saturates after 584 years.
    pub fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// Milliseconds since 1970-01-01 UTC. Serialised as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMs(pub i64);

impl UtcMs {
    /// What a clock on the wall shows, as `2026-11-28 22:05`.
    pub fn local(self, zone: &TimeZone) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => zone.to_datetime(timestamp).strftime("%Y-%m-%d %H:%M").to_string(),
            Err(_) => self.to_string(),
        }
    }

    /// When the day of this instant began (`ahead` 0), or that of so many days later, by the clock
    /// on the wall. `None`: beyond the years that there are.
    pub fn midnight(self, ahead: i64, zone: &TimeZone) -> Option<Self> {
        let today = zone.to_datetime(jiff::Timestamp::from_millisecond(self.0).ok()?).date();
        let day = today.checked_add(ahead.days()).ok()?;
        // A day whose midnight is left out begins with its first instant.
        Some(Self(zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?.as_millisecond()))
    }
}

/// 9999-12-31T23:59:59.999Z.
const LAST_MS: i64 = 253_402_300_799_999;

impl fmt::Display for UtcMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (0..=LAST_MS).contains(&self.0) {
            return f.write_str(std::str::from_utf8(&rfc3339(self.0)).map_err(|_| fmt::Error)?);
        }
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            // Outside the years -9999 to 9999: a broken clock is shown, not hidden.
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

/// A time of the years 1970 to 9999: every event says one, twice while it is stored.
fn rfc3339(ms: i64) -> [u8; 24] {
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, digits: usize, mut number: i64| {
        for place in (at..at + digits).rev() {
            text[place] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
    };
    let (days, ms) = (ms / 86_400_000, ms % 86_400_000);
    // Days since 0000-03-01, so that the leap day is the last of its year; eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    put(8, 2, day_of_year - (153 * month + 2) / 5 + 1);
    let month = if month < 10 { month + 3 } else { month - 9 };
    put(5, 2, month);
    put(0, 4, era * 400 + year_of_era + i64::from(month <= 2));
    put(11, 2, ms / 3_600_000);
    put(14, 2, ms / 60_000 % 60);
    put(17, 2, ms / 1000 % 60);
    put(20, 3, ms % 1000);
    text
}

impl Serialize for UtcMs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcMs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if let Some(ms) = text.strip_prefix('@').and_then(|rest| rest.strip_suffix("ms")) {
            return ms.parse().map(Self).map_err(serde::de::Error::custom);
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(timestamp.as_millisecond()))
    }
}

impl JsonSchema for UtcMs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UtcMs".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// What is known of the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockState {
    /// Not set since this boot: `utc` may be off by years.
    #[default]
    Never,
    /// Was synchronised in this boot, is not now; the error bound grows.
    Holdover,
    /// Disciplined by a time source within the error bound.
    Synced,
}

/// One reading of all clocks, taken at one instant by the daemon's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_BOOTTIME`.
    pub mono: Mono,
    /// Wall time at the same instant.
    pub utc: UtcMs,
    /// The bound of `utc`'s error, in milliseconds; `None` when nothing is known.
    pub err_ms: Option<u32>,
    /// What is known of the wall clock.
    pub clock: ClockState,
}

impl Now {
    /// The wall time at which something happened that was seen at `mono` on this boot.
    pub fn utc_at(&self, mono: Mono) -> UtcMs {
        let ago = i64::try_from(self.mono.since(mono).as_millis()).unwrap_or(i64::MAX);
        let ahead = i64::try_from(mono.since(self.mono).as_millis()).unwrap_or(i64::MAX);
        UtcMs(self.utc.0.saturating_sub(ago).saturating_add(ahead))
    }

    /// The same knowledge of the clocks, at another instant of this boot.
    pub fn at(&self, mono: Mono) -> Self {
        Self { mono, utc: self.utc_at(mono), ..*self }
    }
}

/// When an event happened, and how far that can be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Time {
    /// Wall time of the happening (not of its storing).
    pub utc: UtcMs,
    /// The kernel's boot id: `mono_ns` compares only within one boot.
    pub boot: String,
    /// `CLOCK_BOOTTIME` of the happening, in nanoseconds; for an edge, the kernel's own timestamp.
    pub mono_ns: Mono,
    /// The bound of `utc`'s error in milliseconds; `null` when nothing is known.
    pub err_ms: Option<u32>,
    /// What was known of the wall clock.
    pub clock: ClockState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_rfc_3339_with_milliseconds_both_ways() {
        let t = UtcMs(1_790_000_000_012);
        assert_eq!(t.to_string(), "2026-09-21T14:13:20.012Z");
        let json = serde_json::to_string(&t).unwrap();
        assert_eq!(serde_json::from_str::<UtcMs>(&json).unwrap(), t);
        let broken = UtcMs(i64::MAX);
        let json = serde_json::to_string(&broken).unwrap();
        assert_eq!(serde_json::from_str::<UtcMs>(&json).unwrap(), broken);
    }

    #[test]
    fn a_day_begins_and_ends_by_the_clock_on_the_wall() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let utc = |text: &str| serde_json::from_str::<UtcMs>(&format!("\"{text}\"")).unwrap();
        let change = utc("2026-10-25T12:00:00Z");
        assert_eq!(change.local(&zone), "2026-10-25 13:00");
        assert_eq!(change.midnight(0, &zone), Some(utc("2026-10-24T22:00:00Z")));
        assert_eq!(change.midnight(1, &zone), Some(utc("2026-10-25T23:00:00Z")), "25 hours");
        assert_eq!(UtcMs(i64::MAX).midnight(0, &zone), None);
    }

    proptest::proptest! {
        #[test]
        fn utc_is_written_as_jiff_writes_it(ms in 0..=LAST_MS) {
            let jiff = jiff::Timestamp::from_millisecond(ms).unwrap();
            proptest::prop_assert_eq!(UtcMs(ms).to_string(), format!("{jiff:.3}"));
        }
    }

    #[test]
    fn an_edge_of_the_past_gets_the_wall_time_of_its_own_instant() {
        let now = Now { mono: Mono(5_000_000_000), utc: UtcMs(10_000), ..Now::default() };
        assert_eq!(now.utc_at(Mono(4_000_000_000)), UtcMs(9_000));
        assert_eq!(now.utc_at(Mono(6_000_000_000)), UtcMs(11_000));
    }
}
