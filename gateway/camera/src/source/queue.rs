//! Between a source on the runtime and whoever takes its frames: bounded, and what does not fit
//! goes by whole groups of pictures, oldest first, so that what is left can be decoded.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::frame::Frame;

/// What a queue holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Frames.
    pub frames: usize,
    /// Bytes of their data.
    pub bytes: usize,
}

impl QueueLimits {
    /// Two groups of 2 s at 30 frames per second, at 8 Mbit/s: a consumer on a busy disk catches up
    /// within that, or loses pictures.
    pub const USUAL: Self = Self { frames: 120, bytes: 4 << 20 };
}

/// A queue of frames. Both ends count what was dropped.
pub fn queue(limits: QueueLimits) -> (Feeder, Drain) {
    let shared = Arc::new(Shared {
        limits,
        state: Mutex::new(State::default()),
        came: Condvar::new(),
        came_async: Notify::new(),
    });
    (Feeder(shared.clone()), Drain(shared))
}

#[derive(Debug)]
struct Shared {
    limits: QueueLimits,
    state: Mutex<State>,
    came: Condvar,
    came_async: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    dropped: u64,
    /// The head of a group was dropped: what follows it cannot be decoded.
    wait_for_key: bool,
    closed: bool,
    rung: bool,
}

/// The source's end. Closed when it is dropped.
#[derive(Debug)]
pub struct Feeder(Arc<Shared>);

/// The consumer's end.
#[derive(Debug)]
pub struct Drain(Arc<Shared>);

/// Wakes the consumer's [`Drain::take_within`], which then takes nothing.
#[derive(Clone, Debug)]
pub struct Ringer(Arc<Shared>);

impl Ringer {
    /// Wakes it now, or as soon as it waits again.
    pub fn ring(&self) {
        self.0.lock().rung = true;
        self.0.came.notify_one();
    }
}

/// What [`Drain::take_within`] found.
#[derive(Debug)]
pub enum Taken {
    /// A frame.
    Frame(Frame),
    /// None came in time, or the consumer was rung for.
    Nothing,
    /// None will come: the source's end is gone, and all is taken.
    Closed,
}

impl Feeder {
    /// Adds a frame, and drops what no longer fits. Never blocks on the consumer.
    pub fn push(&self, frame: Frame) {
        self.0.lock().push(frame, self.0.limits);
        self.0.came.notify_one();
        self.0.came_async.notify_one();
    }

    /// Frames dropped since the beginning.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.came.notify_one();
        self.0.came_async.notify_one();
    }
}

impl Drain {
    /// The next frame; `None` when none will come. Cancel-safe.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.try_take() {
                Taken::Frame(frame) => return Some(frame),
                Taken::Closed => return None,
                // A permit of an earlier push wakes at once: no push is missed.
                Taken::Nothing => self.0.came_async.notified().await,
            }
        }
    }

    /// The next frame, for a thread that may block, for at most so long.
    pub fn take_within(&mut self, limit: Duration) -> Taken {
        let waiting = |s: &mut State| s.frames.is_empty() && !s.closed && !s.rung;
        let state = self.0.lock();
        let waited = self.0.came.wait_timeout_while(state, limit, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.rung = false;
        self.try_take()
    }

    /// What wakes this end from elsewhere.
    pub fn ringer(&self) -> Ringer {
        Ringer(self.0.clone())
    }

    /// Frames dropped since the beginning.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    fn try_take(&self) -> Taken {
        let mut state = self.0.lock();
        match state.frames.pop_front() {
            Some(frame) => {
                state.bytes -= frame.data.len();
                Taken::Frame(frame)
            }
            None if state.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }
}

impl Shared {
    /// Nothing in here panics half-way, so a poisoned state is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, frame: Frame, limits: QueueLimits) {
        if self.wait_for_key && !frame.key {
            self.dropped += 1;
            return;
        }
        self.wait_for_key = false;
        self.bytes += frame.data.len();
        self.frames.push_back(frame);
        while self.frames.len() > limits.frames || self.bytes > limits.bytes {
            self.drop_group();
        }
    }

    /// Drops the frames before the second key frame. When there is none, the group is still
    /// coming: its rest is dropped as it comes.
    fn drop_group(&mut self) {
        let next_key = self.frames.iter().skip(1).position(|frame| frame.key);
        let gone = next_key.map_or(self.frames.len(), |at| at + 1);
        self.wait_for_key = next_key.is_none();
        for frame in self.frames.drain(..gone) {
            self.bytes -= frame.data.len();
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::frame;

    #[test]
    fn whole_groups_go_oldest_first_and_are_counted() {
        let (feeder, mut drain) = queue(QueueLimits { frames: 4, bytes: 1000 });
        for n in 0..6 {
            feeder.push(frame(n, n % 3 == 0, 10));
        }
        drop(feeder);
        let mut left = Vec::new();
        while let Taken::Frame(frame) = drain.take_within(Duration::from_secs(5)) {
            left.push(frame.media / 9000);
        }
        assert_eq!(left, [3, 4, 5]);
        assert_eq!(drain.dropped(), 3);
        assert!(matches!(drain.take_within(Duration::ZERO), Taken::Closed));
    }

    #[tokio::test]
    async fn a_consumer_that_waits_is_woken_by_a_frame_and_by_the_end() {
        let (feeder, mut drain) = queue(QueueLimits::USUAL);
        let (first, ()) = tokio::join!(drain.next(), async { feeder.push(frame(7, true, 1)) });
        assert_eq!(first.unwrap().media, 7 * 9000);
        let (second, ()) = tokio::join!(drain.next(), async { drop(feeder) });
        assert!(second.is_none());
    }

    proptest! {
        #[test]
        fn bounds_hold_nothing_is_reordered_and_no_group_is_headless(
            frames in prop::collection::vec((any::<bool>(), 0usize..400, any::<bool>()), 0..200),
        ) {
            let limits = QueueLimits { frames: 7, bytes: 900 };
            let (feeder, mut drain) = queue(limits);
            let (mut taken, mut pushed) = (Vec::new(), 0u64);
            let mut take = |drain: &mut Drain, all: bool| {
                while let Taken::Frame(frame) = drain.take_within(Duration::ZERO) {
                    taken.push(frame);
                    if !all { break }
                }
            };
            for (n, (key, size, takes)) in (0..).zip(frames) {
                feeder.push(frame(n, key || n == 0, size));
                pushed += 1;
                let state = feeder.0.lock();
                prop_assert!(state.frames.len() <= limits.frames && state.bytes <= limits.bytes);
                drop(state);
                if takes { take(&mut drain, false) }
            }
            take(&mut drain, true);
            prop_assert_eq!(pushed, taken.len() as u64 + drain.dropped());
            for pair in taken.windows(2) {
                prop_assert!(pair[0].media < pair[1].media);
                prop_assert!(pair[1].key || pair[1].media == pair[0].media + 9000, "a gap without a key");
            }
        }
    }
}
