//! Each broker: whether it answers, and if not, at which step of the way.

use std::time::Duration;

use gatehouse_config::{Broker, Config};
use tokio::net::lookup_host;

use super::Finding;
use crate::clock::Clock;
use crate::uplink::link;

/// A broker that does not answer in this time is not there.
const WITHIN: Duration = Duration::from_secs(8);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let id = config.address.gateway.to_string();
    let looks = config.brokers.iter().map(|broker| one(broker, id.clone()));
    futures_util::future::join_all(looks).await
}

async fn one(broker: &Broker, id: String) -> Finding {
    let of = format!("broker {} at {}:{}", broker.id, broker.host, broker.port);
    let clock = Clock::system();
    let started = clock.mono();
    let addresses =
        match tokio::time::timeout(WITHIN, lookup_host((&*broker.host, broker.port))).await {
            Ok(Ok(addresses)) => addresses.count(),
            Ok(Err(error)) => {
                return Finding::wrong(
                    of,
                    format!("its name is not found: {error}"),
                    "is it spelt right, and has this box a name server? resolvectl query",
                );
            }
            Err(_) => {
                let advice = "is the network cable in, does resolvectl status show a name server?";
                return Finding::wrong(of, "the name server does not answer", advice);
            }
        };
    match link::look(broker, &id, WITHIN).await {
        Ok(()) => {
            let (ms, tls) = (clock.mono().since(started).as_millis(), broker.tls.is_some());
            let secured = if tls { "TLS and MQTT" } else { "MQTT" };
            Finding::good(
                of,
                format!("{addresses} addresses, it answers in {secured} after {ms} ms"),
            )
        }
        Err(error) => Finding::of_message(of, &error.text, advice(&error.text)),
    }
}

/// What to do, by the words of the way's own errors.
fn advice(text: &str) -> &'static str {
    let has = |word: &str| text.contains(word);
    if has("refused") && !has("login") {
        "the machine is there and nothing listens at this port: is the broker running, is the port right?"
    } else if has("No route") || has("unreachable") {
        "no network leads there: ip route; is the cable in, the modem on?"
    } else if has("no answer within") || has("timed out") {
        "a firewall on the way drops it, or the address is nobody's"
    } else if has("name") && has("certificate") {
        "the certificate is for another name: set server-name, or host as it stands in it"
    } else if has("certificate") || has("authority") {
        "the broker's certificate is not of this authority: ask for the right ca file"
    } else if has("does not speak MQTT") || has("CONNACK") {
        "something else answers at this port: 8883 is usual with TLS, 1883 without"
    } else if has("without an answer") {
        "a port with TLS may be spoken to without: set tls, or the other port"
    } else if has("login") {
        "name or password is wrong, or the broker's access list keeps this gateway out"
    } else {
        "ask whoever runs the broker, with this message"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_of_the_way_has_its_own_advice() {
        let texts = [
            "127.0.0.1:1: Connection refused (os error 111)",
            "No route to host (os error 113)",
            "no answer within 8s",
            "the certificate is not valid for name \"a\"",
            "what answers there does not speak MQTT",
            "the broker refuses the login of g-1-look: reason 0x86",
            "the broker closes the connection without an answer",
        ];
        let advices: std::collections::BTreeSet<_> =
            texts.iter().map(|text| advice(text)).collect();
        assert_eq!(advices.len(), texts.len());
    }
}
