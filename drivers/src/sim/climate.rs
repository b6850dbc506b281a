//! Simulated thermometers and the clock.

use embedded_hal::i2c::ErrorKind;

use super::SimChip;
use super::bus::{NO_CHIP, REFUSED};
use crate::crc::crc8;
use crate::units::CentiCelsius;

/// A simulated TMP102 (TI SBOS397H).
#[derive(Clone, Debug, Default)]
pub struct SimTmp102 {
    pointer: u8,
    configuration: u16,
    sixteenths: i16,
}

impl SimTmp102 {
    /// At 0 °C.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be measured.
    pub fn temperature(&mut self, temperature: CentiCelsius) {
        let sixteenths = temperature.0.saturating_mul(16) / 100;
        self.sixteenths = i16::try_from(sixteenths.clamp(-2_048, 2_047)).unwrap_or_default();
    }
}

impl SimChip for SimTmp102 {
    fn power_on(&mut self) {
        (self.pointer, self.configuration) = (0, 0x60a0);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        if let Some(&pointer) = bytes.first() {
            self.pointer = pointer & 3;
        }
        if let [1, high, low] = *bytes {
            // R1 and R0 are 1, AL is 1 while there is no alert.
            self.configuration = u16::from_be_bytes([high, low]) & 0x1fdf | 0x6020;
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        let word = match self.pointer {
            0 => (self.sixteenths << 4).cast_unsigned(),
            1 => self.configuration,
            _ => 0,
        };
        for (byte, value) in bytes.iter_mut().zip(word.to_be_bytes().into_iter().cycle()) {
            *byte = value;
        }
        Ok(())
    }
}

/// A simulated SHT3x (Sensirion, version 7).
#[derive(Clone, Debug, Default)]
pub struct SimSht3x {
    temperature: u16,
    humidity: u16,
    answer: [u16; 2],
    words: usize,
    busy: bool,
}

impl SimSht3x {
    /// At the lower end of both ranges.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be measured, as the raw words of the chip.
    pub fn climate(&mut self, temperature: u16, humidity: u16) {
        (self.temperature, self.humidity) = (temperature, humidity);
    }

    /// Whether it does not come to an end with a measurement.
    pub fn busy(&mut self, busy: bool) {
        self.busy = busy;
    }
}

impl SimChip for SimSht3x {
    fn power_on(&mut self) {
        self.words = 0;
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        match *bytes {
            [0x24, 0x00] => (self.answer, self.words) = ([self.temperature, self.humidity], 2),
            [0xf3, 0x2d] => (self.answer, self.words) = ([0x8010, 0], 1),
            _ => return Err(REFUSED),
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        // Section 4.4: the address is not acknowledged while there is nothing to read.
        if self.words == 0 || self.busy && self.words == 2 {
            return Err(NO_CHIP);
        }
        let words = self.answer.iter().take(self.words).map(|word| word.to_be_bytes());
        let answer = words.flat_map(|[high, low]| [high, low, crc8(&[high, low])]);
        for (byte, value) in bytes.iter_mut().zip(answer.chain(core::iter::repeat(0xff))) {
            *byte = value;
        }
        self.words = 0;
        Ok(())
    }
}

/// A simulated DS3231 (Maxim 19-5170). Its time stands still unless it is set.
#[derive(Clone, Debug, Default)]
pub struct SimDs3231 {
    registers: [u8; 19],
    pointer: u8,
}

impl SimDs3231 {
    /// Its battery was just inserted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time, as its registers, and clears the flag that it had stopped.
    pub fn set(&mut self, time: [u8; 7]) {
        self.registers[..7].copy_from_slice(&time);
        self.registers[0x0f] &= 0x7f;
    }

    /// What is to be measured.
    pub fn temperature(&mut self, temperature: CentiCelsius) {
        let quarters = (temperature.0 / 25).clamp(-512, 511);
        let word = i16::try_from(quarters).unwrap_or_default() << 6;
        self.registers[0x11..].copy_from_slice(&word.to_be_bytes());
    }
}

impl SimChip for SimDs3231 {
    fn power_on(&mut self) {
        self.registers = [0; 19];
        // Figure 1 and "control register": 01-01-00, control 0x1c, status 0x88.
        self.registers[3..6].fill(1);
        self.registers[0x0e..=0x0f].copy_from_slice(&[0x1c, 0x88]);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        let [pointer, values @ ..] = bytes else { return Ok(()) };
        self.pointer = *pointer;
        for &value in values {
            let register = self.registers.get_mut(usize::from(self.pointer));
            *register.ok_or(REFUSED)? = value;
            self.pointer = self.pointer.wrapping_add(1);
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        for byte in bytes {
            *byte = self.registers[usize::from(self.pointer) % self.registers.len()];
            self.pointer = self.pointer.wrapping_add(1);
        }
        Ok(())
    }
}
