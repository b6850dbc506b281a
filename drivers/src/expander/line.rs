//! One line of an expander as a pin that tells its edges.

use core::convert::Infallible;
use core::task::{Context, Poll, Waker};

use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, PinState};

use super::Scan;
use crate::contact::{Contact, Reading};
use crate::edge::{Edge, EdgeSource};

/// How many edges wait for their reader. A scan brings two, and each scan should be taken.
const WAITING: usize = 4;

/// One line of an expander, fed by hand with each [`Scan`].
///
/// It is memory, not a wire: [`EdgeSource::next_edge`] never registers a waker, so poll whoever owns
/// it after each scan. For a contact do so with [`Contact::next_scanned`].
#[derive(Clone, Copy, Debug)]
pub struct PortLine {
    line: u8,
    waiting: [Option<Edge>; WAITING],
    /// The level at the last scan.
    level: Option<PinState>,
    /// The level after the last edge taken.
    latched: Option<PinState>,
}

/// The level is unknown: the chip has not been read yet, or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineUnknown;

impl core::fmt::Display for LineUnknown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the expander has not been read")
    }
}

impl core::error::Error for LineUnknown {}

impl Error for LineUnknown {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl PortLine {
    /// The line of that number, 0 to 15. Its level is unknown.
    pub const fn new(line: u8) -> Self {
        Self { line, waiting: [None; WAITING], level: None, latched: None }
    }

    /// The number of the line.
    pub const fn line(&self) -> u8 {
        self.line
    }

    /// Takes what a scan says of this line. Returns whether what was known of it counts no more:
    /// then the edges that waited are gone, and whoever debounces must forget.
    pub fn scanned(&mut self, scan: &Scan) -> bool {
        if self.level.is_none() || scan.is_anew() {
            let forget = self.level.is_some();
            self.lost();
            self.level = scan.level(self.line);
            self.latched = self.level;
            return forget;
        }
        for edge in scan.edges(self.line) {
            self.push(edge);
        }
        self.level = scan.level(self.line);
        false
    }

    /// The chip does not answer: the level is unknown, and the edges that waited are gone.
    pub const fn lost(&mut self) {
        *self = Self::new(self.line);
    }

    /// If nobody took the edges, the newest replaces the one before and counts it as lost.
    fn push(&mut self, edge: Edge) {
        if let Some(free) = self.waiting.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(edge);
        } else if let Some(newest) = self.waiting.last_mut() {
            let lost = newest.map_or(0, |old| old.lost_before).saturating_add(1);
            *newest = Some(Edge { lost_before: lost.saturating_add(edge.lost_before), ..edge });
        }
    }

    pub(super) fn pop(&mut self) -> Option<Edge> {
        let edge = self.waiting[0].take()?;
        self.waiting.rotate_left(1);
        self.latched = Some(edge.level);
        Some(edge)
    }
}

impl ErrorType for PortLine {
    type Error = LineUnknown;
}

impl InputPin for PortLine {
    fn is_high(&mut self) -> Result<bool, LineUnknown> {
        self.latched.map(|level| level == PinState::High).ok_or(LineUnknown)
    }

    fn is_low(&mut self) -> Result<bool, LineUnknown> {
        self.is_high().map(|high| !high)
    }
}

impl EdgeSource for PortLine {
    async fn next_edge(&mut self) -> Result<Edge, LineUnknown> {
        match self.pop() {
            Some(edge) => Ok(edge),
            None => Err(never(core::future::pending().await)),
        }
    }

    fn raw_level(&mut self) -> Result<PinState, LineUnknown> {
        self.level.ok_or(LineUnknown)
    }
}

fn never(never: Infallible) -> LineUnknown {
    match never {}
}

impl Contact<PortLine> {
    /// Takes what a scan says of this contact's line. Then call
    /// [`next_scanned`](Self::next_scanned) until it is `None`.
    pub fn scanned(&mut self, scan: &Scan) {
        if self.pin_mut().scanned(scan) {
            self.forget();
        }
    }

    /// The next state that came to count by the edges of the scans, and by the time that has passed
    /// at the last one: pass [`Scan::at_ns`]. A later time would take for lasting what nobody read.
    pub fn next_scanned(&mut self, scanned_ns: u64) -> Option<Reading> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_reading(&mut cx, scanned_ns) {
            Poll::Ready(Ok(reading)) => Some(reading),
            Poll::Ready(Err(LineUnknown)) | Poll::Pending => None,
        }
    }

    /// The chip does not answer: the state is unknown until it does.
    pub const fn lost(&mut self) {
        self.pin_mut().lost();
        self.forget();
    }
}
