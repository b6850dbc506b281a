//! The ArduChip: the FIFO between sensor and SPI. "ArduCAM-M-2MP Hardware Application Note" 1.0
//! (HAN).

use embedded_hal::spi::{Operation, SpiDevice};

// HAN 6, table 1.
const TEST: u8 = 0x00;
const CAPTURE_CONTROL: u8 = 0x01;
const SENSOR_TIMING: u8 = 0x03;
const FIFO_CONTROL: u8 = 0x04;
/// Not in the table. The vendor's sketches for the Mini write 0x80 and 0 to it, with 100 ms after
/// each, and call it the reset of the CPLD.
const RESET: u8 = 0x07;
const BURST_READ: u8 = 0x3c;
const VERSION: u8 = 0x40;
const STATUS: u8 = 0x41;
const FIFO_SIZE: [u8; 3] = [0x42, 0x43, 0x44];

/// HAN 4: bit 7 of the command is 1 to write.
const WRITE: u8 = 0x80;

const RESET_ON: u8 = 0x80;
/// `CAPTURE_CONTROL`, bits 2 to 0: for a single frame the vendor's sketches write 0.
const ONE_FRAME: u8 = 0;
/// `SENSOR_TIMING`: both syncs active high, as the sensor is told (COM10); no delay; FIFO mode
/// (bit 4); full power. What it is after power-on is not said, so it is written.
const FIFO_MODE: u8 = 0x10;
/// `FIFO_CONTROL`, bits 0, 4 and 5: clear the done flag, both pointers to the beginning.
const FLUSH: u8 = 0x31;
/// `FIFO_CONTROL`, bit 1.
const START: u8 = 0x02;
/// `STATUS`, bit 3: the frame is in the FIFO.
const DONE: u8 = 0x08;
/// The table has bits 18 to 16 for this model; boards with a larger FIFO use up to bit 22, and
/// nobody says what bit 23 is.
const SIZE_HIGH: u8 = 0x7f;

/// Two different ones, so that a register that is stuck does not pass. The last one stays, and tells
/// a reset.
pub(super) const MARKS: [u8; 2] = [0x55, 0xa6];

/// The chip behind its chip select. Every function is one transaction, unless it says otherwise.
#[derive(Debug)]
pub(super) struct ArduChip<SPI>(pub(super) SPI);

impl<SPI: SpiDevice> ArduChip<SPI> {
    pub(super) fn reset_on(&mut self) -> Result<(), SPI::Error> {
        self.write(RESET, RESET_ON)
    }

    pub(super) fn reset_off(&mut self) -> Result<(), SPI::Error> {
        self.write(RESET, 0)
    }

    /// Writes a mark into the test register and returns what is there then. Two transactions.
    pub(super) fn mark(&mut self, mark: u8) -> Result<u8, SPI::Error> {
        self.write(TEST, mark)?;
        self.marked()
    }

    /// What the test register holds.
    pub(super) fn marked(&mut self) -> Result<u8, SPI::Error> {
        self.read(TEST)
    }

    pub(super) fn version(&mut self) -> Result<u8, SPI::Error> {
        self.read(VERSION)
    }

    /// Two transactions.
    pub(super) fn configure(&mut self) -> Result<(), SPI::Error> {
        self.write(SENSOR_TIMING, FIFO_MODE)?;
        self.write(CAPTURE_CONTROL, ONE_FRAME)
    }

    /// Throws away what is in the FIFO.
    pub(super) fn flush(&mut self) -> Result<(), SPI::Error> {
        self.write(FIFO_CONTROL, FLUSH)
    }

    /// Takes the next frame of the sensor into the FIFO.
    pub(super) fn start(&mut self) -> Result<(), SPI::Error> {
        self.write(FIFO_CONTROL, START)
    }

    pub(super) fn done(&mut self) -> Result<bool, SPI::Error> {
        Ok(self.read(STATUS)? & DONE != 0)
    }

    /// How many bytes the FIFO holds. Three transactions.
    pub(super) fn length(&mut self) -> Result<u32, SPI::Error> {
        let [low, middle, high] = FIFO_SIZE;
        let low = self.read(low)?;
        let middle = self.read(middle)?;
        let high = self.read(high)? & SIZE_HIGH;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }

    /// The next bytes of the FIFO.
    pub(super) fn burst(&mut self, bytes: &mut [u8]) -> Result<(), SPI::Error> {
        self.0.transaction(&mut [Operation::Write(&[BURST_READ]), Operation::Read(bytes)])
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), SPI::Error> {
        self.0.write(&[register | WRITE, value])
    }

    fn read(&mut self, register: u8) -> Result<u8, SPI::Error> {
        let mut value = [0];
        self.0.transaction(&mut [Operation::Write(&[register]), Operation::Read(&mut value)])?;
        let [value] = value;
        Ok(value)
    }
}
