//! A real broker and a network that break while events flow.

use std::time::Duration;

use gatehouse_core::id::Seq;
use gatehouse_tests::mqtt::kind;
use gatehouse_tests::proxy::Way;
use gatehouse_tests::wait::{SOON, boottime, until};
use gatehouse_tests::{BrokerOptions, Fault};

use super::scene::{GATEWAY, Scene, door_events, lasting, people, settled, stored, turn};

#[tokio::test]
async fn a_broker_killed_and_restarted_while_events_flow_costs_nothing() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let Scene { world, broker, district, proxy, .. } = &mut scene;
    let faults = async {
        for round in 1..=4_u64 {
            // On a busy machine the events of several rounds come with one connection.
            until("the gateway to be back", SOON, async || {
                Ok((proxy.counters().accepted >= round).then_some(()))
            })
            .await?;
            district.has_all(GATEWAY, Seq(round * 30), SOON).await?;
            broker.kill().await?;
            broker.restart().await?;
        }
        anyhow::Ok(())
    };
    let ((), broken) = tokio::join!(people(world, 200, 1000), faults);
    broken?;
    stored(&scene.gateway, 1000).await?;
    let journal = scene.settled().await?;
    assert_eq!(door_events(&journal), 1000, "every edge is one event");
    assert!(scene.connections() >= 5);
    Ok(())
}

#[tokio::test]
async fn a_broker_that_lost_its_whole_memory_gets_everything_again() -> anyhow::Result<()> {
    // No persistence: with each kill all sessions are gone, the receiver's as well, and with them
    // whatever the broker had acknowledged but not passed on.
    let mut scene = Scene::with(BrokerOptions::default(), |gateway| gateway).await?;
    for _ in 0..3 {
        scene.district.stop().await?;
        scene.store(100).await?;
        scene.broker.kill().await?;
        scene.broker.restart().await?;
        scene.store(10).await?;
        scene.district.launch().await?;
    }
    scene.settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_and_its_events_are_sent_again() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.store(20).await?;
    scene.settled().await?;
    scene.proxy.set(Fault::Swallow);
    scene.store(50).await?;
    let cut = boottime();
    // Nobody is told. The keep-alive is 5 s, so twice that and some room.
    scene.proxy.accepted(2).await?;
    assert!(boottime().since(cut) < Duration::from_secs(15), "noticed too late");
    scene.proxy.set(Fault::None);
    scene.settled().await?;
    Ok(())
}

#[tokio::test]
async fn acknowledgements_that_do_not_come_back_mean_sending_again() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.settled().await?;
    scene.proxy.set(Fault::SwallowWay(Way::Down));
    scene.store(50).await?;
    scene.proxy.accepted(2).await?;
    scene.proxy.set(Fault::None);
    scene.settled().await?;
    // The broker had the first ones: the district has seen them twice, and knew it.
    let twice = scene.district.committed().read(|all| all.iter().filter(|e| e.duplicate).count());
    assert!(twice > 0, "nothing was sent twice, so nothing was in doubt");
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_batch_loses_nothing() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.settled().await?;
    for cut in [1, 2, 3, 5, 8, 13, 16, 17, 31] {
        scene.proxy.set(Fault::Refuse);
        scene.store(40).await?;
        // The gateway's own messages of a new connection come first; so the cut falls at another
        // place of the batch each time, but never at its end.
        scene.proxy.set(Fault::CutAfterPackets(Way::Up, kind::PUBLISH, 7 + cut));
        let before = scene.proxy.counters().cut;
        until("the cut", SOON, async || Ok((scene.proxy.counters().cut > before).then_some(())))
            .await?;
        scene.proxy.set(Fault::None);
        scene.settled().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_daemon_killed_while_events_flow_has_everything_that_it_stored() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let mut heads = Vec::new();
    for round in 1..=5 {
        let Scene { world, gateway, .. } = &mut scene;
        let busy = people(world, 400, 400);
        let killed = async {
            // In the middle of the storm, not before it.
            until("some events of the storm", SOON, async || {
                Ok((gateway.events().await?.len() >= round * 40).then_some(()))
            })
            .await?;
            gateway.kill().await?;
            let journal = gateway.events().await?;
            heads.push(journal.last().map(|event| (event.seq, event.id.clone())));
            gateway.launch().await
        };
        let ((), killed) = tokio::join!(busy, killed);
        killed?;
    }
    let (world, gateway) = (&scene.world, &scene.gateway);
    let last = world.level(0).map(|open| if open { "open" } else { "closed" });
    let journal = settled(gateway, &scene.district).await?;
    for (seq, id) in heads.into_iter().flatten() {
        let still = journal.iter().find(|event| event.seq == seq).map(|event| &event.id);
        assert_eq!(still, Some(&id), "what was stored before the kill is gone");
    }
    until("the door's true state at the district", SOON, async || {
        let view = scene.district.gateway(GATEWAY)?;
        let shown = view.map(|view| view.doors["door-0"].shown.clone());
        Ok((shown.as_deref() == last).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_receive_maximum_of_twenty_is_kept_and_nothing_is_lost() -> anyhow::Result<()> {
    let options = BrokerOptions { max_inflight: Some(20), ..lasting() };
    let scene = Scene::with(options, |mut gateway| {
        gateway.uplink.push_str("in-flight = 128\n");
        gateway
    })
    .await?;
    scene.store(500).await?;
    scene.settled().await?;
    // Mosquitto ends a connection that sends more than it allows.
    assert_eq!(scene.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn what_the_broker_s_access_list_denies_is_set_aside_with_a_fault_and_the_rest_flows()
-> anyhow::Result<()> {
    // A person has forgotten the doors.
    let acl = "topic readwrite gatehouse/#\n";
    let denied = "topic deny gatehouse/v1/d-1/s-1/g-1/ev/door\ntopic readwrite gatehouse/#\n";
    let options = BrokerOptions { acl: Some(denied.into()), ..lasting() };
    let mut scene = Scene::with(options, |gateway| gateway).await?;
    turn(&scene.world, 0);
    stored(&scene.gateway, 1).await?;
    let seqs = |class: &str, kind: &str| {
        let (class, kind) = (class.to_owned(), kind.to_owned());
        move |events: &[gatehouse_core::event::Event]| {
            let find = |event: &&gatehouse_core::event::Event| {
                event.draft.class.as_str() == class && event.draft.kind.starts_with(&kind)
            };
            events.iter().find(find).map(|event| event.seq)
        }
    };
    let door = seqs("door", "door.")(&scene.gateway.events().await?).expect("stored above");
    let fault = scene
        .district
        .committed()
        .wait_for("the fault at the district", super::scene::SETTLED, |all| {
            let events: Vec<_> = all.iter().filter_map(|event| event.event().ok()).collect();
            let fault = seqs("fault", "uplink.set_aside")(&events)?;
            events.into_iter().find(|event| event.seq == fault)
        })
        .await?;
    assert_eq!(fault.draft.detail.as_ref().and_then(|d| d["seq"].as_u64()), Some(door.0));
    assert!(fault.draft.cause.as_deref().is_some_and(|cause| cause.contains("0x87")));
    assert_eq!(scene.connections(), 1, "one event must not cost the connection");
    assert!(scene.district.events(GATEWAY)?.iter().all(|event| event.seq != door));

    // The list is mended. Left alone the gateway tries again after 5 min; a restart tries at once.
    std::fs::write(scene.broker.folder().join("acl"), acl)?;
    scene.broker.reload().await?;
    scene.gateway.restart().await?;
    scene.settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_broker_too_slow_to_answer_delays_and_loses_nothing() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.proxy.set(Fault::Latency(Duration::from_millis(150)));
    scene.store(100).await?;
    scene.broker.freeze()?;
    scene.store(50).await?;
    scene.broker.thaw()?;
    scene.settled().await?;
    assert_eq!(scene.connections(), 1, "slow is not dead");
    Ok(())
}
