//! A camera on SPI, simulated at the level of its registers.

use anyhow::ensure;
use serde_json::json;

use crate::evidence::{picture, text};
use crate::harness::probe::probe;
use crate::played::clip;
use crate::site::Site;

const TABLES: &str = r#"
[[bus]]
id = "i2c-1"
device = "sim"

[[bus]]
id = "spi-eye"
device = "sim"
fault-hold-off-s = 1

[[chip]]
id = "eye"
bus = "spi-eye"
kind = "ov2640"
sensor-bus = "i2c-1"

[[zone]]
id = "safe"
kind = "24h"
input = "sim:5"
debounce-ms = 0

[[camera]]
id = "vault"
chip = "eye"
every-ms = 250
hold-off-s = 1
zones = ["safe"]
pre-s = 2
post-s = 2
"#;

#[tokio::test]
async fn an_alarm_has_pictures_and_a_clip_of_a_camera_on_spi() -> anyhow::Result<()> {
    let site = Site::of((), TABLES.to_owned()).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let alarm = site.event("zone.24h_alarm", 1).await?;
    let snapshot = site.event("camera.snapshot", 1).await?;
    let facts = snapshot.draft.detail.clone().unwrap_or_default();
    assert_eq!((&facts["of"], &facts["width"]), (&json!(alarm.seq), &json!(640)));
    let (jpeg, _) = picture(&site, text(&snapshot, "sha256")).await?;
    ensure!(jpeg.starts_with(&[0xff, 0xd8]));
    let (_, path) = clip(&site).await?;
    let probed = probe(&path)?;
    assert_eq!((probed.codec.as_str(), probed.width), ("mjpeg", 640));
    ensure!(probed.duration > 2.0 && probed.frames >= 6, "{probed:?}");
    Ok(())
}

#[tokio::test]
async fn a_torn_ribbon_and_a_chip_that_is_pulled_out_are_one_fault_each_with_its_cause()
-> anyhow::Result<()> {
    let site = Site::of((), TABLES.to_owned()).await?;
    site.state("vault", "up").await?;
    site.world.value("eye", -1);
    let lost = site.event("bus.lost", 1).await?;
    let cause = lost.draft.cause.unwrap_or_default();
    ensure!(cause.contains("check the sensor's ribbon"), "{cause}");
    site.state("vault", "unreachable").await?;
    site.world.value("eye", 0);
    site.event("bus.restored", 1).await?;
    site.state("vault", "up").await?;
    site.world.plugged("eye", false);
    let lost = site.event("bus.lost", 2).await?;
    let cause = lost.draft.cause.unwrap_or_default();
    ensure!(cause.contains("the camera answers 0xff"), "{cause}");
    site.world.plugged("eye", true);
    site.event("bus.restored", 2).await?;
    site.state("vault", "up").await?;
    let told = site.told();
    ensure!(told.iter().all(|one| !one.starts_with("vault camera.lost")), "{told:?}");
    Ok(())
}
