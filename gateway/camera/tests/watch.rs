//! Watching on labelled clips: what is hit, missed, and cried without cause, by three schemes.
//!
//! `CLIPS=waving,tree cargo test -p gatehouse-camera --test watch -- --nocapture` plays only these.

#![expect(clippy::unwrap_used, reason = "tests only")]

mod clip;
mod labels;

use core::time::Duration;
use std::collections::BTreeMap;

use clip::{ffmpeg, folder, frames, jpeg};
use gatehouse_camera::decode::{Limits, decoder, key};
use gatehouse_camera::frame::{Codec, Frame};
use gatehouse_camera::picture::{Picture, Point, Polygon, Range};
use gatehouse_camera::watch::{
    Area, AreaIndex, Finding, LeastSize, Sensitivity, Settings, TamperKind, Watch,
};
use gatehouse_core::time::Mono;
use labels::{Clip, clips};
use rustix::time::{ClockId, clock_gettime};

/// Longer than a group of pictures.
const HOLD: f64 = 2.5;

/// Which frames are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Key frames alone.
    Key,
    /// Key frames, and all while the watching wants them.
    Adaptive,
    /// Every frame.
    All,
}

/// When something was on, by what it is.
type Periods = BTreeMap<String, Vec<(f64, f64)>>;

#[derive(Clone, Debug, Default)]
struct Score {
    hits: usize,
    misses: Vec<String>,
    false_alarms: Vec<String>,
    delays: Vec<f64>,
    /// CPU seconds of decoding and watching.
    decode: f64,
    watch: f64,
    seconds: f64,
}

fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap()).as_secs_f64()
}

/// Plays a clip; gives what was on when.
fn play(clip: &Clip, frames: &[Frame], scheme: Scheme, score: &mut Score) -> Periods {
    let areas = clip.areas();
    let settings = Settings {
        areas: areas.iter().map(|(_, shape)| Area::new(shape.clone())).collect(),
        hold: Duration::from_secs_f64(HOLD),
        ..Settings::default()
    };
    let mut watch = Watch::new(settings);
    let mut decoder = decoder(Codec::H264, Limits::default());
    let mut decoding = false;
    let start = frames[0].received;
    let seconds = |at: Mono| at.since(start).as_secs_f64();
    let mut on: BTreeMap<String, f64> = BTreeMap::new();
    let mut periods = Periods::new();
    for frame in frames {
        let begin = cpu();
        let mut findings: Vec<Finding> = watch.compressed(frame).into_iter().collect();
        let watched = cpu();
        if frame.key {
            decoding = scheme == Scheme::All || scheme == Scheme::Adaptive && watch.wants_all();
        } else if scheme == Scheme::Adaptive && decoding && !watch.wants_all() {
            decoding = false;
        }
        let picture: Option<Picture> =
            if frame.key || decoding { decoder.decode(frame).unwrap() } else { None };
        let decoded = cpu();
        if let Some(picture) = picture {
            findings.extend(watch.picture(&picture, frame.received));
            // A key frame that shows something: go on from it.
            decoding |= frame.key && scheme == Scheme::Adaptive && watch.wants_all();
        }
        score.decode += decoded - watched;
        score.watch += watched - begin + (cpu() - decoded);
        let at = seconds(frame.received);
        for finding in findings {
            let (what, began) = match finding {
                Finding::Motion { area, on } => (areas[area.0].0.clone(), on),
                Finding::Tamper { kind, on } => (name(kind).to_owned(), on),
            };
            if began {
                assert_eq!(on.insert(what, at), None, "begun twice");
            } else {
                let begin = on.remove(&what).expect("ended without a begin");
                periods.entry(what).or_default().push((begin, at));
            }
        }
    }
    let end = seconds(frames[frames.len() - 1].received);
    for (what, begin) in on {
        periods.entry(what).or_default().push((begin, end));
    }
    score.seconds = end;
    periods
}

const fn name(kind: TamperKind) -> &'static str {
    match kind {
        TamperKind::Covered => "covered",
        TamperKind::Blinded => "blinded",
        TamperKind::Defocused => "defocused",
        TamperKind::Moved => "moved",
        TamperKind::Frozen => "frozen",
    }
}

/// Compares what was on with the labels.
fn judge(clip: &Clip, periods: &Periods, score: &mut Score) {
    let none = Vec::new();
    for event in clip.events() {
        let found = periods.get(&event.what).unwrap_or(&none);
        // What a hold from before still keeps on is no hit.
        let kept = clip
            .events()
            .filter(|other| other.what == event.what && other.to <= event.from)
            .map(|other| other.to + HOLD)
            .fold(event.from, f64::max);
        let hit = found.iter().find(|(begin, end)| {
            *begin <= event.to + event.slack && *end >= kept && *end >= event.from
        });
        match hit {
            Some((begin, end)) => {
                score.hits += 1;
                score.delays.push((begin - event.from).max(0.0));
                let by = event.to + event.most_late;
                let goes_on = clip.events().any(|other| {
                    other.what == event.what && other.from > event.to && other.from < by
                });
                if *end > by && !goes_on {
                    score.misses.push(format!("end of {} at {:.1}", event.what, event.to));
                }
            }
            None => score.misses.push(format!("{} at {:.1}", event.what, event.from)),
        }
    }
    for (what, found) in periods {
        for (begin, end) in found {
            let told = clip.events().any(|event| {
                event.what == *what && *begin <= event.to + event.slack && *end >= event.from
            });
            if !told && clip.counts(what, *begin) {
                score.false_alarms.push(format!("{what} {begin:.1}-{end:.1}"));
            }
        }
    }
}

/// Makes clips that are missing; all without names.
fn make(names: &[&str]) {
    let make = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clips/make");
    let status = std::process::Command::new(make).arg(folder()).args(names).status().unwrap();
    assert!(status.success(), "{make}");
}

#[test]
fn labelled_clips_are_seen_through() {
    let clips = clips();
    make(&[]);
    let mut failures = Vec::new();
    println!(
        "{:<16}{:<9}{:>5}{:>6}{:>6}{:>9}{:>9}{:>8}  CPU ms per second; delay in s",
        "clip", "scheme", "hits", "miss", "false", "delay", "decode", "watch"
    );
    let wanted = std::env::var("CLIPS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    for clip in
        clips.iter().filter(|clip| wanted.is_empty() || wanted.contains(&clip.name.as_str()))
    {
        let path = folder().join(format!("{}.h264", clip.name));
        if !path.exists() {
            println!("{:<16}no such footage here: left out", clip.name);
            assert!(!clip.drawn(), "{} was not made", clip.name);
            continue;
        }
        let frames = frames(&path, Codec::H264, clip.size, clip.rate);
        let areas = clip.areas();
        for scheme in [Scheme::Key, Scheme::Adaptive, Scheme::All] {
            let mut score = Score::default();
            let periods = play(clip, &frames, scheme, &mut score);
            judge(clip, &periods, &mut score);
            let delay = score.delays.iter().copied().fold(0.0, f64::max);
            let per_second = |cpu: f64| cpu * 1000.0 / score.seconds;
            let source = if clip.held_out { "  (held out)" } else { "" };
            println!(
                "{:<16}{:<9}{:>5}{:>6}{:>6}{:>9.1}{:>9.2}{:>8.2}{source}",
                clip.name,
                format!("{scheme:?}").to_lowercase(),
                score.hits,
                score.misses.len(),
                score.false_alarms.len(),
                delay,
                per_second(score.decode),
                per_second(score.watch),
            );
            for (what, list) in [("missed", &score.misses), ("false", &score.false_alarms)] {
                if !list.is_empty() {
                    println!("{:<25}{what}: {}", "", list.join(", "));
                }
            }
            // Of real footage key frames may miss what comes and goes between them.
            if !score.misses.is_empty() && (clip.drawn() || scheme != Scheme::Key) {
                failures.push(format!("{} {scheme:?}: {:?}", clip.name, score.misses));
            }
            // One alarm too many for leaves may be; nobody is sent to a camera for nothing.
            let tamper = |alarm: &String| !areas.iter().any(|(area, _)| alarm.starts_with(area));
            if score.false_alarms.len() > 1 || score.false_alarms.iter().any(tamper) {
                failures.push(format!("{} {scheme:?}: {:?}", clip.name, score.false_alarms));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

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
