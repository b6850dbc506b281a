//! What a key is: its name, what it may hold, its default and its meaning.

use serde_json::Value;

use crate::kind::Kind;

/// Whether a key must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It must.
    Required,
    /// It need not, and nothing takes its place.
    Optional,
    /// It need not; this stands for it, written as in the file.
    Default(&'static str),
}

/// One key of one table.
pub(crate) struct Key<K> {
    /// As it stands in the file.
    pub(crate) name: &'static str,
    /// What it may hold.
    pub(crate) kind: K,
    /// Whether it must be given.
    pub(crate) presence: Presence,
    /// What it means, for the manual page and for editors. `Words` in backquotes are literal.
    pub(crate) doc: &'static str,
}

/// A key whatever it holds, as schema and manual page see it.
pub(crate) trait AnyKey: Sync {
    fn name(&self) -> &'static str;
    fn presence(&self) -> Presence;
    fn doc(&self) -> &'static str;
    /// What is allowed, as "a whole number from 5 to 3600, in seconds".
    fn allowed(&self) -> String;
    /// The JSON Schema of the value.
    fn schema(&self) -> Value;
    /// The words that it may hold with their meaning, if it holds words.
    fn words(&self) -> Vec<(&'static str, &'static str)>;
    /// Whether this text, as it would stand in the file, is a good value.
    #[cfg(test)]
    fn accepts(&self, toml: &str) -> bool;
}

impl<K: Kind> AnyKey for Key<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn presence(&self) -> Presence {
        self.presence
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn allowed(&self) -> String {
        self.kind.allowed()
    }

    fn schema(&self) -> Value {
        self.kind.schema()
    }

    fn words(&self) -> Vec<(&'static str, &'static str)> {
        self.kind.words()
    }

    #[cfg(test)]
    fn accepts(&self, toml: &str) -> bool {
        toml::de::DeValue::parse(toml)
            .is_ok_and(|value| self.kind.read(self.name, value.get_ref()).is_ok())
    }
}

/// How often a table stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// `[name]`, which must be there.
    Once,
    /// `[name]`, or not at all.
    AtMostOnce,
    /// `[[name]]`, so often.
    Several { min: usize, max: usize },
}

/// One table of the file, with everything that may stand in it.
pub(crate) struct Table {
    /// Its own name, the last part of its path.
    pub(crate) name: &'static str,
    /// How often it stands there.
    pub(crate) times: Times,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys, in the order of the documentation.
    pub(crate) keys: &'static [&'static dyn AnyKey],
    /// The tables within it.
    pub(crate) tables: &'static [&'static Table],
}

impl Table {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static dyn AnyKey> {
        self.keys.iter().copied().find(|key| key.name() == name)
    }

    /// The table of this name within this one.
    pub(crate) fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().copied().find(|table| table.name == name)
    }

    /// The names of all keys and tables within this one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let keys = self.keys.iter().map(|key| key.name());
        keys.chain(self.tables.iter().map(|table| table.name))
    }

    /// Whether it may be left out.
    pub(crate) const fn is_required(&self) -> bool {
        match self.times {
            Times::Once => true,
            Times::AtMostOnce => false,
            Times::Several { min, .. } => min > 0,
        }
    }

    /// Its header as it stands in the file, below a path such as `broker`.
    pub(crate) fn header(&self, parent: &str) -> String {
        let path = join(parent, self.name);
        match self.times {
            Times::Several { .. } => format!("[[{path}]]"),
            Times::Once | Times::AtMostOnce => format!("[{path}]"),
        }
    }
}

/// `parent.name`, or `name` at the top.
pub(crate) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
