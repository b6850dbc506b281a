//! The command line of `gatehouse-receiver`.
//!
//! Exit codes: 0 all is well; 1 `verify` found something, or an operator's act was not done; 64
//! usage; 70 the receiver ended by itself; 77 the database or a secret may not be opened; 78 a setting is wrong.

mod bundle;
mod command;
mod db;
mod handover;
mod log;
mod looks;
mod metrics;
mod operate;
mod prove;
mod read;
mod receive;
mod responders;
mod run;
mod screen;
mod stats;
mod table;
mod wall;
mod watch;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::site::CloseReason;

use db::Db;
use handover::HandoverCommand;
use log::LogFormat;
use looks::LooksArgs;
use metrics::MetricsArgs;
use operate::{At, Of};
use receive::Receive;
use responders::RespondersCommand;
use wall::{AccountCommand, WallArgs};

const EXAMPLES: &str = "\
Examples:
  Receive district d-1 and keep its events:
    gatehouse-receiver run --broker mqtt://broker.lan --district d-1 --db d-1.db
  The same over TLS, with a certificate of its own instead of a password:
    gatehouse-receiver run --broker mqtts://broker.lan --ca ca.pem --cert own.pem --key own.key \
        --district d-1 --db d-1.db
  The same with a table on the terminal:
    gatehouse-receiver watch --broker mqtt://broker.lan --district d-1 --db d-1.db
  What is open, and I take it (while it runs):
    gatehouse-receiver incidents --db d-1.db
    gatehouse-receiver ack g-7f3a a12 --db d-1.db --operator op-7
  Is every event there, and is the chain whole? (while it runs, too)
    gatehouse-receiver verify --db d-1.db
  Two receivers side by side on one PostgreSQL, on two machines:
    gatehouse-receiver run --broker mqtt://broker.lan --district d-1 --group wall --host one \
        --db postgres://gatehouse@db.lan/district --db-password-file db.pw
  What of a gateway's log is proven by its own signatures?
    gatehouse-receiver verify g-7f3a --db d-1.db
  How fast were alarms taken in November, and how many were false?
    gatehouse-receiver stats --db d-1.db --from 2026-11-01 --to 2026-11-30
  The last alarms of one gateway:
    gatehouse-receiver query --db d-1.db --gateway g-7f3a --class alarm --newest 20";

/// The control room's end of Gatehouse: commits events, sends receipts, finds gaps.
#[derive(Debug, Parser)]
#[command(name = "gatehouse-receiver", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive a district until stopped.
    #[command(after_help = "\
Examples:
  gatehouse-receiver run --broker mqtt://127.0.0.1:1883 --district d-1 --db d-1.db
  gatehouse-receiver run --broker mqtt://b --district d-1 --db d-1.db --jsonl | jq .event.type
  gatehouse-receiver run --broker mqtt://b --district d-1 --db d-1.db --wall 127.0.0.1:8443
  gatehouse-receiver run --broker mqtt://b --district d-1 --db d-1.db --metrics 127.0.0.1:9464 \
      --log-format json
Stops in order on Ctrl-C or SIGTERM; a second signal stops at once.")]
    Run {
        #[command(flatten)]
        receive: Receive,
        /// Print each committed event as a line of JSON.
        #[arg(long)]
        jsonl: bool,
        /// How the log on stderr is written: text for people, json for machines, a line each.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        log_format: LogFormat,
        #[command(flatten)]
        wall: WallArgs,
        #[command(flatten)]
        metrics: MetricsArgs,
    },
    /// Receive a district, with a live table on the terminal.
    #[command(after_help = "\
Example:
  gatehouse-receiver watch --broker mqtt://127.0.0.1:1883 --district d-1 --db d-1.db
Without a terminal it prints the table when it has changed, at most every two seconds.
No colours with NO_COLOR or without a terminal.")]
    Watch {
        #[command(flatten)]
        receive: Receive,
    },
    /// Print the open incidents, the most urgent first.
    #[command(after_help = "\
Examples:
  gatehouse-receiver incidents --db d-1.db
  gatehouse-receiver incidents --db d-1.db --json | jq .incident.sources
Asks the receiver that runs on this database. SILENT: nobody at the site may notice it.")]
    Incidents {
        #[command(flatten)]
        at: At,
        /// Each as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Acknowledge an incident: I take it.
    #[command(after_help = "\
Example:
  gatehouse-receiver ack g-7f3a a12 --db d-1.db --operator op-7
Done means that the gateway's event of it is committed; it waits 10 s for that. Exit 1: not done.")]
    Ack {
        #[command(flatten)]
        of: Of,
    },
    /// Let something be known of an incident.
    #[command(after_help = "\
Example:
  gatehouse-receiver note g-7f3a a12 'patrol is on the way' --db d-1.db --operator op-7
The gateway keeps the first 200 characters.")]
    Note {
        #[command(flatten)]
        of: Of,
        /// What.
        text: String,
    },
    /// Call the others now: escalate an incident.
    #[command(after_help = "\
Example:
  gatehouse-receiver escalate g-7f3a a12 --db d-1.db --operator op-7")]
    Escalate {
        #[command(flatten)]
        of: Of,
    },
    /// Close an incident: it is over.
    #[command(after_help = "\
Example:
  gatehouse-receiver close g-7f3a a12 --db d-1.db --operator op-7 --reason false")]
    Close {
        #[command(flatten)]
        of: Of,
        /// What it was: real, false, test or unknown. `stats` counts false alarms by it.
        #[arg(long, value_name = "REASON", value_parser = operate::reason)]
        reason: Option<CloseReason>,
    },
    /// Hand incidents over to other control rooms, and take them over.
    #[command(after_help = "\
Examples:
  gatehouse-receiver handover offer g-7f3a a12 --to south --db d-1.db --operator op-7
  gatehouse-receiver handover list --db d-2.db
  gatehouse-receiver handover accept h-5c0e6d1b7f22 --db d-2.db --operator op-9")]
    Handover {
        #[command(subcommand)]
        command: HandoverCommand,
    },
    /// Who may log in at the wall.
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Print who looked at pictures on the wall, and who took them along in a bundle, the latest last.
    #[command(after_help = "\
Example:
  gatehouse-receiver looks --db d-1.db --since 2026-11-01T00:00:00Z --json | jq .who")]
    Looks {
        #[command(flatten)]
        of: LooksArgs,
    },
    /// Who is told of incidents: a file in words, a test of it, and who was told.
    Responders {
        #[command(subcommand)]
        command: RespondersCommand,
    },
    /// Want something of a gateway, and wait for what comes of it.
    #[command(name = "command", after_help = command::EXAMPLES)]
    Want {
        #[command(flatten)]
        wanted: command::Args,
    },
    /// Make a key to sign commands with, and print what the gateways are to know of it.
    #[command(after_help = "\
Example:
  gatehouse-receiver keygen op-7.key --id op-7 --role operator
The file is for its owner alone; a file that is there is never replaced. What is printed goes into
the gateways' configuration.")]
    Keygen {
        #[command(flatten)]
        key: command::NewKey,
    },
    /// Write one incident into a file that proves itself, signed by the receiver's own key.
    #[command(after_help = "\
Examples:
  gatehouse-receiver keygen receiver.key --id receiver
  gatehouse-receiver bundle g-7f3a a12 --db d-1.db --sign receiver.key --out a12.tar
  gatehouse-receiver verify --bundle a12.tar --signer 3d4017c3…
The events as the gateway stored them, every act on the incident, and the chain to the gateway's next
signed checkpoint; what that proves and what it does not is printed. Open it with any tar.")]
    Bundle {
        #[command(flatten)]
        of: bundle::Args,
    },
    /// Print what a district asks about its sites and a period.
    #[command(after_help = stats::EXAMPLES)]
    Stats {
        #[command(flatten)]
        wanted: stats::StatsArgs,
    },
    /// Check the chain and that no event is missing; a JSON summary, exit 0 or 1.
    #[command(after_help = "\
Examples:
  Is every event there?
    gatehouse-receiver verify --db d-1.db && echo complete
  What of this gateway's log is proven by its own signed checkpoints, and what is not?
    gatehouse-receiver verify g-7f3a --db d-1.db
  The same on another machine, with the key that the gateway told in its `desc`:
    gatehouse-receiver verify --folder evidence --key 3d4017c3…
  One incident, from whoever signed it:
    gatehouse-receiver verify --bundle a12.tar --signer 8f02aa41… --key 3d4017c3…
The summary is a line of JSON on stdout; what was found is named on stderr.")]
    Verify {
        /// Prove the log of this gateway from its checkpoints.
        #[arg(value_name = "GATEWAY")]
        proven: Option<Id>,
        #[command(flatten)]
        db: Option<Db>,
        /// Without a proof: only this gateway.
        #[arg(long, value_name = "ID", conflicts_with_all = ["proven", "folder"])]
        gateway: Option<Id>,
        /// Instead of a database: a folder of exported logs.
        #[arg(long, value_name = "DIR", conflicts_with = "db")]
        folder: Option<PathBuf>,
        /// Instead of a database: an incident as `bundle` writes it.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["db", "folder", "proven", "gateway"])]
        bundle: Option<PathBuf>,
        /// The public key of the receiver that signed the bundle, 64 hex digits or a file with them.
        /// Without it, whichever signed is named and not compared.
        #[arg(long, value_name = "KEY", value_parser = prove::key, requires = "bundle")]
        signer: Option<[u8; 32]>,
        /// The gateway's public key, 64 hex digits or a file with them. Without it, whichever key
        /// signed first is believed, and named.
        #[arg(long, value_name = "KEY", value_parser = prove::key)]
        key: Option<[u8; 32]>,
    },
    /// Print events with site, gateway and time of receipt, as lines of JSON.
    #[command(after_help = "\
Examples:
  gatehouse-receiver query --db d-1.db --newest 50
  gatehouse-receiver query --db d-1.db --gateway g-7f3a --from 1000 --to 2000")]
    Query {
        #[command(flatten)]
        select: Select,
        /// Only the newest so many.
        #[arg(long, value_name = "N")]
        newest: Option<u32>,
    },
    /// Print the canonical bytes of events, one per line: what the chain was made of.
    #[command(after_help = "\
Examples:
  The hash that event 8 carries as `prev`:
    gatehouse-receiver export --db d-1.db --gateway g-7f3a --from 7 --to 7 | head -c -1 | b3sum
  Whole logs, for a proof on another machine:
    gatehouse-receiver export --db d-1.db --folder evidence")]
    Export {
        #[command(flatten)]
        select: Select,
        /// Write whole logs into this folder, a file for each gateway, for `verify --folder`.
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct Select {
    #[command(flatten)]
    db: Db,
    /// Only this gateway.
    #[arg(long, value_name = "ID")]
    gateway: Option<Id>,
    /// Only from this seq on.
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Only up to this seq.
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// Only this class.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Option<Class>,
}

fn class(word: &str) -> Result<Class, String> {
    Class::from_word(word).ok_or_else(|| format!("allowed is {}", crate::classes::words()))
}

/// Why a command ended without doing its work, with its exit code.
#[derive(Debug)]
struct Failed {
    code: u8,
    message: String,
}

impl Failed {
    fn new(code: u8, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl From<crate::store::StoreError> for Failed {
    fn from(error: crate::store::StoreError) -> Self {
        Self::new(70, format!("the database cannot be read: {error}"))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::new(70, format!("cannot write to stdout: {error}"))
    }
}

impl From<crate::store::OpenError> for Failed {
    fn from(error: crate::store::OpenError) -> Self {
        Self::new(77, error)
    }
}

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream is right.
            let code = if error.use_stderr() { 64 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Run { receive, jsonl, log_format, wall, metrics } => {
            run::run(receive, jsonl, log_format, wall, metrics)
        }
        Command::Watch { receive } => watch::watch(receive),
        Command::Incidents { at, json } => operate::incidents(&at, json),
        Command::Ack { of } => operate::act(of, AlarmOp::Ack, None),
        Command::Note { of, text } => operate::act(of, AlarmOp::Note, Some(text)),
        Command::Escalate { of } => operate::act(of, AlarmOp::Escalate, None),
        Command::Close { of, reason } => operate::close(of, reason),
        Command::Stats { wanted } => stats::stats(wanted),
        Command::Handover { command } => handover::run(command),
        Command::Account { command } => wall::account(command),
        Command::Looks { of } => looks::list(of),
        Command::Responders { command } => responders::responders(command),
        Command::Want { wanted } => command::command(wanted),
        Command::Keygen { key } => command::keygen(&key),
        Command::Bundle { of } => bundle::make(of),
        Command::Verify { bundle: Some(file), signer, key, .. } => {
            bundle::verify(&file, signer, key)
        }
        Command::Verify { proven, folder: Some(folder), key, .. } => {
            prove::folder(&folder, proven.as_ref(), key)
        }
        Command::Verify { proven: Some(proven), db: Some(db), key, .. } => {
            prove::database(db, &proven, key)
        }
        Command::Verify { db: Some(db), gateway, key: None, .. } => {
            read::verify(db, gateway.as_ref())
        }
        Command::Verify { .. } => Err(Failed::new(
            64,
            "--key is for a proof: name the gateway, a --folder, or a --bundle",
        )),
        Command::Query { select, newest } => read::query(select, newest),
        Command::Export { select, folder: None } => read::export(select),
        Command::Export { select, folder: Some(folder) } => prove::export(select, &folder),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "gatehouse-receiver", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|failed| {
        let _ = writeln!(io::stderr(), "gatehouse-receiver: {}", failed.message);
        ExitCode::from(failed.code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_manual_knows_every_command_and_every_option() {
        let manual = include_str!("../../../../deploy/man/gatehouse-receiver.1");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(manual.contains(&format!("\n.B gatehouse-receiver {name}\n")), "{name}");
            let nested = command.get_subcommands().flat_map(clap::Command::get_arguments);
            for long in command.get_arguments().chain(nested).filter_map(clap::Arg::get_long) {
                let shown = format!("\\-\\-{}", long.replace('-', "\\-"));
                assert!(long == "help" || manual.contains(&shown), "--{long} of {name}");
            }
        }
    }

    #[test]
    fn a_wrong_class_is_answered_with_the_right_ones() {
        let error = class("allarm").unwrap_err();
        assert!(error.contains("panic, alarm, tamper"), "{error}");
    }
}
