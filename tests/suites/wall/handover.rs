//! Two control rooms: one offers an incident, the other takes it and acts, by the keyboard.

use anyhow::ensure;
use gatehouse_tests::browser::WALL;
use gatehouse_tests::wait::{SOON, until};

use super::look::pictures;
use super::scene::{DESK, Scene, status};

#[tokio::test]
async fn one_room_hands_an_incident_over_and_the_other_accepts_and_acts() -> anyhow::Result<()> {
    let south = ["op-9 --role operator", "eye --role viewer"];
    let (scene, other) = Scene::beside(&["op-7 --role operator"], &south).await?;
    let giver = scene.enter("op-7", "?lang=en").await?;
    let taker = scene.enter_at(&other, WALL, "op-9", "?lang=en").await?;
    let viewer = scene.enter_at(&other, WALL, "eye", "?lang=en").await?;
    scene.home.world.set(DESK, true);
    status(&giver, "alarm").await?;
    giver.press("Enter").await?;
    giver.press("h").await?;
    giver.until("the question", "document.querySelector('#pass[open]')").await?;
    ensure!(giver.text("#pass-to").await? == "south");
    giver.press("Enter").await?;
    giver.until("offered", "document.querySelector('.incident .mark.passed.offered')").await?;
    ensure!(giver.text(".incident .mark.passed").await?.contains("still ours"));

    // The other room sees and hears it; who only looks is offered nothing.
    status(&taker, "offer").await?;
    let offered = ".handover[data-side='taken'][data-state='offered']";
    taker.until("the offer", &format!("document.querySelector(\"{offered}\")")).await?;
    ensure!(taker.text(".handover .who").await?.contains("op-7@north"));
    taker.until("the sound of it", "document.body.dataset.sound === '1'").await?;
    status(&viewer, "offer").await?;
    let buttons = "[...document.querySelectorAll('#handovers button')].filter((b) => b.checkVisibility()).length";
    ensure!(viewer.eval(buttons).await? == 0, "a viewer is offered an answer");
    let forced = "(async () => { const me = await (await fetch('/api/session')).json(); \
        const id = document.querySelector('.handover').dataset.key; \
        const answer = await fetch(`/api/handovers/${id}/accept`, {method: 'POST', body: '{}', \
        headers: {'content-type': 'application/json', 'x-gatehouse-csrf': me.csrf}}); \
        return answer.status; })()";
    ensure!(viewer.eval(forced).await? == 403);
    pictures(&scene, &giver, "handover-offered", &["1"]).await?;
    pictures(&scene, &taker, "handover-offer", &["1"]).await?;

    for (tab, language) in [(&giver, "en-GB"), (&taker, "en-GB")] {
        if tab.eval("document.documentElement.lang").await? != language {
            tab.press("l").await?;
        }
        let spoken = format!("document.documentElement.lang === '{language}'");
        tab.until("the language", &spoken).await?;
    }
    taker.press("o").await?;
    taker.until("the keyboard on it", "document.activeElement?.dataset.pass === 'accept'").await?;
    taker.press("Enter").await?;
    let taken = "document.querySelector(\".handover[data-side='taken'][data-state='accepted']\")";
    taker.until("taken over", taken).await?;
    giver.until("theirs", "document.querySelector('.incident .mark.passed.accepted')").await?;
    // The giver does not act any more.
    let ack = "[...document.querySelectorAll('.incident [data-verb=ack]')].some((b) => b.checkVisibility())";
    ensure!(giver.eval(ack).await? == false, "an act is offered that is another room's");
    giver.press("a").await?;
    giver.until("told so", "document.querySelector('#toast.bad')").await?;
    ensure!(giver.text("#toast").await?.contains("handed over to south"));

    taker.press("o").await?;
    taker.until("the keyboard on it", "document.activeElement?.dataset.pass === 'ack'").await?;
    taker.press("Enter").await?;
    let done = "[...document.querySelectorAll('.handover .entry')].some((n) => n.textContent.includes('op-9 · acknowledged'))";
    taker.until("what the gateway recorded", done).await?;
    giver.until("acked there", "document.querySelector('.incident .acked')").await?;
    ensure!(giver.text(".incident .acked").await?.contains("op-9@south"));
    status(&taker, "taken").await?;
    pictures(&scene, &giver, "handover-theirs", &["1"]).await?;
    pictures(&scene, &taker, "handover-ours", &["1"]).await?;
    let acked = until("the act in the gateway's log", SOON, async || {
        let events = scene.home.gateway.events().await?;
        Ok(events.into_iter().find(|event| event.draft.kind == "incident.acked"))
    })
    .await?;
    ensure!(acked.draft.actor.as_deref() == Some("op-9@south"), "{:?}", acked.draft.actor);
    Ok(())
}
