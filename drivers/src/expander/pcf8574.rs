//! PCF8574 and PCF8574A: 8 lines, quasi-bidirectional. NXP PCF8574 rev. 5, TI SCPS068J.
//!
//! # Limits
//!
//! The chip has no registers besides the port: a line is an input while a 1 is written to it, and
//! then a current source of 100 µA pulls it up (NXP section 8.1). A reset makes all lines inputs,
//! which is seen by an output that should be low and is not; one that should be high loses nothing.
//! An output drives low only: switch loads with a low level, or give it a pull-up of its own.

use embedded_hal::i2c::I2c;

use super::{ExpanderChip, PullUps, Sample, Setup};
use crate::chip::{BadAddress, Chip, ChipError};

/// The port has no number; this is what messages name.
const PORT: u8 = 0;

/// A PCF8574 or PCF8574A.
#[derive(Debug)]
pub struct Pcf8574<I2C> {
    chip: Chip<I2C>,
}

impl<I2C: I2c> Pcf8574<I2C> {
    /// A PCF8574, at one of 0x20 to 0x27 (NXP table 4). The chip is not touched.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new(i2c: I2C, address: u8) -> Result<Self, BadAddress> {
        Ok(Self { chip: Chip::new(i2c, address, &(0x20..=0x27))? })
    }

    /// A PCF8574A, at one of 0x38 to 0x3f (NXP table 5). The chip is not touched.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new_a(i2c: I2C, address: u8) -> Result<Self, BadAddress> {
        Ok(Self { chip: Chip::new(i2c, address, &(0x38..=0x3f))? })
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }

    fn port(&mut self) -> Result<u8, ChipError<I2C::Error>> {
        self.chip.receive(PORT.into()).map(|[levels]: [u8; 1]| levels)
    }
}

impl<I2C: I2c> ExpanderChip for Pcf8574<I2C> {
    type BusError = I2C::Error;

    const LINES: u8 = 8;
    const PULL_UPS: PullUps = PullUps::Always;

    fn address(&self) -> u8 {
        self.chip.address()
    }

    fn configure(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        self.write_outputs(setup)?;
        self.verify(setup)
    }

    fn verify(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        self.sample(setup).map(|_| ())
    }

    fn sample(&mut self, setup: &Setup) -> Result<Sample, ChipError<I2C::Error>> {
        let levels = u16::from(self.port()?);
        let must_be_low = setup.port.outputs & !setup.outputs & 0xff;
        self.chip.expect(PORT, 0, levels & must_be_low)?;
        Ok(Sample { levels, captured: None })
    }

    fn write_outputs(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        let [latches, _] = (setup.outputs | !setup.port.outputs).to_le_bytes();
        // A port without registers: the one byte is the whole of the message.
        self.chip.send(PORT.into(), &[latches])
    }
}
