//! Clips as people see them: through the whole daemon, masked, and played by a browser; and what the
//! district commands of cameras.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gatehouse_core::contract::CommandStatus;
use gatehouse_receiver::{USUAL_EXPIRY, Wanted};
use gatehouse_tests::wait::until;
use gatehouse_tests::{Browser, browser};
use serde_json::{Value, json};

use crate::harness::Auth;
use crate::site::{PATIENCE, Site, Wanted as Start, luma};

fn config(urls: &[String]) -> String {
    format!(
        "[[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
         [[camera]]\nid = \"vault\"\nstream = \"{}\"\nzones = [\"safe\"]\npre-s = 2\npost-s = 2\n",
        urls[0]
    )
}

pub(crate) async fn clip<S>(site: &Site<S>) -> anyhow::Result<(Value, PathBuf)> {
    let clip = site.event("camera.clip", 1).await?;
    let facts = clip.draft.detail.context("its facts")?;
    let name = facts["clip"]["ref"].as_str().context("its name")?;
    Ok((facts.clone(), site.gateway.state().join("evidence/clips").join(name)))
}

#[tokio::test]
async fn a_clip_of_a_masked_camera_hides_it_in_each_picture_and_plays_in_a_browser()
-> anyhow::Result<()> {
    // White everywhere: what is not black was seen.
    let white = "color=c=white:size=640x360:rate=10,drawgrid=w=40:h=40:t=2:c=gray";
    let config = |urls: &[String]| config(urls) + "masks = [\"0.5,0.5 1,0.5 1,1 0.5,1\"]\n";
    let site = Site::start(Start { auth: Auth::None, sources: &[white], config: &config }).await?;
    site.state("vault", "up").await?;
    site.world.set(5, true);
    let (facts, path) = clip(&site).await?;
    assert_eq!(facts["clip"]["masked"], true);
    let pictures = luma(&path)?;
    ensure!(pictures.len() > 20, "{} pictures", pictures.len());
    for (number, picture) in pictures.iter().enumerate() {
        let at = |x: usize, y: usize| picture[y * 640 + x];
        ensure!(at(20, 20) > 180, "picture {number} shows nothing");
        // A few pixels of the border belong to blocks on both sides of it.
        let inside = (190..360).flat_map(|y| (330..640).map(move |x| (x, y)));
        let brightest = inside.map(|(x, y)| at(x, y)).max().unwrap_or(u8::MAX);
        ensure!(brightest < 50, "{brightest} under the mask in picture {number}");
    }
    let browser = Browser::start().await?;
    let tab = browser.tab(browser::WALL).await?;
    tab.open(&format!("file://{}", path.display())).await?;
    tab.until("the clip to be known", "document.querySelector('video')?.videoWidth === 640")
        .await?;
    tab.eval(
        "document.querySelector('video').muted = true, document.querySelector('video').play(), 1",
    )
    .await?;
    tab.until("the clip to play", "document.querySelector('video').currentTime > 0.5").await?;
    if let Some(folder) = std::env::var_os("CAMERA_SCREENSHOTS") {
        tab.screenshot(&Path::new(&folder).join("playing.png")).await?;
    }
    tab.until("its end", "document.querySelector('video').ended").await?;
    let dropped = "document.querySelector('video').error === null";
    ensure!(tab.eval(dropped).await? == json!(true));
    Ok(())
}

#[tokio::test]
async fn the_district_wants_a_picture_and_a_clip_and_has_them() -> anyhow::Result<()> {
    let moving = "testsrc2=size=640x360:rate=10";
    let site = Site::start(Start { auth: Auth::None, sources: &[moving], config: &config }).await?;
    site.state("vault", "up").await?;
    let operator = site.district.operator()?;
    until("the gateway at the district", PATIENCE, async || {
        Ok(operator.prepare(&"g-1".parse()?).ok().filter(|it| it.nonce.is_some()).map(drop))
    })
    .await?;
    let want = async |verb: &str, args: Value| {
        let Value::Object(args) = args else { panic!("{args}") };
        let (verb, operator_id) = (verb.to_owned(), "op-7".to_owned());
        let wanted =
            Wanted { verb, args, operator: operator_id, role: None, expires: USUAL_EXPIRY };
        operator.command(&"g-1".parse()?, wanted, None).await.map_err(anyhow::Error::from)
    };
    let shot = want("snapshot", json!({ "camera": "vault" })).await?;
    ensure!(shot.status == CommandStatus::Done, "{shot:?}");
    let told = site.event("camera.snapshot", 1).await?.draft.detail.context("its facts")?;
    let answered = shot.detail.context("its facts")?;
    assert_eq!(answered["sha256"], told["sha256"]);
    ensure!(told["command"].is_string() && told["of"].is_null(), "{told}");
    let begun = want("clip", json!({ "camera": "vault" })).await?;
    ensure!(begun.status == CommandStatus::Done, "{begun:?}");
    let (facts, path) = clip(&site).await?;
    assert_eq!(facts["clip"]["ref"], begun.detail.context("its name")?["ref"]);
    ensure!(luma(&path)?.len() > 20);
    let nobody = want("snapshot", json!({ "camera": "attic" })).await?;
    ensure!(nobody.status == CommandStatus::Refused, "{nobody:?}");
    let missing = want("clip", json!({ "camera": "vault", "seq": 1 })).await?;
    ensure!(missing.status == CommandStatus::Failed, "{missing:?}");
    Ok(())
}
