//! Both chips byte by byte, conversions over their whole range, and the battery's rule.

use core::num::NonZeroU32;
use std::vec;
use std::vec::Vec;

use embedded_hal::i2c::ErrorKind;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;

use super::*;
use crate::ChipErrorKind;
use crate::sim::{SimI2c, SimIna219, SimIna226};
use crate::testing::each_operation_fails_once_and_is_retried;
use crate::units::Milliohms;

const AT: u8 = 0x40;
const SEC: u64 = 1_000_000_000;

fn milliohms(value: u32) -> Milliohms {
    Milliohms(NonZeroU32::new(value).unwrap())
}

fn read(register: u8, word: u16) -> Transaction {
    Transaction::write_read(AT, vec![register], word.to_be_bytes().to_vec())
}

fn write(register: u8, word: u16) -> Transaction {
    let [high, low] = word.to_be_bytes();
    Transaction::write(AT, vec![register, high, low])
}

fn ina219(bus: Mock) -> Ina219<Mock> {
    Ina219::new(bus, AT, milliohms(100)).unwrap()
}

fn ina226(bus: Mock) -> Ina226<Mock> {
    Ina226::new(bus, AT, milliohms(10)).unwrap()
}

/// 12.0 V with 1.5 A through 0.1 Ω.
fn transcript_219() -> [Transaction; 4] {
    [read(0, 0x3eef), read(2, (3_000 << 3) | 0b10), read(1, 15_000), read(3, 0)]
}

fn transcript_226() -> [Transaction; 4] {
    [read(0, 0x4527), read(6, 0x0008), read(2, 9_600), read(1, 6_000)]
}

fn configure_226() -> [Transaction; 3] {
    [read(0xfe, 0x5449), read(0xff, 0x2261), write(0, 0x4527)]
}

const EXPECTED: Power =
    Power { bus: Millivolts(12_000), current: Milliamps(1_500), saturated: false };

#[test]
fn each_operation_of_an_ina219_is_retried() {
    let first: Vec<_> = [write(0, 0x3eef)].into_iter().chain(transcript_219()).collect();
    let retried = |failing| if failing == 0 { first.clone() } else { transcript_219().to_vec() };
    each_operation_fails_once_and_is_retried(&[], &first, retried, ina219, |monitor| {
        assert_eq!(monitor.measure()?, EXPECTED);
        Ok::<_, ChipError<ErrorKind>>(())
    });
}

#[test]
fn each_operation_of_an_ina226_is_retried() {
    let first: Vec<_> = configure_226().into_iter().chain(transcript_226()).collect();
    let retried = |failing| if failing < 3 { first.clone() } else { transcript_226().to_vec() };
    each_operation_fails_once_and_is_retried(&[], &first, retried, ina226, |monitor| {
        assert_eq!(monitor.measure()?, EXPECTED);
        Ok::<_, ChipError<ErrorKind>>(())
    });
}

#[test]
fn another_chip_at_the_address_is_told() {
    let other = [read(0xfe, 0x5449), read(0xff, 0x2270)];
    let mut bus = Mock::new(&other);
    let error = ina226(bus.clone()).measure().unwrap_err();
    let expected =
        ChipError::WrongChip { address: AT, register: 0xff, expected: 0x2260, found: 0x2270 };
    assert_eq!(error, expected);
    bus.done();
    let mut bus = Mock::new(&[read(0xfe, 0)]);
    assert_eq!(ina226(bus.clone()).measure().unwrap_err().kind(), ChipErrorKind::WrongChip);
    bus.done();
}

#[test]
fn a_voltage_with_a_bit_that_is_always_0_is_not_believed() {
    let mut bus = Mock::new(
        &[
            configure_226().to_vec(),
            vec![read(0, 0x4527), read(6, 0x0008), read(2, 0xffff), read(1, 0)],
        ]
        .concat(),
    );
    assert_eq!(ina226(bus.clone()).measure().unwrap_err().kind(), ChipErrorKind::Garbled);
    bus.done();
}

fn lives_through_everything<M: PowerMonitor>(mut monitor: M, hand: &dyn Fn(&str)) {
    assert_eq!(monitor.measure().unwrap(), EXPECTED);
    hand("nothing new");
    assert_eq!(monitor.measure().unwrap_err().kind(), ChipErrorKind::NotReady);
    hand("converts");
    assert_eq!(monitor.measure().unwrap(), EXPECTED);
    hand("brown-out");
    assert_eq!(monitor.measure().unwrap_err().kind(), ChipErrorKind::Reset);
    assert_eq!(monitor.measure().unwrap(), EXPECTED);
    hand("unplug");
    assert_eq!(monitor.measure().unwrap_err().kind(), ChipErrorKind::Absent);
    hand("replug");
    assert_eq!(monitor.measure().unwrap_err().kind(), ChipErrorKind::Reset);
    assert_eq!(monitor.measure().unwrap(), EXPECTED);
}

#[test]
fn both_live_through_resets_and_absence() {
    let bus = SimI2c::new();
    let plug = bus.attach(0x40, SimIna219::new()).unwrap();
    plug.with(|chip| chip.supply(12_000, 150_000));
    let monitor = Ina219::new(bus.clone(), 0x40, milliohms(100)).unwrap();
    lives_through_everything(monitor, &|what| match what {
        "nothing new" => plug.with(|chip| chip.converts(false)),
        "converts" => plug.with(|chip| chip.converts(true)),
        "brown-out" => plug.brown_out(),
        "unplug" => plug.unplug(),
        _ => plug.replug(),
    });
    let plug = bus.attach(0x41, SimIna226::new()).unwrap();
    plug.with(|chip| chip.supply(12_000, 15_000));
    let monitor = Ina226::new(bus.clone(), 0x41, milliohms(10)).unwrap();
    lives_through_everything(monitor, &|what| match what {
        "nothing new" => plug.with(|chip| chip.converts(false)),
        "converts" => plug.with(|chip| chip.converts(true)),
        "brown-out" => plug.brown_out(),
        "unplug" => plug.unplug(),
        _ => plug.replug(),
    });
}

#[test]
fn the_edges_of_the_ranges_are_right() {
    let one = milliohms(1);
    let low = ina219::converted(0, 0x8000, one);
    assert_eq!((low.current, low.saturated), (Milliamps(-327_680), true));
    assert_eq!(ina219::converted(0xfff8, 0xffff, one).current, Milliamps(-10));
    assert_eq!(ina219::converted(0xfff8, 31_999, one).bus, Millivolts(32_764));
    let high = ina226::converted(0x7fff, 0x7fff, one);
    assert_eq!((high.bus, high.current), (Millivolts(40_958), Milliamps(81_917)));
    assert!(high.saturated && !ina226::converted(0, 0x7ffe, one).saturated);
    assert_eq!(ina226::converted(0, 0x8000, one).current, Milliamps(-81_920));
}

proptest! {
    #[test]
    fn conversions_are_monotone(a: u16, b: u16, resistance in 1u32..10_000) {
        let (shunt, r) = (|raw: u16| raw.cast_signed(), milliohms(resistance));
        for convert in [ina219::converted, ina226::converted] {
            let (x, y) = (convert(a, a, r), convert(b, b, r));
            if a <= b {
                prop_assert!(x.bus <= y.bus);
            }
            if shunt(a) <= shunt(b) {
                prop_assert!(x.current <= y.current);
            }
        }
    }

    #[test]
    fn a_battery_changes_only_after_its_hold_and_never_flaps(
        voltages in prop::collection::vec(6_000i32..14_000, 1..200),
    ) {
        let config = BatteryConfig::lead_acid_12v();
        let mut battery = Battery::new(config);
        let mut history: Vec<(u64, i32)> = Vec::new();
        for (at_ns, voltage) in (0u64..).map(|step| step * SEC).zip(voltages) {
            let before = battery.state();
            history.push((at_ns, voltage));
            if let Some(change) = battery.feed(Millivolts(voltage), at_ns) {
                prop_assert_ne!(change.state, before);
                prop_assert!(at_ns - change.since_ns >= 10 * SEC);
                // All of the time since was on that side of the state before.
                for &(_, voltage) in history.iter().filter(|(at, _)| *at >= change.since_ns) {
                    let worse = before != BatteryState::Unknown && change.state < before;
                    let better = before != BatteryState::Unknown && change.state > before;
                    if worse {
                        prop_assert!(voltage < 11_500);
                    }
                    if better {
                        prop_assert!(voltage >= 7_500);
                    }
                }
            }
        }
    }
}

#[test]
fn a_battery_is_low_and_good_again_with_a_distance_in_between() {
    let mut battery = Battery::new(BatteryConfig::lead_acid_12v());
    let mut now_ns = 0;
    let mut for_20_s = |battery: &mut Battery, millivolts| {
        let mut changes = Vec::new();
        for _ in 0..20 {
            now_ns += SEC;
            changes.extend(battery.feed(Millivolts(millivolts), now_ns).map(|change| change.state));
        }
        changes
    };
    assert_eq!(for_20_s(&mut battery, 12_600), [BatteryState::Good]);
    assert_eq!(for_20_s(&mut battery, 11_499), [BatteryState::Low]);
    assert_eq!(for_20_s(&mut battery, 11_999), []);
    assert_eq!(for_20_s(&mut battery, 12_000), [BatteryState::Good]);
    assert_eq!(for_20_s(&mut battery, 10_400), [BatteryState::Critical]);
    assert_eq!(for_20_s(&mut battery, 0), [BatteryState::Missing]);
    battery.lost();
    assert_eq!(battery.state(), BatteryState::Unknown);
}

#[test]
fn a_lock_that_pulls_the_battery_down_for_a_moment_changes_nothing() {
    let mut battery = Battery::new(BatteryConfig::lead_acid_12v());
    for second in 0..100 {
        let millivolts = if second % 12 < 5 { 9_000 } else { 12_600 };
        let change = battery.feed(Millivolts(millivolts), second * SEC);
        assert!(change.is_none_or(|change| change.state != BatteryState::Low), "{second}");
        assert_ne!(battery.state(), BatteryState::Low);
    }
    // But one that alternates between low and critical is low.
    for phase in [0, 1] {
        let mut battery = Battery::new(BatteryConfig::lead_acid_12v());
        for second in 0..=40 {
            let millivolts = match second {
                0..=15 => 12_600,
                _ if second % 2 == phase => 11_000,
                _ => 10_000,
            };
            battery.feed(Millivolts(millivolts), second * SEC);
        }
        assert_eq!(battery.state(), BatteryState::Low, "phase {phase}");
    }
}
