//! The answer itself.

use std::path::Path;

use gatehouse_core::contract::{PathState, Power, PowerKind, Temperature};
use gatehouse_core::time::ClockState;
use gatehouse_web::exposition::{Page, decimal};

use crate::board::StoreView;
use crate::control::{Report, ThingReport};
use crate::gauges::{EvidenceLoad, Gauges};
use crate::health;
use crate::sandbox::{Held, Sandbox};

/// What the computer says of itself.
pub(super) struct Machine {
    /// Bytes of the file system of the state folder: free for the gateway, and all.
    disk: Option<(u64, u64)>,
    /// Bytes that could still be given to a program.
    memory: u64,
    temperatures: Vec<Temperature>,
    power: Vec<Power>,
}

impl Machine {
    pub(super) fn of(state_dir: &Path, gauges: &Gauges) -> Self {
        let stat = rustix::fs::statvfs(state_dir).ok();
        let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
        Self {
            disk: stat.map(|stat| {
                (bytes(stat.f_bavail, stat.f_frsize), bytes(stat.f_blocks, stat.f_frsize))
            }),
            memory: health::memory_free_kib() * 1024,
            temperatures: gauges.temperatures(),
            power: gauges.power(),
        }
    }
}

/// Whether a thing does what it is there for; what it says is nobody's matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Works,
    Faulty,
    Unknown,
}

impl Condition {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Works, "works"), (Self::Faulty, "faulty"), (Self::Unknown, "unknown")];

    fn of(thing: &ThingReport) -> Self {
        let faulty = |word: &str| matches!(word, "tamper" | "fault" | "masked" | "offline");
        match (thing.kind.as_str(), thing.state.as_str()) {
            (_, "unknown" | "lost") => Self::Unknown,
            ("camera", state) if state != "up" || !thing.flags.is_empty() => Self::Faulty,
            (_, state) if faulty(state) => Self::Faulty,
            _ if thing.flags.iter().any(|flag| faulty(flag)) => Self::Faulty,
            _ => Self::Works,
        }
    }
}

/// Kinds of things with a condition: a partition has none, and whether it is armed is not told.
const KINDS: [&str; 5] = ["door", "zone", "reader", "camera", "output"];

/// What a camera does; every other word of its state is `lost`.
const CAMERAS: [&str; 4] = ["up", "degraded", "tampered", "lost"];

fn camera(thing: &ThingReport) -> &'static str {
    let tampered = thing.flags.iter().any(|flag| flag != "lost");
    match thing.state.as_str() {
        "up" | "degraded" if tampered => "tampered",
        "up" => "up",
        "degraded" => "degraded",
        _ => "lost",
    }
}

pub(super) fn page(report: &Report, machine: &Machine) -> String {
    let mut page = Page::default();
    let name = "gatehouse_build_info";
    page.family(name, "gauge", "Always 1; the label says which version runs.");
    page.sample(name, &[("version", report.version.as_str())], 1);
    page.gauge("gatehouse_uptime_seconds", "Time since the daemon started.", report.uptime_s);
    page.counter("gatehouse_starts_total", "Starts of the daemon on this box.", report.session);
    let synced = u8::from(report.clock.0 == ClockState::Synced);
    page.gauge("gatehouse_clock_synchronised", "1 while a time server sets the clock.", synced);
    let bound = report.clock.1.map(|ms| decimal(ms.into(), 1000));
    page.known("gatehouse_clock_error_seconds", "Bound of the wall clock's error.", bound);
    let help = "Units that fail again and again.";
    page.gauge("gatehouse_units_degraded", help, report.degraded.len());
    sandbox(&mut page, report.sandbox.as_ref());

    let help = "Events in the record, since its first one.";
    page.counter("gatehouse_events_recorded_total", help, report.head);
    let help = "Events that the control room has, without a hole.";
    page.counter("gatehouse_events_received_total", help, report.host_upto);
    let name = "gatehouse_backlog_events";
    page.family(name, "gauge", "Events that the broker has not acknowledged, by lane.");
    page.sample(name, &[("lane", "alarm")], report.backlog.alarm);
    page.sample(name, &[("lane", "normal")], report.backlog.normal);
    let help = "Age of the oldest event that the control room does not have; 0 if there is none.";
    page.gauge("gatehouse_unreceived_seconds", help, report.oldest_unreceived_s);
    let help = "Events that the broker refuses.";
    page.gauge("gatehouse_events_set_aside", help, report.set_aside);
    let help = "Events stored since the start.";
    page.counter("gatehouse_journal_events_total", help, report.stored);
    let help = "Transactions of the journal since the start.";
    page.counter("gatehouse_journal_commits_total", help, report.commits);
    let help = "Bytes that the journal wrote to the flash since the start.";
    page.counter("gatehouse_journal_written_bytes_total", help, report.journal_written);

    let up = u8::from(report.broker.is_some());
    page.gauge("gatehouse_broker_connected", "1 while a broker is in use.", up);
    let help =
        "Whether the control room says that it is there; missing until it has said anything.";
    page.known("gatehouse_control_room_online", help, report.host_online.map(u8::from));
    paths(&mut page, &report.paths);

    let name = "gatehouse_things";
    page.family(name, "gauge", "What is watched, by whether it does what it is there for.");
    for kind in KINDS {
        let of_kind = || report.things.iter().filter(|thing| thing.kind == kind);
        for (condition, word) in Condition::ALL {
            let count = of_kind().filter(|thing| Condition::of(thing) == condition).count();
            page.sample(name, &[("kind", kind), ("condition", word)], count);
        }
    }
    let name = "gatehouse_cameras";
    page.family(name, "gauge", "Cameras by what they do.");
    for word in CAMERAS {
        let cameras = report.things.iter().filter(|thing| thing.kind == "camera");
        page.sample(name, &[("state", word)], cameras.filter(|it| camera(it) == word).count());
    }
    if let Some(load) = &report.evidence {
        evidence(&mut page, load);
    }
    if let Some(view) = &report.store {
        store(&mut page, view);
    }
    self::machine(&mut page, report, machine);
    page.into_text()
}

fn sandbox(page: &mut Page, sandbox: Option<&Sandbox>) {
    let bounded = |held: &Held| Some(u8::from(!matches!(held, Held::Not(_))));
    let parts = sandbox.into_iter().flat_map(|sandbox| {
        [
            ("files".to_owned(), bounded(&sandbox.files)),
            ("calls".to_owned(), bounded(&sandbox.calls)),
        ]
    });
    let help = "1 where the daemon has bounded what it may do itself.";
    page.each(("gatehouse_sandbox_bounded", "part"), help, parts);
}

fn paths(page: &mut Page, paths: &[PathState]) {
    let each = |of: &dyn Fn(&PathState) -> Option<String>| -> Vec<_> {
        paths.iter().map(|path| (path.id.to_string(), of(path))).collect()
    };
    let flag = |is: bool| u8::from(is).to_string();
    let help = "1 for the path that events go over.";
    page.each(("gatehouse_path_active", "path"), help, each(&|path| Some(flag(path.active))));
    let help = "Whether a path worked when it was used or looked at last.";
    page.each(("gatehouse_path_up", "path"), help, each(&|path| path.works.map(flag)));
    let help = "Share of the last 7 days in which a path worked.";
    let share = each(&|path| path.available_ppm.map(|ppm| decimal(ppm.into(), 1_000_000)));
    page.each(("gatehouse_path_availability_ratio", "path"), help, share);
    let name = "gatehouse_path_transmission_seconds";
    if paths.iter().any(|path| path.mean_ms.or(path.p95_ms).is_some()) {
        page.family(
            name,
            "gauge",
            "Time from an event on flash to its receipt, of the last 1,000.",
        );
    }
    for path in paths {
        for (measure, ms) in [("mean", path.mean_ms), ("p95", path.p95_ms)] {
            let Some(ms) = ms else { continue };
            let labels = [("path", path.id.as_str()), ("measure", measure)];
            page.sample(name, &labels, decimal(ms.into(), 1000));
        }
    }
}

fn evidence(page: &mut Page, load: &EvidenceLoad) {
    page.gauge("gatehouse_evidence_files", "Pictures and clips on the box.", load.files);
    page.gauge("gatehouse_evidence_bytes", "Their bytes.", load.bytes);
    page.gauge("gatehouse_evidence_limit_bytes", "So many they may have.", load.most);
    let help = "Bytes of them that are written in a day, of the last week.";
    page.known("gatehouse_evidence_written_daily_bytes", help, load.a_day);
    let help = "Bytes a day that the flash bears for ten years, by an estimate.";
    page.gauge("gatehouse_evidence_budget_daily_bytes", help, load.budget);
}

fn store(page: &mut Page, view: &StoreView) {
    let works = u8::from(view.works && view.trouble.is_none());
    page.gauge("gatehouse_store_works", "1 while the district's store takes pictures.", works);
    let help = "Pictures and clips that it does not have yet.";
    page.gauge("gatehouse_store_pending_files", help, view.pending);
    page.gauge("gatehouse_store_pending_bytes", "Their bytes.", view.pending_bytes);
    page.gauge("gatehouse_store_refused_files", "Of these, such as it refused.", view.refused);
    let help = "What it has taken since the start.";
    page.counter("gatehouse_store_taken_total", help, view.stored);
}

fn machine(page: &mut Page, report: &Report, machine: &Machine) {
    if let Some((free, size)) = machine.disk {
        let help = "Bytes that the gateway can still write to the disk of its state.";
        page.gauge("gatehouse_disk_free_bytes", help, free);
        page.gauge("gatehouse_disk_size_bytes", "Bytes that this disk has.", size);
    }
    let help = "Bytes that could still be given to a program.";
    page.gauge("gatehouse_memory_available_bytes", help, machine.memory);
    let help = "Bytes of memory that the daemon has.";
    page.gauge("gatehouse_resident_memory_bytes", help, report.rss_kib * 1024);
    let used = report.flash_used_percent.map(|percent| decimal(percent.into(), 100));
    let help = "How much of its life the flash has used, as it says itself.";
    page.known("gatehouse_flash_used_ratio", help, used);
    let of =
        |heat: &Temperature| (heat.id.to_string(), Some(decimal(heat.centi_celsius.into(), 100)));
    let help = "Temperatures in the box.";
    page.each(
        ("gatehouse_temperature_celsius", "sensor"),
        help,
        machine.temperatures.iter().map(of),
    );
    let volts: fn(&Power) -> i32 = |power| power.mv;
    let amperes: fn(&Power) -> i32 = |power| power.ma;
    for (name, help, of) in [
        ("gatehouse_power_volts", "Supplies and batteries.", volts),
        ("gatehouse_power_amperes", "What flows from them.", amperes),
    ] {
        if !machine.power.is_empty() {
            page.family(name, "gauge", help);
        }
        for power in &machine.power {
            let kind = match power.of {
                PowerKind::Supply => "supply",
                PowerKind::Battery => "battery",
            };
            let labels = [("sensor", power.id.as_str()), ("of", kind)];
            page.sample(name, &labels, decimal(of(power).into(), 1000));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_happens_at_the_site_is_in_no_figure() {
        let report = |door: &str, zone: &str, partition: &str| -> Report {
            let thing = |kind: &str, state: &str| {
                json!({ "kind": kind, "id": format!("{kind}-1"), "name": "Flat of somebody",
                        "state": state, "since": "2026-01-01T00:00:00.000Z" })
            };
            serde_json::from_value(json!({
                "gateway": "g-1", "version": "1", "session": 3, "uptime_s": 9, "config_hash": "x",
                "clock": ["never", null], "head": 10, "host_upto": 10,
                "backlog": { "alarm": 0, "normal": 0 }, "oldest_unreceived_s": 0, "set_aside": 0,
                "broker": "main", "trouble": null, "uplink_since": "2026-01-01T00:00:00.000Z",
                "host_online": null, "incidents": [], "degraded": [], "rss_kib": 1, "stored": 1,
                "commits": 1, "journal_written": 1,
                "things": [thing("door", door), thing("zone", zone), thing("partition", partition)],
            }))
            .unwrap()
        };
        let machine =
            Machine { disk: None, memory: 1, temperatures: Vec::new(), power: Vec::new() };
        let quiet = page(&report("closed", "normal", "armed-away"), &machine);
        assert_eq!(quiet, page(&report("open", "active", "disarmed"), &machine));
        assert!(!quiet.contains("somebody") && !quiet.contains("g-1"), "{quiet}");
        let works = "gatehouse_things{kind=\"zone\",condition=\"works\"} 1\n";
        assert!(quiet.contains(works) && !quiet.contains("partition"), "{quiet}");
        let faulty = page(&report("unknown", "tamper", "disarmed"), &machine);
        for line in [
            "gatehouse_things{kind=\"zone\",condition=\"faulty\"} 1\n",
            "gatehouse_things{kind=\"door\",condition=\"unknown\"} 1\n",
        ] {
            assert!(faulty.contains(line), "{faulty}");
        }
    }
}
