//! The site's time zone: by its name in the IANA database, or written out as POSIX does.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// The longest name or rule; the longest of the IANA database has 32 bytes.
const MAX: usize = 64;

/// A time zone. The IANA database is the one that jiff brings along: what the box's own system knows,
/// or where it stands, changes nothing.
pub(crate) struct Zone;

impl Kind for Zone {
    type Out = TimeZone;

    fn allowed(&self) -> String {
        "a name of the IANA database, as \"Asia/Shanghai\", or a POSIX rule, as \
         \"CET-1CEST,M3.5.0,M10.5.0/3\""
            .into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": MAX })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<TimeZone, Wrong> {
        let given = text(name, value)?;
        if given.is_empty() || given.len() > MAX {
            return Err(Wrong::default());
        }
        let known = TimeZoneDatabase::bundled();
        if let Ok(zone) = known.get(given) {
            // `Etc/Unknown` is in the database, and says that nobody knows.
            return if zone.is_unknown() { Err(Wrong::default()) } else { Ok(zone) };
        }
        // POSIX counts hours to the west: `UTC+8` is no zone of Asia. Nobody means it who writes it.
        if let Some(hours) = ["UTC", "GMT"].iter().find_map(|start| given.strip_prefix(start)) {
            let turned: String = hours
                .chars()
                .map(|c| match c {
                    '+' => '-',
                    '-' => '+',
                    c => c,
                })
                .collect();
            return Err(Wrong::hint(format!(
                "name the place, as {name} = \"Asia/Shanghai\"; or a POSIX rule with its sign, which \
                 counts to the west: {name} = \"<{given}>{turned}\""
            )));
        }
        if let Ok(zone) = TimeZone::posix(given) {
            return Ok(zone);
        }
        let wanted = given.rsplit('/').next().unwrap_or(given).trim().replace(' ', "_");
        let wanted = if wanted.eq_ignore_ascii_case("beijing") { "Shanghai" } else { &wanted };
        let place = known.available().find(|zone| {
            let last = zone.as_str().rsplit('/').next();
            last.is_some_and(|last| last.eq_ignore_ascii_case(wanted))
        });
        Err(place
            .map_or_else(Wrong::default, |zone| Wrong::hint(format!("write {name} = \"{zone}\""))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn read(given: &str) -> Result<TimeZone, Wrong> {
        Zone.read("time-zone", &DeValue::String(given.into()))
    }

    fn offset(given: &str, at: &str) -> i32 {
        read(given).unwrap().to_offset(at.parse::<Timestamp>().unwrap()).seconds() / 3600
    }

    #[test]
    fn a_zone_is_known_by_its_name_or_its_rule_and_both_keep_summer_time() {
        for zone in ["Europe/Berlin", "europe/berlin", "CET-1CEST,M3.5.0,M10.5.0/3"] {
            assert_eq!(offset(zone, "2026-01-15T12:00:00Z"), 1, "{zone}");
            assert_eq!(offset(zone, "2026-07-15T12:00:00Z"), 2, "{zone}");
        }
        assert_eq!(offset("Asia/Shanghai", "2026-07-15T12:00:00Z"), 8);
        assert_eq!(offset("CST-8", "2026-07-15T12:00:00Z"), 8);
        assert_eq!(read("UTC").unwrap(), TimeZone::UTC);
    }

    #[test]
    fn an_hour_count_is_not_taken_to_the_wrong_side_of_the_earth() {
        let hint = read("UTC+8").unwrap_err().hint.unwrap();
        assert!(hint.ends_with("\"<UTC+8>-8\""), "{hint}");
        assert_eq!(offset("<UTC+8>-8", "2026-07-15T12:00:00Z"), 8);
    }

    #[test]
    fn a_city_alone_is_found_and_nonsense_is_not() {
        for (given, place) in [("Shanghai", "Asia/Shanghai"), ("Asia/Beijing", "Asia/Shanghai")] {
            assert_eq!(
                read(given).unwrap_err().hint.unwrap(),
                format!("write time-zone = \"{place}\"")
            );
        }
        for wrong in ["", "Etc/Unknown", "Atlantis", "../../etc/localtime", &"A".repeat(65)] {
            assert!(read(wrong).unwrap_err().hint.is_none(), "{wrong}");
        }
    }
}
