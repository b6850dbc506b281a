//! The answer itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gatehouse_web::exposition::{Page, decimal};

use super::Gauges;
use super::sums::{CAMERAS, LIVES, ROLES, Ranked, STATES, Sums};
use crate::meter::Histogram;
use crate::snapshot::Link;

const MICROS: u64 = 1_000_000;

/// In units of `unit`.
fn histogram(page: &mut Page, name: &str, help: &str, of: &Histogram, unit: u64) {
    page.family(name, "histogram", help);
    let (below, count, sum) = of.read();
    let bucket = format!("{name}_bucket");
    for (bound, so_far) in below {
        page.sample(&bucket, &[("le", &decimal(bound.into(), unit))], so_far);
    }
    page.sample(&bucket, &[("le", "+Inf")], count);
    page.sample(&format!("{name}_sum"), &[], decimal(sum.into(), unit));
    page.sample(&format!("{name}_count"), &[], count);
}

fn ranked(page: &mut Page, name: &str, labels: &[(&str, &str)], of: &Ranked, unit: u64) {
    for (rank, value) in [("worst", of.worst), ("median", of.median)] {
        let Some(value) = value else { continue };
        let labels = [labels, &[("rank", rank)]].concat();
        page.sample(name, &labels, decimal(value.into(), unit));
    }
}

pub(super) fn page(gauges: &Gauges) -> String {
    let mut page = Page::default();
    let snapshot = gauges.operator.snapshot();
    let sums = Sums::of(&snapshot, gauges.operator.now());
    let read = |counter: &AtomicU64| counter.load(Relaxed);
    let meter = &gauges.meter;

    let name = "gatehouse_build_info";
    page.family(name, "gauge", "Always 1; the labels say which receiver this is.");
    let district = gauges.config.district.to_string();
    let version = env!("CARGO_PKG_VERSION");
    let labels = [("version", version), ("district", &district), ("host", &gauges.config.host)];
    page.sample(name, &labels, 1);
    let up = u8::from(snapshot.link == Link::Up);
    page.gauge("gatehouse_broker_connected", "1 while subscribed to everything at the broker.", up);
    let writable = u8::from(snapshot.failing.is_none());
    page.gauge("gatehouse_store_writable", "0 while the database takes no commits.", writable);
    let help = "Messages that have come and wait to be committed.";
    page.gauge("gatehouse_backlog_messages", help, gauges.backlog());

    let name = "gatehouse_events_total";
    page.family(name, "counter", "Events committed by this receiver since it started.");
    for (class, count) in meter.events() {
        page.sample(name, &[("class", class.as_str())], count);
    }
    for (name, help, counter) in [
        (
            "gatehouse_duplicates_total",
            "Deliveries of an event that was committed before.",
            &meter.duplicates,
        ),
        (
            "gatehouse_conflicts_total",
            "Deliveries of another content under a committed number.",
            &meter.conflicts,
        ),
        (
            "gatehouse_quarantined_total",
            "Payloads that are no events, kept apart.",
            &meter.quarantined,
        ),
        (
            "gatehouse_deferred_total",
            "Messages left to the gateway since a bound was reached.",
            &meter.deferred,
        ),
        (
            "gatehouse_commit_failures_total",
            "Commits that the database did not take.",
            &meter.failures,
        ),
        (
            "gatehouse_emptied_total",
            "Events that have had their time, of which only the place in the chain is left.",
            &meter.expired,
        ),
    ] {
        page.counter(name, help, read(counter));
    }
    let help = "Cameras' pictures stored by this receiver since it started.";
    page.counter("gatehouse_pictures_total", help, read(&meter.pictures));
    let name = "gatehouse_pictures_refused_total";
    page.family(name, "counter", "What came as a picture and was not kept, by reason.");
    for (why, count) in meter.refused_by_reason() {
        page.sample(name, &[("reason", why)], count);
    }
    let help = "Pictures that were taken away to make room, before their time.";
    page.counter("gatehouse_pictures_trimmed_total", help, read(&meter.trimmed));
    let help = "Receipts that the broker has taken.";
    page.counter("gatehouse_receipts_total", help, snapshot.receipts);
    let help = "Time from the begin of a transaction to the return of its commit.";
    histogram(&mut page, "gatehouse_commit_seconds", help, &meter.commits, MICROS);
    let help = "Messages in one commit.";
    histogram(&mut page, "gatehouse_commit_messages", help, &meter.messages, 1);

    let name = "gatehouse_told_total";
    page.family(name, "counter", "Attempts to tell responders, by way and what came of them.");
    for (way, told, failed) in meter.told_by_way() {
        page.sample(name, &[("way", way), ("result", "told")], told);
        page.sample(name, &[("way", way), ("result", "failed")], failed);
    }
    let name = "gatehouse_ways_failing";
    let help = "Ways by which no responder could be told for more than five minutes.";
    page.gauge(name, help, snapshot.told.failing.len());

    district_of(&mut page, &sums);
    let help = "Faults of many gateways that are one matter.";
    page.gauge("gatehouse_storms_open", help, snapshot.storms.len());
    let still: usize = snapshot.storms.iter().map(|storm| storm.open).sum();
    page.gauge("gatehouse_storm_gateways", "Gateways whose part in a storm has not ended.", still);
    page.into_text()
}

/// What the gateways are and say.
fn district_of(page: &mut Page, sums: &Sums) {
    let name = "gatehouse_gateways";
    page.family(name, "gauge", "Gateways by what this receiver makes of them.");
    for (life, count) in LIVES.iter().zip(sums.lives) {
        page.sample(name, &[("life", life.as_str())], count);
    }
    let help = "Numbers of events that are missing at present.";
    page.gauge("gatehouse_gap_events", help, sums.missing);
    let help = "Gateways of which numbers are missing.";
    page.gauge("gatehouse_gap_gateways", help, sums.with_gaps);
    let help = "How often gateways have begun to number anew, after their flash was wiped.";
    page.gauge("gatehouse_gateways_began_anew", help, sums.began_anew);

    let name = "gatehouse_cameras";
    page.family(name, "gauge", "Cameras by what they do: see, or why not.");
    for (how, count) in CAMERAS.iter().zip(sums.cameras) {
        page.sample(name, &[("state", how)], count);
    }

    let name = "gatehouse_incidents_open";
    page.family(name, "gauge", "Open incidents; severity 1 is the most urgent.");
    for ((danger, severity), count) in &sums.incidents {
        let severity = severity.to_string();
        page.sample(name, &[("danger", danger), ("severity", &severity)], count);
    }
    let help = "Open incidents that no operator has taken.";
    page.gauge("gatehouse_incidents_unacknowledged", help, sums.unacknowledged);
    let help = "Age of the oldest of them; 0 if there is none.";
    let oldest = u64::try_from(sums.oldest.as_millis()).unwrap_or(u64::MAX);
    page.gauge("gatehouse_incident_unacknowledged_seconds", help, decimal(oldest.into(), 1000));

    let name = "gatehouse_gateway_backlog_events";
    page.family(name, "gauge", "Events that wait at gateways that are heard, by their heartbeats.");
    for (lane, count) in ["alarm", "normal"].iter().zip(sums.waiting) {
        page.sample(name, &[("lane", lane)], count);
    }
    let help = "Age of the oldest event at any heard gateway that has no receipt.";
    page.gauge("gatehouse_gateway_unreceived_seconds", help, sums.oldest_unreceived_s);

    let name = "gatehouse_paths";
    page.family(name, "gauge", "Paths of gateways that are heard, by use and state.");
    for (role, states) in ROLES.iter().zip(sums.paths) {
        for (state, count) in STATES.iter().zip(states) {
            page.sample(name, &[("role", role), ("state", state)], count);
        }
    }
    let name = "gatehouse_path_availability_ratio";
    page.family(name, "gauge", "Share of the last 7 days in which a path worked, over all paths.");
    ranked(page, name, &[], &sums.available, 1_000_000);
    let name = "gatehouse_path_transmission_seconds";
    page.family(
        name,
        "gauge",
        "From flash to receipt: the mean and the 95th percentile of a path.",
    );
    ranked(page, name, &[("measure", "mean")], &sums.mean, 1000);
    ranked(page, name, &[("measure", "p95")], &sums.p95, 1000);
}
