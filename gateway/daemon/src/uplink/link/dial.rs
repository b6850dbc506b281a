//! The way to a broker of the configuration, and who we say we are there.

use std::io;

use gatehouse_config::Broker;
use gatehouse_core::uplink::Failure;
use gatehouse_link::{
    ClientCertificate, DialError, Local, Route, Stream, Tls, dial_from, open_from, tls_word,
};

use super::ConnectError;

/// What rumqttc's event loop is told.
pub(super) async fn route(broker: &Broker) -> Result<Route, ConnectError> {
    let way = dial_from(&local(broker), &broker.host, broker.port, tls(broker).as_ref()).await;
    way.map_err(|error| ConnectError::from(&error))
}

/// An open stream to the broker.
pub(super) async fn open(broker: &Broker) -> Result<Box<dyn Stream>, ConnectError> {
    let way = open_from(&local(broker), &broker.host, broker.port, tls(broker).as_ref()).await;
    way.map_err(|error| ConnectError::from(&error))
}

fn local(broker: &Broker) -> Local {
    Local { interface: broker.interface.clone(), address: broker.bind, send_buffer: None }
}

fn tls(broker: &Broker) -> Option<Tls> {
    broker.tls.as_ref().map(|tls| Tls {
        ca: tls.ca.clone(),
        client: tls.client.as_ref().map(|client| ClientCertificate {
            certificate: client.certificate.clone(),
            key: client.key.clone(),
        }),
        server_name: tls.server_name.clone(),
    })
}

impl From<&DialError> for ConnectError {
    fn from(error: &DialError) -> Self {
        let refused = error.is_refusal();
        let failure = if refused { Failure::Refused } else { Failure::Unreachable };
        Self { failure, text: error.to_string() }
    }
}

/// TLS knows better than "connection closed" why there is no connection.
impl From<&io::Error> for ConnectError {
    fn from(error: &io::Error) -> Self {
        tls_word(error).map_or_else(|| Self::unreachable(error), Self::from)
    }
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

/// Nothing that trying again soon would mend.
fn misconfigured(error: &dyn std::fmt::Display) -> ConnectError {
    ConnectError { failure: Failure::Refused, text: error.to_string() }
}
