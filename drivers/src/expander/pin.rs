//! One output of an expander as a pin of embedded-hal.

use core::cell::RefCell;
use core::fmt;
use core::ops::Deref;

use embedded_hal::digital::{
    Error, ErrorKind, ErrorType, InputPin, OutputPin, PinState, StatefulOutputPin,
};

use super::{Expander, ExpanderChip};
use crate::chip::ChipError;

/// One output of an expander that is shared within a thread: `R` is `&RefCell<Expander<_>>` or
/// `Rc<RefCell<Expander<_>>>`.
///
/// As an `InputPin` it tells the level of its own pin at the last scan, which is the read-back of
/// what the chip drives; as a `StatefulOutputPin` what the chip was told.
#[derive(Clone, Debug)]
pub struct ExpanderPin<R> {
    expander: R,
    line: u8,
}

/// Why an output could not be set or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinError<E> {
    /// The expander's.
    Chip(ChipError<E>),
    /// The expander is borrowed by somebody else at this moment: our bug.
    Busy,
    /// The line is not an output of its configuration.
    NotAnOutput(u8),
    /// The level is not known: the chip does not answer, or was not scanned since.
    Unknown,
}

impl<E: fmt::Debug> fmt::Display for PinError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chip(error) => error.fmt(f),
            Self::Busy => f.write_str("the expander is in use: it must be scanned in between"),
            Self::NotAnOutput(line) => write!(f, "line {line} is not configured as an output"),
            Self::Unknown => f.write_str("the expander has not been read"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for PinError<E> {}

impl<E: fmt::Debug> Error for PinError<E> {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl<R> ExpanderPin<R> {
    /// The line of that number, 0 to 15. It is not touched.
    pub const fn new(expander: R, line: u8) -> Self {
        Self { expander, line }
    }
}

impl<R: Deref<Target = RefCell<Expander<C>>>, C: ExpanderChip> ExpanderPin<R> {
    fn mask(&self) -> u16 {
        1u16.checked_shl(self.line.into()).unwrap_or(0)
    }

    fn read(
        &self,
        levels: impl FnOnce(&Expander<C>) -> Option<u16>,
    ) -> Result<bool, PinError<C::BusError>> {
        let expander = self.expander.try_borrow().map_err(|_| PinError::Busy)?;
        let levels = levels(&expander).ok_or(PinError::Unknown)?;
        Ok(levels & self.mask() != 0)
    }
}

impl<R: Deref<Target = RefCell<Expander<C>>>, C: ExpanderChip> ErrorType for ExpanderPin<R> {
    type Error = PinError<C::BusError>;
}

impl<R: Deref<Target = RefCell<Expander<C>>>, C: ExpanderChip> OutputPin for ExpanderPin<R> {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        self.set_state(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        self.set_state(PinState::High)
    }

    fn set_state(&mut self, state: PinState) -> Result<(), Self::Error> {
        let mask = self.mask();
        let levels = if state == PinState::High { mask } else { 0 };
        let mut expander = self.expander.try_borrow_mut().map_err(|_| PinError::Busy)?;
        if expander.setup.port.outputs & mask == 0 {
            return Err(PinError::NotAnOutput(self.line));
        }
        expander.set_outputs(mask, levels).map_err(PinError::Chip)
    }
}

impl<R: Deref<Target = RefCell<Expander<C>>>, C: ExpanderChip> StatefulOutputPin
    for ExpanderPin<R>
{
    fn is_set_high(&mut self) -> Result<bool, Self::Error> {
        self.read(Expander::outputs)
    }

    fn is_set_low(&mut self) -> Result<bool, Self::Error> {
        self.is_set_high().map(|high| !high)
    }
}

impl<R: Deref<Target = RefCell<Expander<C>>>, C: ExpanderChip> InputPin for ExpanderPin<R> {
    fn is_high(&mut self) -> Result<bool, Self::Error> {
        self.read(Expander::levels)
    }

    fn is_low(&mut self) -> Result<bool, Self::Error> {
        self.is_high().map(|high| !high)
    }
}
