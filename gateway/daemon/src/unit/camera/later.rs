//! The second picture of an alarm: the best of the key frames that come in the seconds behind it.
//!
//! ```text
//!  alarm   1.5 s                        6 s
//!    │       ├── K ──── K ──── K ──── K ──┤        kept compressed, one every 0.9 s at most
//!    ▼                                    └─▶ each looked at once ─▶ the best ─▶ one picture, told once
//!  first picture                                                     with why it was taken
//! ```
//! A camera whose key frames are farther apart has the first that comes, for ten seconds. What a frame looks
//! like is remembered for a moment, so that however many alarms a camera has in these seconds, each of its
//! frames is decoded to be judged once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_camera::decode::{Limits, key};
use gatehouse_camera::frame::Frame;
use gatehouse_camera::watch::{View, Why, best};
use gatehouse_core::time::Mono;
use tokio::time::timeout;
use tracing::debug;

use super::picture::Studio;
use crate::eyes::Wish;

/// The second picture is so much later: who came in has turned round.
const FROM: Duration = Duration::from_millis(1500);

/// What comes after that is of something else.
const UNTIL: Duration = Duration::from_secs(6);

/// After that not even the first is waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// Between two that are judged: a little less than a second, which is the usual distance of key frames. A
/// camera of single pictures sends more, which show the same.
const APART: Duration = Duration::from_millis(900);

/// So many are judged at most: all that the window has.
const MOST: usize = 6;

/// Frames are kept compressed until then; with more bytes, fewer are.
const MOST_BYTES: usize = 8 << 20;

/// A box that is so slow that judging takes longer chooses among what it has judged: evidence that comes
/// half a minute later is of less use than a blurred picture.
const JUDGED_WITHIN: Duration = Duration::from_secs(4);

/// Waiting for their second picture at once, of one camera. More first pictures wait meanwhile.
pub(super) const LATERS: usize = 8;

/// What is left to be taken of a wish.
pub(super) struct Later {
    pub(super) studio: Studio,
    pub(super) wish: Wish,
    /// What the first picture looks like.
    pub(super) before: View,
    /// When the first had come.
    pub(super) first_at: Mono,
}

/// Why a picture was taken, and among how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) why: Why,
    pub(super) of: usize,
}

impl Later {
    /// Waits for the window to pass, and takes the best of it. Told at most once.
    pub(super) async fn take(self) {
        let frames = self.frames().await;
        if frames.is_empty() {
            debug!(camera = %self.studio.camera, of = ?self.wish.of, "no second picture came");
            return;
        }
        let Self { studio, wish, before, .. } = self;
        if let Some(why) = studio.refused() {
            return studio.no_picture(&wish, why).await;
        }
        // What becomes of it is told.
        let _ = studio.one(&wish, "-2", move |studio| choose(studio, &before, frames)).await;
    }

    /// The key frames of the window, as they come.
    async fn frames(&self) -> Vec<Frame> {
        let Self { studio, wish, first_at, .. } = self;
        let mut from = Mono(wish.at.plus(FROM).0.max(first_at.0 + 1));
        let (until, mut bytes, mut frames) = (wish.at.plus(UNTIL), 0, Vec::new());
        let mut patience = WITHIN;
        while frames.len() < MOST && bytes < MOST_BYTES {
            let Ok(frame) = timeout(patience, studio.newest.after(from)).await else { break };
            if frame.received > until && !frames.is_empty() {
                break;
            }
            from = frame.received.plus(APART);
            bytes += frame.data.len();
            frames.push(frame);
            patience = until.since(studio.clock.mono());
        }
        frames
    }
}

/// The best of these. Blocks, as long as decoding takes.
fn choose(
    studio: &Studio,
    before: &View,
    frames: Vec<Frame>,
) -> Result<(Frame, Option<Choice>), String> {
    let begun = studio.clock.mono();
    let (mut judged, mut views, mut failed) = (Vec::new(), Vec::new(), None);
    for frame in frames {
        if !views.is_empty() && studio.clock.mono().since(begun) >= JUDGED_WITHIN {
            break;
        }
        match studio.view(&frame) {
            Ok(view) => {
                judged.push(frame);
                views.push(view);
            }
            Err(error) => failed = Some(error),
        }
    }
    let Some((place, why)) = best(before, &views) else {
        return Err(failed.unwrap_or_else(|| "no picture came".to_owned()));
    };
    let of = views.len();
    debug!(camera = %studio.camera, place, of, why = why.as_str(), "the later picture");
    Ok((judged.swap_remove(place), Some(Choice { why, of })))
}

impl Studio {
    /// What a frame looks like with its masks. Blocks.
    fn view(&self, frame: &Frame) -> Result<View, String> {
        // Held while it is decoded: whoever wants the same frame waits, and does not decode it too. Turns
        // are taken under it and never the other way round.
        let mut known = self.views.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = known.iter().find(|(at, _)| *at == frame.received) {
            return Ok(view.clone());
        }
        let turn = self.turns.take();
        let picture = key(frame, Limits::default()).map_err(|error| error.to_string())?;
        let view = View::of(&self.mask.burn(picture));
        drop(turn);
        if known.len() == MOST {
            known.pop_front();
        }
        known.push_back((frame.received, view.clone()));
        Ok(view)
    }
}

/// What the last judged frames of a camera look like, by when they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Views(Arc<Mutex<VecDeque<(Mono, View)>>>);

#[cfg(test)]
mod tests;
