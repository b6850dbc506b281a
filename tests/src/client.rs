//! An MQTT client that sees every reason code, and acknowledges only what it is told to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::mqtt::{self, Connect, Packet, Publish, Reader, kind};
use crate::record::Record;
use crate::tls::{Identity, client_config};
use crate::wait::SOON;

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The CONNECT packet.
    pub connect: Connect,
    /// TLS: the trusted authority, and the client's own identity.
    pub tls: Option<(PathBuf, Option<Identity>)>,
    /// Whether a received PUBLISH with QoS 1 is acknowledged at once.
    pub acknowledge: bool,
}

impl ClientOptions {
    /// MQTT 5, a clean start, no user name, everything acknowledged.
    pub fn new(client_id: &str) -> Self {
        let connect = Connect {
            version: 5,
            clean: true,
            keep_alive_s: 60,
            client_id: client_id.into(),
            ..Connect::default()
        };
        Self { connect, tls: None, acknowledge: true }
    }

    /// MQTT 3.1.1 instead.
    pub fn v3(mut self) -> Self {
        self.connect.version = 4;
        self
    }

    /// Continues an earlier session, and leaves one behind.
    pub fn persistent(mut self) -> Self {
        self.connect.clean = false;
        self.connect.properties.session_expiry_s = Some(u32::MAX);
        self
    }

    /// Speaks TLS.
    pub fn tls(self, ca: PathBuf, identity: Option<Identity>) -> Self {
        Self { tls: Some((ca, identity)), ..self }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Everything that came back, in order: PUBACK, SUBACK and PUBLISH packets.
#[derive(Clone, Debug)]
pub enum Received {
    /// A PUBACK: packet id and reason code.
    PubAck(u16, u8),
    /// A SUBACK: packet id and reason codes.
    SubAck(u16, Vec<u8>),
    /// A message.
    Publish(Publish),
    /// The answer to a ping.
    Pong,
    /// The broker closes, with this reason code (MQTT 5).
    Disconnect(u8),
    /// The connection is over.
    Ended,
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    version: u8,
    session_present: bool,
    receive_maximum: Option<u16>,
    next_pid: u16,
    orders: mpsc::Sender<Vec<u8>>,
    received: Record<Received>,
    _tasks: JoinSet<()>,
}

impl Client {
    /// Connects; an error says which reason code the broker refused with.
    pub async fn connect(address: SocketAddr, options: ClientOptions) -> anyhow::Result<Self> {
        let connecting = Self::connect_unbounded(address, options);
        tokio::time::timeout(SOON, connecting).await.context("no CONNACK")?
    }

    async fn connect_unbounded(
        address: SocketAddr,
        options: ClientOptions,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut stream: Box<dyn Stream> = match &options.tls {
            None => Box::new(stream),
            Some((ca, identity)) => {
                let connector = TlsConnector::from(client_config(ca, identity.as_ref())?);
                let name = ServerName::from(address.ip());
                Box::new(connector.connect(name, stream).await?)
            }
        };
        let version = options.connect.version;
        stream.write_all(&options.connect.render()).await?;
        stream.flush().await?;
        let answer = mqtt::read_packet(&mut stream).await.context("instead of CONNACK")?;
        let mut reader = Reader(&answer.body);
        let (flags, code) = (reader.u8()?, reader.u8()?);
        if answer.kind != kind::CONNACK || code != 0 {
            bail!("refused with code {code:#04x}");
        }
        let receive_maximum =
            if version == 5 { reader.properties()?.receive_maximum } else { None };
        let (read, write) = tokio::io::split(stream);
        let received = Record::default();
        // A burst of publishes may wait here for the socket.
        let (orders, outbox) = mpsc::channel(1024);
        let acks = options.acknowledge.then(|| orders.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(read_all(read, version, acks, received.clone()));
        tasks.spawn(write_all(write, outbox, options.connect.keep_alive_s));
        Ok(Self {
            version,
            session_present: flags & 1 != 0,
            receive_maximum,
            next_pid: 0,
            orders,
            received,
            _tasks: tasks,
        })
    }

    /// What the broker said of an earlier session.
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// The Receive Maximum that the broker announced.
    pub fn receive_maximum(&self) -> Option<u16> {
        self.receive_maximum
    }

    /// Everything that came back so far.
    pub fn received(&self) -> &Record<Received> {
        &self.received
    }

    /// Subscribes with QoS 1; returns the reason code.
    pub async fn subscribe(&mut self, filter: &str) -> anyhow::Result<u8> {
        let pid = self.pid();
        let mut body = pid.to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        mqtt::write_bytes(&mut body, filter.as_bytes());
        body.push(1);
        self.send(mqtt::packet(kind::SUBSCRIBE, 2, &body)).await?;
        self.answer("SUBACK", |received| match received {
            Received::SubAck(acked, codes) if *acked == pid => codes.first().copied(),
            _ => None,
        })
        .await
    }

    /// Publishes with QoS 1 and waits for the PUBACK; returns its reason code.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) -> anyhow::Result<u8> {
        let pid = self.hand_over(topic, payload, false).await?;
        self.acknowledged(pid).await
    }

    /// The same, retained.
    pub async fn publish_retained(&mut self, topic: &str, payload: &[u8]) -> anyhow::Result<u8> {
        let pid = self.hand_over(topic, payload, true).await?;
        self.acknowledged(pid).await
    }

    /// Writes a PUBLISH with QoS 1 without waiting; returns its packet id.
    pub async fn hand_over(
        &mut self,
        topic: &str,
        payload: &[u8],
        retain: bool,
    ) -> anyhow::Result<u16> {
        let publish = Publish {
            topic: topic.into(),
            payload: payload.to_vec(),
            qos: 1,
            pid: self.pid(),
            retain,
            ..Publish::default()
        };
        self.send(publish.render(self.version)).await?;
        Ok(publish.pid)
    }

    /// Waits for the PUBACK of this packet id; returns its reason code.
    pub async fn acknowledged(&self, pid: u16) -> anyhow::Result<u8> {
        self.answer("PUBACK", |received| match received {
            Received::PubAck(acked, code) if *acked == pid => Some(*code),
            _ => None,
        })
        .await
    }

    /// Waits until `find` returns something over all messages received so far.
    pub async fn messages<R>(
        &self,
        what: &str,
        limit: Duration,
        mut find: impl FnMut(&[&Publish]) -> Option<R>,
    ) -> anyhow::Result<R> {
        let find = |received: &[Received]| {
            let messages = received.iter().filter_map(|entry| match entry {
                Received::Publish(publish) => Some(publish),
                _ => None,
            });
            find(&messages.collect::<Vec<_>>())
        };
        self.received.wait_for(what, limit, find).await
    }

    /// Asks for a sign of life, and waits for a new one.
    pub async fn ping(&self) -> anyhow::Result<()> {
        let count = |all: &[Received]| all.iter().filter(|e| matches!(e, Received::Pong)).count();
        let before = self.received.read(count);
        self.send(mqtt::packet(kind::PINGREQ, 0, &[])).await?;
        let find = |all: &[Received]| (count(all) > before).then_some(());
        self.received.wait_for("PINGRESP", SOON, find).await
    }

    /// Says goodbye and waits until the broker has closed.
    pub async fn disconnect(self) -> anyhow::Result<()> {
        self.send(mqtt::packet(kind::DISCONNECT, 0, &[])).await?;
        self.answer("the end", |entry| matches!(entry, Received::Ended).then_some(())).await
    }

    async fn send(&self, bytes: Vec<u8>) -> anyhow::Result<()> {
        self.orders.send(bytes).await.ok().context("the connection is over")
    }

    async fn answer<R>(
        &self,
        what: &str,
        mut find: impl FnMut(&Received) -> Option<R>,
    ) -> anyhow::Result<R> {
        let ended = |entry: &Received| matches!(entry, Received::Ended);
        let found = self.received.wait_for(what, SOON, |all| {
            let found = all.iter().rev().find_map(&mut find);
            (found.is_some() || all.last().is_some_and(ended)).then_some(found)
        });
        found.await?.with_context(|| format!("the connection ended before {what}"))
    }

    fn pid(&mut self) -> u16 {
        self.next_pid = self.next_pid.checked_add(1).unwrap_or(1);
        self.next_pid
    }
}

async fn read_all(
    read: ReadHalf<Box<dyn Stream>>,
    version: u8,
    acks: Option<mpsc::Sender<Vec<u8>>>,
    received: Record<Received>,
) {
    let mut read = BufReader::new(read);
    while let Ok(packet) = mqtt::read_packet(&mut read).await {
        let Ok(Some(entry)) = decode(&packet, version) else { continue };
        if let (Some(acks), Received::Publish(publish)) = (&acks, &entry)
            && publish.qos == 1
        {
            let _ = acks.send(mqtt::puback(version, publish.pid, 0)).await;
        }
        received.push(entry);
    }
    received.push(Received::Ended);
}

fn decode(packet: &Packet, version: u8) -> anyhow::Result<Option<Received>> {
    let mut reader = Reader(&packet.body);
    Ok(Some(match packet.kind {
        kind::PUBACK => Received::PubAck(reader.u16()?, reader.u8().unwrap_or(0)),
        kind::SUBACK => {
            let pid = reader.u16()?;
            if version == 5 {
                reader.properties()?;
            }
            Received::SubAck(pid, reader.0.to_vec())
        }
        kind::PUBLISH => Received::Publish(Publish::parse(packet, version)?),
        kind::PINGRESP => Received::Pong,
        kind::DISCONNECT => Received::Disconnect(reader.u8().unwrap_or(0)),
        _ => return Ok(None),
    }))
}

/// Writes what it is given, and a ping twice per keep-alive.
async fn write_all(
    mut write: WriteHalf<Box<dyn Stream>>,
    mut outbox: mpsc::Receiver<Vec<u8>>,
    keep_alive_s: u16,
) {
    let period = Duration::from_secs(u64::from(keep_alive_s.max(2)) / 2);
    let mut pings = tokio::time::interval_at(Instant::now() + period, period);
    loop {
        let bytes = tokio::select! {
            bytes = outbox.recv() => match bytes {
                Some(bytes) => bytes,
                None => return,
            },
            _ = pings.tick() => mqtt::packet(kind::PINGREQ, 0, &[]),
        };
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}
