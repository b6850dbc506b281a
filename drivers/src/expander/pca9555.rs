//! PCA9555: 16 lines, pull-ups of 100 kΩ that are always on. NXP PCA9555 rev. 10, TI SCPS131J.
//!
//! A TCA9555 is the same without pull-ups: fit resistors.

use embedded_hal::i2c::I2c;

use super::{ExpanderChip, PullUps, Sample, Setup};
use crate::chip::{BadAddress, Chip, ChipError};

// NXP table 4, each a pair of ports.
const INPUT: u8 = 0;
const OUTPUT: u8 = 2;
const POLARITY: u8 = 4;
const CONFIGURATION: u8 = 6;

/// A PCA9555.
#[derive(Debug)]
pub struct Pca9555<I2C> {
    chip: Chip<I2C>,
}

impl<I2C: I2c> Pca9555<I2C> {
    /// At one of 0x20 to 0x27 (NXP section 6.1). The chip is not touched.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new(i2c: I2C, address: u8) -> Result<Self, BadAddress> {
        Ok(Self { chip: Chip::new(i2c, address, &(0x20..=0x27))? })
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }

    fn write_pair(&mut self, register: u8, lines: u16) -> Result<(), ChipError<I2C::Error>> {
        let [low, high] = lines.to_le_bytes();
        self.chip.write([register, low, high])
    }

    fn verify_pair(&mut self, register: u8, lines: u16) -> Result<(), ChipError<I2C::Error>> {
        let found = u16::from_le_bytes(self.chip.read(register)?);
        self.chip.expect(register, lines, found)
    }
}

impl<I2C: I2c> ExpanderChip for Pca9555<I2C> {
    type BusError = I2C::Error;

    const LINES: u8 = 16;
    const PULL_UPS: PullUps = PullUps::Always;

    fn address(&self) -> u8 {
        self.chip.address()
    }

    fn configure(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        // The levels before the directions: no output ever drives a level that nobody chose.
        self.write_outputs(setup)?;
        self.write_pair(POLARITY, 0)?;
        self.write_pair(CONFIGURATION, !setup.port.outputs)?;
        self.verify(setup)
    }

    fn verify(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        self.verify_pair(OUTPUT, setup.outputs)?;
        self.verify_pair(POLARITY, 0)?;
        self.verify_pair(CONFIGURATION, !setup.port.outputs)
    }

    fn sample(&mut self, setup: &Setup) -> Result<Sample, ChipError<I2C::Error>> {
        let levels = u16::from_le_bytes(self.chip.read(INPUT)?);
        // After a reset all lines are inputs and all latches 1 (NXP tables 6 and 8). Ours differ:
        // there is an output, or else the latches, which no input needs, are 0.
        //
        // The second reading also moves the register pointer away from INPUT. While it is there,
        // TI's chips end their interrupt at each reading of any other chip on the bus (SCPS131J,
        // interrupt errata).
        if setup.port.outputs == 0 {
            self.verify_pair(OUTPUT, setup.outputs)?;
        } else {
            self.verify_pair(CONFIGURATION, !setup.port.outputs)?;
        }
        Ok(Sample { levels, captured: None })
    }

    fn write_outputs(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        self.write_pair(OUTPUT, setup.outputs)
    }
}
