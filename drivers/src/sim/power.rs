//! Simulated supply monitors.

use embedded_hal::i2c::ErrorKind;

use super::SimChip;
use super::bus::REFUSED;

/// What both chips have in common.
#[derive(Clone, Copy, Debug)]
struct Ina {
    pointer: u8,
    configuration: u16,
    millivolts: u16,
    /// At the shunt.
    microvolts: i32,
    converts: bool,
    /// Whether a conversion has ended since the flag was cleared.
    converted: bool,
}

impl Ina {
    const fn new() -> Self {
        Self {
            pointer: 0,
            configuration: 0,
            millivolts: 0,
            microvolts: 0,
            converts: true,
            converted: true,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        match *bytes {
            [] => {}
            [0, high, low] => {
                self.pointer = 0;
                self.configuration = u16::from_be_bytes([high, low]);
            }
            [pointer] | [pointer, _, _] => self.pointer = pointer,
            _ => return Err(REFUSED),
        }
        Ok(())
    }

    fn shunt(&self, nanovolts: i32) -> u16 {
        let steps = self.microvolts.saturating_mul(1_000) / nanovolts;
        i16::try_from(steps).unwrap_or(if steps < 0 { i16::MIN } else { i16::MAX }).cast_unsigned()
    }
}

fn fill(bytes: &mut [u8], word: u16) {
    for (byte, value) in bytes.iter_mut().zip(word.to_be_bytes().into_iter().cycle()) {
        *byte = value;
    }
}

macro_rules! hands {
    ($chip:ident) => {
        impl $chip {
            /// Without a supply to measure.
            pub const fn new() -> Self {
                Self { ina: Ina::new() }
            }

            /// What is to be measured: the voltage of the supply, and that at the shunt.
            pub fn supply(&mut self, millivolts: u16, shunt_microvolts: i32) {
                (self.ina.millivolts, self.ina.microvolts) = (millivolts, shunt_microvolts);
            }

            /// Whether the chip's converter runs. If not, nothing new is measured.
            pub fn converts(&mut self, runs: bool) {
                self.ina.converts = runs;
                self.ina.converted = runs;
            }
        }

        impl Default for $chip {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

/// A simulated INA219 (TI SBOS448G).
#[derive(Clone, Debug)]
pub struct SimIna219 {
    ina: Ina,
}

hands!(SimIna219);

impl SimChip for SimIna219 {
    fn power_on(&mut self) {
        self.ina.configuration = 0x399f;
        self.ina.pointer = 0;
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        self.ina.write(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        let word = match self.ina.pointer {
            0 => self.ina.configuration,
            1 => self.ina.shunt(10_000),
            2 => ((self.ina.millivolts / 4) << 3) | (u16::from(self.ina.converted) << 1),
            3 => {
                self.ina.converted = self.ina.converts;
                0
            }
            _ => 0,
        };
        fill(bytes, word);
        Ok(())
    }
}

/// A simulated INA226 (TI SBOS547B).
#[derive(Clone, Debug)]
pub struct SimIna226 {
    ina: Ina,
}

hands!(SimIna226);

impl SimChip for SimIna226 {
    fn power_on(&mut self) {
        self.ina.configuration = 0x4127;
        self.ina.pointer = 0;
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        self.ina.write(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        let word = match self.ina.pointer {
            0 => self.ina.configuration,
            1 => self.ina.shunt(2_500),
            2 => u16::try_from(u32::from(self.ina.millivolts) * 4 / 5).unwrap_or(u16::MAX),
            6 => {
                let flag = u16::from(self.ina.converted) << 3;
                self.ina.converted = self.ina.converts;
                flag
            }
            0xfe => 0x5449,
            0xff => 0x2260,
            _ => 0,
        };
        fill(bytes, word);
        Ok(())
    }
}
