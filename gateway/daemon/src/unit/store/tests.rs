use gatehouse_core::event::{Class, Qualifier};
use gatehouse_core::site::{self, Report};
use gatehouse_core::time::{Now, UtcMs};
use gatehouse_journal::{ClockSource, Options};
use serde_json::json;

use super::notes::tests::note;
use super::notes::{Done, Of};
use super::*;
use crate::rules::Queue;

pub(super) fn config(store: &str) -> Config {
    let text = format!(
        "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
         [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
         [evidence.store]\nendpoint = \"http://127.0.0.1:9\"\nbucket = \"evidence\"\n\
         access-key = \"a\"\nsecret-key-file = \"/nonexistent\"\n{store}"
    );
    Config::parse(&text, "test").unwrap()
}

pub(super) fn plan(store: &str) -> Plan {
    Plan::of(&config(store)).unwrap()
}

struct Bench {
    _state: tempfile::TempDir,
    pusher: Pusher,
    queue: Queue,
    tell_heads: watch::Sender<Cursors>,
}

/// A pusher with a journal, before a store that is not there.
async fn bench(store: &str) -> Bench {
    let state = tempfile::tempdir().unwrap();
    let config = config(store);
    let mut plan = plan(store);
    plan.root = state.path().join("evidence");
    let source = ClockSource::new(Now::default);
    let options =
        Options::new(state.path().join("journal"), "g".parse().unwrap(), "boot".to_owned(), source);
    let (journal, opened) = Journal::open(options).unwrap();
    let (inputs, queue) = Inputs::new(&config.site());
    let heads = watch::Sender::new(opened.heads);
    let (_, running) = watch::channel(Running {
        config: Arc::new(config),
        revision: 1,
        desk: crate::rules::Desk::new(inputs.clone(), Clock::system()),
    });
    let parts = Parts {
        running,
        journal,
        heads: heads.subscribe(),
        board: Board::new([], UtcMs(0)),
        clock: Clock::system(),
        inputs,
    };
    let pusher = Pusher::new(plan, &parts).await.unwrap();
    Bench { _state: state, pusher, queue, tell_heads: heads }
}

impl Bench {
    /// An event is recorded.
    fn record(&self, kind: &'static str, detail: serde_json::Value) -> Seq {
        let report = Report {
            class: Class::Camera,
            kind,
            qualifier: Qualifier::Status,
            severity: 5,
            source: ("camera", "gate".parse().unwrap()),
            closes: None,
            cause: None,
            detail: Some(detail),
            at: None,
        };
        let draft = site::draft(report, "boot", &Now::default());
        let seq = self.pusher.journal.append_and_wait(vec![draft]).unwrap()[0].seq;
        self.tell_heads.send_replace(Cursors { alarm: Seq::ZERO, normal: seq });
        seq
    }

    fn picture(&self, file: &str) -> Seq {
        let folder = self.pusher.plan.root.join(evidence::PICTURES);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), b"picture").unwrap();
        let detail = json!({
            "of": 1, "ref": file, "bytes": 7, "width": 1, "height": 1, "sha256": "ab",
            "masked": false,
        });
        self.record("camera.snapshot", detail)
    }

    fn stored(&self, file: &str) -> Seq {
        let detail = json!({
            "of": [1], "event": [2], "ref": file, "bucket": "b", "key": "k", "bytes": 7,
            "sha256": "ab", "checked": true,
        });
        self.record("camera.stored", detail)
    }

    fn files(&self) -> Vec<String> {
        self.pusher.notes.keys().cloned().collect()
    }
}

#[tokio::test]
async fn what_is_recorded_is_owed_until_it_is_told_over_restarts_too() {
    let mut bench = bench("").await;
    let first = bench.picture("gate-1.jpg");
    bench.picture("gate-2.jpg");
    // Of one that had its time before there was a store nothing is owed.
    bench.record(
        "camera.clip",
        json!({ "of": [1], "clip": { "ref": "gate-1.mp4", "sha256": null } }),
    );
    bench.pusher.take_up().await.unwrap();
    assert_eq!(bench.files(), ["gate-1.jpg", "gate-2.jpg"]);
    assert_eq!(bench.pusher.notes["gate-1.jpg"].seq, first);
    assert_eq!(bench.pusher.work(Mono(1)), Some(Work::Check));
    bench.stored("gate-1.jpg");
    bench.pusher.take_up().await.unwrap();
    assert_eq!(bench.files(), ["gate-2.jpg"]);
    let root = bench.pusher.plan.root.clone();
    let kept = notes::load(&root).unwrap();
    assert_eq!((kept.notes.len(), kept.upto), (1, bench.pusher.upto));
    // Read from the beginning, as after a damage: the same.
    (bench.pusher.upto, bench.pusher.notes) = (Seq::ZERO, BTreeMap::new());
    bench.pusher.take_up().await.unwrap();
    assert_eq!(bench.files(), ["gate-2.jpg"]);
}

#[tokio::test]
async fn a_piece_that_was_told_of_before_a_kill_is_not_told_again() {
    let mut bench = bench("").await;
    bench.picture("gate-1.jpg");
    bench.picture("gate-2.jpg");
    bench.pusher.take_up().await.unwrap();
    for file in ["gate-1.jpg", "gate-2.jpg"] {
        let mut note = bench.pusher.notes[file].clone();
        note.done = Some(Done {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
            bytes: 7,
            sha256: "ab".to_owned(),
            checked: true,
        });
        bench.pusher.save(&note).await.unwrap();
    }
    // Both were handed in before the kill; one came to the journal.
    bench.stored("gate-1.jpg");
    let kept = notes::load(&bench.pusher.plan.root).unwrap();
    (bench.pusher.upto, bench.pusher.notes) = (kept.upto, kept.notes);
    bench.pusher.take_up().await.unwrap();
    assert!(bench.pusher.tell().await);
    let told = bench.queue.report().await.unwrap();
    assert_eq!((told.kind, &told.detail.unwrap()["ref"]), ("camera.stored", &json!("gate-2.jpg")));
    // And once only in this life.
    assert_eq!(bench.pusher.told.len(), 1);
    assert!(bench.pusher.tell().await && bench.pusher.told.len() == 1);
}

#[tokio::test]
async fn what_is_gone_is_not_sent_and_what_the_store_has_of_it_is_given_up() {
    let mut bench = bench("").await;
    for file in ["gate-1.jpg", "gate-2.jpg"] {
        bench.picture(file);
    }
    bench.pusher.take_up().await.unwrap();
    let mut begun = bench.pusher.notes["gate-2.jpg"].clone();
    begun.upload = Some(notes::Upload {
        place: bench.pusher.plan.place(),
        key: "k".to_owned(),
        id: "u".to_owned(),
        etags: BTreeMap::new(),
        completing: false,
    });
    bench.pusher.save(&begun).await.unwrap();
    for file in ["gate-1.jpg", "gate-2.jpg"] {
        std::fs::remove_file(bench.pusher.notes[file].path(&bench.pusher.plan.root)).unwrap();
    }
    bench.pusher.look_for_gone().await.unwrap();
    assert_eq!(bench.files(), ["gate-2.jpg"]);
    (bench.pusher.check, bench.pusher.tend) = (Mono(u64::MAX), Mono(u64::MAX));
    assert_eq!(bench.pusher.work(Mono(1)), Some(Work::GiveUp("gate-2.jpg".to_owned())));
    // At another store nobody knows of it.
    bench.pusher.plan.store.bucket = "other".to_owned();
    bench.pusher.give_up("gate-2.jpg").await.unwrap();
    assert_eq!((bench.files().len(), bench.pusher.work(Mono(1))), (0, None));
}

#[tokio::test]
async fn nothing_that_is_shown_here_tells_of_what_is_silent() {
    let mut bench = bench("").await;
    let open = note("gate-1.mp4", 2);
    let silent = Note {
        open: None,
        silent: Some(Of { events: vec![Seq(4)], of: vec![3] }),
        alarm: true,
        ..note("gate-3-s.mp4", 4)
    };
    for note in [&open, &silent] {
        bench.pusher.notes.insert(note.file.clone(), note.clone());
    }
    bench.pusher.check = Mono(u64::MAX);
    // It goes first, and nobody sees it.
    assert_eq!(bench.pusher.work(Mono(1)), Some(Work::Piece("gate-3-s.mp4".to_owned())));
    bench.pusher.stored("gate-3-s.mp4");
    bench.pusher.show();
    let shown = bench.pusher.board.view().store.clone().unwrap();
    assert_eq!((shown.pending, shown.pending_bytes, shown.stored, shown.last), (1, 1000, 0, None));
    bench.pusher.stored("gate-1.mp4");
    assert_eq!(bench.pusher.view.stored, 1);
}

#[test]
fn what_is_wanted_is_what_the_file_says() {
    let picture = Note { folder: evidence::PICTURES.to_owned(), ..note("gate-1.jpg", 2) };
    let clip = note("gate-1.mp4", 3);
    let alarm = Note { alarm: true, ..clip.clone() };
    let wants = |store: &str| {
        let plan = plan(store);
        [&picture, &clip, &alarm].map(|note| plan.wants(note))
    };
    assert_eq!(wants(""), [true, true, true]);
    assert_eq!(wants("clips = false\n"), [true, false, false]);
    assert_eq!(wants("pictures = false\nof = \"alarms\"\n"), [false, false, true]);
}
