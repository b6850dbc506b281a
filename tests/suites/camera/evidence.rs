//! What an alarm shows: pictures at the control room, a clip on the flash, and whose hashes they are.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::until;

use crate::harness::Auth;
use crate::harness::probe::probe;
use crate::site::{PATIENCE, Site, Wanted, luma, sha256};

const MOVING: &str = "testsrc2=size=640x360:rate=10";

fn config(urls: &[String]) -> String {
    format!(
        "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
         [[zone]]\nid = \"till\"\nkind = \"silent-panic\"\ninput = \"sim:6\"\ndebounce-ms = 0\n\
         [[camera]]\nid = \"vault\"\nstream = \"{}\"\nzones = [\"safe\", \"till\"]\n\
         pre-s = 3\npost-s = 2\n",
        urls[0]
    )
}

/// The picture with this hash, as it came by MQTT, and its user properties.
pub(crate) async fn picture<S>(
    site: &Site<S>,
    digest: &str,
) -> anyhow::Result<(Vec<u8>, Vec<(String, String)>)> {
    let topic = "gatehouse/v1/d-1/s-1/g-1/snap/vault";
    site.heard
        .messages()
        .wait_for("the picture", PATIENCE, |all| {
            let of = |message: &&gatehouse_tests::subscriber::Message| {
                message.publish.topic == topic && sha256(&message.publish.payload) == digest
            };
            let found = all.iter().find(of)?;
            let properties = found.publish.properties.user.clone();
            Some((found.publish.payload.clone(), properties))
        })
        .await
}

pub(crate) fn text<'e>(event: &'e Event, key: &str) -> &'e str {
    event.draft.detail.as_ref().and_then(|facts| facts[key].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn an_alarm_has_two_pictures_and_a_clip_whose_hashes_are_in_its_events() -> anyhow::Result<()>
{
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let alarm = site.event("zone.24h_alarm", 1).await?;
    for count in 1..=2 {
        let snapshot = site.event("camera.snapshot", count).await?;
        let facts = snapshot.draft.detail.clone().unwrap();
        assert_eq!(facts["of"], serde_json::json!(alarm.seq));
        assert_eq!((&facts["width"], &facts["masked"]), (&640.into(), &false.into()));
        let (jpeg, properties) = picture(&site, text(&snapshot, "sha256")).await?;
        assert_eq!(facts["bytes"], jpeg.len());
        let seq = ("seq".to_owned(), alarm.seq.to_string());
        assert!(properties.contains(&seq), "{properties:?}");
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, &jpeg)?;
        assert_eq!(probe(&path)?.codec, "mjpeg");
    }
    let clip = site.event("camera.clip", 1).await?;
    let facts = clip.draft.detail.clone().unwrap();
    assert_eq!(facts["of"], serde_json::json!([alarm.seq]));
    let name = facts["clip"]["ref"].as_str().context("its name")?;
    let path = site.gateway.state().join("evidence/clips").join(name);
    assert_eq!(facts["clip"]["sha256"], sha256(&std::fs::read(&path)?));
    let probed = probe(&path)?;
    assert_eq!((probed.codec.as_str(), probed.width), ("h264", 640));
    // Three seconds before, as far as the stream was there, and two behind.
    assert!(probed.duration > 3.0 && probed.frames > 30, "{probed:?}");
    // Nobody but the gateway may look into it.
    let folder = std::fs::metadata(path.parent().unwrap())?;
    assert_eq!(folder.permissions().mode() & 0o077, 0);
    Ok(())
}

#[tokio::test]
async fn what_is_silent_has_silent_pictures_that_the_box_shows_nobody() -> anyhow::Result<()> {
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(6, true);
    let alarm = site.event("panic.silent", 1).await?;
    let snapshot = site.event("camera.snapshot_silent", 1).await?;
    assert_eq!(snapshot.draft.detail.unwrap()["of"], serde_json::json!(alarm.seq));
    let clip = site.event("camera.clip_silent", 1).await?;
    assert_eq!(clip.draft.detail.unwrap()["of"], serde_json::json!([alarm.seq]));
    let (_, shown, _) = site.gateway.says(&["events"]).await?;
    ensure!(shown.contains("system.started"), "{shown}");
    ensure!(!shown.contains("silent") && !shown.contains("snapshot"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_camera_that_must_have_a_mask_and_has_none_takes_nothing() -> anyhow::Result<()> {
    let config = |urls: &[String]| config(urls) + "mask-required = true\n";
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let refused = site.event("camera.no_picture", 1).await?;
    assert!(refused.draft.cause.unwrap().contains("mask"));
    for folder in ["clips", "pictures"] {
        let path = site.gateway.state().join("evidence").join(folder);
        assert_eq!(std::fs::read_dir(path)?.count(), 0, "{folder}");
    }
    Ok(())
}

#[tokio::test]
async fn a_picture_is_masked_on_flash_and_on_the_line() -> anyhow::Result<()> {
    // White everywhere: what is not black was seen.
    let white = "color=c=white:size=640x360:rate=10";
    let config = |urls: &[String]| config(urls) + "masks = [\"0.5,0.5 1,0.5 1,1 0.5,1\"]\n";
    let site = Site::start(Wanted { auth: Auth::None, sources: &[white], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let snapshot = site.event("camera.snapshot", 1).await?;
    assert_eq!(snapshot.draft.detail.as_ref().unwrap()["masked"], true);
    let (jpeg, _) = picture(&site, text(&snapshot, "sha256")).await?;
    let pictures = site.gateway.state().join("evidence/pictures");
    let kept = until("the picture on the flash", PATIENCE, async || {
        let mut files = std::fs::read_dir(&pictures)?.filter_map(Result::ok);
        Ok(files.find_map(|file| {
            let bytes = std::fs::read(file.path()).ok()?;
            (bytes == jpeg).then(|| file.path())
        }))
    });
    let luma = luma(&kept.await?)?.swap_remove(0);
    let at = |x: usize, y: usize| luma[y * 640 + x];
    assert!(at(100, 100) > 220 && at(630, 10) > 220, "what is not masked is to be seen");
    let inside = (184..360).flat_map(|y| (324..640).map(move |x| (x, y)));
    let brightest = inside.map(|(x, y)| at(x, y)).max().unwrap();
    assert!(brightest < 40, "{brightest} under the mask");
    Ok(())
}
