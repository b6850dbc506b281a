//! ADS1115 (16 bit) and ADS1015 (12 bit): four inputs over I2C, one of them for the supply.
//!
//! Sections are those of TI SBAS444 (ADS111x) and SBAS473 (ADS101x), which agree but for the data
//! rates and the width of the result.
//!
//! Each measurement is a single shot at the highest rate: write the configuration, wait for the
//! longest time that a conversion may take, read the configuration back, read the result. The
//! chips have no identity register, so the configuration that is read back is the proof that
//! there is such a chip and that it converted the input that was asked for. One that lost its
//! supply for a moment comes back with the configuration of its reset, AIN0 against AIN1, and
//! would otherwise pass that off as the loop's voltage. (The crate `ads1x1x` looks at the busy bit
//! alone and leaves the waiting to an unbounded loop of the caller; hence this driver.)
//!
//! # Limits
//!
//! - One conversion with its transfers takes about 1.6 ms (ADS1115) or 0.7 ms (ADS1015) on a bus
//!   of 400 kHz. Three loops and the supply on an ADS1115 get some 200 samples a second each.
//! - Inputs must not leave the chip's own supply by more than 0.3 V (section 6.1): a foreign
//!   voltage needs clamps. What is above the supply of the loops reads as more than all of it.

use core::fmt;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::{Adc, Sample};

/// Pointer register, section 8.1.1.
const CONVERSION: u8 = 0;
const CONFIG: u8 = 1;

/// Configuration bits, section 8.1.3. Single shot, comparator off.
const START: u16 = 1 << 15;
const SINGLE_ENDED: u16 = 0b100 << 12;
const SINGLE_SHOT: u16 = 1 << 8;
const FASTEST: u16 = 0b111 << 5;
const NO_COMPARATOR: u16 = 0b11;

/// How often the end of a conversion is asked for: after its nominal time, and then each twelfth of
/// it. That is a quarter more, where the oscillator may be 10 % slow (section 6.5).
const POLLS: u32 = 4;

/// Where the ADDR pin is connected to (section 7.5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdsAddress {
    /// 0x48.
    Gnd = 0x48,
    /// 0x49.
    Vdd = 0x49,
    /// 0x4A. Its timing is the tightest: the last choice.
    Sda = 0x4A,
    /// 0x4B.
    Scl = 0x4B,
}

/// The inputs, each measured against ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdsInput {
    /// AIN0.
    A0,
    /// AIN1.
    A1,
    /// AIN2.
    A2,
    /// AIN3.
    A3,
}

/// The range of the amplifier: the smallest that holds the supply of the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdsRange {
    /// Up to 6.144 V: for loops fed with 5 V.
    V6_144 = 0b000,
    /// Up to 4.096 V: for loops fed with 3.3 V.
    V4_096 = 0b001,
}

/// How a chip is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdsConfig {
    /// The chip's address.
    pub address: AdsAddress,
    /// The range for all inputs.
    pub range: AdsRange,
    /// The input that measures the supply of the loops.
    pub supply: AdsInput,
    /// The supply is measured before each so many samples. 0 is taken as 1.
    pub supply_every: u8,
}

impl AdsConfig {
    /// ADDR to ground, loops fed with 3.3 V, which AIN3 measures, before each twelfth sample: every
    /// 20 ms, so that a ripple of the supply is averaged as the loops are.
    pub const DEFAULT: Self = Self {
        address: AdsAddress::Gnd,
        range: AdsRange::V4_096,
        supply: AdsInput::A3,
        supply_every: 12,
    };
}

/// Why there is no measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdsError<E> {
    /// The I2C transfer failed. Wiring, a wrong address, no chip.
    Bus(E),
    /// The configuration is not what was written: the chip was reset meanwhile, by its supply as a
    /// rule, or something else answers at this address.
    Config {
        /// What was written.
        wrote: u16,
        /// What the chip has; the busy bit is left out of both.
        read: u16,
    },
    /// The conversion took longer than the slowest chip may.
    NotReady,
    /// The result of an ADS1015 has more than 12 bits: it is an ADS1115.
    TooWide {
        /// As read.
        raw: u16,
    },
    /// The supply of the loops is below half of the range: it failed, the wrong range is
    /// configured, or the wrong input.
    SupplyLow {
        /// As read.
        counts: u16,
    },
    /// The supply of the loops is above the range.
    SupplyHigh,
}

impl<E: fmt::Debug> fmt::Display for AdsError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => write!(f, "I2C transfer failed: {error:?}"),
            Self::Config { wrote, read } => write!(
                f,
                "configuration reads {read:#06x} after {wrote:#06x} was written: check the chip's \
                 supply and that its address is its own"
            ),
            Self::NotReady => f.write_str(
                "no result in the time the slowest chip may take: check that the model is right \
                 (ADS1015 or ADS1115) and the chip's supply",
            ),
            Self::TooWide { raw } => {
                write!(f, "result {raw:#06x} has more than 12 bits: this is no ADS1015")
            }
            Self::SupplyLow { counts } => write!(
                f,
                "the loops' supply reads {counts}, below half of the range: check the supply, its \
                 input and the range"
            ),
            Self::SupplyHigh => {
                f.write_str("the loops' supply is above the range: choose the larger range")
            }
        }
    }
}

impl<E: fmt::Debug> core::error::Error for AdsError<E> {}

/// What differs between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Model {
    /// Unused low bits of the result, which is left-justified (section 8.1.2).
    spare_bits: u32,
    /// A conversion at the highest rate and waking up (25 us, section 7.4.2.1).
    conversion_us: u32,
}

const ADS1115: Model = Model { spare_bits: 0, conversion_us: 1_000_000 / 860 + 25 };
const ADS1015: Model = Model { spare_bits: 4, conversion_us: 1_000_000 / 3_300 + 25 };

/// An ADS1115 or ADS1015.
#[derive(Debug)]
pub struct Ads1x15<I2C, D> {
    i2c: I2C,
    delay: D,
    config: AdsConfig,
    model: Model,
    /// The supply as last measured, and for how many samples it still holds.
    supply: Option<(u16, u8)>,
}

impl<I2C: I2c, D: DelayNs> Ads1x15<I2C, D> {
    /// An ADS1115. The chip is not touched.
    pub const fn ads1115(i2c: I2C, delay: D, config: AdsConfig) -> Self {
        Self { i2c, delay, config, model: ADS1115, supply: None }
    }

    /// An ADS1015. The chip is not touched.
    pub const fn ads1015(i2c: I2C, delay: D, config: AdsConfig) -> Self {
        Self { i2c, delay, config, model: ADS1015, supply: None }
    }

    /// Gives bus and delay back.
    pub fn release(self) -> (I2C, D) {
        (self.i2c, self.delay)
    }

    fn measure(&mut self, input: AdsInput) -> Result<Sample, AdsError<I2C::Error>> {
        // Taken out: after an error it is measured again, since the chip may have been reset or
        // the supply may be what failed.
        let (full_scale, left) = match self.supply.take() {
            Some((counts, left)) if left > 0 => (counts, left),
            _ => (self.convert_supply()?, self.config.supply_every.max(1)),
        };
        let counts = self.convert(input)?;
        self.supply = Some((full_scale, left - 1));
        Ok(Sample { counts, full_scale })
    }

    fn convert_supply(&mut self) -> Result<u16, AdsError<I2C::Error>> {
        let top = i16::MAX.cast_unsigned() >> self.model.spare_bits;
        match self.convert(self.config.supply)? {
            counts if counts <= top / 2 => Err(AdsError::SupplyLow { counts }),
            counts if counts >= top => Err(AdsError::SupplyHigh),
            counts => Ok(counts),
        }
    }

    fn convert(&mut self, input: AdsInput) -> Result<u16, AdsError<I2C::Error>> {
        let address = self.config.address as u8;
        let wrote = SINGLE_ENDED
            | (input as u16) << 12
            | (self.config.range as u16) << 9
            | SINGLE_SHOT
            | FASTEST
            | NO_COMPARATOR;
        let [high, low] = (START | wrote).to_be_bytes();
        self.i2c.write(address, &[CONFIG, high, low]).map_err(AdsError::Bus)?;

        self.delay.delay_us(self.model.conversion_us);
        for _ in 0..POLLS {
            let config = self.read(CONFIG)?;
            let read = config & !START;
            if read != wrote {
                return Err(AdsError::Config { wrote, read });
            }
            // Section 8.1.3: the bit reads 1 while no conversion is under way.
            if config & START != 0 {
                return self.result();
            }
            self.delay.delay_us(self.model.conversion_us / 12);
        }
        Err(AdsError::NotReady)
    }

    fn result(&mut self) -> Result<u16, AdsError<I2C::Error>> {
        let raw = self.read(CONVERSION)?;
        if raw.trailing_zeros() < self.model.spare_bits {
            return Err(AdsError::TooWide { raw });
        }
        // Two's complement; an input at ground may read as a few counts below 0 (section 6.5).
        let counts = raw.cast_signed() >> self.model.spare_bits;
        Ok(u16::try_from(counts).unwrap_or(0))
    }

    fn read(&mut self, register: u8) -> Result<u16, AdsError<I2C::Error>> {
        let mut bytes = [0; 2];
        let address = self.config.address as u8;
        self.i2c.write_read(address, &[register], &mut bytes).map_err(AdsError::Bus)?;
        Ok(u16::from_be_bytes(bytes))
    }
}

impl<I2C: I2c, D: DelayNs> Adc for Ads1x15<I2C, D> {
    type Channel = AdsInput;
    type Error = AdsError<I2C::Error>;

    fn sample(&mut self, input: AdsInput) -> Result<Sample, Self::Error> {
        self.measure(input)
    }
}

#[cfg(test)]
mod tests;
