//! `gatehouse credential list|show|enrol|block|unblock|remove|reload`.
//!
//! The list is changed as [`credentials`] does it, for the page as well; then the running gateway is asked
//! to load it.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use gatehouse_config::{Config, CredentialEntry, Credentials, EditError, NewCredential, edit};
use gatehouse_core::credential::CredentialHash;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Answer, Credential, Doors, LONGEST_ENROL};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{
    ConfigArg, EX_CONFIG, EX_SOFTWARE, EX_USAGE, load, load_credentials, output, status, wish,
};
use crate::control::{Digits, Outcome, Wish};
use crate::credentials::{self, ChangeError};

/// The daemon answers at the latest when the time of the card is over, and then the commit.
const PATIENCE: Duration = LONGEST_ENROL.saturating_add(Duration::from_secs(10));

/// Fewer digits of a hash could mean another credential soon.
const SHORTEST_PREFIX: usize = 4;

#[derive(Clone, Debug, Args)]
pub(super) struct CredentialArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Clone, Debug, Subcommand)]
enum Act {
    /// Everybody who may pass.
    List(ListArgs),
    /// What one credential may do.
    Show(Which),
    /// Add a card or a code: present it at a reader within 60 seconds.
    Enrol(Box<EnrolArgs>),
    /// Refuse a credential everywhere: lost or stolen.
    Block(Which),
    /// Let a blocked credential pass again.
    Unblock(Which),
    /// Take a credential, and the comment above it, out of the list.
    Remove(Which),
    /// Load the list into the running gateway after a change by hand.
    Reload(ConfigArg),
}

#[derive(Clone, Debug, Args)]
struct ListArgs {
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
struct Which {
    /// Its hash, the first digits of it, or its whole label.
    credential: String,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
struct EnrolArgs {
    /// The reader at which the card is presented or the code typed.
    #[arg(short, long)]
    reader: Id,
    /// Whose it is: a flat or a key ring rather than a name. It stays on the box.
    #[arg(short, long)]
    label: Option<String>,
    /// Valid from this day or time on.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Valid until the end of this day, or this time.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Only in this window, as "mon-fri 06:00-18:00". May be repeated.
    #[arg(long, value_name = "WINDOW")]
    weekly: Vec<String>,
    /// A door that it opens. May be repeated; without --door and --area: every door.
    #[arg(long, value_name = "ID")]
    door: Vec<String>,
    /// An area of which it opens every door. May be repeated.
    #[arg(long, value_name = "ID")]
    area: Vec<String>,
    /// It opens no door: it only arms and disarms.
    #[arg(long, conflicts_with_all = ["door", "area"])]
    no_door: bool,
    /// A partition that it may arm. May be repeated.
    #[arg(long, value_name = "ID")]
    arms: Vec<String>,
    /// A partition that it may disarm. May be repeated.
    #[arg(long, value_name = "ID")]
    disarms: Vec<String>,
    /// Ask for its PIN.
    #[arg(long)]
    pin: bool,
    /// Ask for the PIN that its holder gives under duress, too.
    #[arg(long, requires = "pin")]
    duress_pin: bool,
    /// It is shown only under duress.
    #[arg(long)]
    duress: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn credential(args: CredentialArgs) -> ExitCode {
    let done = match args.act {
        Act::List(args) => list(&args),
        Act::Show(which) => show(&which),
        Act::Enrol(args) => enrol(*args),
        Act::Block(which) => change(&which, |text, hash| edit::block(text, hash, true)),
        Act::Unblock(which) => change(&which, |text, hash| edit::block(text, hash, false)),
        Act::Remove(which) => change(&which, edit::remove),
        Act::Reload(args) => load(&args).and_then(|config| reload(&config)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn fail(why: impl std::fmt::Display, code: u8) -> ExitCode {
    output::eprint(&format!("error: {why}\n"));
    ExitCode::from(code)
}

fn both(args: &ConfigArg) -> Result<(Config, Credentials), ExitCode> {
    let config = load(args)?;
    let list = load_credentials(&config, args.color)?;
    Ok((config, list))
}

fn list(args: &ListArgs) -> Result<(), ExitCode> {
    let (config, list) = both(&args.config)?;
    let mut text = String::new();
    for (entry, credential) in list.entries.iter().zip(&list.list) {
        let rights = rights(credential, &config);
        if args.json {
            let line = serde_json::json!({
                "hash": entry.hash, "label": entry.label, "blocked": credential.blocked,
                "rights": rights,
            });
            let _ = writeln!(text, "{line}");
        } else {
            let label = entry.label.as_deref().unwrap_or("");
            let hash = entry.hash.to_string();
            let _ = writeln!(text, "{}  {:<24} {}", &hash[..8], label, rights.join("; "));
        }
    }
    output::print(&text);
    Ok(())
}

fn show(which: &Which) -> Result<(), ExitCode> {
    let (config, list) = both(&which.config)?;
    let entry = find(&list, &which.credential)?;
    let credential = list.list.iter().find(|one| one.hash == entry.hash);
    let mut text =
        format!("hash   {}\nlabel  {}\n", entry.hash, entry.label.as_deref().unwrap_or("-"));
    for right in credential.map(|one| rights(one, &config)).unwrap_or_default() {
        let _ = writeln!(text, "       {right}");
    }
    output::print(&text);
    Ok(())
}

/// What a credential may do, in words. That it is a duress code is never among them: whoever stands
/// behind the person at the screen must not see it.
fn rights(credential: &Credential, config: &Config) -> Vec<String> {
    let mut rights = Vec::new();
    if credential.blocked {
        rights.push("blocked".to_owned());
    }
    let names = |places: &[usize], id: &dyn Fn(usize) -> Option<String>| {
        places.iter().filter_map(|place| id(*place)).collect::<Vec<_>>().join(", ")
    };
    let partition = |place: usize| Some(config.partitions.get(place)?.rules.id.to_string());
    rights.push(match &credential.opens {
        Doors::All => "every door".to_owned(),
        Doors::These { doors, areas } if doors.is_empty() && areas.is_empty() => {
            "no door".to_owned()
        }
        Doors::These { doors, areas } => {
            let door = |place: usize| Some(config.doors.get(place)?.id.to_string());
            let area = |place: usize| Some(config.areas.get(place)?.rules.id.to_string());
            let all = [("door", names(doors, &door)), ("area", names(areas, &area))];
            let all = all.into_iter().filter(|(_, names)| !names.is_empty());
            all.map(|(what, names)| format!("{what} {names}")).collect::<Vec<_>>().join(", ")
        }
    });
    for (what, places) in [("arms", &credential.arms), ("disarms", &credential.disarms)] {
        if !places.is_empty() {
            rights.push(format!("{what} {}", names(places, &partition)));
        }
    }
    for (what, at) in [("from", credential.from), ("until", credential.until)] {
        rights.extend(at.map(|at| format!("{what} {at}")));
    }
    if !credential.weekly.is_empty() {
        rights.push("in its weekly windows".to_owned());
    }
    if credential.pin.is_some() {
        rights.push("with PIN".to_owned());
    }
    rights
}

/// The one credential that is meant.
fn find<'l>(list: &'l Credentials, meant: &str) -> Result<&'l CredentialEntry, ExitCode> {
    let by_label: Vec<_> =
        list.entries.iter().filter(|entry| entry.label.as_deref() == Some(meant)).collect();
    let digits = meant.to_ascii_lowercase();
    let is_prefix =
        digits.len() >= SHORTEST_PREFIX && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let by_hash = list
        .entries
        .iter()
        .filter(|entry| is_prefix && entry.hash.to_string().starts_with(&digits));
    let found = if by_label.is_empty() { by_hash.collect() } else { by_label };
    match found[..] {
        [one] => Ok(one),
        [] => Err(fail("no credential has this hash or label; gatehouse credential list", 1)),
        _ => Err(fail(
            format!("{} credentials are meant; give more of the hash", found.len()),
            EX_USAGE,
        )),
    }
}

fn change(
    which: &Which,
    change: impl Fn(&str, CredentialHash) -> Result<String, EditError>,
) -> Result<(), ExitCode> {
    let (config, list) = both(&which.config)?;
    let hash = find(&list, &which.credential)?.hash;
    rewrite(&config, |text| change(text, hash))?;
    reload(&config)
}

fn enrol(args: EnrolArgs) -> Result<(), ExitCode> {
    let (config, _) = both(&args.config)?;
    let mut new = NewCredential {
        label: args.label,
        from: args.from,
        until: args.until,
        weekly: args.weekly,
        doors: (args.no_door || !args.door.is_empty()).then_some(args.door),
        areas: (!args.area.is_empty()).then_some(args.area),
        arms: args.arms,
        disarms: args.disarms,
        duress: args.duress,
        ..NewCredential::default()
    };
    // What would be refused later is refused before anybody walks to the reader.
    let trial = gatehouse_core::credential::SiteKey::new([0; 32]).card(0, &[]);
    let text = edit::enrol("", trial, &new).map_err(|error| fail(error, EX_SOFTWARE))?;
    Credentials::parse(&text, "the new credential", &config).map_err(|errors| {
        output::eprint(&errors.render(false));
        ExitCode::from(EX_USAGE)
    })?;
    output::eprint(&format!("present the card at the reader {} now\n", args.reader));
    let answer = ask(&config, &Wish::Enrol { reader: args.reader, within_s: None }, PATIENCE)?;
    let hash = match answer {
        Outcome::Answer(Answer::Shown { credential }) => credential,
        Outcome::Answer(answer) => {
            let (text, code) = wish::told(&answer);
            output::eprint(&text);
            return Err(code);
        }
        Outcome::Error(why) => return Err(fail(why, EX_USAGE)),
        Outcome::Hash(_) => return Err(fail("another answer than was asked for", EX_SOFTWARE)),
    };
    if args.pin {
        new.pin = Some(pin(&config, hash, "PIN")?);
    }
    if args.duress_pin {
        new.duress_pin = Some(pin(&config, hash, "PIN under duress")?);
    }
    rewrite(&config, |text| edit::enrol(text, hash, &new))?;
    output::print(&format!("{hash}\n"));
    reload(&config)
}

/// Asks for a PIN, twice, and has the gateway make its hash: the digits are neither shown nor kept.
fn pin(config: &Config, card: CredentialHash, what: &str) -> Result<CredentialHash, ExitCode> {
    let typed = |prompt: &str| {
        hidden(prompt).map_err(|error| fail(format!("cannot read the {what}: {error}"), EX_USAGE))
    };
    let digits = typed(&format!("{what}: "))?;
    if io::stdin().is_terminal() && typed(&format!("{what}, again: "))? != digits {
        return Err(fail("the two are not the same; nothing was enrolled", EX_USAGE));
    }
    match ask(config, &Wish::HashPin { card, digits }, Duration::from_secs(5))? {
        Outcome::Hash(hash) => Ok(hash),
        Outcome::Error(why) => Err(fail(why, EX_USAGE)),
        Outcome::Answer(_) => Err(fail("another answer than was asked for", EX_SOFTWARE)),
    }
}

/// A line that is not shown while it is typed.
fn hidden(prompt: &str) -> io::Result<Digits> {
    let stdin = io::stdin();
    let before = if stdin.is_terminal() {
        output::eprint(prompt);
        let before = tcgetattr(&stdin)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet)?;
        Some(before)
    } else {
        None
    };
    let mut digits = Digits(String::with_capacity(64));
    let read = stdin.lock().read_line(&mut digits.0);
    if let Some(before) = before {
        tcsetattr(&stdin, OptionalActions::Flush, &before)?;
        output::eprint("\n");
    }
    read?;
    let end = digits.0.trim_end().len();
    digits.0.truncate(end);
    Ok(digits)
}

fn ask(config: &Config, wish: &Wish, patience: Duration) -> Result<Outcome, ExitCode> {
    let mut line = serde_json::to_string(wish).expect("a wish has only string keys");
    let answer = status::ask_for(&config.socket, &line, patience);
    // It may hold a PIN.
    zeroize::Zeroize::zeroize(&mut line);
    let answer = answer.map_err(|error| {
        status::unreachable(&config.socket, &error);
        ExitCode::FAILURE
    })?;
    serde_json::from_str(&answer)
        .map_err(|error| fail(format!("the gateway's answer cannot be read: {error}"), EX_SOFTWARE))
}

/// Asks the running gateway to take the list. Without one there is nothing to do: it reads the list
/// when it starts.
fn reload(config: &Config) -> Result<(), ExitCode> {
    if let Err(error) = std::os::unix::net::UnixStream::connect(&config.socket) {
        output::eprint(&format!(
            "the gateway does not run ({error}); it will read the list at its start\n"
        ));
        return Ok(());
    }
    match ask(config, &Wish::Credentials {}, Duration::from_secs(10))? {
        Outcome::Answer(Answer::Done) => output::eprint("the gateway has the new list\n"),
        Outcome::Answer(_) => output::eprint("the gateway has this list already\n"),
        Outcome::Error(why) => return Err(fail(why, EX_CONFIG)),
        Outcome::Hash(_) => return Err(fail("another answer than was asked for", EX_SOFTWARE)),
    }
    Ok(())
}

/// Changes the list, and says why it cannot be.
fn rewrite(
    config: &Config,
    change: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<(), ExitCode> {
    credentials::change(config, change).map_err(|error| match error {
        ChangeError::Mistakes(errors) => {
            output::eprint(&errors.render(false));
            ExitCode::from(EX_CONFIG)
        }
        ChangeError::Edit(_) => fail(error, EX_USAGE),
        ChangeError::Busy | ChangeError::Io { .. } => fail(error, EX_SOFTWARE),
    })
}
