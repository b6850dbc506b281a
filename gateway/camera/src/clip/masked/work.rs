//! The thread of a masked camera's clips.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::MaskedRecorder;
use crate::clip::disk::Disk;
use crate::clip::{Bell, ClipTold};
use crate::source::Clock;
use crate::source::queue::{Drain, Taken};

/// Without frames and triggers the thread looks so often whether it is still wanted.
const IDLE: Duration = Duration::from_secs(1);

/// A turn takes about so long: then others are let in, and what came meanwhile is taken.
const TURN: Duration = Duration::from_millis(100);

/// Whose turn it is to decode and encode, over all cameras of a box.
pub trait Turns: Send + Sync {
    /// Waits for a turn, and does the work in it. Blocks.
    fn within(&self, work: &mut dyn FnMut());
}

impl<F: Fn(&mut dyn FnMut()) + Send + Sync> Turns for F {
    fn within(&self, work: &mut dyn FnMut()) {
        self(work);
    }
}

/// What the thread goes by.
#[derive(Clone, Copy)]
pub struct MaskedWays<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// When it may work.
    pub turns: &'a dyn Turns,
    /// While it is true the camera looks elsewhere than its masks were drawn for.
    pub moved: &'a AtomicBool,
}

/// As [`crate::clip::work`], of a camera with masks: takes frames and triggers until the source's end
/// is gone, then ends the clips that are being made. Blocks: for a thread of its own, of the lowest
/// priority.
pub fn work<D: Disk>(
    recorder: &mut MaskedRecorder<D>,
    drain: &mut Drain,
    bell: &Bell,
    ways: MaskedWays<'_>,
    told: &mut dyn FnMut(ClipTold),
) {
    let MaskedWays { clock, turns, moved } = ways;
    loop {
        let due = recorder.due().map_or(IDLE, |due| due.since(clock.mono()));
        let wait = if recorder.is_behind() { Duration::ZERO } else { due.min(IDLE) };
        let taken = drain.take_within(wait);
        recorder.look_away(moved.load(Ordering::Acquire));
        while let Some(trigger) = bell.take() {
            recorder.trigger(&trigger).into_iter().for_each(&mut *told);
        }
        match taken {
            // All that waits in the queue first: there it would be dropped.
            Taken::Frame(frame) => recorder.frame(&frame),
            Taken::Nothing if recorder.is_behind() => {
                turns.within(&mut || {
                    let end = clock.mono().plus(TURN);
                    let done = recorder.advance(&mut || clock.mono() >= end);
                    done.into_iter().for_each(&mut *told);
                });
            }
            Taken::Nothing => recorder.tick(clock.mono()),
            Taken::Closed => {
                recorder.close();
                while recorder.is_behind() {
                    turns.within(&mut || {
                        let end = clock.mono().plus(TURN);
                        let done = recorder.advance(&mut || clock.mono() >= end);
                        done.into_iter().for_each(&mut *told);
                    });
                }
                return;
            }
        }
    }
}
