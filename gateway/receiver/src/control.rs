//! The control socket of a running receiver: what `gatehouse-receiver incidents`, `ack` and their
//! like ask.
//!
//! A Unix socket beside the database file, or where `--socket` says, for the receiver's own user. A line of JSON, a [`Wish`], is
//! answered by one, an [`Outcome`]. So an operator's tool needs no password of the broker, and sees
//! what the receiver believes: a lost gateway's incidents are unknown here as on the table.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::contract::{AlarmOp, Command, CommandResult, MAX_COMMAND};
use gatehouse_core::id::Id;
use gatehouse_core::site::{CloseReason, Incident};
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::command::Prepared;
use crate::handover::{HandoverOutcome, HandoverWish};
use crate::operator::{Operator, Place};
use crate::store::Database;

/// Clients at once; the next one waits in the kernel.
const CLIENTS: usize = 16;

/// The longest wish is a command with a piece of a configuration, written as JSON in JSON.
const LONGEST_WISH: u64 = 2 * MAX_COMMAND as u64;

/// A client that says nothing in this time is not one of ours.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub(crate) enum Wish {
    /// Every open incident.
    Incidents,
    /// What a command to this gateway needs to know of it.
    Prepare {
        /// As [`crate::Place`].
        gateway: String,
    },
    /// A command, made and signed by whoever wants it.
    Command {
        /// As [`crate::Place`].
        gateway: String,
        id: Id,
        command: Command,
    },
    /// About incidents to and from other control rooms.
    Handover { wish: HandoverWish },
    /// An operator's act.
    Act {
        /// As [`crate::Place`].
        gateway: String,
        incident: Id,
        op: AlarmOp,
        operator: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Of a close.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<CloseReason>,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Incidents(Vec<Listed>),
    /// The number of the gateway's event, committed.
    Done(u64),
    Prepared {
        /// The gateway's prefix.
        prefix: String,
        nonce: Option<String>,
        now: UtcMs,
    },
    Handover(HandoverOutcome),
    /// What came of a command, for good.
    Commanded(CommandResult),
    Error(String),
}

/// One open incident in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) site: String,
    pub(crate) gateway: String,
    /// Whether the gateway lives, as on the table.
    pub(crate) life: String,
    /// The phase, or `unknown` while nobody hears of the gateway.
    pub(crate) shown: String,
    /// How long it has been open.
    pub(crate) age_s: u64,
    /// Nobody at the site may notice it.
    pub(crate) silent: bool,
    pub(crate) incident: Incident,
}

/// The socket of the receiver with this database, unless another was named: it lies beside a file,
/// and nowhere beside a server.
pub(crate) fn socket_of(database: &Database) -> Option<PathBuf> {
    let Database::File(file) = database else { return None };
    let mut name = file.as_os_str().to_owned();
    name.push(".sock");
    Some(name.into())
}

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Opens this socket.
    ///
    /// # Errors
    /// Mostly a path that is longer than a socket's may be (107 bytes), or another receiver that
    /// answers there.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another receiver answers there; give this one its own --socket",
            ));
        }
        match fs::remove_file(&path) {
            // Left by a receiver that was killed.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn serve(self, operator: Operator) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if clients.len() < CLIENTS => {
                    // A failed accept is a client that went away before it was heard.
                    let Ok((stream, _)) = accepted else { continue };
                    let operator = operator.clone();
                    clients.spawn(async move {
                        if let Err(error) = answer(stream, &operator).await {
                            tracing::debug!(%error, "a client of the control socket went away");
                        }
                    });
                }
                Some(_) = clients.join_next() => {}
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, operator: &Operator) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LONGEST_WISH)).lines();
    let Ok(line) = tokio::time::timeout(PATIENCE, lines.next_line()).await else { return Ok(()) };
    let outcome = match serde_json::from_str(line?.as_deref().unwrap_or_default()) {
        Ok(wish) => fulfil(wish, operator).await,
        Err(error) => Outcome::Error(format!("not a wish that can be read: {error}")),
    };
    let mut json = serde_json::to_vec(&outcome)?;
    json.push(b'\n');
    write.write_all(&json).await
}

async fn fulfil(wish: Wish, operator: &Operator) -> Outcome {
    let (gateway, incident, op, who, text, reason) = match wish {
        Wish::Incidents => return Outcome::Incidents(listed(operator)),
        Wish::Handover { wish } => {
            return wish.fulfil(operator).await.map_or_else(Outcome::Error, Outcome::Handover);
        }
        Wish::Prepare { gateway } => return prepare(&gateway, operator),
        Wish::Command { gateway, id, command } => {
            return send(&gateway, &id, &command, operator).await;
        }
        Wish::Act { gateway, incident, op, operator, text, reason } => {
            (gateway, incident, op, operator, text, reason)
        }
    };
    let place = match place(&gateway) {
        Ok(place) => place,
        Err(outcome) => return outcome,
    };
    let done = match (op, reason) {
        (AlarmOp::Close, Some(reason)) => operator.close(&place, &incident, &who, reason).await,
        _ => operator.act(&place, &incident, op, &who, text.as_deref()).await,
    };
    match done {
        Ok(seq) => {
            tracing::info!(gateway = %place, %incident, ?op, operator = who, "done");
            Outcome::Done(seq.0)
        }
        Err(error) => {
            tracing::warn!(gateway = %place, %incident, ?op, operator = who, %error, "not done");
            Outcome::Error(error.to_string())
        }
    }
}

fn place(gateway: &str) -> Result<Place, Outcome> {
    let wrong = |error| Outcome::Error(format!("{gateway:?} is no gateway's id: {error}"));
    gateway.parse().map_err(wrong)
}

fn prepare(gateway: &str, operator: &Operator) -> Outcome {
    let prepared = place(gateway).and_then(|place| {
        operator.prepare(&place).map_err(|error| Outcome::Error(error.to_string()))
    });
    match prepared {
        Ok(Prepared { address, nonce, now }) => {
            Outcome::Prepared { prefix: address.to_string(), nonce, now }
        }
        Err(outcome) => outcome,
    }
}

async fn send(gateway: &str, id: &Id, command: &Command, operator: &Operator) -> Outcome {
    let place = match place(gateway) {
        Ok(place) => place,
        Err(outcome) => return outcome,
    };
    let (verb, who) = (&command.verb, &command.operator);
    match operator.send(&place, id, command).await {
        Ok(result) => {
            let status = result.status.as_str();
            tracing::info!(gateway = %place, command = %id, verb, operator = who, status, "answered");
            Outcome::Commanded(result)
        }
        Err(error) => {
            tracing::warn!(gateway = %place, command = %id, verb, operator = who, %error, "not answered");
            Outcome::Error(error.to_string())
        }
    }
}

fn listed(operator: &Operator) -> Vec<Listed> {
    let (snapshot, now) = (operator.snapshot(), operator.now());
    snapshot
        .open_incidents()
        .into_iter()
        .map(|(address, gateway, view)| Listed {
            site: address.site.to_string(),
            gateway: address.gateway.to_string(),
            life: gateway.life.as_str().to_owned(),
            shown: view.shown.clone(),
            age_s: gateway.age(view, now).as_secs(),
            silent: view.is_silent(),
            incident: view.state.incident.clone(),
        })
        .collect()
}
