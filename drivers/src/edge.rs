//! A pin that tells each edge with the time at which it happened.

use core::future::Future;

use embedded_hal::digital::{InputPin, PinState};

/// One change of a line's level, as the source of its time stamp saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The level after the edge.
    pub level: PinState,
    /// When it happened, on the monotonic clock of the source, in nanoseconds.
    pub at_ns: u64,
    /// The source's count of this line's edges, where it has one. It wraps.
    pub line_seqno: Option<u32>,
    /// How many edges of this line are known to have been lost before this one.
    pub lost_before: u32,
}

/// An input whose edges come one by one, in order, with their own time.
///
/// `InputPin::is_high` of such a pin tells the level *after the last edge taken*, so that a driver
/// which only knows `InputPin` sees every edge once; [`raw_level`](Self::raw_level) asks the wire.
pub trait EdgeSource: InputPin {
    /// Waits for the next edge.
    ///
    /// Cancel safe: a future that is dropped before it was ready takes no edge with it. Drivers rely
    /// on that, they drop and renew it at each poll.
    ///
    /// # Errors
    ///
    /// The bus or chip failed. The next call tries again.
    fn next_edge(&mut self) -> impl Future<Output = Result<Edge, Self::Error>>;

    /// The level of the wire now, whatever edges wait to be taken.
    ///
    /// # Errors
    ///
    /// The bus or chip failed.
    fn raw_level(&mut self) -> Result<PinState, Self::Error>;
}

impl<P: EdgeSource + ?Sized> EdgeSource for &mut P {
    fn next_edge(&mut self) -> impl Future<Output = Result<Edge, Self::Error>> {
        P::next_edge(self)
    }

    fn raw_level(&mut self) -> Result<PinState, Self::Error> {
        P::raw_level(self)
    }
}

/// A monotonic clock: the one that an [`EdgeSource`] stamps its edges with.
pub trait Clock {
    /// Nanoseconds since an arbitrary start. Never goes back.
    fn now_ns(&self) -> u64;
}

impl<F: Fn() -> u64> Clock for F {
    fn now_ns(&self) -> u64 {
        self()
    }
}
