//! Watching: pictures and times in, findings out. No clock, no file, no decoder in here.
//!
//! ```text
//!            every frame ──▶ compressed() ──▶ frozen?
//!                  │
//!     key frames, or all while wants_all()
//!                  ▼
//!  decode ──▶ picture() ──▶ Grid ─┬─▶ Background ─▶ blobs ─▶ Motion per area
//!                                 └─▶ Look ──────────────▶ Tamper ─▶ doubt?
//!                                                                      │
//!            pictures that were left out before it ─▶ look_back() ◀────┘
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
mod best;
mod blob;
mod frozen;
mod grid;
mod light;
mod look;
mod motion;
mod settings;
mod tamper;

pub use best::{View, Why, best};
pub use settings::{Area, LeastSize, Sensitivity, Settings, SettingsError};

/// Pictures that come sooner after the last analysed one are not looked at: more than five a second
/// show nothing more.
const LEAST_STEP: Duration = Duration::from_millis(180);

/// Between pictures that are farther apart, others have been left out which could tell more.
const SPARSE: Duration = Duration::from_millis(400);

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
/// assert!(watch.learns() && !watch.wants_all());
/// # Ok::<(), gatehouse_camera::picture::PlanesError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    motion: motion::Motion,
    tamper: tamper::Tamper,
    frozen: frozen::Frozen,
    last: Option<Mono>,
    doubt: Option<Doubt>,
}

/// The first sign of tamper, or of its end, after pictures were left out.
#[derive(Clone, Debug)]
struct Doubt {
    /// As it was before the sign.
    tamper: tamper::Tamper,
    /// The last picture before it.
    since: Mono,
    /// The picture that shows it.
    grid: grid::Grid,
    at: Mono,
}

impl Watch {
    /// Knows nothing of the view yet: nothing is reported for 10 s.
    pub fn new(settings: Settings) -> Self {
        Self {
            motion: motion::Motion::new(settings),
            tamper: tamper::Tamper::default(),
            frozen: frozen::Frozen::default(),
            last: None,
            doubt: None,
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
        let before = self.last.replace(at).filter(|last| at.since(*last) > SPARSE);
        let before = before.filter(|_| !self.tamper.suspects());
        let before = before.map(|since| (since, self.tamper.clone()));
        let grid = grid::Grid::of(picture);
        let motion = self.motion.look(&grid, at).into_iter();
        let tamper = self.tamper.look(&grid, at).into_iter();
        let findings = motion
            .map(|(area, on)| Finding::Motion { area: AreaIndex(area), on })
            .chain(tamper.map(|(kind, on)| Finding::Tamper { kind, on }))
            .collect();
        self.doubt = before.filter(|_| self.tamper.suspects()).map(|(since, tamper)| Doubt {
            tamper,
            since,
            grid,
            at,
        });
        findings
    }

    /// Since when pictures were left out that would tell whether the tamper which the last picture
    /// makes suspected has lasted: to be given to [`Watch::look_back`] before the next picture, if
    /// they can still be had. `None`: there is no such suspicion, or it is older than this picture.
    pub fn asks_back(&self) -> Option<Mono> {
        self.doubt.as_ref().map(|doubt| doubt.since)
    }

    /// Looks at what was left out before the last picture, in order, as if it had come in time: what
    /// has lasted long enough is found now, and not so long after the first sign of it. Only tamper is
    /// looked for; that something moved is seen in one picture.
    pub fn look_back(
        &mut self,
        pictures: impl IntoIterator<Item = (Picture, Mono)>,
    ) -> Vec<Finding> {
        let Some(Doubt { mut tamper, since, grid, at }) = self.doubt.take() else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        let mut last = since;
        for (picture, time) in pictures {
            // As close together as others, and not after the one that is known.
            if time.since(last) >= LEAST_STEP && at.since(time) >= LEAST_STEP {
                last = time;
                changes.extend(tamper.look(&grid::Grid::of(&picture), time));
            }
        }
        changes.extend(tamper.look(&grid, at));
        self.tamper = tamper;
        changes.into_iter().map(|(kind, on)| Finding::Tamper { kind, on }).collect()
    }

    /// Whether all frames should be decoded from the last picture on, rather than key frames alone:
    /// something moves, or tamper is suspected.
    pub fn wants_all(&self) -> bool {
        self.motion.moves() || self.tamper.suspects()
    }

    /// Whether the place is being learnt, for which more pictures than key frames are better.
    pub fn learns(&self) -> bool {
        self.last.is_none_or(|last| self.motion.learns(last))
    }

    /// The view is right as it is now: what was learnt of it is forgotten, tamper findings end. For
    /// the operator who has moved the camera, or has confirmed it.
    pub fn relearn(&mut self) -> Vec<Finding> {
        self.doubt = None;
        let ended = self.tamper.relearn().into_iter();
        ended.map(|kind| Finding::Tamper { kind, on: false }).collect()
    }
}
