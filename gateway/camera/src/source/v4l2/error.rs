//! Why a camera of the box gives no pictures.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;

use super::format::LARGEST;
use crate::health::{Cause, Loss};

/// The end of a session with a device.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// No such device, or it went away: not plugged in, or another name.
    #[error("it is not there: {source}")]
    Absent {
        /// What the system said.
        source: io::Error,
    },
    /// The gateway's user may not open it.
    #[error("it may not be opened: {source}; the gateway's user must be in the group video")]
    Forbidden {
        /// What the system said.
        source: io::Error,
    },
    /// Another program has it.
    #[error("another program uses it: {source}")]
    Busy {
        /// What the system said.
        source: io::Error,
    },
    /// Not a camera: another device, or that part of a camera that has no pictures.
    #[error("it captures no pictures")]
    NoCapture,
    /// It has pictures in formats that are not known here.
    #[error("it has none of MJPG, JPEG, YUYV, NV12 and GREY (it has: {offered})")]
    NoFormat {
        /// What it has.
        offered: String,
    },
    /// All of its pictures are larger than this box decodes, whatever size is wanted.
    #[error(
        "it has no picture near {wanted} that can be used, at most {}x{} (it has: {offered})",
        LARGEST.0, LARGEST.1
    )]
    NoSize {
        /// What is wanted.
        wanted: String,
        /// What it has.
        offered: String,
    },
    /// It was opened, and no picture comes.
    #[error("no picture for {limit:?}")]
    Stalled {
        /// So long was waited.
        limit: Duration,
    },
    /// A picture is no JPEG, or has fewer bytes than its format needs.
    #[error("not understood: {detail}")]
    Protocol {
        /// What.
        detail: String,
    },
    /// The system failed otherwise, or our thread has.
    #[error("{doing}: {source}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl DeviceError {
    /// Of what the system said when this was done.
    pub(super) fn of(doing: &'static str, source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR) => {
                Self::Absent { source }
            }
            Some(Errno::ACCESS | Errno::PERM) => Self::Forbidden { source },
            Some(Errno::BUSY) => Self::Busy { source },
            Some(Errno::NOTTY) => Self::NoCapture,
            _ => Self::Io { doing, source },
        }
    }

    /// What this says of the camera's health.
    pub fn loss(&self) -> Loss {
        match self {
            Self::Absent { .. } => Loss::Unreachable,
            Self::Forbidden { .. } => Loss::Silent(Cause::Forbidden),
            Self::Busy { .. } => Loss::Silent(Cause::Busy),
            Self::NoCapture => Loss::Silent(Cause::NoCapture),
            Self::NoFormat { .. } => Loss::Silent(Cause::NoVideo),
            Self::NoSize { .. } => Loss::Silent(Cause::NoSize),
            Self::Stalled { .. } => Loss::Silent(Cause::Stalled),
            Self::Protocol { .. } => Loss::Silent(Cause::Protocol),
            Self::Io { .. } => Loss::Silent(Cause::Ended),
        }
    }
}
