//! Clips that are on the flash before anybody was told of them.
//!
//! ```text
//! {state-dir}/evidence/untold/{file}.json     what a clip is of, while it is made and until its event
//!                                             is recorded
//! ```
//! A note is there before its clip's first byte, and goes once the journal has the event with the clip's
//! name. What a power cut, a kill or a hasty stop leaves is told at the next start, once, with
//! `recovered: true`. A clip without a note (of an earlier version, or of a disk that was full) is told
//! with what its name says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_camera::clip::{self, ClipFile, ClipId, Notes, Recovered};
use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::Id;
use gatehouse_core::site::Input;
use gatehouse_core::time::{ClockState, Mono, UtcMs};
use gatehouse_journal::{Journal, Query};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use super::clips::{self, Shown};
use super::evidence::{self, CLIPS, UNTOLD};
use super::picture::report;
use crate::clock::Clock;

/// So many events of a camera are looked through for a clip's, the newest first: more than a camera
/// tells between the begin of a clip and the next start.
const LOOKED_AT: usize = 5_000;

/// A note whose clip is not there is of one that is about to begin, or that never did.
const ABOUT_TO: Duration = Duration::from_secs(3600);

/// What is known of a clip while it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    camera: Id,
    /// The clip, as [`clips::meaning`] reads it.
    clip: String,
    /// Further triggers that it covers.
    merged: Vec<String>,
    /// When its first picture had come; `None`: the clock had never been set.
    from: Option<UtcMs>,
    pre_s: u64,
    post_s: u64,
    /// `None`: nobody knows.
    masked: Option<bool>,
}

/// Writes notes of a camera's clips.
pub(super) struct Noter {
    pub(super) camera: Id,
    pub(super) around_s: (u64, u64),
    pub(super) masked: bool,
    pub(super) clock: Clock,
    /// That of all evidence.
    pub(super) root: PathBuf,
}

impl Notes for Noter {
    fn making(&self, file: &Path, plan: &clip::Plan, first: Mono) {
        let now = self.clock.now();
        let (pre_s, post_s) = self.around_s;
        let note = Note {
            camera: self.camera.clone(),
            clip: plan.id.to_string(),
            merged: plan.merged.iter().map(ClipId::to_string).collect(),
            from: (now.clock != ClockState::Never).then(|| now.utc_at(first)),
            pre_s,
            post_s,
            masked: Some(self.masked),
        };
        let path = note_of(&self.root, file);
        let written = serde_json::to_vec(&note).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| evidence::write(&path, &bytes)) {
            // The clip matters more than what is known of it.
            warn!(path = %path.display(), %error, "a power cut would leave a clip of unknown origin");
        }
    }
}

/// Where the note of a clip is.
fn note_of(root: &Path, file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default();
    root.join(UNTOLD).join(name).with_added_extension("json")
}

/// What was left when the daemon started: half-written files, and clips with a note.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Left {
    half: Vec<PathBuf>,
    noted: Vec<PathBuf>,
}

impl Left {
    /// Looks for it. To be called before a recorder runs: what one begins later is not left.
    pub(in super::super) fn look(root: &Path) -> Self {
        let half = match clip::half_written(&root.join(CLIPS)) {
            Ok(half) => half,
            // Without cameras there is no folder.
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                error!(%error, "half-written clips stay");
                Vec::new()
            }
        };
        let whole = |note: PathBuf| {
            let name = note.file_stem()?.to_owned();
            Some(root.join(CLIPS).join(name))
        };
        let noted = notes(root).into_iter().filter_map(whole).filter(|clip| clip.exists());
        Self { half, noted: noted.collect() }
    }

    /// Makes clips of half-written files, and what is to be told of all that nobody was told of. Blocks
    /// on the disk. May be asked again: what was told is not told twice.
    pub(in super::super) fn tell(
        &self,
        root: &Path,
        cameras: &[Id],
        journal: &Journal,
    ) -> Vec<Input> {
        let mut found = Vec::new();
        for partial in &self.half {
            match clip::recover(partial) {
                Recovered::Kept { file, lasts } => {
                    info!(path = %file.path.display(), "a clip was cut off and is whole");
                    found.push((file, lasts));
                }
                Recovered::Removed { path } => {
                    info!(path = %path.display(), "a clip had no picture yet");
                    let _ = std::fs::remove_file(note_of(root, &path.with_extension("")));
                }
                // It was made whole when this was asked before.
                Recovered::Failed { path, error }
                    if error.kind() == std::io::ErrorKind::NotFound =>
                {
                    let clip = path.with_extension("");
                    found.extend(clip::whole(&clip).ok());
                }
                Recovered::Failed { path, error } => {
                    warn!(path = %path.display(), %error, "a half-written clip stays");
                }
            }
        }
        for clip in &self.noted {
            match clip::whole(clip) {
                Ok(whole) => found.push(whole),
                // It had its time meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => warn!(path = %clip.display(), %error, "a clip cannot be read"),
            }
        }
        let told = |(file, lasts)| told(root, cameras, journal, &file, lasts);
        found.into_iter().flat_map(told).collect()
    }
}

/// The events of a clip that was found; none if the journal has them.
fn told(
    root: &Path,
    cameras: &[Id],
    journal: &Journal,
    file: &ClipFile,
    lasts: Duration,
) -> Vec<Input> {
    let Some(note) = read(&note_of(root, &file.path)).or_else(|| guessed(cameras, &file.path))
    else {
        warn!(path = %file.path.display(), "a clip of no camera of this site; it is not told of");
        return Vec::new();
    };
    let Some(name) = file.path.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    match known(journal, &note.camera, name) {
        Ok(false) => {}
        Ok(true) => return Vec::new(),
        Err(error) => {
            // Told twice is better than never.
            warn!(%error, clip = name, "the journal cannot say whether a clip was told of");
        }
    }
    let Ok(id) = ClipId::new(&note.clip) else { return Vec::new() };
    let merged: Vec<_> = note.merged.iter().filter_map(|id| ClipId::new(id).ok()).collect();
    let lasts_ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    let shown = Shown {
        camera: &note.camera,
        around_s: (note.pre_s, note.post_s),
        masked: note.masked,
        from: note.from,
        to: note.from.map(|from| UtcMs(from.0.saturating_add(lasts_ms))),
        recovered: true,
    };
    let facts = clips::facts(&shown, file);
    let events = clips::events(&note.camera, &id, &merged).into_iter();
    let input = |(kind, of)| {
        let detail = serde_json::json!({ "of": of, "clip": facts });
        report(&note.camera, (Class::Camera, kind), None, detail, None)
    };
    events.map(input).collect()
}

/// What a clip's name says, where nothing else does.
fn guessed(cameras: &[Id], file: &Path) -> Option<Note> {
    let clip = file.file_name()?.to_str()?.split('.').next()?.to_owned();
    let of =
        |camera: &&Id| clip.strip_prefix(camera.as_str()).is_some_and(|rest| rest.starts_with('-'));
    // Of `gate` and `gate-2` the longer.
    let camera = cameras.iter().filter(of).max_by_key(|camera| camera.as_str().len())?.clone();
    Some(Note { camera, clip, merged: Vec::new(), from: None, pre_s: 0, post_s: 0, masked: None })
}

/// Removes notes of clips whose event is recorded. Blocks on the disk.
pub(in super::super) fn settle(root: &Path, journal: &Journal) {
    for path in notes(root) {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let clip = root.join(CLIPS).join(name);
        let settled = match read(&path) {
            _ if clip.with_added_extension("partial").exists() => false,
            // What has had its time is told of by who removed it.
            _ if !clip.exists() => age(&path) > ABOUT_TO,
            Some(note) => known(journal, &note.camera, name).unwrap_or(false),
            None => true,
        };
        if settled && let Err(error) = std::fs::remove_file(&path) {
            warn!(path = %path.display(), %error, "a note of a clip stays");
        }
    }
}

fn notes(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join(UNTOLD)) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    paths.sort();
    paths
}

fn read(note: &Path) -> Option<Note> {
    let bytes = match std::fs::read(note) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(path = %note.display(), %error, "a note of a clip cannot be read");
            return None;
        }
    };
    let read = serde_json::from_slice(&bytes);
    read.inspect_err(|error| warn!(path = %note.display(), %error, "a note of a clip is damaged"))
        .ok()
}

fn age(path: &Path) -> Duration {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

/// Whether the journal has an event of this clip.
fn known(journal: &Journal, camera: &Id, name: &str) -> Result<bool, String> {
    /// Read at once.
    const PAGE: usize = 250;
    let mut query = Query {
        class: Some(Class::Camera),
        source: Some(("camera".to_owned(), camera.clone())),
        newest_first: true,
        limit: PAGE,
        ..Query::default()
    };
    for _ in 0..LOOKED_AT / PAGE {
        let found = journal.query(&query).map_err(|error| error.to_string())?;
        for record in &found {
            let event: Event =
                serde_json::from_slice(&record.payload).map_err(|error| error.to_string())?;
            let facts = event.draft.detail.unwrap_or_default();
            if facts["clip"]["ref"] == name {
                return Ok(true);
            }
        }
        match found.last() {
            Some(last) if found.len() == PAGE => query.after = Some(last.seq),
            _ => return Ok(false),
        }
    }
    Ok(false)
}
