//! Pictures of doors without an IP camera: ArduCAM Mini 2MP, an OV2640 with a FIFO on SPI.
//!
//! The board has two chips: the sensor on I2C at 0x30, and an ArduChip (the board vendor's
//! "ArduCAM-M-2MP Hardware Application Note" 1.0, called HAN here), which keeps one frame until it is
//! fetched over SPI: mode 0, at most 8 MHz (HAN 3 and 4). The `arducam-legacy` crate believes the
//! FIFO's length and contents and does not notice a chip that forgot its registers; so this is our
//! own.
//!
//! A picture is made in steps, of which each is short: [`start`](Ov2640::start),
//! [`poll`](Ov2640::poll) until the frame is in the FIFO, [`read`](Ov2640::read) until
//! [`Piece::Last`]. How often to poll is the caller's matter, how many times at most is said in
//! [`StillConfig::polls`].
//!
//! # Limits
//!
//! - Nothing here was tried on a board. Where the registers of the sensor come from is said in
//!   `registers.rs`; what is known from memory alone says so where it stands.
//! - Only the first call after a reset waits: [`start`](Ov2640::start) takes about 0.3 s of delays
//!   and 200 short transfers to configure both chips.
//! - A picture is known to be whole only with its last piece. Before that it must not be shown; with
//!   [`picture`](Ov2640::picture) it cannot.
//! - A beginning that comes twice in a row (FF D8 FF D8) is a damaged picture, not garbage and a
//!   picture.
//! - Framing finds what is cut off, shifted or filled up, not a bit that was bent in the coded data:
//!   JPEG has no check sum.
//! - A picture is of the moment after `start`, not of the last second: the sensor has no memory.
//!
//! # Example
//!
//! ```
//! use embedded_hal::{delay::DelayNs, i2c::I2c, spi::SpiDevice};
//! use gatehouse_drivers::ov2640::{Ov2640, StillError};
//!
//! /// The length of the picture in `buffer`.
//! fn take<S: SpiDevice, I: I2c, D: DelayNs>(
//!     camera: &mut Ov2640<S, I, D>,
//!     now_ns: u64,
//!     delay: &mut D,
//!     buffer: &mut [u8],
//! ) -> Result<usize, StillError<S::Error, I::Error>> {
//!     camera.start(now_ns)?;
//!     while camera.poll()?.is_none() {
//!         delay.delay_ms(5);
//!     }
//!     camera.picture(buffer)
//! }
//! ```

mod arduchip;
mod config;
mod error;
mod jpeg;
mod registers;
mod sensor;
mod setup;

use core::mem;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;
use embedded_hal::spi::SpiDevice;

pub use config::{Brightness, Mirror, Size, StillConfig};
pub use error::StillError;
pub use setup::Identity;

use arduchip::ArduChip;
use jpeg::{Framing, Taken};
use sensor::Sensor;

/// A longer picture cannot be: a Mini 2MP counts 19 bits (HAN, table 1). From memory, 384 KiB of
/// them are memory.
pub const MAX_LENGTH: u32 = 512 * 1024;
/// The most that one transaction fetches. Linux' spidev refuses more than 4096 bytes with the
/// command; half of that is 2 ms of a bus at 8 MHz that others may wait for.
const BURST: usize = 2048;
/// Until exposure and white balance have settled: from memory, about ten frames, of which the
/// largest take 0.15 s.
const SETTLE_NS: u64 = 2_000_000_000;

/// What a [`read`](Ov2640::read) has put into the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes, maybe none, and more are to come.
    More(usize),
    /// So many bytes, and with them the picture ends.
    Last(usize),
}

/// An ArduCAM Mini 2MP.
#[derive(Debug)]
pub struct Ov2640<SPI, I2C, D> {
    arduchip: ArduChip<SPI>,
    sensor: Sensor<I2C>,
    delay: D,
    config: StillConfig,
    configured_ns: Option<u64>,
    step: Step,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    Exposing {
        polls: u16,
    },
    Reading {
        left: u32,
        framing: Framing,
    },
}

impl<SPI: SpiDevice, I2C: I2c, D: DelayNs> Ov2640<SPI, I2C, D> {
    /// A camera that is not touched yet.
    pub const fn new(spi: SPI, i2c: I2C, delay: D, config: StillConfig) -> Self {
        Self {
            arduchip: ArduChip(spi),
            sensor: Sensor::new(i2c),
            delay,
            config,
            configured_ns: None,
            step: Step::Idle,
        }
    }

    /// Gives the buses and the delay back.
    pub fn release(self) -> (SPI, I2C, D) {
        (self.arduchip.0, self.sensor.release(), self.delay)
    }

    /// What the pictures are like.
    pub const fn config(&self) -> StillConfig {
        self.config
    }

    /// Other pictures from the next [`start`](Self::start) on, which then configures both chips. A
    /// picture that is under way is thrown away.
    pub fn set(&mut self, config: StillConfig) {
        self.config = config;
        self.lost();
    }

    /// Forgets all: the next [`start`](Self::start) configures both chips.
    pub fn lost(&mut self) {
        self.configured_ns = None;
        self.step = Step::Idle;
    }

    /// Starts a picture. One that is under way, and what is in the FIFO, is thrown away. The first
    /// call configures both chips, and so does the next one after either has forgotten.
    ///
    /// # Errors
    ///
    /// A sensor that is not ready, for 2 s after the configuration: the first pictures are dark or
    /// green. A bus failed, another chip or none answers, or one has forgotten: call again.
    pub fn start(&mut self, now_ns: u64) -> Result<(), StillError<SPI::Error, I2C::Error>> {
        self.step = Step::Idle;
        let configured_ns = match self.configured_ns {
            Some(at_ns) => {
                self.verify()?;
                at_ns
            }
            None => self.configure(now_ns)?,
        };
        if now_ns.saturating_sub(configured_ns) < SETTLE_NS {
            return Err(StillError::Sensor(Sensor::<I2C>::not_settled()));
        }
        self.arduchip.flush().map_err(StillError::Spi)?;
        self.arduchip.start().map_err(StillError::Spi)?;
        self.step = Step::Exposing { polls: 0 };
        Ok(())
    }

    /// The length of what is in the FIFO, which is that of the picture or more; `None` as long as
    /// the frame is not there.
    ///
    /// # Errors
    ///
    /// A bus failed: poll again, it counts. No frame after all the polls of the configuration, or a
    /// length that cannot be: start again.
    pub fn poll(&mut self) -> Result<Option<u32>, StillError<SPI::Error, I2C::Error>> {
        let Step::Exposing { polls } = &mut self.step else {
            return Err(StillError::NotStarted);
        };
        if *polls >= self.config.polls {
            let polls = *polls;
            // Nobody knows which of the two has stopped.
            self.lost();
            return Err(StillError::NeverDone { polls });
        }
        *polls += 1;
        if !self.arduchip.done().map_err(StillError::Spi)? {
            return Ok(None);
        }
        let length = self.arduchip.length().map_err(StillError::Spi)?;
        self.step = Step::Idle;
        if !(1..=MAX_LENGTH).contains(&length) {
            return Err(StillError::Length { found: length });
        }
        // HAN 5.3: the first byte is none of the frame. That is so for the first burst of a frame
        // only (the vendor's answer in its Arduino library's issue 53), and newer boards do without.
        // Behind the end there is padding (issue 52), so one byte more costs nothing.
        self.step = Step::Reading { left: length + 1, framing: Framing::new() };
        Ok(Some(length))
    }

    /// The next piece of the picture, in at most one transaction. What comes before the picture and
    /// after it is cut off, so a piece may be empty. Use 3 bytes at least; more than 2050 are of no
    /// use.
    ///
    /// # Errors
    ///
    /// The buffer is too small: call again with a larger one. All else ends the picture, and what
    /// was read of it must be thrown away: the bus failed, or the FIFO has no picture, a damaged
    /// one, or only the beginning of one.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Piece, StillError<SPI::Error, I2C::Error>> {
        let Step::Reading { mut left, mut framing } = mem::take(&mut self.step) else {
            return Err(StillError::NotStarted);
        };
        let held = framing.held();
        let room = buffer.len().saturating_sub(held.len());
        let count = room.min(BURST).min(usize::try_from(left).unwrap_or(BURST));
        let (Some(bytes), 1..) = (buffer.get_mut(..held.len() + count), count) else {
            self.step = Step::Reading { left, framing };
            return Err(StillError::BufferTooSmall);
        };
        let (before, fresh) = bytes.split_at_mut(held.len());
        before.copy_from_slice(held);
        self.arduchip.burst(fresh).map_err(StillError::Spi)?;
        left = left.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));

        let Taken { len, ended } = framing.take(bytes).map_err(|_| StillError::Damaged)?;
        if ended {
            return Ok(Piece::Last(len));
        }
        if left == 0 {
            let begun = framing.started();
            return Err(if begun { StillError::Truncated } else { StillError::NoPicture });
        }
        self.step = Step::Reading { left, framing };
        Ok(Piece::More(len))
    }

    /// The whole picture, or what is left of it, at the beginning of the buffer; returns its length.
    /// One transaction for every 2 KiB.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) does. A buffer that is too small ends the picture here.
    pub fn picture(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<usize, StillError<SPI::Error, I2C::Error>> {
        let mut filled = 0;
        loop {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            match self.read(rest) {
                Ok(Piece::More(len)) => filled += len,
                Ok(Piece::Last(len)) => return Ok(filled + len),
                Err(error) => {
                    if !matches!(error, StillError::NotStarted) {
                        self.step = Step::Idle;
                    }
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
