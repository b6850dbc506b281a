//! Clips: what a camera showed before and after an alarm, as a file that can be believed.
//!
//! ```text
//!  frames ─▶ ring ─┐ trigger
//!                  ▼
//!  frames ─▶ Recorder ─▶ mp4 ─▶ <id>.mp4.partial ─(end)─▶ fsync, rename, fsync folder ─▶ <id>.mp4
//! ```
//! - Pictures are copied as they came: nothing is decoded. Therefore a [`Recorder`] wants to see that
//!   the camera has no mask; for those that have one there is `masked`.
//! - A file grows by whole fragments, each on disk before the next: after a power cut it plays up
//!   to the last. [`recover()`] makes it a clip at the next start.
//! - All of it blocks on the disk: [`Recorder`] belongs on a thread of its own.

pub mod disk;
#[cfg(feature = "masked-clips")]
pub mod masked;
pub mod mp4;
mod notes;
pub mod plan;
mod recorder;
mod recover;
mod work;
mod write;

pub use notes::Notes;
pub use plan::{ClipId, ClipIdError, ClipLimits, Plan, Trigger};
pub use recorder::{ClipError, ClipFile, ClipTold, Recorder};
pub use recover::{RecoverError, Recovered, half_written, recover, whole};
pub use work::{Bell, work};
pub(crate) use write::PARTIAL;
pub use write::WriteError;
