//! MQTT 3.1.1 and 5 packets, as far as the harness speaks them.
//!
//! Own code, so that a scripted broker can say what no correct library would, and a client sees
//! every byte of an answer.

use std::io;

use anyhow::{Context, bail};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Type numbers of packets: the upper half of the first byte.
pub mod kind {
    #![expect(missing_docs, reason = "the names are the standard's own")]
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
}

/// Property numbers of MQTT 5 that the harness reads or writes.
pub mod property {
    #![expect(missing_docs, reason = "the names are the standard's own")]
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const USER: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}

/// One control packet, undecoded.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Upper half of the first byte.
    pub kind: u8,
    /// Lower half of the first byte.
    pub flags: u8,
    /// Everything after the length.
    pub body: Vec<u8>,
}

/// Reads one packet; an error of kind `UnexpectedEof` is the end of the connection.
pub async fn read_packet(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Packet> {
    let first = stream.read_u8().await?;
    let mut length = 0;
    for place in 0..4 {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            return Ok(Packet { kind: first >> 4, flags: first & 0x0f, body });
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a length of more than four bytes"))
}

/// The bytes of a packet.
pub fn packet(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | flags];
    write_varint(&mut bytes, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// A variable byte integer.
pub fn write_varint(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// A length-prefixed text or byte string.
pub fn write_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("at most 65,535 bytes");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
}

/// Reads a packet's body from front to back.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).context("the packet ends too early")?;
        self.0 = tail;
        Ok(head)
    }

    /// One byte.
    pub fn u8(&mut self) -> anyhow::Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// Two bytes, big endian.
    pub fn u16(&mut self) -> anyhow::Result<u16> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into()?))
    }

    /// Four bytes, big endian.
    pub fn u32(&mut self) -> anyhow::Result<u32> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// A variable byte integer.
    pub fn varint(&mut self) -> anyhow::Result<usize> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a length of more than four bytes")
    }

    /// A length-prefixed byte string.
    pub fn bytes(&mut self) -> anyhow::Result<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A length-prefixed text.
    pub fn text(&mut self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.bytes()?.to_vec())?)
    }

    /// The properties of a packet of MQTT 5.
    pub fn properties(&mut self) -> anyhow::Result<Properties> {
        let length = self.varint()?;
        let mut inner = Reader(self.take(length)?);
        let mut found = Properties::default();
        while !inner.0.is_empty() {
            match inner.u8()? {
                property::USER => found.user.push((inner.text()?, inner.text()?)),
                property::RECEIVE_MAXIMUM => found.receive_maximum = Some(inner.u16()?),
                property::SESSION_EXPIRY => found.session_expiry_s = Some(inner.u32()?),
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => {
                    inner.u8()?;
                }
                0x13 | 0x22 | 0x23 => {
                    inner.u16()?;
                }
                0x02 | 0x18 | property::MAXIMUM_PACKET_SIZE => {
                    inner.u32()?;
                }
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => {
                    inner.bytes()?;
                }
                0x0b => {
                    inner.varint()?;
                }
                other => bail!("property {other:#04x} is not in the standard"),
            }
        }
        Ok(found)
    }
}

/// The properties that tests look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// `User Property`, in order.
    pub user: Vec<(String, String)>,
    /// `Receive Maximum`.
    pub receive_maximum: Option<u16>,
    /// `Session Expiry Interval` in seconds.
    pub session_expiry_s: Option<u32>,
}

/// A decoded CONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// 4 is MQTT 3.1.1, 5 is MQTT 5.
    pub version: u8,
    /// `clean session`, `clean start`.
    pub clean: bool,
    /// Seconds.
    pub keep_alive_s: u16,
    /// Properties (MQTT 5).
    pub properties: Properties,
    /// The client's id.
    pub client_id: String,
    /// The will, if there is one: topic, payload, whether it is retained.
    pub will: Option<(String, Vec<u8>, bool)>,
    /// The user's name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Vec<u8>>,
}

impl Connect {
    /// Decodes the body of a CONNECT.
    pub fn parse(body: &[u8]) -> anyhow::Result<Self> {
        let mut reader = Reader(body);
        let protocol = reader.text()?;
        let mut connect = Self { version: reader.u8()?, ..Self::default() };
        if protocol != "MQTT" || !matches!(connect.version, 4 | 5) {
            bail!("CONNECT for {protocol:?} version {}", connect.version);
        }
        let flags = reader.u8()?;
        connect.clean = flags & 0x02 != 0;
        connect.keep_alive_s = reader.u16()?;
        if connect.version == 5 {
            connect.properties = reader.properties()?;
        }
        connect.client_id = reader.text()?;
        if flags & 0x04 != 0 {
            if connect.version == 5 {
                reader.properties()?;
            }
            let topic = reader.text()?;
            connect.will = Some((topic, reader.bytes()?.to_vec(), flags & 0x20 != 0));
        }
        if flags & 0x80 != 0 {
            connect.username = Some(reader.text()?);
        }
        if flags & 0x40 != 0 {
            connect.password = Some(reader.bytes()?.to_vec());
        }
        Ok(connect)
    }

    /// The bytes of this CONNECT.
    pub fn render(&self) -> Vec<u8> {
        let will_flags =
            self.will.as_ref().map_or(0, |(_, _, retain)| 0x0c | u8::from(*retain) << 5);
        let mut body = Vec::new();
        write_bytes(&mut body, b"MQTT");
        body.push(self.version);
        body.push(
            u8::from(self.clean) << 1
                | will_flags
                | u8::from(self.username.is_some()) << 7
                | u8::from(self.password.is_some()) << 6,
        );
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if self.version == 5 {
            let mut properties = Vec::new();
            if let Some(seconds) = self.properties.session_expiry_s {
                properties.push(property::SESSION_EXPIRY);
                properties.extend_from_slice(&seconds.to_be_bytes());
            }
            write_varint(&mut body, properties.len());
            body.extend_from_slice(&properties);
        }
        write_bytes(&mut body, self.client_id.as_bytes());
        if let Some((topic, payload, _)) = &self.will {
            if self.version == 5 {
                body.push(0);
            }
            write_bytes(&mut body, topic.as_bytes());
            write_bytes(&mut body, payload);
        }
        if let Some(username) = &self.username {
            write_bytes(&mut body, username.as_bytes());
        }
        if let Some(password) = &self.password {
            write_bytes(&mut body, password);
        }
        packet(kind::CONNECT, 0, &body)
    }
}

/// A decoded PUBLISH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// 0 or 1.
    pub qos: u8,
    /// The packet id; 0 with QoS 0.
    pub pid: u16,
    /// Whether the sender says that it sent this before.
    pub dup: bool,
    /// Whether it is kept for later subscribers, or comes from what was kept.
    pub retain: bool,
    /// Properties (MQTT 5).
    pub properties: Properties,
}

impl Publish {
    /// Decodes a PUBLISH of a connection that speaks `version`.
    pub fn parse(packet: &Packet, version: u8) -> anyhow::Result<Self> {
        let mut reader = Reader(&packet.body);
        let topic = reader.text()?;
        let qos = packet.flags >> 1 & 3;
        let pid = if qos > 0 { reader.u16()? } else { 0 };
        let properties = if version == 5 { reader.properties()? } else { Properties::default() };
        Ok(Self {
            topic,
            payload: reader.0.to_vec(),
            qos,
            pid,
            dup: packet.flags & 8 != 0,
            retain: packet.flags & 1 != 0,
            properties,
        })
    }

    /// The bytes of this PUBLISH.
    pub fn render(&self, version: u8) -> Vec<u8> {
        let mut body = Vec::new();
        write_bytes(&mut body, self.topic.as_bytes());
        if self.qos > 0 {
            body.extend_from_slice(&self.pid.to_be_bytes());
        }
        if version == 5 {
            let mut properties = Vec::new();
            for (key, value) in &self.properties.user {
                properties.push(property::USER);
                write_bytes(&mut properties, key.as_bytes());
                write_bytes(&mut properties, value.as_bytes());
            }
            write_varint(&mut body, properties.len());
            body.extend_from_slice(&properties);
        }
        body.extend_from_slice(&self.payload);
        packet(
            kind::PUBLISH,
            u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain),
            &body,
        )
    }
}

/// A PUBACK; MQTT 3.1.1 cannot carry a reason.
pub fn puback(version: u8, pid: u16, reason: u8) -> Vec<u8> {
    let mut body = pid.to_be_bytes().to_vec();
    if version == 5 && reason != 0 {
        body.push(reason);
    }
    packet(kind::PUBACK, 0, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_rendered_is_read_back() {
        for version in [4, 5] {
            let publish = Publish {
                topic: "a/b".into(),
                payload: vec![7; 300],
                qos: 1,
                pid: 513,
                dup: true,
                retain: true,
                properties: Properties::default(),
            };
            let read = read_packet(&mut publish.render(version).as_slice()).await.unwrap();
            assert_eq!(Publish::parse(&read, version).unwrap(), publish);

            let connect = Connect {
                version,
                clean: true,
                keep_alive_s: 30,
                client_id: "g-1".into(),
                will: Some(("w".into(), b"gone".to_vec(), true)),
                username: Some("u".into()),
                password: Some(b"p".to_vec()),
                properties: Properties::default(),
            };
            let read = read_packet(&mut connect.render().as_slice()).await.unwrap();
            assert_eq!(Connect::parse(&read.body).unwrap(), connect);
        }
    }
}
