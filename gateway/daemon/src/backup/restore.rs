//! A backup is looked into, and put back.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use gatehouse_camera::seal::Opened;
use gatehouse_config::Config;
use gatehouse_core::archive;
use gatehouse_core::sealed::Identity;
use zeroize::Zeroizing;

use super::{BackupError, FORM, MANIFEST, MODE, Manifest, is_ours, page, sha256};
use crate::transaction::files::replace;

/// What stood in a file's place stays beside it with this added to its name.
const BEFORE: &str = "before-restore";

/// A backup whose every byte was checked, for the configuration at a path. Nothing is written yet.
pub struct Restore {
    /// What is in it.
    pub manifest: Manifest,
    /// The configuration in it.
    pub config: Config,
    files: Vec<(PathBuf, u32, Zeroizing<Vec<u8>>)>,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// There is none yet.
    New,
    /// Another one is there, which is kept beside it.
    Differs,
    /// It is there.
    Same,
}

/// A file of a backup, and what would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub placed: Placed,
}

impl Restore {
    /// Opens and checks a backup that is to be put in the place of the configuration at `path`.
    ///
    /// # Errors
    /// [`BackupError::Sealed`] for another key or a damaged file, [`BackupError::Form`] for what is no backup,
    /// is of another form, or wants files elsewhere, and [`BackupError::Config`] when its configuration could not hold.
    pub fn open(sealed: &[u8], key: &Identity, path: &Path) -> Result<Self, BackupError> {
        let mut tar = Zeroizing::new(Vec::new());
        let unsealed = |error: &dyn std::fmt::Display| BackupError::Sealed(error.to_string());
        let mut opened = Opened::new(sealed, key).map_err(|error| unsealed(&error))?;
        opened.read_to_end(&mut tar).map_err(|error| unsealed(&error))?;
        if opened.cut_off() {
            return Err(BackupError::Sealed("its end is missing".to_owned()));
        }
        Self::of(&tar, path)
    }

    fn of(tar: &[u8], path: &Path) -> Result<Self, BackupError> {
        let form = |why: String| BackupError::Form(why);
        let path = std::path::absolute(path)
            .map_err(|source| BackupError::File { path: path.to_owned(), source })?;
        let members = archive::read(tar, MODE).map_err(form)?;
        let Some((&(MANIFEST, manifest), members)) = members.split_first() else {
            return Err(form(format!("its first member is not {MANIFEST}")));
        };
        let manifest: serde_json::Value =
            serde_json::from_slice(manifest).map_err(|error| form(error.to_string()))?;
        if manifest["form"] != FORM {
            let (found, version) = (&manifest["form"], &manifest["version"]);
            let why = format!(
                "it has form {found} of version {version}, and this version reads form {FORM}"
            );
            return Err(form(why));
        }
        let manifest: Manifest =
            serde_json::from_value(manifest).map_err(|error| form(error.to_string()))?;
        if members.len() != manifest.files.len() || members.is_empty() {
            let (here, said) = (members.len(), manifest.files.len());
            return Err(form(format!("{here} files are in it, and its manifest names {said}")));
        }
        if manifest.config != path || manifest.files[0].path != path {
            let hint = format!("--config {}", manifest.config.display());
            return Err(form(format!(
                "it is of {}, and would be put to {}; say {hint}",
                manifest.config.display(),
                path.display()
            )));
        }
        let text = String::from_utf8(members[0].1.to_vec())
            .map_err(|_| form("its gateway.toml is no UTF-8".to_owned()))?;
        let config =
            Config::check(&text, &path).map_err(|errors| BackupError::Config(Box::new(errors)))?;
        let mut files = Vec::new();
        for (number, (file, (name, content))) in manifest.files.iter().zip(members).enumerate() {
            let shown = file.path.display();
            if *name != number.to_string() || sha256(content) != file.sha256 {
                return Err(form(format!("{shown} is not what its manifest says")));
            }
            if !is_ours(&file.path, &path, &config) {
                let (one, other) = (path.parent().unwrap_or(Path::new("/")), page(&config));
                let (one, other) = (one.display(), other.display());
                return Err(form(format!(
                    "{shown} would be put neither below {one} nor into {other}"
                )));
            }
            files.push((file.path.clone(), file.mode & 0o777, Zeroizing::new(content.to_vec())));
        }
        Ok(Self { manifest, config, files })
    }

    /// What would become of each file.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn places(&self) -> Result<Vec<Place>, BackupError> {
        let place = |(path, _, content): &(PathBuf, u32, Zeroizing<Vec<u8>>)| {
            let placed = match fs::read(path).map(Zeroizing::new) {
                Ok(now) if now == *content => Placed::Same,
                Ok(_) => Placed::Differs,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Placed::New,
                Err(source) => return Err(BackupError::File { path: path.clone(), source }),
            };
            Ok(Place { path: path.clone(), placed })
        };
        self.files.iter().map(place).collect()
    }

    /// Puts every file in its place, `gateway.toml` last: until then what holds is the configuration of before. What
    /// stood there stays beside it.
    ///
    /// # Errors
    /// The first file that could not be put; those before it are. Doing it again is safe.
    pub fn put(&self) -> Result<(), BackupError> {
        for (path, mode, content) in self.files.iter().rev() {
            put(path, *mode, content)
                .map_err(|source| BackupError::File { path: path.clone(), source })?;
        }
        Ok(())
    }
}

fn put(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    // Whose it is says who has it now, or the folder: users have other numbers on another box.
    let owner = match fs::metadata(path) {
        Ok(facts) => {
            let before = fs::read(path).map(Zeroizing::new)?;
            if *before == *content {
                return Ok(());
            }
            replace(&path.with_added_extension(BEFORE), &before, Some(path))?;
            facts
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(folder)?,
        Err(error) => return Err(error),
    };
    replace(path, content, None)?;
    let now = fs::metadata(path)?;
    if (now.uid(), now.gid()) != (owner.uid(), owner.gid()) {
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
