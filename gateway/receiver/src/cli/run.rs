//! `run`: receives until stopped.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Failed;
use super::log::{self, LogFormat};
use super::metrics::{self, MetricsArgs};
use super::receive::Receive;
use super::wall::{self, WallArgs};
use crate::config::ReceiverConfig;
use crate::control::Control;
use crate::handle::{Handle, Receiver, StartError};
use crate::handover::RoomError;
use crate::snapshot::Committed;

/// How long a stop waits for whoever reads the lines.
const LAST_LINES: Duration = Duration::from_secs(2);

pub(super) fn run(
    receive: Receive,
    jsonl: bool,
    log_format: LogFormat,
    wall: WallArgs,
    metrics: MetricsArgs,
) -> Result<ExitCode, Failed> {
    log::to_stderr(log_format);
    let (config, socket) = receive.config()?;
    let wall = wall.config(&config.database)?;
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let mut handle = start(config).await?;
        let _desk = desk(socket, &handle);
        let _metrics = metrics::serve(metrics, &handle).await?;
        let _wall = match wall {
            Some(wall) => Some(wall::serve(wall, &handle).await?),
            None => None,
        };
        let printer = jsonl.then(|| printer(handle.subscribe())).transpose()?;
        let (unread, printed) = printer.unzip();
        let failed = tokio::select! {
            ended = handle.ended() => Some(Failed::new(70, ended)),
            () = signals.next() => None,
            () = until(unread) => None,
        };
        let code = stop(handle, &mut signals, failed).await;
        // What was committed last is printed too, if somebody reads.
        if printed.is_some() && timeout(LAST_LINES, until(printed)).await.is_err() {
            tracing::warn!("nobody reads stdout; `query` has the rest");
        }
        code
    })
}

/// Until the printing thread has said so; without one, never.
async fn until(said: Option<oneshot::Receiver<()>>) {
    match said {
        // Dropped without a word is said as well.
        Some(said) => drop(said.await),
        None => std::future::pending().await,
    }
}

/// Prints every committed event until the receiver is gone, on its own thread: a pipe that nobody
/// reads must not keep the receiver from its work. The first channel tells that nobody reads any
/// more, the second that all is printed.
fn printer(
    mut events: broadcast::Receiver<Arc<Committed>>,
) -> Result<(oneshot::Receiver<()>, oneshot::Receiver<()>), Failed> {
    let (unread, is_unread) = oneshot::channel();
    let (printed, is_printed) = oneshot::channel();
    let print = move || {
        let mut out = BufWriter::new(io::stdout());
        loop {
            // What has come together is written together; nothing waits for more to come.
            let flushed = if events.is_empty() { out.flush() } else { Ok(()) };
            let written = flushed.and_then(|()| match events.blocking_recv() {
                Ok(event) => line(&mut out, &event).map(|()| true),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "stdout is too slow; `query` has the rest");
                    writeln!(out, "{{\"missed\":{missed}}}").map(|()| true)
                }
                Err(RecvError::Closed) => out.flush().map(|()| false),
            });
            match written {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        tracing::error!(%error, "cannot write to stdout");
                    }
                    let _ = unread.send(());
                    break;
                }
            }
        }
        let _ = printed.send(());
    };
    thread::Builder::new()
        .name("printer".to_owned())
        .spawn(print)
        .map_err(|error| Failed::new(70, format!("cannot start a thread: {error}")))?;
    Ok((is_unread, is_printed))
}

fn line(out: &mut impl Write, event: &Committed) -> io::Result<()> {
    write!(
        out,
        "{{\"site\":\"{}\",\"gateway\":\"{}\",\"seq\":{},\"recv\":\"{}\",\"duplicate\":{},\
         \"replayed\":{},\"event\":",
        event.address.site,
        event.address.gateway,
        event.seq,
        event.received.utc,
        event.duplicate,
        event.replayed
    )?;
    out.write_all(&event.body)?;
    out.write_all(b"}\n")
}

pub(super) async fn start(config: ReceiverConfig) -> Result<Handle, Failed> {
    Receiver::start(config).await.map_err(|error| match error {
        StartError::Open(error) => error.into(),
        StartError::Security(_)
        | StartError::NoLedger
        | StartError::Room(RoomError::NoDatabase) => Failed::new(64, error),
        StartError::Roster(ref roster) => {
            Failed::new(if roster.is_unreadable() { 77 } else { 78 }, roster)
        }
        StartError::Room(RoomError::Mistakes { .. }) => Failed::new(78, error),
        StartError::Room(RoomError::Key(_) | RoomError::Unreadable { .. }) => {
            Failed::new(77, error)
        }
        StartError::Thread(_) => Failed::new(70, error),
    })
}

/// Opens the operators' desk at this socket, for as long as the value lives. Without it the
/// receiver receives all the same.
pub(super) fn desk(socket: Option<PathBuf>, handle: &Handle) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let Some(socket) = socket else {
        tracing::warn!("no control socket: give --socket FILE to acknowledge incidents from here");
        return tasks;
    };
    match Control::open(socket.clone()) {
        Ok(control) => drop(tasks.spawn(control.serve(handle.operator()))),
        Err(error) => {
            tracing::error!(%error, socket = %socket.display(),
                "no control socket: incidents cannot be acknowledged from here");
        }
    }
    tasks
}

/// Stops in order; a second signal does not wait for that.
pub(super) async fn stop(
    handle: Handle,
    signals: &mut Signals,
    failed: Option<Failed>,
) -> Result<ExitCode, Failed> {
    tokio::select! {
        () = handle.stop() => {}
        () = signals.next() => tracing::warn!("a second signal: stopped at once"),
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    // One thread: the connection's two halves and the printing hardly compete, and the database
    // has its own.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(70, format!("cannot start the runtime: {error}")))
}

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failed> {
        let of = |kind| {
            signal(kind).map_err(|error| Failed::new(70, format!("no signal handler: {error}")))
        };
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
