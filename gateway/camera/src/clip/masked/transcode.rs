//! Compressed pictures in, compressed pictures out, and the mask is in them.

use std::sync::Arc;

use gatehouse_core::time::Mono;

use super::encode::Encoder;
use super::{MaskedError, MaskedSettings};
use crate::clip::mp4::TIMESCALE;
use crate::decode::{DecodeError, Decoder, decoder};
use crate::frame::{Codec, Frame, Track};
use crate::picture::{Mask, Masked};

/// From key frame to key frame: a fragment of the file each.
const GROUP: i64 = 2 * TIMESCALE as i64;

/// Where pictures come in another order than they are shown, so many are held until it is clear which
/// is the next: cameras that use B frames use one to three.
const HELD: usize = 3;

/// Makes the pictures of one clip.
pub(super) struct Transcoder {
    settings: MaskedSettings,
    mask: Mask,
    per_second: f32,
    /// Nothing before this is shown: it was only needed to begin decoding.
    from: Mono,
    source: Option<(Arc<Track>, Box<dyn Decoder>)>,
    encoder: Option<Encoder>,
    held: Vec<Held>,
    order: Order,
    /// When the last key frame is shown.
    last_key: i64,
    /// Whether the next may be left out when it is behind.
    next_is_odd: bool,
    /// The last thing that could not be decoded.
    pub(super) undecodable: Option<DecodeError>,
}

/// A picture that waits for its place.
struct Held {
    media: i64,
    received: Mono,
    masked: Masked,
}

/// In which order a session's pictures come.
#[derive(Default)]
struct Order {
    latest: Option<i64>,
    given: Option<i64>,
    differs: bool,
}

/// How much of what comes is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Every picture.
    All,
    /// Every second one: it is behind.
    Half,
}

impl Transcoder {
    /// For a clip that begins then; `first` are frames of its beginning.
    pub(super) fn new<'a>(
        settings: MaskedSettings,
        mask: Mask,
        from: Mono,
        first: impl Iterator<Item = &'a Frame>,
    ) -> Self {
        Self {
            settings,
            mask,
            per_second: rate(first),
            from,
            source: None,
            encoder: None,
            held: Vec::new(),
            order: Order::default(),
            last_key: 0,
            next_is_odd: false,
            undecodable: None,
        }
    }

    /// What comes of a frame; nothing if it cannot be decoded. Whatever comes is masked.
    ///
    /// # Errors
    /// When the encoder refuses: the clip is over.
    pub(super) fn frame(&mut self, frame: &Frame, pace: Pace) -> Result<Vec<Frame>, MaskedError> {
        let mut out = Vec::new();
        if self.source.as_ref().is_none_or(|(track, _)| !Arc::ptr_eq(track, &frame.track)) {
            // Another session, whose times begin anew.
            out = self.flush()?;
            let fresh = decoder(frame.track.codec, self.settings.decode);
            self.source = Some((frame.track.clone(), fresh));
            self.encoder = None;
            self.order = Order::default();
        }
        self.next_is_odd = pace == Pace::Half && !self.next_is_odd;
        // Others need a picture to be decoded even when it is not shown; a JPEG needs none.
        let left_out = frame.received < self.from || self.next_is_odd;
        if left_out && frame.track.codec == Codec::Jpeg {
            return Ok(out);
        }
        let Some((_, decoder)) = &mut self.source else { return Ok(out) };
        let picture = match decoder.decode(frame) {
            Ok(Some(picture)) if !left_out => picture,
            Ok(_) | Err(DecodeError::NeedsKey) => return Ok(out),
            Err(error) => {
                self.undecodable = Some(error);
                return Ok(out);
            }
        };
        let MaskedSettings { width, height, .. } = self.settings;
        let masked = self.mask.burn(picture).shrunk(width, height);
        self.order.differs |= self.order.latest.is_some_and(|latest| frame.media < latest);
        self.order.latest = self.order.latest.max(Some(frame.media));
        self.held.push(Held { media: frame.media, received: frame.received, masked });
        self.held.sort_by_key(|held| held.media);
        let hold = if self.order.differs { HELD } else { 0 };
        while self.held.len() > hold {
            let first = self.held.remove(0);
            out.extend(self.give(&first)?);
        }
        Ok(out)
    }

    /// What is left at the end of a clip, or of a session.
    ///
    /// # Errors
    /// As [`Transcoder::frame`].
    pub(super) fn flush(&mut self) -> Result<Vec<Frame>, MaskedError> {
        let held = std::mem::take(&mut self.held);
        let given: Result<Vec<_>, _> = held.iter().map(|held| self.give(held)).collect();
        Ok(given?.into_iter().flatten().collect())
    }

    /// `None`: the encoder leaves it out, or its place is over, because it was not known yet that the
    /// order differs.
    fn give(&mut self, held: &Held) -> Result<Option<Frame>, MaskedError> {
        if self.order.given.is_some_and(|given| held.media <= given) {
            return Ok(None);
        }
        self.order.given = Some(held.media);
        let mut encoder = match self.encoder.take().filter(|encoder| encoder.takes(&held.masked)) {
            Some(encoder) => encoder,
            None => Encoder::new(&held.masked, self.per_second, self.settings.bits_per_second)?,
        };
        let due = held.media.saturating_sub(self.last_key) >= GROUP;
        let encoded = encoder.encode(&held.masked, due)?;
        self.encoder = Some(encoder);
        let Some(encoded) = encoded else { return Ok(None) };
        if encoded.key {
            self.last_key = held.media;
        }
        Ok(Some(Frame {
            track: encoded.track,
            received: held.received,
            media: held.media,
            key: encoded.key,
            data: encoded.data,
        }))
    }
}

/// Pictures in a second, by the camera's own time.
fn rate<'a>(frames: impl Iterator<Item = &'a Frame>) -> f32 {
    /// What most cameras send, when nothing is known.
    const USUAL: f32 = 15.0;
    /// So many frames say enough.
    const LOOKED_AT: usize = 60;
    let times: Vec<i64> = frames.take(LOOKED_AT).map(|frame| frame.media).collect();
    let (first, last) = (times.iter().min(), times.iter().max());
    let span = last.zip(first).map_or(0, |(last, first)| last.saturating_sub(*first));
    let span = i32::try_from(span).ok().filter(|span| *span > 0);
    let count = u16::try_from(times.len()).unwrap_or(u16::MAX);
    match span {
        #[expect(clippy::cast_possible_truncation, reason = "between 1 and 60")]
        Some(span) if count > 1 => {
            let rate = f64::from(count - 1) * f64::from(TIMESCALE) / f64::from(span);
            rate.clamp(1.0, 60.0) as f32
        }
        _ => USUAL,
    }
}
