//! Supervised loops the whole way: resistors, the chip's registers, the driver, the loop.
#![cfg(feature = "sim")]

use embedded_hal::i2c::ErrorKind;
use gatehouse_drivers::Clock;
use gatehouse_drivers::adc::{
    Adc, Ads1x15, AdsAddress, AdsConfig, AdsError, AdsInput, Mcp3x08, McpChannel,
};
use gatehouse_drivers::eol::LoopState::{Alarm, Normal, Open, Unknown};
use gatehouse_drivers::eol::{Loop, LoopConfig, Preset};
use gatehouse_drivers::sim::{Hum, SimAds, SimClock, SimI2c, SimLoop, SimMcp};

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const SECOND: u64 = 1_000 * MS;

#[test]
fn an_ads1115_with_three_loops_is_read_through_its_registers() {
    for sixteen_bits in [true, false] {
        let (bus, clock) = (SimI2c::new(), SimClock::new());
        let mut wires = [
            SimLoop::new(1_000.0, 1_000.0).then(2 * SECOND, 2_000.0),
            SimLoop::new(1_000.0, 1_000.0).hum(Hum { hz: 50.0, peak: 0.05, phase: 0.0 }),
            SimLoop::new(1_000.0, 1_000.0).then(2 * SECOND, f64::INFINITY),
        ];
        // The supply sags by 8 % when the siren starts; the loops are measured against it.
        let volts = move |input: u8, at_ns: u64| {
            let supply = if at_ns < SECOND { 3.3 } else { 3.036 };
            wires.get_mut(usize::from(input)).map_or(supply, |wire| supply * wire.ratio(at_ns))
        };
        let config = AdsConfig::DEFAULT;
        let mut adc = if sixteen_bits {
            let _ = bus
                .attach(
                    AdsAddress::Gnd as u8,
                    SimAds::ads1115(AdsAddress::Gnd, clock.clone(), volts).slow(100),
                )
                .unwrap();
            Ads1x15::ads1115(bus.clone(), clock.clone(), config)
        } else {
            let _ = bus
                .attach(
                    AdsAddress::Gnd as u8,
                    SimAds::ads1015(AdsAddress::Gnd, clock.clone(), volts).slow(100),
                )
                .unwrap();
            Ads1x15::ads1015(bus.clone(), clock.clone(), config)
        };
        let mut loops = [Loop::new(LoopConfig::preset(Preset::GalaxyDouble1k)); 3];
        let inputs = [AdsInput::A0, AdsInput::A1, AdsInput::A2];
        let mut told = [const { Vec::new() }; 3];
        while clock.now_ns() < 4 * SECOND {
            for (place, input) in inputs.into_iter().enumerate() {
                let before_ns = clock.now_ns();
                let sample = adc.sample(input).unwrap();
                // The transfers, which the simulated bus does in no time.
                clock.advance(400 * US);
                let reading = loops[place].feed(sample, before_ns).reading;
                told[place].extend(reading.map(|reading| (reading.state, reading.at_ns / MS / 20)));
            }
        }
        let begin = 2_000 / 20;
        let [hall, garage, gate] = told;
        assert!(matches!(hall[..], [(Normal, 0), (Alarm, at)] if at + 1 >= begin && at <= begin));
        assert!(matches!(garage[..], [(Normal, 0)]), "{garage:?}");
        assert!(matches!(gate[..], [(Normal, 0), (Open, at)] if at + 1 >= begin && at <= begin));
    }
}

#[test]
fn a_chip_that_disappears_makes_its_loop_unknown_and_comes_back_with_what_it_sees_then() {
    let (bus, clock) = (SimI2c::new(), SimClock::new());
    let connect = |ohms: f64| {
        let mut wire = SimLoop::new(1_000.0, ohms);
        let volts = move |input: u8, at_ns: u64| match input {
            0 => 3.3 * wire.ratio(at_ns),
            _ => 3.3,
        };
        let _ = bus
            .attach(AdsAddress::Gnd as u8, SimAds::ads1115(AdsAddress::Gnd, clock.clone(), volts))
            .unwrap();
    };
    connect(1_000.0);
    let mut adc = Ads1x15::ads1115(bus.clone(), clock.clone(), AdsConfig::DEFAULT);
    let mut hall = Loop::new(LoopConfig::preset(Preset::GalaxyDouble1k));
    let mut until = |until_ns: u64| {
        let mut told = Vec::new();
        while clock.now_ns() < until_ns {
            let at_ns = clock.now_ns();
            if let Ok(sample) = adc.sample(AdsInput::A0) {
                told.extend(hall.feed(sample, at_ns).reading);
            } else {
                clock.advance(20 * MS);
                told.extend(hall.expire(clock.now_ns()));
            }
        }
        told.iter().map(|reading| (reading.state, reading.resynced)).collect::<Vec<_>>()
    };
    assert_eq!(until(SECOND), [(Normal, false)]);
    bus.detach(AdsAddress::Gnd as u8);
    assert_eq!(until(5 * SECOND), [(Unknown, false)]);
    connect(2_000.0);
    assert_eq!(until(7 * SECOND), [(Alarm, true)]);
    // One transfer that fails now and then is no loss.
    for nth in 1..=10 {
        bus.fail_after(200 * nth, ErrorKind::ArbitrationLoss);
    }
    assert_eq!(until(12 * SECOND), []);
}

#[test]
fn an_ads1115_in_the_place_of_an_ads1015_is_noticed_and_the_other_way_round_does_no_harm() {
    for sixteen_bits in [true, false] {
        let (bus, clock) = (SimI2c::new(), SimClock::new());
        let volts = |input: u8, _: u64| 1.234_567 * f64::from(input);
        if sixteen_bits {
            let _ = bus
                .attach(
                    AdsAddress::Gnd as u8,
                    SimAds::ads1115(AdsAddress::Gnd, clock.clone(), volts),
                )
                .unwrap();
            let mut adc = Ads1x15::ads1015(bus, clock, AdsConfig::DEFAULT);
            assert_eq!(adc.sample(AdsInput::A1), Err(AdsError::NotReady));
        } else {
            let _ = bus
                .attach(
                    AdsAddress::Gnd as u8,
                    SimAds::ads1015(AdsAddress::Gnd, clock.clone(), volts),
                )
                .unwrap();
            let mut adc = Ads1x15::ads1115(bus, clock, AdsConfig::DEFAULT);
            // It measures, with four bits less: a ratio all the same.
            let sample = adc.sample(AdsInput::A1).unwrap();
            assert_eq!((sample.counts & 15, sample.full_scale & 15), (0, 0));
        }
    }
}

#[test]
fn eight_loops_on_an_mcp3208_or_mcp3008_are_read_bit_by_bit() {
    let clock = SimClock::new();
    let all = [0.0, 850.0, 1_000.0, 1_250.0, 2_000.0, 4_000.0, 10_000.0, f64::INFINITY];
    let bands = Preset::GalaxyFault1k.bands();
    for twelve_bits in [true, false] {
        let mut wires = all.map(|ohms| SimLoop::new(1_000.0, ohms));
        let part = move |input: u8, at_ns: u64| wires[usize::from(input)].ratio(at_ns);
        let mut adc = if twelve_bits {
            Mcp3x08::mcp3208(SimMcp::mcp3208(clock.clone(), part))
        } else {
            Mcp3x08::mcp3008(SimMcp::mcp3008(clock.clone(), part))
        };
        let mut loops = [Loop::new(LoopConfig::preset(Preset::GalaxyFault1k)); 8];
        for _ in 0..1_000 {
            for (channel, supervised) in McpChannel::ALL.into_iter().zip(&mut loops) {
                let sample = adc.sample(channel).unwrap();
                supervised.feed(sample, clock.now_ns());
            }
            clock.advance(MS);
        }
        let expected = bands.iter().map(|(state, _)| state);
        assert!(loops.iter().map(Loop::state).eq(expected), "{twelve_bits}");
    }
}
