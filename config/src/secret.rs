//! Passwords: where they are, and how one is read. None ever stands in the configuration.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The longest password, in bytes. Longer is a file that was named by mistake.
const MAX_SECRET: u64 = 4096;

/// Where a password is. It is read anew for every connection, so a password that was changed on
/// disk is used from the next connection on, without a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// A file, its absolute path.
    File(PathBuf),
    /// A systemd credential, by its name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl PasswordSource {
    /// Reads the password. One newline at its end is not part of it.
    ///
    /// # Errors
    /// When there is no such file or credential, or it may not be read, or anyone may write to it,
    /// or it holds no usable text.
    pub fn read(&self) -> Result<Secret, SecretError> {
        self.read_in(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())
    }

    /// Where the file is, given systemd's folder of credentials.
    pub(crate) fn path_in(&self, credentials: Option<&Path>) -> Result<PathBuf, SecretError> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Credential(name) => match credentials {
                Some(folder) => Ok(folder.join(name)),
                None => Err(SecretError::NoCredentials(name.clone())),
            },
        }
    }

    fn read_in(&self, credentials: Option<&Path>) -> Result<Secret, SecretError> {
        let path = self.path_in(credentials)?;
        let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
        // Asked before it is opened: opening a pipe would wait for its other end.
        let facts = std::fs::metadata(&path).map_err(unreadable)?;
        if !facts.is_file() {
            return Err(SecretError::NotAFile(path));
        }
        if facts.mode() & 0o002 != 0 {
            return Err(SecretError::WorldWritable(path));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(unreadable)?;
        file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_SECRET {
            return Err(SecretError::TooLong(path));
        }
        let Ok(mut text) = String::from_utf8(bytes) else {
            return Err(SecretError::NotText(path));
        };
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() {
            return Err(SecretError::Empty(path));
        }
        Ok(Secret(text))
    }
}

/// A password. It shows itself to nobody but the caller of [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, for the CONNECT packet only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

/// Why a password could not be read. Each names the file, none what is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Started by hand, or the unit has no `LoadCredential=` for it.
    #[error(
        "the password is the systemd credential {0:?}, but $CREDENTIALS_DIRECTORY is not set; \
         hint: start through systemd with LoadCredential={0}:/path, or use password-file"
    )]
    NoCredentials(String),
    /// Missing, or not readable by the gateway's user.
    #[error("cannot read the password file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("the password file {} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Anyone on this machine could put in a password of his own.
    #[error(
        "the password file {path} can be written by everyone; hint: chmod 640 {path}",
        path = .0.display()
    )]
    WorldWritable(PathBuf),
    /// Not a password; some other file was named.
    #[error("the password file {} is larger than {MAX_SECRET} bytes", .0.display())]
    TooLong(PathBuf),
    /// Not UTF-8.
    #[error("the password file {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// Nothing in it.
    #[error("the password file {} is empty", .0.display())]
    Empty(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_password_is_read_anew_each_time_and_never_shows_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mqtt");
        let file = PasswordSource::File(path.clone());
        let credential = PasswordSource::Credential("mqtt".into());
        write(&path, "hunter2\n").unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(file.read().unwrap().expose(), "hunter2");
        write(&path, "correct horse\r\n").unwrap();
        let secret = credential.read_in(Some(folder.path())).unwrap();
        assert_eq!(secret.expose(), "correct horse");
        assert!(!format!("{secret:?}").contains("horse"));
    }

    #[test]
    fn what_is_no_password_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mqtt");
        let source = PasswordSource::File(path.clone());
        let why = |bytes: &[u8], mode| {
            write(&path, bytes).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = source.read().unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            error
        };
        assert!(matches!(why(b"a", 0o602), SecretError::WorldWritable(_)));
        assert!(matches!(why(b"\n", 0o600), SecretError::Empty(_)));
        assert!(matches!(why(b"\xff", 0o600), SecretError::NotText(_)));
        assert!(matches!(why(&[b'a'; 4097], 0o600), SecretError::TooLong(_)));
        let folder = PasswordSource::File(folder.path().into());
        assert!(matches!(folder.read(), Err(SecretError::NotAFile(_))));
        let missing = PasswordSource::File("/nonexistent/password".into());
        assert!(matches!(missing.read(), Err(SecretError::Unreadable { .. })));
        let missing = PasswordSource::Credential("mqtt".into());
        assert!(matches!(missing.read_in(None), Err(SecretError::NoCredentials(_))));
    }
}
