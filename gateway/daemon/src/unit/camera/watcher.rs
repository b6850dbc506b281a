//! The thread that looks at a camera's pictures, as [`Eye`] says which.
//!
//! It decodes at a lower priority than everything that guards, and only so many cameras at once as there
//! are processors to spare: a box whose cameras all see something is late with pictures, not with
//! alarms. What it is too late for is dropped by whole groups of pictures in the queue before it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_camera::eye::Eye;
use gatehouse_camera::health::Seen;
use gatehouse_camera::source::{Drain, Taken};
use gatehouse_camera::watch::{Finding, TamperKind};
use gatehouse_core::id::Id;
use gatehouse_core::site::{CameraSays, CameraTamper};
use gatehouse_core::time::Mono;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::sink::Health;

/// Added to the niceness of whatever decodes.
const NICER: i32 = 10;

/// Without frames it is looked so often whether there will be any.
const IDLE: Duration = Duration::from_secs(1);

/// So many decode at once, and one of them for a clip.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    all: Arc<Seats>,
    #[cfg(feature = "masked-clips")]
    clips: Arc<Seats>,
}

impl Default for Turns {
    /// One processor is left to the rest of the box, if it has more than one.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            all: Arc::new(Seats::new(processors.saturating_sub(1).max(1))),
            #[cfg(feature = "masked-clips")]
            clips: Arc::new(Seats::new(1)),
        }
    }
}

impl Turns {
    /// Waits for a turn. Blocks.
    pub(super) fn take(&self) -> Turn {
        Seats::take(&self.all)
    }

    /// Waits for a turn of a clip that is decoded and encoded: however many cameras see something,
    /// the others are watched meanwhile. Blocks.
    #[cfg(feature = "masked-clips")]
    pub(super) fn take_for_clip(&self) -> (Turn, Turn) {
        // In this order, and nobody waits for the first who has the second.
        let clip = Seats::take(&self.clips);
        (self.take(), clip)
    }
}

#[derive(Debug)]
struct Seats {
    free: Mutex<usize>,
    given: Condvar,
}

impl Seats {
    const fn new(free: usize) -> Self {
        Self { free: Mutex::new(free), given: Condvar::new() }
    }

    fn take(self: &Arc<Self>) -> Turn {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.given.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(Arc::clone(self))
    }
}

/// A turn that is taken; given back when it is dropped.
pub(super) struct Turn(Arc<Seats>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given.notify_one();
    }
}

/// Lets everything else go first, on the thread that calls it.
pub(crate) fn be_nice() {
    let here = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(here), NICER) {
        debug!(%error, "decodes at the usual priority");
    }
}

/// See the module's page.
pub(super) struct Watcher {
    pub(super) camera: Id,
    pub(super) drain: Drain,
    pub(super) eye: Eye,
    /// The ids of the areas, in the order of the settings.
    pub(super) areas: Vec<Id>,
    pub(super) turns: Turns,
    pub(super) health: Health,
    /// Which stream it is, to its health.
    pub(super) stream: usize,
    pub(super) found: mpsc::Sender<(CameraSays, Mono)>,
}

impl Watcher {
    /// Looks until the source's end is gone. Blocks: for a thread of its own.
    pub(super) fn run(mut self) {
        be_nice();
        let mut dropped = 0;
        let mut knew = false;
        loop {
            let frame = match self.drain.take_within(IDLE) {
                Taken::Frame(frame) => frame,
                Taken::Nothing => continue,
                Taken::Closed => return,
            };
            if std::mem::replace(&mut dropped, self.drain.dropped()) != dropped {
                self.eye.missed();
            }
            let turn = self.eye.decodes(&frame).then(|| self.turns.take());
            let looked = self.eye.look(&frame);
            drop(turn);
            if let Some(error) = looked.error {
                debug!(camera = %self.camera, %error, "a picture cannot be decoded");
                self.health.seen(self.stream, frame.received, Seen::Undecodable);
            }
            let mut says: Vec<_> =
                looked.findings.into_iter().map(|finding| self.says(finding)).collect();
            let knows = self.eye.knows();
            if std::mem::replace(&mut knew, knows) != knows {
                says.push(CameraSays::Watches(knows));
            }
            for says in says {
                if self.found.blocking_send((says, frame.received)).is_err() {
                    return;
                }
            }
        }
    }

    fn says(&self, finding: Finding) -> CameraSays {
        match finding {
            Finding::Motion { area, on } => {
                if let Some(id) = self.areas.get(area.0) {
                    CameraSays::Motion { area: id.clone(), on }
                } else {
                    warn!(camera = %self.camera, "motion in an area that there is not: our bug");
                    CameraSays::Motion { area: self.camera.clone(), on: false }
                }
            }
            Finding::Tamper { kind, on } => {
                let kind = match kind {
                    TamperKind::Covered => CameraTamper::Covered,
                    TamperKind::Blinded => CameraTamper::Blinded,
                    TamperKind::Defocused => CameraTamper::Defocused,
                    TamperKind::Moved => CameraTamper::Moved,
                    TamperKind::Frozen => CameraTamper::Frozen,
                };
                CameraSays::Tamper { kind, on }
            }
        }
    }
}
