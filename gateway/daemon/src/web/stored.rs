//! Reading of pictures and clips from the flash: the one place where their files are opened.
//!
//! A name comes from an event, and is looked at all the same: it is one name in one folder, of the
//! camera that it is of, and no link. What is sealed is opened with the box's own key while it is read.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gatehouse_camera::seal::{self, content_length};
use gatehouse_core::id::Id;
use gatehouse_core::sealed::Identity;
use rustix::fs::OFlags;

use crate::unit::camera::content::Content;
use crate::unit::camera::evidence::{CLIPS, PICTURES};

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
    let shown = opened_name(name);
    let own = shown.strip_prefix(camera.as_str())?.strip_prefix('-')?.strip_suffix(end)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (!own.is_empty() && own.bytes().all(plain)).then(|| root.join(folder).join(name))
}

/// The name of a file once it is opened.
pub(super) fn opened_name(name: &str) -> &str {
    let unsealed = name.strip_suffix(seal::EXTENSION).and_then(|name| name.strip_suffix('.'));
    unsealed.unwrap_or(name)
}

/// Whether a file of this name is sealed.
pub(super) fn is_sealed(name: &str) -> bool {
    opened_name(name) != name
}

/// An open file of evidence.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    /// What opens it; none: it is given as it lies there.
    key: Option<Identity>,
    /// How many bytes it has, as they are read here.
    pub(super) bytes: u64,
}

impl Stored {
    /// Opens one; with the key what is sealed, without one whatever lies there.
    ///
    /// # Errors
    /// It is not there any more, or no regular file, or the key is to open what is not sealed.
    pub(super) fn open(path: &Path, key: Option<Identity>) -> io::Result<Self> {
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(nofollow).open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut bytes = facts.len();
        if key.is_some() {
            bytes = content_length(&mut BufReader::new(&file), bytes).map_err(io::Error::other)?;
        }
        Ok(Self { file, key, bytes })
    }

    /// What stands from one byte until before another.
    ///
    /// # Errors
    /// The disk, or it cannot be opened with the key.
    pub(super) fn part(self, from: u64, to: u64) -> io::Result<Part> {
        let content = Content::of(self.file, self.key.as_ref(), from).map_err(io::Error::other)?;
        Ok(Part { content, left: to.saturating_sub(from) })
    }
}

/// A part of a file, read piece by piece.
pub(super) struct Part {
    content: Content,
    /// How much of it was not read yet.
    pub(super) left: u64,
}

impl Part {
    /// The next bytes, so many at most; at least one before the end.
    ///
    /// # Errors
    /// The disk; or the file ends before it should.
    pub(super) fn next(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.content).take(most.min(self.left)).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= bytes.len() as u64;
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
        assert_eq!(clip("gate-17.mp4.age"), Some(PathBuf::from("/e/clips/gate-17.mp4.age")));
        assert!(is_sealed("gate-17.mp4.age") && !is_sealed("gate-17.mp4"));
        for wrong in [
            "hall-17.mp4",
            "gate-../../page/accounts.mp4",
            "gate-/etc/passwd.mp4",
            "gate-17.jpg",
            "../gate-17.mp4",
            "gate-17.mp4.partial",
            "gate-17.mp4.age.age",
            "gate-17.age",
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
        let stored = Stored::open(&real, None).unwrap();
        assert_eq!(stored.bytes, 10);
        let mut part = stored.part(8, 72).unwrap();
        assert_eq!(part.next(64).unwrap(), b"89");
        assert!(part.next(1).is_err());
        assert!(Stored::open(&link, None).is_err() && Stored::open(folder.path(), None).is_err());
    }

    #[test]
    fn what_is_sealed_is_read_in_parts_with_the_key_and_as_it_lies_there_without() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("gate-1.mp4.age"), seal::generate().unwrap());
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let (sealed, _) = seal::seal(&content, &[seal::recipient(&key)]).unwrap();
        std::fs::write(&path, &sealed).unwrap();
        let text = key.to_text();
        let open = || Stored::open(&path, Some(text.parse().unwrap())).unwrap();
        let whole = content.len() as u64;
        assert_eq!(open().bytes, whole);
        for at in [0, 65_535, 65_536, 300_001, content.len() - 1] {
            let mut part = open().part(at as u64, whole).unwrap();
            let mut read = Vec::new();
            while part.left > 0 {
                read.extend(part.next(100_000).unwrap());
            }
            assert!(read == content[at..], "from {at}");
        }
        assert!(open().part(whole, whole + 1).unwrap().next(1).is_err());
        let as_it_lies = Stored::open(&path, None).unwrap();
        let length = as_it_lies.bytes;
        assert_eq!(as_it_lies.part(0, length).unwrap().next(length).unwrap(), sealed);
        let plain = folder.path().join("gate-1.mp4");
        std::fs::write(&plain, &content).unwrap();
        let error = Stored::open(&plain, Some(seal::generate().unwrap())).unwrap_err();
        assert!(error.to_string().contains("not sealed"), "{error}");
    }
}
