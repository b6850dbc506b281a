//! JSON values as YAML: as much of it as these documents need.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What a person wants to see first of an object; the rest follows by name.
const FIRST: &[&str] = &[
    "asyncapi",
    "info",
    "defaultContentType",
    "channels",
    "operations",
    "components",
    "name",
    "title",
    "version",
    "action",
    "address",
    "summary",
    "description",
    "$ref",
    "type",
    "const",
];

/// A document.
pub(super) fn render(value: &Value) -> String {
    let mut text = String::new();
    put(value, 0, &mut text);
    text
}

/// The same with the fields of every object in the order of their names, however the crate that
/// holds them was built.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().map(|(name, it)| (name, sorted(it))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

fn rank(name: &str) -> (usize, &str) {
    (FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len()), name)
}

fn put(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => object(map, indent, false, text),
        Value::Array(items) if !items.is_empty() => array(items, indent, text),
        plain => line(plain, text),
    }
}

/// `inline`: its first field stands where the cursor is, behind a dash.
fn object(map: &Map<String, Value>, indent: usize, inline: bool, text: &mut String) {
    let mut fields: Vec<_> = map.iter().collect();
    fields.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)));
    for (place, (name, value)) in fields.into_iter().enumerate() {
        if place > 0 || !inline {
            pad(indent, text);
        }
        scalar(name, text);
        text.push(':');
        within(value, indent, text);
    }
}

fn array(items: &[Value], indent: usize, text: &mut String) {
    for item in items {
        pad(indent, text);
        text.push('-');
        match item {
            Value::Object(map) if !map.is_empty() => {
                text.push(' ');
                object(map, indent + 2, true, text);
            }
            item => within(item, indent, text),
        }
    }
}

/// What stands behind a name or a dash.
fn within(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            object(map, indent + 2, false, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            array(items, indent + 2, text);
        }
        Value::String(long) if long.contains('\n') => block(long, indent + 2, text),
        plain => {
            text.push(' ');
            line(plain, text);
        }
    }
}

fn line(plain: &Value, text: &mut String) {
    match plain {
        Value::String(words) => scalar(words, text),
        // Numbers, `true`, `null`, and what is empty are written as in JSON.
        other => write!(text, "{other}").expect("a String takes everything"),
    }
    text.push('\n');
}

/// Several lines, as they are.
fn block(long: &str, indent: usize, text: &mut String) {
    text.push_str(" |-\n");
    for line in long.lines() {
        if !line.is_empty() {
            pad(indent, text);
            text.push_str(line);
        }
        text.push('\n');
    }
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}

/// A text, quoted as in JSON unless nobody can mistake it.
fn scalar(words: &str, text: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_ -/.,'()".contains(c);
    let is_plain = words.starts_with(|c: char| c.is_ascii_alphabetic())
        && words.chars().all(plain)
        && !words.ends_with(' ')
        && !matches!(
            words.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if is_plain {
        text.push_str(words);
    } else {
        write!(text, "{}", Value::from(words)).expect("a String takes everything");
    }
}
