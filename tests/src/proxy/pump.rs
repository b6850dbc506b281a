//! One connection through the proxy: two ways, one end.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::Instant;

use super::frames::Frames;
use super::{End, Fault, Shared, Way};

/// Bytes held back by [`Fault::Latency`] at most; more is not read until some were delivered.
const HELD: usize = 1 << 20;

/// What a fault means for one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Pass,
    Late(Duration),
    Stall,
    Swallow,
    Cut,
}

impl Mood {
    fn of(fault: Fault, way: Way) -> Self {
        match fault {
            Fault::Latency(late) => Self::Late(late),
            Fault::Stall => Self::Stall,
            Fault::StallWay(stalled) if stalled == way => Self::Stall,
            Fault::Swallow => Self::Swallow,
            Fault::SwallowWay(swallowed) if swallowed == way => Self::Swallow,
            Fault::Refuse => Self::Cut,
            _ => Self::Pass,
        }
    }
}

/// Runs until one end closes, a fault cuts it, or the test ends it.
pub(super) async fn connection(
    mut client: TcpStream,
    mut broker: TcpStream,
    mut ends: watch::Receiver<(u64, End)>,
    shared: &Shared,
) {
    let (mut client_read, mut client_write) = client.split();
    let (mut broker_read, mut broker_write) = broker.split();
    let how = tokio::select! {
        end = pump(Way::Up, &mut client_read, &mut broker_write, shared) => end,
        end = pump(Way::Down, &mut broker_read, &mut client_write, shared) => end,
        order = ends.changed() => order.is_ok().then(|| ends.borrow().1),
    };
    if how.is_some() {
        shared.cut.fetch_add(1, Ordering::SeqCst);
    }
    // Closing with a linger of zero sends RST. After a cut at a chosen place the receiving end gets
    // an ordinary FIN, so that what was let through is surely read.
    let (reset_client, reset_broker) = match how {
        None | Some(End::Close) => (false, false),
        Some(End::Reset) => (true, true),
        Some(End::CutAfter(way)) => (way == Way::Up, way == Way::Down),
    };
    if reset_client {
        let _ = client.set_zero_linger();
    }
    if reset_broker {
        let _ = broker.set_zero_linger();
    }
}

/// Copies one way. `None`: an end closed by itself; `Some`: how a fault ends the connection.
async fn pump(
    way: Way,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    shared: &Shared,
) -> Option<End> {
    let mut fault = shared.fault.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    let mut held = Held::default();
    let mut frames = Frames::default();
    // Once bytes (or a FIN) were taken away, nothing sensible can follow them.
    let mut swallowed = false;
    let mut source_gone = false;
    loop {
        let mood = Mood::of(*fault.borrow_and_update(), way);
        if mood == Mood::Cut || (swallowed && mood != Mood::Swallow) {
            return Some(End::Reset);
        }
        let may_read = mood != Mood::Stall && !source_gone && held.bytes < HELD;
        tokio::select! {
            changed = fault.changed() => {
                changed.ok()?;
            }
            () = held.due(), if mood != Mood::Stall => {
                let bytes = held.pop()?;
                deliver(&bytes, to, way, shared).await?;
            }
            read = from.read(&mut buffer), if may_read => {
                let count = read.unwrap_or(0);
                if mood == Mood::Swallow {
                    swallowed = true;
                    source_gone = count == 0;
                    shared.swallowed.fetch_add(count as u64, Ordering::SeqCst);
                    continue;
                }
                if count == 0 {
                    return None;
                }
                let now = *fault.borrow();
                let (pass, cut) = frames.admit(&buffer[..count], now, way, &shared.budget);
                match mood {
                    Mood::Late(late) => held.push(&buffer[..pass], late),
                    // The latency is over, but order is kept.
                    _ if held.bytes > 0 => held.push(&buffer[..pass], Duration::ZERO),
                    _ => deliver(&buffer[..pass], to, way, shared).await?,
                }
                if cut {
                    while let Some(bytes) = held.pop() {
                        deliver(&bytes, to, way, shared).await?;
                    }
                    return Some(End::CutAfter(way));
                }
            }
        }
    }
}

/// Writes all; `None` when the other end is gone.
async fn deliver(bytes: &[u8], to: &mut WriteHalf<'_>, way: Way, shared: &Shared) -> Option<()> {
    to.write_all(bytes).await.ok()?;
    let counter = if way == Way::Up { &shared.up } else { &shared.down };
    counter.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    Some(())
}

/// Bytes on their slow way.
#[derive(Default)]
struct Held {
    queue: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

impl Held {
    fn push(&mut self, bytes: &[u8], late: Duration) {
        self.bytes += bytes.len();
        self.queue.push_back((Instant::now() + late, bytes.to_vec()));
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let (_, bytes) = self.queue.pop_front()?;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// Ends when the oldest bytes are due; never, if there are none.
    async fn due(&self) {
        match self.queue.front() {
            Some((at, _)) => tokio::time::sleep_until(*at).await,
            None => std::future::pending().await,
        }
    }
}
