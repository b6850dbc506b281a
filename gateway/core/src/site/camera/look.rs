//! Which camera should see what was just recorded.

use super::super::{Effect, Site, is_silent_event};
use super::Camera;
use crate::event::{Class, Draft, Lane, Qualifier};
use crate::id::Id;

impl Site {
    /// Behind each event that somebody should see stands which cameras are to take it.
    pub(in super::super) fn look(&self, out: &mut super::Out<'_>) {
        if self.cameras.is_empty() {
            return;
        }
        let mut effects = Vec::with_capacity(out.effects.len());
        for effect in std::mem::take(&mut out.effects) {
            let seen = effect.record().map(|draft| (self.who_sees(draft), is_silent_event(draft)));
            effects.push(effect);
            let Some((cameras, silent)) = seen else { continue };
            effects.extend(cameras.into_iter().map(|camera| Effect::Look { camera, silent }));
        }
        out.effects = effects;
    }

    fn who_sees(&self, draft: &Draft) -> Vec<usize> {
        // Nothing else about a duress is `new`.
        let begins = draft.qualifier == Qualifier::New || draft.kind == "access.duress";
        if draft.test || !begins || matches!(&*draft.source.kind, "incident" | "bus" | "gateway") {
            return Vec::new();
        }
        let cameras = self.cameras.iter().enumerate();
        cameras.filter_map(|(n, camera)| self.sees(camera, draft).then_some(n)).collect()
    }

    /// Whether this zone is what this camera sees move.
    fn makes(&self, camera: &Camera, zone: &Id) -> bool {
        let zone = self.zones.iter().find(|known| known.config.id == *zone);
        let motion = zone.and_then(|zone| zone.config.camera.as_ref());
        let by = motion.and_then(|motion| self.cameras.get(motion.camera));
        by.is_some_and(|by| by.config.id == camera.config.id)
    }

    fn sees(&self, camera: &Camera, draft: &Draft) -> bool {
        let config = &camera.config;
        let (kind, id) = (&*draft.source.kind, &draft.source.id);
        if kind == "camera" {
            let own = config.id == *id;
            let area = draft.detail.as_ref().and_then(|facts| facts["area"].as_str());
            let records = |known: &super::super::CameraAreaConfig| {
                known.records && Some(known.id.as_str()) == area
            };
            return match draft.class {
                // Whoever was there last is in the seconds before.
                Class::Tamper => own,
                Class::Camera if draft.kind == "camera.motion" => {
                    own && config.areas.iter().any(records)
                }
                _ => false,
            };
        }
        let alarm = draft.class.lane() == Lane::Alarm;
        let door = |place: &usize| self.doors.get(*place).map(|door| &door.config().id);
        let at = match kind {
            "door" => config.doors.iter().any(|place| door(place) == Some(id)),
            "zone" => {
                let zone = |place: &usize| self.zones.get(*place).map(|zone| &zone.config.id);
                config.zones.iter().any(|place| zone(place) == Some(id)) || self.makes(camera, id)
            }
            "reader" => {
                let reader = self.readers.iter().find(|reader| reader.config.id == *id);
                let its = reader.and_then(|reader| reader.config.door);
                its.is_some_and(|door| config.doors.contains(&door))
            }
            _ => false,
        };
        let stays_open = matches!(&*draft.kind, "door.held_open" | "door.propped");
        let here = alarm && draft.partition.is_some() && draft.partition == camera.partition;
        (at && (alarm || stays_open)) || here
    }
}
