//! One file of a clip, fragment by fragment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_core::time::Mono;
use ring::digest::{Context, SHA256};
use thiserror::Error;

use super::disk::Disk;
use super::mp4::{Sample, TIMESCALE, fragment, init};
use super::recorder::ClipFile;
use crate::frame::{Frame, Track};
use crate::seal::Sum;

/// A fragment is written with the first key frame after so long: each costs a sync.
const LEAST: i64 = TIMESCALE as i64;

/// Without a key frame it is written after so long: so much does a power cut take.
const LONGEST: i64 = 2 * LEAST;

/// With B frames a fragment can only end at a key frame, or here.
const LONGEST_REORDERED: i64 = 10 * LEAST;

/// No fragment waits in memory with more bytes.
const HEAVIEST: usize = 8 << 20;

/// Within a session the camera's time is believed, unless it is off by more than this.
const FAR_OFF: i64 = 10 * LEAST;

/// Why a clip could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// No space: retention is too long for the medium.
    #[error("no space for {path}")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// A clip of this name is there already: a name was given twice, which is our bug.
    #[error("{path} is there already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Anything else of the file system: rights, a broken medium.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WriteError {
    fn new(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Io { what, path, source },
        }
    }
}

/// The name that a file has until it is whole.
pub(crate) const PARTIAL: &str = "partial";

/// A file that is being written. Dropped, it stays as `.partial`.
pub(super) struct ClipWriter<F> {
    path: PathBuf,
    file: F,
    track: Arc<Track>,
    hash: Context,
    bytes: u64,
    sequence: u32,
    frames: u64,
    pending: Vec<(Frame, i64)>,
    pending_bytes: usize,
    timeline: Timeline,
    span: (Mono, Mono),
}

impl<F: io::Write> ClipWriter<F> {
    /// Begins a file whose first frame this is, which must be a key frame.
    pub(super) fn begin<D: Disk<File = F>>(
        disk: &D,
        path: PathBuf,
        first: &Frame,
    ) -> Result<Self, WriteError> {
        let partial = path.with_added_extension(PARTIAL);
        let file = disk.create(&partial).map_err(|e| WriteError::new("create", &partial, e))?;
        let mut writer = Self {
            path,
            file,
            track: first.track.clone(),
            hash: Context::new(&SHA256),
            bytes: 0,
            sequence: 0,
            frames: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            timeline: Timeline::default(),
            span: (first.received, first.received),
        };
        writer.append(&init(&first.track))?;
        Ok(writer)
    }

    /// Whether a frame can go into this file.
    pub(super) fn takes(&self, frame: &Frame) -> bool {
        Arc::ptr_eq(&self.track, &frame.track) || self.track == frame.track
    }

    /// Its final name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When its first frame had come.
    pub(super) const fn first(&self) -> Mono {
        self.span.0
    }

    /// Adds a frame; what makes a fragment with it is on the medium when this returns.
    pub(super) fn push<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        frame: Frame,
    ) -> Result<(), WriteError> {
        let shown = self.timeline.place(&frame);
        if let Some(&(_, first)) = self.pending.first() {
            let span = shown - first;
            let longest = if self.timeline.reorders { LONGEST_REORDERED } else { LONGEST };
            let due = (frame.key && span >= LEAST) || span >= longest;
            if due || self.pending_bytes + frame.data.len() > HEAVIEST {
                self.flush(disk, Some(shown))?;
            }
        }
        self.span.1 = self.span.1.max(frame.received);
        self.pending_bytes += frame.data.len();
        self.pending.push((frame, shown));
        Ok(())
    }

    /// Writes the last fragment and gives the file its name. Durable when this returns.
    pub(super) fn finish<D: Disk<File = F>>(mut self, disk: &D) -> Result<ClipFile, WriteError> {
        self.flush(disk, None)?;
        let Self { path, file, .. } = self;
        let sealed = disk.end(file).map_err(|error| WriteError::new("end", &path, error))?;
        let partial = path.with_added_extension(PARTIAL);
        disk.publish(&partial, &path).map_err(|error| WriteError::new("rename", &path, error))?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.finish().as_ref());
        let content = Some(Sum { bytes: self.bytes, sha256 });
        Ok(ClipFile { path, content, sealed, frames: Some(self.frames), span: Some(self.span) })
    }

    fn flush<D: Disk<File = F>>(&mut self, disk: &D, next: Option<i64>) -> Result<(), WriteError> {
        let samples: Vec<_> = self
            .pending
            .iter()
            .map(|(frame, shown)| Sample {
                size: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
                key: frame.key,
                shown: *shown,
            })
            .collect();
        self.sequence += 1;
        let Some(mut out) = fragment(self.sequence, &samples, next) else { return Ok(()) };
        out.reserve_exact(self.pending_bytes);
        for (frame, _) in self.pending.drain(..) {
            out.extend_from_slice(&frame.data);
            self.frames += 1;
        }
        self.pending_bytes = 0;
        self.append(&out)?;
        disk.sync(&self.file).map_err(|error| WriteError::new("sync", &self.path, error))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(|error| WriteError::new("write", &self.path, error))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Makes one time of a file out of the times of sessions, each of which begins anew.
#[derive(Debug, Default)]
struct Timeline {
    last: Option<(Placed, i64)>,
    /// The latest that was shown.
    latest: i64,
    /// Whether pictures came in another order than they are shown.
    reorders: bool,
}

/// What is remembered of a frame.
#[derive(Debug)]
struct Placed {
    track: Arc<Track>,
    received: Mono,
    media: i64,
}

impl Timeline {
    /// When a frame is shown, in 1/90000 s since the file's beginning.
    fn place(&mut self, frame: &Frame) -> i64 {
        let shown = match &self.last {
            None => 0,
            Some((last, shown)) => {
                let by_camera = frame.media.saturating_sub(last.media);
                let ours = ninety_k(frame.received).saturating_sub(ninety_k(last.received));
                let same_session = Arc::ptr_eq(&last.track, &frame.track);
                if same_session && by_camera.saturating_sub(ours).saturating_abs() <= FAR_OFF {
                    shown.saturating_add(by_camera).max(0)
                } else {
                    self.latest.saturating_add(ours.max(1))
                }
            }
        };
        self.reorders |= self.last.as_ref().is_some_and(|(_, last)| shown < *last);
        self.latest = self.latest.max(shown);
        let Frame { track, received, media, .. } = frame;
        let frame = Placed { track: track.clone(), received: *received, media: *media };
        self.last = Some((frame, shown));
        shown
    }
}

fn ninety_k(at: Mono) -> i64 {
    // Boot time in nanoseconds times 9 fits for 64 years; in 128 bits for all.
    i64::try_from(u128::from(at.0) * 9 / 100_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{frame, track};

    #[test]
    fn a_new_session_goes_on_where_our_clock_is_and_a_camera_that_jumps_too() {
        let mut timeline = Timeline::default();
        let first = track(640, 360);
        let with = |n, track: &Arc<Track>| Frame { track: track.clone(), ..frame(n, true, 1) };
        assert_eq!(timeline.place(&with(50, &first)), 0);
        assert_eq!(timeline.place(&with(51, &first)), 9000);
        let second = track(640, 360);
        let begins = Frame { media: 0, ..with(60, &second) };
        assert_eq!(timeline.place(&begins), 90_000, "9 frames later by our clock");
        let jumps = Frame { media: 1 << 40, ..with(61, &second) };
        assert_eq!(timeline.place(&jumps), 99_000);
        assert!(!timeline.reorders);
    }

    #[test]
    fn a_burst_after_a_stall_keeps_the_cameras_time() {
        let mut timeline = Timeline::default();
        let track = track(640, 360);
        let late = Mono(9_000_000_000);
        let of = |n| Frame { track: track.clone(), received: late, ..frame(n, true, 1) };
        timeline.place(&Frame { received: Mono(0), ..of(0) });
        assert_eq!(timeline.place(&of(1)), 9000);
        assert_eq!(timeline.place(&of(2)), 18_000);
    }
}
