use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::contract::MESSAGES;
use crate::event::Class;
use crate::topic::{Address, ROOT};

/// The files as they are shipped. `UPDATE=1` writes them anew; what has changed is then for a person
/// to read, since others build on it.
#[test]
fn the_published_files_are_what_the_types_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/contract");
    let files = files();
    let names: BTreeSet<_> = files.iter().map(|(name, _)| name.clone()).collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(here.join("schema")).unwrap();
        for (name, text) in &files {
            std::fs::write(here.join(name), text).unwrap();
        }
    }
    for (name, text) in &files {
        let shipped = std::fs::read_to_string(here.join(name)).unwrap_or_default();
        assert!(shipped == *text, "{name} differs: UPDATE=1 cargo test -p gatehouse-core document");
    }
    for entry in std::fs::read_dir(here.join("schema")).unwrap() {
        let name = format!("schema/{}", entry.unwrap().file_name().to_str().unwrap());
        assert!(names.contains(&name), "{name} is of no message: remove it");
    }
}

#[test]
fn every_topic_that_the_gateway_builds_has_its_channel() {
    let address = Address {
        district: "d".parse().unwrap(),
        site: "s".parse().unwrap(),
        gateway: "g".parse().unwrap(),
    };
    let id = "x".parse().unwrap();
    let mut topics = vec![
        address.status(),
        address.heartbeat(),
        address.description(),
        address.receipt(),
        address.alarm_act(&id),
        address.district_state(),
        address.snapshot(&id),
    ];
    topics.extend(Class::ALL.map(|class| address.events(class)));
    let kinds = ["door", "zone", "partition", "reader", "output", "camera", "alarm"];
    topics.extend(kinds.map(|kind| address.state(kind, &id)));
    for topic in &topics {
        let levels: Vec<_> = topic.split('/').collect();
        let fits = |message: &&Message| {
            let address = format!("{ROOT}/{}", message.topic);
            let of: Vec<_> = address.split('/').collect();
            let pairs = || of.iter().zip(&levels);
            of.len() == levels.len() && pairs().all(|(a, b)| a.starts_with('{') || a == b)
        };
        let found: Vec<_> = MESSAGES.iter().filter(fits).map(|message| message.name).collect();
        assert_eq!(found.len(), 1, "{topic}: {found:?}");
    }
}

/// Every `$ref` of a document points at something in it.
fn refer(value: &Value, root: &Value) {
    match value {
        Value::Object(map) => {
            if let Some(path) = map.get("$ref").and_then(Value::as_str) {
                let path = path.strip_prefix('#').unwrap();
                assert!(root.pointer(path).is_some(), "{path} is not there");
            }
            map.values().for_each(|value| refer(value, root));
        }
        Value::Array(items) => items.iter().for_each(|value| refer(value, root)),
        _ => {}
    }
}

#[test]
fn every_reference_points_at_something() {
    let document = asyncapi::document();
    refer(&document, &document);
    for message in MESSAGES {
        let schema = schema(message);
        refer(&schema, &schema);
    }
}

#[test]
fn a_text_that_could_be_mistaken_is_quoted() {
    let value = serde_json::json!({
        "a": ["no", "plain words, as they are", "a: b", "", "1", " x", null, [], {}],
        "on": { "lines": "one\n\ntwo", "list": [{ "b": 1, "a": "é" }] },
    });
    let expected = "\
a:
  - \"no\"
  - plain words, as they are
  - \"a: b\"
  - \"\"
  - \"1\"
  - \" x\"
  - null
  - []
  - {}
\"on\":
  lines: |-
    one

    two
  list:
    - a: \"é\"
      b: 1
";
    assert_eq!(yaml::render(&value), expected);
}
