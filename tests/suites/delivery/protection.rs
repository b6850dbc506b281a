//! Zones, arming and incidents, from the wire to the control room and back.

use anyhow::{Context, ensure};
use gatehouse_core::event::{Event, Flag, Lane};
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{
    Broker, Client, ClientOptions, District, Gateway, GatewayOptions, Proxy, World,
};
use serde_json::Value;

use super::scene::{DOORS, SETTLED, Scene, lasting, settled};

/// The line of the panic button.
const PANIC: u32 = DOORS;
/// The line of the window's contact.
const WINDOW: u32 = DOORS + 1;
/// The line of the silent panic button.
const SILENT: u32 = DOORS + 2;

const ZONES: &str = r#"
[[partition]]
id = "flat"

[[zone]]
id = "desk"
kind = "panic"
input = "sim:4"
debounce-ms = 0

[[zone]]
id = "window"
kind = "instant"
partition = "flat"
input = "sim:5"
debounce-ms = 0

[[zone]]
id = "counter"
kind = "silent-panic"
input = "sim:6"
debounce-ms = 0
"#;

/// A box with four doors and three zones, a proxy before a real broker, and the district.
async fn start() -> anyhow::Result<Scene> {
    let broker = Broker::start(lasting()).await?;
    let proxy = Proxy::start(broker.address()).await?;
    let district = District::start(broker.address()).await?;
    let world = World::start(0..=SILENT)?;
    let mut options = GatewayOptions::new(&world).doors(DOORS).broker(proxy.address());
    ZONES.clone_into(&mut options.extra);
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

/// Waits until zone and partition are known.
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
async fn an_alarm_of_an_outage_is_delivered_before_all_that_waited_longer() -> anyhow::Result<()> {
    let mut scene = start().await?;
    known(&scene.gateway).await?;
    scene.settled().await?;
    scene.broker.kill().await?;
    scene.store(300).await?;
    scene.world.set(PANIC, true);
    until("the panic in the journal", SETTLED, async || {
        let events = scene.gateway.events().await?;
        Ok(events.iter().any(|event| event.draft.kind == "panic.alarm").then_some(()))
    })
    .await?;
    let before = scene.district.committed().len();
    scene.broker.restart().await?;
    let journal = scene.settled().await?;
    let arrived: Vec<Event> = scene
        .district
        .committed()
        .read(|all| all[before..].iter().filter_map(|event| event.event().ok()).collect());
    let alarm = arrived.iter().position(|event| event.draft.kind == "panic.alarm");
    let alarm = alarm.context("no panic at the district")?;
    let older = |event: &&Event| event.draft.class.lane() == Lane::Normal;
    let overtaken = arrived[alarm..].iter().filter(older).count();
    // Every one of them was stored before it, and came behind it.
    ensure!(alarm == 0 && overtaken >= 300, "place {alarm}, {overtaken} behind it");
    ensure!(journal.iter().filter(|event| event.draft.kind == "panic.alarm").count() == 1);
    Ok(())
}

#[tokio::test]
async fn armed_is_armed_after_a_kill_and_an_operator_takes_the_incident() -> anyhow::Result<()> {
    let mut scene = start().await?;
    known(&scene.gateway).await?;
    let told = scene.gateway.command(&["arm", "flat", "--now", "--config"], true).await?;
    ensure!(told == "done\n", "{told}");
    // Who was told so finds it so: no orderly stop in between.
    scene.gateway.kill().await?;
    scene.world.set(WINDOW, true);
    scene.gateway.launch().await?;
    let alarm = committed(&scene, "zone.alarm").await?;
    ensure!(alarm.draft.flags.contains(&Flag::WhileDown), "{alarm:?}");
    let detail = alarm.draft.detail.context("no detail")?;
    ensure!(detail["incident"] == "a1" && detail["dark"]["at_most_s"].is_u64(), "{detail}");
    ensure!(alarm.draft.arming.as_deref() == Some("away"));

    let mut room =
        Client::connect(scene.broker.address(), ClientOptions::new("control-room")).await?;
    let act = serde_json::json!({
        "op": "ack", "operator": "op-7", "time": "2026-11-24T12:00:00Z", "nonce": "n-1",
    });
    let topic = format!("{}/alarm/a1/op", scene.gateway.options().prefix());
    room.publish(&topic, act.to_string().as_bytes()).await?;
    room.publish(&topic, act.to_string().as_bytes()).await?;
    let acked = committed(&scene, "incident.acked").await?;
    ensure!(acked.draft.actor.as_deref() == Some("op-7"));
    // What the control room then sees of it, retained.
    room.subscribe(&format!("{}/alarm/+", scene.gateway.options().prefix())).await?;
    room.messages("the incident's state", SOON, |all| {
        let states = all.iter().map(|message| &message.payload);
        let states = states.filter_map(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        { states }.find(|state| state["id"] == "a1" && state["phase"] == "acked")
    })
    .await?;

    scene.world.set(WINDOW, false);
    committed(&scene, "zone.alarm_restored").await?;
    let told = scene.gateway.command(&["disarm", "flat", "--config"], true).await?;
    ensure!(told == "done\n", "{told}");
    scene.gateway.command(&["incident", "close", "a1", "--config"], true).await?;
    committed(&scene, "incident.closed").await?;
    let journal = settled(&scene.gateway, &scene.district).await?;
    let acks = journal.iter().filter(|event| event.draft.kind == "incident.acked").count();
    ensure!(acks == 1, "an act that came twice was done {acks} times");
    Ok(())
}

#[tokio::test]
async fn what_is_open_prevents_arming_and_is_named() -> anyhow::Result<()> {
    let scene = start().await?;
    known(&scene.gateway).await?;
    scene.world.set(WINDOW, true);
    committed(&scene, "zone.opened").await?;
    let refused = scene.gateway.command(&["arm", "flat", "--now", "--config"], true).await;
    ensure!(refused.is_err(), "{refused:?}");
    committed(&scene, "partition.arm_failed").await?;
    scene.gateway.command(&["arm", "flat", "--now", "--force", "--config"], true).await?;
    let bypassed = committed(&scene, "zone.bypassed").await?;
    ensure!(bypassed.draft.actor.is_some_and(|actor| actor.starts_with("uid-")));
    Ok(())
}

#[tokio::test]
async fn a_silent_panic_reaches_the_district_and_shows_nowhere_on_the_box() -> anyhow::Result<()> {
    let scene = start().await?;
    known(&scene.gateway).await?;
    scene.world.set(SILENT, true);
    committed(&scene, "panic.silent").await?;
    let status = scene.gateway.command(&["status", "--json", "--config"], true).await?;
    let events = scene.gateway.command(&["events", "--all", "--json", "--config"], true).await?;
    let log = scene.gateway.log().all().join("\n");
    for (place, text) in [("status", &status), ("events", &events), ("log", &log)] {
        ensure!(!text.contains("panic.silent"), "the {place} tells of it:\n{text}");
        ensure!(!text.contains("silent-panic"), "the {place} tells of it:\n{text}");
    }
    let status: Value = serde_json::from_str(&status)?;
    let things = status["things"].as_array().context("no things")?;
    let counter = things.iter().find(|thing| thing["id"] == "counter").context("no counter")?;
    ensure!(counter["state"] == "normal" && counter["flags"] == serde_json::json!([]));
    Ok(())
}

#[tokio::test]
async fn a_retained_act_and_one_with_missing_fields_are_refused_and_the_next_good_one_is_done()
-> anyhow::Result<()> {
    let mut scene = start().await?;
    known(&scene.gateway).await?;
    scene.world.set(PANIC, true);
    committed(&scene, "panic.alarm").await?;
    let mut room =
        Client::connect(scene.broker.address(), ClientOptions::new("control-room")).await?;
    let topic = format!("{}/alarm/a1/op", scene.gateway.options().prefix());
    let act = |op: &str, nonce: &str| {
        let act = serde_json::json!({
            "op": op, "operator": "op-7", "time": "2026-11-24T12:00:00Z", "nonce": nonce,
            "text": nonce,
        });
        act.to_string().into_bytes()
    };
    // What others have died of: a field that is not there, one that nobody knows, no JSON at all.
    for bad in [&b"{\"op\":\"close\"}"[..], b"{\"force\":true}", b"close", b"\xff\xfe", b""] {
        room.publish(&topic, bad).await?;
    }
    // Who is there when it is sent gets it as any other, and does it.
    room.publish_retained(&topic, &act("note", "n-retained")).await?;
    committed(&scene, "incident.noted").await?;
    // A box that starts again gets it once more, by itself.
    scene.gateway.restart().await?;
    until("the retained act to come again and to be refused", SOON, async || {
        let log = scene.gateway.log().all();
        let refused =
            log.iter().any(|line| line.contains("a retained act on an incident is refused"));
        Ok(refused.then_some(()))
    })
    .await?;
    room.publish(&topic, &act("note", "n-2")).await?;
    let noted = |all: &[Event]| -> Vec<_> {
        let noted = all.iter().filter(|event| event.draft.kind == "incident.noted");
        noted.filter_map(|event| event.draft.cause.clone()).collect()
    };
    until("the note after it", SOON, async || {
        let noted = noted(&scene.gateway.events().await?);
        Ok(noted.iter().any(|text| text == "n-2").then_some(()))
    })
    .await?;
    let journal = settled(&scene.gateway, &scene.district).await?;
    ensure!(noted(&journal) == ["n-retained", "n-2"], "{:?}", noted(&journal));
    ensure!(journal.iter().all(|event| event.draft.kind != "incident.closed"));
    Ok(())
}

#[tokio::test]
async fn an_alarm_that_nobody_acknowledges_calls_the_responders_of_the_hour() -> anyhow::Result<()>
{
    let broker = Broker::start(lasting()).await?;
    let proxy = Proxy::start(broker.address()).await?;
    let district = District::start(broker.address()).await?;
    let world = World::start(0..=SILENT)?;
    let mut options = GatewayOptions::new(&world).doors(DOORS).broker(proxy.address());
    options.extra = format!(
        "{ZONES}\n[alarm]\nack-within-s = 10\nescalate-to = [\"duty\"]\n\
         [[responders]]\nid = \"duty\"\n"
    );
    let gateway = Gateway::start(options).await?;
    world.connected(1).await?;
    let scene = Scene { world, gateway, proxy, broker, district };
    known(&scene.gateway).await?;
    scene.world.set(PANIC, true);
    let panic = committed(&scene, "panic.alarm").await?;
    let escalated = committed(&scene, "alarm.escalated").await?;
    let detail = escalated.draft.detail.clone().context("no detail")?;
    ensure!(detail["responders"] == "duty", "{detail}");
    let waited = escalated.draft.time.mono_ns.since(panic.draft.time.mono_ns);
    ensure!(waited == std::time::Duration::from_secs(10), "{waited:?}");
    // It goes the way of its alarm, and the incident says so.
    ensure!(
        escalated.draft.class.lane() == Lane::Alarm && escalated.draft.source.id.as_str() == "a1"
    );
    let state = until("the incident to be escalated", SOON, async || {
        let view = scene.district.gateway("g-1")?.context("known")?;
        Ok(view.incidents.get("a1").filter(|view| view.state.incident.escalated).cloned())
    })
    .await?;
    ensure!(state.is_unanswered());
    Ok(())
}
