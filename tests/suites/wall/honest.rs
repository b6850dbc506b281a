//! Silence must mean safety: what is not known is never shown as it was.

use std::time::Duration;

use anyhow::ensure;
use gatehouse_tests::wait::boottime;

use super::scene::{DESK, Scene, login, status};

/// How soon a page must say that it hears nothing.
const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_page_that_hears_nothing_says_so_within_seconds_and_knows_nothing() -> anyhow::Result<()>
{
    let mut scene = Scene::start(&["op-7 --role operator"]).await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    scene.home.world.set(DESK, true);
    status(&tab, "alarm").await?;
    tab.press("Enter").await?;
    tab.press("g").await?;
    tab.until("the site", "document.querySelector('.thing[data-state=\"closed\"]')").await?;

    // The connection stays, and nothing comes: the worst case.
    let began = boottime();
    scene.room.freeze()?;
    status(&tab, "lost").await?;
    let took = boottime().since(began);
    ensure!(took < WITHIN, "{took:?}");
    tab.until(
        "every state unknown",
        "[...document.querySelectorAll('.thing')].length > 3 && \
        [...document.querySelectorAll('.thing')].every((n) => n.dataset.state === 'unknown')",
    )
    .await?;
    tab.press("1").await?;
    ensure!(tab.text(".incident .phase").await? == "UNKNOWN", "listed, and unknown");
    tab.until("the sound of it", "document.body.dataset.sound === 'blind'").await?;
    tab.press("a").await?;
    tab.until("refused", "document.querySelector('#toast.bad')").await?;
    scene.room.thaw()?;
    status(&tab, "alarm").await?;
    ensure!(tab.text(".incident .phase").await? == "ACTIVE");

    // It ends: with it the logins, and the page says that nothing is watched.
    scene.room.kill().await?;
    status(&tab, "lost").await?;
    scene.room.launch().await?;
    tab.until("the login", "document.body.dataset.state === 'login'").await?;
    ensure!(tab.text("#login-why").await?.contains("Nothing is watched"));
    login(&tab, "op-7").await?;
    status(&tab, "alarm").await
}

#[tokio::test]
async fn a_dead_broker_and_dead_gateways_are_no_quiet_district() -> anyhow::Result<()> {
    let mut scene = Scene::start(&["op-7 --role operator"]).await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    status(&tab, "quiet").await?;
    // One gateway dies: its will comes, and with it all it has is unknown.
    scene.home.gateway.kill().await?;
    status(&tab, "deaf").await?;
    let first = "document.querySelector('#blind li')?.textContent";
    tab.until("named", &format!("{first}.includes('g-7f3a') && {first}.includes('lost')")).await?;
    scene.other.gateway.kill().await?;
    status(&tab, "dead").await?;
    scene.home.gateway.launch().await?;
    scene.other.gateway.launch().await?;
    status(&tab, "quiet").await?;
    scene.broker.kill().await?;
    status(&tab, "link").await?;
    ensure!(tab.eval("document.body.dataset.state").await? == "blind");
    scene.broker.restart().await?;
    status(&tab, "quiet").await
}
