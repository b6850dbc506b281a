//! The figures of a district, out of either kind of database and as the program and the wall tell
//! them.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use common::postgres::Home;
use common::{Broker, Gateway, Journal, program, receiver};
use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Every event of the harness happened on this day.
const DAY: [&str; 4] = ["--from", "2026-09-21", "--to", "2026-09-21"];

/// Sends one site's day: two incidents, one of them false, a ledger and two rounds.
async fn a_day(broker: &Broker, site: &str, id: &str) {
    let mut gateway = Gateway::connect_at(broker.address(), site, id).await;
    let mut journal = Journal::new(&gateway);
    let alarm = |incident: &str| Some(json!({ "incident": incident }));
    let ledger = json!({"from": "2026-09-21T00:00:00.000Z", "to": "2026-09-22T00:00:00.000Z",
        "part": 1, "of": 1, "zones_s": {"hall": {"bypassed by 9c1e": 120}}});
    let events = [
        (Class::Alarm, journal.detailed(Class::Alarm, "zone.alarm", alarm("a1"))),
        (Class::Panic, journal.detailed(Class::Panic, "panic.alarm", alarm("a2"))),
        (Class::Arm, journal.handled("a1", "incident.acked", "op-7")),
        (Class::Arm, journal.closed("a1", "op-7", "false")),
        (Class::Arm, journal.closed("a2", "op-7", "real")),
        (Class::System, journal.detailed(Class::System, "ledger.day", Some(ledger))),
        (Class::Access, journal.event(Class::Access, "round.done")),
        (Class::Access, journal.event(Class::Access, "round.missed")),
    ];
    for (class, event) in &events {
        gateway.send(*class, event).await;
    }
    let all = Seq(events.len() as u64);
    gateway.receipt("confirmed", |receipt| receipt.upto == all).await;
}

fn stats(db: &[&str], more: &[&str]) -> (Option<i32>, String, String) {
    let zone = ["--time-zone", "UTC0"];
    program(&[&["stats"], db, &DAY, &zone, more].concat())
}

on_both!(a_days_figures_are_the_same_for_people_for_sheets_and_for_programs);

async fn a_days_figures_are_the_same_for_people_for_sheets_and_for_programs(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    a_day(&broker, "s-1", "g-1").await;
    a_day(&broker, "s-2", "g-2").await;
    handle.stop().await;
    let words = home.words();
    let words: Vec<_> = words.iter().map(String::as_str).collect();

    let (code, out, err) = stats(&words, &["--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&out).unwrap();
    let one = &told["sites"]["s-1"]["whole"];
    assert_eq!(one["incidents"], json!({"alarm": 1, "panic": 1}));
    assert_eq!((&one["false_permille"], &one["unwanted_s"]), (&json!(500), &json!(120)));
    assert_eq!(one["rounds"], json!({"done": 1, "late": 0, "missed": 1}));
    assert_eq!(told["sites"]["s-1"]["days"].as_array().unwrap().len(), 1);
    assert_eq!((&told["all"]["whole"]["total"], &told["all"]["gateways"]), (&json!(4), &json!(2)));

    let (code, out, _) = stats(&words, &["--csv", "--site", "s-2"]);
    assert_eq!(code, Some(0));
    let lines: Vec<_> = out.split("\r\n").collect();
    assert_eq!((lines.len(), lines[3]), (4, ""));
    assert!(lines[0].starts_with("site,from,to,gateways,incidents,panic,alarm,tamper"), "{out}");
    let day = "2026-09-21T00:00:00.000Z,2026-09-22T00:00:00.000Z";
    assert!(lines[1].starts_with(&format!(",{day},1,2,1,1,0,0,1,")), "{out}");
    assert!(lines[2].starts_with(&format!("s-2,{day},1,2,1,1,0,0,1,")), "{out}");
    let (_, by_day, _) = stats(&words, &["--csv", "--days", "--site", "s-2"]);
    assert_eq!(by_day, out, "one day is the whole");

    let (_, table, _) = stats(&words, &[]);
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert!(rows[1].starts_with("s-1") && rows[1].contains("50.0 %") && rows[3].starts_with("all"));
    let (_, none, _) = stats(&words, &["--site", "s-9"]);
    assert_eq!(none, "nothing is stored of 2026-09-21 to 2026-09-21\n");
}

#[test]
fn a_wrong_period_is_answered_with_what_is_allowed() {
    let folder = TempDir::new().unwrap();
    let db = folder.path().join("absent.db");
    let case = |more: &[&str], code: i32, text: &str| {
        let words = ["stats", "--db", db.to_str().unwrap()];
        let (got, _, err) = program(&[&words, more].concat());
        assert!(got == Some(code) && err.contains(text), "{more:?}: {got:?} {err}");
    };
    case(&DAY, 77, "absent.db: No such file");
    case(&["--from", "2026-09-21", "--to", "2026-09-20"], 64, "allowed are 1 to 400 days");
    case(&["--from", "21.9.2026", "--to", "2026-09-21"], 64, "allowed is a day, as 2026-11-30");
    case(&[&DAY[..], &["--time-zone", "Beijing?"]].concat(), 64, "as UTC0, CST-8");
    case(&[&DAY[..], &["--days"]].concat(), 64, "--csv");
}
