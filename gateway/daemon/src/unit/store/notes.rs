//! What the store is owed, and how far each piece has come: a note beside the evidence for each.
//!
//! ```text
//! {state-dir}/evidence/store/{file}.json   a piece that is not in the store, or not told of
//! {state-dir}/evidence/store/upto          events up to this one have their notes
//! ```
//! A note is on the medium before the request that follows from it, and goes once the journal has the event
//! that the piece is stored. A note that cannot be read is set aside and made anew of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind::NotFound};
use std::path::{Path, PathBuf};

use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::unit::camera::evidence;

/// Below the folder of evidence.
const FOLDER: &str = "store";
const UPTO: &str = "upto";

/// A picture or clip on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Its name below [`Note::folder`].
    pub(super) file: String,
    /// `clips` or `pictures`.
    pub(super) folder: String,
    pub(super) camera: Id,
    /// The event that told of it first, and that event's id and time.
    pub(super) seq: Seq,
    pub(super) id: String,
    pub(super) at: UtcMs,
    /// Whether anything was known of the wall clock then.
    pub(super) dated: bool,
    /// It is of a panic, an alarm or a tamper.
    pub(super) alarm: bool,
    /// How long it was when this was made.
    pub(super) bytes: u64,
    /// What its event says lies on the flash, if it could.
    pub(super) said: Option<String>,
    /// Whom it is to be told to: who may know, and the district alone.
    pub(super) open: Option<Of>,
    pub(super) silent: Option<Of>,
    /// What lies there; `None`: nobody has looked.
    #[serde(default)]
    pub(super) sums: Option<Sums>,
    #[serde(default)]
    pub(super) upload: Option<Upload>,
    #[serde(default)]
    pub(super) done: Option<Done>,
}

/// What a piece is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Of {
    /// The events that tell of it.
    pub(super) events: Vec<Seq>,
    /// The events that it shows.
    pub(super) of: Vec<u64>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) bytes: u64,
    /// Of all of it, 64 hex digits.
    pub(super) sha256: String,
    pub(super) part_bytes: u64,
    /// Of each part.
    pub(super) parts: Vec<String>,
}

/// An upload in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    /// Endpoint and bucket: at another store it is none.
    pub(super) place: String,
    pub(super) key: String,
    pub(super) id: String,
    /// The store's names of the parts that it has, by number.
    pub(super) etags: BTreeMap<u32, String>,
    /// It was asked to put them together.
    pub(super) completing: bool,
}

/// The store has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The store said so when it was asked, as opposed to that it took it.
    pub(super) checked: bool,
}

impl Note {
    pub(super) fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.folder).join(&self.file)
    }
}

/// All notes, and up to which event there are any.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) notes: BTreeMap<String, Note>,
    pub(super) upto: Seq,
}

/// Reads what is there; makes the folder. Blocks.
///
/// # Errors
/// The disk.
pub(super) fn load(root: &Path) -> io::Result<Kept> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = root.join(FOLDER);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut kept = Kept::default();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match serde_json::from_slice::<Note>(&std::fs::read(&path)?) {
            Ok(note) => drop(kept.notes.insert(note.file.clone(), note)),
            Err(error) => {
                error!(path = %path.display(), %error, "a note of the store is damaged");
                // First: what is set aside is nowhere else.
                save_upto(root, Seq::ZERO)?;
                std::fs::rename(&path, path.with_added_extension("damaged"))?;
            }
        }
    }
    // After a damage from the beginning: what is in the store already is seen on the way.
    kept.upto = upto(&folder)?;
    Ok(kept)
}

fn upto(folder: &Path) -> io::Result<Seq> {
    match std::fs::read_to_string(folder.join(UPTO)) {
        Ok(text) => Ok(text.trim().parse().map_or(Seq::ZERO, Seq)),
        Err(error) if error.kind() == NotFound => Ok(Seq::ZERO),
        Err(error) => Err(error),
    }
}

/// Keeps a note: it is on the medium when this returns. Blocks.
///
/// # Errors
/// The disk.
pub(super) fn save(root: &Path, note: &Note) -> io::Result<()> {
    let bytes = serde_json::to_vec(note).map_err(io::Error::other)?;
    evidence::write(&path(root, &note.file), &bytes)
}

/// Keeps how far the journal was read. Blocks.
///
/// # Errors
/// The disk.
pub(super) fn save_upto(root: &Path, upto: Seq) -> io::Result<()> {
    evidence::write(&root.join(FOLDER).join(UPTO), upto.to_string().as_bytes())
}

/// Forgets a note. Blocks.
///
/// # Errors
/// The disk.
pub(super) fn remove(root: &Path, file: &str) -> io::Result<()> {
    match std::fs::remove_file(path(root, file)) {
        Err(error) if error.kind() != NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(root: &Path, file: &str) -> PathBuf {
    root.join(FOLDER).join(file).with_added_extension("json")
}

/// The names of files that have a note. Blocks.
pub(in crate::unit) fn names(root: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(root.join(FOLDER)) else { return BTreeSet::new() };
    let name = |entry: io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        Some(name.strip_suffix(".json")?.to_owned())
    };
    entries.filter_map(name).collect()
}

/// Whether a file that had a note a moment ago never came to the store: its note says so, or is gone, as
/// notes go of files that are gone. Blocks.
pub(in crate::unit) fn was_owed(root: &Path, file: &str) -> bool {
    let note = std::fs::read(path(root, file)).ok();
    let note = note.and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
    note.is_none_or(|note| note.done.is_none())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn note(file: &str, seq: u64) -> Note {
        Note {
            file: file.to_owned(),
            folder: evidence::CLIPS.to_owned(),
            camera: "gate".parse().unwrap(),
            seq: Seq(seq),
            id: format!("{seq:032x}"),
            at: UtcMs(1_790_000_000_000),
            dated: true,
            alarm: false,
            bytes: 1000,
            said: None,
            open: Some(Of { events: vec![Seq(seq)], of: vec![seq - 1] }),
            silent: None,
            sums: None,
            upload: None,
            done: None,
        }
    }

    #[test]
    fn what_was_kept_is_there_again_and_what_is_damaged_is_made_anew_from_the_beginning() {
        let root = tempfile::tempdir().unwrap();
        assert!(load(root.path()).unwrap().notes.is_empty());
        let mut first = note("gate-7.mp4", 8);
        first.upload = Some(Upload {
            place: "https://s3.example/b".to_owned(),
            key: "k".to_owned(),
            id: "u".to_owned(),
            etags: BTreeMap::from([(1, "\"a\"".to_owned())]),
            completing: false,
        });
        save(root.path(), &first).unwrap();
        save(root.path(), &note("gate-9.mp4", 10)).unwrap();
        save_upto(root.path(), Seq(10)).unwrap();
        let kept = load(root.path()).unwrap();
        assert_eq!((kept.upto, &kept.notes["gate-7.mp4"]), (Seq(10), &first));
        assert_eq!(names(root.path()), ["gate-7.mp4", "gate-9.mp4"].map(str::to_owned).into());
        std::fs::write(path(root.path(), "gate-9.mp4"), "{\"file\":").unwrap();
        let kept = load(root.path()).unwrap();
        assert_eq!((kept.upto, kept.notes.len()), (Seq::ZERO, 1));
        // Also after a kill before anything was made anew.
        assert_eq!(load(root.path()).unwrap().upto, Seq::ZERO);
        remove(root.path(), "gate-7.mp4").unwrap();
        remove(root.path(), "gate-7.mp4").unwrap();
        assert!(load(root.path()).unwrap().notes.is_empty());
    }

    #[test]
    fn who_is_asked_whether_a_removed_file_was_owed_believes_its_note() {
        let root = tempfile::tempdir().unwrap();
        load(root.path()).unwrap();
        let mut stored = note("gate-7.mp4", 8);
        save(root.path(), &stored).unwrap();
        assert!(was_owed(root.path(), "gate-7.mp4"));
        let (bucket, key, sha256) = ("b".to_owned(), "k".to_owned(), String::new());
        stored.done = Some(Done { bucket, key, bytes: 1, sha256, checked: true });
        save(root.path(), &stored).unwrap();
        assert!(!was_owed(root.path(), "gate-7.mp4"));
        assert!(was_owed(root.path(), "gate-8.mp4"));
    }
}
