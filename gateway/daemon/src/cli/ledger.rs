//! `gatehouse ledger`: how long what did not protect, day by day.
//!
//! Days that are over are read from the journal (`ledger.day`), so they can be seen while the
//! gateway is down; the running day is asked of the gateway.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use gatehouse_journal::{Query, ReadError, Reader};
use serde::{Deserialize, Serialize};

use super::events::When;
use super::{ConfigArg, load, output, status};
use crate::clock::Clock;
use crate::control::Wish;

/// Events that one read of the journal brings.
const PAGE: usize = 1000;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct LedgerArgs {
    /// Only days that began then or later: 2026-09-30T08:00:00Z, or 90s, 15m, 2h, 7d ago.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: When,
    /// Only this zone or reader.
    #[arg(long, value_name = "ID")]
    zone: Option<Id>,
    /// One JSON object a day, with seconds.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Seconds by id, then by reason.
type Seconds = BTreeMap<String, BTreeMap<String, u64>>;

/// A day as the journal and the gateway tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    from: UtcMs,
    /// `None`: it is not over.
    #[serde(default)]
    to: Option<UtcMs>,
    #[serde(default)]
    zones_s: Seconds,
    #[serde(default)]
    readers_s: Seconds,
}

pub(super) fn ledger(args: &LedgerArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let clock = Clock::system();
    let dir = config.state_dir.join("journal");
    let since = args.since.utc(clock.now().utc);
    let mut days = match past(&Reader::open(&dir, clock.boot()), since) {
        Ok(days) => days,
        Err(error) => return super::unreadable(&dir, &error),
    };
    let today = status::facts(&config.socket, &Wish::Ledger);
    let today = today.and_then(|facts| serde_json::from_value(facts).map_err(Into::into));
    let mut code = ExitCode::SUCCESS;
    match today {
        Ok(today) => days.push(today),
        Err(error) => {
            status::unreachable(&config.socket, &error);
            output::eprint("the running day is missing below\n");
            code = ExitCode::FAILURE;
        }
    }
    if let Some(id) = &args.zone {
        for day in &mut days {
            day.zones_s.retain(|zone, _| zone == id.as_str());
            day.readers_s.retain(|reader, _| reader == id.as_str());
        }
    }
    output::print(&if args.json { lines(&days) } else { table(&days, &config.time_zone) });
    code
}

/// The days that are over, the oldest first.
fn past(reader: &Reader, since: UtcMs) -> Result<Vec<Day>, ReadError> {
    let mut query = Query {
        since: Some(since),
        until: None,
        class: Some(Class::System),
        source: None,
        after: None,
        newest_first: false,
        limit: PAGE,
    };
    let mut days: Vec<Day> = Vec::new();
    loop {
        let records = reader.query(&query)?;
        for record in &records {
            let Ok(event) = serde_json::from_slice::<Event>(&record.payload) else { continue };
            let detail = event.draft.detail.filter(|_| event.draft.kind == "ledger.day");
            let Some(day) = detail.and_then(|detail| serde_json::from_value::<Day>(detail).ok())
            else {
                continue;
            };
            // A large site tells its day in several parts.
            match days.last_mut().filter(|last| (last.from, last.to) == (day.from, day.to)) {
                Some(last) => {
                    last.zones_s.extend(day.zones_s);
                    last.readers_s.extend(day.readers_s);
                }
                None => days.push(day),
            }
        }
        match records.last().filter(|_| records.len() == PAGE) {
            Some(last) => query.after = Some(last.seq),
            None => return Ok(days),
        }
    }
}

fn lines(days: &[Day]) -> String {
    let lines = days.iter().map(|day| {
        let line = serde_json::to_string(day).expect("a day has only string keys");
        line + "\n"
    });
    lines.collect()
}

/// Whole minutes, upwards: a minute without protection is one.
fn table(days: &[Day], zone: &jiff::tz::TimeZone) -> String {
    let mut text = String::new();
    for day in days {
        let over = if day.to.is_some() { "" } else { " so far" };
        let _ = writeln!(text, "since {}{over}", day.from.local(zone));
        let all = day.zones_s.iter().chain(&day.readers_s);
        let mut any = false;
        for (id, reasons) in all {
            any = true;
            let reasons: Vec<_> = reasons
                .iter()
                .map(|(reason, s)| format!("{} min {reason}", s.div_ceil(60)))
                .collect();
            let _ = writeln!(text, "  {id:<20} {}", reasons.join(", "));
        }
        if !any {
            text.push_str("  everything protected\n");
        }
    }
    if days.is_empty() {
        text.push_str("no day is recorded yet\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_in_minutes_with_why_and_by_whom() {
        let seconds = |id: &str, reason: &str, s| {
            BTreeMap::from([(id.to_owned(), BTreeMap::from([(reason.to_owned(), s)]))])
        };
        let days = [
            Day {
                from: UtcMs(0),
                to: Some(UtcMs(86_400_000)),
                zones_s: seconds("hall", "disarmed by uid-0", 3_601),
                readers_s: seconds("gate", "lost", 5),
            },
            Day { from: UtcMs(86_400_000), ..Day::default() },
        ];
        let told = table(&days, &jiff::tz::TimeZone::UTC);
        let expected = "since 1970-01-01 00:00\n  hall                 61 min disarmed by uid-0\n  \
                        gate                 1 min lost\nsince 1970-01-02 00:00 so far\n  \
                        everything protected\n";
        assert_eq!(told, expected);
        assert_eq!(table(&[], &jiff::tz::TimeZone::UTC), "no day is recorded yet\n");
    }
}
