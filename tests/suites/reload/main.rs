//! A new configuration for a daemon that runs: nothing is lost, and nothing that did not change
//! notices. Proposed ones, replayed over the journal.

mod often;
mod replay;
mod restored;
mod scene;
mod transactions;

use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::{Event, Qualifier};
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, BrokerOptions, Client, ClientOptions, is_move};
use rustix::process::Signal;
use serde_json::{Value, json};

use scene::{BUSY, EXTRA, Scene, WINDOW};

/// Edges of the doors while the configuration changes: three seconds at 200 in a second.
const EDGES: u32 = 600;

fn of<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Event> {
    events.iter().filter(|event| event.draft.kind == *kind).collect()
}

#[tokio::test]
async fn a_zone_and_a_chip_are_added_while_doors_move_and_no_event_is_lost() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.known().await?;
    ensure!(scene.says(&["arm", "flat", "--now"]).await? == "done\n");
    let people = async {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        for edge in 0..EDGES {
            pace.tick().await;
            let door = edge % BUSY;
            let open = scene.world.level(door).expect("a line of this world");
            scene.world.set(door, !open);
        }
    };
    let mut options = scene.options();
    // In front of the others, so that their places move; on a line of the busy chip, and on a chip
    // that was not watched.
    options.extra = format!(
        "[[zone]]\nid = \"attic\"\nkind = \"instant\"\npartition = \"flat\"\ninput = \"sim:{EXTRA}\"\n\
         debounce-ms = 0\n[[zone]]\nid = \"cellar\"\nkind = \"flood\"\ninput = \"not-there:3\"\n{}",
        options.extra
    );
    let path = scene.gateway.config();
    let text = options.render(path.parent().context("a folder")?);
    let change = async {
        // In the midst of it.
        let moved = scene.stored(EDGES as usize / 4).await?;
        scene.gateway.write_config(&text)?;
        let told = scene.says(&["reload"]).await?;
        anyhow::Ok((moved, told))
    };
    let ((), changed) = tokio::join!(people, change);
    let (before, told) = changed?;
    ensure!(before < EDGES as usize, "the doors stood still already");
    ensure!(told.contains("added: zone/attic, zone/cellar"), "{told}");
    ensure!(told.contains("units: 1 run on, 2 started\n"), "{told}");

    scene.stored(EDGES as usize).await?;
    let events = scene.gateway.events().await?;
    let moves: Vec<&Event> = events.iter().filter(|event| is_move(event)).collect();
    ensure!(moves.len() == EDGES as usize, "{} moves of {EDGES} edges", moves.len());
    for door in 0..BUSY {
        let id = format!("door-{door}");
        let kinds = moves.iter().filter(|event| event.draft.source.id.as_str() == id);
        let kinds: Vec<_> = kinds.map(|event| event.draft.qualifier).collect();
        let alternate = kinds.chunks(2).all(|pair| {
            pair[0] == Qualifier::New && pair.get(1).is_none_or(|end| *end == Qualifier::Restore)
        });
        ensure!(alternate && kinds.len() == (EDGES / BUSY) as usize, "{id}: {kinds:?}");
    }
    let flagged = moves.iter().filter(|event| !event.draft.flags.is_empty()).count();
    ensure!(flagged == 0, "{flagged} moves were found, not seen");
    ensure!(of(&events, "door.unknown").is_empty(), "a door was unknown in between");
    let applied = of(&events, "config.applied");
    ensure!(applied.len() == 1, "{applied:?}");
    let place = events.iter().position(|event| event.draft.kind == "config.applied");
    let behind = events[place.context("no such event")?..].iter().filter(|e| is_move(e)).count();
    ensure!(behind > 0 && behind < EDGES as usize, "{behind} moves behind the change");

    // Armed stays armed, and the new zone protects; the old one stands at another place now.
    ensure!(scene.state("partition", "flat").await? == "armed-away");
    ensure!(scene.state("zone", "attic").await? == "normal");
    ensure!(scene.state("zone", "cellar").await? == "unknown");
    scene.world.set(EXTRA, true);
    scene.event("zone.alarm", "attic").await?;
    scene.world.set(WINDOW, true);
    scene.event("zone.alarm", "window").await?;
    scene.event("zone.lost", "cellar").await?;
    Ok(())
}

#[tokio::test]
async fn a_file_with_mistakes_is_refused_whole_and_the_box_runs_on() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.known().await?;
    let before = scene.hash().await?;
    let right = std::fs::read_to_string(scene.gateway.config())?;
    let wrong =
        right.replace("kind = \"instant\"", "kind = \"instnt\"") + "\n[[door]]\nid = \"X\"\n";
    scene.gateway.write_config(&wrong)?;
    let (code, out, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 78 && out.is_empty(), "{code} {out}");
    ensure!(complaint.contains("instnt") && complaint.contains("3 mistakes"), "{complaint}");
    ensure!(scene.hash().await? == before);
    // What holds is not what the file says; the file is mended for those who read it themselves.
    scene.gateway.write_config(&right)?;
    let rejected = scene.event("config.rejected", "g-1").await?;
    ensure!(rejected.draft.detail.context("no detail")?["mistakes"] == 3);
    scene.gateway.log().read(|lines| {
        ensure!(lines.iter().any(|line| line.contains("instnt")), "the log does not say it");
        anyhow::Ok(())
    })?;
    scene.world.set(0, true);
    scene.event("door.opened", "door-0").await?;
    // The mended file is the one that holds already.
    let told = scene.says(&["reload"]).await?;
    ensure!(told == format!("nothing to do: configuration {before} holds already\n"), "{told}");
    ensure!(of(&scene.gateway.events().await?, "config.applied").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_hangup_reads_the_file_anew_and_systemd_is_told() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    scene.known().await?;
    let before = scene.hash().await?;
    let mut options = scene.options();
    options.extra = options.extra.replace("\"instant\"", "\"24h\"");
    scene.gateway.configure(options)?;
    let told = scene.gateway.notices().len();
    scene.gateway.signal(Signal::HUP)?;
    let applied = scene.event("config.applied", "g-1").await?;
    let detail = applied.draft.detail.context("no detail")?;
    ensure!(detail["before"] == before && detail["via"] == "signal", "{detail}");
    let find = |all: &[String]| {
        let new = &all[told..];
        let begun = new.iter().position(|notice| notice == "RELOADING=1")?;
        new[begun..].iter().any(|notice| notice == "READY=1").then_some(())
    };
    scene.gateway.notices().wait_for("RELOADING=1, READY=1", SOON, find).await?;
    // It means something else now, and protects although nothing is armed.
    scene.world.set(WINDOW, true);
    scene.event("zone.24h_alarm", "window").await?;
    Ok(())
}

#[tokio::test]
async fn killed_right_after_a_reload_it_comes_back_with_the_new_one() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    scene.known().await?;
    ensure!(scene.says(&["arm", "flat", "--now"]).await? == "done\n");
    let mut options = scene.options();
    options.extra = options.extra.replace("\"instant\"", "\"instant\"\nchime = true");
    scene.gateway.configure(options)?;
    let told = scene.says(&["reload"]).await?;
    ensure!(told.starts_with("applied: "), "{told}");
    scene.gateway.kill().await?;
    scene.gateway.launch().await?;
    let hash = scene.hash().await?;
    ensure!(told.contains(&hash), "{hash} runs, but {told}");
    ensure!(scene.state("partition", "flat").await? == "armed-away");
    let events = scene.gateway.events().await?;
    ensure!(of(&events, "config.applied").len() == 1, "told is stored");
    Ok(())
}

#[tokio::test]
async fn a_zone_that_is_taken_out_ends_its_alarm_and_the_broker_forgets_it() -> anyhow::Result<()> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let mut scene = Scene::at(Some(broker.address())).await?;
    scene.known().await?;
    scene.says(&["arm", "flat", "--now"]).await?;
    scene.world.set(WINDOW, true);
    scene.event("zone.alarm", "window").await?;
    let prefix = scene.options().prefix();
    let mut room = Client::connect(broker.address(), ClientOptions::new("room")).await?;
    room.subscribe(&format!("{prefix}/zone/+")).await?;
    room.subscribe(&format!("{prefix}/desc")).await?;
    let zone = format!("{prefix}/zone/window");
    let desc = format!("{prefix}/desc");
    let revision = |payload: &[u8]| -> Option<u64> {
        serde_json::from_slice::<Value>(payload).ok()?["revision"].as_u64()
    };
    room.messages("the zone's state", SOON, |all| {
        all.iter().any(|one| one.topic == zone && !one.payload.is_empty()).then_some(())
    })
    .await?;

    let mut options = scene.options();
    options.extra = "[[partition]]\nid = \"flat\"\n".to_owned();
    scene.gateway.configure(options)?;
    let told = scene.says(&["reload"]).await?;
    ensure!(told.contains("removed: zone/window"), "{told}");
    let ended = scene.event("zone.alarm_restored", "window").await?;
    ensure!(ended.draft.cause.as_deref() == Some("taken out of the configuration"), "{ended:?}");
    room.messages("the end of the zone's topic", SOON, |all| {
        let last = all.iter().rev().find(|one| one.topic == zone)?;
        last.payload.is_empty().then_some(())
    })
    .await?;
    let described = room
        .messages("another description", SOON, |all| {
            let last = all.iter().rev().find(|one| one.topic == desc)?;
            (revision(&last.payload) == Some(2)).then(|| last.payload.clone())
        })
        .await?;
    let described: Value = serde_json::from_slice(&described)?;
    ensure!(described["zones"] == json!([]), "{described}");
    // Who comes later finds nothing of it.
    let mut late = Client::connect(broker.address(), ClientOptions::new("late")).await?;
    late.subscribe(&format!("{prefix}/#")).await?;
    let topics = late
        .messages("the retained states", SOON, |all| {
            let topics: Vec<_> = all.iter().map(|one| one.topic.clone()).collect();
            topics.contains(&desc).then_some(topics)
        })
        .await?;
    ensure!(!topics.contains(&zone), "{topics:?}");
    Ok(())
}

#[tokio::test]
async fn another_broker_gets_what_waits_and_nothing_is_lost_over_the_change() -> anyhow::Result<()>
{
    let (first, second) = (
        Broker::start(BrokerOptions::default()).await?,
        Broker::start(BrokerOptions::default()).await?,
    );
    let mut scene = Scene::at(Some(first.address())).await?;
    scene.known().await?;
    let prefix = scene.options().prefix();
    let mut room = Client::connect(second.address(), ClientOptions::new("room")).await?;
    room.subscribe(&format!("{prefix}/ev/#")).await?;
    let mut options = scene.options();
    options.brokers[0].address = second.address();
    scene.gateway.configure(options)?;
    scene.says(&["reload"]).await?;
    let stored = scene.gateway.events().await?.len() as u64;
    // Nobody has confirmed anything: the other broker gets all of it, and what comes then.
    scene.world.set(0, true);
    let seen = room.messages("all events at the other broker", SOON, |all| {
        let seqs = all.iter().filter_map(|one| serde_json::from_slice::<Value>(&one.payload).ok());
        let mut seqs: Vec<u64> = seqs.filter_map(|event| event["seq"].as_u64()).collect();
        seqs.sort_unstable();
        seqs.dedup();
        (seqs.last() > Some(&stored) && seqs.iter().copied().eq(1..=seqs.len() as u64))
            .then_some(())
    });
    seen.await?;
    until("a status that names no trouble", SOON, async || {
        let status = scene.status().await?;
        Ok(status["trouble"].is_null().then_some(()))
    })
    .await
}
