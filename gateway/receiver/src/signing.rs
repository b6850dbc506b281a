//! An operator's key: commands are signed with it, and the gateways know its public half.

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gatehouse_core::contract::{Command, Signature, SignatureBytes};
use gatehouse_core::id::Id;
use gatehouse_core::topic::Address;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// The largest key file, in bytes: PKCS#8 of Ed25519 has 48 or 83.
const MAX_BYTES: u64 = 1024;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is there already, or the folder may not be written to, or it cannot be read.
    #[error("the key {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others could sign with it.
    #[error("the key {path} can be read by others (mode {mode:03o}); hint: chmod 600 {path}", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Something else, or in another format.
    #[error(
        "{path} is no Ed25519 key in PKCS#8, DER; hint: `gatehouse-receiver keygen` makes one, and \
         `openssl pkey -in KEY -outform DER` writes one of PEM so", path = .0.display()
    )]
    Format(PathBuf),
    /// The kernel gives no randomness.
    #[error("no key was made: the kernel gives no randomness")]
    Random,
}

/// An operator's key with its id. It shows itself to nobody.
pub struct SigningKey {
    id: Id,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a key: PKCS#8 in DER, for its owner's eyes only.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: &Path, id: Id) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { path: path.to_owned(), source };
        let facts = fs::metadata(path).map_err(file)?;
        let mode = facts.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        if !facts.is_file() || facts.len() > MAX_BYTES {
            return Err(KeyError::Format(path.to_owned()));
        }
        let bytes = fs::read(path).map_err(file)?;
        // What openssl writes has no public half in it.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes);
        let pair = pair.map_err(|_| KeyError::Format(path.to_owned()))?;
        Ok(Self { id, pair })
    }

    /// Makes a key and writes it, for its owner's eyes only. A file that is there is never replaced.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn make(path: &Path, id: Id) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { path: path.to_owned(), source };
        let bytes =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(path).map_err(file)?;
        out.write_all(bytes.as_ref()).and_then(|()| out.sync_all()).map_err(file)?;
        drop(out);
        Self::read(path, id)
    }

    /// The public half, as `[[command-key]]` takes it: 64 hexadecimal digits.
    pub fn public(&self) -> String {
        let bytes = self.pair.public_key().as_ref();
        bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
            // A String takes everything.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The signature of these bytes, as a bundle carries it.
    pub(crate) fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    /// The signature of a command to this gateway under this id; `None`: its arguments have no
    /// canonical form, and the gateway refuses them anyway.
    pub fn sign(&self, command: &Command, address: &Address, id: &Id) -> Option<Signature> {
        let bytes = command.canonical(address, id)?;
        let bytes = self.pair.sign(&bytes).as_ref().try_into().ok()?;
        Some(Signature { key: self.id.clone(), ed25519: SignatureBytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_read_by_its_owner_and_known_by_its_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("op-7.key");
        let id: Id = "op-7".parse().unwrap();
        let made = SigningKey::make(&path, id.clone()).unwrap();
        assert_eq!(made.public().len(), 64);
        assert_eq!(SigningKey::read(&path, id.clone()).unwrap().public(), made.public());
        assert!(
            matches!(SigningKey::make(&path, id.clone()), Err(KeyError::File { .. })),
            "replaced"
        );
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let exposed = SigningKey::read(&path, id.clone()).unwrap_err().to_string();
        assert!(exposed.contains("chmod 600"), "{exposed}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "-----BEGIN PRIVATE KEY-----\n").unwrap();
        let wrong = SigningKey::read(&path, id).unwrap_err().to_string();
        assert!(wrong.contains("-outform DER"), "{wrong}");
    }

    #[test]
    fn what_openssl_writes_is_a_key() {
        // RFC 8410, 10.3: the private key of RFC 8032's first test, in PKCS#8 without public half.
        let mut bytes =
            vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        bytes.extend(
            gatehouse_core::contract::bytes_of_hex::<32>(
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            )
            .unwrap(),
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.der");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let key = SigningKey::read(&path, "k".parse().unwrap()).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public(), public);
    }
}
