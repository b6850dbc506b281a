//! What a receiver is told before it starts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gatehouse_core::contract::Replay;
use gatehouse_core::id::Id;

use crate::store::Database;

/// The port of MQTT without TLS.
const DEFAULT_PORT: u16 = 1883;

/// The contract's heartbeat period, in seconds.
pub const DEFAULT_HEARTBEAT_S: u32 = 30;

/// How long the broker is to keep the receiver's session, in seconds: a day. Longer is of no use,
/// since the gateways keep what has no receipt anyway.
pub const DEFAULT_SESSION_EXPIRY_S: u32 = 86_400;

/// Committed events that wait for a watcher; the slowest loses the oldest, and is told how many.
pub const DEFAULT_WATCH_CAPACITY: usize = 8192;

/// A broker's host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Why a text is not a broker's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerAddressError {
    /// TLS comes with a later version of the receiver.
    #[error("{0:?}: this version speaks MQTT without TLS only; allowed is mqtt://host[:port]")]
    Tls(String),
    /// Not the form that is allowed.
    #[error("{0:?} is not a broker; allowed is mqtt://host[:port], as mqtt://broker.lan:1883")]
    Form(String),
}

impl FromStr for BrokerAddress {
    type Err = BrokerAddressError;

    fn from_str(text: &str) -> Result<Self, BrokerAddressError> {
        let wrong = || BrokerAddressError::Form(text.to_owned());
        if text.starts_with("mqtts://") || text.starts_with("ssl://") {
            return Err(BrokerAddressError::Tls(text.to_owned()));
        }
        let rest = text.strip_prefix("mqtt://").ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // The last colon of an IPv6 address without port stands inside the brackets.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (rest, DEFAULT_PORT),
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
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mqtt://{}:{}", self.host, self.port)
    }
}

/// How a receiver shows who it is.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password; never logged.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Everything a receiver needs to know. [`ReceiverConfig::new`] fills in the defaults.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// The broker.
    pub broker: BrokerAddress,
    /// How to show who we are, if the broker asks.
    pub login: Option<Login>,
    /// The district that is received.
    pub district: Id,
    /// Where events are kept.
    pub database: Database,
    /// Shares the events with the receivers of this group (`$share/{group}/…`). They must share a
    /// database too, which this version cannot: a group serves one receiver and its stand-by.
    pub group: Option<Id>,
    /// The receiver's name in receipts, in `_dc/state` and in its client id.
    pub host: String,
    /// The gateways' heartbeat period that the district asks for, in seconds.
    pub heartbeat_s: u32,
    /// The pace of backlogs that the district asks for; none: the gateways' own.
    pub replay: Option<Replay>,
    /// How long the broker is to keep the session, in seconds. Not used in a group, whose members
    /// leave no session behind: an absent one would keep its share of the events.
    pub session_expiry_s: u32,
    /// Committed events that wait for a watcher.
    pub watch_capacity: usize,
}

impl ReceiverConfig {
    /// A receiver of a district with everything else at its default.
    pub fn new(broker: BrokerAddress, district: Id, database: impl Into<Database>) -> Self {
        Self {
            broker,
            login: None,
            district,
            database: database.into(),
            group: None,
            host: "receiver".to_owned(),
            heartbeat_s: DEFAULT_HEARTBEAT_S,
            replay: None,
            session_expiry_s: DEFAULT_SESSION_EXPIRY_S,
            watch_capacity: DEFAULT_WATCH_CAPACITY,
        }
    }

    /// The MQTT client id: the session at the broker belongs to it.
    pub fn client_id(&self) -> String {
        format!("gatehouse-receiver-{}-{}", self.district, self.host)
    }

    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs(self.heartbeat_s.max(1).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let of = |text: &str| text.parse::<BrokerAddress>().map(|b| (b.host, b.port));
        assert_eq!(of("mqtt://b.lan"), Ok(("b.lan".into(), 1883)));
        assert_eq!(of("mqtt://127.0.0.1:18830/"), Ok(("127.0.0.1".into(), 18830)));
        assert_eq!(of("mqtt://[::1]"), Ok(("[::1]".into(), 1883)));
        assert_eq!(of("mqtt://[::1]:99"), Ok(("[::1]".into(), 99)));
        for bad in ["b.lan:1883", "mqtt://", "mqtt://a:b", "mqtt://u@h", "mqtt://::1", "mqtt://:1"]
        {
            assert_eq!(of(bad), Err(BrokerAddressError::Form(bad.into())), "{bad}");
        }
        assert!(matches!(of("mqtts://b"), Err(BrokerAddressError::Tls(_))));
    }
}
