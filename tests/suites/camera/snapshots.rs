//! A camera without a stream: single pictures by HTTP, as the last resort.

use anyhow::ensure;
use serde_json::json;

use crate::evidence::{picture, text};
use crate::harness::Snapshots;
use crate::harness::probe::probe;
use crate::played::clip;
use crate::site::{Site, luma};

const MOVING: &str = "testsrc2=size=640x360:rate=4";

/// White everywhere: what is not black was seen.
const WHITE: &str = "color=c=white:size=640x360:rate=4";

/// A camera with its login, and the folder of that.
async fn start(source: &str, more: &str) -> anyhow::Result<(Site<Snapshots>, tempfile::TempDir)> {
    let camera = Snapshots::start("digest", source, 40).await?;
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("vault.secret");
    std::fs::write(&secret, "s3cret\n")?;
    let config = format!(
        "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
         [[camera]]\nid = \"vault\"\nsnapshot = \"{}\"\nevery-ms = 250\nhold-off-s = 1\n\
         username = \"guard\"\npassword-file = \"{}\"\nzones = [\"safe\"]\n\
         pre-s = 2\npost-s = 2\n{more}\n",
        camera.address("/snap?channel=1"),
        secret.display()
    );
    Ok((Site::of(camera, config).await?, folder))
}

#[tokio::test]
async fn an_alarm_has_its_pictures_and_a_clip_of_them_that_plays() -> anyhow::Result<()> {
    let (site, _secret) = start(MOVING, "").await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let alarm = site.event("zone.24h_alarm", 1).await?;
    for count in 1..=2 {
        let snapshot = site.event("camera.snapshot", count).await?;
        assert_eq!(snapshot.draft.detail.as_ref().unwrap()["of"], json!(alarm.seq));
        let (jpeg, _) = picture(&site, text(&snapshot, "sha256")).await?;
        ensure!(jpeg.starts_with(&[0xff, 0xd8]));
    }
    let (facts, path) = clip(&site).await?;
    assert_eq!(facts["of"], json!([alarm.seq]));
    let probed = probe(&path)?;
    assert_eq!((probed.codec.as_str(), probed.width), ("mjpeg", 640));
    ensure!(probed.duration > 2.0 && probed.frames >= 8, "{probed:?}");
    let pictures = luma(&path)?;
    let changed = pictures.windows(2).filter(|pair| pair[0] != pair[1]).count();
    ensure!(changed >= 6, "{changed} of {} pictures show something new", pictures.len());
    ensure!(!site.gateway.log().all().join("\n").contains("s3cret"));
    Ok(())
}

#[tokio::test]
async fn a_clip_of_masked_pictures_hides_it_in_each_of_them() -> anyhow::Result<()> {
    let (site, _secret) = start(WHITE, "masks = [\"0.5,0.5 1,0.5 1,1 0.5,1\"]").await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let (facts, path) = clip(&site).await?;
    assert_eq!(facts["clip"]["masked"], true);
    let pictures = luma(&path)?;
    ensure!(pictures.len() >= 6, "{} pictures", pictures.len());
    for (number, picture) in pictures.iter().enumerate() {
        let at = |x: usize, y: usize| picture[y * 640 + x];
        ensure!(at(100, 100) > 180, "picture {number} shows nothing");
        // A few pixels of the border belong to blocks on both sides of it.
        let inside = (190..360).flat_map(|y| (330..640).map(move |x| (x, y)));
        let brightest = inside.map(|(x, y)| at(x, y)).max().unwrap_or(u8::MAX);
        ensure!(brightest < 50, "{brightest} under the mask in picture {number}");
    }
    Ok(())
}

#[tokio::test]
async fn one_that_loses_its_power_is_lost_and_comes_back() -> anyhow::Result<()> {
    let (mut site, _secret) = start(MOVING, "").await?;
    site.state("vault", "up").await?;
    site.server.kill().await?;
    let lost = site.event("camera.lost", 1).await?;
    assert_eq!(lost.draft.cause.as_deref(), Some("nobody answers"));
    site.state("vault", "unreachable").await?;
    site.server.launch().await?;
    site.event("camera.lost_restored", 1).await?;
    site.state("vault", "up").await?;
    assert_eq!(site.told(), ["vault camera.lost", "vault camera.lost_restored"]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_told_and_the_right_one_is_taken_without_a_restart()
-> anyhow::Result<()> {
    let (site, folder) = start(MOVING, "").await?;
    site.state("vault", "up").await?;
    let secret = folder.path().join("vault.secret");
    std::fs::write(&secret, "other\n")?;
    site.state("vault", "unauthorised").await?;
    std::fs::write(&secret, "s3cret\n")?;
    site.event("camera.lost_restored", 1).await?;
    site.state("vault", "up").await?;
    Ok(())
}
