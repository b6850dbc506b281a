//! RTSP intake: one camera's stream, for ever.
//!
//! ```text
//!  ┌▶ DESCRIBE ─▶ SETUP ─▶ PLAY ─▶ frames … ─▶ lost ─▶ TEARDOWN ─▶ full-jitter wait ┐
//!  └──────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! Every step has its limit. The client is retina, which has no limits of its own, sees no stall, and
//! does not know the key frames of H.265's open groups: these are done here.
//!
//! # Limits
//! - One video stream of a camera: the first of a known codec. Sound is not asked for.
//! - RTSP without TLS: the address of another scheme is refused.
//! - MJPEG up to 2040 x 2040 pixels (RFC 2435 says no more) and 2 MB a picture (retina).
//! - The TEARDOWN of a session that ended goes on behind the next one: over UDP until it is answered
//!   or the session is too old, which is a minute for most cameras.
//! - Between two frames a hostile camera can make the client hold what the network brings within
//!   the stall's limit.

mod convert;
mod dialect;
mod error;
mod session;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatehouse_core::backoff::Backoff;
use retina::client::SessionGroup;

pub use self::dialect::{
    Dialect, FirstSequence, FirstTime, SessionId, Teardown, Transport, UnknownChannel, UnknownRtcp,
};
pub use self::error::{SessionError, Step};
use self::session::Session;
use super::{Address, Clock, Credentials, Sink};
use crate::health::Seen;

/// For how long a session must have given frames to count as a success: one that dies at once is
/// tried ever less often.
const PROVEN: Duration = Duration::from_secs(10);

/// How one camera's stream is taken.
#[derive(Clone, Debug)]
pub struct RtspSettings {
    /// What logs call it.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// What it asks for, if it does.
    pub credentials: Option<Credentials>,
    /// What it does differently.
    pub dialect: Dialect,
    /// How long each request may take, DESCRIBE with its connection.
    pub answer: Duration,
    /// How long the stream may take to begin, and after that to come to a key frame.
    pub begin: Duration,
    /// No silence that is shorter is a stall. Slower streams get three of their pauses, up to 4.5 s.
    pub stall: Duration,
    /// How long the end of old sessions is waited for.
    pub teardown: Duration,
    /// Waits between attempts.
    pub retry: Backoff,
    /// The same after a refusal of the credentials: many cameras lock out who keeps knocking.
    pub retry_refused: Backoff,
}

impl RtspSettings {
    /// Settings that suit most cameras.
    pub fn new(name: impl Into<String>, address: Address) -> Self {
        Self {
            name: name.into(),
            address,
            credentials: None,
            dialect: Dialect::default(),
            // Small cameras take two seconds for a digest while they encode.
            answer: Duration::from_secs(5),
            // Twice the longest usual distance of key frames.
            begin: Duration::from_secs(10),
            stall: Duration::from_secs(3),
            teardown: Duration::from_secs(2),
            // A camera boots for half a minute: no use to ask for it every second, no sense to be
            // late by more than it took.
            retry: Backoff::new(
                Duration::from_millis(200),
                Duration::from_secs(1),
                Duration::from_secs(30),
            ),
            retry_refused: Backoff::REFUSED,
        }
    }
}

/// Takes a camera's stream for ever. Never returns; dropped at any time, it leaves a TEARDOWN
/// behind it and nothing else. Wants a tokio runtime with time and I/O.
pub async fn run(settings: RtspSettings, clock: &dyn Clock, sink: &mut dyn Sink) -> ! {
    let group = Arc::new(SessionGroup::default().named(settings.name.clone()));
    let mut waits = Waits { retry: settings.retry, refused: settings.retry_refused };
    let mut last_said = None;
    loop {
        let mut session = Session { settings: &settings, group: &group, clock, given: None };
        let error = session.live(sink).await;
        let gave = session.given;
        sink.seen(clock.mono(), Seen::Lost(error.loss()));
        // Once for each kind: a camera that is away for a week says so once.
        if last_said.replace(error.loss()) != Some(error.loss()) || gave.is_some() {
            tracing::warn!(camera = settings.name, address = %settings.address, "{error}");
        }
        let wait = waits.after(&error, gave);
        // An old session may hold the only place that the camera has for viewers.
        // It panics when the task that sends it has: of a hostile answer that must not be the end.
        let gone = AssertUnwindSafe(group.await_teardown()).catch_unwind();
        match tokio::time::timeout(settings.teardown, gone).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => {
                tracing::debug!(camera = settings.name, "an old session was not torn down");
            }
        }
        tokio::time::sleep(wait).await;
    }
}

struct Waits {
    retry: Backoff,
    refused: Backoff,
}

impl Waits {
    /// How long to wait after a session that ended so and gave frames for so long.
    fn after(&mut self, error: &SessionError, gave: Option<Duration>) -> Duration {
        if gave.is_some_and(|gave| gave >= PROVEN) {
            self.retry.reset();
        }
        if gave.is_some() {
            self.refused.reset();
        }
        let schedule = match error {
            SessionError::Unauthorised { .. } => &mut self.refused,
            _ => &mut self.retry,
        };
        schedule.next(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_credentials_wait_longer_and_only_a_proven_session_begins_anew() {
        let settings = RtspSettings::new("c", Address::rtsp("rtsp://192.0.2.7/").unwrap());
        let mut waits = Waits { retry: settings.retry, refused: settings.retry_refused };
        let second = Some(Duration::from_secs(1));
        for _ in 0..8 {
            waits.after(&SessionError::Ended, second);
        }
        assert_eq!(waits.retry.ceiling(), Duration::from_secs(30), "it dies at once");
        assert!(
            waits.after(&SessionError::Unauthorised { status: 401 }, None)
                >= Duration::from_secs(5)
        );
        waits.after(&SessionError::Ended, Some(PROVEN));
        assert_eq!(waits.retry.attempts(), 1);
    }
}
