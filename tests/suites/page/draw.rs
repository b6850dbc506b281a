//! What cameras hide and where they look for motion, drawn in a real browser: by mouse, keys and finger;
//! it is in the file as anybody would write it, and the picture of now is hidden by it.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use gatehouse_tests::browser::PHONE;
use gatehouse_tests::wait::until;
use gatehouse_tests::{Browser, Tab};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::client::Client;
use crate::scene::{PATIENCE, Scene};
use crate::settings::{apply, login, look};
use crate::story::{DESK, NARROW, shots, tab, whole};

/// The picture is to be seen.
const SEEN: &str = "document.getElementById('shape-image').naturalWidth === 640 && \
                    !document.getElementById('shape-image').hidden";

/// The luma of a picture of 640x360, as ffmpeg decodes it.
async fn luma(jpeg: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "mjpeg", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("piped above")?;
    stdin.write_all(jpeg).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    ensure!(output.stdout.len() == 640 * 360, "{} bytes", output.stdout.len());
    Ok(output.stdout)
}

/// The brightest that the picture of now has within a rectangle: pixels from x to x, from y to y.
async fn brightest(client: &Client, of: [usize; 4]) -> anyhow::Result<Option<u8>> {
    let taken = client.post("/api/cameras/vault/picture", &json!({})).await?;
    // Its unit is just built anew, or has no picture yet.
    let Some(url) = taken.json()["url"].as_str().map(str::to_owned) else { return Ok(None) };
    let luma = luma(&client.get(&url).await?.body).await?;
    let [from_x, to_x, from_y, to_y] = of;
    let rows = luma.chunks_exact(640).skip(from_y).take(to_y - from_y);
    Ok(rows.flat_map(|row| &row[from_x..to_x]).max().copied())
}

/// Where a part of the picture is on the screen.
async fn at(tab: &Tab, x: f64, y: f64) -> anyhow::Result<(f64, f64)> {
    let script = "(() => { const node = document.getElementById('shape-stage'); \
                  node.scrollIntoView({ block: 'center' }); const r = node.getBoundingClientRect(); \
                  return [r.x, r.y, r.width, r.height]; })()";
    let of = tab.eval(script).await?;
    let of = |n: usize| of[n].as_f64().context("a number");
    Ok((of(0)? + x * of(2)?, of(1)? + y * of(3)?))
}

async fn mouse(tab: &Tab, kind: &str, (x, y): (f64, f64)) -> anyhow::Result<()> {
    let buttons = u8::from(kind != "mouseReleased");
    let params = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1});
    tab.call("Input.dispatchMouseEvent", params).await.map(drop)
}

async fn drag(tab: &Tab, from: (f64, f64), to: (f64, f64)) -> anyhow::Result<()> {
    let (from, to) = (at(tab, from.0, from.1).await?, at(tab, to.0, to.1).await?);
    mouse(tab, "mousePressed", from).await?;
    mouse(tab, "mouseMoved", (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1))).await?;
    mouse(tab, "mouseMoved", to).await?;
    mouse(tab, "mouseReleased", to).await
}

async fn tap(tab: &Tab, (x, y): (f64, f64)) -> anyhow::Result<()> {
    let (x, y) = at(tab, x, y).await?;
    tab.call(
        "Input.dispatchTouchEvent",
        json!({"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}),
    )
    .await?;
    tab.call("Input.dispatchTouchEvent", json!({"type": "touchEnd", "touchPoints": []}))
        .await
        .map(drop)
}

fn text(scene: &Scene) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(scene.gateway.config())?)
}

/// The outlines of `masks` in the file, each as its corners.
fn masks(text: &str) -> anyhow::Result<Vec<Vec<[f64; 2]>>> {
    let file: toml::Table = text.parse()?;
    let list = file["camera"][0].get("masks").and_then(toml::Value::as_array);
    let outline = |mask: &toml::Value| -> anyhow::Result<Vec<[f64; 2]>> {
        let corners = mask.as_str().context("a text")?.split(' ').map(|corner| {
            let (x, y) = corner.split_once(',').context("a corner")?;
            anyhow::Ok([x.parse::<f64>()?, y.parse::<f64>()?])
        });
        corners.collect()
    };
    list.map_or(Ok(Vec::new()), |list| list.iter().map(outline).collect())
}

#[tokio::test]
async fn a_mask_that_is_drawn_is_in_the_file_and_hides_its_part_of_the_picture_of_now()
-> anyhow::Result<()> {
    let scene = Scene::with(true, |options| {
        options.extra = options.extra.replace("[[camera]]", "# Over the safe.\n[[camera]]");
    })
    .await?;
    let shots = shots()?;
    let installer = scene.installer().await?;
    let manager = scene.account(&installer, "manager").await?;
    scene.sees().await?;
    // Within what is drawn below, by some pixels: JPEG blurs its blocks.
    let inside = [336, 560, 116, 280];
    let before = until("a picture", PATIENCE, async || brightest(&manager, inside).await).await?;
    ensure!(before > 150, "there must be something to hide: {before}");

    let browser = Browser::start().await?;
    let desk = tab(&browser, DESK).await?;
    login(&desk, &scene, "manager", "?lang=en&theme=light").await?;
    let looked = scene.recorded("page.looked").await?;
    desk.click("#shape-cameras button").await?;
    desk.until("the picture of now", SEEN).await?;
    ensure!(scene.recorded("page.looked").await? == looked + 1, "the look is recorded");
    desk.click("#mask-add").await?;
    drag(&desk, (0.5, 0.3), (0.9, 0.8)).await?;
    desk.until("the mask", "document.querySelectorAll('#shape-handles .corner').length === 4")
        .await?;
    // By keys: a corner to the right, and one more between it and the next, which is taken out again.
    let corner = "document.querySelectorAll('#shape-handles .corner')[1]";
    desk.eval(&format!("{corner}.focus()")).await?;
    let place = format!("{corner}.style.left");
    let left = desk.eval(&place).await?;
    desk.press("ArrowRight").await?;
    desk.until("the corner further right", &format!("{place} !== {left}")).await?;
    desk.press("ArrowLeft").await?;
    desk.until("the corner where it was", &format!("{place} === {left}")).await?;
    desk.press("+").await?;
    let corners = "document.querySelectorAll('#shape-handles .corner').length";
    desk.until("five corners", &format!("{corners} === 5")).await?;
    desk.press("Delete").await?;
    desk.until("four corners", &format!("{corners} === 4")).await?;
    desk.eval("document.getElementById('shapes-part').scrollIntoView()").await?;
    desk.screenshot(&shots.join("31-mask-drawn.png")).await?;
    whole(&desk).await?;
    // Nothing holds before somebody has looked at the lines.
    let file = text(&scene)?;
    look(&desk).await?;
    let diff = desk.eval("document.getElementById('review-diff').textContent").await?;
    ensure!(diff.as_str().is_some_and(|it| it.contains("+ masks = [\"")), "{diff}");
    desk.screenshot(&shots.join("32-mask-review.png")).await?;
    ensure!(text(&scene)? == file, "only looked at");
    apply(&desk).await?;
    let applied = scene.event("config.applied", 1).await?.draft.detail.context("its facts")?;
    ensure!(applied["changed"] == json!(["camera.vault.masks"]), "{applied}");
    ensure!(applied["account"] == "manager", "{applied}");
    let now = text(&scene)?;
    ensure!(now.contains("# Over the safe."), "{now}");
    let drawn = masks(&now)?;
    ensure!(drawn.len() == 1 && drawn[0].len() == 4, "{drawn:?}");
    for (corner, wanted) in drawn[0].iter().zip([[0.5, 0.3], [0.9, 0.3], [0.9, 0.8], [0.5, 0.8]]) {
        let apart = (corner[0] - wanted[0]).abs().max((corner[1] - wanted[1]).abs());
        ensure!(apart < 0.01, "{drawn:?}");
    }
    // The proof: bytes of the picture that the page itself gives.
    let dark = until("a picture that is hidden there", PATIENCE, async || {
        Ok(brightest(&manager, inside).await?.filter(|brightest| *brightest < 40))
    });
    dark.await?;
    let outside = brightest(&manager, [30, 290, 20, 340]).await?;
    ensure!(outside > Some(150), "the rest is to be seen: {outside:?}");
    desk.until(
        "the settings as they hold",
        "document.querySelectorAll('#shapes .mask').length === 1",
    )
    .await?;
    desk.click("#shape-picture").await?;
    desk.until("the picture of now", SEEN).await?;
    desk.eval("document.getElementById('shapes-part').scrollIntoView()").await?;
    desk.screenshot(&shots.join("33-masked.png")).await?;
    whole(&desk).await?;
    // Another view: nothing of the picture stays.
    desk.click("nav [data-view='now']").await?;
    ensure!(
        desk.eval("document.getElementById('shape-image').hasAttribute('src')").await? == false
    );
    by_finger(&scene, &browser, &shots).await?;
    taken_out(&scene, &manager, inside).await
}

/// A motion area, in Chinese, on a phone: first one that crosses itself.
async fn by_finger(scene: &Scene, browser: &Browser, shots: &Path) -> anyhow::Result<()> {
    let phone = tab(browser, PHONE).await?;
    phone.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await?;
    login(&phone, scene, "manager", "?lang=zh&theme=dark").await?;
    phone.click("#shape-cameras button").await?;
    phone.until("the picture of now", SEEN).await?;
    phone.click("#area-add").await?;
    for corner in [(0.1, 0.2), (0.4, 0.8), (0.4, 0.2), (0.1, 0.8)] {
        tap(&phone, corner).await?;
    }
    phone
        .until("four dots", "document.querySelectorAll('#shape-handles .dot').length === 4")
        .await?;
    phone.screenshot(&shots.join("34-phone-drawing.png")).await?;
    phone.click("#shape-finish").await?;
    let why =
        "[...document.querySelectorAll('#shapes .area .why')].map((n) => n.textContent).join('')";
    phone.until("why not", &format!("{why}.includes('交叉')")).await?;
    phone.eval("document.getElementById('shape-editor').scrollIntoView()").await?;
    phone.screenshot(&shots.join("35-phone-crosses.png")).await?;
    whole(&phone).await?;
    phone.resize(NARROW).await?;
    whole(&phone).await?;
    phone.resize(PHONE).await?;
    // The file's own judge says the same.
    look(&phone).await?;
    let mistakes = phone.eval("document.getElementById('review-mistakes').textContent").await?;
    ensure!(
        mistakes.as_str().is_some_and(|it| it.contains("crosses or touches itself")),
        "{mistakes}"
    );
    phone.click("#review-no").await?;
    phone.click("#shapes .area .buttons button:last-child").await?;
    phone.until("it to be gone", "!document.querySelector('#shapes .area')").await?;
    phone.click("#area-add").await?;
    for corner in [(0.1, 0.2), (0.4, 0.2), (0.4, 0.8), (0.1, 0.8)] {
        tap(&phone, corner).await?;
    }
    // On the first one again: that closes it.
    tap(&phone, (0.1, 0.2)).await?;
    let input = |label: &str| {
        format!(
            "[...document.querySelectorAll('#shapes .area label')].find((n) => \
             n.textContent.includes({label:?})).querySelector('input')"
        )
    };
    phone.until("the area", "document.querySelector('#shapes .area')").await?;
    for (label, value) in [("编号", "drive"), ("名称", "Drive 车道"), ("灵敏度", "8")] {
        let field = input(label);
        let typed = format!(
            "(() => {{ const field = {field}; field.value = {value:?}; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        );
        phone.eval(&typed).await?;
    }
    phone.eval(&format!("{}.click()", input("一律不计"))).await?;
    phone.eval("document.getElementById('shape-editor').scrollIntoView()").await?;
    phone.screenshot(&shots.join("36-phone-area.png")).await?;
    whole(&phone).await?;
    look(&phone).await?;
    phone.screenshot(&shots.join("37-phone-area-review.png")).await?;
    apply(&phone).await?;
    let applied = scene.event("config.applied", 2).await?.draft.detail.context("its facts")?;
    ensure!(applied["changed"] == json!(["camera.vault.area.drive"]), "{applied}");
    let file: toml::Table = text(scene)?.parse()?;
    let area = &file["camera"][0]["area"][0];
    ensure!(area["id"].as_str() == Some("drive"), "{area}");
    ensure!(area["name"].as_str() == Some("Drive 车道"), "{area}");
    ensure!(area["sensitivity"].as_integer() == Some(8), "{area}");
    ensure!(area["ignore"].as_bool() == Some(true), "{area}");
    let corners = area["shape"].as_str().context("a text")?.split(' ').count();
    ensure!(corners == 4, "{area}");
    Ok(())
}

/// A mask is taken out by whoever may, and by nobody else.
async fn taken_out(scene: &Scene, manager: &Client, inside: [usize; 4]) -> anyhow::Result<()> {
    let guard = scene.account(manager, "guard").await?;
    let auditor = scene.account(manager, "auditor").await?;
    let edits = json!([{ "do": "unset", "at": ["camera", "vault", "masks"] }]);
    for client in [&guard, &auditor] {
        let body = json!({ "edits": edits, "made_for": "0" });
        let refused = client.post("/api/settings/apply", &body).await?;
        ensure!((refused.status, &*refused.error()) == (403, "role"), "{refused:?}");
    }
    let body = json!({ "edits": edits });
    let mut forged = manager.clone();
    forged.csrf = Some("0".to_owned());
    let refused = forged.post("/api/settings/draft", &body).await?;
    ensure!((refused.status, &*refused.error()) == (403, "csrf"), "{refused:?}");
    let draft = manager.post("/api/settings/draft", &body).await?.json();
    let body = json!({ "edits": edits, "made_for": draft["before"] });
    let applied = manager.post("/api/settings/apply", &body).await?;
    ensure!(applied.status == 200, "{applied:?}");
    ensure!(masks(&text(scene)?)?.is_empty());
    until("a picture that shows it again", PATIENCE, async || {
        Ok(brightest(manager, inside).await?.filter(|brightest| *brightest > 150))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_bad_outline_is_refused_in_the_words_of_the_configuration() -> anyhow::Result<()> {
    let camera = "[[camera]]\nid = \"gate\"\nstream = \"rtsp://127.0.0.1:9/x\"\n\
                  masks = [\"0,0 0.5,0 0.5,0.5\"] # the flat\n";
    let scene = Scene::with(false, |options| options.extra.push_str(camera)).await?;
    let installer = scene.installer().await?;
    let manager = scene.account(&installer, "manager").await?;
    let shown = manager.get("/api/settings").await?.json();
    let of = &shown["tables"]["camera"][0];
    ensure!(of["masks"] == json!(["0,0 0.5,0 0.5,0.5"]) && of["stream"].is_null(), "{of}");
    let before = text(&scene)?;
    let long = vec!["0.1,0.1"; 65].join(" ");
    for (outline, word, told) in [
        ("0.1,0.1 0.2,0.2", "few", "too few corners"),
        ("0,0 1,1 1,0 0,1", "crosses", "crosses or touches itself"),
        ("0,0 1.5,0 1,1", "outside", "outside of the picture"),
        ("0,0 0.0001,0 0,0.0001", "small", "smaller than two pixels"),
        (long.as_str(), "many", "too many corners"),
        ("0,0 640,0 640,360", "pixels", "divide by the picture's width"),
        ("nonsense", "unreadable", "write corners as"),
    ] {
        let judged = manager.post("/api/settings/shapes", &json!({ "shapes": [outline] })).await?;
        ensure!(judged.json()["wrong"] == json!([word]), "{outline}: {judged:?}");
        let at = ["camera", "gate", "masks"];
        let edits = json!([{ "do": "set", "at": at, "value": [outline] }]);
        let draft = manager.post("/api/settings/draft", &json!({ "edits": edits })).await?;
        ensure!(draft.error() == "mistakes", "{outline}: {draft:?}");
        let text = draft.json()["text"].as_str().unwrap_or_default().to_owned();
        ensure!(text.contains(told) && text.contains("gateway.toml:"), "{text}");
    }
    let good = manager.post("/api/settings/shapes", &json!({ "shapes": ["0,0 1,0 1,1"] })).await?;
    ensure!(good.json()["wrong"] == json!([Value::Null]), "{good:?}");
    let many = json!({ "shapes": vec!["0,0 1,0 1,1"; 33] });
    ensure!(manager.post("/api/settings/shapes", &many).await?.error() == "step");
    // As much as a camera may have: every mask with every corner goes through.
    let corners = (0..63).map(|n| format!("{:.4},0.1", 0.1 + f64::from(n) * 0.01));
    let long = corners.chain(["0.9999,0.9999".to_owned()]).collect::<Vec<_>>().join(" ");
    let all: Vec<_> = (0..16).map(|n| long.replacen("0.1000", &format!("0.0{n:02}1"), 1)).collect();
    let edits = json!([{ "do": "set", "at": ["camera", "gate", "masks"], "value": all }]);
    ensure!(edits.to_string().len() > 8 * 1024, "larger than other things that a page sends");
    let draft = manager.post("/api/settings/draft", &json!({ "edits": edits })).await?;
    ensure!(draft.status == 200, "{draft:?}");
    // What no step may be: the stream, another key of an area, a whole camera.
    for edits in [
        json!([{ "do": "set", "at": ["camera", "gate", "stream"], "value": "rtsp://evil/" }]),
        json!([{ "do": "set", "at": ["camera", "gate", "mask-required"], "value": false }]),
        json!([{ "do": "remove", "at": ["camera", "gate"] }]),
        json!([{ "do": "add", "at": ["camera", "gate", "area"], "entry": { "id": "a", "tells": "never" } }]),
    ] {
        let refused = manager.post("/api/settings/draft", &json!({ "edits": edits })).await?;
        ensure!(refused.error() == "role", "{edits}: {refused:?}");
    }
    ensure!(text(&scene)? == before);
    Ok(())
}
