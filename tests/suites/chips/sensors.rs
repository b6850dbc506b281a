//! The box's own sensors.

use super::{BUS, chip, known, start, tells, zone};

#[tokio::test]
async fn supply_battery_temperature_and_clock_are_faults_with_their_restores() -> anyhow::Result<()>
{
    let tables = [
        chip("mains", "i2c-1", "ina226", "lost-below-mv = 13000\nhold-off-s = 1\npoll-ms = 100"),
        chip(
            "battery",
            "i2c-1",
            "ina219",
            "address = 0x41\nmeasures = \"lead-acid-12v\"\nhold-off-s = 1\npoll-ms = 100",
        ),
        chip("cabinet", "i2c-1", "tmp102", "too-hot-c = 70\nhold-off-s = 1\npoll-ms = 500"),
        chip("pit", "i2c-1", "sht3x", "too-cold-c = -5\nhold-off-s = 1\npoll-ms = 500"),
        chip("clock", "i2c-1", "ds3231", ""),
        chip("exp1", "i2c-1", "pcf8574", "address = 0x3a"),
        zone("lid", "exp1:7", ""),
    ];
    let (world, gateway) = start(&format!("{BUS}{}", tables.concat())).await?;
    known(&gateway).await?;
    for (sensor, bad, good, kind) in [
        ("mains", 11_800, 13_800, "supply.lost"),
        ("battery", 11_200, 12_900, "battery.low"),
        ("battery", 3_000, 12_900, "battery.missing"),
        ("cabinet", 7_100, 2_500, "temperature.high"),
        ("pit", -700, 1_000, "temperature.low"),
        ("clock", 0, 1, "clock.stopped"),
    ] {
        let before = super::told(&gateway, sensor).await?;
        let mut kinds: Vec<&str> = before.iter().map(String::as_str).collect();
        let restored = format!("{kind}_restored");
        world.value(sensor, bad);
        kinds.push(kind);
        tells(&gateway, sensor, &kinds).await?;
        world.value(sensor, good);
        kinds.push(&restored);
        tells(&gateway, sensor, &kinds).await?;
    }
    tells(&gateway, "lid", &[]).await
}

#[tokio::test]
async fn somebody_warm_is_an_activation_and_no_picture_is_anywhere() -> anyhow::Result<()> {
    let tables = [chip("hall", "i2c-1", "amg8833", ""), zone("person", "hall:0", "")];
    let (world, gateway) = start(&format!("{BUS}{}", tables.concat())).await?;
    // The chip is stable after 15 s, and its background is learnt in 16 frames.
    known(&gateway).await?;
    world.value("hall", 1);
    tells(&gateway, "person", &["zone.24h_alarm"]).await?;
    world.value("hall", 0);
    tells(&gateway, "person", &["zone.24h_alarm", "zone.24h_alarm_restored"]).await
}
