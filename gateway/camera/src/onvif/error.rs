//! What goes wrong with a camera's ONVIF.

use std::time::Duration;

use thiserror::Error;

/// Why a call failed. No text in here holds a password, a user name or a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnvifError {
    /// No TCP connection: cable, power, address, name server.
    #[error("cannot be reached: {detail}")]
    Unreachable {
        /// What the system said.
        detail: String,
    },
    /// Connected, and no whole answer in time.
    #[error("no answer within {limit:?}")]
    Hung {
        /// How long was waited.
        limit: Duration,
    },
    /// User name or password are wrong or missing, or the user may not do this: ONVIF has users of
    /// its own on many makes, apart from those of the web page.
    #[error("the camera refuses the credentials for {what}")]
    Unauthorised {
        /// The call.
        what: &'static str,
    },
    /// The camera understood, and says no.
    #[error("{what}: the camera says {kind:?}: {reason}")]
    Fault {
        /// The call.
        what: &'static str,
        /// Of what kind the no is.
        kind: FaultKind,
        /// Its words, bounded.
        reason: String,
        /// The longest wait that it takes, where it said so (`PullMessagesFaultResponse`).
        longest_wait: Option<Duration>,
    },
    /// No SOAP, but a status: 404 is a wrong path, or a service that is switched off.
    #[error("{what}: the camera refuses with status {status}")]
    Refused {
        /// The call.
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// No HTTP, no SOAP, or more bytes than allowed: a camera's bug, or no camera.
    #[error("not understood: {detail}")]
    Protocol {
        /// What.
        detail: String,
    },
    /// The camera has no such service, or no stream that can be used.
    #[error("the camera has no {what}")]
    Missing {
        /// What.
        what: &'static str,
    },
}

/// The kinds of no that make a difference (ONVIF Core, 5.8.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The credentials: also what a clock that is off looks like.
    NotAuthorised,
    /// It does not know the call, though it may have to.
    NotSupported,
    /// Anything else, and an unknown subscription among it: makes agree on no word for that.
    Other,
}

impl OnvifError {
    /// The camera itself said no: trying the same again gives the same.
    pub fn is_explicit(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::Refused { .. })
    }

    /// It does not have this call.
    pub(super) fn is_not_supported(&self) -> bool {
        matches!(
            self,
            Self::Fault { kind: FaultKind::NotSupported, .. }
                | Self::Refused { status: 404 | 405 | 501, .. }
        )
    }
}
