//! The embedded broker: MQTT 5 and 3.1.1 on one loopback port, in a process of its own.
//!
//! It keeps everything in memory and runs as a child, so that "cut" is SIGKILL: sessions, queued
//! messages, retained states and acknowledged but undelivered events are gone with it. That is the
//! worst broker a gateway can meet, which is the point.
//!
//! It is also the demo's stop-watch: the time at which a PUBLISH arrives is taken inside the
//! broker, before it is routed, and written to standard output as one JSON line ([`Passed`]).
//! The time from an edge to that moment thus includes the way over loopback TCP into the broker,
//! but neither the broker's routing nor its PUBACK.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::contract::{GatewayState, Receipt, Status};
use gatehouse_core::event::{Event, Flag};
use gatehouse_core::topic::Address;
use mqtt5::broker::config::{StorageBackend, StorageConfig};
use mqtt5::broker::events::{BrokerEventHandler, ClientPublishEvent, PublishAction};
use mqtt5::broker::{BrokerConfig, MqttBroker};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::sync::mpsc;

use crate::clock;

/// Reports that may wait for the pipe. When the demo does not read, the newest are dropped: a
/// witness must never hold up the broker.
const REPORTS_QUEUED: usize = 1024;

/// Clients: the box, the receiver, and whoever looks in with a tool of their own.
const MAX_CLIENTS: usize = 64;

/// One event's PUBLISH has reached the broker.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// The event.
    pub(crate) seq: u64,
    /// From the edge to the broker, in nanoseconds of `CLOCK_BOOTTIME`.
    pub(crate) took_ns: u64,
    /// The edge came while the box was online here, so `took_ns` is the way and not the wait.
    pub(crate) live: bool,
}

/// What the broker saw pass.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Passed {
    /// An event, on its way up.
    Event(Arrival),
    /// A receipt for everything up to this number, on its way to the box.
    Receipt(u64),
}

/// The first line of the child, so that the demo knows when and where the broker listens.
#[derive(Serialize, Deserialize)]
struct Listening {
    port: u16,
}

/// The child: runs the broker until it is killed.
pub(crate) fn run(port: u16) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the broker has no runtime");
            return ExitCode::from(70);
        }
    };
    match runtime.block_on(serve(port)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, port, "the broker cannot run");
            ExitCode::from(70)
        }
    }
}

async fn serve(port: u16) -> Result<(), mqtt5::MqttError> {
    let (reports, queue) = mpsc::channel(REPORTS_QUEUED);
    let config = BrokerConfig {
        bind_addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))],
        max_clients: MAX_CLIENTS,
        storage_config: StorageConfig {
            backend: StorageBackend::Memory,
            ..StorageConfig::default()
        },
        sys_topics_enabled: false,
        event_handler: Some(Arc::new(StopWatch { reports })),
        ..BrokerConfig::default()
    };
    let mut broker = MqttBroker::with_config(config).await?;
    let port = broker.local_addr().map_or(port, |address| address.port());
    tokio::select! {
        ended = broker.run() => ended,
        // The pipe breaks when the demo is gone, and then so is the reason to run.
        written = report(port, queue) => written.map_err(|error| mqtt5::MqttError::Io(error.to_string())),
    }
}

/// Writes the port and then every report to the demo.
async fn report(port: u16, mut queue: mpsc::Receiver<(u64, ClientPublishEvent)>) -> io::Result<()> {
    let mut out = tokio::io::stdout();
    let mut line = serde_json::to_vec(&Listening { port })?;
    line.push(b'\n');
    out.write_all(&line).await?;
    out.flush().await?;
    let mut online_since = None;
    while let Some((at, publish)) = queue.recv().await {
        let Some(passed) = passed(at, &publish, &mut online_since) else { continue };
        let mut line = serde_json::to_vec(&passed)?;
        line.push(b'\n');
        out.write_all(&line).await?;
        out.flush().await?;
    }
    Ok(())
}

/// What a PUBLISH tells, if it is an event or a receipt. The box's `status` says since when it is
/// online on its present connection.
fn passed(at: u64, publish: &ClientPublishEvent, online_since: &mut Option<u64>) -> Option<Passed> {
    let (_, rest) = Address::parse(&publish.topic)?;
    match rest {
        "receipt" => {
            let receipt: Receipt = serde_json::from_slice(&publish.payload).ok()?;
            Some(Passed::Receipt(receipt.upto.0))
        }
        "status" => {
            let status: Status = serde_json::from_slice(&publish.payload).ok()?;
            *online_since = (status.state == GatewayState::Online).then_some(at);
            None
        }
        _ => {
            rest.strip_prefix("ev/")?;
            let event: Event = serde_json::from_slice(&publish.payload).ok()?;
            let edge = event.draft.time.mono_ns.0;
            // `held-open` and the gateway's own events follow no edge; what was found after a dark
            // time or by re-reading has the time of the finding.
            let swung = matches!(&*event.draft.kind, "door.opened" | "door.closed");
            let found = [Flag::Replayed, Flag::WhileDown, Flag::Resynced];
            let found = event.draft.flags.iter().any(|flag| found.contains(flag));
            Some(Passed::Event(Arrival {
                seq: event.seq.0,
                took_ns: at.saturating_sub(edge),
                live: swung && !found && online_since.is_some_and(|since| edge >= since),
            }))
        }
    }
}

/// Takes the time of each PUBLISH at the moment the broker has read it.
struct StopWatch {
    reports: mpsc::Sender<(u64, ClientPublishEvent)>,
}

impl BrokerEventHandler for StopWatch {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        let at = clock::boottime_ns();
        // Full means the demo does not read: the report is dropped, the message is not.
        let _ = self.reports.try_send((at, event));
        Box::pin(async { PublishAction::Continue })
    }
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The process could not be started; see [`super::start`].
    #[error("the broker's process cannot be started: {0}")]
    Process(#[source] io::Error),
    /// It ended before it listened; its own message stands in the log. Mostly the port is in use.
    #[error(
        "the broker ended before it listened on port {port} (0 = any free one); its reason is in the log above"
    )]
    Ended {
        /// The port that was asked for.
        port: u16,
    },
    /// It runs, but does not get to listening within [`START_LIMIT`]: an overloaded machine.
    #[error("the broker did not listen on port {port} within {START_LIMIT:?}")]
    Slow {
        /// The port that was asked for.
        port: u16,
    },
}

/// Longest wait for the broker to listen; it takes 20 ms on an idle laptop.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The broker's process, seen from the demo.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    /// Starts the broker on this port (0: any), and returns when it listens. What passes it goes to
    /// `passed` until it dies; what does not fit there is dropped.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn start(
        port: u16,
        passed: mpsc::Sender<Passed>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + use<>), StartError> {
        let arguments = ["broker".into(), "--port".into(), port.to_string().into()];
        let mut child = super::start(&arguments, Stdio::piped(), Stdio::inherit())
            .map_err(StartError::Process)?;
        let Some(stdout) = child.stdout.take() else {
            return Err(StartError::Ended { port });
        };
        let mut lines = BufReader::new(stdout);
        let mut first = String::new();
        match tokio::time::timeout(START_LIMIT, lines.read_line(&mut first)).await {
            Err(_) => return Err(StartError::Slow { port }),
            Ok(Err(_) | Ok(0)) => return Err(StartError::Ended { port }),
            Ok(Ok(_)) => {}
        }
        let Ok(listening) = serde_json::from_str::<Listening>(&first) else {
            return Err(StartError::Ended { port });
        };
        Ok((Self { child, port: listening.port }, listen(lines, passed)))
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for an end that nobody asked for. Safe to drop half way.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// SIGKILL: connections, sessions and everything it had acknowledged but not delivered.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub(crate) async fn cut(mut self) -> io::Result<()> {
        super::cut(&mut self.child).await
    }
}

/// Reads what passed until the broker's end of the pipe closes.
async fn listen(mut lines: BufReader<ChildStdout>, passed: mpsc::Sender<Passed>) {
    let mut line = String::new();
    while lines.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        // The last line before a SIGKILL may be half a line.
        if let Ok(one) = serde_json::from_str(&line) {
            let _ = passed.try_send(one);
        }
        line.clear();
    }
}
