//! Keeps a masked camera's ring, and makes clips of it when triggered.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::time::Mono;
use thiserror::Error;

use super::MaskedSettings;
use super::transcode::{Pace, Transcoder};
use crate::clip::Notes;
use crate::clip::disk::Disk;
use crate::clip::plan::{ClipLimits, Plan, Trigger};
use crate::clip::recorder::{ClipError, ClipTold, Recorder};
use crate::decode::DecodeError;
use crate::frame::Frame;
use crate::picture::Mask;
use crate::ring::Ring;

/// Clips that are made or wait for it, at most: a box that is so far behind makes no further ones.
const CLIPS: usize = 4;

/// So far behind the camera, beyond what a clip begins before its trigger, every second picture is
/// left out.
const BEHIND: Duration = Duration::from_secs(3);

/// Why no masked clip could be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MaskedError {
    /// Too many clips are being made; a box whose cameras all see something, or one that is too slow.
    #[error("too many clips are being made")]
    Busy,
    /// The encoder failed: a picture of a size that it does not know, or our bug.
    #[error("the encoder refused: {0}")]
    Encoder(String),
    /// The camera was moved meanwhile, and its mask hides something else.
    #[error("the camera was moved: its masks may not cover what they should")]
    Moved,
    /// Not one picture could be decoded, so that nothing of them can be hidden.
    #[error("its mask cannot be painted: {0}")]
    Undecodable(DecodeError),
}

/// The recorder of one camera with masks. Frames that it is given stay in memory.
pub struct MaskedRecorder<D: Disk> {
    /// Is given what comes out of the transcoder, and nothing else.
    recorder: Recorder<D>,
    ring: Ring,
    limits: ClipLimits,
    mask: Mask,
    settings: MaskedSettings,
    /// The first is being made.
    clips: VecDeque<Clip>,
    transcoder: Option<Transcoder>,
    /// Bytes of all frames that wait.
    waiting: usize,
    dropped: u64,
    moved: bool,
}

/// A clip that is made, or waits for that.
struct Clip {
    plan: Plan,
    frames: VecDeque<Frame>,
    /// No further frame belongs to it.
    closed: bool,
    /// A frame was dropped: what follows it cannot be decoded.
    wait_for_key: bool,
    moved: bool,
}

impl<D: Disk> MaskedRecorder<D> {
    /// A recorder that writes into `folder`, which must be there.
    pub fn new(
        disk: D,
        folder: PathBuf,
        limits: ClipLimits,
        ring: Ring,
        mask: Mask,
        settings: MaskedSettings,
    ) -> Self {
        Self {
            recorder: Recorder::of_masked(disk, folder, limits),
            ring,
            limits,
            mask,
            settings,
            clips: VecDeque::new(),
            transcoder: None,
            waiting: 0,
            dropped: 0,
            moved: false,
        }
    }

    /// The same, whose files are noted while they are made.
    pub fn noted(self, notes: Box<dyn Notes>) -> Self {
        Self { recorder: self.recorder.noted(notes), ..self }
    }

    /// Frames that found no room while they waited for their turn.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes of compressed pictures in memory at most: what both the ring and a clip hold is counted
    /// twice.
    pub fn bytes(&self) -> usize {
        self.ring.bytes() + self.waiting
    }

    /// When [`MaskedRecorder::tick`] is due at the latest.
    pub fn due(&self) -> Option<Mono> {
        self.clips.back().filter(|clip| !clip.closed).map(|clip| clip.plan.until)
    }

    /// Whether there is something to do for [`MaskedRecorder::advance`].
    pub fn is_behind(&self) -> bool {
        self.clips.front().is_some_and(|clip| clip.closed || !clip.frames.is_empty())
    }

    /// A frame has come.
    pub fn frame(&mut self, frame: &Frame) {
        if self.moved {
            return;
        }
        self.ring.push(frame);
        if let Some(clip) = self.clips.back_mut().filter(|clip| !clip.closed) {
            if frame.received > clip.plan.until {
                clip.closed = true;
            } else if !clip.admit(frame, &mut self.waiting, self.settings.waiting) {
                self.dropped += 1;
            }
        }
    }

    /// Something happened. A clip that is being made may cover it.
    pub fn trigger(&mut self, trigger: &Trigger) -> Option<ClipTold> {
        if let Some(clip) = self.clips.back_mut().filter(|clip| !clip.closed)
            && clip.plan.merge(trigger, self.limits)
        {
            // The one that is being written is noted anew.
            if self.transcoder.is_some() && self.clips.len() == 1 {
                self.recorder.adopt(&self.clips[0].plan);
            }
            return None;
        }
        let plan = Plan::new(trigger, self.limits);
        let refused = |error: MaskedError| {
            let Plan { id, merged, .. } = Plan::new(trigger, self.limits);
            Some(ClipTold::Failed { id, merged, error: error.into(), files: Vec::new() })
        };
        if self.moved {
            return refused(MaskedError::Moved);
        }
        if self.clips.len() >= CLIPS {
            return refused(MaskedError::Busy);
        }
        // Nothing is added to the one before it.
        if let Some(clip) = self.clips.back_mut() {
            clip.closed = true;
        }
        let frames = self.ring.since(plan.from);
        // A group that ended before the clip begins shows nothing of it.
        let newest = frames.last().map_or(Mono(0), |frame| frame.received);
        let (from, until) = (plan.from, plan.until);
        let mut clip = Clip {
            plan,
            frames: VecDeque::new(),
            closed: false,
            wait_for_key: false,
            moved: false,
        };
        for frame in frames {
            if newest >= from
                && frame.received <= until
                && !clip.admit(&frame, &mut self.waiting, self.settings.waiting)
            {
                self.dropped += 1;
            }
        }
        self.clips.push_back(clip);
        None
    }

    /// Time has passed: a clip whose end has come gets no further frame.
    pub fn tick(&mut self, now: Mono) {
        if self.due().is_some_and(|due| now >= due) {
            self.close();
        }
    }

    /// The clip that is being made gets no further frame: the daemon stops, or its end has come.
    pub fn close(&mut self) {
        if let Some(clip) = self.clips.back_mut() {
            clip.closed = true;
        }
    }

    /// Whether the camera was moved, and looks where its mask was not drawn for. Then all that is in
    /// memory goes, and nothing is taken until it looks as before.
    pub fn look_away(&mut self, moved: bool) {
        if std::mem::replace(&mut self.moved, moved) == moved {
            return;
        }
        self.ring.clear();
        for clip in &mut self.clips {
            clip.frames.clear();
            clip.closed = true;
            clip.moved = true;
        }
        self.waiting = 0;
    }

    /// Decodes, masks, encodes and writes frames that wait, until there are none or `over` says so. To
    /// be called in a turn.
    pub fn advance(&mut self, over: &mut dyn FnMut() -> bool) -> Option<ClipTold> {
        while let Some(clip) = self.clips.front_mut() {
            let Some(frame) = clip.frames.pop_front() else { break };
            self.waiting -= frame.data.len();
            let Self { settings, mask, .. } = self;
            let transcoder = self.transcoder.get_or_insert_with(|| {
                self.recorder.adopt(&clip.plan);
                let first = std::iter::once(&frame).chain(&clip.frames);
                Transcoder::new(*settings, mask.clone(), clip.plan.from, first)
            });
            let lag = clip.frames.back().map(|newest| newest.received.since(frame.received));
            let late = lag.is_some_and(|lag| lag > self.limits.before + BEHIND);
            let made = transcoder.frame(&frame, if late { Pace::Half } else { Pace::All });
            if let Some(told) = self.write(made) {
                return Some(told);
            }
            if over() {
                break;
            }
        }
        let done = self.clips.front().is_some_and(|clip| clip.closed && clip.frames.is_empty());
        if done { self.finish() } else { None }
    }

    /// Gives the recorder what was made. What it tells of that is the end of the clip.
    fn write(&mut self, made: Result<Vec<Frame>, MaskedError>) -> Option<ClipTold> {
        match made {
            Ok(frames) => {
                for frame in frames {
                    if let Some(told) = self.recorder.frame(frame) {
                        return Some(self.over(told, None));
                    }
                }
                None
            }
            Err(error) => {
                let told = self.recorder.end()?;
                Some(self.over(told, Some(error)))
            }
        }
    }

    fn finish(&mut self) -> Option<ClipTold> {
        let left = self.transcoder.as_mut().map_or(Ok(Vec::new()), Transcoder::flush);
        if let Some(told) = self.write(left) {
            return Some(told);
        }
        // Begun here if it had no frame at all, and with all triggers that came.
        self.recorder.adopt(&self.clips.front()?.plan);
        let told = self.recorder.end()?;
        Some(self.over(told, None))
    }

    /// The first clip is over: why there is nothing of it, where there is nothing.
    fn over(&mut self, told: ClipTold, error: Option<MaskedError>) -> ClipTold {
        let transcoder = self.transcoder.take();
        let clip = self.clips.pop_front();
        if let Some(clip) = &clip {
            self.waiting -= clip.frames.iter().map(|frame| frame.data.len()).sum::<usize>();
        }
        let moved = clip.is_some_and(|clip| clip.moved).then_some(MaskedError::Moved);
        let undecodable = transcoder.and_then(|transcoder| transcoder.undecodable);
        let nothing = moved.or_else(|| undecodable.map(MaskedError::Undecodable));
        let failed = |id, merged, error: MaskedError, files| ClipTold::Failed {
            id,
            merged,
            error: ClipError::from(error),
            files,
        };
        match (told, error) {
            (ClipTold::Done { id, merged, files }, Some(error)) => failed(id, merged, error, files),
            (ClipTold::Empty { id, merged }, error) => match error.or(nothing) {
                Some(error) => failed(id, merged, error, Vec::new()),
                None => ClipTold::Empty { id, merged },
            },
            (told, _) => told,
        }
    }
}

impl Clip {
    /// Takes a frame if there is room for it, and those before it were taken since a key frame.
    fn admit(&mut self, frame: &Frame, waiting: &mut usize, most: usize) -> bool {
        let fits = *waiting + frame.data.len() <= most;
        self.wait_for_key = !fits || (self.wait_for_key && !frame.key);
        if self.wait_for_key {
            return false;
        }
        *waiting += frame.data.len();
        self.frames.push_back(frame.clone());
        true
    }
}

#[cfg(test)]
mod tests;
