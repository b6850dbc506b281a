//! `incidents`, `ack`, `note`, `escalate`, `close`: an operator's hands, by way of the receiver
//! that runs on the same database.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::Id;
use gatehouse_core::site::CloseReason;

use super::{Failed, table};
use crate::control::{Outcome, Wish, socket_of};
use crate::operator::{ACT_WITHIN, Place};
use crate::store::Database;

/// Beyond the receiver's own time limit: then it is the receiver that hangs.
const PATIENCE: Duration = ACT_WITHIN.saturating_add(Duration::from_secs(5));

/// Exit code: it was not done.
pub(super) const NOT_DONE: u8 = 1;

/// Which incident, and who.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The gateway's id, or SITE/GATEWAY where two sites have the same.
    #[arg(value_parser = place)]
    gateway: String,
    /// The incident's id, as `incidents` shows it.
    incident: Id,
    #[command(flatten)]
    at: At,
    /// Who does it: the control room's id of the operator, never a name; without it the number of
    /// the system's user.
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
}

/// At which receiver.
#[derive(Debug, Args)]
pub(super) struct At {
    /// The database file of the running receiver.
    #[arg(long, value_name = "FILE", required_unless_present = "socket")]
    db: Option<PathBuf>,
    /// The --socket of the running receiver, as with a PostgreSQL server.
    #[arg(long, value_name = "FILE", conflicts_with = "db")]
    socket: Option<PathBuf>,
}

impl At {
    fn socket(&self) -> PathBuf {
        let beside = self.db.clone().and_then(|db| socket_of(&Database::File(db)));
        self.socket.clone().or(beside).unwrap_or_default()
    }
}

pub(super) fn place(text: &str) -> Result<String, String> {
    text.parse::<Place>().map(|place| place.to_string()).map_err(|error| error.to_string())
}

pub(super) fn incidents(at: &At, json: bool) -> Result<ExitCode, Failed> {
    let Outcome::Incidents(listed) = ask(at, &Wish::Incidents)? else {
        return Err(Failed::new(70, "the receiver answered something else"));
    };
    let mut out = io::stdout().lock();
    for one in &listed {
        if json {
            writeln!(out, "{}", serde_json::to_string(one).map_err(io::Error::from)?)?;
        } else {
            writeln!(out, "{}", table::listed(one))?;
        }
    }
    if listed.is_empty() && !json {
        writeln!(out, "no open incident")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn reason(word: &str) -> Result<CloseReason, String> {
    CloseReason::from_word(word).ok_or_else(|| {
        format!("allowed are {}", CloseReason::ALL.map(CloseReason::as_str).join(", "))
    })
}

pub(super) fn act(of: Of, op: AlarmOp, text: Option<String>) -> Result<ExitCode, Failed> {
    done(of, op, text, None)
}

pub(super) fn close(of: Of, reason: Option<CloseReason>) -> Result<ExitCode, Failed> {
    done(of, AlarmOp::Close, None, reason)
}

fn done(
    of: Of,
    op: AlarmOp,
    text: Option<String>,
    reason: Option<CloseReason>,
) -> Result<ExitCode, Failed> {
    let Of { gateway, incident, at, operator } = of;
    let operator = operator.unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        format!("uid-{user}")
    });
    match ask(&at, &Wish::Act { gateway, incident, op, operator, text, reason })? {
        Outcome::Done(seq) => {
            writeln!(io::stdout(), "done; the gateway's event {seq} is committed")?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Error(why) => Err(Failed::new(NOT_DONE, why)),
        _ => Err(Failed::new(70, "the receiver answered something else")),
    }
}

fn ask(at: &At, wish: &Wish) -> Result<Outcome, Failed> {
    ask_for(at, wish, PATIENCE)
}

/// The same of a wish that may take so long.
pub(super) fn ask_for(at: &At, wish: &Wish, patience: Duration) -> Result<Outcome, Failed> {
    let socket = at.socket();
    let shown = socket.display();
    let mut stream = UnixStream::connect(&socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Failed::new(
            77,
            format!("{shown}: {error}; this is for the user that runs the receiver"),
        ),
        _ => Failed::new(
            NOT_DONE,
            format!(
                "no receiver runs on {} ({shown}: {error}); start it with `gatehouse-receiver run` \
                 or `watch`",
                at.db.as_ref().unwrap_or(&socket).display()
            ),
        ),
    })?;
    let broken = |error| Failed::new(70, format!("the receiver does not answer: {error}"));
    stream.set_read_timeout(Some(patience)).map_err(broken)?;
    let mut line = serde_json::to_string(wish).map_err(io::Error::from)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(broken)?;
    serde_json::from_str(&answer)
        .map_err(|error| Failed::new(70, format!("the receiver's answer cannot be read: {error}")))
}
