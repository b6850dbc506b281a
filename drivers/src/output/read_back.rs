//! How it is known what an output really does.

use core::convert::Infallible;
use core::fmt;

use embedded_hal::digital::{InputPin, OutputPin, PinState, StatefulOutputPin};

use super::Drive;

/// Tells what an output does, from as near to the load as it is wired.
pub trait ReadBack<P: OutputPin> {
    /// What may go wrong.
    type Error: fmt::Debug;

    /// Whether anything can tell.
    const WIRED: bool = true;

    /// What the output does; `None` if nothing can tell. `active_level` is that of the pin.
    ///
    /// # Errors
    ///
    /// The pin that tells it.
    fn drive(&mut self, pin: &mut P, active_level: PinState) -> Result<Option<Drive>, Self::Error>;
}

/// Nothing is wired back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwired;

/// What the output's driver was told. It finds a chip that forgot, not a wire that is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latched;

/// The level of the output's own pin: finds a short as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnPin;

/// An input of its own: the second contact of a relay, or the voltage at the load.
#[derive(Clone, Copy, Debug)]
pub struct Sensed<I> {
    input: I,
    active_level: PinState,
}

impl<I> Sensed<I> {
    /// `active_level`: the level of this input while the load is active.
    pub const fn new(input: I, active_level: PinState) -> Self {
        Self { input, active_level }
    }

    /// Gives the input back.
    pub fn release(self) -> I {
        self.input
    }
}

impl Drive {
    fn of(active: bool) -> Self {
        if active { Self::Active } else { Self::Inactive }
    }
}

impl<P: OutputPin> ReadBack<P> for Unwired {
    type Error = Infallible;

    const WIRED: bool = false;

    fn drive(&mut self, _: &mut P, _: PinState) -> Result<Option<Drive>, Infallible> {
        Ok(None)
    }
}

impl<P: StatefulOutputPin> ReadBack<P> for Latched {
    type Error = P::Error;

    fn drive(&mut self, pin: &mut P, active_level: PinState) -> Result<Option<Drive>, P::Error> {
        Ok(Some(Drive::of(PinState::from(pin.is_set_high()?) == active_level)))
    }
}

impl<P: OutputPin + InputPin> ReadBack<P> for OwnPin {
    type Error = P::Error;

    fn drive(&mut self, pin: &mut P, active_level: PinState) -> Result<Option<Drive>, P::Error> {
        Ok(Some(Drive::of(PinState::from(pin.is_high()?) == active_level)))
    }
}

impl<P: OutputPin, I: InputPin> ReadBack<P> for Sensed<I> {
    type Error = I::Error;

    fn drive(&mut self, _: &mut P, _: PinState) -> Result<Option<Drive>, I::Error> {
        Ok(Some(Drive::of(PinState::from(self.input.is_high()?) == self.active_level)))
    }
}
