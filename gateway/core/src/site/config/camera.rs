//! What the rules know of cameras.

use std::time::Duration;

use super::Weekly;
use crate::id::Id;

/// A camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraConfig {
    /// Its id.
    pub id: Id,
    /// Where it is, as events name it: `rtsp://10.0.0.7/main`, without user and password.
    pub driver: String,
    /// Its partition, by its place in [`SiteConfig::partitions`](super::SiteConfig::partitions): an
    /// alarm there is one that it should see.
    pub partition: Option<usize>,
    /// The switch that it hangs on, by its place in [`SiteConfig::buses`](super::SiteConfig::buses).
    pub bus: Option<usize>,
    /// Its loss must last so long to be told.
    pub hold_off: Duration,
    /// The doors that it looks at, by their places.
    pub doors: Vec<usize>,
    /// The zones that it looks at, by their places.
    pub zones: Vec<usize>,
    /// Where it looks for motion.
    pub areas: Vec<CameraAreaConfig>,
}

impl CameraConfig {
    /// One that looks at nothing in particular.
    pub const fn new(id: Id, driver: String) -> Self {
        Self {
            id,
            driver,
            partition: None,
            bus: None,
            hold_off: Duration::from_secs(2),
            doors: Vec::new(),
            zones: Vec::new(),
            areas: Vec::new(),
        }
    }
}

/// A part of a camera's picture in which motion is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraAreaConfig {
    /// Its id, among those of its camera.
    pub id: Id,
    /// When motion in it is told.
    pub tells: Tells,
    /// Only in these windows of the week; empty: at any time. While the time is not known it counts
    /// as within.
    pub weekly: Vec<Weekly>,
    /// Motion that is told takes a picture and a clip.
    pub records: bool,
}

impl CameraAreaConfig {
    /// One whose motion is told at any time.
    pub const fn new(id: Id) -> Self {
        Self { id, tells: Tells::Always, weekly: Vec::new(), records: false }
    }
}

/// When motion in an area is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tells {
    /// At any time.
    Always,
    /// While the camera's partition is armed in any mode.
    #[default]
    Armed,
    /// Never by itself: a zone may be made of it.
    Never,
}
