//! Compressed pictures to [`Picture`]s: H.264, H.265 and JPEG, all in safe bounds.
//!
//! A camera's bytes are hostile input. The decoders are written in Rust, their sizes are limited
//! before a picture is allocated (see [`Limits`]), parameter sets are taken from the [`Track`] only,
//! and after an error a stream begins anew at its next key frame.
//!
//! [`Track`]: crate::frame::Track
//!
//! ```text
//! key frames alone:   key(&frame, &limits)            stateless, any camera
//! all frames:         decoder(codec, limits)          one per stream that is looked at closely
//! ```
//!
//! Software decoders of H.264 and H.265 may need a licence of the patents' holders, which is the
//! operator's matter.

use thiserror::Error;

use crate::frame::{Codec, Frame};
use crate::picture::{Picture, decode_jpeg};

mod h264;
mod h265;
mod h265_sps;
mod nal;
mod planes;

/// What a stream may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Widest picture in pixels.
    pub width: usize,
    /// Highest picture in pixels.
    pub height: usize,
    /// Longest access unit in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// The largest pictures that cameras of the market send (8 and 9 megapixels). A key frame of that
    /// size has 1 to 2 MB; 8 MiB are out of all proportion.
    fn default() -> Self {
        Self { width: 4096, height: 2304, bytes: 8 << 20 }
    }
}

impl Limits {
    /// Refuses a size before anything of it is allocated.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`].
    pub(crate) const fn check(&self, width: usize, height: usize) -> Result<(), DecodeError> {
        if width == 0 || height == 0 || width > self.width || height > self.height {
            return Err(DecodeError::TooLarge { width, height });
        }
        Ok(())
    }
}

/// Why a frame gave no picture. None of these stops a camera's stream: the next key frame is tried.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes are no picture: packets were lost, or the camera is broken or hostile.
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// The lengths of NAL units do not add up: our own bug, or that of a source.
    #[error("NAL units do not fill their frame")]
    Framing,
    /// Decoding did not begin at a key frame, or an error made an end of it.
    #[error("waiting for a key frame")]
    NeedsKey,
    /// The access unit is longer than the limit.
    #[error("{0} bytes for one picture")]
    TooLong(usize),
    /// The picture is larger than the limit.
    #[error("{width}x{height} is larger than this box decodes")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// More pictures to remember than its level has room for (H.264 table A-1, H.265 A.4.2).
    #[error("{0} reference pictures of this size")]
    TooManyReferences(u32),
    /// More slices than rows of macroblocks.
    #[error("{0} slices for one picture")]
    TooManySlices(usize),
    /// A way of coding that the decoder does not know: set the camera to H.264 Main or High, 4:2:0.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// A decoder for another codec.
    #[error("the decoder is for {wanted:?}, the frame is {found:?}")]
    WrongCodec {
        /// Of the decoder.
        wanted: Codec,
        /// Of the frame.
        found: Codec,
    },
}

/// Decodes the frames of one stream in the order in which they come.
pub trait Decoder: Send {
    /// The picture of this frame, at once: pictures come in the order of decoding, which differs from
    /// that of showing only for B frames. `None` if the frame belongs to a picture that is not shown
    /// or not whole (the first of two fields, a picture before an open GOP's key frame).
    ///
    /// A key frame begins anew, with the parameter sets of its track.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`]. After an error all frames up to the next key frame give
    /// [`DecodeError::NeedsKey`].
    fn decode(&mut self, frame: &Frame) -> Result<Option<Picture>, DecodeError>;

    /// Gives all memory back; the next frame has to be a key frame.
    fn rest(&mut self);
}

/// A decoder for a stream of which all frames are to be decoded.
pub fn decoder(codec: Codec, limits: Limits) -> Box<dyn Decoder> {
    match codec {
        Codec::H264 => Box::new(h264::H264::new(limits)),
        Codec::H265 => Box::new(h265::H265::new(limits)),
        Codec::Jpeg => Box::new(Jpeg { limits }),
    }
}

/// The picture of one key frame, by itself.
///
/// # Errors
///
/// See [`DecodeError`]; [`DecodeError::NeedsKey`] if it is no key frame.
pub fn key(frame: &Frame, limits: Limits) -> Result<Picture, DecodeError> {
    let mut decoder = decoder(frame.track.codec, limits);
    decoder.decode(frame)?.ok_or_else(|| DecodeError::Damaged("no picture in it".to_owned()))
}

/// Each JPEG stands by itself.
struct Jpeg {
    limits: Limits,
}

impl Decoder for Jpeg {
    fn decode(&mut self, frame: &Frame) -> Result<Option<Picture>, DecodeError> {
        admit(frame, Codec::Jpeg, &self.limits)?;
        decode_jpeg(&frame.data, &self.limits).map(Some)
    }

    fn rest(&mut self) {}
}

/// What is checked of every frame, whatever its codec.
fn admit(frame: &Frame, wanted: Codec, limits: &Limits) -> Result<(), DecodeError> {
    let found = frame.track.codec;
    if found != wanted {
        return Err(DecodeError::WrongCodec { wanted, found });
    }
    if frame.data.len() > limits.bytes {
        return Err(DecodeError::TooLong(frame.data.len()));
    }
    Ok(())
}
