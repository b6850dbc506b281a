//! The last seconds of a camera, compressed, in memory: what was before an alarm.
//!
//! - It holds whole groups of pictures: each begins with a key frame.
//! - It goes back at least its span, when its bytes suffice, and at most one group farther.
//! - It never holds more than its bytes, which count each frame's own bookkeeping too.
//! - What does not fit goes oldest first, by whole groups, and is counted.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::time::Mono;

use crate::frame::Frame;

/// What a frame costs beside its data: itself in a vector that may be twice as large as it is
/// filled, and the allocation and count of its bytes.
const PER_FRAME: usize = 2 * size_of::<Frame>() + 64;

/// How much a ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLimits {
    /// How far back it goes.
    pub span: Duration,
    /// Bytes at most, bookkeeping included.
    pub bytes: usize,
}

impl Default for RingLimits {
    fn default() -> Self {
        // 10 s and a group of 4 s at 4 Mbit/s are 7 MB.
        Self { span: Duration::from_secs(10), bytes: 8 << 20 }
    }
}

/// What was dropped before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingDropped {
    /// Groups that did not fit into the bytes although they were within the span.
    pub groups: u64,
    /// Frames in these, and frames that no key frame preceded.
    pub frames: u64,
}

/// Frames that belong together: the first is a key frame.
#[derive(Clone, Debug, Default)]
struct Group {
    frames: Vec<Frame>,
    cost: usize,
}

/// The ring of one camera.
#[derive(Debug)]
pub struct Ring {
    limits: RingLimits,
    groups: VecDeque<Group>,
    cost: usize,
    dropped: RingDropped,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: RingLimits) -> Self {
        Self { limits, groups: VecDeque::new(), cost: 0, dropped: RingDropped::default() }
    }

    /// Adds a frame. The data is shared, not copied.
    pub fn push(&mut self, frame: &Frame) {
        if frame.key {
            self.groups.push_back(Group::default());
        }
        let Some(group) = self.groups.back_mut() else {
            self.dropped.frames += 1;
            return;
        };
        let cost = frame.data.len() + PER_FRAME;
        group.frames.push(frame.clone());
        group.cost += cost;
        self.cost += cost;
        self.forget(frame.received);
    }

    /// Forgets everything, which is no loss.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.cost = 0;
    }

    fn forget(&mut self, now: Mono) {
        // The oldest may go when the next still reaches back far enough.
        while let Some(next) = self.groups.get(1).and_then(|group| group.frames.first())
            && now.since(next.received) >= self.limits.span
        {
            self.drop_oldest();
        }
        while self.cost > self.limits.bytes {
            let frames = self.drop_oldest();
            self.dropped.groups += 1;
            self.dropped.frames += frames;
        }
    }

    /// Frames that went. A group that is dropped while it comes takes the rest of it along: no key
    /// frame precedes that.
    fn drop_oldest(&mut self) -> u64 {
        let Some(group) = self.groups.pop_front() else { return 0 };
        self.cost -= group.cost;
        group.frames.len() as u64
    }

    /// All frames from the last key frame at or before `from`, or else from the oldest, as cheap
    /// copies: the data is shared.
    pub fn since(&self, from: Mono) -> Vec<Frame> {
        let reaches = |group: &Group| group.frames.first().is_some_and(|f| f.received <= from);
        let first = self.groups.iter().rposition(reaches).unwrap_or(0);
        self.groups.iter().skip(first).flat_map(|group| &group.frames).cloned().collect()
    }

    /// The newest key frame: the picture to show.
    pub fn newest_key(&self) -> Option<&Frame> {
        self.groups.back()?.frames.first()
    }

    /// Bytes held, bookkeeping included.
    pub fn bytes(&self) -> usize {
        self.cost
    }

    /// What was dropped before its time.
    pub fn dropped(&self) -> RingDropped {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::frame;

    fn at(n: u64) -> Mono {
        Mono(n * 100_000_000)
    }

    #[test]
    fn it_goes_back_its_span_and_at_most_one_group_farther() {
        let mut ring = Ring::new(RingLimits { span: Duration::from_secs(10), bytes: 1 << 20 });
        for n in 0..300 {
            ring.push(&frame(n, n % 20 == 0, 100));
        }
        let all = ring.since(Mono(0));
        assert_eq!(all.first().unwrap().received, at(180), "100 frames before 299, and its group");
        assert_eq!(ring.dropped(), RingDropped::default(), "age is no loss");
        assert_eq!(ring.since(at(255)).first().unwrap().received, at(240));
        assert_eq!(ring.newest_key().unwrap().received, at(280));
    }

    #[test]
    fn a_group_that_does_not_fit_goes_whole_and_its_rest_with_it() {
        let mut ring = Ring::new(RingLimits { span: Duration::from_secs(10), bytes: 2000 });
        for n in 0..10 {
            ring.push(&frame(n, n == 0, 500));
        }
        assert!(ring.since(Mono(0)).is_empty());
        assert_eq!(ring.dropped(), RingDropped { groups: 1, frames: 10 });
        ring.push(&frame(10, true, 500));
        assert_eq!(ring.since(Mono(0)).len(), 1);
    }

    proptest! {
        #[test]
        fn it_is_bounded_in_order_whole_and_counted(
            frames in prop::collection::vec((any::<bool>(), 0usize..3000), 0..300),
        ) {
            let limits = RingLimits { span: Duration::from_secs(3), bytes: 10_000 };
            let mut ring = Ring::new(limits);
            for (n, (key, size)) in (0..).zip(frames) {
                ring.push(&frame(n, key, size));
                prop_assert!(ring.bytes() <= limits.bytes);
                let held = ring.since(Mono(0));
                let real: usize = held.iter().map(|f| f.data.len() + PER_FRAME).sum();
                prop_assert_eq!(real, ring.bytes());
                prop_assert!(held.first().is_none_or(|f| f.key));
                for pair in held.windows(2) {
                    prop_assert!(pair[1].key || pair[1].media == pair[0].media + 9000);
                    prop_assert!(pair[1].media > pair[0].media);
                }
            }
        }
    }
}
