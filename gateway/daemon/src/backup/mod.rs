//! What makes a box this box, in one sealed file, and back: `gatehouse backup`, `gatehouse restore`.
//!
//! ```text
//!  gateway.toml, the files that it names, the page's accounts ─▶ tar ─▶ sealed (age) ─▶ one file
//!                              checked before anything is written ◀─ opened with the key ◀─┘
//! ```
//!
//! The site's key goes along: without it no card of the list would be known on another box. Not in it are journal and
//! evidence, which are the record of a box and no setting, and the key that the box signs its record with: another box
//! has another. Sealed to a public key, which anybody may have: that it opens
//! does not say who made it. So nothing is put anywhere but in the folder of `gateway.toml`, in the page's own and to the site's key,
//! and whoever restores sees each file before it is replaced.

mod make;
mod restore;

use std::path::{Path, PathBuf};

use gatehouse_config::{Config, ConfigErrors};
use gatehouse_core::checkpoint::to_hex;
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::unit::readers::site_key_file;

pub use make::{Backup, make};
pub use restore::{Place, Placed, Restore};

/// The form that this version writes and reads.
const FORM: u32 = 1;

/// The member that says what the others are.
const MANIFEST: &str = "MANIFEST.json";

/// For its owner alone, once unpacked.
const MODE: u32 = 0o600;

/// No file of a configuration is larger.
const MOST_BYTES: u64 = 4 << 20;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    form: u32,
    /// Version of the gateway that made it.
    pub version: String,
    /// Which gateway.
    pub gateway: String,
    /// When, by its clock, RFC 3339.
    pub made: String,
    /// Where `gateway.toml` stood.
    config: PathBuf,
    /// Each file, in the order of the members `0`, `1` and so on. The first is `gateway.toml`.
    files: Vec<FileFacts>,
    /// What was named and is not in it, with the reason.
    pub left_out: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileFacts {
    path: PathBuf,
    /// Its rights, as `0o640`.
    mode: u32,
    sha256: String,
    /// What it is, for people.
    what: String,
}

/// Why there is no backup, or why it is not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The configuration is wrong: in the file here, or in the backup.
    #[error("{}", .0.render(false))]
    Config(Box<ConfigErrors>),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It does not open with this key, or not to its end.
    #[error("the backup does not open: {0}")]
    Sealed(String),
    /// What was sealed is no backup, or another version's.
    #[error("this is no backup that can be restored: {0}")]
    Form(String),
}

/// Where files may be put: below the folder of `gateway.toml`, in the page's folder, and the site's key.
fn is_ours(path: &Path, config_path: &Path, config: &Config) -> bool {
    let plain = path.components().all(|part| {
        matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_))
    });
    let folder = config_path.parent().unwrap_or(Path::new("/"));
    let own = path.parent() == Some(&page(config)) || path == site_key_file(config);
    plain && path.is_absolute() && (path.starts_with(folder) || own)
}

/// The page's own folder: accounts, certificate.
fn page(config: &Config) -> PathBuf {
    config.state_dir.join("page")
}

fn sha256(bytes: &[u8]) -> String {
    to_hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests;
