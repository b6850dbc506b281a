//! Freeing an I2C bus on which a chip holds the data line low.
//!
//! It happens when the master was reset, or noise added a clock, in the middle of a reading: the
//! chip waits for the clock that would end its 0, and nobody can send a START.

use core::fmt;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{InputPin, OutputPin};

/// UM10204 section 3.1.16: within nine clocks every chip has sent its byte and seen no acknowledge.
const CLOCKS: u8 = 9;
/// Half a period of the slowest standard clock, 100 kHz (UM10204 table 10: 4.7 µs and 4.0 µs).
const HALF_PERIOD_US: u32 = 5;
/// For how long a chip may stretch a clock. I2C sets no limit; SMBus (3.1, table 1) ends a transfer
/// after 25 ms.
const STRETCH_US: u32 = 25_000;

/// How the bus was found, and is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Both lines were high. A STOP was sent all the same.
    WasIdle,
    /// The data line was low, and was let go after so many clocks.
    Freed {
        /// 1 to 9.
        clocks: u8,
    },
}

/// Why the bus is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryError<C, D> {
    /// The pin of the clock failed.
    Clock(C),
    /// The pin of the data line failed.
    Data(D),
    /// The clock is held low. No master can do anything: a chip without supply, a short, or no
    /// pull-up. Switch the supply of the chips off and on.
    ClockHeldLow,
    /// The data line is low after nine clocks and a STOP: a short, no pull-up, or a chip that only
    /// its supply resets.
    DataHeldLow,
}

impl<C: fmt::Debug, D: fmt::Debug> fmt::Display for RecoveryError<C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(error) => write!(f, "pin of SCL: {error:?}"),
            Self::Data(error) => write!(f, "pin of SDA: {error:?}"),
            Self::ClockHeldLow => f.write_str(
                "SCL is held low: look for a short, a missing pull-up or a chip without supply",
            ),
            Self::DataHeldLow => f.write_str(
                "SDA is held low after nine clocks: look for a short or a missing pull-up, or \
                 switch the chips' supply off and on",
            ),
        }
    }
}

impl<C: fmt::Debug, D: fmt::Debug> core::error::Error for RecoveryError<C, D> {}

/// Sends up to nine clocks until the data line is high, and then a STOP (UM10204 section 3.1.16).
///
/// `scl` and `sda` are open drains: high lets go, and the level that is read is that of the wire.
/// The I2C controller must not drive them meanwhile. A Linux kernel whose device tree gives the
/// controller recovery pins does the same by itself; then do not call this.
///
/// Takes less than 0.4 s if a chip stretches each clock as long as it may, and 0.1 ms otherwise.
///
/// # Errors
///
/// A pin failed, or a line is still low. Both lines are let go also then, as far as the pins do.
/// Calling again is harmless.
pub fn recover_bus<C, D>(
    scl: &mut C,
    sda: &mut D,
    delay: &mut impl DelayNs,
) -> Result<Recovery, RecoveryError<C::Error, D::Error>>
where
    C: OutputPin + InputPin,
    D: OutputPin + InputPin,
{
    let recovery = free(scl, sda, delay);
    if recovery.is_err() {
        // Best effort: the error that is returned tells more than these could.
        let _ = sda.set_high();
        let _ = scl.set_high();
    }
    recovery
}

fn free<C, D>(
    scl: &mut C,
    sda: &mut D,
    delay: &mut impl DelayNs,
) -> Result<Recovery, RecoveryError<C::Error, D::Error>>
where
    C: OutputPin + InputPin,
    D: OutputPin + InputPin,
{
    sda.set_high().map_err(RecoveryError::Data)?;
    release_clock(scl, delay)?;
    let mut clocks = 0;
    while clocks < CLOCKS && sda.is_low().map_err(RecoveryError::Data)? {
        scl.set_low().map_err(RecoveryError::Clock)?;
        delay.delay_us(HALF_PERIOD_US);
        release_clock(scl, delay)?;
        clocks += 1;
    }
    // A STOP: the data line rises while the clock is high. It also ends what a chip takes for a
    // transfer that goes on.
    scl.set_low().map_err(RecoveryError::Clock)?;
    delay.delay_us(HALF_PERIOD_US);
    sda.set_low().map_err(RecoveryError::Data)?;
    delay.delay_us(HALF_PERIOD_US);
    release_clock(scl, delay)?;
    sda.set_high().map_err(RecoveryError::Data)?;
    delay.delay_us(HALF_PERIOD_US);
    if sda.is_low().map_err(RecoveryError::Data)? {
        return Err(RecoveryError::DataHeldLow);
    }
    Ok(if clocks == 0 { Recovery::WasIdle } else { Recovery::Freed { clocks } })
}

/// Lets the clock go and waits, for a bounded time, until it is high.
fn release_clock<C: OutputPin + InputPin, E>(
    scl: &mut C,
    delay: &mut impl DelayNs,
) -> Result<(), RecoveryError<C::Error, E>> {
    scl.set_high().map_err(RecoveryError::Clock)?;
    delay.delay_us(HALF_PERIOD_US);
    for _ in 0..STRETCH_US / HALF_PERIOD_US {
        if scl.is_high().map_err(RecoveryError::Clock)? {
            return Ok(());
        }
        delay.delay_us(HALF_PERIOD_US);
    }
    Err(RecoveryError::ClockHeldLow)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::vec;
    use std::vec::Vec;

    use embedded_hal::i2c::I2c;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::delay::NoopDelay;
    use embedded_hal_mock::eh1::digital::State::{High, Low};
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
    use proptest::prelude::*;

    use super::*;
    use crate::sim::SimI2c;
    use crate::testing::NACK;

    fn set(state: State) -> Transaction {
        Transaction::set(state)
    }

    fn get(state: State) -> Transaction {
        Transaction::get(state)
    }

    /// The clock and the data line of a bus that is freed by two clocks.
    fn two_clocks() -> (Vec<Transaction>, Vec<Transaction>) {
        let clock = [set(Low), set(High), get(High)];
        let mut scl = vec![set(High), get(High)];
        scl.extend(clock.iter().cycle().take(9).cloned());
        let sda = vec![set(High), get(Low), get(Low), get(High), set(Low), set(High), get(High)];
        (scl, sda)
    }

    #[test]
    fn the_clocks_and_the_stop_are_those_of_the_specification() {
        let (scl, sda) = two_clocks();
        let (mut scl, mut sda) = (Mock::new(&scl), Mock::new(&sda));
        let freed = recover_bus(&mut scl, &mut sda, &mut NoopDelay::new());
        assert_eq!(freed, Ok(Recovery::Freed { clocks: 2 }));
        scl.done();
        sda.done();
    }

    #[test]
    fn each_operation_of_a_pin_fails_once_lets_both_lines_go_and_is_retried() {
        let (scl, sda) = two_clocks();
        let broken = || MockError::Io(ErrorKind::NotConnected);
        let idle_scl = [set(High), get(High), set(Low), set(High), get(High)];
        let idle_sda = [set(High), get(High), set(Low), set(High), get(High)];
        // How many operations of the other pin come before each one.
        let sda_before = [1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 5];
        let scl_before = [0, 2, 5, 8, 9, 11, 11];
        let run = |mut clock: Vec<Transaction>, mut data: Vec<Transaction>| {
            clock.push(set(High));
            data.push(set(High));
            clock.extend(idle_scl.clone());
            data.extend(idle_sda.clone());
            let (mut clock, mut data) = (Mock::new(&clock), Mock::new(&data));
            let failed = recover_bus(&mut clock, &mut data, &mut NoopDelay::new());
            assert!(matches!(failed, Err(RecoveryError::Clock(_) | RecoveryError::Data(_))));
            let again = recover_bus(&mut clock, &mut data, &mut NoopDelay::new());
            assert_eq!(again, Ok(Recovery::WasIdle));
            clock.done();
            data.done();
        };
        for (failing, before) in sda_before.into_iter().enumerate() {
            let mut clock = scl[..=failing].to_vec();
            clock[failing] = clock[failing].clone().with_error(broken());
            run(clock, sda[..before].to_vec());
        }
        for (failing, before) in scl_before.into_iter().enumerate() {
            let mut data = sda[..=failing].to_vec();
            data[failing] = data[failing].clone().with_error(broken());
            run(scl[..before].to_vec(), data);
        }
    }

    proptest! {
        #[test]
        fn a_chip_that_lets_go_within_nine_clocks_is_freed(clocks in 0u32..=9) {
            let mut bus = SimI2c::new();
            bus.hold_sda(clocks);
            let (mut scl, mut sda) = bus.wires();
            let freed = recover_bus(&mut scl, &mut sda, &mut NoopDelay::new());
            let expected = match clocks {
                0 => Recovery::WasIdle,
                clocks => Recovery::Freed { clocks: u8::try_from(clocks).unwrap() },
            };
            prop_assert_eq!(freed, Ok(expected));
            prop_assert_eq!(bus.write(0x20, &[]), Err(NACK));
        }
    }

    #[test]
    fn a_line_that_stays_low_is_told_after_a_bounded_time() {
        let mut bus = SimI2c::new();
        bus.hold_sda(10);
        let (mut scl, mut sda) = bus.wires();
        let stuck = recover_bus(&mut scl, &mut sda, &mut NoopDelay::new());
        assert_eq!(stuck, Err(RecoveryError::DataHeldLow));
        assert_eq!(bus.write(0x20, &[]), Err(embedded_hal::i2c::ErrorKind::Bus));
        bus.hold_sda(0);
        bus.hold_scl(true);
        let stuck = recover_bus(&mut scl, &mut sda, &mut NoopDelay::new());
        assert_eq!(stuck, Err(RecoveryError::ClockHeldLow));
        bus.hold_scl(false);
        let free = recover_bus(&mut scl, &mut sda, &mut NoopDelay::new());
        assert_eq!(free, Ok(Recovery::WasIdle));
    }
}
