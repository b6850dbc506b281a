//! Uploads that a kill or a cut breaks off go on where they were, and begin anew only where the store has
//! forgotten them.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use gatehouse_tests::proxy::Way;
use gatehouse_tests::store::ObjectStore;
use gatehouse_tests::wait::until;
use gatehouse_tests::{Broker, BrokerOptions, Fault, Gateway, Proxy, World};
use serde_json::Value;

use crate::filled::{Filled, filled_box, recorded, status};
use crate::{PATIENCE, STORED};

/// Slow enough to be caught in the middle of a part: 3 MiB a second.
const SLOW: &str = "part-mib = 5\nrate-kib = 3072\nhold-off-s = 1\n";

struct Scene {
    store: ObjectStore,
    proxy: Proxy,
    gateway: Gateway,
    filled: Filled,
    world: World,
    _broker: Broker,
}

async fn scene() -> anyhow::Result<Scene> {
    let store = ObjectStore::start(None).await?;
    let proxy = Proxy::start(store.address()).await?;
    let (world, broker) = (World::start(0..2)?, Broker::start(BrokerOptions::default()).await?);
    let (mut gateway, filled) = filled_box(&world, |mut options| {
        options.extra = store.table(proxy.address(), SLOW);
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    Ok(Scene { store, proxy, gateway, filled, world, _broker: broker })
}

impl Scene {
    fn note(&self) -> PathBuf {
        self.gateway.state().join("evidence/store/gate-2.mp4.json")
    }

    /// How many parts of the large clip are known to be in the store.
    fn acknowledged(&self) -> usize {
        let bytes = std::fs::read(self.note()).unwrap_or_default();
        let note: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        note["upload"]["etags"].as_object().map_or(0, serde_json::Map::len)
    }

    /// Waits until the second part of three is on its way.
    async fn in_the_second_part(&self) -> anyhow::Result<()> {
        until("the first part", PATIENCE, async || Ok((self.acknowledged() == 1).then_some(())))
            .await?;
        let before = self.proxy.counters().up;
        until("half a part", PATIENCE, async || {
            Ok((self.proxy.counters().up - before > 1 << 20).then_some(()))
        })
        .await
    }

    /// All four pieces, the large one whole, each told once.
    async fn stored(&self) -> anyhow::Result<()> {
        let told = recorded(&self.gateway, &STORED, 4).await?;
        ensure!(told.len() == 4, "{told:?}");
        let piece = &self.filled.pieces[2];
        ensure!(self.store.object(&self.filled.key(piece))? == piece.content, "other bytes");
        Ok(())
    }
}

#[tokio::test]
async fn after_a_kill_no_part_is_sent_again_that_the_store_has_acknowledged() -> anyhow::Result<()>
{
    let mut scene = scene().await?;
    scene.in_the_second_part().await?;
    scene.gateway.kill().await?;
    // As it lies on the medium after the kill.
    let acknowledged = scene.acknowledged();
    assert_eq!(acknowledged, 1);
    let sent = scene.store.requests("put multipart upload");
    scene.gateway.launch().await?;
    scene.stored().await?;
    let again = scene.store.requests("put multipart upload") - sent;
    assert_eq!(again, 3 - acknowledged, "the parts that were missing, each once");
    assert_eq!(scene.store.requests("initiate multipart upload"), 1);
    assert_eq!(scene.store.requests("complete multipart upload"), 1);
    Ok(())
}

#[tokio::test]
async fn a_line_that_is_cut_costs_the_part_that_was_on_its_way() -> anyhow::Result<()> {
    let scene = scene().await?;
    scene.in_the_second_part().await?;
    scene.proxy.reset_all();
    scene.stored().await?;
    assert_eq!(scene.store.requests("initiate multipart upload"), 1);
    // What broke off half way is sent once more, and nothing else is.
    let parts = scene.store.requests("put multipart upload");
    ensure!((3..=4).contains(&parts), "{parts} requests for three parts");
    let (_, shown, _) = scene.gateway.says(&["status"]).await?;
    ensure!(shown.contains("works") && shown.contains("nothing waits"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_store_that_dies_is_a_fault_and_one_that_has_forgotten_an_upload_gets_it_anew()
-> anyhow::Result<()> {
    let mut scene = scene().await?;
    scene.in_the_second_part().await?;
    scene.store.kill().await?;
    let fault = recorded(&scene.gateway, &["store.fault"], 1).await?.remove(0);
    let facts = fault.draft.detail.context("facts")?;
    assert_eq!(facts["why"], "unreachable", "{facts}");
    ensure!(fault.draft.cause.context("advice")?.contains("does not answer"));
    let shown = status(&scene.gateway).await?;
    ensure!(shown["trouble"].is_string() && shown["pending"] != 0, "{shown}");
    scene.store.launch().await?;
    scene.stored().await?;
    recorded(&scene.gateway, &["store.fault_restored"], 1).await?;
    assert_eq!(recorded(&scene.gateway, &["store.fault"], 1).await?.len(), 1);
    assert_eq!(scene.store.requests("initiate multipart upload"), 2);
    Ok(())
}

#[tokio::test]
async fn a_line_that_swallows_everything_does_not_hold_the_rest_of_the_box() -> anyhow::Result<()> {
    let scene = scene().await?;
    scene.in_the_second_part().await?;
    scene.proxy.set(Fault::SwallowWay(Way::Up));
    // Whatever the store's line does, the box records and answers.
    for turn in 0..4 {
        scene.world.set(0, turn % 2 == 0);
    }
    recorded(&scene.gateway, &["door.opened", "door.closed"], 5).await?;
    scene.proxy.set(Fault::None);
    scene.stored().await
}
