//! The page as the installer and the property manager meet it, in a real browser.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use gatehouse_tests::browser::{PHONE, Viewport};
use gatehouse_tests::wait::until;
use gatehouse_tests::{Browser, Tab};
use serde_json::{Value, json};

use crate::scene::{PASSWORD, PATIENCE, SAFE, Scene, WINDOW};

pub(crate) const DESK: Viewport = Viewport { width: 1280, height: 800, phone: false };
pub(crate) const NARROW: Viewport = Viewport { width: 360, height: 740, phone: true };

/// Where pictures of the page go: looked at by people.
pub(crate) fn shots() -> anyhow::Result<PathBuf> {
    let target = std::env::current_exe()?;
    let target = target.ancestors().find(|path| path.ends_with("target")).context("target")?;
    let folder = target.join("page-shots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

pub(crate) async fn tab(browser: &Browser, viewport: Viewport) -> anyhow::Result<Tab> {
    let tab = browser.tab(viewport).await?;
    // As somebody who has compared the fingerprint and goes on.
    tab.call("Security.enable", json!({})).await?;
    tab.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true })).await?;
    tab.call("Page.enable", json!({})).await?;
    let script = "window.wrong = []; addEventListener('error', (e) => wrong.push(String(e.message \
                  || e.target?.src))); addEventListener('unhandledrejection', (e) => \
                  wrong.push(String(e.reason))); addEventListener('securitypolicyviolation', (e) => \
                  wrong.push(`policy: ${e.violatedDirective} ${e.blockedURI}`));";
    tab.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await?;
    Ok(tab)
}

pub(crate) async fn fill(tab: &Tab, fields: &[(&str, &str)]) -> anyhow::Result<()> {
    for (id, text) in fields {
        tab.eval(&format!("document.getElementById({id:?}).focus()")).await?;
        tab.write(text).await?;
    }
    Ok(())
}

/// Nothing went wrong that a browser would tell, and nothing is wider than the screen.
pub(crate) async fn whole(tab: &Tab) -> anyhow::Result<()> {
    let wrong = tab.eval("window.wrong").await?;
    ensure!(wrong == json!([]), "{wrong}");
    let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    let wide = tab.eval(wide).await?;
    ensure!(wide == 0, "{wide} pixels too wide");
    let nameless = "[...document.querySelectorAll('button, input, select, video, img')].filter((n) => \
                    n.offsetParent && !(n.textContent.trim() || n.ariaLabel || n.labels?.length || \
                    (n.tagName === 'IMG' && n.hasAttribute('alt')))).map((n) => n.outerHTML)";
    let nameless = tab.eval(nameless).await?;
    ensure!(nameless == json!([]), "without a name for a screen reader: {nameless}");
    Ok(())
}

const VERDICT: &str = "document.getElementById('verdict')";

#[tokio::test]
async fn a_fresh_box_is_paired_watched_armed_and_shows_its_clip() -> anyhow::Result<()> {
    let scene = Scene::start(true).await?;
    let shots = shots()?;
    let browser = Browser::start().await?;
    let tab = tab(&browser, DESK).await?;
    tab.open(&format!("{}?lang=en&theme=light", scene.url)).await?;
    tab.until("the first start", "!document.getElementById('pair-form').hidden").await?;
    tab.screenshot(&shots.join("01-first-start.png")).await?;
    let code = scene.code().await?;
    let fields = [
        ("pair-code", code.as_str()),
        ("pair-name", "in-1"),
        ("pair-password", PASSWORD),
        ("pair-again", PASSWORD),
    ];
    fill(&tab, &fields).await?;
    tab.press("Enter").await?;
    tab.until("the page", "document.body.dataset.state === 'live'").await?;
    scene.sees().await?;
    tab.until("all good", &format!("{VERDICT}.className === 'good'")).await?;
    tab.screenshot(&shots.join("02-now.png")).await?;
    whole(&tab).await?;
    // A door opens and is seen.
    scene.world.set(0, true);
    let door = "[...document.querySelectorAll('#groups .thing')].find((n) => \
                n.textContent.includes('door-0'))";
    tab.until("the open door", &format!("{door}.dataset.state === 'open'")).await?;
    scene.world.set(0, false);
    tab.until("the closed door", &format!("{door}.dataset.state === 'closed'")).await?;
    // Armed by the account, through the rules.
    tab.click("#partitions button").await?;
    tab.until("the question", "document.getElementById('ask').open").await?;
    tab.click("#ask-yes").await?;
    let partition = "document.querySelector('#partitions .thing').dataset.state";
    tab.until("arming", &format!("/^arm/.test({partition})")).await?;
    let armed = scene.event("partition.arming", 1).await?;
    ensure!(armed.draft.actor.as_deref() == Some("in-1"), "{armed:?}");
    ensure!(armed.draft.detail.as_ref().is_some_and(|it| it["via"] == "web"), "{armed:?}");
    // The safe: an alarm, its incident, its clip.
    scene.world.set(SAFE, true);
    tab.until("the incident", "document.querySelector('#incidents .incident')").await?;
    tab.until("the sentence", &format!("{VERDICT}.className === 'bad'")).await?;
    tab.screenshot(&shots.join("03-alarm.png")).await?;
    tab.click("#incidents button").await?;
    let phase = "document.querySelector('#incidents .incident').dataset.phase";
    tab.until("it to be taken", &format!("{phase} === 'acked'")).await?;
    let acked = scene.event("incident.acked", 1).await?;
    ensure!(acked.draft.actor.as_deref() == Some("in-1"), "{acked:?}");
    scene.event("camera.clip", 1).await?;
    tab.click("nav [data-view='cameras']").await?;
    tab.until("the clip", "document.querySelector('.item[data-what=\"clip\"] .open:enabled')")
        .await?;
    tab.click(".item[data-what='clip'] .open").await?;
    let video = "document.querySelector('#screen video')";
    tab.until("the clip to play", &format!("{video}?.currentTime > 0.3")).await?;
    tab.screenshot(&shots.join("04-clip-plays.png")).await?;
    tab.until("its end", &format!("{video}.ended")).await?;
    let told = tab.eval(&format!("[{video}.error, {video}.duration, {video}.videoWidth]")).await?;
    ensure!(told[0].is_null() && told[1].as_f64() > Some(2.0) && told[2] == 640, "{told}");
    let looked = scene.event("page.looked", 1).await?;
    ensure!(looked.draft.actor.as_deref() == Some("in-1"), "{looked:?}");
    tab.click("#snapshot").await?;
    let image = "document.querySelector('#screen img')";
    tab.until("the picture of now", &format!("{image}?.naturalWidth === 640")).await?;
    whole(&tab).await?;
    tab.click("nav [data-view='events']").await?;
    tab.until("events", "document.querySelectorAll('#found .event').length > 5").await?;
    tab.screenshot(&shots.join("05-events.png")).await?;
    whole(&tab).await?;
    tab.click("nav [data-view='people']").await?;
    fill(&tab, &[("person-name", "lin"), ("person-password", PASSWORD)]).await?;
    tab.eval("document.getElementById('person-role').value = 'manager'").await?;
    tab.click("#person-form button").await?;
    tab.until("the account", "document.getElementById('people').textContent.includes('lin')")
        .await?;
    tab.screenshot(&shots.join("06-people.png")).await?;
    whole(&tab).await?;
    on_a_phone(&scene, &browser, &shots).await
}

/// The manager, in Chinese, on a phone; and a box that falls silent.
async fn on_a_phone(
    scene: &Scene,
    browser: &Browser,
    shots: &std::path::Path,
) -> anyhow::Result<()> {
    let tab = tab(browser, PHONE).await?;
    tab.open(&format!("{}?lang=zh&theme=dark", scene.url)).await?;
    tab.until("the login", "!document.getElementById('login-form').hidden").await?;
    tab.screenshot(&shots.join("11-phone-login.png")).await?;
    fill(&tab, &[("login-name", "lin"), ("login-password", "wrong")]).await?;
    tab.press("Enter").await?;
    tab.until("why not", "document.getElementById('login-why').textContent.includes('不对')")
        .await?;
    fill(&tab, &[("login-password", PASSWORD)]).await?;
    tab.press("Enter").await?;
    tab.until("the page", "document.body.dataset.state === 'live'").await?;
    scene.world.set(WINDOW, true);
    tab.until("the window", "document.getElementById('groups').textContent.includes('窗')").await?;
    tab.screenshot(&shots.join("12-phone-now.png")).await?;
    whole(&tab).await?;
    for (number, view) in ["cameras", "events", "people"].into_iter().enumerate() {
        tab.click(&format!("nav [data-view='{view}']")).await?;
        tab.until("its view", &format!("!document.getElementById('view-{view}').hidden")).await?;
        let ready = match view {
            "cameras" => "document.querySelector('#evidence .item')",
            "events" => "document.querySelector('#found .event')",
            _ => "document.querySelector('#people .thing')",
        };
        tab.until("what it shows", ready).await?;
        if view == "cameras" {
            tab.click(".item[data-what='picture'] .open:enabled").await?;
            tab.until("a picture", "document.querySelector('#screen img')?.naturalWidth > 0")
                .await?;
        }
        tab.screenshot(&shots.join(format!("{}-phone-{view}.png", 13 + number))).await?;
        whole(&tab).await?;
        tab.resize(NARROW).await?;
        whole(&tab).await?;
        tab.resize(PHONE).await?;
    }
    let english = "/[A-Za-z]{4,}/";
    let own =
        "[...document.querySelectorAll('#view-people [data-t], nav [data-t], header [data-t]')]";
    let left = format!(
        "{own}.map((n) => n.textContent).filter((s) => {english}.test(s) && !/Gatehouse|English/.test(s))"
    );
    let left = tab.eval(&left).await?;
    ensure!(left == json!([]), "left in English: {left}");
    // The daemon stands still: the page says that it knows nothing.
    tab.click("nav [data-view='now']").await?;
    scene.gateway.signal(rustix::process::Signal::STOP)?;
    let blind = "document.body.dataset.state === 'blind'";
    let waited = until("a page that knows nothing", PATIENCE, async || {
        Ok((tab.eval(blind).await? == true).then_some(()))
    });
    let waited = waited.await;
    tab.screenshot(&shots.join("16-phone-blind.png")).await?;
    let unknown = "[...document.querySelectorAll('#groups .thing')].every((n) => \
                   n.dataset.state === 'unknown')";
    let unknown = tab.eval(unknown).await;
    scene.gateway.signal(rustix::process::Signal::CONT)?;
    waited?;
    ensure!(unknown? == Value::Bool(true), "something is still shown as known");
    tab.until("life again", "document.body.dataset.state === 'live'").await?;
    Ok(())
}
