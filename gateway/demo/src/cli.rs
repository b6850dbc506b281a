//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Shortest `--for` in which two cuts, their mending and the draining have room.
const SHORTEST: Duration = Duration::from_secs(8);

/// Longest `--for`: the journal of a day in the rush hour still fits its limit.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Gatehouse on one laptop: a building whose doors people use, the box that watches them, a
/// broker, and the control room. Opens a page on which you can break any of it and see that
/// nothing was lost.
#[derive(Debug, Parser)]
#[command(name = "gatehouse-demo", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    #[command(flatten)]
    pub(crate) demo: Demo,
}

/// The parts that the demo starts as processes of their own, so that they can be killed.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// The embedded broker.
    #[command(hide = true)]
    Broker {
        /// The loopback port; 0 takes any.
        #[arg(long)]
        port: u16,
        /// The process to die with.
        #[arg(long)]
        parent: u32,
    },
    /// The box: the gateway's daemon.
    #[command(hide = true)]
    Box {
        /// Its configuration.
        #[arg(long)]
        config: PathBuf,
        /// The process to die with.
        #[arg(long)]
        parent: u32,
    },
}

/// What the demo is asked to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct Demo {
    /// The page's port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8090)]
    pub(crate) port: u16,

    /// Stop by itself after this time (as 30s, 2m); cuts broker and power a few times meanwhile.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) runs_for: Option<Duration>,

    /// With --for: cut nothing, and also check that every single edge was recorded.
    #[arg(long, requires = "runs_for")]
    pub(crate) calm: bool,

    /// With --for: print the result as one JSON object, the last line of standard output.
    #[arg(long, requires = "runs_for")]
    pub(crate) json: bool,

    /// How busy the doors are: 1 is a calm afternoon, 10 the rush hour [default: 1; with --for 20].
    #[arg(long, value_name = "FACTOR", value_parser = pace)]
    pub(crate) pace: Option<f64>,

    /// The seed of the people's random walks.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Keep journal, receiver database and logs in this folder (must be empty or missing).
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,

    /// Do not print each event that the control room commits.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Demo {
    /// How busy the doors are.
    pub(crate) fn pace(&self) -> f64 {
        self.pace.unwrap_or(if self.runs_for.is_some() { 20.0 } else { 1.0 })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        other => return Err(format!("{other:?} is no unit: write 30s, 2m or 1h")),
    };
    let number: u64 = digits.parse().map_err(|_| "write a whole number, as 30s".to_owned())?;
    let duration = Duration::from_secs(number.saturating_mul(unit));
    if (SHORTEST..=LONGEST).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("from {} s to {} h are allowed", SHORTEST.as_secs(), LONGEST.as_secs() / 3600))
    }
}

fn pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (0.1..=20.0).contains(&factor) => Ok(factor),
        _ => Err("a number from 0.1 to 20 is allowed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units_and_limits() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "30 s", "30x", "-1s", "1s", "25h", "1e9s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn json_needs_an_end() {
        assert!(Cli::try_parse_from(["gatehouse-demo", "--json"]).is_err());
        let cli = Cli::try_parse_from(["gatehouse-demo", "--for", "30s", "--json"]).unwrap();
        assert!(cli.demo.json && (cli.demo.pace() - 20.0).abs() < f64::EPSILON);
    }
}
