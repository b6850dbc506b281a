//! WS-Discovery, when somebody asks which cameras there are: one Probe, and what answers in time.
//! Whoever is in the network may answer anything, so this proposes and nothing is dialled by it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use roxmltree::Node;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::{OnvifError, place, xml};
use crate::source::Address;

/// WS-Discovery 1.0, 2.4.
pub const MULTICAST: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 3702);

/// How it is probed.
#[derive(Clone, Copy, Debug)]
pub struct ProbeSettings {
    /// Where the Probe goes.
    pub to: SocketAddr,
    /// From which address, which is that of an interface; unspecified: the system chooses.
    pub from: IpAddr,
    /// How long answers are waited for.
    pub limit: Duration,
    /// How many cameras are taken.
    pub most: usize,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            to: MULTICAST,
            from: Ipv4Addr::UNSPECIFIED.into(),
            // Cameras answer after up to half a second (APP_MAX_DELAY); some are late.
            limit: Duration::from_secs(3),
            most: 256,
        }
    }
}

/// A camera that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its own id, that stays the same.
    pub endpoint: String,
    /// Its device service, on the host that the answer came from.
    pub address: Address,
    /// As it names itself.
    pub name: Option<String>,
    /// Its model.
    pub hardware: Option<String>,
    /// All that it says of itself, without ONVIF's own beginning: `Profile/Streaming`, `location/yard`.
    pub scopes: Vec<String>,
}

/// What scopes of ONVIF begin with (Core Specification, 7.3.2.2).
const SCOPE: &str = "onvif://www.onvif.org/";

/// More scopes than a camera has. All of them together are longer than any other text of an answer.
const MOST_SCOPES: usize = 64;
const LONGEST_SCOPES: usize = 8 << 10;

/// Asks who is there.
///
/// # Errors
/// When the system has no way to send: no network, or no route for multicast.
pub async fn probe(settings: ProbeSettings) -> io::Result<Vec<Found>> {
    let socket = UdpSocket::bind((settings.from, 0)).await?;
    let id = message_id();
    socket.send_to(question(&id).as_bytes(), settings.to).await?;
    let until = Instant::now() + settings.limit;
    let mut found: Vec<Found> = Vec::new();
    // The largest datagram: what is longer came in no one.
    let mut answer = vec![0; 1 << 16];
    while found.len() < settings.most {
        let Ok(received) = timeout_at(until, socket.recv_from(&mut answer)).await else { break };
        let (length, sender) = match received {
            Ok(received) => received,
            // A port that is closed, of one that was asked directly.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        for camera in matches(&answer[..length], &id, sender.ip()) {
            if found.len() < settings.most && !found.iter().any(|f| f.endpoint == camera.endpoint) {
                found.push(camera);
            }
        }
    }
    Ok(found)
}

fn message_id() -> String {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        fastrand::fill(&mut bytes);
    }
    // Version and variant of a random UUID (RFC 9562, 5.4).
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn question(id: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>{id}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"#
    )
}

/// The cameras in one datagram: none in what is no answer to this question.
fn matches(answer: &[u8], id: &str, sender: IpAddr) -> Vec<Found> {
    // A proxy for a whole network says more; cameras speak for themselves.
    const MOST: usize = 16;
    let read = xml::read(answer, |root| {
        let related = xml::at(root, &["Header", "RelatesTo"]).and_then(xml::text);
        let ours = related.is_some_and(|related| related == id);
        let root = Some(root).filter(|_| ours);
        // They should stand within ProbeMatches, and do not everywhere.
        let matches = root.into_iter().flat_map(|root| root.descendants());
        let matches = matches.filter(|node| xml::is(*node, "ProbeMatch"));
        Ok::<_, OnvifError>(
            matches.filter_map(|node| Found::read(node, sender)).take(MOST).collect(),
        )
    });
    read.unwrap_or_default()
}

impl Found {
    fn read(node: Node<'_, '_>, sender: IpAddr) -> Option<Self> {
        let endpoint = xml::text_at(node, &["EndpointReference", "Address"])?;
        let host = match sender {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let dialled = Address::http(&format!("http://{host}/")).ok()?;
        let addresses = xml::text_at(node, &["XAddrs"])?;
        let address =
            addresses.split_ascii_whitespace().find_map(|said| place::http(said, &dialled))?;
        let scopes = xml::at(node, &["Scopes"]).and_then(|node| node.text()).unwrap_or_default();
        let scopes = if scopes.len() <= LONGEST_SCOPES { scopes } else { "" };
        let scopes = scopes.split_ascii_whitespace().take(MOST_SCOPES);
        // Those of no other kind than ONVIF's say nothing to a person.
        let scopes = scopes.filter_map(|scope| scope.strip_prefix(SCOPE));
        let scopes: Vec<_> = scopes
            .filter(|scope| scope.len() <= xml::LONGEST)
            .map(|scope| scope.replace("%20", " "))
            .collect();
        let scope = |name: &str| {
            let value =
                scopes.iter().find_map(|scope| scope.strip_prefix(name)?.strip_prefix('/'))?;
            Some(value.to_owned())
        };
        let (name, hardware) = (scope("name"), scope("hardware"));
        Some(Self { endpoint, address, name, hardware, scopes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = include_str!("../../tests/captures/onvif/probe-match.xml");
    const ID: &str = "uuid:0a6dc791-2be6-4991-9af1-454778a1917a";

    #[test]
    fn an_answer_to_another_question_is_none_and_the_host_is_that_of_its_sender() {
        let sender = IpAddr::from([10, 0, 0, 7]);
        let found = matches(ANSWER.as_bytes(), ID, sender);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address.to_string(), "http://10.0.0.7/onvif/device_service");
        assert_eq!(found[0].name.as_deref(), Some("Main gate"));
        assert_eq!(found[0].hardware.as_deref(), Some("DS-2CD2032-I"));
        assert!(found[0].scopes.contains(&"hardware/DS-2CD2032-I".to_owned()), "{found:?}");
        assert!(matches(ANSWER.as_bytes(), "uuid:other", sender).is_empty());
        // Hikvision says more of itself than any other text of an answer has.
        let more = format!("<d:Scopes>{} ", format!("{SCOPE}a/b ").repeat(30));
        let long = ANSWER.replace("<d:Scopes>", &more);
        assert_eq!(matches(long.as_bytes(), ID, sender)[0].name.as_deref(), Some("Main gate"));
    }

    #[test]
    fn no_two_questions_have_the_same_id() {
        let id = message_id();
        assert_ne!(id, message_id());
        assert_eq!((id.len(), &id[19..20]), (41, "4"));
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(at in 0usize..2000, with in any::<[u8; 4]>()) {
            let mut answer = ANSWER.as_bytes().to_vec();
            let at = at % answer.len();
            answer.splice(at..(at + 4).min(ANSWER.len()), with);
            matches(&answer, ID, IpAddr::from([10, 0, 0, 7]));
        }
    }
}
