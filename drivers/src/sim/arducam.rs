//! The FIFO chip of a camera on SPI, and the camera's faults.

use core::fmt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};

use super::{Plug, SimOv2640};

/// What is wrong with the pictures of a simulated camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StillFault {
    /// Nothing.
    #[default]
    None,
    /// So many bytes of something else come before the picture.
    Garbage(usize),
    /// The length registers say this, whatever the FIFO holds.
    Length(u32),
    /// No frame ever comes: the sensor's clock or ribbon is broken.
    NeverDone,
    /// Every SPI transfer fails.
    SpiFails,
    /// The data line is stuck: all that is read is this byte.
    Stuck(u8),
    /// Only so many bytes of a picture come.
    Truncated(usize),
}

/// The ArduChip of a simulated ArduCAM Mini 2MP ("ArduCAM-M-2MP Hardware Application Note" 1.0,
/// table 1). Clones are the same chip; one goes to the driver, another is the hand on it. That the
/// sensor was unplugged is known on its bus alone: add [`StillFault::NeverDone`].
#[derive(Clone)]
pub struct SimArduChip {
    wires: Arc<Mutex<Wires>>,
}

struct Wires {
    sensor: Plug<SimOv2640>,
    picture: Vec<u8>,
    fault: StillFault,
    padding: usize,
    /// Status reads until a frame is there.
    frame_time: u32,
    /// Whether the first burst of a frame begins with a byte that is none of it (5.3).
    dummy: bool,
    transfers: u64,
    fails_at: Option<u64>,
    chip: Chip,
}

/// What a reset clears.
#[derive(Default)]
struct Chip {
    test: u8,
    capture: u8,
    timing: u8,
    /// Status reads left, while a frame is awaited.
    exposing: Option<u32>,
    done: bool,
    dummy_due: bool,
    fifo: VecDeque<u8>,
    written: usize,
}

impl SimArduChip {
    /// A board with that sensor, whose picture is this one. Its FIFO fills up to whole kilobytes,
    /// as that of the real one does.
    pub fn new(sensor: Plug<SimOv2640>, picture: &[u8]) -> Self {
        let wires = Wires {
            sensor,
            picture: picture.to_vec(),
            fault: StillFault::None,
            padding: 1024,
            frame_time: 2,
            dummy: true,
            transfers: 0,
            fails_at: None,
            chip: Chip::default(),
        };
        Self { wires: Arc::new(Mutex::new(wires)) }
    }

    /// What the sensor sees from the next frame on.
    pub fn picture(&self, picture: &[u8]) {
        self.lock().picture = picture.to_vec();
    }

    /// Breaks or repairs it. What concerns the frame counts from the next one on.
    pub fn fault(&self, fault: StillFault) {
        self.lock().fault = fault;
    }

    /// Whether it is a board whose first burst begins with a byte too many.
    pub fn dummy(&self, dummy: bool) {
        self.lock().dummy = dummy;
    }

    /// The supply of this chip dips: registers and FIFO are as after power-on. The sensor has a
    /// [`Plug`] of its own.
    pub fn brown_out(&self) {
        self.lock().chip = Chip::default();
    }

    /// The transfer after `skipped` more ones fails, once.
    pub fn fail_after(&self, skipped: u64) {
        let mut wires = self.lock();
        wires.fails_at = Some(wires.transfers.saturating_add(skipped));
    }

    /// How many transfers were begun.
    pub fn transfers(&self) -> u64 {
        self.lock().transfers
    }

    fn lock(&self) -> MutexGuard<'_, Wires> {
        // A test that panicked while it held the chip has failed already.
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimArduChip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wires = self.lock();
        f.debug_struct("SimArduChip").field("transfers", &wires.transfers).finish_non_exhaustive()
    }
}

impl Wires {
    /// A byte in, a byte out; `command` is what the transaction began with.
    fn exchange(&mut self, command: &mut Option<u8>, byte: u8) -> u8 {
        let out = match *command {
            None => {
                *command = Some(byte);
                0
            }
            Some(register @ 0x80..) => {
                self.write(register & 0x7f, byte);
                0
            }
            Some(register) => self.read(register),
        };
        if let StillFault::Stuck(level) = self.fault { level } else { out }
    }

    fn write(&mut self, register: u8, value: u8) {
        let chip = &mut self.chip;
        match register {
            0x00 => chip.test = value,
            0x01 => chip.capture = value & 7,
            0x03 => chip.timing = value,
            0x04 => {
                if value & 0x01 != 0 {
                    chip.done = false;
                    chip.exposing = None;
                }
                if value & 0x10 != 0 {
                    chip.fifo.clear();
                    chip.written = 0;
                }
                if value & 0x20 != 0 {
                    chip.dummy_due = self.dummy;
                }
                // A frame that was not acknowledged stays in the way of the next one.
                if value & 0x02 != 0 && !chip.done {
                    chip.exposing = Some(self.frame_time);
                }
            }
            0x07 if value & 0x80 != 0 => *chip = Chip::default(),
            _ => {}
        }
    }

    fn read(&mut self, register: u8) -> u8 {
        let length = match self.fault {
            StillFault::Length(lie) => lie,
            _ => u32::try_from(self.chip.written).unwrap_or(u32::MAX),
        };
        let [low, middle, high, _] = length.to_le_bytes();
        match register {
            0x00 => self.chip.test,
            0x01 => self.chip.capture,
            0x03 => self.chip.timing,
            0x3c if core::mem::take(&mut self.chip.dummy_due) => 0xff,
            0x3c | 0x3d => self.chip.fifo.pop_front().unwrap_or(0),
            0x40 => 0x40,
            0x41 => {
                self.expose();
                u8::from(self.chip.done) << 3
            }
            0x42 => low,
            0x43 => middle,
            0x44 => high,
            _ => 0,
        }
    }

    fn expose(&mut self) {
        match self.chip.exposing {
            Some(0) if self.fault != StillFault::NeverDone => {
                self.chip.exposing = None;
                self.chip.done = true;
                let frame = self.frame();
                self.chip.written += frame.len();
                self.chip.fifo.extend(frame);
            }
            Some(left) => self.chip.exposing = Some(left.saturating_sub(1)),
            None => {}
        }
    }

    /// What the sensor sends: a picture, or rows of grey if it is not in JPEG mode.
    fn frame(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        if !self.sensor.with(|sensor| sensor.sends_jpeg()) {
            frame.resize(self.padding, 0x80);
            return frame;
        }
        if let StillFault::Garbage(len) = self.fault {
            // Beginnings that are none, among others.
            frame.extend([0xff, 0xff, 0xd8, 0x00, 0xd9].iter().cycle().take(len));
        }
        let len = match self.fault {
            StillFault::Truncated(len) => len.min(self.picture.len()),
            _ => self.picture.len(),
        };
        frame.extend(self.picture.iter().take(len));
        let padded = frame.len().next_multiple_of(self.padding);
        frame.resize(padded, 0);
        frame
    }
}

impl ErrorType for SimArduChip {
    type Error = ErrorKind;
}

impl SpiDevice for SimArduChip {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let mut wires = self.lock();
        let transfer = wires.transfers;
        wires.transfers = transfer.saturating_add(1);
        if wires.fault == StillFault::SpiFails || wires.fails_at == Some(transfer) {
            return Err(ErrorKind::Other);
        }
        let mut command = None;
        for operation in operations {
            match operation {
                Operation::Read(to) => to.fill_with(|| wires.exchange(&mut command, 0)),
                Operation::Write(from) => {
                    for byte in *from {
                        wires.exchange(&mut command, *byte);
                    }
                }
                Operation::Transfer(to, from) => {
                    let sent = from.iter().copied().chain(core::iter::repeat(0));
                    for (to, byte) in to.iter_mut().zip(sent) {
                        *to = wires.exchange(&mut command, byte);
                    }
                }
                Operation::TransferInPlace(bytes) => {
                    for byte in bytes.iter_mut() {
                        *byte = wires.exchange(&mut command, *byte);
                    }
                }
                Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}
