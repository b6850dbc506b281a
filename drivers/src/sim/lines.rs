//! The two wires of a simulated bus as pins, for [`recover_bus`](crate::recover_bus).

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, InputPin, OutputPin};

use super::SimI2c;

/// The clock of a simulated bus: an open drain with its level.
#[derive(Clone, Debug)]
pub struct SimScl(SimI2c);

/// The data line of a simulated bus: an open drain with its level.
#[derive(Clone, Debug)]
pub struct SimSda(SimI2c);

impl SimI2c {
    /// Its two wires as pins.
    pub fn wires(&self) -> (SimScl, SimSda) {
        (SimScl(self.clone()), SimSda(self.clone()))
    }
}

impl ErrorType for SimScl {
    type Error = Infallible;
}

impl ErrorType for SimSda {
    type Error = Infallible;
}

impl OutputPin for SimScl {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.lock().scl_low = true;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        let mut wires = self.0.lock();
        // The chip shifts its next bit out at the end of each clock.
        if wires.scl_low && !wires.scl_held && wires.held_clocks != u32::MAX {
            wires.held_clocks = wires.held_clocks.saturating_sub(1);
        }
        wires.scl_low = false;
        Ok(())
    }
}

impl InputPin for SimScl {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        let wires = self.0.lock();
        Ok(!wires.scl_low && !wires.scl_held)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}

impl OutputPin for SimSda {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.lock().sda_low = true;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.lock().sda_low = false;
        Ok(())
    }
}

impl InputPin for SimSda {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        let wires = self.0.lock();
        Ok(!wires.sda_low && wires.held_clocks == 0)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}
