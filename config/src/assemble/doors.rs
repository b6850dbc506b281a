//! The doors, and what must fit together among them.

use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{LockConfig, Passage, Role};

use super::access::needs;
use super::feeds::{FeedKeys, Feeds, Given};
use super::named::Named;
use super::outputs::Outputs;
use super::partitions::Partitions;
use super::wires::{self, Wires};
use crate::door::{Door, Rex};
use crate::finding::Finding;
use crate::keys;
use crate::reader::{Notes, Reader};

/// What only a plain contact has, not a loop.
const PLAIN: [&str; 2] = ["bias", "debounce-ms"];

/// The doors, and their ids for those who name them.
pub(super) struct Doors {
    pub(super) named: Named,
    pub(super) all: Vec<Door>,
}

impl Doors {
    /// The partition of a door.
    pub(super) fn partition(&self, id: &Id) -> Option<Id> {
        self.all.iter().find(|door| door.id == *id)?.partition.clone()
    }
}

/// The time to hear the lock and pull the door.
const PULSE: Duration = Duration::from_secs(5);

const FEED: FeedKeys = FeedKeys {
    line: &keys::door::INPUT,
    contact: &keys::door::CAMERA_INPUT,
    motion: None,
    wired: &["contact", "bias", "debounce-ms", "loop", "end-ohms", "alarm-ohms"],
};

pub(super) fn doors<'d, 'i>(
    file: &Reader<'d, 'i>,
    wires: &mut Wires,
    partitions: &mut Partitions,
    (areas, outputs, feeds): (&Named, &Outputs, &mut Feeds<'d, 'i>),
    notes: &mut Notes<'_>,
) -> Doors {
    let before = notes.errors.len();
    let tables = file.tables(&keys::door::TABLE, notes);
    if tables.is_empty()
        && !file.has_table(&keys::zone::TABLE)
        && !file.has_table(&keys::help_point::TABLE)
        && notes.errors.len() == before
    {
        notes.warn(
            Finding::new("there are no doors and no zones: nothing is watched", 0..0)
                .hint("add [[door]] with id and input, once for each door")
                .absent(),
        );
    }
    let mut ids = Named::new(&keys::door::TABLE);
    let mut doors = Vec::new();
    for table in tables {
        let id = table.get(&keys::door::ID, notes);
        let name = table.get(&keys::door::NAME, notes);
        let given = Given::read(&table, &FEED, notes);
        let input = given.line.clone();
        let feed = given.feed();
        let contact = table.get(&keys::door::CONTACT, notes);
        let bias = table.get(&keys::door::BIAS, notes);
        let debounce = table.get(&keys::door::DEBOUNCE, notes);
        wires.connect(input.as_ref(), notes);
        wires.bias(input.as_ref(), bias.as_ref(), notes);
        let supervised = wires.supervised(&table, input.as_ref(), &PLAIN, notes);
        let held_open = table.get(&keys::door::HELD_OPEN, notes);
        let partition = table.get(&keys::door::PARTITION, notes);
        ids.declare(id.as_ref(), notes);
        partitions.find(&keys::door::PARTITION, &table, partition.as_ref(), notes);
        if let (Some(held), Some(debounce)) = (&held_open, &debounce)
            && held.value <= debounce.value
        {
            let title = format!(
                "`held-open-s` is {} s, which is not longer than `debounce-ms`, {} ms",
                held.value.as_secs(),
                debounce.value.as_millis()
            );
            notes.error(
                Finding::new(title, held.span.clone())
                    .label("too short")
                    .also(debounce.span.clone(), "the debounce time")
                    .hint(
                        "a door stands open for seconds to minutes before it counts as held open",
                    ),
            );
        }
        wires::debounce(
            debounce.as_ref(),
            "a door that opens",
            "most contacts are still within 50 ms",
            notes,
        );
        let propped = table.get(&keys::door::PROPPED, notes);
        if let (Some(held), Some(propped)) = (&held_open, &propped)
            && propped.value <= held.value
        {
            let title = format!(
                "`propped-s` is {}, which is not longer than `held-open-s`, {}",
                propped.value.as_secs(),
                held.value.as_secs()
            );
            notes.error(
                Finding::new(title, propped.span.clone())
                    .label("too short")
                    .also(held.span.clone(), "the warning")
                    .hint("held open is the warning, propped the alarm that follows it"),
            );
        }
        let chime = table.get(&keys::door::CHIME, notes);
        let forced = table.get(&keys::door::FORCED, notes);
        let grace = table.get(&keys::door::GRACE, notes);
        let passage = passage(&table, areas, notes);
        let rex = rex(&table, wires, notes);
        let lock = lock(&table, outputs, notes);
        let release = table.get(&keys::door::RELEASE, notes);
        if let Some(rex) = rex.as_ref().filter(|rex| rex.releases)
            && !(table.has(&keys::door::LOCK) && release.as_ref().is_some_and(|is| is.value))
        {
            let title = format!(
                "`rex-releases` is true at {}, but the gateway may not release this door",
                rex.input.line
            );
            notes.error(
                Finding::new(title, table.span_of(&keys::door::REX_RELEASES))
                    .label("releases nothing")
                    .hint("add lock = …, fail = … and release = true, or leave it out")
                    .absent(),
            );
        }
        let door = || {
            Some(Door {
                id: id?.value,
                name: name.map(|name| name.value),
                input: feed?,
                supervised: supervised.ok()?,
                contact: contact?.value,
                debounce: debounce?.value,
                bias: bias?.value,
                held_open: held_open.map(|limit| limit.value),
                propped: propped.map(|limit| limit.value),
                chime: chime?.value,
                partition: partition.map(|partition| partition.value),
                forced: forced?.value,
                grace: grace?.value,
                rex,
                passage,
                lock,
                release: release?.value,
            })
        };
        doors.extend(door());
        feeds.note(table, FEED.contact, given, None, notes);
    }
    Doors { named: ids, all: doors }
}

/// The areas that a door joins.
fn passage(table: &Reader<'_, '_>, areas: &Named, notes: &mut Notes<'_>) -> Option<Passage> {
    use keys::door::{INSIDE, OUTSIDE};
    let outside_at = table.get(&OUTSIDE, notes);
    let inside_at = table.get(&INSIDE, notes);
    needs(table, &OUTSIDE, table.has(&INSIDE), INSIDE.name, notes);
    let outside = outside_at.as_ref().and_then(|at| areas.find(&OUTSIDE, table, at, notes));
    let inside = inside_at.as_ref().and_then(|at| areas.find(&INSIDE, table, at, notes))?;
    if outside == Some(inside) {
        let at = inside_at?;
        notes.error(
            Finding::new("`outside` and `inside` of a [[door]] are the same area", at.span)
                .label("leads nowhere")
                .also(table.span_of(&OUTSIDE), "the same")
                .hint("leave `outside` out where the street begins"),
        );
    }
    Some(Passage { outside, inside })
}

/// The request-to-exit input of a door.
fn rex(table: &Reader<'_, '_>, wires: &mut Wires, notes: &mut Notes<'_>) -> Option<Rex> {
    use keys::door::{REX, REX_BIAS, REX_CONTACT, REX_HOLD, REX_RELEASES, REX_STUCK};
    let input = wires::input(table, (&REX, &REX_CONTACT, &REX_BIAS), wires, notes);
    let hold = table.get(&REX_HOLD, notes);
    let stuck_after = table.get(&REX_STUCK, notes);
    let releases = table.get(&REX_RELEASES, notes);
    let has = table.has(&REX);
    needs(table, &REX_HOLD, has, REX.name, notes);
    needs(table, &REX_STUCK, has, REX.name, notes);
    needs(table, &REX_RELEASES, has, REX.name, notes);
    Some(Rex {
        input: input?,
        hold: hold?.value,
        stuck_after: stuck_after?.value,
        releases: releases?.value,
    })
}

/// The lock of a door, and what must be said with it.
fn lock(table: &Reader<'_, '_>, outputs: &Outputs, notes: &mut Notes<'_>) -> Option<LockConfig> {
    use keys::door::{FAIL, LOCK, LOCK_PULSE, RELEASE};
    let lock = table.get(&LOCK, notes);
    let pulse = table.get(&LOCK_PULSE, notes);
    let fail = table.get(&FAIL, notes);
    let mut alone = |name: &str, span| {
        notes.error(
            Finding::new(format!("`{name}` stands without `lock` in [[door]]"), span)
                .label("of which lock?")
                .hint("add lock = … with the id of an [[output]] of role \"lock\"")
                .absent(),
        );
    };
    if !table.has(&LOCK) {
        for (has, name, span) in [
            (table.has(&LOCK_PULSE), LOCK_PULSE.name, table.span_of(&LOCK_PULSE)),
            (table.has(&FAIL), FAIL.name, table.span_of(&FAIL)),
            (table.has(&RELEASE), RELEASE.name, table.span_of(&RELEASE)),
        ] {
            if has {
                alone(name, span);
            }
        }
        return None;
    }
    if !table.has(&FAIL) {
        notes.error(
            Finding::new("`fail` is missing from a [[door]] with a lock", table.span_of(&LOCK))
                .label("what does it do without power?")
                .hint("add fail = \"safe\" (open without power) or fail = \"secure\" (locked)")
                .absent(),
        );
    }
    let (output, found) = outputs.find(&LOCK, Role::Lock, table, &lock?, notes)?;
    if let (Some(pulse), Some(limit)) = (&pulse, found.and_then(|found| found.max_on))
        && pulse.value > limit
    {
        let title = format!(
            "`lock-pulse-s` is {}, but its output is never on for longer than {} s",
            pulse.value.as_secs(),
            limit.as_secs()
        );
        notes.error(
            Finding::new(title, pulse.span.clone())
                .label("too long")
                .hint("shorten it, or raise `max-on-s` of the output"),
        );
    }
    let pulse = pulse.map_or(PULSE, |pulse| pulse.value);
    Some(LockConfig { output, pulse, fail: fail?.value })
}
