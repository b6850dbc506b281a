//! What a recorder does with a file system, so that tests can break it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use gatehouse_core::sealed::Recipient;

use crate::seal::{EXTENSION, Sealer, Sum};

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

    /// What its files are called behind their own name, where that is not all.
    fn extension(&self) -> Option<&'static str> {
        None
    }

    /// Ends a file. What was held back of it is on the medium when this returns. Given is what lies
    /// there, where that is not what was written.
    ///
    /// # Errors
    /// As [`Disk::sync`].
    fn end(&self, _file: Self::File) -> io::Result<Option<Sum>> {
        Ok(None)
    }

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

/// The machine's own, where each file is sealed for some, or for nobody.
#[derive(Clone, Debug, Default)]
pub struct Medium {
    /// Whom it is sealed for; nobody: it lies open.
    pub recipients: Vec<Recipient>,
}

/// A file of a [`Medium`].
pub enum MediumFile {
    /// As it was written.
    Open(File),
    /// Sealed while it is written.
    Sealed(Box<Sealer<File>>),
}

impl Disk for Medium {
    type File = MediumFile;

    fn create(&self, path: &Path) -> io::Result<MediumFile> {
        let file = SystemDisk.create(path)?;
        if self.recipients.is_empty() {
            return Ok(MediumFile::Open(file));
        }
        let sealer = Sealer::new(file, &self.recipients).inspect_err(|_| {
            // Nothing is in it, and its name is wanted again.
            let _ = std::fs::remove_file(path);
        });
        Ok(MediumFile::Sealed(Box::new(sealer?)))
    }

    fn sync(&self, file: &MediumFile) -> io::Result<()> {
        SystemDisk.sync(match file {
            MediumFile::Open(file) => file,
            MediumFile::Sealed(sealer) => sealer.inner(),
        })
    }

    fn extension(&self) -> Option<&'static str> {
        (!self.recipients.is_empty()).then_some(EXTENSION)
    }

    fn end(&self, file: MediumFile) -> io::Result<Option<Sum>> {
        let MediumFile::Sealed(sealer) = file else { return Ok(None) };
        let (file, sum) = sealer.finish()?;
        SystemDisk.sync(&file)?;
        Ok(Some(sum))
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.publish(from, to)
    }
}

impl Write for MediumFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(file) => file.write(bytes),
            Self::Sealed(sealer) => sealer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(file) => file.flush(),
            Self::Sealed(sealer) => sealer.flush(),
        }
    }
}
