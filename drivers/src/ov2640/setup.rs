//! That both chips are there, and hold what they should.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;
use embedded_hal::spi::SpiDevice;

use super::arduchip::MARKS;
use super::{Ov2640, StillError};
use crate::chip::ChipError;

/// After each reset, as the sketches of the board's vendor have it. From memory, the sensor's
/// datasheet asks for 1 ms.
const RESET_MS: u32 = 100;

/// Which board answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The sensor's revision: 0x41 or 0x42.
    pub revision: u8,
    /// The version of the ArduChip; 0x40 with a Mini 2MP (application note, table 1).
    pub arduchip: u8,
}

impl<SPI: SpiDevice, I2C: I2c, D: DelayNs> Ov2640<SPI, I2C, D> {
    /// Whether both chips are there, and which. Resets nothing; a picture that is under way goes on.
    ///
    /// # Errors
    ///
    /// A bus failed, or another chip or none answers.
    pub fn probe(&mut self) -> Result<Identity, StillError<SPI::Error, I2C::Error>> {
        for expected in MARKS {
            let found = self.arduchip.mark(expected).map_err(StillError::Spi)?;
            if found != expected {
                return Err(StillError::NoAnswer { expected, found });
            }
        }
        let arduchip = self.arduchip.version().map_err(StillError::Spi)?;
        let revision = self.sensor.identify().map_err(StillError::Sensor)?;
        Ok(Identity { revision, arduchip })
    }

    /// Resets both chips and writes all of their registers.
    pub(super) fn configure(
        &mut self,
        now_ns: u64,
    ) -> Result<u64, StillError<SPI::Error, I2C::Error>> {
        self.arduchip.reset_on().map_err(StillError::Spi)?;
        self.delay.delay_ms(RESET_MS);
        self.arduchip.reset_off().map_err(StillError::Spi)?;
        self.delay.delay_ms(RESET_MS);
        self.probe()?;
        self.sensor.reset().map_err(StillError::Sensor)?;
        self.delay.delay_ms(RESET_MS);
        self.sensor.configure(self.config).map_err(StillError::Sensor)?;
        self.arduchip.configure().map_err(StillError::Spi)?;
        self.configured_ns = Some(now_ns);
        Ok(now_ns)
    }

    /// Neither chip was reset since it was configured.
    pub(super) fn verify(&mut self) -> Result<(), StillError<SPI::Error, I2C::Error>> {
        let [_, expected] = MARKS;
        let found = self.arduchip.marked().map_err(StillError::Spi)?;
        if found != expected {
            self.lost();
            return Err(StillError::Forgotten { expected, found });
        }
        self.sensor.verify(self.config).map_err(|error| {
            if matches!(error, ChipError::ConfigurationLost { .. }) {
                self.lost();
            }
            StillError::Sensor(error)
        })
    }
}
