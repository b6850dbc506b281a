//! ADS1115 and ADS1015, register by register (TI SBAS444, SBAS473, section 8.1).

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};

use super::SimChip;
use crate::Clock;
use crate::adc::AdsAddress;

/// The configuration after a reset.
const RESET: u16 = 0x8583;
const BUSY: u16 = 1 << 15;
const SINGLE_SHOT: u16 = 1 << 8;

/// A simulated chip. `volts` tells the voltage of AIN0 to AIN3 at a time.
pub struct SimAds<C, V> {
    address: AdsAddress,
    clock: C,
    volts: V,
    rates: [u32; 8],
    spare_bits: u32,
    pointer: u8,
    config: u16,
    thresholds: [u16; 2],
    conversion: u16,
    /// When the conversion that is under way ends.
    ready_ns: Option<u64>,
    /// Parts of a thousand by which its oscillator is slow; the data sheet allows 100.
    slow_permille: u64,
}

impl<C: Clock, V: FnMut(u8, u64) -> f64> SimAds<C, V> {
    /// An ADS1115.
    pub fn ads1115(address: AdsAddress, clock: C, volts: V) -> Self {
        Self::new(address, clock, volts, [8, 16, 32, 64, 128, 250, 475, 860], 0)
    }

    /// An ADS1015.
    pub fn ads1015(address: AdsAddress, clock: C, volts: V) -> Self {
        Self::new(address, clock, volts, [128, 250, 490, 920, 1_600, 2_400, 3_300, 3_300], 4)
    }

    fn new(address: AdsAddress, clock: C, volts: V, rates: [u32; 8], spare_bits: u32) -> Self {
        Self {
            address,
            clock,
            volts,
            rates,
            spare_bits,
            pointer: 0,
            config: RESET,
            thresholds: [0x8000, 0x7FFF],
            conversion: 0,
            ready_ns: None,
            slow_permille: 0,
        }
    }

    /// With an oscillator that is slow by so many thousandths.
    pub fn slow(mut self, permille: u64) -> Self {
        self.slow_permille = permille;
        self
    }

    fn settle(&mut self) {
        if let Some(ready_ns) = self.ready_ns
            && self.clock.now_ns() >= ready_ns
        {
            self.ready_ns = None;
            self.conversion = self.convert(ready_ns);
        }
    }

    fn convert(&mut self, at_ns: u64) -> u16 {
        let mut input = |number: u8| (self.volts)(number, at_ns);
        let volts = match (self.config >> 12) & 7 {
            0 => input(0) - input(1),
            1 => input(0) - input(3),
            2 => input(1) - input(3),
            3 => input(2) - input(3),
            4 => input(0),
            5 => input(1),
            6 => input(2),
            _ => input(3),
        };
        let range = match (self.config >> 9) & 7 {
            0 => 6.144,
            1 => 4.096,
            2 => 2.048,
            3 => 1.024,
            4 => 0.512,
            _ => 0.256,
        };
        let counts = (volts / range * 32_768.0).clamp(-32_768.0, 32_767.0);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to the type's range")]
        let counts = counts.floor() as i16;
        let mask = u16::MAX << self.spare_bits;
        counts.cast_unsigned() & mask
    }

    fn start(&mut self) {
        let rate = self.rates[usize::from((self.config >> 5) & 7)];
        let nominal_ns = 1_000_000_000 / u64::from(rate);
        // 25 us to wake up.
        let takes_ns = 25_000 + nominal_ns * (1_000 + self.slow_permille) / 1_000;
        self.ready_ns = Some(self.clock.now_ns() + takes_ns);
    }

    /// Where it is attached.
    pub const fn address(&self) -> u8 {
        self.address as u8
    }
}

impl<C: Clock + Send, V: FnMut(u8, u64) -> f64 + Send> SimChip for SimAds<C, V> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        self.settle();
        let (pointer, value) = match *bytes {
            [pointer] => (pointer, None),
            [pointer, high, low] => (pointer, Some(u16::from_be_bytes([high, low]))),
            _ => return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data)),
        };
        self.pointer = pointer & 3;
        match (self.pointer, value) {
            (1, Some(value)) => {
                self.config = value & !BUSY;
                // Continuous mode is not simulated: no driver of ours uses it.
                if value & BUSY != 0 && value & SINGLE_SHOT != 0 && self.ready_ns.is_none() {
                    self.start();
                }
            }
            (2, Some(value)) => self.thresholds[0] = value,
            (3, Some(value)) => self.thresholds[1] = value,
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind> {
        self.settle();
        let idle = if self.ready_ns.is_none() { BUSY } else { 0 };
        let value = match self.pointer {
            0 => self.conversion,
            1 => (self.config & !BUSY) | idle,
            2 => self.thresholds[0],
            _ => self.thresholds[1],
        };
        for (to, from) in bytes.iter_mut().zip(value.to_be_bytes().into_iter().cycle()) {
            *to = from;
        }
        Ok(())
    }
}
