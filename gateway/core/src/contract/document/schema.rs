//! JSON Schemas, each for itself and all together.

use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::transform_subschemas;
use serde_json::{Map, Value};

use super::super::{MESSAGES, Message, Way};

/// Where the schemas of a document stand.
const COMPONENTS: &str = "/components/schemas";

/// A message's schema, whole in itself.
pub(super) fn schema(message: &Message) -> Value {
    let mut schemas = generator(message.way, "/definitions");
    let root = (message.schema)(&mut schemas);
    let mut definitions = schemas.take_definitions(true);
    // The root is a reference to its own definition, which takes its place.
    let name = referred(&root).and_then(|path| path.rsplit('/').next().map(str::to_owned));
    let root = name.and_then(|name| definitions.remove(&name)).unwrap_or_else(|| root.to_value());
    let mut whole = Map::new();
    whole.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    whole.extend(root.as_object().cloned().unwrap_or_default());
    whole.insert("title".into(), message.name.into());
    whole.insert("description".into(), message.summary.into());
    if !definitions.is_empty() {
        whole.insert("definitions".into(), Value::Object(definitions));
    }
    Value::Object(whole)
}

/// The schemas of all messages, and a reference to that of each.
///
/// # Panics
/// When a type that both ways share is written otherwise than it is read: then it needs two names.
pub(super) fn components() -> (Map<String, Value>, Vec<(&'static Message, Value)>) {
    let mut all = Map::new();
    let mut references = Vec::new();
    for way in [Way::Up, Way::Down] {
        let mut schemas = generator(way, COMPONENTS);
        for message in MESSAGES.iter().filter(|message| message.way == way) {
            references.push((message, (message.schema)(&mut schemas).to_value()));
        }
        for (name, schema) in schemas.take_definitions(true) {
            if let Some(other) = all.insert(name.clone(), schema.clone()) {
                assert_eq!(other, schema, "{name} is written otherwise than it is read");
            }
        }
    }
    (all, references)
}

fn generator(way: Way, definitions: &'static str) -> SchemaGenerator {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = definitions.into();
        settings.meta_schema = None;
    });
    let settings = match way {
        Way::Up => settings.for_serialize(),
        Way::Down => settings.for_deserialize(),
    };
    settings.with_transform(plain_words).into_generator()
}

fn referred(schema: &Schema) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

/// Takes the links of the source's own documentation out of the descriptions.
fn plain_words(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
    }
    transform_subschemas(&mut plain_words, schema);
}
