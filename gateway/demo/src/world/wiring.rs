//! The plug of the building: a Unix socket at which the box's simulated lines connect.
//!
//! Lines of ASCII. To the box: `level <line> <0|1> <mono_ns>` for every line, then `ready`, then
//! `edge <line> <0|1> <mono_ns> <line_seqno>` as they happen. From the box: `get <line>`, answered
//! by `level …`, and `set <line> <0|1>` for outputs, of which this building has none.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::World;

/// Longest line a box may send; its longest sensible one has 8 bytes.
const MAX_LINE: u64 = 256;

/// Boxes connected at a time. A box that was just killed may still be counted for a moment.
const MAX_BOXES: usize = 8;

/// The plug could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "the simulated wiring cannot listen on {path}: {source}; the path must be writable and shorter \
     than 108 bytes (set TMPDIR to a shorter one)"
)]
pub(crate) struct ListenError {
    path: PathBuf,
    source: io::Error,
}

/// The listening plug.
#[derive(Debug)]
pub(crate) struct Wiring {
    listener: UnixListener,
}

impl Wiring {
    /// Makes the plug.
    ///
    /// # Errors
    /// [`ListenError`].
    pub(crate) fn listen(path: &Path) -> Result<Self, ListenError> {
        UnixListener::bind(path)
            .map(|listener| Self { listener })
            .map_err(|source| ListenError { path: path.to_owned(), source })
    }

    /// Serves boxes for as long as it is polled.
    pub(crate) async fn serve(self, world: World) {
        let mut boxes = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if boxes.len() < MAX_BOXES => {
                    // A failed accept is a box that went away before it was served.
                    if let Ok((stream, _)) = accepted {
                        boxes.spawn(connection(stream, world.clone()));
                    }
                }
                Some(_) = boxes.join_next() => {}
            }
        }
    }
}

/// One box, from connect to its death.
async fn connection(stream: UnixStream, world: World) {
    let (read, mut write) = stream.into_split();
    let (answers, mut lines) = world.connect();
    let sending = async {
        while let Some(line) = lines.recv().await {
            if write.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let asking = async {
        let mut read = BufReader::new(read);
        let mut line = String::new();
        loop {
            line.clear();
            match (&mut read).take(MAX_LINE).read_line(&mut line).await {
                Ok(length) if length > 0 => {}
                _ => return,
            }
            let mut words = line.split_ascii_whitespace();
            let verb = words.next();
            let number = words.next().and_then(|number| number.parse().ok());
            let level = number.filter(|_| verb == Some("get")).and_then(|n| world.level(n));
            if let Some(level) = level {
                // A box that does not read its answers has lost them; it may ask again.
                let _ = answers.try_send(level);
            } else {
                tracing::debug!(line = line.trim(), "the box asks for what is not wired");
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = asking => {}
    }
}
