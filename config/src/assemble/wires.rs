//! What holds for every wired input, of a door or of a zone.

use std::time::Duration;

use super::Seen;
use crate::finding::Finding;
use crate::kind::Choice;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;
use crate::wiring::{Bias, Chip, Contact, Line, LineKind, WiredInput};

/// Buttons and tamper contacts bounce as doors do; nobody presses a button for less.
const INPUT_DEBOUNCE: Duration = Duration::from_millis(50);

/// A signal of 400 ms must always be reported. The last 50 of them are left to the bouncing of the
/// contact, which begins the time of stillness anew.
const LONG_DEBOUNCE: Duration = Duration::from_millis(350);

/// The lines that are in use.
pub(super) struct Wires {
    lines: Seen<Line>,
    has_sim: bool,
}

impl Wires {
    pub(super) fn new(has_sim: bool) -> Self {
        Self { lines: Seen::default(), has_sim }
    }

    /// One more line, that of an input.
    pub(super) fn connect(&mut self, input: Option<&At<Line>>, notes: &mut Notes<'_>) {
        self.connect_as("input", input, notes);
    }

    /// One more line, by its key.
    pub(super) fn connect_as(
        &mut self,
        key: &str,
        input: Option<&At<Line>>,
        notes: &mut Notes<'_>,
    ) {
        self.lines.once(input, notes, |line| format!("the line {line} is used twice"));
        if let Some(input) = input.filter(|input| input.value.chip == Chip::Sim && !self.has_sim) {
            let title = format!("`{key}` is {}, but there is no table [sim]", input.value);
            notes.error(
                Finding::new(title, input.span.clone())
                    .label("simulated")
                    .hint("add [sim] with socket or script, or name a line as \"gpiochip0:17\"")
                    .absent(),
            );
        }
    }
}

/// Warns of a filter that keeps too much out: "a door that opens", "a detector that signals".
pub(super) fn debounce(time: Option<&At<Duration>>, what: &str, hint: &str, notes: &mut Notes<'_>) {
    let Some(time) = time.filter(|time| time.value > LONG_DEBOUNCE) else { return };
    let title = format!(
        "`debounce-ms` is {}: {what} for a shorter time is not seen",
        time.value.as_millis()
    );
    notes.warn(Finding::new(title, time.span.clone()).label("long").hint(hint));
}

/// The keys of an input beside a door or a reader.
type InputKeys<'k> = (&'k Key<LineKind>, &'k Key<Choice<Contact>>, &'k Key<Choice<Bias>>);

/// An input beside a door or a reader, if it has one.
pub(super) fn input(
    table: &Reader<'_, '_>,
    (line, contact, bias): InputKeys<'_>,
    wires: &mut Wires,
    notes: &mut Notes<'_>,
) -> Option<WiredInput> {
    let at = table.get(line, notes);
    let contact_at = table.get(contact, notes);
    let bias_at = table.get(bias, notes);
    wires.connect_as(line.name, at.as_ref(), notes);
    super::access::needs(table, contact, table.has(line), line.name, notes);
    super::access::needs(table, bias, table.has(line), line.name, notes);
    Some(WiredInput {
        line: at?.value,
        contact: contact_at?.value,
        bias: bias_at?.value,
        debounce: INPUT_DEBOUNCE,
    })
}
