//! This end of a connection: the network interface or address that it goes by.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::DialError;

/// By which of this machine's networks a connection goes; by default, whatever the routing table
/// says.
///
/// The name of the far end is looked up by whatever way the system takes: a path that is to work
/// alone is better given an address, or a name in `/etc/hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// The network interface, as `wwan0`. Needs no privilege since Linux 5.7.
    pub interface: Option<String>,
    /// An address of this machine.
    pub address: Option<IpAddr>,
    /// Bytes that the kernel takes ahead of the network, for who must not be in the way of others on a
    /// thin line; without it as many as the kernel likes.
    pub send_buffer: Option<u32>,
}

impl Local {
    fn error(&self, source: io::Error) -> DialError {
        let by = self.interface.iter().map(|name| format!("by the interface {name}"));
        let from = self.address.iter().map(|address| format!("from the address {address}"));
        let from = by.chain(from).collect::<Vec<_>>().join(" ");
        DialError::Local { from, source }
    }

    /// A socket that can reach `far`; `None`: it is of another family than our address.
    fn socket(&self, far: SocketAddr) -> Option<io::Result<TcpSocket>> {
        if self.address.is_some_and(|own| own.is_ipv4() != far.is_ipv4()) {
            return None;
        }
        let socket = || {
            let socket = if far.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(name) = &self.interface {
                socket.bind_device(Some(name.as_bytes()))?;
            }
            if let Some(bytes) = self.send_buffer {
                socket.set_send_buffer_size(bytes)?;
            }
            if let Some(own) = self.address {
                socket.bind(SocketAddr::new(own, 0))?;
            }
            Ok(socket)
        };
        Some(socket())
    }
}

pub(crate) async fn tcp(local: &Local, host: &str, port: u16) -> Result<TcpStream, DialError> {
    let unreachable = |source| DialError::Unreachable { at: format!("{host}:{port}"), source };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut last = None;
    for far in lookup_host((bare, port)).await.map_err(unreachable)? {
        let Some(socket) = local.socket(far) else { continue };
        match socket.map_err(|error| local.error(error))?.connect(far).await {
            Ok(tcp) => {
                tcp.set_nodelay(true).map_err(unreachable)?;
                return Ok(tcp);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(
        || local.error(io::Error::other(format!("{host} has no address of the same family"))),
        unreachable,
    ))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    fn from(address: IpAddr) -> Local {
        Local { address: Some(address), ..Local::default() }
    }

    #[tokio::test]
    async fn a_connection_goes_from_the_address_and_by_the_interface_that_it_is_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let second: IpAddr = "127.0.0.2".parse().unwrap();
        let loopback = Local { interface: Some("lo".to_owned()), ..Local::default() };
        for (local, seen) in [
            (Local::default(), IpAddr::from(Ipv4Addr::LOCALHOST)),
            (from(second), second),
            (loopback, Ipv4Addr::LOCALHOST.into()),
        ] {
            let connected = tcp(&local, "127.0.0.1", port).await.unwrap();
            let (_far, peer) = listener.accept().await.unwrap();
            assert_eq!((peer.ip(), connected.local_addr().unwrap().ip()), (seen, seen));
        }
    }

    #[tokio::test]
    async fn an_interface_or_address_that_this_machine_has_not_is_named() {
        let none = Local { interface: Some("no-such-if".to_owned()), ..Local::default() };
        let error = tcp(&none, "127.0.0.1", 9).await.unwrap_err();
        assert!(error.to_string().contains("by the interface no-such-if"), "{error}");
        assert!(!error.is_refusal(), "a modem may come");
        // Of a net that is for documentation.
        let foreign = from("192.0.2.7".parse().unwrap());
        let error = tcp(&foreign, "127.0.0.1", 9).await.unwrap_err();
        assert!(error.to_string().contains("from the address 192.0.2.7"), "{error}");
        let six = from("::1".parse().unwrap());
        let error = tcp(&six, "127.0.0.1", 9).await.unwrap_err();
        assert!(error.to_string().contains("no address of the same family"), "{error}");
    }
}
