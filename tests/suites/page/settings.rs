//! The settings as a new property manager and an installer meet them, in a real browser: three doors get
//! names, a schedule is changed, and a broker that is not there is put back by itself.

use anyhow::{Context as _, ensure};
use gatehouse_tests::browser::PHONE;
use gatehouse_tests::wait::until;
use gatehouse_tests::{Browser, Tab};
use serde_json::{Value, json};

use crate::scene::{PASSWORD, PATIENCE, Scene};
use crate::story::{DESK, NARROW, fill, shots, tab, whole};

const SCHEDULE: &str = "# People leave at ten.\n[[schedule]]\nid = \"night\" # the shop's\npartition = \"shop\"\n\
    days = [\"monday\", \"friday\"]\narm-at = \"22:00\"\nwarning-min = 0\n";

/// The settings are drawn, and nothing is under way that draws them anew.
pub(crate) const DRAWN: &str = "document.getElementById('settings-form').dataset.drawn";

pub(crate) const REVIEW: &str = "document.getElementById('review').open";

/// Sets a field as somebody types it.
pub(crate) async fn set(tab: &Tab, field: &str, text: &str) -> anyhow::Result<()> {
    let script = format!(
        "(() => {{ const field = {field}; field.value = {text:?}; \
         field.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
    );
    tab.eval(&script).await.map(drop)
}

/// The field with this label within an entry.
pub(crate) fn field(entry: &str, label: &str) -> String {
    format!(
        "[...[...document.querySelectorAll('.names, .entry')].find((n) => \
         n.textContent.includes({entry:?})).querySelectorAll('label')].find((n) => \
         n.textContent.trim().startsWith({label:?})).querySelector('input, select')"
    )
}

pub(crate) async fn look(tab: &Tab) -> anyhow::Result<()> {
    tab.eval("document.getElementById('settings-review').click()").await?;
    tab.until("what would change", REVIEW).await
}

pub(crate) async fn apply(tab: &Tab) -> anyhow::Result<()> {
    tab.click("#review-yes").await?;
    tab.until("the end of the question", &format!("!{REVIEW}")).await
}

pub(crate) async fn login(tab: &Tab, scene: &Scene, name: &str, query: &str) -> anyhow::Result<()> {
    tab.open(&format!("{}{query}#settings", scene.url)).await?;
    tab.until("the login", "!document.getElementById('login-form').hidden").await?;
    fill(tab, &[("login-name", name), ("login-password", PASSWORD)]).await?;
    tab.press("Enter").await?;
    tab.until("the settings", DRAWN).await
}

#[tokio::test]
async fn a_new_manager_names_doors_changes_a_schedule_and_a_dead_broker_comes_back()
-> anyhow::Result<()> {
    let scene = Scene::with(false, |options| {
        options.extra.push_str(SCHEDULE);
        options.doors = 2;
        options.gateway.push_str("confirm-within-s = 8\n");
    })
    .await?;
    let shots = shots()?;
    let installer = scene.installer().await?;
    scene.account(&installer, "manager").await?;
    let browser = Browser::start().await?;
    let desk = tab(&browser, DESK).await?;
    login(&desk, &scene, "manager", "?lang=en&theme=light").await?;
    desk.screenshot(&shots.join("21-settings.png")).await?;
    whole(&desk).await?;
    ensure!(desk.eval("document.getElementById('network-part').hidden").await? == true);

    // Three names; what they are is in the file, and nothing else has changed.
    let before = std::fs::read_to_string(scene.gateway.config())?;
    set(&desk, &field("door-0", "door-0"), "Front door 前门").await?;
    set(&desk, &field("door-1", "door-1"), "Garage").await?;
    set(&desk, &field("window", "window"), "Shop window").await?;
    look(&desk).await?;
    let diff = desk.eval("document.getElementById('review-diff').textContent").await?;
    let diff = diff.as_str().context("a text")?.to_owned();
    ensure!(
        diff.contains("+ name = \"Front door 前门\"") && diff.contains("− name = \"Window 窗\""),
        "{diff}"
    );
    let replay = desk.eval("document.getElementById('review-replay').textContent").await?;
    ensure!(replay == "Nothing changes that an alarm depends on.", "{replay}");
    desk.eval("document.getElementById('review-lines').open = true").await?;
    desk.screenshot(&shots.join("22-settings-review.png")).await?;
    whole(&desk).await?;
    ensure!(std::fs::read_to_string(scene.gateway.config())? == before, "only looked at");
    apply(&desk).await?;
    let applied = scene.event("config.applied", 1).await?;
    let facts = applied.draft.detail.context("its facts")?;
    ensure!(facts["via"] == "web" && facts["account"] == "manager", "{facts}");
    let named = json!(["door.door-0.name", "door.door-1.name", "zone.window.name"]);
    ensure!(facts["changed"] == named, "{facts}");
    let text = std::fs::read_to_string(scene.gateway.config())?;
    ensure!(
        text.contains("# People leave at ten.") && text.contains("id = \"night\" # the shop's")
    );
    desk.click("nav [data-view='now']").await?;
    let shown = "document.getElementById('groups').textContent.includes('Front door 前门')";
    desk.until("the new name", shown).await?;

    // Another time, another day, and one more schedule that is wrong at first.
    desk.click("nav [data-view='settings']").await?;
    desk.until("the settings", DRAWN).await?;
    set(&desk, &field("night", "Arms at"), "23:15").await?;
    desk.eval("document.querySelector('#schedules [value=\"saturday\"]').click()").await?;
    desk.eval("document.getElementById('schedule-add').click()").await?;
    set(&desk, "document.querySelector('.entry.new input')", "Morning").await?;
    look(&desk).await?;
    let mistakes = desk.eval("document.getElementById('review-mistakes').textContent").await?;
    let mistakes = mistakes.as_str().context("a text")?;
    ensure!(mistakes.contains("gateway.toml:") && mistakes.contains("hint"), "{mistakes}");
    ensure!(!mistakes.contains("/tmp"), "{mistakes}");
    desk.screenshot(&shots.join("23-settings-mistakes.png")).await?;
    ensure!(desk.eval("document.getElementById('review-yes').hidden").await? == true);
    desk.click("#review-no").await?;
    set(&desk, "document.querySelector('.entry.new input')", "morning").await?;
    set(&desk, &field("Id, as", "Disarms at"), "07:30").await?;
    look(&desk).await?;
    let replay = desk.eval("document.getElementById('review-replay').textContent").await?;
    ensure!(replay.as_str().is_some_and(|it| it.contains("not played again")), "{replay}");
    apply(&desk).await?;
    scene.event("config.applied", 2).await?;
    let told = scene.says(&["schedule"]).await?;
    ensure!(told.contains("23:15") && told.contains("07:30"), "{told}");
    let text = std::fs::read_to_string(scene.gateway.config())?;
    ensure!(text.contains("days = [\"monday\", \"friday\", \"saturday\"]"), "{text}");
    whole(&desk).await?;
    dead_broker(&scene, &browser, &shots, &desk).await
}

/// The installer, on a phone, cuts the box off; it comes back by itself.
async fn dead_broker(
    scene: &Scene,
    browser: &Browser,
    shots: &std::path::Path,
    desk: &Tab,
) -> anyhow::Result<()> {
    let phone = tab(browser, PHONE).await?;
    login(&phone, scene, "in-1", "?lang=zh&theme=dark").await?;
    phone.screenshot(&shots.join("24-phone-settings.png")).await?;
    whole(&phone).await?;
    phone.resize(NARROW).await?;
    whole(&phone).await?;
    phone.resize(PHONE).await?;
    let before = std::fs::read_to_string(scene.gateway.config())?;
    set(&phone, &field("b-0", "端口"), "9").await?;
    look(&phone).await?;
    let warned = phone.eval("document.getElementById('review-warn').textContent").await?;
    ensure!(warned.as_str().is_some_and(|it| it.contains("8 秒")), "{warned}");
    phone.screenshot(&shots.join("25-phone-review.png")).await?;
    whole(&phone).await?;
    apply(&phone).await?;
    let bar = "!document.getElementById('unconfirmed').hidden";
    phone.until("the bar", bar).await?;
    desk.until("the bar on the manager's page, too", bar).await?;
    phone.screenshot(&shots.join("26-phone-unconfirmed.png")).await?;
    whole(&phone).await?;
    ensure!(std::fs::read_to_string(scene.gateway.config())? != before);
    // What happens meanwhile waits.
    scene.world.set(1, true);
    let back = scene.event("config.rolled_back", 1).await?;
    let facts = back.draft.detail.context("its facts")?;
    ensure!(facts["why"] == "not_confirmed", "{facts}");
    scene.event("door.opened", 1).await?;
    ensure!(std::fs::read_to_string(scene.gateway.config())? == before);
    phone.until("no bar", &format!("!({bar})")).await?;
    phone.until("the port of before", &format!("{}.value !== '9'", field("b-0", "端口"))).await?;
    // Kept, it stays; and what held is one tap away.
    set(&phone, &field("b-0", "地址"), "localhost").await?;
    look(&phone).await?;
    apply(&phone).await?;
    phone.until("the bar", bar).await?;
    phone.click("#unconfirmed-keep").await?;
    phone.until("no bar", &format!("!({bar})")).await?;
    phone.until("the settings", DRAWN).await?;
    let kept = scene.event("config.confirmed", 1).await?;
    let facts = kept.draft.detail.context("its facts")?;
    ensure!(facts["account"] == "in-1", "{facts}");
    scene.world.set(1, false);
    scene.event("door.closed", 1).await?;
    desk.click("nav [data-view='settings']").await?;
    let count = "document.querySelectorAll('#held .entry').length";
    until("what held", PATIENCE, async || {
        Ok((desk.eval(count).await?.as_u64() >= Some(5)).then_some(()))
    })
    .await?;
    desk.eval("document.getElementById('held').scrollIntoView()").await?;
    desk.screenshot(&shots.join("27-history.png")).await?;
    whole(desk).await?;
    let refused =
        desk.eval("[...document.querySelectorAll('#held button')].at(-1).click()").await?;
    ensure!(refused == Value::Null);
    tab_says(desk, "may not do this").await?;
    desk.click("#review-no").await?;
    phone.eval("[...document.querySelectorAll('#held button')].at(-1).click()").await?;
    phone.until("what would change", REVIEW).await?;
    apply(&phone).await?;
    phone.until("the bar", bar).await?;
    phone.click("#unconfirmed-keep").await?;
    scene.event("config.confirmed", 2).await?;
    let text = std::fs::read_to_string(scene.gateway.config())?;
    ensure!(!text.contains("前门") && text.contains("22:00"), "{text}");
    Ok(())
}

/// Whether the dialog says this.
async fn tab_says(tab: &Tab, text: &str) -> anyhow::Result<()> {
    let says = format!("document.getElementById('review-why').textContent.includes({text:?})");
    tab.until("why not", &says).await
}
