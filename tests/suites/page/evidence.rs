//! Pictures and clips over the page: recorded before a byte leaves, in parts as players ask, and never
//! what nobody at the site may notice.

use anyhow::{Context as _, ensure};
use gatehouse_core::event::Event;
use serde_json::json;

use crate::client::Client;
use crate::scene::{PATIENCE, SAFE, Scene, TILL};

/// The clip of the safe, once it is whole: its number and its file's bytes.
async fn clip(scene: &Scene) -> anyhow::Result<(u64, Vec<u8>)> {
    let clip = scene.event("camera.clip", 1).await?;
    let facts = clip.draft.detail.context("its facts")?;
    let name = facts["clip"]["ref"].as_str().context("its name")?;
    Ok((clip.seq.0, std::fs::read(scene.gateway.state().join("evidence/clips").join(name))?))
}

async fn look(client: &Client, seq: u64, verb: &str) -> anyhow::Result<String> {
    let answer = client.post(&format!("/api/evidence/{seq}/{verb}"), &json!({})).await?;
    ensure!(answer.status == 200, "{answer:?}");
    answer.json()["url"].as_str().map(str::to_owned).context("where")
}

#[tokio::test]
async fn a_clip_is_had_in_parts_by_whoever_wanted_it_and_each_look_is_recorded()
-> anyhow::Result<()> {
    let scene = Scene::start(true).await?;
    let installer = scene.installer().await?;
    let manager = scene.account(&installer, "manager").await?;
    let auditor = scene.account(&installer, "auditor").await?;
    scene.sees().await?;
    scene.world.set(SAFE, true);
    let (seq, bytes) = clip(&scene).await?;
    // On a busy machine the second picture is told behind the clip.
    scene.event("camera.snapshot", 2).await?;
    let listed = manager.get("/api/cameras/vault/evidence").await?.json();
    let listed = listed["evidence"].as_array().context("a list")?.clone();
    ensure!(listed.iter().any(|one| one["seq"] == seq && one["here"] == true), "{listed:?}");
    ensure!(listed.iter().filter(|one| one["what"] == "picture").count() == 2, "{listed:?}");
    ensure!(scene.recorded("page.looked").await? == 0, "a list is no look");
    let url = look(&manager, seq, "look").await?;
    // On flash before the first byte could have been had.
    let events = scene.gateway.events().await?;
    let looked: Vec<&Event> = events.iter().filter(|it| it.draft.kind == "page.looked").collect();
    ensure!(looked.len() == 1 && looked[0].draft.actor.as_deref() == Some("manager"), "{looked:?}");
    ensure!(looked[0].draft.source.id.as_str() == "vault", "{looked:?}");
    let all = manager.get(&url).await?;
    ensure!(all.status == 200 && all.body == bytes && all.header("accept-ranges").is_some());
    ensure!(all.header("content-type") == Some("video/mp4"));
    let length = bytes.len();
    for (range, from, to) in [
        ("bytes=0-1".to_owned(), 0, 2),
        (format!("bytes={}-", length - 100), length - 100, length),
        ("bytes=-7".to_owned(), length - 7, length),
        (format!("bytes=70000-{}", length * 2), 70_000, length),
    ] {
        let part = manager.send("GET", &url, &[("range", &range)], "").await?;
        ensure!(part.status == 206, "{range}: {}", part.status);
        ensure!(part.body == bytes[from..to], "{range}");
        let told = format!("bytes {from}-{}/{length}", to - 1);
        ensure!(part.header("content-range") == Some(&told), "{range}: {part:?}");
    }
    let behind = manager.send("GET", &url, &[("range", "bytes=99999999-")], "").await?;
    ensure!(behind.status == 416, "{behind:?}");
    // Nobody else has it under that number, not even another session of the same account.
    ensure!(installer.get(&url).await?.status == 404);
    ensure!(scene.stranger()?.get(&url).await?.status == 401);
    ensure!(auditor.get(&url).await?.error() == "role");
    let body = json!({ "name": "manager", "password": crate::scene::PASSWORD });
    let twin = scene.stranger()?.enter("/api/login", &body).await?;
    ensure!(twin.get(&url).await?.status == 404);
    // Taking it away is another right, and another event.
    let refused = installer.post(&format!("/api/evidence/{seq}/export"), &json!({})).await?;
    ensure!(refused.error() == "role", "{refused:?}");
    let saved = manager.get(&look(&manager, seq, "export").await?).await?;
    ensure!(saved.body == bytes);
    let how = saved.header("content-disposition").unwrap_or_default();
    ensure!(how.starts_with("attachment; filename=\"vault-"), "{how}");
    scene.event("page.exported", 1).await?;
    // Names never come from outside: numbers that are of nothing, and nonsense, find nothing.
    for wrong in ["1", "0", "999999999", "-1", "..%2f..%2fpage%2faccounts.toml", "vault-1.mp4"] {
        let answer = manager.post(&format!("/api/evidence/{wrong}/look"), &json!({})).await?;
        ensure!(matches!(answer.status, 400 | 404), "{wrong}: {answer:?}");
    }
    for wrong in ["..%2f..%2fpage%2faccounts.toml", "../../page/accounts.toml", "0", "%00"] {
        let answer = manager.get(&format!("/api/media/{wrong}")).await?;
        ensure!(matches!(answer.status, 400 | 404), "{wrong}: {answer:?}");
    }
    ensure!(scene.recorded("page.looked").await? == 1, "what is not there is not looked at");
    // A file that was swept is gone, and so says the list.
    std::fs::remove_dir_all(scene.gateway.state().join("evidence/clips"))?;
    let gone = manager.post(&format!("/api/evidence/{seq}/look"), &json!({})).await?;
    ensure!(gone.error() == "gone", "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn a_picture_of_now_is_taken_and_what_is_silent_is_seen_nowhere() -> anyhow::Result<()> {
    let scene = Scene::start(true).await?;
    let installer = scene.installer().await?;
    scene.sees().await?;
    let taken = installer.post("/api/cameras/vault/picture", &json!({})).await?;
    ensure!(taken.status == 200, "{taken:?}");
    let url = taken.json()["url"].as_str().context("where")?.to_owned();
    let picture = installer.get(&url).await?;
    ensure!(picture.header("content-type") == Some("image/jpeg"));
    ensure!(picture.body.starts_with(b"\xff\xd8\xff"), "{:?}", &picture.body[..8]);
    ensure!(scene.recorded("page.looked").await? == 1);
    let nobody = installer.post("/api/cameras/attic/picture", &json!({})).await?;
    ensure!(nobody.error() == "unknown", "{nobody:?}");
    scene.world.set(TILL, true);
    let silent = scene.event("camera.clip_silent", 1).await?;
    let panic = scene.event("panic.silent", 1).await?;
    let incident = panic.draft.detail.as_ref().and_then(|it| it["incident"].as_str());
    let incident = incident.context("its incident")?;
    let listed = installer.get("/api/cameras/vault/evidence").await?.json();
    let listed = listed["evidence"].as_array().context("a list")?;
    ensure!(listed.len() == 1, "only the picture that was wanted: {listed:?}");
    let answer = installer.post(&format!("/api/evidence/{}/look", silent.seq), &json!({})).await?;
    ensure!(answer.error() == "gone", "{answer:?}");
    let acked =
        installer.post(&format!("/api/incidents/{incident}/acknowledge"), &json!({})).await?;
    let none = installer.post("/api/incidents/none/acknowledge", &json!({})).await?;
    ensure!((acked.status, acked.error()) == (none.status, none.error()), "{acked:?} {none:?}");
    let events = installer.get("/api/events").await?.json().to_string();
    ensure!(events.contains("page.looked") && !events.contains("silent"), "{events}");
    let csv = installer.post("/api/events/export", &json!({})).await?;
    let csv = String::from_utf8(csv.body)?;
    ensure!(csv.contains("page.looked") && !csv.contains("silent"), "{csv}");
    ensure!(csv.lines().count() > 5 && csv.starts_with('\u{feff}'), "{csv}");
    Ok(())
}

#[tokio::test]
async fn ten_open_pages_cost_little_memory_and_all_hear_of_a_door() -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let scene = Scene::start(true).await?;
    let installer = scene.installer().await?;
    scene.sees().await?;
    let before = scene.rss().await?;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let body = json!({ "name": "in-1", "password": crate::scene::PASSWORD });
        let client = scene.stranger()?.enter("/api/login", &body).await?;
        let cookie = client.cookie.clone().context("a cookie")?;
        let mut stream = client.connect().await?;
        let host = scene.port.address();
        let head = format!("GET /api/live HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        streams.push(stream);
    }
    scene.world.set(0, true);
    for stream in &mut streams {
        let mut text = String::new();
        let mut piece = vec![0; 16 * 1024];
        while !(text.contains("\"state\":\"open\"") && text.contains("event: beat")) {
            let count = tokio::time::timeout(PATIENCE, stream.read(&mut piece)).await??;
            ensure!(count > 0, "the stream ended: {text}");
            text.push_str(std::str::from_utf8(&piece[..count])?);
        }
    }
    let after = scene.rss().await?;
    println!("RSS with ten open pages: {before} KiB before, {after} KiB with them");
    ensure!(after < before + 40 * 1024, "{before} KiB, then {after} KiB");
    // Whoever is out hears no more.
    let remove = json!({ "before": crate::scene::PASSWORD, "password": "quite another one now" });
    ensure!(installer.post("/api/password", &remove).await?.status == 200);
    for stream in &mut streams {
        let mut text = String::new();
        let mut piece = vec![0; 16 * 1024];
        let end = async {
            while !text.contains("event: end") {
                let count = stream.read(&mut piece).await?;
                ensure!(count > 0, "it ended without a word");
                text.push_str(std::str::from_utf8(&piece[..count])?);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, end).await.context("whoever is out hears on")??;
    }
    Ok(())
}
