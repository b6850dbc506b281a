//! Looks what is there, and removes what must go. Blocks on the disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gatehouse_core::time::{Now, UtcMs};
use thiserror::Error;

use super::load::Load;
use super::plan::{Item, Policy, Removal, plan};

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// What went, the oldest of each reason first.
    pub removed: Vec<Removal>,
    /// What should have gone and did not: rights, a broken medium.
    pub failed: Vec<(PathBuf, io::Error)>,
    /// Files that stay.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Free bytes of the medium before anything went.
    pub free_before: u64,
    /// All bytes of the file system.
    pub medium: u64,
    /// How much of each class was there before anything went, in the order of the policy.
    pub loads: Vec<Load>,
}

/// A folder cannot be read: wrong configuration, rights, a broken medium.
#[derive(Debug, Error)]
#[error("cannot look through {path}: {source}")]
pub struct SweepError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Applies the policy to the folder. Blocks: to be called from a thread that may.
///
/// # Errors
/// When a folder cannot be read; a class whose folder is not there has no files. A file that
/// cannot be removed is told of in [`Swept::failed`].
pub fn sweep(root: &Path, policy: &Policy, now: &Now) -> Result<Swept, SweepError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| SweepError { path, source }
    };
    let space = rustix::fs::statvfs(root).map_err(|error| unreadable(root)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let mut items = Vec::new();
    for (class, named) in policy.classes.iter().enumerate() {
        let folder = root.join(&named.folder);
        files(&folder, class, &mut items).map_err(unreadable(&folder))?;
    }
    let of = |class| items.iter().filter(move |item| item.class == class);
    let loads = (0..policy.classes.len()).map(|class| Load::of(of(class), now.utc)).collect();
    let medium = space.f_blocks.saturating_mul(space.f_frsize);
    let mut swept = Swept { free_before: free, medium, loads, ..Swept::default() };
    swept.kept = items.len() as u64;
    swept.kept_bytes = items.iter().map(|item| item.bytes).sum();
    for removal in plan(policy, items, free, now) {
        match fs::remove_file(&removal.item.path) {
            Ok(()) => {
                swept.kept -= 1;
                swept.kept_bytes -= removal.item.bytes;
                swept.removed.push(removal);
            }
            Err(error) => swept.failed.push((removal.item.path, error)),
        }
    }
    Ok(swept)
}

fn files(folder: &Path, class: usize, items: &mut Vec<Item>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        // Of the entry itself: a link is no file.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // It went meanwhile: a clip got its final name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let partial = path.extension().is_some_and(|extension| extension == crate::clip::PARTIAL);
        if !metadata.is_file() || partial {
            continue;
        }
        let seconds_ms = metadata.mtime().saturating_mul(1000);
        let written = UtcMs(seconds_ms.saturating_add(metadata.mtime_nsec() / 1_000_000));
        // What the medium has given, not what the file says it is long.
        let bytes = metadata.blocks().saturating_mul(512);
        items.push(Item { written, path, bytes, class });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gatehouse_core::time::ClockState;

    use super::*;
    use crate::store::{Class, Reason};

    fn write(path: &Path, day: u64) {
        let file = fs::File::create(path).unwrap();
        io::Write::write_all(&mut &file, &[7; 5000]).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(day * 86_400)).unwrap();
    }

    fn policy(reserve: u64) -> Policy {
        let class = Class { folder: "clips".into(), days: Some(30), bytes: None, worth: 1 };
        Policy { classes: vec![class], reserve }
    }

    fn today() -> Now {
        Now { utc: UtcMs(100 * 86_400_000), clock: ClockState::Synced, ..Now::default() }
    }

    #[test]
    fn old_files_go_and_neither_links_nor_files_that_are_being_written() {
        let root = tempfile::tempdir().unwrap();
        let clips = root.path().join("clips");
        fs::create_dir(&clips).unwrap();
        write(&clips.join("old.mp4"), 60);
        write(&clips.join("new.mp4"), 90);
        write(&clips.join("made.mp4.partial"), 60);
        let outside = root.path().join("outside");
        write(&outside, 60);
        std::os::unix::fs::symlink(&outside, clips.join("link.mp4")).unwrap();
        let swept = sweep(root.path(), &policy(0), &today()).unwrap();
        let [removal] = swept.removed.as_slice() else { panic!("{swept:?}") };
        assert_eq!(
            (removal.item.path.clone(), removal.reason),
            (clips.join("old.mp4"), Reason::Age)
        );
        assert_eq!(swept.kept, 1);
        let load = swept.loads[0];
        assert_eq!((load.files, load.a_day), (2, 0), "nothing in the last week");
        assert!(swept.medium >= swept.free_before);
        assert!(outside.exists() && clips.join("made.mp4.partial").exists());
    }

    #[test]
    fn a_medium_that_is_too_full_gives_everything_back_and_says_so() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("clips")).unwrap();
        write(&root.path().join("clips/a.mp4"), 99);
        let swept = sweep(root.path(), &policy(u64::MAX), &today()).unwrap();
        assert_eq!(swept.removed.iter().map(|r| r.reason).collect::<Vec<_>>(), [Reason::Reserve]);
        assert!(swept.free_before > 0);
        assert_eq!(sweep(root.path(), &policy(0), &today()).unwrap().kept, 0);
    }

    #[test]
    fn a_root_that_is_not_there_is_an_error_and_a_class_without_folder_is_empty() {
        let root = tempfile::tempdir().unwrap();
        assert!(sweep(&root.path().join("none"), &policy(0), &today()).is_err());
        assert_eq!(sweep(root.path(), &policy(0), &today()).unwrap().kept, 0);
    }
}
