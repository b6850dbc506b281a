//! Chips that go and come back, and what that is to the others.

use std::time::Duration;

use anyhow::ensure;
use gatehouse_tests::World;

use super::{BUS, chip, known, start, tells, told, zone};

/// Two expanders with a zone each, and a door on the first.
fn two() -> String {
    let door = "[[door]]\nid = \"lobby\"\ninput = \"exp1:1\"\n";
    let tables = [
        chip("exp1", "i2c-1", "mcp23017", ""),
        chip("exp2", "i2c-1", "mcp23017", "address = 0x21"),
        zone("a", "exp1:0", ""),
        zone("b", "exp2:0", ""),
    ];
    format!("{BUS}{}{door}", tables.concat())
}

/// A signal of so many milliseconds: that is what the test is about, not a wait.
async fn pulse(world: &World, chip: &str, line: u8, ms: u64) {
    world.pin(chip, line, true);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    world.pin(chip, line, false);
}

#[tokio::test]
async fn two_expanders_lost_together_are_one_fault_of_their_bus() -> anyhow::Result<()> {
    let (world, gateway) = start(&two()).await?;
    known(&gateway).await?;
    world.plugged("exp1", false);
    world.plugged("exp2", false);
    tells(&gateway, "i2c-1", &["bus.lost"]).await?;
    // Opened where nobody can see it.
    world.pin("exp1", 1, true);
    world.plugged("exp1", true);
    world.plugged("exp2", true);
    tells(&gateway, "i2c-1", &["bus.lost", "bus.restored"]).await?;
    tells(&gateway, "lobby", &["door.found", "door.opened"]).await?;
    known(&gateway).await?;
    for quiet in ["a", "b", "exp1", "exp2"] {
        let told = told(&gateway, quiet).await?;
        ensure!(told.is_empty(), "{quiet} told {told:?} beside its bus");
    }
    world.pin("exp2", 0, true);
    tells(&gateway, "b", &["zone.24h_alarm"]).await
}

#[tokio::test]
async fn one_chip_that_is_lost_is_one_fault_and_is_configured_anew_when_it_is_back()
-> anyhow::Result<()> {
    let (world, gateway) = start(&two()).await?;
    known(&gateway).await?;
    world.plugged("exp1", false);
    tells(&gateway, "exp1", &["bus.lost"]).await?;
    world.pin("exp2", 0, true);
    tells(&gateway, "b", &["zone.24h_alarm"]).await?;
    world.plugged("exp1", true);
    tells(&gateway, "exp1", &["bus.lost", "bus.restored"]).await?;
    known(&gateway).await?;
    // Its pull-ups are on again: an opened contact reads high.
    world.pin("exp1", 0, true);
    tells(&gateway, "a", &["zone.24h_alarm"]).await?;
    tells(&gateway, "lobby", &["door.found"]).await?;
    tells(&gateway, "i2c-1", &[]).await
}

#[tokio::test]
async fn a_chip_whose_supply_dips_is_configured_anew_and_nothing_is_invented() -> anyhow::Result<()>
{
    let (world, gateway) = start(&two()).await?;
    known(&gateway).await?;
    world.dip("exp1");
    world.pin("exp1", 0, true);
    tells(&gateway, "a", &["zone.24h_alarm"]).await?;
    tells(&gateway, "exp1", &[]).await?;
    tells(&gateway, "b", &[]).await
}

#[tokio::test]
async fn a_dead_chip_does_not_delay_the_zones_of_another() -> anyhow::Result<()> {
    let (world, gateway) = start(&two()).await?;
    known(&gateway).await?;
    world.plugged("exp2", false);
    tells(&gateway, "exp2", &["bus.lost"]).await?;
    let mut kinds = Vec::new();
    for _ in 0..8 {
        // Below 300 ms: ignored. 400 and a step of the test's own clock: always told.
        pulse(&world, "exp1", 0, 250).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        pulse(&world, "exp1", 0, 401).await;
        kinds.extend(["zone.24h_alarm", "zone.24h_alarm_restored"]);
        tells(&gateway, "a", &kinds).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_bus_that_a_chip_holds_is_freed_and_one_that_stays_held_is_lost() -> anyhow::Result<()> {
    let (world, gateway) = start(&two()).await?;
    known(&gateway).await?;
    world.held("i2c-1", 7);
    let freed = |log: &[String]| {
        log.iter().any(|line| line.contains("held the data line") && line.contains("clocks=7"))
    };
    let wait = super::LATER;
    gateway.log().wait_for("the freed bus", wait, |log| freed(log).then_some(())).await?;
    world.pin("exp1", 0, true);
    tells(&gateway, "a", &["zone.24h_alarm"]).await?;
    world.held("i2c-1", 99);
    tells(&gateway, "i2c-1", &["bus.lost"]).await?;
    let events = gateway.events().await?;
    let lost = events.iter().find(|event| event.draft.kind == "bus.lost").expect("told");
    let cause = lost.draft.cause.as_deref().unwrap_or_default();
    ensure!(cause.starts_with("a line of the bus is held"), "{cause}");
    world.held("i2c-1", 0);
    tells(&gateway, "i2c-1", &["bus.lost", "bus.restored"]).await
}
