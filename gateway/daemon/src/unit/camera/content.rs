//! What a file of evidence holds, opened while it is read.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use gatehouse_camera::seal::{OpenError, Opened};
use gatehouse_core::sealed::Identity;

/// The content of a picture or clip, from some byte on.
pub(crate) enum Content {
    /// As it lies there.
    Plain(BufReader<File>),
    /// It is sealed, and opened with a key.
    Sealed(Box<Opened<BufReader<File>>>),
}

impl Content {
    /// Opens it from byte `at` of what is seen; with a key what is sealed, without one whatever lies
    /// there.
    ///
    /// # Errors
    /// The disk; or it cannot be opened with this key.
    pub(crate) fn of(file: File, key: Option<&Identity>, at: u64) -> Result<Self, OpenError> {
        let mut file = BufReader::new(file);
        if let Some(key) = key {
            // Whoever asked how long it is has read its header.
            file.rewind()?;
            return Ok(Self::Sealed(Box::new(Opened::from_byte(file, key, at)?)));
        }
        file.seek(SeekFrom::Start(at))?;
        Ok(Self::Plain(file))
    }

    /// Once all is read: whether it was cut off while it was made.
    pub(crate) fn cut_off(&self) -> bool {
        matches!(self, Self::Sealed(opened) if opened.cut_off())
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Sealed(opened) => opened.read(buffer),
        }
    }
}
