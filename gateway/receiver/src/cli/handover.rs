//! `handover`: incidents to and from other control rooms, by way of the running receiver.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use clap::Subcommand;
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::Id;
use gatehouse_core::site::CloseReason;

use super::Failed;
use super::operate::{self, At, NOT_DONE, ask_for, place};
use crate::control::{Outcome, Wish};
use crate::handover::{self, Handover, HandoverOutcome, HandoverView, HandoverWish, Side};

/// The database's commit, and a bundle that is made of a large log.
const PATIENCE: Duration = Duration::from_secs(60);

/// An operator of this room, and its receiver.
#[derive(Debug, clap::Args)]
pub(super) struct By {
    #[command(flatten)]
    at: At,
    /// Who does it: the control room's id of the operator, never a name; without it the number of
    /// the system's user.
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
}

impl By {
    fn apart(self) -> (At, String) {
        let user = || format!("uid-{}", rustix::process::geteuid().as_raw());
        (self.at, self.operator.unwrap_or_else(user))
    }
}

/// What is wanted of handovers.
#[derive(Debug, Subcommand)]
pub(super) enum HandoverCommand {
    /// Offer an open incident to another control room; it stays ours until that accepts.
    #[command(after_help = "\
Example:
  gatehouse-receiver handover offer g-7f3a a12 --to south --db d-1.db --operator op-7
Exit 0: the offer is kept, and on its way. `handover list` says what came of it.")]
    Offer {
        /// The gateway's id, or SITE/GATEWAY where two sites have the same.
        #[arg(value_parser = place)]
        gateway: String,
        /// The incident's id, as `incidents` shows it.
        incident: Id,
        /// The other room's name, as the peers' file has it.
        #[arg(long, value_name = "ROOM")]
        to: Id,
        #[command(flatten)]
        by: By,
    },
    /// Take an incident that another room offers: from then on we act.
    Accept {
        /// The handover's id, as `handover list` shows it.
        id: Id,
        #[command(flatten)]
        by: By,
    },
    /// Do not take it; it stays the other room's.
    Refuse {
        /// The handover's id.
        id: Id,
        /// Why, for the other room's operators.
        #[arg(long, value_name = "TEXT")]
        why: String,
        #[command(flatten)]
        by: By,
    },
    /// Take an offer back that nobody has answered, to offer the incident to another room.
    Withdraw {
        /// The handover's id.
        id: Id,
        #[command(flatten)]
        by: By,
    },
    /// Act on an incident that was taken over: the other room hands it to the gateway.
    #[command(after_help = "\
Examples:
  gatehouse-receiver handover act h-5c0e6d1b7f22 ack --db d-2.db --operator op-9
  gatehouse-receiver handover act h-5c0e6d1b7f22 note --text 'patrol goes' --db d-2.db
  gatehouse-receiver handover act h-5c0e6d1b7f22 close --reason false --db d-2.db
Exit 0: it is kept, and on its way. `handover list` shows what came of it.")]
    Act {
        /// The handover's id.
        id: Id,
        /// ack, note, escalate or close.
        #[arg(value_name = "ACT", value_parser = op)]
        act: AlarmOp,
        /// Of a note: what is to be known.
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
        /// Of a close: what it was: real, false, test or unknown.
        #[arg(long, value_name = "REASON", value_parser = operate::reason)]
        reason: Option<CloseReason>,
        #[command(flatten)]
        by: By,
    },
    /// Print every open handover and those of the last week, with what is owed and since when.
    List {
        #[command(flatten)]
        at: At,
        /// Each as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the bundle that came with an offer into a file, for `verify --bundle`.
    Bundle {
        /// The handover's id.
        id: Id,
        /// Where it is written. A file that is there is never replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

fn op(word: &str) -> Result<AlarmOp, String> {
    match word {
        "ack" => Ok(AlarmOp::Ack),
        "note" => Ok(AlarmOp::Note),
        "escalate" => Ok(AlarmOp::Escalate),
        "close" => Ok(AlarmOp::Close),
        _ => Err("allowed are ack, note, escalate and close".to_owned()),
    }
}

fn ask(at: &At, wish: HandoverWish) -> Result<HandoverOutcome, Failed> {
    match ask_for(at, &Wish::Handover { wish }, PATIENCE)? {
        Outcome::Handover(outcome) => Ok(outcome),
        Outcome::Error(why) => Err(Failed::new(NOT_DONE, why)),
        _ => Err(Failed::new(70, "the receiver answered something else")),
    }
}

pub(super) fn run(command: HandoverCommand) -> Result<ExitCode, Failed> {
    let (at, wish, json, file) = match command {
        HandoverCommand::Offer { gateway, incident, to, by } => {
            let (at, operator) = by.apart();
            (at, HandoverWish::Offer { gateway, incident, to, operator }, false, None)
        }
        HandoverCommand::Accept { id, by } => {
            let (at, operator) = by.apart();
            (at, HandoverWish::Accept { id, operator }, false, None)
        }
        HandoverCommand::Refuse { id, why, by } => {
            let (at, operator) = by.apart();
            (at, HandoverWish::Refuse { id, operator, why }, false, None)
        }
        HandoverCommand::Withdraw { id, by } => {
            let (at, operator) = by.apart();
            (at, HandoverWish::Withdraw { id, operator }, false, None)
        }
        HandoverCommand::Act { id, act, text, reason, by } => {
            if (act == AlarmOp::Note) != text.is_some() {
                return Err(Failed::new(64, "--text is for a note, and a note needs it"));
            }
            if reason.is_some() && act != AlarmOp::Close {
                return Err(Failed::new(64, "--reason is for a close"));
            }
            let (at, operator) = by.apart();
            (at, HandoverWish::Act { id, op: act, operator, text, reason }, false, None)
        }
        HandoverCommand::List { at, json } => (at, HandoverWish::List, json, None),
        HandoverCommand::Bundle { id, out, at } => {
            (at, HandoverWish::Bundle { id }, false, Some(out))
        }
    };
    let mut out = io::stdout().lock();
    match (ask(&at, wish)?, file) {
        (HandoverOutcome::List(all), _) => {
            for one in &all {
                if json {
                    writeln!(out, "{}", serde_json::to_string(one).map_err(io::Error::from)?)?;
                } else {
                    writeln!(out, "{}", line(one))?;
                }
            }
            if all.is_empty() && !json {
                writeln!(out, "no handover")?;
            }
        }
        (HandoverOutcome::Kept(id), _) => writeln!(out, "{id}")?,
        (HandoverOutcome::Act(number), _) => writeln!(out, "act {number} is on its way")?,
        (HandoverOutcome::Bundle(text), Some(path)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            let bytes = bytes.map_err(|error| Failed::new(70, error))?;
            let cannot = |error: io::Error| Failed::new(77, format!("{}: {error}", path.display()));
            let mut options = OpenOptions::new();
            let new = options.write(true).create_new(true).mode(0o600).open(&path);
            let mut new = new.map_err(cannot)?;
            new.write_all(&bytes).and_then(|()| new.sync_all()).map_err(cannot)?;
        }
        (HandoverOutcome::Bundle(_), None) => {
            return Err(Failed::new(70, "the receiver answered something else"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One handover for people.
fn line(view: &HandoverView) -> String {
    let Handover { id, peer, side, state, gateway, site, incident, offered, .. } = &view.handover;
    let way = match side {
        Side::Given => "to",
        Side::Taken => "from",
    };
    let danger = incident.danger.as_str();
    let mut text = format!(
        "{id}  {way:<4} {peer:<12} {:<8}  {} {danger}, {gateway}, {site}; offered by {} at {}",
        state.as_str(),
        incident.id,
        offered.by,
        offered.at
    );
    let mut more = |what: String| {
        text.push_str("; ");
        text.push_str(&what);
    };
    if let Some(answered) = &view.handover.answered {
        more(format!("answered by {} at {}", answered.by, answered.at));
    }
    if let Some(why) = &view.handover.why {
        more(format!("refused: {why}"));
    }
    if let Some(last) = view.handover.acts.last() {
        let came = match &last.outcome {
            None => "not known to be done".to_owned(),
            Some(handover::Outcome::Done(seq)) => format!("done, event {seq}"),
            Some(handover::Outcome::Failed(why)) => format!("not done: {why}"),
        };
        more(format!("act {} by {}: {came}", last.number, last.operator));
    }
    if let Some(owed) = &view.owed {
        let trouble = owed.trouble.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
        let (since, count) = (owed.since, owed.messages);
        more(format!("OWED since {since}: {}, {count} messages{trouble}", owed.kind));
    }
    text
}
