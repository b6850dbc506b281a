//! MCP23017: 16 lines with pull-ups, capture at the interrupt. Microchip DS20001952D.
//!
//! # Limits
//!
//! The datasheet of 2022 allows GPA7 and GPB7 (lines 7 and 15) as outputs only: a change of the
//! pin while it is read may bend SDA. Earlier ones do not say so, and boards use them as inputs:
//! [`Mcp23017::DOUBTFUL_INPUTS`](ExpanderChip::DOUBTFUL_INPUTS) names them.

use embedded_hal::i2c::I2c;

use super::{Capture, ExpanderChip, InterruptPin, PullUps, Sample, Setup};
use crate::chip::{BadAddress, Chip, ChipError};

// Table 3-3 and 3-5, IOCON.BANK = 0: the registers of both ports alternate.
const IODIR: u8 = 0x00;
/// GPINTENB; with BANK = 1 this is the address of IOCON.
const GPINTENB: u8 = 0x05;
const IOCON: u8 = 0x0a;
const GPPU: u8 = 0x0c;
const OLAT: u8 = 0x14;

/// Table 3-6: INTA and INTB are one. 0 after a reset, so this bit is the proof that there was none.
const MIRROR: u8 = 0x40;
/// Table 3-6: the interrupt pin is an open drain.
const ODR: u8 = 0x04;

/// An MCP23017.
#[derive(Debug)]
pub struct Mcp23017<I2C> {
    chip: Chip<I2C>,
}

impl<I2C: I2c> Mcp23017<I2C> {
    /// At one of 0x20 to 0x27 (section 3.3.1). The chip is not touched.
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

    /// 0x00 to 0x0d as they must be: IODIR, IPOL, GPINTEN, DEFVAL, INTCON, IOCON, GPPU.
    fn registers(setup: &Setup) -> [u8; 14] {
        let inputs = !setup.port.outputs;
        let [dir_a, dir_b] = inputs.to_le_bytes();
        let [int_a, int_b] = (setup.port.interrupts & inputs).to_le_bytes();
        let [up_a, up_b] = (setup.port.pull_ups & inputs).to_le_bytes();
        let iocon = Self::iocon(setup);
        // IPOL is 0: never inverted. INTCON is 0: each change interrupts, DEFVAL is unused.
        [dir_a, dir_b, 0, 0, int_a, int_b, 0, 0, 0, 0, iocon, iocon, up_a, up_b]
    }

    fn iocon(setup: &Setup) -> u8 {
        match setup.port.interrupt_pin {
            InterruptPin::OpenDrain => MIRROR | ODR,
            InterruptPin::PushPull => MIRROR,
        }
    }
}

impl<I2C: I2c> ExpanderChip for Mcp23017<I2C> {
    type BusError = I2C::Error;

    const LINES: u8 = 16;
    const PULL_UPS: PullUps = PullUps::Selectable;
    const DOUBTFUL_INPUTS: u16 = 0x8080;

    fn address(&self) -> u8 {
        self.chip.address()
    }

    fn configure(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        // Section 3.5.6: if noise has set BANK, the registers are elsewhere. This write clears it
        // then, and otherwise disables some interrupts for a moment.
        self.chip.write([GPINTENB, 0])?;
        // The levels before the directions: no output ever drives a level that nobody chose.
        self.write_outputs(setup)?;
        let mut bytes = [IODIR; 15];
        bytes[1..].copy_from_slice(&Self::registers(setup));
        self.chip.write(bytes)?;
        self.verify(setup)
    }

    fn verify(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        let found: [u8; 14] = self.chip.read(IODIR)?;
        for ((register, expected), found) in (IODIR..).zip(Self::registers(setup)).zip(found) {
            self.chip.expect(register, expected.into(), found.into())?;
        }
        let latches = u16::from_le_bytes(self.chip.read(OLAT)?);
        self.chip.expect(OLAT, setup.outputs, latches)
    }

    fn sample(&mut self, setup: &Setup) -> Result<Sample, ChipError<I2C::Error>> {
        // IOCON, GPPU, INTF, INTCAP, GPIO in one reading. So each reading proves that the chip
        // kept its configuration; and INTCAP is read before GPIO, which ends the interrupt, so
        // that a change in between is in GPIO or asserts the interrupt anew (section 3.6.3).
        let bytes: [u8; 10] = self.chip.read(IOCON)?;
        let [iocon, _, up_a, up_b, flag_a, flag_b, cap_a, cap_b, now_a, now_b] = bytes;
        self.chip.expect(IOCON, Self::iocon(setup).into(), iocon.into())?;
        let pull_ups = setup.port.pull_ups & !setup.port.outputs;
        self.chip.expect(GPPU, pull_ups, u16::from_le_bytes([up_a, up_b]))?;
        let lines = u16::from_le_bytes([flag_a, flag_b]);
        Ok(Sample {
            levels: u16::from_le_bytes([now_a, now_b]),
            captured: Some(Capture { lines, levels: u16::from_le_bytes([cap_a, cap_b]) }),
        })
    }

    fn write_outputs(&mut self, setup: &Setup) -> Result<(), ChipError<I2C::Error>> {
        let [low, high] = setup.outputs.to_le_bytes();
        self.chip.write([OLAT, low, high])
    }
}
