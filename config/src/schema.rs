//! The JSON Schema of the file, for editors: made from the same declaration that reads it.

use serde_json::{Map, Value, json};

use crate::keys::{FILE, credential};
use crate::spec::{AnyKey, Presence, Table, Times};

/// The schema as it is shipped, `gateway.schema.json`.
pub(crate) fn document() -> String {
    of(&FILE, "gateway.toml")
}

/// The schema of the list of credentials, `credentials.schema.json`.
pub(crate) fn credentials() -> String {
    of(&credential::FILE, "credentials.toml")
}

fn of(whole: &Table, title: &str) -> String {
    let mut schema = object(whole);
    if let Some(map) = schema.as_object_mut() {
        map.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        map.insert("title".into(), title.into());
    }
    // A `Value` is always JSON.
    format!("{schema:#}\n")
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in table.keys {
        properties.insert(key.name().to_owned(), property(*key));
        if key.presence() == Presence::Required {
            required.push(key.name());
        }
    }
    for within in table.tables {
        let schema = match within.times {
            Times::Several { min, max } => json!({
                "type": "array",
                "minItems": min,
                "maxItems": max,
                "description": within.doc,
                "items": object(within),
            }),
            Times::Once | Times::AtMostOnce => object(within),
        };
        properties.insert(within.name.to_owned(), schema);
        if within.is_required() {
            required.push(within.name);
        }
    }
    json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(key: &dyn AnyKey) -> Value {
    let mut schema = key.schema();
    if let Some(map) = schema.as_object_mut() {
        map.insert("description".into(), key.doc().into());
        if let Presence::Default(text) = key.presence() {
            // The defaults are numbers and plain quoted words: the same in TOML and JSON.
            map.insert("default".into(), serde_json::from_str(text).unwrap_or(Value::Null));
        }
    }
    schema
}
