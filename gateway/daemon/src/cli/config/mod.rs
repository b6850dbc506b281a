//! `gatehouse config`: the configuration of the running gateway, shown, checked, changed, confirmed and
//! put back.
//!
//! The running gateway does it ([`transaction`](crate::transaction)); this asks it by its control socket.
//! So it works with a file that is wrong, and for whoever may not read it.

mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use gatehouse_config::change::{self, Edit};

use super::output::{self, Paint};
use super::{ConfigArg, EX_CONFIG, EX_NOPERM, EX_SOFTWARE, EX_USAGE, status};
use crate::control::{Question, Told};
use crate::transaction::Refusal;

/// A change waits for units that end in order, for the disk, and for a replay.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Clone, Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show the configuration that runs; what looks like a secret is stars.
    Show(Bare),
    /// Say whether a file could hold, what it would touch, and what it would have changed in 30 days.
    Check(FileArgs),
    /// Show the lines in which a file differs from what runs.
    Diff(FileArgs),
    /// Let a file hold. One that touches brokers or the page must be confirmed.
    Apply(ApplyArgs),
    /// Let stay what is unconfirmed.
    Confirm(Bare),
    /// Put back what held before the unconfirmed change.
    Undo(Bare),
    /// List what held, when and by whom; the newest last.
    History(HistoryArgs),
    /// Go back to a configuration of the history.
    Return(ReturnArgs),
    /// Change one key; comments and everything else in the file stay.
    Set(SetArgs),
    /// Take one key out: its default holds.
    Unset(UnsetArgs),
}

#[derive(Clone, Debug, Args)]
pub(super) struct Bare {
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct FileArgs {
    /// The proposed configuration.
    file: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Within {
    /// It must be confirmed within so many seconds, whatever it touches; otherwise what held before is
    /// put back.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=3600))]
    confirm_within: Option<u64>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ApplyArgs {
    /// The configuration that is to hold.
    file: PathBuf,
    #[command(flatten)]
    within: Within,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct HistoryArgs {
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ReturnArgs {
    /// Its number in the history.
    n: u32,
    #[command(flatten)]
    within: Within,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct SetArgs {
    /// Which key, as `door.lobby.name`: an entry of a repeated table is named by its id.
    key: String,
    /// Its value, as in the file; a text may stand without quotes.
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// Only show what it would change.
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    within: Within,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct UnsetArgs {
    /// Which key, as `door.lobby.name`.
    key: String,
    /// Only show what it would change.
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    within: Within,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn config(command: &ConfigCommand) -> ExitCode {
    match asked(command) {
        Ok(code) | Err(code) => code,
    }
}

fn asked(command: &ConfigCommand) -> Result<ExitCode, ExitCode> {
    use ConfigCommand as It;
    let edit = |edit: Edit, dry_run: bool, within: &Within, config: &ConfigArg| {
        let (edits, within_s) = (vec![edit], within.confirm_within);
        let told = ask(&Question::Edit { edits, apply: !dry_run, within_s }, config)?;
        Ok::<_, ExitCode>(text::told(&told, true, paint(config)))
    };
    let printed = match command {
        It::Show(Bare { config }) => {
            text::told(&ask(&Question::Show {}, config)?, false, paint(config))
        }
        It::Check(FileArgs { file, json, config }) | It::Diff(FileArgs { file, json, config }) => {
            let diff = matches!(command, It::Diff(_));
            let question = Question::Check { text: read(file)?, replay: !diff };
            let told = ask(&question, config)?;
            if *json { as_json(&told) } else { text::told(&told, diff, paint(config)) }
        }
        It::Apply(ApplyArgs { file, within, config }) => {
            let question = Question::Apply { text: read(file)?, within_s: within.confirm_within };
            text::told(&ask(&question, config)?, true, paint(config))
        }
        It::Confirm(Bare { config }) => {
            text::told(&ask(&Question::Confirm {}, config)?, true, paint(config))
        }
        It::Undo(Bare { config }) => {
            text::told(&ask(&Question::Undo {}, config)?, true, paint(config))
        }
        It::History(HistoryArgs { json, config }) => {
            let told = ask(&Question::History {}, config)?;
            if *json { as_json(&told) } else { text::told(&told, true, paint(config)) }
        }
        It::Return(ReturnArgs { n, within, config }) => {
            let question = Question::Return { n: *n, within_s: within.confirm_within };
            text::told(&ask(&question, config)?, true, paint(config))
        }
        It::Set(SetArgs { key, value, dry_run, within, config }) => {
            let at = place(key)?;
            let value = change::plain(&at, value);
            edit(Edit::Set { at, value }, *dry_run, within, config)?
        }
        It::Unset(UnsetArgs { key, dry_run, within, config }) => {
            edit(Edit::Unset { at: place(key)? }, *dry_run, within, config)?
        }
    };
    output::print(&printed);
    Ok(ExitCode::SUCCESS)
}

fn paint(config: &ConfigArg) -> Paint {
    Paint(output::coloured(config.color, &std::io::stdout()))
}

fn place(key: &str) -> Result<Vec<String>, ExitCode> {
    change::place(key).map_err(|error| {
        output::eprint(&format!("error: {error}\n"));
        ExitCode::from(EX_USAGE)
    })
}

fn read(file: &Path) -> Result<String, ExitCode> {
    std::fs::read_to_string(file).map_err(|error| {
        output::eprint(&format!("error: {}: {error}\n", file.display()));
        ExitCode::from(EX_NOPERM)
    })
}

fn as_json(told: &Told) -> String {
    // Every one of them has string keys only.
    serde_json::to_string(told).unwrap_or_default() + "\n"
}

/// Asks the running gateway; what it refuses is printed.
fn ask(question: &Question, config: &ConfigArg) -> Result<Told, ExitCode> {
    let socket = gatehouse_config::socket_of(&config.config);
    let json = serde_json::to_string(question).expect("a question has only string keys");
    let answer = status::ask_for(&socket, &format!("config {}\n{json}", json.len()), PATIENCE);
    let answer = answer.map_err(|error| {
        status::unreachable(&socket, &error);
        ExitCode::FAILURE
    })?;
    match serde_json::from_str(&answer) {
        Ok(Told::Refused(refusal)) => Err(refused(&refusal)),
        Ok(Told::Error(why)) => {
            output::eprint(&format!("error: {why}\n"));
            Err(ExitCode::from(EX_SOFTWARE))
        }
        Ok(told) => Ok(told),
        Err(error) => {
            output::eprint(&format!("error: the gateway's answer cannot be read: {error}\n"));
            Err(ExitCode::from(EX_SOFTWARE))
        }
    }
}

fn refused(refusal: &Refusal) -> ExitCode {
    match refusal {
        Refusal::Mistakes { text, .. } => {
            output::eprint(text);
            output::eprint("the gateway runs on with what it had\n");
        }
        refusal => output::eprint(&format!("error: {refusal}\n{}", text::hint(refusal))),
    }
    match refusal {
        Refusal::Mistakes { .. } | Refusal::RolledBack { .. } => ExitCode::from(EX_CONFIG),
        Refusal::ReadOnly | Refusal::NotAllowed => ExitCode::from(EX_NOPERM),
        Refusal::Internal => ExitCode::from(EX_SOFTWARE),
        _ => ExitCode::FAILURE,
    }
}
