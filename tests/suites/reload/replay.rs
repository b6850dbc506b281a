//! A proposed configuration, over the journal of a real daemon.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::scene::{EXTRA, Scene, WINDOW};

/// A second zone, and a way in.
const HALL: &str = "[[zone]]\nid = \"hall\"\nkind = \"entry-exit\"\npartition = \"flat\"\n\
                    debounce-ms = 0\ninput = \"sim:";

/// A box that was armed, entered and broken into.
async fn recorded() -> anyhow::Result<Scene> {
    let mut scene = Scene::start().await?;
    let mut options = scene.options();
    options.extra =
        options.extra.replace("[[zone]]", "[partition.away]\nexit-s = 0\nentry-s = 1\n[[zone]]")
            + &format!("{HALL}{EXTRA}\"\n");
    scene.gateway.configure(options)?;
    scene.says(&["reload"]).await?;
    scene.known().await?;
    scene.says(&["arm", "flat", "--now"]).await?;
    scene.world.set(WINDOW, true);
    scene.event("zone.alarm", "window").await?;
    scene.world.set(WINDOW, false);
    scene.event("zone.alarm_restored", "window").await?;
    // Somebody comes in and does not disarm.
    scene.world.set(EXTRA, true);
    scene.event("zone.entry_alarm", "hall").await?;
    scene.world.set(EXTRA, false);
    scene.event("zone.entry_alarm_restored", "hall").await?;
    scene.says(&["disarm", "flat"]).await?;
    Ok(scene)
}

/// What a replay says of the running configuration with this instead of that.
async fn replayed(scene: &Scene, that: &str, this: &str) -> anyhow::Result<(i32, Value, String)> {
    let present = std::fs::read_to_string(scene.gateway.config())?;
    ensure!(that.is_empty() || present.contains(that), "{that} is not in\n{present}");
    let proposed = scene.gateway.config().with_file_name("proposed.toml");
    std::fs::write(&proposed, if that.is_empty() { present } else { present.replace(that, this) })?;
    let (proposed, running) = (proposed.to_str().context("a path")?, scene.gateway.config());
    let running = running.to_str().context("a path")?;
    let words = ["replay", "--config", proposed, "--present", running, "--since", "1h"];
    let (code, json, complaint) = scene.gateway.runs(&[&words[..], &["--json"]].concat()).await?;
    ensure!(complaint.is_empty(), "{complaint}");
    let (_, text, _) = scene.gateway.runs(&words).await?;
    Ok((code, serde_json::from_str(&json).with_context(|| json.clone())?, text))
}

fn differences(told: &Value) -> Vec<String> {
    let all = told["differences"].as_array().cloned().unwrap_or_default();
    let word =
        |one: &Value| format!("{} {} {}", one["how"], one["id"], one["type"]).replace('"', "");
    all.iter().map(word).collect()
}

#[tokio::test]
async fn the_journal_of_a_real_daemon_tells_what_a_proposed_configuration_changes()
-> anyhow::Result<()> {
    let scene = recorded().await?;
    let (code, same, text) = replayed(&scene, "", "").await?;
    ensure!(code == 0 && differences(&same).is_empty(), "{code} {same}");
    let baseline = &same["baseline"];
    ensure!(baseline["recorded"] == 2 && baseline["told_again"] == 2, "{baseline}");
    ensure!(baseline["invented"] == 0, "{baseline}");
    ensure!(text.contains("the alarms would have been the same"), "{text}");

    // Another kind: one alarm more, one missed.
    let (code, told, text) = replayed(&scene, "\"instant\"", "\"24h\"").await?;
    ensure!(code == 1, "{code}");
    ensure!(
        differences(&told) == ["more window zone.24h_alarm", "missed window zone.alarm"],
        "{told}"
    );
    ensure!(text.contains("would have raised 1 more alarm, missed 1\n"), "{text}");
    ensure!(text.contains("not comparable: "), "{text}");

    // Another delay: the same alarm, later. It ran out before anybody disarmed, or never.
    let (code, told, _) = replayed(&scene, "entry-s = 1", "entry-s = 0").await?;
    ensure!(code == 1, "{code}");
    ensure!(differences(&told).contains(&"earlier hall zone.entry_alarm".to_owned()), "{told}");
    let (_, told, _) = replayed(&scene, "entry-s = 1", "entry-s = 250").await?;
    ensure!(differences(&told) == ["missed hall zone.entry_alarm"], "{told}");

    // Two that must agree: the window alone is not enough any more.
    let member = "partition = \"flat\"\ncross-zone = \"both\"\n";
    let present = std::fs::read_to_string(scene.gateway.config())?;
    let cross = present.replace("partition = \"flat\"\n", member)
        + "[[cross-zone]]\nid = \"both\"\nneed = 2\nwindow-s = 60\n";
    let (code, told, _) = replayed(&scene, &present, &cross).await?;
    ensure!(code == 1, "{code}");
    ensure!(differences(&told).contains(&"missed window zone.alarm".to_owned()), "{told}");
    Ok(())
}
