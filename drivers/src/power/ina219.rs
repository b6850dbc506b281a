//! INA219: up to 26 V. TI SBOS448G.

use embedded_hal::i2c::I2c;

use super::{Power, PowerMonitor};
use crate::chip::{BadAddress, Chip, ChipError};
use crate::units::{Milliamps, Milliohms, Millivolts};

// Table 2 of section 8.6.
const CONFIGURATION: u8 = 0;
const SHUNT: u8 = 1;
const BUS: u8 = 2;
const POWER: u8 = 3;

/// Section 8.6.2.1: 32 V range, ±320 mV at the shunt, the mean of 32 samples of both (17 ms each),
/// continuously. Other than after a reset (0x399f), which it thereby tells.
const SETTINGS: u16 = 0x3eef;
/// Section 8.6.3.2: a conversion has ended since POWER was read.
const CONVERTED: u16 = 0b10;
/// ±320 mV in steps of 10 µV (section 8.6.3.1).
const SHUNT_LIMIT: u16 = 32_000;

/// An INA219 with its shunt.
#[derive(Debug)]
pub struct Ina219<I2C> {
    chip: Chip<I2C>,
    shunt: Milliohms,
    configured: bool,
}

impl<I2C: I2c> Ina219<I2C> {
    /// At one of 0x40 to 0x4f (section 8.5.5.1). The chip is not touched; it has no identity.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new(i2c: I2C, address: u8, shunt: Milliohms) -> Result<Self, BadAddress> {
        let chip = Chip::new(i2c, address, &(0x40..=0x4f))?;
        Ok(Self { chip, shunt, configured: false })
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }
}

impl<I2C: I2c> PowerMonitor for Ina219<I2C> {
    type BusError = I2C::Error;

    fn measure(&mut self) -> Result<Power, ChipError<I2C::Error>> {
        if !self.configured {
            self.chip.write_word(CONFIGURATION, SETTINGS)?;
            self.configured = true;
        }
        let found = self.chip.read_word(CONFIGURATION)?;
        self.chip
            .expect(CONFIGURATION, SETTINGS, found)
            .inspect_err(|_| self.configured = false)?;
        let bus = self.chip.read_word(BUS)?;
        if bus & CONVERTED == 0 {
            return Err(ChipError::NotReady { address: self.chip.address() });
        }
        let shunt = self.chip.read_word(SHUNT)?;
        // Reading it is what clears CONVERTED: the next measurement is a new one or none.
        self.chip.read_word(POWER)?;
        Ok(convert(bus, shunt, self.shunt))
    }
}

/// Section 8.6.3: 4 mV in the upper 13 bits, and 10 µV with sign.
fn convert(bus: u16, shunt: u16, resistance: Milliohms) -> Power {
    let shunt = i64::from(shunt.cast_signed());
    // Microvolts through milliohms are milliamperes; at most 327 680.
    let current = i32::try_from(shunt * 10 / i64::from(resistance.0.get())).unwrap_or(i32::MAX);
    Power {
        bus: Millivolts(i32::from(bus >> 3) * 4),
        current: Milliamps(current),
        saturated: shunt.unsigned_abs() >= u64::from(SHUNT_LIMIT),
    }
}

#[cfg(test)]
pub(super) fn converted(bus: u16, shunt: u16, resistance: Milliohms) -> Power {
    convert(bus, shunt, resistance)
}
