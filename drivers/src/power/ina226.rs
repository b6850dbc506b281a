//! INA226: up to 36 V. TI SBOS547B.

use embedded_hal::i2c::I2c;

use super::{Power, PowerMonitor};
use crate::chip::{BadAddress, Chip, ChipError};
use crate::units::{Milliamps, Milliohms, Millivolts};

// Table 4 of section 7.6.
const CONFIGURATION: u8 = 0x00;
const SHUNT: u8 = 0x01;
const BUS: u8 = 0x02;
const MASK: u8 = 0x06;
const MANUFACTURER: u8 = 0xfe;
const DIE: u8 = 0xff;

/// Section 7.6.1: the mean of 16 samples of 1.1 ms of both (35 ms), continuously. Other than after
/// a reset (0x4127), which it thereby tells.
const SETTINGS: u16 = 0x4527;
/// Section 7.6.7: a conversion has ended since MASK was read.
const CONVERTED: u16 = 0x0008;
/// Section 7.6.9: "TI".
const TI: u16 = 0x5449;
/// Section 7.6.10: 226h and a revision.
const DIE_ID: u16 = 0x2260;
const REVISION: u16 = 0x000f;

/// An INA226 with its shunt.
#[derive(Debug)]
pub struct Ina226<I2C> {
    chip: Chip<I2C>,
    shunt: Milliohms,
    configured: bool,
}

impl<I2C: I2c> Ina226<I2C> {
    /// At one of 0x40 to 0x4f (section 7.5.5.1). The chip is not touched.
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

    fn identify(
        &mut self,
        register: u8,
        mask: u16,
        expected: u16,
    ) -> Result<(), ChipError<I2C::Error>> {
        let found = self.chip.read_word(register)?;
        if found & mask == expected {
            return Ok(());
        }
        let address = self.chip.address();
        Err(ChipError::WrongChip { address, register: register.into(), expected, found })
    }
}

impl<I2C: I2c> PowerMonitor for Ina226<I2C> {
    type BusError = I2C::Error;

    fn measure(&mut self) -> Result<Power, ChipError<I2C::Error>> {
        if !self.configured {
            self.identify(MANUFACTURER, u16::MAX, TI)?;
            self.identify(DIE, !REVISION, DIE_ID)?;
            self.chip.write_word(CONFIGURATION, SETTINGS)?;
            self.configured = true;
        }
        let found = self.chip.read_word(CONFIGURATION)?;
        self.chip
            .expect(CONFIGURATION, SETTINGS, found)
            .inspect_err(|_| self.configured = false)?;
        // Reading it clears CONVERTED: the next measurement is a new one or none.
        if self.chip.read_word(MASK)? & CONVERTED == 0 {
            return Err(ChipError::NotReady { address: self.chip.address() });
        }
        let bus = self.chip.read_word(BUS)?;
        let shunt = self.chip.read_word(SHUNT)?;
        if bus > 0x7fff {
            // Section 7.6.3: bit 15 is always 0.
            let address = self.chip.address();
            return Err(ChipError::Implausible { address, register: BUS.into(), found: bus });
        }
        Ok(convert(bus, shunt, self.shunt))
    }
}

/// Section 7.6: 1.25 mV, and 2.5 µV with sign.
fn convert(bus: u16, shunt: u16, resistance: Milliohms) -> Power {
    let shunt = i64::from(shunt.cast_signed());
    // Microvolts through milliohms are milliamperes; at most 81 920.
    let current = shunt * 5 / (2 * i64::from(resistance.0.get()));
    Power {
        bus: Millivolts(i32::from(bus) * 5 / 4),
        current: Milliamps(i32::try_from(current).unwrap_or(i32::MAX)),
        saturated: shunt == i64::from(i16::MAX) || shunt == i64::from(i16::MIN),
    }
}

#[cfg(test)]
pub(super) fn converted(bus: u16, shunt: u16, resistance: Milliohms) -> Power {
    convert(bus, shunt, resistance)
}
