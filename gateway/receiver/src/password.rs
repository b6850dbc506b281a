//! The password at the broker: in a file, never on the command line.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a password cannot be used. Each names the file, none what is in it.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Anyone on this machine could put in a password of his own.
    #[error(
        "the password file {path} may be changed by everybody (mode {mode:o}); chmod 600 it",
        path = path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No password in it.
    #[error("the password file {}: its first line is empty", .0.display())]
    Empty(PathBuf),
    /// Missing, or not readable by this user, or not text.
    #[error("the password file {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Reads a password: the first line of its file.
pub(crate) fn read(path: &Path) -> Result<String, PasswordError> {
    let unreadable = |source| PasswordError::Unreadable { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(unreadable)?.mode();
    if mode & 0o002 != 0 {
        return Err(PasswordError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(PasswordError::Empty(path.to_owned())),
    }
}

/// Whether everybody on this machine can read it.
pub(crate) fn is_readable_by_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.mode() & 0o004 != 0)
}
