//! Changes of `gateway.toml` as steps, made in the text that people wrote: comments, order and
//! everything that is not meant stay as they are.
//!
//! A place is named as people say it, `door.lobby.name`: tables by their names, an entry of a repeated
//! table by its `id`. A step knows TOML and the names of our tables, not what a key may hold: whether
//! what comes out may be used says [`Config::parse`](crate::Config::parse), as for any other file.
//!
//! ```
//! use gatehouse_config::change::{self, Edit, Plain};
//!
//! let text = "[[door]]\nid = \"lobby\" # by the stairs\nname = \"Door\" # old\n";
//! let edit = Edit::Set { at: change::place("door.lobby.name")?, value: Plain::from("Lobby") };
//! let changed = change::change(text, &[edit])?;
//! assert_eq!(changed, text.replace("\"Door\"", "\"Lobby\""));
//! # Ok::<(), change::ChangeError>(())
//! ```
//!
//! Limits: a comment within a list goes with the list that is replaced, the comment above a key with
//! the key that is taken out, the comment right above an entry with the entry. Dotted keys of one
//! table may change their order, which means nothing.

mod differs;
mod tree;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

use crate::MAX_BYTES;
use crate::keys::FILE;
use crate::spec::{self, AnyKey, Times};

pub use differs::changed_places;

/// A value of a step: what a key of ours may hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plain {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Plain>),
}

impl From<&str> for Plain {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// A key gets a value; one that is not there is added behind the others of its table.
    Set {
        /// Its place, as `["door", "lobby", "name"]`.
        at: Vec<String>,
        /// The value.
        value: Plain,
    },
    /// A key is taken out: its default holds.
    Unset {
        /// Its place.
        at: Vec<String>,
    },
    /// One more entry of a repeated table, behind the others.
    Add {
        /// The table, as `["schedule"]` or `["camera", "gate", "area"]`.
        at: Vec<String>,
        /// Its keys, `id` among them.
        entry: BTreeMap<String, Plain>,
    },
    /// An entry of a repeated table is taken out, with all that is within it.
    Remove {
        /// Its place, as `["schedule", "night"]`.
        at: Vec<String>,
    },
}

/// Why a step cannot be made. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The file is no TOML: a person's mistake.
    #[error("the configuration is not TOML; gatehouse check names its mistakes")]
    Unreadable,
    /// Not a place.
    #[error("`{0}` is no place: write it as door.lobby.name, with the id of the entry in between")]
    NoPlace(String),
    /// There is no entry with this id.
    #[error("there is no {table} `{id}`; {}", there(known))]
    NoEntry {
        /// The repeated table.
        table: String,
        /// The id that was named.
        id: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is one with this id already.
    #[error("there is a {table} `{id}` already")]
    There {
        /// The repeated table.
        table: String,
        /// The id.
        id: String,
    },
    /// Nothing is at this place.
    #[error("there is no `{0}` in the configuration")]
    Nothing(String),
    /// A table where a key was meant, or the other way round.
    #[error("`{0}` is {1}")]
    Other(String, &'static str),
    /// Entries in braces, which cannot be added or taken out safely.
    #[error("`{0}` is not written as [[{0}]] tables; change it by hand")]
    OtherForm(String),
    /// An entry needs an id.
    #[error("a new {0} needs an `id`")]
    NoId(String),
    /// More than a configuration may have.
    #[error("the configuration would be larger than {MAX_BYTES} bytes")]
    TooLarge,
}

fn there(known: &[String]) -> String {
    match known {
        [] => "there is none".to_owned(),
        known => format!("there are {}", known.join(", ")),
    }
}

/// A place from its words: `door.lobby.name`.
///
/// # Errors
/// [`ChangeError::NoPlace`]: every part is made of a-z, 0-9 and '-'.
pub fn place(text: &str) -> Result<Vec<String>, ChangeError> {
    let good = |part: &str| {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=64).contains(&part.len()) && part.bytes().all(letter)
    };
    let parts: Vec<_> = text.split('.').map(str::to_owned).collect();
    if (2..=8).contains(&parts.len()) && parts.iter().all(|part| good(part)) {
        Ok(parts)
    } else {
        Err(ChangeError::NoPlace(text.to_owned()))
    }
}

/// A value as somebody types it for this place: as in the file, and for a key that holds a text, the
/// text without its quotes as well.
pub fn plain(at: &[String], typed: &str) -> Plain {
    let text = || Plain::Text(typed.to_owned());
    let is_text = declared(at).is_some_and(|key| key.schema()["type"] == "string");
    let quoted = typed.starts_with(['"', '\'']);
    if is_text && !quoted {
        return text();
    }
    match DeValue::parse(typed) {
        Ok(value) => of_toml(value.get_ref()).unwrap_or_else(text),
        Err(_) => text(),
    }
}

fn of_toml(value: &DeValue<'_>) -> Option<Plain> {
    Some(match value {
        DeValue::String(text) => Plain::Text(text.to_string()),
        DeValue::Integer(n) => Plain::Whole(i64::from_str_radix(n.as_str(), n.radix()).ok()?),
        DeValue::Float(n) => Plain::Real(n.as_str().parse().ok()?),
        DeValue::Boolean(is) => Plain::Bool(*is),
        DeValue::Array(list) => {
            let list = list.iter().map(|one| of_toml(one.get_ref()));
            Plain::List(list.collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

/// The declaration of the key at a place, if it is one of ours.
fn declared(at: &[String]) -> Option<&'static dyn AnyKey> {
    let (key, parents) = at.split_last()?;
    table_of(parents)?.key(key)
}

/// The declaration of the table that a place leads to; ids are passed over.
fn table_of(at: &[String]) -> Option<&'static spec::Table> {
    let (mut table, mut rest) = (&FILE, at.iter());
    while let Some(name) = rest.next() {
        table = table.table(name)?;
        if is_repeated(table) {
            rest.next();
        }
    }
    Some(table)
}

fn is_repeated(table: &spec::Table) -> bool {
    matches!(table.times, Times::Several { .. })
}

/// The text with every step made, in their order, or without any.
///
/// # Errors
/// The first step that cannot be made.
pub fn change(text: &str, edits: &[Edit]) -> Result<String, ChangeError> {
    let mut file: DocumentMut = text.parse().map_err(|_| ChangeError::Unreadable)?;
    for edit in edits {
        match edit {
            Edit::Set { at, value } => set(&mut file, at, value)?,
            Edit::Unset { at } => unset(&mut file, at)?,
            Edit::Add { at, entry } => add(&mut file, at, entry)?,
            Edit::Remove { at } => tree::remove(&mut file, at)?,
        }
    }
    let text = file.to_string();
    if text.len() as u64 > MAX_BYTES {
        return Err(ChangeError::TooLarge);
    }
    Ok(text)
}

fn set(file: &mut DocumentMut, at: &[String], value: &Plain) -> Result<(), ChangeError> {
    let (key, parents) = checked(at, 2)?;
    let table = tree::table(file, parents, true)?;
    let mut new = of_plain(value);
    match table.get_mut(key) {
        Some(Item::Value(Value::InlineTable(_)) | Item::Table(_) | Item::ArrayOfTables(_)) => {
            return Err(ChangeError::Other(at.join("."), "a table: name a key in it"));
        }
        Some(Item::Value(old)) => {
            // What stands behind it in its line stays, the comment above all.
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        Some(Item::None) | None => drop(table.insert(key, Item::Value(new))),
    }
    Ok(())
}

fn unset(file: &mut DocumentMut, at: &[String]) -> Result<(), ChangeError> {
    let (key, parents) = checked(at, 2)?;
    let table = tree::table(file, parents, false)?;
    match table.get(key) {
        Some(Item::Value(Value::InlineTable(_)) | Item::Table(_) | Item::ArrayOfTables(_)) => {
            Err(ChangeError::Other(at.join("."), "a table: name a key in it"))
        }
        Some(Item::Value(_)) => {
            table.remove(key);
            Ok(())
        }
        Some(Item::None) | None => Err(ChangeError::Nothing(at.join("."))),
    }
}

fn add(
    file: &mut DocumentMut,
    at: &[String],
    entry: &BTreeMap<String, Plain>,
) -> Result<(), ChangeError> {
    let (name, parents) = checked(at, 1)?;
    for key in entry.keys() {
        checked(std::slice::from_ref(key), 1)?;
    }
    let Some(Plain::Text(id)) = entry.get("id") else {
        return Err(ChangeError::NoId(name.to_owned()));
    };
    let holder = tree::table(file, parents, false)?;
    if holder.get(name).is_none_or(Item::is_none) {
        holder.insert(name, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    let Some(Item::ArrayOfTables(list)) = holder.get_mut(name) else {
        return Err(ChangeError::OtherForm(name.to_owned()));
    };
    if list.iter().any(|one| tree::id_of(one) == Some(id.as_str())) {
        return Err(ChangeError::There { table: name.to_owned(), id: id.clone() });
    }
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    // As the documentation has them, the id first; what it does not know is refused later, by name.
    let known = table_of(at).map_or(&[][..], |table| table.keys);
    let rank = |key: &str| known.iter().position(|it| it.name() == key).unwrap_or(known.len());
    let mut entry: Vec<_> = entry.iter().collect();
    entry.sort_by_key(|(key, _)| rank(key));
    for (key, value) in entry {
        table.insert(key, Item::Value(of_plain(value)));
    }
    list.push(table);
    Ok(())
}

/// The last part of a place and those before it; places from outside have at least so many parts, of
/// the letters that keys and ids have.
fn checked(at: &[String], least: usize) -> Result<(&str, &[String]), ChangeError> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = |part: &String| (1..=64).contains(&part.len()) && part.bytes().all(letter);
    match at.split_last() {
        Some((last, before)) if (least..=8).contains(&at.len()) && at.iter().all(good) => {
            Ok((last, before))
        }
        _ => Err(ChangeError::NoPlace(at.join("."))),
    }
}

fn of_plain(value: &Plain) -> Value {
    match value {
        Plain::Bool(is) => (*is).into(),
        Plain::Whole(n) => (*n).into(),
        Plain::Real(n) => (*n).into(),
        Plain::Text(text) => text.as_str().into(),
        Plain::List(list) => list.iter().map(of_plain).collect(),
    }
}

/// The tables of these names as JSON, as they stand in a text that [`Config`](crate::Config) has taken:
/// for pages that show what is written, not what it becomes. A name that is not there is left out.
/// `None`: the text is not TOML.
pub fn tables(text: &str, names: &[&str]) -> Option<serde_json::Value> {
    let whole: toml::Table = text.parse().ok()?;
    let named = whole.into_iter().filter(|(name, _)| names.contains(&name.as_str()));
    Some(serde_json::Value::Object(named.map(|(name, value)| (name, json_of(value))).collect()))
}

fn json_of(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(n) => n.into(),
        toml::Value::Float(n) => n.into(),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => {
            serde_json::Value::Object(table.into_iter().map(|(k, v)| (k, json_of(v))).collect())
        }
    }
}
