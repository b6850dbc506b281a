//! Receivers side by side on one PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::postgres::{Home, Postgres};
use common::{Broker, Gateway, Journal, Program, Proxy, config, started, until, within};
use gatehouse_core::contract::{AlarmOp, GatewayState};
use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_core::site::Danger;
use gatehouse_receiver::{
    Database, Filter, Handle, ReceiverConfig, Search, Store, StoreError, receipts::REORDER,
};

/// A receiver of this name in the group of all.
async fn member(broker: &str, name: &str, database: Database) -> Handle {
    started(grouped(broker, name, database)).await
}

fn grouped(broker: &str, name: &str, database: Database) -> ReceiverConfig {
    let mut config = config(broker, database);
    config.group = Some("rooms".parse().unwrap());
    name.clone_into(&mut config.host);
    config
}

/// Everything stored of each gateway, by number.
fn ledger(store: &Store) -> BTreeMap<(String, u64), Vec<u8>> {
    let mut ledger = BTreeMap::new();
    store
        .query::<StoreError>(&Filter::default(), |event| {
            let before = ledger.insert((event.gateway, event.seq.0), event.body);
            assert!(before.is_none(), "stored twice");
            Ok(())
        })
        .unwrap();
    ledger
}

#[tokio::test]
async fn two_share_a_gateways_events_and_each_receipt_says_what_both_have() {
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let one = member(&broker.url(), "one", home.database()).await;
    let two = member(&broker.url(), "two", home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    for _ in 0..500 {
        gateway.send(Class::Door, &journal.door()).await;
    }
    gateway.receipt("all is confirmed", |receipt| receipt.upto == Seq(500)).await;
    for handle in [&one, &two] {
        until(handle, "each knows what both have", |snapshot| {
            let view = &snapshot.gateways[&gateway.address];
            (view.upto, view.missing, snapshot.received) == (Seq(500), 0, 500)
        })
        .await;
        let own = handle.snapshot();
        assert_eq!((own.duplicates, own.conflicts, own.breaks), (0, 0, 0));
        assert!(own.commits > 0, "the broker gave it nothing to do");
    }
    // Each took in half of them. What it did not take in itself is no hole to it, now and when it
    // would ask for holes.
    while gateway.receipts.try_recv().is_ok() {}
    gateway.status(GatewayState::Online, 1).await;
    let mut hosts = BTreeSet::new();
    let quiet = tokio::time::timeout(REORDER + REORDER / 5, async {
        loop {
            let receipt = gateway.receipts.recv().await.unwrap();
            assert_eq!(receipt.missing, vec![]);
            // One that was on its way before may say less, until its receiver has said it all.
            if receipt.upto == Seq(500) {
                hosts.insert(receipt.host);
            } else {
                assert!(!hosts.contains(&receipt.host), "{receipt:?} takes it back");
            }
        }
    });
    assert!(quiet.await.is_err());
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    one.stop().await;
    two.stop().await;
    let audit = home.store().audit(None, &mut |finding| panic!("{finding}")).unwrap();
    assert_eq!((audit.events, audit.is_clean()), (500, true));
}

#[tokio::test]
async fn one_of_two_is_killed_under_load_and_the_ledger_is_the_same_byte_by_byte() {
    const GATEWAYS: usize = 8;
    const EACH: usize = 400;
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let words = |name: &str| {
        let group = ["--group".to_owned(), "rooms".to_owned()];
        let socket = home.path().join(format!("{name}.sock")).to_str().unwrap().to_owned();
        [home.words(), group.into(), vec!["--socket".to_owned(), socket]].concat()
    };
    let mut gateways = Vec::new();
    for n in 0..GATEWAYS {
        gateways.push(Gateway::connect(broker.address(), &format!("g-{n}")).await);
    }
    let staying = member(&broker.url(), "staying", home.database()).await;
    let mut running = Program::run_with(&broker.url(), "leaving", &words("leaving"));
    gateways[0].state("it is there", |state| state.online && state.host == "leaving").await;
    let mut journals: Vec<_> = gateways.iter().map(Journal::new).collect();
    let mut sent = BTreeMap::new();
    for n in 1..=EACH {
        for (gateway, journal) in gateways.iter().zip(&mut journals) {
            let event = journal.door();
            gateway.send(Class::Door, &event).await;
            sent.insert((gateway.address.gateway.to_string(), n as u64), event);
        }
        if n % (EACH / 4) == 0 {
            // Killed right after a commit, with a share of the next ones in its hands; then it
            // comes back.
            running = tokio::task::spawn_blocking(move || {
                running.line().unwrap();
                running.kill();
                running
            })
            .await
            .unwrap();
            drop(running);
            gateways[0].state("the other says that it is there", |state| state.online).await;
            running = Program::run_with(&broker.url(), "leaving", &words("leaving"));
            gateways[0].state("it is back", |state| state.host == "leaving" && state.online).await;
        }
    }
    // What the killed one had in its hands, the broker has dropped with its session: the gateways
    // are asked for it, and send it again.
    for (gateway, journal) in gateways.iter_mut().zip(&journals) {
        let id = gateway.address.gateway.to_string();
        assert_eq!(journal.next, EACH as u64 + 1);
        loop {
            let receipt = within("a receipt", gateway.receipts.recv()).await.unwrap();
            if receipt.upto == Seq(EACH as u64) {
                break;
            }
            for (from, to) in receipt.missing {
                for seq in from.0..=to.0 {
                    gateway.send(Class::Door, &sent[&(id.clone(), seq)]).await;
                }
            }
        }
    }
    drop(running);
    staying.stop().await;
    let store = home.store();
    assert_eq!(ledger(&store), sent);
    let audit = store.audit(None, &mut |finding| panic!("{finding}")).unwrap();
    assert_eq!((audit.events, audit.is_clean()), ((GATEWAYS * EACH) as u64, true));
}

#[tokio::test]
async fn both_receive_everything_and_each_event_is_stored_once() {
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    // As with a broker that cannot share a subscription: no group.
    let mut one = config(&broker.url(), home.database());
    "one".clone_into(&mut one.host);
    let mut two = one.clone();
    "two".clone_into(&mut two.host);
    let (one, two) = (started(one).await, started(two).await);
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    for _ in 0..300 {
        gateway.send(Class::Door, &journal.door()).await;
    }
    gateway.receipt("all is confirmed", |receipt| receipt.upto == Seq(300)).await;
    within("one stored, one recognised of each", async {
        while home.store().audit(None, &mut drop).unwrap().duplicates < 300 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    one.stop().await;
    two.stop().await;
    let audit = home.store().audit(None, &mut |finding| panic!("{finding}")).unwrap();
    assert_eq!((audit.events, audit.duplicates, audit.is_clean()), (300, 300, true));
}

#[tokio::test]
async fn an_act_is_done_whichever_of_them_takes_the_gateways_event_in() {
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let one = member(&broker.url(), "one", home.database()).await;
    let two = member(&broker.url(), "two", home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.incident("a1", Danger::Burglary, None, 1).await;
    gateway.status(GatewayState::Online, 1).await;
    let mut committed = [0; 2];
    for round in 0..6 {
        for (handle, commits) in [&one, &two].into_iter().zip(&mut committed) {
            until(handle, "open and known", |snapshot| {
                snapshot.gateways.get(&gateway.address).is_some_and(|view| {
                    view.incidents.get("a1").is_some_and(|view| view.shown == "active")
                })
            })
            .await;
            let desk = handle.operator();
            let (place, incident) = ("g-1".parse().unwrap(), "a1".parse().unwrap());
            let text = format!("note {round}");
            let act = desk.act(&place, &incident, AlarmOp::Note, "op-7", Some(&text));
            let answer = async {
                let said = gateway.act("a1", AlarmOp::Note).await;
                let nonce = Some(&*said.nonce);
                let event = journal.answered("a1", "incident.noted", "op-7", nonce);
                gateway.send(Class::Arm, &event).await;
            };
            let (done, ()) = within("the act", async { tokio::join!(act, answer) }).await;
            assert_eq!(done.unwrap(), Seq(journal.next - 1));
            *commits = handle.snapshot().commits;
        }
    }
    assert!(committed.iter().all(|commits| *commits > 1), "the events were not shared");
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_mains_failure_of_a_street_is_one_storm_at_each_of_them_and_after_a_restart() {
    const GATEWAYS: usize = 6;
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let one = member(&broker.url(), "one", home.database()).await;
    let two = member(&broker.url(), "two", home.database()).await;
    let mut street = Vec::new();
    for n in 0..GATEWAYS {
        let gateway = Gateway::connect(broker.address(), &format!("g-{n}")).await;
        let mut journal = Journal::new(&gateway);
        gateway.send(Class::Fault, &journal.event(Class::Fault, "supply.lost")).await;
        street.push((gateway, journal));
    }
    let is = |open| {
        move |snapshot: &gatehouse_receiver::Snapshot| {
            let of = |storm: &gatehouse_receiver::StormView| {
                (storm.kind == "supply.lost").then_some((storm.gateways, storm.open))
            };
            snapshot.storms.iter().map(of).collect::<Vec<_>>() == [Some((GATEWAYS, open))]
        }
    };
    until(&one, "one storm", is(6)).await;
    until(&two, "one storm", is(6)).await;
    for (gateway, journal) in &mut street[..4] {
        let restored = journal.ended(Class::Fault, "supply.lost_restored", Seq(1));
        gateway.send(Class::Fault, &restored).await;
    }
    until(&one, "still at two", is(2)).await;
    until(&two, "still at two", is(2)).await;
    one.stop().await;
    let one = member(&broker.url(), "one", home.database()).await;
    until(&one, "remembered", is(2)).await;
    for (gateway, journal) in &mut street[4..] {
        let restored = journal.ended(Class::Fault, "supply.lost_restored", Seq(1));
        gateway.send(Class::Fault, &restored).await;
    }
    until(&one, "over", |snapshot| snapshot.storms.is_empty()).await;
    until(&two, "over", |snapshot| snapshot.storms.is_empty()).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn while_the_server_is_away_nothing_is_acknowledged_and_nothing_is_lost() {
    let (broker, mut home) = (Broker::start().await, Home::postgres().await);
    let handle = member(&broker.url(), "one", home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("before", |r| r.upto == Seq(1)).await;
    let server = home.postgres.as_mut().unwrap();
    server.kill();
    for _ in 0..10 {
        gateway.send(Class::Door, &journal.door()).await;
    }
    let failing = until(&handle, "it fails", |s| s.failing.is_some()).await;
    assert!(failing.failing.unwrap().contains("PostgreSQL"));
    gateway.state("nobody receives", |state| !state.online).await;
    assert!(gateway.receipts.try_recv().is_err(), "confirmed what is not stored");
    server.restart().await;
    gateway.receipt("after", |r| r.upto == Seq(11)).await;
    gateway.state("online again", |state| state.online).await;
    let counts = handle.snapshot();
    assert_eq!((counts.received, counts.duplicates, counts.failing), (11, 0, None));
    handle.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_with_a_gateways_lock_does_not_keep_the_other_from_it() {
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let handle = member(&broker.url(), "one", home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("before", |r| r.upto == Seq(1)).await;
    // As a receiver that was frozen in the middle of a transaction.
    let server = home.postgres.as_ref().unwrap();
    let frozen = server.client().await.unwrap();
    frozen
        .batch_execute(
            "SET idle_in_transaction_session_timeout = '10s'; BEGIN; \
             SELECT 1 FROM gatehouse.gateways FOR UPDATE",
        )
        .await
        .unwrap();
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("after the lock is lost", |r| r.upto == Seq(2)).await;
    assert!(frozen.batch_execute("COMMIT").await.is_err(), "the frozen one kept its lock");
    handle.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_cut_at_the_commit_leaves_each_event_stored_once() {
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let server = home.postgres.as_ref().unwrap();
    let proxy = Proxy::start(server.address()).await;
    let handle = member(&broker.url(), "one", server.database_at(proxy.address)).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let mut sent = BTreeMap::new();
    for n in 1..=600 {
        let event = journal.door();
        gateway.send(Class::Door, &event).await;
        sent.insert(("g-1".to_owned(), n), event);
        if n % 100 == 0 {
            proxy.cut();
        }
    }
    gateway.receipt("all is confirmed", |r| r.upto == Seq(600)).await;
    handle.stop().await;
    assert_eq!(ledger(&home.store()), sent);
}

#[tokio::test]
async fn a_connection_that_is_cut_while_the_receiver_begins_does_not_end_it() {
    let (broker, home) = (Broker::start().await, Home::postgres().await);
    let server = home.postgres.as_ref().unwrap();
    let proxy = Proxy::start(server.address()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    for n in 1..=10 {
        let handle = member(&broker.url(), "one", server.database_at(proxy.address)).await;
        // Its thread is at what the database knows, or has just read it.
        proxy.cut();
        gateway.send(Class::Door, &journal.door()).await;
        gateway.receipt("stored all the same", |r| r.upto == Seq(n)).await;
        handle.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_opened_is_named_with_what_to_do() {
    let server = Postgres::start().await;
    let password = server.password();
    let password = password.to_str().unwrap();
    let case = |words: &[&str], code: i32, texts: &[&str]| {
        let (got, _, err) = common::program(words);
        assert!(got == Some(code) && texts.iter().all(|text| err.contains(text)), "{got:?} {err}");
    };
    let url = server.url();
    let verify = ["verify", "--db", &url];
    case(&verify, 77, &["password"]);
    case(
        &[&verify[..], &["--db-password-file", password]].concat(),
        77,
        &["no tables of a receiver", "`gatehouse-receiver run` makes it"],
    );
    server
        .sql(
            "CREATE SCHEMA gatehouse; CREATE TABLE gatehouse.layout (version bigint); \
        INSERT INTO gatehouse.layout VALUES (99)",
        )
        .await
        .unwrap();
    case(
        &[&verify[..], &["--db-password-file", password]].concat(),
        77,
        &["layout 99", "layout 3"],
    );
    case(&["verify", "--db", "postgres://u:secret@h/d"], 64, &["--db-password-file"]);
    case(&["verify", "--db", "postgres://u@127.0.0.1:1/d"], 77, &["is the server there?"]);
    case(&["verify", "--db", "x.db", "--db-password-file", password], 64, &["x.db is a file"]);
    let plain = url.replace("/postgres", "/absent");
    let absent = ["verify", "--db", &plain, "--db-password-file", password];
    case(&absent, 77, &["does not exist", "createdb"]);
}

#[tokio::test]
async fn the_history_is_read_page_by_page_in_either_database() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let broker = Broker::start().await;
        let handle = started(config(&broker.url(), home.database())).await;
        let mut gateway = Gateway::connect(broker.address(), "g-1").await;
        let mut journal = Journal::new(&gateway);
        for n in 0..60 {
            let (class, kind) = if n % 10 == 3 {
                (Class::Alarm, "zone.alarm")
            } else {
                (Class::Door, "door.opened")
            };
            gateway.send(class, &journal.event(class, kind)).await;
        }
        gateway.receipt("all is confirmed", |r| r.upto == Seq(60)).await;
        let store = home.store();
        let mut search = Search { limit: 25, ..Search::default() };
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let page = store.page(&search).unwrap();
            pages += 1;
            seen.extend(page.events.iter().map(|event| event.seq.0));
            search.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let mut all: Vec<_> = (1..=60).collect();
        seen.sort_unstable();
        all.sort_unstable();
        assert_eq!((seen, pages), (all, 3));
        let count = |search: &Search| store.page(search).unwrap().events.len();
        let many = Search { limit: 100, ..Search::default() };
        assert_eq!(count(&Search { classes: vec![Class::Alarm], ..many.clone() }), 6);
        assert_eq!(count(&Search { kind: Some("zone.".into()), ..many.clone() }), 6);
        assert_eq!(count(&Search { text: Some("DOOR.OPENED".into()), ..many.clone() }), 54);
        assert_eq!(count(&Search { sites: vec!["s-2".parse().unwrap()], ..many.clone() }), 0);
        assert_eq!(count(&Search { gateway: Some("g-1".parse().unwrap()), ..many.clone() }), 60);
        let utc = gatehouse_core::time::UtcMs(1_790_000_000_000);
        assert_eq!(count(&Search { until: Some(utc), ..many.clone() }), 0);
        assert_eq!(count(&Search { since: Some(utc), ..many }), 60);
        handle.stop().await;
    }
}
