//! The newest events, as far as they may leave the box.
//!
//! What happened, where and when; of the facts only numbers and words of our own, by a list of their names. Who
//! did something, what people wrote, cards and accounts are on no list.

use std::path::Path;

use gatehouse_core::event::{Class, Event};
use gatehouse_core::site::is_silent_event;
use gatehouse_journal::{Query, ReadError, Reader};
use serde_json::{Map, Value, json};

/// Facts whose words may leave: our own words, ids of the configuration, versions and hashes.
const WORDS: [&str; 24] = [
    "act",
    "after",
    "before",
    "broker",
    "changed",
    "config",
    "due",
    "from",
    "input",
    "key",
    "mode",
    "needs_restart",
    "outcome",
    "part",
    "reason",
    "removed",
    "added",
    "side",
    "state",
    "to",
    "unit",
    "version",
    "via",
    "zone",
];

/// Lines of JSON, oldest first; and how many of the newest were passed over.
///
/// # Errors
/// The journal cannot be read.
pub(super) fn newest(dir: &Path, boot: &str, count: usize) -> Result<(String, usize), ReadError> {
    if count == 0 {
        return Ok((String::new(), 0));
    }
    let reader = Reader::open(dir, boot);
    let query = Query {
        since: None,
        until: None,
        class: None,
        source: None,
        after: None,
        newest_first: true,
        limit: count,
    };
    let records = reader.query(&query)?;
    let read = |payload: &[u8]| serde_json::from_slice::<Event>(payload).ok();
    let lines: Vec<_> =
        records.iter().rev().filter_map(|record| outside(&read(&record.payload)?)).collect();
    let text = lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
    Ok((text, records.len() - lines.len()))
}

/// What somebody outside may see of an event; `None`: nothing.
fn outside(event: &Event) -> Option<Value> {
    let draft = &event.draft;
    let of_people = draft.class == Class::Access
        || draft.source.kind == "account"
        || ["page.", "credential", "incident.", "access.", "evidence."]
            .iter()
            .any(|kind| draft.kind.starts_with(kind));
    if of_people || is_silent_event(draft) {
        return None;
    }
    // Of faults the cause is ours or the kernel's; elsewhere people say what they like.
    let told = matches!(draft.class, Class::Fault | Class::System);
    Some(json!({
        "seq": event.seq,
        "session": event.session,
        "time": draft.time,
        "class": draft.class,
        "type": draft.kind,
        "qualifier": draft.qualifier,
        "severity": draft.severity,
        "source": draft.source,
        "state": draft.state,
        "opens": draft.opens,
        "cause": draft.cause.as_ref().filter(|_| told),
        "detail": draft.detail.as_ref().map(facts),
        "flags": draft.flags,
    }))
}

/// Numbers and flags, and words by their names.
fn facts(detail: &Value) -> Value {
    let Value::Object(all) = detail else { return Value::Null };
    let mut kept = Map::new();
    for (name, value) in all {
        let known = WORDS.contains(&name.as_str());
        let value = match value {
            Value::Bool(_) | Value::Number(_) | Value::Null => value.clone(),
            Value::Object(_) => facts(value),
            Value::String(_) | Value::Array(_) if known => value.clone(),
            Value::String(_) | Value::Array(_) => continue,
        };
        kept.insert(name.clone(), value);
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_facts_only_numbers_and_known_words_leave() {
        let detail = json!({
            "mv": 11_900, "unit": "camera:gate", "user": "li", "operator": "op-7", "account": "li",
            "text": "ask Li", "file": "a.jpg", "sealed": { "for": "age1", "bytes": 7 },
            "changed": ["door.lobby.name"], "visited": ["li"], "dark": null,
        });
        assert_eq!(
            facts(&detail),
            json!({ "mv": 11_900, "unit": "camera:gate", "sealed": { "bytes": 7 },
                    "changed": ["door.lobby.name"], "dark": null })
        );
    }
}
