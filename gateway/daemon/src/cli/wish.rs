//! `gatehouse arm`, `disarm`, `bypass`, `unbypass`, `walktest`, `incident`, `release`, `silence`,
//! `challenge`, `postpone`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gatehouse_core::id::Id;
use gatehouse_core::site::{Answer, Mode, Refusal};

use super::{ConfigArg, EX_SOFTWARE, EX_USAGE, output, status};
use crate::control::{Outcome, Wish};

/// In which mode.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArmedMode {
    /// Everything: nobody is in.
    Away,
    /// The perimeter: people are in.
    Home,
    /// The perimeter, and inside what nobody passes at night.
    Night,
    /// As the site has agreed.
    Custom,
}

impl From<ArmedMode> for Mode {
    fn from(mode: ArmedMode) -> Self {
        match mode {
            ArmedMode::Away => Self::Away,
            ArmedMode::Home => Self::Home,
            ArmedMode::Night => Self::Night,
            ArmedMode::Custom => Self::Custom,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct ArmArgs {
    /// The partition's id.
    partition: Id,
    /// In which mode.
    #[arg(short, long, value_enum, default_value_t = ArmedMode::Away)]
    mode: ArmedMode,
    /// Bypass what is not ready; each bypass is reported.
    #[arg(long)]
    force: bool,
    /// Without exit delay.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct IdArgs {
    /// Its id.
    id: Id,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct PostponeArgs {
    /// The partition's id.
    partition: Id,
    /// By how much, as 30m or 1h.
    #[arg(value_name = "TIME", value_parser = minutes)]
    by: u32,
    #[command(flatten)]
    config: ConfigArg,
}

/// Minutes of `30m`, `1h` or `90`.
fn minutes(text: &str) -> Result<u32, String> {
    let wrong = || "a time as 30m or 1h, up to 4h".to_owned();
    let (digits, each) = match text.strip_suffix('h') {
        Some(hours) => (hours, 60),
        None => (text.strip_suffix('m').unwrap_or(text), 1),
    };
    let count: u32 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(each).filter(|minutes| (1..=240).contains(minutes)).ok_or_else(wrong)
}

#[derive(Clone, Debug, Args)]
pub(super) struct WalkArgs {
    /// The partition's id.
    partition: Id,
    /// It ends by itself after so many minutes.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    minutes: u32,
    /// End it now.
    #[arg(long, conflicts_with = "minutes")]
    end: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct SilenceArgs {
    /// The partition's id; without it, all sirens.
    partition: Option<Id>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ChallengeArgs {
    /// What must come back; without it, a random one.
    #[arg(long)]
    nonce: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Debug, Args)]
pub(super) struct IncidentArgs {
    #[command(subcommand)]
    act: IncidentAct,
}

#[derive(Clone, Debug, Subcommand)]
enum IncidentAct {
    /// I take it.
    Ack(IdArgs),
    /// It is over.
    Close(IdArgs),
    /// Call the others now.
    Escalate(IdArgs),
    /// Let something be known of it.
    Note {
        /// What.
        text: String,
        #[command(flatten)]
        of: IdArgs,
    },
}

pub(super) fn arm(args: ArmArgs) -> ExitCode {
    let ArmArgs { partition, mode, force, now, config } = args;
    tell(&config, &Wish::Arm { partition, mode: mode.into(), force, at_once: now })
}

pub(super) fn disarm(args: IdArgs) -> ExitCode {
    tell(&args.config, &Wish::Disarm { partition: args.id })
}

pub(super) fn bypass(args: IdArgs) -> ExitCode {
    tell(&args.config, &Wish::Bypass { zone: args.id })
}

pub(super) fn unbypass(args: IdArgs) -> ExitCode {
    tell(&args.config, &Wish::Unbypass { zone: args.id })
}

pub(super) fn postpone(args: PostponeArgs) -> ExitCode {
    tell(&args.config, &Wish::Postpone { partition: args.partition, minutes: args.by })
}

pub(super) fn walk_test(args: WalkArgs) -> ExitCode {
    let minutes = if args.end { 0 } else { args.minutes };
    tell(&args.config, &Wish::WalkTest { partition: args.partition, minutes })
}

pub(super) fn reset(args: IdArgs) -> ExitCode {
    tell(&args.config, &Wish::Reset { zone: args.id })
}

pub(super) fn release(args: IdArgs) -> ExitCode {
    tell(&args.config, &Wish::Release { door: args.id })
}

pub(super) fn silence(args: SilenceArgs) -> ExitCode {
    tell(&args.config, &Wish::Silence { partition: args.partition })
}

/// Its answer is the outcome, which takes up to `within-s`.
pub(super) fn challenge(args: ChallengeArgs) -> ExitCode {
    let nonce = args.nonce.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
    let config = match super::load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let within = config.challenge.map(|it| it.rules.within).unwrap_or_default();
    tell_within(&args.config, &Wish::Challenge { nonce }, status::PATIENCE + within)
}

pub(super) fn incident(args: IncidentArgs) -> ExitCode {
    match args.act {
        IncidentAct::Ack(of) => tell(&of.config, &Wish::Acknowledge { incident: of.id }),
        IncidentAct::Close(of) => tell(&of.config, &Wish::Close { incident: of.id }),
        IncidentAct::Escalate(of) => tell(&of.config, &Wish::Escalate { incident: of.id }),
        IncidentAct::Note { text, of } => tell(&of.config, &Wish::Note { incident: of.id, text }),
    }
}

fn tell(config: &ConfigArg, wish: &Wish) -> ExitCode {
    tell_within(config, wish, status::PATIENCE)
}

fn tell_within(config: &ConfigArg, wish: &Wish, patience: Duration) -> ExitCode {
    // Also with a file that is wrong: nobody must be kept from disarming by a slip of the pen.
    let socket = gatehouse_config::socket_of(&config.config);
    let line = serde_json::to_string(wish).expect("a wish has only string keys");
    let answer = match status::ask_for(&socket, &line, patience) {
        Ok(answer) => answer,
        Err(error) => {
            status::unreachable(&socket, &error);
            return ExitCode::FAILURE;
        }
    };
    match serde_json::from_str(&answer) {
        Ok(Outcome::Answer(answer)) => {
            let (text, code) = told(&answer);
            output::print(&text);
            code
        }
        Ok(Outcome::Error(why)) => {
            output::eprint(&format!("error: {why}\n"));
            ExitCode::from(EX_USAGE)
        }
        Ok(Outcome::Hash(_)) => ExitCode::from(EX_SOFTWARE),
        Err(error) => {
            output::eprint(&format!("error: the gateway's answer cannot be read: {error}\n"));
            ExitCode::from(EX_SOFTWARE)
        }
    }
}

pub(super) fn told(answer: &Answer) -> (String, ExitCode) {
    let Answer::Refused { reason, blockers } = answer else {
        let text = if *answer == Answer::Already { "it is so already\n" } else { "done\n" };
        return (text.to_owned(), ExitCode::SUCCESS);
    };
    let why = match reason {
        Refusal::Unknown => "there is no such partition, mode, zone, door or open incident",
        Refusal::NotReady => "not ready",
        Refusal::NotBypassable => "this zone may not be bypassed",
        Refusal::Active => "it is still active, or not known",
        Refusal::Armed => "the partition is armed; disarm it first",
        Refusal::Common => "a common area follows its users and is not armed by itself",
        Refusal::NotAllowed => "the site does not allow it",
        Refusal::NotScheduled => {
            "no schedule arms it in the next four hours, or the time is not known"
        }
        Refusal::TooLong => "its schedule may not be put off for so long",
        Refusal::Late => "it came too late",
        Refusal::TimeOut => "nobody came in time",
        Refusal::Busy => "another one is under way",
        Refusal::Failed => "it failed; `gatehouse events` says where",
    };
    let mut text = format!("refused: {why}\n");
    for blocker in blockers {
        let hint = if blocker.forcible { "" } else { ", cannot be passed over" };
        let _ = writeln!(text, "  {} {}: {}{hint}", blocker.kind, blocker.id, blocker.why);
    }
    if !blockers.is_empty() && blockers.iter().all(|blocker| blocker.forcible) {
        text.push_str("hint: --force arms without these, and reports each\n");
    }
    (text, ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_put_off_by_is_read_in_minutes_and_hours() {
        assert_eq!((minutes("30m"), minutes("2h"), minutes("90")), (Ok(30), Ok(120), Ok(90)));
        for wrong in ["", "0m", "5h", "-1m", "30s", "h", "99999999999h"] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}
