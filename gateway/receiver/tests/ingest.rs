//! Events into the database and receipts back, over a real mosquitto.

#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::time::Duration;

use common::postgres::Home;
use common::{Broker, Gateway, Journal, receiver, until, within};
use gatehouse_core::contract::{GatewayState, Nak, RetainedState};
use gatehouse_core::event::{self, Class};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_receiver::{Audit, Basis, Clock, Filter, Life, Snapshot, StoreError, SystemClock};
use serde_json::json;

fn audit(home: &Home) -> (Audit, Vec<String>) {
    let mut found = Vec::new();
    let audit = home.store().audit(None, &mut |finding| found.push(finding)).unwrap();
    (audit, found)
}

on_both!(
    events_are_committed_told_to_watchers_and_confirmed,
    the_same_event_again_is_a_duplicate_late_or_not_and_is_confirmed_again,
    another_event_under_the_same_number_is_refused_and_both_are_kept,
    a_gateway_whose_flash_was_wiped_has_begun_anew_and_is_served_from_one_on,
    a_hole_is_waited_for_asked_for_and_filled,
    what_the_gateway_can_never_send_is_accounted_for_by_its_gap_event,
    a_payload_that_is_no_event_is_kept_aside_refused_and_stops_nothing,
    a_break_of_the_chain_is_found_in_whatever_order_the_events_come,
    a_gateway_with_nothing_new_learns_where_it_stands_when_it_comes,
    an_alarm_overtakes_and_is_confirmed_at_once,
    a_gateway_that_falls_silent_is_suspect_then_lost_and_its_doors_unknown,
    a_heartbeat_that_does_not_know_of_a_receipt_is_answered_with_one,
    events_of_a_box_without_a_time_get_it_from_the_anchor_of_their_boot,
);

async fn events_are_committed_told_to_watchers_and_confirmed(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut watcher = handle.subscribe();
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let mut sent = Vec::new();
    for _ in 0..200 {
        sent.push(journal.door());
        gateway.send(Class::Door, sent.last().unwrap()).await;
    }
    let receipt = gateway.receipt("all is confirmed", |r| r.upto == Seq(200)).await;
    assert_eq!((receipt.missing, receipt.nak), (vec![], vec![]));
    assert_eq!(receipt.host, "room");
    for (n, bytes) in sent.iter().enumerate() {
        let event = within("a watcher is told", watcher.recv()).await.unwrap();
        assert_eq!(&*event.body, bytes.as_slice(), "event {n}");
        assert!(!event.duplicate && event.committed >= event.received.mono);
        assert_eq!(event.event().unwrap().seq, event.seq);
    }
    handle.stop().await;
    let (audit, found) = audit(&home);
    assert_eq!((audit.events, audit.is_clean()), (200, true), "{found:?}");
    let store = home.store();
    let mut bodies = Vec::new();
    store
        .query::<StoreError>(&Filter::default(), |event| {
            bodies.push(event.body);
            Ok(())
        })
        .unwrap();
    assert_eq!(bodies, sent);
}

async fn the_same_event_again_is_a_duplicate_late_or_not_and_is_confirmed_again(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let bytes = Journal::new(&gateway).door();
    gateway.send(Class::Door, &bytes).await;
    gateway.receipt("confirmed", |r| r.upto == Seq(1)).await;
    gateway.send(Class::Door, &event::with_replayed(&bytes)).await;
    gateway.send(Class::Door, &bytes).await;
    let again = gateway.receipt("confirmed again", |r| r.upto == Seq(1)).await;
    assert_eq!(again.nak, []);
    let counts = until(&handle, "two duplicates", |s| s.duplicates == 2).await;
    assert_eq!((counts.received, counts.conflicts), (1, 0));
    handle.stop().await;
    let (audit, _) = audit(&home);
    assert_eq!((audit.events, audit.duplicates, audit.is_clean()), (1, 2, true));
}

async fn another_event_under_the_same_number_is_refused_and_both_are_kept(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let first = Journal::new(&gateway).door();
    let other = Journal::new(&gateway).event(Class::Alarm, "zone.alarm");
    gateway.send(Class::Door, &first).await;
    gateway.send(Class::Alarm, &other).await;
    gateway.send(Class::Alarm, &other).await;
    let refused = gateway.receipt("a nak", |r| !r.nak.is_empty()).await;
    assert_eq!(refused.nak, [Nak { seq: Seq(1), code: "conflict".into() }]);
    assert_eq!(refused.upto, Seq(1));
    until(&handle, "two conflicts", |s| s.conflicts == 2).await;
    handle.stop().await;
    let (audit, _) = audit(&home);
    assert_eq!((audit.events, audit.conflicts, audit.is_clean()), (1, 1, false));
}

async fn a_gateway_whose_flash_was_wiped_has_begun_anew_and_is_served_from_one_on(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::anew(&gateway, 1);
    let before: Vec<_> = (0..5).map(|_| journal.door()).collect();
    for event in &before {
        gateway.send(Class::Door, event).await;
    }
    gateway.receipt("the first five", |r| r.upto == Seq(5)).await;

    let mut journal = Journal::anew(&gateway, 2);
    let after: Vec<_> = (0..3).map(|_| journal.door()).collect();
    gateway.send(Class::Door, &after[0]).await;
    // Something of before that a broker still held, also where it is new to these numbers.
    gateway.send(Class::Door, &before[4]).await;
    gateway.send(Class::Door, &before[0]).await;
    gateway.send(Class::Door, &after[1]).await;
    gateway.send(Class::Door, &after[2]).await;
    let receipt = gateway.receipt("the three of now", |r| r.upto == Seq(3)).await;
    assert_eq!((receipt.missing, receipt.nak), (vec![], vec![]));
    until(&handle, "no conflict", |s| {
        let view = s.gateways.values().next().unwrap();
        view.began_anew == 1 && (view.head, s.conflicts, s.breaks) == (Seq(3), 0, 0)
    })
    .await;
    handle.stop().await;
    let (found, said) = audit(&home);
    assert_eq!((found.events, found.gateways, found.began_anew), (8, 1, 1));
    assert!(found.is_clean(), "{said:?}");
    assert!(said[0].starts_with("s-1/g-1#1: sent before this gateway began anew"), "{said:?}");

    // The next receiver knows of both lives.
    let handle = receiver(&broker, home.database()).await;
    gateway.send(Class::Door, &before[3]).await;
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("the fourth", |r| r.upto == Seq(4)).await;
    handle.stop().await;
    let (found, said) = audit(&home);
    assert_eq!((found.events, found.conflicts, found.is_clean()), (9, 0, true), "{said:?}");
}

async fn a_hole_is_waited_for_asked_for_and_filled(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let events: Vec<_> = (0..6).map(|_| journal.door()).collect();
    for n in [0, 3, 5] {
        gateway.send(Class::Door, &events[n]).await;
    }
    let began = SystemClock.now().mono;
    let early = gateway.receipt("the first is confirmed", |r| r.upto == Seq(1)).await;
    assert_eq!(early.missing, []);
    let asked = gateway.receipt("holes are asked for", |r| !r.missing.is_empty()).await;
    let waited = SystemClock.now().mono.since(began);
    assert!(waited > Duration::from_millis(4500), "asked after {waited:?}");
    assert!(waited < Duration::from_secs(8), "asked after {waited:?}");
    assert_eq!(asked.missing, [(Seq(2), Seq(3)), (Seq(5), Seq(5))]);
    assert_eq!(handle.snapshot().holes(), 3);
    for n in [4, 2, 1] {
        gateway.send(Class::Door, &events[n]).await;
    }
    gateway.receipt("all is confirmed", |r| r.upto == Seq(6)).await;
    let counts = handle.snapshot();
    assert_eq!((counts.holes(), counts.received, counts.breaks), (0, 6, 0));
    handle.stop().await;
}

async fn what_the_gateway_can_never_send_is_accounted_for_by_its_gap_event(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let events: Vec<_> = (0..9).map(|_| journal.door()).collect();
    let gap = journal.gap(1, 8);
    gateway.send(Class::Door, &events[8]).await;
    gateway.send(Class::System, &gap).await;
    let receipt = gateway.receipt("the gap counts", |r| r.upto == Seq(10)).await;
    assert_eq!(receipt.missing, []);
    // One of them comes after all: it is kept.
    gateway.send(Class::Door, &events[4]).await;
    until(&handle, "the late event", |s| s.received == 3).await;
    assert_eq!(handle.snapshot().breaks, 0);
    handle.stop().await;
    let (audit, found) = audit(&home);
    assert_eq!((audit.events, audit.accounted, audit.holes), (3, 7, 0), "{found:?}");
    assert!(audit.is_clean(), "{found:?}");
}

async fn a_payload_that_is_no_event_is_kept_aside_refused_and_stops_nothing(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let events: Vec<_> = (0..3).map(|_| journal.door()).collect();
    gateway.send(Class::Door, &events[0]).await;
    gateway.send(Class::Door, b"\xff\x00 door open!").await;
    gateway.send_with_seq(Class::Door, &events[1][..100], 2).await;
    gateway.send(Class::Door, &events[2]).await;
    let mut refused = Vec::new();
    let all = gateway.receipt("the rest is confirmed", |receipt| {
        refused.extend(receipt.nak.clone());
        receipt.upto == Seq(3)
    });
    assert_eq!(all.await.missing, []);
    assert_eq!(refused, [Nak { seq: Seq(2), code: "bad_payload".into() }]);
    let counts = until(&handle, "two in quarantine", |s| s.quarantined == 2).await;
    assert_eq!(counts.received, 2);
    // The event itself comes after all, and takes its place.
    gateway.send(Class::Door, &events[1]).await;
    until(&handle, "the event itself", |s| s.received == 3).await;
    handle.stop().await;
    let (audit, found) = audit(&home);
    assert_eq!((audit.events, audit.quarantined, audit.breaks), (3, 0, 0), "{found:?}");
    assert!(audit.is_clean());
}

async fn a_break_of_the_chain_is_found_in_whatever_order_the_events_come(home: Home) {
    for backwards in [false, true] {
        let broker = Broker::start().await;
        let handle = receiver(&broker, home.database()).await;
        let mut gateway = Gateway::connect(broker.address(), "g-1").await;
        let mut journal = Journal::new(&gateway);
        let mut events: Vec<_> = (0..3).map(|_| journal.door()).collect();
        let text = String::from_utf8(events[1].clone()).unwrap();
        events[1] = text.replace("\"severity\":4", "\"severity\":1").into_bytes();
        if backwards {
            events.reverse();
        }
        for event in &events {
            gateway.send(Class::Door, event).await;
        }
        gateway.receipt("all is confirmed", |r| r.upto == Seq(3)).await;
        assert_eq!(handle.snapshot().breaks, 1);
        handle.stop().await;
        let (audit, found) = audit(&home);
        assert_eq!((audit.breaks, audit.holes), (1, 0));
        assert!(found[0].starts_with("s-1/g-1 seq 3: prev is "), "{found:?}");
    }
}

async fn a_gateway_with_nothing_new_learns_where_it_stands_when_it_comes(home: Home) {
    let broker = Broker::start().await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let handle = receiver(&broker, home.database()).await;
    for _ in 0..5 {
        gateway.send(Class::Door, &journal.door()).await;
    }
    gateway.receipt("confirmed", |r| r.upto == Seq(5)).await;
    handle.stop().await;

    // After a restart every gateway is told, from the database.
    let handle = receiver(&broker, home.database()).await;
    gateway.receipt("told after a restart", |r| r.upto == Seq(5)).await;
    gateway.status(GatewayState::Online, 1).await;
    gateway.receipt("told when it comes", |r| r.upto == Seq(5)).await;
    let counts = until(&handle, "online", |s| s.gateways[&gateway.address].life == Life::Online);
    assert_eq!(counts.await.received, 5);
    // The will of an older start buries nothing; that of this one does.
    gateway.status(GatewayState::Lost, 0).await;
    gateway.status(GatewayState::Lost, 1).await;
    until(&handle, "lost", |s| s.gateways[&gateway.address].life == Life::Lost).await;
    handle.stop().await;
}

async fn an_alarm_overtakes_and_is_confirmed_at_once(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut watcher = handle.subscribe();
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let doors: Vec<_> = (0..40).map(|_| journal.door()).collect();
    let alarm = journal.event(Class::Alarm, "zone.alarm");
    gateway.send(Class::Alarm, &alarm).await;
    let first = gateway.receipt("the alarm's receipt", |_| true).await;
    assert_eq!((first.upto, first.missing), (Seq(0), vec![]));
    for door in &doors {
        gateway.send(Class::Door, door).await;
    }
    gateway.receipt("all is confirmed", |r| r.upto == Seq(41)).await;
    assert_eq!(within("told", watcher.recv()).await.unwrap().class, Class::Alarm);
    assert_eq!(handle.snapshot().breaks, 0);
    handle.stop().await;
}

async fn a_gateway_that_falls_silent_is_suspect_then_lost_and_its_doors_unknown(home: Home) {
    let broker = Broker::start().await;
    let mut quick = common::config(&broker.url(), home.database());
    quick.heartbeat_s = Some(1);
    let handle = common::started(quick).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let door = gateway.address.state("door", &"lobby".parse().unwrap());
    let closed = RetainedState {
        state: "closed".into(),
        since: UtcMs(0),
        seq: Seq(0),
        valid_s: 60,
        flags: vec![],
        session: 1,
    };
    gateway.retain(door, &closed).await;
    gateway.status(GatewayState::Online, 1).await;
    gateway.acked(2).await;
    let shown = |snapshot: &Snapshot| {
        let view = snapshot.gateways.get(&gateway.address);
        view.map(|view| (view.life, view.doors.get("lobby").map(|door| door.shown.clone())))
    };
    let is = |life, door: &str| {
        let door = Some(door.to_owned());
        move |snapshot: &Snapshot| shown(snapshot) == Some((life, door.clone()))
    };
    until(&handle, "online", is(Life::Online, "closed")).await;
    until(&handle, "suspect", is(Life::Suspect, "closed")).await;
    until(&handle, "lost", is(Life::Lost, "unknown")).await;
    gateway.status(GatewayState::Online, 1).await;
    until(&handle, "back", is(Life::Online, "closed")).await;
    handle.stop().await;
}

async fn a_heartbeat_that_does_not_know_of_a_receipt_is_answered_with_one(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Door, &journal.door()).await;
    gateway.receipt("confirmed", |r| r.upto == Seq(1)).await;
    let beat = |host_upto| {
        json!({"session": 1, "utc": UtcMs(0), "uptime_s": 1, "head": 1, "host_upto": host_upto,
            "backlog": {"alarm": 0, "normal": 0}, "oldest_unreceived_s": 0, "clock": "synced",
            "err_ms": 1, "rss_kib": 1, "disk_free": 1, "journal_written": 1, "degraded": [],
            "digest": ""})
    };
    gateway.say(gateway.address.heartbeat(), &beat(0)).await;
    gateway.receipt("told again", |r| r.upto == Seq(1)).await;
    // One that knows is not answered: the next receipt is of the next event.
    gateway.say(gateway.address.heartbeat(), &beat(1)).await;
    gateway.send(Class::Door, &journal.door()).await;
    assert_eq!(gateway.receipt("the next", |_| true).await.upto, Seq(2));
    handle.stop().await;
}

async fn events_of_a_box_without_a_time_get_it_from_the_anchor_of_their_boot(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let time = |boot: &str, s: u64, clock| Time {
        utc: UtcMs(if clock == ClockState::Never { 0 } else { 1_790_000_000_000 }),
        boot: boot.into(),
        mono_ns: Mono(s * 1_000_000_000 + 250_999_999),
        err_ms: None,
        clock,
    };
    let never = ClockState::Never;
    let sent = [
        journal.timed(Class::Door, "door.opened", time("one", 7, never)),
        journal.timed(Class::Door, "door.closed", time("two", 10, never)),
        journal.timed(Class::System, "system.time_anchor", time("two", 70, ClockState::Synced)),
        // Late, as from a backlog.
        journal.timed(Class::Door, "door.opened", time("two", 9, never)),
        journal.timed(Class::Door, "door.closed", time("two", 71, ClockState::Holdover)),
    ];
    for (event, last) in sent.iter().zip([false, true, false, false, true]) {
        let class = if event == &sent[2] { Class::System } else { Class::Door };
        gateway.send(class, event).await;
        if last {
            // The anchor comes in a later batch than what it is for.
            let upto = Seq(if event == &sent[4] { 5 } else { 2 });
            gateway.receipt("so far", |receipt| receipt.upto == upto).await;
        }
    }
    handle.stop().await;
    let mut found = Vec::new();
    home.store()
        .query::<StoreError>(&Filter::default(), |event| {
            assert_eq!(event.body, sent[found.len()], "the bytes stay");
            let known = event.when.basis != Basis::Receipt;
            assert!(known || event.when.utc == event.recv);
            found.push((event.when.basis, if known { event.when.utc.0 } else { 0 }));
            Ok(())
        })
        .unwrap();
    let anchor = 1_790_000_000_000;
    assert_eq!(
        found,
        [
            (Basis::Receipt, 0),
            (Basis::Anchor, anchor - 60_000),
            (Basis::Gateway, anchor),
            (Basis::Anchor, anchor - 61_000),
            (Basis::Gateway, anchor),
        ]
    );
}
