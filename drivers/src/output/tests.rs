//! Outputs on scripted pins: every operation of the pins, with its error and the retry.

use std::io::ErrorKind;
use std::vec;
use std::vec::Vec;

use embedded_hal::digital::ErrorType;
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::State::{High, Low};
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

fn set(state: State) -> Transaction {
    Transaction::set(state)
}

fn broken(operation: Transaction) -> Transaction {
    operation.with_error(MockError::Io(ErrorKind::NotConnected))
}

fn active_high() -> OutputConfig {
    OutputConfig { settle: Duration::ZERO, ..OutputConfig::new(PinState::High) }
}

fn switched(drive: Drive, at_ns: u64, cause: Cause) -> OutputEvent {
    OutputEvent::Switched { drive, at_ns, cause }
}

#[test]
fn nothing_is_written_before_somebody_has_said_something() {
    let mut pin = Mock::new(&[]);
    let mut output = Output::new(pin.clone(), active_high());
    assert_eq!(output.poll(0), Ok(None));
    assert_eq!((output.drive(), output.deadline(0)), (None, None));
    drop(output);
    pin.done();
}

#[test]
fn the_active_level_is_the_configurations() {
    for (active_level, on, off) in [(PinState::High, High, Low), (PinState::Low, Low, High)] {
        let mut pin = Mock::new(&[set(off), set(on), set(off)]);
        let mut output = Output::new(pin.clone(), OutputConfig::new(active_level));
        output.rest();
        assert_eq!(output.poll(1), Ok(Some(switched(Drive::Inactive, 1, Cause::Rest))));
        output.command(Command::On, 2);
        assert_eq!(output.poll(3), Ok(Some(switched(Drive::Active, 3, Cause::Command))));
        assert_eq!(output.drive(), Some(Drive::Active));
        drop(output);
        pin.done();
    }
}

#[test]
fn a_failed_write_leaves_the_state_unknown_and_is_written_again_not_skipped() {
    let script = [set(Low), broken(set(High)), broken(set(High)), set(High), set(Low)];
    let mut pin = Mock::new(&script);
    let mut output = Output::new(pin.clone(), active_high());
    output.rest();
    output.poll(0).unwrap();
    output.command(Command::On, 1);
    for now_ns in [1, 2] {
        assert!(matches!(output.poll(now_ns), Err(OutputError::Pin(_))));
        assert_eq!(output.drive(), None);
    }
    assert_eq!(output.poll(3), Ok(Some(switched(Drive::Active, 3, Cause::Command))));
    assert_eq!(output.poll(4), Ok(None), "it is known to be so");
    drop(output);
    pin.done();
}

#[test]
fn a_failed_off_after_a_failed_on_is_still_written() {
    // The first write may have been carried out although it failed.
    let script = [set(Low), broken(set(High)), broken(set(Low)), set(Low), set(Low)];
    let mut pin = Mock::new(&script);
    let mut output = Output::new(pin.clone(), active_high());
    output.rest();
    output.poll(0).unwrap();
    output.command(Command::On, 1);
    assert!(output.poll(1).is_err());
    output.command(Command::Off, 2);
    assert!(output.poll(2).is_err());
    assert_eq!(output.poll(3), Ok(None), "it never was told to be active");
    assert_eq!(output.drive(), Some(Drive::Inactive));
    drop(output);
    pin.done();
}

#[test]
fn the_safe_state_is_written_at_start_at_stop_and_by_a_drop_and_retried() {
    for safe in [Drive::Inactive, Drive::Active] {
        let (level, other) = if safe == Drive::Active { (High, Low) } else { (Low, High) };
        let against = if safe == Drive::Active { Command::Off } else { Command::On };
        let script = [
            broken(set(level)),
            set(level),
            set(other),
            broken(set(level)),
            set(level),
            broken(set(level)),
        ];
        let mut pin = Mock::new(&script);
        let config = OutputConfig { safe: SafeState::Drive(safe), ..active_high() };
        let mut output = Output::new(pin.clone(), config);
        output.rest();
        assert!(output.poll(0).is_err());
        output.poll(1).unwrap();
        output.command(against, 2);
        output.poll(2).unwrap();
        output.rest();
        assert!(output.poll(3).is_err());
        assert_eq!(output.poll(4), Ok(Some(switched(safe, 4, Cause::Rest))));
        drop(output);
        pin.done();
    }
}

#[test]
fn an_output_that_holds_is_neither_moved_at_start_nor_at_stop() {
    let mut pin = Mock::new(&[set(High)]);
    let config = OutputConfig { safe: SafeState::Hold, ..active_high() };
    let mut output = Output::new(pin.clone(), config);
    output.rest();
    assert_eq!(output.poll(0), Ok(None));
    output.command(Command::On, 1);
    output.poll(1).unwrap();
    output.rest();
    assert_eq!(output.poll(2), Ok(None));
    drop(output);
    pin.done();
}

#[test]
fn a_pulse_that_could_not_be_written_in_its_time_is_void() {
    let script = [set(Low), broken(set(High)), set(Low), set(Low)];
    let mut pin = Mock::new(&script);
    let mut output = Output::new(pin.clone(), active_high());
    output.rest();
    output.poll(0).unwrap();
    output.command(Command::Pulse(Duration::from_millis(5)), 0);
    assert!(output.poll(0).is_err());
    assert_eq!(output.deadline(MS), Some(5 * MS));
    assert_eq!(output.poll(600_000 * MS), Ok(None));
    drop(output);
    pin.done();
}

#[test]
fn a_level_is_refreshed_and_a_forgotten_one_written_again() {
    let mut pin = Mock::new(&[set(Low), set(Low), broken(set(Low)), set(Low), set(Low), set(Low)]);
    let config = OutputConfig { refresh: Some(Duration::from_millis(10)), ..active_high() };
    let mut output = Output::new(pin.clone(), config);
    output.rest();
    output.poll(0).unwrap();
    output.poll(0).unwrap();
    assert_eq!(output.deadline(0), Some(10 * MS));
    assert_eq!(output.poll(9 * MS), Ok(None));
    assert_eq!(output.poll(10 * MS), Ok(None));
    assert!(output.poll(20 * MS).is_err());
    assert_eq!(output.poll(21 * MS), Ok(None));
    output.forget();
    assert_eq!(output.poll(22 * MS), Ok(None));
    drop(output);
    pin.done();
}

#[test]
fn a_read_back_that_disagrees_is_a_fault_once_and_agrees_again() {
    let get = Transaction::get;
    let mut pin = Mock::new(&[set(Low), set(High), set(High), set(High), set(High), set(Low)]);
    let mut contact =
        Mock::new(&[get(High), broken(get(High)), get(High), get(High), get(Low), get(Low)]);
    // The second contact of the relay is closed to ground while it is active.
    let read_back = Sensed::new(contact.clone(), PinState::Low);
    let config = OutputConfig { settle: Duration::from_millis(20), ..active_high() };
    let mut output = Output::with_read_back(pin.clone(), read_back, config);
    output.rest();
    output.poll(0).unwrap();
    assert_eq!(output.deadline(0), Some(20 * MS));
    assert_eq!(output.poll(19 * MS), Ok(None), "the relay still moves");
    assert_eq!(output.poll(20 * MS), Ok(None), "it agrees");
    assert_eq!(output.deadline(20 * MS), None);

    output.command(Command::On, 100 * MS);
    assert_eq!(output.poll(100 * MS), Ok(Some(switched(Drive::Active, 100 * MS, Cause::Command))));
    assert!(matches!(output.poll(120 * MS), Err(OutputError::ReadBack(_))));
    let fault = OutputEvent::Disagrees { expected: Drive::Active, found: Drive::Inactive };
    assert_eq!(output.poll(121 * MS), Ok(Some(fault)));
    assert_eq!(output.drive(), None);
    assert_eq!(output.poll(122 * MS), Ok(None), "told once, written each time");
    let mended = OutputEvent::Agrees { drive: Drive::Active };
    assert_eq!(output.poll(123 * MS), Ok(Some(mended)));
    assert_eq!(output.drive(), Some(Drive::Active));
    output.forget();
    assert_eq!(output.poll(124 * MS), Ok(None), "written again, and given time to settle");
    assert_eq!(output.poll(144 * MS), Ok(None));
    drop(output);
    pin.done();
    contact.done();
}

#[test]
fn the_latch_and_the_own_pin_are_read_back_with_the_active_level() {
    let script = [set(High), Transaction::get_state(High), set(High)];
    let mut pin = Mock::new(&script);
    let config = OutputConfig { active_level: PinState::Low, ..active_high() };
    let mut output = Output::with_read_back(pin.clone(), Latched, config);
    output.rest();
    output.poll(0).unwrap();
    assert_eq!(output.poll(1), Ok(None));
    drop(output);
    pin.done();

    let script = [set(High), Transaction::get(Low), set(High)];
    let mut pin = Mock::new(&script);
    let mut output = Output::with_read_back(pin.clone(), OwnPin, config);
    output.rest();
    output.poll(0).unwrap();
    let fault = OutputEvent::Disagrees { expected: Drive::Inactive, found: Drive::Active };
    assert_eq!(output.poll(1), Ok(Some(fault)));
    drop(output);
    pin.done();
}

#[test]
fn a_door_is_released_for_no_longer_than_allowed_and_locked_in_between() {
    let mut pin = Mock::new(&[set(Low), set(High), set(Low), set(High), set(Low), set(Low)]);
    let mut config = DoorReleaseConfig::new(PinState::High);
    config.longest = Duration::from_secs(10);
    let mut door = DoorRelease::new(pin.clone(), config);
    let sec = 1_000 * MS;
    door.rest();
    door.poll(0).unwrap();
    let five = Duration::from_secs(5);
    let release = Release { from_ns: sec, until_ns: 6 * sec };
    assert_eq!(door.release(five, sec), Some(release));
    door.poll(sec).unwrap();
    let longer = Release { from_ns: sec, until_ns: 11 * sec };
    assert_eq!(door.release(Duration::from_secs(3_600), 5 * sec), Some(longer));
    assert_eq!(door.deadline(5 * sec), Some(11 * sec));
    assert_eq!(
        door.poll(11 * sec),
        Ok(Some(switched(Drive::Inactive, 11 * sec, Cause::MaximumTime)))
    );
    let again = Release { from_ns: 11 * sec + 500 * MS, until_ns: 16 * sec + 500 * MS };
    assert_eq!(door.release(five, 11 * sec), Some(again));
    assert_eq!(door.poll(11 * sec), Ok(None));
    door.poll(12 * sec).unwrap();
    door.lock(13 * sec);
    assert_eq!(door.poll(13 * sec), Ok(Some(switched(Drive::Inactive, 13 * sec, Cause::Command))));
    assert_eq!(door.release(Duration::ZERO, 15 * sec), None);
    drop(door);
    pin.done();
}

#[test]
fn a_siren_ends_by_itself_and_a_new_alarm_sounds_anew() {
    let mut pin = Mock::new(&[set(Low), set(High), set(Low), set(High), set(Low), set(Low)]);
    let mut siren = Siren::new(pin.clone(), SirenConfig::new(PinState::High));
    let sec = 1_000 * MS;
    siren.rest();
    siren.poll(0).unwrap();
    assert_eq!(siren.sound(sec), Some(181 * sec));
    siren.poll(sec).unwrap();
    assert_eq!(siren.sound(100 * sec), Some(181 * sec), "no alarm makes it longer");
    let end = switched(Drive::Inactive, 181 * sec, Cause::MaximumTime);
    assert_eq!(siren.poll(181 * sec), Ok(Some(end)));
    assert_eq!(siren.chirp(Duration::from_secs(1), 200 * sec), Some(201 * sec));
    siren.poll(200 * sec).unwrap();
    siren.silence(200 * sec);
    assert_eq!(siren.drive(), Some(Drive::Active));
    siren.poll(200 * sec).unwrap();
    assert_eq!(siren.drive(), Some(Drive::Inactive));
    drop(siren);
    pin.done();
}

/// A pin whose writes fail as they are told to; half of those are carried out all the same.
#[derive(Debug, Default)]
struct Load {
    level: bool,
    fail: Vec<u8>,
}

impl ErrorType for Load {
    type Error = embedded_hal::digital::ErrorKind;
}

impl OutputPin for Load {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        self.set_state(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        self.set_state(PinState::High)
    }

    fn set_state(&mut self, state: PinState) -> Result<(), Self::Error> {
        let fate = self.fail.pop().unwrap_or(0);
        if fate != 1 {
            self.level = state == PinState::High;
        }
        if fate == 0 { Ok(()) } else { Err(embedded_hal::digital::ErrorKind::Other) }
    }
}

proptest! {
    #[test]
    fn what_is_said_of_an_output_is_true_whatever_writes_fail(
        fail in prop::collection::vec(0u8..3, 0..40),
        commands in prop::collection::vec((0u8..5, 0u64..30), 0..40),
    ) {
        let timing = SwitchTiming { max_on: Some(Duration::from_nanos(50)), ..Default::default() };
        let config = OutputConfig { timing, ..active_high() };
        let mut output = Output::new(Load { level: false, fail }, config);
        let mut now_ns = 0;
        for (command, length) in commands {
            now_ns += length;
            match command {
                0 => output.command(Command::On, now_ns),
                1 => output.command(Command::Off, now_ns),
                2 => output.command(Command::Pulse(Duration::from_nanos(length)), now_ns),
                3 => output.rest(),
                _ => {}
            }
            let polled = output.poll(now_ns);
            prop_assert_eq!(polled.is_err(), output.drive().is_none() && output.switch.wanted(0).is_some());
            if let Some(drive) = output.drive() {
                prop_assert_eq!(output.pin.level, drive == Drive::Active);
                prop_assert_eq!(output.switch.wanted(now_ns), Some(drive));
            }
        }
        // Whatever failed: in the end it is off.
        output.pin.fail = vec![];
        output.rest();
        output.poll(now_ns).unwrap();
        prop_assert_eq!(output.drive(), Some(Drive::Inactive));
        prop_assert!(!output.pin.level);
    }
}
