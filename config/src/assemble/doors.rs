//! The doors, and what must fit together among them.

use std::time::Duration;

use super::Seen;
use crate::door::Door;
use crate::finding::Finding;
use crate::keys;
use crate::reader::{Notes, Reader};
use crate::wiring::{Chip, Line};

/// A signal of 400 ms must always be reported; with a debounce time of up to 300 ms it is.
const LONG_DEBOUNCE: Duration = Duration::from_millis(300);

pub(super) fn doors(file: &Reader<'_, '_>, has_sim: bool, notes: &mut Notes<'_>) -> Vec<Door> {
    let before = notes.errors.len();
    let tables = file.tables(&keys::door::TABLE, notes);
    if tables.is_empty() && notes.errors.len() == before {
        notes.warn(
            Finding::new("there are no doors: nothing is watched", 0..0)
                .hint("add [[door]] with id and input, once for each door")
                .absent(),
        );
    }
    let mut ids = Seen::default();
    let mut lines: Seen<Line> = Seen::default();
    let mut doors = Vec::new();
    for table in tables {
        let id = table.get(&keys::door::ID, notes);
        let name = table.get(&keys::door::NAME, notes);
        let input = table.get(&keys::door::INPUT, notes);
        let contact = table.get(&keys::door::CONTACT, notes);
        let bias = table.get(&keys::door::BIAS, notes);
        let debounce = table.get(&keys::door::DEBOUNCE, notes);
        let held_open = table.get(&keys::door::HELD_OPEN, notes);
        let partition = table.get(&keys::door::PARTITION, notes);
        ids.once(id.as_ref(), notes, |id| format!("the door id \"{id}\" is used twice"));
        lines.once(input.as_ref(), notes, |line| format!("the line {line} is used twice"));
        if let Some(input) = input.as_ref().filter(|input| input.value.chip == Chip::Sim)
            && !has_sim
        {
            let title = format!("`input` is {}, but there is no table [sim]", input.value);
            notes.error(
                Finding::new(title, input.span.clone())
                    .label("simulated")
                    .hint("add [sim] with socket or script, or name a line as \"gpiochip0:17\"")
                    .absent(),
            );
        }
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
        if let Some(debounce) = debounce.as_ref().filter(|time| time.value > LONG_DEBOUNCE) {
            let title = format!(
                "`debounce-ms` is {}: a door that opens for a shorter time is not seen",
                debounce.value.as_millis()
            );
            notes.warn(
                Finding::new(title, debounce.span.clone())
                    .label("long")
                    .hint("most contacts are still within 50 ms"),
            );
        }
        let door = || {
            Some(Door {
                id: id?.value,
                name: name.map(|name| name.value),
                input: input?.value,
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
