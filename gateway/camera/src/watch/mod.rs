//! Watching: pictures and times in, findings out. No clock, no file, no decoder in here.
//!
//! ```text
//!            every frame ──▶ compressed() ──▶ frozen?
//!                  │
//!     key frames, or all while wants_all()
//!                  ▼
//!  decode ──▶ picture() ──▶ Grid ─┬─▶ Background ─▶ blobs ─▶ Motion per area
//!                                 └─▶ Look ──────────────▶ Tamper
//! ```
//!
//! It says that something moves in an area, or that somebody did something to the camera. It does not
//! know what moves: nothing in here tells persons apart, or persons from anything else.
//!
//! Known weak: leaves, in the first half minute before it is known where they wave, and where they fill
//! the picture (exclude the place); a camera that is
//! moved in the seconds in which it changes to night for the first time; things smaller than two cells
//! of the 80 that the picture is wide.

use core::time::Duration;

use gatehouse_core::time::Mono;

use crate::frame::Frame;
use crate::picture::Picture;

mod background;
mod blob;
mod frozen;
mod grid;
mod light;
mod look;
mod motion;
mod settings;
mod tamper;

pub use settings::{Area, LeastSize, Sensitivity, Settings, SettingsError};

/// Pictures that come sooner after the last analysed one are not looked at: more than five a second
/// show nothing more.
const LEAST_STEP: Duration = Duration::from_millis(180);

/// Which of [`Settings::areas`], counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaIndex(pub usize);

/// What was done to a camera. The order is that of precedence: of a covered camera is not said that it
/// is out of focus as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TamperKind {
    /// Something is before the lens, or it is dark altogether.
    Covered,
    /// Light from near by: most of the picture is white.
    Blinded,
    /// What was sharp is not.
    Defocused,
    /// It looks at another place.
    Moved,
    /// Suspected to send the same picture again and again. A camera that takes out all noise of a
    /// still night may do so as well.
    Frozen,
}

/// Something began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Motion in an area.
    Motion {
        /// Where.
        area: AreaIndex,
        /// It began, or it ended: the hold after its last sign is over.
        on: bool,
    },
    /// Tamper with the camera.
    Tamper {
        /// How.
        kind: TamperKind,
        /// It began, or the view is restored.
        on: bool,
    },
}

/// The watching of one camera.
///
/// ```
/// use gatehouse_camera::picture::{Picture, Range};
/// use gatehouse_camera::watch::{Settings, Watch};
/// use gatehouse_core::time::Mono;
///
/// let mut watch = Watch::new(Settings::default());
/// let grey = [vec![90; 640 * 360], vec![128; 320 * 180], vec![128; 320 * 180]];
/// let picture = Picture::new(640, 360, Range::Video, grey)?;
/// assert!(watch.picture(&picture, Mono(1_000_000_000)).is_empty());
/// assert!(watch.wants_all(), "it learns");
/// # Ok::<(), gatehouse_camera::picture::PlanesError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    motion: motion::Motion,
    tamper: tamper::Tamper,
    frozen: frozen::Frozen,
    last: Option<Mono>,
}

impl Watch {
    /// Knows nothing of the view yet: nothing is reported for 10 s.
    pub fn new(settings: Settings) -> Self {
        Self {
            motion: motion::Motion::new(settings),
            tamper: tamper::Tamper::default(),
            frozen: frozen::Frozen::default(),
            last: None,
        }
    }

    /// Takes the size of a frame; every frame of the stream, whether it is decoded or not.
    pub fn compressed(&mut self, frame: &Frame) -> Option<Finding> {
        let on = self.frozen.look(frame)?;
        Some(Finding::Tamper { kind: TamperKind::Frozen, on })
    }

    /// Looks at a picture. `at` is when its frame was received; pictures have to come in order. May be
    /// given more than it needs: it leaves out what comes less than 180 ms after the last.
    pub fn picture(&mut self, picture: &Picture, at: Mono) -> Vec<Finding> {
        if self.last.is_some_and(|last| at.since(last) < LEAST_STEP) {
            return Vec::new();
        }
        self.last = Some(at);
        let grid = grid::Grid::of(picture);
        let motion = self.motion.look(&grid, at).into_iter();
        let tamper = self.tamper.look(&grid, at).into_iter();
        motion
            .map(|(area, on)| Finding::Motion { area: AreaIndex(area), on })
            .chain(tamper.map(|(kind, on)| Finding::Tamper { kind, on }))
            .collect()
    }

    /// Whether all frames should be decoded from the next (or the current) key frame on, rather than
    /// key frames alone: the place is being learnt, something moves, or tamper is suspected.
    pub fn wants_all(&self) -> bool {
        self.last.is_none_or(|last| self.motion.wants_all(last)) || self.tamper.suspects()
    }

    /// Whether motion would be seen now: the place is known.
    pub fn knows(&self) -> bool {
        self.last.is_some_and(|last| !self.motion.learns(last))
    }

    /// The view is right as it is now: what was learnt of it is forgotten, tamper findings end. For
    /// the operator who has moved the camera, or has confirmed it.
    pub fn relearn(&mut self) -> Vec<Finding> {
        let ended = self.tamper.relearn().into_iter();
        ended.map(|kind| Finding::Tamper { kind, on: false }).collect()
    }
}
