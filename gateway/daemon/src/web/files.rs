//! Small files of the page: there whole or not at all, and nobody else's to read.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Where the page keeps what is its own; made if it is not there.
///
/// # Errors
/// The disk, or the rights of the folder above.
pub(super) fn folder(state_dir: &Path) -> io::Result<PathBuf> {
    let path = state_dir.join("page");
    DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    Ok(path)
}

/// Replaces a file by these bytes, on the medium when this returns.
///
/// # Errors
/// The disk; then what was there is there still.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    // Left over from a write that was cut: with the mode of then.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
