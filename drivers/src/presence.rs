//! Presence by warmth: an AMG8833 with 8 × 8 thermal pixels. Panasonic AMG88xx, "I2C interface" 1.1.
//!
//! It tells that something warm is there, or that nothing is. It tells nothing of who: a frame
//! never leaves this module, is overwritten by the next one, and no function returns it.
//!
//! The `grideye` crate reads the chip pixel by pixel in 64 transfers, which is no picture of one
//! moment, and checks nothing; so this is our own.
//!
//! # Limits
//!
//! - Something warm that does not move fades into the background: with the default, a person who
//!   sits still in view vanishes after about half an hour. So does a radiator, which is the purpose.
//! - Above about 30 °C in the room a person is hardly warmer than a wall. [`PresenceSensor::room`]
//!   tells the temperature; judge by it.
//! - It is no detector of intruders by any standard.

mod model;

use embedded_hal::i2c::I2c;

pub use model::{Presence, PresenceConfig};

use crate::chip::{BadAddress, Chip, ChipError};
use crate::units::CentiCelsius;
use model::{Frame, Model, PIXELS};

// "Register map".
const POWER: u8 = 0x00;
const RESET: u8 = 0x01;
const RATE: u8 = 0x02;
const INTERRUPT: u8 = 0x03;
const THERMISTOR: u8 = 0x0e;
const PIXEL: u8 = 0x80;

/// Reset register: flags and settings as after power-on.
const INITIAL: u8 = 0x3f;
/// Frame rate register: one a second, each the mean of ten, which is a third of the noise. Other
/// than after a reset (0), which it thereby tells.
const ONE_A_SECOND: u8 = 0x01;
const SECOND_NS: u64 = 1_000_000_000;
/// "Stabilizing time": 15 s until the output is as specified.
const STABLE_NS: u64 = 15 * SECOND_NS;
/// A sensor whose 64 noisy pixels are the same to the last bit for so many frames has stopped.
const FROZEN_FRAMES: u8 = 30;
/// "Temperature range of measuring object": 0 to 80 °C, by a quarter; with a margin, because pixels
/// of a cold wall or a hot lamp are measured too, only not well.
const PLAUSIBLE: core::ops::RangeInclusive<i16> = -30 * 4..=125 * 4;

/// An AMG8833 that tells presence.
#[derive(Debug)]
pub struct PresenceSensor<I2C> {
    chip: Chip<I2C>,
    model: Model,
    configured_ns: Option<u64>,
    /// The time of the last frame, the frame, and how often it was the same.
    last: Option<(u64, Frame, u8)>,
}

impl<I2C: I2c> PresenceSensor<I2C> {
    /// At 0x68 or 0x69 ("slave address"). The chip is not touched; it has no identity.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new(i2c: I2C, address: u8, config: PresenceConfig) -> Result<Self, BadAddress> {
        let chip = Chip::new(i2c, address, &(0x68..=0x69))?;
        Ok(Self { chip, model: Model::new(config), configured_ns: None, last: None })
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }

    /// What is known now.
    pub const fn presence(&self) -> Presence {
        self.model.presence()
    }

    /// Takes a frame, and tells what is known after it. Call it once a second: a call that comes
    /// earlier takes none. The first call configures the chip, and so does the next one after a
    /// reset was found.
    ///
    /// Presence is unknown for about half a minute after that: 15 s until the chip is stable, and
    /// 16 frames to learn the background.
    ///
    /// # Errors
    ///
    /// `NotReady` if the chip does not measure. The bus failed, the chip was reset, or a pixel is
    /// hotter or colder than can be. Presence is unknown after each of them but a failed bus; after
    /// that call [`lost`](Self::lost) when it has lasted for too long.
    pub fn poll(&mut self, now_ns: u64) -> Result<Presence, ChipError<I2C::Error>> {
        let configured_ns = match self.configured_ns {
            Some(at_ns) => at_ns,
            None => self.configure(now_ns)?,
        };
        let early = |(at_ns, ..): (u64, Frame, u8)| now_ns.saturating_sub(at_ns) < SECOND_NS;
        if now_ns.saturating_sub(configured_ns) < STABLE_NS || self.last.is_some_and(early) {
            return Ok(self.presence());
        }
        let [rate] = self.chip.read(RATE)?;
        self.chip.expect(RATE, ONE_A_SECOND.into(), rate.into()).inspect_err(|_| self.lost())?;
        let frame = self.frame()?;
        let same = match self.last {
            Some((_, last, same)) if last == frame => same.saturating_add(1),
            _ => 0,
        };
        self.last = Some((now_ns, frame, same));
        if same >= FROZEN_FRAMES {
            self.model.forget();
            return Err(ChipError::NotReady { address: self.chip.address() });
        }
        Ok(self.model.feed(&frame))
    }

    /// The temperature of the chip, near that of the room.
    ///
    /// # Errors
    ///
    /// The bus failed, or bits that are always 0 are not.
    pub fn room(&mut self) -> Result<CentiCelsius, ChipError<I2C::Error>> {
        let raw = u16::from_le_bytes(self.chip.read(THERMISTOR)?);
        thermistor(raw).ok_or(ChipError::Implausible {
            address: self.chip.address(),
            register: THERMISTOR.into(),
            found: raw,
        })
    }

    /// Forgets all: presence is unknown, and the chip is configured and the background learnt anew.
    pub const fn lost(&mut self) {
        self.model.forget();
        self.configured_ns = None;
        self.last = None;
    }

    fn configure(&mut self, now_ns: u64) -> Result<u64, ChipError<I2C::Error>> {
        self.chip.write([POWER, 0])?;
        self.chip.write([RESET, INITIAL])?;
        self.chip.write([RATE, ONE_A_SECOND])?;
        self.chip.write([INTERRUPT, 0])?;
        self.configured_ns = Some(now_ns);
        Ok(now_ns)
    }

    fn frame(&mut self) -> Result<Frame, ChipError<I2C::Error>> {
        let address = self.chip.address();
        let bytes: [u8; PIXELS * 2] = self.chip.read(PIXEL)?;
        let mut frame = Frame::default();
        let (words, _) = bytes.as_chunks();
        for (quarters, (register, word)) in frame.0.iter_mut().zip((0u16..).zip(words)) {
            let raw = u16::from_le_bytes(*word);
            *quarters = pixel(raw)
                .ok_or(ChipError::Implausible {
                    address,
                    register: u16::from(PIXEL) + 2 * register,
                    found: raw,
                })
                .inspect_err(|_| self.model.forget())?;
        }
        if frame == Frame::default() {
            // What the registers hold before the first measurement.
            return Err(ChipError::NotReady { address });
        }
        Ok(frame)
    }
}

/// "Temperature register": 12 bits in two's complement, quarters of a degree. `None`: bits that are
/// always 0, or not plausible.
fn pixel(raw: u16) -> Option<i16> {
    let quarters = (raw << 4).cast_signed() >> 4;
    (raw <= 0x0fff && PLAUSIBLE.contains(&quarters)).then_some(quarters)
}

/// "Thermistor register": 12 bits, sign and magnitude, sixteenths of a degree.
fn thermistor(raw: u16) -> Option<CentiCelsius> {
    let centi = i32::from(raw & 0x07ff) * 100 / 16;
    let sign = if raw & 0x0800 == 0 { 1 } else { -1 };
    (raw <= 0x0fff).then_some(CentiCelsius(sign * centi))
}

#[cfg(test)]
mod tests;
