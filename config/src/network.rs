//! Brokers, and how they are reached.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::id::Id;
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Word, Wrong, text};
use crate::secret::PasswordSource;

/// The port of MQTT without TLS.
pub(crate) const PLAIN_PORT: u16 = 1883;

/// The port of MQTT over TLS.
pub(crate) const TLS_PORT: u16 = 8883;

/// One MQTT broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id in events and metrics.
    pub id: Id,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The version of MQTT it is spoken to in.
    pub protocol: Protocol,
    /// The quality of service of what the district says: 0 or 1.
    pub receive_qos: u8,
    /// After so long without traffic a ping is sent.
    pub keep_alive: Duration,
    /// The name to log in with.
    pub username: Option<String>,
    /// Where the password is.
    pub password: Option<PasswordSource>,
    /// How the connection is secured; `None`: not at all.
    pub tls: Option<Tls>,
}

impl Broker {
    /// Whether the broker runs on this machine, as far as its name says.
    pub fn is_local(&self) -> bool {
        let bare = self.host.trim_end_matches('.').to_ascii_lowercase();
        bare == "localhost"
            || bare.ends_with(".localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 5.
    V5,
    /// MQTT 3.1.1.
    V311,
}

impl Word for Protocol {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::V5, "5", "MQTT 5: the broker says why it refuses"),
        (Self::V311, "3.1.1", "for older brokers: a refusal can look like success"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("5.0", "5"),
        ("v5", "5"),
        ("mqtt5", "5"),
        ("4", "3.1.1"),
        ("v4", "3.1.1"),
        ("v3", "3.1.1"),
        ("3", "3.1.1"),
        ("3.1", "3.1.1"),
        ("v3.1.1", "3.1.1"),
        ("311", "3.1.1"),
    ];
}

/// How a connection is secured. The files are read anew for every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificates that sign the broker's, in PEM.
    pub ca: PathBuf,
    /// The gateway's own, if the broker wants one.
    pub client: Option<ClientCertificate>,
    /// The name in the broker's certificate, if it is not the host.
    pub server_name: Option<String>,
}

/// The gateway's certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// A host name or an address.
pub(crate) struct Host;

impl Kind for Host {
    type Out = String;

    fn allowed(&self) -> String {
        "a host name or an IP address".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,253}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let given = text(name, value)?;
        if given.parse::<Ipv6Addr>().is_ok() || is_host(given) {
            return Ok(given.to_owned());
        }
        // `mqtts://user:password@host:8883/…`: say which part belongs where.
        let (scheme, rest) = given.split_once("://").unwrap_or(("", given));
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let rest = rest.split('/').next().unwrap_or_default();
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = bracketed
            .map(|(host, port)| (host, port.strip_prefix(':').unwrap_or_default()))
            .or_else(|| rest.split_once(':'))
            .unwrap_or((rest, ""));
        if !is_host(host) && host.parse::<Ipv6Addr>().is_err() {
            let punycode = (!given.is_ascii()).then(|| {
                "write a name in other scripts in its ASCII form, which begins with xn--".to_owned()
            });
            return Err(Wrong { hint: punycode, confidential: !user.is_empty() });
        }
        let mut hint = format!("write {name} = \"{host}\"");
        if port.parse::<u16>().is_ok() {
            let _ = write!(hint, ", port = {port}");
        }
        if matches!(scheme, "mqtts" | "ssl" | "tls") {
            hint.push_str(", and a table [broker.tls]");
        }
        if !user.is_empty() {
            hint.push_str(", username and password-file");
        }
        Err(Wrong { hint: Some(hint), confidential: !user.is_empty() })
    }
}

/// Whether a text has the form of a host name or an IPv4 address. `_` is no letter of a host name,
/// but container networks use it.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    bare.len() <= 253 && bare.split('.').all(label)
}
