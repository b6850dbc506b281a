//! `stats`: what a district asks about its sites and a period.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Failed;
use super::db::Db;
use crate::clock::{Clock, SystemClock};
use crate::stats::{self, MOST_DAYS, Period, ReadError};
use crate::store::Store;

pub(super) const EXAMPLES: &str = "\
Examples:
  gatehouse-receiver stats --db d-1.db --from 2026-11-01 --to 2026-11-30
  gatehouse-receiver stats --db d-1.db --site s-204 --from 2026-11-01 --to 2026-11-30 --csv --days
Reads also while a receiver writes. Times to acknowledge and to close are the median and the 95th
percentile; `false` is the share among incidents that were closed as real or false; `unprotected` adds
up all zones and readers, without what was disarmed or on test; `reachable` is the share of the time in
which a path to the site worked.";

/// Where the machine says which clock hangs on its wall.
const LOCAL: &str = "/etc/localtime";

/// Of what, of when, and how it is told.
#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    db: Db,
    /// Only this site; may be repeated.
    #[arg(long, value_name = "ID")]
    site: Vec<Id>,
    /// The first day, as 2026-11-01.
    #[arg(long, value_name = "DATE", value_parser = date)]
    from: Date,
    /// The last day, as 2026-11-30.
    #[arg(long, value_name = "DATE", value_parser = date)]
    to: Date,
    /// The clock by which days begin, as POSIX writes it: CST-8 is China's. Without it the
    /// machine's own.
    #[arg(long, value_name = "TZ", value_parser = zone)]
    time_zone: Option<TimeZone>,
    /// As CSV (RFC 4180): a line for each site, all together first.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// With --csv: a line for each day.
    #[arg(long, requires = "csv")]
    days: bool,
    /// As JSON, with each day.
    #[arg(long)]
    json: bool,
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "allowed is a day, as 2026-11-30".to_owned())
}

fn zone(text: &str) -> Result<TimeZone, String> {
    let allowed =
        "allowed is a zone as POSIX writes it, as UTC0, CST-8 or CET-1CEST,M3.5.0,M10.5.0/3";
    TimeZone::posix(text).map_err(|_| allowed.to_owned())
}

fn machine_zone() -> Result<TimeZone, Failed> {
    match fs::read(LOCAL) {
        Ok(bytes) => TimeZone::tzif("local", &bytes).map_err(|error| {
            Failed::new(78, format!("{LOCAL} is no time zone: {error}; name one with --time-zone"))
        }),
        // A machine that says nothing goes by UTC.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TimeZone::UTC),
        Err(error) => {
            Err(Failed::new(78, format!("{LOCAL}: {error}; name a zone with --time-zone")))
        }
    }
}

/// The begins of these days and the end of the last, by the clock on the wall.
fn period(from: Date, to: Date, zone: &TimeZone) -> Result<Period, Failed> {
    let wrong = || {
        let what = format!(
            "--from {from} --to {to} is no period: allowed are 1 to {MOST_DAYS} days, the last not \
             before the first"
        );
        Failed::new(64, what)
    };
    let mut bounds = Vec::new();
    let (mut day, mut last) = (from, false);
    while !last && bounds.len() <= MOST_DAYS {
        last = day > to;
        let begin = zone.to_timestamp(day.at(0, 0, 0, 0)).map_err(|_| wrong())?;
        bounds.push(UtcMs(begin.as_millisecond()));
        day = day.tomorrow().map_err(|_| wrong())?;
    }
    if !last {
        return Err(wrong());
    }
    Period::new(bounds).map_err(|_| wrong())
}

pub(super) fn stats(args: StatsArgs) -> Result<ExitCode, Failed> {
    let StatsArgs { db, site, from, to, time_zone, csv, days, json } = args;
    let zone = time_zone.map_or_else(machine_zone, Ok)?;
    let period = period(from, to, &zone)?;
    let store = Store::open_to_read(db.database()?)?;
    let report = match stats::read(&store, site, period, SystemClock.now().utc, None) {
        Ok(report) => report,
        Err(ReadError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(Failed::new(70, error)),
    };
    let mut out = io::stdout().lock();
    if csv {
        out.write_all(stats::csv(&report, days).as_bytes())?;
    } else if json {
        writeln!(out, "{}", stats::json(&report))?;
    } else if report.sites.is_empty() {
        writeln!(out, "nothing is stored of {from} to {to}")?;
    } else {
        for line in stats::table(&report) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_by_the_clock_on_the_wall_and_may_be_short_or_long() {
        let of = |from: &str, to: &str, zone: &str| {
            let zone = TimeZone::posix(zone).unwrap();
            let period = period(date(from).unwrap(), date(to).unwrap(), &zone).unwrap();
            let hours = period.days().map(|(from, to)| (to.0 - from.0) / 3_600_000);
            (period.from().to_string(), hours.collect::<Vec<_>>())
        };
        let china = of("2026-11-01", "2026-11-02", "CST-8");
        assert_eq!(china, ("2026-10-31T16:00:00.000Z".to_owned(), vec![24, 24]));
        let europe = of("2026-10-24", "2026-10-26", "CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(europe.1, [24, 25, 24]);
    }

    #[test]
    fn a_period_that_ends_before_it_begins_or_never_is_refused() {
        let of = |from: &str, to: &str| {
            period(date(from).unwrap(), date(to).unwrap(), &TimeZone::UTC).map_err(|e| e.message)
        };
        assert!(of("2026-11-02", "2026-11-01").unwrap_err().contains("1 to 400 days"));
        assert!(of("2024-01-01", "2026-01-01").is_err());
        assert_eq!(of("2026-11-02", "2026-11-02").unwrap().len(), 1);
        assert!(date("30.11.2026").unwrap_err().contains("as 2026-11-30"));
        assert!(zone("Asia/Shanghai!").is_err());
    }
}
