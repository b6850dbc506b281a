//! `gatehouse rounds`: today's patrol rounds.
//!
//! How they ended is read from the journal; what is due, under way and next, the gateway tells.

use std::fmt::Write as _;
use std::process::ExitCode;

use gatehouse_core::event::{Class, Event};
use gatehouse_core::time::UtcMs;
use gatehouse_journal::{Query, ReadError, Reader};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::output::Paint;
use super::{ConfigArg, load, output, status};
use crate::clock::Clock;
use crate::control::Wish;

/// Events that one read of the journal brings.
const PAGE: usize = 1000;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct RoundsArgs {
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// How one that was due today ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Ended {
    round: String,
    due: Option<UtcMs>,
    /// `done`, `late` or `missed`.
    end: String,
    at: UtcMs,
    cause: Option<String>,
}

/// What is due or under way, and what comes next.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Told {
    rounds: Vec<Round>,
    time_known: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Round {
    id: String,
    now: Option<Run>,
    until: Option<UtcMs>,
    expected: Option<String>,
    next: Option<Window>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Run {
    due: UtcMs,
    #[serde(default)]
    began: Option<UtcMs>,
    overdue: bool,
    visited: u32,
    of: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Window {
    opens: UtcMs,
    closes: UtcMs,
}

pub(super) fn rounds(args: &RoundsArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let clock = Clock::system();
    let now = clock.now().utc;
    let dir = config.state_dir.join("journal");
    let today = now.midnight(0, &config.time_zone).unwrap_or(now);
    let ended = match ended(&Reader::open(&dir, clock.boot()), today) {
        Ok(ended) => ended,
        Err(error) => return super::unreadable(&dir, &error),
    };
    let told = status::facts(&config.socket, &Wish::Rounds);
    let told = told.and_then(|facts| serde_json::from_value::<Told>(facts).map_err(Into::into));
    let (told, code) = match told {
        Ok(told) => (Some(told), ExitCode::SUCCESS),
        Err(error) => {
            status::unreachable(&config.socket, &error);
            (None, ExitCode::FAILURE)
        }
    };
    let text = if args.json {
        serde_json::json!({ "today": ended, "now": told }).to_string() + "\n"
    } else {
        let paint = Paint(output::coloured(args.config.color, &std::io::stdout()));
        table(&ended, told.as_ref(), &config.time_zone, paint)
    };
    output::print(&text);
    code
}

/// What ended since then.
fn ended(reader: &Reader, since: UtcMs) -> Result<Vec<Ended>, ReadError> {
    let mut query = Query {
        since: Some(since),
        until: None,
        class: Some(Class::Access),
        source: None,
        after: None,
        newest_first: false,
        limit: PAGE,
    };
    let mut all = Vec::new();
    loop {
        let records = reader.query(&query)?;
        let events = records.iter().map(|record| serde_json::from_slice::<Event>(&record.payload));
        for event in events.flatten() {
            let end = event.draft.kind.strip_prefix("round.").unwrap_or_default();
            if !matches!(end, "done" | "late" | "missed") {
                continue;
            }
            let due = event.draft.detail.as_ref().and_then(|detail| detail.get("due"));
            all.push(Ended {
                round: event.draft.source.id.to_string(),
                due: due.and_then(|due: &Value| serde_json::from_value(due.clone()).ok()),
                end: end.to_owned(),
                at: event.draft.time.utc,
                cause: event.draft.cause.clone(),
            });
        }
        match records.last().filter(|_| records.len() == PAGE) {
            Some(last) => query.after = Some(last.seq),
            None => return Ok(all),
        }
    }
}

fn table(ended: &[Ended], told: Option<&Told>, zone: &TimeZone, paint: Paint) -> String {
    let mut text = String::new();
    let line = |text: &mut String, id: &str, due: Option<UtcMs>, is: &str| {
        let due = due.map_or_else(String::new, |due| due.local(zone));
        let _ = writeln!(text, "{id:<20} {due:<16}  {is}");
    };
    for end in ended {
        let why = end.cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
        let is = match end.end.as_str() {
            "done" => paint.good("done"),
            "late" => paint.warn("late"),
            _ => paint.bad(&format!("missed{why}")),
        };
        line(&mut text, &end.round, end.due, &is);
    }
    let Some(told) = told else { return text };
    for round in &told.rounds {
        if let Some(run) = &round.now {
            let until = round.until.map_or_else(String::new, |until| until.local(zone));
            let to = round.expected.as_ref().map_or_else(String::new, |to| format!(" at {to}"));
            let (visited, of) = (run.visited, run.of);
            let is = match (run.began, run.overdue) {
                (None, _) => format!("due, begins{to} until {until}"),
                (Some(_), false) => format!("under way, {visited} of {of}, next{to} until {until}"),
                (Some(_), true) => paint.bad(&format!("overdue{to}, {visited} of {of}")),
            };
            line(&mut text, &round.id, Some(run.due), &is);
        }
        if let Some(next) = &round.next {
            let closes = next.closes.local(zone);
            let is = paint.dim(&format!("next, begins until {closes}"));
            line(&mut text, &round.id, Some(next.opens), &is);
        }
    }
    if told.rounds.is_empty() {
        text.push_str("this gateway has no rounds\n");
    } else if !told.time_known {
        text.push_str(&paint.bad("the time is not known: no round is watched\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_today_stands_before_what_is_under_way_and_what_comes() {
        let ended = [Ended {
            round: "night".into(),
            due: Some(UtcMs(7_200_000)),
            end: "missed".into(),
            at: UtcMs(9_000_000),
            cause: Some("nobody began it".into()),
        }];
        let facts = serde_json::json!({
            "rounds": [{
                "id": "evening",
                "now": {
                    "due": UtcMs(72_000_000), "began": UtcMs(72_060_000), "overdue": false,
                    "late": false, "too_fast": 0, "out_of_order": 0, "visited": 1, "of": 3,
                },
                "until": UtcMs(72_720_000),
                "expected": "roof",
                "next": { "opens": UtcMs(158_400_000), "closes": UtcMs(160_200_000) },
            }],
            "time_known": true,
        });
        let told: Told = serde_json::from_value(facts).unwrap();
        let text = table(&ended, Some(&told), &TimeZone::UTC, Paint(false));
        let expected = "\
night                1970-01-01 02:00  missed: nobody began it
evening              1970-01-01 20:00  under way, 1 of 3, next at roof until 1970-01-01 20:12
evening              1970-01-02 20:00  next, begins until 1970-01-02 20:30
";
        assert_eq!(text, expected);
    }
}
