//! Dialling, and the tunnel between rumqttc and the network.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use crate::local::{Local, tcp};
use crate::stream::Stream;
use crate::{Tls, TlsError};

/// How long a broker that has ended the connection is listened to for its reason: the alert is on
/// its way already when writing fails.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What rumqttc is told, and the tunnel that must live as long as the connection.
pub struct Route {
    /// The host, or the tunnel's socket.
    pub host: String,
    /// The port; 0 for a tunnel.
    pub port: u16,
    /// TCP or Unix.
    pub transport: Transport,
    /// The tunnel's task; nothing without TLS.
    pub tunnel: JoinSet<()>,
    /// Why the tunnel ended, if TLS was the reason.
    pub trouble: Trouble,
}

/// What TLS said after the handshake. With TLS 1.3 a broker refuses our certificate only then, and
/// rumqttc sees no more of it than an end of file.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<DialError>>>);

impl Trouble {
    /// Takes it, if there is any.
    pub fn take(&self) -> Option<DialError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, error: DialError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The broker does not show a certificate that is trusted: a wrong file here, a wrong
    /// certificate there, or somebody between.
    #[error("the broker at {at} is not trusted: {why}")]
    Broker {
        /// Host and port.
        at: String,
        /// What is wrong, and what to look at.
        why: String,
    },
    /// The files are not usable.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// The network interface or the own address is not there: a modem that is not plugged in or not
    /// up yet, or a wrong name.
    #[error("cannot go {from}: {source}")]
    Local {
        /// By which interface, from which address.
        from: String,
        /// What the system says.
        source: io::Error,
    },
    /// Host or server name cannot stand in a certificate.
    #[error("{0:?} cannot be the name in a certificate; allowed is a host name or an IP address")]
    Name(String),
    /// The broker refuses our certificate, or wants one.
    #[error("the broker refuses {ours}: {alert}")]
    Refused {
        /// Which certificate.
        ours: String,
        /// The broker's word for the reason.
        alert: String,
    },
    /// The peer does not speak TLS as it should: a plain port, a broken network.
    #[error("no TLS with {at}: {source}; does the broker speak TLS at this port?")]
    Tls {
        /// Host and port.
        at: String,
        /// What was met.
        source: io::Error,
    },
    /// No way there: away, or the network is.
    #[error("cannot reach {at}: {source}")]
    Unreachable {
        /// Host and port.
        at: String,
        /// What the system says.
        source: io::Error,
    },
}

impl DialError {
    /// Whether only a person can mend it: then trying again soon is of no use.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Broker { .. } | Self::Files(_) | Self::Name(_) | Self::Refused { .. } => true,
            Self::Tls { source, .. } => source.kind() == io::ErrorKind::InvalidData,
            Self::Local { .. } | Self::Unreachable { .. } => false,
        }
    }

    /// It for a peer that is no broker, but a `store` or a `server`. Names of hosts stay as they are.
    pub fn told(&self, peer: &str) -> String {
        match self {
            Self::Broker { at, why } => format!("the {peer} at {at} is not trusted: {why}"),
            Self::Refused { ours, alert } => {
                format!(
                    "the {peer} refuses {ours}: {}",
                    alert.replace("the broker", &format!("the {peer}"))
                )
            }
            Self::Tls { at, source } => {
                format!("no TLS with {at}: {source}; does the {peer} speak TLS at this port?")
            }
            Self::Files(_) | Self::Local { .. } | Self::Name(_) | Self::Unreachable { .. } => {
                self.to_string()
            }
        }
    }
}

/// Opens the way to a broker for rumqttc's event loop. Without TLS that is rumqttc's own doing. With
/// it the connection is open when this returns, and waits in the tunnel for rumqttc.
///
/// There is no time limit in it: the caller has one for all of its connecting.
///
/// # Errors
/// When the files cannot be used, the broker cannot be reached, or one end refuses the other.
pub async fn dial(host: &str, port: u16, tls: Option<&Tls>) -> Result<Route, DialError> {
    dial_from(&Local::default(), host, port, tls).await
}

/// The same by a network interface or from an address of this machine.
///
/// # Errors
/// As [`dial`], and when this machine has no such interface or address.
pub async fn dial_from(
    local: &Local,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
) -> Result<Route, DialError> {
    let trouble = Trouble::default();
    let Some(tls) = tls else {
        if *local == Local::default() {
            let (host, transport) = (host.to_owned(), Transport::tcp());
            return Ok(Route { host, port, transport, tunnel: JoinSet::new(), trouble });
        }
        let stream = tcp(local, host, port).await?;
        return through(stream, format!("{host}:{port}"), None, trouble);
    };
    let (stream, far) = encrypted(local, host, port, tls).await?;
    through(stream, far.at.clone(), Some(far), trouble)
}

/// A tunnel from a socket of this process to an open stream.
fn through(
    stream: impl Stream + 'static,
    at: String,
    far: Option<Far>,
    trouble: Trouble,
) -> Result<Route, DialError> {
    let socket = format!("\0gatehouse-link-{:032x}", fastrand::u128(..));
    let unreachable = |source| DialError::Unreachable { at, source };
    let listener = UnixListener::bind(&socket).map_err(unreachable)?;
    let mut tunnel = JoinSet::new();
    tunnel.spawn(run(listener, stream, far, trouble.clone()));
    Ok(Route { host: socket, port: 0, transport: Transport::Unix, tunnel, trouble })
}

pub(crate) async fn encrypted(
    local: &Local,
    host: &str,
    port: u16,
    tls: &Tls,
) -> Result<(TlsStream<TcpStream>, Far), DialError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let far = Far { at: format!("{host}:{port}"), tls: tls.clone() };
    let config = tls.client_config()?;
    let name = tls.server_name.as_deref().unwrap_or(bare).to_owned();
    let name = ServerName::try_from(name.clone()).map_err(|_| DialError::Name(name))?;
    let connector = TlsConnector::from(Arc::new(config));
    let connected = connector.connect(name, tcp(local, host, port).await?).await;
    let stream = connected.map_err(|error| far.explain(error))?;
    Ok((stream, far))
}

async fn run(listener: UnixListener, mut stream: impl Stream, far: Option<Far>, trouble: Trouble) {
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
    if let Err(error) = copy_bidirectional(&mut near, &mut stream).await {
        // Writing fails before the reason is read, when the broker has closed at once.
        let last = timeout(LAST_WORD, async {
            let mut unread = [0; 4096];
            while stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        });
        let error = match last.await {
            Ok(Err(last)) if last.get_ref().is_some() => last,
            _ => error,
        };
        // Whatever has no word of TLS in it, rumqttc can tell as well.
        if let Some(far) = far.filter(|_| rustls_error(&error).is_some()) {
            trouble.put(far.explain(error));
        }
    }
    // Told above, before rumqttc sees the end.
    let _ = near.shutdown().await;
}

pub(crate) fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// The other end, for messages.
pub(crate) struct Far {
    at: String,
    tls: Tls,
}

impl Far {
    /// Says in whose certificate the mistake is.
    pub(crate) fn explain(&self, error: io::Error) -> DialError {
        let at = self.at.clone();
        match rustls_error(&error) {
            Some(Error::InvalidCertificate(reason)) => {
                DialError::Broker { at, why: self.distrust(reason) }
            }
            Some(Error::AlertReceived(alert)) if is_about_ours(*alert) => DialError::Refused {
                ours: match &self.tls.client {
                    Some(client) => format!("our certificate {}", client.certificate.display()),
                    None => "us without a certificate of our own".to_owned(),
                },
                alert: reason(*alert),
            },
            // Also an end in the middle of the handshake, as a plain port answers it.
            _ => DialError::Tls { at, source: error },
        }
    }

    fn distrust(&self, error: &CertificateError) -> String {
        let ca = self.tls.ca.display();
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("its certificate is not signed by an authority in {ca}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired, or this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
            CertificateError::NotValidForNameContext { expected, presented } => format!(
                "its certificate is for {}, not for {}; if that is right, set the server name",
                presented.join(", "),
                expected.to_str()
            ),
            other => other.to_string(),
        }
    }
}

/// Whether a peer says this of a certificate that it was shown, or was not.
fn is_about_ours(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
            | AlertDescription::NoCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

fn reason(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CertificateExpired => "it has expired; renew the files",
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "it wants one; name certificate and key"
        }
        AlertDescription::CertificateRevoked => "it is revoked; get a new one",
        // Met when two authorities have one name.
        AlertDescription::DecryptError => {
            "its signature is not one of the authority that the broker knows"
        }
        AlertDescription::UnknownCA => "the broker does not know the authority that signed it",
        other => return format!("{other:?}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_no_broker_is_called_what_it_is_and_its_host_by_its_name() {
        let at = || "broker-store.example:443".to_owned();
        let refused = DialError::Refused {
            ours: "no certificate".to_owned(),
            alert: reason(AlertDescription::UnknownCA),
        };
        assert_eq!(
            refused.told("store"),
            "the store refuses no certificate: the store does not know the authority that signed it"
        );
        let away = DialError::Unreachable { at: at(), source: io::ErrorKind::TimedOut.into() };
        assert_eq!(away.told("store"), "cannot reach broker-store.example:443: timed out");
        let plain = DialError::Tls { at: at(), source: io::ErrorKind::InvalidData.into() };
        assert_eq!(
            plain.told("server"),
            "no TLS with broker-store.example:443: invalid data; does the server speak TLS at this port?"
        );
    }
}
