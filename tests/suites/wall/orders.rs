//! Commands from the wall: what an operator wants of a gateway, and what it answers.

use anyhow::ensure;
use gatehouse_tests::Tab;
use gatehouse_tests::browser::{PHONE, WALL};

use super::look::{folder, set, whole};
use super::scene::{Scene, WINDOW, status};

/// Opens the question behind a thing of the site that is shown.
async fn ask(tab: &Tab, kind: &str, name: &str) -> anyhow::Result<()> {
    let button = format!(
        "document.querySelector('button.order[data-kind=\"{kind}\"][data-name=\"{name}\"]')"
    );
    tab.until("the thing", &format!("{button} && !{button}.hidden")).await?;
    tab.eval(&format!("{button}.focus()")).await?;
    tab.press("Enter").await?;
    tab.until("the question", "document.querySelector('#order[open]')").await
}

/// Chooses one of the verbs that are offered.
async fn choose(tab: &Tab, verb: &str) -> anyhow::Result<()> {
    let radio = format!("document.querySelector('#order-verbs input[value=\"{verb}\"]')");
    tab.until("the verb", &radio).await?;
    tab.eval(&format!("{radio}.click()")).await?;
    tab.eval("document.getElementById('order-yes').focus()").await?;
    tab.press("Enter").await
}

/// What the page says of a command that was not done.
async fn refused(tab: &Tab, text: &str) -> anyhow::Result<()> {
    let why = "document.querySelector('#order-why[data-how=\"bad\"]')";
    tab.until("an answer", why).await?;
    let told = tab.text("#order-why").await?;
    ensure!(told.contains(text), "{told}");
    Ok(())
}

#[tokio::test]
async fn an_operator_arms_and_disarms_and_is_told_why_something_is_refused() -> anyhow::Result<()> {
    let accounts = ["op-7 --role operator --command all", "op-8 --role operator"];
    let scene = Scene::start(&accounts).await?;
    let tab = scene.enter("op-7", "?lang=en&theme=dark").await?;
    status(&tab, "quiet").await?;
    tab.press("2").await?;
    tab.until("the sites", "document.querySelector('#site-list button[data-site=\"s-204\"]')")
        .await?;
    tab.eval("document.querySelector('#site-list button[data-site=\"s-204\"]').click()").await?;

    // With an open window it cannot be armed: the gateway says why, in words.
    scene.home.world.set(WINDOW, true);
    ask(&tab, "partition", "lobby").await?;
    ensure!(tab.text("#order-yes").await? == "Arm", "what makes sense comes first");
    tab.eval("document.getElementById('order-yes').focus()").await?;
    tab.press("Enter").await?;
    refused(&tab, "Not done · something prevents arming · window-north").await?;
    for (size, viewport) in [("wall", WALL), ("phone", PHONE)] {
        tab.resize(viewport).await?;
        whole(&tab, "the refusal").await?;
        if let Some(folder) = folder() {
            tab.screenshot(&folder.join(format!("order-refused-{size}.png"))).await?;
        }
    }
    tab.resize(WALL).await?;
    tab.press("Escape").await?;

    scene.home.world.set(WINDOW, false);
    let normal = "document.querySelector('.group[data-kind=\"zone\"] [data-key=\"window-north\"]')?.dataset.state === 'normal'";
    tab.until("the window is shut", normal).await?;
    ask(&tab, "partition", "lobby").await?;
    choose(&tab, "arm").await?;
    tab.until("done", "document.querySelector('#toast.good')").await?;
    let toast = tab.text("#toast").await?;
    let armed = "/^arm/.test(document.querySelector('.group[data-kind=\"partition\"] [data-key=\"lobby\"]')?.dataset.state)";
    tab.until("armed", armed).await?;
    // The number that was told is that of the gateway's event, by this operator.
    let events = scene.home.gateway.events().await?;
    let done = events.iter().find(|event| toast.contains(&format!("event {} ", event.seq)));
    let Some(done) = done else { anyhow::bail!("{toast}") };
    ensure!(done.draft.actor.as_deref() == Some("op-7"), "{done:?}");

    // Now the other makes sense. Then what this site allows nobody.
    set(&tab, "zh", "light").await?;
    ask(&tab, "partition", "lobby").await?;
    ensure!(tab.text("#order-yes").await? == "撤防");
    if let Some(folder) = folder() {
        tab.screenshot(&folder.join("order-wall-zh.png")).await?;
    }
    tab.press("Escape").await?;
    set(&tab, "en", "dark").await?;
    ask(&tab, "partition", "lobby").await?;
    choose(&tab, "disarm").await?;
    let disarmed = "document.querySelector('.group[data-kind=\"partition\"] [data-key=\"lobby\"]')?.dataset.state === 'disarmed'";
    tab.until("disarmed", disarmed).await?;
    ask(&tab, "door", "door-0").await?;
    choose(&tab, "output").await?;
    refused(&tab, "does not let the control room do this").await?;
    tab.press("Escape").await?;

    // Who may command nothing is offered nothing; nor does the server take it.
    let plain = scene.enter("op-8", "?lang=en").await?;
    plain.press("2").await?;
    plain.until("the site", "document.querySelector('.thing')").await?;
    let offered = "[...document.querySelectorAll('button.order')].filter((b) => !b.hidden).length";
    ensure!(plain.eval(offered).await? == 0, "an account without commands is offered some");
    // A gateway that is not heard is told nothing.
    let mut scene = scene;
    scene.home.gateway.kill().await?;
    tab.until("lost", &format!("({offered}) === 0")).await
}
