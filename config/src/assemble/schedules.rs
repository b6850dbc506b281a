//! Schedules, holidays and key switches.

use gatehouse_core::id::Id;
use gatehouse_core::site::{Dates, Days, HolidayConfig, KeySwitchConfig, Mode, ScheduleConfig};

use super::named::Named;
use super::partitions::Partitions;
use super::wires::Wires;
use crate::clock::{Day, KeyActs};
use crate::finding::Finding;
use crate::keys::key_switch as key;
use crate::keys::schedule::{self as keys, holiday};
use crate::protection::KeySwitch;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;

/// All schedules and holidays. `None`: one is wrong, and was reported.
pub(super) fn schedules(
    file: &Reader<'_, '_>,
    partitions: &mut Partitions,
    notes: &mut Notes<'_>,
) -> Option<(Vec<ScheduleConfig>, Vec<HolidayConfig>)> {
    let mut ids = Named::new(&holiday::TABLE);
    let holidays = file.tables(&holiday::TABLE, notes);
    let holidays: Vec<_> =
        holidays.iter().map(|table| read_holiday(table, &mut ids, notes)).collect();
    let mut ids = Named::new(&keys::TABLE);
    let tables = file.tables(&keys::TABLE, notes);
    let all: Vec<_> =
        tables.iter().map(|table| schedule(table, partitions, &mut ids, notes)).collect();
    if let Some(first) = tables.first() {
        no_time_zone(file, first, notes);
    }
    Some((all.into_iter().collect::<Option<_>>()?, holidays.into_iter().collect::<Option<_>>()?))
}

/// Warns of schedules by a clock that hangs on nobody's wall.
fn no_time_zone(file: &Reader<'_, '_>, first: &Reader<'_, '_>, notes: &mut Notes<'_>) {
    use crate::keys::gateway::{TABLE, TIME_ZONE};
    // What is wrong with the table is told where it is read.
    let mut unheard = Notes::new(notes.text, String::new());
    let told = file.table(&TABLE, &mut unheard).is_none_or(|table| table.has(&TIME_ZONE));
    if !told {
        notes.warn(
            Finding::new("[gateway] has no `time-zone`: schedules go by UTC", first.span.clone())
                .label("by UTC")
                .hint("add time-zone = \"Europe/Berlin\", or where the site is, to [gateway]")
                .absent(),
        );
    }
}

fn schedule(
    table: &Reader<'_, '_>,
    partitions: &mut Partitions,
    ids: &mut Named,
    notes: &mut Notes<'_>,
) -> Option<ScheduleConfig> {
    let id = table.get(&keys::ID, notes);
    ids.declare(id.as_ref(), notes);
    let named = table.get(&keys::PARTITION, notes);
    let mode = table.get(&keys::MODE, notes);
    let partition = (&keys::PARTITION, named.as_ref());
    let partition = of_partition(partition, (&keys::MODE, mode.as_ref()), table, partitions, notes);
    let days = table.list(&keys::DAYS, notes);
    let arm = table.get(&keys::ARM, notes);
    let disarm = table.get(&keys::DISARM, notes);
    let armed_by = table.get(&keys::ARMED_BY, notes);
    let warning = table.get(&keys::WARNING, notes);
    let retry = table.get(&keys::RETRY, notes);
    let force = table.get(&keys::FORCE, notes);
    let postpone = table.get(&keys::POSTPONE, notes);
    let holidays = table.get(&keys::HOLIDAYS, notes);
    if !table.has(&keys::ARM) && !table.has(&keys::DISARM) && !table.has(&keys::ARMED_BY) {
        notes.error(
            Finding::new(
                "[[schedule]] has neither `arm-at` nor `disarm-at` nor `armed-by`",
                table.span.clone(),
            )
            .label("does nothing")
            .hint("add arm-at = \"20:00\"")
            .absent(),
        );
    }
    if let (Some(arm), Some(disarm)) = (&arm, &disarm)
        && arm.value == disarm.value
    {
        notes.error(
            Finding::new(
                "`arm-at` and `disarm-at` of one [[schedule]] are the same time",
                disarm.span.clone(),
            )
            .label("the same")
            .also(arm.span.clone(), "arms then")
            .hint("another time, or another [[schedule]] for other days"),
        );
    }
    if let (Some(disarm), Some(id)) = (&disarm, &named) {
        notes.warn(
            Finding::new(
                format!("the schedule disarms partition \"{}\" by itself", id.value),
                disarm.span.clone(),
            )
            .label("unasked")
            .hint(
                "whoever hides inside waits for this; let the first who comes disarm, if they can",
            ),
        );
    }
    let usual = ScheduleConfig::new(id?.value, partition?);
    let days = days?.value.into_iter().map(|at| at.value.0);
    Some(ScheduleConfig {
        days: Days::of(days),
        arm: arm.map(|at| at.value),
        disarm: disarm.map(|at| at.value),
        armed_by: armed_by.map(|at| at.value),
        mode: mode?.value,
        warning: warning?.value,
        retry: retry?.value,
        force: force?.value,
        postpone: postpone?.value,
        holidays: holidays?.value,
        ..usual
    })
}

/// The partition that is armed, in a mode that it has.
fn of_partition<K, M>(
    (key, named): (&Key<K>, Option<&At<Id>>),
    (mode_key, mode): (&Key<M>, Option<&At<Mode>>),
    table: &Reader<'_, '_>,
    partitions: &mut Partitions,
    notes: &mut Notes<'_>,
) -> Option<usize> {
    let named = named?;
    let place = partitions.refer(key, table, named, notes)?;
    let what = table.place();
    if let Some(common) = partitions.common(place) {
        let title = format!("`partition` in {what} is \"{}\", a common area", named.value);
        notes.error(
            Finding::new(title, named.span.clone())
                .label("follows its users")
                .also(common, "common to these")
                .hint("name the partitions that it is common to"),
        );
    }
    let (has, modes_at) = partitions.modes(place);
    if let Some(mode) = mode.filter(|mode| !has.contains(mode.value)) {
        let (name, word) = (mode_key.name, mode.value.as_str());
        let title = format!("`{name}` in {what} is \"{word}\", which its partition does not have");
        notes.error(
            Finding::new(title, mode.span.clone())
                .label("never armed so")
                .also(modes_at, "the partition's modes")
                .hint("write one of these, or add it to the partition's `modes`"),
        );
    }
    Some(place)
}

fn read_holiday(
    table: &Reader<'_, '_>,
    ids: &mut Named,
    notes: &mut Notes<'_>,
) -> Option<HolidayConfig> {
    let id = table.get(&holiday::ID, notes);
    ids.declare(id.as_ref(), notes);
    let from = table.get(&holiday::FROM, notes);
    let until = table.get(&holiday::UNTIL, notes);
    let like = table.get(&holiday::AS, notes);
    let from = from?;
    if until.is_none() && table.has(&holiday::UNTIL) {
        return None;
    }
    let until = until.unwrap_or_else(|| from.clone());
    let dates = match (from.value, until.value) {
        (Day::Once(first), Day::Once(last)) if first <= last => {
            Dates::Once { from: first, until: last }
        }
        (Day::Yearly(..), Day::Once(_)) | (Day::Once(_), Day::Yearly(..)) => {
            notes.error(
                Finding::new(
                    "`from` and `until` of a [[holiday]]: one has a year, the other has none",
                    until.span,
                )
                .label("unlike the other")
                .also(from.span, "the first day")
                .hint("both with a year, or both without for every year"),
            );
            return None;
        }
        (Day::Once(_), Day::Once(_)) => {
            notes.error(
                Finding::new("`until` of a [[holiday]] is before `from`", until.span)
                    .label("before")
                    .also(from.span, "the first day")
                    .hint("the last day is one of the holiday's days"),
            );
            return None;
        }
        (Day::Yearly(month, day), Day::Yearly(last_month, last_day)) => {
            Dates::Yearly { from: (month, day), until: (last_month, last_day) }
        }
    };
    Some(HolidayConfig { id: id?.value, dates, like: like?.value.0 })
}

/// All key switches. `None`: one is wrong, and was reported.
pub(super) fn key_switches(
    file: &Reader<'_, '_>,
    wires: &mut Wires,
    partitions: &mut Partitions,
    notes: &mut Notes<'_>,
) -> Option<Vec<KeySwitch>> {
    let mut ids = Named::new(&key::TABLE);
    let tables = file.tables(&key::TABLE, notes);
    let all: Vec<_> =
        tables.iter().map(|table| key_switch(table, wires, partitions, &mut ids, notes)).collect();
    all.into_iter().collect()
}

fn key_switch(
    table: &Reader<'_, '_>,
    wires: &mut Wires,
    partitions: &mut Partitions,
    ids: &mut Named,
    notes: &mut Notes<'_>,
) -> Option<KeySwitch> {
    let id = table.get(&key::ID, notes);
    ids.declare(id.as_ref(), notes);
    let name = table.get(&key::NAME, notes);
    let input = table.get(&key::INPUT, notes);
    wires.connect(input.as_ref(), notes);
    let contact = table.get(&key::CONTACT, notes);
    let bias = table.get(&key::BIAS, notes);
    wires.bias(input.as_ref(), bias.as_ref(), notes);
    let debounce = table.get(&key::DEBOUNCE, notes);
    let named = table.get(&key::PARTITION, notes);
    let mode = table.get(&key::MODE, notes);
    let partition = (&key::PARTITION, named.as_ref());
    let partition = of_partition(partition, (&key::MODE, mode.as_ref()), table, partitions, notes);
    let motion = table.get(&key::MOTION, notes);
    let acts = table.get(&key::ACTS, notes);
    let stuck = table.get(&key::STUCK, notes);
    let (input, acts) = (input?.value, acts?.value);
    Some(KeySwitch {
        name: name.map(|name| name.value),
        contact: contact?.value,
        bias: bias?.value,
        debounce: debounce?.value,
        rules: KeySwitchConfig {
            id: id?.value,
            driver: input.to_string(),
            partition: partition?,
            mode: mode?.value,
            motion: motion?.value,
            arms: acts != KeyActs::Disarm,
            disarms: acts != KeyActs::Arm,
            stuck: stuck?.value,
        },
        input,
    })
}
