//! Every table and key of the file: the one declaration that the reader, the schema and the
//! manual page come from.

pub(crate) mod broker;
pub(crate) mod door;
pub(crate) mod gateway;
pub(crate) mod journal;
pub(crate) mod log;
pub(crate) mod sim;
pub(crate) mod uplink;

use crate::spec::{Table, Times};

/// The file as a whole.
pub(crate) static FILE: Table = Table {
    name: "",
    times: Times::Once,
    doc: "The configuration of one Gatehouse gateway.",
    keys: &[],
    tables: &[
        &gateway::TABLE,
        &door::TABLE,
        &broker::TABLE,
        &uplink::TABLE,
        &journal::TABLE,
        &log::TABLE,
        &sim::TABLE,
    ],
};

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

    use super::*;
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
            let mut names: Vec<_> = table.names().collect();
            assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.names().count(), "{}", table.name);
        });
    }

    #[test]
    fn each_class_of_events_has_its_key_in_its_place() {
        let words: Vec<_> = journal::keep::CLASSES.iter().map(|key| key.name).collect();
        assert_eq!(words, Class::ALL.map(Class::as_str));
    }
}
