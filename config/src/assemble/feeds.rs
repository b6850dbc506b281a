//! Where doors and zones get what they say from, and the cameras among that: these are known only when
//! all of them were read.

use gatehouse_core::id::Id;
use gatehouse_core::site::{MotionConfig, ZoneKind};

use super::Seen;
use super::named::Named;
use crate::camera::{Camera, Watch};
use crate::feed::{CameraContact, CameraContactKind, Feed};
use crate::finding::Finding;
use crate::hint::nearest;
use crate::keys::{camera, zone};
use crate::kind::{Identifier, Kind as _};
use crate::protection::{Partition, Zone, word};
use crate::reader::{At, Notes, Reader};
use crate::spec::Key;
use crate::wiring::{Line, LineKind};

/// The keys of a table, of which one stands in it.
pub(super) struct FeedKeys {
    pub(super) line: &'static Key<LineKind>,
    pub(super) contact: &'static Key<CameraContactKind>,
    /// The camera, for what may be made of its motion.
    pub(super) motion: Option<&'static Key<Identifier>>,
    /// What only a wire has.
    pub(super) wired: &'static [&'static str],
}

/// What cameras are named for, until these are known.
#[derive(Default)]
pub(super) struct Feeds<'d, 'i> {
    contacts: Vec<(Reader<'d, 'i>, &'static Key<CameraContactKind>, At<CameraContact>)>,
    motions: Vec<Motion<'d, 'i>>,
    seen: Seen<CameraContact>,
}

struct Motion<'d, 'i> {
    /// The zone's place.
    zone: usize,
    table: Reader<'d, 'i>,
    camera: At<Id>,
    area: Option<At<Id>>,
}

/// What a table has of these keys.
pub(super) struct Given {
    pub(super) line: Option<At<Line>>,
    pub(super) contact: Option<At<CameraContact>>,
    pub(super) camera: Option<At<Id>>,
    pub(super) area: Option<At<Id>>,
}

impl Given {
    /// Reads the keys, and reports what does not go together.
    pub(super) fn read(table: &Reader<'_, '_>, keys: &FeedKeys, notes: &mut Notes<'_>) -> Self {
        let line = table.get(keys.line, notes);
        let contact = table.get(keys.contact, notes);
        let camera = keys.motion.and_then(|key| table.get(key, notes));
        let area = keys.motion.and_then(|_| table.get(&zone::CAMERA_AREA, notes));
        let names = [Some(keys.line.name), Some(keys.contact.name), keys.motion.map(|it| it.name)];
        let given = names.into_iter().flatten();
        let given = given.filter_map(|name| Some((name, table.place_of(name)?)));
        let given: Vec<_> = given.collect();
        let place = table.place();
        match given.as_slice() {
            [] => {
                let name = keys.line.name;
                let finding =
                    Finding::new(format!("`{name}` is missing from {place}"), table.span.clone())
                        .label(format!("has no `{name}`"))
                        .hint(format!("add {name} = …: {}", keys.line.kind.allowed()));
                notes.error(finding.absent());
            }
            [_] => {}
            [(one, first), (other, second), ..] => notes.error(
                Finding::new(
                    format!(
                        "`{one}` and `{other}` stand together in {place}; allowed: one of them"
                    ),
                    second.clone(),
                )
                .label("one too many")
                .also(first.clone(), "the other"),
            ),
        }
        let from_camera = table.has(keys.contact) || keys.motion.is_some_and(|key| table.has(key));
        if let Some(key) = keys.motion {
            super::access::needs(table, &zone::CAMERA_AREA, table.has(key), key.name, notes);
        }
        for name in keys.wired.iter().filter(|_| from_camera && !table.has(keys.line)) {
            if let Some(span) = table.place_of(name) {
                notes.error(
                    Finding::new(format!("`{name}` is only for what has a wire at this box"), span)
                        .label("no wire")
                        .hint(format!(
                            "leave `{name}` out; the camera's own page says what its inputs do"
                        )),
                );
            }
        }
        Self { line, contact, camera, area }
    }

    /// What it comes to. `None`: nothing good was given, and that was reported.
    pub(super) fn feed(&self) -> Option<Feed> {
        let line = self.line.clone().map(|at| Feed::Line(at.value));
        let contact = || self.contact.clone().map(|at| Feed::Contact(at.value));
        let motion = || {
            let area = self.area.as_ref().map(|at| at.value.clone());
            self.camera.clone().map(|at| Feed::Motion { camera: at.value, area })
        };
        line.or_else(contact).or_else(motion)
    }
}

impl<'d, 'i> Feeds<'d, 'i> {
    /// Takes note of what a table names cameras for; `zone`: the place of a zone.
    pub(super) fn note(
        &mut self,
        table: Reader<'d, 'i>,
        key: &'static Key<CameraContactKind>,
        given: Given,
        zone: Option<usize>,
        notes: &mut Notes<'_>,
    ) {
        self.seen.once(given.contact.as_ref(), notes, |contact| {
            format!("the input {contact} of a camera is used twice")
        });
        if let Some(contact) = given.contact {
            self.contacts.push((table, key, contact));
        } else if let (Some(camera), Some(zone)) = (given.camera, zone) {
            self.motions.push(Motion { zone, table, camera, area: given.area });
        }
    }

    /// Looks up what was noted, and tells the zones. Without cameras that are all good nothing more can
    /// be said.
    pub(super) fn find(
        self,
        cameras: Option<&[Camera]>,
        mut zones: Option<&mut Vec<Zone>>,
        partitions: Option<&[Partition]>,
        notes: &mut Notes<'_>,
    ) {
        let Some(cameras) = cameras else { return };
        let mut named = Named::new(&camera::TABLE);
        for camera in cameras {
            named.know(&camera.rules.id);
        }
        for (table, key, contact) in self.contacts {
            let at = At { value: contact.value.camera.clone(), span: contact.span.clone() };
            let Some(place) = named.find(key, &table, &at, notes) else { continue };
            if cameras[place].onvif.is_none() {
                let title = format!(
                    "`{}` in {} is an input of the camera \"{}\", which has no `onvif`",
                    key.name,
                    table.place(),
                    at.value
                );
                notes.error(
                    Finding::new(title, contact.span)
                        .label("never told")
                        .hint("add onvif = \"http://…/onvif/device_service\" to the camera"),
                );
            }
        }
        let mut first = None;
        for motion in self.motions {
            let Some(place) = named.find(&zone::CAMERA, &motion.table, &motion.camera, notes)
            else {
                continue;
            };
            if !motion.fits(&cameras[place], notes) {
                continue;
            }
            first.get_or_insert(motion.camera.span.clone());
            let area = motion.area.map(|at| at.value);
            if let Some(zone) = zones.as_deref_mut().and_then(|zones| zones.get_mut(motion.zone)) {
                zone.rules.camera = Some(MotionConfig { camera: place, area });
            }
        }
        if let (Some(span), Some(zones), Some(partitions)) = (first, zones, partitions) {
            warn_of_cameras_alone(zones, partitions, &span, notes);
        }
    }
}

/// A partition that only cameras guard.
fn warn_of_cameras_alone(
    zones: &[Zone],
    partitions: &[Partition],
    span: &std::ops::Range<usize>,
    notes: &mut Notes<'_>,
) {
    for (place, partition) in partitions.iter().enumerate() {
        let guards =
            |zone: &&Zone| zone.rules.partition == Some(place) && zone.rules.kind.needs_arming();
        let mut guards = zones.iter().filter(guards).peekable();
        if guards.peek().is_none() || !guards.all(|zone| zone.rules.camera.is_some()) {
            continue;
        }
        let title = format!(
            "only cameras guard the partition \"{}\": a camera is no graded detector",
            partition.rules.id
        );
        notes.warn(
            Finding::new(title, span.clone()).label("made of a picture").hint(
                "wire a detector too (EN 50131-2): fog, the dark and a spider blind a camera",
            ),
        );
    }
}

impl Motion<'_, '_> {
    /// Whether the camera looks for motion there; if not, that is reported.
    fn fits(&self, camera: &Camera, notes: &mut Notes<'_>) -> bool {
        let (place, id) = (self.table.place(), &self.camera.value);
        if camera.watch == Watch::Off && !camera.events.onvif() {
            let title = format!(
                "`camera` in {place} is \"{id}\", whose `watch` is \"off\": it sees nothing move"
            );
            notes.error(Finding::new(title, self.camera.span.clone()).label("not watched").hint(
                "write watch = \"key-frames\" there, or events = \"onvif\" if it watches itself",
            ));
            return false;
        }
        let looked: Vec<_> = { camera.areas.iter() }
            .filter(|area| !area.ignores)
            .map(|area| area.id.as_str())
            .collect();
        let Some(area) = &self.area else {
            if looked.is_empty() {
                let title =
                    format!("`camera` in {place} is \"{id}\", which looks for motion in no area");
                notes.error(
                    Finding::new(title, self.camera.span.clone())
                        .label("nowhere")
                        .hint("add [[camera.area]] with id and shape to that camera"),
                );
            }
            return !looked.is_empty();
        };
        let (name, list) = (&area.value, looked.join("\", \""));
        let known = camera.areas.iter().find(|known| known.id == *name);
        let finding = match known {
            Some(known) if !known.ignores => return true,
            Some(_) => Finding::new(
                format!(
                    "`camera-area` in {place} is \"{name}\", where \"{id}\" ignores what moves"
                ),
                area.span.clone(),
            )
            .label("ignored")
            .hint("name another area, or take `ignore` out of this one"),
            None => {
                let allowed = if looked.is_empty() { "none".into() } else { format!("\"{list}\"") };
                let title = format!(
                    "`camera-area` in {place} is \"{name}\", which no area of the camera \"{id}\" has as its id; \
                     allowed: {allowed}"
                );
                let near = nearest(name.as_str(), looked.iter().copied());
                let add = format!("add [[camera.area]] with id = \"{name}\" to that camera");
                Finding::new(title, area.span.clone())
                    .label("not drawn")
                    .hint(near.map_or(add, |near| format!("did you mean \"{near}\"?")))
                    .absent()
            }
        };
        notes.error(finding);
        false
    }
}

/// Motion is no fire and no button.
pub(super) fn kind_fits(kind: &At<ZoneKind>, camera: &At<Id>, notes: &mut Notes<'_>) {
    let good = matches!(
        kind.value,
        ZoneKind::Instant
            | ZoneKind::EntryExit
            | ZoneKind::Follower
            | ZoneKind::Hours24
            | ZoneKind::Technical
    );
    if good {
        return;
    }
    let title = format!(
        "a zone of kind \"{}\" cannot be made of a camera's motion: nothing says what moves",
        word(kind.value)
    );
    notes.error(
        Finding::new(title, kind.span.clone())
            .label("not for this kind")
            .also(camera.span.clone(), "its camera")
            .hint("allowed: instant, entry-exit, follower, 24h, technical"),
    );
}
