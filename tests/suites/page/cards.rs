//! Cards on the page: read at a reader or typed, given rights, blocked and removed, by whoever may; and
//! nothing that is typed stands anywhere but as its hash.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_core::credential::{CredentialHash, SiteKey};
use gatehouse_core::event::Event;
use gatehouse_drivers::wiegand::{Card, Format};
use gatehouse_tests::browser::PHONE;
use gatehouse_tests::wait::until;
use gatehouse_tests::{Browser, Tab};
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::scene::{PASSWORD, PATIENCE, READER, Scene};
use crate::story::{DESK, NARROW, fill, shots, tab, whole};

const SITE: &str = "[[reader]]\nid = \"front\"\nname = \"Front 前门\"\nwiegand-d0 = \"sim:7\"\n\
    wiegand-d1 = \"sim:8\"\ndoor = \"door-0\"\nlockout-attempts = 0\n";

/// What is printed on the tests' cards beside their number.
const FACILITY: u32 = 123;

async fn scene() -> anyhow::Result<Scene> {
    let scene = Scene::with(false, |options| options.extra.push_str(SITE)).await?;
    // What people wrote stays.
    std::fs::write(path(&scene), "# Who may pass.\n")?;
    Ok(scene)
}

fn path(scene: &Scene) -> PathBuf {
    scene.gateway.config().with_file_name("credentials.toml")
}

fn list(scene: &Scene) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(path(scene))?)
}

fn bits(number: u64) -> anyhow::Result<gatehouse_drivers::wiegand::Bits> {
    let card = Card::new(Format::H10301, FACILITY, number);
    Ok(card.map_err(|error| anyhow::anyhow!("{error}"))?.encode())
}

/// The hash of a card at this site.
fn hash(scene: &Scene, number: u64) -> anyhow::Result<CredentialHash> {
    let key = std::fs::read_to_string(scene.gateway.state().join("site.key"))?;
    let key: SiteKey = key.trim().parse()?;
    Ok(key.card(26, bits(number)?.write_bytes(&mut [0; 16])))
}

async fn of(scene: &Scene, kind: &str) -> anyhow::Result<Vec<Event>> {
    let events = scene.gateway.events().await?;
    Ok(events.into_iter().filter(|event| event.draft.kind == *kind).collect())
}

/// Presents a card, and waits for what the box says of it.
async fn present(scene: &Scene, number: u64, kind: &str) -> anyhow::Result<Event> {
    let before = of(scene, kind).await?.len();
    let bits = bits(number)?;
    let sent: Vec<_> = (0..bits.len()).rev().map(|n| bits.value() >> n & 1 == 1).collect();
    scene.world.wiegand(READER, &sent);
    until(&format!("{kind} of card {number}"), PATIENCE, async || {
        Ok(of(scene, kind).await?.into_iter().nth(before))
    })
    .await
}

/// The newest change of the list, once there are so many.
async fn changed(scene: &Scene, count: usize) -> anyhow::Result<Value> {
    let event = scene.event("credentials.changed", count).await?;
    ensure!(event.draft.actor.as_deref() == Some("manager"), "{event:?}");
    let facts = event.draft.detail.context("its facts")?;
    ensure!(facts["via"] == "web", "{facts}");
    Ok(facts)
}

async fn login(tab: &Tab, scene: &Scene, query: &str) -> anyhow::Result<()> {
    tab.open(&format!("{}{query}#cards", scene.url)).await?;
    tab.until("the login", "!document.getElementById('login-form').hidden").await?;
    fill(tab, &[("login-name", "manager"), ("login-password", PASSWORD)]).await?;
    tab.press("Enter").await?;
    tab.until("the cards", "!document.getElementById('cards-part').hidden").await
}

async fn set(tab: &Tab, field: &str, value: &str) -> anyhow::Result<()> {
    let script = format!(
        "(() => {{ const field = {field}; field.value = {value:?}; \
         for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()"
    );
    tab.eval(&script).await.map(drop)
}

/// The field with this label in the form of a new card.
fn field(label: &str) -> String {
    format!(
        "[...document.querySelectorAll('#card-form label')].find((n) => \
         n.textContent.trim().startsWith({label:?})).querySelector('input, select')"
    )
}

/// The button of a card in the list.
async fn press(tab: &Tab, of: &str, text: &str) -> anyhow::Result<()> {
    let button = format!(
        "[...document.querySelectorAll('#cards .credential')].find((n) => n.textContent.includes({of:?}))\
         ?.querySelectorAll('button')"
    );
    let script = format!("[...{button}].find((n) => n.textContent === {text:?}).click()");
    tab.eval(&script).await.map(drop)
}

#[tokio::test]
async fn a_card_is_read_at_a_reader_given_rights_blocked_and_removed() -> anyhow::Result<()> {
    let scene = scene().await?;
    let shots = shots()?;
    let installer = scene.installer().await?;
    scene.account(&installer, "manager").await?;
    let browser = Browser::start().await?;
    let phone = tab(&browser, PHONE).await?;
    login(&phone, &scene, "?lang=zh&theme=dark").await?;
    phone.screenshot(&shots.join("41-phone-cards.png")).await?;
    whole(&phone).await?;
    phone.click("#card-enrol").await?;
    let said = "document.getElementById('card-read').textContent";
    phone.until("what to do", &format!("{said}.includes('前门')")).await?;
    // A card before the rules have heard of it is a stranger's; so it is presented until it is wanted.
    let captured = until("the card to be read", PATIENCE, async || {
        present(&scene, 4567, "access.denied").await?;
        Ok(of(&scene, "credential.captured").await?.pop())
    })
    .await?;
    let hash = hash(&scene, 4567)?;
    ensure!(captured.draft.actor.as_deref() == Some(&*hash.to_string()), "{captured:?}");
    ensure!(captured.draft.detail.context("facts")?["by"] == "manager");
    // In the record it is an access that was denied, like any other, right before.
    let denied = of(&scene, "access.denied").await?.pop().context("denied")?;
    ensure!(denied.seq.0 + 1 == captured.seq.0, "{denied:?} {}", captured.seq);
    ensure!(denied.draft.cause.as_deref() == Some("unknown"), "{denied:?}");
    ensure!(denied.draft.actor == captured.draft.actor, "{denied:?}");
    ensure!(of(&scene, "access.granted").await?.is_empty());
    let short = hash.to_string()[..8].to_owned();
    phone.until("the card", &format!("{said}.includes({short:?})")).await?;
    ensure!(!list(&scene)?.contains("[[credential]]"), "reading it adds nothing");
    set(&phone, &field("持有者"), "Flat 3 三号").await?;
    set(&phone, &field("失效日期"), "2099-12-31").await?;
    set(&phone, &field("可开"), "these").await?;
    phone.eval("document.querySelector('#card-form .these [value=\"door-0\"]').click()").await?;
    phone.eval("document.getElementById('card-may').scrollIntoView()").await?;
    phone.screenshot(&shots.join("42-phone-new-card.png")).await?;
    whole(&phone).await?;
    phone.resize(NARROW).await?;
    whole(&phone).await?;
    phone.resize(PHONE).await?;
    phone.click("#card-add").await?;
    phone.until("it in the list", "document.querySelector('#cards .credential')").await?;
    let facts = changed(&scene, 1).await?;
    ensure!(facts["added"] == json!([hash]) && facts["credentials"] == 1, "{facts}");
    let text = list(&scene)?;
    let wanted = format!(
        "# Who may pass.\n\n[[credential]]\nhash = \"{hash}\"\nlabel = \"Flat 3 三号\"\nuntil = 2099-12-31\n\
         doors = [\"door-0\"]\n"
    );
    ensure!(text == wanted, "{text}");
    present(&scene, 4567, "access.granted").await?;
    // Lost: one tap, and it is refused.
    press(&phone, "Flat 3", "停用").await?;
    phone
        .until(
            "it to be blocked",
            "document.querySelector('.credential').dataset.state === 'blocked'",
        )
        .await?;
    phone.eval("document.getElementById('cards').scrollIntoView()").await?;
    phone.screenshot(&shots.join("43-phone-blocked.png")).await?;
    whole(&phone).await?;
    ensure!(changed(&scene, 2).await?["changed"] == json!([hash]));
    let denied = present(&scene, 4567, "access.denied").await?;
    ensure!(denied.draft.cause.as_deref() == Some("blocked"), "{denied:?}");
    by_number(&scene, &browser, &shots).await?;
    // Found again: asked once more, and it passes.
    phone.click("nav [data-view='cards']").await?;
    phone.until("both", "document.querySelectorAll('#cards .credential').length === 2").await?;
    press(&phone, "Flat 3", "恢复").await?;
    phone.until("the question", "document.getElementById('ask').open").await?;
    phone.click("#ask-yes").await?;
    phone
        .until("it to be valid", "document.querySelector('.credential').dataset.state === 'valid'")
        .await?;
    present(&scene, 4567, "access.granted").await?;
    press(&phone, "Flat 3", "删除").await?;
    phone.until("the question", "document.getElementById('ask').open").await?;
    phone.click("#ask-yes").await?;
    phone.until("one left", "document.querySelectorAll('#cards .credential').length === 1").await?;
    let denied = present(&scene, 4567, "access.denied").await?;
    ensure!(denied.draft.cause.as_deref() == Some("unknown"), "{denied:?}");
    ensure!(
        list(&scene)?.starts_with("# Who may pass.\n")
            && !list(&scene)?.contains(&hash.to_string())
    );
    Ok(())
}

/// On a computer, in English: a card by what is printed on it, and then other rights.
async fn by_number(
    scene: &Scene,
    browser: &Browser,
    shots: &std::path::Path,
) -> anyhow::Result<()> {
    let desk = tab(browser, DESK).await?;
    login(&desk, scene, "?lang=en&theme=light").await?;
    desk.eval("document.querySelector('[name=\"card-by\"][value=\"number\"]').click()").await?;
    set(&desk, "document.getElementById('card-facility')", "123").await?;
    set(&desk, "document.getElementById('card-number')", "31337").await?;
    set(&desk, &field("Whose"), "Cleaners").await?;
    desk.eval("document.querySelector('#card-form .windows > button').click()").await?;
    desk.screenshot(&shots.join("44-cards.png")).await?;
    whole(&desk).await?;
    desk.click("#card-add").await?;
    desk.until("two cards", "document.querySelectorAll('#cards .credential').length === 2").await?;
    let hash = hash(scene, 31337)?;
    ensure!(changed(scene, 3).await?["added"] == json!([hash]));
    let text = list(scene)?;
    ensure!(text.contains("weekly = [\"mon,tue,wed,thu,fri 06:00-18:00\"]"), "{text}");
    // Other rights: at any time, and no door at all.
    press(&desk, "Cleaners", "Change").await?;
    desk.until("the fields", "document.querySelector('.card-edit')").await?;
    desk.eval("document.querySelector('.card-edit .window > button').click()").await?;
    let opens = "[...document.querySelectorAll('.card-edit select')][0]";
    set(&desk, opens, "these").await?;
    desk.screenshot(&shots.join("45-card-change.png")).await?;
    whole(&desk).await?;
    desk.click(".card-edit .primary").await?;
    desk.until("it saved", "!document.querySelector('.card-edit')").await?;
    ensure!(changed(scene, 4).await?["changed"] == json!([hash]));
    let text = list(scene)?;
    ensure!(
        text.contains("label = \"Cleaners\"\ndoors = []\n") && !text.contains("weekly"),
        "{text}"
    );
    let denied = present(scene, 31337, "access.denied").await?;
    ensure!(denied.draft.cause.as_deref() == Some("wrong-area"), "{denied:?}");
    // Neither number stands anywhere that somebody reads.
    let events = format!("{:?}", scene.gateway.events().await?);
    let log = format!("{:?}", scene.gateway.log().all());
    for number in ["31337", "4567"] {
        ensure!(
            !log.contains(&format!(" {number}")) && !list(scene)?.contains(&format!("\"{number}"))
        );
        ensure!(
            !events.contains(&format!("\"{number}\""))
                && !events.contains(&format!("Number({number})"))
        );
    }
    Ok(())
}

fn body(card: &Value, may: &Value) -> Value {
    let mut body = card.clone();
    body["may"] = may.clone();
    body
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_and_whoever_may_not_is_refused_at_all()
-> anyhow::Result<()> {
    let scene = scene().await?;
    let installer = scene.installer().await?;
    let manager = scene.account(&installer, "manager").await?;
    let none = json!({});
    let printed = |facility: u32, number: u64| json!({ "printed": { "format": "h10301", "facility": facility, "number": number } });
    for (card, error) in [
        (printed(256, 1), "card"),
        (printed(1, 65_536), "card"),
        (json!({ "printed": { "format": "h9", "number": 1 } }), "card"),
        (json!({ "credential": "12345678" }), "card"),
        (json!({}), "card"),
        (json!({ "pin": "12", "printed": { "format": "h10301", "number": 1 } }), "pin"),
    ] {
        let answer = manager.post("/api/credentials", &body(&card, &none)).await?;
        ensure!(answer.status == 400 && answer.error() == error, "{card}: {answer:?}");
    }
    for (may, told) in [
        (json!({ "doors": ["attic"] }), "names \"attic\""),
        (json!({ "from": "2026-01-01\nduress = true" }), "a day, as 2026-03-31"),
        (json!({ "from": "2026-02-02", "until": "2026-02-01" }), "never valid"),
        (json!({ "weekly": ["sometimes"] }), "days and hours, as"),
        (json!({ "label": "x".repeat(65) }), "64"),
    ] {
        let answer = manager.post("/api/credentials", &body(&printed(1, 1), &may)).await?;
        let text = answer.json()["text"].as_str().unwrap_or_default().to_owned();
        ensure!(answer.error() == "mistakes" && text.contains(told), "{may}: {answer:?}");
        ensure!(!text.contains("/tmp") && text.contains("credentials.toml"), "{text}");
    }
    ensure!(
        list(&scene)? == "# Who may pass.\n" && scene.recorded("credentials.changed").await? == 0
    );
    let with_pin =
        json!({ "pin": "1984", "printed": { "format": "h10301", "facility": 1, "number": 9 } });
    let made = manager.post("/api/credentials", &body(&with_pin, &json!({ "label": "L" }))).await?;
    ensure!(made.status == 200, "{made:?}");
    let card = made.json()["credential"].as_str().context("its hash")?.to_owned();
    let again = manager.post("/api/credentials", &body(&printed(1, 9), &none)).await?;
    ensure!((again.status, &*again.error()) == (409, "there"), "{again:?}");
    // Neither PIN nor duress leaves the box, and a change keeps both.
    let mut text = list(&scene)?;
    ensure!(text.contains("\npin = \"") && !text.contains("1984"), "{text}");
    text.push_str("duress = true\n");
    std::fs::write(path(&scene), &text)?;
    let may = json!({ "label": "M" });
    let answer = manager.post(&format!("/api/credentials/{card}/change"), &may).await?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(list(&scene)? == text.replace("\"L\"", "\"M\""), "{}", list(&scene)?);
    let shown = manager.get("/api/credentials").await?;
    let entry = &shown.json()["entries"][0];
    ensure!(entry["pin"] == true && entry["label"] == "M" && entry["state"] == "valid", "{entry}");
    ensure!(!String::from_utf8_lossy(&shown.body).contains("duress"), "{shown:?}");
    for unknown in ["0".repeat(32), "x".to_owned()] {
        let answer = manager.post(&format!("/api/credentials/{unknown}/block"), &none).await?;
        ensure!((answer.status, &*answer.error()) == (404, "unknown"), "{answer:?}");
    }
    // Whoever may not, and whoever's page does not ask.
    let before = list(&scene)?;
    let mut forged = manager.clone();
    forged.csrf = Some("0".to_owned());
    for role in ["guard", "auditor"] {
        let client = scene.account(&manager, role).await?;
        ensure!(client.get("/api/credentials").await?.error() == "role");
        for path in
            [format!("/api/credentials/{card}/remove"), "/api/readers/front/enrol".to_owned()]
        {
            let refused = client.post(&path, &none).await?;
            ensure!((refused.status, &*refused.error()) == (403, "role"), "{refused:?}");
            let refused = forged.post(&path, &none).await?;
            ensure!((refused.status, &*refused.error()) == (403, "csrf"), "{refused:?}");
        }
    }
    ensure!(list(&scene)? == before);
    // A list that somebody has spoilt by hand is shown as that, and not made worse.
    std::fs::write(path(&scene), format!("{before}\n[[credential]]\nhash = \"x\"\n"))?;
    let spoilt = manager.get("/api/credentials").await?;
    ensure!(spoilt.error() == "mistakes", "{spoilt:?}");
    let refused = manager.post(&format!("/api/credentials/{card}/block"), &none).await?;
    ensure!(refused.error() == "mistakes", "{refused:?}");
    ensure!(!String::from_utf8_lossy(&refused.body).contains("/tmp"), "{refused:?}");
    ensure!(list(&scene)?.contains("hash = \"x\""));
    Ok(())
}

/// Says for ever that no card is wanted any more.
async fn gives_up(client: &Client) -> anyhow::Result<Answer> {
    loop {
        client.post("/api/readers/front/enrol/end", &json!({})).await?;
    }
}

#[tokio::test]
async fn whoever_waits_for_a_card_may_give_up_and_nobody_else_ends_it() -> anyhow::Result<()> {
    let scene = scene().await?;
    let installer = scene.installer().await?;
    let manager = scene.account(&installer, "manager").await?;
    let none = json!({});
    let nowhere = manager.post("/api/readers/attic/enrol", &none).await?;
    ensure!((nowhere.status, &*nowhere.error()) == (404, "unknown"), "{nowhere:?}");
    // Another account's end is none: the card comes all the same.
    let card = async {
        until("the card to be read", PATIENCE, async || {
            installer.post("/api/readers/front/enrol/end", &none).await?;
            present(&scene, 77, "access.denied").await?;
            Ok(of(&scene, "credential.captured").await?.pop())
        })
        .await
    };
    let (read, captured) = tokio::join!(manager.post("/api/readers/front/enrol", &none), card);
    captured?;
    ensure!(read?.json()["credential"] == json!(hash(&scene, 77)?));
    // One's own is, long before its time is over.
    let begun = tokio::time::Instant::now();
    let ended = tokio::select! {
        answer = manager.post("/api/readers/front/enrol", &none) => answer,
        never = gives_up(&manager) => never,
    };
    let ended = ended?;
    ensure!(ended.error() == "refused" && ended.json()["reason"] == "time-out", "{ended:?}");
    ensure!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    present(&scene, 78, "access.denied").await?;
    ensure!(of(&scene, "credential.captured").await?.len() == 1, "nobody waits any more");
    ensure!(of(&scene, "access.granted").await?.is_empty());
    Ok(())
}
