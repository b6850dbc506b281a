//! H.264 by `rust_h264`.

use rust_h264::decoder::{ChromaFormat, Decoder as Inner, Frame as Decoded};
use rust_h264::error::DecodeError as InnerError;
use rust_h264::nal::{NalUnit, NalUnitType, parse_avcc, parse_sps_info};

use super::nal::{LENGTH, prefixed, split};
use super::planes::{Chroma, narrowed, picture};
use super::{DecodeError, Decoder, Limits, admit};
use crate::frame::{Codec, Frame};
use crate::picture::{Picture, Range};

/// Macroblocks in the memory of reference pictures at level 5.1 (table A-1, MaxDpbMbs): 70 MB. Level
/// 4 at 1080p has room for 4 pictures, which is far below.
const MOST_REFERENCE_MACROBLOCKS: u32 = 184_320;

/// One slice in each row of macroblocks of the highest picture. Cameras send 1 to 8; for each slice
/// after the first the decoder copies the picture, so that a flood of them would cost minutes.
const MOST_SLICES: usize = 144;

/// A stream of H.264.
pub(super) struct H264 {
    limits: Limits,
    /// From a key frame to an error.
    running: Option<(Inner, Range)>,
}

impl H264 {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, running: None }
    }

    /// A decoder that knows the frame's parameter sets.
    fn begin(&self, frame: &Frame) -> Result<(Inner, Range), DecodeError> {
        let mut inner = Inner::new();
        let mut range = Range::Video;
        for set in &frame.track.parameter_sets {
            let set = prefixed(set)?;
            for unit in parse_avcc(&set, LENGTH) {
                if unit.nal_unit_type == NalUnitType::Sps {
                    range = self.check(&unit)?;
                }
                inner.decode_nal(&unit).map_err(|error| explained(&error))?;
            }
        }
        Ok((inner, range))
    }

    /// Refuses a stream whose pictures would be too large, or too many to remember.
    fn check(&self, sps: &NalUnit<'_>) -> Result<Range, DecodeError> {
        let info = parse_sps_info(sps).map_err(|error| explained(&error))?;
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        // Coded sizes are whole macroblocks: 1080 lines are coded as 1088.
        let round = |value: usize| value.next_multiple_of(32);
        let (width, height) = (size(info.coded_width), size(info.coded_height));
        if width > round(self.limits.width) || height > round(self.limits.height) {
            return Err(DecodeError::TooLarge { width, height });
        }
        self.limits.check(size(info.width), size(info.height))?;
        let macroblocks = (info.coded_width / 16) * (info.coded_height / 16);
        if macroblocks.saturating_mul(info.reference_frames) > MOST_REFERENCE_MACROBLOCKS {
            return Err(DecodeError::TooManyReferences(info.reference_frames));
        }
        Ok(if info.full_range { Range::Full } else { Range::Video })
    }
}

impl Decoder for H264 {
    fn decode(&mut self, frame: &Frame) -> Result<Option<Picture>, DecodeError> {
        // Whatever goes wrong from here, the state is gone.
        let before = self.running.take();
        admit(frame, Codec::H264, &self.limits)?;
        let (mut inner, range) =
            if frame.key { self.begin(frame)? } else { before.ok_or(DecodeError::NeedsKey)? };
        let mut slices = 0;
        let mut decoded = None;
        for unit in split(&frame.data)? {
            // Parameter sets in here would evade the limits; what else there is, nobody needs.
            if !matches!(unit[LENGTH] & 0x1f, 1 | 5) {
                continue;
            }
            slices += 1;
            if slices > MOST_SLICES {
                return Err(DecodeError::TooManySlices(slices));
            }
            for unit in parse_avcc(unit, LENGTH) {
                let done = inner.decode_nal(&unit).map_err(|error| explained(&error))?;
                decoded = done.or(decoded);
            }
        }
        // The end of the access unit is the end of the picture.
        decoded = inner.flush().or(decoded);
        self.running = Some((inner, range));
        decoded.map(|decoded| converted(decoded, range)).transpose()
    }

    fn rest(&mut self) {
        self.running = None;
    }
}

fn converted(decoded: Decoded, range: Range) -> Result<Picture, DecodeError> {
    let depth = decoded.bit_depth;
    let chroma = match decoded.chroma_format {
        ChromaFormat::Yuv420 => Chroma::Half,
        ChromaFormat::Yuv422 => Chroma::HalfWidth,
    };
    let size = (decoded.width, decoded.height);
    let planes = [decoded.y, decoded.u, decoded.v].map(|plane| {
        if depth == 8 {
            return plane;
        }
        let samples = plane.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
        narrowed(samples, depth)
    });
    picture(size, range, chroma, planes)
}

fn explained(error: &InnerError) -> DecodeError {
    match error {
        InnerError::Unsupported(what) => DecodeError::Unsupported(what),
        other => DecodeError::Damaged(other.to_string()),
    }
}
