//! One suite over all expanders: exact bytes, each operation failing once, and chips that forget.

mod lines;
mod simulated;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use embedded_hal::i2c::ErrorKind;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

use super::*;
use crate::testing::{NACK, each_operation_fails_once_and_is_retried};

const AT: u8 = 0x20;
/// Lines 0 and 1 are outputs, line 0 is safe when high.
const PORT: PortConfig = PortConfig::with_outputs(0b11, 0b01);
const SEC: u64 = 1_000_000_000;

fn config() -> ExpanderConfig {
    ExpanderConfig::polled(PORT)
}

/// The bytes of one chip of the family, with [`PORT`].
trait Family {
    type Chip: ExpanderChip<BusError = ErrorKind>;
    fn chip(bus: Mock) -> Self::Chip;
    /// All of the setup written, and read back.
    fn configure(outputs: u8) -> Vec<Transaction>;
    fn sample(levels: u16) -> Vec<Transaction>;
    /// The first bytes of a reading after a reset, up to where it shows.
    fn sample_after_reset() -> Vec<Transaction>;
    fn verify(outputs: u8) -> Vec<Transaction>;
    fn write_outputs(outputs: u8) -> Vec<Transaction>;
}

struct Mcp;

impl Family for Mcp {
    type Chip = Mcp23017<Mock>;

    fn chip(bus: Mock) -> Self::Chip {
        Mcp23017::new(bus, AT).unwrap()
    }

    fn configure(outputs: u8) -> Vec<Transaction> {
        let registers = [0xfc, 0xff, 0, 0, 0xfc, 0xff, 0, 0, 0, 0, 0x44, 0x44, 0xfc, 0xff];
        let mut all = vec![0x00];
        all.extend(registers);
        let mut steps = vec![Transaction::write(AT, vec![0x05, 0])];
        steps.extend(Self::write_outputs(outputs));
        steps.push(Transaction::write(AT, all));
        steps.extend(Self::verify(outputs));
        steps
    }

    fn sample(levels: u16) -> Vec<Transaction> {
        let [a, b] = levels.to_le_bytes();
        let bytes = vec![0x44, 0x44, 0xfc, 0xff, 0, 0, 0, 0, a, b];
        vec![Transaction::write_read(AT, vec![0x0a], bytes)]
    }

    fn sample_after_reset() -> Vec<Transaction> {
        vec![Transaction::write_read(AT, vec![0x0a], vec![0; 10])]
    }

    fn verify(outputs: u8) -> Vec<Transaction> {
        let registers = vec![0xfc, 0xff, 0, 0, 0xfc, 0xff, 0, 0, 0, 0, 0x44, 0x44, 0xfc, 0xff];
        vec![
            Transaction::write_read(AT, vec![0x00], registers),
            Transaction::write_read(AT, vec![0x14], vec![outputs, 0]),
        ]
    }

    fn write_outputs(outputs: u8) -> Vec<Transaction> {
        vec![Transaction::write(AT, vec![0x14, outputs, 0])]
    }
}

struct Pca;

impl Family for Pca {
    type Chip = Pca9555<Mock>;

    fn chip(bus: Mock) -> Self::Chip {
        Pca9555::new(bus, AT).unwrap()
    }

    fn configure(outputs: u8) -> Vec<Transaction> {
        let mut steps = Self::write_outputs(outputs);
        steps.push(Transaction::write(AT, vec![4, 0, 0]));
        steps.push(Transaction::write(AT, vec![6, 0xfc, 0xff]));
        steps.extend(Self::verify(outputs));
        steps
    }

    fn sample(levels: u16) -> Vec<Transaction> {
        vec![
            Transaction::write_read(AT, vec![0], levels.to_le_bytes().to_vec()),
            Transaction::write_read(AT, vec![6], vec![0xfc, 0xff]),
        ]
    }

    fn sample_after_reset() -> Vec<Transaction> {
        vec![
            Transaction::write_read(AT, vec![0], vec![0xff, 0xff]),
            Transaction::write_read(AT, vec![6], vec![0xff, 0xff]),
        ]
    }

    fn verify(outputs: u8) -> Vec<Transaction> {
        vec![
            Transaction::write_read(AT, vec![2], vec![outputs, 0]),
            Transaction::write_read(AT, vec![4], vec![0, 0]),
            Transaction::write_read(AT, vec![6], vec![0xfc, 0xff]),
        ]
    }

    fn write_outputs(outputs: u8) -> Vec<Transaction> {
        vec![Transaction::write(AT, vec![2, outputs, 0])]
    }
}

struct Pcf;

impl Family for Pcf {
    type Chip = Pcf8574<Mock>;

    fn chip(bus: Mock) -> Self::Chip {
        Pcf8574::new(bus, AT).unwrap()
    }

    fn configure(outputs: u8) -> Vec<Transaction> {
        let mut steps = Self::write_outputs(outputs);
        steps.extend(Self::verify(outputs));
        steps
    }

    fn sample(levels: u16) -> Vec<Transaction> {
        vec![Transaction::read(AT, vec![levels.to_le_bytes()[0]])]
    }

    fn sample_after_reset() -> Vec<Transaction> {
        vec![Transaction::read(AT, vec![0xff])]
    }

    fn verify(outputs: u8) -> Vec<Transaction> {
        vec![Transaction::read(AT, vec![0xfc | outputs])]
    }

    fn write_outputs(outputs: u8) -> Vec<Transaction> {
        vec![Transaction::write(AT, vec![0xfc | outputs])]
    }
}

/// Plays the steps, in this order, and checks that all were made.
fn play<F: Family>(
    steps: impl IntoIterator<Item = Vec<Transaction>>,
    test: impl FnOnce(&mut Expander<F::Chip>),
) {
    let steps: Vec<_> = steps.into_iter().flatten().collect();
    let mut bus = Mock::new(&steps);
    let mut expander = Expander::new(F::chip(bus.clone()), config());
    test(&mut expander);
    bus.done();
}

fn broken(mut steps: Vec<Transaction>) -> Vec<Transaction> {
    vec![steps.remove(0).with_error(NACK)]
}

fn is_found_configured_and_read<F: Family>() {
    play::<F>([F::configure(1), F::sample(0xfffd)], |expander| {
        assert_eq!((expander.levels(), expander.outputs()), (None, None));
        let scan = expander.poll(5, None).unwrap();
        let levels = 0xfffd & Expander::<F::Chip>::lines();
        assert_eq!((scan.at_ns, scan.levels, scan.changed), (5, levels, 0));
        assert_eq!(scan.restart, Some(Restart::Found));
        assert_eq!((expander.levels(), expander.outputs()), (Some(levels), Some(1)));
    });
}

fn each_operation_of_the_first_reading_is_retried<F: Family>() {
    let all = [F::configure(1), F::sample(0xfffd)].concat();
    let make = |bus| Expander::new(F::chip(bus), config());
    let configuration = F::configure(1).len();
    let retried = |failing| {
        if failing < configuration {
            return [F::configure(1), F::sample(0xfffd)].concat();
        }
        // It was configured. What failed may have reset it, so it is read back.
        [F::sample(0xfffd), F::verify(1)].concat()
    };
    each_operation_fails_once_and_is_retried(&[], &all, retried, make, |expander| {
        let scan = expander.poll(0, None)?;
        assert_eq!(scan.restart, Some(Restart::Found));
        Ok::<_, ChipError<ErrorKind>>(())
    });
}

fn each_operation_of_a_due_read_back_is_retried<F: Family>() {
    let prepared = [F::configure(1), F::sample(0xfffd)].concat();
    let due = [F::sample(0xfffd), F::verify(1)].concat();
    let make = |bus| {
        let mut expander = Expander::new(F::chip(bus), config());
        expander.poll(0, None).unwrap();
        expander
    };
    let retried = |_| due.clone();
    each_operation_fails_once_and_is_retried(&prepared, &due, retried, make, |expander| {
        let scan = expander.poll(10 * SEC, None)?;
        assert!(scan.gap, "the reading before failed");
        Ok::<_, ChipError<ErrorKind>>(())
    });
}

fn the_read_back_comes_on_its_schedule<F: Family>() {
    let quiet = F::sample(0xfffd);
    let steps = [
        F::configure(1),
        quiet.clone(),
        quiet.clone(),
        [quiet.clone(), F::verify(1)].concat(),
        quiet,
    ];
    play::<F>(steps, |expander| {
        for at_ns in [0, 9 * SEC, 10 * SEC, 19 * SEC] {
            let scan = expander.poll(at_ns, None).unwrap();
            assert!(!scan.gap);
        }
    });
}

/// What port-expander did: the cache took the new level before the bus had, and the retry was
/// skipped as unchanged while the relay stayed where it was.
fn a_failed_write_is_retried_on_the_bus_and_is_not_taken_for_done<F: Family>() {
    let steps = [
        F::configure(1),
        F::sample(0xfffd),
        broken(F::write_outputs(3)),
        F::write_outputs(3),
        F::write_outputs(3),
    ];
    play::<F>(steps, |expander| {
        expander.poll(0, None).unwrap();
        assert!(expander.set_outputs(0b10, 0b10).is_err());
        assert_eq!(expander.outputs(), None, "whether the chip took it is unknown");
        expander.set_outputs(0b10, 0b10).unwrap();
        assert_eq!(expander.outputs(), Some(3));
        // Also what seems to be unchanged is written.
        expander.set_outputs(0b10, 0b10).unwrap();
    });
}

/// A door must not be released minutes later because the bus came back.
fn a_failed_write_that_nobody_repeats_becomes_the_safe_level<F: Family>() {
    let steps = [
        F::configure(1),
        F::sample(0xfffd),
        broken(F::write_outputs(3)),
        [F::write_outputs(1), F::sample(0xfffd), F::verify(1)].concat(),
    ];
    play::<F>(steps, |expander| {
        expander.poll(0, None).unwrap();
        assert!(expander.set_outputs(0b10, 0b10).is_err());
        let scan = expander.poll(SEC, None).unwrap();
        assert!(!scan.gap, "no reading has failed");
        assert_eq!(expander.outputs(), Some(1));
    });
}

fn a_reset_is_noticed_by_the_next_reading_and_mended<F: Family>() {
    let steps = [
        F::configure(1),
        F::sample(0xfffd),
        F::write_outputs(0),
        F::sample_after_reset(),
        F::configure(1),
        F::sample(0xfffd),
    ];
    play::<F>(steps, |expander| {
        expander.poll(0, None).unwrap();
        expander.set_outputs(0b11, 0).unwrap();
        let scan = expander.poll(SEC, None).unwrap();
        assert!(matches!(scan.restart, Some(Restart::Reset { .. })), "{:?}", scan.restart);
        assert_eq!((scan.changed, scan.is_anew()), (0, true));
        assert_eq!(expander.outputs(), Some(1), "the outputs dropped out: they are safe");
    });
}

fn a_chip_that_is_gone_has_no_levels_until_it_is_configured_again<F: Family>() {
    let gone = broken(F::sample(0));
    let steps = [
        F::configure(1),
        F::sample(0xfffd),
        gone.clone(),
        gone.clone(),
        gone,
        broken(F::configure(1)),
        F::configure(1),
        F::sample(0xfff9),
    ];
    play::<F>(steps, |expander| {
        let lines = Expander::<F::Chip>::lines();
        expander.poll(0, None).unwrap();
        for known in [true, true, false, false] {
            let error = expander.poll(1, None).unwrap_err();
            assert_eq!(error.kind(), crate::ChipErrorKind::Absent);
            assert_eq!(expander.levels().is_some(), known);
        }
        let scan = expander.poll(SEC, None).unwrap();
        assert_eq!((scan.restart, scan.is_anew()), (Some(Restart::Returned), true));
        assert_eq!(scan.levels, 0xfff9 & lines);
    });
}

fn an_output_is_never_set_on_a_chip_that_was_not_configured<F: Family>() {
    let steps = [broken(F::configure(3)), F::configure(3), F::sample(0xffff), F::verify(3)];
    play::<F>(steps, |expander| {
        assert!(expander.set_outputs(0b10, 0b10).is_err());
        expander.set_outputs(0b11, 0b11).unwrap();
        let scan = expander.poll(0, None).unwrap();
        assert_eq!((scan.restart, expander.outputs()), (Some(Restart::Found), Some(3)));
    });
}

fn inputs_cannot_be_set<F: Family>() {
    play::<F>([F::configure(1), F::write_outputs(1)], |expander| {
        expander.set_outputs(0, 0).unwrap();
        expander.set_outputs(0xfffc, 0xffff).unwrap();
        assert_eq!(expander.outputs(), Some(1));
    });
}

macro_rules! family {
    ($($module:ident = $family:ident),*; $tests:tt) => { $(family!(@ $module $family $tests);)* };
    (@ $module:ident $family:ident { $($test:ident),* $(,)? }) => {
        mod $module {
            $(#[test] fn $test() { super::$test::<super::$family>(); })*
        }
    };
}

family! { mcp23017 = Mcp, pca9555 = Pca, pcf8574 = Pcf; {
    is_found_configured_and_read,
    each_operation_of_the_first_reading_is_retried,
    each_operation_of_a_due_read_back_is_retried,
    the_read_back_comes_on_its_schedule,
    a_failed_write_is_retried_on_the_bus_and_is_not_taken_for_done,
    a_failed_write_that_nobody_repeats_becomes_the_safe_level,
    a_reset_is_noticed_by_the_next_reading_and_mended,
    a_chip_that_is_gone_has_no_levels_until_it_is_configured_again,
    an_output_is_never_set_on_a_chip_that_was_not_configured,
    inputs_cannot_be_set,
}}

#[test]
fn the_addresses_are_those_of_the_datasheets() {
    let bus = crate::sim::SimI2c::new;
    assert!(Mcp23017::new(bus(), 0x27).is_ok() && Mcp23017::new(bus(), 0x28).is_err());
    assert!(Pca9555::new(bus(), 0x20).is_ok() && Pca9555::new(bus(), 0x1f).is_err());
    assert!(Pcf8574::new(bus(), 0x20).is_ok() && Pcf8574::new(bus(), 0x38).is_err());
    assert!(Pcf8574::new_a(bus(), 0x3f).is_ok() && Pcf8574::new_a(bus(), 0x27).is_err());
}

#[test]
fn no_fault_count_and_no_period_overflow() {
    let mut config = config();
    (config.max_faults, config.verify_every) = (0, Duration::MAX);
    let steps = [Mcp::configure(1), Mcp::sample(0), broken(Mcp::sample(0)), Mcp::configure(1)];
    let mut bus = Mock::new(&[steps.concat(), Mcp::sample(0)].concat());
    let mut expander = Expander::new(Mcp::chip(bus.clone()), config);
    expander.poll(7, None).unwrap();
    assert!(expander.poll(u64::MAX - 1, Some(u64::MAX)).is_err());
    assert_eq!(expander.levels(), None, "0 faults are taken as 1");
    expander.poll(0, Some(u64::MAX)).unwrap();
    bus.done();
}
