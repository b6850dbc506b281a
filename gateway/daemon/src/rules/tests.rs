//! The rules over a real journal whose database another connection can hold up.

use std::path::Path;

use gatehouse_core::id::Seq;
use gatehouse_core::site::{Contact, DoorConfig, SiteConfig, Thing};
use gatehouse_core::time::Now;
use gatehouse_journal::{ClockSource, Options};
use rusqlite::Connection;

use super::*;

fn journal(folder: &Path) -> Journal {
    let clock = ClockSource::new(Now::default);
    let options = Options::new(folder, "g-1".parse().unwrap(), "boot".to_owned(), clock);
    Journal::open(options).unwrap().0
}

fn config() -> SiteConfig {
    let door = |n: usize| DoorConfig::new(format!("door-{n}").parse().unwrap(), format!("sim:{n}"));
    SiteConfig { doors: (0..3).map(door).collect(), ..SiteConfig::default() }
}

fn site() -> Site {
    Site::new(config(), "boot")
}

fn opens(door: usize) -> Input {
    Input::Contact { door, contact: Contact::Open, at: Mono(1), resynced: false }
}

fn effects(site: &mut Site, door: usize) -> (Vec<Draft>, Vec<Change>) {
    let mut drafts = Vec::new();
    let mut changes = Vec::new();
    for effect in site.apply(opens(door), &Now::default()) {
        match effect {
            Effect::Record(draft) => drafts.push(draft),
            Effect::State { of, state, flags, since } => {
                let what = What::State { of, state, flags, since };
                changes.push(Change { what, draft: Some(0) });
            }
            other => panic!("{other:?}"),
        }
    }
    (drafts, changes)
}

/// Nobody else writes as long as this lives.
fn hold(folder: &Path) -> Connection {
    let other = Connection::open(folder.join("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn sources(journal: &Journal) -> Vec<String> {
    let records = journal.read(None, Seq::ZERO, 100, usize::MAX).unwrap();
    let id = |record: Record| {
        let event: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
        event["source"]["id"].as_str().unwrap().to_owned()
    };
    records.into_iter().map(id).collect()
}

#[tokio::test]
async fn what_a_failing_disk_brings_back_is_stored_again_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
    let mut site = site();
    let mut pipe = Pipe::new(&journal);
    let held = hold(folder.path());
    for door in 0..3 {
        let (drafts, changes) = effects(&mut site, door);
        assert!(pipe.has_room(), "a commit that is under way holds nothing up");
        pipe.push(drafts, Vec::new(), changes);
    }
    pipe.hear(|| Mono(0)).await.unwrap();
    drop(held);
    assert!(!pipe.has_room() && pipe.settled().is_none(), "the disk has failed");
    while pipe.retry_at().is_none() {
        pipe.hear(|| Mono(0)).await.unwrap();
    }
    pipe.retry();
    let mut doors = Vec::new();
    while !pipe.is_empty() {
        pipe.hear(|| Mono(0)).await.unwrap();
        while let Some(settled) = pipe.settled() {
            for change in &settled.changes {
                let What::State { of, .. } = &change.what else { panic!("{change:?}") };
                doors.push((*of, settled.seqs[0].0));
            }
        }
    }
    assert_eq!(doors, [(Thing::Door(0), 1), (Thing::Door(1), 2), (Thing::Door(2), 3)]);
    assert_eq!(sources(&journal), ["door-0", "door-1", "door-2"]);
    assert!(pipe.has_room());
}

#[tokio::test]
async fn a_state_is_shown_after_its_commit_and_a_stop_stores_what_was_sent_before() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
    let ids = (0..3).map(|n| (Thing::Door(n), format!("door-{n}").parse().unwrap()));
    let board = Board::new(ids, Now::default().utc);
    let (inputs, queue) = Inputs::new(&config());
    let (stop, stopped) = watch::channel(false);
    let desk = Desk::new(inputs.clone(), Clock::system());
    let hands = Hands::new(&SiteConfig::default(), Clock::system());
    let wires = (board.clone(), desk, hands);
    let rules = Rules::new(site(), &journal, wires, Clock::system(), queue, stopped);
    let held = hold(folder.path());
    let changed = board.watch();
    for door in 0..3 {
        inputs.send(opens(door)).await.unwrap();
    }
    let feed = async {
        stop.send_replace(true);
        // Until the rules have closed their queue they have not even looked at the stop.
        inputs.closed().await;
        tokio::task::yield_now().await;
        assert!(!changed.has_changed().unwrap(), "shown before it was stored");
        drop(held);
    };
    let (ended, ()) = tokio::join!(rules.run(), feed);
    ended.unwrap();
    assert_eq!(sources(&journal), ["door-0", "door-1", "door-2"]);
    let view = board.view();
    let shown: Vec<_> = view.things.iter().map(|door| (door.state, door.seq.0)).collect();
    assert_eq!(shown, [("open", 1), ("open", 2), ("open", 3)]);
}
