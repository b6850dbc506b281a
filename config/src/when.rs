//! Moments and weekly windows, as people write them, in the site's time.

use gatehouse_core::site::Weekly;
use gatehouse_core::time::UtcMs;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// A day, a time of a day, or an instant.
pub(crate) struct Moment;

/// A moment as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// With its offset.
    Instant(Timestamp),
    /// On the site's wall clock.
    Civil(DateTime),
    /// From its beginning, or to its end.
    Day(Date),
}

impl Written {
    /// The instant at which it begins. `None`: beyond the year 9999.
    pub(crate) fn begins(self, zone: &TimeZone) -> Option<UtcMs> {
        let timestamp = match self {
            Self::Instant(timestamp) => timestamp,
            Self::Civil(civil) => zone.to_timestamp(civil).ok()?,
            // A day whose midnight is left out begins with the first instant that it has.
            Self::Day(date) => zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?,
        };
        Some(UtcMs(timestamp.as_millisecond()))
    }

    /// The instant at which it is over. `None`: beyond the year 9999.
    pub(crate) fn ends(self, zone: &TimeZone) -> Option<UtcMs> {
        match self {
            Self::Day(date) => Self::Day(date.checked_add(1.day()).ok()?).begins(zone),
            other => other.begins(zone),
        }
    }
}

impl Kind for Moment {
    type Out = Written;

    fn allowed(&self) -> String {
        "a day, as 2026-03-31, or a time, as 2026-03-31T18:00:00 (on the site's clock) or \
         2026-03-31T18:00:00+08:00"
            .into()
    }

    fn schema(&self) -> Value {
        // Of TOML's own dates an editor makes a string of this form.
        json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Written, Wrong> {
        let (text, quoted) = match value {
            DeValue::Datetime(datetime) => (datetime.to_string(), false),
            DeValue::String(text) => (text.to_string(), true),
            _ => return Err(Wrong::default()),
        };
        let bare = text.trim();
        let written = match bare.len() {
            10 => bare.parse().ok().map(Written::Day),
            _ => bare.parse().ok().map(Written::Instant).or_else(|| {
                let civil = bare.replace(' ', "T").parse().ok();
                civil.map(Written::Civil)
            }),
        };
        match written {
            Some(written) if !quoted => Ok(written),
            Some(_) => Err(Wrong::hint(format!("write {name} = {bare}, without quotes"))),
            None => Err(Wrong::default()),
        }
    }
}

/// A weekly window: days and hours.
pub(crate) struct Window;

impl Kind for Window {
    type Out = Weekly;

    fn allowed(&self) -> String {
        "days and hours, as \"mon-fri 06:00-18:00\", \"sat,sun 08:00-12:00\" or \
         \"daily 22:00-06:00\""
            .into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[a-z,-]+ [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Weekly, Wrong> {
        let given = text(name, value)?;
        if let Some(window) = Weekly::parse(given) {
            return Ok(window);
        }
        // `Monday to Friday, 6:00 - 18:00`: the days are clear, only their clothes are wrong.
        let lower = given.trim().to_ascii_lowercase();
        let plain = lower.replace(" to ", "-").replace(" - ", "-").replace(", ", " ");
        let plain: Vec<_> = plain.split_whitespace().map(shortened).collect();
        Err(match plain.join(" ") {
            plain if Weekly::parse(&plain).is_some() => Wrong::hint(format!("write \"{plain}\"")),
            _ => Wrong::default(),
        })
    }
}

/// `monday-friday` as `mon-fri`, and `6:00-18:00` with all its digits.
fn shortened(word: &str) -> String {
    let part = |part: &str| {
        let hour = part.split_once(':').filter(|(hour, _)| hour.len() == 1);
        let known = Weekly::DAYS.iter().find(|(day, _)| part.starts_with(day)).map(|(day, _)| *day);
        hour.map(|_| format!("0{part}")).or(known.map(str::to_owned)).unwrap_or_else(|| part.into())
    };
    word.split('-').map(part).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use gatehouse_core::site::Days;
    use jiff::civil::Weekday;

    use super::*;

    fn weekly(given: &str) -> Result<Weekly, Option<String>> {
        let value = DeValue::String(given.into());
        Window.read("weekly", &value).map_err(|wrong| wrong.hint)
    }

    #[test]
    fn a_window_is_days_and_hours() {
        let work = Weekly { days: Days::WORK, from: 360, until: 1080 };
        assert_eq!(weekly("mon-fri 06:00-18:00"), Ok(work));
        assert_eq!(weekly("mon,tue,wed-fri 06:00-18:00"), Ok(work));
        let night = Weekly { days: Days::ALL, from: 1320, until: 360 };
        assert_eq!(weekly("daily 22:00-06:00"), Ok(night));
        let days = Days::of([Weekday::Saturday, Weekday::Sunday, Weekday::Monday]);
        assert_eq!(weekly("sat-mon 00:00-24:00"), Ok(Weekly { days, from: 0, until: 1440 }));
    }

    #[test]
    fn a_window_in_other_words_is_understood_and_one_that_is_none_is_not() {
        let hint = Err(Some("write \"mon-fri 06:00-18:00\"".to_owned()));
        assert_eq!(weekly("Monday to Friday, 6:00 - 18:00"), hint);
        assert_eq!(weekly("Mon-Fri 06:00-18:00"), hint);
        for wrong in ["", "mon", "06:00-18:00", "mon 06:00-25:00", "mon 24:00-06:00", "mon 6-18"] {
            assert_eq!(weekly(wrong), Err(None), "{wrong}");
        }
        assert_eq!(weekly("mon 08:00-08:00"), Err(None), "open never or always?");
    }

    fn moment(toml: &str) -> Result<Written, Option<String>> {
        let value = DeValue::parse(toml).unwrap();
        Moment.read("until", value.get_ref()).map_err(|wrong| wrong.hint)
    }

    #[test]
    fn a_day_counts_to_its_end_in_the_sites_time_also_when_the_clocks_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let utc = |text: &str| UtcMs(text.parse::<Timestamp>().unwrap().as_millisecond());
        let day = moment("2026-03-29").unwrap();
        assert_eq!(day.begins(&zone), Some(utc("2026-03-28T23:00:00Z")));
        assert_eq!(day.ends(&zone), Some(utc("2026-03-29T22:00:00Z")));
        let time = moment("2026-03-31T18:00:00").unwrap();
        assert_eq!(time.ends(&zone), Some(utc("2026-03-31T16:00:00Z")));
        let instant = moment("2026-03-31T18:00:00+08:00").unwrap();
        assert_eq!(instant.ends(&zone), Some(utc("2026-03-31T10:00:00Z")));
        assert_eq!(moment("2026-03-31 18:00:00").unwrap(), time);
        assert!(moment("9999-12-31").unwrap().ends(&zone).is_none());
    }

    #[test]
    fn a_moment_in_quotes_is_understood() {
        let hint = "write until = 2026-03-31, without quotes";
        assert_eq!(moment("\"2026-03-31\""), Err(Some(hint.to_owned())));
        assert_eq!(moment("\"next week\""), Err(None));
        assert_eq!(moment("20260331"), Err(None));
        assert_eq!(moment("18:00:00"), Err(None));
    }
}
