//! The thread that commits, without a network.

use std::sync::mpsc::sync_channel;

use gatehouse_core::event::{self, Draft, GENESIS, Qualifier, Source, Stamp};
use gatehouse_core::time::{ClockState, Time, UtcMs};
use rumqttc::v5::mqttbytes::QoS;
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::outbox::Say;
use crate::store::Database;

fn parts(watchers: broadcast::Sender<Arc<Committed>>) -> Parts {
    Parts {
        clock: Arc::new(SystemClock),
        district: "d-1".parse().unwrap(),
        host: "room".into(),
        period: Duration::from_secs(30),
        storm: StormRule::default(),
        keep: crate::retention::Keep::default(),
        pictures_max: u64::MAX,
        outbox: Arc::default(),
        board: Arc::default(),
        watchers,
        results: broadcast::channel(1).0,
        slots: Arc::new(Semaphore::new(0)),
        meter: Arc::default(),
        elsewhere: Arc::default(),
        calling: None,
        inbox: None,
        stop: Arc::default(),
    }
}

/// The chained events of one gateway, as they come off the wire.
fn inbound(gateway: usize, count: u64) -> Vec<Inbound> {
    let gateway: Id = format!("g-{gateway}").parse().unwrap();
    let draft = Draft {
        class: Class::Door,
        kind: "door.opened".into(),
        qualifier: Qualifier::New,
        severity: 4,
        partition: Some("lobby".parse().unwrap()),
        source: Source {
            kind: "door".into(),
            id: "lobby-main".parse().unwrap(),
            driver: Some("gpiochip0:17".into()),
        },
        time: Time {
            utc: UtcMs(1_790_000_000_000),
            boot: "5e1c0000-0000-0000-0000-000000000000".into(),
            mono_ns: Mono(8_831_220_112_233),
            err_ms: Some(12),
            clock: ClockState::Synced,
        },
        state: None,
        arming: None,
        actor: None,
        cause: None,
        opens: None,
        detail: None,
        closes: None,
        test: false,
        flags: vec![],
    };
    let mut prev = GENESIS;
    let topic = format!("gatehouse/v1/d-1/s-1/{gateway}/ev/door");
    (1..=count)
        .map(|seq| {
            let stamp = Stamp { gateway: &gateway, session: 1, seq: Seq(seq), prev };
            let bytes = event::render(&stamp, &draft).unwrap();
            prev = event::chain_hash(&bytes);
            let mut publish = Publish::new(topic.clone(), QoS::AtLeastOnce, bytes, None);
            publish.pkid = u16::try_from(seq % 60_000).unwrap() + 1;
            Inbound { epoch: 1, publish, at: SystemClock.now() }
        })
        .collect()
}

#[test]
fn acknowledgements_come_after_the_commit_in_the_order_of_arrival() {
    let folder = TempDir::new().unwrap();
    let database = Database::File(folder.path().join("r.db"));
    let store = Store::open(&database).unwrap();
    let parts = parts(broadcast::channel(1).0);
    let (outbox, board) = (Arc::clone(&parts.outbox), Arc::clone(&parts.board));
    outbox.connected(1);
    let (work, works) = sync_channel(1000);
    let arrived: Vec<_> = (0..3).flat_map(|gateway| inbound(gateway, 100)).rev().collect();
    let pkids: Vec<_> = arrived.iter().map(|inbound| inbound.publish.pkid).collect();
    for inbound in arrived {
        work.send(Work::In(inbound)).unwrap();
    }
    work.send(Work::Stop).unwrap();
    Desk::new(parts).run(&store, &works).unwrap();
    let mut receipts = 0;
    let mut acked = Vec::new();
    while let Some(say) = outbox.next(true) {
        match say {
            Say::Ack(pkid) => acked.push(pkid),
            Say::Receipt(_, receipt) => {
                receipts += 1;
                assert_eq!((receipt.upto, receipt.missing.len()), (Seq(100), 0));
            }
            Say::Act(act) => panic!("nobody did anything: {act:?}"),
        }
    }
    assert_eq!(acked, pkids);
    let board = lock(&board).summed();
    assert_eq!((receipts, board.received, board.breaks, board.commits), (3, 300, 0, 1));
}

#[test]
#[ignore = "a measurement: run it alone, in the release profile"]
fn thirty_thousand_events_a_second_are_committed() {
    const GATEWAYS: usize = 50;
    const EACH: u64 = 4000;
    let folder = TempDir::new().unwrap();
    let database = Database::File(folder.path().join("r.db"));
    let store = Store::open(&database).unwrap();
    let parts = parts(broadcast::channel(1).0);
    let (board, clock) = (Arc::clone(&parts.board), Arc::clone(&parts.clock));
    let mut queues: Vec<_> =
        (0..GATEWAYS).map(|gateway| inbound(gateway, EACH).into_iter()).collect();
    let size = queues[0].as_slice()[0].publish.payload.len();
    // As many may wait as the broker may send without an acknowledgement.
    let (work, works) = sync_channel(usize::from(crate::link::RECEIVE_MAXIMUM));
    let began = clock.now().mono;
    std::thread::scope(|scope| {
        scope.spawn(move || Desk::new(parts).run(&store, &works).unwrap());
        for _ in 0..EACH {
            for queue in &mut queues {
                work.send(Work::In(queue.next().unwrap())).unwrap();
            }
        }
        work.send(Work::Stop).unwrap();
    });
    let took = clock.now().mono.since(began);
    let board = lock(&board).summed();
    #[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
    let (received, commits) = (board.received as f64, board.commits as f64);
    let rate = received / took.as_secs_f64();
    println!(
        "{} events of {size} bytes in {took:?}: {rate:.0}/s, {:.0} per commit",
        board.received,
        received / commits
    );
    assert_eq!(board.received, GATEWAYS as u64 * EACH);
    assert!(rate >= 30_000.0, "{rate:.0} events a second");
}
