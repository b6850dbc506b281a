//! The whole way once, by every kind of connection.

use gatehouse_core::event::Class;
use gatehouse_tests::wait::SOON;
use gatehouse_tests::{Broker, District, Gateway, GatewayOptions, Subscriber, World};

use super::scene::{DOORS, Scene, lasting, settled};

#[tokio::test]
async fn a_door_opens_and_the_district_knows() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    scene.world.set(2, true);
    let opened = scene
        .district
        .committed()
        .wait_for("the opened door", SOON, |all| {
            all.iter().find(|event| event.class == Class::Door).cloned()
        })
        .await?
        .event()?;
    assert_eq!((&*opened.draft.kind, opened.draft.source.id.as_str()), ("door.opened", "door-2"));
    assert_eq!(opened.draft.source.driver.as_deref(), Some("sim:2"));
    scene.settled().await?;
    let door = scene.district.gateway("g-1")?.map(|view| view.doors["door-2"].shown.clone());
    assert_eq!(door.as_deref(), Some("open"));
    assert!(scene.gateway.stop().await?.success(), "{:?}", scene.gateway.log().all());
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
    super::scene::stored(&gateway, 1).await?;
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
    let options = gatehouse_tests::ClientOptions::new("watcher");
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
