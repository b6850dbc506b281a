//! What a receiver is told before it starts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use gatehouse_core::contract::Replay;
use gatehouse_core::id::Id;
use gatehouse_link::Tls;

use crate::handover::RoomConfig;
use crate::retention::Keep;
use crate::store::Database;
use crate::storms::StormRule;

/// The period of heartbeats, in seconds, of a gateway that does not tell its own.
pub const DEFAULT_HEARTBEAT_S: u32 = 30;

/// How long the broker is to keep the receiver's session, in seconds: a day. Longer is of no use,
/// since the gateways keep what has no receipt anyway.
pub const DEFAULT_SESSION_EXPIRY_S: u32 = 86_400;

/// The most bytes of pictures: 4 GiB, some 40,000 of 100 KB each. A machine with a small disk needs
/// less, one whose pictures are to be kept for their whole time may need more.
pub const DEFAULT_PICTURES_MAX: u64 = 4 << 30;

/// Committed events that wait for a watcher; the slowest loses the oldest, and is told how many.
pub const DEFAULT_WATCH_CAPACITY: usize = 8192;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 5.
    #[default]
    V5,
    /// MQTT 3.1.1, for brokers that speak nothing newer. It has no receive maximum, no expiry and
    /// no reasons: how much a broker sends without acknowledgement is the broker's configuration.
    V311,
}

/// A text is not a protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a protocol; allowed are 5 and 3.1.1")]
pub struct ProtocolError(pub String);

impl FromStr for Protocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        match text {
            "5" => Ok(Self::V5),
            "3.1.1" => Ok(Self::V311),
            _ => Err(ProtocolError(text.to_owned())),
        }
    }
}

/// What a broker's address begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Mqtt,
    /// With TLS.
    Mqtts,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
        }
    }

    /// The registered port.
    const fn port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
        }
    }
}

/// A broker's scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// With or without TLS.
    pub scheme: Scheme,
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A text is not a broker's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a broker; allowed is mqtt://host[:port], as mqtt://broker.lan:1883, or with TLS \
     mqtts://host[:port], as mqtts://broker.lan:8883"
)]
pub struct BrokerAddressError(pub String);

impl FromStr for BrokerAddress {
    type Err = BrokerAddressError;

    fn from_str(text: &str) -> Result<Self, BrokerAddressError> {
        let wrong = || BrokerAddressError(text.to_owned());
        let (scheme, rest) = match text.split_once("://").ok_or_else(wrong)? {
            ("mqtt", rest) => (Scheme::Mqtt, rest),
            ("mqtts", rest) => (Scheme::Mqtts, rest),
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // The last colon of an IPv6 address without port stands inside the brackets.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (rest, scheme.port()),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let colons_allowed = bare.is_some();
        let name = bare.unwrap_or(host);
        if name.is_empty()
            || name.contains(['/', '@', '[', ']', ' '])
            || (name.contains(':') && !colons_allowed)
        {
            return Err(wrong());
        }
        Ok(Self { scheme, host: host.to_owned(), port })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

/// How a receiver shows who it is, if not by its certificate.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The file with the password (its first line), read anew for every connection.
    pub password_file: PathBuf,
}

/// What was asked for does not fit together. Nothing is guessed: a connection that was meant to be
/// secured must never be a plain one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// No authority: then any broker could be the district's.
    #[error("{0} needs the authority that signs the broker's certificate: --ca FILE")]
    NoAuthority(BrokerAddress),
    /// Files for TLS, and an address without.
    #[error(
        "--ca, --cert, --key and --server-name are for TLS, and {0} is without; write mqtts://{host}",
        host = .0.host
    )]
    NotSecured(BrokerAddress),
    /// Shared subscriptions belong to MQTT 5. Some brokers of MQTT 3.1.1 know them too; the others
    /// grant the filter and then send nothing, which nobody would notice.
    #[error(
        "--group needs --protocol 5: MQTT 3.1.1 has no shared subscriptions. Without a group every \
         receiver is sent everything, and the database keeps each event once"
    )]
    NoGroups,
}

/// Everything a receiver needs to know. [`ReceiverConfig::new`] fills in the defaults.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// The broker.
    pub broker: BrokerAddress,
    /// The other nodes of its cluster, tried in order when it is away. They must share sessions:
    /// a broker that stands alone would be told nothing by gateways that are at another.
    pub further_brokers: Vec<BrokerAddress>,
    /// Which MQTT is spoken there.
    pub protocol: Protocol,
    /// How the connection is secured; needed with `mqtts`, and with nothing else.
    pub tls: Option<Tls>,
    /// How to show who we are, if the broker asks.
    pub login: Option<Login>,
    /// The district that is received.
    pub district: Id,
    /// Where events are kept.
    pub database: Database,
    /// Shares the events with the receivers of this group (`$share/{group}/…`). They must share a
    /// database too: a PostgreSQL, or a file that one takes over from the other.
    pub group: Option<Id>,
    /// The receiver's name in receipts, in `_dc/state` and in its client id.
    pub host: String,
    /// The gateways' heartbeat period that the district asks for, in seconds; `None`: each by its
    /// own failure reporting profile.
    pub heartbeat_s: Option<u32>,
    /// The pace of backlogs that the district asks for; none: the gateways' own.
    pub replay: Option<Replay>,
    /// When many faults are shown as one.
    pub storm: StormRule,
    /// The responders' file; none: nobody is told from here.
    pub responders: Option<PathBuf>,
    /// Who this control room is to others; none: it hands nothing over and takes nothing.
    pub room: Option<RoomConfig>,
    /// How long what is kept.
    pub keep: Keep,
    /// The most bytes of cameras' pictures that the database keeps.
    pub pictures_max: u64,
    /// How long the broker is to keep the session, in seconds. Not used in a group, whose members
    /// leave no session behind: an absent one would keep its share of the events. Brokers of MQTT
    /// 3.1.1 are told only whether to keep it: 0 or not.
    pub session_expiry_s: u32,
    /// Committed events that wait for a watcher.
    pub watch_capacity: usize,
}

impl ReceiverConfig {
    /// A receiver of a district with everything else at its default.
    pub fn new(broker: BrokerAddress, district: Id, database: impl Into<Database>) -> Self {
        Self {
            broker,
            further_brokers: Vec::new(),
            protocol: Protocol::V5,
            tls: None,
            login: None,
            district,
            database: database.into(),
            group: None,
            host: "receiver".to_owned(),
            heartbeat_s: None,
            replay: None,
            storm: StormRule::default(),
            responders: None,
            room: None,
            keep: Keep::default(),
            pictures_max: DEFAULT_PICTURES_MAX,
            session_expiry_s: DEFAULT_SESSION_EXPIRY_S,
            watch_capacity: DEFAULT_WATCH_CAPACITY,
        }
    }

    /// The MQTT client id: the session at the broker belongs to it.
    pub fn client_id(&self) -> String {
        format!("gatehouse-receiver-{}-{}", self.district, self.host)
    }

    /// Whether it fits together.
    ///
    /// # Errors
    /// When only one of address and files is for TLS; with a group at MQTT 3.1.1.
    pub(crate) fn check(&self) -> Result<(), SecurityError> {
        if self.group.is_some() && self.protocol == Protocol::V311 {
            return Err(SecurityError::NoGroups);
        }
        self.brokers().try_for_each(|broker| match (broker.scheme, &self.tls) {
            (Scheme::Mqtts, None) => Err(SecurityError::NoAuthority(broker.clone())),
            (Scheme::Mqtt, Some(_)) => Err(SecurityError::NotSecured(broker.clone())),
            _ => Ok(()),
        })
    }

    /// Every node that may be connected to, in order.
    pub(crate) fn brokers(&self) -> impl Iterator<Item = &BrokerAddress> + Clone {
        std::iter::once(&self.broker).chain(&self.further_brokers)
    }

    /// Every file that a connection reads.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let password = self.login.iter().map(|login| login.password_file.as_path());
        self.tls.iter().flat_map(Tls::files).chain(password)
    }

    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs(self.heartbeat_s.unwrap_or(DEFAULT_HEARTBEAT_S).max(1).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let of =
            |text: &str| text.parse::<BrokerAddress>().map(|b| (b.scheme.as_str(), b.host, b.port));
        assert_eq!(of("mqtt://b.lan"), Ok(("mqtt", "b.lan".into(), 1883)));
        assert_eq!(of("mqtt://127.0.0.1:18830/"), Ok(("mqtt", "127.0.0.1".into(), 18830)));
        assert_eq!(of("mqtt://[::1]"), Ok(("mqtt", "[::1]".into(), 1883)));
        assert_eq!(of("mqtt://[::1]:99"), Ok(("mqtt", "[::1]".into(), 99)));
        assert_eq!(of("mqtts://b.lan"), Ok(("mqtts", "b.lan".into(), 8883)));
        assert_eq!(of("mqtts://[::1]:99"), Ok(("mqtts", "[::1]".into(), 99)));
        for bad in [
            "b.lan:1883",
            "mqtt://",
            "mqtt://a:b",
            "mqtt://u@h",
            "mqtt://::1",
            "mqtt://:1",
            "ssl://b",
            "mqtts:b",
        ] {
            assert_eq!(of(bad), Err(BrokerAddressError(bad.into())), "{bad}");
        }
    }

    #[test]
    fn a_group_is_refused_where_a_broker_might_take_its_name_for_a_topic() {
        assert_eq!("3.1.1".parse(), Ok(Protocol::V311));
        assert_eq!("5".parse(), Ok(Protocol::V5));
        assert_eq!("4".parse::<Protocol>(), Err(ProtocolError("4".into())));
        let (broker, district) = ("mqtt://b".parse().unwrap(), "d-1".parse().unwrap());
        let mut config = ReceiverConfig::new(broker, district, Database::Memory);
        config.group = Some("ops".parse().unwrap());
        assert_eq!(config.check(), Ok(()));
        config.protocol = Protocol::V311;
        assert_eq!(config.check(), Err(SecurityError::NoGroups));
    }

    #[test]
    fn a_connection_that_is_meant_to_be_secured_is_never_a_plain_one() {
        let tls = Tls { ca: "ca.pem".into(), client: None, server_name: None };
        let check = |url: &str, tls| {
            let (district, database) = ("d-1".parse().unwrap(), Database::Memory);
            let config = ReceiverConfig::new(url.parse().unwrap(), district, database);
            ReceiverConfig { tls, ..config }.check()
        };
        assert_eq!(check("mqtt://b", None), Ok(()));
        let (first, second) = ("mqtt://a".parse().unwrap(), "mqtts://b".parse().unwrap());
        let mut mixed = ReceiverConfig::new(first, "d-1".parse().unwrap(), Database::Memory);
        mixed.further_brokers.push(second);
        assert!(matches!(mixed.check(), Err(SecurityError::NoAuthority(b)) if b.host == "b"));
        assert_eq!(check("mqtts://b", Some(tls.clone())), Ok(()));
        assert!(matches!(check("mqtts://b", None), Err(SecurityError::NoAuthority(_))));
        assert!(matches!(check("mqtt://b", Some(tls)), Err(SecurityError::NotSecured(_))));
    }
}
