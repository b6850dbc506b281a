//! What brokers were told, over restarts: a small file, written only when that changes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The topics of descriptions, and of each its components with their platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) topics: BTreeMap<String, BTreeMap<String, String>>,
}

/// What was told; nothing if there is no file.
///
/// # Errors
/// The file cannot be read, or is not one of ours.
pub(super) fn read(path: &Path) -> io::Result<Told> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Told::default()),
        Err(error) => Err(error),
    }
}

/// Keeps what was told; nothing is no file. Equal to what is there, it is not written.
///
/// # Errors
/// The disk or the rights.
pub(super) fn write(path: &Path, told: &Told) -> io::Result<()> {
    if told.topics.is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if read(path).is_ok_and(|there| there == *told) {
        return Ok(());
    }
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(told)?)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}
