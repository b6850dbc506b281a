//! The figures for people, and as JSON.

use serde_json::{Value, json};

use super::figures::{Figures, Report, SiteFigures};

const HEAD: [&str; 12] = [
    "site",
    "incidents",
    "panic",
    "alarm",
    "tamper",
    "ack median/p95",
    "close median/p95",
    "false",
    "unprotected",
    "rounds done/late/missed",
    "path faults",
    "reachable",
];

/// A line for each site, all together last; columns are as wide as what stands in them.
pub(crate) fn table(report: &Report) -> Vec<String> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    let sites = report.sites.iter().map(|(site, figures)| (site.as_str(), figures));
    rows.extend(sites.map(|(site, of)| row(site, &of.whole)));
    if report.sites.len() != 1 {
        rows.push(row("all", &report.all.whole));
    }
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; HEAD.len()]| {
        let cells = row.iter().zip(widths).enumerate().map(|(place, (cell, width))| {
            if place == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(site: &str, of: &Figures) -> [String; HEAD.len()] {
    let count = |class: &str| of.incidents.get(class).copied().unwrap_or_default().to_string();
    let times = |times: &super::Times| match (times.median_ms, times.p95_ms) {
        (Some(median), Some(p95)) => format!("{}/{}", span(median / 1000), span(p95 / 1000)),
        _ => "-".to_owned(),
    };
    let share = |permille: u64| format!("{}.{} %", permille / 10, permille % 10);
    let ppm = |ppm: u64| format!("{}.{:03} %", ppm / 10_000, ppm % 10_000 / 10);
    let none = || "-".to_owned();
    [
        site.to_owned(),
        of.total().to_string(),
        count("panic"),
        count("alarm"),
        count("tamper"),
        times(&of.acknowledged),
        times(&of.closed),
        of.judged.false_permille().map_or_else(none, share),
        span(of.unprotected()),
        format!("{}/{}/{}", of.rounds.done, of.rounds.late, of.rounds.missed),
        of.paths.faults.to_string(),
        of.paths.available_ppm().map_or_else(none, ppm),
    ]
}

/// Seconds for people, in their two largest units.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The whole report.
pub(crate) fn json(report: &Report) -> Value {
    let days = |of: &SiteFigures| of.days.iter().map(figures).collect::<Vec<_>>();
    let site = |of: &SiteFigures| json!({"gateways": of.gateways, "whole": figures(&of.whole), "days": days(of)});
    let of = |(name, figures): (&String, &SiteFigures)| (name.clone(), site(figures));
    json!({
        "from": report.period.from(),
        "to": report.period.to(),
        "days": report.period.days().map(|(from, _)| from.0).collect::<Vec<_>>(),
        "all": site(&report.all),
        "sites": report.sites.iter().map(of).collect::<serde_json::Map<_, _>>(),
    })
}

/// With the shares, which nobody who reads it should have to define anew.
fn figures(of: &Figures) -> Value {
    let mut value = json!(of);
    value["total"] = json!(of.total());
    value["false_permille"] = json!(of.judged.false_permille());
    value["unwanted_s"] = json!(of.unprotected());
    value["available_ppm"] = json!(of.paths.available_ppm());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let told = [0, 61, 3_660, 90_000].map(span);
        assert_eq!(told, ["0 s", "1 min 01 s", "1 h 01 min", "1 d 01 h"]);
    }
}
