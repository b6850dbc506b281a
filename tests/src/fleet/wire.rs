//! One MQTT connection of a virtual gateway: two buffers and a table of packet ids.
//!
//! Own and small, so that ten thousand fit into one process: rumqttc wants tens of kilobytes and two
//! channels for each.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gatehouse_core::id::Seq;
use gatehouse_core::uplink::Ack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mqtt::{self, Connect, Packet, Publish, Reader, kind};

/// TCP, CONNACK and SUBACK, together.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// A write that takes longer has no reader.
const WRITE_WITHIN: Duration = Duration::from_secs(20);

/// What a publish with QoS 1 is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Event(Seq),
    Control,
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Heard {
    Acked(Token, Ack),
    Message { topic: String, payload: Vec<u8>, retained: bool },
    Other,
}

/// A connection that is up and subscribed.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    version: u8,
    inbox: Vec<u8>,
    out: Vec<u8>,
    next_pid: u16,
    tokens: HashMap<u16, Token>,
    pub(super) session_present: bool,
    pub(super) receive_max: u16,
    /// Bytes written and read.
    pub(super) bytes: (u64, u64),
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NoWire {
    Unreachable,
    /// CONNACK or SUBACK with this code.
    Refused(u8),
}

impl From<io::Error> for NoWire {
    fn from(_: io::Error) -> Self {
        Self::Unreachable
    }
}

impl Wire {
    /// Connects and subscribes.
    pub(super) async fn open(
        broker: SocketAddr,
        connect: &Connect,
        filters: &[String],
        qos: u8,
    ) -> Result<Self, NoWire> {
        let opening = Self::open_unbounded(broker, connect, filters, qos);
        tokio::time::timeout(CONNECT_WITHIN, opening).await.unwrap_or(Err(NoWire::Unreachable))
    }

    async fn open_unbounded(
        broker: SocketAddr,
        connect: &Connect,
        filters: &[String],
        qos: u8,
    ) -> Result<Self, NoWire> {
        let stream = TcpStream::connect(broker).await?;
        stream.set_nodelay(true)?;
        let mut wire = Self {
            stream,
            version: connect.version,
            inbox: Vec::new(),
            out: connect.render(),
            next_pid: 0,
            tokens: HashMap::new(),
            session_present: false,
            receive_max: u16::MAX,
            bytes: (0, 0),
        };
        wire.flush().await?;
        let answer = wire.packet().await?;
        let mut reader = Reader(&answer.body);
        let (Ok(flags), Ok(code)) = (reader.u8(), reader.u8()) else {
            return Err(NoWire::Unreachable);
        };
        if answer.kind != kind::CONNACK || code != 0 {
            return Err(NoWire::Refused(code));
        }
        wire.session_present = flags & 1 != 0;
        if wire.version == 5 {
            let maximum = reader.properties().ok().and_then(|found| found.receive_maximum);
            wire.receive_max = maximum.unwrap_or(u16::MAX);
        }
        wire.subscribe(filters, qos);
        wire.flush().await?;
        // What a kept session sends before the SUBACK waits in the inbox behind it or is lost with
        // it; nothing of it ends a duty: receipts come again.
        loop {
            let packet = wire.packet().await?;
            if packet.kind == kind::PUBLISH {
                wire.acknowledge(&packet)?;
            } else if packet.kind == kind::SUBACK {
                let codes = packet.body.get(2 + usize::from(wire.version == 5)..).unwrap_or(&[]);
                return match codes.iter().find(|code| **code >= 0x80) {
                    Some(code) => Err(NoWire::Refused(*code)),
                    None => Ok(wire),
                };
            }
        }
    }

    fn subscribe(&mut self, filters: &[String], qos: u8) {
        let mut body = self.pid().to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        for filter in filters {
            mqtt::write_bytes(&mut body, filter.as_bytes());
            body.push(qos);
        }
        self.out.extend(mqtt::packet(kind::SUBSCRIBE, 2, &body));
    }

    /// Puts a publish with QoS 1 into the buffer.
    pub(super) fn publish(&mut self, token: Token, topic: String, payload: Vec<u8>, retain: bool) {
        let pid = self.pid();
        self.tokens.insert(pid, token);
        let publish = Publish { topic, payload, qos: 1, pid, retain, ..Publish::default() };
        self.out.extend(publish.render(self.version));
    }

    /// Puts a publish with QoS 0 into the buffer.
    pub(super) fn publish_lossy(&mut self, topic: String, payload: Vec<u8>) {
        let publish = Publish { topic, payload, ..Publish::default() };
        self.out.extend(publish.render(self.version));
    }

    pub(super) fn ping(&mut self) {
        self.out.extend(mqtt::packet(kind::PINGREQ, 0, &[]));
    }

    /// Says goodbye, so that the will is forgotten.
    pub(super) async fn close(mut self) {
        self.out.extend(mqtt::packet(kind::DISCONNECT, 0, &[]));
        // Whoever does not take it will see the end of the stream.
        let _ = self.flush().await;
    }

    /// Writes what is in the buffer.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let writing = self.stream.write_all(&self.out);
        tokio::time::timeout(WRITE_WITHIN, writing)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.bytes.0 += self.out.len() as u64;
        // Nothing is kept: most of the time ten thousand of these are empty.
        self.out = Vec::new();
        Ok(())
    }

    /// Waits for bytes. May be dropped at any time.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        self.inbox.reserve(512);
        let count = self.stream.read_buf(&mut self.inbox).await?;
        self.bytes.1 += count as u64;
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The next whole packet that has been read.
    pub(super) fn next(&mut self) -> io::Result<Option<Heard>> {
        let Some((packet, length)) = whole(&self.inbox)? else {
            if self.inbox.is_empty() {
                self.inbox = Vec::new();
            }
            return Ok(None);
        };
        self.inbox.drain(..length);
        Ok(Some(match packet.kind {
            kind::PUBACK => {
                let mut reader = Reader(&packet.body);
                let pid = reader.u16().map_err(nonsense)?;
                let ack = match reader.u8().unwrap_or(0) {
                    0x10 => Ack::Unheard,
                    code if code >= 0x80 => Ack::Refused(code),
                    _ => Ack::Taken,
                };
                self.tokens.remove(&pid).map_or(Heard::Other, |token| Heard::Acked(token, ack))
            }
            kind::PUBLISH => {
                let Publish { topic, payload, retain, .. } = self.acknowledge(&packet)?;
                Heard::Message { topic, payload, retained: retain }
            }
            kind::DISCONNECT => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Heard::Other,
        }))
    }

    fn acknowledge(&mut self, packet: &Packet) -> io::Result<Publish> {
        let publish = Publish::parse(packet, self.version).map_err(nonsense)?;
        if publish.qos > 0 {
            self.out.extend(mqtt::puback(self.version, publish.pid, 0));
        }
        Ok(publish)
    }

    async fn packet(&mut self) -> io::Result<Packet> {
        loop {
            if let Some((packet, length)) = whole(&self.inbox)? {
                self.inbox.drain(..length);
                return Ok(packet);
            }
            self.read().await?;
        }
    }

    fn pid(&mut self) -> u16 {
        loop {
            self.next_pid = self.next_pid.checked_add(1).unwrap_or(1);
            if !self.tokens.contains_key(&self.next_pid) {
                return self.next_pid;
            }
        }
    }
}

/// The first packet of these bytes and its length, if it is whole.
fn whole(bytes: &[u8]) -> io::Result<Option<(Packet, usize)>> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    let mut length = 0;
    for (place, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let body = &rest[place + 1..];
            let packet = body.get(..length).map(|body| {
                let packet = Packet { kind: first >> 4, flags: first & 0x0f, body: body.to_vec() };
                (packet, place + 2 + length)
            });
            return Ok(packet);
        }
    }
    if rest.len() < 4 { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn nonsense(error: anyhow::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_taken_once_it_is_whole() {
        let bytes = mqtt::packet(kind::PUBLISH, 2, &[7; 300]);
        for cut in 0..bytes.len() {
            assert!(whole(&bytes[..cut]).unwrap().is_none(), "{cut}");
        }
        let twice = [&bytes[..], &bytes[..]].concat();
        let (packet, length) = whole(&twice).unwrap().unwrap();
        assert_eq!((packet.kind, packet.flags, packet.body.len(), length), (3, 2, 300, 303));
        assert!(whole(&[0x30, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
    }
}
