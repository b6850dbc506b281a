//! One stream that is looked at: which of its frames are decoded, and what is found in them.
//!
//! ```text
//!  frames   K p p p p p p p K p p p p p p p K
//!  learning ■ ■ ■           ■ ■ ■           ■ ■ ■    the beginning of each group
//!  calm     ■               ■               ■        key frames alone, three a second at most
//!  doubt    ■ ◂ ◂ ◂ ◂ ◂ ◂ ◂ ■ ■ ■ ■ ■ ■ ■ ■ ■        the group before it, then all
//! ```
//!
//! Something moves: seen in one picture, so at the next key frame. Tamper has to last a second, or
//! passers-by would be tamper. At the first key frame that shows it the frames since the one before
//! are still there, compressed; they are decoded then and tell how long it has lasted. So nothing is
//! found later than one group of pictures, or what it has to last if that is longer.

use core::time::Duration;

use gatehouse_core::time::Mono;

use crate::decode::{DecodeError, Decoder, Limits, decoder};
use crate::frame::{Codec, Frame};
use crate::watch::{Finding, Watch};

/// Frames that are kept of the group before: 10 s at 30 a second.
const MOST_FRAMES: usize = 300;
/// And bytes of them: 4 s at 8 Mbit/s. Of a longer group nothing is kept, and what is suspected has
/// to last from its key frame on.
const MOST_BYTES: usize = 4 << 20;
/// A view that gives rise to doubt again and again is looked back at no more often: that would be all
/// frames, only later.
const BETWEEN: Duration = Duration::from_secs(10);

/// While a view is learnt, so much of each group is decoded: three pictures at the pace of
/// watching. Key frames alone take leaves for motion later, all frames cost five times as much when
/// many cameras start at once, and are no better.
const LEARNT_OF: Duration = Duration::from_millis(400);

/// While nothing is the matter, key frames that come sooner after the last one that was decoded are left
/// out: cameras that send nothing but key frames (JPEG), or one at each change of noise, would cost as
/// much as all frames. With it something that moves is still seen within 0.3 s and two such frames.
const CALM: Duration = Duration::from_millis(350);

/// Which frames are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Every frame.
    All,
    /// Key frames, and all frames while the watching wants them.
    Key,
}

/// What came of a frame.
#[derive(Debug, Default)]
pub struct Looked {
    /// What began or ended.
    pub findings: Vec<Finding>,
    /// It should have given a picture, and did not.
    pub error: Option<DecodeError>,
}

/// See the module's page.
pub struct Eye {
    watch: Watch,
    frames: Frames,
    decoder: Option<(Codec, Box<dyn Decoder>)>,
    /// The decoder has seen all frames since a key frame.
    follows: bool,
    /// When the last key frame came that was decoded.
    key: Option<Mono>,
    /// The frames since that one, with it; none if one is missing.
    group: Vec<Frame>,
    bytes: usize,
    looked_back: Option<Mono>,
}

impl Eye {
    /// Nothing is known yet; decoding begins at the first key frame.
    pub fn new(watch: Watch, frames: Frames) -> Self {
        Self {
            watch,
            frames,
            decoder: None,
            follows: false,
            key: None,
            group: Vec::new(),
            bytes: 0,
            looked_back: None,
        }
    }

    /// Frames are missing before the next one: what follows cannot be decoded up to a key frame.
    pub fn missed(&mut self) {
        self.follows = false;
        self.forget();
    }

    /// Whether [`Eye::look`] would decode this frame, which takes milliseconds.
    pub fn decodes(&self, frame: &Frame) -> bool {
        let wants = self.wants(frame.received);
        if !frame.key {
            return self.follows && wants;
        }
        wants || self.key.is_none_or(|key| frame.received.since(key) >= CALM)
    }

    /// Takes the next frame of the stream; every one, whether it is decoded or not.
    pub fn look(&mut self, frame: &Frame) -> Looked {
        let mut looked = Looked::default();
        looked.findings.extend(self.watch.compressed(frame));
        let decodes = self.decodes(frame);
        if decodes {
            match self.decode(frame) {
                Ok(Some(picture)) => {
                    looked.findings.extend(self.watch.picture(&picture, frame.received));
                    looked.findings.extend(self.look_back(frame.received));
                }
                Ok(None) | Err(DecodeError::NeedsKey) => {}
                Err(error) => looked.error = Some(error),
            }
            if frame.key {
                self.key = Some(frame.received);
            }
            self.follows = self.wants(frame.received) && looked.error.is_none();
        } else {
            self.follows = false;
        }
        if !self.follows
            && let Some((_, decoder)) = &mut self.decoder
        {
            decoder.rest();
        }
        self.keep(frame, decodes);
        looked
    }

    /// Whether motion would be seen now: the place is known.
    pub fn knows(&self) -> bool {
        !self.watch.learns()
    }

    /// Whether the frame behind one of this time is decoded.
    fn wants(&self, at: Mono) -> bool {
        self.frames == Frames::All
            || self.watch.wants_all()
            || (self.watch.learns() && self.key.is_some_and(|key| at.since(key) < LEARNT_OF))
    }

    fn decode(&mut self, frame: &Frame) -> Result<Option<crate::picture::Picture>, DecodeError> {
        let codec = frame.track.codec;
        if self.decoder.as_ref().is_none_or(|(known, _)| *known != codec) {
            self.decoder = None;
        }
        let fresh = || (codec, decoder(codec, Limits::default()));
        self.decoder.get_or_insert_with(fresh).1.decode(frame)
    }

    /// Decodes the group before a key frame at `now` if that tells more.
    fn look_back(&mut self, now: Mono) -> Vec<Finding> {
        let Some(since) = self.watch.asks_back() else { return Vec::new() };
        let whole = self.group.first().is_some_and(|first| first.key && first.received <= since);
        let soon = self.looked_back.is_some_and(|before| now.since(before) < BETWEEN);
        if !whole || soon {
            return Vec::new();
        }
        self.looked_back = Some(now);
        let mut decoder = decoder(self.group[0].track.codec, Limits::default());
        let pictures = self.group.iter().map_while(|frame| {
            // Behind a damaged one there is nothing to see.
            let picture = decoder.decode(frame).ok()?;
            Some(picture.map(|picture| (picture, frame.received)))
        });
        self.watch.look_back(pictures.flatten())
    }

    fn keep(&mut self, frame: &Frame, decoded: bool) {
        if self.frames == Frames::All || frame.track.codec == Codec::Jpeg {
            return;
        }
        if frame.key && decoded {
            self.forget();
        } else if self.group.is_empty() {
            return;
        }
        self.bytes += frame.data.len();
        if self.group.len() == MOST_FRAMES || self.bytes > MOST_BYTES {
            return self.forget();
        }
        self.group.push(frame.clone());
    }

    fn forget(&mut self) {
        self.group.clear();
        self.bytes = 0;
    }
}
