//! Snapshots from a real HTTP server that checks the credentials itself.

mod harness;

use std::time::Duration;

use gatehouse_camera::clip::disk::SystemDisk;
use gatehouse_camera::clip::{ClipId, ClipLimits, ClipTold, Recorder, Trigger};
use gatehouse_camera::frame::Codec;
use gatehouse_camera::health::{Cause, Loss};
use gatehouse_camera::picture::Mask;
use gatehouse_camera::ring::{Ring, RingLimits};
use gatehouse_camera::source::snapshot::SnapshotSettings;
use gatehouse_camera::source::{Address, Credentials};
use harness::probe::probe;
use harness::taken::SOON;
use harness::{Snapshots, Taken};

async fn camera(auth: &'static str) -> anyhow::Result<Snapshots> {
    Snapshots::start(auth, "testsrc2=size=320x240", 1).await
}

fn settings(camera: &Snapshots, path: &str) -> anyhow::Result<SnapshotSettings> {
    let address = Address::http(&camera.address(path))?;
    Ok(SnapshotSettings {
        every: Duration::from_millis(100),
        answer: Duration::from_secs(2),
        largest: 1 << 20,
        retry: SOON,
        ..SnapshotSettings::new("cam", address)
    })
}

#[tokio::test]
async fn pictures_come_without_and_with_credentials_even_when_the_nonce_is_stale()
-> anyhow::Result<()> {
    for auth in ["none", "basic", "digest"] {
        let camera = camera(auth).await?;
        let settings = SnapshotSettings {
            credentials: Some(Credentials::new("guard", "s3cret")),
            ..settings(&camera, "/snap?channel=1")?
        };
        let mut taken = Taken::snapshots(settings);
        let frames = taken.frames(10).await?;
        for pair in frames.windows(2) {
            assert!(pair[1].media > pair[0].media && pair[1].key);
        }
        let track = &frames[0].track;
        assert_eq!((track.codec, track.width, track.height), (Codec::Jpeg, 320, 240));
        assert!(taken.read(|log| log.losses().is_empty()), "{auth}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_told_as_such_and_not_tried_again_at_once() -> anyhow::Result<()> {
    for auth in ["basic", "digest"] {
        let camera = camera(auth).await?;
        let settings = SnapshotSettings {
            credentials: Some(Credentials::new("guard", "other")),
            ..settings(&camera, "/snap")?
        };
        let mut taken = Taken::snapshots(settings);
        assert_eq!(taken.loss(0).await?.1, Loss::Unauthorised);
        assert!(taken.read(|log| log.losses().len() == 1 && log.frames.is_empty()));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_picture_is_told_as_what_it_is() -> anyhow::Result<()> {
    let mut camera = camera("none").await?;
    for (path, loss) in [
        ("/page", Loss::Silent(Cause::Protocol)),
        ("/endless", Loss::Silent(Cause::Protocol)),
        ("/hang", Loss::Silent(Cause::Hung)),
        ("/other", Loss::Silent(Cause::Refused(404))),
    ] {
        let mut taken = Taken::snapshots(settings(&camera, path)?);
        assert_eq!(taken.loss(0).await?.1, loss, "{path}");
    }
    let mut taken = Taken::snapshots(settings(&camera, "/snap")?);
    taken.frames(3).await?;
    camera.kill().await?;
    assert_eq!(taken.loss(0).await?.1, Loss::Unreachable);
    Ok(())
}

#[tokio::test]
async fn a_clip_of_snapshots_plays() -> anyhow::Result<()> {
    let camera = camera("none").await?;
    let frames = Taken::snapshots(settings(&camera, "/snap")?).frames(30).await?;
    let folder = tempfile::tempdir()?;
    let ring = Ring::new(RingLimits::default());
    let limits = ClipLimits::default();
    let unmasked = Mask::none().unmasked().expect("no mask");
    let path = folder.path().to_owned();
    let mut recorder = Recorder::new(SystemDisk, path, limits, ring, unmasked);
    for frame in &frames {
        recorder.frame(frame.clone());
    }
    recorder.trigger(&Trigger { id: ClipId::new("a")?, at: frames[29].received });
    let Some(ClipTold::Done { files, .. }) = recorder.end() else { anyhow::bail!("no clip") };
    let probed = probe(&files[0].path)?;
    let seconds = frames[29].received.since(frames[0].received).as_secs_f64();
    assert_eq!((probed.codec.as_str(), probed.frames, probed.width), ("mjpeg", 30, 320));
    assert!((probed.duration - seconds).abs() < 0.3, "{probed:?} {seconds}");
    Ok(())
}
