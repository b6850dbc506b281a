//! Fragmented MP4, of one video track (ISO/IEC 14496-12): `ftyp moov (moof mdat)…`.
//!
//! Only what a player needs. A fragment stands by itself, so a file that ends between two of them is
//! whole.

mod avc1;
mod boxes;
mod fragment;
mod init;
pub mod scan;

pub use avc1::avc1;
pub use fragment::{Sample, fragment};
pub use init::init;

/// Units in a second, of all times in these files: those of RTP video.
pub const TIMESCALE: u32 = 90_000;
