//! The zones and their groups, and what must fit together among them.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use gatehouse_core::site::{CrossConfig, LinesConfig, Modes, ZoneConfig, ZoneKind, ZoneLine};

use super::feeds::{self, FeedKeys, Feeds, Given};
use super::named::Named;
use super::partitions::{Partitions, long_entry};
use super::wires::{self, Wires};
use crate::finding::{Finding, count};
use crate::keys::{cross_zone, zone as keys};
use crate::protection::{Zone, word};
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;
use crate::wiring::{Line, WiredInput};

/// All zones and groups. `None`: one of them is wrong, and was reported.
pub(super) fn zones<'d, 'i>(
    file: &Reader<'d, 'i>,
    wires: &mut Wires,
    partitions: &mut Partitions,
    feeds: &mut Feeds<'d, 'i>,
    notes: &mut Notes<'_>,
) -> Option<(Vec<Zone>, Vec<CrossConfig>)> {
    let mut groups = Groups::read(file, notes);
    let mut ids = Named::new(&keys::TABLE);
    let mut all = Vec::new();
    let mut followers = Vec::new();
    let mut entered = HashSet::new();
    for table in file.tables(&keys::TABLE, notes) {
        let given = Given::read(&table, &FEED, notes);
        let around = (&mut *partitions, &mut groups, &mut ids);
        let zone = zone(&table, &given, wires, around, notes);
        match zone.as_ref().map(|zone| (zone.rules.kind, zone.rules.partition)) {
            Some((ZoneKind::Follower, Some(place))) => {
                followers.push((place, table.span_of(&keys::KIND)));
            }
            Some((ZoneKind::EntryExit, place)) => entered.extend(place),
            _ => {}
        }
        all.push(zone);
        feeds.note(table, FEED.contact, given, Some(all.len() - 1), notes);
    }
    let groups = groups.finish(notes);
    let all: Option<Vec<_>> = all.into_iter().collect();
    // What is wrong with a zone may be its kind or its partition.
    if all.is_some() {
        for (_, span) in followers.iter().filter(|(place, _)| !entered.contains(place)) {
            notes.warn(
                Finding::new(
                    "`kind` is \"follower\", but its partition has no entry-exit zone: it alarms at once",
                    span.clone(),
                )
                .label("follows nobody")
                .hint("make the door on the way in an entry-exit zone, or this one \"instant\""),
            );
        }
    }
    Some((all?, groups?))
}

/// What only a plain contact has, not a loop.
const PLAIN: [&str; 2] = ["bias", "debounce-ms"];

const FEED: FeedKeys = FeedKeys {
    line: &keys::INPUT,
    contact: &keys::CAMERA_INPUT,
    motion: Some(&keys::CAMERA),
    wired: &[
        "contact",
        "bias",
        "debounce-ms",
        "loop",
        "end-ohms",
        "alarm-ohms",
        "fault-input",
        "mask-input",
        "second-input",
    ],
};

/// A camera has to connect, to send a key frame and to be looked at for ten seconds before it is known
/// whether something moves.
const CAMERA_LEARNS: Duration = Duration::from_secs(30);

fn zone(
    table: &Reader<'_, '_>,
    given: &Given,
    wires: &mut Wires,
    (partitions, groups, ids): (&mut Partitions, &mut Groups, &mut Named),
    notes: &mut Notes<'_>,
) -> Option<Zone> {
    let id = table.get(&keys::ID, notes);
    ids.declare(id.as_ref(), notes);
    let name = table.get(&keys::NAME, notes);
    let kind = table.get(&keys::KIND, notes);
    let input = given.line.clone();
    wires.connect(input.as_ref(), notes);
    let contact = table.get(&keys::CONTACT, notes);
    let bias = table.get(&keys::BIAS, notes);
    let debounce = table.get(&keys::DEBOUNCE, notes);
    wires.bias(input.as_ref(), bias.as_ref(), notes);
    let supervised = wires.supervised(table, input.as_ref(), &PLAIN, notes);
    let named = table.get(&keys::PARTITION, notes);
    let partition = partitions.find(&keys::PARTITION, table, named.as_ref(), notes);
    let modes = table.list(&keys::MODES, notes);
    let entry = table.get(&keys::ENTRY, notes);
    long_entry(entry.as_ref(), notes);
    let swinger = table.get(&keys::SWINGER, notes);
    let cross = table.get(&keys::CROSS, notes);
    let cross = groups.join(table, cross, notes);
    let chime = table.get(&keys::CHIME, notes);
    let hold_off = table.get(&keys::HOLD_OFF, notes);
    let bypassable = table.get(&keys::BYPASSABLE, notes);
    let soak = table.get(&keys::SOAK, notes);
    let record = table.get(&keys::RECORD, notes);
    let further = Further::read(table, wires, notes);
    let latched = table.get(&keys::LATCHED, notes);
    let stuck = table.get(&keys::STUCK, notes);
    if let Some(kind) = &kind {
        let fits = Fits { table, kind };
        if kind.value.needs_arming() {
            fits.has_a_partition(partitions, notes);
            let latches = latched.as_ref().is_some_and(|at| at.value);
            let why = "whose alarm ends with its arming";
            fits.without(&keys::LATCHED, latches, why, notes);
        } else {
            let at_any_time = "which protects at any time";
            fits.without(&keys::MODES, table.has(&keys::MODES), at_any_time, notes);
            let limited = swinger.as_ref().is_some_and(|at| at.value > 0);
            fits.without(&keys::SWINGER, limited, at_any_time, notes);
            let chimes = chime.as_ref().is_some_and(|at| at.value);
            fits.without(&keys::CHIME, chimes, at_any_time, notes);
        }
        if kind.value != ZoneKind::EntryExit {
            let why = "which begins no entry delay";
            fits.without(&keys::ENTRY, table.has(&keys::ENTRY), why, notes);
        }
        if matches!(kind.value, ZoneKind::Panic | ZoneKind::SilentPanic) {
            let why = "which never waits for other zones";
            fits.without(&keys::CROSS, table.has(&keys::CROSS), why, notes);
        } else {
            let why = "which is no button";
            fits.without(&keys::SECOND, table.has(&keys::SECOND), why, notes);
            fits.without(&keys::STUCK, table.has(&keys::STUCK), why, notes);
        }
        fits.warn_of_soak(soak.as_ref(), notes);
        if let Some(camera) = &given.camera {
            feeds::kind_fits(kind, camera, notes);
        }
        // The rule is for what people do. A float switch on a moving surface needs longer.
        if !matches!(kind.value, ZoneKind::Flood | ZoneKind::Technical) {
            wires::debounce(
                debounce.as_ref(),
                "a detector that signals",
                "350 keeps to the rule that a signal of 400 ms is always reported",
                notes,
            );
        }
    }
    if let (Some(modes), Some(place)) = (&modes, partition) {
        let (has, modes_at) = partitions.modes(place);
        for mode in modes.value.iter().filter(|mode| !has.contains(mode.value)) {
            let title = format!(
                "`modes` in [[zone]] holds \"{}\", which its partition does not have",
                mode.value.as_str()
            );
            notes.error(
                Finding::new(title, mode.span.clone())
                    .label("never armed so")
                    .also(modes_at.clone(), "the partition's modes")
                    .hint("leave it out here, or add it to the partition's `modes`"),
            );
        }
    }
    let (id, kind, input) = (id?.value, kind?.value, given.feed()?);
    let is_seen = given.camera.is_some();
    let learns = match input.line() {
        Some(line) => wires.first_reading(line),
        None => CAMERA_LEARNS,
    };
    let usual = ZoneConfig::new(id, kind, partition, input.to_string());
    let rules = ZoneConfig {
        modes: modes.map_or(usual.modes, |at| Modes::of(at.value.iter().map(|at| at.value))),
        entry: entry.map(|at| at.value),
        swinger: swinger.map_or(usual.swinger, |at| at.value),
        cross,
        chime: chime?.value,
        hold_off: hold_off?.value.max(learns),
        bypassable: bypassable.map_or(usual.bypassable, |at| at.value),
        soak: soak?.value,
        record: record.map_or(usual.record && !is_seen, |at| at.value),
        lines: further.rules?,
        latch: latched?.value,
        stuck: stuck.map(|at| at.value),
        ..usual
    };
    let (contact, debounce, bias) = (contact?.value, debounce?.value, bias?.value);
    let further = further
        .lines
        .into_iter()
        .map(|(which, line)| (which, WiredInput { line, contact, bias, debounce }));
    Some(Zone {
        name: name.map(|name| name.value),
        input,
        supervised: supervised.ok()?,
        further: further.collect(),
        contact,
        debounce,
        bias,
        rules,
    })
}

/// The further lines of a detector.
struct Further {
    lines: Vec<(ZoneLine, Line)>,
    /// `None`: something of them is wrong, and was reported.
    rules: Option<LinesConfig>,
}

impl Further {
    fn read(table: &Reader<'_, '_>, wires: &mut Wires, notes: &mut Notes<'_>) -> Self {
        let mut lines = Vec::new();
        let further = [
            (&keys::SECOND, ZoneLine::Second),
            (&keys::FAULT, ZoneLine::Fault),
            (&keys::MASK, ZoneLine::Mask),
        ];
        for (key, which) in further {
            let line = table.get(key, notes);
            wires.connect_as(key.name, line.as_ref(), notes);
            lines.extend(line.map(|line| (which, line.value)));
        }
        let within = table.get(&keys::WITHIN, notes);
        let has = |which: ZoneLine| lines.iter().any(|(line, _)| *line == which);
        let rules = within.map(|within| LinesConfig {
            second: has(ZoneLine::Second).then_some(within.value),
            fault: has(ZoneLine::Fault),
            mask: has(ZoneLine::Mask),
        });
        Self { lines, rules }
    }
}

/// What of a zone must fit its kind.
struct Fits<'a, 'd, 'i> {
    table: &'a Reader<'d, 'i>,
    kind: &'a At<ZoneKind>,
}

impl Fits<'_, '_, '_> {
    fn has_a_partition(&self, partitions: &Partitions, notes: &mut Notes<'_>) {
        if self.table.has(&keys::PARTITION) {
            return;
        }
        let title = format!(
            "`partition` is missing from a [[zone]] of kind \"{}\", which protects only while its \
             partition is armed",
            word(self.kind.value)
        );
        let known = partitions.list();
        let hint = if known.is_empty() {
            "add [[partition]] with an id, and partition = … here".to_owned()
        } else {
            format!("add partition = …: one of {known}")
        };
        notes.error(
            Finding::new(title, self.kind.span.clone()).label("never armed").hint(hint).absent(),
        );
    }

    /// Reports a key that this kind cannot have.
    fn without<K>(&self, key: &Key<K>, has: bool, why: &str, notes: &mut Notes<'_>) {
        if !has {
            return;
        }
        let name = key.name;
        let title =
            format!("`{name}` is not for a zone of kind \"{}\", {why}", word(self.kind.value));
        notes.error(
            Finding::new(title, self.table.span_of(key))
                .label("not for this kind")
                .also(self.kind.span.clone(), "its kind")
                .hint(format!("leave `{name}` out, or choose another kind")),
        );
    }

    fn warn_of_soak(&self, soak: Option<&At<bool>>, notes: &mut Notes<'_>) {
        let grave = matches!(
            self.kind.value,
            ZoneKind::Panic | ZoneKind::SilentPanic | ZoneKind::Fire | ZoneKind::Gas
        );
        let Some(soak) = soak.filter(|soak| soak.value && grave) else { return };
        let title = format!(
            "a zone of kind \"{}\" is on a soak test: nobody comes when it alarms",
            word(self.kind.value)
        );
        notes.warn(
            Finding::new(title, soak.span.clone())
                .label("on trial")
                .hint("tell the people who rely on it, and end the test soon"),
        );
    }
}

/// The groups of zones that must agree.
struct Groups {
    named: Named,
    /// Each with the place of its `need`. `None`: something of it is wrong, and was reported.
    all: Vec<Option<(CrossConfig, Range<usize>)>>,
    /// How many zones each has.
    members: Vec<u8>,
    /// A zone names a group that is not known.
    unsure: bool,
}

impl Groups {
    fn read(file: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Self {
        let mut named = Named::new(&cross_zone::TABLE);
        let mut all = Vec::new();
        for table in file.tables(&cross_zone::TABLE, notes) {
            let before = notes.errors.len();
            let id = table.get(&cross_zone::ID, notes);
            named.declare(id.as_ref(), notes);
            let need = table.get(&cross_zone::NEED, notes);
            let window = table.get(&cross_zone::WINDOW, notes);
            let group = || {
                let (need, window) = (need?, window?.value);
                Some((CrossConfig { id: id?.value, need: need.value, window }, need.span))
            };
            all.push(group().filter(|_| notes.errors.len() == before));
        }
        let members = vec![0; all.len()];
        Self { named, all, members, unsure: false }
    }

    /// The group that a zone joins.
    fn join(
        &mut self,
        table: &Reader<'_, '_>,
        at: Option<At<gatehouse_core::id::Id>>,
        notes: &mut Notes<'_>,
    ) -> Option<usize> {
        let found = at.and_then(|at| self.named.find(&keys::CROSS, table, &at, notes));
        match found.and_then(|place| self.members.get_mut(place)) {
            Some(members) => *members = members.saturating_add(1),
            None => self.unsure |= table.has(&keys::CROSS),
        }
        found
    }

    fn finish(self, notes: &mut Notes<'_>) -> Option<Vec<CrossConfig>> {
        for (group, members) in self.all.iter().zip(self.members) {
            let Some((group, need)) = group else { continue };
            if members >= group.need || self.unsure {
                continue;
            }
            let title = format!(
                "the cross-zone group \"{}\" needs {} zones to agree, but has {}: it would never alarm",
                group.id,
                group.need,
                count(usize::from(members), "zone"),
            );
            notes.error(
                Finding::new(title, need.clone())
                    .label("too many")
                    .hint(format!(
                        "add cross-zone = \"{}\" to more zones, or lower `need`",
                        group.id
                    ))
                    .absent(),
            );
        }
        self.all.into_iter().map(|group| group.map(|(group, _)| group)).collect()
    }
}
