//! What it looks like: both languages, both themes, a wall and a phone.

use std::path::PathBuf;

use anyhow::ensure;
use gatehouse_tests::Tab;
use gatehouse_tests::browser::{PHONE, WALL};

use super::scene::{DESK, SHUTTER, Scene, WINDOW, status};

/// Where pictures go, if they are wanted.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("WALL_SCREENSHOTS").map(PathBuf::from)
}

/// Nothing may stand beyond the edge, and nothing may lack its word.
pub(crate) async fn whole(tab: &Tab, what: &str) -> anyhow::Result<()> {
    let wide = tab.eval("document.documentElement.scrollWidth - window.innerWidth").await?;
    ensure!(wide.as_i64().is_some_and(|more| more <= 0), "{what}: {wide} pixels too wide");
    // A key without a text shows itself: two words with a dot between.
    let bare = "document.body.innerText.match(/\\b(status|incident|event|why|state|kind|life|verb|how|search|column|phase|danger|class|login|sound|stats|reason|view|refused|refusal|order|answer|command|mode|told|way|picture|flag|kinds)\\.[a-z_.]+/)?.[0] ?? ''";
    let bare = tab.eval(bare).await?;
    ensure!(bare == "", "{what}: no word for {bare}");
    Ok(())
}

/// Each view at each size, in each language and theme.
pub(crate) async fn pictures(
    scene: &Scene,
    tab: &Tab,
    name: &str,
    views: &[&str],
) -> anyhow::Result<()> {
    let _ = scene;
    if let Some(folder) = folder() {
        std::fs::create_dir_all(folder)?;
    }
    for (size, viewport) in [("wall", WALL), ("phone", PHONE)] {
        tab.resize(viewport).await?;
        for (language, theme) in [("en", "dark"), ("zh", "light"), ("en", "light"), ("zh", "dark")]
        {
            set(tab, language, theme).await?;
            for view in views {
                tab.press(view).await?;
                let drawn = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";
                if *view == "5" {
                    tab.until("counted", "!document.getElementById('stats-told').hidden").await?;
                }
                tab.until("drawn", drawn).await?;
                let what = format!("{name}-{view}-{size}-{language}-{theme}");
                whole(tab, &what).await?;
                if let Some(folder) = folder() {
                    tab.screenshot(&folder.join(format!("{what}.png"))).await?;
                }
            }
        }
    }
    tab.resize(WALL).await
}

/// By the keys that people use.
pub(crate) async fn set(tab: &Tab, language: &str, theme: &str) -> anyhow::Result<()> {
    let html = if language == "zh" { "zh-CN" } else { "en-GB" };
    if tab.eval("document.documentElement.lang").await? != html {
        tab.press("l").await?;
    }
    tab.until("the language", &format!("document.documentElement.lang === '{html}'")).await?;
    if tab.eval("document.documentElement.dataset.theme").await? != theme {
        tab.press("t").await?;
    }
    tab.until("the theme", &format!("document.documentElement.dataset.theme === '{theme}'")).await
}

#[tokio::test]
async fn a_quiet_night_a_break_in_and_a_dead_district_fit_a_wall_and_a_phone() -> anyhow::Result<()>
{
    let mut scene = Scene::start(&["op-7 --role operator"]).await?;
    let tab = scene.enter("op-7", "").await?;
    for site in [&scene.home, &scene.other] {
        site.arm("lobby").await?;
        site.arm("garage").await?;
    }
    status(&tab, "quiet").await?;
    ensure!(tab.text("#status-text").await? == "All quiet");
    pictures(&scene, &tab, "quiet", &["1", "2", "5"]).await?;

    scene.home.world.set(WINDOW, true);
    scene.other.world.set(SHUTTER, true);
    scene.home.world.set(DESK, true);
    let three = "document.querySelectorAll('.incident').length === 3";
    tab.until("three incidents", three).await?;
    tab.press("1").await?;
    ensure!(tab.text("#incidents > li .sources").await?.contains("desk"), "people come first");
    tab.press("Enter").await?;
    pictures(&scene, &tab, "break-in", &["1", "2", "3", "4"]).await?;

    scene.home.gateway.kill().await?;
    scene.other.gateway.kill().await?;
    let lost = "document.querySelectorAll('#blind li[data-kind=\"gateway\"]').length === 2";
    tab.until("both lost", lost).await?;
    pictures(&scene, &tab, "dead", &["1", "2", "4"]).await
}

#[tokio::test]
async fn language_and_theme_are_kept_and_follow_the_browser_at_first() -> anyhow::Result<()> {
    let scene = Scene::start(&["op-7 --role operator"]).await?;
    let tab = scene.enter("op-7", "").await?;
    ensure!(tab.eval("document.documentElement.lang").await? == "en-GB", "the browser's own");
    set(&tab, "zh", "light").await?;
    ensure!(tab.text("nav [data-view='board'] span").await? == "警情");
    ensure!(tab.text("#sound").await? == "声音开", "with the rest of the page");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = tab.eval(ground).await?;
    tab.open(&scene.room.url()).await?;
    tab.until("the wall again", "document.body.dataset.state === 'known'").await?;
    ensure!(tab.eval("document.documentElement.lang").await? == "zh-CN");
    ensure!(tab.eval(ground).await? == light);
    // Loaded anew, nobody has touched it: it says that it cannot sound yet.
    ensure!(tab.eval("!document.getElementById('sound-gate').hidden").await? == true);
    tab.press("s").await?;
    tab.until("sound", "document.body.dataset.sound === 'quiet'").await?;
    tab.press("?").await?;
    tab.until("the keys", "document.querySelector('#help[open]')").await?;
    ensure!(tab.text("#keys dd").await? == "选择最紧急的警情");
    tab.press("Escape").await?;
    tab.until("shut", "!document.querySelector('#help[open]')").await
}
