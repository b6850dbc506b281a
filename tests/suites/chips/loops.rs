//! Supervised loops: what cable, contact and resistors are to the rules.

use anyhow::ensure;

use super::{BUS, chip, known, start, tells, zone};

const SPI: &str = "[[bus]]\nid = \"spi\"\ndevice = \"sim\"\nfault-hold-off-s = 1\n";

#[tokio::test]
async fn a_cut_and_a_shorted_cable_are_tamper_with_their_restore_and_an_open_contact_is_none()
-> anyhow::Result<()> {
    let tables = [
        chip("adc1", "i2c-1", "ads1115", ""),
        chip("adc2", "spi", "mcp3208", ""),
        zone("safe", "adc1:0", "loop = \"3k3-6k8\""),
        zone("roof", "adc2:1", "loop = \"custom\"\nend-ohms = 2200\nalarm-ohms = 4700"),
        zone("pir", "adc2:2", "loop = \"maxpro-1k-1k-3k\""),
    ];
    let (world, gateway) = start(&format!("{BUS}{SPI}{}", tables.concat())).await?;
    known(&gateway).await?;
    let tampered = ["zone.tamper", "zone.tamper_restored"];
    for (name, adc, input, whole) in [("safe", "adc1", 0, 3_300), ("roof", "adc2", 1, 2_200)] {
        world.ohms(adc, input, None);
        tells(&gateway, name, &tampered[..1]).await?;
        world.ohms(adc, input, Some(whole));
        tells(&gateway, name, &tampered).await?;
        world.ohms(adc, input, Some(40));
        tells(&gateway, name, &[&tampered[..], &tampered[..1]].concat()).await?;
        world.ohms(adc, input, Some(whole));
        tells(&gateway, name, &[tampered, tampered].concat()).await?;
    }
    world.ohms("adc2", 1, Some(2_200 + 4_700));
    let alarm = ["zone.24h_alarm", "zone.24h_alarm_restored"];
    tells(&gateway, "roof", &[&tampered[..], &tampered, &alarm[..1]].concat()).await?;
    world.ohms("adc2", 1, Some(2_200));
    tells(&gateway, "roof", &[tampered, tampered, alarm].concat()).await?;
    // The detector's own fault, by the resistor across its contact.
    world.ohms("adc2", 2, Some(4_000));
    tells(&gateway, "pir", &["zone.fault"]).await?;
    world.ohms("adc2", 2, Some(1_000));
    tells(&gateway, "pir", &["zone.fault", "zone.fault_restored"]).await
}

#[tokio::test]
async fn another_resistor_in_the_loop_is_tamper_until_the_old_one_is_back() -> anyhow::Result<()> {
    let tables =
        [chip("adc1", "i2c-1", "ads1015", ""), zone("safe", "adc1:0", "loop = \"3k3-6k8\"")];
    let (world, gateway) = start(&format!("{BUS}{}", tables.concat())).await?;
    known(&gateway).await?;
    // A minute at rest is what the loop learns its resistor in; more, where its samples are late.
    let learnt = |log: &[String]| log.iter().any(|line| line.contains("learnt its resistor"));
    let minutes = std::time::Duration::from_secs(240);
    let wait =
        gateway.log().wait_for("the learnt resistor", minutes, |log| learnt(log).then_some(()));
    wait.await?;
    // Well within the normal band.
    world.ohms("adc1", 0, Some(3_600));
    tells(&gateway, "safe", &["zone.resistor", "zone.tamper"]).await?;
    let events = gateway.events().await?;
    let swap = events.iter().find(|event| event.draft.kind == "zone.resistor").expect("told");
    let detail = swap.draft.detail.clone().unwrap_or_default();
    let ohms = |key: &str| detail[key].as_u64().unwrap_or(0);
    ensure!(ohms("before_ohms").abs_diff(3_300) < 20, "{detail}");
    ensure!(ohms("ohms").abs_diff(3_600) < 20, "{detail}");
    world.ohms("adc1", 0, Some(3_300));
    tells(&gateway, "safe", &["zone.resistor", "zone.tamper", "zone.tamper_restored"]).await
}

#[tokio::test]
async fn a_door_on_a_loop_of_an_mcp3208_opens_and_its_cut_cable_is_no_opening() -> anyhow::Result<()>
{
    let door = "[[door]]\nid = \"cellar\"\ninput = \"adc1:7\"\nloop = \"galaxy-2k2\"\n";
    let tables = format!("{SPI}{}{door}", chip("adc1", "spi", "mcp3208", ""));
    let (world, gateway) = start(&tables).await?;
    known(&gateway).await?;
    world.ohms("adc1", 7, Some(4_400));
    tells(&gateway, "cellar", &["door.found", "door.opened"]).await?;
    world.ohms("adc1", 7, Some(2_200));
    tells(&gateway, "cellar", &["door.found", "door.opened", "door.closed"]).await?;
    world.ohms("adc1", 7, None);
    let until_now = ["door.found", "door.opened", "door.closed", "door.tamper"];
    tells(&gateway, "cellar", &until_now).await?;
    world.ohms("adc1", 7, Some(2_200));
    let all = [&until_now[..], &["door.tamper_restored"]].concat();
    tells(&gateway, "cellar", &all).await?;
    // Pulled out: nobody drives its data line.
    world.plugged("adc1", false);
    tells(&gateway, "adc1", &["bus.lost"]).await?;
    world.plugged("adc1", true);
    tells(&gateway, "adc1", &["bus.lost", "bus.restored"]).await?;
    known(&gateway).await?;
    tells(&gateway, "cellar", &all).await
}

#[tokio::test]
async fn a_loop_with_one_resistor_takes_an_open_circuit_for_its_contact() -> anyhow::Result<()> {
    let tables = [
        chip("adc1", "spi", "mcp3008", ""),
        zone("nc", "adc1:0", "loop = \"dsc-single-5k6\""),
        zone("no", "adc1:1", "loop = \"dsc-single-5k6\"\ncontact = \"normally-open\""),
    ];
    let (world, gateway) = start(&format!("{SPI}{}", tables.concat())).await?;
    known(&gateway).await?;
    world.ohms("adc1", 0, None);
    tells(&gateway, "nc", &["zone.24h_alarm"]).await?;
    world.ohms("adc1", 0, Some(0));
    tells(&gateway, "nc", &["zone.24h_alarm", "zone.tamper"]).await?;
    world.ohms("adc1", 1, Some(0));
    tells(&gateway, "no", &["zone.24h_alarm"]).await?;
    world.ohms("adc1", 1, None);
    tells(&gateway, "no", &["zone.24h_alarm", "zone.tamper"]).await
}
