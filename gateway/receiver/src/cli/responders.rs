//! `responders`: what a file says, a test of it, and who was told.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use gatehouse_core::id::Id;
use serde_json::json;

use super::Failed;
use super::db::Db;
use super::run::runtime;
use crate::clock::{Clock, SystemClock};
use crate::responders::{Roster, RosterError, in_words, tell, test_message};
use crate::store::calls::{self, MOST_ROWS, Told, Wanted};

/// The words of `responders`.
#[derive(Debug, Subcommand)]
pub(super) enum RespondersCommand {
    /// Say in words what a responders' file means, or every mistake in it.
    #[command(after_help = "\
Example:
  gatehouse-receiver responders check responders.toml")]
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Tell everybody on a list, on duty or not, by each of his ways; the message says that it is a test.
    #[command(after_help = "\
Example:
  gatehouse-receiver responders test responders.toml patrol
Exit 1: somebody could not be told by one of his ways.")]
    Test {
        /// The file.
        file: PathBuf,
        /// The list.
        list: Id,
    },
    /// Print who was told of incidents, and who could not be, the latest last.
    #[command(after_help = "\
Examples:
  gatehouse-receiver responders log --db d-1.db
  gatehouse-receiver responders log --db d-1.db --incident a12 --json | jq .why")]
    Log {
        #[command(flatten)]
        db: Db,
        /// Only of incidents of this id.
        #[arg(long, value_name = "ID")]
        incident: Option<Id>,
        /// Each as a line of JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn responders(command: RespondersCommand) -> Result<ExitCode, Failed> {
    match command {
        RespondersCommand::Check { file } => {
            io::stdout().write_all(in_words(&read(&file)?).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        RespondersCommand::Test { file, list } => test(&read(&file)?, &list),
        RespondersCommand::Log { db, incident, json } => log(db, incident, json),
    }
}

fn read(file: &Path) -> Result<Roster, Failed> {
    Roster::read(file).map_err(|error: RosterError| {
        Failed::new(if error.is_unreadable() { 77 } else { 78 }, error)
    })
}

fn test(roster: &Roster, list: &Id) -> Result<ExitCode, Failed> {
    let Some(of) = roster.lists.get(list) else {
        let known: Vec<_> = roster.lists.keys().map(Id::as_str).collect();
        let known = known.join(", ");
        return Err(Failed::new(64, format!("no [list.{list}]; there is {known}")));
    };
    let now = SystemClock.now().utc.0;
    let mut failed = false;
    for name in &of.members {
        let Some(member) = roster.member(name) else { continue };
        for way in &member.ways {
            let message = test_message(&format!("test-{now}-{list}-{name}"), member);
            let told = runtime()?.block_on(tell(roster, way, &message));
            let mut out = io::stdout();
            match told {
                Ok(()) => writeln!(out, "told {name} by {}", way.kind())?,
                Err(why) => {
                    failed = true;
                    writeln!(out, "could not tell {name} by {}: {why}", way.kind())?;
                }
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn log(db: Db, incident: Option<Id>, json: bool) -> Result<ExitCode, Failed> {
    let mut ledger = calls::open_to_read(&db.database()?)?;
    let wanted = Wanted { incident, most: MOST_ROWS, ..Wanted::default() };
    let mut out = io::stdout().lock();
    for told in ledger.told(None, &wanted)? {
        if json {
            writeln!(out, "{}", line_of_json(&told))?;
        } else {
            writeln!(out, "{}", line(&told))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(told: &Told) -> String {
    let outcome = &told.outcome;
    let place = format!("{}/{} {} {}", told.site, told.gateway, told.incident, told.kind);
    let next = outcome.next.map_or_else(String::new, |at| format!("; next try {at}"));
    let what = match (&outcome.member, &outcome.result) {
        (Some(member), Ok(())) => format!("told {member} by {}", outcome.way),
        (Some(member), Err(why)) => {
            format!("could not tell {member} by {}: {why}{next}", outcome.way)
        }
        (None, result) => {
            let why = result.as_ref().err().map_or("", String::as_str);
            format!("nobody of list {} was told: {why}", outcome.list)
        }
    };
    format!("{} {place}: {what}", outcome.at)
}

fn line_of_json(told: &Told) -> serde_json::Value {
    let outcome = &told.outcome;
    json!({
        "number": told.number,
        "site": told.site,
        "gateway": told.gateway,
        "incident": told.incident,
        "type": told.kind,
        "incidents": told.calls,
        "list": outcome.list,
        "member": outcome.member,
        "way": outcome.way,
        "round": outcome.round,
        "time": outcome.at,
        "told": outcome.result.is_ok(),
        "why": outcome.result.as_ref().err(),
        "next": outcome.next,
    })
}
