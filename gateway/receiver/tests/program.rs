//! The program as an operator meets it: findings, exit codes, messages.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::fs;
use std::path::Path;

use common::{Broker, Gateway, Journal, program, receiver};
use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A database with ten events of `g-1`, the seventh an alarm.
async fn filled(folder: &Path) -> (String, Vec<Vec<u8>>) {
    let broker = Broker::start().await;
    let db = folder.join("r.db");
    let handle = receiver(&broker, db.clone()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let mut events = Vec::new();
    for n in 1..=10 {
        let class = if n == 7 { Class::Alarm } else { Class::Door };
        events.push(journal.event(class, "door.opened"));
        gateway.send(class, &events[n - 1]).await;
    }
    gateway.receipt("confirmed", |r| r.upto == Seq(10)).await;
    handle.stop().await;
    (db.to_str().unwrap().to_owned(), events)
}

fn verify(db: &str) -> (Option<i32>, Value, String) {
    let (code, out, err) = program(&["verify", "--db", db]);
    (code, serde_json::from_str(&out).unwrap(), err)
}

#[tokio::test]
async fn verify_finds_a_changed_event_and_a_removed_one() {
    let folder = TempDir::new().unwrap();
    let (db, _) = filled(folder.path()).await;
    let (code, summary, err) = verify(&db);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let clean = json!({"events": 10, "gateways": 1, "holes": 0, "missing": 0, "accounted": 0,
        "quarantined": 0, "breaks": 0, "duplicates": 0, "conflicts": 0,
        "began_anew": 0});
    assert_eq!(summary, clean);

    // Somebody makes an alarm look harmless; somebody else removes an event.
    let sql = rusqlite::Connection::open(&db).unwrap();
    sql.execute(
        "UPDATE events SET body = CAST(replace(CAST(body AS TEXT), '\"severity\":4', \
         '\"severity\":5') AS BLOB) WHERE seq = 7",
        [],
    )
    .unwrap();
    let (code, summary, err) = verify(&db);
    assert_eq!((code, &summary["breaks"], &summary["holes"]), (Some(1), &json!(1), &json!(0)));
    assert!(err.starts_with("s-1/g-1 seq 8: prev is "), "{err}");

    sql.execute("DELETE FROM events WHERE seq IN (3, 4)", []).unwrap();
    let (code, summary, err) = verify(&db);
    assert_eq!((code, &summary["holes"], &summary["missing"]), (Some(1), &json!(1), &json!(2)));
    assert!(err.contains("s-1/g-1: 3..=4 missing"), "{err}");
}

#[tokio::test]
async fn query_and_export_give_the_events_that_were_asked_for() {
    let folder = TempDir::new().unwrap();
    let (db, events) = filled(folder.path()).await;
    let (code, out, _) = program(&["export", "--db", &db, "--gateway", "g-1"]);
    let lines: Vec<_> = out.lines().map(str::as_bytes).collect();
    assert_eq!((code, lines), (Some(0), events.iter().map(Vec::as_slice).collect()));

    let seqs = |args: &[&str]| -> Vec<u64> {
        let (_, out, _) = program(&[&["query", "--db", &db], args].concat());
        let seq = |line| serde_json::from_str::<Value>(line).unwrap()["event"]["seq"].as_u64();
        out.lines().map(|line| seq(line).unwrap()).collect()
    };
    assert_eq!(seqs(&["--from", "3", "--to", "5"]), [3, 4, 5]);
    assert_eq!(seqs(&["--class", "alarm"]), [7]);
    assert_eq!(seqs(&["--newest", "2"]), [9, 10]);
    assert_eq!(seqs(&["--gateway", "g-2"]), [0; 0]);
}

#[test]
fn what_is_wrong_is_said_with_what_is_allowed() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text.db"), "this is no database, but it is long enough to be read".repeat(99))
        .unwrap();
    fs::write(path("secret"), "s3cret\n").unwrap();
    fs::set_permissions(path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .unwrap();
    let run = ["run", "--broker", "mqtt://127.0.0.1:1", "--district", "d-1", "--db"];
    let case = |args: &[&str], code, text: &str| {
        let (got, _, err) = program(args);
        assert!(got == Some(code) && err.contains(text), "{args:?}: {got:?} {err}");
    };
    case(&["verify", "--db", &path("absent.db")], 77, "absent.db: No such file");
    case(&["verify", "--db", &path("text.db")], 77, "file is not a database");
    case(&[&run[..], &[&path("no/folder.db")]].concat(), 77, "folder.db.lock: No such file");
    case(
        &[&run[..], &[&path("r.db"), "--username", "u", "--password-file", &path("secret")]]
            .concat(),
        78,
        "may be changed by everybody (mode 666); chmod 600 it",
    );
    case(&["run", "--broker", "ssl://b"], 64, "or with TLS mqtts://host[:port]");
    let tls = |scheme: &str, more: &[&str], code, text: &str| {
        let (url, db) = (format!("{scheme}://127.0.0.1:1"), path("r.db"));
        let run = ["run", "--district", "d-1", "--db", &db, "--broker", &url];
        case(&[&run[..], more].concat(), code, text);
    };
    tls("mqtts", &[], 64, "needs the authority that signs the broker's certificate: --ca FILE");
    tls("mqtts", &["--server-name", "b"], 64, "--ca FILE");
    tls("mqtt", &["--ca", "x"], 64, "write mqtts://127.0.0.1");
    tls("mqtt", &["--server-name", "b"], 64, "write mqtts://127.0.0.1");
    tls("mqtts", &["--ca", "x", "--cert", "x"], 64, "--key <FILE>");
    tls("mqtts", &["--ca", &path("no.pem")], 77, "no.pem: No such file or directory");
    tls("mqtts", &["--ca", &path("text.db")], 78, "text.db has no certificate in it; allowed is");
    case(&["run", "--broker", "b:1883"], 64, "as mqtt://broker.lan:1883");
    case(&["query", "--db", "x", "--class", "dor"], 64, "panic, alarm, tamper");
    case(&["run", "--district", "Tower 1"], 64, "a-z, 0-9 and '-'");
    assert_eq!(program(&["--help"]).0, Some(0));
    let (code, out, _) = program(&["completions", "bash"]);
    assert!(code == Some(0) && out.contains("complete -F"));
}
