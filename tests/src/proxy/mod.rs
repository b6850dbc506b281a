//! A TCP proxy between gateway and broker that breaks in every way a network can.
//!
//! The fault can be changed while connections flow. A fault that takes bytes away
//! ([`Fault::Swallow`]) makes a connection useless for good, as the broken cable would: when the
//! fault is over, such a connection is reset; only new ones pass.

mod frames;
mod pump;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ports::Port;
use crate::record::Record;
use crate::wait::SOON;

/// One way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the gateway to the broker.
    Up,
    /// From the broker to the gateway.
    Down,
}

/// What the network does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing wrong.
    #[default]
    None,
    /// Every byte comes so much later.
    Latency(Duration),
    /// Nothing is read any more in either way: buffers fill, then writers block. Healed by
    /// [`Fault::None`] without a loss.
    Stall,
    /// The same, one way only.
    StallWay(Way),
    /// Half-open: both ends can write, nothing arrives, and nobody is told.
    Swallow,
    /// Half-open one way: the other still gets through.
    SwallowWay(Way),
    /// Connection refused; those that exist are reset.
    Refuse,
    /// After so many more bytes in this way over all connections, that connection is reset.
    CutAfterBytes(Way, u64),
    /// After so many more whole MQTT packets of this type (see [`crate::mqtt::kind`]) in this way,
    /// the connection is reset. The last of them is still delivered.
    CutAfterPackets(Way, u8, u64),
}

/// How much has passed, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Bytes delivered from gateway to broker.
    pub up: u64,
    /// Bytes delivered from broker to gateway.
    pub down: u64,
    /// Bytes taken away.
    pub swallowed: u64,
    /// Connections that were reset or closed by a fault or by the test.
    pub cut: u64,
}

/// How a test ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// RST to both ends.
    Reset,
    /// FIN to both ends.
    Close,
    /// RST to the sending end; FIN to the receiving one, behind what was let through.
    CutAfter(Way),
}

/// State shared between the handle, the listener and all pumps.
#[derive(Debug)]
struct Shared {
    fault: watch::Sender<Fault>,
    /// Counts the orders to end all connections; the second is how.
    ends: watch::Sender<(u64, End)>,
    /// What is left of a `CutAfter…`.
    budget: AtomicU64,
    accepted: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    swallowed: AtomicU64,
    cut: AtomicU64,
    /// A line per accepted or ended connection.
    story: Record<Step>,
}

/// A step in the life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This connection (counted from 1) began.
    Accepted(u64),
    /// It ended.
    Ended(u64),
}

/// A running proxy; it ends with its handle.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a port of its own and connects every client to `target`.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let port = Port::hold()?;
        let shared = Arc::new(Shared {
            fault: watch::Sender::new(Fault::None),
            ends: watch::Sender::new((0, End::Reset)),
            budget: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            story: Record::default(),
        });
        let listener = listen(port.address()).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, port.address(), target, Arc::clone(&shared)));
        Ok(Self { port, shared, _tasks: tasks })
    }

    /// Where the gateway connects to.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// From now on the network is like this.
    pub fn set(&self, fault: Fault) {
        if let Fault::CutAfterBytes(_, budget) | Fault::CutAfterPackets(_, _, budget) = fault {
            self.shared.budget.store(budget, Ordering::SeqCst);
        }
        self.shared.fault.send_replace(fault);
    }

    /// Resets every accepted connection now; new ones are as the fault says.
    pub fn reset_all(&self) {
        self.shared.ends.send_modify(|(count, how)| (*count, *how) = (*count + 1, End::Reset));
    }

    /// Closes every accepted connection now, with FIN to both ends.
    pub fn close_all(&self) {
        self.shared.ends.send_modify(|(count, how)| (*count, *how) = (*count + 1, End::Close));
    }

    /// What has passed so far.
    pub fn counters(&self) -> Counters {
        let load = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counters {
            accepted: load(&self.shared.accepted),
            up: load(&self.shared.up),
            down: load(&self.shared.down),
            swallowed: load(&self.shared.swallowed),
            cut: load(&self.shared.cut),
        }
    }

    /// Waits until connection number `count` was accepted.
    pub async fn accepted(&self, count: u64) -> anyhow::Result<()> {
        let find = |story: &[Step]| story.contains(&Step::Accepted(count)).then_some(());
        self.shared.story.wait_for(&format!("connection {count}"), SOON, find).await
    }

    /// Waits until connection number `count` has ended.
    pub async fn ended(&self, count: u64) -> anyhow::Result<()> {
        let find = |story: &[Step]| story.contains(&Step::Ended(count)).then_some(());
        self.shared.story.wait_for(&format!("the end of connection {count}"), SOON, find).await
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Accepts while the fault is not [`Fault::Refuse`]; then the listening socket is really gone.
async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    shared: Arc<Shared>,
) {
    let mut listener = Some(listener);
    let mut fault = shared.fault.subscribe();
    let mut connections = JoinSet::new();
    loop {
        let refuse = *fault.borrow_and_update() == Fault::Refuse;
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = listen(address).await.ok();
        }
        let Some(open) = &listener else {
            if fault.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = fault.changed() => if changed.is_err() { return },
            accepted = open.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
                connections.spawn(serve(number, client, target, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(number: u64, client: TcpStream, target: SocketAddr, shared: Arc<Shared>) {
    let mut ends = shared.ends.subscribe();
    ends.borrow_and_update();
    shared.story.push(Step::Accepted(number));
    // A broker that is down looks to the gateway like one that closes at once.
    if let Ok(broker) = TcpStream::connect(target).await {
        // Only the network under test may delay anything.
        let _ = client.set_nodelay(true);
        let _ = broker.set_nodelay(true);
        pump::connection(client, broker, ends, &shared).await;
    }
    shared.story.push(Step::Ended(number));
}
