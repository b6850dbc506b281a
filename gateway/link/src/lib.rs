//! The way to a broker: plain TCP, or TLS; as a stream ([`open`]), or for rumqttc's event loop
//! through a tunnel ([`dial`]).
//!
//! The tunnel keeps rumqttc free of TLS (its own pulls an outdated webpki), lets the name in the
//! certificate differ from the host, and reads CA, certificate and key anew for every connection,
//! so renewed files need no restart. rumqttc reaches it over an abstract Unix socket that takes
//! exactly one connection, from this very process.
//!
//! ```text
//!  rumqttc ──▶ Unix socket ──▶ tunnel ──▶ rustls (ring) ──▶ TCP ──▶ broker
//!  rumqttc ─────────────────── without TLS ──────────────▶ TCP ──▶ broker
//! ```
//!
//! Limits: trusted is the named authority alone, never the system's list; keys with a passphrase
//! are refused, since nobody is there to type it; no revocation lists: a certificate that must not
//! be used any more is the broker's to refuse.
//!
//! ```no_run
//! use gatehouse_link::{Tls, dial};
//! use rumqttc::v5::MqttOptions;
//!
//! # async fn example() -> Result<(), gatehouse_link::DialError> {
//! let tls = Tls { ca: "/etc/gatehouse/ca.pem".into(), client: None, server_name: None };
//! let route = dial("broker.lan", 8883, Some(&tls)).await?;
//! let mut options = MqttOptions::new("g-1", route.host.clone(), route.port);
//! options.set_transport(route.transport.clone());
//! // `route.tunnel` must live as long as the connection.
//! # Ok(())
//! # }
//! ```

mod files;
mod local;
mod over;
mod server;
mod stream;
mod tunnel;
mod validity;

use std::path::PathBuf;

pub use files::{FileRole, Stamp, TlsError};
pub use local::Local;
pub use over::OverError;
pub use server::ServerTls;
pub use stream::{Stream, open, open_from, tls_word};
pub use tokio_rustls::client::TlsStream;
pub use tunnel::{DialError, Route, Trouble, dial, dial_from};
pub use validity::Validity;

/// How a connection is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificates that sign the broker's, in PEM. No others are trusted.
    pub ca: PathBuf,
    /// Our own, if the broker wants one.
    pub client: Option<ClientCertificate>,
    /// The name in the broker's certificate, if it is not the host.
    pub server_name: Option<String>,
}

/// Our own certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}
