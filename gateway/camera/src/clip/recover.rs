//! After a power cut: what was left half-written becomes a clip, or goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use thiserror::Error;

use super::disk::{Disk as _, SystemDisk};
use super::mp4::scan::scan;
use super::recorder::ClipFile;
use super::write::PARTIAL;

/// What became of a half-written file.
#[derive(Debug)]
pub enum Recovered {
    /// It plays up to its last whole fragment, and has its final name now.
    Kept(ClipFile),
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

/// Looks for half-written clips. To be called before recorders write there.
///
/// # Errors
/// When the folder cannot be read. What fails with one file is told of it alone.
pub fn recover(folder: &Path) -> Result<Vec<Recovered>, RecoverError> {
    let unreadable = |source| RecoverError { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == PARTIAL) {
            found.push(path);
        }
    }
    found.sort();
    let mut told = Vec::with_capacity(found.len());
    for path in found {
        told.push(match one(&path) {
            Ok(Some(file)) => Recovered::Kept(file),
            Ok(None) => Recovered::Removed { path },
            Err(error) => Recovered::Failed { path, error },
        });
    }
    Ok(told)
}

/// Cuts one file to its last whole fragment. `None`: it had none, and is removed.
pub(super) fn one(partial: &Path) -> io::Result<Option<ClipFile>> {
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
    Ok(Some(ClipFile { path, bytes: whole.bytes, sha256, frames: None, span: None }))
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
