//! Why a session ended or did not come about.

use std::time::Duration;

use thiserror::Error;

use crate::health::{Cause, Loss};

/// What was asked of the camera when it did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// DESCRIBE, with the connection before it.
    Describe,
    /// SETUP.
    Setup,
    /// PLAY.
    Play,
}

/// The end of a session. No text in here holds a password, a user name or a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// No TCP connection: cable, power, address, name server.
    #[error("cannot be reached: {detail}")]
    Unreachable {
        /// What the system said.
        detail: String,
    },
    /// The connection is made, but a request is not answered: the camera hangs.
    #[error("{step:?} was not answered within {limit:?}")]
    Hung {
        /// Which request.
        step: Step,
        /// How long it was waited for.
        limit: Duration,
    },
    /// User name or password are wrong or missing (401), or do not suffice (403).
    #[error("the camera refuses the credentials (status {status})")]
    Unauthorised {
        /// 401 or 403.
        status: u16,
    },
    /// Another refusal: 404 is a wrong path, 453 too many viewers.
    #[error("the camera refuses with status {status}: {detail}")]
    Refused {
        /// The RTSP status.
        status: u16,
        /// What the camera said.
        detail: String,
    },
    /// Nothing in the description is H.264, H.265 or MJPEG. Wrong stream, or a new codec.
    #[error("the camera offers no video of a known codec (it offers: {offered})")]
    NoVideo {
        /// The encodings that it has.
        offered: String,
    },
    /// What the camera sends cannot be understood: its dialect, a lossy network, or an attack.
    #[error("not understood: {detail}")]
    Protocol {
        /// What, and where.
        detail: String,
    },
    /// The connection stands, and no frame comes.
    #[error("no frame for {limit:?}")]
    Stalled {
        /// So long was waited.
        limit: Duration,
    },
    /// Frames come, but none that decoding could begin with.
    #[error("no key frame within {limit:?}")]
    NoKeyFrame {
        /// So long was waited.
        limit: Duration,
    },
    /// The camera closed the session.
    #[error("the camera ended the session")]
    Ended,
}

impl SessionError {
    /// What this says of the camera's health.
    pub fn loss(&self) -> Loss {
        match self {
            Self::Unreachable { .. } => Loss::Unreachable,
            Self::Unauthorised { .. } => Loss::Unauthorised,
            Self::Hung { .. } => Loss::Silent(Cause::Hung),
            Self::Refused { status, .. } => Loss::Silent(Cause::Refused(*status)),
            Self::NoVideo { .. } => Loss::Silent(Cause::NoVideo),
            Self::Protocol { .. } => Loss::Silent(Cause::Protocol),
            Self::Stalled { .. } => Loss::Silent(Cause::Stalled),
            Self::NoKeyFrame { .. } => Loss::Silent(Cause::NoKeyFrame),
            Self::Ended => Loss::Silent(Cause::Ended),
        }
    }
}
