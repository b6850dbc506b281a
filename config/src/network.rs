//! Brokers, and how they are reached.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::uplink::Reporting;
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
    /// The network interface to go by, whatever the routing table says.
    pub interface: Option<String>,
    /// The address of this machine to go from.
    pub bind: Option<IpAddr>,
    /// The version of MQTT it is spoken to in.
    pub protocol: Protocol,
    /// The quality of service of what the district says: 0 or 1.
    pub receive_qos: u8,
    /// After so long without traffic a ping is sent.
    pub keep_alive: Duration,
    /// How it is looked at while another is in use.
    pub look: Look,
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

/// How a path is looked at while another is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A connection as far as it goes without becoming a client: TCP, TLS with our certificate, and
    /// a CONNECT of a version of MQTT that does not exist. MQTT 3.1.1 has every broker refuse that
    /// with a CONNACK.
    Answer,
    /// A login under another client id, with a ping.
    Login,
}

impl Word for Look {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Answer,
            "answer",
            "TCP, TLS with the gateway's certificate, and an answer in MQTT, without logging in; \
             right for every broker that answers a CONNECT of an unknown version",
        ),
        (
            Self::Login,
            "login",
            "a login as client `ID-look`, and a ping; proves the password too. Not for a broker \
             that makes the user's name the client id: it would end the connection in use",
        ),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("connect", "login"), ("mqtt", "login"), ("tls", "answer"), ("tcp", "answer")];
}

impl Word for Reporting {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::S20, "20s", "class SP6; for lines that are paid by the month"),
        (Self::S90, "90s", "classes SP5 and DP4"),
        (Self::S180, "180s", "classes SP4 and DP3"),
        (Self::Min30, "30min", "classes SP3 and DP2; for lines that are paid by the byte"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("20", "20s"),
        ("sp6", "20s"),
        ("90", "90s"),
        ("sp5", "90s"),
        ("dp4", "90s"),
        ("180", "180s"),
        ("3min", "180s"),
        ("sp4", "180s"),
        ("dp3", "180s"),
        ("1800", "30min"),
        ("1800s", "30min"),
        ("30m", "30min"),
        ("sp3", "30min"),
        ("dp2", "30min"),
    ];
}

/// The name of a network interface, as the kernel takes one.
pub(crate) struct Interface;

/// `IFNAMSIZ` less the final zero.
const LONGEST_INTERFACE: usize = 15;

impl Kind for Interface {
    type Out = String;

    fn allowed(&self) -> String {
        format!("the name of a network interface, 1 to {LONGEST_INTERFACE} characters, as \"eth1\"")
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9._@-]{1,15}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let given = text(name, value)?;
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
        if (1..=LONGEST_INTERFACE).contains(&given.len()) && given.bytes().all(good) {
            return Ok(given.to_owned());
        }
        match given.parse::<IpAddr>() {
            Ok(address) => Err(Wrong::hint(format!("an address is: bind = \"{address}\""))),
            Err(_) => Err(Wrong::default()),
        }
    }
}

/// An address of this machine.
pub(crate) struct Address;

impl Kind for Address {
    type Out = IpAddr;

    fn allowed(&self) -> String {
        "an IP address of this machine, as \"10.0.0.2\"".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]{2,45}$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<IpAddr, Wrong> {
        let given = text(name, value)?;
        given.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified()).ok_or_else(|| {
            match given.split_once('/').filter(|(address, _)| address.parse::<IpAddr>().is_ok()) {
                Some((address, _)) => Wrong::hint(format!("write {name} = \"{address}\"")),
                None => Wrong::hint("the name of an interface is: interface = \"eth1\""),
            }
        })
    }
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
