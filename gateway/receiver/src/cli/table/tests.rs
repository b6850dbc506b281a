use std::collections::{BTreeMap, BTreeSet};

use gatehouse_core::contract::{AlarmState, RetainedState};
use gatehouse_core::id::Seq;
use gatehouse_core::site::{Danger, Incident, Phase};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;

use super::*;
use crate::snapshot::{IncidentView, ThingView};

fn address(gateway: &str) -> Address {
    Address {
        district: "d".parse().unwrap(),
        site: "a-very-long-site-name-indeed".parse().unwrap(),
        gateway: gateway.parse().unwrap(),
    }
}

fn snapshot(gateways: u64) -> Snapshot {
    let mut snapshot = Snapshot { link: Link::Up, ..Snapshot::default() };
    for n in 0..gateways {
        let missing = u64::from(n == gateways - 1);
        let life = Life::Online;
        let view = GatewayView { life, upto: Seq(n), missing, ..GatewayView::default() };
        snapshot.gateways.insert(address(&format!("g-{n:03}")), view);
    }
    snapshot
}

fn thing(state: &'static str, flags: &[&str]) -> ThingView {
    let state = RetainedState {
        state: state.into(),
        since: UtcMs(0),
        seq: Seq(1),
        valid_s: 90,
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        session: 1,
    };
    ThingView { shown: state.state.clone().into_owned(), state, received: UtcMs(0) }
}

fn incident_of(id: &str, danger: Danger, since: i64, acked: Option<&str>) -> IncidentView {
    let incident = Incident {
        id: id.parse().unwrap(),
        phase: if acked.is_some() { Phase::Acked } else { Phase::Active },
        danger,
        class: Class::Alarm,
        severity: 1,
        partition: Some("lobby".parse().unwrap()),
        since: UtcMs(since),
        sources: vec!["zone/hall".into(), "zone/stair".into()],
        open: BTreeSet::new(),
        acked: acked.map(|by| (Some(by.to_owned()), UtcMs(since))),
        escalated: false,
        notes: vec![],
    };
    let shown = incident.phase.as_str().to_owned();
    let state = AlarmState { incident, seq: Seq(1), session: 1 };
    IncidentView { state, shown, received: UtcMs(since) }
}

fn at(utc: i64) -> Now {
    Now { utc: UtcMs(utc), ..Now::default() }
}

#[test]
fn the_table_fits_the_terminal_and_shows_the_troubled_first() {
    for (rows, columns) in [(24, 80), (10, 40), (60, 200)] {
        let size = Some(Size { rows, columns });
        let log = ["a\x1b[2Jlog line".to_owned()];
        let lines = table("t", &snapshot(50), &log, at(0), size, false);
        assert!(lines.len() <= rows);
        assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains('\x1b')));
        assert!(lines.last().unwrap().contains("log line"));
    }
    let lines = table("t", &snapshot(50), &[], at(0), None, false);
    assert!(lines[5].starts_with("g-049, a-very-long-site…"), "{}", lines[5]);
}

#[test]
fn colours_come_only_when_they_are_asked_for() {
    let coloured = table("t", &snapshot(2), &[], at(0), None, true).join("");
    assert!(coloured.contains("\x1b[1m"));
    let plain = table("t", &snapshot(2), &[], at(0), None, false).join("");
    assert!(!plain.contains('\x1b'));
}

#[test]
fn open_incidents_stand_on_top_the_unanswered_first_and_silent_ones_say_so() {
    let mut district = snapshot(30);
    let incidents = [
        incident_of("a1", Danger::Burglary, 1_000, Some("op-7")),
        incident_of("a2", Danger::Fire, 50_000, None),
        incident_of("s1", Danger::SilentPanic, 40_000, None),
    ];
    let of = |view: IncidentView| (view.state.incident.id.to_string(), view);
    let view = district.gateways.get_mut(&address("g-004")).unwrap();
    view.incidents = std::sync::Arc::new(incidents.into_iter().map(of).collect());
    let size = Some(Size { rows: 24, columns: 132 });
    let lines = table("t", &district, &[], at(70_000), size, false);
    assert_eq!(lines[4], "OPEN INCIDENTS 3, not acknowledged 2");
    let name = "g-004, a-very-long-site…";
    let line = |of: &str| format!("{of}: zone/hall, zone/stair");
    let silent = format!("1    30s active   {name} s1    SILENT silent-panic in lobby");
    assert_eq!(lines[5], line(&silent));
    assert_eq!(lines[6], line(&format!("1    20s active   {name} a2    fire in lobby")));
    let acked = line(&format!("1   1m09 acked    {name} a1    burglary in lobby"));
    assert_eq!(lines[7], format!("{acked}; acknowledged by op-7"));

    // Many of them leave room for the rest of the district.
    let many = (0..99).map(|n| of(incident_of(&format!("a{n}"), Danger::Gas, n, None)));
    district.gateways.get_mut(&address("g-004")).unwrap().incidents =
        std::sync::Arc::new(many.collect());
    let lines = table("t", &district, &[], at(70_000), size, false);
    assert!(lines.len() <= 24, "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("g-029")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("more open incidents")), "{lines:#?}");
}

#[test]
fn what_does_not_protect_stands_below_its_gateway() {
    let mut view = GatewayView { life: Life::Online, ..GatewayView::default() };
    let of = |things: &[(&str, ThingView)]| {
        let owned = things.iter().map(|(id, thing)| ((*id).to_owned(), thing.clone()));
        std::sync::Arc::new(owned.collect::<BTreeMap<_, _>>())
    };
    assert!(protection_lines(&view).is_empty());
    view.partitions =
        of(&[("garage", thing("disarmed", &[])), ("lobby", thing("armed_away", &[]))]);
    view.zones = of(&[
        ("door", thing("normal", &[])),
        ("gate", thing("unknown", &["bypassed"])),
        ("hall", thing("normal", &["bypassed"])),
        ("lid", thing("tamper", &["tamper"])),
        ("stair", thing("active", &["alarm"])),
    ]);
    view.readers = of(&[("north", thing("offline", &[])), ("south", thing("online", &[]))]);
    view.outputs = of(&[("siren", thing("on", &[])), ("strobe", thing("unknown", &[]))]);
    let lines: Vec<_> = protection_lines(&view).into_iter().map(|(_, line)| line).collect();
    assert_eq!(
        lines,
        [
            "  partitions: garage disarmed, lobby armed_away",
            "  not protecting: gate unknown, hall bypassed, lid tamper, reader north offline, \
             output strobe unknown",
        ]
    );
}
