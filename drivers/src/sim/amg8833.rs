//! A simulated thermal array.

use std::vec::Vec;

use embedded_hal::i2c::ErrorKind;

use super::SimChip;
use super::bus::REFUSED;

/// A simulated AMG8833 (Panasonic) in a room, with something warm in it or not.
#[derive(Clone, Debug)]
pub struct SimAmg8833 {
    rate: u8,
    awake: bool,
    pointer: u8,
    room_quarters: i16,
    warm: Vec<(usize, usize, i16)>,
    noise: u32,
    frozen: bool,
}

impl SimAmg8833 {
    /// An empty room of 20 °C.
    pub const fn new() -> Self {
        Self {
            rate: 0,
            awake: false,
            pointer: 0,
            room_quarters: 80,
            warm: Vec::new(),
            noise: 1,
            frozen: false,
        }
    }

    /// The temperature of walls and air, in quarters of a degree.
    pub fn room(&mut self, quarters: i16) {
        self.room_quarters = quarters;
    }

    /// Puts something of 2 × 2 pixels into view, so much warmer than the room, and takes all else
    /// away. Column and row are 0 to 6.
    pub fn warm(&mut self, column: usize, row: usize, quarters: i16) {
        self.warm.clear();
        self.warm.push((column, row, quarters));
    }

    /// Takes everything warm away.
    pub fn empty(&mut self) {
        self.warm.clear();
    }

    /// Whether the converter has stopped: each frame is the same.
    pub fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// A quarter up or down, and mostly neither.
    fn jitter(&mut self) -> i16 {
        if !self.frozen {
            self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        }
        match self.noise >> 29 {
            0 => -1,
            1 => 1,
            _ => 0,
        }
    }

    fn pixel(&mut self, index: usize) -> u16 {
        let (column, row) = (index % 8, index / 8);
        let near = |at: usize, from: usize| at >= from && at - from < 2;
        let warm = self.warm.iter().filter(|(x, y, _)| near(column, *x) && near(row, *y));
        let above: i16 = warm.map(|(_, _, quarters)| quarters).sum();
        let quarters = self.room_quarters.saturating_add(above).saturating_add(self.jitter());
        quarters.cast_unsigned() & 0x0fff
    }
}

impl Default for SimAmg8833 {
    fn default() -> Self {
        Self::new()
    }
}

impl SimChip for SimAmg8833 {
    fn power_on(&mut self) {
        (self.rate, self.awake, self.pointer) = (0, true, 0);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        match *bytes {
            [pointer] => self.pointer = pointer,
            [0x00, mode] => self.awake = mode == 0,
            [0x01, 0x3f] => self.rate = 0,
            [0x02, rate] => self.rate = rate,
            [] | [_, _] => {}
            _ => return Err(REFUSED),
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        let mut word = 0;
        for byte in bytes {
            let address = self.pointer;
            self.pointer = self.pointer.wrapping_add(1);
            *byte = match address {
                0x02 => self.rate,
                0x0e | 0x0f => {
                    let sixteenths = self.room_quarters.saturating_mul(4);
                    let sign = if sixteenths < 0 { 0x0800 } else { 0 };
                    let word = sixteenths.unsigned_abs() & 0x07ff | sign;
                    word.to_le_bytes()[usize::from(address & 1)]
                }
                0x80.. if address.is_multiple_of(2) => {
                    word = if self.awake { self.pixel(usize::from(address - 0x80) / 2) } else { 0 };
                    word.to_le_bytes()[0]
                }
                0x80.. => word.to_le_bytes()[1],
                _ => 0,
            };
        }
        Ok(())
    }
}
