//! What two configurations differ in, by places: for a history, and for the record, which has no
//! values.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// The places that differ, sorted: keys, or whole entries that are in one of them only. `None`: one of
/// the texts is not TOML.
pub fn changed_places(before: &str, after: &str) -> Option<Vec<String>> {
    let (before, after): (Table, Table) = (before.parse().ok()?, after.parse().ok()?);
    let mut places = BTreeSet::new();
    tables("", &before, &after, &mut places);
    Some(places.into_iter().collect())
}

fn tables(at: &str, before: &Table, after: &Table, places: &mut BTreeSet<String>) {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let place = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        values(place, before.get(key), after.get(key), places);
    }
}

fn values(
    place: String,
    before: Option<&Value>,
    after: Option<&Value>,
    places: &mut BTreeSet<String>,
) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Table(before)), Some(Value::Table(after))) => {
            tables(&place, before, after, places);
        }
        // A table that was not there, or is not any more: its keys.
        (None, Some(Value::Table(new))) if !new.is_empty() => {
            tables(&place, &Table::new(), new, places);
        }
        (Some(Value::Table(old)), None) if !old.is_empty() => {
            tables(&place, old, &Table::new(), places);
        }
        (before, after) => match (entries(before), entries(after)) {
            (Some(before), Some(after)) if !(before.is_empty() && after.is_empty()) => {
                let ids: BTreeSet<_> = before.iter().chain(&after).map(|(id, _)| *id).collect();
                for id in &ids {
                    let of = |list: &[(&str, &Table)]| {
                        list.iter()
                            .find(|(known, _)| known == id)
                            .map(|(_, table)| (*table).clone())
                    };
                    let place = format!("{place}.{id}");
                    let (before, after) = (of(&before), of(&after));
                    match (&before, &after) {
                        (Some(before), Some(after)) => tables(&place, before, after, places),
                        _ => drop(places.insert(place)),
                    }
                }
                let order = |list: &[(&str, &Table)]| -> Vec<String> {
                    list.iter().map(|(id, _)| (*id).to_owned()).collect()
                };
                let same_ids = before.len() == after.len() && ids.len() == before.len();
                if same_ids && order(&before) != order(&after) {
                    places.insert(place);
                }
            }
            _ => drop(places.insert(place)),
        },
    }
}

/// The entries of a repeated table by their ids; nothing there is an empty list. `None`: it is
/// something else.
fn entries(value: Option<&Value>) -> Option<Vec<(&str, &Table)>> {
    let Some(value) = value else { return Some(Vec::new()) };
    value.as_array()?.iter().map(entry).collect()
}

fn entry(one: &Value) -> Option<(&str, &Table)> {
    let table = one.as_table()?;
    Some((table.get("id")?.as_str()?, table))
}
