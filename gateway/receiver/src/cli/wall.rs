//! The options of the wall, and the words of `account`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use gatehouse_core::commands::Verb;
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_link::ServerTls;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tokio::task::JoinSet;

use super::{Failed, class};
use crate::handle::Handle;
use crate::password;
use crate::signing::SigningKey;
use crate::store::Database;
use crate::wall::{
    self, Account, Accounts, AccountsError, Role, Scope, Wall, WallConfig, WallError,
};

/// The operators' page.
#[derive(Debug, Args)]
#[command(next_help_heading = "Wall")]
pub(super) struct WallArgs {
    /// Serve the operators' page here, as 127.0.0.1:8443. Other machines can come to another
    /// address, which needs --wall-cert and --wall-key.
    #[arg(long, value_name = "ADDRESS")]
    wall: Option<SocketAddr>,
    /// Who may log in; made by `gatehouse-receiver account add`. Without it accounts.toml beside
    /// the database. Read again when it changes.
    #[arg(long, value_name = "FILE", requires = "wall")]
    accounts: Option<PathBuf>,
    /// The wall's certificate with its chain, in PEM; read again when it is renewed.
    #[arg(long, value_name = "FILE", requires = "wall", requires = "wall_key")]
    wall_cert: Option<PathBuf>,
    /// Its private key, in PEM without passphrase.
    #[arg(long, value_name = "FILE", requires = "wall", requires = "wall_cert")]
    wall_key: Option<PathBuf>,
    /// Without TLS although other machines can come: something before it encrypts.
    #[arg(long, requires = "wall")]
    wall_plain: bool,
    /// How long a login lasts.
    #[arg(long, value_name = "HOURS", requires = "wall", default_value_t = 12,
          value_parser = clap::value_parser!(u32).range(1..=168))]
    wall_session: u32,
    /// Sign the commands of the wall with this key, as `keygen` makes it. It stands for the control
    /// room; the operator's id is in the command.
    #[arg(long, value_name = "FILE", requires = "wall", requires = "command_key_id")]
    command_key: Option<PathBuf>,
    /// The key's id, as the gateways' configurations name it.
    #[arg(long, value_name = "ID", requires = "wall", requires = "command_key")]
    command_key_id: Option<Id>,
}

impl WallArgs {
    /// What is wanted, if a wall is.
    pub(super) fn config(self, database: &Database) -> Result<Option<WallConfig>, Failed> {
        let Some(address) = self.wall else { return Ok(None) };
        let accounts = match (self.accounts, database) {
            (Some(accounts), _) => accounts,
            (None, Database::File(file)) => file.with_file_name("accounts.toml"),
            (None, _) => {
                let what =
                    "--wall needs --accounts FILE: there is no folder of a database to look in";
                return Err(Failed::new(64, what));
            }
        };
        let signing = match self.command_key.zip(self.command_key_id) {
            Some((file, id)) => Some(Arc::new(SigningKey::read(&file, id)?)),
            None => None,
        };
        let tls = self.wall_cert.zip(self.wall_key);
        let tls = tls.map(|(certificate, key)| ServerTls { certificate, key });
        Ok(Some(WallConfig {
            address,
            tls,
            plain: self.wall_plain,
            accounts,
            session: Duration::from_secs(u64::from(self.wall_session) * 3600),
            database: database.clone(),
            signing,
        }))
    }
}

/// Opens the wall, for as long as the value lives.
pub(super) async fn serve(config: WallConfig, handle: &Handle) -> Result<JoinSet<()>, Failed> {
    let wall = Wall::open(config, handle.operator()).await.map_err(|error| {
        let code = match &error {
            WallError::Plain(_) => 64,
            WallError::Listen { .. } | WallError::Accounts(AccountsError::Unreadable { .. }) => 77,
            WallError::Tls(error) if error.is_unreadable() => 77,
            _ => 78,
        };
        Failed::new(code, error)
    })?;
    tracing::info!(url = wall.url(), "the wall is open");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(error) = wall.serve().await {
            tracing::error!(%error, "the wall is closed");
        }
    });
    Ok(tasks)
}

/// What is wanted of an account.
#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account; asks for its password.
    #[command(after_help = "\
Examples:
  gatehouse-receiver account add op-7 --role operator --accounts accounts.toml
  gatehouse-receiver account add guard-204 --role viewer --site s-204 --class panic --class alarm \\
      --accounts accounts.toml
  gatehouse-receiver account add shift --role operator --command arm --command output \\
      --accounts accounts.toml
A wall that runs knows it within a second or two.")]
    Add {
        #[command(flatten)]
        of: OfAccount,
        /// A viewer looks; an operator also handles incidents.
        #[arg(long, value_name = "viewer|operator", value_parser = role)]
        role: Role,
        /// Only this site; may be repeated. Without it every site.
        #[arg(long, value_name = "ID")]
        site: Vec<Id>,
        /// Only this class of event; may be repeated. Without it every class.
        #[arg(long, value_name = "CLASS", value_parser = class)]
        class: Vec<Class>,
        /// May want this of gateways whose sites let the control room do it; may be repeated, or
        /// `all`. Without it nothing.
        #[arg(long, value_name = "VERB", value_parser = commands)]
        command: Vec<BTreeSet<Verb>>,
        #[command(flatten)]
        secret: Secret,
    },
    /// Let an account want other things of gateways; whoever is logged in by it stays.
    Command {
        #[command(flatten)]
        of: OfAccount,
        /// This, and what else is named; `all` or `none`.
        #[arg(required = true, value_name = "VERB", value_parser = commands)]
        may: Vec<BTreeSet<Verb>>,
    },
    /// Give an account another password; whoever is logged in by it is out.
    Password {
        #[command(flatten)]
        of: OfAccount,
        #[command(flatten)]
        secret: Secret,
    },
    /// Take an account away; whoever is logged in by it is out.
    Remove {
        #[command(flatten)]
        of: OfAccount,
    },
    /// Print every account with what it may do and see.
    List {
        /// The accounts' file.
        #[arg(long, value_name = "FILE")]
        accounts: PathBuf,
    },
}

/// Which account.
#[derive(Debug, Args)]
pub(super) struct OfAccount {
    /// The control room's id of the operator, never a name: gateways keep it with what was done.
    #[arg(value_parser = name)]
    name: String,
    /// The accounts' file; `add` makes it when it is not there.
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
}

/// Where the password comes from.
#[derive(Debug, Args)]
pub(super) struct Secret {
    /// The file with the password (its first line), instead of typing it.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| "allowed are viewer and operator".to_owned())
}

/// A verb that the wall offers, `all` or `none` of them.
fn commands(word: &str) -> Result<BTreeSet<Verb>, String> {
    match word {
        "all" => Ok(wall::OFFERED.into()),
        "none" => Ok(BTreeSet::new()),
        _ => wall::command(word)
            .map(|verb| BTreeSet::from([verb]))
            .map_err(|allowed| format!("{allowed}, all, none")),
    }
}

fn name(text: &str) -> Result<String, String> {
    let allowed = "allowed are 1 to 64 visible characters without spaces";
    wall::is_name(text).then(|| text.to_owned()).ok_or_else(|| allowed.to_owned())
}

impl From<AccountsError> for Failed {
    fn from(error: AccountsError) -> Self {
        let code = match error {
            AccountsError::Unreadable { .. } | AccountsError::Unwritable { .. } => 77,
            _ => 78,
        };
        Self::new(code, error)
    }
}

pub(super) fn account(command: AccountCommand) -> Result<ExitCode, Failed> {
    let none = |name: &str| Failed::new(1, format!("there is no account {name:?}"));
    let mut out = io::stdout();
    match command {
        AccountCommand::Add {
            of: OfAccount { name, accounts: file },
            role,
            site,
            class,
            command,
            secret,
        } => {
            let command: BTreeSet<_> = command.into_iter().flatten().collect();
            if role == Role::Viewer && !command.is_empty() {
                return Err(Failed::new(64, VIEWER));
            }
            let mut accounts = if fs::exists(&file).unwrap_or(true) {
                Accounts::read(&file)?
            } else {
                Accounts::default()
            };
            if accounts.get(&name).is_some() {
                let what = format!(
                    "there is an account {name:?} already; remove it first, or give \
                                    it another password"
                );
                return Err(Failed::new(1, what));
            }
            let password = secret.hashed()?;
            let limits = Scope {
                sites: (!site.is_empty()).then(|| site.into_iter().collect()),
                classes: (!class.is_empty()).then(|| class.into_iter().collect()),
            };
            accounts.put(Account::new(name.clone(), role, limits, command, password));
            accounts.write(&file)?;
            writeln!(out, "{name} may log in as {}", role.as_str())?;
        }
        AccountCommand::Password { of: OfAccount { name, accounts: file }, secret } => {
            let mut accounts = Accounts::read(&file)?;
            let account = accounts.get(&name).cloned().ok_or_else(|| none(&name))?;
            let Account { role, scope, commands, .. } = (*account).clone();
            accounts.put(Account::new(name.clone(), role, scope, commands, secret.hashed()?));
            accounts.write(&file)?;
            writeln!(out, "{name} has another password")?;
        }
        AccountCommand::Command { of: OfAccount { name, accounts: file }, may } => {
            let mut accounts = Accounts::read(&file)?;
            let account = accounts.get(&name).cloned().ok_or_else(|| none(&name))?;
            let mut account = (*account).clone();
            account.commands = may.into_iter().flatten().collect();
            if account.role == Role::Viewer && !account.commands.is_empty() {
                return Err(Failed::new(1, VIEWER));
            }
            let told = words(&account.commands);
            accounts.put(account);
            accounts.write(&file)?;
            writeln!(out, "{name} may command: {told}")?;
        }
        AccountCommand::Remove { of: OfAccount { name, accounts: file } } => {
            let mut accounts = Accounts::read(&file)?;
            if !accounts.remove(&name) {
                return Err(none(&name));
            }
            accounts.write(&file)?;
            writeln!(out, "{name} is gone")?;
        }
        AccountCommand::List { accounts: file } => {
            for account in Accounts::read(&file)?.iter() {
                let all = || "all".to_owned();
                let sites = account.scope.sites.as_ref();
                let sites = sites.map(|all| all.iter().map(Id::to_string).collect::<Vec<_>>());
                let classes = account.scope.classes.as_ref();
                let classes =
                    classes.map(|all| all.iter().map(|one| one.as_str()).collect::<Vec<_>>());
                writeln!(
                    out,
                    "{:<24} {:<9} sites {}; classes {}; commands {}",
                    account.name,
                    account.role.as_str(),
                    sites.map_or_else(all, |sites| sites.join(", ")),
                    classes.map_or_else(all, |classes| classes.join(", ")),
                    words(&account.commands)
                )?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

const VIEWER: &str = "a viewer commands nothing; --role operator may";

/// Verbs in a line.
fn words(verbs: &BTreeSet<Verb>) -> String {
    let all: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

impl Secret {
    /// The hash of a password that is long enough.
    fn hashed(self) -> Result<String, Failed> {
        let typed = match self.password_file {
            Some(file) => password::read(&file).map_err(|error| Failed::new(77, error))?,
            None => typed()?,
        };
        let length = typed.chars().count();
        if length < wall::SHORTEST || typed.len() > wall::LONGEST {
            let (least, most) = (wall::SHORTEST, wall::LONGEST);
            let what =
                format!("the password has {length} characters; allowed are {least} to {most}");
            return Err(Failed::new(78, what));
        }
        wall::hash(&typed).map_err(|error| Failed::new(70, error))
    }
}

/// Asks twice at a terminal, without showing it; elsewhere reads a line.
fn typed() -> Result<String, Failed> {
    let failed = |error: io::Error| Failed::new(70, format!("cannot read the password: {error}"));
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mut line = String::new();
        stdin.lock().read_line(&mut line).map_err(failed)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let shown = tcgetattr(&stdin).map_err(|errno| failed(errno.into()))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let ask = |what: &str| {
        let mut out = io::stderr();
        write!(out, "{what}: ")?;
        out.flush()?;
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        writeln!(out)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    };
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|errno| failed(errno.into()))?;
    let both = ask("password").and_then(|first| Ok((first, ask("again")?)));
    tcsetattr(&stdin, OptionalActions::Flush, &shown).map_err(|errno| failed(errno.into()))?;
    let (first, again) = both.map_err(failed)?;
    if first == again { Ok(first) } else { Err(Failed::new(1, "the two passwords differ")) }
}
