//! From alarm to acknowledged; and who may not.

use anyhow::ensure;
use gatehouse_tests::wait::{SOON, until};

use super::scene::{DESK, Scene, WINDOW, status};

const OPERATOR: &str = "op-7 --role operator";

#[tokio::test]
async fn two_keys_take_a_break_in_and_the_gateways_event_of_it_comes_back() -> anyhow::Result<()> {
    let scene = Scene::start(&[OPERATOR]).await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    status(&tab, "quiet").await?;
    ensure!(tab.eval("document.body.dataset.sound").await? == "quiet");
    scene.home.arm("lobby").await?;
    scene.home.world.set(WINDOW, true);
    status(&tab, "alarm").await?;
    ensure!(tab.text("#incidents .danger").await? == "Burglary");
    ensure!(tab.text("#incidents .phase").await? == "ACTIVE");
    ensure!(tab.text("#incidents .sources").await?.contains("window-north"));
    // Whoever does not look hears it.
    tab.until("the sound of severity 1", "document.body.dataset.sound === '1'").await?;

    tab.press("Enter").await?;
    tab.press("a").await?;
    tab.until("taken", "document.querySelector('.incident.taken')").await?;
    ensure!(tab.text(".incident .acked").await?.contains("op-7"));
    tab.until("said to be done", "document.querySelector('#toast.good')").await?;
    let toast = tab.text("#toast").await?;
    tab.until("quiet", "document.body.dataset.sound === 'quiet'").await?;
    // Done is what the gateway has on its flash, under the number that was told.
    let events = scene.home.gateway.events().await?;
    let acked = events.iter().find(|event| event.draft.kind == "incident.acked");
    let Some(acked) = acked else { anyhow::bail!("not at the gateway") };
    ensure!(acked.draft.actor.as_deref() == Some("op-7"));
    ensure!(toast.contains(&format!("event {} ", acked.seq)), "{toast}");

    // A note, then the end: both ask first.
    tab.press("n").await?;
    tab.until("the question", "document.querySelector('#ask[open]')").await?;
    tab.write("patrol is on the way").await?;
    tab.press("Enter").await?;
    tab.until("the note", "document.querySelector('.note0')?.textContent.includes('patrol')")
        .await?;
    scene.home.world.set(WINDOW, false);
    tab.until("over", "!document.querySelector('.sources')?.textContent.includes('Still')").await?;
    tab.press("c").await?;
    tab.until("the question", "document.querySelector('#ask[open]')").await?;
    tab.press("Enter").await?;
    tab.until("closed", "!document.querySelector('.incident')").await?;

    // And the history has it all.
    tab.press("/").await?;
    tab.write("patrol").await?;
    tab.press("Enter").await?;
    let found = "[...document.querySelectorAll('#found .what')].map((n) => n.textContent).join()";
    tab.until("the note in the history", &format!("{found} === 'noted'")).await
}

#[tokio::test]
async fn a_viewer_cannot_act_and_sees_no_other_site() -> anyhow::Result<()> {
    let scene = Scene::start(&["eye --role viewer", "gate --role operator --site s-118"]).await?;
    let viewer = scene.enter("eye", "?lang=en").await?;
    let gate = scene.enter("gate", "?lang=en").await?;
    scene.home.world.set(DESK, true);
    status(&viewer, "alarm").await?;
    viewer.press("Enter").await?;
    viewer.until("chosen", "document.querySelector('.incident.chosen')").await?;
    let offered = "[...document.querySelectorAll('.incident button[data-verb]')].filter((b) => !b.hidden).length";
    ensure!(viewer.eval(offered).await? == 0, "a viewer is offered an act");
    viewer.press("a").await?;
    viewer.until("told so", "document.querySelector('#toast.bad')").await?;
    // Nor past the page.
    let act = "(async () => { const me = await (await fetch('/api/session')).json(); \
        const key = document.querySelector('.incident').dataset.key; \
        const answer = await fetch(`/api/incidents/${key}/ack`, {method: 'POST', body: '{}', \
        headers: {'content-type': 'application/json', 'x-gatehouse-csrf': me.csrf}}); \
        return answer.status; })()";
    ensure!(viewer.eval(act).await? == 403);

    // The other site's own alarm comes; the first one, which was before it, never does.
    scene.other.world.set(DESK, true);
    status(&gate, "alarm").await?;
    let keys = "[...document.querySelectorAll('#incidents > li')].map((n) => n.dataset.key).join()";
    ensure!(gate.eval(keys).await? == "s-118/g-2c40/a1");
    ensure!(!gate.eval("document.body.textContent").await?.to_string().contains("g-7f3a"));
    let foreign = "fetch('/api/sites/s-204').then((answer) => answer.status)";
    ensure!(gate.eval(foreign).await? == 404);
    let events = until("the alarm in the journal", SOON, async || {
        let events = scene.home.gateway.events().await?;
        Ok(events.iter().any(|event| event.draft.kind == "panic.alarm").then_some(events))
    })
    .await?;
    ensure!(!events.iter().any(|event| event.draft.kind == "incident.acked"));
    Ok(())
}
