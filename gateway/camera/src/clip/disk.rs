//! What a recorder does with a file system, so that tests can break it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file system. Files are only ever appended to.
pub trait Disk: Send {
    /// An open file.
    type File: Write + Send;

    /// Creates a file that is not there yet.
    ///
    /// # Errors
    /// What the system gives; `AlreadyExists` when it is there.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Returns when the file's content is on the medium.
    ///
    /// # Errors
    /// What the system gives; after that nothing of the file is certain.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file its final name, and returns when that is on the medium. Never replaces a file.
    ///
    /// # Errors
    /// What the system gives; `AlreadyExists` when the name is taken.
    fn publish(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The machine's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        // One writer per folder: nobody takes the name between the question and the answer.
        if to.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        std::fs::rename(from, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}
