//! The doors, and what must fit together among them.

use super::Seen;
use super::partitions::Partitions;
use super::wires::{self, Wires};
use crate::door::Door;
use crate::finding::Finding;
use crate::keys;
use crate::reader::{Notes, Reader};

/// What only a plain contact has, not a loop.
const PLAIN: [&str; 2] = ["bias", "debounce-ms"];

pub(super) fn doors(
    file: &Reader<'_, '_>,
    wires: &mut Wires,
    partitions: &mut Partitions,
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
            })
        };
        doors.extend(door());
    }
    doors
}
