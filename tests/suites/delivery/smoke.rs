//! The whole way once, by every kind of connection.

use gatehouse_core::contract::Receipt;
use gatehouse_core::event::{Event, Flag};
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{
    Broker, Client, ClientOptions, District, Gateway, GatewayOptions, Subscriber, World, is_move,
};

use super::scene::{DOORS, Scene, lasting, settled, stored};

#[tokio::test]
async fn a_door_opens_and_the_district_knows() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    scene.world.set(2, true);
    let opened = scene
        .district
        .committed()
        .wait_for("the opened door", SOON, |all| {
            all.iter().filter_map(|event| event.event().ok()).find(is_move)
        })
        .await?;
    assert_eq!((&*opened.draft.kind, opened.draft.source.id.as_str()), ("door.opened", "door-2"));
    assert_eq!(opened.draft.source.driver.as_deref(), Some("sim:2"));
    scene.settled().await?;
    // A state follows its event, but has a way of its own: paced, latest only.
    until("the door's state at the district", SOON, async || {
        let view = scene.district.gateway("g-1")?;
        Ok(view.filter(|view| view.doors["door-2"].shown == "open").map(drop))
    })
    .await?;
    // The other doors were never used; the record knows from the first look where they stand.
    found(&scene.gateway, [0, 1, 3]).await?;
    assert!(scene.gateway.stop().await?.success(), "{:?}", scene.gateway.log().all());
    Ok(())
}

#[tokio::test]
async fn a_door_never_used_before_and_opened_while_the_box_is_off_is_told_as_such()
-> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    found(&scene.gateway, (0..DOORS).collect::<Vec<_>>()).await?;
    assert!(scene.gateway.stop().await?.success(), "{:?}", scene.gateway.log().all());
    scene.world.set(1, true);
    scene.gateway.launch().await?;
    stored(&scene.gateway, 1).await?;
    let journal = scene.settled().await?;
    let moved: Vec<_> = journal.iter().filter(|event| is_move(event)).collect();
    let [opened] = moved[..] else { panic!("{moved:?}") };
    assert_eq!((&*opened.draft.kind, opened.draft.source.id.as_str()), ("door.opened", "door-1"));
    assert_eq!(opened.draft.flags, [Flag::WhileDown]);
    let count = journal.iter().filter(|event| event.draft.kind == "door.found").count();
    assert_eq!(count, DOORS as usize, "each door is found once, however often the box starts");
    Ok(())
}

/// Waits until the journal has one first look at each of these doors, and nothing else of them.
async fn found(gateway: &Gateway, doors: impl Into<Vec<u32>>) -> anyhow::Result<()> {
    let doors = doors.into();
    until(&format!("doors {doors:?} to be found"), SOON, async || {
        let events = gateway.events().await?;
        let once = doors.iter().all(|door| {
            let id = format!("door-{door}");
            let of = |event: &&Event| event.draft.source.id.as_str() == id;
            events.iter().filter(of).map(|event| &*event.draft.kind).eq(["door.found"])
        });
        Ok(once.then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_receipt_for_what_was_never_stored_is_a_fault_and_is_not_believed() -> anyhow::Result<()>
{
    let scene = Scene::start().await?;
    found(&scene.gateway, (0..DOORS).collect::<Vec<_>>()).await?;
    let before = scene.settled().await?.last().map_or(Seq::ZERO, |event| event.seq);
    let ahead = Receipt {
        upto: Seq(1_000_000),
        missing: vec![],
        nak: vec![],
        host: "another".into(),
        recv_ts: UtcMs(0),
    };
    let ahead = serde_json::to_vec(&ahead)?;
    let mut stranger =
        Client::connect(scene.broker.address(), ClientOptions::new("stranger")).await?;
    for _ in 0..3 {
        stranger.publish("gatehouse/v1/d-1/s-1/g-1/receipt", &ahead).await?;
    }
    scene.store(1).await?;
    let journal = scene.settled().await?;
    let new = journal.iter().filter(|event| event.seq > before);
    let new: Vec<_> = new.map(|event| &*event.draft.kind).collect();
    assert_eq!(new, ["uplink.receipt_ahead", "door.opened"], "told once in a session");
    Ok(())
}

#[tokio::test]
async fn without_any_broker_the_box_records_and_delivers_when_there_is_one() -> anyhow::Result<()> {
    let world = World::start(0..DOORS)?;
    let mut broker = Broker::start(lasting()).await?;
    let mut district = District::start(broker.address()).await?;
    district.stop().await?;
    broker.stop().await?;
    let options = GatewayOptions::new(&world).doors(DOORS).broker(broker.address());
    // READY=1 comes although nobody listens: recording needs no network.
    let gateway = Gateway::start(options).await?;
    world.connected(1).await?;
    world.set(0, true);
    stored(&gateway, 1).await?;
    broker.restart().await?;
    district.launch().await?;
    settled(&gateway, &district).await?;
    Ok(())
}

#[tokio::test]
async fn the_older_protocol_loses_nothing_either() -> anyhow::Result<()> {
    let mut scene = Scene::with(lasting(), |mut options| {
        options.brokers[0].protocol = "3.1.1";
        options
    })
    .await?;
    scene.store(100).await?;
    scene.broker.kill().await?;
    scene.store(100).await?;
    scene.broker.restart().await?;
    scene.settled().await?;
    Ok(())
}

#[tokio::test]
async fn the_life_of_a_gateway_is_told_in_order_and_a_lost_one_by_its_will() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let options = ClientOptions::new("watcher");
    let status =
        Subscriber::start(scene.broker.address(), options, &["gatehouse/v1/+/+/+/status"]).await?;
    let state = |message: &gatehouse_tests::subscriber::Message| {
        let status: serde_json::Value = serde_json::from_slice(&message.publish.payload).ok()?;
        Some((status["state"].as_str()?.to_owned(), status["session"].as_u64()?))
    };
    let wait = async |word: &str, session: u64| {
        let wanted = Some((word.to_owned(), session));
        let find = |all: &[_]| all.iter().any(|m| state(m) == wanted).then_some(());
        status.messages().wait_for(&format!("{word} of session {session}"), SOON, find).await
    };
    wait("online", 1).await?;
    scene.gateway.kill().await?;
    wait("lost", 1).await?;
    scene.gateway.launch().await?;
    wait("online", 2).await?;
    scene.gateway.stop().await?;
    wait("stopping", 2).await?;
    let told = status.messages().read(|all| all.iter().filter_map(state).collect::<Vec<_>>());
    let words: Vec<&str> = told.iter().map(|(word, _)| word.as_str()).collect();
    let lost = words.iter().position(|word| *word == "lost");
    assert!(words[lost.unwrap_or(0)..].starts_with(&["lost", "starting", "online"]), "{words:?}");
    Ok(())
}
