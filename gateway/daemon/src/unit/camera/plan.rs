//! What a camera's unit is built from: comparable, so that one whose camera is as it was runs on.

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_camera::clip::ClipLimits;
use gatehouse_camera::health::HealthSettings;
use gatehouse_camera::picture::{Mask, Point, Polygon, PolygonError};
use gatehouse_camera::ring::RingLimits;
use gatehouse_camera::watch::{Area, LeastSize, Sensitivity, Settings};
use gatehouse_config::{Camera, CameraSource, Config, Shape, Watch};
use gatehouse_core::id::Id;
use gatehouse_core::site::CameraConfig;

use super::super::owner::Thing;
use super::evidence::Sealing;

/// A camera, and where its evidence goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Plan {
    pub(super) camera: Camera,
    /// The chip that it is.
    pub(super) chip: Option<Id>,
    pub(super) evidence: PathBuf,
    pub(super) sealing: Sealing,
    /// Its inputs that something hangs on, and what.
    pub(super) contacts: Vec<(String, Thing)>,
}

/// Bytes of a stream that are held in memory for each second before an event: 6 Mbit/s. A stream with
/// more is held for less time, which is counted.
const PER_SECOND: usize = 768 * 1024;

/// A group of pictures more than the ring's span is held: it begins with a key frame.
const GROUP: Duration = Duration::from_secs(4);

/// The units of a configuration: one for each camera.
pub(in super::super) fn plan(config: &Config) -> impl Iterator<Item = (String, Plan)> {
    config.cameras.iter().map(|camera| {
        // Places in the rules move with other things; this camera's unit does not care.
        let (id, driver) = (camera.rules.id.clone(), camera.rules.driver.clone());
        let name = format!("camera({id})");
        let rules = CameraConfig::new(id, driver);
        let mut camera = Camera { rules, switch: None, name: None, ..camera.clone() };
        let chip = match &mut camera.source {
            CameraSource::Chip { chip, .. } => {
                config.chips.get(std::mem::take(chip)).map(|chip| chip.id.clone())
            }
            _ => None,
        };
        let contacts = contacts(config, &camera.rules.id);
        let (evidence, sealing) = (super::evidence::root(config), Sealing::of(config));
        (name, Plan { camera, chip, evidence, sealing, contacts })
    })
}

/// What hangs on the inputs of a camera.
fn contacts(config: &Config, camera: &Id) -> Vec<(String, Thing)> {
    let doors = config.doors.iter().map(|door| (&door.input, Thing::Door(door.id.clone())));
    let zones = config.zones.iter();
    let zones = zones.map(|zone| (&zone.input, Thing::Zone(zone.rules.id.clone())));
    let all = doors.chain(zones).filter_map(|(feed, thing)| {
        let contact = feed.contact().filter(|contact| contact.camera == *camera)?;
        Some((contact.token.clone(), thing))
    });
    all.collect()
}

impl Plan {
    pub(super) const fn id(&self) -> &Id {
        &self.camera.rules.id
    }

    pub(super) fn health(&self) -> HealthSettings {
        let usual = HealthSettings::default();
        // One that is asked for each picture may miss one, and is not silent.
        let silent_after = self.pace().map_or(Duration::ZERO, |every| every * MISSED);
        HealthSettings {
            loss_after: self.camera.hold_off,
            restore_after: RESTORE,
            silent_after: usual.silent_after.max(silent_after),
            ..usual
        }
    }

    pub(super) fn ring(&self) -> RingLimits {
        let span = self.camera.pre;
        let seconds = usize::try_from((span + GROUP).as_secs()).unwrap_or(usize::MAX);
        RingLimits { span, bytes: seconds.saturating_mul(PER_SECOND) }
    }

    pub(super) fn clips(&self) -> ClipLimits {
        let (before, after) = (self.camera.pre, self.camera.post);
        let usual = ClipLimits::default();
        ClipLimits { before, after, longest: usual.longest.max(before + after) }
    }

    /// What nobody may see.
    ///
    /// # Errors
    /// When a shape is none after all: then no picture may be taken.
    pub(super) fn mask(&self) -> Result<Mask, PolygonError> {
        let areas = self.camera.masks.iter().map(polygon).collect::<Result<_, _>>()?;
        Ok(Mask::new(areas))
    }

    /// What is watched, and the id of each area; `None`: nothing is.
    ///
    /// # Errors
    /// As [`Plan::mask`].
    pub(super) fn watched(&self) -> Result<Option<(Settings, Vec<Id>)>, PolygonError> {
        if self.camera.watch == Watch::Off || !self.camera.events.own() {
            return Ok(None);
        }
        let (ignored, looked): (Vec<_>, Vec<_>) =
            self.camera.areas.iter().partition(|area| area.ignores);
        let mut ids = Vec::new();
        let mut areas = Vec::new();
        for area in looked {
            ids.push(area.id.clone());
            areas.push(Area {
                shape: polygon(&area.shape)?,
                sensitivity: Sensitivity::new(area.sensitivity).unwrap_or_default(),
                least: LeastSize::new(f64::from(area.least_permille) / 1000.0).unwrap_or_default(),
            });
        }
        let excluded = ignored.into_iter().map(|area| polygon(&area.shape));
        let excluded = excluded.collect::<Result<_, _>>()?;
        Ok(Some((Settings { areas, excluded, ..Settings::default() }, ids)))
    }
}

/// So many pictures of a slow camera make its silence.
const MISSED: u32 = 3;

/// Pictures must come again for so long.
const RESTORE: Duration = Duration::from_secs(5);

fn polygon(shape: &Shape) -> Result<Polygon, PolygonError> {
    let point = |(x, y): (f32, f32)| Point { x: f64::from(x), y: f64::from(y) };
    Polygon::new(shape.corners().map(point).collect())
}
