//! Reading of pictures and clips from the flash: the one place where their files are opened.
//!
//! A name comes from an event, and is looked at all the same: it is one name in one folder, of the
//! camera that it is of, and no link.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gatehouse_core::id::Id;
use rustix::fs::OFlags;

use crate::unit::{CLIPS, PICTURES};

/// A clip or a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Clip,
    Picture,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Picture => "picture",
        }
    }

    /// What a browser is told it is.
    pub(super) const fn content(self) -> &'static str {
        match self {
            Self::Clip => "video/mp4",
            Self::Picture => "image/jpeg",
        }
    }

    const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Clip => (CLIPS, ".mp4"),
            Self::Picture => (PICTURES, ".jpg"),
        }
    }
}

/// Where the file of this name of a camera's lies; none: it is no such name.
pub(super) fn path(root: &Path, kind: Kind, camera: &Id, name: &str) -> Option<PathBuf> {
    let (folder, end) = kind.place();
    let own = name.strip_prefix(camera.as_str())?.strip_prefix('-')?.strip_suffix(end)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (!own.is_empty() && own.bytes().all(plain)).then(|| root.join(folder).join(name))
}

/// An open file of evidence.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    /// How many bytes it has, as they are read here.
    pub(super) bytes: u64,
}

impl Stored {
    /// Opens one.
    ///
    /// # Errors
    /// It is not there any more, or no regular file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(nofollow).open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { file, bytes: facts.len() })
    }

    /// Some bytes from a place on, at least one before the end.
    ///
    /// # Errors
    /// The disk; or the file ends before it should.
    pub(super) fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let count = self.file.read_at(&mut bytes, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(count);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_file_of_its_camera_or_none() {
        let root = Path::new("/e");
        let gate: Id = "gate".parse().unwrap();
        let clip = |name: &str| path(root, Kind::Clip, &gate, name);
        assert_eq!(clip("gate-17.mp4"), Some(PathBuf::from("/e/clips/gate-17.mp4")));
        assert_eq!(
            path(root, Kind::Picture, &gate, "gate-17-2.jpg"),
            Some(PathBuf::from("/e/pictures/gate-17-2.jpg"))
        );
        for wrong in [
            "hall-17.mp4",
            "gate-../../page/accounts.mp4",
            "gate-/etc/passwd.mp4",
            "gate-17.jpg",
            "../gate-17.mp4",
            "gate-17.mp4.partial",
            "gate-.mp4",
            "gate-..mp4",
            "gate-%2e.mp4",
            "",
            "gate-1\0.mp4",
        ] {
            assert_eq!(clip(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, b"0123456789").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let stored = Stored::open(&real).unwrap();
        assert_eq!((stored.bytes, stored.read(8, 64).unwrap()), (10, b"89".to_vec()));
        assert!(stored.read(10, 1).is_err());
        assert!(Stored::open(&link).is_err() && Stored::open(folder.path()).is_err());
    }
}
