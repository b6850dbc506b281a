//! A simulated camera sensor.

use embedded_hal::i2c::ErrorKind;

use super::SimChip;
use super::bus::REFUSED;

/// A simulated OV2640 (OmniVision): two banks of registers, and whether what they
/// hold makes a picture. The picture itself comes from a [`SimArduChip`](super::SimArduChip).
#[derive(Clone, Debug)]
pub struct SimOv2640 {
    dsp: [u8; 256],
    sensor: [u8; 256],
    /// The effects behind `BPADDR` and `BPDATA`.
    effects: [u8; 256],
    bank: u8,
    pointer: u8,
    revision: u8,
}

impl SimOv2640 {
    /// A sensor of revision 0x42.
    pub const fn new() -> Self {
        let nothing = [0; 256];
        Self {
            dsp: nothing,
            sensor: nothing,
            effects: nothing,
            bank: 0,
            pointer: 0,
            revision: 0x42,
        }
    }

    /// Another revision, or another sensor.
    pub fn revision(&mut self, revision: u8) {
        self.revision = revision;
    }

    /// Whether the output is JPEG: the mode is on, nothing is held in reset, the processor is not
    /// passed by, and the size is not 0.
    pub fn sends_jpeg(&self) -> bool {
        let at = |register: u8| self.dsp.get(usize::from(register)).copied().unwrap_or_default();
        at(0xda) & 0x10 != 0 && at(0xe0) == 0 && at(0x05) & 1 == 0 && self.size() != (0, 0)
    }

    /// Width and height of the output (`ZMOW`, `ZMOH`, `ZMHH`).
    pub fn size(&self) -> (u16, u16) {
        let [width, height, high] =
            [0x5a, 0x5b, 0x5c].map(|register: usize| u16::from(self.dsp[register]));
        ((width | (high & 3) << 8) * 4, (height | (high & 4) << 6) * 4)
    }

    /// Whether left and right, and up and down, are exchanged (`REG04`).
    pub fn turned(&self) -> (bool, bool) {
        (self.sensor[0x04] & 0x80 != 0, self.sensor[0x04] & 0x40 != 0)
    }

    /// What is added to all pixels (0x20 is nothing), if that effect is on.
    pub fn brightness(&self) -> Option<u8> {
        (self.effects[0] & 0x04 != 0).then_some(self.effects[9])
    }

    fn store(&mut self, register: u8, value: u8) {
        let index = usize::from(register);
        if register == 0xff {
            self.bank = value;
        } else if self.bank & 1 == 0 {
            if register == 0x7d {
                let address = self.dsp[0x7c];
                self.effects[usize::from(address)] = value;
                self.dsp[0x7c] = address.wrapping_add(1);
            }
            self.dsp[index] = value;
        } else if register == 0x12 && value & 0x80 != 0 {
            self.power_on();
            // The bank is none of what a soft reset clears.
            self.bank = 1;
        } else {
            self.sensor[index] = value;
        }
    }
}

impl Default for SimOv2640 {
    fn default() -> Self {
        Self::new()
    }
}

impl SimChip for SimOv2640 {
    fn power_on(&mut self) {
        *self = Self { revision: self.revision, ..Self::new() };
        // R_BYPASS: the processor is passed by until somebody asks for it.
        self.dsp[0x05] = 1;
        self.sensor[0x04] = 0x20;
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        match *bytes {
            [pointer] => self.pointer = pointer,
            [register, value] => self.store(register, value),
            // SCCB knows no longer writes.
            _ => return Err(REFUSED),
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        let value = match (self.bank & 1, self.pointer) {
            (_, 0xff) => self.bank,
            (0, register) => self.dsp[usize::from(register)],
            (_, 0x0a) => 0x26,
            (_, 0x0b) => self.revision,
            (_, register) => self.sensor[usize::from(register)],
        };
        bytes.fill(value);
        Ok(())
    }
}
