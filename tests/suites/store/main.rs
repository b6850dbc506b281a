//! Pictures and clips in a store that is not ours: `rclone serve s3`, which checks every signature.

mod faults;
mod filled;
mod resumed;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_tests::adversary::Acks;
use gatehouse_tests::store::ObjectStore;
use gatehouse_tests::wait::until;
use gatehouse_tests::{
    AdversarialBroker, Behaviour, Broker, BrokerOptions, Certificates, Proxy, World,
};
use serde_json::json;

use crate::filled::{filled_box, recorded, sha256, status};

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Parts of 5 MiB, as fast as it goes.
pub(crate) const FAST: &str = "part-mib = 5\nrate-kib = 1000000\nhold-off-s = 1\n";

pub(crate) const STORED: [&str; 2] = ["camera.stored", "camera.stored_silent"];

#[tokio::test]
async fn what_lies_on_the_flash_is_in_the_store_byte_by_byte_and_each_piece_is_told_once()
-> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let store = ObjectStore::start(Some(certificates.broker()?)).await?;
    let (world, broker) = (World::start(0..2)?, Broker::start(BrokerOptions::default()).await?);
    let (mut gateway, filled) = filled_box(&world, |mut options| {
        options.extra = store.table(store.address(), FAST);
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    let told = recorded(&gateway, &STORED, 4).await?;
    // What alarms show goes first, then by age: the door's picture is the oldest, and the last.
    let files: Vec<_> =
        told.iter().map(|event| event.draft.detail.as_ref().unwrap()["ref"].clone()).collect();
    assert_eq!(files, ["gate-2.jpg", "gate-2.mp4", "gate-3-s.mp4", "gate-1.jpg"]);
    for event in &told {
        let facts = event.draft.detail.as_ref().context("facts")?;
        let piece = filled.pieces.iter().find(|piece| facts["ref"] == piece.file);
        let piece = piece.context("a piece of this name")?;
        let key = filled.key(piece);
        ensure!(store.object(&key)? == piece.content, "{key} has other bytes");
        let digest = sha256(&piece.content);
        assert_eq!((&facts["key"], &facts["sha256"]), (&json!(key), &json!(digest)), "{facts}");
        assert_eq!((&facts["as_told"], &facts["checked"]), (&json!(true), &json!(true)), "{facts}");
        assert_eq!(facts["bytes"], piece.content.len());
        let silent = piece.file == "gate-3-s.mp4";
        assert_eq!(event.draft.kind == "camera.stored_silent", silent);
    }
    let (parts, puts) = (store.requests("put multipart upload"), store.requests("CREATE OBJECT"));
    // Three parts; three pieces that are small, and the object that it is tried with.
    assert_eq!((parts, puts, store.objects()?.len()), (3, 4, 5));
    // Of what is silent nobody here sees anything.
    let shown = status(&gateway).await?;
    assert_eq!((&shown["pending"], &shown["stored"]), (&json!(0), &json!(3)), "{shown}");
    let (_, listed, _) = gateway.says(&["events"]).await?;
    ensure!(listed.contains("camera.stored") && !listed.contains("silent"), "{listed}");
    ensure!(!gateway.log().all().join("\n").contains("gate-3-s"));
    // Neither a kill nor a stop has anything told or sent again.
    gateway.restart().await?;
    gateway.stop().await?;
    gateway.launch().await?;
    until("the store to be tried", PATIENCE, async || {
        Ok((status(&gateway).await?["works"] == true).then_some(()))
    })
    .await?;
    assert_eq!(recorded(&gateway, &STORED, 4).await?.len(), 4);
    assert_eq!((store.requests("put multipart upload"), store.objects()?.len()), (parts, 5));
    let checks = |line: &&String| line.contains("CREATE OBJECT") && line.contains("g-1/check");
    let checks = store.log().read(|lines| lines.iter().filter(checks).count());
    assert_eq!(store.requests("CREATE OBJECT") - checks, puts - 1);
    let notes = std::fs::read_dir(gateway.state().join("evidence/store"))?;
    let left: Vec<_> = notes.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["upto"]);
    Ok(())
}

#[tokio::test]
async fn not_a_byte_goes_to_the_store_before_the_broker_has_every_alarm() -> anyhow::Result<()> {
    let store = ObjectStore::start(None).await?;
    let (proxy, world) = (Proxy::start(store.address()).await?, World::start(0..2)?);
    let broker = AdversarialBroker::start(|_| Behaviour::default().acks(Acks::Held)).await?;
    let (mut gateway, _) = filled_box(&world, |mut options| {
        options.extra = store.table(proxy.address(), FAST);
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    // The alarms are at the broker, which says nothing of them; the store is wanted.
    let alarms = broker.arrivals().wait_for("both alarms", PATIENCE, |all| {
        let of = |class: &str| all.iter().any(|it| it.publish.topic.ends_with(class));
        (of("ev/alarm") && of("ev/panic")).then_some(())
    });
    alarms.await?;
    until("evidence that gives way", PATIENCE, async || {
        let shown = status(&gateway).await?;
        Ok((shown["gives_way"] == true && shown["pending"] == 3).then_some(()))
    })
    .await?;
    let before = proxy.counters();
    assert_eq!((before.accepted, before.up), (0, 0));
    // As long as anything is held, nothing goes: the first word of the broker's opens the gate.
    ensure!(recorded(&gateway, &STORED, 0).await?.is_empty());
    let release = async {
        loop {
            broker.release().await;
            tokio::task::yield_now().await;
            if proxy.counters().accepted > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, release).await.context("nothing goes to the store")?;
    recorded(&gateway, &STORED, 4).await?;
    Ok(())
}
