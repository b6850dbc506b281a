//! Looks at the paths that are not in use, made beside the running connection.

use std::time::Duration;

use gatehouse_config::Broker;
use tokio::task::JoinSet;

use super::link;

/// What a look found: the path, and why it would not do.
pub(super) type Found = (usize, Result<(), String>);

/// Looks under way, at most one for each path.
#[derive(Default)]
pub(super) struct Looks {
    tasks: JoinSet<Found>,
}

impl Looks {
    pub(super) fn start(&mut self, path: usize, broker: Broker, id: String, within: Duration) {
        self.tasks.spawn(async move {
            let found = link::look(&broker, &id, within).await;
            (path, found.map_err(|error| error.text))
        });
    }

    /// Ready when a look has ended; without any, never.
    pub(super) async fn ended(&mut self) -> Found {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(found)) => return found,
                // Never: nothing ends such a task but itself.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
