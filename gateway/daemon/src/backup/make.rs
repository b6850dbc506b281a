//! A backup is made.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gatehouse_camera::seal;
use gatehouse_config::{Config, PasswordSource};
use gatehouse_core::archive;
use gatehouse_core::sealed::Recipient;
use zeroize::Zeroizing;

use super::{
    BackupError, FORM, FileFacts, MANIFEST, MODE, MOST_BYTES, Manifest, is_ours, page, sha256,
};
use crate::clock::Clock;
use crate::sandbox::files_of;
use crate::secret::passwords;
use crate::unit::readers::site_key_file;

/// What is in it, and its files' bytes.
pub struct Backup {
    /// What is in it, and what is not.
    pub manifest: Manifest,
    pub(super) contents: Vec<Zeroizing<Vec<u8>>>,
}

/// Gathers what the configuration at `path` makes of a box.
///
/// # Errors
/// The configuration, or a file of it that is there and cannot be read. One that is not there is told of in
/// the manifest.
pub fn make(path: &Path) -> Result<Backup, BackupError> {
    let path = std::path::absolute(path).map_err(|source| at(path, source))?;
    let (config, text) =
        Config::load_with_text(&path).map_err(|errors| BackupError::Config(Box::new(errors)))?;
    let mut backup = Backup {
        manifest: Manifest {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gateway: config.address.gateway.to_string(),
            made: Clock::system().now().utc.to_string(),
            config: path.clone(),
            files: Vec::new(),
            left_out: Vec::new(),
        },
        contents: Vec::new(),
    };
    let mode = mode(&path).map_err(|source| at(&path, source))?;
    backup.add("the configuration".into(), &path, mode, Zeroizing::new(text.into_bytes()));
    let mut named = files_of(&config);
    named.sort_by(|(_, one), (_, other)| one.cmp(other));
    named.dedup_by(|(_, later), (_, first)| later == first);
    for (key, file) in named {
        if is_ours(&file, &path, &config) {
            backup.take(key, &file)?;
        } else {
            let why = "it does not lie in the folder of gateway.toml: keep it yourself";
            backup.manifest.left_out.push(format!("{}, {key}: {why}", file.display()));
        }
    }
    let of_cards = "the site's key, by which cards are known";
    backup.take(of_cards.into(), &site_key_file(&config))?;
    for file in in_folder(&page(&config))? {
        backup.take("the page's".into(), &file)?;
    }
    backup.manifest.left_out.extend(credentials_of(&config));
    Ok(backup)
}

impl Backup {
    /// The one file, for whoever has the key of one of these.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn sealed(&self, recipients: &[Recipient]) -> io::Result<Vec<u8>> {
        let manifest = serde_json::to_vec_pretty(&self.manifest)?;
        let names: Vec<_> = (0..self.contents.len()).map(|number| number.to_string()).collect();
        let contents = self.contents.iter().map(|content| content.as_slice());
        let members = names.iter().map(String::as_str).zip(contents);
        let all: Vec<_> = std::iter::once((MANIFEST, manifest.as_slice())).chain(members).collect();
        let tar = Zeroizing::new(archive::write(&all, MODE));
        Ok(seal::seal(&tar, recipients)?.0)
    }

    /// The files that are in it, for people: path and what it is.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.manifest.files.iter().map(|file| (file.path.as_path(), file.what.as_str()))
    }

    fn take(&mut self, what: String, path: &Path) -> Result<(), BackupError> {
        let read = || {
            let mut content = Zeroizing::new(Vec::new());
            let file = fs::File::open(path)?;
            let size = file.metadata()?.len();
            if size > MOST_BYTES {
                return Err(io::Error::other(format!("{size} bytes, more than {MOST_BYTES}")));
            }
            file.take(MOST_BYTES).read_to_end(&mut content)?;
            Ok(content)
        };
        match read() {
            Ok(content) => {
                let mode = mode(path).map_err(|source| at(path, source))?;
                self.add(what, path, mode, content);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.manifest.left_out.push(format!("{}, {what}: it is not there", path.display()));
            }
            Err(source) => return Err(at(path, source)),
        }
        Ok(())
    }

    fn add(&mut self, what: String, path: &Path, mode: u32, content: Zeroizing<Vec<u8>>) {
        let sha256 = sha256(&content);
        self.manifest.files.push(FileFacts { path: path.to_owned(), mode, sha256, what });
        self.contents.push(content);
    }
}

fn at(path: &Path, source: io::Error) -> BackupError {
    BackupError::File { path: path.to_owned(), source }
}

fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// The plain files of a folder that may not be there.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(at(folder, source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| at(folder, source))?.path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "new") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What systemd gives to the service alone.
fn credentials_of(config: &Config) -> Vec<String> {
    let told = |(what, of, source): (&str, String, &PasswordSource)| match source {
        PasswordSource::Credential(name) => Some(format!(
            "systemd credential {name}, the {what} of {of}: only systemd has it; set it again on the other box"
        )),
        PasswordSource::File(_) => None,
    };
    passwords(config).filter_map(told).collect()
}
