//! What has had its time is gone, and the log is proven all the same: in either kind of database.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::postgres::Home;
use common::{Broker, Gateway, Journal, config, program, receiver, started};
use gatehouse_core::checkpoint::{self, Checkpoint, to_hex};
use gatehouse_core::event::{self, Class};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_receiver::bundle::{self, Extent, Pictures};
use gatehouse_receiver::{Filter, Keep, Search, SigningKey, Store};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// What only the events that go say.
const SECRET: &str = "somebody-s-own-door";

fn now() -> UtcMs {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    UtcMs(i64::try_from(since.as_millis()).unwrap())
}

/// An event of this moment: by it the receiver believes its own clock.
fn of_today(journal: &mut Journal, class: Class, kind: &'static str) -> Vec<u8> {
    let (utc, clock) = (now(), ClockState::Synced);
    let time = Time { utc, boot: "b".into(), mono_ns: Mono(journal.next), err_ms: Some(3), clock };
    journal.timed(class, kind, time)
}

fn signed(gateway: &Gateway, upto: u64, body: &[u8]) -> serde_json::Value {
    let device = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public: [u8; 32] = device.public_key().as_ref().try_into().unwrap();
    let hash = event::chain_hash(body);
    let stated = checkpoint::statement(&gateway.address.gateway, Seq(upto), &hash);
    serde_json::to_value(Checkpoint {
        upto: Seq(upto),
        hash: event::hex(&hash),
        key: checkpoint::key_id(&public),
        public: to_hex(&public),
        sig: to_hex(device.sign(&stated).as_ref()),
    })
    .unwrap()
}

fn keep(rules: &[&str]) -> Keep {
    Keep::of(rules.iter().map(|rule| rule.parse().unwrap())).unwrap()
}

/// Number and bytes of all that is stored.
fn stored(store: &Store) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    store
        .query::<gatehouse_receiver::StoreError>(&Filter::default(), |event| {
            all.push((event.seq.0, String::from_utf8(event.body).unwrap()));
            Ok(())
        })
        .unwrap();
    all
}

/// Waits until the database is so.
async fn until(home: &Home, what: &str, is: impl Fn(&[(u64, String)]) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let all = stored(&home.store());
        if is(&all) {
            return;
        }
        assert!(Instant::now() < end, "not within 30 s: {what}: {all:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn emptied(all: &[(u64, String)]) -> Vec<u64> {
    all.iter().filter(|(_, body)| body.starts_with("{\"expired\"")).map(|(seq, _)| *seq).collect()
}

async fn an_event_goes_its_place_stays(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let secret = json!({ "by": SECRET });
    // Of September: doors, an alarm, and the checkpoint over all of them.
    let mut old = Vec::new();
    for _ in 0..6 {
        old.push(journal.detailed(Class::Door, "door.opened", Some(secret.clone())));
    }
    let alarm = journal.detailed(Class::Alarm, "zone.alarm", Some(json!({"incident": "a1"})));
    let after = journal.detailed(Class::Door, "door.closed", Some(secret));
    let told = signed(&gateway, 8, &after);
    let proof = journal.detailed(Class::System, checkpoint::EVENT, Some(told));
    for body in &old {
        gateway.send(Class::Door, body).await;
    }
    gateway.send(Class::Alarm, &alarm).await;
    gateway.send(Class::Door, &after).await;
    gateway.send(Class::System, &proof).await;
    gateway.send(Class::Door, &of_today(&mut journal, Class::Door, "door.opened")).await;
    gateway.receipt("all is stored", |receipt| receipt.upto == Seq(10)).await;
    handle.stop().await;
    assert_eq!(emptied(&stored(&home.store())), [0; 0]);

    let mut kept = config(&broker.url(), home.database());
    kept.keep = keep(&["door=30", "system=10", "all=3650"]);
    let handle = started(kept).await;
    until(&home, "the doors' events are empty", |all| emptied(all) == [1, 2, 3, 4, 5, 6, 8]).await;
    let all = stored(&home.store());
    assert_eq!(all.len(), 10);
    assert!(all.iter().all(|(_, body)| !body.contains(SECRET)));
    assert!(all[8].1.contains(checkpoint::EVENT), "what proves the rest stays");

    // A copy that comes late is one, and another content under its number is none.
    gateway.send(Class::Door, &old[2]).await;
    let mut forger = Journal::new(&gateway);
    forger.event(Class::Door, "door.opened");
    gateway.send(Class::Door, &forger.event(Class::Door, "door.closed")).await;
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("the next", |receipt| receipt.upto == Seq(11)).await;
    let counts = handle.snapshot();
    let view = &counts.gateways[&gateway.address];
    assert_eq!((counts.duplicates, view.conflicts, view.breaks), (1, 1, 0));
    handle.stop().await;

    // The history shows what can be read; the log is proven whole.
    let store = home.store();
    let page = store.page(&Search { limit: 100, ..Search::default() }).unwrap();
    let shown: Vec<_> = page.events.iter().map(|event| event.seq.0).collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    let words: Vec<_> = home.words();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (code, out, err) = program(&[&["verify", "g-1"], &words[..]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("11 events, 1 to 11; proven 8, by 1 checkpoints"), "{err}");
    assert!(err.contains("7 of these have had their time"), "{err}");
    let (_, out, err) = program(&[&["verify"], &words[..]].concat());
    // A bundle goes over the place of an event that has gone.
    let key = SigningKey::make(&home.path().join("own.key"), "receiver".parse().unwrap()).unwrap();
    let (place, incident) = ("s-1/g-1".parse().unwrap(), "a1".parse().unwrap());
    let bundle =
        bundle::make(&store, &place, &incident, Extent::Whole, Pictures::Here, &key).unwrap();
    let report = bundle::check(&bundle, None, None).unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.proof.events, report.proof.emptied, report.proof.proven), (3, 1, 2));
    assert!(!bundle.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    assert!(out.contains("\"breaks\":0") && out.contains("\"holes\":0"), "{out}{err}");
}

#[tokio::test]
async fn in_a_file_an_event_goes_and_its_place_stays() {
    an_event_goes_its_place_stays(Home::sqlite()).await;
}

#[tokio::test]
async fn on_a_server_an_event_goes_and_its_place_stays() {
    an_event_goes_its_place_stays(Home::postgres().await).await;
}

#[tokio::test]
async fn nothing_of_it_is_left_in_the_file() {
    let (broker, home) = (Broker::start().await, Home::sqlite());
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    for _ in 0..300 {
        let event = journal.detailed(Class::Door, "door.opened", Some(json!({ "by": SECRET })));
        gateway.send(Class::Door, &event).await;
    }
    gateway.send(Class::Door, &of_today(&mut journal, Class::Door, "door.opened")).await;
    gateway.receipt("all is stored", |receipt| receipt.upto == Seq(301)).await;
    handle.stop().await;
    let bytes = || fs::read(home.path().join("r.db")).unwrap();
    let found = |bytes: &[u8]| {
        bytes.windows(SECRET.len()).filter(|window| *window == SECRET.as_bytes()).count()
    };
    assert!(found(&bytes()) >= 300);
    let mut kept = config(&broker.url(), home.database());
    kept.keep = keep(&["all=30"]);
    let handle = started(kept).await;
    until(&home, "empty", |all| emptied(all).len() == 300).await;
    // The last connection that closes moves all into the file.
    handle.stop().await;
    assert!(!home.path().join("r.db-wal").exists());
    assert_eq!(found(&bytes()), 0, "what was emptied can still be read in the file");
}

#[tokio::test]
async fn a_clock_that_has_jumped_empties_nothing() {
    let (broker, home) = (Broker::start().await, Home::sqlite());
    let mut kept = config(&broker.url(), home.database());
    // Today is two months after what any gateway says: who knows which of them is right.
    kept.keep = keep(&["door=30"]);
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("stored", |receipt| receipt.upto == Seq(1)).await;
    handle.stop().await;
    let handle = started(kept.clone()).await;
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("and the next", |receipt| receipt.upto == Seq(2)).await;
    handle.stop().await;
    assert_eq!(emptied(&stored(&home.store())), [0; 0]);
    // By an event of today it is.
    let handle = receiver(&broker, home.database()).await;
    gateway.send(Class::Door, &of_today(&mut journal, Class::Door, "door.opened")).await;
    gateway.receipt("of today", |receipt| receipt.upto == Seq(3)).await;
    handle.stop().await;
    let handle = started(kept).await;
    until(&home, "both are empty", |all| emptied(all) == [1, 2]).await;
    handle.stop().await;
}

/// How many rows each of these has.
async fn rows(home: &Home, tables: &[&str]) -> Vec<i64> {
    let sql = |table: &str| format!("SELECT count(*) FROM {table}");
    if let Some(server) = &home.postgres {
        let client = server.client().await.unwrap();
        let mut counts = Vec::new();
        for table in tables {
            let row = client.query_one(&sql(&format!("gatehouse.{table}")), &[]).await.unwrap();
            counts.push(row.get(0));
        }
        return counts;
    }
    let file = rusqlite::Connection::open(home.path().join("r.db")).unwrap();
    let count = |table: &&str| file.query_row(&sql(table), [], |row| row.get(0)).unwrap();
    tables.iter().map(count).collect()
}

async fn sql(home: &Home, sql: &str) {
    if let Some(server) = &home.postgres {
        server.sql(&format!("SET search_path = gatehouse; {sql}")).await.unwrap();
    } else {
        let file = rusqlite::Connection::open(home.path().join("r.db")).unwrap();
        file.execute_batch(sql).unwrap();
    }
}

/// A call of an alarm or a panic (classes 1 and 0) with one attempt.
fn call(incident: &str, class: u8, utc: i64, over: &str) -> String {
    format!(
        "INSERT INTO calls (district, site, gateway, gw, seq, event, incident, class, kind, \
         severity, source, list, escalated, utc_ms, basis, recv_ms, over, over_ms) VALUES ('d-1', \
         's-1', 'g-1', 1, 1, 'e', '{incident}', {class}, 'zone.alarm', 1, 'zone/hall', 'patrol', 0, \
         {utc}, 0, {utc}, {over}, 1); UPDATE calls SET matter = call; \
         INSERT INTO told (district, matter, list, round, member, way, place, pass, at_ms, token) \
         SELECT 'd-1', call, 'patrol', 1, 'p-1', 'email', 0, 1, {utc}, '{incident}' FROM calls \
         WHERE incident = '{incident}';"
    )
}

/// A handover of a burglary that is over or not, with a message that has its receipt or not.
fn handover(id: &str, since: &str, open: bool, receipted: bool) -> String {
    let state = if open { "offered" } else { "ended" };
    let facts = json!({"id": id, "peer": "south", "side": "given", "state": state,
        "district": "d-1", "site": "s-1", "gateway": "g-1", "incident": {"id": "a1",
            "phase": "active", "danger": "burglary", "class": "alarm", "severity": 1,
            "since": since, "sources": [], "open": []},
        "offered": {"by": "op-7", "at": since}, "history": [], "acts": [], "said": 1, "heard": 0,
        "from": 1, "told": 1});
    format!(
        "INSERT INTO handovers (room, id, peer, open, changed_ms, facts) VALUES ('north', '{id}', \
         'south', {open}, 1, '{facts}'); INSERT INTO handover_messages (room, id, ours, number, \
         kind, at_ms, payload, receipted) VALUES ('north', '{id}', TRUE, 1, 'offer', 1, \
         CAST('x' AS {{blob}}), {receipted});"
    )
}

async fn calls_and_handovers_go_when_they_are_over_and_their_class_has_had_its_time(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Door, &of_today(&mut journal, Class::Door, "door.opened")).await;
    gateway.receipt("of today", |receipt| receipt.upto == Seq(1)).await;
    handle.stop().await;
    let (old, new) = (now().0 - 40 * 86_400_000, now().0);
    let (long_ago, today) = (UtcMs(old).to_string(), UtcMs(new).to_string());
    let over = "'acked'";
    let all = [
        call("gone", 1, old, over),
        call("panic", 0, old, over),
        call("open", 1, old, "NULL"),
        call("new", 1, new, over),
        handover("h-gone", &long_ago, false, true),
        handover("h-open", &long_ago, true, true),
        handover("h-owes", &long_ago, false, false),
        handover("h-new", &today, false, true),
    ];
    let blob = if home.postgres.is_some() { "bytea" } else { "BLOB" };
    sql(&home, &all.concat().replace("{blob}", blob)).await;
    let tables = ["calls", "told", "handovers", "handover_messages"];
    assert_eq!(rows(&home, &tables).await, [4; 4]);
    let mut kept = config(&broker.url(), home.database());
    kept.keep = keep(&["alarm=30", "panic=60"]);
    let handle = started(kept).await;
    let end = Instant::now() + Duration::from_secs(30);
    while rows(&home, &tables).await != [3; 4] {
        assert!(Instant::now() < end, "{:?}", rows(&home, &tables).await);
        sleep(Duration::from_millis(20)).await;
    }
    handle.stop().await;
    // The one of each that is over, owes nothing, and is old enough.
    sql(
        &home,
        "DELETE FROM calls WHERE incident <> 'gone'; DELETE FROM handovers WHERE id <> 'h-gone'",
    )
    .await;
    assert_eq!(rows(&home, &["calls", "handovers"]).await, [0, 0]);
}

#[tokio::test]
async fn in_a_file_calls_and_handovers_go_when_their_class_has_had_its_time() {
    calls_and_handovers_go_when_they_are_over_and_their_class_has_had_its_time(Home::sqlite())
        .await;
}

#[tokio::test]
async fn on_a_server_calls_and_handovers_go_when_their_class_has_had_its_time() {
    let home = Home::postgres().await;
    calls_and_handovers_go_when_they_are_over_and_their_class_has_had_its_time(home).await;
}

/// A picture of so long ago, by its hash.
fn picture(sha256: &str, at: i64) -> String {
    format!(
        "INSERT INTO pictures (district, site, gateway, camera, sha256, bytes, recv_ms, jpeg) VALUES \
         ('d-1', 's-1', 'g-1', 'gate', '{sha256}', 1, {at}, CAST('x' AS {{blob}}));"
    )
}

/// A look of so long ago at a picture, or a bundle.
fn look(who: &str, at: i64, picture: Option<&str>) -> String {
    let of = picture.map_or("NULL, 'ab', 'a1'".to_owned(), |it| format!("'gate', '{it}', NULL"));
    format!(
        "INSERT INTO looks (at_ms, who, via, site, gateway, camera, sha256, incident) \
         VALUES ({at}, '{who}', 'wall', 's-1', 'g-1', {of});"
    )
}

/// Who has looked, by what is kept of it.
async fn lookers(home: &Home) -> Vec<String> {
    let sql = "SELECT who FROM looks ORDER BY look";
    if let Some(server) = &home.postgres {
        let client = server.client().await.unwrap();
        let rows = client.query(&sql.replace("looks", "gatehouse.looks"), &[]).await.unwrap();
        return rows.iter().map(|row| row.get(0)).collect();
    }
    let file = rusqlite::Connection::open(home.path().join("r.db")).unwrap();
    let mut select = file.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

async fn looks_go_after_a_year_and_never_before_what_was_looked_at(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Door, &of_today(&mut journal, Class::Door, "door.opened")).await;
    gateway.receipt("of today", |receipt| receipt.upto == Seq(1)).await;
    handle.stop().await;
    let days = |days: i64| now().0 - days * 86_400_000;
    let all = [
        picture("kept", days(20)),
        look("at-gone", days(366), Some("gone")),
        look("at-kept", days(366), Some("kept")),
        look("at-bundle", days(366), None),
        look("lately", days(364), Some("gone")),
    ];
    let blob = if home.postgres.is_some() { "bytea" } else { "BLOB" };
    sql(&home, &all.concat().replace("{blob}", blob)).await;
    // Without a word of any rule; then by rules under which every event of those days has gone, and
    // last when the picture has as well.
    for (rules, left) in [
        (&[][..], &["at-kept", "at-bundle", "lately"][..]),
        (&["all=300", "alarm=400"], &["at-kept", "at-bundle", "lately"]),
        (&["all=300", "looks=367"], &["at-kept", "at-bundle", "lately"]),
        (&["all=300"], &["at-kept", "lately"]),
        (&["all=300", "looks=100", "camera=19"], &[]),
    ] {
        let mut kept = config(&broker.url(), home.database());
        kept.keep = keep(rules);
        // Behind all of them, and gone with the end of the pass: so it is over.
        let mark = look("mark", days(4000), Some("gone"));
        sql(&home, &mark).await;
        let handle = started(kept).await;
        let end = Instant::now() + Duration::from_secs(30);
        while lookers(&home).await.contains(&"mark".to_owned()) {
            assert!(Instant::now() < end, "{rules:?}: {:?}", lookers(&home).await);
            sleep(Duration::from_millis(20)).await;
        }
        handle.stop().await;
        assert_eq!(lookers(&home).await, left, "{rules:?}");
    }
}

#[tokio::test]
async fn in_a_file_looks_go_after_a_year_and_never_before_what_was_looked_at() {
    looks_go_after_a_year_and_never_before_what_was_looked_at(Home::sqlite()).await;
}

#[tokio::test]
async fn on_a_server_looks_go_after_a_year_and_never_before_what_was_looked_at() {
    looks_go_after_a_year_and_never_before_what_was_looked_at(Home::postgres().await).await;
}

#[test]
fn a_wrong_rule_is_told_with_what_is_allowed() {
    let run = ["run", "--broker", "mqtt://127.0.0.1:1", "--district", "d-1", "--db", "x.db"];
    let case = |rules: &[&str], text: &str| {
        let (code, _, err) = program(&[&run[..], rules].concat());
        assert!(code == Some(64) && err.contains(text), "{rules:?}: {code:?} {err}");
    };
    case(&["--keep", "doors=3"], "WHAT is all, unreadable, looks, or a class: panic, alarm");
    case(&["--keep", "door=0"], "1 to 36500 days");
    case(&["--keep", "door=3", "--keep", "door=4"], "--keep door=4 is the second of its kind");
}
