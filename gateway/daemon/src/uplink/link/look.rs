//! A look whether a path would work, beside the connection that is in use.
//!
//! It must never become that connection's rival: a broker ends the older of two connections with one
//! client id, a cluster does so on all its nodes, and some make the user's name the client id. So
//! the look of every broker ([`Look::Answer`]) ends before there is a client: it proves the network,
//! TLS with both certificates, and that somebody answers in MQTT, by a CONNECT of a version that does
//! not exist, which MQTT 3.1.1 (3.1.2.2) has refused with a CONNACK. [`Look::Login`] proves the login
//! too, where a broker allows another client id.

use std::io;
use std::time::Duration;

use gatehouse_config::{Broker, Look, Protocol};
use gatehouse_core::uplink::Failure;
use gatehouse_link::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ConnectError, dial};

/// What is added to the client id of a look's login.
const SUFFIX: &str = "-look";

/// A version of MQTT that there is not; without the bit that means a bridge to Mosquitto.
const NO_VERSION: u8 = 0x7e;

const CLEAN: u8 = 0x02;
const PASSWORD: u8 = 0x40;
const USER: u8 = 0x80;

/// Seconds without traffic after which the broker may drop a look's login: it is over long before.
const KEEP_ALIVE: u16 = 30;

const CONNACK: u8 = 0x20;
const PINGREQ: [u8; 2] = [0xc0, 0];
const PINGRESP: [u8; 2] = [0xd0, 0];
const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The longest CONNACK that is read: one with all its properties and a reason in words.
const LONGEST: usize = 4096;

/// Looks whether this path would work.
///
/// # Errors
/// Why it would not.
pub(crate) async fn look(
    broker: &Broker,
    client_id: &str,
    within: Duration,
) -> Result<(), ConnectError> {
    let looking = async {
        let mut stream = dial::open(broker).await?;
        match broker.look {
            Look::Answer => answer(&mut stream).await,
            Look::Login => login(&mut stream, broker, client_id).await,
        }
    };
    match tokio::time::timeout(within, looking).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::unreachable(&format!("no answer within {within:?}"))),
    }
}

async fn answer(stream: &mut impl Stream) -> Result<(), ConnectError> {
    say(stream, &connect(NO_VERSION, "", None)).await?;
    connack(stream).await.map(drop)
}

async fn login(
    stream: &mut impl Stream,
    broker: &Broker,
    client_id: &str,
) -> Result<(), ConnectError> {
    let version = if broker.protocol == Protocol::V5 { 5 } else { 4 };
    let login = dial::credentials(broker)?;
    let client_id = format!("{client_id}{SUFFIX}");
    say(stream, &connect(version, &client_id, login.as_ref())).await?;
    let code = connack(stream).await?;
    if code != 0 {
        let text = format!("the broker refuses the login of {client_id}: reason 0x{code:02x}");
        return Err(ConnectError { failure: Failure::Refused, text });
    }
    say(stream, &PINGREQ).await?;
    let mut pong = [0; 2];
    hear(stream, &mut pong).await?;
    if pong != PINGRESP {
        return Err(ConnectError::unreachable(&"the broker does not answer a ping"));
    }
    say(stream, &DISCONNECT).await
}

/// A CONNECT without will and session.
fn connect(version: u8, client_id: &str, login: Option<&(String, String)>) -> Vec<u8> {
    let text = |text: &str, out: &mut Vec<u8>| {
        // Ids, names and passwords are bounded by the configuration, far below this.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
    };
    let mut body = Vec::new();
    text("MQTT", &mut body);
    let flags = if login.is_some() { CLEAN | USER | PASSWORD } else { CLEAN };
    body.extend_from_slice(&[version, flags]);
    body.extend_from_slice(&KEEP_ALIVE.to_be_bytes());
    if version == 5 {
        body.push(0);
    }
    text(client_id, &mut body);
    if let Some((user, password)) = login {
        text(user, &mut body);
        text(password, &mut body);
    }
    let mut packet = vec![0x10];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).unwrap_or(0);
        left /= 128;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(&body);
    packet
}

/// The reason of a CONNACK.
async fn connack(stream: &mut impl Stream) -> Result<u8, ConnectError> {
    let mut first = [0; 1];
    hear(stream, &mut first).await?;
    if first[0] != CONNACK {
        return Err(ConnectError::unreachable(&"what answers there does not speak MQTT"));
    }
    let (mut length, mut shift) = (0, 0);
    loop {
        let mut byte = [0; 1];
        hear(stream, &mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 || shift > 21 {
            break;
        }
    }
    if !(2..=LONGEST).contains(&length) {
        return Err(ConnectError::unreachable(&"the broker's answer is no CONNACK"));
    }
    let mut rest = vec![0; length];
    hear(stream, &mut rest).await?;
    Ok(rest[1])
}

async fn say(stream: &mut impl Stream, bytes: &[u8]) -> Result<(), ConnectError> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    written.await.map_err(|error| ConnectError::from(&error))
}

async fn hear(stream: &mut impl Stream, buffer: &mut [u8]) -> Result<(), ConnectError> {
    match stream.read_exact(buffer).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ConnectError::unreachable(&"the broker closes the connection without an answer"))
        }
        Err(error) => Err(ConnectError::from(&error)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[test]
    fn a_connect_is_as_mqtt_has_it() {
        let none = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 0x7e, 2, 0, 30, 0, 0];
        assert_eq!(connect(NO_VERSION, "", None), none);
        let login = ("u".to_owned(), "pw".to_owned());
        let five = connect(5, "g-look", Some(&login));
        assert_eq!(five[..12], [0x10, 26, 0, 4, b'M', b'Q', b'T', b'T', 5, 0xc2, 0, 30]);
        assert_eq!(five[12..], *b"\0\0\x06g-look\0\x01u\0\x02pw");
        let long = connect(4, &"x".repeat(200), None);
        assert_eq!(long[..3], [0x10, 0xd4, 1], "12 and 200 bytes are 84 and 128");
    }

    #[tokio::test]
    async fn only_a_connack_is_an_answer() {
        for (said, good) in [
            (&[0x20, 2, 0, 1][..], true),
            (&[0x20, 3, 0, 0x84, 0][..], true),
            (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), false),
            (&[0x20, 1, 0][..], false),
            (&[][..], false),
        ] {
            let (mut near, mut far) = duplex(256);
            far.write_all(said).await.unwrap();
            far.shutdown().await.unwrap();
            assert_eq!(answer(&mut near).await.is_ok(), good, "{said:?}");
        }
    }
}
