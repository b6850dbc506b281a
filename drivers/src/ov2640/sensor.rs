//! The OV2640 on its control bus.
//!
//! SCCB is I2C with a stop between the address of a register and its value, and so a read is two
//! transfers (OmniVision's "SCCB Functional Specification", from memory; many sensors take a
//! repeated start as well, all take the stop).

use embedded_hal::i2c::I2c;

use super::config::StillConfig;
use super::registers::{
    BANK, BPADDR, BPDATA, COM7, DSP, DSP_BASE, DSP_JPEG, IMAGE_MODE, JPEG, PRODUCT, PRODUCT_ID,
    REG04, REVISION, REVISIONS, SENSOR, SENSOR_BASE, SOFT_RESET, ZMOW,
};
use crate::chip::{Chip, ChipError};

/// Hardware Application Note of the board, section 3: 0x60 with the bit for writing.
const ADDRESS: u8 = 0x30;

/// The sensor. It remembers nothing of the bank: every function selects the one it needs.
#[derive(Debug)]
pub(super) struct Sensor<I2C>(Chip<I2C>);

impl<I2C> Sensor<I2C> {
    pub(super) const fn new(i2c: I2C) -> Self {
        Self(Chip::fixed(i2c, ADDRESS))
    }

    pub(super) fn release(self) -> I2C {
        self.0.release()
    }

    /// Configured, but not long enough ago.
    pub(super) const fn not_settled<E>() -> ChipError<E> {
        ChipError::NotReady { address: ADDRESS }
    }
}

impl<I2C: I2c> Sensor<I2C> {
    /// The revision, if it is an OV2640.
    pub(super) fn identify(&mut self) -> Result<u8, ChipError<I2C::Error>> {
        self.write(SENSOR, BANK, SENSOR)?;
        let product = self.read(SENSOR, PRODUCT)?;
        let revision = self.read(SENSOR, REVISION)?;
        if product == PRODUCT_ID && REVISIONS.contains(&revision) {
            return Ok(revision);
        }
        Err(ChipError::WrongChip {
            address: ADDRESS,
            register: address(SENSOR, PRODUCT),
            expected: u16::from_be_bytes([PRODUCT_ID, REVISIONS[0]]),
            found: u16::from_be_bytes([product, revision]),
        })
    }

    pub(super) fn reset(&mut self) -> Result<(), ChipError<I2C::Error>> {
        self.write(SENSOR, BANK, SENSOR)?;
        self.write(SENSOR, COM7, SOFT_RESET)
    }

    /// All registers, after a reset.
    pub(super) fn configure(&mut self, config: StillConfig) -> Result<(), ChipError<I2C::Error>> {
        self.write_all(SENSOR, SENSOR_BASE)?;
        self.write_all(DSP, DSP_BASE)?;
        self.write_all(DSP, DSP_JPEG)?;
        self.write_all(SENSOR, config.size.sensor())?;
        self.write_all(SENSOR, &[(REG04, config.mirror.reg04())])?;
        self.write_all(DSP, &config.size.dsp())?;
        // Effects: brightness on (indirect 0, bit 2), by so much (indirect 9), added (indirect 10).
        let brightness = config.brightness.offset();
        self.write_all(
            DSP,
            &[(BPADDR, 0x00), (BPDATA, 0x04), (BPADDR, 0x09), (BPDATA, brightness), (BPDATA, 0x00)],
        )
    }

    /// Whether the sensor still holds what was written: it makes JPEG, of the right size.
    pub(super) fn verify(&mut self, config: StillConfig) -> Result<(), ChipError<I2C::Error>> {
        self.write(DSP, BANK, DSP)?;
        let width = (config.size.pixels().0 / 4).to_le_bytes()[0];
        for (register, expected) in [(IMAGE_MODE, JPEG), (ZMOW, width)] {
            let found = self.read(DSP, register)?;
            self.0.expect(register, expected.into(), found.into())?;
        }
        Ok(())
    }

    fn write_all(&mut self, bank: u8, registers: &[(u8, u8)]) -> Result<(), ChipError<I2C::Error>> {
        self.write(bank, BANK, bank)?;
        registers.iter().try_for_each(|(register, value)| self.write(bank, *register, *value))
    }

    fn write(&mut self, bank: u8, register: u8, value: u8) -> Result<(), ChipError<I2C::Error>> {
        self.0.send(address(bank, register), &[register, value])
    }

    fn read(&mut self, bank: u8, register: u8) -> Result<u8, ChipError<I2C::Error>> {
        self.0.send(address(bank, register), &[register])?;
        let [value] = self.0.receive(address(bank, register))?;
        Ok(value)
    }
}

/// For messages: the bank before the register.
fn address(bank: u8, register: u8) -> u16 {
    u16::from_be_bytes([bank, register])
}
