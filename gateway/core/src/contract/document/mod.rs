//! The contract as documents: JSON Schemas and AsyncAPI, made from the types that are serialised.
//!
//! What a gateway sends is described as it is written, what it receives as it is read: a field that
//! may be left out there need not be there here. JSON Schema is draft 7, which the schemas of
//! AsyncAPI 3 are a superset of.

mod asyncapi;
mod schema;
mod yaml;

use serde_json::Value;

use super::Message;

use schema::schema;

/// The AsyncAPI 3 document as YAML.
pub fn asyncapi() -> String {
    let head = "# The contract between a gateway and its district. Made by `gatehouse contract`.\n";
    format!("{head}{}", yaml::render(&asyncapi::document()))
}

/// A message's JSON Schema as text, whole in itself.
pub fn schema_text(message: &Message) -> String {
    format!("{:#}\n", yaml::sorted(schema(message)))
}

/// Every file of the published contract: its path and its text.
pub fn files() -> Vec<(String, String)> {
    let schemas = super::MESSAGES.iter().map(|message| {
        let name = format!("schema/{}.json", message.name);
        (name, schema_text(message))
    });
    std::iter::once(("asyncapi.yaml".to_owned(), asyncapi())).chain(schemas).collect()
}

/// A reference to a part of the document.
fn reference(path: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/{path}") })
}

#[cfg(test)]
mod tests;
