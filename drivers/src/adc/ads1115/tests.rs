//! The chips as transcripts: every transfer, with its error and the retry.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

use super::*;

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
/// Single-shot on AIN0, 4.096 V, highest rate; the busy bit is not in it.
const A0: u16 = 0x43E3;
/// The same on AIN3, the supply.
const A3: u16 = 0x73E3;

fn start(config: u16) -> Transaction {
    let [high, low] = (config | 0x8000).to_be_bytes();
    Transaction::write(0x48, vec![0x01, high, low])
}

fn config_reads(config: u16) -> Transaction {
    Transaction::write_read(0x48, vec![0x01], config.to_be_bytes().to_vec())
}

fn ready(config: u16) -> Transaction {
    config_reads(config | 0x8000)
}

fn result(raw: u16) -> Transaction {
    Transaction::write_read(0x48, vec![0x00], raw.to_be_bytes().to_vec())
}

fn conversion(config: u16, raw: u16) -> Vec<Transaction> {
    vec![start(config), ready(config), result(raw)]
}

/// Plays a script to an ADS1115 that measures the supply with each sample.
fn play(script: &[Transaction], test: impl FnOnce(&mut Ads1x15<Mock, NoopDelay>)) {
    let config = AdsConfig { supply_every: 1, ..AdsConfig::DEFAULT };
    let mut bus = Mock::new(script);
    let mut adc = Ads1x15::ads1115(bus.clone(), NoopDelay::new(), config);
    test(&mut adc);
    bus.done();
}

#[test]
fn a_sample_is_the_loop_and_its_supply() {
    let script = [conversion(A3, 26_400), conversion(A0, 13_200)].concat();
    play(&script, |adc| {
        let sample = Sample { counts: 13_200, full_scale: 26_400 };
        assert_eq!(adc.sample(AdsInput::A0), Ok(sample));
    });
}

#[test]
fn the_supply_holds_for_as_many_samples_as_configured() {
    let mut script = conversion(A3, 26_400);
    script.extend(conversion(A0, 1));
    script.extend(conversion(A0, 2));
    script.extend(conversion(A3, 26_000));
    script.extend(conversion(A0, 3));
    let mut bus = Mock::new(&script);
    let config = AdsConfig { supply_every: 2, ..AdsConfig::DEFAULT };
    let mut adc = Ads1x15::ads1115(bus.clone(), NoopDelay::new(), config);
    for (counts, full_scale) in [(1, 26_400), (2, 26_400), (3, 26_000)] {
        assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts, full_scale }));
    }
    bus.done();
}

/// Each transfer of a sample fails once, with the whole sample as the retry.
#[test]
fn whichever_transfer_fails_the_error_is_told_and_the_retry_measures_all_anew() {
    let good = [conversion(A3, 26_400), conversion(A0, 13_200)].concat();
    for failing in 0..good.len() {
        let mut script = good[..failing].to_vec();
        script.push(good[failing].clone().with_error(NACK));
        script.extend(good.clone());
        play(&script, |adc| {
            assert_eq!(adc.sample(AdsInput::A0), Err(AdsError::Bus(NACK)), "transfer {failing}");
            let sample = Sample { counts: 13_200, full_scale: 26_400 };
            assert_eq!(adc.sample(AdsInput::A0), Ok(sample), "after transfer {failing}");
        });
    }
}

#[test]
fn a_failed_sample_makes_the_supply_be_measured_again() {
    let mut script = conversion(A3, 26_400);
    script.extend(conversion(A0, 1));
    script.push(start(A0).with_error(NACK));
    script.extend(conversion(A3, 20_000));
    script.extend(conversion(A0, 2));
    let mut bus = Mock::new(&script);
    let mut adc = Ads1x15::ads1115(bus.clone(), NoopDelay::new(), AdsConfig::DEFAULT);
    assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 1, full_scale: 26_400 }));
    assert_eq!(adc.sample(AdsInput::A0), Err(AdsError::Bus(NACK)));
    assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 2, full_scale: 20_000 }));
    bus.done();
}

#[test]
fn a_slow_conversion_is_asked_for_again() {
    let mut script = conversion(A3, 26_400);
    script.extend([start(A0), config_reads(A0), config_reads(A0), ready(A0), result(7)]);
    play(&script, |adc| {
        assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 7, full_scale: 26_400 }));
    });
}

#[test]
fn a_conversion_that_never_ends_is_given_up_and_the_retry_begins_anew() {
    let mut script = vec![start(A3)];
    script.extend((0..POLLS).map(|_| config_reads(A3)));
    script.extend(conversion(A3, 26_400));
    script.extend(conversion(A0, 5));
    play(&script, |adc| {
        assert_eq!(adc.sample(AdsInput::A0), Err(AdsError::NotReady));
        assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 5, full_scale: 26_400 }));
    });
}

/// After a reset the configuration is 0x8583 (section 8.1.3): not busy, AIN0 against AIN1.
#[test]
fn a_chip_that_was_reset_in_between_is_not_believed() {
    let mut script = conversion(A3, 26_400);
    script.extend([start(A0), config_reads(0x8583)]);
    script.extend(conversion(A3, 26_400));
    script.extend(conversion(A0, 9));
    play(&script, |adc| {
        let lost = AdsError::Config { wrote: A0, read: 0x0583 };
        assert_eq!(adc.sample(AdsInput::A0), Err(lost));
        assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 9, full_scale: 26_400 }));
    });
}

#[test]
fn a_supply_that_failed_or_does_not_fit_the_range_is_no_measure() {
    let script = [conversion(A3, 16_383), conversion(A3, 0xFFF0), conversion(A3, 0x7FFF)].concat();
    play(&script, |adc| {
        let low = AdsError::SupplyLow { counts: 16_383 };
        assert_eq!(adc.sample(AdsInput::A0), Err(low));
        let negative = AdsError::SupplyLow { counts: 0 };
        assert_eq!(adc.sample(AdsInput::A0), Err(negative));
        assert_eq!(adc.sample(AdsInput::A0), Err(AdsError::SupplyHigh));
    });
}

#[test]
fn a_shorted_loop_that_reads_below_ground_is_zero() {
    let script = [conversion(A3, 26_400), conversion(A0, 0xFFFD)].concat();
    play(&script, |adc| {
        assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 0, full_scale: 26_400 }));
    });
}

#[test]
fn the_ads1015_has_twelve_bits_and_an_ads1115_in_its_place_is_noticed() {
    let mut script = conversion(A3, 1_650 << 4);
    script.extend(conversion(A0, 825 << 4));
    script.extend(conversion(A3, 26_401));
    let mut bus = Mock::new(&script);
    let config = AdsConfig { supply_every: 1, ..AdsConfig::DEFAULT };
    let mut adc = Ads1x15::ads1015(bus.clone(), NoopDelay::new(), config);
    assert_eq!(adc.sample(AdsInput::A0), Ok(Sample { counts: 825, full_scale: 1_650 }));
    assert_eq!(adc.sample(AdsInput::A0), Err(AdsError::TooWide { raw: 26_401 }));
    bus.done();
}

#[test]
fn each_address_input_and_range_has_its_bits() {
    let config = AdsConfig {
        address: AdsAddress::Scl,
        range: AdsRange::V6_144,
        supply: AdsInput::A1,
        supply_every: 0,
    };
    let script = [
        Transaction::write(0x4B, vec![0x01, 0xD1, 0xE3]),
        Transaction::write_read(0x4B, vec![0x01], vec![0xD1, 0xE3]),
        Transaction::write_read(0x4B, vec![0x00], vec![0x68, 0x2A]),
        Transaction::write(0x4B, vec![0x01, 0xE1, 0xE3]),
        Transaction::write_read(0x4B, vec![0x01], vec![0xE1, 0xE3]),
        Transaction::write_read(0x4B, vec![0x00], vec![0x10, 0x00]),
    ];
    let mut bus = Mock::new(&script);
    let mut adc = Ads1x15::ads1115(bus.clone(), NoopDelay::new(), config);
    let sample = Sample { counts: 0x1000, full_scale: 0x682A };
    assert_eq!(adc.sample(AdsInput::A2), Ok(sample));
    let _ = adc.release();
    bus.done();
}

#[test]
fn the_messages_say_what_to_do() {
    let lost = AdsError::<ErrorKind>::Config { wrote: A0, read: 0x0583 }.to_string();
    assert_eq!(
        lost,
        "configuration reads 0x0583 after 0x43e3 was written: check the chip's supply and that \
         its address is its own"
    );
    assert!(AdsError::<ErrorKind>::NotReady.to_string().contains("ADS1015 or ADS1115"));
}
