//! Every table and key of the file: the one declaration that the reader, the schema and the
//! manual page come from.

pub(crate) mod access;
pub(crate) mod alarm;
pub(crate) mod area;
pub(crate) mod broker;
pub(crate) mod bus;
pub(crate) mod camera;
pub(crate) mod card_reader;
pub(crate) mod challenge;
pub(crate) mod checkpoint;
pub(crate) mod chip;
pub(crate) mod commands;
pub(crate) mod credential;
pub(crate) mod cross_zone;
pub(crate) mod door;
pub(crate) mod gateway;
pub(crate) mod help_point;
pub(crate) mod home_assistant;
pub(crate) mod journal;
pub(crate) mod key_switch;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod output;
pub(crate) mod page;
pub(crate) mod partition;
pub(crate) mod responders;
pub(crate) mod round;
pub(crate) mod rs485;
pub(crate) mod schedule;
pub(crate) mod sim;
pub(crate) mod store;
pub(crate) mod supervised;
pub(crate) mod uplink;
pub(crate) mod zone;

use std::time::Duration;

use crate::kind::Number;
use crate::spec::{Table, Times};

/// The file as a whole.
pub(crate) static FILE: Table = Table {
    name: "",
    times: Times::Once,
    doc: "The configuration of one Gatehouse gateway.",
    keys: &[],
    tables: &[
        &gateway::TABLE,
        &partition::TABLE,
        &bus::TABLE,
        &chip::TABLE,
        &area::TABLE,
        &door::TABLE,
        &zone::TABLE,
        &cross_zone::TABLE,
        &rs485::TABLE,
        &card_reader::TABLE,
        &access::TABLE,
        &help_point::TABLE,
        &responders::TABLE,
        &checkpoint::TABLE,
        &round::TABLE,
        &output::TABLE,
        &camera::TABLE,
        &camera::evidence::TABLE,
        &challenge::TABLE,
        &schedule::TABLE,
        &schedule::holiday::TABLE,
        &key_switch::TABLE,
        &alarm::TABLE,
        &commands::TABLE,
        &commands::role::TABLE,
        &commands::key::TABLE,
        &broker::TABLE,
        &uplink::TABLE,
        &home_assistant::TABLE,
        &page::TABLE,
        &metrics::TABLE,
        &journal::TABLE,
        &log::TABLE,
        &sim::TABLE,
    ],
};

/// So many seconds.
const fn seconds(min: u64, max: u64) -> Number<Duration> {
    Number { min, max, unit: "in seconds", make: Duration::from_secs }
}

/// A number within `u8`; the key's own bound keeps it there.
fn u8(n: u64) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

/// A number within `u16`; the key's own bound keeps it there.
fn u16(n: u64) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// A number within `u32`; the key's own bound keeps it there.
fn u32(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn mib(n: u64) -> u64 {
    n * 1024 * 1024
}

#[cfg(test)]
mod tests {
    use gatehouse_core::event::Class;
    use gatehouse_core::site::{Mode, ZoneKind};

    use super::*;
    use crate::kind::Word;
    use crate::spec::Presence;

    fn visit(table: &'static Table, seen: &mut impl FnMut(&'static Table)) {
        seen(table);
        for table in table.tables {
            visit(table, seen);
        }
    }

    #[test]
    fn every_default_is_a_value_that_its_own_key_allows() {
        visit(&FILE, &mut |table| {
            for key in table.keys {
                if let Presence::Default(text) = key.presence() {
                    assert!(key.accepts(text), "{}.{} = {text}", table.name, key.name());
                }
            }
        });
    }

    #[test]
    fn names_are_kebab_case_and_unique_within_their_table() {
        visit(&FILE, &mut |table| {
            let kebab = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let mut names: Vec<_> = table.names().collect();
            assert!(names.iter().all(|n| n.bytes().all(kebab)));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.names().count(), "{}", table.name);
        });
    }

    #[test]
    fn each_mode_has_its_table_in_its_place_and_its_word() {
        let words: Vec<_> = partition::MODE_TABLES.iter().map(|table| table.name).collect();
        assert_eq!(words, Mode::ARMED.map(Mode::as_str));
        let words: Vec<_> = <Mode as Word>::WORDS.iter().map(|(mode, ..)| *mode).collect();
        assert_eq!(words, Mode::ARMED);
    }

    #[test]
    fn each_kind_of_zone_has_its_word() {
        let words: Vec<_> = <ZoneKind as Word>::WORDS.iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(words, ZoneKind::ALL);
    }

    #[test]
    fn each_class_of_events_has_its_key_in_its_place() {
        let words: Vec<_> = journal::keep::CLASSES.iter().map(|key| key.name).collect();
        assert_eq!(words, Class::ALL.map(Class::as_str));
    }
}
