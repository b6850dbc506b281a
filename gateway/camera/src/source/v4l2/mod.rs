//! Cameras of the box itself, USB or CSI, by Video4Linux.
//!
//! ```text
//!  thread: open ─▶ format, size, pace ─▶ buffers … ─▶ JPEG ─▶ channel ─▶ frames
//!     ▲                                      └─▶ lost ─┐
//!     └────────── full-jitter wait ◀───────────────────┘
//! ```
//! A camera that has MJPEG is taken as it is. Of one that has YUYV, NV12 or luma only each picture that
//! is wanted is compressed here, and no other.
//!
//! # Limits
//! - Tried with the kernel's simulated camera, which has no MJPEG; no real device was.
//! - Single-planar capture with buffers of the driver; a sensor behind a media controller (as the Pi's
//!   raw CSI node) has no such node, and is told as one that captures no pictures.
//! - The size is chosen of what the device offers: at most 1280x720 of MJPEG, 640x480 of the others; or the
//!   nearest to what is wanted, in the format that has it.
//! - Pictures that wait for the runtime: [`WAITING`]. Then the thread waits, and the driver drops.

mod error;
mod format;
mod session;

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use tokio::sync::mpsc;

pub use self::error::DeviceError;
use super::{Clock, Jpegs, Sink};
use crate::health::Seen;

/// Pictures between the thread and the runtime.
const WAITING: usize = 2;

/// How one device's pictures are taken.
#[derive(Clone, Debug)]
pub struct DeviceSettings {
    /// What logs call it.
    pub name: String,
    /// Its file, as `/dev/video0`, or better a link below `/dev/v4l/by-id`.
    pub device: PathBuf,
    /// From one picture to the next, at least.
    pub every: Duration,
    /// The size that is wanted, in pixels across and down; `None`: what suits.
    pub size: Option<(u32, u32)>,
    /// No silence that is shorter is a stall.
    pub stall: Duration,
    /// Waits between attempts.
    pub retry: Backoff,
}

impl DeviceSettings {
    /// Settings that suit most cameras.
    pub fn new(name: impl Into<String>, device: PathBuf) -> Self {
        Self {
            name: name.into(),
            device,
            every: Duration::from_millis(200),
            size: None,
            // A USB camera takes a second to begin; in the dark some give two pictures a second.
            stall: Duration::from_secs(4),
            // Nothing else is asked for it than the system: what is plugged in again shall be seen
            // soon.
            retry: Backoff::new(
                Duration::from_millis(250),
                Duration::from_millis(500),
                Duration::from_secs(5),
            ),
        }
    }
}

/// Takes a device's pictures for ever. Never returns; may be dropped at any time, and lets the device
/// go within a fifth of a second. Wants a tokio runtime with time.
pub async fn run(settings: DeviceSettings, clock: &dyn Clock, sink: &mut dyn Sink) -> ! {
    let mut retry = settings.retry;
    let mut last_said = None;
    loop {
        let (tell, mut told) = mpsc::channel(WAITING);
        let begun = begin(&settings, tell);
        let mut jpegs = Jpegs::default();
        let error = loop {
            let jpeg = match told.recv().await {
                Some(Ok(jpeg)) => jpeg,
                Some(Err(error)) => break error,
                None => {
                    let ended = std::io::Error::other("the thread has ended: our bug");
                    let source = begun.err().unwrap_or(ended);
                    break DeviceError::Io { doing: "a thread for it", source };
                }
            };
            let now = clock.mono();
            let Some(frame) = jpegs.frame(jpeg.into(), now) else {
                // USB cameras give half a picture now and then.
                sink.seen(now, Seen::Undecodable);
                continue;
            };
            retry.reset();
            last_said = None;
            sink.seen(now, Seen::picture(&frame));
            sink.frame(frame);
        };
        drop(told);
        let loss = error.loss();
        sink.seen(clock.mono(), Seen::Lost(loss));
        // Once for each kind: a camera that is away for a week says so once.
        if last_said.replace(loss) != Some(loss) {
            let device = settings.device.display();
            tracing::warn!(camera = settings.name, %device, "{error}");
        }
        // Somebody has to plug it in, or another program to let it go.
        tokio::time::sleep(retry.next(fastrand::f64())).await;
    }
}

fn begin(settings: &DeviceSettings, tell: mpsc::Sender<session::Told>) -> std::io::Result<()> {
    let settings = settings.clone();
    let name: String = format!("v4l2-{}", settings.name).chars().take(15).collect();
    std::thread::Builder::new().name(name).spawn(move || session::live(&settings, &tell)).map(drop)
}
