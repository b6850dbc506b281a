//! Zones that are made of a camera's motion: what the camera says, as a detector would say it.
//!
//! | the camera | its zones |
//! |---|---|
//! | gives no pictures, or would not see motion yet | `unknown` |
//! | is covered, blinded, defocused or moved | `tamper`: what it sees is not what was drawn |
//! | is degraded, or its picture may stand still | a fault beside what it sees: hides no activation |
//! | sees something move in the area | `active` |
//! | sees nothing move | `normal` |
//!
//! A camera is no graded detector (EN 50131-2 has no part for cameras), so in a group that must agree it
//! can confirm a detector and never silence one: see [`Site::blind_cameras`].

use super::{Camera, CameraLink, CameraTamper};
use crate::id::Id;
use crate::site::out::Out;
use crate::site::{Condition, LinesConfig, Site, ZoneLine};
use crate::time::Mono;

/// What such a zone has beside what moves: a fault, and no line for anything else.
pub(in crate::site) const LINES: LinesConfig =
    LinesConfig { second: None, fault: true, mask: false };

impl Camera {
    /// What it says of an area, or of any; and whether it cannot be relied on. Of that nothing is known
    /// while nothing is seen.
    fn as_detector(&self, area: Option<&Id>) -> (Condition, Option<bool>) {
        let Some(link) = self.link.filter(|link| self.watches && !link.is_lost()) else {
            return (Condition::Unknown, None);
        };
        let stands = |kind: CameraTamper| self.tampers[kind as usize];
        let poor = link == CameraLink::Degraded || stands(CameraTamper::Frozen);
        let tampered =
            { CameraTamper::ALL }.into_iter().any(|it| it != CameraTamper::Frozen && stands(it));
        let areas = self.areas.iter().zip(&self.config.areas);
        let mut of = areas.filter(|(_, config)| area.is_none_or(|id| config.id == *id));
        let condition = if tampered {
            Condition::Tamper
        } else if of.any(|(area, _)| area.moves) {
            Condition::Active
        } else {
            Condition::Normal
        };
        (condition, Some(poor))
    }
}

impl Site {
    /// Whether a zone is made of the motion of a camera that there is.
    pub(in crate::site) fn is_seen(&self, zone: usize) -> bool {
        let motion = self.zones.get(zone).and_then(|zone| zone.config.camera.as_ref());
        motion.is_some_and(|motion| motion.camera < self.cameras.len())
    }

    /// Tells the zones of a camera what it says.
    pub(in crate::site) fn zones_of_camera(
        &mut self,
        camera: usize,
        at: Mono,
        resynced: bool,
        out: &mut Out<'_>,
    ) {
        for zone in 0..self.zones.len() {
            let motion = self.zones[zone].config.camera.as_ref();
            let Some(motion) = motion.filter(|motion| motion.camera == camera) else { continue };
            let (condition, poor) = self.cameras[camera].as_detector(motion.area.as_ref());
            // What it sees comes first: a fault beside a zone that is not known yet would be its loss.
            self.zone_says(zone, condition, at, resynced, out);
            if poor.is_some() {
                self.zone_line_says((zone, ZoneLine::Fault), poor, at, resynced, out);
            }
        }
    }

    /// How many zones of a group that must agree are cameras' and cannot see, or are out of service.
    pub(in crate::site) fn blind_cameras(&self, group: usize) -> usize {
        let zones = self.zones.iter().filter(|zone| {
            zone.config.cross == Some(group)
                && zone.config.camera.is_some()
                && (zone.why_blind().is_some() || zone.is_out())
        });
        zones.count()
    }
}
