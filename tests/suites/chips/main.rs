//! Chips on the buses of the box, from `gateway.toml` to the journal: the real daemon, the drivers of
//! the product, chips simulated at the level of their registers, and a world that turns their wires.

mod loops;
mod lost;
mod sensors;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::broker::BrokerOptions;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, District, Gateway, GatewayOptions, World};
use serde_json::Value;

/// Long enough for a hold-off, a back-off and a busy machine.
pub(crate) const LATER: Duration = Duration::from_secs(40);

/// A world and a box with these tables. No broker listens: recording needs none.
pub(crate) async fn start(tables: &str) -> anyhow::Result<(World, Gateway)> {
    let world = World::start([])?;
    let gateway = Gateway::start(options(&world, tables, "127.0.0.1:9".parse()?)).await?;
    Ok((world, gateway))
}

fn options(world: &World, tables: &str, broker: SocketAddr) -> GatewayOptions {
    let mut options = GatewayOptions::new(world).doors(0).broker(broker);
    tables.clone_into(&mut options.extra);
    options
}

/// A table `[[chip]]`.
pub(crate) fn chip(id: &str, bus: &str, kind: &str, more: &str) -> String {
    format!("[[chip]]\nid = \"{id}\"\nbus = \"{bus}\"\nkind = \"{kind}\"\n{more}\n")
}

/// A table `[[zone]]` that is live at any time, and tells troubles after a second.
pub(crate) fn zone(id: &str, input: &str, more: &str) -> String {
    format!(
        "[[zone]]\nid = \"{id}\"\nkind = \"24h\"\ninput = \"{input}\"\nfault-hold-off-s = 1\n{more}\n"
    )
}

/// A simulated bus.
pub(crate) const BUS: &str = "[[bus]]\nid = \"i2c-1\"\ndevice = \"sim\"\nfault-hold-off-s = 1\n";

/// The types of events of a source, in order.
pub(crate) async fn told(gateway: &Gateway, source: &str) -> anyhow::Result<Vec<String>> {
    let events = gateway.events().await?;
    let of = |event: &&Event| event.draft.source.id.as_str() == source;
    Ok(events.iter().filter(of).map(|event| event.draft.kind.to_string()).collect())
}

/// Waits until a source has told these, and nothing else.
pub(crate) async fn tells(gateway: &Gateway, source: &str, kinds: &[&str]) -> anyhow::Result<()> {
    let mut last = Vec::new();
    let found = until(&format!("{source}: {kinds:?}"), LATER, async || {
        last = told(gateway, source).await?;
        ensure!(last.len() <= kinds.len(), "{source} told {last:?}, not {kinds:?}");
        Ok((last.len() == kinds.len()).then_some(()))
    })
    .await;
    let told = told(gateway, source).await?;
    found.with_context(|| format!("{source} told {told:?}"))?;
    ensure!(told == kinds, "{source} told {told:?}, not {kinds:?}");
    Ok(())
}

/// Waits until nothing on the box is unknown.
pub(crate) async fn known(gateway: &Gateway) -> anyhow::Result<()> {
    until("everything known", 2 * LATER, async || {
        let status = gateway.command(&["status", "--json", "--config"], true).await;
        // Ready is who records; the control socket comes a moment later.
        let Ok(status) = status else { return Ok(None) };
        let status: Value = serde_json::from_str(&status)?;
        let things = status["things"].as_array().context("no things")?.clone();
        Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
    })
    .await
}

/// Four MCP23017 with 64 zones.
fn full_box() -> String {
    let mut tables = BUS.to_owned();
    for number in 0..4 {
        let address = format!("address = {}", 0x20 + number);
        tables += &chip(&format!("exp{number}"), "i2c-1", "mcp23017", &address);
        for line in 0..16 {
            tables += &zone(&format!("z{number}-{line}"), &format!("exp{number}:{line}"), "");
        }
    }
    tables
}

#[tokio::test]
async fn four_expanders_carry_64_zones_and_none_is_lost_in_a_storm() -> anyhow::Result<()> {
    let (world, mut gateway) = start(&full_box()).await?;
    known(&gateway).await?;
    for high in [true, false] {
        for number in 0..4 {
            for line in 0..16 {
                world.pin(&format!("exp{number}"), line, high);
            }
        }
        let kind = if high { "zone.24h_alarm" } else { "zone.24h_alarm_restored" };
        until(kind, LATER, async || {
            let events = gateway.events().await?;
            let of = events.iter().filter(|event| event.draft.kind == kind);
            Ok((of.count() == 64).then_some(()))
        })
        .await?;
    }
    for number in 0..4 {
        for line in 0..16 {
            let told = told(&gateway, &format!("z{number}-{line}")).await?;
            ensure!(told == ["zone.24h_alarm", "zone.24h_alarm_restored"], "{told:?}");
        }
    }
    let stopped = gateway.stop().await?;
    ensure!(stopped.success(), "{:?}", gateway.log().all());
    Ok(())
}

#[tokio::test]
async fn a_door_on_an_expander_opens_and_the_district_knows() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let district = District::start(broker.address()).await?;
    let world = World::start([])?;
    let door = "[[door]]\nid = \"lobby\"\ninput = \"exp1:11\"\n";
    let tables = format!("{BUS}{}{door}", chip("exp1", "i2c-1", "pca9555", ""));
    let gateway = Gateway::start(options(&world, &tables, broker.address())).await?;
    known(&gateway).await?;
    world.pin("exp1", 11, true);
    let opened = district
        .committed()
        .wait_for("the opened door", SOON, |all| {
            let mut events = all.iter().filter_map(|one| one.event().ok());
            events.find(|event| event.draft.kind == "door.opened")
        })
        .await?;
    ensure!(opened.draft.source.id.as_str() == "lobby");
    ensure!(opened.draft.source.driver.as_deref() == Some("exp1:11"), "{opened:?}");
    world.pin("exp1", 11, false);
    tells(&gateway, "lobby", &["door.found", "door.opened", "door.closed"]).await
}

#[tokio::test]
async fn an_expander_with_its_interrupt_wired_needs_no_fast_polling() -> anyhow::Result<()> {
    // Read once a minute, if nobody pulls the line.
    let slow = "interrupt = \"sim:40\"\npoll-ms = 60000";
    let tables =
        format!("{BUS}{}{}", chip("exp1", "i2c-1", "mcp23017", slow), zone("pir", "exp1:0", ""));
    let (world, gateway) = start(&tables).await?;
    known(&gateway).await?;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        for (high, kind) in [(true, "zone.24h_alarm"), (false, "zone.24h_alarm_restored")] {
            world.pin("exp1", 0, high);
            kinds.push(kind);
            tells(&gateway, "pir", &kinds).await?;
        }
    }
    Ok(())
}
