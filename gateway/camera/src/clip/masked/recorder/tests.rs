use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::clip::ClipId;
use crate::clip::disk::SystemDisk;
use crate::frame::{Codec, Track};
use crate::picture::{JPEG_QUALITY, Picture, Point, Polygon, Range};
use crate::ring::RingLimits;
use crate::testing::track;

const SECOND: u64 = 1_000_000_000;

/// The left half.
fn mask() -> Mask {
    let corners = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)];
    let corners = corners.iter().map(|&(x, y)| Point { x, y }).collect();
    Mask::new(vec![Polygon::new(corners).unwrap()])
}

fn recorder(folder: &Path, settings: MaskedSettings) -> MaskedRecorder<SystemDisk> {
    let ring = Ring::new(RingLimits::default());
    let limits = ClipLimits::default();
    MaskedRecorder::new(SystemDisk, folder.to_owned(), limits, ring, mask(), settings)
}

fn trigger(id: &str, second: u64) -> Trigger {
    Trigger { id: ClipId::new(id).unwrap(), at: Mono(second * SECOND) }
}

/// A stream of JPEGs, 10 in a second.
struct Stream {
    track: Arc<Track>,
    jpeg: Bytes,
}

impl Stream {
    fn bright() -> Self {
        let planes = [vec![220; 64 * 48], vec![128; 32 * 24], vec![128; 32 * 24]];
        let picture = Picture::new(64, 48, Range::Full, planes).unwrap();
        let jpeg = Mask::none().burn(picture).jpeg(JPEG_QUALITY).unwrap();
        Self { track: track(64, 48), jpeg: jpeg.into() }
    }

    fn noise() -> Self {
        Self { jpeg: Bytes::from_static(b"no picture at all"), ..Self::bright() }
    }

    fn feed(&self, recorder: &mut MaskedRecorder<SystemDisk>, seconds: std::ops::Range<i64>) {
        for n in seconds.start * 10..seconds.end * 10 {
            let received = Mono(n.unsigned_abs() * SECOND / 10);
            let (track, data) = (self.track.clone(), self.jpeg.clone());
            recorder.frame(&Frame { track, received, media: n * 9000, key: true, data });
        }
    }
}

fn all(recorder: &mut MaskedRecorder<SystemDisk>) -> Vec<ClipTold> {
    let mut told = Vec::new();
    while recorder.is_behind() {
        told.extend(recorder.advance(&mut || false));
    }
    assert_eq!(recorder.waiting, 0);
    told
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_clip_goes_from_before_its_trigger_to_after_it_and_holds_no_source_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(folder.path(), MaskedSettings::default());
    let stream = Stream::bright();
    assert_eq!(stream.track.codec, Codec::Jpeg);
    stream.feed(&mut recorder, 0..30);
    assert!(names(folder.path()).is_empty() && !recorder.is_behind());
    assert!(recorder.trigger(&trigger("a", 30)).is_none());
    assert!(all(&mut recorder).is_empty());
    for second in 30..49 {
        stream.feed(&mut recorder, second..second + 1);
        assert!(all(&mut recorder).is_empty());
    }
    stream.feed(&mut recorder, 49..52);
    let told = all(&mut recorder);
    let [ClipTold::Done { files, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(files[0].span, Some((Mono(20 * SECOND), Mono(50 * SECOND))));
    assert_eq!(files[0].frames, Some(301));
    let bytes = std::fs::read(&files[0].path).unwrap();
    let scan = &stream.jpeg[stream.jpeg.len() / 2..];
    assert!(!bytes.windows(scan.len().min(24)).any(|window| scan.starts_with(window)));
}

#[test]
fn what_cannot_be_decoded_makes_no_clip_and_no_file_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(folder.path(), MaskedSettings::default());
    Stream::noise().feed(&mut recorder, 0..30);
    recorder.trigger(&trigger("a", 30));
    recorder.tick(Mono(50 * SECOND));
    let told = all(&mut recorder);
    let [ClipTold::Failed { error, files, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert!(error.to_string().starts_with("its mask cannot be painted"), "{error}");
    assert!(files.is_empty() && names(folder.path()).is_empty());
}

#[test]
fn a_camera_that_shows_nothing_has_an_empty_clip() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(folder.path(), MaskedSettings::default());
    recorder.trigger(&trigger("a", 30));
    recorder.trigger(&trigger("b", 31));
    recorder.tick(Mono(49 * SECOND));
    assert!(!recorder.is_behind(), "b has prolonged it");
    recorder.tick(Mono(51 * SECOND));
    let told = all(&mut recorder);
    let [ClipTold::Empty { merged, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(merged.len(), 1);
}

/// The box had no turn for a minute: every trigger has its clip nevertheless, of what was there.
#[test]
fn a_clip_that_waits_for_its_turn_does_not_take_the_next_ones_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(folder.path(), MaskedSettings::default());
    let stream = Stream::bright();
    stream.feed(&mut recorder, 0..30);
    recorder.trigger(&trigger("a", 30));
    stream.feed(&mut recorder, 30..60);
    recorder.trigger(&trigger("b", 60));
    recorder.trigger(&trigger("c", 62));
    stream.feed(&mut recorder, 60..100);
    let told = all(&mut recorder);
    let [ClipTold::Done { files: a, .. }, ClipTold::Done { files: b, merged, .. }] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    // Every second picture: it was late.
    let (first, last) = a[0].span.unwrap();
    assert!(first <= Mono(20 * SECOND + SECOND / 5) && last >= Mono(49 * SECOND));
    assert!((150..301).contains(&a[0].frames.unwrap()), "{a:?}");
    let (first, last) = b[0].span.unwrap();
    assert!(first <= Mono(50 * SECOND + SECOND / 5) && last >= Mono(81 * SECOND));
    assert_eq!(merged.len(), 1);
    assert_eq!(names(folder.path()), ["a.mp4", "b.mp4"]);
}

#[test]
fn a_box_that_is_too_far_behind_says_so_and_its_memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Stream::bright();
    let room = 100 * stream.jpeg.len();
    let settings = MaskedSettings { waiting: room, ..MaskedSettings::default() };
    let mut recorder = recorder(folder.path(), settings);
    let mut refused = 0;
    for n in 0..6 {
        let told = recorder.trigger(&trigger(&format!("t{n}"), 30 * n));
        refused += usize::from(matches!(told, Some(ClipTold::Failed { .. })));
        let second = i64::try_from(30 * n).unwrap();
        stream.feed(&mut recorder, second..second + 30);
        assert!(recorder.waiting <= room);
    }
    assert_eq!(refused, 2, "four wait at most");
    assert!(recorder.dropped() > 0);
    assert_eq!(all(&mut recorder).len(), 4);
}

#[test]
fn nothing_is_taken_of_a_camera_that_was_moved() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(folder.path(), MaskedSettings::default());
    let stream = Stream::bright();
    stream.feed(&mut recorder, 0..30);
    recorder.trigger(&trigger("a", 30));
    recorder.look_away(true);
    stream.feed(&mut recorder, 30..60);
    let told = all(&mut recorder);
    let [ClipTold::Failed { error, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert!(error.to_string().contains("moved"), "{error}");
    assert!(matches!(recorder.trigger(&trigger("b", 60)), Some(ClipTold::Failed { .. })));
    assert_eq!(recorder.bytes(), 0);
    recorder.look_away(false);
    stream.feed(&mut recorder, 60..65);
    recorder.trigger(&trigger("c", 65));
    recorder.close();
    let told = all(&mut recorder);
    let [ClipTold::Done { files, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(files[0].span.unwrap().0, Mono(60 * SECOND), "nothing of before");
}
