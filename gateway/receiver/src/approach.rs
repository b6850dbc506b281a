//! Before a connection: the way to the broker, who we say we are, and what we agree to.
//!
//! Certificates and password are read anew for every connection: renewed files need no restart.

use std::time::Duration;

use gatehouse_core::contract::{DistrictState, MAX_SNAPSHOT};
use gatehouse_core::topic;
use gatehouse_link::{DialError, Route, Stamp, Trouble, dial};
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill};
use rumqttc::v5::{self, ConnectionError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{BrokerAddress, Protocol};
use crate::link::{Linker, RECEIVE_MAXIMUM};
use crate::password::{self, PasswordError};

/// A broker that is silent for so long is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event loop that returned nothing for so long hangs: with a ping every [`KEEP_ALIVE`] it
/// always has something. rumqttc 0.25 for MQTT 5 has no time limit of its own on a write.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(40);

/// TCP and TLS; and after that CONNACK, in seconds.
const CONNECT_TIMEOUT_S: u64 = 10;

/// The longest packet taken: a picture with its topic and properties. The brokers of `deploy/broker`
/// let as much through.
const MAX_PACKET: u32 = 300_000;
const _: () = assert!(MAX_PACKET as usize > MAX_SNAPSHOT + 4096);

/// Packet identifiers for what we publish. More than the window, so that acknowledgements out of
/// order do not stall rumqttc; few, since it keeps a slot for each.
const PACKET_IDS: u16 = 128;

/// How often refused files are looked at for their renewal. There is no watch: a renewal may put a
/// new file, link or folder in their place, and only a look finds it in each case.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a connection is made with.
pub(crate) struct Approach {
    pub(crate) options: Options,
    /// What TLS says of its end.
    pub(crate) trouble: Trouble,
    /// Must live as long as the connection.
    pub(crate) tunnel: JoinSet<()>,
}

/// What we agree to, in the words of the protocol that is spoken.
pub(crate) enum Options {
    /// MQTT 3.1.1.
    V4(Box<rumqttc::MqttOptions>),
    /// MQTT 5.
    V5(Box<v5::MqttOptions>),
}

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the connection's request channel is closed")]
    Closed,
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0}")]
    Mqtt(#[from] Box<ConnectionError>),
    /// The same of MQTT 3.1.1.
    #[error("{0}")]
    Mqtt4(#[from] Box<rumqttc::ConnectionError>),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("no TLS connection within {CONNECT_TIMEOUT_S} s")]
    Slow,
    #[error("nothing from the broker and no progress for {}s", WATCHDOG.as_secs())]
    Stuck,
    #[error("the broker refuses the subscription to {filter:?}: {reason}; check its ACL")]
    Subscription { filter: String, reason: String },
}

impl Failure {
    /// Nobody but a person can mend it: keep from knocking.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Password(_) | Self::Subscription { .. } => true,
            Self::Dial(error) => error.is_refusal(),
            Self::Mqtt(error) => matches!(
                **error,
                ConnectionError::ConnectionRefused(
                    ConnectReturnCode::BadUserNamePassword
                        | ConnectReturnCode::NotAuthorized
                        | ConnectReturnCode::Banned
                        | ConnectReturnCode::BadClientId
                        | ConnectReturnCode::ClientIdentifierNotValid
                        | ConnectReturnCode::BadAuthenticationMethod
                )
            ),
            Self::Mqtt4(error) => matches!(
                **error,
                rumqttc::ConnectionError::ConnectionRefused(
                    rumqttc::ConnectReturnCode::BadUserNamePassword
                        | rumqttc::ConnectReturnCode::NotAuthorized
                        | rumqttc::ConnectReturnCode::BadClientId
                        | rumqttc::ConnectReturnCode::RefusedProtocolVersion
                )
            ),
            Self::Closed | Self::Slow | Self::Stuck => false,
        }
    }
}

impl Linker {
    /// Opens the way to a broker.
    pub(crate) async fn approach(&self, broker: &BrokerAddress) -> Result<Approach, Failure> {
        let route = dial(&broker.host, broker.port, self.config.tls.as_ref());
        let limit = Duration::from_secs(CONNECT_TIMEOUT_S);
        let route = timeout(limit, route).await.map_err(|_| Failure::Slow)??;
        let options = self.options(&route)?;
        Ok(Approach { options, trouble: route.trouble, tunnel: route.tunnel })
    }

    /// What the district is told of this receiver. One that cannot commit does not receive.
    pub(crate) fn state(&self, online: bool) -> DistrictState {
        let now = self.clock.now();
        DistrictState {
            online: online && !self.outbox.failing(),
            host: self.config.host.clone(),
            ts: now.utc,
            utc_ms: now.utc.0,
            replay: self.config.replay,
            hb_s: self.config.heartbeat_s,
        }
    }

    /// Returns when a file of the connection is not any more what it was.
    pub(crate) async fn renewed(&self, before: &Stamp) {
        while Stamp::of(self.config.files()) == *before {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn options(&self, route: &Route) -> Result<Options, PasswordError> {
        let login = match &self.config.login {
            Some(login) => Some((login.username.clone(), password::read(&login.password_file)?)),
            None => None,
        };
        let will = serde_json::to_vec(&self.state(false)).unwrap_or_default();
        let topic = topic::district_state(&self.config.district);
        Ok(match self.config.protocol {
            Protocol::V5 => Options::V5(Box::new(self.v5(route, login, topic, will))),
            Protocol::V311 => Options::V4(Box::new(self.v4(route, login, topic, will))),
        })
    }

    fn v5(
        &self,
        route: &Route,
        login: Option<(String, String)>,
        topic: String,
        will: Vec<u8>,
    ) -> v5::MqttOptions {
        let config = &self.config;
        // A member of a group that is away must not keep its share: brokers queue that for its
        // session. What it had not acknowledged comes again from the gateways.
        let expiry = if config.group.is_some() { 0 } else { config.session_expiry_s };
        let mut options = v5::MqttOptions::new(config.client_id(), route.host.clone(), route.port);
        options
            .set_transport(route.transport.clone())
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(expiry == 0)
            .set_manual_acks(true)
            .set_connection_timeout(CONNECT_TIMEOUT_S)
            .set_outgoing_inflight_upper_limit(PACKET_IDS)
            .set_receive_maximum(Some(RECEIVE_MAXIMUM))
            .set_max_packet_size(Some(MAX_PACKET))
            .set_session_expiry_interval(Some(expiry));
        if let Some((username, password)) = login {
            options.set_credentials(username, password);
        }
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_TIMEOUT_S);
        options.set_network_options(network);
        let qos = v5::mqttbytes::QoS::AtLeastOnce;
        options.set_last_will(LastWill::new(topic, will, qos, true, None));
        options
    }

    /// MQTT 3.1.1 has no receive maximum and no expiry: how much comes without acknowledgement and
    /// how long a session is kept is the broker's configuration alone.
    fn v4(
        &self,
        route: &Route,
        login: Option<(String, String)>,
        topic: String,
        will: Vec<u8>,
    ) -> rumqttc::MqttOptions {
        let config = &self.config;
        let (host, port) = (route.host.clone(), route.port);
        let mut options = rumqttc::MqttOptions::new(config.client_id(), host, port);
        let largest = usize::try_from(MAX_PACKET).unwrap_or(usize::MAX);
        options
            .set_transport(route.transport.clone())
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(config.session_expiry_s == 0)
            .set_manual_acks(true)
            .set_inflight(PACKET_IDS)
            .set_max_packet_size(largest, largest);
        if let Some((username, password)) = login {
            options.set_credentials(username, password);
        }
        let qos = rumqttc::QoS::AtLeastOnce;
        options.set_last_will(rumqttc::LastWill::new(topic, will, qos, true));
        options
    }
}

/// How a connection of MQTT 3.1.1 treats its socket; for MQTT 5 it is among the options.
pub(crate) fn network() -> rumqttc::NetworkOptions {
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    // Also the time that a write may take.
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    network
}
