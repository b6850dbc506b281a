//! SHT30, SHT31, SHT35: temperature and humidity of the box. Sensirion SHT3x-DIS, version 7.
//!
//! Measured in two steps, because the chip takes 15 ms and nobody waits here: start, and finish
//! when it is time. Every word has a check sum.

use embedded_hal::i2c::I2c;

use crate::chip::{BadAddress, Chip, ChipError};
use crate::crc::crc8;
use crate::units::{CentiCelsius, CentiPercent};

/// Table 9: a single measurement, high repeatability, no clock stretching.
const MEASURE: u16 = 0x2400;
/// Table 17.
const STATUS: u16 = 0xf32d;
/// Table 4: at most 15.5 ms.
const DURATION_NS: u64 = 15_500_000;

/// What an SHT3x measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Climate {
    /// The temperature.
    pub temperature: CentiCelsius,
    /// The humidity.
    pub humidity: CentiPercent,
}

/// An SHT3x.
#[derive(Debug)]
pub struct Sht3x<I2C> {
    chip: Chip<I2C>,
    identified: bool,
    ready_ns: Option<u64>,
}

impl<I2C: I2c> Sht3x<I2C> {
    /// At 0x44 or 0x45 (table 8). The chip is not touched.
    ///
    /// # Errors
    ///
    /// The address is none of this chip.
    pub fn new(i2c: I2C, address: u8) -> Result<Self, BadAddress> {
        let chip = Chip::new(i2c, address, &(0x44..=0x45))?;
        Ok(Self { chip, identified: false, ready_ns: None })
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }

    /// Starts a measurement, and tells when to [`finish`](Self::finish) it. Before the first one
    /// and after each failure, the chip proves by a status with a check sum that it is one.
    ///
    /// # Errors
    ///
    /// The bus failed, or what answers is no SHT3x. Call again to retry.
    pub fn start(&mut self, now_ns: u64) -> Result<u64, ChipError<I2C::Error>> {
        self.ready_ns = None;
        if !self.identified {
            self.command(STATUS)?;
            let [high, low, sum] = self.chip.receive(STATUS)?;
            self.check(STATUS, [high, low], sum)?;
            self.identified = true;
        }
        self.command(MEASURE).inspect_err(|_| self.identified = false)?;
        let ready_ns = now_ns.saturating_add(DURATION_NS);
        self.ready_ns = Some(ready_ns);
        Ok(ready_ns)
    }

    /// Reads the measurement that was started.
    ///
    /// # Errors
    ///
    /// `NotReady` if none was started, or too short a time ago. With each other error it is lost:
    /// start again.
    pub fn finish(&mut self, now_ns: u64) -> Result<Climate, ChipError<I2C::Error>> {
        if self.ready_ns.is_none_or(|ready_ns| now_ns < ready_ns) {
            return Err(ChipError::NotReady { address: self.chip.address() });
        }
        self.ready_ns = None;
        let climate = self.read();
        self.identified = climate.is_ok();
        climate
    }

    fn read(&mut self) -> Result<Climate, ChipError<I2C::Error>> {
        let [t_high, t_low, t_sum, h_high, h_low, h_sum] = self.chip.receive(MEASURE)?;
        let temperature = self.check(MEASURE, [t_high, t_low], t_sum)?;
        let humidity = self.check(MEASURE, [h_high, h_low], h_sum)?;
        Ok(convert(temperature, humidity))
    }

    fn command(&mut self, command: u16) -> Result<(), ChipError<I2C::Error>> {
        self.chip.send(command, &command.to_be_bytes())
    }

    fn check(&self, register: u16, word: [u8; 2], sum: u8) -> Result<u16, ChipError<I2C::Error>> {
        let address = self.chip.address();
        if crc8(&word) != sum {
            return Err(ChipError::Checksum { address, register });
        }
        Ok(u16::from_be_bytes(word))
    }
}

/// Section 4.13: from -45 to 130 °C, and from 0 to 100 %.
fn convert(temperature: u16, humidity: u16) -> Climate {
    let full = u32::from(u16::MAX);
    // At most 17 500 and 10 000.
    let above = u32::from(temperature) * 17_500 / full;
    let humidity = u32::from(humidity) * 10_000 / full;
    Climate {
        temperature: CentiCelsius(i32::try_from(above).unwrap_or(i32::MAX) - 4_500),
        humidity: CentiPercent(u16::try_from(humidity).unwrap_or(u16::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
    use proptest::prelude::*;

    use super::*;
    use crate::ChipErrorKind;
    use crate::sim::{Fault, SimI2c, SimSht3x};
    use crate::testing::{NACK, each_operation_fails_once_and_is_retried};

    const AT: u8 = 0x44;

    fn with_sums(words: &[u16]) -> Vec<u8> {
        let bytes = words.iter().map(|word| word.to_be_bytes());
        bytes.flat_map(|[high, low]| [high, low, crc8(&[high, low])]).collect()
    }

    fn identify() -> [Transaction; 2] {
        [Transaction::write(AT, vec![0xf3, 0x2d]), Transaction::read(AT, with_sums(&[0x8010]))]
    }

    fn measure() -> Transaction {
        Transaction::write(AT, vec![0x24, 0x00])
    }

    fn result() -> Transaction {
        Transaction::read(AT, with_sums(&[0x6666, 0x8000]))
    }

    const EXPECTED: Climate =
        Climate { temperature: CentiCelsius(2_500), humidity: CentiPercent(5_000) };

    #[test]
    fn each_operation_of_the_start_is_retried() {
        let start: Vec<_> = identify().into_iter().chain([measure()]).collect();
        let make = |bus| Sht3x::new(bus, AT).unwrap();
        let retried = |_| start.clone();
        each_operation_fails_once_and_is_retried(&[], &start, retried, make, |chip| chip.start(7));
    }

    #[test]
    fn a_failed_result_is_not_read_again_but_measured_again() {
        let steps = [
            identify().to_vec(),
            vec![measure(), result().with_error(NACK)],
            identify().to_vec(),
            vec![measure(), result(), measure(), result()],
        ];
        let mut bus = Mock::new(&steps.concat());
        let mut chip = Sht3x::new(bus.clone(), AT).unwrap();
        assert_eq!(chip.finish(0).unwrap_err(), ChipError::NotReady { address: AT });
        assert_eq!(chip.start(0), Ok(DURATION_NS));
        assert_eq!(chip.finish(DURATION_NS - 1).unwrap_err().kind(), ChipErrorKind::NotReady);
        let failed = ChipError::Read { address: AT, register: MEASURE, source: NACK };
        assert_eq!(chip.finish(DURATION_NS), Err(failed));
        assert_eq!(chip.finish(DURATION_NS).unwrap_err().kind(), ChipErrorKind::NotReady);
        for _ in 0..2 {
            let ready_ns = chip.start(0).unwrap();
            assert_eq!(chip.finish(ready_ns), Ok(EXPECTED));
        }
        bus.done();
    }

    #[test]
    fn a_bent_bit_in_any_place_is_found() {
        for bit in 0..48 {
            let mut bytes = with_sums(&[0x6666, 0x8000]);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let steps = [identify().to_vec(), vec![measure(), Transaction::read(AT, bytes)]];
            let mut bus = Mock::new(&steps.concat());
            let mut chip = Sht3x::new(bus.clone(), AT).unwrap();
            let ready_ns = chip.start(0).unwrap();
            let error = ChipError::<ErrorKind>::Checksum { address: AT, register: MEASURE };
            assert_eq!(chip.finish(ready_ns), Err(error));
            bus.done();
        }
    }

    proptest! {
        #[test]
        fn the_conversion_is_monotone_and_within_the_range(a: u16, b: u16) {
            let (x, y) = (convert(a, a), convert(b, b));
            if a <= b {
                prop_assert!(x.temperature <= y.temperature && x.humidity <= y.humidity);
            }
            prop_assert!((-4_500..=13_000).contains(&x.temperature.0));
            prop_assert!(x.humidity.0 <= 10_000);
        }
    }

    #[test]
    fn a_simulated_chip_is_measured_through_its_faults() {
        let bus = SimI2c::new();
        let plug = bus.attach(AT, SimSht3x::new()).unwrap();
        plug.with(|chip| chip.climate(0x6666, 0x8000));
        let mut chip = Sht3x::new(bus, AT).unwrap();
        let mut once = |now_ns| chip.start(now_ns).and_then(|ready_ns| chip.finish(ready_ns));
        assert_eq!(once(0), Ok(EXPECTED));
        plug.unplug();
        assert_eq!(once(0).unwrap_err().kind(), ChipErrorKind::Absent);
        plug.replug();
        assert_eq!(once(0), Ok(EXPECTED));
        plug.fault(Fault::Garbage);
        assert_eq!(once(0).unwrap_err().kind(), ChipErrorKind::Garbled);
        plug.fault(Fault::None);
        plug.with(|chip| chip.busy(true));
        assert!(once(0).is_err());
        plug.with(|chip| chip.busy(false));
        assert_eq!(once(0), Ok(EXPECTED));
    }
}
