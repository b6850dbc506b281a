//! The figures as CSV (RFC 4180): a line for each site, or for each of its days.

use std::fmt::Write;

use gatehouse_core::event::Class;

use super::figures::{Figures, Report};

const CLASSES: [Class; 3] = [Class::Panic, Class::Alarm, Class::Tamper];

const HEAD: &str = "site,from,to,gateways,incidents,panic,alarm,tamper,escalated,\
    acknowledged,acknowledge_median_s,acknowledge_p95_s,closed,close_median_s,close_p95_s,\
    closed_by_itself,real,false,test,unknown,unsaid,false_share,unprotected_min,disarmed_min,\
    rounds_done,rounds_late,rounds_missed,path_faults,path_down_min,unreachable_min,silent_min,availability";

/// What is not known is empty. Times are in seconds and minutes with decimals; `site` is empty in the
/// lines of all sites together, which come first.
pub fn csv(report: &Report, by_day: bool) -> String {
    let mut text = format!("{HEAD}\r\n");
    let all = std::iter::once(("", &report.all));
    let sites = report.sites.iter().map(|(site, figures)| (site.as_str(), figures));
    for (site, figures) in all.chain(sites) {
        let mut put = |from, to, of: &Figures| {
            let _ = write!(text, "{},{from},{to},{}", quoted(site), figures.gateways);
            for field in fields(of) {
                let _ = write!(text, ",{field}");
            }
            text.push_str("\r\n");
        };
        if by_day {
            for ((from, to), of) in report.period.days().zip(&figures.days) {
                put(from, to, of);
            }
        } else {
            put(report.period.from(), report.period.to(), &figures.whole);
        }
    }
    text
}

/// As in the head, after the gateways.
fn fields(of: &Figures) -> Vec<String> {
    let seconds = |ms: Option<u64>| ms.map_or_else(String::new, |ms| decimal(ms, 1000));
    let minutes = |seconds: u64| decimal(seconds * 10 / 6, 100);
    let share = |parts: Option<u64>, of| parts.map_or_else(String::new, |parts| decimal(parts, of));
    let mut all = vec![of.total().to_string()];
    all.extend(
        CLASSES
            .map(|class| of.incidents.get(class.as_str()).copied().unwrap_or_default().to_string()),
    );
    all.push(of.escalated.to_string());
    for times in [&of.acknowledged, &of.closed] {
        all.extend([times.count.to_string(), seconds(times.median_ms), seconds(times.p95_ms)]);
    }
    let judged = &of.judged;
    let counts = [
        of.closed_by_itself,
        judged.real,
        judged.r#false,
        judged.test,
        judged.unknown,
        judged.unsaid,
    ];
    all.extend(counts.map(|count| count.to_string()));
    all.push(share(judged.false_permille(), 1000));
    all.extend([minutes(of.unprotected()), minutes(of.disarmed())]);
    all.extend([of.rounds.done, of.rounds.late, of.rounds.missed].map(|count| count.to_string()));
    all.push(of.paths.faults.to_string());
    let paths = [of.paths.down_s, of.paths.unreachable_s, of.paths.silent_s];
    all.extend(paths.map(minutes));
    all.push(share(of.paths.available_ppm(), 1_000_000));
    all
}

/// A number of parts as a decimal, without the rounding of a float.
fn decimal(parts: u64, unit: u64) -> String {
    let (whole, rest) = (parts / unit, parts % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!("{whole}.{rest:0digits$}").trim_end_matches('0').to_owned()
}

/// Ids need no quotes; whatever else may stand in a database must not end its field.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Collector, Period};
    use gatehouse_core::time::UtcMs;

    #[test]
    fn every_line_has_as_many_fields_as_the_head() {
        let days = (0..=2).map(|day| UtcMs(day * 86_400_000)).collect();
        let report = Collector::new(Period::new(days).unwrap()).report(UtcMs(0));
        for (by_day, lines) in [(false, 2), (true, 3)] {
            let text = csv(&report, by_day);
            assert!(text.ends_with("\r\n"));
            let all: Vec<_> = text.trim_end().split("\r\n").collect();
            assert_eq!(all.len(), lines);
            let fields = |line: &str| line.split(',').count();
            assert!(all.iter().all(|line| fields(line) == fields(HEAD)), "{text}");
        }
    }

    #[test]
    fn a_field_cannot_end_its_line() {
        assert_eq!(quoted("s-1"), "s-1");
        assert_eq!(quoted("a,\"b\"\r\n"), "\"a,\"\"b\"\"\r\n\"");
        assert_eq!(decimal(1_667, 100), "16.67");
    }
}
