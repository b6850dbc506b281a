//! Why the demo cannot run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::child::broker;
use crate::truth::TruthError;
use crate::world::ListenError;

/// Why the demo cannot run, or not on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// Mostly another demo runs.
    #[error(
        "the page cannot listen on 127.0.0.1:{port}: {source}; give another port with --port, or 0 for any free one"
    )]
    Page { port: u16, source: io::Error },
    /// A folder that cannot be written, or is not empty.
    #[error("the folder {dir} cannot be used: {source}; --keep takes an empty or a new folder", dir = dir.display())]
    Folder { dir: PathBuf, source: io::Error },
    #[error(transparent)]
    Wiring(#[from] ListenError),
    #[error(transparent)]
    Broker(#[from] broker::StartError),
    /// The control room did not start, or ended by itself.
    #[error("the control room cannot run: {0}")]
    Room(String),
    /// The box's process or its log.
    #[error("the box cannot be started or stopped: {0}")]
    Box(#[source] io::Error),
    /// The broker's process.
    #[error("the broker cannot be stopped: {0}")]
    Part(#[source] io::Error),
    /// A bug of the daemon, or a machine that lacks what it needs.
    #[error("the box ended by itself; the end of its log:\n{log}")]
    BoxEnded { log: String },
    /// An overloaded machine, or a bug.
    #[error("box and control room have not met within {limit:?}; the end of the box's log:\n{log}")]
    NotMet { limit: Duration, log: String },
    /// A second Ctrl-C.
    #[error("stopped at once, as asked; nothing was counted")]
    Impatient,
    #[error(transparent)]
    Truth(#[from] TruthError),
    /// The runtime or the signal handlers.
    #[error("this machine refuses what every program needs: {0}")]
    System(#[source] io::Error),
}
