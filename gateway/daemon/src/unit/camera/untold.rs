//! Clips and pictures that are on the flash before anybody was told of them.
//!
//! ```text
//! {state-dir}/evidence/untold/{file}.json     what a clip or picture is of, while it is made and until
//!                                             its event is recorded
//! ```
//! A note is there before the first byte of what it is of, and goes once the journal has the event with
//! that name. What a power cut, a kill or a hasty stop leaves is told at the next start, once, with
//! `recovered: true`. A clip without a note (of an earlier version, or of a disk that was full) is told
//! with what its name says.

pub(super) mod pictures;

use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_camera::clip::{self, ClipFile, ClipId, Notes, Recovered};
use gatehouse_config::Config;
use gatehouse_core::event::{Class, Event};
use gatehouse_core::id::Id;
use gatehouse_core::site::Input;
use gatehouse_core::time::{ClockState, Mono, UtcMs};
use gatehouse_journal::{Journal, Query};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use super::clips::{self, Shown};
use super::evidence::{self, CLIPS, PICTURES, Sealing, UNTOLD};
use super::picture::report;
use crate::clock::Clock;
use crate::uplink::commands::Picture;

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

/// Where the note of a clip or picture is.
fn note_of(root: &Path, file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default();
    root.join(UNTOLD).join(name).with_added_extension("json")
}

/// What was left when the daemon started: half-written files, and what has a note.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Left {
    half: Vec<PathBuf>,
    noted: Vec<PathBuf>,
    pictures: Vec<PathBuf>,
    /// Half-written pictures that nothing is known of.
    nameless: Vec<PathBuf>,
}

/// What is to be told of what was left.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Events, some of which may be known.
    pub(super) told: Vec<Input>,
    /// For the district, behind them.
    pub(super) pictures: Vec<Picture>,
}

impl Left {
    /// Looks for it. To be called before a recorder runs: what one begins later is not left.
    pub(in super::super) fn look(root: &Path) -> Self {
        let half = |folder: &str| match clip::half_written(&root.join(folder)) {
            Ok(half) => half,
            // Without cameras there is no folder.
            Err(error) if error.source.kind() == NotFound => Vec::new(),
            Err(error) => {
                error!(%error, "half-written evidence stays");
                Vec::new()
            }
        };
        let (mut noted, mut known) = (Vec::new(), Vec::new());
        for name in notes(root).iter().filter_map(|note| note.file_stem()) {
            if pictures::is_picture(Path::new(name)) {
                known.extend(pictures::left(root, Path::new(name)));
            } else {
                noted.extend(Some(root.join(CLIPS).join(name)).filter(|clip| clip.exists()));
            }
        }
        let mut nameless = half(PICTURES);
        nameless.retain(|half| !known.contains(&half.with_extension("")));
        Self { half: half(CLIPS), noted, pictures: known, nameless }
    }

    /// Makes clips of half-written files, and what is to be told of all that nobody was told of. Blocks
    /// on the disk. May be asked again: what was told is not told twice.
    pub(super) fn tell(&self, config: &Config, journal: &Journal) -> Found {
        let mut found = Found { told: self.clips(config, journal), pictures: Vec::new() };
        for picture in &self.pictures {
            pictures::tell(config, journal, picture, &mut found);
        }
        for half in &self.nameless {
            // It went when this was asked before.
            match std::fs::remove_file(half) {
                Ok(()) => info!(path = %half.display(), "a picture was cut off; it is removed"),
                Err(error) if error.kind() == NotFound => {}
                Err(error) => warn!(path = %half.display(), %error, "a half picture stays"),
            }
        }
        found
    }

    fn clips(&self, config: &Config, journal: &Journal) -> Vec<Input> {
        let root = &evidence::root(config);
        let identity = Sealing::of(config).identity();
        let mut found = Vec::new();
        for partial in &self.half {
            match clip::recover(partial, identity.as_ref()) {
                Recovered::Kept { file, lasts } => {
                    info!(path = %file.path.display(), "a clip was cut off and is whole");
                    found.push((file, lasts));
                }
                Recovered::Removed { path } => {
                    info!(path = %path.display(), "a clip had no picture yet");
                    let _ = std::fs::remove_file(note_of(root, &path.with_extension("")));
                }
                // It was made whole when this was asked before.
                Recovered::Failed { path, error } if error.kind() == NotFound => {
                    found.extend(clip::whole(&path.with_extension(""), identity.as_ref()).ok());
                }
                Recovered::Failed { path, error } => {
                    warn!(path = %path.display(), %error, "a half-written clip stays");
                }
            }
        }
        for clip in &self.noted {
            match clip::whole(clip, identity.as_ref()) {
                Ok(whole) => found.push(whole),
                // It had its time meanwhile.
                Err(error) if error.kind() == NotFound => {}
                Err(error) => warn!(path = %clip.display(), %error, "a clip cannot be read"),
            }
        }
        let told = |(file, lasts)| told(config, journal, &file, lasts);
        found.into_iter().flat_map(told).collect()
    }
}

/// The events of a clip that was found; none if the journal has them.
fn told(
    config: &Config,
    journal: &Journal,
    file: &ClipFile,
    lasts: Option<Duration>,
) -> Vec<Input> {
    let note = read::<Note>(&note_of(&evidence::root(config), &file.path));
    let Some(note) = note.or_else(|| guessed(config, &file.path)) else {
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
    let lasts_ms = lasts.map(|lasts| i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX));
    let to = |from: UtcMs| Some(UtcMs(from.0.saturating_add(lasts_ms?)));
    let shown = Shown {
        camera: &note.camera,
        around_s: (note.pre_s, note.post_s),
        masked: note.masked,
        from: note.from,
        to: note.from.and_then(to),
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
fn guessed(config: &Config, file: &Path) -> Option<Note> {
    let clip = file.file_name()?.to_str()?.split('.').next()?.to_owned();
    let of =
        |camera: &&Id| clip.strip_prefix(camera.as_str()).is_some_and(|rest| rest.starts_with('-'));
    // Of `gate` and `gate-2` the longer.
    let cameras = config.cameras.iter().map(|camera| &camera.rules.id);
    let camera = cameras.filter(of).max_by_key(|camera| camera.as_str().len())?.clone();
    Some(Note { camera, clip, merged: Vec::new(), from: None, pre_s: 0, post_s: 0, masked: None })
}

/// Removes notes of clips and pictures whose event is recorded. Blocks on the disk.
pub(in super::super) fn settle(root: &Path, journal: &Journal) {
    /// All that both kinds of notes have.
    #[derive(Deserialize)]
    struct Whose {
        camera: Id,
    }
    for path in notes(root) {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let folder = if pictures::is_picture(Path::new(name)) { PICTURES } else { CLIPS };
        let kept = root.join(folder).join(name);
        let settled = match read::<Whose>(&path) {
            _ if kept.with_added_extension("partial").exists() => false,
            // What has had its time is told of by who removed it.
            _ if !kept.exists() => age(&path) > ABOUT_TO,
            Some(note) => known(journal, &note.camera, name).unwrap_or(false),
            None => true,
        };
        if settled && let Err(error) = std::fs::remove_file(&path) {
            warn!(path = %path.display(), %error, "a note of evidence stays");
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

fn read<N: DeserializeOwned>(note: &Path) -> Option<N> {
    let bytes = match std::fs::read(note) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == NotFound => return None,
        Err(error) => {
            warn!(path = %note.display(), %error, "a note of evidence cannot be read");
            return None;
        }
    };
    let read = serde_json::from_slice(&bytes);
    read.inspect_err(|error| warn!(path = %note.display(), %error, "a note of evidence is damaged"))
        .ok()
}

fn age(path: &Path) -> Duration {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

/// Whether the journal has an event of the clip or picture of this name.
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
            if facts["clip"]["ref"] == name || facts["ref"] == name {
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

#[cfg(test)]
mod tests;
