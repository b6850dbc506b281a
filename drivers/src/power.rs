//! The supply of the box: voltage, current, and how much the battery has left.
//!
//! Wrapping the `ina219` crate was considered: it relies on the chip's calibration register, which
//! a dip of the supply clears without notice, and then tells a current of 0. Here the current is
//! computed from the voltage at the shunt, and each measurement proves that the chip kept its
//! configuration and has measured anew.

mod battery;
mod ina219;
mod ina226;

use embedded_hal::i2c;

pub use battery::{Battery, BatteryChange, BatteryConfig, BatteryState};
pub use ina219::Ina219;
pub use ina226::Ina226;

use crate::chip::ChipError;
use crate::units::{Milliamps, Millivolts};

/// One measurement of a supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// The voltage between the load side of the shunt and ground.
    pub bus: Millivolts,
    /// The current through the shunt, from IN+ to IN-.
    pub current: Milliamps,
    /// The shunt has more voltage than can be measured: the current is at least this.
    pub saturated: bool,
}

/// A chip that measures a supply.
pub trait PowerMonitor {
    /// The error of the bus.
    type BusError: i2c::Error;

    /// The newest measurement. The first call configures the chip, and so does the next one after
    /// a reset was found.
    ///
    /// # Errors
    ///
    /// `NotReady` if nothing was measured since the last call: both chips take 35 ms. The bus
    /// failed, or the chip was reset: call again.
    fn measure(&mut self) -> Result<Power, ChipError<Self::BusError>>;
}

#[cfg(test)]
mod tests;
