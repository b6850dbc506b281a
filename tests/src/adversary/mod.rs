//! A scripted broker: correct where the script says nothing, and wrong exactly as it says.
//!
//! It also is a control room: the test reads what arrived and answers with
//! [`AdversarialBroker::publish`].

mod connection;
mod script;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use gatehouse_core::time::Mono;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::mqtt::{Connect, Publish};
use crate::ports::Port;
use crate::record::Record;

pub use script::{Acks, Behaviour, ConnectAnswer, Cut, CutHow};

/// A PUBLISH that arrived, and what became of it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// On which connection, counted from 1.
    pub connection: u64,
    /// The message, with its packet id and DUP flag.
    pub publish: Publish,
    /// When it was read.
    pub at: Mono,
    /// How many messages with QoS 1 were unanswered on the connection then, this one included.
    pub open: usize,
    /// The reason code of its PUBACK once that was written; below 0x80 the broker has committed it.
    pub answer: Option<u8>,
}

impl Arrival {
    /// Whether the broker has told the sender that it holds this message.
    pub fn committed(&self) -> bool {
        self.publish.qos == 0 || self.answer.is_some_and(|code| code < 0x80)
    }
}

/// A step in a connection's life.
#[derive(Clone, Debug)]
pub enum Step {
    /// A CONNECT arrived.
    Connect(u64, Connect),
    /// A SUBSCRIBE arrived for these filters.
    Subscribe(u64, Vec<String>),
    /// The client said goodbye.
    Disconnect(u64),
    /// The connection is over.
    Ended(u64),
}

/// What a test orders a living connection to do.
#[derive(Debug)]
enum Order {
    /// Send this to the client.
    Publish(Publish),
    /// Answer everything that [`Acks::Held`] holds back.
    Release,
    /// RST.
    Reset,
}

/// What all connections share.
struct Shared {
    script: Box<dyn Fn(u64) -> Behaviour + Send + Sync>,
    arrivals: Record<Arrival>,
    steps: Record<Step>,
    /// The way to each living connection.
    living: Mutex<BTreeMap<u64, mpsc::Sender<Order>>>,
}

/// A running scripted broker; it ends with its handle.
pub struct AdversarialBroker {
    port: Port,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl AdversarialBroker {
    /// Listens; `script` says how connection number n (from 1) behaves.
    pub async fn start(
        script: impl Fn(u64) -> Behaviour + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::start_on(Port::hold()?, script).await
    }

    /// The same on the port of one that was [stopped](Self::stop).
    pub async fn start_on(
        port: Port,
        script: impl Fn(u64) -> Behaviour + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(port.address())
            .await
            .with_context(|| format!("listen on {}", port.address()))?;
        let shared = Arc::new(Shared {
            script: Box::new(script),
            arrivals: Record::default(),
            steps: Record::default(),
            living: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, tasks })
    }

    /// Ends it, with all its connections; its port stays held.
    pub async fn stop(mut self) -> Port {
        self.tasks.shutdown().await;
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Every PUBLISH that arrived, in order.
    pub fn arrivals(&self) -> &Record<Arrival> {
        &self.shared.arrivals
    }

    /// Every other step of every connection, in order.
    pub fn steps(&self) -> &Record<Step> {
        &self.shared.steps
    }

    /// Sends a message on every living connection; returns how many there are.
    ///
    /// With QoS 1 the message's own packet id is used: the test chooses it.
    pub async fn publish(&self, publish: &Publish) -> usize {
        self.order(|| Order::Publish(publish.clone())).await
    }

    /// Answers everything that [`Acks::Held`] holds back on living connections.
    pub async fn release(&self) -> usize {
        self.order(|| Order::Release).await
    }

    /// Resets every living connection.
    pub async fn reset(&self) -> usize {
        self.order(|| Order::Reset).await
    }

    async fn order(&self, order: impl Fn() -> Order) -> usize {
        let living: Vec<_> = self.shared.living().values().cloned().collect();
        let mut told = 0;
        for connection in living {
            told += usize::from(connection.send(order()).await.is_ok());
        }
        told
    }
}

impl std::fmt::Debug for AdversarialBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdversarialBroker").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Shared {
    fn living(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Order>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                number += 1;
                // A few orders may queue while a script makes the connection wait.
                let (orders, inbox) = mpsc::channel(64);
                shared.living().insert(number, orders);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    connection::serve(number, stream, inbox, &shared).await;
                    shared.living().remove(&number);
                    shared.steps.push(Step::Ended(number));
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
