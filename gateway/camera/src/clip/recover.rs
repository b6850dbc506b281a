//! After a power cut: what was left half-written becomes a clip, or goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest::{Context, SHA256};
use thiserror::Error;

use super::disk::{Disk as _, SystemDisk};
use super::mp4::scan::{Whole, scan};
use super::recorder::ClipFile;
use super::write::PARTIAL;

/// What became of a half-written file.
#[derive(Debug)]
pub enum Recovered {
    /// It plays up to its last whole fragment, and has its final name now.
    Kept {
        /// The file.
        file: ClipFile,
        /// From its first picture to its last.
        lasts: Duration,
    },
    /// It had no whole fragment, and is gone.
    Removed {
        /// Where it was.
        path: PathBuf,
    },
    /// It is still there: rights, a broken medium, or a clip of this name.
    Failed {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The folder itself cannot be read: wrong configuration, rights, a broken medium.
#[derive(Debug, Error)]
#[error("cannot look for half-written clips in {path}: {source}")]
pub struct RecoverError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The half-written clips of a folder. Those that recorders begin later are none of them.
///
/// # Errors
/// When the folder cannot be read.
pub fn half_written(folder: &Path) -> Result<Vec<PathBuf>, RecoverError> {
    let unreadable = |source| RecoverError { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == PARTIAL) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a clip of a half-written file that nobody writes any more. Blocks on the disk.
pub fn recover(partial: &Path) -> Recovered {
    let path = partial.to_owned();
    match one(partial) {
        Ok(Some((file, lasts))) => Recovered::Kept { file, lasts },
        Ok(None) => Recovered::Removed { path },
        Err(error) => Recovered::Failed { path, error },
    }
}

/// What a whole clip holds: it was finished, and nobody was told of it. Blocks on the disk.
///
/// # Errors
/// What the file's own reading gives.
pub fn whole(path: &Path) -> io::Result<(ClipFile, Duration)> {
    let mut file = File::open(path)?;
    let whole = scan(&mut file)?;
    let bytes = file.metadata()?.len();
    let sha256 = hash(&mut file)?;
    let path = path.to_owned();
    Ok((ClipFile { path, bytes, sha256, frames: Some(whole.frames), span: None }, lasts(&whole)))
}

/// Cuts one file to its last whole fragment. `None`: it had none, and is removed.
pub(super) fn one(partial: &Path) -> io::Result<Option<(ClipFile, Duration)>> {
    let mut file = OpenOptions::new().read(true).write(true).open(partial)?;
    let whole = scan(&mut file)?;
    if whole.fragments == 0 {
        std::fs::remove_file(partial)?;
        return Ok(None);
    }
    file.set_len(whole.bytes)?;
    file.sync_all()?;
    let sha256 = hash(&mut file)?;
    let path = partial.with_extension("");
    SystemDisk.publish(partial, &path)?;
    let lasts = lasts(&whole);
    let (bytes, frames) = (whole.bytes, Some(whole.frames));
    Ok(Some((ClipFile { path, bytes, sha256, frames, span: None }, lasts)))
}

fn lasts(whole: &Whole) -> Duration {
    Duration::from_nanos(whole.last.saturating_mul(100_000) / 9)
}

fn hash(file: &mut File) -> io::Result<[u8; 32]> {
    file.seek(SeekFrom::Start(0))?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => context.update(&buffer[..length]),
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    Ok(sha256)
}
