//! Cameras that are lost, and how that is told.

use crate::harness::Auth;
use crate::site::{Site, Wanted};

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
