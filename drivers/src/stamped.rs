//! Time stamps for pins that have none.

use embedded_hal::digital::{ErrorType, InputPin, PinState};
use embedded_hal_async::digital::Wait;

use crate::edge::{Clock, Edge, EdgeSource};

/// Makes an [`EdgeSource`] of any pin that can be read and waited for, with the time from a clock.
///
/// It waits for the *level* opposite to the last one, never for an edge: a change between two waits
/// is then still seen. A pulse that came and went between two waits is not, and the time is that at
/// which the change was noticed: such pins keep the debounce rule only as well as the task that
/// reads them keeps up. Where the kernel stamps edges, use that.
#[derive(Debug)]
pub struct Stamped<P, C> {
    pin: P,
    clock: C,
    latched: Option<PinState>,
}

impl<P, C> Stamped<P, C> {
    /// Nothing is read before the first use.
    pub const fn new(pin: P, clock: C) -> Self {
        Self { pin, clock, latched: None }
    }

    /// Gives the pin back.
    pub fn release(self) -> P {
        self.pin
    }
}

impl<P: ErrorType, C> ErrorType for Stamped<P, C> {
    type Error = P::Error;
}

impl<P: InputPin, C> Stamped<P, C> {
    fn latch(&mut self) -> Result<PinState, P::Error> {
        if let Some(level) = self.latched {
            return Ok(level);
        }
        let level = PinState::from(self.pin.is_high()?);
        self.latched = Some(level);
        Ok(level)
    }
}

impl<P: InputPin, C> InputPin for Stamped<P, C> {
    fn is_high(&mut self) -> Result<bool, Self::Error> {
        Ok(self.latch()? == PinState::High)
    }

    fn is_low(&mut self) -> Result<bool, Self::Error> {
        Ok(self.latch()? == PinState::Low)
    }
}

impl<P: InputPin + Wait, C: Clock> EdgeSource for Stamped<P, C> {
    async fn next_edge(&mut self) -> Result<Edge, Self::Error> {
        let level = !self.latch()?;
        match level {
            PinState::High => self.pin.wait_for_high().await?,
            PinState::Low => self.pin.wait_for_low().await?,
        }
        self.latched = Some(level);
        Ok(Edge { level, at_ns: self.clock.now_ns(), line_seqno: None, lost_before: 0 })
    }

    fn raw_level(&mut self) -> Result<PinState, Self::Error> {
        let level = PinState::from(self.pin.is_high()?);
        // Only the first level is latched: a later difference is an edge that is still to be told.
        self.latched.get_or_insert(level);
        Ok(level)
    }
}
