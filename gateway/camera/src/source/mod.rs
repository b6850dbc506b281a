//! Where pictures come from. A source runs for ever: it connects, hands every frame to a [`Sink`],
//! says what it saw of the camera, and after each loss begins anew with full jitter.
//!
//! | source | for |
//! |---|---|
//! | [`rtsp`] | H.264, H.265 and MJPEG over RTP: every camera that can |
//! | [`snapshot`] | single JPEGs by HTTP: what is left when a camera's RTSP cannot be used |
//! | [`v4l2`] | USB and CSI cameras of the box itself |
//!
//! Whoever has whole JPEGs of another origin makes frames of them with [`Jpegs`].

pub mod address;
pub mod jpeg;
pub mod queue;
pub mod rtsp;
pub mod snapshot;
pub mod v4l2;
mod watchdog;

pub use address::{Address, AddressError, Credentials};
pub use jpeg::Jpegs;
pub use queue::{Drain, Feeder, QueueLimits, Taken, queue};

use gatehouse_core::time::Mono;

use crate::frame::Frame;
use crate::health::Seen;

/// Reads `CLOCK_BOOTTIME`: the daemon's clock, or a test's.
pub trait Clock: Send + Sync {
    /// The time now.
    fn mono(&self) -> Mono;
}

impl<F: Fn() -> Mono + Send + Sync> Clock for F {
    fn mono(&self) -> Mono {
        self()
    }
}

/// What a source gives to. Neither method may block: both are called on the runtime, between two
/// packets.
pub trait Sink: Send {
    /// One picture, in the order of decoding. The first after each loss is a key frame.
    fn frame(&mut self, frame: Frame);

    /// What was seen of the camera, for [`crate::health::Ladder`].
    fn seen(&mut self, at: Mono, seen: Seen);
}
