//! Looks whether the preferred broker is back while another one is in use.

use std::time::Duration;

use gatehouse_config::Broker;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How often the first broker is looked at while another is in use.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// A broker that does not take a connection in this time is not back.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look at the first broker, made beside the running connection.
#[derive(Default)]
pub(super) struct Probe {
    tasks: JoinSet<bool>,
}

impl Probe {
    pub(super) fn start(&mut self, first: &Broker) {
        if self.tasks.is_empty() {
            let (host, port) = (first.host.clone(), first.port);
            self.tasks.spawn(async move {
                let connect = TcpStream::connect((host.as_str(), port));
                matches!(tokio::time::timeout(PATIENCE, connect).await, Ok(Ok(_)))
            });
        }
    }

    /// Ready when a look has found the broker; otherwise never.
    pub(super) async fn found(&mut self) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(true)) => return,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}
