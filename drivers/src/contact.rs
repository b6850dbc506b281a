//! A door contact or an alarm input.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

use embedded_hal::digital::PinState;
use embedded_hal_async::delay::DelayNs;

use crate::debounce::{Change, Debouncer};
use crate::edge::{Clock, Edge, EdgeSource};

/// For alarm inputs: in the middle between 300 ms, which may be ignored, and 400 ms, which must be
/// reported, so that interrupts and timers may each be 50 ms late.
pub const ALARM_DEBOUNCE: Duration = Duration::from_millis(350);

/// For door contacts: longer than a reed switch bounces (below 5 ms) and than a leaf rattles in its
/// lock, and short enough to see a door that was only slipped through.
pub const DOOR_DEBOUNCE: Duration = Duration::from_millis(50);

/// How many edges one poll takes before others get their turn.
const BURST: u32 = 64;

/// How the contact is made, at rest (door closed, detector quiet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// The circuit is closed at rest. A cut wire is an opening: prefer it.
    NormallyClosed,
    /// The circuit is open at rest. A cut wire is not noticed.
    NormallyOpen,
}

/// What is known of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContactState {
    /// Not stable yet, or the line cannot be read. Never to be taken for closed.
    #[default]
    Unknown,
    /// At rest.
    Closed,
    /// Not at rest: the door is open, the detector has triggered.
    Open,
}

/// How a contact is wired and when its level counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactConfig {
    /// The kind of contact.
    pub wiring: Wiring,
    /// The level of the line while the circuit is closed: `Low` for a contact to ground with a
    /// pull-up, `High` for a contact to the supply with a pull-down.
    pub closed_level: PinState,
    /// For how long a level must last to count. 0: each edge counts, at once.
    pub debounce: Duration,
    /// After so many bus errors in a row the state is unknown. 0 is taken as 1.
    pub max_faults: u32,
}

impl ContactConfig {
    /// An alarm input, switched to ground, with [`ALARM_DEBOUNCE`].
    pub const fn alarm(wiring: Wiring) -> Self {
        // Three: one error is noise on the bus, three in a row are a fault.
        Self { wiring, closed_level: PinState::Low, debounce: ALARM_DEBOUNCE, max_faults: 3 }
    }

    /// A door contact, switched to ground, with [`DOOR_DEBOUNCE`].
    pub const fn door(wiring: Wiring) -> Self {
        Self { debounce: DOOR_DEBOUNCE, ..Self::alarm(wiring) }
    }

    fn state(&self, level: PinState) -> ContactState {
        let circuit_closed = level == self.closed_level;
        if circuit_closed == (self.wiring == Wiring::NormallyClosed) {
            ContactState::Closed
        } else {
            ContactState::Open
        }
    }
}

/// A state that counts, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Never [`ContactState::Unknown`].
    pub state: ContactState,
    /// When the state began: the time of its edge, on the clock of the [`EdgeSource`].
    pub at_ns: u64,
    /// Edges were lost or the line could not be read before this: `at_ns` may be later than the
    /// truth, and more may have happened in between.
    pub resynced: bool,
}

/// A contact on a pin that tells its edges.
///
/// A task that owns one contact calls [`next`](Self::next). One that owns many calls
/// [`poll_reading`](Self::poll_reading) for the contact whose line had an edge, and again at the
/// earliest [`deadline`](Self::deadline) of all.
#[derive(Debug)]
pub struct Contact<P> {
    pin: P,
    config: ContactConfig,
    debouncer: Debouncer,
    /// Bus errors since the last success.
    faults: u32,
    ask: Ask,
    resync: bool,
}

/// Whether the wire must be asked for its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Before the first edge: nothing is known.
    First,
    /// After the edges that wait: one may have been lost.
    AfterEdges,
    /// The edges tell it.
    No,
}

impl<P: EdgeSource> Contact<P> {
    /// The state is unknown; the pin is not touched yet.
    pub fn new(pin: P, config: ContactConfig) -> Self {
        let period_ns = u64::try_from(config.debounce.as_nanos()).unwrap_or(u64::MAX);
        let debouncer = Debouncer::new(period_ns);
        Self { pin, config, debouncer, faults: 0, ask: Ask::First, resync: false }
    }

    /// What is known now.
    pub fn state(&self) -> ContactState {
        self.debouncer.stable().map_or(ContactState::Unknown, |level| self.config.state(level))
    }

    /// When [`poll_reading`](Self::poll_reading) must be called if no edge comes before.
    pub fn deadline(&self) -> Option<u64> {
        self.debouncer.deadline()
    }

    /// The pin. An edge that is taken here is one that the contact does not see.
    pub const fn pin_mut(&mut self) -> &mut P {
        &mut self.pin
    }

    /// Gives the pin back.
    pub fn release(self) -> P {
        self.pin
    }

    /// The line is gone: the state is unknown at once, and the next reading is `resynced`.
    pub const fn forget(&mut self) {
        self.debouncer.reset();
        self.ask = Ask::First;
        self.resync = true;
    }

    /// Takes the edges that wait, at most 64 of them, and tells the first state that came to count.
    ///
    /// `Pending`: no edge waits (the waker is registered with the pin), or the turn is over (the
    /// waker is called). After `Ready` poll again, more may wait.
    ///
    /// # Errors
    ///
    /// The pin's. After [`ContactConfig::max_faults`] of them in a row [`state`](Self::state) is
    /// unknown. Poll again to retry: at once is allowed, but the pace is the caller's duty.
    pub fn poll_reading(
        &mut self,
        cx: &mut Context<'_>,
        now_ns: u64,
    ) -> Poll<Result<Reading, P::Error>> {
        if self.ask == Ask::First {
            match self.pin.raw_level() {
                Ok(level) => {
                    self.faults = 0;
                    self.ask = Ask::No;
                    if let Some(change) = self.debouncer.feed(level, now_ns) {
                        return Poll::Ready(Ok(self.reading(change)));
                    }
                }
                Err(error) => return Poll::Ready(Err(self.failed(error))),
            }
        }
        for _ in 0..BURST {
            let edge = pin!(self.pin.next_edge()).poll(cx);
            match edge {
                Poll::Ready(Ok(edge)) => {
                    if let Some(change) = self.take(edge) {
                        return Poll::Ready(Ok(self.reading(change)));
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(error))),
                Poll::Pending => return self.settle(now_ns),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for the next state that counts.
    ///
    /// Cancel safe. `clock` must be the one that the pin's edges are stamped with.
    ///
    /// # Errors
    ///
    /// As [`poll_reading`](Self::poll_reading).
    pub async fn next<C: Clock, D: DelayNs>(
        &mut self,
        clock: &C,
        delay: &mut D,
    ) -> Result<Reading, P::Error> {
        // Each turn takes an edge or waits for a deadline: it ends when the pin has no more edges.
        loop {
            let deadline = self.deadline();
            let mut sleep = pin!(async {
                match deadline {
                    Some(at_ns) => delay.delay_us(wait_us(at_ns, clock.now_ns())).await,
                    None => core::future::pending().await,
                }
            });
            let reading = poll_fn(|cx| {
                if let Poll::Ready(reading) = self.poll_reading(cx, clock.now_ns()) {
                    return Poll::Ready(Some(reading));
                }
                if self.deadline() != deadline {
                    return Poll::Ready(None);
                }
                sleep.as_mut().poll(cx).map(|()| None)
            })
            .await;
            if let Some(reading) = reading {
                return reading;
            }
        }
    }

    fn take(&mut self, edge: Edge) -> Option<Change> {
        self.faults = 0;
        if edge.lost_before == 0 {
            return self.debouncer.feed(edge.level, edge.at_ns);
        }
        self.resync = true;
        self.ask = Ask::AfterEdges;
        self.debouncer.feed_after_loss(edge.level, edge.at_ns)
    }

    /// All edges are taken: the level is asked for if one was lost, then time decides.
    fn settle(&mut self, now_ns: u64) -> Poll<Result<Reading, P::Error>> {
        let mut change = None;
        if self.ask == Ask::AfterEdges {
            match self.pin.raw_level() {
                Ok(level) => {
                    self.faults = 0;
                    self.ask = Ask::No;
                    change = self.debouncer.feed(level, now_ns);
                }
                Err(error) => return Poll::Ready(Err(self.failed(error))),
            }
        }
        if let Some(change) = change.or_else(|| self.debouncer.expire(now_ns)) {
            return Poll::Ready(Ok(self.reading(change)));
        }
        // If the level is what it was before the loss, there is nothing to mark.
        self.resync &= self.deadline().is_some() || self.state() == ContactState::Unknown;
        Poll::Pending
    }

    fn reading(&mut self, change: Change) -> Reading {
        let resynced = core::mem::take(&mut self.resync);
        Reading { state: self.config.state(change.level), at_ns: change.since_ns, resynced }
    }

    fn failed(&mut self, error: P::Error) -> P::Error {
        self.faults = self.faults.saturating_add(1);
        if self.faults >= self.config.max_faults {
            self.forget();
        } else if self.ask == Ask::No {
            // While the bus was mute an edge may have been missed.
            self.ask = Ask::AfterEdges;
            self.resync = true;
        }
        error
    }
}

/// The time to a deadline, rounded up, at most an hour: whoever wakes early asks again.
fn wait_us(deadline_ns: u64, now_ns: u64) -> u32 {
    let us = deadline_ns.saturating_sub(now_ns).div_ceil(1_000);
    u32::try_from(us).unwrap_or(u32::MAX).min(3_600_000_000)
}

#[cfg(test)]
mod tests;
