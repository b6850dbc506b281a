//! Areas, buses, readers, and what must fit together among them.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{AccessConfig, AreaConfig, Lockout, ReaderConfig};

use super::doors::Doors;
use super::named::Named;
use super::partitions::Partitions;
use super::wires::{self, Wires};
use crate::MAX_ON_BUS;
use crate::access::{Access, Area, CardReader, ReaderWires, Rs485};
use crate::files::{FileRef, Role};
use crate::finding::Finding;
use crate::keys::{access, area, card_reader as keys, rs485};
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;

/// A shorter lockout than EN 50131-1 has it (from memory, not read there).
const SHORT_LOCKOUT: Duration = Duration::from_secs(90);

/// The areas, and their ids.
pub(super) fn areas(file: &Reader<'_, '_>, notes: &mut Notes<'_>) -> (Named, Option<Vec<Area>>) {
    let mut named = Named::new(&area::TABLE);
    let mut all = Vec::new();
    for table in file.tables(&area::TABLE, notes) {
        let id = table.get(&area::ID, notes);
        named.declare(id.as_ref(), notes);
        let name = table.get(&area::NAME, notes);
        let passback = table.get(&area::PASSBACK, notes);
        let area = || {
            let rules = AreaConfig { id: id?.value, passback: passback?.value };
            Some(Area { name: name.map(|name| name.value), rules })
        };
        all.push(area());
    }
    (named, all.into_iter().collect())
}

pub(super) fn access(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<Access> {
    let credentials = table.get(&access::CREDENTIALS, notes);
    let unknown_clock = table.get(&access::UNKNOWN_CLOCK, notes);
    let clock_error = table.get(&access::CLOCK_ERROR, notes);
    let late = table.get(&access::LATE, notes);
    Some(Access {
        credentials: credentials?.value,
        unknown_clock: unknown_clock?.value,
        clock_error: clock_error?.value,
        late: late?.value,
    })
}

/// The buses, their ids, and which readers they have so far.
pub(super) struct Buses {
    pub(super) named: Named,
    all: Vec<Option<Rs485>>,
    addresses: Vec<super::Seen<u8>>,
    readers: Vec<usize>,
}

impl Buses {
    pub(super) fn read(
        file: &Reader<'_, '_>,
        taken: &super::Seen<Id>,
        notes: &mut Notes<'_>,
        files: &mut Vec<FileRef>,
    ) -> Self {
        let mut named = Named::new(&rs485::TABLE);
        let mut devices = super::Seen::default();
        let mut all = Vec::new();
        for table in file.tables(&rs485::TABLE, notes) {
            let id = table.get(&rs485::ID, notes);
            named.declare(id.as_ref(), notes);
            // Faults name a bus by its id alone.
            if let Some(id) = &id
                && let Some(first) = taken.first(&id.value)
            {
                let title = format!("the rs485 id \"{}\" is a bus's or a chip's too", id.value);
                let finding = Finding::new(title, id.span.clone()).label("again here");
                notes.error(finding.also(first, "first here").hint("give each its own id"));
            }
            let device = table.get(&rs485::DEVICE, notes);
            devices.once(device.as_ref(), notes, |path| {
                format!("the port {} is used twice", path.display())
            });
            let baud = table.get(&rs485::BAUD, notes);
            let direction = table.get(&rs485::DIRECTION, notes);
            let key_file = table.get(&rs485::KEY_FILE, notes);
            if let Some(file) = &key_file {
                let role = Role::PrivateKey(file.value.clone());
                files.push(FileRef { key: rs485::KEY_FILE.name, span: file.span.clone(), role });
            }
            let install = table.get(&rs485::INSTALL, notes);
            if let Some(install) = install.as_ref().filter(|install| install.value) {
                let finding = Finding::new(
                    if table.has(&rs485::KEY_FILE) {
                        "`install-key` gives new readers the key where anyone may listen"
                    } else {
                        "`install-key` stands without `key-file` in [[rs485]]"
                    },
                    install.span.clone(),
                );
                if table.has(&rs485::KEY_FILE) {
                    notes.warn(finding.label("not for long").hint(
                        "leave it out again once the readers are there, and restart the gateway",
                    ));
                } else {
                    notes.error(finding.label("which key?").hint("add key-file = …").absent());
                }
            }
            let hold_off = table.get(&rs485::HOLD_OFF, notes);
            let bus = || {
                Some(Rs485 {
                    id: id?.value,
                    device: device?.value,
                    baud: baud?.value,
                    direction: direction?.value,
                    key_file: key_file.map(|file| file.value),
                    install_key: install?.value,
                    hold_off: hold_off?.value,
                })
            };
            all.push(bus());
        }
        let addresses = all.iter().map(|_| super::Seen::default()).collect();
        let readers = vec![0; all.len()];
        Self { named, all, addresses, readers }
    }

    /// A reader at an address of a bus.
    fn seat(
        &mut self,
        bus: usize,
        address: Option<&At<u8>>,
        named: &At<Id>,
        notes: &mut Notes<'_>,
    ) {
        let id = &named.value;
        if let Some(seen) = self.addresses.get_mut(bus) {
            seen.once(address, notes, |address| {
                format!("two readers have the address {address} on the bus \"{id}\"")
            });
        }
        if let Some(readers) = self.readers.get_mut(bus) {
            *readers += 1;
            if *readers == MAX_ON_BUS + 1 {
                let title = format!("the bus \"{id}\" has more than {MAX_ON_BUS} readers");
                let finding = Finding::new(title, named.span.clone()).label("one too many");
                notes.error(finding.hint("each would be asked too seldom; add a second bus"));
            }
        }
    }

    pub(super) fn finish(self, notes: &mut Notes<'_>) -> Option<Vec<Rs485>> {
        let all: Option<Vec<_>> = self.all.into_iter().collect();
        for (bus, _) in all.iter().flatten().zip(self.readers).filter(|(_, readers)| *readers == 0)
        {
            let title = format!("no [[reader]] hangs on the bus \"{}\": it is not opened", bus.id);
            notes.warn(
                Finding::of_file(title).hint(format!("add bus = \"{}\" to a [[reader]]", bus.id)),
            );
        }
        all
    }
}

/// What readers name.
pub(super) struct Around<'a> {
    pub(super) wires: &'a mut Wires,
    pub(super) partitions: &'a mut Partitions,
    pub(super) doors: &'a Doors,
    pub(super) buses: &'a mut Buses,
}

/// The readers.
pub(super) struct Readers {
    pub(super) named: Named,
    /// The place and header of each that has neither door nor partition.
    alone: Vec<(usize, Range<usize>)>,
    /// `None`: one of them is wrong, and was reported.
    pub(super) all: Option<Vec<CardReader>>,
}

impl Readers {
    /// Whether this one has neither door nor partition.
    pub(super) fn is_alone(&self, place: usize) -> bool {
        self.alone.iter().any(|(alone, _)| *alone == place)
    }

    /// Warns of those that do nothing. `used`: what others name.
    pub(super) fn warn_of_idle(&self, used: &HashSet<usize>, notes: &mut Notes<'_>) {
        for (_, span) in self.alone.iter().filter(|(place, _)| !used.contains(place)) {
            notes.warn(
                Finding::new(
                    "a reader without `door` and `partition` lets nobody in",
                    span.clone(),
                )
                .label("only for enrolling cards")
                .hint("add door = … or partition = …"),
            );
        }
    }
}

/// All readers.
pub(super) fn readers(
    file: &Reader<'_, '_>,
    mut around: Around<'_>,
    notes: &mut Notes<'_>,
) -> Readers {
    let mut ids = Named::new(&keys::TABLE);
    let tables = file.tables(&keys::TABLE, notes);
    let all: Vec<_> =
        tables.iter().map(|table| reader(table, &mut around, &mut ids, notes)).collect();
    let alone = |table: &&Reader<'_, '_>| !table.has(&keys::DOOR) && !table.has(&keys::PARTITION);
    let alone = tables.iter().enumerate().filter(|(_, table)| alone(table));
    let alone = alone.map(|(place, table)| (place, table.span.clone())).collect();
    Readers { named: ids, alone, all: all.into_iter().collect() }
}

fn reader(
    table: &Reader<'_, '_>,
    around: &mut Around<'_>,
    ids: &mut Named,
    notes: &mut Notes<'_>,
) -> Option<CardReader> {
    let id = table.get(&keys::ID, notes);
    ids.declare(id.as_ref(), notes);
    let name = table.get(&keys::NAME, notes);
    let wires = reader_wires(table, around, notes);
    let tamper = wires::input(
        table,
        (&keys::TAMPER, &keys::TAMPER_CONTACT, &keys::TAMPER_BIAS),
        around.wires,
        notes,
    );
    let door = table.get(&keys::DOOR, notes);
    let place = door.as_ref().and_then(|at| around.doors.named.find(&keys::DOOR, table, at, notes));
    let side = table.get(&keys::SIDE, notes);
    let partition = table.get(&keys::PARTITION, notes);
    let of = around.partitions.find(&keys::PARTITION, table, partition.as_ref(), notes);
    let disarms = table.get(&keys::DISARMS, notes);
    let arms = table.get(&keys::ARMS, notes);
    let pin = table.get(&keys::PIN, notes);
    let attempts = table.get(&keys::ATTEMPTS, notes);
    let window = table.get(&keys::WINDOW, notes);
    let lockout = table.get(&keys::LOCKOUT, notes);
    let hold_off = table.get(&keys::HOLD_OFF, notes);
    needs(table, &keys::SIDE, table.has(&keys::DOOR), "door", notes);
    let whole = table.has(&keys::PARTITION);
    needs(table, &keys::ARMS, whole, "partition", notes);
    if disarms.as_ref().is_some_and(|disarms| disarms.value) {
        needs(table, &keys::DISARMS, whole, "partition", notes);
    }
    if let (Some(arms), Some(place)) = (&arms, of) {
        let (has, modes_at) = around.partitions.modes(place);
        if !has.contains(arms.value) {
            let word = arms.value.as_str();
            let title =
                format!("`arms` in [[reader]] is \"{word}\", which its partition does not have");
            notes.error(
                Finding::new(title, arms.span.clone())
                    .label("never armed so")
                    .also(modes_at.clone(), "the partition's modes")
                    .hint("choose one of the partition's modes, or add this one there"),
            );
        }
    }
    if let Some(lockout) = lockout.as_ref().filter(|lockout| lockout.value < SHORT_LOCKOUT) {
        let title = format!("`lockout-s` is {}: EN 50131-1 asks for 90", lockout.value.as_secs());
        notes.warn(Finding::new(title, lockout.span.clone()).label("short"));
    }
    let (wires, driver, bus) = wires?;
    let door_partition = door.as_ref().and_then(|door| around.doors.partition(&door.value));
    let (id, hold_off) = (id?.value, hold_off?.value);
    let secure = matches!(wires, ReaderWires::Bus { secure: true, .. });
    let rules = ReaderConfig {
        side: side?.value,
        partition: of,
        disarms: disarms?.value,
        arms: arms.map(|arms| arms.value),
        pin: pin?.value,
        secure,
        lockout: Lockout {
            attempts: attempts?.value,
            window: window?.value,
            lasts: lockout?.value,
        },
        hold_off,
        bus,
        ..ReaderConfig::new(id.clone(), driver, place)
    };
    let pin_place = partition.map(|at| at.value).or(door_partition).unwrap_or(id);
    Some(CardReader { name: name.map(|name| name.value), wires, tamper, pin_place, rules })
}

/// How it is wired, the wire as events name it, and its bus.
fn reader_wires(
    table: &Reader<'_, '_>,
    around: &mut Around<'_>,
    notes: &mut Notes<'_>,
) -> Option<(ReaderWires, String, Option<usize>)> {
    let bus = table.get(&keys::BUS, notes);
    let address = table.get(&keys::ADDRESS, notes);
    let secure = table.get(&keys::SECURE, notes);
    let d0 = table.get(&keys::D0, notes);
    let d1 = table.get(&keys::D1, notes);
    let bias = table.get(&keys::LINES_BIAS, notes);
    let inverted = table.get(&keys::INVERTED, notes);
    around.wires.connect_as(keys::D0.name, d0.as_ref(), notes);
    around.wires.connect_as(keys::D1.name, d1.as_ref(), notes);
    let on_bus = table.has(&keys::BUS);
    let on_lines = table.has(&keys::D0) || table.has(&keys::D1);
    let neither_or_both = |title: &str, label: &str| {
        Finding::new(title, table.span.clone())
            .label(label.to_owned())
            .hint("a reader has `bus` and `address`, or `wiegand-d0` and `wiegand-d1`")
    };
    match (on_bus, on_lines) {
        (true, true) => {
            let title = "a [[reader]] hangs on a bus or on two lines, not on both";
            notes.error(neither_or_both(title, "both"));
            None
        }
        (false, false) => {
            let title = "a [[reader]] has neither `bus` nor `wiegand-d0`";
            notes.error(neither_or_both(title, "where is it?").absent());
            None
        }
        (false, true) => {
            needs(table, &keys::D0, table.has(&keys::D1), "wiegand-d1", notes);
            needs(table, &keys::D1, table.has(&keys::D0), "wiegand-d0", notes);
            needs(table, &keys::ADDRESS, false, "bus", notes);
            if secure.is_some_and(|secure| secure.value) {
                let title = "`secure` is not for a Wiegand reader, which has no secure channel";
                notes.error(
                    Finding::new(title, table.span_of(&keys::SECURE))
                        .label("cannot be had")
                        .hint("leave it out, or hang an OSDP reader on a [[rs485]] bus"),
                );
            }
            let (d0, d1) = (d0?, d1?);
            if d0.value.chip != d1.value.chip {
                let title = "`wiegand-d0` and `wiegand-d1` are on two chips: their pulses could not be put in order";
                notes.error(
                    Finding::new(title, d1.span)
                        .label("another chip")
                        .also(d0.span, "the chip of D0"),
                );
                return None;
            }
            let driver = d0.value.to_string();
            let (bias, inverted) = (bias?.value, inverted?.value);
            let wires = ReaderWires::Wiegand { d0: d0.value, d1: d1.value, bias, inverted };
            Some((wires, driver, None))
        }
        (true, false) => {
            if table.has(&keys::TAMPER) {
                let title =
                    "`tamper-input` is not for a reader on a bus, which tells its tamper itself";
                notes.error(
                    Finding::new(title, table.span_of(&keys::TAMPER))
                        .label("told twice")
                        .hint("leave it out, or make the line a [[zone]] of kind \"tamper\""),
                );
            }
            needs(table, &keys::BUS, table.has(&keys::ADDRESS), "address", notes);
            let named = bus?;
            let place = around.buses.named.find(&keys::BUS, table, &named, notes)?;
            around.buses.seat(place, address.as_ref(), &named, notes);
            let keyed = around.buses.all.get(place)?.as_ref()?.key_file.is_some();
            match secure.as_ref().map(|secure| (secure.value, keyed)) {
                Some((true, false)) => notes.error(
                    Finding::new(
                        "`secure` needs a key, and the reader's [[rs485]] has no `key-file`",
                        table.span_of(&keys::SECURE),
                    )
                    .label("no key")
                    .hint("add key-file = … to the bus"),
                ),
                Some((false, true)) => notes.warn(
                    Finding::new(
                        "`secure` is false: whoever reaches the wires can play back a card",
                        table.span_of(&keys::SECURE),
                    )
                    .label("in the clear")
                    .hint("leave it out once the reader works"),
                ),
                _ => {}
            }
            let secure = secure.map_or(keyed, |secure| secure.value);
            let address = address?.value;
            let driver = format!("{}:{address}", named.value);
            Some((ReaderWires::Bus { bus: place, address, secure }, driver, Some(place)))
        }
    }
}

/// Reports a key that stands without another that it needs.
pub(super) fn needs<K>(
    table: &Reader<'_, '_>,
    key: &Key<K>,
    has: bool,
    other: &str,
    notes: &mut Notes<'_>,
) {
    if has || !table.has(key) {
        return;
    }
    let title = format!("`{}` stands without `{other}` in {}", key.name, table.place());
    notes.error(
        Finding::new(title, table.span_of(key))
            .label("alone")
            .hint(format!("add {other} = …, or leave it out"))
            .absent(),
    );
}

impl Access {
    /// What the rules are told of it.
    pub(crate) fn rules(&self, time_zone: &jiff::tz::TimeZone) -> AccessConfig {
        AccessConfig {
            time_zone: time_zone.clone(),
            unknown_clock: self.unknown_clock,
            clock_error: self.clock_error,
            late: self.late,
        }
    }
}
