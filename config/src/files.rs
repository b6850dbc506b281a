//! Reading the file, and looking at the files that it names.

use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::finding::{ConfigErrors, Finding};
use crate::parse;
use crate::reader::Notes;
use crate::secret::PasswordSource;

/// The largest configuration file. One with 64 doors, zones and partitions, and all comments at each,
/// has 360 KiB; more than a megabyte is some other file.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// A file that the configuration names.
pub(crate) struct FileRef {
    /// The key that names it.
    pub(crate) key: &'static str,
    /// Where.
    pub(crate) span: Range<usize>,
    pub(crate) role: Role,
}

/// What a named file is for.
pub(crate) enum Role {
    /// Who can write to it decides whom the gateway trusts; anyone may read it.
    Trusted(PathBuf),
    /// Nobody else may read or write it.
    PrivateKey(PathBuf),
    /// Nobody else may read or write it.
    Password(PasswordSource),
    /// Nothing depends on it.
    Script(PathBuf),
}

impl Config {
    /// Reads and checks a configuration file, and looks whether the files that it names are there
    /// and well kept. A file that is not there (yet) is a warning: it is read when it is needed.
    ///
    /// # Errors
    /// All mistakes at once. When the file cannot be read at all, there is nothing to fall back to.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigErrors> {
        Self::load_with_text(path).map(|(config, _)| config)
    }

    /// The same, with the text that the file had.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with_text(path: impl AsRef<Path>) -> Result<(Self, String), ConfigErrors> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = read(path).map_err(|finding| ConfigErrors::of_file(&name, *finding))?;
        let text = text(&bytes).map_err(|finding| ConfigErrors::of_file(&name, *finding))?;
        let mut warnings = Vec::new();
        if std::fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.mode() & 0o002 != 0) {
            warnings.push(
                Finding::of_file("everyone on this machine can change this configuration")
                    .hint(format!("chmod o-w {name}")),
            );
        }
        let config = Self::read_as(text, path, warnings)?;
        Ok((config, text.to_owned()))
    }

    /// Checks a text as if the file at `path` had it, the files that it names included.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn check(text: &str, path: impl AsRef<Path>) -> Result<Self, ConfigErrors> {
        let path = path.as_ref();
        if text.len() as u64 > MAX_BYTES {
            return Err(ConfigErrors::of_file(&path.display().to_string(), too_large(MAX_BYTES)));
        }
        Self::read_as(text, path, Vec::new())
    }

    fn read_as(text: &str, path: &Path, warnings: Vec<Finding>) -> Result<Self, ConfigErrors> {
        let mut outcome = parse::read(text);
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        for file in &outcome.files {
            look_at(file, credentials.as_deref(), &mut outcome.notes);
        }
        for warning in warnings {
            outcome.notes.warn(warning);
        }
        let mut config = outcome.finish(&path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.access.credentials = folder.join(&config.access.credentials);
        Ok(config)
    }
}

fn too_large(max: u64) -> Finding {
    Finding::of_file(format!("the configuration is larger than {max} bytes"))
        .hint("is this the right file?")
}

/// The control socket that a file names, as far as it can be read: the gateway that runs is asked
/// there, however wrong the file is.
pub fn socket_of(path: impl AsRef<Path>) -> PathBuf {
    let bytes = read(path.as_ref()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (root, _) = toml::de::DeTable::parse_recoverable(&text);
    let table = root.get_ref().get(crate::keys::gateway::TABLE.name);
    let table = table.and_then(|table| table.get_ref().as_table());
    let socket = table.and_then(|table| table.get(crate::keys::gateway::SOCKET.name));
    let socket = socket.and_then(|socket| socket.get_ref().as_str());
    PathBuf::from(socket.unwrap_or(crate::keys::gateway::DEFAULT_SOCKET))
}

fn read(path: &Path) -> Result<Vec<u8>, Box<Finding>> {
    read_up_to(path, MAX_BYTES)
}

pub(crate) fn read_up_to(path: &Path, max: u64) -> Result<Vec<u8>, Box<Finding>> {
    let unreadable = |error: std::io::Error| {
        use std::io::ErrorKind::{NotFound, PermissionDenied};
        let finding = Finding::of_file(format!("the configuration cannot be read: {error}"));
        Box::new(match error.kind() {
            NotFound => finding.hint("name the file with --config, or put one there"),
            PermissionDenied => finding.hint("the gateway's user must be able to read it"),
            _ => finding,
        })
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > max {
        return Err(Box::new(too_large(max)));
    }
    Ok(bytes)
}

pub(crate) fn text(bytes: &[u8]) -> Result<&str, Box<Finding>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = bytes[..at].split(|byte| *byte == b'\n').count();
        let title = format!(
            "the configuration is not UTF-8: byte {at} (in line {line}) is 0x{:02x}",
            bytes.get(at).copied().unwrap_or_default()
        );
        let hint = "save it as UTF-8; iconv -f GB18030 -t UTF-8 converts from GB";
        Box::new(Finding::of_file(title).hint(hint))
    })
}

fn look_at(file: &FileRef, credentials: Option<&Path>, notes: &mut Notes<'_>) {
    let (path, secret, guarded) = match &file.role {
        Role::Trusted(path) => (path.clone(), false, true),
        Role::PrivateKey(path) => (path.clone(), true, true),
        Role::Script(path) => (path.clone(), false, false),
        Role::Password(source) => match source.path_in(credentials) {
            Ok(path) => (path, true, true),
            // Checked by hand, outside the unit: systemd's folder is not there, and need not be.
            Err(_) => return,
        },
    };
    let shown = path.display();
    let finding = |title: String| Finding::new(title, file.span.clone());
    let facts = match std::fs::metadata(&path) {
        Ok(facts) => facts,
        Err(error) => {
            let title = format!("`{}` names {shown}, which cannot be looked at: {error}", file.key);
            notes.warn(finding(title).label("needed when it is used"));
            return;
        }
    };
    if !facts.is_file() {
        let title = format!("`{}` names {shown}, which is not a regular file", file.key);
        notes.error(finding(title).label("not a file"));
        return;
    }
    if guarded && facts.mode() & 0o002 != 0 {
        let title = format!(
            "`{}` names {shown}, which everyone on this machine can write (mode {:03o})",
            file.key,
            facts.mode() & 0o777
        );
        let hint = format!("chmod {} {shown}", if secret { "600" } else { "644" });
        notes.error(finding(title).label("not trusted").hint(hint));
    } else if secret && facts.mode() & 0o004 != 0 {
        let title = format!(
            "`{}` names {shown}, which everyone on this machine can read (mode {:03o})",
            file.key,
            facts.mode() & 0o777
        );
        notes.warn(finding(title).label("a secret").hint(format!("chmod 600 {shown}")));
    }
}
