//! Times of the day, dates and weekdays as they stand in the file.

use gatehouse_core::site::KeyMotion;
use jiff::civil::{Date, Weekday};
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Word, Wrong};

/// A time of the day on the clock on the wall: minutes since midnight.
pub(crate) struct TimeOfDay;

impl Kind for TimeOfDay {
    type Out = u16;

    fn allowed(&self) -> String {
        "a time of the day from \"00:00\" to \"23:59\"".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<u16, Wrong> {
        let (given, quoted) = match value {
            DeValue::String(text) => (text.to_string(), true),
            // `20:00:00` is a time of TOML's own; seconds are none of ours.
            DeValue::Datetime(time) => (time.to_string(), false),
            DeValue::Integer(hour) => (hour.to_string(), false),
            _ => return Err(Wrong::default()),
        };
        let meant = minutes(given.trim());
        let write = |minute: u16| {
            Wrong::hint(format!("write {name} = \"{:02}:{:02}\"", minute / 60, minute % 60))
        };
        match meant {
            Some(minute) if quoted && given.len() == 5 && given.is_char_boundary(2) => Ok(minute),
            Some(minute) => Err(write(minute)),
            None if given.starts_with("24:00") => Err(Wrong::hint(
                "midnight is \"00:00\", and belongs to the day that begins with it",
            )),
            None => Err(Wrong::default()),
        }
    }
}

/// The minute that somebody means: `7:30`, `07:30:00`, `20`, `8 pm` is not understood.
fn minutes(text: &str) -> Option<u16> {
    let mut parts = text.split([':', '.', 'h']);
    let mut part = |max: u16| -> Option<u16> {
        let part = parts.next()?;
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|n| digits && *n <= max)
    };
    let hour = part(23)?;
    let minute = if text.len() > 2 { part(59)? } else { 0 };
    Some(hour * 60 + minute)
}

/// A day of one year, or of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Day {
    Once(Date),
    Yearly(i8, i8),
}

/// A [`Day`]: `2026-12-24` or `12-24`.
pub(crate) struct DayKind;

impl Kind for DayKind {
    type Out = Day;

    fn allowed(&self) -> String {
        "a date as \"2026-12-24\", or as \"12-24\" for every year".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Day, Wrong> {
        let given = match value {
            DeValue::String(text) => text,
            DeValue::Datetime(date) => {
                let text = date.to_string();
                let good = day(&text).is_some();
                return Err(if good {
                    Wrong::hint(format!("write {name} = \"{text}\""))
                } else {
                    Wrong::default()
                });
            }
            _ => return Err(Wrong::default()),
        };
        day(given).ok_or_else(Wrong::default)
    }
}

fn day(text: &str) -> Option<Day> {
    let digits = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<_> = text.split('-').collect();
    match parts[..] {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
            let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
            date.ok().map(Day::Once)
        }
        [month, day] if digits(month, 2) && digits(day, 2) => {
            let (month, day) = (month.parse().ok()?, day.parse().ok()?);
            // A leap year has every day that any year has.
            Date::new(2028, month, day).ok().map(|_| Day::Yearly(month, day))
        }
        _ => None,
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WeekDay(pub(crate) Weekday);

const ALIASES: &[(&str, &str)] = &[
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

impl Word for WeekDay {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self(Weekday::Monday), "monday", "each Monday"),
        (Self(Weekday::Tuesday), "tuesday", "each Tuesday"),
        (Self(Weekday::Wednesday), "wednesday", "each Wednesday"),
        (Self(Weekday::Thursday), "thursday", "each Thursday"),
        (Self(Weekday::Friday), "friday", "each Friday"),
        (Self(Weekday::Saturday), "saturday", "each Saturday"),
        (Self(Weekday::Sunday), "sunday", "each Sunday"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
}

/// What schedules take a holiday for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Like(pub(crate) Option<Weekday>);

impl Word for Like {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self(Some(Weekday::Monday)), "monday", "schedules do what they do on a Monday"),
        (Self(Some(Weekday::Tuesday)), "tuesday", "as on a Tuesday"),
        (Self(Some(Weekday::Wednesday)), "wednesday", "as on a Wednesday"),
        (Self(Some(Weekday::Thursday)), "thursday", "as on a Thursday"),
        (Self(Some(Weekday::Friday)), "friday", "as on a Friday"),
        (Self(Some(Weekday::Saturday)), "saturday", "as on a Saturday"),
        (Self(Some(Weekday::Sunday)), "sunday", "as on a Sunday"),
        (Self(None), "none", "schedules do nothing: neither arm nor disarm"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
}

impl Word for KeyMotion {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Momentary,
            "momentary",
            "it springs back: each turn arms what is disarmed and disarms what is armed",
        ),
        (Self::Maintained, "maintained", "it stays: turned is armed, turned back is disarmed"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("pulse", "momentary"),
        ("spring", "momentary"),
        ("toggle", "maintained"),
        ("latching", "maintained"),
    ];
}

/// What a key switch may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyActs {
    Both,
    Arm,
    Disarm,
}

impl Word for KeyActs {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Both, "arm-and-disarm", "it arms and disarms"),
        (Self::Arm, "arm", "it only arms: it may hang outside"),
        (Self::Disarm, "disarm", "it only disarms"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("both", "arm-and-disarm"), ("arm-disarm", "arm-and-disarm")];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Result<u16, Option<String>> {
        TimeOfDay.read("arm-at", &DeValue::String(text.into())).map_err(|wrong| wrong.hint)
    }

    #[test]
    fn a_time_has_two_digits_twice_and_others_are_told_how() {
        assert_eq!(time("00:00"), Ok(0));
        assert_eq!(time("23:59"), Ok(1439));
        for wrong in ["7:30", "07:30:00", "7.30", " 07:30"] {
            assert_eq!(time(wrong), Err(Some("write arm-at = \"07:30\"".into())), "{wrong}");
        }
        for wrong in ["", "8 pm", "25:00", "12:60", "ab:cd", "一:二"] {
            assert_eq!(time(wrong), Err(None), "{wrong}");
        }
        assert!(time("24:00").unwrap_err().unwrap().contains("midnight"));
    }

    #[test]
    fn a_day_is_of_one_year_or_of_every_year() {
        assert_eq!(day("12-24"), Some(Day::Yearly(12, 24)));
        assert_eq!(day("02-29"), Some(Day::Yearly(2, 29)));
        assert_eq!(day("2026-12-24"), Some(Day::Once(Date::constant(2026, 12, 24))));
        for wrong in ["2027-02-29", "12-32", "24.12.", "2026-1-1", "", "2026-12-24-1"] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
    }
}
