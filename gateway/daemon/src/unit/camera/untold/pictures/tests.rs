use std::os::unix::fs::PermissionsExt as _;

use gatehouse_camera::picture::Mask;
use gatehouse_camera::seal;
use gatehouse_core::contract::catalogue;
use gatehouse_core::id::Seq;
use gatehouse_core::site::{self, Input, Report};
use gatehouse_journal::{ClockSource, Options};

use super::super::super::testing::{config, studio, wish, yard};
use super::super::{Left, notes, settle};
use super::*;

fn journal(state: &Path) -> Journal {
    let clock = ClockSource::new(Now::default);
    let id = "g".parse().unwrap();
    Journal::open(Options::new(state.join("journal"), id, "boot".to_owned(), clock)).unwrap().0
}

fn reports(told: Vec<Input>) -> Vec<Report> {
    let report = |input| match input {
        Input::Report(report) => report,
        other => panic!("{other:?}"),
    };
    told.into_iter().map(report).collect()
}

/// A picture that the daemon took and could not tell of: its rules had ended.
async fn taken(state: &Path, silent: bool, key: Option<&Identity>) -> PathBuf {
    let recipients = key.map(seal::recipient).into_iter().collect();
    let (studio, queue, _said) = studio(state, (Mask::none(), recipients));
    drop(queue);
    let begin = studio.clock.mono();
    studio.newest.set(yard(begin, 0, 40));
    let root = studio.root.clone();
    drop(studio.take(wish(7, silent, begin)).await);
    let sealed = if key.is_some() { ".age" } else { "" };
    root.join(PICTURES).join(format!("gate-7.jpg{sealed}"))
}

#[tokio::test]
async fn what_a_kill_leaves_between_a_picture_and_its_event_is_told_once_and_sent() {
    for silent in [false, true] {
        let state = tempfile::tempdir().unwrap();
        let path = taken(state.path(), silent, None).await;
        let (config, journal) = (config(state.path()), journal(state.path()));
        let root = evidence::root(&config);
        let left = Left::look(&root);
        let Found { told, pictures } = left.tell(&config, &journal);
        let told = reports(told);
        let [one] = &told[..] else { panic!("{told:?}") };
        assert_eq!(one.kind, if silent { "camera.snapshot_silent" } else { "camera.snapshot" });
        assert_eq!(one.source.1.as_str(), "gate");
        let facts = one.detail.clone().unwrap();
        assert_eq!((&facts["of"], &facts["ref"]), (&json!(7), &json!("gate-7.jpg")));
        assert_eq!((&facts["recovered"], &facts["masked"]), (&json!(true), &json!(false)));
        let jpeg = std::fs::read(&path).unwrap();
        assert_eq!(facts["sha256"], to_hex(digest(&SHA256, &jpeg).as_ref()));
        assert_eq!(pictures.len(), 1);
        assert_eq!((pictures[0].of, &pictures[0].jpeg[..]), (Some(Seq(7)), &jpeg[..]));
        // Until the journal has it, it is told again and its note stays.
        settle(&root, &journal);
        assert_eq!(left.tell(&config, &journal).told.len(), 1);
        let draft = |report| site::draft(report, "boot", &Now::default());
        let drafts: Vec<_> = told.into_iter().map(draft).collect();
        assert_eq!(catalogue::check(&drafts[0]), Ok(()));
        journal.append_and_wait(drafts).unwrap();
        for left in [left, Left::look(&root)] {
            let again = left.tell(&config, &journal);
            assert!(again.told.is_empty() && again.pictures.is_empty());
        }
        settle(&root, &journal);
        assert_eq!(notes(&root), [] as [PathBuf; 0]);
        assert!(path.exists());
    }
}

#[tokio::test]
async fn a_sealed_one_is_told_with_both_hashes_and_sent_by_who_can_open_it() {
    let state = tempfile::tempdir().unwrap();
    let key = seal::generate().unwrap();
    let path = taken(state.path(), false, Some(&key)).await;
    let lies = std::fs::read(&path).unwrap();
    let (journal, file) = (journal(state.path()), state.path().join("evidence.key"));
    let blind = config(state.path());
    let left = Left::look(&evidence::root(&blind));
    let Found { told, pictures } = left.tell(&blind, &journal);
    let facts = reports(told)[0].detail.clone().unwrap();
    assert_eq!(facts["sealed"]["sha256"], to_hex(digest(&SHA256, &lies).as_ref()));
    assert!(pictures.is_empty(), "this box cannot look into it");
    std::fs::write(&file, key.to_text().as_bytes()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut sighted = config(state.path());
    sighted.evidence.key = Some(gatehouse_config::PasswordSource::File(file));
    let pictures = left.tell(&sighted, &journal).pictures;
    let jpeg = &pictures[0].jpeg;
    assert_eq!(facts["sha256"], to_hex(digest(&SHA256, jpeg).as_ref()));
    assert!(jpeg.starts_with(&[0xff, 0xd8]));
}

#[tokio::test]
async fn one_that_was_written_whole_is_put_in_its_place_and_a_cut_off_one_goes() {
    let state = tempfile::tempdir().unwrap();
    let path = taken(state.path(), false, None).await;
    let (config, journal) = (config(state.path()), journal(state.path()));
    let root = evidence::root(&config);
    let jpeg = std::fs::read(&path).unwrap();
    std::fs::rename(&path, half(&path)).unwrap();
    let nameless = root.join(PICTURES).join("gate-3.jpg.partial");
    std::fs::write(&nameless, b"of an earlier version").unwrap();
    settle(&root, &journal);
    assert_eq!(Left::look(&root).tell(&config, &journal).told.len(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), jpeg);
    assert!(!half(&path).exists() && !nameless.exists());
    // The power went while it was written.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(half(&path), &jpeg[..jpeg.len() / 2]).unwrap();
    let left = Left::look(&root);
    assert!(left.tell(&config, &journal).told.is_empty());
    assert!(left.tell(&config, &journal).told.is_empty(), "asked again");
    assert!(!half(&path).exists() && !path.exists() && notes(&root).is_empty());
}

#[tokio::test]
async fn one_that_holds_something_else_is_never_told_as_what_it_was() {
    let state = tempfile::tempdir().unwrap();
    let path = taken(state.path(), false, None).await;
    let (config, journal) = (config(state.path()), journal(state.path()));
    let mut jpeg = std::fs::read(&path).unwrap();
    let middle = jpeg.len() / 2;
    jpeg[middle] ^= 1;
    std::fs::write(&path, jpeg).unwrap();
    let left = Left::look(&evidence::root(&config));
    let Found { told, pictures } = left.tell(&config, &journal);
    let told = reports(told);
    assert_eq!((told.len(), told[0].kind), (1, "camera.no_picture"));
    assert_eq!(told[0].detail, Some(json!({ "of": 7 })));
    assert!(pictures.is_empty() && left.tell(&config, &journal).told.is_empty());
}

#[test]
fn pictures_are_known_by_their_names() {
    for name in ["gate-7.jpg", "gate-7-2.jpg.age"] {
        assert!(is_picture(Path::new(name)), "{name}");
    }
    for name in ["gate-7.mp4", "gate-7.mp4.age", "gate-7.2.mp4", ".jpg", ""] {
        assert!(!is_picture(Path::new(name)), "{name}");
    }
}
