//! The way to a broker: plain TCP or TLS.
//!
//! TLS is our own (rumqttc's pulls an outdated webpki), lets the name in the certificate differ
//! from the host, and reads CA, certificate and key anew for every connection, so renewed files
//! need no restart. rumqttc's event loop, which MQTT 3.1.1 goes through, reaches it by a tunnel: an
//! abstract Unix socket that takes exactly one connection, from this very process.

use std::path::Path;
use std::sync::Arc;

use gatehouse_config::{Broker, Tls};
use gatehouse_core::uplink::Failure;
use rumqttc::Transport;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::ConnectError;
use super::wire::Stream;

/// What rumqttc is told, and the tunnel that must live as long as the connection.
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
    pub(super) tunnel: JoinSet<()>,
}

/// An open stream to the broker.
pub(super) async fn open(broker: &Broker) -> Result<Box<dyn Stream>, ConnectError> {
    match &broker.tls {
        None => Ok(Box::new(tcp(broker).await?)),
        Some(tls) => Ok(Box::new(encrypted(broker, tls).await?)),
    }
}

async fn tcp(broker: &Broker) -> Result<TcpStream, ConnectError> {
    let tcp = TcpStream::connect((broker.host.as_str(), broker.port)).await;
    let tcp = tcp.map_err(|error| ConnectError::unreachable(&error))?;
    tcp.set_nodelay(true).map_err(|error| ConnectError::unreachable(&error))?;
    Ok(tcp)
}

async fn encrypted(broker: &Broker, tls: &Tls) -> Result<TlsStream<TcpStream>, ConnectError> {
    let config = tls_config(tls)?;
    let name = tls.server_name.as_deref().unwrap_or(&broker.host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| misconfigured(&error))?;
    let tcp = tcp(broker).await?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.map_err(|error| ConnectError {
        // A certificate that is not accepted is mended by a person, not by trying again.
        failure: match error.kind() {
            std::io::ErrorKind::InvalidData => Failure::Refused,
            _ => Failure::Unreachable,
        },
        text: format!("TLS: {error}"),
    })
}

/// What rumqttc's event loop is told.
pub(super) async fn route(broker: &Broker) -> Result<Route, ConnectError> {
    let Some(tls) = &broker.tls else {
        let host = broker.host.clone();
        let (port, transport) = (broker.port, Transport::tcp());
        return Ok(Route { host, port, transport, tunnel: JoinSet::new() });
    };
    let mut far = encrypted(broker, tls).await?;
    let socket = format!("\0gatehouse-uplink-{:032x}", fastrand::u128(..));
    let listener =
        UnixListener::bind(&socket).map_err(|error| ConnectError::unreachable(&error))?;
    let mut tunnel = JoinSet::new();
    tunnel.spawn(async move {
        let own = i32::try_from(std::process::id()).ok();
        let mut near = loop {
            let Ok((near, _)) = listener.accept().await else { return };
            // Another process of this machine must not get an authenticated connection.
            if near.peer_cred().is_ok_and(|peer| peer.pid() == own) {
                break near;
            }
        };
        drop(listener);
        // Either end's close ends both; rumqttc sees it as an end of file.
        let _ = copy_bidirectional(&mut near, &mut far).await;
        let _ = near.shutdown().await;
    });
    Ok(Route { host: socket, port: 0, transport: Transport::Unix, tunnel })
}

fn tls_config(tls: &Tls) -> Result<ClientConfig, ConnectError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&tls.ca)? {
        roots.add(certificate).map_err(|error| at(&tls.ca, &error))?;
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| misconfigured(&error))?
        .with_root_certificates(roots);
    match &tls.client {
        None => Ok(builder.with_no_client_auth()),
        Some(client) => {
            let chain = certificates(&client.certificate)?;
            let key = PrivateKeyDer::from_pem_file(&client.key)
                .map_err(|error| at(&client.key, &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| at(&client.certificate, &error))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| at(path, &error))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| at(path, &error))?;
    if read.is_empty() {
        return Err(at(path, &"there is no certificate in it"));
    }
    Ok(read)
}

/// The name and password to log in with, read anew.
pub(super) fn credentials(broker: &Broker) -> Result<Option<(String, String)>, ConnectError> {
    let Some(user) = &broker.username else { return Ok(None) };
    let password = match &broker.password {
        None => String::new(),
        Some(source) => source.read().map_err(|error| misconfigured(&error))?.expose().to_owned(),
    };
    Ok(Some((user.clone(), password)))
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> ConnectError {
    misconfigured(&format!("{}: {error}", path.display()))
}

/// Nothing that trying again soon would mend.
fn misconfigured(error: &dyn std::fmt::Display) -> ConnectError {
    ConnectError { failure: Failure::Refused, text: error.to_string() }
}
