//! The cameras, and what must fit together among them.

mod source;

use std::collections::HashSet;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{CameraAreaConfig, CameraConfig, Tells};

use super::Seen;
use super::brokers::{Login, password, secret};
use super::named::Named;
use super::partitions::Partitions;
use super::patrol::Patrol;
use super::store::store;
use crate::camera::{Camera, CameraArea, CameraRule, Events, Evidence};
use crate::devices::BusChip;
use crate::files::FileRef;
use crate::finding::Finding;
use crate::keys;
use crate::keys::camera as key;
use crate::kind::Identifier;
use crate::list::List;
use crate::protection::Zone;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;

/// Cameras of a switch that fails are found lost within so long of each other: a stall is seen after
/// 3 to 4.5 s.
const TOGETHER: Duration = Duration::from_secs(3);

/// What cameras name.
pub(super) struct Around<'a> {
    pub(super) partitions: &'a mut Partitions,
    pub(super) doors: &'a Named,
    pub(super) zones: Option<&'a [Zone]>,
    pub(super) patrol: Option<&'a Patrol>,
    /// `None`: one of them is wrong, and was reported.
    pub(super) chips: Option<&'a [BusChip]>,
    /// Whether a bus, a chip or an RS-485 bus has this id.
    pub(super) is_bus: &'a dyn Fn(&Id) -> bool,
}

/// All cameras, and what they hang on. `None`: one of them is wrong, and was reported.
pub(super) fn cameras(
    file: &Reader<'_, '_>,
    mut around: Around<'_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<(Vec<Camera>, Vec<Id>)> {
    let mut ids = Named::new(&key::TABLE);
    let mut switches = Vec::new();
    let mut chips = Seen::default();
    let tables = file.tables(&key::TABLE, notes);
    let all: Vec<_> = { tables.iter() }
        .map(|table| {
            camera(table, &mut around, (&mut ids, &mut switches, &mut chips), notes, files)
        })
        .collect();
    Some((all.into_iter().collect::<Option<_>>()?, switches))
}

fn camera(
    table: &Reader<'_, '_>,
    around: &mut Around<'_>,
    (ids, switches, chips): (&mut Named, &mut Vec<Id>, &mut Seen<Id>),
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<Camera> {
    let id = table.get(&key::ID, notes);
    ids.declare(id.as_ref(), notes);
    let name = table.get(&key::NAME, notes);
    let source = source::source(table, around.chips, chips, notes);
    let transport = table.get(&key::TRANSPORT, notes);
    let username = table.get(&key::USERNAME, notes);
    let login = Login {
        file: &key::PASSWORD_FILE,
        credential: &key::PASSWORD_CREDENTIAL,
        username: &key::USERNAME,
    };
    let password = password(table, &login, notes, files);
    let switch = table.get(&key::SWITCH, notes);
    let switch = match switch {
        Some(at) => place_of_switch(&at, around, switches, notes).map(Some),
        None => (!table.has(&key::SWITCH)).then_some(None),
    };
    let named = table.get(&key::PARTITION, notes);
    let partition = around.partitions.find(&key::PARTITION, table, named.as_ref(), notes);
    let doors = looked_at(&key::DOORS, table, notes, |at, notes| {
        around.doors.find(&key::DOORS, table, at, notes)
    });
    let zone_ids = zone_ids(around);
    let zones = looked_at(&key::ZONES, table, notes, |at, notes| {
        zone_ids.as_ref()?.find(&key::ZONES, table, at, notes)
    });
    let masks = table.list(&key::MASKS, notes);
    let mask_required = table.get(&key::MASK_REQUIRED, notes);
    if let Some(required) = mask_required.as_ref().filter(|at| at.value)
        && !table.has(&key::MASKS)
    {
        notes.warn(
            Finding::new(
                "`mask-required` is true and there are no `masks`: no picture and no clip is taken",
                required.span.clone(),
            )
            .label("records nothing")
            .hint("draw a mask, or leave `mask-required` out"),
        );
    }
    let watch = table.get(&key::WATCH, notes);
    let pre = table.get(&key::PRE, notes);
    let post = table.get(&key::POST, notes);
    let hold_off = table.get(&key::HOLD_OFF, notes);
    let events = source.as_ref().map(|source| source.events);
    let areas = areas(table, table.has(&key::PARTITION), events, notes);
    let source = source?;
    let rules = CameraConfig {
        partition,
        // Beyond its own hold-off: so long what it hangs on takes its cameras with it.
        hold_off: if table.has(&key::SWITCH) || table.has(&key::CHIP) {
            TOGETHER
        } else {
            Duration::ZERO
        },
        doors: doors?,
        zones: zones?,
        areas: areas.iter().map(|(_, rules)| rules.clone()).collect(),
        ..CameraConfig::new(id?.value, source.shown())
    };
    Some(Camera {
        name: name.map(|name| name.value),
        source: source.of,
        onvif: source.onvif,
        events: source.events,
        transport: transport?.value,
        username: username.map(|at| at.value),
        password,
        masks: masks
            .map_or_else(Vec::new, |list| list.value.into_iter().map(|at| at.value).collect()),
        mask_required: mask_required?.value,
        watch: watch?.value,
        areas: areas.into_iter().map(|(area, _)| area).collect(),
        pre: pre?.value,
        post: post?.value,
        switch: switch?,
        hold_off: hold_off?.value,
        rules,
    })
}

/// The place of what it hangs on; a name that is new is one more.
fn place_of_switch(
    at: &crate::reader::At<Id>,
    around: &Around<'_>,
    switches: &mut Vec<Id>,
    notes: &mut Notes<'_>,
) -> Option<usize> {
    if let Some(place) = switches.iter().position(|known| *known == at.value) {
        return Some(place);
    }
    if (around.is_bus)(&at.value) {
        let title =
            format!("`switch` in [[camera]] is \"{}\", which is the id of a bus or chip", at.value);
        notes.error(
            Finding::new(title, at.span.clone())
                .label("used twice")
                .hint("both would stand as bus/… in events; choose another id"),
        );
        return None;
    }
    switches.push(at.value.clone());
    Some(switches.len() - 1)
}

/// The ids of all that is a zone to the rules, in their order. `None`: some of them are not known.
fn zone_ids(around: &Around<'_>) -> Option<Named> {
    let mut named = Named::new(&keys::zone::TABLE);
    let zones = around.zones?.iter().map(|zone| &zone.rules.id);
    let points = around.patrol?.help_points.iter().map(|point| &point.rules.id);
    for id in zones.chain(points) {
        named.know(id);
    }
    Some(named)
}

/// The places of what a list of ids names. `None`: one is not there, and was reported.
fn looked_at(
    key: &Key<List<Identifier>>,
    table: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    mut find: impl FnMut(&crate::reader::At<Id>, &mut Notes<'_>) -> Option<usize>,
) -> Option<Vec<usize>> {
    let Some(names) = table.list(key, notes) else {
        return (!table.has(key)).then(Vec::new);
    };
    let found: Vec<_> = names.value.iter().map(|at| find(at, notes)).collect();
    found.into_iter().collect()
}

/// The areas, as they are drawn and as the rules know them.
fn areas(
    table: &Reader<'_, '_>,
    has_partition: bool,
    events: Option<Events>,
    notes: &mut Notes<'_>,
) -> Vec<(CameraArea, CameraAreaConfig)> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for area in table.tables(&key::area::TABLE, notes) {
        let id = area.get(&key::area::ID, notes);
        let name = area.get(&key::area::NAME, notes);
        let shape = area.get(&key::area::SHAPE, notes);
        let ignores = area.get(&key::area::IGNORE, notes);
        let sensitivity = area.get(&key::area::SENSITIVITY, notes);
        let least = area.get(&key::area::LEAST, notes);
        let tells = area.get(&key::area::TELLS, notes);
        let hours = area.list(&key::area::HOURS, notes);
        let records = area.get(&key::area::RECORDS, notes);
        let rules = area.list(&key::area::RULES, notes);
        if let Some(rules) = &rules {
            rules_fit(rules, events, ignores.as_ref().is_some_and(|at| at.value), notes);
        }
        if let Some(id) = id.as_ref().filter(|id| !seen.insert(id.value.clone())) {
            let title = format!("the camera has two areas with the id \"{}\"", id.value);
            notes.error(Finding::new(title, id.span.clone()).label("again here"));
        }
        if let Some(tells) = tells.as_ref().filter(|at| at.value == Tells::Armed && !has_partition)
        {
            notes.error(
                Finding::new(
                    "`tells` is \"armed\", but the camera has no `partition`: it would never tell",
                    tells.span.clone(),
                )
                .label("armed with what?")
                .hint("add partition = \"…\" to the [[camera]], or write tells = \"always\""),
            );
        }
        let usual = if has_partition { Tells::Armed } else { Tells::Always };
        let one = || {
            let (id, ignores) = (id?.value, ignores?.value);
            let weekly = hours.map_or_else(Vec::new, |list| list.value);
            let named = rules.map_or_else(Vec::new, |list| list.value);
            let rules = CameraAreaConfig {
                id: id.clone(),
                tells: if ignores { Tells::Never } else { tells.map_or(usual, |at| at.value) },
                weekly: weekly.into_iter().map(|at| at.value).collect(),
                records: records?.value,
            };
            let area = CameraArea {
                id,
                name: name.map(|name| name.value),
                shape: shape?.value,
                sensitivity: sensitivity?.value,
                least_permille: least?.value,
                ignores,
                rules: named.into_iter().map(|at| at.value).collect(),
            };
            Some((area, rules))
        };
        all.extend(one());
    }
    all
}

/// The camera's own rules are of use only where they are heard, and count.
fn rules_fit(
    rules: &At<Vec<At<CameraRule>>>,
    events: Option<Events>,
    ignores: bool,
    notes: &mut Notes<'_>,
) {
    if ignores {
        notes.error(
            Finding::new(
                "`rules` of a [[camera.area]] whose motion is ignored",
                rules.span.clone(),
            )
            .label("count for nothing")
            .hint("leave `rules` out, or take `ignore` out"),
        );
    } else if events.is_some_and(|events| !events.onvif()) {
        let title =
            "`rules` are the camera's own, but its `events` are not: nobody listens to them";
        notes.error(
            Finding::new(title, rules.span.clone())
                .label("not heard")
                .hint("write events = \"onvif\" or \"both\" at the camera"),
        );
    }
}

/// How pictures and clips are kept.
pub(super) fn evidence(
    table: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<Evidence> {
    let keep = table.get(&key::evidence::DAYS, notes);
    let max_bytes = table.get(&key::evidence::MAX, notes);
    let reserve_bytes = table.get(&key::evidence::RESERVE, notes);
    let recipients = table.list(&key::evidence::RECIPIENTS, notes);
    let places = (&key::evidence::KEY_FILE, &key::evidence::KEY_CREDENTIAL);
    let key = secret(table, places, notes, files);
    let store = store(table, notes, files);
    // None is left out: what is wrong refuses the whole file.
    let recipients = recipients.map_or_else(Vec::new, |list| list.value);
    Some(Evidence {
        keep: keep?.value,
        max_bytes: max_bytes?.value,
        reserve_bytes: reserve_bytes?.value,
        recipients: recipients.into_iter().map(|at| at.value).collect(),
        key,
        store: store.ok()?,
    })
}
