//! What each type of event carries: class, qualifier, source and detail, from `events.csv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::event::{Class, Draft, Qualifier};

/// The table, as it is shipped.
pub const TABLE: &str = include_str!("events.csv");

/// Facts that any event's `detail` may have: which incident an alarm opened or joined, and the
/// interval in which nobody watched, of what was found after it.
const EVERYWHERE: &str = "incident:text? dark:object/null?";

/// One type of event.
#[derive(Clone, Debug)]
pub struct EventType {
    /// Its name, as `door.opened`.
    pub name: &'static str,
    /// The classes that it may have.
    pub classes: Vec<Class>,
    /// The qualifiers that it may have.
    pub qualifiers: Vec<Qualifier>,
    /// The kinds of source that it may have.
    pub sources: Vec<&'static str>,
    /// What its `detail` has.
    pub facts: Vec<Fact>,
    /// What it means, in a sentence.
    pub what: &'static str,
}

/// One field of an event's `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: &'static str,
    /// What it is: `text`, `int`, `bool`, `seq`, `utc`, `list`, `object`, and `null` beside it.
    forms: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
}

static TYPES: LazyLock<Types> = LazyLock::new(Types::read);

struct Types {
    all: Vec<EventType>,
    of_name: HashMap<&'static str, usize>,
}

impl Types {
    fn read() -> Self {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let all: Vec<_> = lines.filter_map(EventType::read).collect();
        let of_name = all.iter().enumerate().map(|(n, it)| (it.name, n)).collect();
        Self { all, of_name }
    }
}

/// Every type, in the order of the table.
pub fn all() -> &'static [EventType] {
    &TYPES.all
}

/// The type of this name.
pub fn of_name(name: &str) -> Option<&'static EventType> {
    TYPES.of_name.get(name).map(|n| &TYPES.all[*n])
}

/// Whether an event is what the table says of its type.
///
/// # Errors
/// What differs.
pub fn check(draft: &Draft) -> Result<(), String> {
    let Some(known) = of_name(&draft.kind) else {
        return Err(format!("{} is not in contract/events.csv", draft.kind));
    };
    known.check(draft).map_err(|what| format!("{}: {what}", draft.kind))
}

impl EventType {
    fn read(line: &'static str) -> Option<Self> {
        let mut fields = line.split('|').map(str::trim);
        let name = fields.next()?;
        let classes = fields.next()?.split('/').filter_map(Class::from_word).collect();
        let qualifiers = fields.next()?.split('/').filter_map(qualifier).collect();
        let sources = fields.next()?.split('/').collect();
        let facts = fields.next()?.split_whitespace().filter_map(Fact::read).collect();
        Some(Self { name, classes, qualifiers, sources, facts, what: fields.next()? })
    }

    /// The facts of this type, and those of any.
    fn all_facts(&self) -> impl Iterator<Item = Fact> {
        let others = everywhere().filter(|fact| self.facts.iter().all(|own| own.name != fact.name));
        self.facts.iter().copied().chain(others)
    }

    fn check(&self, draft: &Draft) -> Result<(), String> {
        if !self.classes.contains(&draft.class) {
            return Err(format!("class {:?}", draft.class));
        }
        if !self.qualifiers.contains(&draft.qualifier) {
            return Err(format!("qualifier {:?}", draft.qualifier));
        }
        if !self.sources.contains(&&*draft.source.kind) {
            return Err(format!("source {:?}", draft.source.kind));
        }
        let none = serde_json::Map::new();
        let detail = match &draft.detail {
            None => &none,
            Some(Value::Object(detail)) => detail,
            Some(other) => return Err(format!("detail {other}")),
        };
        for fact in self.all_facts() {
            match detail.get(fact.name) {
                None if fact.optional => {}
                None => return Err(format!("no detail.{}", fact.name)),
                Some(value) if fact.is(value) => {}
                Some(value) => return Err(format!("detail.{} is {value}", fact.name)),
            }
        }
        match detail.keys().find(|key| self.all_facts().all(|fact| fact.name != *key)) {
            Some(key) => Err(format!("detail.{key} is not in the table")),
            None => Ok(()),
        }
    }

    /// What holds for an event of this type, as JSON Schema.
    pub(super) fn schema(&self) -> Value {
        let mut properties = json!({
            "class": { "enum": self.classes },
            "qualifier": { "enum": self.qualifiers },
            "source": { "properties": { "kind": { "enum": self.sources } } },
        });
        let mut schema = json!({ "description": self.what });
        if !self.facts.is_empty() {
            properties["detail"] = object(self.facts.iter().copied());
        }
        if self.facts.iter().any(|fact| !fact.optional) {
            schema["required"] = json!(["detail"]);
        }
        schema["properties"] = properties;
        schema
    }
}

/// What may be in the `detail` of any event, as JSON Schema.
pub(super) fn common() -> Value {
    json!({ "properties": { "detail": object(everywhere()) } })
}

fn everywhere() -> impl Iterator<Item = Fact> + Clone {
    EVERYWHERE.split_whitespace().filter_map(Fact::read)
}

fn object(facts: impl Iterator<Item = Fact> + Clone) -> Value {
    let required: Vec<_> = facts.clone().filter(|fact| !fact.optional).map(|it| it.name).collect();
    let properties = facts.map(|fact| (fact.name.to_owned(), fact.schema()));
    let mut schema = json!({ "type": "object" });
    schema["properties"] = Value::Object(properties.collect());
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

impl Fact {
    fn read(text: &'static str) -> Option<Self> {
        let (name, forms) = text.split_once(':')?;
        let optional = forms.ends_with('?');
        Some(Self { name, forms: forms.trim_end_matches('?'), optional })
    }

    fn is(self, value: &Value) -> bool {
        self.forms.split('/').any(|form| match form {
            "text" | "utc" => value.is_string(),
            "int" => value.is_i64() || value.is_u64(),
            "seq" => value.is_u64(),
            "bool" => value.is_boolean(),
            "list" => value.is_array(),
            "object" => value.is_object(),
            _ => value.is_null(),
        })
    }

    fn schema(self) -> Value {
        let of = |form| match form {
            "text" => json!({ "type": "string" }),
            "utc" => json!({ "type": "string", "format": "date-time" }),
            "int" => json!({ "type": "integer" }),
            "seq" => json!({ "type": "integer", "minimum": 0 }),
            "bool" => json!({ "type": "boolean" }),
            "list" => json!({ "type": "array" }),
            "object" => json!({ "type": "object" }),
            _ => json!({ "type": "null" }),
        };
        let mut forms: Vec<_> = self.forms.split('/').map(of).collect();
        if forms.len() == 1 { forms.remove(0) } else { json!({ "anyOf": forms }) }
    }
}

fn qualifier(word: &str) -> Option<Qualifier> {
    match word {
        "new" => Some(Qualifier::New),
        "restore" => Some(Qualifier::Restore),
        "status" => Some(Qualifier::Status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codes, site};

    #[test]
    fn every_row_is_whole_and_every_type_is_there_once() {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().len(), rows, "a row without six fields");
        assert_eq!(TYPES.of_name.len(), rows, "a type stands there twice");
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.split('|').map(str::trim).collect();
            let known = of_name(words[0]).unwrap();
            assert_eq!(known.classes.len(), words[1].split('/').count(), "{line}");
            assert_eq!(known.qualifiers.len(), words[2].split('/').count(), "{line}");
            assert_eq!(known.facts.len(), words[4].split_whitespace().count(), "{line}");
            let forms = ["text", "utc", "int", "seq", "bool", "list", "object", "null"];
            let odd = |fact: &&Fact| fact.forms.split('/').any(|form| !forms.contains(&form));
            assert_eq!(known.facts.iter().find(odd), None, "{line}");
            assert!(known.what.ends_with('.') && known.what.len() > 10, "{line}");
        }
    }

    #[test]
    fn what_has_a_code_is_described_and_the_other_way_round() {
        for code in codes::all() {
            assert!(of_name(code.kind).is_some(), "{} is not in events.csv", code.kind);
        }
        for known in all() {
            assert!(codes::of_kind(known.name).is_some(), "{} has no code", known.name);
        }
        for kind in site::EVENT_TYPES {
            assert!(of_name(kind).is_some(), "{kind} is not in events.csv");
        }
    }

    #[test]
    fn an_event_that_is_not_what_the_table_says_is_found() {
        let mut draft = crate::event::tests::draft(Class::Door, Vec::new());
        assert_eq!(check(&draft), Ok(()));
        draft.detail = Some(json!({ "dark": {} }));
        assert_eq!(check(&draft), Ok(()));
        draft.detail = Some(json!({ "card": "1234" }));
        assert_eq!(check(&draft), Err("door.opened: detail.card is not in the table".into()));
        draft.detail = None;
        draft.class = Class::Alarm;
        assert_eq!(check(&draft), Err("door.opened: class Alarm".into()));
        draft.kind = "bus.lost".into();
        (draft.class, draft.source.kind) = (Class::Fault, "bus".into());
        assert_eq!(check(&draft), Err("bus.lost: no detail.things".into()));
    }
}
