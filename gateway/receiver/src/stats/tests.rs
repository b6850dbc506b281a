//! Figures of events that are made up, in every order.

use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use serde_json::{Value, json};

use super::*;
use crate::store::{Basis, Stored, When};

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

fn period(days: i64) -> Period {
    Period::new((0..=days).map(|day| UtcMs(day * DAY)).collect()).unwrap()
}

/// Events of `s-1/g-1`, numbered as they come.
#[derive(Default)]
struct Log(Vec<Stored>);

impl Log {
    fn at(&mut self, utc: i64, class: Class, kind: &str, more: &Value) -> u64 {
        let seq = self.0.len() as u64 + 1;
        let mut event = json!({"type": kind, "seq": seq, "actor": null, "source": {"kind": "zone", "id": "hall"}});
        for (key, value) in more.as_object().unwrap() {
            event[key] = value.clone();
        }
        self.0.push(Stored {
            district: "d-1".into(),
            site: "s-1".into(),
            gateway: "g-1".into(),
            seq: Seq(seq),
            class,
            recv: UtcMs(utc),
            when: When { utc: UtcMs(utc), basis: Basis::Gateway },
            replayed: false,
            body: serde_json::to_vec(&event).unwrap(),
            arrival: i64::try_from(seq).unwrap(),
        });
        seq
    }

    fn alarm(&mut self, utc: i64, class: Class, incident: &str) {
        self.at(utc, class, "zone.alarm", &json!({"detail": {"incident": incident}}));
    }

    fn act(
        &mut self,
        utc: i64,
        kind: &str,
        incident: &str,
        actor: Option<&str>,
        reason: Option<&str>,
    ) {
        let mut detail = json!({"via": "district", "danger": "burglary"});
        if let Some(reason) = reason {
            detail["reason"] = json!(reason);
        }
        let source = json!({"kind": "incident", "id": incident});
        self.at(
            utc,
            Class::Arm,
            kind,
            &json!({"actor": actor, "source": source, "detail": detail}),
        );
    }

    fn report(&self, days: i64) -> Report {
        let of = |events: &mut dyn Iterator<Item = &Stored>| {
            let mut collector = Collector::new(period(days));
            events.for_each(|event| collector.take(event));
            collector.report(UtcMs(days * DAY))
        };
        let report = of(&mut self.0.iter());
        assert_eq!(report, of(&mut self.0.iter().rev()), "the order decides");
        report
    }
}

#[test]
fn an_incident_counts_where_it_began_and_its_end_may_come_later() {
    let mut log = Log::default();
    log.alarm(10 * MINUTE, Class::Alarm, "a1");
    log.alarm(11 * MINUTE, Class::Alarm, "a1");
    log.act(12 * MINUTE, "incident.acked", "a1", Some("op-7"), None);
    log.act(40 * MINUTE, "incident.closed", "a1", Some("op-7"), Some("false"));
    log.alarm(DAY + MINUTE, Class::Panic, "a2");
    log.at(
        DAY + 2 * MINUTE,
        Class::Panic,
        "alarm.escalated",
        &json!({"source": {"kind": "incident", "id": "a2"}}),
    );
    log.act(DAY + 5 * MINUTE, "incident.acked", "a2", Some("op-8"), None);
    // After the period's end.
    log.act(2 * DAY + MINUTE, "incident.closed", "a2", Some("op-8"), Some("real"));
    log.alarm(DAY + 9 * MINUTE, Class::Tamper, "a3");
    log.act(DAY + 10 * MINUTE, "incident.acked", "a3", Some("op-8"), None);
    log.act(2 * DAY + 10 * MINUTE, "incident.closed", "a3", None, None);
    log.alarm(2 * DAY, Class::Alarm, "a4");
    log.at(
        MINUTE,
        Class::Alarm,
        "zone.alarm",
        &json!({"test": true, "detail": {"incident": "a5"}}),
    );
    let report = log.report(2);
    let whole = &report.sites["s-1"].whole;
    assert_eq!((whole.total(), whole.escalated, whole.closed_by_itself), (3, 1, 1));
    assert_eq!(whole.incidents[Class::Panic.as_str()], 1);
    assert_eq!(
        whole.acknowledged,
        Times { count: 3, median_ms: Some(120_000), p95_ms: Some(240_000) }
    );
    assert_eq!(whole.closed.count, 2, "who closes by itself took no time of anybody");
    assert_eq!(whole.judged.false_permille(), Some(500));
    let days: Vec<_> = report.sites["s-1"].days.iter().map(Figures::total).collect();
    assert_eq!(days, [1, 2]);
    assert_eq!(report.all.whole, *whole);
}

#[test]
fn the_ledger_counts_for_the_day_that_it_tells_of_and_names_nobody() {
    let mut log = Log::default();
    let ledger = |from: i64| {
        json!({"source": {"kind": "gateway", "id": "g-1"}, "detail": {
            "from": UtcMs(from), "to": UtcMs(from + DAY), "part": 1, "of": 1,
            "zones_s": {"hall": {"bypassed by 9c1e": 60, "disarmed": 3600}, "yard": {"bypassed": 30, "dark": 10}},
            "readers_s": {"north": {"lost": 5}}, "cameras_s": {"gate": {"moved": 7}}}})
    };
    log.at(DAY, Class::System, "ledger.day", &ledger(0));
    // The last day's comes at the very end of the period, which is not part of it.
    log.at(2 * DAY, Class::System, "ledger.day", &ledger(DAY));
    log.at(3 * DAY, Class::System, "ledger.day", &ledger(2 * DAY));
    let report = log.report(2);
    let day = &report.sites["s-1"].days[1];
    let reasons: Vec<_> = day.unprotected_s.iter().map(|(why, s)| (why.as_str(), *s)).collect();
    assert_eq!(
        reasons,
        [("bypassed", 90), ("dark", 10), ("disarmed", 3600), ("lost", 5), ("moved", 7)]
    );
    assert_eq!((day.unprotected(), day.disarmed()), (112, 3600));
    assert_eq!(report.all.whole.unprotected(), 224);
}

#[test]
fn rounds_are_counted_and_those_that_nobody_saw_are_counted_together() {
    let mut log = Log::default();
    for (kind, detail) in [
        ("round.done", json!({})),
        ("round.late", json!({})),
        ("round.missed", json!({"count": null})),
        ("round.missed", json!({"count": 4})),
    ] {
        log.at(MINUTE, Class::Access, kind, &json!({"detail": detail}));
    }
    let rounds = log.report(1).all.whole.rounds;
    assert_eq!(rounds, Rounds { done: 1, late: 1, missed: 5 });
}

#[test]
fn a_path_is_down_until_it_is_restored_over_midnight_and_from_before_the_period() {
    let mut log = Log::default();
    let path =
        |opens: Option<u64>| json!({"source": {"kind": "path", "id": "radio"}, "opens": opens});
    // Of a fault before the period: its begin is not read.
    log.at(30 * MINUTE, Class::Fault, "path.restored", &path(Some(900)));
    let fault = log.at(DAY - 10 * MINUTE, Class::Fault, "path.fault", &path(None));
    log.at(DAY + 20 * MINUTE, Class::Fault, "path.restored", &path(Some(fault)));
    let lost = log.at(DAY, Class::Fault, "uplink.lost", &json!({}));
    log.at(DAY + DAY / 2, Class::Fault, "uplink.restored", &json!({"opens": lost}));
    // Still so at the end.
    log.at(2 * DAY - 5 * MINUTE, Class::Fault, "path.fault", &path(None));
    let report = log.report(2);
    let of = |day: usize| report.sites["s-1"].days[day].paths;
    let down: Vec<_> = (0..2).map(|day| of(day).down_s / 60).collect();
    assert_eq!(down, [30 + 10, 20 + 5]);
    assert_eq!((of(0).available_ppm(), of(1).available_ppm()), (Some(1_000_000), Some(500_000)));
    assert_eq!(report.all.whole.paths.faults, 2);
    // Watched since the first event: 30 minutes after the begin.
    assert_eq!(report.all.whole.paths.available_ppm(), Some(747_368));
}

#[test]
fn nobody_could_be_reached_before_there_was_anybody_nor_while_a_dead_box_tells_nothing() {
    let mut log = Log::default();
    log.at(2 * DAY + DAY / 2, Class::System, "gateway.started", &json!({}));
    log.at(3 * DAY, Class::System, "ledger.day", &json!({}));
    // Then it is dead for two days; of the last day nobody knows yet.
    log.at(6 * DAY + MINUTE, Class::System, "gateway.started", &json!({}));
    let mut report = log.report(8);
    let of = |report: &Report| {
        let days = &report.sites["s-1"].days;
        days.iter().map(|day| day.paths.available_ppm()).collect::<Vec<_>>()
    };
    let (good, dead) = (Some(1_000_000), Some(0));
    assert_eq!(of(&report), [None, None, good, good, dead, dead, good, dead]);
    let whole = report.all.whole.paths;
    assert_eq!((whole.silent_s, whole.watched_s), (3 * 86_400, 5 * 86_400 + 43_200));
    let mut collector = Collector::new(period(8));
    log.0.iter().for_each(|event| collector.take(event));
    report = collector.report(UtcMs(7 * DAY + MINUTE));
    assert_eq!(of(&report)[7], good, "a day that is not over has not told its ledger");
    // Heard before the period: watched from its begin.
    for event in &mut log.0 {
        event.seq = Seq(event.seq.0 + 100);
    }
    assert_eq!(of(&log.report(8))[..3], [dead, dead, good]);
    // The same box after its flash was wiped is no second one.
    let mut former = log.0[0].clone();
    former.gateway = "g-1#1".into();
    log.0.push(former);
    let report = log.report(8);
    assert_eq!(report.all.gateways, 1);
    assert_eq!(report.all.whole.paths.watched_s, 8 * 86_400);
}
