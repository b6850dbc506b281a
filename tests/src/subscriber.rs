//! Records every PUBLISH on some filters with its time of arrival.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use gatehouse_core::time::Mono;
use tokio::task::JoinSet;

use crate::client::{Client, ClientOptions, Received};
use crate::mqtt::Publish;
use crate::record::Record;
use crate::wait::boottime;

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// `CLOCK_BOOTTIME` when it was read.
    pub at: Mono,
    /// The message.
    pub publish: Publish,
}

/// A subscriber that comes back after every broken connection, with a session that the broker keeps.
#[derive(Debug)]
pub struct Subscriber {
    messages: Record<Message>,
    _tasks: JoinSet<()>,
}

/// Between two attempts to connect. The broker is on this machine: it costs nothing to ask often.
const RETRY: Duration = Duration::from_millis(20);

impl Subscriber {
    /// Subscribes to all `filters` with QoS 1; returns when the broker has granted them.
    pub async fn start(
        address: SocketAddr,
        options: ClientOptions,
        filters: &[&str],
    ) -> anyhow::Result<Self> {
        let options = options.persistent();
        let messages = Record::default();
        let filters: Vec<String> = filters.iter().map(|&filter| filter.into()).collect();
        let client = subscribed(address, &options, &filters).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(client, address, options, filters, messages.clone()));
        Ok(Self { messages, _tasks: tasks })
    }

    /// Everything that arrived, in order.
    pub fn messages(&self) -> &Record<Message> {
        &self.messages
    }
}

async fn subscribed(
    address: SocketAddr,
    options: &ClientOptions,
    filters: &[String],
) -> anyhow::Result<Client> {
    let mut client = Client::connect(address, options.clone()).await?;
    for filter in filters {
        let code = client.subscribe(filter).await?;
        if code >= 0x80 {
            bail!("the subscription to {filter} was refused with {code:#04x}");
        }
    }
    Ok(client)
}

async fn follow(
    mut client: Client,
    address: SocketAddr,
    options: ClientOptions,
    filters: Vec<String>,
    messages: Record<Message>,
) {
    loop {
        drain(&client, &messages).await;
        client = loop {
            match subscribed(address, &options, &filters).await {
                Ok(client) => break client,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        };
    }
}

/// Copies messages until the connection ends.
async fn drain(client: &Client, messages: &Record<Message>) {
    let mut seen = 0;
    loop {
        let batch = client.received().wait_for("a message", Duration::MAX, |all| {
            (all.len() > seen).then(|| all[seen..].to_vec())
        });
        let Ok(batch) = batch.await else { return };
        seen += batch.len();
        for entry in batch {
            match entry {
                Received::Publish(publish) => messages.push(Message { at: boottime(), publish }),
                Received::Ended => return,
                _ => {}
            }
        }
    }
}
