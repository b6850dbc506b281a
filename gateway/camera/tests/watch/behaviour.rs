//! What a setting does, what a source does, what an operator does.

use core::time::Duration;

use gatehouse_camera::decode::{Limits, decoder, key};
use gatehouse_camera::eye::{Eye, Frames};
use gatehouse_camera::frame::Codec;
use gatehouse_camera::picture::{Picture, Point, Polygon, Range};
use gatehouse_camera::watch::{
    Area, AreaIndex, Finding, LeastSize, Sensitivity, Settings, TamperKind, Watch,
};
use gatehouse_core::time::Mono;

use crate::clip::{ffmpeg, folder, frames, jpeg};
use crate::make;

#[test]
fn a_camera_that_sends_jpegs_is_watched_as_well() {
    make(&["covered"]);
    let stills = folder().join("stills");
    std::fs::create_dir_all(&stills).unwrap();
    let source = folder().join("covered.h264");
    let out = stills.join("%03d.jpg");
    let read = ["-f", "h264", "-r", "15", "-i", source.to_str().unwrap()];
    ffmpeg(&[&read[..], &["-vf", "fps=2", "-q:v", "4", out.to_str().unwrap()]].concat());
    let mut files: Vec<Vec<u8>> =
        (1..=80).filter_map(|n| std::fs::read(stills.join(format!("{n:03}.jpg"))).ok()).collect();
    assert!(files.len() >= 78, "{} stills", files.len());
    // And from here on always the last one.
    let last = files[files.len() - 1].clone();
    files.resize(files.len() + 30, last);

    let mut watch = Watch::new(Settings::default());
    let mut tamper = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let frame = jpeg(file, (640, 360), index, 2);
        tamper.extend(watch.compressed(&frame));
        let picture = key(&frame, Limits::default()).unwrap();
        tamper.extend(watch.picture(&picture, frame.received));
    }
    tamper.retain(|finding| matches!(finding, Finding::Tamper { .. }));
    let covered = |on| Finding::Tamper { kind: TamperKind::Covered, on };
    let frozen = Finding::Tamper { kind: TamperKind::Frozen, on: true };
    assert_eq!(tamper, [covered(true), covered(false), frozen]);
}

#[test]
fn of_a_camera_that_sends_nothing_but_key_frames_few_are_decoded_until_something_moves() {
    make(&["box"]);
    let stills = folder().join("box-stills");
    std::fs::create_dir_all(&stills).unwrap();
    let (source, out) = (folder().join("box.h264"), stills.join("%03d.jpg"));
    let read = ["-f", "h264", "-r", "15", "-i", source.to_str().unwrap()];
    ffmpeg(&[&read[..], &["-t", "20", "-q:v", "4", out.to_str().unwrap()]].concat());
    let frame = |index: usize| {
        let file = std::fs::read(stills.join(format!("{:03}.jpg", index + 1))).unwrap();
        jpeg(file, (640, 360), index, 15)
    };
    let mut eye = Eye::new(Watch::new(Settings::default()), Frames::Key);
    let (mut calm, mut begun, mut moving) = (0, None, 0);
    for index in 0..290 {
        let frame = frame(index);
        let decoded = usize::from(eye.decodes(&frame));
        // The view is learnt by 10 s; the box comes at 15 s.
        match index {
            165..225 => calm += decoded,
            _ if begun.is_some() => moving += decoded,
            _ => {}
        }
        let found = eye.look(&frame).findings;
        if found.iter().any(|found| matches!(found, Finding::Motion { on: true, .. })) {
            begun = Some(index);
        }
    }
    // Four seconds of 15 pictures; every sixth is 0.4 s behind the one before.
    assert_eq!(calm, 10);
    let begun = begun.expect("the box is seen");
    assert!((225..225 + 7 + 15).contains(&begun), "at picture {begun}");
    assert_eq!(moving, 290 - begun - 1, "all of them while it moves");
}

#[test]
fn who_confirms_a_new_view_ends_the_tamper_and_the_view_is_learnt() {
    make(&["moved"]);
    let path = folder().join("moved.h264");
    let frames = frames(&path, Codec::H264, (640, 360), 15);
    let mut watch = Watch::new(Settings::default());
    let moved = |on| Finding::Tamper { kind: TamperKind::Moved, on };
    let mut tamper = Vec::new();
    for frame in frames.iter().filter(|frame| frame.key).take(16) {
        let picture = key(frame, Limits::default()).unwrap();
        let found = watch.picture(&picture, frame.received);
        tamper.extend(found.into_iter().filter(|found| matches!(found, Finding::Tamper { .. })));
    }
    assert_eq!(tamper, [moved(true)]);
    assert_eq!(watch.relearn(), [moved(false)]);
    assert_eq!(watch.relearn(), []);
    // The new view is right now, and the old one is not.
    for frame in frames.iter().filter(|frame| frame.key).take(16).skip(10) {
        let later = frame.received.plus(Duration::from_secs(100));
        let picture = key(frame, Limits::default()).unwrap();
        assert!(!watch.picture(&picture, later).contains(&moved(true)));
    }
    let mut again = Vec::new();
    for frame in frames.iter().filter(|frame| frame.key).take(5) {
        let later = frame.received.plus(Duration::from_secs(200));
        again.extend(watch.picture(&key(frame, Limits::default()).unwrap(), later));
    }
    assert!(again.contains(&moved(true)), "{again:?}");
}

/// When a cover that came at 20.1 s is found, in s, if a frame is lost before this one.
fn covered_found(lost: Option<usize>) -> f64 {
    make(&["latecovered"]);
    let frames = frames(&folder().join("latecovered.h264"), Codec::H264, (640, 360), 15);
    let mut eye = Eye::new(Watch::new(Settings::default()), Frames::Key);
    let covered = Finding::Tamper { kind: TamperKind::Covered, on: true };
    for (index, frame) in frames.iter().enumerate() {
        if lost == Some(index) {
            eye.missed();
        }
        if eye.look(frame).findings.contains(&covered) {
            return frame.received.since(frames[0].received).as_secs_f64();
        }
    }
    panic!("not found");
}

#[test]
fn what_was_left_out_before_a_key_frame_tells_that_tamper_has_lasted() {
    // Key frames are at 20.0 and 22.0 s: the second shows it, and the frames between say since when.
    assert!((22.0..22.05).contains(&covered_found(None)));
    // Without them it has to last for a second from the key frame on, of which then all is decoded.
    assert!((23.0..23.3).contains(&covered_found(Some(325))));
}

/// How often motion began, in one area, when all frames are decoded.
fn begun(name: &str, settings: Settings) -> usize {
    make(&[name]);
    let frames = frames(&folder().join(format!("{name}.h264")), Codec::H264, (640, 360), 15);
    let mut watch = Watch::new(settings);
    let mut decoder = decoder(Codec::H264, Limits::default());
    let mut count = 0;
    for frame in &frames {
        let picture = decoder.decode(frame).unwrap().unwrap();
        let found = watch.picture(&picture, frame.received);
        count +=
            found.iter().filter(|found| matches!(found, Finding::Motion { on: true, .. })).count();
    }
    count
}

fn rectangle(x: (f64, f64), y: (f64, f64)) -> Polygon {
    let corners = [(x.0, y.0), (x.1, y.0), (x.1, y.1), (x.0, y.1)];
    Polygon::new(corners.iter().map(|&(x, y)| Point { x, y }).collect()).unwrap()
}

#[test]
fn nothing_counts_in_an_excluded_place_and_elsewhere_it_does() {
    let excluded = vec![rectangle((0.6, 1.0), (0.25, 0.8))];
    let settings = Settings { excluded, ..Settings::default() };
    assert_eq!(begun("waving", settings.clone()), 0);
    assert_eq!(begun("wavingbox", settings), 1);
}

#[test]
fn an_area_has_its_own_place_least_size_and_sensitivity() {
    let only = |area: Area| Settings { areas: vec![area], ..Settings::default() };
    // The box goes along the path, from 0.53 to 0.72 of the height.
    let path = Area::new(rectangle((0.0, 1.0), (0.5, 0.75)));
    assert_eq!(begun("box", only(path.clone())), 1);
    let sky = Area::new(rectangle((0.0, 1.0), (0.0, 0.5)));
    assert_eq!(begun("box", only(sky)), 0);
    // It covers 1.1 % of the picture; the small one 0.1 %.
    let large = Area { least: LeastSize::new(0.03).unwrap(), ..path.clone() };
    assert_eq!(begun("box", only(large)), 0);
}

#[test]
fn the_least_sensitive_area_takes_no_notice_of_a_slight_difference() {
    let picture = |level: u8| {
        let mut y: Vec<u8> =
            (0..640 * 360_usize).map(|i| if i % 97 < 40 { 80 } else { 140 }).collect();
        for row in 150..200 {
            y[row * 640 + 300..row * 640 + 330].iter_mut().for_each(|sample| *sample += level);
        }
        let planes = [y, vec![128; 320 * 180], vec![140; 320 * 180]];
        Picture::new(640, 360, Range::Full, planes).unwrap()
    };
    for (sensitivity, seen) in [(1, false), (5, true), (10, true)] {
        let sensitivity = Sensitivity::new(sensitivity).unwrap();
        let area = Area { sensitivity, ..Area::new(Polygon::whole()) };
        let mut watch = Watch::new(Settings { areas: vec![area], ..Settings::default() });
        let mut at = Mono(0);
        for _ in 0..500 {
            at = at.plus(Duration::from_millis(200));
            assert_eq!(watch.picture(&picture(0), at), []);
        }
        let found = watch.picture(&picture(7), at.plus(Duration::from_millis(200)));
        assert_eq!(!found.is_empty(), seen, "{sensitivity:?}");
    }
}

#[test]
fn where_something_stood_is_soon_no_motion_any_more() {
    // It leaves from 20 s to 24 s. What it leaves behind is forgotten within 2 s, so that the motion
    // ends with the hold after that, and not after the 6 s of something that stands.
    make(&["leaves"]);
    let frames = frames(&folder().join("leaves.h264"), Codec::H264, (640, 360), 15);
    let place = Area::new(rectangle((0.15, 0.36), (0.65, 0.85)));
    let hold = Duration::from_millis(500);
    let mut watch = Watch::new(Settings { areas: vec![place], hold, ..Settings::default() });
    let mut decoder = decoder(Codec::H264, Limits::default());
    let mut changes = Vec::new();
    for frame in &frames {
        let picture = decoder.decode(frame).unwrap().unwrap();
        for found in watch.picture(&picture, frame.received) {
            changes.push((found, frame.received.since(frames[0].received).as_secs_f64()));
        }
    }
    let motion = |on| Finding::Motion { area: AreaIndex(0), on };
    assert_eq!(
        changes.iter().map(|(found, _)| *found).collect::<Vec<_>>(),
        [motion(true), motion(false)]
    );
    // The last of it leaves this place at 20.9 s.
    assert!(changes[1].1 < 24.5, "{changes:?}");
}
