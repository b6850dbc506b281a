//! The district, as thin as can be: takes events, acknowledges each, sends receipts.
//!
//! One thread over a blocking socket; what came with one read is acknowledged with one write. It
//! stores nothing: what it costs is the same for the daemon and for each peer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_core::contract::Receipt;
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use gatehouse_tests::mqtt::{self, Connect, Packet, Publish, kind};
use gatehouse_tests::wait::monotonic_ns;

use crate::bed;

/// A receipt at most this often: the control room's own pace in a storm is of that order.
const RECEIPT_EVERY_NS: u64 = 100_000_000;

/// A running subscriber; it ends with the broker.
#[derive(Debug)]
pub(crate) struct Sink {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    grown: Condvar,
}

/// What has come so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Messages.
    pub(crate) count: u64,
    /// `CLOCK_MONOTONIC` of the last of them.
    pub(crate) last_ns: u64,
    /// The size of the last one's payload.
    pub(crate) payload: usize,
    ended: bool,
}

impl Sink {
    /// Subscribes to the events of doors.
    pub(crate) fn start(broker: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        let connect = Connect {
            version: 5,
            clean: true,
            client_id: "bench-sink".into(),
            ..Connect::default()
        };
        stream.write_all(&connect.render())?;
        let mut body = vec![0, 1, 0];
        mqtt::write_bytes(&mut body, b"gatehouse/v1/+/+/+/ev/door");
        body.push(1);
        stream.write_all(&mqtt::packet(kind::SUBSCRIBE, 2, &body))?;
        let mut frames = Frames::default();
        let mut granted = false;
        while !granted {
            frames.fill(&mut stream)?;
            while let Some((kind, _, body)) = frames.next() {
                if kind == self::kind::SUBACK {
                    ensure!(body.last() == Some(&1), "the broker refused the subscription");
                    granted = true;
                }
            }
        }
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            // Its end is the broker's; whoever waits is told.
            let _ = follow(stream, frames, &of_thread);
            of_thread.seen().ended = true;
            of_thread.grown.notify_all();
        });
        Ok(Self { shared })
    }

    /// What has come so far.
    pub(crate) fn seen(&self) -> Seen {
        *self.shared.seen()
    }

    /// Waits until so many messages have come, or nothing has for `limit`.
    pub(crate) fn wait_for(&self, count: u64, limit: Duration) -> anyhow::Result<Seen> {
        let mut seen = self.shared.seen();
        while seen.count < count {
            ensure!(!seen.ended, "the subscriber's connection ended");
            let before = seen.count;
            let waited = self.shared.grown.wait_timeout(seen, limit);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            seen = after;
            ensure!(
                !timeout.timed_out() || seen.count > before,
                "nothing came for {limit:?}; {} of {count} events are there",
                seen.count
            );
        }
        Ok(*seen)
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn follow(mut stream: TcpStream, mut frames: Frames, shared: &Shared) -> anyhow::Result<()> {
    let mut answer = Vec::new();
    let mut confirmed_ns = 0;
    loop {
        frames.fill(&mut stream)?;
        let now = monotonic_ns();
        answer.clear();
        let mut count = 0;
        let mut last = None;
        while let Some((kind, flags, body)) = frames.next() {
            if kind != self::kind::PUBLISH {
                continue;
            }
            count += 1;
            let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let pid = body.get(2 + topic..4 + topic).context("a packet id")?;
            answer.extend_from_slice(&[kind::PUBACK << 4, 2, pid[0], pid[1]]);
            last = Some((flags, body.to_vec()));
        }
        let Some((flags, body)) = last else { continue };
        let publish = Publish::parse(&Packet { kind: kind::PUBLISH, flags, body }, 5)?;
        if now - confirmed_ns >= RECEIPT_EVERY_NS
            && let Some((_, seq)) = publish.properties.user.iter().find(|(key, _)| key == "seq")
        {
            // One lane and one connection: what came last is the newest, and nothing is missing.
            confirmed_ns = now;
            answer.extend(receipt(Seq(seq.parse()?))?.render(5));
        }
        stream.write_all(&answer)?;
        {
            let mut seen = shared.seen();
            seen.count += count;
            seen.last_ns = now;
            seen.payload = publish.payload.len();
        }
        shared.grown.notify_all();
    }
}

fn receipt(upto: Seq) -> anyhow::Result<Publish> {
    let receipt = Receipt {
        upto,
        missing: Vec::new(),
        nak: Vec::new(),
        host: "bench".into(),
        recv_ts: UtcMs::default(),
    };
    let payload = serde_json::to_vec(&receipt)?;
    Ok(Publish { topic: format!("{}/receipt", bed::PREFIX), payload, ..Publish::default() })
}

/// Packets of a stream of bytes, without a copy of each.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    start: usize,
}

impl Frames {
    /// Reads once; an error at the end of the stream.
    pub(crate) fn fill(&mut self, stream: &mut TcpStream) -> anyhow::Result<()> {
        self.compact();
        let filled = self.buffer.len();
        self.buffer.resize(filled + 256 * 1024, 0);
        let read = stream.read(&mut self.buffer[filled..])?;
        self.buffer.truncate(filled + read);
        ensure!(read > 0, "the connection has ended");
        Ok(())
    }

    /// Adds bytes that were read elsewhere.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
    }

    /// The next whole packet: kind, flags, body.
    pub(crate) fn next(&mut self) -> Option<(u8, u8, &[u8])> {
        let rest = &self.buffer[self.start..];
        let first = *rest.first()?;
        let mut length = 0;
        for place in 0..4 {
            let byte = *rest.get(1 + place)?;
            length |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                let begin = 2 + place;
                rest.get(begin..begin + length)?;
                let body = self.start + begin;
                self.start = body + length;
                return Some((first >> 4, first & 15, &self.buffer[body..self.start]));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_whole_however_the_bytes_come() {
        let packets = [mqtt::packet(3, 2, &[7; 200]), mqtt::packet(4, 0, &[1, 2])].concat();
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for byte in packets {
            frames.feed(&[byte]);
            while let Some((kind, flags, body)) = frames.next() {
                found.push((kind, flags, body.len()));
            }
        }
        assert_eq!(found, [(3, 2, 200), (4, 0, 2)]);
    }
}
