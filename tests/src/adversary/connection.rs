//! One connection of the scripted broker.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::script::{Acks, Behaviour, ConnectAnswer, CutHow};
use super::{Arrival, Order, Shared, Step};
use crate::mqtt::{self, Connect, Packet, Publish, Reader, kind, property};
use crate::wait::boottime;

/// Why a connection ends.
enum End {
    /// The client left, or talks nonsense, or the script closes.
    Close,
    /// RST.
    Reset,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Close
    }
}

impl From<anyhow::Error> for End {
    fn from(_: anyhow::Error) -> Self {
        Self::Close
    }
}

/// Serves one client to its end.
pub(super) async fn serve(
    number: u64,
    mut stream: TcpStream,
    mut orders: mpsc::Receiver<Order>,
    shared: &Shared,
) {
    let _ = stream.set_nodelay(true);
    let behaviour = (shared.script)(number);
    let (read, write) = stream.split();
    // Packets are read by a future that is never dropped half way: a cancelled read would lose
    // bytes. It hands them over one by one, so that a stalled script really stops reading.
    let (packets, mut inbox) = mpsc::channel(1);
    let reading = async move {
        let mut read = BufReader::new(read);
        while let Ok(packet) = mqtt::read_packet(&mut read).await {
            if packets.send(packet).await.is_err() {
                break;
            }
        }
        drop(packets);
        // The socket stays open until the other side of this connection is done with it.
        std::future::pending::<()>().await;
    };
    let mut session = Session {
        number,
        behaviour,
        shared,
        write,
        version: 4,
        publishes: 0,
        open: 0,
        collected: Vec::new(),
        late: VecDeque::new(),
    };
    let end = tokio::select! {
        end = session.run(&mut inbox, &mut orders) => end,
        () = reading => Ok(()),
    };
    if matches!(end, Err(End::Reset)) {
        // Closing with a linger of zero sends RST.
        let _ = stream.set_zero_linger();
    }
}

struct Session<'a> {
    number: u64,
    behaviour: Behaviour,
    shared: &'a Shared,
    write: WriteHalf<'a>,
    version: u8,
    /// QoS 1 publishes so far.
    publishes: u64,
    /// How many of them have no answer.
    open: usize,
    /// Answers that wait for their burst or for the test: packet id and reason code.
    collected: Vec<(u16, u8)>,
    /// Answers that wait for their time.
    late: VecDeque<(Instant, u16, u8)>,
}

impl Session<'_> {
    async fn run(
        &mut self,
        packets: &mut mpsc::Receiver<Packet>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<(), End> {
        loop {
            let due = self.late.front().map(|(at, ..)| *at);
            tokio::select! {
                packet = packets.recv() => match packet {
                    Some(packet) => self.packet(&packet).await?,
                    None => return Ok(()),
                },
                Some(order) = orders.recv() => self.order(order).await?,
                () = until(due) => {
                    if let Some((_, pid, reason)) = self.late.pop_front() {
                        self.answer(&[(pid, reason)]).await?;
                    }
                }
            }
        }
    }

    async fn packet(&mut self, packet: &Packet) -> Result<(), End> {
        match packet.kind {
            kind::CONNECT => self.connect(&packet.body).await,
            kind::PUBLISH => {
                let publish = Publish::parse(packet, self.version)?;
                self.publish(publish).await
            }
            kind::SUBSCRIBE => self.subscribe(&packet.body).await,
            kind::PINGREQ if self.behaviour.pongs => {
                Ok(self.write.write_all(&mqtt::packet(kind::PINGRESP, 0, &[])).await?)
            }
            kind::DISCONNECT => {
                self.shared.steps.push(Step::Disconnect(self.number));
                Err(End::Close)
            }
            // PUBACKs for what the test published, pings that get no answer.
            _ => Ok(()),
        }
    }

    async fn connect(&mut self, body: &[u8]) -> Result<(), End> {
        // As every broker does (MQTT 3.1.1, 3.1.2.2): a version that there is not is refused, and
        // nobody has become a client. The version stands behind the six bytes of "MQTT".
        if body.get(6).is_some_and(|version| !matches!(version, 4 | 5)) {
            self.write.write_all(&mqtt::packet(kind::CONNACK, 0, &[0, 1])).await?;
            return Err(End::Close);
        }
        let connect = Connect::parse(body)?;
        self.version = connect.version;
        self.shared.steps.push(Step::Connect(self.number, connect));
        let (flags, code, properties) = match self.behaviour.connect {
            ConnectAnswer::Silence => return Ok(()),
            ConnectAnswer::Refuse(code) => (0, code, Vec::new()),
            ConnectAnswer::Accept { session_present, receive_maximum } => {
                let mut properties = Vec::new();
                if let Some(maximum) = receive_maximum {
                    properties.push(property::RECEIVE_MAXIMUM);
                    properties.extend_from_slice(&maximum.to_be_bytes());
                }
                (u8::from(session_present), 0, properties)
            }
        };
        let mut body = vec![flags, code];
        if self.version == 5 {
            mqtt::write_varint(&mut body, properties.len());
            body.extend_from_slice(&properties);
        }
        self.write.write_all(&mqtt::packet(kind::CONNACK, 0, &body)).await?;
        if code == 0 { Ok(()) } else { Err(End::Close) }
    }

    async fn subscribe(&mut self, body: &[u8]) -> Result<(), End> {
        let mut reader = Reader(body);
        let pid = reader.u16()?;
        if self.version == 5 {
            reader.properties()?;
        }
        let mut filters = Vec::new();
        while !reader.0.is_empty() {
            filters.push(reader.text()?);
            reader.u8()?;
        }
        let mut answer = pid.to_be_bytes().to_vec();
        if self.version == 5 {
            answer.push(0);
        }
        answer.extend(filters.iter().map(|_| self.behaviour.subscribe));
        self.shared.steps.push(Step::Subscribe(self.number, filters));
        Ok(self.write.write_all(&mqtt::packet(kind::SUBACK, 0, &answer)).await?)
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), End> {
        let (pid, qos) = (publish.pid, publish.qos);
        let reason = (self.behaviour.reject)(&publish).unwrap_or(0);
        self.shared.arrivals.push(Arrival {
            connection: self.number,
            publish,
            at: boottime(),
            open: self.open + usize::from(qos > 0),
            answer: None,
        });
        if qos == 0 {
            return Ok(());
        }
        self.publishes += 1;
        self.open += 1;
        self.acknowledge(pid, reason).await?;
        match self.behaviour.cut {
            Some(cut) if self.publishes >= cut.after => match cut.how {
                CutHow::Reset => Err(End::Reset),
                CutHow::Close => Err(End::Close),
                CutHow::Stall => std::future::pending().await,
            },
            _ => Ok(()),
        }
    }

    async fn acknowledge(&mut self, pid: u16, reason: u8) -> Result<(), End> {
        let wait_for = match self.behaviour.acks {
            Acks::Each => return self.answer(&[(pid, reason)]).await,
            Acks::First(count) if self.publishes <= count => {
                return self.answer(&[(pid, reason)]).await;
            }
            Acks::Never | Acks::First(_) => return Ok(()),
            Acks::Late(late) => {
                self.late.push_back((Instant::now() + late, pid, reason));
                return Ok(());
            }
            Acks::Held => usize::MAX,
            Acks::Bursts(count) | Acks::Reversed(count) | Acks::AllButOldest(count) => count,
        };
        self.collected.push((pid, reason));
        if self.collected.len() < wait_for {
            return Ok(());
        }
        let mut answers = std::mem::take(&mut self.collected);
        match self.behaviour.acks {
            Acks::Reversed(_) => answers.reverse(),
            Acks::AllButOldest(_) => drop(answers.remove(0)),
            _ => {}
        }
        self.answer(&answers).await
    }

    /// Writes PUBACKs in one write, and notes them.
    async fn answer(&mut self, answers: &[(u16, u8)]) -> Result<(), End> {
        let puback = |(pid, reason): &(u16, u8)| mqtt::puback(self.version, *pid, *reason);
        let bytes: Vec<u8> = answers.iter().flat_map(puback).collect();
        self.write.write_all(&bytes).await?;
        self.open -= answers.len();
        for (pid, reason) in answers {
            self.shared.arrivals.amend(|arrival| {
                let this = arrival.connection == self.number
                    && arrival.publish.qos > 0
                    && arrival.publish.pid == *pid;
                if this {
                    arrival.answer = Some(*reason);
                }
                this
            });
        }
        Ok(())
    }

    async fn order(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Publish(publish) => {
                Ok(self.write.write_all(&publish.render(self.version)).await?)
            }
            Order::Release => {
                let answers = std::mem::take(&mut self.collected);
                self.answer(&answers).await
            }
            Order::Reset => Err(End::Reset),
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
