//! The other end of TLS: a program that is connected to, as the control room's wall.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig, crypto};

use crate::files::{FileRole, TlsError, certificates, malformed, private_key};

/// The certificate that a server shows, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The chain, in PEM, the server's own first.
    pub certificate: PathBuf,
    /// The private key, in PEM without passphrase.
    pub key: PathBuf,
}

impl ServerTls {
    /// Reads both files: what serves connections until they are renewed.
    ///
    /// # Errors
    /// [`TlsError`]: which file, what is wrong with it, and what is allowed.
    #[expect(clippy::missing_panics_doc, reason = "the provider is fixed")]
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let chain = certificates(FileRole::Certificate, &self.certificate)?;
        let key = private_key(&self.key)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    let (certificate, key) = (self.certificate.clone(), self.key.clone());
                    TlsError::Mismatch { certificate, key }
                }
                rustls::Error::General(_) => malformed(FileRole::Key, &self.key, &error),
                error => malformed(FileRole::Certificate, &self.certificate, &error),
            })?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The server's own certificate, in DER: what a fingerprint is of.
    ///
    /// # Errors
    /// [`TlsError`] of the certificate's file.
    pub fn leaf(&self) -> Result<Vec<u8>, TlsError> {
        let chain = certificates(FileRole::Certificate, &self.certificate)?;
        Ok(chain.first().map(|own| own.to_vec()).unwrap_or_default())
    }

    /// Both files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [self.certificate.as_path(), self.key.as_path()].into_iter()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_server_needs_a_certificate_and_the_key_that_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["wall".into()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(path("own.pem"), own.pem()).unwrap();
        std::fs::write(path("own.key"), key.serialize_pem()).unwrap();
        std::fs::write(path("other.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let of = |certificate: &str, key: &str| {
            let tls = ServerTls { certificate: path(certificate), key: path(key) };
            tls.acceptor().map(drop)
        };
        of("own.pem", "own.key").unwrap();
        assert!(matches!(of("own.pem", "other.key"), Err(TlsError::Mismatch { .. })));
        assert!(matches!(of("own.key", "own.key"), Err(TlsError::NothingInside { .. })));
        assert!(of("absent.pem", "own.key").unwrap_err().is_unreadable());
    }
}
