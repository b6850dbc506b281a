//! The list of credentials: a file of its own, beside the configuration.
//!
//! It holds keyed hashes, no numbers, and labels that stay on the box. It is taken whole or refused
//! whole, like the configuration, with which it must fit: the doors, areas and partitions that it
//! names are the configuration's.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use gatehouse_core::credential::CredentialHash;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Credential, Doors};

use crate::config::Config;
use crate::files;
use crate::finding::{ConfigErrors, Finding, Warnings};
use crate::keys::credential as keys;
use crate::kind::Identifier;
use crate::list::List;
use crate::parse;
use crate::reader::{At, Notes, Reader};
use crate::shown::without_pins;
use crate::spec::Key;

/// The largest list: every credential with all its keys, and a comment at each.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The credentials of a gateway, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// What the rules are told.
    pub list: Vec<Credential>,
    /// The same, for people, in the order of the file.
    pub entries: Vec<CredentialEntry>,
    hash: String,
    warnings: Warnings,
}

/// One credential, as far as it is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialEntry {
    /// Which it is.
    pub hash: CredentialHash,
    /// Whose it is. It stays on the box.
    pub label: Option<String>,
}

impl Credentials {
    /// Reads and checks the list that a configuration names. A file that is not there is an empty
    /// list, with a warning: nobody is let in before the first card is enrolled.
    ///
    /// # Errors
    /// All mistakes at once. When the file is there and cannot be read, there is nothing to fall back
    /// to.
    pub fn load(config: &Config) -> Result<Self, ConfigErrors> {
        let path = &config.access.credentials;
        let name = path.display().to_string();
        let of_file = |finding| ConfigErrors::of_file(&name, finding);
        let facts = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut empty = Self::parse("", &name, config)?;
                empty.warnings.note(
                    &name,
                    Finding::of_file("there is no list of credentials: no card opens a door")
                        .hint("gatehouse credential enrol --reader … writes the first"),
                );
                return Ok(empty);
            }
            facts => facts.ok(),
        };
        let mode = facts.filter(std::fs::Metadata::is_file).map_or(0, |facts| facts.mode());
        if mode & 0o002 != 0 {
            return Err(of_file(
                Finding::of_file("everyone on this machine can change this list of credentials")
                    .hint(format!("chmod 640 {name}; then look who is in it")),
            ));
        }
        let bytes = files::read_up_to(path, MAX_BYTES).map_err(|finding| of_file(*finding))?;
        let text = files::text(&bytes).map_err(|finding| of_file(*finding))?;
        let mut read = Self::parse(text, &name, config)?;
        if mode & 0o004 != 0 {
            read.warnings.note(
                &name,
                Finding::of_file("everyone on this machine can read who may pass")
                    .hint(format!("chmod 640 {name}")),
            );
        }
        Ok(read)
    }

    /// The list that belongs to a configuration: one without readers needs none.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub fn of(config: &Config) -> Result<Self, ConfigErrors> {
        if config.readers.is_empty() {
            return Self::parse("", "credentials.toml", config);
        }
        Self::load(config)
    }

    /// Checks the text of a list. `name` is what mistakes call the file.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(text: &str, name: &str, config: &Config) -> Result<Self, ConfigErrors> {
        let (read, notes) = parse::tables(text, without_pins(text), &keys::FILE, |file, notes| {
            credentials(file, config, notes)
        });
        let (errors, warnings) = parse::findings(notes, name);
        match read {
            Some((list, entries)) if errors.list.is_empty() => {
                let hash = crate::assemble::hash(text.as_bytes());
                Ok(Self { list, entries, hash, warnings: Warnings(warnings) })
            }
            _ => Err(ConfigErrors::new(errors, warnings)),
        }
    }

    /// The JSON Schema of the file, for editors.
    pub fn schema() -> String {
        crate::schema::credentials()
    }

    /// The first 16 hex digits of the BLAKE3 of the file's bytes: which list this is.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What is allowed in the file but unwise.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }
}

type Read = (Vec<Credential>, Vec<CredentialEntry>);

fn credentials(file: &Reader<'_, '_>, config: &Config, notes: &mut Notes<'_>) -> Option<Read> {
    let mut seen = crate::assemble::Seen::default();
    let known = Known::of(config);
    let tables = file.tables(&keys::TABLE, notes);
    let mut all = Vec::new();
    for table in &tables {
        let hash = table.get(&keys::HASH, notes);
        // The hash itself says nothing to a person; the places do.
        seen.once(hash.as_ref(), notes, |_| "the same credential stands twice".to_owned());
        all.push(credential(table, hash, config, &known, notes));
    }
    let all: Option<Vec<_>> = all.into_iter().collect();
    Some(all?.into_iter().unzip())
}

fn credential(
    table: &Reader<'_, '_>,
    hash: Option<At<CredentialHash>>,
    config: &Config,
    known: &Known<'_>,
    notes: &mut Notes<'_>,
) -> Option<(Credential, CredentialEntry)> {
    let zone = &config.time_zone;
    let label = table.get(&keys::LABEL, notes);
    let blocked = table.get(&keys::BLOCKED, notes);
    let from = table.get(&keys::FROM, notes);
    let until = table.get(&keys::UNTIL, notes);
    let weekly = table.list(&keys::WEEKLY, notes);
    let doors = Known::places(table, &keys::DOORS, "door", &known.doors, notes);
    let areas = Known::places(table, &keys::AREAS, "area", &known.areas, notes);
    let arms = Known::places(table, &keys::ARMS, "partition", &known.partitions, notes);
    let disarms = Known::places(table, &keys::DISARMS, "partition", &known.partitions, notes);
    let pin = table.get(&keys::PIN, notes);
    let duress_pin = table.get(&keys::DURESS_PIN, notes);
    let duress = table.get(&keys::DURESS, notes);
    let begins = from.as_ref().and_then(|at| at.value.begins(zone));
    let ends = until.as_ref().and_then(|at| at.value.ends(zone));
    if let (Some(from), Some(until), Some(begins), Some(ends)) = (&from, &until, begins, ends)
        && begins >= ends
    {
        notes.error(
            Finding::new("`until` is not after `from`: never valid", until.span.clone())
                .label("over before it begins")
                .also(from.span.clone(), "its beginning"),
        );
    }
    if let Some(at) = &duress_pin {
        let (title, label) = match &pin {
            None => ("`duress-pin` stands without `pin`", "alone"),
            Some(pin) if pin.value == at.value => {
                ("`duress-pin` and `pin` are the same", "no difference")
            }
            Some(_) => ("", ""),
        };
        if !title.is_empty() {
            let hint = "gatehouse credential enrol asks for both";
            notes.error(Finding::new(title, at.span.clone()).label(label).hint(hint));
        }
    }
    let opens = if table.has(&keys::DOORS) || table.has(&keys::AREAS) {
        Doors::These { doors: doors?, areas: areas? }
    } else {
        Doors::All
    };
    let hash = hash?.value;
    let credential = Credential {
        pin: pin.map(|at| at.value),
        duress_pin: duress_pin.map(|at| at.value),
        duress: duress?.value,
        blocked: blocked?.value,
        from: begins,
        until: ends,
        weekly: weekly
            .map(|list| list.value.into_iter().map(|at| at.value).collect())
            .unwrap_or_default(),
        opens,
        arms: arms?,
        disarms: disarms?,
        ..Credential::new(hash)
    };
    Some((credential, CredentialEntry { hash, label: label.map(|label| label.value) }))
}

/// What the configuration has.
struct Known<'c> {
    doors: Vec<&'c Id>,
    areas: Vec<&'c Id>,
    partitions: Vec<&'c Id>,
}

impl<'c> Known<'c> {
    fn of(config: &'c Config) -> Self {
        Self {
            doors: config.doors.iter().map(|door| &door.id).collect(),
            areas: config.areas.iter().map(|area| &area.rules.id).collect(),
            partitions: config.partitions.iter().map(|partition| &partition.rules.id).collect(),
        }
    }

    /// The places of what a key names; what is not there is reported.
    fn places(
        table: &Reader<'_, '_>,
        key: &Key<List<Identifier>>,
        what: &str,
        ids: &[&Id],
        notes: &mut Notes<'_>,
    ) -> Option<Vec<usize>> {
        let Some(list) = table.list(key, notes) else {
            return (!table.has(key)).then(Vec::new);
        };
        let mut places = Vec::new();
        for at in list.value {
            if let Some(place) = ids.iter().position(|id| **id == at.value) {
                places.push(place);
                continue;
            }
            let words: Vec<_> = ids.iter().take(8).map(|id| format!("\"{id}\"")).collect();
            let title = format!(
                "`{}` names \"{}\", which no [[{what}]] of the configuration has as its id; allowed: {}",
                key.name,
                at.value,
                if words.is_empty() { "none".to_owned() } else { words.join(", ") }
            );
            let near = crate::hint::nearest(at.value.as_str(), ids.iter().map(|id| id.as_str()));
            notes.error(
                Finding::new(title, at.span)
                    .label("not in the configuration")
                    .maybe_hint(near.map(|near| format!("did you mean \"{near}\"?"))),
            );
        }
        Some(places)
    }
}
