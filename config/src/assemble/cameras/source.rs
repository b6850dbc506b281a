//! What a camera's pictures and findings come from: the keys that need and exclude each other.

use std::ops::Range;
use std::time::Duration;

use gatehouse_core::id::Id;

use super::super::Seen;
use super::super::named::Named;
use crate::camera::{CameraSource, CameraUrl, Events};
use crate::devices::{BusChip, ChipKind};
use crate::finding::Finding;
use crate::keys;
use crate::keys::camera as key;
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;

/// Small cameras encode a picture for each request.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Enough to see how somebody came, at 1 MB a second of the largest pictures.
const DEVICE_EVERY: Duration = Duration::from_millis(200);

/// What is given, and fits together.
pub(super) struct Source {
    pub(super) of: CameraSource,
    /// The chip that it is.
    chip: Option<Id>,
    pub(super) onvif: Option<CameraUrl>,
    pub(super) events: Events,
}

impl Source {
    /// Where it is, for people.
    pub(super) fn shown(&self) -> String {
        match &self.of {
            CameraSource::Rtsp { main: url, .. } | CameraSource::Snapshots { url, .. } => {
                url.shown()
            }
            CameraSource::Onvif => self.onvif.as_ref().map(CameraUrl::shown).unwrap_or_default(),
            CameraSource::Device { path, .. } => path.display().to_string(),
            CameraSource::Chip { .. } => {
                self.chip.as_ref().map(ToString::to_string).unwrap_or_default()
            }
        }
    }
}

/// `None`: something is wrong, and was reported.
pub(super) fn source(
    table: &Reader<'_, '_>,
    chips: Option<&[BusChip]>,
    taken: &mut Seen<Id>,
    notes: &mut Notes<'_>,
) -> Option<Source> {
    let before = notes.errors.len();
    let main = table.get(&key::STREAM, notes);
    let sub = table.get(&key::SUB_STREAM, notes);
    let onvif = table.get(&key::ONVIF, notes);
    let snapshot = table.get(&key::SNAPSHOT, notes);
    let device = table.get(&key::DEVICE, notes);
    let named = table.get(&key::CHIP, notes);
    taken.once(named.as_ref(), notes, |id| format!("two cameras are the chip \"{id}\""));
    let chip = named.and_then(|at| camera_chip(table, &at, chips?, notes));
    let size = table.get(&key::SIZE, notes);
    let every = table.get(&key::EVERY, notes);
    let events = table.get(&key::EVENTS, notes);
    let one = one_source(table, notes);
    if let Some(events) = events.as_ref().filter(|at| at.value.onvif() && !table.has(&key::ONVIF)) {
        notes.error(
            Finding::new(
                "`events` are the camera's own, but there is no `onvif`",
                events.span.clone(),
            )
            .label("from where?")
            .hint("add onvif = \"http://…/onvif/device_service\", or leave `events` out"),
        );
    }
    match one {
        Some(One::Stream | One::Onvif) => {
            only(table, &key::EVERY, "`snapshot`, `device` and `chip`", notes);
        }
        Some(One::Device | One::Chip) => {
            only(table, &key::TRANSPORT, "streams", notes);
            only(table, &key::ONVIF, "cameras on the network", notes);
            only(table, &key::USERNAME, "cameras on the network", notes);
            if one == Some(One::Chip) {
                only(table, &key::SWITCH, "cameras on the network", notes);
            }
        }
        Some(One::Snapshot) => {
            only(table, &key::TRANSPORT, "streams", notes);
            if table.has(&key::ONVIF) && events.as_ref().is_some_and(|at| !at.value.onvif()) {
                notes.error(
                    Finding::new(
                        "`snapshot` and `onvif` stand together, and `events` are not the camera's: \
                         nothing is taken from `onvif`",
                        table.span_of(&key::ONVIF),
                    )
                    .label("for what?")
                    .also(table.span_of(&key::SNAPSHOT), "the pictures come from here")
                    .hint("leave `onvif` out, or write events = \"onvif\""),
                );
            }
        }
        None => {}
    }
    if one.is_some_and(|one| one != One::Device) {
        only(table, &key::SIZE, "`device`", notes);
    }
    if let Some(sub) = sub.as_ref().filter(|_| !table.has(&key::STREAM)) {
        notes.error(
            Finding::new("`sub-stream` is given without `stream`", sub.span.clone())
                .label("smaller than what?")
                .hint("add `stream`, or leave both to `onvif`"),
        );
    }
    if notes.errors.len() > before {
        return None;
    }
    let every = |usual: Duration| every.map_or(usual, |at| at.value);
    let of = match one? {
        One::Stream => CameraSource::Rtsp { main: main?.value, sub: sub.map(|at| at.value) },
        One::Onvif => CameraSource::Onvif,
        One::Snapshot => {
            CameraSource::Snapshots { url: snapshot?.value, every: every(ASKED_EVERY) }
        }
        One::Device => CameraSource::Device {
            path: device?.value,
            size: size.map(|at| at.value),
            every: every(DEVICE_EVERY),
        },
        One::Chip => CameraSource::Chip { chip: chip.as_ref()?.0, every: every(ASKED_EVERY) },
    };
    let chip = chip.map(|(_, id)| id);
    Some(Source { of, chip, onvif: onvif.map(|at| at.value), events: events?.value })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum One {
    Stream,
    Onvif,
    Snapshot,
    Device,
    Chip,
}

/// The camera among the chips that is named, and its id.
fn camera_chip(
    table: &Reader<'_, '_>,
    at: &At<Id>,
    chips: &[BusChip],
    notes: &mut Notes<'_>,
) -> Option<(usize, Id)> {
    let mut named = Named::new(&keys::chip::TABLE);
    for chip in chips {
        named.know(&chip.id);
    }
    let place = named.find(&key::CHIP, table, at, notes)?;
    let kind = chips[place].kind;
    if kind != ChipKind::Ov2640 {
        let title = format!("`chip` in [[camera]] is \"{}\", which is no camera", at.value);
        notes.error(
            Finding::new(title, at.span.clone())
                .label(format!("of kind \"{}\"", kind.name()))
                .hint("name a [[chip]] of kind \"ov2640\""),
        );
        return None;
    }
    Some((place, at.value.clone()))
}

/// Which source a camera has. `onvif` is one where there is no other.
fn one_source(table: &Reader<'_, '_>, notes: &mut Notes<'_>) -> Option<One> {
    let mut given = Vec::new();
    let mut look = |name: &'static str, has: bool, span: Range<usize>, one: One| {
        if has {
            given.push((name, span, one));
        }
    };
    let (stream, snapshot, device) = (&key::STREAM, &key::SNAPSHOT, &key::DEVICE);
    look(stream.name, table.has(stream), table.span_of(stream), One::Stream);
    look(snapshot.name, table.has(snapshot), table.span_of(snapshot), One::Snapshot);
    look(device.name, table.has(device), table.span_of(device), One::Device);
    look(key::CHIP.name, table.has(&key::CHIP), table.span_of(&key::CHIP), One::Chip);
    match &given[..] {
        [(.., one)] => Some(*one),
        [] if table.has(&key::ONVIF) => Some(One::Onvif),
        [] => {
            let title = format!("`stream` is missing from {}", table.place());
            let finding = Finding::new(title, table.span.clone())
                .label("has none of `stream`, `onvif`, `snapshot`, `device` and `chip`")
                .hint("add stream = \"rtsp://…\", or onvif = \"http://…\" of a camera that has it");
            notes.error(finding.absent());
            None
        }
        [(first, other, _), (second, span, _), ..] => {
            let title = format!("`{first}` and `{second}` stand together; allowed: one of them");
            notes.error(
                Finding::new(title, span.clone())
                    .label("one too many")
                    .also(other.clone(), "the other")
                    .hint("a camera has one source of pictures: the best that it has"),
            );
            None
        }
    }
}

/// Reports a key that this source cannot have.
fn only<K>(table: &Reader<'_, '_>, key: &Key<K>, of: &str, notes: &mut Notes<'_>) {
    if table.has(key) {
        let title = format!("`{}` is only for {of}", key.name);
        notes.error(
            Finding::new(title, table.span_of(key))
                .label("not for this camera")
                .hint(format!("leave `{}` out", key.name)),
        );
    }
}
