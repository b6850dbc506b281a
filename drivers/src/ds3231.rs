//! DS3231: the temperature and the health of the box's clock, reading only. Maxim 19-5170 rev. 10.
//!
//! The kernel's driver (rtc-ds1307) should own the chip: it sets the system's time from it, and
//! shows the temperature below `/sys/class/hwmon`. Then nobody else opens the address, and this is
//! not needed. It is for boxes where no kernel driver is bound, and it writes nothing.

use embedded_hal::i2c::I2c;

use crate::chip::{Chip, ChipError};
use crate::units::CentiCelsius;

/// "Slave address byte", the only one.
const ADDRESS: u8 = 0x68;
// Figure 1.
const SECONDS: u8 = 0x00;
const CONTROL: u8 = 0x0e;
const STATUS: u8 = 0x0f;
const TEMPERATURE: u8 = 0x11;

/// Control: the oscillator stops while the chip runs on its battery.
const EOSC: u8 = 0x80;
/// Status: the oscillator was stopped at some time.
const OSF: u8 = 0x80;
/// Status: always 0.
const STATUS_ZERO: u8 = 0x70;
/// Temperature, low byte: always 0.
const TEMPERATURE_ZERO: u8 = 0x3f;

/// The health of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockHealth {
    /// The temperature of the chip, renewed each 64 s.
    pub temperature: CentiCelsius,
    /// The oscillator was stopped at some time since the clock was set: its time is wrong.
    pub stopped: bool,
    /// It will stop when the supply is off: somebody has switched the battery off.
    pub stops_on_battery: bool,
}

/// What the clock shows. Whether it is UTC is up to whoever set it; Linux does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime {
    /// 2000 to 2199.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// A DS3231.
#[derive(Debug)]
pub struct Ds3231<I2C> {
    chip: Chip<I2C>,
}

impl<I2C: I2c> Ds3231<I2C> {
    /// At its address, 0x68. The chip is not touched.
    pub const fn new(i2c: I2C) -> Self {
        Self { chip: Chip::fixed(i2c, ADDRESS) }
    }

    /// Gives the bus back.
    pub fn release(self) -> I2C {
        self.chip.release()
    }

    /// Temperature and flags, in one reading.
    ///
    /// # Errors
    ///
    /// The bus failed, or bits that are always 0 are not: another chip, many have this address.
    pub fn health(&mut self) -> Result<ClockHealth, ChipError<I2C::Error>> {
        let [control, status, _aging, high, low] = self.chip.read(CONTROL)?;
        for (register, zero, found) in
            [(STATUS, STATUS_ZERO, status), (TEMPERATURE + 1, TEMPERATURE_ZERO, low)]
        {
            if found & zero != 0 {
                return Err(ChipError::WrongChip {
                    address: ADDRESS,
                    register: register.into(),
                    expected: u16::from(found & !zero),
                    found: found.into(),
                });
            }
        }
        Ok(ClockHealth {
            temperature: convert(high, low),
            stopped: status & OSF != 0,
            stops_on_battery: control & EOSC != 0,
        })
    }

    /// The time that it shows. Ask [`health`](Self::health) whether to believe it.
    ///
    /// # Errors
    ///
    /// The bus failed, or what came is no time.
    pub fn time(&mut self) -> Result<ClockTime, ChipError<I2C::Error>> {
        // Read at once: the chip holds its registers still for that long ("clock and calendar").
        let bytes: [u8; 7] = self.chip.read(SECONDS)?;
        decode(bytes).map_err(|(register, found)| ChipError::Implausible {
            address: ADDRESS,
            register: register.into(),
            found: found.into(),
        })
    }
}

/// "Temperature registers": two's complement in quarters of a degree.
fn convert(high: u8, low: u8) -> CentiCelsius {
    CentiCelsius(i32::from(i16::from_be_bytes([high, low]) >> 6) * 25)
}

/// Figure 1. The error names the register that holds no time, and what it holds.
fn decode(bytes: [u8; 7]) -> Result<ClockTime, (u8, u8)> {
    let [second, minute, hour, _weekday, day, month, year] = bytes;
    let field = |register: u8, byte: u8, mask: u8, first: u8, last: u8| {
        let (tens, ones) = ((byte & mask) >> 4, byte & 0x0f);
        let value = tens * 10 + ones;
        let valid = ones < 10 && (first..=last).contains(&value);
        if valid { Ok(value) } else { Err((register, byte)) }
    };
    let hour = if hour & 0x40 == 0 {
        field(2, hour, 0x3f, 0, 23)?
    } else {
        // Twelve hours, where 12 comes before 1.
        field(2, hour, 0x1f, 1, 12)? % 12 + if hour & 0x20 == 0 { 0 } else { 12 }
    };
    let century = if month & 0x80 == 0 { 2000 } else { 2100 };
    Ok(ClockTime {
        year: century + u16::from(field(6, year, 0xff, 0, 99)?),
        month: field(5, month, 0x1f, 1, 12)?,
        day: field(4, day, 0x3f, 1, 31)?,
        hour,
        minute: field(1, minute, 0x7f, 0, 59)?,
        second: field(0, second, 0x7f, 0, 59)?,
    })
}

#[cfg(test)]
mod tests {
    use std::vec;

    use embedded_hal_mock::eh1::i2c::Transaction;
    use proptest::prelude::*;

    use super::*;
    use crate::ChipErrorKind;
    use crate::sim::{SimDs3231, SimI2c};
    use crate::testing::each_operation_fails_once_and_is_retried;

    fn read(register: u8, bytes: &[u8]) -> [Transaction; 1] {
        [Transaction::write_read(0x68, vec![register], bytes.to_vec())]
    }

    #[test]
    fn each_operation_is_retried() {
        let health = read(0x0e, &[0x1c, 0x88, 0, 0x19, 0x40]);
        each_operation_fails_once_and_is_retried(
            &[],
            &health,
            |_| health.to_vec(),
            Ds3231::new,
            |chip| {
                let health = chip.health()?;
                assert_eq!(health.temperature, CentiCelsius(2_525));
                assert!(health.stopped && !health.stops_on_battery);
                Ok::<_, ChipError<_>>(())
            },
        );
        let time = read(0, &[0x59, 0x30, 0x23, 3, 0x31, 0x12, 0x26]);
        each_operation_fails_once_and_is_retried(
            &[],
            &time,
            |_| time.to_vec(),
            Ds3231::new,
            |chip| {
                let expected =
                    ClockTime { year: 2026, month: 12, day: 31, hour: 23, minute: 30, second: 59 };
                assert_eq!(chip.time()?, expected);
                Ok::<_, ChipError<_>>(())
            },
        );
    }

    #[test]
    fn the_edges_of_twos_complement_are_right() {
        for (high, low, centi) in [
            (0x7f, 0xc0, 12_775),
            (0x00, 0x40, 25),
            (0xff, 0xc0, -25),
            (0xe6, 0xc0, -2_525),
            (0x80, 0x00, -12_800),
        ] {
            assert_eq!(convert(high, low), CentiCelsius(centi), "{high:#x} {low:#x}");
        }
    }

    #[test]
    fn both_ways_to_count_hours_are_read() {
        let hour = |byte| decode([0, 0, byte, 1, 1, 1, 0]).map(|time| time.hour);
        let twelve = [(0x52, 0), (0x41, 1), (0x51, 11), (0x72, 12), (0x61, 13), (0x71, 23)];
        for (byte, expected) in twelve.into_iter().chain([(0x00, 0), (0x23, 23)]) {
            assert_eq!(hour(byte), Ok(expected), "{byte:#x}");
        }
        for byte in [0x24, 0x0a, 0x40, 0x53] {
            assert_eq!(hour(byte), Err((2, byte)));
        }
        assert_eq!(decode([0, 0, 0, 1, 1, 0x81, 0x99]).unwrap().year, 2199);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_time_or_refused(bytes: [u8; 7]) {
            if let Ok(time) = decode(bytes) {
                prop_assert!((2000..2200).contains(&time.year) && (1..=12).contains(&time.month));
                prop_assert!((1..=31).contains(&time.day) && time.hour < 24);
                prop_assert!(time.minute < 60 && time.second < 60);
            }
        }
    }

    #[test]
    fn a_simulated_clock_is_read_and_another_chip_is_not_taken_for_it() {
        let bus = SimI2c::new();
        let plug = bus.attach(0x68, SimDs3231::new()).unwrap();
        let mut chip = Ds3231::new(bus.clone());
        assert!(chip.health().unwrap().stopped, "after a reset it has stood still");
        plug.with(|chip| chip.set([0x01, 0x02, 0x03, 1, 0x04, 0x05, 0x26]));
        plug.with(|chip| chip.temperature(CentiCelsius(-1_075)));
        let health = chip.health().unwrap();
        assert_eq!((health.temperature, health.stopped), (CentiCelsius(-1_075), false));
        assert_eq!(chip.time().unwrap().hour, 3);
        plug.unplug();
        assert_eq!(chip.health().unwrap_err().kind(), ChipErrorKind::Absent);
        plug.replug();
        assert!(chip.health().unwrap().stopped);
        plug.with(|chip| chip.set([0xff; 7]));
        assert_eq!(chip.time().unwrap_err().kind(), ChipErrorKind::Garbled);
        plug.fault(crate::sim::Fault::Garbage);
        let garbled = (0..50).filter(|_| chip.health().is_err()).count();
        assert!(garbled > 45, "{garbled} of 50 random answers were refused");
    }
}
