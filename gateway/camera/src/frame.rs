//! What every source gives: one compressed picture at a time.

use std::sync::Arc;

use bytes::Bytes;
use gatehouse_core::time::Mono;

/// How pictures are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
    /// JPEG, each picture by itself.
    Jpeg,
}

/// What holds for all frames of a stream until it changes its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The codec.
    pub codec: Codec,
    /// Width in pixels, after cropping.
    pub width: u32,
    /// Height in pixels, after cropping.
    pub height: u32,
    /// Parameter sets (H.264: SPS, PPS; H.265: VPS, SPS, PPS) as NAL units without start code or
    /// length; empty for JPEG.
    pub parameter_sets: Vec<Bytes>,
    /// The sample entry box of an MP4 file (`avc1`, `hvc1`, `mp4v`; ISO/IEC 14496-12 8.5.2).
    pub sample_entry: Bytes,
}

/// One access unit: one picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The format that holds for it. A stream that changes its format gives another `Arc`.
    pub track: Arc<Track>,
    /// Boot-time clock when its last byte had come.
    pub received: Mono,
    /// The camera's time of the picture since the session began, in units of 1/90000 s, without
    /// wrap-around.
    pub media: i64,
    /// Whether decoding can begin here: IDR, for H.265 also CRA and BLA (NAL types 16 to 23), every
    /// JPEG.
    pub key: bool,
    /// H.264 and H.265: NAL units each behind its length in 4 bytes, most significant first, without
    /// parameter sets. JPEG: a whole image.
    pub data: Bytes,
}
