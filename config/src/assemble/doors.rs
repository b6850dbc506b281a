//! The doors, and what must fit together among them.

use std::time::Duration;

use gatehouse_core::site::{LockConfig, Role};

use super::Seen;
use super::outputs::Outputs;
use super::partitions::Partitions;
use super::wires::{self, Wires};
use crate::door::Door;
use crate::finding::Finding;
use crate::keys;
use crate::reader::{Notes, Reader};

/// The time to hear the lock and pull the door.
const PULSE: Duration = Duration::from_secs(5);

/// What only a plain contact has, not a loop.
const PLAIN: [&str; 2] = ["bias", "debounce-ms"];

pub(super) fn doors(
    file: &Reader<'_, '_>,
    wires: &mut Wires,
    partitions: &mut Partitions,
    outputs: &Outputs,
    notes: &mut Notes<'_>,
) -> Vec<Door> {
    let before = notes.errors.len();
    let tables = file.tables(&keys::door::TABLE, notes);
    if tables.is_empty() && !file.has_table(&keys::zone::TABLE) && notes.errors.len() == before {
        notes.warn(
            Finding::new("there are no doors and no zones: nothing is watched", 0..0)
                .hint("add [[door]] with id and input, once for each door")
                .absent(),
        );
    }
    let mut ids = Seen::default();
    let mut doors = Vec::new();
    for table in tables {
        let id = table.get(&keys::door::ID, notes);
        let name = table.get(&keys::door::NAME, notes);
        let input = table.get(&keys::door::INPUT, notes);
        let contact = table.get(&keys::door::CONTACT, notes);
        let bias = table.get(&keys::door::BIAS, notes);
        let debounce = table.get(&keys::door::DEBOUNCE, notes);
        wires.connect(input.as_ref(), notes);
        wires.bias(input.as_ref(), bias.as_ref(), notes);
        let supervised = wires.supervised(&table, input.as_ref(), &PLAIN, notes);
        let held_open = table.get(&keys::door::HELD_OPEN, notes);
        let partition = table.get(&keys::door::PARTITION, notes);
        ids.once(id.as_ref(), notes, |id| format!("the door id \"{id}\" is used twice"));
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
        let lock = lock(&table, outputs, notes);
        let release = table.get(&keys::door::RELEASE, notes);
        let door = || {
            Some(Door {
                id: id?.value,
                name: name.map(|name| name.value),
                input: input?.value,
                supervised: supervised.ok()?,
                contact: contact?.value,
                debounce: debounce?.value,
                bias: bias?.value,
                held_open: held_open.map(|limit| limit.value),
                partition: partition.map(|partition| partition.value),
                lock,
                release: release?.value,
            })
        };
        doors.extend(door());
    }
    doors
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
