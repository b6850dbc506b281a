//! The machine against the small world of `world`.

use proptest::prelude::*;

use super::world::World;
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Store(bool),
    Connect(bool),
    Ack(usize),
    Cut(usize, bool),
    Receipt(bool),
    Pass(u64),
    Refuse(u64),
    Deaf(bool),
    Swallow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::bool::weighted(0.2).prop_map(Step::Store),
        4 => prop::bool::weighted(0.2).prop_map(Step::Connect),
        16 => prop_oneof![3 => Just(0), 1 => any::<usize>()].prop_map(Step::Ack),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, peer)| Step::Cut(n, peer)),
        5 => any::<bool>().prop_map(Step::Receipt),
        5 => prop_oneof![0u64..50, 1_000u64..20_000, 59_000u64..62_000].prop_map(Step::Pass),
        1 => (1u64..40).prop_map(Step::Refuse),
        2 => any::<bool>().prop_map(Step::Deaf),
        1 => Just(Step::Swallow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// The law: whatever the broker, the network and the control room do, every stored event
    /// arrives once they work again, no cursor passes what was not taken, and the order within a
    /// lane on one connection holds.
    #[test]
    fn nothing_is_lost_and_no_cursor_runs_ahead(
        in_flight in 1u16..24, steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(in_flight);
        for step in steps {
            match step {
                Step::Store(alarm) => world.store(alarm),
                Step::Connect(forgot) => world.connect(forgot),
                Step::Ack(n) => world.ack(n),
                Step::Cut(n, peer) => world.cut(n, peer),
                Step::Receipt(all) => world.receipt(all),
                Step::Pass(ms) => world.pass(ms),
                Step::Deaf(deaf) => world.deaf = deaf,
                // The broker loses what it holds for the control room, and says nothing.
                Step::Swallow => world.broker.clear(),
                Step::Refuse(n) => { world.refuses.insert(Seq(n)); }
            }
        }
        world.settle();
        prop_assert_eq!(world.host.len(), world.journal.len());
        prop_assert!(world.machine.is_idle());
    }
}

#[test]
fn the_alarm_lane_goes_first_whatever_waits() {
    let mut world = World::new(4);
    for n in 0..40 {
        world.store(n == 30 || n == 35);
    }
    world.pass(20_000);
    world.connect(false);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [31, 36]);
    // While alarms wait for their PUBACK, nothing late is sent.
    world.pass(5_000);
    assert_eq!(world.wire.len(), 2);
    world.ack(0);
    world.ack(0);
    assert_eq!(world.wire.front(), Some(&Some(Seq(1))));
}

#[test]
fn a_backlog_waits_for_its_random_start_and_keeps_its_pace() {
    let mut world = World::new(20);
    for _ in 0..500 {
        world.store(false);
    }
    world.pass(20_000);
    world.connect(false);
    assert!(world.wire.is_empty(), "half of two seconds of jitter");
    let mut sent = 0;
    for _ in 0..200 {
        world.pass(10);
        while !world.wire.is_empty() {
            world.ack(0);
            sent += 1;
        }
    }
    // One second of waiting, one second at 100/s.
    assert!((95..=112).contains(&sent), "{sent}");
}

#[test]
fn one_event_that_the_broker_refuses_does_not_hold_up_the_others() {
    let mut world = World::new(4);
    world.refuses.insert(Seq(2));
    for _ in 0..6 {
        world.store(false);
    }
    world.connect(false);
    for _ in 0..60 {
        world.pass(500);
        while !world.wire.is_empty() {
            world.ack(0);
        }
    }
    assert_eq!(world.reports, ["uplink.set_aside"]);
    assert_eq!(world.taken, [1, 3, 4, 5, 6].map(Seq).into());
    assert_eq!(world.machine.progress().set_aside, 1);
    // A new connection tries it again at once.
    world.cut(0, false);
    world.connect(false);
    assert_eq!(world.wire, [Some(Seq(2))]);
    world.ack(0);
    // It is tried again for ever, and arrives when somebody has mended the broker.
    world.settle();
    assert_eq!(world.host.len(), 6);
    assert_eq!(world.machine.progress().set_aside, 0);
}

#[test]
fn what_is_set_aside_is_tried_at_once_when_the_control_room_asks_but_not_with_every_ask() {
    let mut world = World::new(4);
    world.refuses.insert(Seq(2));
    (0..6).for_each(|_| world.store(false));
    world.connect(false);
    let drain = |world: &mut World| {
        let mut tries = 0;
        while let Some(&first) = world.wire.front() {
            tries += u32::from(first == Some(Seq(2)));
            world.ack(0);
        }
        tries
    };
    let mut tries = 0;
    while world.reports.is_empty() {
        tries += drain(&mut world);
        world.pass(100);
    }
    assert_eq!(tries, 3, "set aside after three");
    world.receipt(true);
    assert_eq!(world.wire, [Some(Seq(2))], "asked for: at once");
    // Ten minutes of a receiver that asks every 2 s.
    let mut tries = drain(&mut world);
    for _ in 0..300 {
        world.pass(2_000);
        world.receipt(true);
        tries += drain(&mut world);
    }
    // At 0, 10, 30, 70, 150 and 310 s.
    assert_eq!(tries, 6);
    // Somebody mends the broker's rules: it needs neither a new connection nor the long rest.
    world.refuses.clear();
    for _ in 0..150 {
        world.pass(2_000);
        world.receipt(true);
        drain(&mut world);
    }
    world.receipt(true);
    assert_eq!((world.host.len(), world.machine.progress().set_aside), (6, 0));
    assert_eq!(world.reports, ["uplink.set_aside"]);
}

#[test]
fn what_tears_connections_is_not_tried_because_somebody_asks() {
    let mut world = World::new(8);
    (0..3).for_each(|_| world.store(false));
    for _ in 0..5 {
        world.connect(false);
        world.cut(0, true);
    }
    world.connect(false);
    for _ in 0..100 {
        while !world.wire.is_empty() {
            assert_ne!(world.wire[0], Some(Seq(1)));
            world.ack(0);
        }
        world.receipt(true);
        world.pass(2_000);
    }
}

#[test]
fn a_record_that_tears_every_connection_is_sent_alone_and_then_set_aside() {
    let mut world = World::new(8);
    for _ in 0..5 {
        world.store(false);
    }
    for lost in 0..5 {
        world.connect(false);
        assert_eq!(world.wire.len(), if lost < 3 { 5 } else { 1 });
        // The broker dies of the first record each time.
        world.cut(0, true);
    }
    assert_eq!(world.reports, ["uplink.set_aside"]);
    world.connect(false);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [2, 3, 4, 5]);
}

#[test]
fn a_network_that_fails_never_sets_an_event_aside() {
    let mut world = World::new(8);
    world.store(true);
    for _ in 0..50 {
        world.connect(false);
        assert_eq!(world.wire.len(), 1);
        world.cut(0, false);
    }
    assert!(world.reports.is_empty());
}

#[test]
fn a_silent_control_room_gets_the_window_again_and_then_a_fault_with_its_restore() {
    let mut world = World::new(4);
    for _ in 0..3 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.broker.clear(); // the broker swallowed them
    world.pass(59_000);
    assert!(world.wire.is_empty());
    world.pass(1_500);
    assert_eq!(world.wire.iter().flatten().count(), 3);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.pass(61_000);
    assert_eq!(world.reports, ["host_unresponsive"]);
    world.receipt(true);
    assert_eq!(world.reports, ["host_unresponsive", "host_responsive"]);
}

#[test]
fn a_silent_control_room_is_looked_for_at_the_next_broker_and_the_fault_ends_there() {
    let mut world = World::with_brokers(4, true);
    let drain = |world: &mut World| {
        while !world.wire.is_empty() {
            world.ack(0);
        }
    };
    (0..3).for_each(|_| world.store(false));
    world.connect(false);
    drain(&mut world);
    world.broker.clear(); // nobody behind this broker listens
    world.pass(60_000);
    assert_eq!(world.disconnects, 0, "sent again first");
    drain(&mut world);
    world.broker.clear();
    world.pass(59_000);
    assert_eq!((world.reports.len(), world.elsewhere), (0, 0));
    world.pass(1_000);
    assert_eq!((world.reports.as_slice(), world.elsewhere), (&["host_unresponsive"][..], 1));
    // The next broker has nothing of it; the control room is behind it.
    world.connect(true);
    drain(&mut world);
    for _ in 0..100 {
        world.pass(100);
        drain(&mut world);
    }
    world.receipt(true);
    assert_eq!(world.reports, ["host_unresponsive", "host_responsive"]);
    assert_eq!(world.host.len(), 3);
}

#[test]
fn what_nobody_listened_to_is_sent_again_when_somebody_does() {
    let mut world = World::new(4);
    world.deaf = true;
    for _ in 0..30 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    assert_eq!(world.marks.2, Seq::ZERO, "what was thrown away is not with the broker");
    world.deaf = false;
    world.put(Input::HostArrived);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_broker_that_lost_what_it_acknowledged_gets_all_of_it_again() {
    let mut world = World::new(4);
    for _ in 0..300 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.broker.clear();
    let started = world.now;
    for _ in 0..2_000 {
        world.pass(100);
        while !world.wire.is_empty() {
            world.ack(0);
        }
        world.receipt(true);
        if world.host.len() == 300 {
            break;
        }
    }
    assert_eq!(world.host.len(), 300);
    // One timeout, then at the pace of what is late: 100 a second.
    assert!(world.now.since(started) < Duration::from_secs(66), "{:?}", world.now.since(started));
}

#[test]
fn a_hole_is_filled_and_what_retention_removed_is_told_once() {
    let mut world = World::new(8);
    for _ in 0..6 {
        world.store(false);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.broker.retain(|seq| ![2, 3, 5].contains(&seq.0));
    world.removed.insert(Seq(3));
    world.receipt(true);
    assert_eq!(world.reports, ["system.gap"]);
    assert_eq!(world.wire.iter().flatten().map(|s| s.0).collect::<Vec<_>>(), [2, 5]);
    world.receipt(true);
    assert_eq!(world.reports, ["system.gap"]);
}

#[test]
fn a_connection_without_acknowledgement_is_dropped() {
    let mut world = World::new(4);
    world.store(false);
    world.connect(false);
    world.pass(29_000);
    assert_eq!(world.disconnects, 0);
    world.pass(1_000);
    assert_eq!(world.disconnects, 1);
}

#[test]
fn a_receipt_for_what_was_never_stored_is_not_believed() {
    let mut world = World::new(4);
    world.store(false);
    world.connect(false);
    let receipt = Receipt {
        upto: Seq(900),
        missing: vec![],
        nak: vec![],
        host: "h".into(),
        recv_ts: crate::time::UtcMs(0),
    };
    world.put(Input::Receipt(&receipt));
    world.put(Input::Receipt(&receipt));
    assert_eq!(world.reports, ["uplink.receipt_ahead"]);
    assert_eq!(world.machine.progress().host_upto, Seq::ZERO);
}

#[test]
fn what_is_wanted_again_is_sent_again_behind_what_is_new_and_at_its_pace() {
    let mut world = World::new(4);
    for n in 0..60 {
        world.store(n % 7 == 0);
    }
    world.connect(false);
    while !world.wire.is_empty() {
        world.ack(0);
    }
    world.receipt(true);
    world.removed.insert(Seq(9));
    world.wanted = true;
    world.pass(20_000);
    assert!(world.wire.is_empty(), "the control room has everything");
    world.put(Input::Resend { from: Seq(5), to: Seq(48) });
    world.put(Input::Resend { from: Seq(2), to: Seq(2) });
    assert_eq!(world.machine.resending(), 2);
    let mut sent = Vec::new();
    for tenth in 0..20 {
        world.pass(50);
        if tenth == 2 {
            world.store(false);
        }
        while let Some(Some(first)) = world.wire.front() {
            sent.push(first.0);
            world.ack(0);
        }
        if tenth == 0 {
            assert!(sent.len() < 20, "100 a second, and a tenth of that at once: {}", sent.len());
        }
    }
    assert_eq!(world.machine.resending(), 0);
    let new = sent.iter().position(|seq| *seq == 61).expect("the new one");
    assert!(new < 44, "behind what is sent again: {new}");
    sent.remove(new);
    let expected: Vec<u64> = (5..=48).filter(|seq| *seq != 9).chain([2]).collect();
    assert_eq!(sent, expected);
    assert_eq!(world.reports, ["system.gap"]);
    // Nobody has it: it is over at once. And a connection that ends takes the rest with it.
    world.put(Input::Resend { from: Seq(900), to: Seq(901) });
    assert_eq!(world.machine.resending(), 0);
    world.put(Input::Resend { from: Seq(1), to: Seq(60) });
    world.cut(0, false);
    assert_eq!(world.machine.resending(), 0);
}
