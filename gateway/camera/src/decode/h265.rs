//! H.265 by `rust_h265`.

use rust_h265::{DecodeError as InnerError, DecodeLimits, Decoder as Inner, Frame as Decoded};
use rust_h265::{NalUnitType, PixelData, parse_nal};

use super::h265_sps::{Wanted, wanted};
use super::nal::{LENGTH, split};
use super::planes::{Chroma, narrowed, picture};
use super::{DecodeError, Decoder, Limits, admit};
use crate::frame::{Codec, Frame};
use crate::picture::{Picture, Range};

/// A delimiter of access units (7.3.1.2, type 35): what follows the picture, so that it is given out.
const DELIMITER: [u8; 3] = [35 << 1, 1, 0x50];

/// For one picture and what belongs to it, by the decoder's own estimate: 4096x2304 in 4:4:4 and
/// 16 bit takes less.
const MOST_PICTURE_BYTES: u64 = 96 << 20;

/// Pixels in the memory of reference pictures: the six pictures of level 5 (A.4.2, MaxLumaPs 8912896),
/// or sixteen of 1080p.
const MOST_REFERENCE_PIXELS: u64 = 6 * 4096 * 2304;

/// As for H.264: one for each row of the smallest blocks of the highest picture.
const MOST_SLICES: usize = 144;

/// A stream of H.265.
pub(super) struct H265 {
    limits: Limits,
    /// From a key frame to an error.
    running: Option<Inner>,
}

impl H265 {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, running: None }
    }

    /// A decoder that knows the frame's parameter sets.
    fn begin(&self, frame: &Frame) -> Result<Inner, DecodeError> {
        // As coded, in whole blocks; see `check`.
        let (width, height) = (round(self.limits.width), round(self.limits.height));
        let pixels = width.saturating_mul(height);
        let mut inner = Inner::with_limits(DecodeLimits {
            max_picture_pixels: u64::try_from(pixels).unwrap_or(u64::MAX),
            max_picture_memory_bytes: MOST_PICTURE_BYTES,
        });
        for set in &frame.track.parameter_sets {
            let unit = parse_nal(set).ok_or(DecodeError::Framing)?;
            if unit.nal_unit_type == NalUnitType::Sps {
                self.check(&unit.rbsp)?;
            }
            inner.decode_nal(&unit).map_err(|error| explained(&error, frame))?;
        }
        Ok(inner)
    }

    /// Refuses a stream whose pictures would be too large, or too many to remember.
    fn check(&self, sps: &[u8]) -> Result<(), DecodeError> {
        let Wanted { width, height, pictures } = wanted(sps)?;
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        if size(width) > round(self.limits.width) || size(height) > round(self.limits.height) {
            return Err(DecodeError::TooLarge { width: size(width), height: size(height) });
        }
        if u64::from(width) * u64::from(height) * u64::from(pictures) > MOST_REFERENCE_PIXELS {
            return Err(DecodeError::TooManyReferences(pictures));
        }
        Ok(())
    }
}

impl Decoder for H265 {
    fn decode(&mut self, frame: &Frame) -> Result<Option<Picture>, DecodeError> {
        // Whatever goes wrong from here, the state is gone.
        let before = self.running.take();
        admit(frame, Codec::H265, &self.limits)?;
        let mut inner =
            if frame.key { self.begin(frame)? } else { before.ok_or(DecodeError::NeedsKey)? };
        let mut slices = 0;
        let mut decoded = None;
        for unit in split(&frame.data)? {
            let Some(unit) = parse_nal(&unit[LENGTH..]) else {
                return Err(DecodeError::Damaged("a NAL unit without header".to_owned()));
            };
            // Parameter sets in here would evade the limits; further layers are not for us.
            if !unit.nal_unit_type.is_vcl() || unit.nuh_layer_id != 0 {
                continue;
            }
            slices += 1;
            if slices > MOST_SLICES {
                return Err(DecodeError::TooManySlices(slices));
            }
            let done = inner.decode_nal(&unit).map_err(|error| explained(&error, frame))?;
            decoded = done.or(decoded);
        }
        if let Some(unit) = parse_nal(&DELIMITER) {
            debug_assert_eq!(unit.nal_unit_type, NalUnitType::Aud);
            let done = inner.decode_nal(&unit).map_err(|error| explained(&error, frame))?;
            decoded = done.or(decoded);
        }
        self.running = Some(inner);
        decoded.map(|decoded| self.converted(decoded)).transpose()
    }

    fn rest(&mut self) {
        self.running = None;
    }
}

impl H265 {
    fn converted(&self, decoded: Decoded) -> Result<Picture, DecodeError> {
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        // The decoder limits the count of pixels, not each side.
        self.limits.check(size(decoded.width), size(decoded.height))?;
        let chroma = match decoded.chroma_format_idc {
            1 => Chroma::Half,
            3 => Chroma::Whole,
            _ => return Err(DecodeError::Unsupported("chroma other than 4:2:0 and 4:4:4")),
        };
        let depth = decoded.bit_depth;
        let planes = [decoded.y, decoded.u, decoded.v].map(|plane| match plane {
            PixelData::U8(samples) => samples,
            PixelData::U16(samples) => narrowed(samples.into_iter(), depth),
        });
        // The decoder does not tell the range; cameras send H.265 in that of video.
        picture((decoded.width, decoded.height), Range::Video, chroma, planes)
    }
}

/// Coded sizes are whole blocks, of 64 at most.
const fn round(value: usize) -> usize {
    value.next_multiple_of(64)
}

fn explained(error: &InnerError, frame: &Frame) -> DecodeError {
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    match error {
        InnerError::Unsupported(what) => DecodeError::Unsupported(what),
        // What the track says of the size may be as wrong as the parameter sets; it is a hint.
        InnerError::ResourceLimit(_) => DecodeError::TooLarge {
            width: size(frame.track.width),
            height: size(frame.track.height),
        },
        other => DecodeError::Damaged(other.to_string()),
    }
}
