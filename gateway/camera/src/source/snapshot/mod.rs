//! Polling of snapshots by HTTP: the last resort, for a camera whose RTSP cannot be used.
//!
//! Each poll is a connection of its own, so nothing hangs from one to the next. A picture must be a
//! JPEG and is bounded. Its time is that of its coming: nobody says when it was taken, and many
//! cameras give one that is a second old.

mod http;

use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior};

use self::http::Client;
use super::{Address, Clock, Credentials, Jpegs, Sink};
use crate::health::{Cause, Loss, Seen};

/// How one camera's snapshots are taken.
#[derive(Clone, Debug)]
pub struct SnapshotSettings {
    /// What logs call it.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// What it asks for, if it does: Basic or Digest.
    pub credentials: Option<Credentials>,
    /// From one to the next. Small cameras encode a picture for each.
    pub every: Duration,
    /// How long one may take.
    pub answer: Duration,
    /// No picture may have more bytes.
    pub largest: usize,
    /// Waits after failures.
    pub retry: Backoff,
    /// The same after a refusal of the credentials.
    pub retry_refused: Backoff,
}

impl SnapshotSettings {
    /// Settings that suit most cameras.
    pub fn new(name: impl Into<String>, address: Address) -> Self {
        let second = Duration::from_secs(1);
        Self {
            name: name.into(),
            address,
            credentials: None,
            every: second,
            answer: Duration::from_secs(4),
            // 4K of the best quality.
            largest: 4 << 20,
            retry: Backoff::new(second, second, Duration::from_secs(30)),
            retry_refused: Backoff::REFUSED,
        }
    }
}

/// Why there is no picture. No text in here holds a password, a user name or a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// No TCP connection: cable, power, address, name server.
    #[error("cannot be reached: {detail}")]
    Unreachable {
        /// What the system said.
        detail: String,
    },
    /// Connected, and no whole picture in time.
    #[error("no picture within {limit:?}")]
    Hung {
        /// How long was waited.
        limit: Duration,
    },
    /// User name or password are wrong or missing, or do not suffice.
    #[error("the camera refuses the credentials (status {status})")]
    Unauthorised {
        /// 401 or 403.
        status: u16,
    },
    /// Another refusal: 404 is a wrong path.
    #[error("the camera refuses with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// No HTTP, no JPEG, or more bytes than allowed.
    #[error("not understood: {detail}")]
    Protocol {
        /// What.
        detail: String,
    },
}

impl SnapshotError {
    /// What this says of the camera's health.
    pub fn loss(&self) -> Loss {
        match self {
            Self::Unreachable { .. } => Loss::Unreachable,
            Self::Unauthorised { .. } => Loss::Unauthorised,
            Self::Hung { .. } => Loss::Silent(Cause::Hung),
            Self::Refused { status } => Loss::Silent(Cause::Refused(*status)),
            Self::Protocol { .. } => Loss::Silent(Cause::Protocol),
        }
    }
}

/// Takes a camera's snapshots for ever. Never returns; may be dropped at any time. Wants a tokio
/// runtime with time and I/O.
pub async fn run(settings: SnapshotSettings, clock: &dyn Clock, sink: &mut dyn Sink) -> ! {
    let mut client = Client::new(&settings);
    let mut jpegs = Jpegs::default();
    let (mut retry, mut retry_refused) = (settings.retry, settings.retry_refused);
    let mut last_said = None;
    let mut ticks = tokio::time::interval(settings.every.max(Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let taken = client.take().await.and_then(|data| {
            let now = clock.mono();
            let not = || SnapshotError::Protocol { detail: "the answer is no JPEG".to_owned() };
            Ok((now, jpegs.frame(data, now).ok_or_else(not)?))
        });
        match taken {
            Ok((now, frame)) => {
                retry.reset();
                retry_refused.reset();
                last_said = None;
                sink.seen(now, Seen::picture(&frame));
                sink.frame(frame);
            }
            Err(error) => {
                jpegs.end();
                sink.seen(clock.mono(), Seen::Lost(error.loss()));
                if last_said.replace(error.loss()) != Some(error.loss()) {
                    tracing::warn!(camera = settings.name, address = %settings.address, "{error}");
                }
                let schedule = match error {
                    SnapshotError::Unauthorised { .. } => &mut retry_refused,
                    _ => &mut retry,
                };
                ticks.reset_at(Instant::now() + schedule.next(fastrand::f64()));
            }
        }
    }
}
