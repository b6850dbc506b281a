//! The challenge test, and what must fit together in it.

use gatehouse_core::site::{ChallengeConfig, Role};

use super::outputs::Outputs;
use super::wires::{Reported, Wires};
use crate::finding::Finding;
use crate::keys::challenge as keys;
use crate::output::Challenge;
use crate::reader::{Notes, Reader};

/// The challenge test, if there is one. An error was reported.
pub(super) fn challenge(
    file: &Reader<'_, '_>,
    wires: &mut Wires,
    outputs: &Outputs,
    notes: &mut Notes<'_>,
) -> Result<Option<Challenge>, Reported> {
    if !file.has_table(&keys::TABLE) {
        return Ok(None);
    }
    test(file, wires, outputs, notes).map(Some).ok_or(Reported)
}

fn test(
    file: &Reader<'_, '_>,
    wires: &mut Wires,
    outputs: &Outputs,
    notes: &mut Notes<'_>,
) -> Option<Challenge> {
    let before = notes.errors.len();
    let table = file.table(&keys::TABLE, notes)?;
    let output = table.get(&keys::OUTPUT, notes);
    let input = table.get(&keys::INPUT, notes);
    wires.plain(keys::INPUT.name, input.as_ref(), notes);
    let contact = table.get(&keys::CONTACT, notes);
    let bias = table.get(&keys::BIAS, notes);
    let debounce = table.get(&keys::DEBOUNCE, notes);
    let pulse = table.get(&keys::PULSE, notes);
    let within = table.get(&keys::WITHIN, notes);
    let found = output.and_then(|at| outputs.find(&keys::OUTPUT, Role::Other, &table, &at, notes));
    if let (Some(pulse), Some(debounce)) = (&pulse, &debounce)
        && pulse.value <= debounce.value
    {
        let title = format!(
            "`pulse-ms` is {}, which is not longer than `debounce-ms`, {}",
            pulse.value.as_millis(),
            debounce.value.as_millis()
        );
        notes.error(
            Finding::new(title, pulse.span.clone())
                .label("never seen")
                .also(debounce.span.clone(), "the debounce time"),
        );
    }
    if let (Some(pulse), Some(debounce), Some(within)) = (&pulse, &debounce, &within)
        && within.value <= pulse.value + debounce.value
    {
        let title = format!(
            "`within-s` is {}, in which the input cannot be at rest again",
            within.value.as_secs()
        );
        notes.error(
            Finding::new(title, within.span.clone())
                .label("too short")
                .also(pulse.span.clone(), "the pulse"),
        );
    }
    if notes.errors.len() > before {
        return None;
    }
    let input = input?.value;
    let rules = ChallengeConfig {
        output: found?.0,
        driver: input.to_string(),
        pulse: pulse?.value,
        within: within?.value,
    };
    let (contact, bias, debounce) = (contact?.value, bias?.value, debounce?.value);
    Some(Challenge { input, contact, bias, debounce, rules })
}
