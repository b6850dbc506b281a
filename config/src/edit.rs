//! Changes of the list of credentials as text: everything else in the file stays as people wrote
//! it, comments included.

use std::fmt::Write as _;
use std::ops::Range;

use gatehouse_core::credential::CredentialHash;
use toml::de::{DeTable, DeValue};
use toml_edit::{Datetime, DocumentMut, Item, TableLike, Value};

use crate::keys::credential as keys;

/// Why a list is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is no TOML: a person's mistake.
    #[error("the list of credentials cannot be read; gatehouse check names its mistakes")]
    Unreadable,
    /// Written in braces, or as something else.
    #[error("the list is not written as [[credential]] tables; change it by hand")]
    OtherForm,
    /// Enrolled before.
    #[error("this credential is in the list already")]
    There,
    /// Not enrolled, or removed.
    #[error("there is no such credential in the list")]
    NotThere,
}

/// What a new credential may do, as written in the file. Ids and moments are checked when the list is
/// read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewCredential {
    /// Whose it is.
    pub label: Option<String>,
    /// The first day or moment, as TOML has it.
    pub from: Option<String>,
    /// The last day or moment.
    pub until: Option<String>,
    /// Weekly windows.
    pub weekly: Vec<String>,
    /// Doors; `None`: every one, if there are no areas either.
    pub doors: Option<Vec<String>>,
    /// Areas.
    pub areas: Option<Vec<String>>,
    /// Partitions that it may arm.
    pub arms: Vec<String>,
    /// Partitions that it may disarm.
    pub disarms: Vec<String>,
    /// The hash of its PIN.
    pub pin: Option<CredentialHash>,
    /// The hash of the PIN under duress.
    pub duress_pin: Option<CredentialHash>,
    /// Shown only under duress.
    pub duress: bool,
}

/// The text with one more credential at its end.
///
/// # Errors
/// See [`EditError`].
pub fn enrol(text: &str, hash: CredentialHash, new: &NewCredential) -> Result<String, EditError> {
    if entries(text)?.iter().any(|entry| entry.hash == Some(hash)) {
        return Err(EditError::There);
    }
    let mut out = text.to_owned();
    if !out.is_empty() {
        // A blank line between two entries, and an end for the last line.
        out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    }
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let list = |all: &[String]| {
        let words: Vec<_> = all.iter().map(|text| quoted(text)).collect();
        format!("[{}]", words.join(", "))
    };
    let some = |all: &[String]| (!all.is_empty()).then(|| list(all));
    let hashed = |hash: CredentialHash| quoted(&hash.to_string());
    // What is no moment stays a text, which the checker refuses by name: nothing that somebody types
    // becomes a line of the file.
    let moment = |text: &str| match text.parse::<Datetime>() {
        Ok(moment) => moment.to_string(),
        Err(_) => quoted(text),
    };
    let lines = [
        (keys::HASH.name, Some(hashed(hash))),
        (keys::LABEL.name, new.label.as_deref().map(quoted)),
        (keys::FROM.name, new.from.as_deref().map(moment)),
        (keys::UNTIL.name, new.until.as_deref().map(moment)),
        (keys::WEEKLY.name, some(&new.weekly)),
        (keys::DOORS.name, new.doors.as_deref().map(list)),
        (keys::AREAS.name, new.areas.as_deref().map(list)),
        (keys::ARMS.name, some(&new.arms)),
        (keys::DISARMS.name, some(&new.disarms)),
        (keys::PIN.name, new.pin.map(hashed)),
        (keys::DURESS_PIN.name, new.duress_pin.map(hashed)),
        (keys::DURESS.name, new.duress.then(|| "true".to_owned())),
    ];
    // Writing to a String cannot fail.
    let _ = writeln!(out, "[[{}]]", keys::TABLE.name);
    for (key, value) in lines.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        let _ = writeln!(out, "{key} = {value}");
    }
    Ok(out)
}

/// The text with a credential that may do something else: label, time, doors, areas and partitions are
/// as `new` says, what it leaves out is taken out. PINs, duress and whether it is blocked stay as they
/// are, and so do comments.
///
/// # Errors
/// See [`EditError`].
pub fn alter(text: &str, hash: CredentialHash, new: &NewCredential) -> Result<String, EditError> {
    let place = entries(text)?.iter().position(|entry| entry.hash == Some(hash));
    let place = place.ok_or(EditError::NotThere)?;
    let mut file: DocumentMut = text.parse().map_err(|_| EditError::Unreadable)?;
    let list = file.get_mut(keys::TABLE.name).and_then(Item::as_array_of_tables_mut);
    let entry = list.and_then(|list| list.get_mut(place)).ok_or(EditError::OtherForm)?;
    let moment = |text: &str| match text.parse::<Datetime>() {
        Ok(moment) => Value::from(moment),
        Err(_) => Value::from(text),
    };
    let list = |all: &[String]| all.iter().map(String::as_str).collect::<Value>();
    let some = |all: &[String]| (!all.is_empty()).then(|| list(all));
    for (key, value) in [
        (keys::LABEL.name, new.label.as_deref().map(Value::from)),
        (keys::FROM.name, new.from.as_deref().map(moment)),
        (keys::UNTIL.name, new.until.as_deref().map(moment)),
        (keys::WEEKLY.name, some(&new.weekly)),
        (keys::DOORS.name, new.doors.as_deref().map(list)),
        (keys::AREAS.name, new.areas.as_deref().map(list)),
        (keys::ARMS.name, some(&new.arms)),
        (keys::DISARMS.name, some(&new.disarms)),
    ] {
        put(entry, key, value);
    }
    Ok(file.to_string())
}

/// Sets a key or takes it out; what stands behind a value in its line stays.
fn put(entry: &mut dyn TableLike, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        entry.remove(key);
        return;
    };
    match entry.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => drop(entry.insert(key, Item::Value(value))),
    }
}

/// The text with a credential blocked, or not any more.
///
/// # Errors
/// See [`EditError`].
pub fn block(text: &str, hash: CredentialHash, blocked: bool) -> Result<String, EditError> {
    let entry = find(text, hash)?;
    let mut out = text.to_owned();
    match entry.blocked {
        Some(value) => out.replace_range(value, if blocked { "true" } else { "false" }),
        None if blocked => {
            let at = text[entry.hash_at.end..].find('\n').map(|n| entry.hash_at.end + n + 1);
            let (at, before) = at.map_or((text.len(), "\n"), |at| (at, ""));
            out.insert_str(at, &format!("{before}{} = true\n", keys::BLOCKED.name));
        }
        None => {}
    }
    Ok(out)
}

/// The text without a credential, and without the comment above it.
///
/// # Errors
/// See [`EditError`].
pub fn remove(text: &str, hash: CredentialHash) -> Result<String, EditError> {
    let all = entries(text)?;
    let place = all.iter().position(|entry| entry.hash == Some(hash)).ok_or(EditError::NotThere)?;
    let begin = comment_above(text, line_start(text, all[place].header));
    let end = match all.get(place + 1) {
        Some(next) => comment_above(text, line_start(text, next.header)),
        None => text.len(),
    };
    Ok(format!("{}{}", &text[..begin], &text[end..]))
}

/// Where one entry stands.
struct Entry {
    hash: Option<CredentialHash>,
    hash_at: Range<usize>,
    header: usize,
    blocked: Option<Range<usize>>,
}

fn find(text: &str, hash: CredentialHash) -> Result<Entry, EditError> {
    let found = entries(text)?.into_iter().find(|entry| entry.hash == Some(hash));
    found.ok_or(EditError::NotThere)
}

fn entries(text: &str) -> Result<Vec<Entry>, EditError> {
    let root = DeTable::parse(text).map_err(|_| EditError::Unreadable)?;
    let Some(list) = root.get_ref().get(keys::TABLE.name) else { return Ok(Vec::new()) };
    let DeValue::Array(list) = list.get_ref() else { return Err(EditError::OtherForm) };
    let mut all = Vec::new();
    for table in list {
        let DeValue::Table(keys_of) = table.get_ref() else { return Err(EditError::OtherForm) };
        let header = table.span().start;
        if !text[header..].starts_with("[[") {
            return Err(EditError::OtherForm);
        }
        let hash = keys_of.get(keys::HASH.name);
        all.push(Entry {
            hash: hash.and_then(|hash| hash.get_ref().as_str()?.parse().ok()),
            hash_at: hash.map_or(0..0, toml::Spanned::span),
            header,
            blocked: keys_of.get(keys::BLOCKED.name).map(toml::Spanned::span),
        });
    }
    Ok(all)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The beginning of the comment that stands right above a line.
fn comment_above(text: &str, line: usize) -> usize {
    let mut begin = line;
    while begin > 0 {
        let above = line_start(text, begin - 1);
        if !text[above..begin].trim_start().starts_with('#') {
            break;
        }
        begin = above;
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_core::credential::SiteKey;
    use proptest::prelude::*;

    fn hash(n: u8) -> CredentialHash {
        SiteKey::new([7; 32]).card(8, &[n])
    }

    fn hashes(text: &str) -> Vec<CredentialHash> {
        entries(text).unwrap().into_iter().filter_map(|entry| entry.hash).collect()
    }

    #[test]
    fn what_people_wrote_stays_and_a_removed_entry_takes_its_own_comment_along() {
        let (a, b) = (hash(1), hash(2));
        let text = format!(
            "# Cards of Willow Court.\n\n# Flat 3, left.\n[[credential]]\nhash = \"{a}\" # blue\n\n\
             # Cleaners.\n[[credential]]\nblocked = false # not yet\nhash = \"{b}\"\n"
        );
        let blocked = block(&block(&text, a, true).unwrap(), b, true).unwrap();
        let expected = text
            .replace("# blue\n", "# blue\nblocked = true\n")
            .replace("blocked = false # not", "blocked = true # not");
        assert_eq!(blocked, expected);
        assert_eq!(block(&block(&text, b, true).unwrap(), b, false).unwrap(), text);
        let removed = remove(&text, a).unwrap();
        assert!(removed.starts_with("# Cards of Willow Court.\n\n# Cleaners.\n[[credential]]"));
        assert_eq!(remove(&removed, a), Err(EditError::NotThere));
        assert_eq!(remove(&removed, b).unwrap(), "# Cards of Willow Court.\n\n");
    }

    #[test]
    fn what_a_credential_may_do_is_altered_and_everything_else_stays() {
        let (a, b) = (hash(1), hash(2));
        let text = format!(
            "# Ours.\n[[credential]]\nhash = \"{a}\" # blue\nlabel = \"Flat 3\" # left\nfrom = 2026-03-01\n\
             pin = \"{b}\"\nduress-pin = \"{a}\"\nblocked = true\n\n# Cleaners.\n[[credential]]\n\
             hash = \"{b}\"\n"
        );
        let new = NewCredential {
            label: Some("Flat 4".to_owned()),
            until: Some("2026-12-31".to_owned()),
            doors: Some(vec!["lobby".to_owned()]),
            ..NewCredential::default()
        };
        let wanted = text
            .replace("\"Flat 3\" # left", "\"Flat 4\" # left")
            .replace("from = 2026-03-01\n", "")
            .replace(
                "blocked = true\n",
                "blocked = true\nuntil = 2026-12-31\ndoors = [\"lobby\"]\n",
            );
        assert_eq!(alter(&text, a, &new).unwrap(), wanted);
        assert_eq!(alter(&text, hash(3), &new), Err(EditError::NotThere));
        let other = NewCredential { doors: Some(vec![]), ..NewCredential::default() };
        assert!(alter(&text, b, &other).unwrap().ends_with("doors = []\n"));
    }

    #[test]
    fn nothing_that_somebody_types_becomes_a_line_of_the_file() {
        let a = hash(1);
        let typed = "2026-01-01\nduress = true".to_owned();
        let new = NewCredential {
            label: Some("x\"\nduress = true #".to_owned()),
            from: Some(typed.clone()),
            until: Some(typed),
            ..NewCredential::default()
        };
        let enrolled = enrol("", a, &new).unwrap();
        let once = enrol("", a, &NewCredential::default()).unwrap();
        for text in [enrolled, alter(&once, a, &new).unwrap()] {
            let file: toml::Table = text.parse().unwrap();
            let entry = &file["credential"][0];
            assert!(entry.get("duress").is_none(), "{text}");
            assert!(entry["from"].is_str() && entry["until"].is_str(), "{text}");
        }
    }

    #[test]
    fn a_form_that_cannot_be_changed_safely_is_not_changed() {
        let a = hash(1);
        let braces = format!("credential = [{{ hash = \"{a}\" }}]\n");
        assert_eq!(block(&braces, a, true), Err(EditError::OtherForm));
        assert_eq!(enrol("[[credential", a, &NewCredential::default()), Err(EditError::Unreadable));
        let once = enrol("", a, &NewCredential::default()).unwrap();
        assert_eq!(enrol(&once, a, &NewCredential::default()), Err(EditError::There));
    }

    proptest! {
        #[test]
        fn whatever_is_enrolled_blocked_and_removed_the_others_stay_as_they_are(
            acts in prop::collection::vec((0u8..6, 0u8..3), 1..40),
            start in prop::sample::select(&["", "# Ours.", "# Ours.\n", "\n\n# Ours\n\n"][..]),
            label in "[^\\p{C}]{0,20}",
        ) {
            let mut text = start.to_owned();
            let mut model: Vec<(CredentialHash, bool)> = Vec::new();
            let new = NewCredential { label: (!label.is_empty()).then_some(label), ..Default::default() };
            for (n, act) in acts {
                let of = hash(n);
                let there = model.iter().position(|(known, _)| *known == of);
                let changed = match act {
                    0 => enrol(&text, of, &new),
                    1 => block(&text, of, n.is_multiple_of(2)),
                    _ => remove(&text, of),
                };
                match (act, there) {
                    (0, None) => model.push((of, false)),
                    (1, Some(place)) => model[place].1 = n.is_multiple_of(2),
                    (2, Some(place)) => drop(model.remove(place)),
                    (0, Some(_)) => prop_assert_eq!(changed.as_ref().err(), Some(&EditError::There)),
                    _ => prop_assert_eq!(changed.as_ref().err(), Some(&EditError::NotThere)),
                }
                text = changed.unwrap_or(text);
                prop_assert_eq!(hashes(&text), model.iter().map(|(of, _)| *of).collect::<Vec<_>>());
                for (entry, (_, blocked)) in entries(&text).unwrap().iter().zip(&model) {
                    let says = entry.blocked.clone().is_some_and(|at| &text[at] == "true");
                    prop_assert_eq!(says, *blocked);
                }
                prop_assert_eq!(text.contains("# Ours"), !start.trim().is_empty());
            }
        }
    }
}
