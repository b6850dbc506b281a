//! Cameras that are lost, and how that is told.

use std::time::Duration;

use crate::harness::feeder::Codec;
use crate::harness::hostile::{Hostile, Lie};
use crate::harness::{Auth, Feeder, Picture, Server, boottime, port};
use crate::site::{SMALL, Site, Wanted};

const MOVING: &str = "testsrc2=size=640x360:rate=10";

fn camera(id: &str, url: &str, more: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nstream = \"{url}\"\nhold-off-s = 1\n{more}\n")
}

#[tokio::test]
async fn a_camera_that_loses_its_power_is_lost_and_comes_back() -> anyhow::Result<()> {
    let config = |urls: &[String]| camera("gate", &urls[0], "");
    let wanted = Wanted { auth: Auth::None, sources: &[MOVING], config: &config };
    let mut site = Site::start(wanted).await?;
    site.state("gate", "up").await?;
    site.server.kill().await?;
    let lost = site.event("camera.lost", 1).await?;
    assert_eq!(lost.draft.source.id.as_str(), "gate");
    let shown = site.state("gate", "unreachable").await?;
    assert_eq!(shown["flags"], serde_json::json!(["lost"]));
    site.server.launch().await?;
    site.event("camera.lost_restored", 1).await?;
    site.state("gate", "up").await?;
    assert_eq!(site.told(), ["gate camera.lost", "gate camera.lost_restored"]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_told_and_the_right_one_is_taken_without_a_restart()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("gate.secret");
    std::fs::write(&secret, "wrong\n")?;
    let login = format!("username = \"user\"\npassword-file = \"{}\"", secret.display());
    let config = |urls: &[String]| camera("gate", &urls[0], &login);
    let auth = Auth::Digest("user:right");
    let site = Site::start(Wanted { auth, sources: &[MOVING], config: &config }).await?;
    site.state("gate", "unauthorised").await?;
    let lost = site.event("camera.lost", 1).await?;
    assert_eq!(lost.draft.detail.unwrap()["state"], "unauthorised");
    std::fs::write(&secret, "right\n")?;
    site.state("gate", "up").await?;
    site.event("camera.lost_restored", 1).await?;
    let said = site.gateway.log().all().join("\n");
    assert!(!said.contains("wrong") && !said.contains("right"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_switch_that_fails_is_one_fault_for_all_of_its_cameras() -> anyhow::Result<()> {
    let config = |urls: &[String]| {
        let on = "switch = \"poe-1\"";
        camera("gate", &urls[0], on) + &camera("yard", &urls[1], on)
    };
    let sources = [MOVING, MOVING];
    let mut site =
        Site::start(Wanted { auth: Auth::None, sources: &sources, config: &config }).await?;
    site.state("gate", "up").await?;
    site.state("yard", "up").await?;
    site.server.kill().await?;
    site.event("bus.lost", 1).await?;
    site.server.launch().await?;
    site.event("bus.restored", 1).await?;
    site.state("gate", "up").await?;
    site.state("yard", "up").await?;
    assert_eq!(site.told(), ["poe-1 bus.lost", "poe-1 bus.restored"]);
    Ok(())
}

/// A stretch of 20 s is measured, which may have begun just before; then the hold-off of 1 s.
const DRIFT_TOLD_WITHIN: Duration = Duration::from_secs(20 + 20 + 1 + 3);

#[tokio::test]
async fn clocks_that_run_slow_and_fast_are_told_until_they_run_right() -> anyhow::Result<()> {
    // A quarter slow by gst-rtsp-server, a quarter fast by a server of our own, for 45 s each; and one
    // that is right.
    let udp = port();
    let picture = Picture { codec: Codec::H264Slow, ..SMALL };
    let slow = Server::start(Auth::None, &[("/slow", "H264+timed", udp)]).await?;
    let fast = Hostile::start(Lie::Clock, 1).await?;
    let _feeder = Feeder::of(MOVING, picture, udp)?;
    let config = |urls: &[String]| {
        camera("right", &urls[0], "")
            + &camera("slow", &slow.address("/slow").to_string(), "watch = \"off\"")
            + &camera("fast", &fast.address().to_string(), "watch = \"off\"")
    };
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[MOVING], config: &config }).await?;
    let began = boottime();
    for count in [1, 2] {
        let degraded = site.event("camera.degraded", count).await?;
        let why = degraded.draft.cause.as_deref();
        assert_eq!(why, Some("its clock runs fast or slow, or jumps"), "{degraded:?}");
    }
    let after = boottime().since(began);
    assert!(after < DRIFT_TOLD_WITHIN, "told {after:?} after the start");
    for count in [1, 2] {
        site.event("camera.degraded_restored", count).await?;
    }
    let mut told = site.told();
    told.sort();
    let both = |camera| ["", "_restored"].map(|end| format!("{camera} camera.degraded{end}"));
    assert_eq!(told, [both("fast"), both("slow")].concat(), "{:#?}", site.gateway.log().all());
    for camera in ["right", "slow", "fast"] {
        site.state(camera, "up").await?;
    }
    Ok(())
}
