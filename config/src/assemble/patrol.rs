//! Help points, checkpoints and rounds, and what must fit together among them.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{
    CheckpointConfig, HelpConfig, LinesConfig, Responders, RoundConfig, ZoneConfig, ZoneKind,
};

use super::access::Readers;
use super::named::Named;
use super::partitions::Partitions;
use super::wires::{self, Reported, Wires};
use crate::finding::Finding;
use crate::keys::{checkpoint, help_point, responders, round, zone};
use crate::kind::Identifier;
use crate::list::List;
use crate::patrol::{Checkpoint, HelpPoint, Round};
use crate::protection::Zone;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;
use crate::wiring::{Bias, Contact, Line, WiredInput};

/// What help points and checkpoints name.
pub(super) struct Around<'a> {
    pub(super) wires: &'a mut Wires,
    pub(super) partitions: &'a mut Partitions,
    pub(super) readers: &'a Readers,
    /// The zones, whose ids a help point must not have.
    pub(super) zones: &'a [Zone],
}

/// All of them.
pub(super) struct Patrol {
    pub(super) help_points: Vec<HelpPoint>,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) rounds: Vec<Round>,
}

/// `None`: something of it is wrong, and was reported.
pub(super) fn patrol(
    file: &Reader<'_, '_>,
    lists: &Lists,
    mut around: Around<'_>,
    notes: &mut Notes<'_>,
) -> Option<Patrol> {
    let mut ids = Named::new(&help_point::TABLE);
    let mut readers = HashSet::new();
    let points: Vec<_> = { file.tables(&help_point::TABLE, notes) }
        .iter()
        .map(|table| point(table, lists, &mut around, (&mut ids, &mut readers), notes))
        .collect();
    lists.finish(notes);
    let mut named = Named::new(&checkpoint::TABLE);
    let checkpoints: Vec<_> = { file.tables(&checkpoint::TABLE, notes) }
        .iter()
        .map(|table| one(table, &mut around, (&mut named, &mut readers), notes))
        .collect();
    around.readers.warn_of_idle(&readers, notes);
    let mut ids = Named::new(&round::TABLE);
    let rounds: Vec<_> = { file.tables(&round::TABLE, notes) }
        .iter()
        .map(|table| whole(table, &named, &mut ids, notes))
        .collect();
    Some(Patrol {
        help_points: points.into_iter().collect::<Option<_>>()?,
        checkpoints: checkpoints.into_iter().collect::<Option<_>>()?,
        rounds: rounds.into_iter().collect::<Option<_>>()?,
    })
}

/// The lists of those who come.
pub(super) struct Lists {
    named: Named,
    /// `None`: something of it is wrong, and was reported.
    all: Vec<Option<Responders>>,
    spans: Vec<Range<usize>>,
    used: std::cell::RefCell<HashSet<usize>>,
}

impl Lists {
    pub(super) fn read(file: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Self {
        let mut named = Named::new(&responders::TABLE);
        let (mut all, mut spans) = (Vec::new(), Vec::new());
        for table in file.tables(&responders::TABLE, notes) {
            let id = table.get(&responders::ID, notes);
            named.declare(id.as_ref(), notes);
            let hours = table.list(&responders::HOURS, notes);
            let weekly = hours.map_or_else(Vec::new, |list| list.value);
            let weekly = weekly.into_iter().map(|at| at.value).collect();
            all.push(id.map(|id| Responders { list: id.value, weekly }));
            spans.push(table.span.clone());
        }
        Self { named, all, spans, used: std::cell::RefCell::default() }
    }

    /// Those whom this key names: who comes when, and who at any other time.
    pub(super) fn of(
        &self,
        key: &Key<List<Identifier>>,
        table: &Reader<'_, '_>,
        notes: &mut Notes<'_>,
    ) -> Option<(Vec<Responders>, Option<Id>)> {
        let Some(names) = table.list(key, notes) else {
            return Some((Vec::new(), None));
        };
        let mut found = Vec::new();
        for name in names.value {
            found.push(self.named.find(key, table, &name, notes));
        }
        let places: Vec<_> = found.into_iter().collect::<Option<_>>()?;
        self.used.borrow_mut().extend(&places);
        let lists = places.into_iter().map(|place| self.all[place].clone());
        let lists: Vec<_> = lists.collect::<Option<_>>()?;
        let (always, by_hour): (Vec<_>, Vec<_>) =
            lists.into_iter().partition(|list| list.weekly.is_empty());
        if always.is_empty() {
            notes.warn(
                Finding::new(
                    "at other hours, and while the time is not known, nobody is named to come",
                    names.span,
                )
                .label("all have `hours`")
                .hint("add a [[responders]] without `hours`, and name it last"),
            );
        }
        Some((by_hour, always.into_iter().next().map(|list| list.list)))
    }

    fn finish(&self, notes: &mut Notes<'_>) {
        let used = self.used.borrow();
        for (place, span) in self.spans.iter().enumerate() {
            if let Some(list) = self.all[place].as_ref().filter(|_| !used.contains(&place)) {
                let title = format!(
                    "neither a [[help-point]] nor `escalate-to` names the responders \"{}\"",
                    list.list
                );
                notes.warn(Finding::new(title, span.clone()).label("nobody calls them"));
            }
        }
    }
}

/// A button, and how it is wired.
fn button(
    line: Option<At<Line>>,
    (contact, bias, debounce): (&At<Contact>, &At<Bias>, &At<Duration>),
) -> Option<WiredInput> {
    line.map(|line| WiredInput {
        line: line.value,
        contact: contact.value,
        bias: bias.value,
        debounce: debounce.value,
    })
}

/// A reader serves one purpose: at a door it lets in, here it calls or is a visit.
fn reader(
    table: &Reader<'_, '_>,
    (key, has_input): (&Key<crate::kind::Identifier>, bool),
    around: &Around<'_>,
    taken: &mut HashSet<usize>,
    notes: &mut Notes<'_>,
) -> Result<Option<usize>, Reported> {
    let at = table.get(key, notes);
    if !table.has(key) && !has_input {
        let title = format!("{} has neither `input` nor `reader`", table.place());
        notes.error(
            Finding::new(title, table.span.clone())
                .label("one of them is needed")
                .hint("add input = \"gpiochip0:17\", the line of its button")
                .absent(),
        );
        return Err(Reported);
    }
    let Some(at) = at else { return if table.has(key) { Err(Reported) } else { Ok(None) } };
    let place = around.readers.named.find(key, table, &at, notes).ok_or(Reported)?;
    if !around.readers.is_alone(place) {
        let title = format!(
            "`{}` in {} is \"{}\", which belongs to a door or a partition",
            key.name,
            table.place(),
            at.value
        );
        notes.error(Finding::new(title, at.span).label("in use").hint(
            "a card there would mean two things; use a reader without `door` and `partition`",
        ));
        return Err(Reported);
    }
    if !taken.insert(place) {
        let title =
            format!("the reader \"{}\" is named by two help points or checkpoints", at.value);
        notes.error(Finding::new(title, at.span).label("again here"));
        return Err(Reported);
    }
    Ok(Some(place))
}

fn point(
    table: &Reader<'_, '_>,
    lists: &Lists,
    around: &mut Around<'_>,
    (ids, readers): (&mut Named, &mut HashSet<usize>),
    notes: &mut Notes<'_>,
) -> Option<HelpPoint> {
    use help_point as keys;
    let id = table.get(&keys::ID, notes);
    ids.declare(id.as_ref(), notes);
    let same = |id: &&At<Id>| around.zones.iter().any(|zone| zone.rules.id == id.value);
    if let Some(id) = id.as_ref().filter(same) {
        let title =
            format!("the help point \"{}\" has the id of a [[{}]]", id.value, zone::TABLE.name);
        notes.error(Finding::new(title, id.span.clone()).label("used twice"));
    }
    let name = table.get(&keys::NAME, notes);
    let place = table.get(&keys::PLACE, notes);
    let whom = lists.of(&help_point::RESPONDERS, table, notes);
    let input = table.get(&keys::INPUT, notes);
    around.wires.connect_as(keys::INPUT.name, input.as_ref(), notes);
    let second = table.get(&keys::SECOND, notes);
    around.wires.connect_as(keys::SECOND.name, second.as_ref(), notes);
    let within = table.get(&keys::WITHIN, notes);
    let contact = table.get(&keys::CONTACT, notes);
    let bias = table.get(&keys::BIAS, notes);
    let debounce = table.get(&keys::DEBOUNCE, notes);
    wires::debounce(
        debounce.as_ref(),
        "a button that is pressed",
        "somebody in fear presses for a short time",
        notes,
    );
    let card = reader(table, (&keys::READER, table.has(&keys::INPUT)), around, readers, notes);
    let silent = table.get(&keys::SILENT, notes);
    let latched = table.get(&keys::LATCHED, notes);
    let stuck = table.get(&keys::STUCK, notes);
    let partition = table.get(&keys::PARTITION, notes);
    let part = around.partitions.find(&keys::PARTITION, table, partition.as_ref(), notes);
    let hold_off = table.get(&keys::HOLD_OFF, notes);
    if table.has(&keys::SECOND) && !table.has(&keys::INPUT) {
        notes.error(
            Finding::new(
                "`second-input` stands without `input` in [[help-point]]",
                table.span_of(&keys::SECOND),
            )
            .label("alone")
            .hint("name the line of the first button as `input`")
            .absent(),
        );
    }
    let wired = (contact.as_ref()?, bias.as_ref()?, debounce.as_ref()?);
    let (input, second) = (button(input, wired), button(second, wired));
    let (id, card, (responders, otherwise)) = (id?.value, card.ok()?, whom?);
    let kind = if silent?.value { ZoneKind::SilentPanic } else { ZoneKind::Panic };
    let driver = input.as_ref().map_or_else(String::new, |input| input.line.to_string());
    let within = within?.value;
    let help = HelpConfig {
        place: Some(place.map_or_else(|| id.clone(), |place| place.value)),
        reader: card,
        only_card: input.is_none(),
        responders,
        otherwise,
    };
    let rules = ZoneConfig {
        hold_off: hold_off?.value,
        lines: LinesConfig { second: second.as_ref().map(|_| within), ..LinesConfig::default() },
        latch: latched?.value,
        stuck: Some(stuck?.value),
        help: Some(help),
        ..ZoneConfig::new(id, kind, part, driver)
    };
    Some(HelpPoint { name: name.map(|name| name.value), input, second, rules })
}

fn one(
    table: &Reader<'_, '_>,
    around: &mut Around<'_>,
    (ids, readers): (&mut Named, &mut HashSet<usize>),
    notes: &mut Notes<'_>,
) -> Option<Checkpoint> {
    use checkpoint as keys;
    let id = table.get(&keys::ID, notes);
    ids.declare(id.as_ref(), notes);
    let name = table.get(&keys::NAME, notes);
    let input = table.get(&keys::INPUT, notes);
    around.wires.connect_as(keys::INPUT.name, input.as_ref(), notes);
    let contact = table.get(&keys::CONTACT, notes);
    let bias = table.get(&keys::BIAS, notes);
    let debounce = table.get(&keys::DEBOUNCE, notes);
    let card = reader(table, (&keys::READER, table.has(&keys::INPUT)), around, readers, notes);
    let hold_off = table.get(&keys::HOLD_OFF, notes);
    let input = button(input, (contact.as_ref()?, bias.as_ref()?, debounce.as_ref()?));
    let rules = CheckpointConfig {
        id: id?.value,
        driver: input.as_ref().map(|input| input.line.to_string()),
        reader: card.ok()?,
        hold_off: hold_off?.value,
    };
    Some(Checkpoint { name: name.map(|name| name.value), input, rules })
}

fn whole(
    table: &Reader<'_, '_>,
    checkpoints: &Named,
    ids: &mut Named,
    notes: &mut Notes<'_>,
) -> Option<Round> {
    use round as keys;
    let id = table.get(&keys::ID, notes);
    ids.declare(id.as_ref(), notes);
    let name = table.get(&keys::NAME, notes);
    let names = table.list(&keys::CHECKPOINTS, notes);
    let found = names.map(|names| {
        let all = names.value.iter();
        all.map(|at| checkpoints.find(&keys::CHECKPOINTS, table, at, notes)).collect::<Vec<_>>()
    });
    let order = table.get(&keys::ORDER, notes);
    let starts = table.list(&keys::STARTS, notes);
    let least = table.get(&keys::LEG_MIN, notes);
    let most = table.get(&keys::LEG_MAX, notes);
    let tolerance = table.get(&keys::TOLERANCE, notes);
    let give_up = table.get(&keys::GIVE_UP, notes);
    if let (Some(least), Some(most)) = (&least, &most)
        && least.value >= most.value
    {
        let title = format!(
            "`leg-min-s` is {}, which is not shorter than `leg-max-s`, {}",
            least.value.as_secs(),
            most.value.as_secs()
        );
        notes.error(
            Finding::new(title, least.span.clone())
                .label("never in time")
                .also(most.span.clone(), "the longest way"),
        );
    }
    let starts = starts?.value.into_iter().map(|at| at.value).collect();
    let rules = RoundConfig {
        order: order?.value,
        leg_min: least?.value,
        leg_max: most?.value,
        tolerance: tolerance?.value,
        give_up: give_up?.value,
        ..RoundConfig::new(id?.value, found?.into_iter().collect::<Option<_>>()?, starts)
    };
    Some(Round { name: name.map(|name| name.value), rules })
}
