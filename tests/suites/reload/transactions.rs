//! Changes of the configuration as transactions, on a real daemon: shown, applied whole or not at all,
//! kept when they are confirmed and put back when they are not.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, BrokerOptions, Client, ClientOptions};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::of;
use super::scene::Scene;

/// The port of discard: nobody listens.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// What the control socket answers to a question of `gatehouse config`.
async fn ask(scene: &Scene, question: &Value) -> anyhow::Result<Value> {
    let socket = scene.gateway.config().with_file_name("control.sock");
    let mut stream = UnixStream::connect(socket).await?;
    let question = question.to_string();
    stream.write_all(format!("config {}\n{question}", question.len()).as_bytes()).await?;
    let mut line = String::new();
    tokio::time::timeout(SOON, BufReader::new(stream).read_line(&mut line)).await??;
    serde_json::from_str(&line).with_context(|| line)
}

fn detail<'e>(event: &'e Event, key: &str) -> &'e Value {
    event.draft.detail.as_ref().map_or(&Value::Null, |detail| &detail[key])
}

fn file(scene: &Scene) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(scene.gateway.config())?)
}

/// Writes a shorter deadline and a comment into the file, and lets that hold.
async fn quick(scene: &Scene) -> anyhow::Result<String> {
    let text = file(scene)?;
    let text = text.replace("district = ", "# Whose.\ndistrict = ");
    let text = text.replace(
        "\n[[door]]\nid = \"door-0\"",
        "confirm-within-s = 5\n\n# Front.\n[[door]]\nid = \"door-0\" # oak",
    );
    ensure!(text.contains("confirm-within-s") && text.contains("# oak"), "{text}");
    scene.gateway.write_config(&text)?;
    scene.says(&["reload"]).await?;
    scene.known().await?;
    Ok(text)
}

#[tokio::test]
async fn a_name_is_set_shown_listed_and_taken_back_and_comments_stay() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let text = quick(&scene).await?;
    let shown = scene.says(&["config", "set", "door.door-0.name", "Lobby", "--dry-run"]).await?;
    ensure!(shown.contains('+') && shown.contains("name = \"Lobby\""), "{shown}");
    ensure!(shown.contains("changes: door.door-0.name"), "{shown}");
    ensure!(shown.contains("nothing changes that an alarm depends on"), "{shown}");
    ensure!(file(&scene)? == text, "it was only looked at");
    let told = scene.says(&["config", "set", "door.door-0.name", "Lobby"]).await?;
    ensure!(told.contains("holds in place of"), "{told}");
    let named = file(&scene)?;
    ensure!(
        named
            == text.replace(
                "input = \"sim:0\"\ndebounce-ms = 0\n",
                "input = \"sim:0\"\ndebounce-ms = 0\nname = \"Lobby\"\n"
            ),
        "{named}"
    );
    let status = scene.status().await?;
    let things = status["things"].as_array().context("things")?;
    ensure!(things.iter().any(|it| it["id"] == "door-0" && it["name"] == "Lobby"), "{status}");
    // By hand, and by SIGHUP.
    scene.gateway.write_config(&named.replace("# oak", "# beech"))?;
    scene.gateway.signal(Signal::HUP)?;
    until("three configurations that held", SOON, async || {
        let told = ask(&scene, &json!({ "config": "history" })).await?;
        Ok((told["history"][0].as_array().map_or(0, Vec::len) >= 4).then_some(()))
    })
    .await?;
    let history = scene.says(&["config", "history"]).await?;
    let lines: Vec<_> = history.lines().collect();
    ensure!(lines.len() == 4, "{history}");
    ensure!(
        lines[0].contains("(start)") && lines[1].contains("gatehouse config uid-"),
        "{history}"
    );
    ensure!(lines[2].contains("door.door-0.name"), "{history}");
    ensure!(lines[3].contains("edited by hand: comments only"), "{history}");
    let told = scene.says(&["config", "return", "2"]).await?;
    ensure!(told.contains("holds in place of"), "{told}");
    ensure!(file(&scene)? == text);
    // What somebody is editing is not overwritten, and what is wrong names its line.
    scene.gateway.write_config(&format!("{text}# mine\n"))?;
    let (code, _, complaint) =
        scene.gateway.says(&["config", "set", "door.door-0.name", "X"]).await?;
    ensure!(code == 1 && complaint.contains("the file was edited"), "{code} {complaint}");
    scene.gateway.write_config(&text)?;
    let (code, _, complaint) =
        scene.gateway.says(&["config", "set", "door.door-0.held-open-s", "-1"]).await?;
    ensure!(
        code == 78 && complaint.contains("held-open-s") && complaint.contains("gateway.toml:"),
        "{code} {complaint}"
    );
    let (code, _, complaint) = scene.gateway.says(&["config", "set", "door.dor.name", "X"]).await?;
    ensure!(code == 1 && complaint.contains("there are door-0, door-1"), "{code} {complaint}");
    ensure!(file(&scene)? == text);
    let events = scene.gateway.events().await?;
    let applied = of(&events, "config.applied");
    ensure!(applied.len() == 4, "{applied:?}");
    ensure!(*detail(applied[1], "changed") == json!(["door.door-0.name"]), "{applied:?}");
    ensure!(of(&events, "door.unknown").is_empty(), "nothing that did not change was touched");
    Ok(())
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_put_back_unless_somebody_confirms() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let scene = Scene::at(Some(broker.address())).await?;
    let text = quick(&scene).await?;
    let prefix = scene.options().prefix();
    let mut room = Client::connect(broker.address(), ClientOptions::new("room")).await?;
    room.subscribe(&format!("{prefix}/ev/#")).await?;
    let port = nobody().port().to_string();
    let told = scene.says(&["config", "set", "broker.b-0.port", &port]).await?;
    ensure!(told.contains("unconfirmed: put back in 5 s"), "{told}");
    ensure!(file(&scene)? != text);
    let (code, _, complaint) =
        scene.gateway.says(&["config", "set", "door.door-0.name", "X"]).await?;
    ensure!(code == 1 && complaint.contains("another change is unconfirmed"), "{code} {complaint}");
    // What happens meanwhile waits on flash, and is delivered when the way is back.
    scene.world.set(0, true);
    let back = scene.event("config.rolled_back", "g-1").await?;
    ensure!(
        *detail(&back, "why") == "not_confirmed" && *detail(&back, "via") == "gateway",
        "{back:?}"
    );
    ensure!(file(&scene)? == text);
    room.messages("the door and the return, by the broker of before", SOON, |all| {
        let has = |kind: &str| {
            let of = |payload: &[u8]| serde_json::from_slice::<Value>(payload).ok();
            all.iter().filter_map(|one| of(&one.payload)).any(|event| event["type"] == kind)
        };
        (has("door.opened") && has("config.rolled_back")).then_some(())
    })
    .await?;
    // Confirmed, it stays.
    scene.says(&["config", "set", "uplink.heartbeat-s", "20"]).await?;
    scene.says(&["config", "confirm"]).await?;
    let kept = file(&scene)?;
    ensure!(kept.contains("heartbeat-s = 20"), "{kept}");
    let confirmed = scene.event("config.confirmed", "g-1").await?;
    ensure!(*detail(&confirmed, "why") == "confirmed", "{confirmed:?}");
    let (code, _, complaint) = scene.gateway.says(&["config", "undo"]).await?;
    ensure!(code == 1 && complaint.contains("no change is unconfirmed"), "{complaint}");
    // Undone at once.
    scene.says(&["config", "set", "broker.b-0.port", &port]).await?;
    scene.says(&["config", "undo"]).await?;
    ensure!(file(&scene)? == kept && scene.status().await?["unconfirmed"].is_null());
    let left = std::fs::read_dir(scene.gateway.config().parent().context("a folder")?)?;
    let left: Vec<_> = left.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
    ensure!(!left.iter().any(|name| name.ends_with("unconfirmed")), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn killed_while_unconfirmed_it_comes_back_with_the_one_before() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let text = quick(&scene).await?;
    let before = scene.hash().await?;
    // Long enough that the deadline is not what puts it back.
    let told = scene
        .says(&["config", "set", "uplink.heartbeat-s", "20", "--confirm-within", "3600"])
        .await?;
    ensure!(told.contains("3600 s"), "{told}");
    ensure!(scene.hash().await? != before);
    scene.gateway.kill().await?;
    scene.gateway.launch().await?;
    // Recording comes first, then it answers.
    until("the gateway to answer", SOON, async || Ok(scene.hash().await.ok().map(drop))).await?;
    ensure!(scene.hash().await? == before && file(&scene)? == text);
    let back = scene.event("config.rolled_back", "g-1").await?;
    ensure!(*detail(&back, "why") == "restart", "{back:?}");
    // Edited by hand while unconfirmed: nothing is put back over it, at a start either.
    scene.says(&["config", "set", "uplink.heartbeat-s", "20", "--confirm-within", "3600"]).await?;
    let mine = format!("{text}\n# mine\n");
    scene.gateway.write_config(&mine)?;
    scene.says(&["reload"]).await?;
    let kept = scene.event("config.confirmed", "g-1").await?;
    ensure!(*detail(&kept, "why") == "overtaken", "{kept:?}");
    ensure!(file(&scene)? == mine && scene.status().await?["unconfirmed"].is_null());
    let history = scene.says(&["config", "history"]).await?;
    ensure!(history.contains("gateway (restart)"), "{history}");
    Ok(())
}

/// Changes that make most files wrong, and some another right one.
fn mutated(text: &str, random: &mut fastrand::Rng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..random.usize(1..4) {
        let (one, other) = (random.usize(..lines.len()), random.usize(..lines.len()));
        match random.u8(..8) {
            0 => drop(lines.remove(one)),
            1 => lines.swap(one, other),
            2 => lines.insert(one, lines[other].clone()),
            3 => lines[one] = lines[one].chars().rev().collect(),
            4 => lines[one].push_str(["\"", "#", "]", "= 1", "0", "é"][random.usize(..6)]),
            5 => lines[one] = lines[one].replace(|c: char| c.is_ascii_digit(), "7"),
            6 => lines.insert(one, format!("name = \"N {}\"", random.u8(..))),
            _ => {
                let at = random.usize(..=lines[one].chars().count());
                lines[one] = lines[one].chars().take(at).collect();
            }
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn whatever_is_wrong_in_a_file_the_old_one_or_the_new_one_runs_whole() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let mut text = quick(&scene).await?;
    let first = text.clone();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut applied, mut refused) = (0, 0);
    for _ in 0..150 {
        let before = scene_hash(&scene).await?;
        let wanted = mutated(&text, &mut random);
        let told =
            ask(&scene, &json!({ "config": "apply", "text": wanted, "within_s": null })).await?;
        let now = scene_hash(&scene).await?;
        let on_disk = file(&scene)?;
        let hash = gatehouse_config::config_hash(on_disk.as_bytes());
        ensure!(hash == now, "{now} runs, but the file is {hash}\n{told}\n{wanted}");
        if told["applied"].is_array() {
            ensure!(on_disk == wanted, "it was applied, but is not the file\n{wanted}");
            applied += usize::from(before != now);
            text = wanted;
            if told["applied"][0]["confirm_within_s"].is_number() {
                let kept = ask(&scene, &json!({ "config": "confirm" })).await?;
                ensure!(kept["applied"].is_array(), "{kept}");
            }
        } else {
            ensure!(told["refused"].is_object(), "{told}");
            ensure!(before == now && on_disk == text, "refused, but something changed\n{told}");
            refused += 1;
        }
    }
    println!("{applied} applied, {refused} refused");
    ensure!(applied > 5 && refused > 30, "{applied} applied, {refused} refused");
    // It records on. Which journal that is says the file, which may name another folder by now.
    scene.gateway.write_config(&first)?;
    let stored = scene.gateway.events().await?.len();
    ensure!(stored > applied, "{stored} events of {applied} changes");
    Ok(())
}

/// Which configuration runs, without a process for each question.
async fn scene_hash(scene: &Scene) -> anyhow::Result<String> {
    let socket = scene.gateway.config().with_file_name("control.sock");
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"status\n").await?;
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(10), BufReader::new(stream).read_line(&mut line))
        .await??;
    let status: Value = serde_json::from_str(&line)?;
    Ok(status["config_hash"].as_str().context("no hash")?.to_owned())
}
