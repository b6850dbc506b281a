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
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use super::clips::{self, Shown};
use super::evidence::{self, CLIPS, Sealing, UNTOLD};
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
            Err(error) if error.source.kind() == NotFound => Vec::new(),
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
    pub(in super::super) fn tell(&self, config: &Config, journal: &Journal) -> Vec<Input> {
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
    let note = read(&note_of(&evidence::root(config), &file.path));
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
        Err(error) if error.kind() == NotFound => return None,
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

#[cfg(test)]
mod tests {
    use gatehouse_camera::clip::mp4::{Sample, fragment, init};
    use gatehouse_camera::frame::{Codec, Track};
    use gatehouse_core::id::Seq;
    use gatehouse_core::site::{self, Report};
    use gatehouse_core::time::Now;
    use gatehouse_journal::{ClockSource, Options};
    use serde_json::json;

    use super::*;

    fn config(state: &Path) -> Config {
        let text = format!(
            "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\nstate-dir = \"{}\"\n\
             [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
             [[camera]]\nid = \"gate\"\nstream = \"rtsp://192.0.2.1/main\"\n\
             [[camera]]\nid = \"gate-2\"\nstream = \"rtsp://192.0.2.2/main\"\n",
            state.display()
        );
        Config::parse(&text, "test").unwrap()
    }

    /// A clip of two pictures, a tenth of a second apart.
    fn film() -> Vec<u8> {
        let track = Track {
            codec: Codec::Jpeg,
            width: 320,
            height: 240,
            parameter_sets: Vec::new(),
            sample_entry: bytes::Bytes::from_static(b"\0\0\0\x08mp4v"),
        };
        let sample = |shown| Sample { size: 3, key: shown == 0, shown };
        let head = fragment(1, &[sample(0), sample(9000)], None).unwrap();
        [init(&track), head, b"onetwo".to_vec()].concat()
    }

    fn noted(root: &Path, camera: &str, clip: &str) {
        let note = Note {
            camera: camera.parse().unwrap(),
            clip: clip.to_owned(),
            merged: vec![format!("{camera}-9-s")],
            from: Some(UtcMs(1_800_000_000_000)),
            pre_s: 10,
            post_s: 20,
            masked: Some(true),
        };
        let path = note_of(root, Path::new(&format!("{clip}.mp4")));
        std::fs::write(path, serde_json::to_vec(&note).unwrap()).unwrap();
    }

    fn reports(inputs: Vec<Input>) -> Vec<Report> {
        let report = |input| match input {
            Input::Report(report) => report,
            other => panic!("{other:?}"),
        };
        inputs.into_iter().map(report).collect()
    }

    #[test]
    fn what_was_left_is_told_until_the_journal_has_it_and_its_note_goes_then() {
        let state = tempfile::tempdir().unwrap();
        let config = config(state.path());
        let root = evidence::root(&config);
        evidence::folders(&root);
        let options = Options::new(
            state.path().join("journal"),
            "g".parse().unwrap(),
            "boot".to_owned(),
            ClockSource::new(Now::default),
        );
        let (journal, _) = Journal::open(options).unwrap();
        // One that was cut off, and one that was whole when the power went, before its event.
        let clips = root.join(CLIPS);
        let cut = [film(), b"\0\0\0\x20moof and so on".to_vec()].concat();
        std::fs::write(clips.join("gate-7.mp4.partial"), cut).unwrap();
        std::fs::write(clips.join("gate-2-8.mp4"), film()).unwrap();
        noted(&root, "gate", "gate-7");
        noted(&root, "gate-2", "gate-2-8");
        let left = Left::look(&root);
        let told = reports(left.tell(&config, &journal));
        let kinds: Vec<_> =
            told.iter().map(|report| (report.kind, report.source.1.as_str())).collect();
        let both = |camera| [("camera.clip", camera), ("camera.clip_silent", camera)];
        assert_eq!(kinds, [both("gate"), both("gate-2")].concat());
        let facts = told[0].detail.clone().unwrap();
        assert_eq!((&facts["of"], &facts["clip"]["ref"]), (&json!([7]), &json!("gate-7.mp4")));
        assert_eq!(told[1].detail.as_ref().unwrap()["of"], json!([9]));
        let clip = &facts["clip"];
        assert_eq!((&clip["frames"], &clip["masked"]), (&json!(2), &json!(true)));
        assert_eq!(clip["to"], json!(UtcMs(1_800_000_000_100)));
        assert_eq!(std::fs::read(clips.join("gate-7.mp4")).unwrap(), film());
        // Asked again before they are recorded: the same; a note stays.
        settle(&root, &journal);
        assert_eq!(reports(left.tell(&config, &journal)).len(), 4);
        let drafts = told.into_iter().map(|report| site::draft(report, "boot", &Now::default()));
        journal.append_and_wait(drafts.collect()).unwrap();
        assert!(left.tell(&config, &journal).is_empty());
        assert!(Left::look(&root).tell(&config, &journal).is_empty());
        settle(&root, &journal);
        assert_eq!(notes(&root), [] as [PathBuf; 0]);
        assert_eq!(journal.read(None, Seq::ZERO, 10, usize::MAX).unwrap().len(), 4);
    }

    #[test]
    fn a_clip_without_a_note_is_told_with_what_its_name_says_and_of_the_right_camera() {
        let state = tempfile::tempdir().unwrap();
        let config = config(state.path());
        let note = guessed(&config, Path::new("/e/gate-2-8-s.2.mp4")).unwrap();
        assert_eq!((note.camera.as_str(), &*note.clip), ("gate-2", "gate-2-8-s"));
        assert_eq!((note.masked, note.from), (None, None));
        assert_eq!(guessed(&config, Path::new("/e/gate-8.mp4")).unwrap().camera.as_str(), "gate");
        assert_eq!(guessed(&config, Path::new("/e/yard-8.mp4")), None);
    }
}
