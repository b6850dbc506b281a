//! A camera that watches itself, through the whole daemon: ONVIF by a simulated camera, its streams by
//! gst-rtsp-server.

use anyhow::{Context as _, ensure};
use gatehouse_tests::wait::until;
use serde_json::{Value, json};

use crate::harness::Auth;
use crate::simulator::Camera;
use crate::site::{PATIENCE, Site, Wanted};

const MOVING: &str = "testsrc2=size=640x360:rate=10";
const AUTH: Auth = Auth::Digest("guard:s3cret");
const CELLS: &str = "RuleEngine/CellMotionDetector/Motion";

/// The file of one camera that is known by its ONVIF alone.
fn config(secret: &str, onvif: &str) -> String {
    format!(
        "[[zone]]\nid = \"drive\"\nkind = \"24h\"\ncamera = \"gate\"\ncamera-area = \"drive\"\n\
         [[zone]]\nid = \"glass\"\nkind = \"24h\"\ncamera-input = \"gate:IN1\"\n\
         [[camera]]\nid = \"gate\"\nonvif = \"{onvif}\"\nevents = \"onvif\"\n\
         username = \"guard\"\npassword-file = \"{secret}\"\nhold-off-s = 1\n\
         pre-s = 2\npost-s = 2\n\
         [[camera.area]]\nid = \"drive\"\nshape = \"0,0 1,0 1,1\"\nrules = [\"Drive\"]\n\
         [[camera.area]]\nid = \"all\"\nshape = \"0,0 1,0 1,1\"\n"
    )
}

struct Scene {
    site: Site,
    secret: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start(password: &str, options: Value) -> anyhow::Result<Self> {
        Self::with(password, options, "").await
    }

    /// With more keys of the camera.
    async fn with(password: &str, options: Value, more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let secret = folder.path().join("gate.secret");
        std::fs::write(&secret, format!("{password}\n"))?;
        let shown = secret.display().to_string();
        let config = |urls: &[String]| {
            let file = config(&shown, urls.last().expect("the camera's address"));
            file.replace("hold-off-s = 1\n", &format!("hold-off-s = 1\n{more}"))
        };
        let wanted = Wanted { auth: AUTH, sources: &[MOVING, MOVING], config: &config };
        let site = Site::with_onvif(wanted, options).await?;
        Ok(Self { site, secret, _folder: folder })
    }

    fn camera(&mut self) -> &mut Camera {
        self.site.onvif.as_mut().expect("started with it")
    }

    async fn motion(&mut self, rule: &str, on: bool) -> anyhow::Result<()> {
        let source = json!({ "VideoSourceConfigurationToken": "vsc", "Rule": rule });
        self.camera().set(CELLS, source, json!({ "IsMotion": on.to_string() })).await
    }

    async fn input(&mut self, on: bool) -> anyhow::Result<()> {
        let (source, value) =
            (json!({ "InputToken": "IN1" }), json!({ "LogicalState": on.to_string() }));
        self.camera().set("Device/Trigger/DigitalInput", source, value).await
    }

    async fn says(&mut self, topic: &str, on: bool) -> anyhow::Result<()> {
        self.camera()
            .set(topic, json!({ "Source": "lens" }), json!({ "State": on.to_string() }))
            .await
    }

    /// The daemon pulls from a subscription.
    async fn subscribed(&mut self) -> anyhow::Result<()> {
        let camera = self.camera();
        until("a subscription", PATIENCE, async || {
            let asked = camera.asked().await?;
            Ok((asked.alive > 0 && asked.count("PullMessages") > 0).then_some(()))
        })
        .await
    }
}

#[tokio::test]
async fn what_a_camera_sees_by_itself_is_an_alarm_with_its_clip_and_state_is_none()
-> anyhow::Result<()> {
    // Its clock is a day ahead, and it asks for a digest.
    let masks = json!([{ "points": [[-1, 1], [0, 1], [0, 0], [-1, 0]] }]);
    let options = json!({ "auth": "digest", "skew_s": 86400, "masks": masks });
    let mut scene = Scene::start("s3cret", options).await?;
    // What stands so when the daemon comes is no alarm.
    scene.motion("Other", true).await?;
    scene.input(false).await?;
    scene.site.state("gate", "up").await?;
    scene.site.state_of("zone", "glass", "normal").await?;
    scene.site.state_of("zone", "drive", "normal").await?;
    let log = scene.site.gateway.log().all().join("\n");
    ensure!(log.contains("streams by ONVIF") && log.contains("sub=true"), "{log}");
    // What it masks itself is shown, and is no mask of ours.
    let shown = until("its own masks", PATIENCE, async || {
        let (_, text, _) = scene.site.gateway.says(&["status"]).await?;
        Ok(text.contains("says: it masks").then_some(text))
    });
    let shown = shown.await?;
    ensure!(shown.contains("says: it masks 1 place itself, 25 % of its picture"), "{shown}");
    scene.motion("Drive", true).await?;
    let alarm = scene.site.event("zone.24h_alarm", 1).await?;
    assert_eq!(alarm.draft.source.id.as_str(), "drive");
    assert_eq!(alarm.draft.source.driver.as_deref(), Some("camera/gate/drive"));
    let snapshot = scene.site.event("camera.snapshot", 1).await?;
    let facts = snapshot.draft.detail.context("its facts")?;
    assert_eq!((&facts["of"], &facts["masked"]), (&json!(alarm.seq), &json!(false)));
    let clip = scene.site.event("camera.clip", 1).await?;
    assert_eq!(clip.draft.detail.context("its facts")?["of"][0], json!(alarm.seq));
    scene.motion("Drive", false).await?;
    scene.site.event("zone.24h_alarm_restored", 1).await?;

    // It boots: the subscription is made anew, and what stands as it stood is no news.
    scene.camera().asked().await?;
    scene.camera().reboot().await?;
    scene.subscribed().await?;
    scene.site.state_of("zone", "glass", "normal").await?;
    scene.input(true).await?;
    let glass = scene.site.event("zone.24h_alarm", 2).await?;
    assert_eq!(glass.draft.source.id.as_str(), "glass");
    assert_eq!(glass.draft.source.driver.as_deref(), Some("camera/gate:IN1"));
    let expected =
        ["drive zone.24h_alarm", "drive zone.24h_alarm_restored", "glass zone.24h_alarm"];
    assert_eq!(scene.site.told_of(&["zone"]), expected);
    let asked = scene.camera().asked().await?;
    assert_eq!(asked.readable, 0, "the password is never sent as it is");
    Ok(())
}

#[tokio::test]
async fn tampering_lost_signals_and_failing_storage_are_told_and_restored() -> anyhow::Result<()> {
    let mut scene = Scene::start("s3cret", json!({ "auth": "token" })).await?;
    scene.input(false).await?;
    scene.motion("Drive", false).await?;
    scene.site.state("gate", "up").await?;
    scene.site.state_of("zone", "drive", "normal").await?;
    let turned = "VideoSource/GlobalSceneChange/ImagingService";
    scene.says(turned, true).await?;
    let moved = scene.site.event("camera.moved", 1).await?;
    ensure!(moved.draft.detail.context("its facts")?["incident"].is_string());
    scene.site.event("zone.tamper", 1).await?;
    scene.says(turned, false).await?;
    scene.site.event("camera.moved_restored", 1).await?;
    scene.site.event("zone.tamper_restored", 1).await?;

    scene.says("VideoSource/SignalLoss", true).await?;
    let lost = scene.site.event("camera.lost", 1).await?;
    assert_eq!(lost.draft.cause.as_deref(), Some("it says that its video signal is lost"));
    scene.site.state_of("zone", "drive", "unknown").await?;
    scene.says("VideoSource/SignalLoss", false).await?;
    scene.site.event("camera.lost_restored", 1).await?;

    let card = json!({ "Token": "sd" });
    let failure = "Device/HardwareFailure/StorageFailure";
    scene.camera().set(failure, card.clone(), json!({ "Failed": "true" })).await?;
    scene.site.event("camera.storage_fault", 1).await?;
    scene.camera().set(failure, card, json!({ "Failed": "false" })).await?;
    scene.site.event("camera.storage_fault_restored", 1).await?;

    // Its events are not heard any more: nobody knows of the input, and that is told.
    scene.camera().option("garbage", json!(true)).await?;
    // The pull that waits is answered.
    scene.motion("Other", false).await?;
    let degraded = scene.site.event("camera.degraded", 1).await?;
    let why = degraded.draft.cause.context("a cause")?;
    ensure!(why.starts_with("its own events are not heard"), "{why}");
    scene.site.state_of("zone", "glass", "unknown").await?;
    scene.site.state_of("zone", "drive", "unknown").await?;
    scene.camera().option("garbage", json!(false)).await?;
    scene.site.event("camera.degraded_restored", 1).await?;
    scene.site.state_of("zone", "drive", "normal").await?;
    scene.site.state_of("zone", "glass", "normal").await?;
    ensure!(!scene.site.told_of(&["zone"]).iter().any(|told| told.ends_with("alarm")));
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_unauthorised_until_there_is_another() -> anyhow::Result<()> {
    let scene = Scene::start("wrong", json!({ "auth": "digest" })).await?;
    scene.site.state("gate", "unauthorised").await?;
    let lost = scene.site.event("camera.lost", 1).await?;
    assert_eq!(lost.draft.detail.context("its facts")?["state"], "unauthorised");
    std::fs::write(&scene.secret, "s3cret\n")?;
    scene.site.state("gate", "up").await?;
    scene.site.event("camera.lost_restored", 1).await?;
    let said = scene.site.gateway.log().all().join("\n");
    ensure!(!said.contains("s3cret") && !said.contains("wrong"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_rule_that_the_camera_does_not_have_is_told_with_those_that_it_has() -> anyhow::Result<()>
{
    let mut scene = Scene::start("s3cret", json!({})).await?;
    scene.motion("Steps", false).await?;
    let degraded = scene.site.event("camera.degraded", 1).await?;
    let why = degraded.draft.cause.context("a cause")?;
    ensure!(why.contains("no rule “Drive”") && why.contains("“Steps”"), "{why}");
    // Which it has after all, and has told of only now.
    scene.motion("Drive", true).await?;
    scene.site.event("zone.24h_alarm", 1).await?;
    scene.site.event("camera.degraded_restored", 1).await?;
    Ok(())
}

#[tokio::test]
async fn that_a_camera_masks_itself_is_no_mask_where_one_is_demanded() -> anyhow::Result<()> {
    let whole = json!([{ "points": [[-1, 1], [1, 1], [1, -1], [-1, -1]] }]);
    let mut scene =
        Scene::with("s3cret", json!({ "masks": whole }), "mask-required = true\n").await?;
    scene.motion("Drive", false).await?;
    scene.site.state("gate", "up").await?;
    scene.site.state_of("zone", "drive", "normal").await?;
    until("its own masks", PATIENCE, async || {
        let (_, text, _) = scene.site.gateway.says(&["status"]).await?;
        Ok(text.contains("says: it masks 1 place itself, 100 %").then_some(()))
    })
    .await?;
    scene.motion("Drive", true).await?;
    let refused = scene.site.event("camera.no_picture", 1).await?;
    let why = refused.draft.cause.context("a cause")?;
    ensure!(why.contains("it must have a mask, and has none"), "{why}");
    let kept = std::fs::read_dir(scene.site.gateway.state().join("evidence/pictures"))?.count();
    assert_eq!(kept, 0);
    Ok(())
}
