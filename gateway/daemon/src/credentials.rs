//! The list of credentials, changed: by `gatehouse credential` and by the page, in one way.
//!
//! The list is a file that people may edit too, so it is changed as text: comments and order stay. A
//! changed list is checked whole, written beside the old one, synced, and only then takes its place.
//! Whoever changes it asks the running gateway to load it afterwards: the rules record what differs.
//!
//! # Limits
//!
//! - One change at a time, of whichever process: the file beside is locked by whoever writes it. One
//!   that a kill or a power cut left there belongs to nobody, and the next change removes it.
//! - A number that somebody types becomes a hash here, and goes no further.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use gatehouse_config::{Config, ConfigErrors, Credentials, EditError};
use gatehouse_core::credential::{CredentialHash, PinContext, SiteKey};
use gatehouse_drivers::wiegand::{Card, CardError, Format, MAX_PIN};
use rustix::fs::OFlags;
use zeroize::{Zeroize as _, Zeroizing};

use crate::unit::readers::site_key_file;

/// Only the gateway's user writes it, and only its group may look.
const MODE: u32 = 0o640;

/// Fewer than four digits are guessed before the reader locks; more than a keypad takes cannot be
/// typed.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=MAX_PIN;

/// The longest card in bytes: 37 bits.
const CARD_BYTES: usize = 16;

/// Why the list is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It cannot be changed so: somebody's mistake, or another change came first.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What it would be has mistakes: what was typed, or what stands in the file already.
    #[error("the list would have mistakes")]
    Mistakes(ConfigErrors),
    /// Somebody else is at it.
    #[error("another change of the list is under way: try again")]
    Busy,
    /// The disk, or the rights of the file's folder.
    #[error("the list {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The text of the list; without a file it is empty.
///
/// # Errors
/// The file is there and cannot be read.
pub fn text(config: &Config) -> io::Result<String> {
    match std::fs::read_to_string(&config.access.credentials) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Changes the list as a text, whole or not at all.
///
/// # Errors
/// See [`ChangeError`]; the list is then as it was.
pub fn change(
    config: &Config,
    change: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<(), ChangeError> {
    let path = &config.access.credentials;
    let io = |source| ChangeError::Io { path: path.clone(), source };
    let beside = path.with_added_extension("new");
    // First of all: what another change is about to write must not be lost.
    let file = locked(&beside).map_err(io)?.ok_or(ChangeError::Busy)?;
    let changed = checked(config, change)
        .and_then(|changed| put(file, &changed, (path, &beside), &config.state_dir).map_err(io));
    if changed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    changed
}

/// What the list becomes by a change, if it may be used.
fn checked(
    config: &Config,
    change: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<String, ChangeError> {
    let path = &config.access.credentials;
    let before = text(config).map_err(|source| ChangeError::Io { path: path.clone(), source })?;
    let changed = change(&before)?;
    Credentials::parse(&changed, &path.display().to_string(), config)
        .map_err(ChangeError::Mistakes)?;
    Ok(changed)
}

/// The file beside the list, new, and nobody else's; `None`: somebody else is at it.
fn locked(beside: &Path) -> io::Result<Option<File>> {
    let new = || OpenOptions::new().write(true).create_new(true).mode(MODE).open(beside);
    let file = match new() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
            let left = OpenOptions::new().read(true).custom_flags(nofollow).open(beside);
            let left = match left {
                Ok(left) => left,
                // It has just got its name.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            // Locked, it is still the one of this name: otherwise its writer has just renamed it.
            let named = || std::fs::symlink_metadata(beside).ok().map(|facts| facts.ino());
            if !lock(&left)? || named() != Some(left.metadata()?.ino()) {
                return Ok(None);
            }
            std::fs::remove_file(beside)?;
            match new() {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
                file => file?,
            }
        }
        file => file?,
    };
    Ok(lock(&file)?.then_some(file))
}

fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn put(
    mut file: File,
    text: &str,
    (path, beside): (&Path, &Path),
    state_dir: &Path,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // As the list before it; the first one is for the gateway's group, whose the journal's folder is.
    let own = file.metadata()?;
    let (owner, group, mode) = match std::fs::metadata(path) {
        Ok(facts) => (facts.uid(), facts.gid(), facts.mode() & 0o777 & !0o002),
        Err(_) => (own.uid(), std::fs::metadata(state_dir).map_or(own.gid(), |it| it.gid()), MODE),
    };
    // Only root gives a file away; the gateway itself keeps what it writes, in its own group.
    let owner = if rustix::process::geteuid().is_root() { owner } else { own.uid() };
    if (own.uid(), own.gid()) != (owner, group) {
        std::os::unix::fs::fchown(&file, Some(owner), Some(group))?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(beside, path)?;
    File::open(folder)?.sync_all()
}

/// What is printed on a card. It shows itself to nobody.
pub struct Printed {
    /// How its bits are laid out.
    pub format: Format,
    /// The facility; 0 where the format has none.
    pub facility: u32,
    /// The number.
    pub number: u64,
}

/// Why there is no hash of what was typed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The number or the facility is none of this format: a slip of whoever typed it.
    #[error(transparent)]
    Card(CardError),
    /// Not so many digits, or no digits: a slip of whoever typed it.
    #[error("a PIN has {} to {} digits", PIN_DIGITS.start(), PIN_DIGITS.end())]
    Pin,
    /// The site's key cannot be had.
    #[error(transparent)]
    Key(#[from] crate::secret::SecretError),
}

/// The hash of a card by what is printed on it, as a reader of this site makes it.
///
/// # Errors
/// See [`HashError`].
pub fn card(printed: &Printed, config: &Config) -> Result<CredentialHash, HashError> {
    let Printed { format, facility, number } = *printed;
    let bits = Card::new(format, facility, number).map_err(HashError::Card)?.encode();
    let key = site_key(config)?;
    let mut buffer = [0; CARD_BYTES];
    let hash = key.card(u16::from(bits.len()), bits.write_bytes(&mut buffer));
    buffer.zeroize();
    Ok(hash)
}

/// The hash of the PIN that belongs to a card.
///
/// # Errors
/// See [`HashError`].
pub fn pin(
    card: CredentialHash,
    digits: &str,
    config: &Config,
) -> Result<CredentialHash, HashError> {
    if !PIN_DIGITS.contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HashError::Pin);
    }
    let key = site_key(config)?;
    let numbers = Zeroizing::new(digits.bytes().map(|digit| digit - b'0').collect::<Vec<_>>());
    Ok(key.pin(PinContext::Card(card), &numbers))
}

fn site_key(config: &Config) -> Result<SiteKey, crate::secret::SecretError> {
    crate::secret::site_key(&site_key_file(config))
}

#[cfg(test)]
mod tests {
    use gatehouse_config::{NewCredential, edit};

    use super::*;

    const FILE: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                        [[broker]]\nid = \"b\"\nhost = \"localhost\"\n";

    fn config(folder: &Path) -> Config {
        let path = folder.join("gateway.toml");
        let state = format!("state-dir = \"{}\"\n", folder.display());
        let text = FILE.replacen("site = \"s\"\n", &format!("site = \"s\"\n{state}"), 1);
        Config::check(&text, &path).unwrap_or_else(|errors| panic!("{}", errors.render(false)))
    }

    fn hash(n: u8) -> CredentialHash {
        SiteKey::new([7; 32]).card(8, &[n])
    }

    #[test]
    fn a_list_is_changed_whole_and_what_was_cut_off_hinders_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let path = &config.access.credentials;
        let beside = path.with_added_extension("new");
        let add = |n: u8| {
            let new = NewCredential::default();
            change(&config, |text| edit::enrol(text, hash(n), &new))
        };
        add(1).unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o640);
        assert!(matches!(add(1), Err(ChangeError::Edit(EditError::There))));
        // Half a file of somebody who was killed.
        std::fs::write(&beside, "[[cred").unwrap();
        add(2).unwrap();
        assert!(!beside.exists());
        let text = text(&config).unwrap();
        assert!(text.contains(&hash(1).to_string()) && text.contains(&hash(2).to_string()));
        // Somebody is at it.
        let other = locked(&beside).unwrap().unwrap();
        assert!(matches!(add(3), Err(ChangeError::Busy)));
        assert!(beside.exists(), "it is another's");
        drop(other);
        add(3).unwrap();
    }

    #[test]
    fn a_list_with_a_mistake_never_takes_the_place_of_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let new = NewCredential {
            doors: Some(vec!["lobby".to_owned()]),
            from: Some("x\nduress = true".to_owned()),
            ..NewCredential::default()
        };
        let refused = change(&config, |text| edit::enrol(text, hash(1), &new)).unwrap_err();
        let ChangeError::Mistakes(errors) = refused else { panic!("{refused}") };
        let told = errors.render(false);
        assert!(told.contains("`doors` names \"lobby\"") && told.contains("a day, as"), "{told}");
        assert_eq!(text(&config).unwrap(), "");
    }

    #[test]
    fn a_printed_number_is_the_hash_that_a_reader_makes() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let key = crate::secret::site_key(&site_key_file(&config)).unwrap();
        let printed = |facility, number| Printed { format: Format::H10301, facility, number };
        // Facility 123, number 4567: the bits as a reader sends them, first bit first.
        let bits = Card::new(Format::H10301, 123, 4567).unwrap().encode();
        let mut buffer = [0; 16];
        let sent = key.card(26, bits.write_bytes(&mut buffer));
        assert_eq!(card(&printed(123, 4567), &config).unwrap(), sent);
        assert_ne!(card(&printed(124, 4567), &config).unwrap(), sent);
        assert!(matches!(card(&printed(256, 1), &config), Err(HashError::Card(CardError::Range))));
        assert!(matches!(card(&printed(1, 65_536), &config), Err(HashError::Card(_))));
        assert!(matches!(pin(sent, "123", &config), Err(HashError::Pin)));
        assert!(matches!(pin(sent, "12x4", &config), Err(HashError::Pin)));
        assert_eq!(
            pin(sent, "1234", &config).unwrap(),
            key.pin(PinContext::Card(sent), &[1, 2, 3, 4])
        );
    }
}
