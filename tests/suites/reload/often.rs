//! One zone's name, changed again and again under load: nobody else notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::event::{Event, Qualifier};
use gatehouse_tests::is_move;

use crate::of;
use crate::scene::{BUSY, Scene};

const RELOADS: usize = 200;

#[tokio::test]
async fn two_hundred_reloads_under_load_lose_no_edge_and_disturb_nobody() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.known().await?;
    ensure!(scene.says(&["arm", "flat", "--now"]).await? == "done\n");
    let done = AtomicBool::new(false);
    let people = async {
        // Two hundred in a second, and whole rounds of all doors: each ends as it began.
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        let mut edges = 0;
        while !(done.load(Ordering::Relaxed) && edges % (2 * BUSY) == 0) {
            pace.tick().await;
            let door = edges % BUSY;
            let open = scene.world.level(door).expect("a line of this world");
            scene.world.set(door, !open);
            edges += 1;
        }
        edges
    };
    let changes = async {
        let options = scene.options();
        let path = scene.gateway.config();
        let folder = path.parent().context("a folder")?;
        let mut slowest = Duration::ZERO;
        for number in 0..RELOADS {
            let mut options = options.clone();
            let named = format!("id = \"window\"\nname = \"Window {number}\"\n");
            options.extra = options.extra.replace("id = \"window\"\n", &named);
            scene.gateway.write_config(&options.render(folder))?;
            let began = tokio::time::Instant::now();
            let told = scene.says(&["reload"]).await?;
            slowest = slowest.max(began.elapsed());
            ensure!(
                told.starts_with("applied: ") && told.ends_with("\n  units: 1 run on\n"),
                "{told}"
            );
        }
        anyhow::Ok(slowest)
    };
    let changes = async {
        let slowest = changes.await;
        done.store(true, Ordering::Relaxed);
        slowest
    };
    let (edges, slowest) = tokio::join!(people, changes);
    let slowest = slowest?;
    scene.stored(edges as usize).await?;

    let events = scene.gateway.events().await?;
    let moves: Vec<&Event> = events.iter().filter(|event| is_move(event)).collect();
    ensure!(moves.len() == edges as usize, "{} moves of {edges} edges", moves.len());
    for door in 0..BUSY {
        let id = format!("door-{door}");
        let of_door = moves.iter().filter(|event| event.draft.source.id.as_str() == id);
        for (index, event) in of_door.enumerate() {
            let wanted = if index % 2 == 0 { Qualifier::New } else { Qualifier::Restore };
            ensure!(event.draft.qualifier == wanted, "{id}: move {index} is {event:?}");
            ensure!(event.draft.flags.is_empty(), "{id}: move {index} was found, not seen");
        }
    }
    ensure!(of(&events, "config.applied").len() == RELOADS);
    // Of everything else nothing was said: neither lost nor unknown, neither an alarm nor armed anew.
    let quiet = ["zone.", "door.unknown", "input.", "chip.", "partition.armed"];
    let since = events.iter().position(|event| event.draft.kind == "config.applied");
    let since = &events[since.context("no change")?..];
    let other: Vec<_> = since
        .iter()
        .map(|event| &*event.draft.kind)
        .filter(|kind| quiet.iter().any(|quiet| kind.starts_with(quiet)))
        .collect();
    ensure!(other.is_empty(), "{other:?}");
    ensure!(scene.state("partition", "flat").await? == "armed-away");
    println!("{RELOADS} reloads, {edges} edges, 0 lost; the slowest reload took {slowest:?}");
    Ok(())
}
