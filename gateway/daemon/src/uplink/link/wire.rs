//! The stream of one connection: what was handed over since the last write goes out as one write.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use gatehouse_core::uplink::Down;
use gatehouse_link::{Stream, tls_word};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::LinkEvent;

/// A buffer that grew in a storm is let go above this.
const KEPT: usize = 256 * 1024;

/// Read at once: some four hundred acknowledgements.
const INBOX: usize = 4096;

/// After a write failed, so long is waited for what the peer has sent before.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A stream, and what was read of it.
pub(super) struct Framed {
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    inbox: BytesMut,
}

impl Framed {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { read, write, inbox: BytesMut::with_capacity(INBOX) }
    }

    pub(super) const fn inbox(&mut self) -> &mut BytesMut {
        &mut self.inbox
    }

    /// Reads once, behind what is in the inbox; 0 at the end of the stream.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        self.inbox.reserve(INBOX);
        self.read.read_buf(&mut self.inbox).await
    }

    /// Writes all of it. When that fails, the error is what the peer has said last, if it has.
    pub(super) async fn write_out(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let Err(error) = send(&mut self.write, out).await else { return Ok(()) };
        let last = async {
            while self.read.read_buf(&mut self.inbox).await? > 0 {}
            io::Result::Ok(())
        };
        match tokio::time::timeout(LAST_WORDS, last).await {
            Ok(Err(last)) if tls_word(&last).is_some() => Err(last),
            _ => Err(error),
        }
    }
}

async fn send(write: &mut WriteHalf<Box<dyn Stream>>, out: &mut BytesMut) -> io::Result<()> {
    while out.has_remaining() {
        if write.write_buf(out).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    write.flush().await
}

/// The protocol on a stream.
pub(super) trait Peer: Send {
    /// Notified when something waits to be written.
    fn filled(&self) -> Arc<Notify>;

    /// Swaps what waits with an empty buffer; whether it ends with our goodbye.
    ///
    /// # Errors
    /// The connection is over, and nothing waits.
    fn take(&mut self, out: &mut BytesMut) -> Result<bool, (Down, String)>;

    /// Takes whole packets off the inbox.
    ///
    /// # Errors
    /// The connection is over.
    fn hear(&mut self, inbox: &mut BytesMut) -> Result<Vec<LinkEvent>, (Down, String)>;

    /// Writes a ping.
    fn ping(&mut self, out: &mut BytesMut);
}

/// Runs a connection to its end, which is the last event.
pub(super) async fn run(
    mut framed: Framed,
    mut peer: impl Peer,
    tell: mpsc::Sender<LinkEvent>,
    keep_alive: Duration,
) {
    let (down, why) = match pump(&mut framed, &mut peer, &tell, keep_alive).await {
        Ok(()) => return,
        Err(over) => over,
    };
    // Nobody listens any more: then nobody needs to know.
    let _ = tell.send(LinkEvent::Down(down, why)).await;
}

/// `Ok` when nobody listens any more, or its end was told.
async fn pump(
    framed: &mut Framed,
    peer: &mut impl Peer,
    tell: &mpsc::Sender<LinkEvent>,
    keep_alive: Duration,
) -> Result<(), (Down, String)> {
    let filled = peer.filled();
    let mut out = BytesMut::new();
    // Something was written and perhaps not flushed.
    let mut writing = false;
    let mut closing = false;
    // A ping without any answer since.
    let mut asked = false;
    let mut ping = interval_at(Instant::now() + keep_alive, keep_alive);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Framed { read, write, inbox } = framed;
    loop {
        if !writing && !closing {
            closing = peer.take(&mut out)?;
            writing = !out.is_empty();
        }
        inbox.reserve(INBOX);
        tokio::select! {
            biased;
            got = read.read_buf(inbox) => {
                asked = false;
                if got.map_err(|error| broken(&error))? == 0 {
                    return Err(if closing {
                        (Down::Network, "we have disconnected".to_owned())
                    } else {
                        (Down::Peer, "the broker closed the connection".to_owned())
                    });
                }
                if !report(peer.hear(inbox)?, tell).await {
                    return Ok(());
                }
            }
            sent = send(write, &mut out), if writing => {
                if let Err(error) = sent {
                    let heard = tokio::time::timeout(LAST_WORDS, drain(read, inbox, peer, tell));
                    let last = heard.await.ok().flatten();
                    return Err(broken(last.as_ref().unwrap_or(&error)));
                }
                writing = false;
                if out.capacity() > KEPT {
                    out = BytesMut::new();
                }
            }
            () = filled.notified(), if !writing && !closing => {}
            _ = ping.tick(), if !closing => {
                if asked {
                    let why = format!("the broker has not answered for {keep_alive:?}");
                    return Err((Down::Network, why));
                }
                asked = true;
                peer.ping(&mut out);
                writing = true;
            }
        }
    }
}

/// Acknowledgements that came before the end still count, and what TLS says at it.
async fn drain(
    read: &mut ReadHalf<Box<dyn Stream>>,
    inbox: &mut BytesMut,
    peer: &mut impl Peer,
    tell: &mpsc::Sender<LinkEvent>,
) -> Option<io::Error> {
    loop {
        match read.read_buf(inbox).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(error).filter(|error| tls_word(error).is_some()),
        }
        let Ok(events) = peer.hear(inbox) else { return None };
        if !report(events, tell).await {
            return None;
        }
    }
}

/// Whether somebody listens, and the connection goes on.
async fn report(events: Vec<LinkEvent>, tell: &mpsc::Sender<LinkEvent>) -> bool {
    for event in events {
        let last = matches!(event, LinkEvent::Down(..));
        if tell.send(event).await.is_err() || last {
            return false;
        }
    }
    true
}

/// A peer that breaks a connection may do so because of what it was sent.
fn broken(error: &io::Error) -> (Down, String) {
    let down = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => Down::Network,
        _ => Down::Peer,
    };
    (down, error.to_string())
}
