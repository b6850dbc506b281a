use std::sync::atomic::Ordering;

use gatehouse_camera::picture::{Mask, Polygon};
use gatehouse_core::contract::catalogue;
use gatehouse_core::site::{self, Report};
use gatehouse_core::time::Now;
use serde_json::json;

use super::super::testing::{hash_of, studio, wish, yard};
use super::*;
use crate::rules::Queue;

/// So long after the alarm a frame comes, through so much blur, with something so wide in it.
type Shown = (u64, usize, usize);

/// What is told of an alarm whose camera shows this, the first picture first.
struct Scene {
    reports: Vec<Report>,
    frames: Vec<Frame>,
    _state: tempfile::TempDir,
}

/// The rest of what was told.
async fn all(mut queue: Queue) -> Vec<Report> {
    let mut reports = Vec::new();
    while let Some(report) = queue.report().await {
        let draft = site::draft(report.clone(), "boot", &Now::default());
        assert_eq!(catalogue::check(&draft), Ok(()));
        reports.push(report);
    }
    reports
}

async fn scene(mask: Mask, shown: &[Shown], spoil: impl Fn(&Studio, &mut [Frame])) -> Scene {
    let state = tempfile::tempdir().unwrap();
    let (studio, queue, _said) = studio(state.path(), (mask, Vec::new()));
    let begin = studio.clock.mono();
    studio.newest.set(yard(begin, 0, 0));
    let later = studio.clone().take(wish(7, false, begin)).await.unwrap();
    let frame = |&(ms, blur, thing)| yard(begin.plus(Duration::from_millis(ms)), blur, thing);
    let mut frames: Vec<_> = shown.iter().map(frame).collect();
    spoil(&studio, &mut frames);
    let newest = studio.newest.clone();
    // Time stands, and goes on by itself while nobody has anything to do.
    tokio::time::pause();
    let film = async {
        let mut last = Duration::ZERO;
        for frame in &frames {
            let at = frame.received.since(begin);
            tokio::time::sleep(at.saturating_sub(last)).await;
            last = at;
            newest.set(frame.clone());
        }
    };
    tokio::join!(later.take(), film);
    tokio::time::resume();
    drop(studio);
    Scene { reports: all(queue).await, frames, _state: state }
}

const SHARP: usize = 0;
const BLURRED: usize = 14;

#[tokio::test]
async fn the_second_picture_is_not_the_first_key_frame_when_that_is_blurred() {
    let shown = [(1000, SHARP, 90), (2000, BLURRED, 60), (3000, SHARP, 60), (4000, SHARP, 60)];
    let scene = scene(Mask::none(), &shown, |_, _| {}).await;
    let [first, second] = &scene.reports[..] else { panic!("{:?}", scene.reports) };
    assert_eq!((first.kind, second.kind), ("camera.snapshot", "camera.snapshot"));
    assert!(first.detail.as_ref().unwrap()["chosen"].is_null());
    let facts = second.detail.as_ref().unwrap();
    assert_eq!((&facts["ref"], &facts["of"]), (&json!("gate-7-2.jpg"), &json!(7)));
    assert_eq!(facts["chosen"], json!({ "why": "sharpness", "of": 3 }));
    assert_eq!(facts["sha256"], hash_of(&scene.frames[2], &Mask::none()));
    assert_eq!(second.at, Some(scene.frames[2].received), "its time is that of its frame");
}

#[tokio::test]
async fn of_sharp_ones_it_is_that_with_the_most_change_and_none_of_behind_the_window() {
    let shown = [(1600, 0, 20), (2600, 0, 120), (3600, 0, 60), (6100, 0, 160)];
    let scene = scene(Mask::none(), &shown, |_, _| {}).await;
    let facts = scene.reports[1].detail.as_ref().unwrap();
    assert_eq!(facts["chosen"], json!({ "why": "change", "of": 3 }));
    assert_eq!(facts["sha256"], hash_of(&scene.frames[1], &Mask::none()));
}

#[tokio::test]
async fn a_camera_whose_key_frames_are_far_apart_has_the_first_and_a_silent_one_none() {
    let scene_of = async |shown: &[Shown]| scene(Mask::none(), shown, |_, _| {}).await;
    let slow = scene_of(&[(8000, BLURRED, 60), (9000, SHARP, 60)]).await;
    let facts = slow.reports[1].detail.as_ref().unwrap();
    assert_eq!(facts["chosen"], json!({ "why": "only", "of": 1 }));
    assert_eq!(slow.reports.len(), 2);
    assert_eq!(scene_of(&[(11_000, SHARP, 60)]).await.reports.len(), 1);
}

#[tokio::test]
async fn a_camera_that_sends_many_pictures_a_second_has_few_of_them_judged() {
    // Late in the window somebody comes near.
    let near = |ms: u64| if ms >= 4900 { 120 } else { 30 };
    let shown: Vec<Shown> = (10..70).map(|n| n * 100).map(|ms| (ms, SHARP, near(ms))).collect();
    let scene = scene(Mask::none(), &shown, |_, _| {}).await;
    let facts = scene.reports[1].detail.as_ref().unwrap();
    // Of 1.5, 2.4, 3.3, 4.2, 5.1 and 6.0 s.
    assert_eq!(facts["chosen"], json!({ "why": "change", "of": 6 }));
    assert_eq!(facts["sha256"], hash_of(&scene.frames[41], &Mask::none()));
}

#[tokio::test]
async fn a_damaged_one_is_passed_over_and_when_all_are_that_is_told_once() {
    let shown = [(2000, SHARP, 60), (3000, SHARP, 60)];
    let spoil = |frames: &mut [Frame]| {
        for frame in frames {
            frame.data = frame.data.slice(..40);
        }
    };
    let one = scene(Mask::none(), &shown, |_, frames| spoil(&mut frames[..1])).await;
    let facts = one.reports[1].detail.as_ref().unwrap();
    assert_eq!(facts["chosen"], json!({ "why": "only", "of": 1 }));
    assert_eq!(facts["sha256"], hash_of(&one.frames[1], &Mask::none()));
    let none = scene(Mask::none(), &shown, |_, frames| spoil(frames)).await;
    let kinds: Vec<_> = none.reports.iter().map(|report| report.kind).collect();
    assert_eq!(kinds, ["camera.snapshot", "camera.no_picture"]);
}

#[tokio::test]
async fn of_a_camera_that_was_moved_meanwhile_nothing_more_is_taken_where_a_mask_would_be_wrong() {
    let moves = |studio: &Studio, _: &mut [Frame]| studio.moved.store(true, Ordering::Release);
    let corner = "0,0 0.1,0 0.1,0.1".split(' ').map(|corner| {
        let (x, y) = corner.split_once(',').unwrap();
        gatehouse_camera::picture::Point { x: x.parse().unwrap(), y: y.parse().unwrap() }
    });
    let mask = Mask::new(vec![Polygon::new(corner.collect()).unwrap()]);
    let moved = scene(mask, &[(2000, SHARP, 60)], moves).await;
    assert_eq!(moved.reports[1].kind, "camera.no_picture");
    assert!(moved.reports[1].cause.as_ref().unwrap().contains("moved"), "{:?}", moved.reports);
    let plain = scene(Mask::none(), &[(2000, SHARP, 60)], moves).await;
    assert_eq!(plain.reports[1].kind, "camera.snapshot");
}

#[tokio::test]
async fn alarms_of_the_same_seconds_judge_each_frame_once() {
    let state = tempfile::tempdir().unwrap();
    let (studio, _queue, _said) = studio(state.path(), (Mask::none(), Vec::new()));
    let begin = studio.clock.mono();
    let frames: Vec<_> =
        (2..6).map(|n| yard(begin.plus(Duration::from_secs(n)), SHARP, 60)).collect();
    for frame in &frames {
        let seen = studio.view(frame).unwrap();
        // Of the same moment, and nothing that could be decoded.
        let known = Frame { data: bytes::Bytes::new(), ..frame.clone() };
        assert_eq!(studio.view(&known).unwrap(), seen);
    }
    for n in 10..20 {
        studio.view(&yard(begin.plus(Duration::from_secs(n)), SHARP, 60)).unwrap();
    }
    assert!(studio.views.0.lock().unwrap().len() <= MOST, "a camera's past is not kept");
}
