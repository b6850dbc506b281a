//! A camera's own events, by PullPoint, for ever.
//!
//! ```text
//!  clock ─▶ information ─▶ services ─▶ subscribe ─▶ synchronise ─▶ pull … ─▶ renew ─▶ pull …
//!    ▲                                     ▲                         │ refused        │ too old
//!    │                                     └─────────────────────────┴────────────────┘
//!    └── away for longer than the subscription lives
//! ```
//! A subscription is thought lost only when the camera says so, or cannot have it any more: silence,
//! a broken answer and a refused connection do not mean that it is gone, and cameras have few places
//! for subscriptions.
//!
//! # Limits
//! - A task that is dropped leaves its subscription to die by itself, within ten minutes.
//! - What happens between two subscriptions is seen as state, not as change: [`Told::State`] says how it
//!   stood before.
//! - At most [`AT_ONCE`] messages come in one answer; a camera that sends more is pulled again at once.

mod finding;
pub(super) mod message;
mod state;

use std::convert::Infallible;
use std::time::Duration;

use gatehouse_core::backoff::Backoff;
use gatehouse_core::time::Mono;

pub use self::finding::{Finding, Rule, TamperKind};
pub use self::message::{Message, Operation};
use self::state::Known;
pub use self::state::{CameraTime, Event, Told};
use super::client::{Client, Pulled};
use super::subscription::{Granted, Subscription};
use super::{OnvifError, OnvifSettings, Quirks};
use crate::source::Clock;

/// Messages that are asked for at a time.
const AT_ONCE: u32 = 100;

/// An empty answer that comes sooner is of a camera that does not wait: it is asked no more often.
const PACE: Duration = Duration::from_secs(1);

/// How one camera's events are taken.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// The camera.
    pub camera: OnvifSettings,
    /// How long a subscription lives without a renewal.
    pub lives: Duration,
    /// No subscription is renewed as if it lived shorter, whatever the camera grants.
    pub lives_least: Duration,
    /// How long a pull waits for messages.
    pub wait: Duration,
    /// Instead of what is known of the make.
    pub quirks: Option<Quirks>,
    /// Waits after failures.
    pub retry: Backoff,
    /// The same after a refusal of the credentials: many cameras lock out who keeps knocking.
    pub retry_refused: Backoff,
}

impl EventSettings {
    /// Settings that suit most cameras: ten minutes, renewed after eight, as many clients do it.
    pub fn new(camera: OnvifSettings) -> Self {
        let second = Duration::from_secs(1);
        Self {
            camera,
            lives: Duration::from_secs(600),
            // Some crash when they are renewed more often.
            lives_least: Duration::from_secs(60),
            // The longest that every camera must be able to wait.
            wait: Duration::from_secs(60),
            quirks: None,
            // The cap is what others wait after an error.
            retry: Backoff::new(second, second, Duration::from_secs(40)),
            retry_refused: Backoff::REFUSED,
        }
    }
}

/// What is given to.
pub trait Listener: Send {
    /// The camera found something. May not block.
    fn event(&mut self, event: Event);

    /// Whether the camera is listened to. May not block.
    fn link(&mut self, at: Mono, link: Link);
}

/// Whether a camera is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// From here on what it finds is heard.
    Listening {
        /// A new subscription was made, in place of none or of one that the camera has lost.
        anew: bool,
    },
    /// What it finds is not heard.
    Lost(OnvifError),
}

/// Takes a camera's events for ever. Never returns; may be dropped at any time. Wants a tokio runtime
/// with time and I/O.
pub async fn run(
    settings: EventSettings,
    clock: &(dyn Clock + Sync),
    listener: &mut dyn Listener,
) -> ! {
    let (retry, refused) = (settings.retry, settings.retry_refused);
    let mut client = Client::new(settings.camera.clone(), clock);
    let mut task =
        Task { settings, clock, listener, known: Known::default(), retry, refused, told: None };
    loop {
        let Err(error) = task.session(&mut client).await;
        task.lost(&error);
        task.wait(&error).await;
    }
}

struct Task<'t> {
    settings: EventSettings,
    clock: &'t dyn Clock,
    listener: &'t mut dyn Listener,
    known: Known,
    retry: Backoff,
    refused: Backoff,
    /// Whether it stands told as listening.
    told: Option<bool>,
}

/// Why a subscription is not pulled any more, and another one is made.
enum End {
    /// It is as old as it may get.
    Old,
    /// The camera does not have it any more.
    Forgotten(OnvifError),
}

impl Task<'_> {
    /// Until the camera has to be asked everything anew.
    async fn session(&mut self, client: &mut Client<'_>) -> Result<Infallible, OnvifError> {
        client.try_clock().await?;
        let information = client.information().await?;
        let known = || Quirks::of(&information.manufacturer);
        let quirks = self.settings.quirks.unwrap_or_else(known);
        client.services().await?;
        loop {
            let mut of = client.subscribe(self.settings.lives).await?;
            self.refused.reset();
            tracing::debug!(
                camera = self.settings.camera.name, make = information.manufacturer,
                quirks = quirks.row, lives = ?of.granted.lives, "subscribed"
            );
            match self.subscription(client, &mut of, &quirks).await? {
                End::Old => {
                    // It dies by itself if the camera does not take this.
                    if let Err(error) = client.unsubscribe(&of).await {
                        tracing::debug!(camera = self.settings.camera.name, "{error}");
                    }
                }
                End::Forgotten(error) => {
                    self.lost(&error);
                    self.wait(&error).await;
                }
            }
            // It may have booted, with another time.
            client.try_clock().await?;
        }
    }

    async fn subscription(
        &mut self,
        client: &mut Client<'_>,
        of: &mut Subscription,
        quirks: &Quirks,
    ) -> Result<End, OnvifError> {
        let began = of.granted.at;
        let mut wait = self.settings.wait;
        let mut renews = true;
        // Without the state of everything: at first, and after each silence.
        let mut blind = true;
        let mut anew = true;
        loop {
            let now = self.clock.mono();
            if now.since(began) >= quirks.renewed_after {
                return Ok(End::Old);
            }
            let due = self.due(of.granted);
            if now >= due && renews {
                match client.renew(of, self.settings.lives).await {
                    Ok(granted) => of.granted = granted,
                    // Then pulls must keep it alive, as they should anyway.
                    Err(error) if error.is_not_supported() => renews = false,
                    Err(error) if error.is_explicit() => return Ok(End::Forgotten(error)),
                    Err(error) => {
                        self.away(of, error).await?;
                        blind = true;
                    }
                }
                continue;
            }
            if blind {
                match client.synchronise(of).await {
                    Ok(()) => {}
                    Err(error) if error.is_not_supported() => {}
                    Err(error) if error.is_explicit() => return Ok(End::Forgotten(error)),
                    Err(error) => {
                        self.away(of, error).await?;
                        continue;
                    }
                }
                blind = false;
                self.listening(anew);
                anew = false;
            }
            let until = if renews { due.since(now) } else { wait };
            match client.pull(of, wait.min(until), AT_ONCE).await {
                Ok(pulled) => {
                    self.retry.reset();
                    self.pulled(of, &pulled, quirks, now).await;
                }
                // It cannot wait so long, and says how long it can.
                Err(OnvifError::Fault { longest_wait: Some(longest), .. })
                    if longest < wait && !longest.is_zero() =>
                {
                    wait = longest;
                }
                Err(error) if error.is_explicit() => return Ok(End::Forgotten(error)),
                Err(error) => {
                    self.away(of, error).await?;
                    blind = true;
                }
            }
        }
    }

    /// When a subscription is to be renewed: at 80 % of its life.
    fn due(&self, granted: Granted) -> Mono {
        granted.at.plus(granted.lives.max(self.settings.lives_least) * 4 / 5)
    }

    async fn pulled(
        &mut self,
        of: &mut Subscription,
        pulled: &Pulled,
        quirks: &Quirks,
        asked: Mono,
    ) {
        let received = self.clock.mono();
        // As pulls should prolong it, but do not everywhere. Less than a tenth is the rounding of the
        // camera: taken for a prolongation, the renewal would come ever later.
        if let Some(left) = pulled.left.map(|left| left.min(self.settings.lives)) {
            let prolonged = Granted { at: received, lives: left };
            let least = (self.settings.lives / 10).max(Duration::from_secs(1));
            if prolonged.end().since(of.granted.end()) >= least {
                of.granted = prolonged;
            }
        }
        for message in &pulled.messages {
            if let Some(event) = self.known.take(message, quirks, received) {
                self.listener.event(event);
            }
        }
        let took = received.since(asked);
        if pulled.messages.is_empty() && took < PACE {
            tokio::time::sleep(PACE.saturating_sub(took)).await;
        }
    }

    /// Nothing is known of the subscription: it is waited for, as long as it can live.
    async fn away(&mut self, of: &Subscription, error: OnvifError) -> Result<(), OnvifError> {
        if matches!(error, OnvifError::Unauthorised { .. }) {
            return Err(error);
        }
        let dead = of.granted.at.plus(of.granted.lives.max(self.settings.lives_least));
        if self.clock.mono() >= dead {
            return Err(error);
        }
        self.lost(&error);
        self.wait(&error).await;
        Ok(())
    }

    fn listening(&mut self, anew: bool) {
        if anew || self.told != Some(true) {
            self.told = Some(true);
            self.listener.link(self.clock.mono(), Link::Listening { anew });
        }
    }

    /// Said once for each loss.
    fn lost(&mut self, error: &OnvifError) {
        if self.told.replace(false) != Some(false) {
            let OnvifSettings { name, address, .. } = &self.settings.camera;
            tracing::warn!(camera = name, %address, "its events are not heard: {error}");
            self.listener.link(self.clock.mono(), Link::Lost(error.clone()));
        }
    }

    async fn wait(&mut self, error: &OnvifError) {
        let schedule = match error {
            OnvifError::Unauthorised { .. } => &mut self.refused,
            _ => &mut self.retry,
        };
        tokio::time::sleep(schedule.next(fastrand::f64())).await;
    }
}
