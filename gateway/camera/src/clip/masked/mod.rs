//! Clips of a camera with masks: not a byte of what it sends touches flash.
//!
//! ```text
//!  frames ─▶ ring (memory) ─┐ trigger
//!                           ▼
//!  frames ────────▶ frames that wait ─▶ decode ─▶ burn ─▶ shrink ─▶ encode ─▶ Recorder ─▶ flash
//!                   (memory, bounded)  └────── a turn at a time ──────┘
//! ```
//! - The encoder takes [`Masked`](crate::picture::Masked) pictures and nothing else, and the recorder
//!   behind it takes the encoder's frames and nothing else.
//! - What cannot be decoded is not in the clip. A clip of which nothing can be decoded is told as
//!   failed, with the reason.
//! - It works in turns that the caller gives, each a tenth of a second, so that all cameras of a box
//!   together take one processor, and those of whom nothing is wanted nothing at all.
//! - A camera that was moved is not recorded: its mask would hide something else.
//! - Software encoders of H.264 may need a licence of the patents' holders, which is the operator's
//!   matter.

mod encode;
mod recorder;
mod transcode;
mod work;

pub use recorder::{MaskedError, MaskedRecorder};
pub use work::{MaskedWays, Turns, work};

use crate::decode::Limits;

/// What a masked clip may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedSettings {
    /// The widest picture, in pixels; smaller ones stay as they are.
    pub width: usize,
    /// The highest.
    pub height: usize,
    /// Bits in a second, on average. A scene with little in it takes less.
    pub bits_per_second: u32,
    /// What a camera's pictures may cost to decode.
    pub decode: Limits,
    /// Bytes of compressed pictures that wait for their turn, at most. What does not fit is dropped by
    /// whole groups of pictures, and counted.
    pub waiting: usize,
}

impl Default for MaskedSettings {
    /// 360p is what a Pi has the time for: 2 s for a clip of 15. Persons and what they do are seen in
    /// it at 800 kbit/s; plates are not. 16 MB are a clip of 30 s of 1080p at 4 Mbit/s.
    fn default() -> Self {
        Self {
            width: 640,
            height: 360,
            bits_per_second: 800_000,
            decode: Limits::default(),
            waiting: 16 << 20,
        }
    }
}
