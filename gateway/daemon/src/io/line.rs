//! One line of a chip as drivers see it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, PinState};
use embedded_hal_async::digital::Wait;
use gatehouse_drivers::{Edge, EdgeSource};

/// How many edges wait for a driver. Beyond, the oldest is dropped and counted in `lost_before`
/// of its successor. As deep as the kernel's own queue can be for four lines.
const QUEUE: usize = 256;

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Its chip is unplugged, not found, or may not be opened; or the chip has no such line.
    #[error("the line's chip is not there")]
    Gone,
}

impl embedded_hal::digital::Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Makes the two ends of a line. It cannot be read until its level is told.
pub fn line() -> (LineFeed, LinePin) {
    let wire = Arc::new(Mutex::new(Wire::default()));
    (LineFeed { wire: Arc::clone(&wire) }, LinePin { wire, latched: None })
}

#[derive(Debug, Default)]
struct Wire {
    edges: VecDeque<Edge>,
    level: Option<PinState>,
    waker: Option<Waker>,
}

/// The end of the unit: what it tells here, the driver takes from the [`LinePin`].
#[derive(Debug)]
pub struct LineFeed {
    wire: Arc<Mutex<Wire>>,
}

impl LineFeed {
    /// Tells an edge.
    pub fn edge(&self, edge: Edge) {
        let mut wire = locked(&self.wire);
        wire.level = Some(edge.level);
        wire.edges.push_back(edge);
        if wire.edges.len() > QUEUE
            && let Some(dropped) = wire.edges.pop_front()
            && let Some(next) = wire.edges.front_mut()
        {
            next.lost_before =
                next.lost_before.saturating_add(dropped.lost_before).saturating_add(1);
        }
        wake(wire);
    }

    /// Tells the level as it was read, or that it cannot be read. Edges that wait are void.
    pub fn level(&self, level: Option<PinState>) {
        let mut wire = locked(&self.wire);
        wire.level = level;
        wire.edges.clear();
        wake(wire);
    }
}

/// The end of the driver: an input of embedded-hal that misses no edge.
///
/// `is_high` tells the level after the last edge taken. `raw_level` tells the level as the chip last
/// told it, by an edge or by a reading; the source reads the levels of a chip again after each loss.
#[derive(Debug)]
pub struct LinePin {
    wire: Arc<Mutex<Wire>>,
    latched: Option<PinState>,
}

impl LinePin {
    fn latched(&mut self) -> Result<PinState, LineError> {
        if let Some(level) = self.latched {
            return Ok(level);
        }
        let level = self.raw_level()?;
        self.latched = Some(level);
        Ok(level)
    }

    /// Takes edges until one fits. Each turn waits for an edge.
    async fn wait_for(&mut self, fits: impl Fn(PinState) -> bool) -> Result<(), LineError> {
        while !fits(self.next_edge().await?.level) {}
        Ok(())
    }
}

impl ErrorType for LinePin {
    type Error = LineError;
}

impl InputPin for LinePin {
    fn is_high(&mut self) -> Result<bool, LineError> {
        Ok(self.latched()? == PinState::High)
    }

    fn is_low(&mut self) -> Result<bool, LineError> {
        Ok(self.latched()? == PinState::Low)
    }
}

impl EdgeSource for LinePin {
    async fn next_edge(&mut self) -> Result<Edge, LineError> {
        poll_fn(|cx| {
            let mut wire = locked(&self.wire);
            if let Some(edge) = wire.edges.pop_front() {
                self.latched = Some(edge.level);
                return Poll::Ready(Ok(edge));
            }
            if wire.level.is_none() {
                self.latched = None;
                return Poll::Ready(Err(LineError::Gone));
            }
            match &mut wire.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    fn raw_level(&mut self) -> Result<PinState, LineError> {
        locked(&self.wire).level.ok_or(LineError::Gone)
    }
}

impl Wait for LinePin {
    async fn wait_for_high(&mut self) -> Result<(), LineError> {
        if self.is_high()? { Ok(()) } else { self.wait_for_rising_edge().await }
    }

    async fn wait_for_low(&mut self) -> Result<(), LineError> {
        if self.is_low()? { Ok(()) } else { self.wait_for_falling_edge().await }
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), LineError> {
        self.wait_for(|level| level == PinState::High).await
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), LineError> {
        self.wait_for(|level| level == PinState::Low).await
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), LineError> {
        self.wait_for(|_| true).await
    }
}

fn locked(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    // Nothing panics while it holds the lock; and a queue of plain values is whole at any time.
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes after the lock is free, so that the woken does not run into it.
fn wake(mut wire: MutexGuard<'_, Wire>) {
    let waker = wire.waker.take();
    drop(wire);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use embedded_hal::digital::PinState::{High, Low};

    use super::*;

    fn edge(level: PinState, at_ns: u64) -> Edge {
        Edge { level, at_ns, line_seqno: None, lost_before: 0 }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_driver_sees_each_edge_once_and_in_order() {
        let (feed, mut pin) = line();
        feed.level(Some(Low));
        for at_ns in 0..4 {
            feed.edge(edge(PinState::from(at_ns % 2 == 0), at_ns));
        }
        assert_eq!(pin.raw_level(), Ok(Low), "the wire, whatever waits");
        for at_ns in 0..4 {
            assert_eq!(pin.next_edge().await.unwrap().at_ns, at_ns);
            assert_eq!(pin.is_high(), Ok(at_ns % 2 == 0), "the level after the last edge taken");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn each_wait_ends_with_its_own_edge() {
        let (feed, mut pin) = line();
        feed.level(Some(Low));
        pin.wait_for_low().await.unwrap();
        for (at_ns, level) in [High, Low, High, Low].into_iter().enumerate() {
            feed.edge(edge(level, at_ns as u64));
        }
        pin.wait_for_high().await.unwrap();
        pin.wait_for_high().await.unwrap();
        pin.wait_for_falling_edge().await.unwrap();
        pin.wait_for_any_edge().await.unwrap();
        assert_eq!(pin.is_high(), Ok(true));
        let mut rising = pin!(pin.wait_for_rising_edge());
        let mut cx = std::task::Context::from_waker(Waker::noop());
        assert!(rising.as_mut().poll(&mut cx).is_pending(), "the last edge is a falling one");
        feed.edge(edge(High, 9));
        assert!(rising.as_mut().poll(&mut cx).is_ready());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_waiting_driver_is_woken_by_the_edge_and_by_the_loss_of_the_chip() {
        let (feed, mut pin) = line();
        feed.level(Some(Low));
        let (first, ()) = tokio::join!(pin.next_edge(), async { feed.edge(edge(High, 1)) });
        assert_eq!(first, Ok(edge(High, 1)));
        let (gone, ()) = tokio::join!(pin.next_edge(), async { feed.level(None) });
        assert_eq!(gone, Err(LineError::Gone));
        assert_eq!(pin.is_high(), Err(LineError::Gone));
        feed.level(Some(Low));
        assert_eq!(pin.is_high(), Ok(false), "back, and the old level is forgotten");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_queue_that_is_full_drops_the_oldest_and_counts_it() {
        let (feed, mut pin) = line();
        feed.level(Some(Low));
        for at_ns in 0..QUEUE as u64 + 10 {
            feed.edge(edge(PinState::from(at_ns % 2 == 0), at_ns));
        }
        let first = pin.next_edge().await.unwrap();
        assert_eq!((first.at_ns, first.lost_before), (10, 10));
        assert_eq!(pin.next_edge().await.unwrap().lost_before, 0);
    }
}
