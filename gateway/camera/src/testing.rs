//! Frames for the unit tests of this crate.

use std::sync::Arc;

use bytes::Bytes;
use gatehouse_core::time::Mono;

use crate::frame::{Codec, Frame, Track};

/// A format of this size.
pub(crate) fn track(width: u32, height: u32) -> Arc<Track> {
    let parameter_sets = Vec::new();
    let sample_entry = Bytes::from_static(b"\0\0\0\x08mp4v");
    Arc::new(Track { codec: Codec::Jpeg, width, height, parameter_sets, sample_entry })
}

/// Frame `n` of a stream of 10 per second, which began at zero on both clocks.
pub(crate) fn frame(n: i64, key: bool, size: usize) -> Frame {
    Frame {
        track: track(640, 360),
        received: Mono(u64::try_from(n).unwrap() * 100_000_000),
        media: n * 9000,
        key,
        data: Bytes::from(vec![u8::try_from(n % 251).unwrap(); size]),
    }
}
