//! The only files that open a device: GPIO chips, the simulated wiring that stands for one, I2C and
//! SPI buses, and serial ports. [`drive`] has the lines that the box drives.
//!
//! A [`Source`] owns all lines of one chip and tells, in order, what happens to them
//! ([`Signal`]). The unit hands each edge to its line, where a driver takes it from a [`LinePin`]:
//! `InputPin`, `Wait` and `EdgeSource` of embedded-hal, the same for a real chip and a simulated
//! one, so that drivers know neither.

pub mod drive;
pub mod find;
pub mod gpiochip;
pub mod line;
pub mod open_drain;
mod sequence;
pub mod serial;
pub mod sim;
pub mod stamp;
pub mod wire;

use std::future::pending;
use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_drivers::Edge;
use tokio::time::{Instant, sleep_until};

pub use line::{LineError, LineFeed, LinePin};
pub use stamp::{KernelClock, LineClock};

/// What happened to the lines of a chip. Lines are named by their place in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The level of a line was read. Comes for every line that there is, before [`Signal::Up`].
    Level {
        /// Which line.
        line: usize,
        /// Its level.
        level: PinState,
    },
    /// The chip is there, all levels have been told.
    Up,
    /// The chip is not there: no line can be read.
    Down {
        /// Why, and what to do, for a person.
        cause: String,
    },
    /// A line changed. The edge says itself whether others were lost before it.
    Edge {
        /// Which line.
        line: usize,
        /// The change.
        edge: Edge,
    },
    /// Edges were lost. The levels are read again, and a change found so follows as an edge.
    Lost {
        /// Which line, if that is known.
        line: Option<usize>,
        /// How many.
        count: u32,
        /// How it was noticed.
        why: &'static str,
    },
}

/// All lines of one chip, real or simulated.
#[derive(Debug)]
pub enum Source<C> {
    /// `/dev/gpiochipN`.
    Chip(gpiochip::GpioChip<C>),
    /// A world behind a socket, or a script.
    Sim(sim::Sim<C>),
}

impl<C: LineClock> Source<C> {
    /// Waits until something happens, and appends it to `signals` in order.
    ///
    /// Cancel safe: what was not appended is told by the next call. While the chip is down this
    /// looks for it again, with back-off, for ever.
    pub async fn read(&mut self, signals: &mut Vec<Signal>) {
        match self {
            Self::Chip(chip) => chip.read(signals).await,
            Self::Sim(sim) => sim.read(signals).await,
        }
    }

    /// Waits for signals or for a deadline, whichever comes first, and says the monotonic time in
    /// nanoseconds then. Edges up to a deadline that has come are in `signals`: what has happened
    /// comes before what time decides, however late this is.
    ///
    /// Cancel safe, as [`Self::read`].
    pub async fn gather(
        &mut self,
        deadline_ns: Option<u64>,
        clock: &C,
        signals: &mut Vec<Signal>,
    ) -> u64 {
        tokio::select! {
            biased;
            () = self.read(signals) => {}
            () = wait(deadline_ns, clock) => {}
        }
        let now_ns = clock.monotonic_ns();
        if deadline_ns.is_some_and(|deadline| deadline <= now_ns) {
            self.drain(signals);
        }
        now_ns
    }

    /// The way to a world, while it is connected; a chip and a script have none.
    fn writer(&self) -> Option<std::sync::Arc<tokio::net::UnixStream>> {
        match self {
            Self::Chip(_) => None,
            Self::Sim(sim) => sim.writer(),
        }
    }

    /// Appends what has happened already, without waiting.
    pub fn drain(&mut self, signals: &mut Vec<Signal>) {
        match self {
            Self::Chip(chip) => chip.drain(signals),
            Self::Sim(sim) => sim.drain(signals),
        }
    }
}

async fn wait<C: LineClock>(deadline_ns: Option<u64>, clock: &C) {
    let Some(deadline_ns) = deadline_ns else { return pending().await };
    let wait = Duration::from_nanos(deadline_ns.saturating_sub(clock.monotonic_ns()));
    sleep_until(Instant::now() + wait).await;
}
