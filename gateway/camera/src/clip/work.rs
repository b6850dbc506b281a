//! The thread of a camera's recorder.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::disk::Disk;
use super::plan::Trigger;
use super::recorder::{ClipTold, Recorder};
use crate::source::Clock;
use crate::source::queue::{Drain, Ringer, Taken};

/// Without frames and triggers the thread looks so often whether it is still wanted.
const IDLE: Duration = Duration::from_secs(1);

/// So many triggers wait at most: a thread on a stuck disk. The last then takes a new one's time.
const WAITING: usize = 64;

/// Triggers a recorder from anywhere; cheap to clone, never blocks on the disk.
#[derive(Clone, Debug)]
pub struct Bell {
    waiting: Arc<Mutex<VecDeque<Trigger>>>,
    ringer: Ringer,
}

impl Bell {
    /// A bell for the recorder that takes from this queue.
    pub fn new(drain: &Drain) -> Self {
        Self { waiting: Arc::default(), ringer: drain.ringer() }
    }

    /// Something happened that a clip shall show.
    pub fn ring(&self, trigger: Trigger) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.push_back(trigger);
        } else if let Some(last) = waiting.back_mut() {
            last.at = trigger.at;
        }
        drop(waiting);
        self.ringer.ring();
    }

    pub(super) fn take(&self) -> Option<Trigger> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Takes frames and triggers until the source's end is gone; then ends a clip that is being made.
/// Blocks: for a thread of its own.
pub fn work<D: Disk>(
    recorder: &mut Recorder<D>,
    drain: &mut Drain,
    bell: &Bell,
    clock: &dyn Clock,
    told: &mut dyn FnMut(ClipTold),
) {
    loop {
        let due = recorder.due().map_or(IDLE, |due| due.since(clock.mono()));
        let taken = drain.take_within(due.min(IDLE));
        while let Some(trigger) = bell.take() {
            recorder.trigger(&trigger).into_iter().for_each(&mut *told);
        }
        match taken {
            Taken::Frame(frame) => recorder.frame(frame).into_iter().for_each(&mut *told),
            // Only then: frames that wait in the queue may belong to the clip that is due.
            Taken::Nothing => recorder.tick(clock.mono()).into_iter().for_each(&mut *told),
            Taken::Closed => {
                recorder.end().into_iter().for_each(&mut *told);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::Mono;

    use super::*;
    use crate::clip::disk::SystemDisk;
    use crate::clip::{ClipId, ClipLimits};
    use crate::frame::Frame;
    use crate::picture::Mask;
    use crate::ring::{Ring, RingLimits};
    use crate::source::{QueueLimits, queue};
    use crate::testing::{frame, track};

    /// The disk was slow: the clip's end has long passed, and its frames still wait in the queue.
    #[test]
    fn a_thread_that_is_late_leaves_no_frame_of_a_clip_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (feeder, mut drain) = queue(QueueLimits { frames: 1000, bytes: 1 << 20 });
        let bell = Bell::new(&drain);
        let ring = Ring::new(RingLimits::default());
        let limits = ClipLimits::default();
        let unmasked = Mask::none().unmasked().unwrap();
        let folder_path = folder.path().to_owned();
        let mut recorder = Recorder::new(SystemDisk, folder_path, limits, ring, unmasked);
        let track = track(640, 360);
        for n in 0..400 {
            feeder.push(Frame { track: track.clone(), ..frame(n, n % 20 == 0, 100) });
        }
        drop(feeder);
        bell.ring(Trigger { id: ClipId::new("a").unwrap(), at: Mono(10_000_000_000) });
        let mut told = Vec::new();
        let late = || Mono(3_600_000_000_000);
        work(&mut recorder, &mut drain, &bell, &late, &mut |clip| told.push(clip));
        let [ClipTold::Done { files, .. }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(files[0].span, Some((Mono(0), Mono(30_000_000_000))));
    }

    #[test]
    fn more_triggers_than_fit_prolong_the_last() {
        let (_feeder, drain) = queue(QueueLimits::USUAL);
        let bell = Bell::new(&drain);
        for n in 0..100 {
            let id = ClipId::new(&format!("t{n}")).unwrap();
            bell.ring(Trigger { id, at: Mono(n) });
        }
        let waiting: Vec<_> = std::iter::from_fn(|| bell.take()).collect();
        assert_eq!(waiting.len(), WAITING);
        assert_eq!(waiting[WAITING - 1].at, Mono(99));
    }
}
