//! ONVIF: what a camera says of itself, its streams, and what it finds by itself.
//!
//! | module | for |
//! |---|---|
//! | [`events`] | motion, tampering, inputs, as the camera sees them: a task for ever |
//! | [`profiles`] | which streams are taken, without anybody looking up addresses |
//! | [`masks`] | what the camera says that it hides itself, as information |
//! | [`discovery`] | which cameras there are, when somebody asks |
//!
//! The client is our own, of the few calls that are needed. Every answer is hostile input: its bytes,
//! its nodes and its time are bounded, no entity expands, and no address in it is dialled but on the
//! host that the configuration names.
//!
//! # Limits
//! - HTTP without TLS, as the rest of the intake: cameras belong into a network of their own.
//! - No Basic: neither the camera nor who poses as it is told the password. WS-UsernameToken and
//!   Digest are understood by every ONVIF camera.
//! - Each call is a connection of its own.

pub mod client;
pub mod discovery;
mod error;
pub mod events;
mod http;
pub mod masks;
mod place;
pub mod profiles;
mod quirks;
mod soap;
mod subscription;
mod time;
mod xml;

use std::time::Duration;

pub use self::client::{Client, Information, Pulled, Services};
pub use self::error::{FaultKind, OnvifError};
pub use self::quirks::Quirks;
pub use self::subscription::{Granted, Subscription};
pub use self::time::CameraClock;
use crate::source::{Address, Credentials};

/// How one camera is asked.
#[derive(Clone, Debug)]
pub struct OnvifSettings {
    /// What logs call it.
    pub name: String,
    /// Its device service: `http://host/onvif/device_service`.
    pub address: Address,
    /// Of an ONVIF user, if it has any.
    pub credentials: Option<Credentials>,
    /// How long an answer may take, beyond what a pull is to wait.
    pub answer: Duration,
    /// No answer may have more bytes.
    pub largest: usize,
}

impl OnvifSettings {
    /// Settings that suit most cameras.
    pub fn new(name: impl Into<String>, address: Address) -> Self {
        Self {
            name: name.into(),
            address,
            credentials: None,
            // Small cameras take three seconds for a list of profiles while they encode.
            answer: Duration::from_secs(8),
            // The profiles of a recorder with 32 channels have some 300 kB.
            largest: 1 << 20,
        }
    }
}

impl Client<'_> {
    /// The clock, if the camera gives it: some want even that to be authenticated, which they then
    /// are by Digest.
    async fn try_clock(&mut self) -> Result<(), OnvifError> {
        match self.read_clock().await {
            Err(error @ (OnvifError::Unreachable { .. } | OnvifError::Hung { .. })) => Err(error),
            _ => Ok(()),
        }
    }
}
