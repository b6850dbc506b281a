//! The gateway's own web page.

use std::net::{IpAddr, SocketAddr};
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

/// An address with a port.
pub(crate) struct Listen;

/// What a page is served at if nobody says otherwise.
const PORT: u16 = 8443;

impl Kind for Listen {
    type Out = SocketAddr;

    fn allowed(&self) -> String {
        "an IP address of this machine and a port, as \"0.0.0.0:8443\" or \"[::]:8443\"".into()
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
            return Err(Wrong::hint(format!("write {name} = \"0.0.0.0:{port}\"")));
        }
        let given = text(name, value)?;
        if let Ok(address) = given.parse::<SocketAddr>()
            && address.port() != 0
        {
            return Ok(address);
        }
        let whole = match (given.parse::<IpAddr>(), given.rsplit_once(':')) {
            (Ok(address), _) => Some(SocketAddr::new(address, PORT)),
            (_, Some(("" | "*" | "localhost", port))) => {
                let all = if given.starts_with("localhost") { [127, 0, 0, 1] } else { [0; 4] };
                port.parse().ok().map(|port: u16| (all, port).into())
            }
            _ => None,
        };
        Err(match whole.filter(|address| address.port() != 0) {
            Some(address) => Wrong::hint(format!("write {name} = \"{address}\"")),
            None => Wrong::hint("`ip address` lists the addresses of this machine"),
        })
    }
}
