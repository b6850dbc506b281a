//! A small authority for tests: its own certificate, brokers' and gateways'.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::broker::BrokerTls;

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, PKCS #8.
    pub key: PathBuf,
}

/// An authority with a folder for what it issues.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// A new authority.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-tls-").tempdir()?;
        let mut params = named("Gatehouse test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        std::fs::write(folder.path().join("ca.pem"), issuer.pem())?;
        Ok(Self { folder, issuer })
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Issues a certificate for a broker on this machine.
    pub fn broker(&self) -> anyhow::Result<BrokerTls> {
        let mut params = CertificateParams::new(["localhost".into(), "127.0.0.1".into()])?;
        params.distinguished_name.push(DnType::CommonName, "broker");
        // A node of a cluster is its neighbours' client too.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let identity = self.issue("broker", &params)?;
        Ok(BrokerTls { ca: self.ca(), certificate: identity.certificate, key: identity.key })
    }

    /// Issues a certificate for a client of this common name; a second call replaces the files.
    pub fn client(&self, name: &str) -> anyhow::Result<Identity> {
        let mut params = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, &params)
    }

    /// As [`Self::client`], but the certificate has expired long ago.
    pub fn expired(&self, name: &str) -> anyhow::Result<Identity> {
        let mut params = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(name, &params)
    }

    fn issue(&self, name: &str, params: &CertificateParams) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem())?;
        std::fs::write(&identity.key, key.serialize_pem())?;
        // A key that others can read is refused, as it should be.
        std::fs::set_permissions(&identity.key, Permissions::from_mode(0o600))?;
        Ok(identity)
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// What a client needs to speak TLS: trust in `ca`, and an identity of its own if it has one.
pub fn client_config(ca: &Path, identity: Option<&Identity>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(ca).with_context(|| format!("{}", ca.display()))?;
    roots.add(ca)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_file(&identity.certificate)?],
            PrivateKeyDer::from_pem_file(&identity.key)?,
        )?,
    };
    Ok(Arc::new(config))
}
