//! The files of a TLS connection: read whole, or refused with what to do about it.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, InconsistentKeys, RootCertStore, crypto};

use crate::Tls;

/// The largest file that is read. A list of all public authorities has a quarter of it; more is
/// some other file.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// The certificates that sign the broker's.
    Authority,
    /// Our own certificate.
    Certificate,
    /// Its key.
    Key,
}

impl fmt::Display for FileRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "the authority's file",
            Self::Certificate => "the certificate",
            Self::Key => "the private key",
        })
    }
}

/// Why the files of a TLS connection cannot be used. A person must mend it; no message says what
/// is in a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Anyone on this machine could put in an authority or a key of his own.
    #[error(
        "{role} {path} can be written by everyone on this machine (mode {mode:03o}); \
         hint: chmod o-w {path}",
        path = path.display()
    )]
    Exposed {
        /// What it is for.
        role: FileRole,
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// PEM, but damaged, or holding something that TLS does not take.
    #[error("{role} {} cannot be used: {why}", path.display())]
    Malformed {
        /// What it is for.
        role: FileRole,
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key were not made together, or only one of them was renewed.
    #[error(
        "the private key {} does not belong to the certificate {}; renew both together",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Another file was named, or it is in another format.
    #[error("{role} {} has no {} in it; {hint}", path.display(), match role {
        FileRole::Key => "private key",
        _ => "certificate",
    })]
    NothingInside {
        /// What it is for.
        role: FileRole,
        /// Which.
        path: PathBuf,
        /// What is allowed, and how to get it.
        hint: String,
    },
    /// Missing, or not readable by this user.
    #[error("{role} {}: {why}; it must be a file in PEM that this user may read", path.display())]
    Unreadable {
        /// What it is for.
        role: FileRole,
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl TlsError {
    /// Whether the system keeps a file from us, as opposed to what is in it.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// What files looked like at some time: another stamp means that one was renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<Option<(u64, u64, i64, i64)>>);

impl Stamp {
    /// What these files look like now.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let facts = |path| {
            let facts = fs::metadata(path).ok()?;
            Some((facts.ino(), facts.len(), facts.ctime(), facts.ctime_nsec()))
        };
        Self(files.into_iter().map(facts).collect())
    }
}

impl Tls {
    /// Looks whether a connection could be made with the files as they are now.
    ///
    /// # Errors
    /// As a connection would say it.
    pub fn check(&self) -> Result<(), TlsError> {
        self.client_config().map(drop)
    }

    /// The private key, if everyone on this machine can read it.
    pub fn readable_key(&self) -> Option<&Path> {
        let key = &self.client.as_ref()?.key;
        let mode = fs::metadata(key).ok()?.mode();
        (mode & 0o004 != 0).then_some(key)
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let client = self.client.iter().flat_map(|client| [&client.certificate, &client.key]);
        [&self.ca].into_iter().chain(client).map(PathBuf::as_path)
    }

    /// Reads every file.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(FileRole::Authority, &self.ca)? {
            roots
                .add(certificate)
                .map_err(|error| malformed(FileRole::Authority, &self.ca, &error))?;
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let Some(client) = &self.client else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(FileRole::Certificate, &client.certificate)?;
        let key = private_key(&client.key)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
                certificate: client.certificate.clone(),
                key: client.key.clone(),
            },
            rustls::Error::General(_) => malformed(FileRole::Key, &client.key, &error),
            error => malformed(FileRole::Certificate, &client.certificate, &error),
        })
    }
}

pub(crate) fn certificates(
    role: FileRole,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(role, path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let read = read.map_err(|error| malformed(role, path, &error))?;
    if read.is_empty() {
        let shown = path.display();
        let hint = match bytes.first() {
            // A SEQUENCE of ASN.1: what PEM wraps.
            Some(0x30) => format!(
                "it looks like DER; hint: openssl x509 -inform der -in {shown} -out {shown}.pem"
            ),
            _ => "allowed is PEM, with -----BEGIN CERTIFICATE-----".to_owned(),
        };
        return Err(TlsError::NothingInside { role, path: path.to_owned(), hint });
    }
    Ok(read)
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let role = FileRole::Key;
    let bytes = read(role, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let shown = path.display();
            let locked = b"BEGIN ENCRYPTED PRIVATE KEY";
            let hint = if bytes.windows(locked.len()).any(|window| window == locked) {
                format!(
                    "it is locked with a passphrase; hint: openssl pkey -in {shown} -out NEW, \
                     then chmod 600 NEW"
                )
            } else {
                "allowed is PEM, with -----BEGIN PRIVATE KEY-----".to_owned()
            };
            TlsError::NothingInside { role, path: path.to_owned(), hint }
        }
        error => malformed(role, path, &error),
    })
}

fn read(role: FileRole, path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |why: &dyn fmt::Display| TlsError::Unreadable {
        role,
        path: path.to_owned(),
        why: why.to_string(),
    };
    // Asked before it is opened: opening a pipe would wait for its other end.
    let facts = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !facts.is_file() {
        return Err(unreadable(&"it is no regular file"));
    }
    if facts.mode() & 0o002 != 0 {
        let mode = facts.mode() & 0o777;
        return Err(TlsError::Exposed { role, path: path.to_owned(), mode });
    }
    if facts.len() > MAX_BYTES {
        return Err(unreadable(&format_args!("it is larger than {MAX_BYTES} bytes")));
    }
    fs::read(path).map_err(|error| unreadable(&error))
}

pub(crate) fn malformed(role: FileRole, path: &Path, error: &dyn fmt::Display) -> TlsError {
    TlsError::Malformed { role, path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::ClientCertificate;

    /// A folder with `own.pem`, `own.key`, another key, and the first as its own authority.
    fn files() -> (tempfile::TempDir, Tls) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["own".into()]).unwrap().self_signed(&key).unwrap();
        write(path("own.pem"), own.pem()).unwrap();
        write(path("own.der"), own.der()).unwrap();
        write(path("own.key"), key.serialize_pem()).unwrap();
        write(path("other.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        set_permissions(path("own.key"), Permissions::from_mode(0o600)).unwrap();
        let client = Some(ClientCertificate { certificate: path("own.pem"), key: path("own.key") });
        let tls = Tls { ca: path("own.pem"), client, server_name: None };
        (folder, tls)
    }

    #[test]
    fn every_bad_file_is_named_with_what_is_allowed() {
        let (folder, good) = files();
        let path = |name: &str| folder.path().join(name);
        good.check().unwrap();
        let case = |ca: &str, certificate: &str, key: &str, wanted: &str| {
            let client = Some(ClientCertificate { certificate: path(certificate), key: path(key) });
            let error = Tls { ca: path(ca), client, server_name: None }.check().unwrap_err();
            let wanted = wanted.replace("{}", folder.path().to_str().unwrap());
            assert_eq!(error.to_string(), wanted);
        };
        case(
            "none.pem",
            "own.pem",
            "own.key",
            "the authority's file {}/none.pem: No such file or directory (os error 2); it must be \
             a file in PEM that this user may read",
        );
        case(
            "own.der",
            "own.pem",
            "own.key",
            "the authority's file {}/own.der has no certificate in it; it looks like DER; hint: \
             openssl x509 -inform der -in {}/own.der -out {}/own.der.pem",
        );
        case(
            "own.pem",
            "own.key",
            "own.key",
            "the certificate {}/own.key has no certificate in it; allowed is PEM, with \
             -----BEGIN CERTIFICATE-----",
        );
        case(
            "own.pem",
            "own.pem",
            "own.pem",
            "the private key {}/own.pem has no private key in it; allowed is PEM, with \
             -----BEGIN PRIVATE KEY-----",
        );
        case(
            "own.pem",
            "own.pem",
            "other.key",
            "the private key {}/other.key does not belong to the certificate {}/own.pem; renew \
             both together",
        );
        case(
            "own.pem",
            "own.pem",
            ".",
            "the private key {}/.: it is no regular file; it must be a file in PEM that this user \
             may read",
        );
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n\
                      -----END ENCRYPTED PRIVATE KEY-----\n";
        write(path("locked.key"), locked).unwrap();
        case(
            "own.pem",
            "own.pem",
            "locked.key",
            "the private key {}/locked.key has no private key in it; it is locked with a \
             passphrase; hint: openssl pkey -in {}/locked.key -out NEW, then chmod 600 NEW",
        );
        write(path("cut.pem"), "-----BEGIN CERTIFICATE-----\nMII").unwrap();
        let cut = Tls { ca: path("cut.pem"), ..good.clone() }.check().unwrap_err();
        assert!(matches!(cut, TlsError::Malformed { .. }), "{cut}");
        set_permissions(path("own.key"), Permissions::from_mode(0o602)).unwrap();
        case(
            "own.pem",
            "own.pem",
            "own.key",
            "the private key {}/own.key can be written by everyone on this machine (mode 602); \
             hint: chmod o-w {}/own.key",
        );
    }

    #[test]
    fn a_key_that_all_may_read_is_found_and_a_renewed_file_changes_the_stamp() {
        let (_folder, tls) = files();
        assert_eq!(tls.readable_key(), None);
        let key = &tls.client.as_ref().unwrap().key;
        let before = Stamp::of(tls.files());
        assert_eq!(Stamp::of(tls.files()), before);
        set_permissions(key, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(tls.readable_key(), Some(&**key));
        std::fs::rename(key.with_file_name("other.key"), key).unwrap();
        assert_ne!(Stamp::of(tls.files()), before);
    }
}
