//! TLS over a stream that is there already, for protocols that begin it in the middle, as
//! PostgreSQL's.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{Tls, TlsError};

/// Why there is no TLS over a stream.
#[derive(Debug, thiserror::Error)]
pub enum OverError {
    /// The files.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// What the handshake says: another authority, another name, or no TLS at the other end.
    #[error("no TLS with {host}: {source}")]
    Handshake {
        /// The name that the certificate should have.
        host: String,
        /// The reason.
        source: io::Error,
    },
    /// A host that cannot stand in a certificate.
    #[error("{0:?} is no name of a certificate; name the server's with a server name")]
    Name(String),
}

impl Tls {
    /// Begins TLS as the client of `host`, unless another name is configured. The files are read
    /// anew.
    ///
    /// # Errors
    /// When the files cannot be used, or one end refuses the other.
    pub async fn over<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, OverError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = self.server_name.as_deref().unwrap_or(host);
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| OverError::Name(host.to_owned()))?;
        let connector = TlsConnector::from(Arc::new(self.client_config()?));
        connector
            .connect(name, stream)
            .await
            .map_err(|source| OverError::Handshake { host: host.to_owned(), source })
    }
}
