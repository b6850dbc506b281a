//! After a power cut: what was left half-written becomes a clip, or goes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::sealed::Identity;
use ring::digest::{Context, SHA256};
use thiserror::Error;

use super::disk::{Disk as _, SystemDisk};
use super::mp4::scan::{Whole, scan};
use super::recorder::ClipFile;
use super::write::PARTIAL;
use crate::seal::{EXTENSION, OpenError, Opened, Sum, whole_chunks};

/// What became of a half-written file.
#[derive(Debug)]
pub enum Recovered {
    /// It plays up to its last whole fragment (sealed, to its last whole chunk), and has its final name
    /// now.
    Kept {
        /// The file.
        file: ClipFile,
        /// From its first picture to its last, where that is known.
        lasts: Option<Duration>,
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

/// Makes a clip of a half-written file that nobody writes any more. Blocks on the disk. `identity`: of
/// who can look into sealed ones; without it nobody knows what they hold.
pub fn recover(partial: &Path, identity: Option<&Identity>) -> Recovered {
    let path = partial.to_owned();
    match one(partial, identity) {
        Ok(Some((file, lasts))) => Recovered::Kept { file, lasts },
        Ok(None) => Recovered::Removed { path },
        Err(error) => Recovered::Failed { path, error },
    }
}

/// What a whole clip holds: it was finished, and nobody was told of it. Blocks on the disk. How long it
/// lasts is not known of what cannot be looked into.
///
/// # Errors
/// What the file's own reading gives.
pub fn whole(path: &Path, identity: Option<&Identity>) -> io::Result<(ClipFile, Option<Duration>)> {
    let mut file = File::open(path)?;
    let lies = sum(&mut file)?;
    if !is_sealed(path) {
        file.seek(SeekFrom::Start(0))?;
        let whole = scan(&mut BufReader::new(file))?;
        let (content, frames) = (Some(lies), Some(whole.frames));
        let path = path.to_owned();
        let file = ClipFile { path, content, sealed: None, frames, span: None };
        return Ok((file, Some(lasts(&whole))));
    }
    let seen = identity.and_then(|identity| look_into(path, identity).ok());
    let (content, frames) = (seen.map(|(content, _)| content), seen.map(|(_, it)| it.frames));
    let path = path.to_owned();
    let file = ClipFile { path, content, sealed: Some(lies), frames, span: None };
    Ok((file, seen.map(|(_, whole)| lasts(&whole))))
}

/// Cuts one file to its last whole fragment; a sealed one to its last whole chunk. `None`: it had none,
/// and is removed.
pub(super) fn one(
    partial: &Path,
    identity: Option<&Identity>,
) -> io::Result<Option<(ClipFile, Option<Duration>)>> {
    let path = partial.with_extension("");
    let mut file = OpenOptions::new().read(true).write(true).open(partial)?;
    let bytes = if is_sealed(&path) {
        let length = file.metadata()?.len();
        whole_chunks(&mut BufReader::new(&mut file), length)?
    } else {
        scan(&mut BufReader::new(&mut file))?.bytes
    };
    if bytes == 0 {
        std::fs::remove_file(partial)?;
        return Ok(None);
    }
    file.set_len(bytes)?;
    file.sync_all()?;
    SystemDisk.publish(partial, &path)?;
    whole(&path, identity).map(Some)
}

fn is_sealed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// What is in a sealed file, as far as it can be opened.
fn look_into(path: &Path, identity: &Identity) -> Result<(Sum, Whole), OpenError> {
    let open = || Opened::new(BufReader::new(File::open(path)?), identity);
    Ok((sum(&mut open()?)?, scan(&mut open()?)?))
}

fn lasts(whole: &Whole) -> Duration {
    Duration::from_nanos(whole.last.saturating_mul(100_000) / 9)
}

fn sum(file: &mut impl Read) -> io::Result<Sum> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => {
                context.update(&buffer[..length]);
                bytes += length as u64;
            }
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    Ok(Sum { bytes, sha256 })
}
