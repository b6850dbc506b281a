//! The way to the rules, and under which configuration something was said.
//!
//! Inputs name things by their places in a configuration. Each handle knows of which one, so a unit
//! that runs on over a reload goes on naming the places that it was started with: the rules look up
//! what moved. Everything comes through one queue, so what was sent before a new configuration is
//! applied under the old one.

use std::sync::Arc;

use gatehouse_core::site::{Input, Layout, SiteConfig};
use tokio::sync::{mpsc, oneshot};

use super::QUEUE;

/// What waits for the rules.
#[derive(Debug)]
pub(super) enum Message {
    /// Something happened, named by the places of this configuration.
    Input(Arc<Layout>, Input),
    /// From here on another configuration holds; what came of it is told once it is stored.
    Reconfigure {
        to: Box<SiteConfig>,
        places: Arc<Layout>,
        /// Of the event that tells of it.
        report: Input,
        stored: oneshot::Sender<()>,
    },
}

/// A way to the rules; a clone is the same way.
#[derive(Clone, Debug)]
pub struct Inputs {
    to: mpsc::Sender<Message>,
    places: Arc<Layout>,
}

/// The other end, for [`Rules`](super::Rules).
#[derive(Debug)]
pub struct Queue {
    pub(super) from: mpsc::Receiver<Message>,
    pub(super) places: Arc<Layout>,
}

/// Why an input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The rules have ended: the daemon stops.
    #[error("the rules have ended")]
    Ended,
    /// Too much waits already; only of [`Inputs::try_send`].
    #[error("the rules have too much before them")]
    Full,
}

impl Inputs {
    /// A way to rules over a site of this configuration.
    pub fn new(config: &SiteConfig) -> (Self, Queue) {
        let (to, from) = mpsc::channel(QUEUE);
        let places = Arc::new(config.layout());
        (Self { to, places: Arc::clone(&places) }, Queue { from, places })
    }

    /// Waits for room and hands an input in.
    ///
    /// # Errors
    /// [`SendError::Ended`].
    pub async fn send(&self, input: Input) -> Result<(), SendError> {
        let message = Message::Input(Arc::clone(&self.places), input);
        self.to.send(message).await.map_err(|_| SendError::Ended)
    }

    /// The same on a thread of its own.
    ///
    /// # Errors
    /// [`SendError::Ended`].
    pub fn blocking_send(&self, input: Input) -> Result<(), SendError> {
        let message = Message::Input(Arc::clone(&self.places), input);
        self.to.blocking_send(message).map_err(|_| SendError::Ended)
    }

    /// Hands an input in if there is room.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn try_send(&self, input: Input) -> Result<(), SendError> {
        let message = Message::Input(Arc::clone(&self.places), input);
        self.to.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Ended,
        })
    }

    /// Lets the rules go on under another configuration, with `report` behind what follows from it.
    /// Gives the way for who names its places, and word when all that is stored.
    ///
    /// # Errors
    /// [`SendError::Ended`].
    pub async fn reconfigure(
        &self,
        to: SiteConfig,
        report: Input,
    ) -> Result<(Self, oneshot::Receiver<()>), SendError> {
        let places = Arc::new(to.layout());
        let (stored, told) = oneshot::channel();
        let message =
            Message::Reconfigure { to: Box::new(to), places: Arc::clone(&places), report, stored };
        self.to.send(message).await.map_err(|_| SendError::Ended)?;
        let way = Self { to: self.to.clone(), places };
        Ok((way, told))
    }
}

#[cfg(test)]
impl Queue {
    /// The next report that units hand in; what else they say is passed over.
    pub(crate) async fn report(&mut self) -> Option<gatehouse_core::site::Report> {
        loop {
            if let Message::Input(_, Input::Report(report)) = self.from.recv().await? {
                return Some(report);
            }
        }
    }
}

#[cfg(test)]
impl Inputs {
    /// Ready once the rules take nothing more.
    pub(super) async fn closed(&self) {
        self.to.closed().await;
    }
}
