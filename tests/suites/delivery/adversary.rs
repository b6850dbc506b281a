//! Brokers that lie, refuse, forget and stall, as no real one does on purpose.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::contract::Receipt;
use gatehouse_core::event::{Event, Lane};
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use gatehouse_tests::adversary::{Acks, Arrival, CutHow, Step};
use gatehouse_tests::mqtt::Publish;
use gatehouse_tests::wait::boottime;
use gatehouse_tests::{AdversarialBroker, Behaviour, Gateway, GatewayOptions, World};

use super::scene::{DOORS, SETTLED, stored, turn};

/// The box with a scripted broker, and the test in the control room's chair.
struct Duel {
    world: World,
    gateway: Gateway,
    broker: AdversarialBroker,
}

impl Duel {
    async fn start(
        script: impl Fn(u64) -> Behaviour + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::with(script, |options| options).await
    }

    async fn with(
        script: impl Fn(u64) -> Behaviour + Send + Sync + 'static,
        change: impl FnOnce(GatewayOptions) -> GatewayOptions,
    ) -> anyhow::Result<Self> {
        let broker = AdversarialBroker::start(script).await?;
        let world = World::start(0..DOORS)?;
        let options = GatewayOptions::new(&world).doors(DOORS).broker(broker.address());
        let gateway = Gateway::start(change(options)).await?;
        world.connected(1).await?;
        Ok(Self { world, gateway, broker })
    }

    fn turn(&self, edges: usize) {
        (0..edges).for_each(|number| turn(&self.world, number));
    }

    /// Waits until the broker has committed every event of the journal, and holds the order of each
    /// connection and lane to the rule. Returns all arrivals of events.
    async fn settled(&self, edges: usize) -> anyhow::Result<Vec<(Arrival, Event)>> {
        stored(&self.gateway, edges).await?;
        let journal = self.gateway.events().await?;
        let every: BTreeSet<Seq> = journal.iter().map(|event| event.seq).collect();
        let all_committed = |arrivals: &[Arrival]| {
            let committed = events(arrivals).filter(|(arrival, _)| arrival.committed());
            let committed: BTreeSet<Seq> = committed.map(|(_, event)| event.seq).collect();
            every.is_subset(&committed).then_some(())
        };
        self.broker
            .arrivals()
            .wait_for("every event at the broker", SETTLED, all_committed)
            .await?;
        let arrivals: Vec<_> = self.broker.arrivals().read(|all| events(all).collect());
        for (_, event) in &arrivals {
            let stored = journal.iter().find(|stored| stored.seq == event.seq);
            let Some(stored) = stored else { continue };
            ensure!(stored.id == event.id, "seq {} was sent with another content", event.seq);
        }
        in_order(&arrivals)?;
        Ok(arrivals)
    }
}

/// The arrivals that are events.
fn events(arrivals: &[Arrival]) -> impl Iterator<Item = (Arrival, Event)> {
    arrivals.iter().filter(|arrival| arrival.publish.topic.contains("/ev/")).map(|arrival| {
        let (canonical, _) = gatehouse_core::event::canonical(&arrival.publish.payload);
        let event = serde_json::from_slice(&canonical).expect("an event");
        (arrival.clone(), event)
    })
}

/// Within a lane, on one connection, numbers only grow; a broker's refusal may bring one again.
fn in_order(arrivals: &[(Arrival, Event)]) -> anyhow::Result<()> {
    for lane in [Lane::Alarm, Lane::Normal] {
        let mut last: Option<(u64, Seq)> = None;
        let mut refused = BTreeSet::new();
        for (arrival, event) in arrivals {
            if event.draft.class.lane() != lane {
                continue;
            }
            let again = refused.contains(&event.seq);
            if !again {
                if let Some((connection, seq)) = last {
                    let grows = connection != arrival.connection || event.seq > seq;
                    ensure!(grows, "{} after {seq} on connection {connection}", event.seq);
                }
                last = Some((arrival.connection, event.seq));
            }
            if arrival.answer.is_some_and(|code| code >= 0x80) {
                refused.insert(event.seq);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_was_never_acknowledged_is_sent_again_whatever_the_broker_says_of_the_session()
-> anyhow::Result<()> {
    // 1: takes, says nothing, tears. 2: claims to remember that. 3: claims to know nothing.
    let duel = Duel::start(|connection| match connection {
        1 => Behaviour::default().acks(Acks::First(12)).cut(20, CutHow::Reset),
        2 => Behaviour::default().session_present().acks(Acks::Never).cut(14, CutHow::Reset),
        _ => Behaviour::default(),
    })
    .await?;
    duel.turn(60);
    duel.settled(60).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_lost_after_its_acknowledgements_is_sent_again_without_a_receipt()
-> anyhow::Result<()> {
    let duel = Duel::start(|connection| match connection {
        1 => Behaviour::default().cut(40, CutHow::Close),
        _ => Behaviour::default(),
    })
    .await?;
    duel.turn(50);
    let arrivals = duel.settled(50).await?;
    // The first broker acknowledged all of its forty; the second never heard of them.
    let second: BTreeSet<Seq> =
        arrivals.iter().filter(|(a, _)| a.connection == 2).map(|(_, e)| e.seq).collect();
    let first = arrivals.iter().filter(|(a, _)| a.connection == 1).map(|(_, event)| event.seq);
    for seq in first {
        assert!(second.contains(&seq), "{seq} was only at the broker that is gone");
    }
    Ok(())
}

#[tokio::test]
async fn a_receipt_ends_the_duty_and_nothing_else_does() -> anyhow::Result<()> {
    let duel = Duel::start(|connection| match connection {
        1 => Behaviour::default(),
        _ => Behaviour::default().acks(Acks::Each),
    })
    .await?;
    duel.turn(30);
    let arrivals = duel.settled(30).await?;
    let half = Seq(arrivals.len() as u64 / 2);
    let receipt = Receipt {
        upto: half,
        missing: Vec::new(),
        nak: Vec::new(),
        host: "test".into(),
        recv_ts: UtcMs(0),
    };
    let receipt = Publish {
        topic: format!("{}/receipt", duel.gateway.options().prefix()),
        payload: serde_json::to_vec(&receipt)?,
        qos: 1,
        pid: 1,
        ..Publish::default()
    };
    assert_eq!(duel.broker.publish(&receipt).await, 1);
    gatehouse_tests::wait::until("the receipt in the journal", SETTLED, async || {
        let status = duel.gateway.command(&["status", "--json", "--config"], true).await?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        Ok((status["host_upto"] == half.0).then_some(()))
    })
    .await?;
    // The broker forgets everything: only what has no receipt comes again, from the first on.
    duel.broker.reset().await;
    let again = duel
        .broker
        .arrivals()
        .wait_for("the rest once more", SETTLED, |all| {
            let second: Vec<Seq> = events(all)
                .filter(|(arrival, _)| arrival.connection == 2)
                .map(|(_, event)| event.seq)
                .collect();
            (second.len() >= arrivals.len() - arrivals.len() / 2).then_some(second)
        })
        .await?;
    assert_eq!(again.first(), Some(&half.next()));
    Ok(())
}

#[tokio::test]
async fn an_error_acknowledgement_leaves_the_event_stored_and_it_comes_again() -> anyhow::Result<()>
{
    for code in [0x80, 0x87, 0x97, 0x99] {
        // Every third event is refused the first time.
        let refused = Arc::new(Mutex::new(BTreeSet::new()));
        let duel = Duel::start(move |_| {
            let refused = Arc::clone(&refused);
            Behaviour::default().reject(move |publish| {
                let event: serde_json::Value = serde_json::from_slice(&publish.payload).ok()?;
                let seq = event["seq"].as_u64().filter(|seq| seq % 3 == 0)?;
                let first = publish.topic.contains("/ev/")
                    && refused.lock().expect("nobody panics with it").insert(seq);
                first.then_some(code)
            })
        })
        .await?;
        duel.turn(12);
        let arrivals = duel.settled(12).await?;
        let refusals = arrivals.iter().filter(|(arrival, _)| arrival.answer == Some(code)).count();
        assert!(refusals >= 4, "code {code:#04x} was never used");
        let connections = duel
            .broker
            .steps()
            .read(|steps| steps.iter().filter(|step| matches!(step, Step::Connect(..))).count());
        assert_eq!(connections, 1, "a refusal must not cost the connection");
    }
    Ok(())
}

#[tokio::test]
async fn acknowledgements_out_of_order_move_nothing_that_is_still_open() -> anyhow::Result<()> {
    let duel = Duel::start(|connection| match connection {
        // Then it is torn with the oldest still open: a client that trusts the order of packet ids
        // is caught for ever by this.
        1 => Behaviour::default().acks(Acks::AllButOldest(8)).cut(24, CutHow::Reset),
        2 => Behaviour::default().acks(Acks::Reversed(4)).cut(24, CutHow::Reset),
        3 => Behaviour::default().acks(Acks::Late(Duration::from_millis(30))),
        _ => Behaviour::default(),
    })
    .await?;
    duel.turn(80);
    duel.settled(80).await?;
    Ok(())
}

#[tokio::test]
async fn acknowledgements_in_the_last_breath_of_a_connection_mark_the_right_events()
-> anyhow::Result<()> {
    // A burst of PUBACKs and RST at once, over and over: what a client still has queued of a dead
    // connection must not be taken for answers of the next.
    let duel = Duel::start(|connection| match connection {
        1..=6 => {
            Behaviour::default().session_present().acks(Acks::Bursts(9)).cut(18, CutHow::Reset)
        }
        _ => Behaviour::default().session_present(),
    })
    .await?;
    duel.turn(150);
    duel.settled(150).await?;
    Ok(())
}

#[tokio::test]
async fn a_smaller_receive_maximum_after_a_reconnect_is_kept() -> anyhow::Result<()> {
    let small = 5;
    let duel = Duel::with(
        move |connection| match connection {
            1 => Behaviour::default().receive_maximum(100).cut(60, CutHow::Reset),
            _ => Behaviour::default()
                .session_present()
                .receive_maximum(small)
                .acks(Acks::Late(Duration::from_millis(10))),
        },
        |mut options| {
            options.uplink.push_str("in-flight = 100\n");
            options
        },
    )
    .await?;
    duel.turn(200);
    duel.settled(200).await?;
    let open = duel.broker.arrivals().read(|all| {
        let second = all.iter().filter(|arrival| arrival.connection == 2);
        second.map(|arrival| arrival.open).max()
    });
    let open = open.context("nothing came on the second connection")?;
    assert!((2..=usize::from(small)).contains(&open), "{open} were open at once");
    Ok(())
}

#[tokio::test]
async fn a_broker_that_stops_reading_is_left() -> anyhow::Result<()> {
    let duel = Duel::start(|connection| match connection {
        1 => Behaviour::default().cut(15, CutHow::Stall),
        _ => Behaviour::default(),
    })
    .await?;
    duel.turn(400);
    let stalled = boottime();
    duel.settled(400).await?;
    let took = boottime().since(stalled);
    assert!(took < Duration::from_secs(45), "it was waited for {took:?}");
    Ok(())
}

#[tokio::test]
async fn a_broker_that_refuses_the_login_is_asked_again_by_a_slow_schedule() -> anyhow::Result<()> {
    let duel = Duel::start(|connection| match connection {
        1 => Behaviour::refuse(0x86),
        _ => Behaviour::default(),
    })
    .await?;
    duel.turn(10);
    duel.settled(10).await?;
    let connects = duel.broker.steps().read(|steps| {
        let connect = |step: &Step| matches!(step, Step::Connect(..)).then_some(());
        steps.iter().filter_map(connect).count()
    });
    assert_eq!(connects, 2, "one knock, a pause, and in");
    Ok(())
}

#[tokio::test]
async fn the_next_broker_takes_over_and_the_first_is_gone_back_to() -> anyhow::Result<()> {
    let second = AdversarialBroker::start(|_| Behaviour::default()).await?;
    let address = second.address();
    let mut duel = Duel::with(|_| Behaviour::default(), |options| options.broker(address)).await?;
    duel.turn(10);
    duel.settled(10).await?;
    ensure!(second.arrivals().is_empty(), "the second broker is for bad days");

    // The first is gone as a whole, and with it whatever it had acknowledged.
    let seen = duel.broker.arrivals().read(|all| events(all).count());
    let port = duel.broker.stop().await;
    (0..10).for_each(|number| turn(&duel.world, number));
    stored(&duel.gateway, 20).await?;
    second
        .arrivals()
        .wait_for("all of it at the second", SETTLED, |all| {
            let seqs: BTreeSet<Seq> = events(all).map(|(_, event)| event.seq).collect();
            (seqs.len() >= seen + 10 && seqs.contains(&Seq(1))).then_some(())
        })
        .await?;
    // It comes back; within a minute the gateway has seen it and is there again.
    duel.broker = AdversarialBroker::start_on(port, |_| Behaviour::default()).await?;
    duel.settled(20).await?;
    let journal = duel.gateway.events().await?;
    let find = |kind: &str| journal.iter().find(|event| event.draft.kind == kind);
    let failover = find("uplink.failover").context("failing over is an event")?;
    let failback = find("uplink.failback").context("coming back is an event")?;
    assert_eq!(failback.draft.opens, Some(failover.seq));
    Ok(())
}
