//! Walks the tables of a file and collects what is wrong, without ever stopping at it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::{Finding, count};
use crate::hint::nearest;
use crate::keys::FILE;
use crate::kind::Kind;
use crate::list::List;
use crate::shown::{in_one_line, is_secret};
use crate::spec::{Key, Presence, Table, Times, join};

/// The longest piece of a file that is quoted in a sentence, in characters.
const MAX_QUOTE: usize = 48;

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// What is found while one file is read.
pub(crate) struct Notes<'t> {
    pub(crate) text: &'t str,
    pub(crate) errors: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
    /// The text without what looks like a secret, every place where it was.
    pub(crate) shown: String,
    /// What must not be shown either.
    pub(crate) blots: Vec<Range<usize>>,
}

impl<'t> Notes<'t> {
    pub(crate) fn new(text: &'t str, shown: String) -> Self {
        Self { text, shown, errors: Vec::new(), warnings: Vec::new(), blots: Vec::new() }
    }

    pub(crate) fn error(&mut self, finding: Finding) {
        self.errors.push(finding);
    }

    pub(crate) fn warn(&mut self, finding: Finding) {
        self.warnings.push(finding);
    }

    /// Keeps a value, and everything within it, from being shown.
    fn blot(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(entries) => entries.iter().for_each(|(_, value)| self.blot(value)),
            DeValue::Array(list) => list.iter().for_each(|value| self.blot(value)),
            _ => self.blots.push(value.span()),
        }
    }

    /// A value as it stands in the file, in short.
    fn quote(&self, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref() {
            DeValue::Table(_) => return "a table".into(),
            DeValue::Array(list) => return format!("a list of {}", count(list.len(), "value")),
            _ => {}
        }
        in_one_line(self.shown.get(value.span()).unwrap_or_default(), MAX_QUOTE)
    }
}

/// One table of the file, beside what is known of it.
pub(crate) struct Reader<'d, 'i> {
    table: &'static Table,
    entries: &'d DeTable<'i>,
    /// The place of its header.
    pub(crate) span: Range<usize>,
    /// As `broker.tls`; empty for the file.
    path: String,
}

impl<'d, 'i> Reader<'d, 'i> {
    /// The file itself.
    pub(crate) fn file(
        root: &'d Spanned<DeTable<'i>>,
        whole: &'static Table,
        notes: &mut Notes<'_>,
    ) -> Self {
        // What is missing from the file as a whole is missing at its beginning.
        Self::open(whole, root.get_ref(), 0..0, String::new(), notes)
    }

    /// Opens a table, and reports every key in it that nobody knows.
    fn open(
        table: &'static Table,
        entries: &'d DeTable<'i>,
        span: Range<usize>,
        path: String,
        notes: &mut Notes<'_>,
    ) -> Self {
        let reader = Self { table, entries, span, path };
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            if table.key(name).is_none() && table.table(name).is_none() {
                reader.unknown(name, key.span(), value, notes);
            }
        }
        reader
    }

    fn unknown(
        &self,
        name: &str,
        span: Range<usize>,
        value: &Spanned<DeValue<'_>>,
        notes: &mut Notes<'_>,
    ) {
        let place = self.place();
        let shown = in_one_line(name, MAX_QUOTE);
        if is_secret(name) {
            notes.blot(value);
        }
        if name.eq_ignore_ascii_case("password") && self.table.key("password-file").is_some() {
            let title = format!("`{shown}` in {place}: a password never stands in this file");
            notes.error(Finding::new(title, span).label("not allowed here").hint(
                "put it alone into a file that only the gateway may read (chmod 600) and write \
                 password-file = \"/etc/gatehouse/mqtt.password\"; or hand it over as a systemd \
                 credential and write password-credential = \"mqtt.password\"",
            ));
            return;
        }
        let allowed: Vec<_> = self.table.names().collect();
        let hint = nearest(name, self.table.names())
            .map(|meant| match self.table.table(meant) {
                Some(table) => format!("did you mean {}?", table.header(&self.path)),
                None => format!("did you mean `{meant}`?"),
            })
            .or_else(|| elsewhere(name));
        let what = if value.get_ref().is_table() { "table" } else { "key" };
        let title =
            format!("unknown {what} `{shown}` in {place}; allowed are {}", allowed.join(", "));
        notes.error(Finding::new(title, span).label("unknown").maybe_hint(hint));
    }

    /// As `[[door]]`, or `the file`.
    pub(crate) fn place(&self) -> String {
        match self.path.rsplit_once('.') {
            _ if self.path.is_empty() => "the file".into(),
            Some((parent, _)) => self.table.header(parent),
            None => self.table.header(""),
        }
    }

    /// The value of a key: checked, or its default, or reported and `None`.
    pub(crate) fn get<K: Kind>(&self, key: &Key<K>, notes: &mut Notes<'_>) -> Option<At<K::Out>> {
        debug_assert!(self.table.key(key.name).is_some(), "{} is not declared", key.name);
        let Some(value) = self.entries.get(key.name) else {
            return match key.presence {
                Presence::Optional => None,
                Presence::Default(text) => default(key, text, self.span.clone()),
                Presence::Required => {
                    let place = self.place();
                    let title = format!("`{}` is missing from {place}", key.name);
                    let finding = Finding::new(title, self.span.clone())
                        .label(format!("has no `{}`", key.name))
                        .hint(format!("add {} = …: {}", key.name, key.kind.allowed()));
                    notes.error(finding.absent());
                    None
                }
            };
        };
        if key.kind.confidential() && !value.get_ref().as_str().is_some_and(|v| v.starts_with('/'))
        {
            notes.blot(value);
        }
        match key.kind.read(key.name, value.get_ref()) {
            Ok(checked) => Some(At { value: checked, span: value.span() }),
            Err(wrong) => {
                let quoted = if wrong.confidential || key.kind.confidential() {
                    notes.blot(value);
                    "holds a value that is not shown".into()
                } else {
                    format!("is {}", notes.quote(value))
                };
                let title = format!(
                    "`{}` in {} {quoted}; allowed: {}",
                    key.name,
                    self.place(),
                    key.kind.allowed()
                );
                let finding = Finding::new(title, value.span()).label("not allowed");
                notes.error(finding.maybe_hint(wrong.hint));
                match key.presence {
                    Presence::Default(text) => default(key, text, value.span()),
                    Presence::Optional | Presence::Required => None,
                }
            }
        }
    }

    /// The values of a list, each with its place: checked, or the list's default. Every wrong one is
    /// reported and left out.
    pub(crate) fn list<K: Kind>(
        &self,
        key: &Key<List<K>>,
        notes: &mut Notes<'_>,
    ) -> Option<At<Vec<At<K::Out>>>> {
        let list = self.entries.get(key.name).and_then(|value| value.get_ref().as_array());
        let Some(list) = list.filter(|list| key.kind.takes(list.len())) else {
            // Not there, no list, or too short or long: for the list as a whole to say.
            return self.get(key, notes).map(|whole| {
                let at = |value| At { value, span: whole.span.clone() };
                At { value: whole.value.into_iter().map(at).collect(), span: whole.span.clone() }
            });
        };
        let mut good = Vec::new();
        let mut seen: Vec<(&str, Range<usize>)> = Vec::new();
        for value in list {
            match key.kind.of.read(key.name, value.get_ref()) {
                Ok(checked) => good.push(At { value: checked, span: value.span() }),
                Err(wrong) => {
                    let quoted = if wrong.confidential || key.kind.of.confidential() {
                        notes.blot(value);
                        "a value that is not shown".into()
                    } else {
                        notes.quote(value)
                    };
                    let allowed = key.kind.allowed();
                    let place = self.place();
                    let title =
                        format!("`{}` in {place} holds {quoted}; allowed: {allowed}", key.name);
                    // What is hinted for a key of one value is for this one within the list.
                    let alone = format!("write {} = ", key.name);
                    let hint = wrong.hint.map(|hint| match hint.strip_prefix(&alone) {
                        Some(word) => format!("write {word} in its place"),
                        None => hint,
                    });
                    notes.error(
                        Finding::new(title, value.span()).label("not allowed").maybe_hint(hint),
                    );
                    continue;
                }
            }
            let Some(text) = value.get_ref().as_str() else { continue };
            if let Some((_, first)) = seen.iter().find(|(before, _)| *before == text) {
                let title = format!("`{}` in {} names \"{text}\" twice", key.name, self.place());
                notes.error(
                    Finding::new(in_one_line(&title, title.len()), value.span())
                        .label("again here")
                        .also(first.clone(), "first here")
                        .hint("leave one of them out"),
                );
                good.pop();
            } else {
                seen.push((text, value.span()));
            }
        }
        Some(At { value: good, span: self.span_of(key) })
    }

    /// Whether a key is there, good or bad.
    pub(crate) fn has<K>(&self, key: &Key<K>) -> bool {
        self.entries.contains_key(key.name)
    }

    /// Where the value of a key of this name stands, if it is there.
    pub(crate) fn place_of(&self, name: &str) -> Option<Range<usize>> {
        self.entries.get(name).map(Spanned::span)
    }

    /// Where a key's value stands; the table's header if it is not there.
    pub(crate) fn span_of<K>(&self, key: &Key<K>) -> Range<usize> {
        self.entries.get(key.name).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Whether a table is there, good or bad.
    pub(crate) fn has_table(&self, table: &Table) -> bool {
        self.entries.contains_key(table.name)
    }

    /// What is read from a table that need not be there; then all its keys have their defaults.
    pub(crate) fn optional<T>(
        &self,
        table: &'static Table,
        notes: &mut Notes<'_>,
        read: impl FnOnce(&Reader<'_, '_>, &mut Notes<'_>) -> Option<T>,
    ) -> Option<T> {
        if let Some(table) = self.table(table, notes) {
            return read(&table, notes);
        }
        let entries = DeTable::new();
        let path = join(&self.path, table.name);
        let empty = Reader { table, entries: &entries, span: self.span.clone(), path };
        read(&empty, notes)
    }

    /// A table that stands at most once.
    pub(crate) fn table(
        &self,
        table: &'static Table,
        notes: &mut Notes<'_>,
    ) -> Option<Reader<'d, 'i>> {
        let header = table.header(&self.path);
        let Some(value) = self.entries.get(table.name) else {
            if table.times == Times::Once {
                let title = format!("the table {header} is missing");
                let finding = Finding::new(title, self.span.clone());
                notes.error(finding.hint(add(table, &header)).absent());
            }
            return None;
        };
        let path = join(&self.path, table.name);
        match value.get_ref() {
            DeValue::Table(entries) => {
                Some(Reader::open(table, entries, value.span(), path, notes))
            }
            DeValue::Array(list) if list.iter().all(|value| value.get_ref().is_table()) => {
                let title = format!("`{path}` is a list of tables; there is only one {header}");
                let hint = format!("write {header}");
                notes.error(Finding::new(title, value.span()).label("not a list").hint(hint));
                let first = list.first()?;
                let entries = first.get_ref().as_table()?;
                Some(Reader::open(table, entries, first.span(), path, notes))
            }
            _ => {
                self.no_table(table, value, notes);
                None
            }
        }
    }

    /// All tables of a list.
    pub(crate) fn tables(
        &self,
        table: &'static Table,
        notes: &mut Notes<'_>,
    ) -> Vec<Reader<'d, 'i>> {
        let header = table.header(&self.path);
        let Some(value) = self.entries.get(table.name) else {
            if let (true, Times::Several { min, max }) = (table.is_required(), table.times) {
                let title = format!("there is no {header}; allowed: {min} to {max}");
                let finding = Finding::new(title, self.span.clone());
                notes.error(finding.hint(add(table, &header)).absent());
            }
            return Vec::new();
        };
        let path = join(&self.path, table.name);
        let list = match value.get_ref() {
            DeValue::Array(list) => list,
            DeValue::Table(entries) => {
                let title = format!("[{path}] is one table; allowed is a list of tables, {header}");
                notes.error(
                    Finding::new(title, value.span())
                        .label("only one")
                        .hint(format!("write {header}, with two brackets, for each {path}")),
                );
                return vec![Reader::open(table, entries, value.span(), path, notes)];
            }
            _ => {
                self.no_table(table, value, notes);
                return Vec::new();
            }
        };
        let mut readers = Vec::new();
        for value in list {
            match value.get_ref() {
                DeValue::Table(entries) => {
                    readers.push(Reader::open(table, entries, value.span(), path.clone(), notes));
                }
                _ => self.no_table(table, value, notes),
            }
        }
        if let Times::Several { min, .. } = table.times
            && list.len() < min
        {
            let title = format!("the list `{path}` is empty; allowed: at least {min} of {header}");
            notes.error(Finding::new(title, value.span()).label("empty").hint(add(table, &header)));
        }
        if let Times::Several { max, .. } = table.times
            && let Some(first) = readers.get(max)
        {
            let title =
                format!("there are {} tables {header}; allowed: at most {max}", readers.len());
            notes.error(Finding::new(title, first.span.clone()).label("one too many"));
        }
        readers
    }

    fn no_table(&self, table: &Table, value: &Spanned<DeValue<'_>>, notes: &mut Notes<'_>) {
        let header = table.header(&self.path);
        let quoted = notes.quote(value);
        let title = format!("`{}` is {quoted}; allowed: a table {header}", table.name);
        let hint = format!("write {header} in a line of its own, and its keys below");
        notes.error(Finding::new(title, value.span()).label("not a table").hint(hint));
    }
}

/// What to add where a table is missing.
fn add(table: &Table, header: &str) -> String {
    let keys = table.keys.iter().filter(|key| key.presence() == Presence::Required);
    let keys: Vec<_> = keys.map(|key| key.name()).collect();
    format!("add {header} with {}", keys.join(" and "))
}

/// What stands for a key that is not there, or wrong (and then the file is refused anyway).
fn default<K: Kind>(key: &Key<K>, text: &str, span: Range<usize>) -> Option<At<K::Out>> {
    let value = DeValue::parse(text).ok()?;
    Some(At { value: key.kind.read(key.name, value.get_ref()).ok()?, span })
}

/// The table that a misplaced key belongs in.
fn elsewhere(name: &str) -> Option<String> {
    fn find(table: &'static Table, parent: &str, name: &str, found: &mut Vec<String>) {
        let path = join(parent, table.name);
        if !table.name.is_empty() && table.key(name).is_some() {
            found.push(table.header(parent));
        }
        for within in table.tables {
            if within.name == name && !path.is_empty() {
                found.push(format!("{path} as {}", within.header(&path)));
            }
            find(within, &path, name, found);
        }
    }
    let mut found = Vec::new();
    find(&FILE, "", name, &mut found);
    (!found.is_empty()).then(|| format!("`{name}` belongs in {}", found.join(" or ")))
}
