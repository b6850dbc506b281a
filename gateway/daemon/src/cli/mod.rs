//! The command line: `run`, `check`, `reload`, `status`, `events`, and wishes such as `arm`.
//!
//! Exit codes follow sysexits: 0, 1 (nothing found, a difference, or not running), 64 usage, 70 software, 77 a
//! device or file may not be opened, 78 configuration.

mod backup;
mod check;
mod config;
mod contract;
mod credential;
mod diag;
mod discover;
mod doctor;
mod events;
mod evidence;
mod ledger;
mod output;
mod page;
mod reload;
mod replay;
mod rounds;
mod safe_outputs;
mod schedule;
mod status;
mod wish;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use gatehouse_config::{Config, Credentials, LogFormat};

/// The gateway of a residential community: doors in, events out, nothing lost.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, propagate_version = true)]
#[command(after_help = "Examples:
  gatehouse check                          is the configuration right?
  gatehouse run                            watch the doors (systemd does this)
  gatehouse status                         what is happening now
  gatehouse doctor                         what is wrong, and what to do
  gatehouse diag                           all of it in one file, for who helps from afar
  gatehouse backup -o box.age --new-key box.key  all settings in one sealed file
  gatehouse page                           where the web page is, and how to get in
  gatehouse events --follow                every event as it is recorded
  gatehouse events --class door --since 2h what the doors did
  gatehouse reload                         use the edited configuration
  gatehouse config set door.lobby.name Lobby   change one thing
  gatehouse config history                 what held before; `return N` goes back
  gatehouse replay --config new.toml       what would have been different?
  gatehouse arm lobby --mode night         protect a partition
  gatehouse schedule                       what is armed and disarmed next
  gatehouse postpone shop 30m              people stay: arm later
  gatehouse incident ack a17               take an incident
  gatehouse ledger --since 7d              what did not protect, and why
  gatehouse rounds                         today's patrol rounds
  gatehouse silence                        stop the sirens
  gatehouse evidence list                  pictures and clips on this box
  gatehouse discover                       cameras that answer on the network
  gatehouse credential enrol -r lobby-in   a new card: present it at the reader

Manual: gatehouse(8), gateway.toml(5), credentials.toml(5)")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the doors, record and deliver, until SIGTERM.
    Run(ConfigArg),
    /// Check the configuration: all mistakes at once, with line, key and what is allowed.
    Check(CheckArgs),
    /// Let the running gateway read its configuration anew: what did not change is not touched.
    Reload(ConfigArg),
    /// Show, check, change and confirm the configuration of the running gateway; what held before.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Run a proposed configuration over the journal: what would have been different?
    Replay(replay::ReplayArgs),
    /// Show the running gateway: doors, uplink, what waits.
    Status(StatusArgs),
    /// Look at everything this box hangs on, and say what to do about what is wrong.
    Doctor(doctor::DoctorArgs),
    /// Write one file for whoever helps from afar: versions, configuration, status, doctor, events, log and
    /// machine, without secrets, pictures and names.
    Diag(diag::DiagArgs),
    /// Write what makes this box this box into one sealed file: configuration, secrets, cards, accounts.
    Backup(backup::BackupArgs),
    /// Look into such a file, and put it back.
    Restore(backup::RestoreArgs),
    /// Show the page: its address, its fingerprint, and the code for the first account.
    Page(page::PageArgs),
    /// Show recorded events: query the journal, or follow it.
    Events(events::EventsArgs),
    /// Arm a partition.
    Arm(wish::ArmArgs),
    /// Disarm a partition.
    Disarm(wish::IdArgs),
    /// Take a zone out of protection.
    Bypass(wish::IdArgs),
    /// Take a bypassed zone in again.
    Unbypass(wish::IdArgs),
    /// Show what schedules do next.
    Schedule(schedule::ScheduleArgs),
    /// Put off the next arming by a schedule.
    Postpone(wish::PostponeArgs),
    /// Walk through a partition: each detector that sees you is ticked off, nothing alarms.
    Walktest(wish::WalkArgs),
    /// End an alarm that stays until somebody resets it.
    Reset(wish::IdArgs),
    /// How long each zone and reader did not protect, day by day, why and by whose wish.
    Ledger(ledger::LedgerArgs),
    /// Today's patrol rounds: done, late, missed, under way and next.
    Rounds(rounds::RoundsArgs),
    /// Acknowledge, close, escalate or note an incident.
    Incident(wish::IncidentArgs),
    /// Let a door open once.
    Release(wish::IdArgs),
    /// Silence the sirens; nothing is disarmed.
    Silence(wish::SilenceArgs),
    /// Send a nonce through rules, output, wire, input and journal, and wait for it.
    Challenge(wish::ChallengeArgs),
    /// Set every output to its safe state while the gateway is not running (systemd does this).
    SafeOutputs(ConfigArg),
    /// List pictures and clips of cameras, or open one: each look is recorded.
    Evidence(evidence::EvidenceArgs),
    /// Look which cameras answer on the network, and propose lines for the file.
    Discover(discover::DiscoverArgs),
    /// List, enrol, block and remove cards and codes.
    Credential(credential::CredentialArgs),
    /// Print the contract with the district: AsyncAPI, or the JSON Schema of a message.
    Contract(contract::ContractArgs),
    /// Print the JSON Schema of gateway.toml, for editors.
    Schema,
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/gatehouse/gateway.toml")]
    config: PathBuf,
    /// Colours in what is printed.
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Clone, Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Say nothing when it is right.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Bad usage of the command line.
const EX_USAGE: u8 = 64;
/// A part of the program failed.
const EX_SOFTWARE: u8 = 70;
/// A file or device may not be opened.
const EX_NOPERM: u8 = 77;
/// The configuration is wrong or cannot be read.
const EX_CONFIG: u8 = 78;

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => act(cli.command),
        Err(error) => {
            // Help and version are no errors; anything else is EX_USAGE instead of clap's 2.
            let code = if error.use_stderr() { EX_USAGE } else { 0 };
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}

fn act(command: Command) -> ExitCode {
    match command {
        Command::Run(args) => run(&args),
        Command::Check(args) => check::check(&args),
        Command::Reload(args) => reload::reload(&args),
        Command::Config(command) => config::config(&command),
        Command::Replay(args) => replay::replay(&args),
        Command::Status(args) => status::status(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Diag(args) => diag::diag(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Page(args) => page::page(&args),
        Command::Events(args) => events::events(&args),
        Command::Arm(args) => wish::arm(args),
        Command::Disarm(args) => wish::disarm(args),
        Command::Bypass(args) => wish::bypass(args),
        Command::Unbypass(args) => wish::unbypass(args),
        Command::Schedule(args) => schedule::schedule(&args),
        Command::Postpone(args) => wish::postpone(args),
        Command::Walktest(args) => wish::walk_test(args),
        Command::Reset(args) => wish::reset(args),
        Command::Ledger(args) => ledger::ledger(&args),
        Command::Rounds(args) => rounds::rounds(&args),
        Command::Incident(args) => wish::incident(args),
        Command::Release(args) => wish::release(args),
        Command::Silence(args) => wish::silence(args),
        Command::Challenge(args) => wish::challenge(args),
        Command::SafeOutputs(args) => safe_outputs::safe_outputs(&args),
        Command::Evidence(args) => evidence::evidence(&args),
        Command::Discover(args) => discover::discover(&args),
        Command::Credential(args) => credential::credential(args),
        Command::Contract(args) => contract::contract(&args),
        Command::Schema => {
            output::print(&Config::schema());
            ExitCode::SUCCESS
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gatehouse", &mut script);
            output::print(&String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
    }
}

/// Says that the journal in this folder cannot be read.
fn unreadable(dir: &std::path::Path, error: &impl std::fmt::Display) -> ExitCode {
    let dir = dir.display();
    output::eprint(&format!(
        "error: {dir}: {error}\nhint: may you read it? Try as root, or as a member of group \
         gatehouse\n"
    ));
    ExitCode::from(EX_NOPERM)
}

/// Loads the configuration, or says everything that is wrong with it.
fn load(args: &ConfigArg) -> Result<Config, ExitCode> {
    Config::load(&args.config).map_err(|errors| {
        output::eprint(&errors.render(output::coloured(args.color, &std::io::stderr())));
        ExitCode::from(EX_CONFIG)
    })
}

/// Loads the list of credentials, or says everything that is wrong with it.
fn load_credentials(config: &Config, colour: Colour) -> Result<Credentials, ExitCode> {
    Credentials::of(config).map_err(|errors| {
        output::eprint(&errors.render(output::coloured(colour, &std::io::stderr())));
        ExitCode::from(EX_CONFIG)
    })
}

fn run(args: &ConfigArg) -> ExitCode {
    // Before anything is read: what nobody has confirmed is no configuration to start with.
    let settled = crate::transaction::settle(&args.config);
    let config = match load(args) {
        Ok(config) => config,
        Err(code) => {
            for told in settled {
                output::eprint(&format!("{told}\n"));
            }
            return code;
        }
    };
    log(&config, args.color);
    for told in settled {
        tracing::warn!("{told}");
    }
    for warning in config.warnings().lines() {
        tracing::warn!("{warning}");
    }
    let credentials = match load_credentials(&config, args.color) {
        Ok(credentials) => credentials,
        Err(code) => return code,
    };
    for warning in credentials.warnings().lines() {
        tracing::warn!("{warning}");
    }
    crate::sandbox::enter(&config, &args.config);
    match crate::run::run(config, credentials, args.config.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &crate::run::RunError) -> u8 {
    use crate::run::RunError;
    match error {
        RunError::Journal(gatehouse_journal::OpenError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            EX_NOPERM
        }
        _ => EX_SOFTWARE,
    }
}

/// Logs to stderr: under systemd with the journal's priority prefixes, else for people.
pub fn log(config: &Config, colour: impl Into<LogColour>) {
    let level = config.log.level.as_str();
    // rumqttc logs each refused publish by itself; we tell it once, where it is handled.
    let filter = std::env::var("GATEHOUSE_LOG").unwrap_or_else(|_| format!("{level},rumqttc=off"));
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let colour = match colour.into() {
        LogColour::Auto => output::coloured(Colour::Auto, &std::io::stderr()),
        LogColour::Is(colour) => colour,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false);
    // A second logger in one process is a test's matter: the first stays.
    let _ = match config.log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.try_init(),
    };
}

/// Whether log lines are coloured.
#[derive(Clone, Copy, Debug)]
pub enum LogColour {
    /// On a terminal.
    Auto,
    /// As told.
    Is(bool),
}

impl From<Colour> for LogColour {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Auto => Self::Auto,
            Colour::Always => Self::Is(true),
            Colour::Never => Self::Is(false),
        }
    }
}
