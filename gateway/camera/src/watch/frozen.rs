//! Whether a camera sends the same picture again and again, from the sizes of compressed frames alone.
//!
//! A sensor has noise, and noise has to be coded: the frames between key frames shrink to nearly
//! nothing when the picture stands still by itself. A camera that takes all noise out of a night scene
//! may do the same, so this is a suspicion.

use core::time::Duration;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher as _};

use gatehouse_core::time::Mono;

use crate::frame::{Codec, Frame};

/// The median of so long a time is looked at.
const WINDOW: Duration = Duration::from_secs(10);
/// Frames that are remembered of it: 60 a second.
const MOST_FRAMES: usize = 600;
/// In a window there have to be so many, or nothing can be said.
const LEAST_FRAMES: usize = 10;
/// Below this part of the day's median: by measure it falls to 2 and 7 %.
const SMALL: f64 = 0.15;
/// What a usual size is, is learnt over a day: half of it is forgotten in so long.
const HALF_LIFE: Duration = Duration::from_secs(12 * 3600);
/// Classes of sizes per doubling; with 32 doublings.
const PER_OCTAVE: usize = 4;

/// The machine of one camera.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    recent: VecDeque<(Mono, u32)>,
    /// How often each class of sizes came, the past weighing less.
    usual: [f64; 32 * PER_OCTAVE],
    aged: Option<Mono>,
    /// Of JPEG: the last picture's bytes in brief, and since when they are the same.
    same: Option<(u64, Mono, u32)>,
    on: bool,
}

impl Default for Frozen {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            usual: [0.0; 32 * PER_OCTAVE],
            aged: None,
            same: None,
            on: false,
        }
    }
}

impl Frozen {
    /// Takes one more frame; the new state if it changed.
    pub(super) fn look(&mut self, frame: &Frame) -> Option<bool> {
        let on = match frame.track.codec {
            Codec::Jpeg => Some(self.same(frame)),
            Codec::H264 | Codec::H265 if frame.key => None,
            Codec::H264 | Codec::H265 => self.small(frame),
        };
        match on {
            Some(on) if on != self.on => {
                self.on = on;
                Some(on)
            }
            _ => None,
        }
    }

    /// Pictures each by itself: the same bytes for the window are no picture of a sensor.
    fn same(&mut self, frame: &Frame) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(&frame.data);
        let hash = hasher.finish();
        let (since, count) = match self.same {
            Some((before, since, count)) if before == hash => (since, count.saturating_add(1)),
            _ => (frame.received, 1),
        };
        self.same = Some((hash, since, count));
        count >= 3 && frame.received.since(since) >= WINDOW
    }

    /// The median of the window against the day's. `None` while nothing can be said.
    fn small(&mut self, frame: &Frame) -> Option<bool> {
        let size = u32::try_from(frame.data.len()).unwrap_or(u32::MAX).max(1);
        let begin = self.recent.front().map(|(at, _)| *at);
        self.recent.push_back((frame.received, size));
        while self.recent.len() > MOST_FRAMES
            || self.recent.front().is_some_and(|(at, _)| frame.received.since(*at) > WINDOW)
        {
            // What leaves the window was usual, unless the camera is suspected.
            if let Some((at, size)) = self.recent.pop_front()
                && !self.on
            {
                self.learn(at, size);
            }
        }
        let whole = begin.is_some_and(|begin| frame.received.since(begin) >= WINDOW * 9 / 10);
        if !whole || self.recent.len() < LEAST_FRAMES {
            return None;
        }
        let usual = self.median()?;
        let mut sizes: Vec<u32> = self.recent.iter().map(|(_, size)| *size).collect();
        let middle = sizes.len() / 2;
        let (_, median, _) = sizes.select_nth_unstable(middle);
        let limit = usual * SMALL;
        // Restored at twice the limit, so that it does not flutter.
        Some(f64::from(*median) < if self.on { limit * 2.0 } else { limit })
    }

    fn learn(&mut self, at: Mono, size: u32) {
        let passed = at.since(*self.aged.get_or_insert(at));
        // Ageing all classes at each frame would be waste.
        if passed >= WINDOW {
            let left = (-passed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
            for weight in &mut self.usual {
                *weight *= left;
            }
            self.aged = Some(at);
        }
        self.usual[class(size)] += 1.0;
    }

    /// The usual size: the middle of the class of the median. `None` before a window's worth of it.
    fn median(&self) -> Option<f64> {
        let whole: f64 = self.usual.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "ten")]
        let enough = whole >= LEAST_FRAMES as f64;
        let mut below = 0.0;
        let class = self.usual.iter().position(|weight| {
            below += weight;
            below >= whole / 2.0
        })?;
        #[expect(clippy::cast_precision_loss, reason = "128 classes")]
        let octaves = (class as f64 + 0.5) / PER_OCTAVE as f64;
        enough.then(|| octaves.exp2())
    }
}

/// The class of a size.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the logarithm of a size of 1 and more is 0 to 32"
)]
fn class(size: u32) -> usize {
    ((f64::from(size).log2() * PER_OCTAVE as f64) as usize).min(32 * PER_OCTAVE - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::Track;

    /// Frames at 15 a second, a key frame every 2 s; `size` by second.
    fn play(
        frozen: &mut Frozen,
        codec: Codec,
        seconds: u64,
        size: impl Fn(u64) -> usize,
    ) -> Vec<(u64, bool)> {
        let track = Arc::new(Track {
            codec,
            width: 640,
            height: 360,
            parameter_sets: Vec::new(),
            sample_entry: bytes::Bytes::new(),
        });
        let frame = |index: u64| Frame {
            track: Arc::clone(&track),
            received: Mono(index * 1_000_000_000 / 15),
            media: 0,
            key: codec == Codec::Jpeg || index.is_multiple_of(30),
            data: vec![0; if index.is_multiple_of(30) { 9000 } else { size(index / 15) }].into(),
        };
        let frames = (0..seconds * 15).map(frame);
        frames
            .filter_map(|frame| Some((frame.received.0 / 1_000_000_000, frozen.look(&frame)?)))
            .collect()
    }

    #[test]
    fn frames_that_shrink_to_nothing_are_suspected_and_restored() {
        let mut frozen = Frozen::default();
        let size = |second| if (60..120).contains(&second) { 30 } else { 1500 };
        let found = play(&mut frozen, Codec::H264, 180, size);
        assert!(matches!(found[..], [(60..=70, true), (120..=130, false)]), "{found:?}");
    }

    #[test]
    fn a_calm_night_after_a_busy_day_is_not_frozen() {
        let mut frozen = Frozen::default();
        let found =
            play(&mut frozen, Codec::H265, 300, |second| if second < 150 { 2400 } else { 500 });
        assert_eq!(found, []);
    }

    #[test]
    fn a_camera_that_always_sends_little_is_not_frozen_and_memory_is_bounded() {
        let mut frozen = Frozen::default();
        assert_eq!(play(&mut frozen, Codec::H264, 120, |_| 40), []);
        assert!(frozen.recent.len() <= MOST_FRAMES);
    }
}
