//! Labelled clips: what is hit, missed, and cried without cause, by three schemes.
//!
//! `CLIPS=waving,tree cargo test -p gatehouse-camera --test watch -- --nocapture` plays only these.

use core::time::Duration;
use std::collections::BTreeMap;

use gatehouse_camera::decode::{Limits, decoder};
use gatehouse_camera::frame::{Codec, Frame};
use gatehouse_camera::picture::Picture;
use gatehouse_camera::watch::{Area, Finding, Settings, TamperKind, Watch};
use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};

use crate::clip::{folder, frames};
use crate::labels::{Clip, clips};
use crate::make;

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
                // What was on long before has not seen it. Labels are by eye, to a second or so.
                let early = *begin < event.from - 1.5;
                event.what == *what && *begin <= event.to + event.slack && !early
            });
            if !told && clip.counts(what, *begin) {
                score.false_alarms.push(format!("{what} {begin:.1}-{end:.1}"));
            }
        }
    }
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
            if let Some(weak) = &clip.weak {
                println!("{:<25}known weak: {weak}", "");
                continue;
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
