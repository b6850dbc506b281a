//! A tap between daemon and broker: notes when the bytes of each event came, and passes them on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_core::event::{Event, canonical};
use gatehouse_tests::is_move;
use gatehouse_tests::mqtt::{Packet, Publish, kind};
use gatehouse_tests::wait::monotonic_ns;

use crate::sink::Frames;

/// A tap on a port of its own; its threads end with their connections.
#[derive(Debug)]
pub(crate) struct Tap {
    address: SocketAddr,
    packets: Arc<Mutex<Vec<Noted>>>,
}

/// A packet, undecoded: decoding waits until after the measurement.
#[derive(Debug)]
struct Noted {
    at_ns: u64,
    packet: Packet,
}

/// An event on the wire.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// `CLOCK_MONOTONIC` when its last byte was there.
    pub(crate) at_ns: u64,
    /// The event.
    pub(crate) event: Event,
}

impl Tap {
    /// Listens before this broker.
    pub(crate) fn start(broker: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let packets = Arc::<Mutex<Vec<Noted>>>::default();
        let noted = Arc::clone(&packets);
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                // A connection that fails is the daemon's to make again.
                let _ = connect(near, broker, &noted);
            }
        });
        Ok(Self { address, packets })
    }

    /// Where the daemon finds its broker.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The moves of doors so far, each once.
    pub(crate) fn arrivals(&self) -> anyhow::Result<Vec<Arrival>> {
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut arrivals: Vec<Arrival> = Vec::new();
        for noted in packets.iter() {
            let publish = Publish::parse(&noted.packet, 5)?;
            if publish.topic.ends_with("/ev/door") {
                let event = serde_json::from_slice(&canonical(&publish.payload).0)?;
                if !is_move(&event) {
                    continue;
                }
                arrivals.push(Arrival { at_ns: noted.at_ns, event });
            }
        }
        arrivals.sort_by_key(|arrival| arrival.event.seq);
        arrivals.dedup_by_key(|arrival| arrival.event.seq);
        Ok(arrivals)
    }
}

fn connect(
    near: TcpStream,
    broker: SocketAddr,
    noted: &Arc<Mutex<Vec<Noted>>>,
) -> anyhow::Result<()> {
    let far = TcpStream::connect(broker)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_back, far_back) = (near.try_clone()?, far.try_clone()?);
    let noted = Arc::clone(noted);
    std::thread::spawn(move || pass(near, far, Some(&noted)));
    std::thread::spawn(move || pass(far_back, near_back, None));
    Ok(())
}

/// Copies one way until an end closes; then closes the other.
fn pass(mut from: TcpStream, mut to: TcpStream, noted: Option<&Mutex<Vec<Noted>>>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut frames = Frames::default();
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let at_ns = monotonic_ns();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        let Some(noted) = noted else { continue };
        frames.feed(&buffer[..count]);
        while let Some((kind, flags, body)) = frames.next() {
            if kind == self::kind::PUBLISH {
                let packet = Packet { kind, flags, body: body.to_vec() };
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.push(Noted { at_ns, packet });
            }
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
