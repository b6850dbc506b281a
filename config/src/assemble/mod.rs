//! Reads every table, and checks what must fit together.

mod access;
mod brokers;
mod cameras;
mod challenge;
mod commands;
mod devices;
mod doors;
mod feeds;
mod metrics;
mod named;
mod outputs;
mod page;
mod partitions;
mod patrol;
mod schedules;
mod store;
mod wires;
mod zones;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use gatehouse_core::event::Class;
use gatehouse_core::site::Escalation;
use gatehouse_core::topic::Address;

use crate::config::{Alarm, Config, HomeAssistant, JournalConfig, Log, Sim};
use crate::files::{FileRef, Role};
use crate::finding::{Finding, Warnings};
use crate::keys;
use crate::reader::{At, Notes, Reader};
use access::{Around, Buses};
use feeds::Feeds;
use outputs::Outputs;
use partitions::Partitions;
use patrol::Lists;
use wires::Wires;

/// The whole configuration. `None`: something it needs is missing, and was reported.
pub(crate) fn config(
    file: &Reader<'_, '_>,
    notes: &mut Notes<'_>,
    files: &mut Vec<FileRef>,
) -> Option<Config> {
    // Everything is read before anything is given up, so that every mistake is found.
    let gateway = file.table(&keys::gateway::TABLE, notes).and_then(|table| {
        let id = table.get(&keys::gateway::ID, notes);
        let district = table.get(&keys::gateway::DISTRICT, notes);
        let site = table.get(&keys::gateway::SITE, notes);
        let time_zone = table.get(&keys::gateway::TIME_ZONE, notes);
        let state_dir = table.get(&keys::gateway::STATE_DIR, notes);
        let socket = table.get(&keys::gateway::SOCKET, notes);
        let confirm = table.get(&keys::gateway::CONFIRM, notes);
        let address = Address { district: district?.value, site: site?.value, gateway: id?.value };
        Some((address, time_zone?.value, state_dir?.value, socket?.value, confirm?.value))
    });
    let sim = sim(file, notes, files);
    let mut partitions = Partitions::read(file, notes);
    let mut wires = Wires::new(file.has_table(&keys::sim::TABLE));
    let mut bus_ids = Seen::default();
    let devices = devices::devices(file, &mut wires, &mut bus_ids, notes);
    let (named_areas, areas) = access::areas(file, notes);
    let outputs = Outputs::read(file, &mut wires, &mut partitions, notes);
    let mut feeds = Feeds::default();
    let others = (&named_areas, &outputs, &mut feeds);
    let doors = doors::doors(file, &mut wires, &mut partitions, others, notes);
    let mut zones = zones::zones(file, &mut wires, &mut partitions, &mut feeds, notes);
    let challenge = challenge::challenge(file, &mut wires, &outputs, notes);
    let key_switches = schedules::key_switches(file, &mut wires, &mut partitions, notes);
    let schedules = schedules::schedules(file, &mut partitions, notes);
    let mut buses = Buses::read(file, &bus_ids, notes, files);
    let around =
        Around { wires: &mut wires, partitions: &mut partitions, doors: &doors, buses: &mut buses };
    let readers = access::readers(file, around, notes);
    let around = patrol::Around {
        wires: &mut wires,
        partitions: &mut partitions,
        readers: &readers,
        zones: zones.as_ref().map_or(&[], |(zones, _)| zones),
    };
    let lists = Lists::read(file, notes);
    let alarm =
        file.optional(&keys::alarm::TABLE, notes, |table, notes| alarm(table, &lists, notes));
    let patrol = patrol::patrol(file, &lists, around, notes);
    let is_bus = |id: &gatehouse_core::id::Id| bus_ids.first(id).is_some() || buses.named.has(id);
    let around = cameras::Around {
        partitions: &mut partitions,
        doors: &doors.named,
        zones: zones.as_ref().map(|(zones, _)| zones.as_slice()),
        patrol: patrol.as_ref(),
        chips: devices.as_ref().map(|(_, chips)| chips.as_slice()),
        is_bus: &is_bus,
    };
    let cameras = cameras::cameras(file, around, notes, files);
    let evidence = file.optional(&keys::camera::evidence::TABLE, notes, |table, notes| {
        cameras::evidence(table, notes, files)
    });
    let rs485 = buses.finish(notes);
    let access = file.optional(&keys::access::TABLE, notes, access::access);
    wires.finish(notes);
    let partitions = partitions.finish(notes);
    feeds.find(
        cameras.as_ref().map(|(cameras, _)| cameras.as_slice()),
        zones.as_mut().map(|(zones, _)| zones),
        partitions.as_deref(),
        notes,
    );
    let commands = commands::commands(file, notes);
    let uplink = file.optional(&keys::uplink::TABLE, notes, brokers::uplink);
    let reporting = uplink.as_ref().map(|uplink| uplink.reporting).unwrap_or_default();
    let brokers = brokers::brokers(file, reporting, notes, files);
    let home_assistant = file.optional(&keys::home_assistant::TABLE, notes, home_assistant);
    let page = page::page(file, notes, files);
    let metrics = metrics::metrics(file, page.as_ref().ok().and_then(Option::as_ref), notes);
    let journal = file.optional(&keys::journal::TABLE, notes, journal);
    let log = file.optional(&keys::log::TABLE, notes, log);
    let (address, time_zone, state_dir, socket, confirm_within) = gateway?;
    let (zones, crosses) = zones?;
    let (schedules, holidays) = schedules?;
    let patrol = patrol?;
    let (buses, chips) = devices?;
    let (cameras, camera_switches) = cameras?;
    Some(Config {
        address,
        time_zone,
        state_dir,
        socket,
        confirm_within,
        doors: doors.all,
        areas: areas?,
        rs485: rs485?,
        readers: readers.all?,
        access: access?,
        zones,
        help_points: patrol.help_points,
        checkpoints: patrol.checkpoints,
        rounds: patrol.rounds,
        buses,
        chips,
        partitions: partitions?,
        crosses,
        schedules,
        holidays,
        key_switches: key_switches?,
        outputs: outputs.finish()?,
        cameras,
        camera_switches,
        evidence: evidence?,
        challenge: challenge.ok()?,
        alarm: alarm?,
        commands: commands?,
        brokers,
        uplink: uplink?,
        home_assistant: home_assistant?,
        page: page.ok()?,
        metrics: metrics.ok()?,
        journal: journal?,
        sim,
        log: log?,
        hash: hash(notes.text.as_bytes()),
        warnings: Warnings::default(),
    })
}

/// The first 16 hex digits of BLAKE3: which configuration a file of these bytes is.
pub fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

fn alarm(table: &Reader<'_, '_>, lists: &Lists, notes: &mut Notes<'_>) -> Option<Alarm> {
    let grade = table.get(&keys::alarm::GRADE, notes);
    let ack_within = table.get(&keys::alarm::ACK_WITHIN, notes);
    let (responders, otherwise) = lists.of(&keys::alarm::ESCALATE_TO, table, notes)?;
    let escalation = Escalation { responders, otherwise };
    Some(Alarm { grade: grade?.value, ack_within: ack_within?.value, escalation })
}

fn home_assistant(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<HomeAssistant> {
    let enabled = table.get(&keys::home_assistant::ENABLED, notes);
    let prefix = table.get(&keys::home_assistant::PREFIX, notes);
    let names = table.get(&keys::home_assistant::NAMES, notes);
    Some(HomeAssistant { enabled: enabled?.value, prefix: prefix?.value, names: names?.value })
}

fn journal(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<JournalConfig> {
    let max = table.get(&keys::journal::MAX, notes);
    let reserve = table.get(&keys::journal::RESERVE, notes);
    let mut keep = [None; Class::ALL.len()];
    if let Some(table) = table.table(&keys::journal::keep::TABLE, notes) {
        for (place, key) in keep.iter_mut().zip(&keys::journal::keep::CLASSES) {
            *place = table.get(key, notes).map(|at| at.value);
        }
    }
    let (max, reserve) = (max?, reserve?);
    if reserve.value > max.value / 2 {
        let title = format!(
            "`reserve-mib` is {}, more than half of `max-mib`, {}",
            reserve.value >> 20,
            max.value >> 20
        );
        notes.error(
            Finding::new(title, reserve.span)
                .label("too large")
                .also(max.span, "the whole")
                .hint("the reserve only has to hold the alarms of a time with a full disk"),
        );
    }
    Some(JournalConfig { max_bytes: max.value, reserve_bytes: reserve.value, keep })
}

fn log(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Log> {
    let level = table.get(&keys::log::LEVEL, notes);
    let format = table.get(&keys::log::FORMAT, notes);
    Some(Log { level: level?.value, format: format?.value })
}

fn sim(file: &Reader<'_, '_>, notes: &mut Notes<'_>, files: &mut Vec<FileRef>) -> Option<Sim> {
    use keys::sim::{SCRIPT, SOCKET, TABLE};
    let table = file.table(&TABLE, notes)?;
    let socket = table.get(&SOCKET, notes);
    let script = table.get(&SCRIPT, notes);
    match (table.has(&SOCKET), table.has(&SCRIPT)) {
        (true, true) => notes.error(
            Finding::new(
                "`socket` and `script` stand together in [sim]; allowed: one of them",
                table.span_of(&SCRIPT),
            )
            .label("one too many")
            .also(table.span_of(&SOCKET), "the other"),
        ),
        (false, false) => notes.error(
            Finding::new("[sim] has neither `socket` nor `script`", table.span.clone())
                .label("one of them is needed")
                .hint("add socket = \"/run/gatehouse/world.sock\"")
                .absent(),
        ),
        _ => {}
    }
    if let Some(script) = script {
        let role = Role::Script(script.value.clone());
        files.push(FileRef { key: SCRIPT.name, span: script.span, role });
        return Some(Sim::Script(script.value));
    }
    socket.map(|socket| Sim::Socket(socket.value))
}

/// Values that may stand only once in a file.
pub(crate) struct Seen<T>(HashMap<T, Range<usize>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + std::hash::Hash> Seen<T> {
    /// Where a value was seen.
    pub(crate) fn first(&self, value: &T) -> Option<Range<usize>> {
        self.0.get(value).cloned()
    }

    /// Where the same value stood before, if it did.
    pub(crate) fn before(&mut self, value: T, span: &Range<usize>) -> Option<Range<usize>> {
        match self.0.entry(value) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(place) => {
                place.insert(span.clone());
                None
            }
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Seen<T> {
    /// Reports a value that was seen before, with both places.
    pub(crate) fn once(
        &mut self,
        at: Option<&At<T>>,
        notes: &mut Notes<'_>,
        title: impl FnOnce(&T) -> String,
    ) {
        let Some(at) = at else { return };
        if let Some(first) = self.before(at.value.clone(), &at.span) {
            notes.error(
                Finding::new(title(&at.value), at.span.clone())
                    .label("again here")
                    .also(first, "first here"),
            );
        }
    }
}
