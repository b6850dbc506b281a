//! Help points, rounds, detectors with several lines and the ledger: the real daemon, from the wire to
//! the control room and the command line.

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, District, Gateway, GatewayOptions, Proxy, World};
use serde_json::Value;

use super::scene::{DOORS, Scene, lasting};

/// The two buttons of the help point.
const BUTTONS: [u32; 2] = [DOORS, DOORS + 1];
/// The buttons of the checkpoints.
const CHECKPOINTS: [u32; 2] = [DOORS + 2, DOORS + 3];
/// A motion detector, and its output for being covered.
const MOTION: u32 = DOORS + 4;
const MASK: u32 = DOORS + 5;

fn tables(starts: &str) -> String {
    format!(
        r#"
[[partition]]
id = "flat"

[[zone]]
id = "motion"
kind = "instant"
partition = "flat"
input = "sim:{MOTION}"
mask-input = "sim:{MASK}"
debounce-ms = 0
fault-hold-off-s = 0

[[help-point]]
id = "pillar"
place = "gate-east"
input = "sim:{}"
second-input = "sim:{}"
second-within-s = 10
debounce-ms = 0
responders = ["patrol"]

[[responders]]
id = "patrol"

[[checkpoint]]
id = "garage"
input = "sim:{}"
contact = "normally-closed"
debounce-ms = 0

[[checkpoint]]
id = "roof"
input = "sim:{}"
contact = "normally-closed"
debounce-ms = 0

[[round]]
id = "night"
checkpoints = ["garage", "roof"]
starts = [{starts}]
"#,
        BUTTONS[0], BUTTONS[1], CHECKPOINTS[0], CHECKPOINTS[1]
    )
}

async fn start(starts: &str) -> anyhow::Result<Scene> {
    let broker = Broker::start(lasting()).await?;
    let proxy = Proxy::start(broker.address()).await?;
    let district = District::start(broker.address()).await?;
    let world = World::start(0..=MASK)?;
    let mut options = GatewayOptions::new(&world).doors(DOORS).broker(proxy.address());
    options.extra = tables(starts);
    let gateway = Gateway::start(options).await?;
    world.connected(1).await?;
    Ok(Scene { world, gateway, proxy, broker, district })
}

/// Waits until the district has an event of this type, and says which.
async fn committed(scene: &Scene, kind: &str) -> anyhow::Result<Event> {
    let found = scene.district.committed().wait_for(kind, SOON, |all| {
        all.iter().filter_map(|event| event.event().ok()).find(|event| event.draft.kind == *kind)
    });
    found.await
}

/// Waits until every door and zone is known.
async fn known(gateway: &Gateway) -> anyhow::Result<()> {
    until("zones that are known", SOON, async || {
        let status = gateway.command(&["status", "--json", "--config"], true).await?;
        let status: Value = serde_json::from_str(&status)?;
        let things = status["things"].as_array().context("no things")?.clone();
        Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_call_for_help_reaches_the_district_with_its_place_and_waits_for_its_reset()
-> anyhow::Result<()> {
    let scene = start("\"mon 03:33-03:34\"").await?;
    known(&scene.gateway).await?;
    scene.world.set(BUTTONS[0], true);
    let single = committed(&scene, "panic.single").await?;
    ensure!(single.draft.detail.context("no detail")?["place"] == "gate-east");
    scene.world.set(BUTTONS[1], true);
    let call = committed(&scene, "panic.help").await?;
    let detail = call.draft.detail.context("no detail")?;
    ensure!(detail["place"] == "gate-east" && detail["responders"] == "patrol", "{detail}");
    ensure!(detail["incident"] == "a1", "{detail}");
    let refused = scene.gateway.command(&["reset", "pillar", "--config"], true).await;
    ensure!(refused.is_err(), "it is pressed: {refused:?}");
    for button in BUTTONS {
        scene.world.set(button, false);
    }
    until("the buttons to be seen let go", SOON, async || {
        Ok(scene.gateway.command(&["reset", "pillar", "--config"], true).await.ok())
    })
    .await?;
    let end = committed(&scene, "panic.help_restored").await?;
    ensure!(end.draft.cause.as_deref() == Some("reset"), "{end:?}");
    scene.settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_covered_detector_is_shown_and_in_the_ledger_and_the_dark_begins_at_an_orderly_stop()
-> anyhow::Result<()> {
    let mut scene = start("\"mon 03:33-03:34\"").await?;
    known(&scene.gateway).await?;
    scene.world.set(MASK, true);
    committed(&scene, "zone.masked").await?;
    let status = scene.gateway.command(&["status", "--json", "--config"], true).await?;
    let status: Value = serde_json::from_str(&status)?;
    let things = status["things"].as_array().context("no things")?;
    ensure!(things.iter().any(|thing| thing["id"] == "motion" && thing["state"] == "masked"));
    let told = until("the ledger to count", SOON, async || {
        let told =
            scene.gateway.command(&["ledger", "--json", "--zone", "motion", "--config"], true);
        let told = told.await?;
        let day: Value = serde_json::from_str(told.lines().last().context("no day")?)?;
        Ok(day["zones_s"]["motion"]["masked"].is_u64().then_some(day))
    });
    ensure!(told.await?["to"].is_null(), "the running day is not over");
    // After an orderly stop the dark interval begins at the stop: of less than the five minutes
    // between two notes, since this daemon has lived for seconds.
    scene.gateway.restart().await?;
    let starts: Vec<_> = { scene.gateway.events().await? }
        .into_iter()
        .filter(|event| event.draft.kind == "system.started")
        .collect();
    let detail = starts.last().and_then(|start| start.draft.detail.clone()).context("no start")?;
    ensure!(detail["dark"]["at_most_s"].as_u64().is_some_and(|s| s < 60), "{detail}");
    Ok(())
}

#[tokio::test]
async fn a_visit_is_told_and_the_rounds_of_the_day_can_be_seen() -> anyhow::Result<()> {
    let scene = start("\"mon 03:33-03:34\"").await?;
    known(&scene.gateway).await?;
    scene.world.set(CHECKPOINTS[0], true);
    let seen = committed(&scene, "checkpoint.seen").await?;
    // It is due on Monday nights.
    ensure!(seen.draft.detail.context("no detail")?["round"].is_null());
    let told = scene.gateway.command(&["rounds", "--json", "--config"], true).await?;
    let told: Value = serde_json::from_str(&told)?;
    let round = &told["now"]["rounds"][0];
    ensure!(round["id"] == "night" && round["now"].is_null(), "{told}");
    Ok(())
}
