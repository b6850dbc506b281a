//! H.264 by `openh264`: of masked pictures, and of no others.

use std::sync::Arc;

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Encoder as Inner, EncoderConfig, FrameRate, FrameType, MatrixCoefficients, QpRange,
    RateControlMode, TransferCharacteristics, VuiConfig, {ColorPrimaries, IntraFramePeriod},
};
use openh264::formats::YUVSource;

use super::MaskedError;
use crate::clip::mp4;
use crate::frame::{Codec, Track};
use crate::picture::{Masked, Range};

/// Better than this nobody sees, and worse nothing is recognised: then pictures are left out.
const QUALITY: (u8, u8) = (18, 46);

/// A stream of one size and range.
pub(super) struct Encoder {
    inner: Inner,
    shape: Shape,
    track: Option<Arc<Track>>,
}

/// What makes another encoder necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    width: usize,
    height: usize,
    range: Range,
}

impl Shape {
    /// The encoder takes even sizes: an odd last column or row is left out.
    fn of(masked: &Masked) -> Self {
        let picture = masked.picture();
        let even = |size: usize| size & !1;
        Self {
            width: even(picture.width()),
            height: even(picture.height()),
            range: picture.range(),
        }
    }
}

/// One picture, compressed.
pub(super) struct Encoded {
    pub(super) track: Arc<Track>,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

impl Encoder {
    /// An encoder for pictures like this one, of which so many come in a second.
    pub(super) fn new(like: &Masked, per_second: f32, bits: u32) -> Result<Self, MaskedError> {
        let shape = Shape::of(like);
        let (best, worst) = QUALITY;
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(bits))
            .max_frame_rate(FrameRate::from_hz(per_second))
            .rate_control_mode(RateControlMode::Bitrate)
            .qp(QpRange::new(best, worst))
            // Without it the rate does not hold, and the encoder complains on stderr.
            .skip_frames(true)
            // Key frames are where this module wants them.
            .scene_change_detect(false)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            // The thread's niceness holds for it alone.
            .num_threads(1);
        let config = match shape.range {
            Range::Video => config,
            Range::Full => config.vui(
                VuiConfig::new()
                    .color_primaries(ColorPrimaries::Unspecified)
                    .transfer_characteristics(TransferCharacteristics::Unspecified)
                    .matrix_coefficients(MatrixCoefficients::Unspecified)
                    .full_range(true),
            ),
        };
        let inner = Inner::with_api_config(OpenH264API::from_source(), config);
        let inner = inner.map_err(|error| MaskedError::Encoder(error.to_string()))?;
        Ok(Self { inner, shape, track: None })
    }

    /// Whether this picture can follow those before it.
    pub(super) fn takes(&self, masked: &Masked) -> bool {
        self.shape == Shape::of(masked)
    }

    /// Compresses a picture, the first as a key frame, and each that shall be one. `None`: it is left
    /// out, for those before it took the rate up.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(super) fn encode(
        &mut self,
        masked: &Masked,
        key: bool,
    ) -> Result<Option<Encoded>, MaskedError> {
        if key && self.track.is_some() {
            self.inner.force_intra_frame();
        }
        let refused = |what: &str| MaskedError::Encoder(what.to_owned());
        let stream = self.inner.encode(&Planes { masked, shape: self.shape });
        let stream = stream.map_err(|error| MaskedError::Encoder(error.to_string()))?;
        if stream.frame_type() == FrameType::Skip {
            return Ok(None);
        }
        let key = stream.frame_type() == FrameType::IDR;
        let (mut sps, mut pps, mut data) = (None, None, Vec::new());
        for layer in (0..stream.num_layers()).filter_map(|n| stream.layer(n)) {
            for unit in (0..layer.nal_count()).filter_map(|n| layer.nal_unit(n)) {
                let unit = without_start_code(unit);
                match unit.first().map(|first| first & 0x1f) {
                    Some(7) => sps = Some(Bytes::copy_from_slice(unit)),
                    Some(8) => pps = Some(Bytes::copy_from_slice(unit)),
                    Some(1 | 5) => {
                        let length = u32::try_from(unit.len());
                        let length = length.map_err(|_| refused("a slice above 4 GiB"))?;
                        data.extend(length.to_be_bytes());
                        data.extend_from_slice(unit);
                    }
                    _ => {}
                }
            }
        }
        if data.is_empty() {
            return Err(refused("no picture came of one"));
        }
        if let (Some(sps), Some(pps)) = (sps, pps) {
            self.adopt(sps, pps)?;
        }
        let track = self.track.clone().ok_or_else(|| refused("it began without parameter sets"))?;
        Ok(Some(Encoded { track, key, data: data.into() }))
    }

    fn adopt(&mut self, sps: Bytes, pps: Bytes) -> Result<(), MaskedError> {
        let sets = vec![sps, pps];
        if self.track.as_ref().is_some_and(|track| track.parameter_sets == sets) {
            return Ok(());
        }
        let refused =
            || MaskedError::Encoder("its parameter sets are of another profile".to_owned());
        let size = |size: usize| u16::try_from(size).map_err(|_| refused());
        let (width, height) = (size(self.shape.width)?, size(self.shape.height)?);
        let entry = mp4::avc1((width, height), &sets[0], &sets[1]).ok_or_else(refused)?;
        self.track = Some(Arc::new(Track {
            codec: Codec::H264,
            width: width.into(),
            height: height.into(),
            parameter_sets: sets,
            sample_entry: entry.into(),
        }));
        Ok(())
    }
}

fn without_start_code(unit: &[u8]) -> &[u8] {
    let zeros = unit.iter().take_while(|byte| **byte == 0).count();
    unit.get(zeros + 1..).unwrap_or_default()
}

/// A masked picture as the encoder reads it.
struct Planes<'a> {
    masked: &'a Masked,
    shape: Shape,
}

impl YUVSource for Planes<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.shape.width, self.shape.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let picture = self.masked.picture();
        (picture.width(), picture.chroma_width(), picture.chroma_width())
    }

    fn y(&self) -> &[u8] {
        self.masked.picture().y()
    }

    fn u(&self) -> &[u8] {
        self.masked.picture().u()
    }

    fn v(&self) -> &[u8] {
        self.masked.picture().v()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, decoder};
    use crate::frame::Frame;
    use crate::picture::{Mask, Picture};
    use gatehouse_core::time::Mono;

    fn grey(width: usize, height: usize, level: u8) -> Masked {
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let planes = [vec![level; width * height], vec![128; chroma], vec![128; chroma]];
        Mask::none().burn(Picture::new(width, height, Range::Video, planes).unwrap())
    }

    #[test]
    fn pictures_come_back_as_they_were_also_of_odd_sizes() {
        for (width, height) in [(64, 48), (33, 47), (640, 360)] {
            let mut encoder = Encoder::new(&grey(width, height, 0), 15.0, 800_000).unwrap();
            let mut back = decoder(Codec::H264, Limits::default());
            for (n, level) in (0..40).map(|n| (n, 40 + 4 * n)) {
                let masked = grey(width, height, level);
                assert!(encoder.takes(&masked));
                let Encoded { track, key, data } =
                    encoder.encode(&masked, n == 20).unwrap().unwrap();
                assert_eq!(key, n == 0 || n == 20, "picture {n}");
                let frame = Frame { track, received: Mono(0), media: 0, key, data };
                let picture = back.decode(&frame).unwrap().unwrap();
                assert_eq!((picture.width(), picture.height()), (width & !1, height & !1));
                let worst = picture.y().iter().map(|y| y.abs_diff(level)).max().unwrap();
                assert!(worst < 8, "{worst} in picture {n}");
            }
        }
        let encoder = Encoder::new(&grey(64, 48, 0), 15.0, 800_000).unwrap();
        assert!(!encoder.takes(&grey(64, 64, 0)));
    }
}
