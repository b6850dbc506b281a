//! The gateway's own web page, and what it tells of itself in figures: where they are served.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// Where the page is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// An address of this machine, or all of them, and the port.
    pub listen: SocketAddr,
    /// Certificate with its chain, and private key, in PEM; none: the gateway makes its own.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Where the gateway's own figures are served, for a monitoring system that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// An address of this machine, and the port.
    pub listen: SocketAddr,
}

/// An address with a port.
pub(crate) struct Listen {
    /// What is listened on if nobody says otherwise: every address, or this machine's own.
    pub(crate) address: Ipv4Addr,
    /// The port that goes with it.
    pub(crate) port: u16,
}

impl Kind for Listen {
    type Out = SocketAddr;

    fn allowed(&self) -> String {
        let Self { address, port } = self;
        let six = if address.is_loopback() { "::1" } else { "::" };
        format!(
            "an IP address of this machine and a port, as \"{address}:{port}\" or \"[{six}]:{port}\""
        )
    }

    fn schema(&self) -> Value {
        let pattern = r"^([0-9.]{7,15}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$";
        json!({ "type": "string", "pattern": pattern })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
        // `listen = 8443`: a port alone.
        if let DeValue::Integer(port) = value
            && let Ok(port) = port.as_str().parse::<u16>()
        {
            return Err(Wrong::hint(format!("write {name} = \"{}:{port}\"", self.address)));
        }
        let given = text(name, value)?;
        if let Ok(address) = given.parse::<SocketAddr>()
            && address.port() != 0
        {
            return Ok(address);
        }
        let whole = match (given.parse::<IpAddr>(), given.rsplit_once(':')) {
            (Ok(address), _) => Some(SocketAddr::new(address, self.port)),
            (_, Some((host @ ("" | "*" | "localhost"), port))) => {
                let address = match host {
                    "localhost" => Ipv4Addr::LOCALHOST,
                    _ => self.address,
                };
                port.parse().ok().map(|port: u16| (address, port).into())
            }
            _ => None,
        };
        Err(match whole.filter(|address| address.port() != 0) {
            Some(address) => Wrong::hint(format!("write {name} = \"{address}\"")),
            None => Wrong::hint("`ip address` lists the addresses of this machine"),
        })
    }
}
