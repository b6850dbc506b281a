//! What holds for every wired input, of a door or of a zone.

use std::ops::Range;
use std::time::Duration;

use super::Seen;
use crate::devices::{CUSTOM, ChipKind, Loop};
use crate::finding::{Finding, count};
use crate::keys::supervised as keys;
use crate::kind::Choice;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;
use crate::wiring::{Bias, Chip, Contact, Line, LineKind, WiredInput};

/// Buttons and tamper contacts bounce as doors do; nobody presses a button for less.
const INPUT_DEBOUNCE: Duration = Duration::from_millis(50);

/// A signal of 400 ms must always be reported. The last 50 of them are left to the bouncing of the
/// contact, which begins the time of stillness anew.
const LONG_DEBOUNCE: Duration = Duration::from_millis(350);

/// A presence sensor learns its background for half a minute before it says anything.
const PRESENCE_LEARNS: Duration = Duration::from_secs(45);

/// So much of each 100 ms of a bus may be the measuring of loops; the rest is for everything else.
const LOOPS_MS: u32 = 86;

/// The lines that are in use, and the chips that have some.
pub(super) struct Wires {
    lines: Seen<Line>,
    has_sim: bool,
    chips: Vec<Known>,
    /// Inputs of converters that nobody has said the resistors of yet.
    bare: Vec<At<Line>>,
}

/// Something was wrong, and was reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// A declared chip, for whoever is wired to it.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) kind: ChipKind,
    pub(super) bus: usize,
    /// The input that measures the supply.
    pub(super) supply_input: Option<u32>,
    /// Where its table stands.
    pub(super) span: Range<usize>,
    /// How many loops it measures.
    pub(super) loops: u32,
}

impl Wires {
    pub(super) fn new(has_sim: bool) -> Self {
        Self { lines: Seen::default(), has_sim, chips: Vec::new(), bare: Vec::new() }
    }

    pub(super) const fn has_sim(&self) -> bool {
        self.has_sim
    }

    pub(super) fn declare(&mut self, chip: Known) {
        self.chips.push(chip);
    }

    /// A line that is none of a declared chip, by its key: of an output, of what is wired to one.
    pub(super) fn plain(&mut self, key: &str, line: Option<&At<Line>>, notes: &mut Notes<'_>) {
        self.take(key, line, notes);
        let Some((line, chip)) = line.and_then(|line| Some((line, self.chip(line)?))) else {
            return;
        };
        let title = format!("`{key}` is {}, which is a line of a [[chip]]", line.value);
        notes.error(
            Finding::new(title, line.span.clone())
                .label("for doors and zones only")
                .also(self.chips[chip].span.clone(), "the chip")
                .hint("wire it to a GPIO chip of the kernel; `gpiodetect` lists them"),
        );
    }

    /// One more line, that of an input.
    pub(super) fn connect(&mut self, input: Option<&At<Line>>, notes: &mut Notes<'_>) {
        self.connect_as("input", input, notes);
    }

    /// One more line of an input, by its key.
    pub(super) fn connect_as(
        &mut self,
        key: &str,
        input: Option<&At<Line>>,
        notes: &mut Notes<'_>,
    ) {
        self.take(key, input, notes);
        self.measure(input, notes);
    }

    fn take(&mut self, key: &str, input: Option<&At<Line>>, notes: &mut Notes<'_>) {
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

    /// An input of a declared chip.
    fn measure(&mut self, input: Option<&At<Line>>, notes: &mut Notes<'_>) {
        let Some((input, place)) = input.and_then(|input| Some((input, self.chip(input)?))) else {
            return;
        };
        let chip = &mut self.chips[place];
        let (kind, lines, line) = (chip.kind, chip.kind.lines(), input.value.offset);
        if kind.is_converter() {
            chip.loops += 1;
            self.bare.push(input.clone());
        }
        let finding =
            |title| Finding::new(title, input.span.clone()).also(chip.span.clone(), "the chip");
        if line >= lines {
            let (name, id) = (kind.name(), &chip.id);
            let title = match lines {
                0 => {
                    format!(
                        "`input` is {}, but {id} is the {name}, which has no lines",
                        input.value
                    )
                }
                1 => format!("`input` is {}, but the {name} has only the line 0", input.value),
                _ => format!(
                    "`input` is {}, but the lines of the {name} are 0 to {}",
                    input.value,
                    lines - 1
                ),
            };
            notes.error(finding(title).label("not there"));
        } else if chip.supply_input == Some(line) {
            let title =
                format!("`input` is {}, which measures the supply of the loops", input.value);
            notes.error(
                finding(title)
                    .label("in use")
                    .hint("wire the loop to another input, or move `supply-input`"),
            );
        }
    }

    /// The declared chip that an input is on.
    fn chip(&self, input: &At<Line>) -> Option<usize> {
        let Chip::Gpio(name) = &input.value.chip else { return None };
        self.chips.iter().position(|chip| chip.id == *name)
    }

    /// The resistor at an input of an expander: it has pull-ups or none.
    pub(super) fn bias(
        &self,
        input: Option<&At<Line>>,
        bias: Option<&At<Bias>>,
        notes: &mut Notes<'_>,
    ) {
        let Some(chip) = input.and_then(|input| self.chip(input)) else { return };
        let Some(bias) = bias.filter(|bias| bias.value == Bias::PullDown) else { return };
        let chip = &self.chips[chip];
        if !chip.kind.is_expander() {
            return;
        }
        let title =
            format!("`bias` is \"pull-down\", which the {} does not have", chip.kind.name());
        notes.error(
            Finding::new(title, bias.span.clone())
                .label("not there")
                .also(chip.span.clone(), "the chip")
                .hint("wire the contact to ground and write bias = \"pull-up\""),
        );
    }

    /// What a zone on this input must be granted before it counts as lost.
    pub(super) fn first_reading(&self, input: &Line) -> Duration {
        let at = At { value: input.clone(), span: 0..0 };
        let kind = self.chip(&at).map(|chip| self.chips[chip].kind);
        if kind == Some(ChipKind::Amg8833) { PRESENCE_LEARNS } else { Duration::ZERO }
    }

    /// The supervised loop at an input, if it is one.
    ///
    /// # Errors
    /// Its keys are wrong, and that was reported.
    ///
    /// `plain` are the keys of the table that only a contact on a line of its own has.
    pub(super) fn supervised(
        &mut self,
        table: &Reader<'_, '_>,
        input: Option<&At<Line>>,
        plain: &[&str],
        notes: &mut Notes<'_>,
    ) -> Result<Option<Loop>, Reported> {
        let before = notes.errors.len();
        self.bare.retain(|bare| input.is_none_or(|input| input.value != bare.value));
        let word = table.get(&keys::LOOP, notes);
        let end = table.get(&keys::END, notes);
        let contact = table.get(&keys::ALARM, notes);
        let chip = input.and_then(|input| self.chip(input)).map(|chip| &self.chips[chip]);
        let converter = chip.is_some_and(|chip| chip.kind.is_converter());
        if let (Some(input), false) = (input, table.has(&keys::LOOP))
            && converter
        {
            let title =
                format!("`loop` is missing: {} is an input for supervised loops", input.value);
            notes.error(
                Finding::new(title, input.span.clone())
                    .label("a loop")
                    .hint("add loop = \"3k3-6k8\" or what the resistors are: gateway.toml(5) lists them")
                    .absent(),
            );
        }
        if table.has(&keys::LOOP) && !converter && input.is_some() {
            let title = "`loop` is only for inputs of a converter, as an ADS1115 or MCP3208";
            notes.error(
                Finding::new(title, table.span_of(&keys::LOOP))
                    .label("no converter")
                    .hint("declare the chip with [[chip]] and name its input, as \"adc1:2\""),
            );
        }
        let custom = word.as_ref().is_some_and(|word| word.value.0 == CUSTOM);
        for key in [&keys::END, &keys::ALARM] {
            if table.has(key) && !custom {
                not_for(table, key, "is only for loop = \"custom\"", notes);
            }
        }
        for name in plain.iter().filter(|_| converter) {
            if let Some(span) = table.place_of(name) {
                let title = format!("`{name}` is not for a supervised loop");
                notes.error(
                    Finding::new(title, span)
                        .label("not for loops")
                        .hint(format!("leave `{name}` out")),
                );
            }
        }
        let Some(word) = word else {
            return if notes.errors.len() == before { Ok(None) } else { Err(Reported) };
        };
        if !custom {
            return Ok(Some(Loop::Preset(word.value.0)));
        }
        let Some(end) = end else {
            if !table.has(&keys::END) {
                notes.error(
                    Finding::new("`end-ohms` is missing from a custom loop", word.span)
                        .label("custom")
                        .hint("add end-ohms = …: the resistor at the end of the loop, in ohm")
                        .absent(),
                );
            }
            return Err(Reported);
        };
        if let Some(contact) = &contact
            && (contact.value * 2 < end.value || contact.value > end.value * 5)
        {
            let title = format!(
                "`alarm-ohms` is {}, which is not half of `end-ohms`, {}, to five times as much",
                contact.value, end.value
            );
            notes.error(
                Finding::new(title, contact.span.clone())
                    .label("cannot be told apart")
                    .also(end.span, "the end"),
            );
        }
        let contact = contact.map(|at| at.value);
        Ok(Some(Loop::Custom { end: end.value, contact }))
    }

    /// What only all inputs together show.
    pub(super) fn finish(self, notes: &mut Notes<'_>) {
        for input in self.bare {
            let title = format!(
                "{} is an input for supervised loops, which only a door or a zone has",
                input.value
            );
            notes.error(
                Finding::new(title, input.span)
                    .label("a loop")
                    .hint("wire it to a line of the box or of an expander"),
            );
        }
        let mut told = Vec::new();
        for chip in self.chips.iter().filter(|chip| chip.loops > 0) {
            let on_bus = self.chips.iter().filter(|other| other.bus == chip.bus);
            let takes: u32 = on_bus.map(|other| other.loops * other.kind.loop_ms()).sum();
            if takes <= LOOPS_MS || told.contains(&chip.bus) {
                continue;
            }
            told.push(chip.bus);
            let title = format!(
                "the loops of one bus would take {takes} ms of each 100 ms to measure; {LOOPS_MS} \
                 can be used"
            );
            let loops = usize::try_from(chip.loops).unwrap_or(usize::MAX);
            notes.error(
                Finding::new(title, chip.span.clone())
                    .label(format!("has {}", count(loops, "loop")))
                    .hint(
                        "an ADS1115 has three on a bus of its own; take an ADS1015, an MCP3208 or \
                         another bus",
                    )
                    .absent(),
            );
        }
    }
}

fn not_for<K>(table: &Reader<'_, '_>, key: &Key<K>, why: &str, notes: &mut Notes<'_>) {
    let title = format!("`{}` {why}", key.name);
    notes.error(
        Finding::new(title, table.span_of(key))
            .label("not for this loop")
            .hint(format!("leave `{}` out, or write loop = \"custom\"", key.name)),
    );
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
