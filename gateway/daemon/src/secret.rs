//! Secret keys: files that only the daemon reads, made on the box.
//!
//! They never leave the box by themselves. Whoever replaces the box moves the site's key with the
//! lists of credentials; without it no card of the old lists is known any more. The device's key
//! ([`device_key`](crate::device_key)) is not moved: another box is another device.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gatehouse_config::{Config, PasswordSource};
use gatehouse_core::credential::{KEY_DIGITS, KeyError, SiteKey};
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::{Zeroize, Zeroizing};

/// Every password that a configuration names: what it is, whose it is, and where it is read.
pub(crate) fn passwords(
    config: &Config,
) -> impl Iterator<Item = (&'static str, String, &PasswordSource)> {
    let brokers = config.brokers.iter();
    let brokers = brokers.map(|it| ("password", format!("broker {}", it.id), it.password.as_ref()));
    let cameras = config.cameras.iter();
    let cameras =
        cameras.map(|it| ("password", format!("camera {}", it.rules.id), it.password.as_ref()));
    let evidence = ("key", "[evidence]".to_owned(), config.evidence.key.as_ref());
    let store = config.evidence.store.as_ref().map(|store| &store.secret_key);
    let store = ("secret key", "[evidence.store]".to_owned(), store);
    let all = brokers.chain(cameras).chain([evidence, store]);
    all.filter_map(|(what, of, source)| Some((what, of, source?)))
}

/// Only the daemon's user reads and writes it.
const MODE: u32 = 0o600;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The disk, the folder or the rights. Nothing was written in its place.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Others may read or write it: it may be known, or somebody else's.
    #[error(
        "{what} {} has mode {mode:03o}; only its owner may read it: chmod 600, and if others could \
         read it for long, {}",
        path.display(),
        when_known(what)
    )]
    Open {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Damaged, or another file. It is not replaced: lists of credentials, or proofs, depend on it.
    #[error("{what} {}: {source}; restore it from where the box's files are kept", path.display())]
    Damaged {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

/// Of the site's key.
const SITE: &str = "the site key";

/// What is to be done about a key that others may know.
fn when_known(what: &str) -> &'static str {
    if what == SITE {
        "make a new one and enrol all cards anew"
    } else {
        "remove it: a new one is made, and the control room sees the change"
    }
}

/// The site's key; made if there is no such file.
///
/// # Errors
///
/// Anything but a file of ours or none.
pub fn site_key(path: &Path) -> Result<SiteKey, SecretError> {
    key_of(path, SITE)
}

/// A key of 32 random bytes, `what` for messages; made if there is no such file.
///
/// # Errors
///
/// Anything but a file of ours or none.
pub(crate) fn key_of(path: &Path, what: &'static str) -> Result<SiteKey, SecretError> {
    let io = |source| SecretError::Io { what, path: path.to_owned(), source };
    match File::open(path) {
        Ok(file) => read(path, what, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, what).map_err(io),
        Err(error) => Err(io(error)),
    }
}

fn read(path: &Path, what: &'static str, file: File) -> Result<SiteKey, SecretError> {
    let io = |source| SecretError::Io { what, path: path.to_owned(), source };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { what, path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(KEY_DIGITS + 2));
    let limit = u64::try_from(KEY_DIGITS).unwrap_or(u64::MAX) + 2;
    file.take(limit).read_to_string(&mut text).map_err(io)?;
    let key = text.trim_end().parse();
    key.map_err(|source| SecretError::Damaged { what, path: path.to_owned(), source })
}

/// Written beside it, synced, and only then under its name: half a key is never found.
fn make(path: &Path, what: &'static str) -> io::Result<SiteKey> {
    let mut bytes = [0; 32];
    if getrandom(&mut bytes[..], GetRandomFlags::empty())? != bytes.len() {
        return Err(io::Error::other("the kernel gives no randomness"));
    }
    let key = SiteKey::new(bytes);
    bytes.zeroize();
    let new = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&new)?;
    // Left over from a start that was cut: with the mode of then.
    file.set_permissions(Permissions::from_mode(MODE))?;
    let text = Zeroizing::new(key.to_hex());
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    // Fails if it is there by now, where a rename would replace it.
    std::fs::hard_link(&new, path)?;
    std::fs::remove_file(&new)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    tracing::info!(path = %path.display(), "{what} was made");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_readable_for_its_owner_alone_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.key");
        let key = site_key(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(site_key(&path).unwrap(), key);
        assert_ne!(site_key(&dir.path().join("other.key")).unwrap(), key);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left over");
    }

    #[test]
    fn what_a_cut_start_left_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.key");
        std::fs::write(path.with_extension("new"), "half").unwrap();
        let key = site_key(&path).unwrap();
        assert_eq!((site_key(&path).unwrap(), mode(&path)), (key, 0o600));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.key");
        site_key(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = site_key(&path).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_neither_used_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.key");
        let text = site_key(&path).unwrap().to_hex();
        for damaged in [&text[..63], &format!("{text}00"), "", "\u{e9}"] {
            std::fs::write(&path, damaged).unwrap();
            let error = site_key(&path).unwrap_err();
            assert!(matches!(error, SecretError::Damaged { .. }), "{error}");
            assert!(damaged.is_empty() || !error.to_string().contains(damaged), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
        }
    }
}
