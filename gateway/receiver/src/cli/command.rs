//! `command` and `keygen`: what an operator wants of a gateway, signed by their own key.
//!
//! The key stays with the operator's own process: it asks the running receiver what a command to
//! this gateway needs, makes and signs it, and hands it over.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gatehouse_core::commands::Verb;
use gatehouse_core::contract::CommandStatus;
use gatehouse_core::id::Id;
use gatehouse_core::topic::Address;
use serde_json::{Map, Value};

use super::Failed;
use super::operate::{At, NOT_DONE, ask_for, place};
use crate::command::{DONE_WITHIN, Prepared, Wanted};
use crate::control::{Outcome, Wish};
use crate::signing::{KeyError, SigningKey};

pub(super) const EXAMPLES: &str = "\
Examples:
  gatehouse-receiver command g-7f3a arm partition=flat mode=night --db d-1.db --operator op-7
  gatehouse-receiver command g-7f3a disarm partition=flat --db d-1.db --operator op-7 \\
      --key op-7.key --key-id op-7
  gatehouse-receiver command g-7f3a output door=gate --expires 10 --db d-1.db --operator op-7
  gatehouse-receiver command g-7f3a config.propose text=@new.toml --db d-1.db --operator op-7
Done means that the gateway has stored the event of it. Exit 1: not done; the reason is said.
NAME=@FILE takes a value from a file.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway's id, or SITE/GATEWAY where two sites have the same.
    #[arg(value_parser = place)]
    gateway: String,
    /// What is wanted.
    #[arg(value_parser = verb)]
    verb: Verb,
    /// With what: numbers, true, false, or text.
    #[arg(value_name = "NAME=VALUE", value_parser = argument)]
    with: Vec<(String, Value)>,
    #[command(flatten)]
    at: At,
    /// Who wants it: the control room's id of the operator, never a name; without it the number of
    /// the system's user.
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    /// In which role, as the gateway's configuration names it; without it `operator`.
    #[arg(long, value_name = "ID")]
    role: Option<Id>,
    /// After so many seconds it must not be carried out any more.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    expires: u32,
    /// Sign it with this key, as `keygen` makes it.
    #[arg(long, value_name = "FILE", requires = "key_id")]
    key: Option<PathBuf>,
    /// The key's id, as the gateway's configuration names it.
    #[arg(long, value_name = "ID", requires = "key")]
    key_id: Option<Id>,
    /// Print the result as a line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct NewKey {
    /// Where it is written.
    file: PathBuf,
    /// Its id, as commands will name it.
    #[arg(long, value_name = "ID")]
    id: Id,
    /// The role of whoever has it.
    #[arg(long, value_name = "ID", default_value = "operator")]
    role: Id,
}

fn verb(word: &str) -> Result<Verb, String> {
    Verb::from_word(word).ok_or_else(|| {
        let words: Vec<_> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
        format!("allowed is {}", words.join(", "))
    })
}

/// The arguments that are numbers. An id or a hash may be of digits too.
const NUMBERS: [&str; 7] = ["minutes", "seconds", "from", "to", "at", "of", "seq"];

/// `name=value`: a whole number, `true`, `false`, what a file holds, or the text itself.
fn argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("allowed is NAME=VALUE, as partition=flat")?;
    let value = match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match (value.parse::<u64>(), value.strip_prefix('@')) {
            (Ok(number), _) if NUMBERS.contains(&name) => Value::from(number),
            (_, Some(file)) => std::fs::read_to_string(file)
                .map(Value::String)
                .map_err(|error| format!("{file} cannot be read: {error}"))?,
            _ => Value::String(value.to_owned()),
        },
    };
    Ok((name.to_owned(), value))
}

impl From<KeyError> for Failed {
    fn from(error: KeyError) -> Self {
        Self::new(if matches!(error, KeyError::Random) { 70 } else { 77 }, error)
    }
}

pub(super) fn keygen(key: &NewKey) -> Result<ExitCode, Failed> {
    let made = SigningKey::make(&key.file, key.id.clone())?;
    let NewKey { id, role, .. } = key;
    let public = made.public();
    writeln!(
        io::stdout(),
        "[[command-key]]\nid = \"{id}\"\nrole = \"{role}\"\npublic = \"{public}\""
    )?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn command(args: Args) -> Result<ExitCode, Failed> {
    let key = match (&args.key, args.key_id) {
        (Some(file), Some(id)) => Some(SigningKey::read(file, id)?),
        _ => None,
    };
    let expires = Duration::from_secs(args.expires.into());
    let patience = Duration::from_secs(10);
    let prepared = ask_for(&args.at, &Wish::Prepare { gateway: args.gateway.clone() }, patience)?;
    let (prefix, nonce, now) = match prepared {
        Outcome::Prepared { prefix, nonce, now } => (prefix, nonce, now),
        Outcome::Error(why) => return Err(Failed::new(NOT_DONE, why)),
        _ => return Err(something_else()),
    };
    let Some((address, _)) = Address::parse(&format!("{prefix}/x")) else {
        return Err(something_else());
    };
    let wanted = Wanted {
        verb: args.verb.as_str().to_owned(),
        args: args.with.into_iter().collect::<Map<_, _>>(),
        operator: args.operator.unwrap_or_else(|| {
            let user = rustix::process::geteuid().as_raw();
            format!("uid-{user}")
        }),
        role: args.role,
        expires,
    };
    let (id, command) = Prepared { address, nonce, now }.command(wanted, key.as_ref());
    let wish = Wish::Command { gateway: args.gateway, id, command };
    let result = match ask_for(&args.at, &wish, expires + DONE_WITHIN + patience)? {
        Outcome::Commanded(result) => result,
        Outcome::Error(why) => return Err(Failed::new(NOT_DONE, why)),
        _ => return Err(something_else()),
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&result).map_err(io::Error::from)?)?;
    } else {
        let reason = result.reason.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        writeln!(out, "{}{reason}; the gateway's event {}", result.status.as_str(), result.seq)?;
        if let Some(detail) = &result.detail {
            writeln!(out, "{}", serde_json::to_string_pretty(detail).map_err(io::Error::from)?)?;
        }
    }
    let done = result.status == CommandStatus::Done;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(NOT_DONE) })
}

fn something_else() -> Failed {
    Failed::new(70, "the receiver answered something else")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_number_a_truth_or_a_text() {
        let of = |text: &str| argument(text).map(|(_, value)| value);
        assert_eq!(of("minutes=30"), Ok(30.into()));
        assert_eq!(of("hash=1234567812345678"), Ok("1234567812345678".into()));
        assert_eq!(of("force=true"), Ok(true.into()));
        assert_eq!(of("partition=flat"), Ok("flat".into()));
        assert_eq!(of("nonce=a=b"), Ok("a=b".into()));
        assert!(of("flat").unwrap_err().contains("NAME=VALUE"));
        assert!(of("text=@/nonexistent").unwrap_err().contains("/nonexistent"));
    }

    #[test]
    fn a_wrong_verb_is_answered_with_the_right_ones() {
        assert!(verb("open").unwrap_err().contains("disarm, bypass"));
    }
}
