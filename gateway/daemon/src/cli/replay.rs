//! `gatehouse replay`: what would have been different under a proposed configuration.
//!
//! It reads the journal's file by itself, as `gatehouse events` does. Nothing of the running gateway
//! is asked or changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use gatehouse_config::Config;
use gatehouse_core::site::{Counts, Difference, How, Replayed};
use gatehouse_core::time::UtcMs;
use gatehouse_journal::Reader;
use serde_json::json;

use super::events::When;
use super::output::{self, Paint};
use super::{Colour, EX_CONFIG};
use crate::clock::Clock;
use crate::replay::{Bounds, record};

/// Differences that are listed; the rest is counted, or there with --json.
const LISTED: usize = 200;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The proposed configuration.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The configuration that is in use; its journal is replayed.
    #[arg(long, value_name = "FILE", default_value = "/etc/gatehouse/gateway.toml")]
    present: PathBuf,
    /// From then on: 2026-09-30T08:00:00Z, or 90s, 15m, 2h, 7d ago.
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: When,
    /// One JSON object with every difference.
    #[arg(long)]
    json: bool,
    /// Colours in what is printed.
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

pub(super) fn replay(args: &ReplayArgs) -> ExitCode {
    let load = |path: &PathBuf| {
        Config::load(path).map_err(|errors| {
            output::eprint(&errors.render(output::coloured(args.color, &std::io::stderr())));
            ExitCode::from(EX_CONFIG)
        })
    };
    let (proposed, present) = match (load(&args.config), load(&args.present)) {
        (Ok(proposed), Ok(present)) => (proposed, present),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let clock = Clock::system();
    let since = args.since.utc(clock.now().utc);
    let dir = present.state_dir.join("journal");
    let replayed = match record(&present, since, &Reader::open(&dir, clock.boot()), &Bounds::NONE) {
        Ok(recording) => recording.replay(&proposed.site(), &present.address.gateway, since),
        Err(error) => return super::unreadable(&dir, &error),
    };
    if args.json {
        output::print(&(document(&replayed, since).to_string() + "\n"));
    } else {
        let paint = Paint(output::coloured(args.color, &std::io::stdout()));
        output::print(&text(&replayed, since, paint));
    }
    if replayed.shown().next().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn document(replayed: &Replayed, since: UtcMs) -> serde_json::Value {
    let (recorded, again) = replayed.faithful;
    json!({
        "since": since,
        "events": replayed.events,
        "alarms": replayed.alarms(),
        "others": replayed.others(),
        "differences": replayed.shown().collect::<Vec<_>>(),
        "baseline": { "recorded": recorded, "told_again": again, "invented": replayed.invented },
        "not_comparable": replayed.not_comparable,
    })
}

fn text(replayed: &Replayed, since: UtcMs, paint: Paint) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} events since {since}", replayed.events);
    let alarms = replayed.alarms();
    let headline = if alarms == Counts::default() {
        paint.good("the alarms would have been the same")
    } else {
        paint.bold(&format!("would have raised {}", sentence(alarms)))
    };
    let _ = writeln!(text, "{headline}");
    let others = replayed.others();
    if others != Counts::default() {
        let _ = writeln!(
            text,
            "besides alarms (faults, refused armings, entries, doors held open): {} more, {} not, \
             {} at another time",
            others.more, others.missed, others.shifted
        );
    }
    counted(replayed, &mut text, paint);
    for difference in replayed.shown().take(LISTED) {
        line(difference, &mut text, paint);
    }
    if let Some(more) = replayed.shown().count().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more; --json has all");
    }
    let (recorded, again) = replayed.faithful;
    let _ = writeln!(
        text,
        "the replay under the present configuration: {again} of {recorded} recorded alarms told \
         again, {} that were not recorded",
        replayed.invented
    );
    for note in &replayed.not_comparable {
        let _ = writeln!(text, "{} {note}", paint.warn("not comparable:"));
    }
    text
}

/// `3 more alarms, missed 1, and 2 at another time`.
fn sentence(alarms: Counts) -> String {
    let plural = if alarms.more == 1 { "" } else { "s" };
    let mut text = format!("{} more alarm{plural}, missed {}", alarms.more, alarms.missed);
    if alarms.shifted > 0 {
        let _ = write!(text, ", and told {} at another time", alarms.shifted);
    }
    text
}

/// By day, and by zone and type.
fn counted(replayed: &Replayed, text: &mut String, paint: Paint) {
    let mut days: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for Difference { how, event, .. } in replayed.shown() {
        let what = format!("{} {}/{} {}", word(*how), event.thing, event.id, event.kind);
        *days.entry(event.day()).or_default().entry(what).or_default() += 1;
    }
    for (day, things) in days {
        let _ = writeln!(text, "{}", paint.bold(&day));
        for (what, count) in things {
            let _ = writeln!(text, "  {count:>5} × {what}");
        }
    }
}

fn line(difference: &Difference, text: &mut String, paint: Paint) {
    let Difference { how, by_ms, event } = difference;
    let word = format!("{:<7}", word(*how));
    let word = match how {
        How::More => paint.warn(&word),
        How::Missed => paint.bad(&word),
        How::Earlier | How::Later => paint.bold(&word),
    };
    let _ = write!(text, "  {}  {word} {} {}:{}", event.utc, event.kind, event.thing, event.id);
    if let Some(ms) = by_ms {
        let _ = write!(text, "  by {}.{:03} s", ms / 1000, ms % 1000);
    }
    if let Some(cause) = &event.cause {
        let _ = write!(text, "  {}", paint.dim(cause));
    }
    text.push('\n');
}

const fn word(how: How) -> &'static str {
    match how {
        How::More => "more",
        How::Missed => "missed",
        How::Earlier => "earlier",
        How::Later => "later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_counts_what_was_asked() {
        let counts = Counts { more: 3, missed: 1, shifted: 0 };
        assert_eq!(sentence(counts), "3 more alarms, missed 1");
        let counts = Counts { more: 1, missed: 0, shifted: 2 };
        assert_eq!(sentence(counts), "1 more alarm, missed 0, and told 2 at another time");
    }
}
