//! The partitions, and who is common to whom.

use std::ops::Range;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{Mode, ModeConfig, Modes, PartitionConfig};

use super::named::Named;
use crate::MAX_PARTITIONS;
use crate::finding::Finding;
use crate::keys::partition as keys;
use crate::protection::Partition;
use crate::reader::{At, Notes, Reader};

/// The longest entry time of EN 50131-1.
const LONG_ENTRY: Duration = Duration::from_secs(45);

/// The partitions while the file is read.
pub(super) struct Partitions {
    named: Named,
    /// `None`: something of it is wrong, and was reported.
    all: Vec<Option<Partition>>,
    /// Of each its header, its modes and where they stand.
    facts: Vec<Facts>,
    /// One of them is wrong, or a door or a zone names one that is not there and may mean any.
    unsure: bool,
}

struct Facts {
    header: Range<usize>,
    modes: Modes,
    modes_at: Range<usize>,
    /// Where it says whom it is common to.
    common_at: Option<Range<usize>>,
    /// A door or a zone belongs to it.
    used: bool,
}

impl Partitions {
    pub(super) fn read(file: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Self {
        let mut read = Self {
            named: Named::new(&keys::TABLE),
            all: Vec::new(),
            facts: Vec::new(),
            unsure: false,
        };
        let before = notes.errors.len();
        let tables = file.tables(&keys::TABLE, notes);
        let mut common = Vec::new();
        for table in &tables {
            let id = table.get(&keys::ID, notes);
            read.named.declare(id.as_ref(), notes);
            common.push(table.list(&keys::COMMON_TO, notes));
            read.partition(table, id, notes);
        }
        // Any may name any other, so all must be known.
        let mut graph = Vec::new();
        for (place, (table, common)) in tables.iter().zip(common).enumerate() {
            let names = common.map_or_else(Vec::new, |list| list.value);
            let mut users = Vec::new();
            for name in names {
                let found = read.named.find(&keys::COMMON_TO, table, &name, notes);
                users.extend(found.map(|user| (user, name.span)));
            }
            if let Some(partition) = &mut read.all[place] {
                partition.rules.common_to = users.iter().map(|(user, _)| *user).collect();
            }
            graph.push(users);
        }
        read.circles(&graph, notes);
        read.unsure = notes.errors.len() > before;
        read
    }

    fn partition(&mut self, table: &Reader<'_, '_>, id: Option<At<Id>>, notes: &mut Notes<'_>) {
        let name = table.get(&keys::NAME, notes);
        let exit = table.get(&keys::EXIT, notes);
        let entry = table.get(&keys::ENTRY, notes);
        let before = notes.errors.len();
        // Once a wrong word was reported, any mode may be meant.
        let modes = table.list(&keys::MODES, notes).filter(|_| notes.errors.len() == before);
        let has = modes.map_or(Modes::ALL, |list| Modes::of(list.value.iter().map(|at| at.value)));
        let modes_at = table.span_of(&keys::MODES);
        long_entry(entry.as_ref(), notes);
        let mut no_effect = table.has(&keys::EXIT).then(|| table.span_of(&keys::EXIT));
        let mut delays = [None; 4];
        for ((mode, declared), place) in Mode::ARMED.iter().zip(&keys::MODE_TABLES).zip(&mut delays)
        {
            let (mut own_exit, mut own_entry) = (None, None);
            if let Some(of_mode) = table.table(declared, notes) {
                own_exit = of_mode.get(&keys::MODE_EXIT, notes);
                own_entry = of_mode.get(&keys::MODE_ENTRY, notes);
                long_entry(own_entry.as_ref(), notes);
                if !has.contains(*mode) {
                    let word = mode.as_str();
                    let title = format!(
                        "[partition.{word}] has delays for a mode that the partition does not have"
                    );
                    notes.error(
                        Finding::new(title, of_mode.span.clone())
                            .label("not among its modes")
                            .also(modes_at.clone(), "its modes")
                            .hint(format!("add \"{word}\" to `modes`, or leave the table out")),
                    );
                }
                no_effect = no_effect.or_else(|| own_exit.as_ref().map(|at| at.span.clone()));
            }
            let of = |own: Option<At<Duration>>, whole: &Option<At<Duration>>| {
                own.or_else(|| whole.clone()).map_or(Duration::ZERO, |at| at.value)
            };
            *place = has
                .contains(*mode)
                .then(|| ModeConfig { exit: of(own_exit, &exit), entry: of(own_entry, &entry) });
        }
        if let Some(span) = no_effect.filter(|_| table.has(&keys::COMMON_TO)) {
            notes.warn(
                Finding::new("`exit-s` has no effect in a common area", span)
                    .label("never used")
                    .also(table.span_of(&keys::COMMON_TO), "a common area")
                    .hint("it is armed at once when the last of its users is; leave `exit-s` out"),
            );
        }
        let common_at = table.has(&keys::COMMON_TO).then(|| table.span_of(&keys::COMMON_TO));
        let header = table.span.clone();
        self.facts.push(Facts { header, modes: has, modes_at, common_at, used: false });
        self.all.push(id.map(|id| Partition {
            name: name.map(|name| name.value),
            rules: PartitionConfig { id: id.value, common_to: Vec::new(), modes: delays },
        }));
    }

    /// Reports every common area that is, in the end, common to itself: it would wait for itself.
    fn circles(&self, graph: &[Vec<(usize, Range<usize>)>], notes: &mut Notes<'_>) {
        // A longer file is refused, and so deep a circle would take the stack with it.
        if graph.len() > MAX_PARTITIONS {
            return;
        }
        let mut looked_at = vec![false; graph.len()];
        for place in 0..graph.len() {
            self.circle(place, graph, &mut Vec::new(), &mut looked_at, notes);
        }
    }

    fn circle(
        &self,
        place: usize,
        graph: &[Vec<(usize, Range<usize>)>],
        way: &mut Vec<usize>,
        looked_at: &mut [bool],
        notes: &mut Notes<'_>,
    ) {
        if std::mem::replace(&mut looked_at[place], true) {
            return;
        }
        way.push(place);
        for (user, span) in &graph[place] {
            if let Some(from) = way.iter().position(|before| before == user) {
                let finding = if *user == place {
                    Finding::new(
                        "`common-to` in [[partition]] names the partition itself",
                        span.clone(),
                    )
                    .label("itself")
                } else {
                    let ids = way[from..].iter().chain([user]).map(|place| self.id(*place));
                    let ids: Vec<_> = ids.collect();
                    let title = format!("common areas wait for each other: {}", ids.join(", "));
                    Finding::new(title, span.clone()).label("back to the first")
                };
                notes.error(finding.hint(
                    "`common-to` names the partitions whose people pass here, as the flats on a \
                     stair",
                ));
            } else {
                self.circle(*user, graph, way, looked_at, notes);
            }
        }
        way.pop();
    }

    fn id(&self, place: usize) -> String {
        let partition = self.all.get(place).and_then(Option::as_ref);
        partition.map_or_else(String::new, |partition| format!("\"{}\"", partition.rules.id))
    }

    /// The partition that a door or a zone names.
    pub(super) fn find<K>(
        &mut self,
        key: &crate::spec::Key<K>,
        table: &Reader<'_, '_>,
        at: Option<&At<Id>>,
        notes: &mut Notes<'_>,
    ) -> Option<usize> {
        let found = self.named.find(key, table, at?, notes);
        match found.and_then(|place| self.facts.get_mut(place)) {
            Some(facts) => facts.used = true,
            None => self.unsure = true,
        }
        found
    }

    /// The partition that an output, a schedule or a key switch is for. These protect nothing, so
    /// the partition may be empty all the same.
    pub(super) fn refer<K>(
        &mut self,
        key: &crate::spec::Key<K>,
        table: &Reader<'_, '_>,
        at: &At<Id>,
        notes: &mut Notes<'_>,
    ) -> Option<usize> {
        let found = self.named.find(key, table, at, notes);
        self.unsure |= found.is_none();
        found
    }

    /// Where a common area says whom it is common to.
    pub(super) fn common(&self, place: usize) -> Option<Range<usize>> {
        self.facts.get(place)?.common_at.clone()
    }

    /// The ids in words; empty: there are none.
    pub(super) fn list(&self) -> String {
        self.named.list()
    }

    /// The modes of a partition, and where they stand.
    pub(super) fn modes(&self, place: usize) -> (Modes, Range<usize>) {
        let facts = self.facts.get(place);
        facts.map_or((Modes::ALL, 0..0), |facts| (facts.modes, facts.modes_at.clone()))
    }

    /// All of them, once every door and zone was read. `None`: one is wrong, and was reported.
    pub(super) fn finish(self, notes: &mut Notes<'_>) -> Option<Vec<Partition>> {
        for (partition, facts) in self.all.iter().zip(&self.facts) {
            let Some(partition) = partition.as_ref().filter(|_| !facts.used && !self.unsure) else {
                continue;
            };
            let id = &partition.rules.id;
            notes.warn(
                Finding::new(
                    format!("no door and no zone belongs to partition \"{id}\": arming it protects nothing"),
                    facts.header.clone(),
                )
                .label("empty")
                .hint(format!("add partition = \"{id}\" to its doors and zones"))
                .absent(),
            );
        }
        self.all.into_iter().collect()
    }
}

/// Warns of an entry delay that a standard would not allow.
pub(super) fn long_entry(time: Option<&At<Duration>>, notes: &mut Notes<'_>) {
    let Some(time) = time.filter(|time| time.value > LONG_ENTRY) else { return };
    let title = format!("`entry-s` is {}: EN 50131-1 allows at most 45", time.value.as_secs());
    notes.warn(
        Finding::new(title, time.span.clone())
            .label("long")
            .hint("put the keypad nearer to the entrance; a burglar has this time too"),
    );
}
