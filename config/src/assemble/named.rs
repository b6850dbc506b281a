//! Tables that others name by their ids.

use std::collections::HashMap;
use std::ops::Range;

use gatehouse_core::id::Id;

use crate::finding::Finding;
use crate::hint::nearest;
use crate::reader::{At, Notes, Reader};
use crate::spec::{Key, Table};

/// How many ids are looked at for a hint. No kind of table has more, and a file that does is refused
/// for it: it must not cost the square of its length.
const MAX_HINTED: usize = 64;

/// The ids of all tables of one kind, in the order of the file.
pub(super) struct Named {
    /// As it stands in the file.
    name: &'static str,
    places: HashMap<Id, (usize, Range<usize>)>,
    /// The first of them, in the order of the file.
    ids: Vec<Id>,
    /// How many tables there are.
    tables: usize,
    /// One has no good id, and may be the one that is named.
    unsure: bool,
}

impl Named {
    pub(super) fn new(table: &Table) -> Self {
        Self { name: table.name, places: HashMap::new(), ids: Vec::new(), tables: 0, unsure: false }
    }

    /// The id of the next table. One that is there already is reported.
    pub(super) fn declare(&mut self, id: Option<&At<Id>>, notes: &mut Notes<'_>) {
        let place = self.tables;
        self.tables += 1;
        let Some(id) = id else {
            self.unsure = true;
            return;
        };
        if let Some((_, first)) = self.places.get(&id.value) {
            notes.error(
                Finding::new(
                    format!("the {} id \"{}\" is used twice", self.name, id.value),
                    id.span.clone(),
                )
                .label("again here")
                .also(first.clone(), "first here"),
            );
            return;
        }
        self.places.insert(id.value.clone(), (place, id.span.clone()));
        if self.ids.len() < MAX_HINTED {
            self.ids.push(id.value.clone());
        }
    }

    /// One that is known to be good.
    pub(super) fn know(&mut self, id: &Id) {
        self.places.insert(id.clone(), (self.tables, 0..0));
        self.tables += 1;
        if self.ids.len() < MAX_HINTED {
            self.ids.push(id.clone());
        }
    }

    /// Whether there is one with this id.
    pub(super) fn has(&self, id: &Id) -> bool {
        self.places.contains_key(id)
    }

    /// The place of the table that `key` names. One that is not there is reported.
    pub(super) fn find<K>(
        &self,
        key: &Key<K>,
        table: &Reader<'_, '_>,
        at: &At<Id>,
        notes: &mut Notes<'_>,
    ) -> Option<usize> {
        if let Some((place, _)) = self.places.get(&at.value) {
            return Some(*place);
        }
        if self.unsure {
            return None;
        }
        let (what, id) = (self.name, &at.value);
        let title = if self.tables == 0 {
            format!(
                "`{}` in {} is \"{id}\", but there is no table [[{what}]]",
                key.name,
                table.place()
            )
        } else {
            format!(
                "`{}` in {} is \"{id}\", which no [[{what}]] has as its id; allowed: {}",
                key.name,
                table.place(),
                self.list()
            )
        };
        let add = format!("add [[{what}]] with id = \"{id}\"");
        let near = nearest(id.as_str(), self.ids.iter().map(Id::as_str));
        let hint = near.map_or(add, |near| format!("did you mean \"{near}\"?"));
        notes.error(Finding::new(title, at.span.clone()).label("not declared").hint(hint).absent());
        None
    }

    /// The ids in words, at most eight of them.
    pub(super) fn list(&self) -> String {
        let mut words: Vec<_> = self.ids.iter().take(8).map(|id| format!("\"{id}\"")).collect();
        let more = self.places.len() - words.len();
        if more > 0 {
            words.push(format!("{more} more"));
        }
        words.join(", ")
    }
}
