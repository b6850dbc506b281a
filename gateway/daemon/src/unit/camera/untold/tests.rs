use gatehouse_camera::clip::mp4::{Sample, fragment, init};
use gatehouse_camera::frame::{Codec, Track};
use gatehouse_core::id::Seq;
use gatehouse_core::site::{self, Report};
use gatehouse_core::time::Now;
use gatehouse_journal::{ClockSource, Options};
use serde_json::json;

use super::super::testing::config;
use super::*;

/// A clip of two pictures, a tenth of a second apart.
fn film() -> Vec<u8> {
    let track = Track {
        codec: Codec::Jpeg,
        width: 320,
        height: 240,
        parameter_sets: Vec::new(),
        sample_entry: bytes::Bytes::from_static(b"\0\0\0\x08mp4v"),
    };
    let sample = |shown| Sample { size: 3, key: shown == 0, shown };
    let head = fragment(1, &[sample(0), sample(9000)], None).unwrap();
    [init(&track), head, b"onetwo".to_vec()].concat()
}

fn noted(root: &Path, camera: &str, clip: &str) {
    let note = Note {
        camera: camera.parse().unwrap(),
        clip: clip.to_owned(),
        merged: vec![format!("{camera}-9-s")],
        from: Some(UtcMs(1_800_000_000_000)),
        pre_s: 10,
        post_s: 20,
        masked: Some(true),
    };
    let path = note_of(root, Path::new(&format!("{clip}.mp4")));
    std::fs::write(path, serde_json::to_vec(&note).unwrap()).unwrap();
}

fn reports(inputs: Vec<Input>) -> Vec<Report> {
    let report = |input| match input {
        Input::Report(report) => report,
        other => panic!("{other:?}"),
    };
    inputs.into_iter().map(report).collect()
}

#[test]
fn what_was_left_is_told_until_the_journal_has_it_and_its_note_goes_then() {
    let state = tempfile::tempdir().unwrap();
    let config = config(state.path());
    let root = evidence::root(&config);
    evidence::folders(&root);
    let options = Options::new(
        state.path().join("journal"),
        "g".parse().unwrap(),
        "boot".to_owned(),
        ClockSource::new(Now::default),
    );
    let (journal, _) = Journal::open(options).unwrap();
    // One that was cut off, and one that was whole when the power went, before its event.
    let clips = root.join(CLIPS);
    let cut = [film(), b"\0\0\0\x20moof and so on".to_vec()].concat();
    std::fs::write(clips.join("gate-7.mp4.partial"), cut).unwrap();
    std::fs::write(clips.join("gate-2-8.mp4"), film()).unwrap();
    noted(&root, "gate", "gate-7");
    noted(&root, "gate-2", "gate-2-8");
    let left = Left::look(&root);
    let told = reports(left.tell(&config, &journal).told);
    let kinds: Vec<_> = told.iter().map(|report| (report.kind, report.source.1.as_str())).collect();
    let both = |camera| [("camera.clip", camera), ("camera.clip_silent", camera)];
    assert_eq!(kinds, [both("gate"), both("gate-2")].concat());
    let facts = told[0].detail.clone().unwrap();
    assert_eq!((&facts["of"], &facts["clip"]["ref"]), (&json!([7]), &json!("gate-7.mp4")));
    assert_eq!(told[1].detail.as_ref().unwrap()["of"], json!([9]));
    let clip = &facts["clip"];
    assert_eq!((&clip["frames"], &clip["masked"]), (&json!(2), &json!(true)));
    assert_eq!(clip["to"], json!(UtcMs(1_800_000_000_100)));
    assert_eq!(std::fs::read(clips.join("gate-7.mp4")).unwrap(), film());
    // Asked again before they are recorded: the same; a note stays.
    settle(&root, &journal);
    assert_eq!(reports(left.tell(&config, &journal).told).len(), 4);
    let drafts = told.into_iter().map(|report| site::draft(report, "boot", &Now::default()));
    journal.append_and_wait(drafts.collect()).unwrap();
    assert!(left.tell(&config, &journal).told.is_empty());
    assert!(Left::look(&root).tell(&config, &journal).told.is_empty());
    settle(&root, &journal);
    assert_eq!(notes(&root), [] as [PathBuf; 0]);
    assert_eq!(journal.read(None, Seq::ZERO, 10, usize::MAX).unwrap().len(), 4);
}

#[test]
fn a_clip_without_a_note_is_told_with_what_its_name_says_and_of_the_right_camera() {
    let state = tempfile::tempdir().unwrap();
    let config = config(state.path());
    let note = guessed(&config, Path::new("/e/gate-2-8-s.2.mp4")).unwrap();
    assert_eq!((note.camera.as_str(), &*note.clip), ("gate-2", "gate-2-8-s"));
    assert_eq!((note.masked, note.from), (None, None));
    assert_eq!(guessed(&config, Path::new("/e/gate-8.mp4")).unwrap().camera.as_str(), "gate");
    assert_eq!(guessed(&config, Path::new("/e/yard-8.mp4")), None);
}
