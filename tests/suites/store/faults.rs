//! A store that does not take evidence: what is told, what a person can do, and what is lost meanwhile.

use anyhow::{Context as _, ensure};
use gatehouse_tests::store::{ObjectStore, SECRET_KEY};
use gatehouse_tests::wait::until;
use gatehouse_tests::{Broker, BrokerOptions, Certificates, World};
use rustix::process::Signal;
use serde_json::json;

use crate::filled::{events, filled_box, recorded, status};
use crate::{FAST, PATIENCE, STORED};

#[tokio::test]
async fn a_wrong_secret_is_a_fault_with_advice_and_is_in_no_log_and_the_right_one_mends_it()
-> anyhow::Result<()> {
    let store = ObjectStore::start(None).await?;
    let wrong = "zJalrXUtnFEMI/K7MDENG+bPxRfiCX";
    std::fs::write(store.secret(), wrong)?;
    let (world, broker) = (World::start(0..2)?, Broker::start(BrokerOptions::default()).await?);
    let (mut gateway, _) = filled_box(&world, |mut options| {
        options.extra = store.table(store.address(), FAST);
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    let fault = recorded(&gateway, &["store.fault"], 1).await?.remove(0);
    assert_eq!(fault.draft.detail, Some(json!({ "why": "denied", "bucket": "evidence" })));
    let cause = fault.draft.cause.context("advice")?;
    ensure!(cause.contains("403") && cause.contains("look at `access-key`"), "{cause}");
    let (_, shown, _) = gateway.says(&["status"]).await?;
    ensure!(shown.contains("takes nothing") && shown.contains("`access-key`"), "{shown}");
    ensure!(store.objects()?.is_empty());
    std::fs::write(store.secret(), SECRET_KEY)?;
    recorded(&gateway, &STORED, 4).await?;
    recorded(&gateway, &["store.fault_restored"], 1).await?;
    let told = serde_json::to_string(&events(&gateway)?)?;
    let said = gateway.log().all().join("\n") + &told + &shown;
    for secret in [wrong, SECRET_KEY] {
        ensure!(!said.contains(secret), "a secret stands in a log, an event or a status");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_bucket_is_told_and_a_reload_with_the_right_one_sends_everything()
-> anyhow::Result<()> {
    let store = ObjectStore::start(None).await?;
    let (world, broker) = (World::start(0..2)?, Broker::start(BrokerOptions::default()).await?);
    let right = store.table(store.address(), FAST);
    let (mut gateway, _) = filled_box(&world, |mut options| {
        options.extra = right.replace("bucket = \"evidence\"", "bucket = \"nowhere\"");
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    let fault = recorded(&gateway, &["store.fault"], 1).await?.remove(0);
    assert_eq!(fault.draft.detail, Some(json!({ "why": "no-bucket", "bucket": "nowhere" })));
    let mut options = gateway.options().clone();
    options.extra = right;
    gateway.configure(options.clone())?;
    gateway.signal(Signal::HUP)?;
    recorded(&gateway, &STORED, 4).await?;
    recorded(&gateway, &["store.fault_restored"], 1).await?;
    // Without a store there is nothing to show.
    options.extra = String::new();
    gateway.configure(options)?;
    gateway.signal(Signal::HUP)?;
    until("no store", PATIENCE, async || Ok(status(&gateway).await?.is_null().then_some(()))).await
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() -> anyhow::Result<()> {
    let (ours, other) = (Certificates::new()?, Certificates::new()?);
    let store = ObjectStore::start(Some(other.broker()?)).await?;
    let world = World::start(0..2)?;
    let broker = Broker::start(BrokerOptions::default()).await?;
    let table = store.table(store.address(), FAST);
    let trusted = |ca: &std::path::Path| format!("ca = \"{}\"", ca.display());
    let (mut gateway, _) = filled_box(&world, |mut options| {
        options.extra = table.replace(&trusted(&other.ca()), &trusted(&ours.ca()));
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    let fault = recorded(&gateway, &["store.fault"], 1).await?.remove(0);
    assert_eq!(fault.draft.detail.context("facts")?["why"], "untrusted");
    ensure!(fault.draft.cause.context("advice")?.contains("`ca`"));
    ensure!(store.objects()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_has_to_go_before_the_store_has_it_is_counted_and_nothing_of_it_is_sent()
-> anyhow::Result<()> {
    // Nobody listens there.
    let mut store = ObjectStore::prepare(None)?;
    let (world, broker) = (World::start(0..2)?, Broker::start(BrokerOptions::default()).await?);
    let (mut gateway, _) = filled_box(&world, |mut options| {
        options.extra = store.table(store.address(), FAST);
        options.broker(broker.address())
    })?;
    gateway.launch().await?;
    until("evidence that is owed", PATIENCE, async || {
        Ok((status(&gateway).await?["pending"] == 3).then_some(()))
    })
    .await?;
    // More than the disk has is to stay free: everything goes.
    let mut options = gateway.options().clone();
    options.extra.insert_str(0, "[evidence]\nreserve-mb = 1000000\n");
    gateway.configure(options)?;
    gateway.signal(Signal::HUP)?;
    let removed = recorded(&gateway, &["camera.evidence_removed"], 1).await?.remove(0);
    let facts = removed.draft.detail.context("facts")?;
    assert_eq!((&facts["why"], &facts["files"]), (&json!("reserve"), &json!(4)), "{facts}");
    assert_eq!(facts["unstored"], 4, "{facts}");
    store.launch().await?;
    until("the store to be tried", PATIENCE, async || {
        let shown = status(&gateway).await?;
        Ok((shown["works"] == true && shown["pending"] == 0).then_some(()))
    })
    .await?;
    assert_eq!(store.objects()?, ["g-1/check"]);
    ensure!(recorded(&gateway, &STORED, 0).await?.is_empty());
    Ok(())
}
