//! From retina's frames to ours.

use std::sync::Arc;

use bytes::Bytes;
use gatehouse_core::time::Mono;
use retina::codec::{VideoFrame, VideoParameters, VideoParametersCodec};

use super::error::SessionError;
use crate::frame::{Codec, Frame, Track};

/// No picture is larger: an 8K key frame of the best quality has 4 MB. A larger one is an attack on
/// this box's memory.
const LARGEST: usize = 8 << 20;

/// The frames of one session.
#[derive(Debug, Default)]
pub(super) struct Converter {
    track: Option<Arc<Track>>,
    /// Frames are passed over until decoding can begin: at the start, and when the format changed.
    wait_for_key: WaitForKey,
    /// Frames passed over.
    pub(super) skipped: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum WaitForKey {
    #[default]
    Yes,
    No,
}

impl Converter {
    /// `None`: a frame before the first key frame.
    pub(super) fn frame(
        &mut self,
        frame: VideoFrame,
        parameters: Option<&VideoParameters>,
        received: Mono,
    ) -> Result<Option<Frame>, SessionError> {
        let protocol = |detail: &str| SessionError::Protocol { detail: detail.to_owned() };
        if frame.data().len() > LARGEST {
            return Err(protocol("a picture above 8 MiB"));
        }
        if frame.has_new_parameters() || self.track.is_none() {
            let parameters = parameters.ok_or_else(|| protocol("a picture without parameters"))?;
            let track = read_track(parameters)?;
            if self.track.as_deref() != Some(&track) {
                self.track = Some(Arc::new(track));
                self.wait_for_key = WaitForKey::Yes;
            }
        }
        let track = self.track.clone().ok_or_else(|| protocol("a picture without parameters"))?;
        let key = is_key(track.codec, &frame);
        if self.wait_for_key == WaitForKey::Yes && !key {
            self.skipped += 1;
            return Ok(None);
        }
        self.wait_for_key = WaitForKey::No;
        let media = to_90k(frame.timestamp().elapsed(), frame.timestamp().clock_rate().get());
        // The boxed slice gives back what the vector had reserved: a ring holds thousands of these.
        let data = Bytes::from(frame.into_data().into_boxed_slice());
        Ok(Some(Frame { track, received, media, key, data }))
    }
}

fn read_track(parameters: &VideoParameters) -> Result<Track, SessionError> {
    let (width, height) = parameters.pixel_dimensions();
    if width == 0 || height == 0 {
        return Err(SessionError::Protocol { detail: "a picture without width or height".into() });
    }
    let (codec, parameter_sets) = match parameters.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => (Codec::H264, vec![copy(sps), copy(pps)]),
        VideoParametersCodec::H265 { vps, sps, pps } => {
            (Codec::H265, vec![copy(vps), copy(sps), copy(pps)])
        }
        VideoParametersCodec::Jpeg => (Codec::Jpeg, Vec::new()),
        _ => return Err(SessionError::NoVideo { offered: parameters.rfc6381_codec().to_owned() }),
    };
    let sample_entry = parameters.mp4_sample_entry().build();
    let sample_entry = sample_entry
        .map_err(|error| SessionError::Protocol { detail: format!("no sample entry: {error}") })?;
    Ok(Track { codec, width, height, parameter_sets, sample_entry: sample_entry.into() })
}

/// A slice would keep all of what it was sliced from.
fn copy(parameter_set: &Bytes) -> Bytes {
    Bytes::copy_from_slice(parameter_set)
}

/// In units of 1/90000 s, whatever the stream's own clock; 64 bits last for three million years.
fn to_90k(elapsed: i64, clock_rate: u32) -> i64 {
    if clock_rate == 90_000 {
        return elapsed;
    }
    let scaled = i128::from(elapsed) * 90_000 / i128::from(clock_rate);
    i64::try_from(scaled).unwrap_or(if scaled > 0 { i64::MAX } else { i64::MIN })
}

fn is_key(codec: Codec, frame: &VideoFrame) -> bool {
    match codec {
        Codec::H264 => frame.is_random_access_point(),
        // retina marks IDR only (its issue 132): an open group of pictures begins with a CRA.
        Codec::H265 => frame.is_random_access_point() || begins_h265(frame.data()),
        Codec::Jpeg => true,
    }
}

/// Whether the first slice of an H.265 picture is of a random access point (ITU-T H.265 table 7-1:
/// types 16 to 23). `data`: NAL units behind their lengths in 4 bytes.
fn begins_h265(mut data: &[u8]) -> bool {
    while let Some((length, rest)) = data.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((unit, rest)) = rest.split_at_checked(length) else { return false };
        match unit.first().map(|first| first >> 1 & 0x3f) {
            Some(kind @ 0..=31) => return (16..=23).contains(&kind),
            // Parameter sets, delimiters, SEI.
            Some(_) => data = rest,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(kind: u8) -> Vec<u8> {
        vec![0, 0, 0, 3, kind << 1, 1, 0xaa]
    }

    #[test]
    fn the_first_slice_of_h265_says_whether_decoding_can_begin() {
        for kind in 0..32 {
            let picture = [unit(39), unit(kind)].concat();
            assert_eq!(begins_h265(&picture), (16..=23).contains(&kind), "type {kind}");
        }
        assert!(!begins_h265(&unit(33)), "parameter sets alone are no picture");
        assert!(!begins_h265(&[0, 0, 0, 9, 19 << 1]), "cut short");
    }

    #[test]
    fn media_time_is_scaled_without_overflow() {
        assert_eq!(to_90k(1000, 1000), 90_000);
        assert_eq!(to_90k(-7, 90_000), -7);
        assert_eq!(to_90k(i64::MAX, 1), i64::MAX);
        assert_eq!(to_90k(i64::MIN, 1), i64::MIN);
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_picture_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..64)) {
            begins_h265(&data);
        }
    }
}
