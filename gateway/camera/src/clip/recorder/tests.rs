use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::clip::disk::SystemDisk;
use crate::clip::{Recovered, half_written, recover};
use crate::picture::Mask;
use crate::ring::RingLimits;
use crate::testing::{frame, track};

/// The system's disk with so many bytes left.
#[derive(Clone)]
struct Small(Arc<AtomicUsize>);

struct SmallFile(File, Arc<AtomicUsize>);

impl Write for SmallFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.1.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.0.write(&bytes[..bytes.len().min(left)])?;
        self.1.fetch_sub(written, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Disk for Small {
    type File = SmallFile;

    fn create(&self, path: &Path) -> io::Result<SmallFile> {
        Ok(SmallFile(SystemDisk.create(path)?, self.0.clone()))
    }

    fn sync(&self, file: &SmallFile) -> io::Result<()> {
        SystemDisk.sync(&file.0)
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.publish(from, to)
    }
}

/// The system's disk, and what was asked of it.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Vec<&'static str>>>);

struct WatchedFile(File, Watched);

impl Watched {
    fn say(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

impl Write for WatchedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.say("write");
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Disk for Watched {
    type File = WatchedFile;

    fn create(&self, path: &Path) -> io::Result<WatchedFile> {
        self.say("create");
        Ok(WatchedFile(SystemDisk.create(path)?, self.clone()))
    }

    fn sync(&self, file: &WatchedFile) -> io::Result<()> {
        self.say("sync");
        SystemDisk.sync(&file.0)
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.say("publish");
        SystemDisk.publish(from, to)
    }
}

fn recorder<D: Disk>(disk: D, folder: &Path) -> Recorder<D> {
    let ring = Ring::new(RingLimits::default());
    let unmasked = Mask::none().unmasked().unwrap();
    Recorder::new(disk, folder.to_owned(), ClipLimits::default(), ring, unmasked)
}

fn trigger(id: &str, second: u64) -> Trigger {
    Trigger { id: ClipId::new(id).unwrap(), at: Mono(second * 1_000_000_000) }
}

/// Seconds of a stream of 10 frames per second and a key frame every 2 s.
fn feed<D: Disk>(recorder: &mut Recorder<D>, seconds: std::ops::Range<i64>) -> Vec<ClipTold> {
    let track = track(640, 360);
    let frames = seconds.start * 10..seconds.end * 10;
    frames
        .filter_map(|n| {
            recorder.frame(Frame { track: track.clone(), ..frame(n, n % 20 == 0, 100) })
        })
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_clip_goes_from_before_its_trigger_to_after_the_last_that_it_covers() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(SystemDisk, folder.path());
    feed(&mut recorder, 0..30);
    assert!(recorder.trigger(&trigger("a", 29)).is_empty());
    assert_eq!(names(folder.path()), ["a.mp4.partial"]);
    feed(&mut recorder, 30..40);
    assert!(recorder.trigger(&trigger("b", 39)).is_empty());
    let told = feed(&mut recorder, 40..70);
    let [ClipTold::Done { id, merged, files }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((id.to_string().as_str(), merged.len(), files.len()), ("a", 1, 1));
    let file = &files[0];
    // From the key frame at 18 s to 59 s.
    assert_eq!(file.span, Some((Mono(18_000_000_000), Mono(59_000_000_000))));
    assert_eq!(file.frames, Some(411));
    assert_eq!(names(folder.path()), ["a.mp4"]);
    let bytes = std::fs::read(&file.path).unwrap();
    assert_eq!(bytes.len() as u64, file.content.unwrap().bytes);
    assert_eq!(
        ::ring::digest::digest(&::ring::digest::SHA256, &bytes).as_ref(),
        file.content.unwrap().sha256
    );
}

#[test]
fn each_fragment_is_on_the_medium_before_the_next_and_all_before_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Watched::default();
    let mut recorder = recorder(disk.clone(), folder.path());
    feed(&mut recorder, 0..6);
    recorder.trigger(&trigger("a", 5));
    assert!(recorder.end().is_some());
    // The head, and the groups at 0, 2 and 4 s.
    let expected =
        ["create", "write", "write", "sync", "write", "sync", "write", "sync", "publish"];
    assert_eq!(*disk.0.lock().unwrap(), expected);
}

#[test]
fn a_clip_ends_in_time_when_no_frame_comes_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(SystemDisk, folder.path());
    feed(&mut recorder, 0..10);
    recorder.trigger(&trigger("a", 9));
    assert_eq!(recorder.due(), Some(Mono(29_000_000_000)));
    assert!(recorder.tick(Mono(28_999_999_999)).is_none());
    assert!(matches!(recorder.tick(Mono(29_000_000_000)), Some(ClipTold::Done { .. })));
    assert!(recorder.tick(Mono(30_000_000_000)).is_none());
}

#[test]
fn a_camera_that_was_dead_all_the_time_gives_an_empty_clip_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(SystemDisk, folder.path());
    feed(&mut recorder, 0..10);
    recorder.trigger(&trigger("a", 60));
    assert!(matches!(recorder.tick(Mono(80_000_000_000)), Some(ClipTold::Empty { .. })));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn another_format_begins_another_file_of_the_same_clip() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(SystemDisk, folder.path());
    feed(&mut recorder, 0..10);
    recorder.trigger(&trigger("a", 9));
    let other = track(1280, 720);
    for n in 100..140 {
        recorder.frame(Frame { track: other.clone(), ..frame(n, n % 20 == 0, 100) });
    }
    let Some(ClipTold::Done { files, .. }) = recorder.end() else { panic!("no clip") };
    assert_eq!(files.iter().map(|file| file.frames.unwrap()).collect::<Vec<_>>(), [100, 40]);
    assert_eq!(names(folder.path()), ["a.2.mp4", "a.mp4"]);
}

#[test]
fn a_full_disk_is_told_what_was_whole_is_kept_and_the_next_trigger_tries_anew() {
    let folder = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicUsize::new(30_000));
    let mut recorder = recorder(Small(left.clone()), folder.path());
    feed(&mut recorder, 0..20);
    recorder.trigger(&trigger("a", 19));
    let told = feed(&mut recorder, 20..60);
    let [ClipTold::Failed { error: ClipError::Write(WriteError::Full { .. }), files, .. }] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(names(folder.path()), ["a.mp4"], "nothing half-written is left");
    assert!(files[0].content.unwrap().bytes > 20_000 && files[0].content.unwrap().bytes <= 30_000);
    left.store(1 << 20, Ordering::Relaxed);
    recorder.trigger(&trigger("b", 59));
    let Some(ClipTold::Done { files, .. }) = recorder.end() else { panic!("no clip") };
    assert_eq!(files[0].span.unwrap().0, Mono(48_000_000_000), "the ring was not lost");
}

#[test]
fn a_name_that_is_taken_does_not_lose_the_older_evidence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mp4"), "evidence").unwrap();
    let mut recorder = recorder(SystemDisk, folder.path());
    feed(&mut recorder, 0..10);
    recorder.trigger(&trigger("a", 9));
    let told = recorder.end();
    let Some(ClipTold::Failed { error: ClipError::Write(WriteError::Exists { .. }), .. }) = &told
    else {
        panic!("{told:?}")
    };
    assert_eq!(std::fs::read(folder.path().join("a.mp4")).unwrap(), b"evidence");
}

/// A power cut leaves any prefix of what was written.
#[test]
fn whatever_a_power_cut_left_is_recovered_up_to_its_last_fragment_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = recorder(SystemDisk, folder.path());
    feed(&mut first, 0..10);
    first.trigger(&trigger("a", 9));
    feed(&mut first, 10..20);
    let partial = folder.path().join("a.mp4.partial");
    let written = std::fs::read(&partial).unwrap();
    drop(first);
    let mut kept = 0;
    for cut in (0..=written.len()).step_by(97) {
        let _ = std::fs::remove_file(folder.path().join("a.mp4"));
        std::fs::write(&partial, &written[..cut]).unwrap();
        assert_eq!(half_written(folder.path()).unwrap(), std::slice::from_ref(&partial));
        match recover(&partial, None) {
            Recovered::Kept { file, .. } => {
                kept += 1;
                let bytes = std::fs::read(&file.path).unwrap();
                assert_eq!(bytes, written[..bytes.len()]);
                assert!(cut - bytes.len() < 3000, "at most one fragment is lost");
            }
            Recovered::Removed { .. } => assert!(cut < 4000),
            other @ Recovered::Failed { .. } => panic!("{other:?}"),
        }
        assert!(!partial.exists());
    }
    assert!(kept > 50);
}
