//! Two paths to the district, the failure reporting profile, the measures, and proof by checkpoints.

use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_core::time::Mono;
use gatehouse_receiver::Life;
use gatehouse_receiver::proof::Prover;
use gatehouse_tests::wait::{SOON, boottime, until};
use gatehouse_tests::{Broker, ClientOptions, District, Fault, Gateway, GatewayOptions, Proxy};
use gatehouse_tests::{Subscriber, World};
use serde_json::Value;

use super::scene::{DOORS, GATEWAY, SETTLED, Scene, lasting, settled};

/// The fastest profile; the standby is looked at as often as that allows to be said.
const FAST: &str = "reporting = \"20s\"\nstandby-poll-s = 10\n";

/// What the profile promises.
const WITHIN: Duration = Duration::from_secs(20);

/// A box with two paths to one broker, each with a network of its own.
struct Two {
    scene: Scene,
    second: Proxy,
}

impl Two {
    async fn start() -> anyhow::Result<Self> {
        let broker = Broker::start(lasting()).await?;
        let proxy = Proxy::start(broker.address()).await?;
        let second = Proxy::start(broker.address()).await?;
        let district = District::start(broker.address()).await?;
        let world = World::start(0..DOORS)?;
        let mut options = GatewayOptions::new(&world).doors(DOORS).broker(proxy.address());
        options.uplink.push_str(FAST);
        // By an address of its own, as the second interface of a box would have one.
        options.extra = format!(
            "[[broker]]\nid = \"mobile\"\nhost = \"127.0.0.1\"\nport = {}\nbind = \"127.0.0.2\"\n\
             keep-alive-s = 5\n",
            second.address().port()
        );
        let gateway = Gateway::start(options).await?;
        world.connected(1).await?;
        Ok(Self { scene: Scene { world, gateway, proxy, broker, district }, second })
    }

    /// Waits until `gatehouse status` shows this of a path.
    async fn path(&self, id: &str, is: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        until(&format!("the path {id}"), SETTLED, async || {
            let told = self.scene.gateway.command(&["status", "--json", "--config"], true).await?;
            let status: Value = serde_json::from_str(&told)?;
            let paths = status["paths"].as_array().context("no paths")?.clone();
            Ok(paths.into_iter().find(|path| path["id"] == id && is(path)))
        })
        .await
    }

    /// Waits until the district has this event of a path.
    async fn told(&self, kind: &str, path: &str) -> anyhow::Result<Event> {
        committed(&self.scene.district, &format!("{kind} of {path}"), |event| {
            event.draft.kind == kind && event.draft.source.id.as_str() == path
        })
        .await
    }
}

async fn committed(
    district: &District,
    what: &str,
    is: impl Fn(&Event) -> bool,
) -> anyhow::Result<Event> {
    let find = |all: &[std::sync::Arc<gatehouse_receiver::Committed>]| {
        all.iter().filter_map(|event| event.event().ok()).find(|event| is(event))
    };
    district.committed().wait_for(what, SETTLED, find).await
}

fn cause(event: &Event) -> &str {
    event.draft.cause.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn the_standby_takes_over_when_the_first_path_goes_dark_and_the_first_is_gone_back_to()
-> anyhow::Result<()> {
    let two = Two::start().await?;
    two.path("mobile", |path| path["works"] == true && path["active"] == false).await?;
    two.scene.store(20).await?;
    two.scene.settled().await?;
    let connections = two.scene.connections();
    ensure!(connections == 1, "a look is no rival: {connections} connections on the first path");

    // The cable is cut: no byte arrives any more, and nobody is told.
    two.scene.proxy.set(Fault::Swallow);
    let cut = boottime();
    two.scene.store(30).await?;
    let fault = two.told("path.fault", "b-0").await?;
    let arrived = boottime();
    let noticed = fault.draft.time.mono_ns.since(cut);
    ensure!(noticed < WITHIN && arrived.since(cut) < WITHIN, "noticed after {noticed:?}");
    ensure!(cause(&fault).contains("has not answered"), "{}", cause(&fault));
    ensure!(fault.draft.detail.as_ref().is_some_and(|detail| detail["part"] == "active"));
    two.path("mobile", |path| path["active"] == true).await?;
    let failover = committed(&two.scene.district, "the failover", |event| {
        event.draft.kind == "uplink.failover"
    });
    let failover = failover.await?;
    settled(&two.scene.gateway, &two.scene.district).await?;
    let view = two.scene.district.gateway(GATEWAY)?.context("known")?;
    ensure!(view.life == Life::Online, "it lives on: {:?}", view.life);

    // The cable is mended.
    two.scene.proxy.set(Fault::None);
    let restored = two.told("path.restored", "b-0").await?;
    assert_eq!(restored.draft.opens, Some(fault.seq));
    two.path("b-0", |path| path["active"] == true).await?;
    let back = committed(&two.scene.district, "the failback", |event| {
        event.draft.kind == "uplink.failback"
    });
    assert_eq!(back.await?.draft.opens, Some(failover.seq));
    let journal = two.scene.settled().await?;
    let kinds = journal.iter().map(|event| &*event.draft.kind);
    ensure!(!kinds.into_iter().any(|kind| kind == "uplink.lost"), "the district was reachable");

    // What was measured meanwhile, as the district has it.
    let beat = until("a heartbeat with both paths", SOON, async || {
        let view = two.scene.district.gateway(GATEWAY)?;
        let beat = view.and_then(|view| view.heartbeat).map(|(_, beat)| beat);
        Ok(beat.filter(|beat| beat.paths.len() == 2 && beat.paths[0].active))
    })
    .await?;
    assert_eq!(beat.hb_s, Some(5));
    let [first, mobile] = &beat.paths[..] else { unreachable!("two of them") };
    ensure!(first.available_ppm.is_some_and(|ppm| ppm < 1_000_000), "{first:?}");
    assert_eq!(mobile.available_ppm, Some(1_000_000));
    ensure!(first.events >= 20 && first.mean_ms.is_some() && first.p95_ms.is_some(), "{first:?}");
    Ok(())
}

#[tokio::test]
async fn a_standby_that_fails_is_told_while_nothing_else_is_wrong_and_after_a_restart_restored()
-> anyhow::Result<()> {
    let mut two = Two::start().await?;
    two.path("mobile", |path| path["works"] == true).await?;
    // Whoever answers there does not answer in MQTT: the network alone would look well.
    two.second.set(Fault::Swallow);
    let fault = two.told("path.fault", "mobile").await?;
    ensure!(fault.draft.detail.as_ref().is_some_and(|detail| detail["part"] == "standby"));
    ensure!(cause(&fault).contains("no answer within 5s"), "{}", cause(&fault));
    two.path("mobile", |path| path["works"] == false).await?;
    two.scene.settled().await?;
    ensure!(two.scene.connections() == 1, "the first path did not notice");
    let before = two.path("b-0", |path| path["events"].as_u64() > Some(0)).await?;
    // The box is killed: what the record says of the path and what was measured is known to the next.
    two.scene.gateway.restart().await?;
    two.second.set(Fault::None);
    let restored = two.told("path.restored", "mobile").await?;
    assert_eq!(restored.draft.opens, Some(fault.seq));
    let after = two.path("b-0", |path| path["active"] == true).await?;
    ensure!(after["observed_s"].as_u64() > Some(0), "{before} {after}");
    Ok(())
}

#[tokio::test]
async fn a_path_that_goes_dark_is_known_on_both_ends_within_the_profiles_time() -> anyhow::Result<()>
{
    let scene = Scene::with(lasting(), |mut gateway| {
        gateway.uplink.push_str(FAST);
        gateway
    })
    .await?;
    let life = |life: Life| {
        let district = &scene.district;
        until("the gateway's life", SETTLED, async move || {
            Ok(district.gateway(GATEWAY)?.filter(|view| view.life == life).map(|_| boottime()))
        })
    };
    life(Life::Online).await?;
    scene.settled().await?;
    scene.proxy.set(Fault::Swallow);
    let cut = boottime();
    let lost = life(Life::Lost).await?;
    ensure!(lost.since(cut) < WITHIN, "the district knew after {:?}", lost.since(cut));
    let view = scene.district.gateway(GATEWAY)?.context("known")?;
    ensure!(view.doors.values().all(|door| door.shown == "unknown"), "{:?}", view.doors);
    let told = until("the box to know", SETTLED, async || {
        let journal = scene.gateway.events().await?;
        Ok(journal.into_iter().find(|event| event.draft.kind == "uplink.lost"))
    })
    .await?;
    let noticed: Mono = told.draft.time.mono_ns;
    ensure!(noticed.since(cut) < WITHIN, "the box knew after {:?}", noticed.since(cut));
    scene.proxy.set(Fault::None);
    life(Life::Online).await?;
    scene.settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_log_is_proven_complete_by_the_key_that_the_gateway_tells() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let desc = format!("{}/desc", scene.gateway.options().prefix());
    let reader =
        Subscriber::start(scene.broker.address(), ClientOptions::new("prover"), &[&desc]).await?;
    let desc: Value = reader
        .messages()
        .wait_for("desc", SOON, |all| {
            all.iter().find_map(|message| serde_json::from_slice(&message.publish.payload).ok())
        })
        .await?;
    let public = desc["device_key"]["public"].as_str().context("no key")?.to_owned();
    let key = gatehouse_core::checkpoint::from_hex::<32>(&public).context("no key")?;
    scene.store(1100).await?;
    let signed = |events: &[Event]| {
        events.iter().filter(|event| event.draft.kind == "system.checkpoint").count()
    };
    until("the checkpoint of a thousand events", SETTLED, async || {
        Ok((signed(&scene.gateway.events().await?) >= 2).then_some(()))
    })
    .await?;
    // The key is the box's, not the process's.
    scene.gateway.restart().await?;
    until("the checkpoint of another start", SETTLED, async || {
        Ok((signed(&scene.gateway.events().await?) >= 3).then_some(()))
    })
    .await?;
    scene.settled().await?;
    let prove = |key, change: &dyn Fn(u64, Vec<u8>) -> Option<Vec<u8>>| {
        let mut prover = Prover::new(GATEWAY.parse()?, Some(key));
        for (seq, body) in scene.district.bodies(GATEWAY)? {
            if let Some(body) = change(seq.0, body) {
                prover.take(&body);
            }
        }
        anyhow::Ok(prover.finish())
    };
    let proof = prove(key, &|_, body| Some(body))?;
    ensure!(proof.is_good() && proof.proven > 1000, "{proof:?}");
    let removed = prove(key, &|seq, body| (seq != 500).then_some(body))?;
    ensure!(!removed.is_good() && removed.missing.len() == 1, "{removed:?}");
    let forged = prove(key, &|seq, body| {
        let text = String::from_utf8_lossy(&body).replace("\"severity\":4", "\"severity\":5");
        Some(if seq == 600 { text.into_bytes() } else { body })
    })?;
    ensure!(!forged.is_good(), "{forged:?}");
    let stranger = prove([7; 32], &|_, body| Some(body))?;
    ensure!(!stranger.is_good() && stranger.proven == 0, "{stranger:?}");
    Ok(())
}
