//! Labelled clips: what is hit, missed, and cried without cause, by three schemes.
//!
//! `CLIPS=waving,tree cargo test -p gatehouse-camera --test watch -- --nocapture` plays only these;
//! `CLIPS_1080P=1` plays those that are drawn at 1920x1080, for figures: `tests/bench/labelled`. All frames are
//! decoded of every third clip only, of each with `ALL_FRAMES=1`: that takes twice as long as the rest, and is what
//! the others are compared with.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatehouse_camera::decode::{Limits, key};
use gatehouse_camera::eye::{Eye, Frames};
use gatehouse_camera::frame::{Codec, Frame};
use gatehouse_camera::watch::{Area, Finding, Settings, TamperKind, Watch};
use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};

use crate::clip::{folder, frames};
use crate::labels::{Clip, clips};
use crate::{make, make_large};

/// Longer than a group of pictures.
const HOLD: f64 = 2.5;

/// Seconds from key frame to key frame of what is drawn.
const GROUP: f64 = 2.0;

/// The view is learnt in so many seconds.
const LEARNING: f64 = 10.0;

/// Which frames are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Key frames alone.
    Key,
    /// Key frames, and others while the watching wants them: as cameras are watched by default.
    Adaptive,
    /// Every frame.
    All,
}

const SCHEMES: [Scheme; 3] = [Scheme::Key, Scheme::Adaptive, Scheme::All];

/// When something was on, by what it is.
type Periods = BTreeMap<String, Vec<(f64, f64)>>;

#[derive(Clone, Debug, Default)]
struct Score {
    clips: u32,
    hits: usize,
    misses: Vec<String>,
    false_alarms: Vec<String>,
    /// What was seen, and how long after it began.
    delays: Vec<(String, f64)>,
    /// CPU seconds of decoding and watching, and of the first [`LEARNING`] of the clip.
    cpu: f64,
    learning: f64,
    seconds: f64,
}

fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap()).as_secs_f64()
}

/// What a scheme looks with.
enum Looks {
    AtKeyFrames(Watch),
    By(Eye),
}

impl Looks {
    fn at(&mut self, frame: &Frame) -> Vec<Finding> {
        match self {
            Self::AtKeyFrames(watch) => {
                let mut findings: Vec<Finding> = watch.compressed(frame).into_iter().collect();
                if frame.key {
                    let picture = key(frame, Limits::default()).unwrap();
                    findings.extend(watch.picture(&picture, frame.received));
                }
                findings
            }
            Self::By(eye) => {
                let looked = eye.look(frame);
                assert_eq!(looked.error, None);
                looked.findings
            }
        }
    }
}

/// Plays a clip; gives what was on when.
fn play(clip: &Clip, frames: &[Frame], scheme: Scheme, score: &mut Score) -> Periods {
    let areas = clip.areas();
    let settings = Settings {
        areas: areas.iter().map(|(_, shape)| Area::new(shape.clone())).collect(),
        hold: Duration::from_secs_f64(HOLD),
        ..Settings::default()
    };
    let watch = Watch::new(settings);
    let mut looks = match scheme {
        Scheme::Key => Looks::AtKeyFrames(watch),
        Scheme::Adaptive => Looks::By(Eye::new(watch, Frames::Key)),
        Scheme::All => Looks::By(Eye::new(watch, Frames::All)),
    };
    let start = frames[0].received;
    let seconds = |at: Mono| at.since(start).as_secs_f64();
    let mut on: BTreeMap<String, f64> = BTreeMap::new();
    let mut periods = Periods::new();
    for frame in frames {
        let begin = cpu();
        let findings = looks.at(frame);
        let used = cpu() - begin;
        score.cpu += used;
        let at = seconds(frame.received);
        score.learning += if at < LEARNING { used } else { 0.0 };
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
    (score.clips, score.seconds) = (1, end);
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
                score.delays.push((event.what.clone(), (begin - event.from).max(0.0)));
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

/// What was seen later than one group of pictures and 0.3 s. Who blinds a camera has to do so for 4 s,
/// as headlights do not, and a picture has to be the same for 5 s of the median.
fn late(clip: &str, score: &Score) -> Vec<String> {
    let most = |what: &str| match what {
        "blinded" => 4.3,
        "frozen" => 6.0,
        _ => GROUP + 0.3,
    };
    let late = score.delays.iter().filter(|(what, delay)| *delay > most(what));
    late.map(|(what, delay)| format!("{clip}: {what} {delay:.1} s late")).collect()
}

/// Which clips, and where they are.
struct Choice {
    folder: PathBuf,
    /// Instead of each clip's own.
    size: Option<(u32, u32)>,
    /// All if empty.
    names: Vec<String>,
    /// Every clip by every scheme.
    all_frames: bool,
}

impl Choice {
    fn of_environment() -> Self {
        let names = std::env::var("CLIPS").unwrap_or_default();
        let names: Vec<String> =
            names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let (folder, size) = if std::env::var_os("CLIPS_1080P").is_some() {
            (make_large(&all), Some((1920, 1080)))
        } else {
            make(&all);
            (folder(), None)
        };
        let all_frames = std::env::var_os("ALL_FRAMES").is_some() || !names.is_empty();
        Self { folder, size, names, all_frames }
    }

    fn takes(&self, clip: &Clip) -> bool {
        self.names.is_empty() || self.names.contains(&clip.name)
    }

    /// The frames of a clip, if it is there.
    fn frames(&self, clip: &Clip) -> Option<Vec<Frame>> {
        let path = self.folder.join(format!("{}.h264", clip.name));
        let size = self.size.unwrap_or(clip.size);
        path.exists().then(|| frames(&path, Codec::H264, size, clip.rate))
    }
}

/// What came of each clip, by each scheme that it is played with; none: there is no such footage here. A clip takes one
/// processor, whose time is counted, so there are as many at once as there are processors.
fn scores(choice: &Choice, all: &[&Clip]) -> Vec<Option<[Option<Score>; 3]>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(clip) = all.get(index) else { return done };
            let of = |frames: &Vec<Frame>, scheme| {
                let mut score = Score::default();
                let periods = play(clip, frames, scheme, &mut score);
                judge(clip, &periods, &mut score);
                score
            };
            let frames = choice.frames(clip);
            let plays = |scheme: &Scheme| {
                *scheme != Scheme::All || choice.all_frames || index.is_multiple_of(3)
            };
            let by = |frames: &Vec<Frame>| {
                SCHEMES.map(|scheme| plays(&scheme).then(|| of(frames, scheme)))
            };
            done.push((&clip.name, frames.as_ref().map(by)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: BTreeMap<_, _> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    all.iter().map(|clip| done.remove(&clip.name).flatten()).collect()
}

#[test]
fn labelled_clips_are_seen_through() {
    let choice = Choice::of_environment();
    let mut failures = Vec::new();
    println!(
        "{:<20}{:<9}{:>5}{:>6}{:>6}{:>9}{:>9}{:>9}  CPU ms per second, the first 10 s apart; delay in s",
        "clip", "scheme", "hits", "miss", "false", "delay", "CPU", "learning"
    );
    let mut totals = SCHEMES.map(|scheme| (scheme, Score::default()));
    let known = clips();
    let all: Vec<_> = known.iter().filter(|clip| choice.takes(clip)).collect();
    for (clip, scores) in all.iter().zip(scores(&choice, &all)) {
        let Some(scores) = scores else {
            println!("{:<20}no such footage here: left out", clip.name);
            assert!(!clip.drawn(), "{} was not made", clip.name);
            continue;
        };
        for (score, (scheme, total)) in scores.into_iter().zip(&mut totals) {
            let Some(score) = score else { continue };
            score.say(&clip.name, *scheme, if clip.held_out { "  (held out)" } else { "" });
            if let Some(weak) = &clip.weak {
                println!("{:<29}known weak: {weak}", "");
                continue;
            }
            failures.extend(wrong(clip, *scheme, &score));
            total.add(score);
        }
    }
    for (scheme, total) in &totals {
        total.say("all of them", *scheme, "");
    }
    let [key, adaptive, all] = totals.map(|(_, total)| total.watching());
    if choice.all_frames {
        println!("of all frames: key frames {:.3}, adaptive {:.3}", key / all, adaptive / all);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What of a score must not be.
fn wrong(clip: &Clip, scheme: Scheme, score: &Score) -> Vec<String> {
    let mut wrong = Vec::new();
    // Of real footage key frames may miss what comes and goes between them.
    if !score.misses.is_empty() && (clip.drawn() || scheme != Scheme::Key) {
        wrong.push(format!("{} {scheme:?}: {:?}", clip.name, score.misses));
    }
    if scheme == Scheme::Adaptive && clip.size == (640, 360) {
        wrong.extend(late(&clip.name, score));
    }
    // One alarm too many for leaves may be; nobody is sent to a camera for nothing.
    let areas = clip.areas();
    let tamper = |alarm: &String| !areas.iter().any(|(area, _)| alarm.starts_with(area));
    if score.false_alarms.len() > 1 || score.false_alarms.iter().any(tamper) {
        wrong.push(format!("{} {scheme:?}: {:?}", clip.name, score.false_alarms));
    }
    wrong
}

impl Score {
    /// CPU milliseconds per second of the clip, once the view is learnt.
    fn watching(&self) -> f64 {
        (self.cpu - self.learning) * 1000.0 / (self.seconds - LEARNING * f64::from(self.clips))
    }

    #[expect(clippy::print_stdout, reason = "a table is what it is for")]
    fn say(&self, name: &str, scheme: Scheme, more: &str) {
        println!(
            "{name:<20}{:<9}{:>5}{:>6}{:>6}{:>9.1}{:>9.2}{:>9.2}{more}",
            format!("{scheme:?}").to_lowercase(),
            self.hits,
            self.misses.len(),
            self.false_alarms.len(),
            self.delays.iter().map(|(_, delay)| *delay).fold(0.0, f64::max),
            self.watching(),
            self.learning * 1000.0 / LEARNING / f64::from(self.clips),
        );
        for (what, list) in [("missed", &self.misses), ("false", &self.false_alarms)] {
            if !list.is_empty() {
                println!("{:<29}{what}: {}", "", list.join(", "));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.clips += other.clips;
        self.hits += other.hits;
        self.misses.extend(other.misses);
        self.false_alarms.extend(other.false_alarms);
        self.delays.extend(other.delays);
        self.cpu += other.cpu;
        self.learning += other.learning;
        self.seconds += other.seconds;
    }
}
