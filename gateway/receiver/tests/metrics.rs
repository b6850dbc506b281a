//! `/metrics` as a scraper meets it, and the dashboard that is made of it.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::http::Page;
use common::{Broker, Gateway, Journal, jpeg, program, receiver, until};
use gatehouse_core::contract::GatewayState;
use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_core::site::Danger;
use gatehouse_receiver::metrics::{Metrics, MetricsConfig, MetricsError};
use gatehouse_receiver::{Database, Handle, Link};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A listening page for this receiver; it ends with the tasks.
async fn open(handle: &Handle) -> (Page, JoinSet<()>) {
    let config = MetricsConfig { address: "127.0.0.1:0".parse().unwrap(), plain: false };
    let metrics = Metrics::open(config, handle.gauges()).await.unwrap();
    let (page, mut tasks) = (Page::at(metrics.address()), JoinSet::new());
    tasks.spawn(async move { metrics.serve().await.unwrap() });
    (page, tasks)
}

/// Every sample by its name with labels, and the names of families; the form is checked on the way.
fn read(text: &str) -> (BTreeMap<String, f64>, BTreeSet<String>) {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let mut family = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && families.insert(name.to_owned()), "{name} comes twice");
            name.clone_into(&mut family.0);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name == family.0 && ["counter", "gauge", "histogram"].contains(&kind));
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            kind.clone_into(&mut family.1);
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            let own = match &*family.1 {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| bare.strip_suffix(end) == Some(&family.0)),
                _ => bare == family.0,
            };
            assert!(own, "{name} below {}", family.0);
            let before = samples.insert(name.to_owned(), value.parse().unwrap());
            assert!(before.is_none(), "{name} comes twice");
        }
    }
    (samples, families)
}

fn heartbeat() -> Vec<u8> {
    let path = |id: &str, active: bool, ppm: u32, mean: u32| {
        json!({"id": id, "active": active, "works": true, "available_ppm": ppm, "observed_s": 600,
            "mean_ms": mean, "p95_ms": mean * 3, "events": 20})
    };
    let beat = json!({"session": 1, "utc": "2026-09-30T11:02:03.412Z", "uptime_s": 9, "head": 3,
    "host_upto": 3, "backlog": {"alarm": 1, "normal": 7}, "oldest_unreceived_s": 12,
    "clock": "synced", "err_ms": 3, "rss_kib": 1, "disk_free": 1, "journal_written": 1,
    "degraded": [], "digest": "0", "paths": [
        path("fibre", true, 999_900, 40), path("radio", false, 950_000, 900)
    ]});
    serde_json::to_vec(&beat).unwrap()
}

#[tokio::test]
async fn a_scraper_sees_what_was_committed_what_is_open_and_what_is_broken() {
    let mut broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    let (page, _tasks) = open(&handle).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let first = journal.door();
    for event in [&first, &journal.door(), &first] {
        gateway.send(Class::Door, event).await;
    }
    gateway.send(Class::Alarm, &journal.event(Class::Alarm, "zone.alarm")).await;
    gateway.raw("ev/door", b"no event".to_vec(), false).await;
    gateway.thing("camera", "gate", "up", &["covered"]).await;
    gateway.thing("camera", "hall", "silent", &["lost"]).await;
    gateway.picture("gate", &jpeg(1, 900), None).await;
    gateway.picture("gate", b"no picture", None).await;
    gateway.incident("a1", Danger::Fire, None, 1).await;
    gateway.incident("a2", Danger::Fire, Some("op-7"), 1).await;
    gateway.status(GatewayState::Online, 1).await;
    gateway.raw("hb", heartbeat(), false).await;
    gateway.receipt("confirmed", |receipt| receipt.upto == Seq(3)).await;
    // The broker's word that it has the receipt may come after the gateway has it.
    until(&handle, "all is known", |snapshot| {
        let view = &snapshot.gateways[&gateway.address];
        snapshot.receipts > 0
            && view.heartbeat.is_some()
            && view.incidents.len() == 2
            && view.pictures == 1
            && view.cameras.len() == 2
            && view.quarantined == 1
    })
    .await;

    let answer = page.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    let (samples, _) = read(&answer.body);
    for (name, value) in [
        ("gatehouse_build_info{version=\"0.1.0\",district=\"d-1\",host=\"room\"}", 1.0),
        ("gatehouse_events_total{class=\"door\"}", 2.0),
        ("gatehouse_events_total{class=\"alarm\"}", 1.0),
        ("gatehouse_events_total{class=\"panic\"}", 0.0),
        ("gatehouse_duplicates_total", 1.0),
        ("gatehouse_conflicts_total", 0.0),
        ("gatehouse_quarantined_total", 1.0),
        ("gatehouse_cameras{state=\"tampered\"}", 1.0),
        ("gatehouse_cameras{state=\"lost\"}", 1.0),
        ("gatehouse_cameras{state=\"sees\"}", 0.0),
        ("gatehouse_pictures_total", 1.0),
        ("gatehouse_pictures_refused_total{reason=\"no_jpeg\"}", 1.0),
        ("gatehouse_pictures_refused_total{reason=\"too_many\"}", 0.0),
        ("gatehouse_broker_connected", 1.0),
        ("gatehouse_store_writable", 1.0),
        ("gatehouse_backlog_messages", 0.0),
        ("gatehouse_gateways{life=\"online\"}", 1.0),
        ("gatehouse_gateways{life=\"lost\"}", 0.0),
        ("gatehouse_gap_events", 0.0),
        ("gatehouse_incidents_open{danger=\"fire\",severity=\"1\"}", 2.0),
        ("gatehouse_incidents_open{danger=\"gas\",severity=\"5\"}", 0.0),
        ("gatehouse_incidents_unacknowledged", 1.0),
        ("gatehouse_gateway_backlog_events{lane=\"alarm\"}", 1.0),
        ("gatehouse_gateway_unreceived_seconds", 12.0),
        ("gatehouse_paths{role=\"standby\",state=\"works\"}", 1.0),
        ("gatehouse_path_availability_ratio{rank=\"worst\"}", 0.95),
        ("gatehouse_path_transmission_seconds{measure=\"p95\",rank=\"worst\"}", 2.7),
        ("gatehouse_storms_open", 0.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}\n{}", answer.body);
    }
    let (count, sum) =
        (samples["gatehouse_commit_messages_count"], samples["gatehouse_commit_messages_sum"]);
    assert!(count >= 1.0 && sum >= count, "{}", answer.body);
    assert_eq!(samples.get("gatehouse_commit_seconds_count"), Some(&count));
    assert_eq!(samples.get("gatehouse_commit_seconds_bucket{le=\"+Inf\"}"), Some(&count));
    assert!(samples["gatehouse_receipts_total"] >= 1.0);
    assert!(samples["gatehouse_incident_unacknowledged_seconds"] > 0.0);
    assert!(!answer.body.contains("g-1") && !answer.body.contains("s-1"), "an id is named");

    broker.kill();
    until(&handle, "away", |snapshot| matches!(snapshot.link, Link::Down(_))).await;
    let (samples, _) = read(&page.get("/metrics").await.body);
    assert_eq!(samples.get("gatehouse_broker_connected"), Some(&0.0));
    handle.stop().await;
}

#[tokio::test]
async fn the_dashboard_uses_only_what_there_is() {
    let broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    let (page, _tasks) = open(&handle).await;
    let answer = page.get("/metrics").await.body;
    handle.stop().await;
    let (samples, families) = read(&answer);
    let known: BTreeSet<&str> = samples
        .keys()
        .map(|name| name.split('{').next().unwrap())
        .chain(families.iter().map(String::as_str))
        .collect();
    let text = include_str!("../../../deploy/control-room/grafana.json");
    let board: Value = serde_json::from_str(text).unwrap();
    let mut used = BTreeSet::new();
    expressions(&board, &mut |expression| {
        let cut = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        used.extend(
            expression.split(cut).filter(|word| word.starts_with("gatehouse_")).map(str::to_owned),
        );
    });
    assert!(used.len() > 15, "a dashboard of little: {used:?}");
    let unknown: Vec<_> = used.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "no such metric: {unknown:?}");
    // Whoever adds a metric says where it is looked at; the build's own line is for tables.
    let shown = |family: &String| used.iter().any(|name| name.starts_with(family.as_str()));
    let unshown: Vec<_> = families.iter().filter(|family| !shown(family)).collect();
    assert!(unshown.is_empty(), "not on the dashboard: {unshown:?}");
}

fn expressions(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" => each(text),
                    value => expressions(value, each),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| expressions(value, each)),
        _ => {}
    }
}

#[tokio::test]
async fn others_cannot_come_unless_it_is_said_so_nor_by_another_name() {
    let broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    let everywhere = MetricsConfig { address: "0.0.0.0:0".parse().unwrap(), plain: false };
    let refused = Metrics::open(everywhere, handle.gauges()).await.unwrap_err();
    assert!(matches!(refused, MetricsError::Plain(_)), "{refused}");
    assert!(refused.to_string().contains("listen on 127.0.0.1, or say --metrics-plain"));
    let said = MetricsConfig { plain: true, ..everywhere };
    assert!(Metrics::open(said, handle.gauges()).await.is_ok());
    let (page, _tasks) = open(&handle).await;
    let answer = page.send("GET", "/metrics", &[("host", "wall.evil.example")], "").await;
    assert_eq!(answer.status, 403);
    assert_eq!(page.get("/").await.status, 404);
    handle.stop().await;
}

#[test]
fn the_program_refuses_an_open_address_and_logs_json_lines() {
    let folder = TempDir::new().unwrap();
    let db = folder.path().join("r.db");
    let run = ["run", "--broker", "mqtt://127.0.0.1:1", "--district", "d-1", "--db"];
    let run = [&run[..], &[db.to_str().unwrap()]].concat();
    let (code, _, err) = program(&[&run[..], &["--metrics", "0.0.0.0:0"]].concat());
    assert!(code == Some(64) && err.contains("--metrics-plain"), "{code:?} {err}");
    let (code, _, err) = program(&[&run[..], &["--log-format", "xml"]].concat());
    assert!(code == Some(64) && err.contains("allowed are text and json"), "{code:?} {err}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_gatehouse-receiver"))
        .args(&run)
        .args(["--log-format", "json", "--metrics", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let open = loop {
        let line = lines.next().expect("it ends without a word").unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "the metrics are open" {
            break line;
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(open["level"], "INFO");
    assert!(open["timestamp"].is_string() && open["url"].as_str().unwrap().ends_with("/metrics"));
}
