//! Loops without chips: what samples mean, in which order, and since when.

use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::LoopState::{Alarm, Fault, HighR, LowR, Masked, Normal, Open, Short, Unknown, Unstable};
use super::*;
use crate::adc::Sample;
use crate::sim::{Converter, Hum, SimLoop};

mod bands;
mod baseline;

const MS: u64 = 1_000_000;
const TWELVE_BITS: Converter = Converter { full_scale: 4096, offset: 0.0, gain: 0.0 };

fn galaxy() -> Loop {
    Loop::new(LoopConfig::preset(Preset::GalaxyDouble1k))
}

fn wire(ohms: f64) -> SimLoop {
    SimLoop::new(1_000.0, ohms)
}

/// Feeds a loop with a sample each `period_ns`, and tells what was reported.
fn run(
    supervised: &mut Loop,
    wire: &mut SimLoop,
    (from_ns, to_ns): (u64, u64),
    period_ns: u64,
) -> Vec<LoopReading> {
    let mut readings = Vec::new();
    let mut at_ns = from_ns;
    while at_ns < to_ns {
        let sample = TWELVE_BITS.sample(wire.ratio(at_ns));
        readings.extend(supervised.feed(sample, at_ns).reading);
        at_ns += period_ns;
    }
    readings
}

fn states(readings: &[LoopReading]) -> Vec<LoopState> {
    readings.iter().map(|reading| reading.state).collect()
}

#[test]
fn nothing_is_known_before_the_first_state_was_stable() {
    let mut hall = galaxy();
    assert_eq!(hall.state(), Unknown);
    let before = run(&mut hall, &mut wire(1_000.0), (0, 390 * MS), MS);
    assert_eq!((before, hall.state()), (Vec::new(), Unknown));
    let [first] = run(&mut hall, &mut wire(1_000.0), (390 * MS, 450 * MS), MS)[..] else {
        panic!("one reading");
    };
    assert_eq!((first.state, first.ohms, first.resynced), (Normal, Some(Ohms(1_000)), false));
    assert!(first.at_ns <= 2 * MS, "{first:?}");
}

#[test]
fn a_state_is_told_once_with_the_time_at_which_it_began() {
    for onset in (1_000..1_100).step_by(13) {
        let mut wire = wire(1_000.0).then(onset * MS, 2_000.0).then((onset + 5_000) * MS, 1_000.0);
        let readings = run(&mut galaxy(), &mut wire, (0, 8_000 * MS), MS);
        assert_eq!(states(&readings), [Normal, Alarm, Normal], "from {onset} ms on");
        for (reading, began) in readings[1..].iter().zip([onset, onset + 5_000]) {
            let off = reading.at_ns.abs_diff(began * MS);
            assert!(off <= 3 * MS && !reading.resynced, "{began} ms: {reading:?}");
        }
        assert_eq!(readings[1].ohms.map(|ohms| ohms.0.abs_diff(2_000) < 5), Some(true));
    }
}

#[test]
fn what_goes_on_is_told_between_350_and_450_ms_after_it_began() {
    for onset in 1_000..1_100 {
        let mut hall = galaxy();
        let mut wire = wire(1_000.0).then(onset * MS, 2_000.0);
        run(&mut hall, &mut wire, (0, onset * MS), MS);
        let told = (onset..3_000).find(|at| {
            let sample = TWELVE_BITS.sample(wire.ratio(at * MS));
            hall.feed(sample, at * MS).reading.is_some()
        });
        let delay = told.unwrap() - onset;
        // One sample later than the window ends, since the next one may show that it was a spike.
        assert!((350..=452).contains(&delay), "{delay} ms, at {onset}");
    }
}

/// A signal of 400 ms is decided while it lasts or when it is over, but always.
#[test]
fn the_length_of_a_signal_decides_wherever_the_windows_begin() {
    for onset in 1_000..1_100 {
        for (length, told) in [(250, false), (299, false), (300, false), (400, true), (401, true)] {
            for ohms in [0.0, 2_000.0, 14_000.0, f64::INFINITY] {
                let end = onset + length;
                let mut wire = wire(1_000.0).then(onset * MS, ohms).then(end * MS, 1_000.0);
                let readings = run(&mut galaxy(), &mut wire, (0, 2_500 * MS), MS);
                let expected = if told { 3 } else { 1 };
                assert_eq!(
                    readings.len(),
                    expected,
                    "{length} ms of {ohms} at {onset}: {readings:?}"
                );
                assert_eq!(readings.last().map(|reading| reading.state), Some(Normal));
            }
        }
    }
}

#[test]
fn a_signal_that_ends_in_another_one_is_measured_too() {
    for onset in (1_000..1_100).step_by(3) {
        for (length, told) in [(299, false), (400, true)] {
            let mut wire =
                wire(1_000.0).then(onset * MS, 2_000.0).then((onset + length) * MS, f64::INFINITY);
            let readings = run(&mut galaxy(), &mut wire, (0, 2_500 * MS), MS);
            let expected: &[_] = if told { &[Normal, Alarm, Open] } else { &[Normal, Open] };
            assert_eq!(states(&readings), expected, "{length} ms at {onset}: {readings:?}");
        }
    }
}

#[test]
fn a_spike_of_one_sample_is_not_measured() {
    let mut hall = galaxy();
    run(&mut hall, &mut wire(1_000.0), (0, 1_000 * MS), 6 * MS);
    let calm = hall.ohms();
    for at in (1_000..2_000).step_by(6) {
        let full_scale = 4096;
        let counts = if (at - 1_000) % 30 == 0 { 4096 } else { 2048 };
        hall.feed(Sample { counts, full_scale }, at * MS);
    }
    assert_eq!((calm, hall.ohms()), (Some(Ohms(1_000)), Some(Ohms(1_000))));
}

/// Three samples in each period of the hum: a median of three would always be the same of them.
#[test]
fn hum_that_is_locked_to_the_samples_is_averaged_all_the_same() {
    for (hz, phase) in [(50.0, 0.0), (50.0, 0.1), (50.0, 0.27), (60.0, 0.27)] {
        let mut wire = wire(1_000.0).hum(Hum { hz, peak: 0.1, phase });
        let mut hall = galaxy();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some 6e6")]
        let period_ns = (1e9 / (3.0 * hz)) as u64;
        let readings = run(&mut hall, &mut wire, (0, 2_000 * MS), period_ns);
        assert_eq!(states(&readings), [Normal], "{hz} Hz, phase {phase}");
        assert!(hall.ohms().unwrap().0.abs_diff(1_000) < 20, "{:?}", hall.ohms());
    }
}

#[test]
fn samples_that_come_unevenly_do_not_let_hum_through() {
    let mut wire = wire(1_000.0).hum(Hum { hz: 50.0, peak: 0.1, phase: 0.3 });
    let mut hall = galaxy();
    // Bursts of eight samples and a pause of 7 ms, as from a bus thread that has other work.
    for burst in 0..400 {
        for sample in 0..8 {
            let at_ns = (burst * 10_000 + sample * 400) * 1_000;
            hall.feed(TWELVE_BITS.sample(wire.ratio(at_ns)), at_ns);
        }
    }
    assert_eq!(hall.state(), Normal);
    assert!(hall.ohms().unwrap().0.abs_diff(1_000) < 40, "{:?}", hall.ohms());
}

/// Somebody who switches between short and open can make any average.
#[test]
fn a_circuit_that_switches_all_the_time_is_unstable_and_not_its_average() {
    for half_period in (7..70).chain((70..300).step_by(9)) {
        let mut wire = wire(1_000.0);
        for (turn, at) in (1_000..6_000).step_by(half_period).enumerate() {
            wire.set(at * MS, if turn % 2 == 0 { 0.0 } else { f64::INFINITY });
        }
        let readings = run(&mut galaxy(), &mut wire, (0, 5_900 * MS), MS);
        let [first, between @ .., last] = &readings[..] else { panic!("{half_period} ms") };
        assert_eq!((first.state, last.state), (Normal, Unstable), "{half_period}: {readings:?}");
        assert!(last.at_ns < 1_500 * MS && last.ohms.is_none());
        // Until it is clear that there is no state, an average may have lasted for long enough.
        assert!(between.len() <= 1, "each {half_period} ms: {readings:?}");
    }
}

#[test]
fn a_loop_that_came_to_rest_is_stable_again() {
    let mut wire = wire(1_000.0);
    for (turn, at) in (1_000..4_000).step_by(20).enumerate() {
        wire.set(at * MS, if turn % 2 == 0 { 0.0 } else { f64::INFINITY });
    }
    wire.set(4_000 * MS, 1_000.0);
    let readings = run(&mut galaxy(), &mut wire, (0, 5_000 * MS), MS);
    assert_eq!(states(&readings), [Normal, Unstable, Normal]);
    assert!(readings[2].at_ns.abs_diff(4_000 * MS) <= 400 * MS, "{readings:?}");
}

#[test]
fn a_loop_that_is_not_measured_any_more_is_unknown_and_says_so_once() {
    let mut hall = galaxy();
    run(&mut hall, &mut wire(1_000.0), (0, 1_000 * MS), MS);
    assert_eq!(hall.expire(1_800 * MS), None);
    let lost = hall.expire(1_901 * MS);
    assert_eq!(lost.map(|reading| (reading.state, reading.ohms)), Some((Unknown, None)));
    assert!(lost.is_some_and(|reading| (900 * MS..=1_000 * MS).contains(&reading.at_ns)));
    assert_eq!((hall.state(), hall.expire(9_000 * MS)), (Unknown, None));

    let [back] = run(&mut hall, &mut wire(1_000.0), (9_000 * MS, 10_000 * MS), MS)[..] else {
        panic!("one reading");
    };
    assert_eq!((back.state, back.resynced), (Normal, true));
}

#[test]
fn a_long_hole_in_the_samples_is_noticed_without_being_asked() {
    let mut hall = galaxy();
    run(&mut hall, &mut wire(1_000.0), (0, 1_000 * MS), MS);
    let readings = run(&mut hall, &mut wire(2_000.0), (3_000 * MS, 4_000 * MS), MS);
    assert_eq!(states(&readings), [Unknown, Alarm]);
    assert_eq!((readings[0].resynced, readings[1].resynced), (false, true));
    assert!(readings[1].at_ns >= 3_000 * MS);
}

#[test]
fn a_short_hole_keeps_the_state_but_what_follows_may_have_begun_in_it() {
    let mut hall = galaxy();
    run(&mut hall, &mut wire(1_000.0), (0, 1_000 * MS), MS);
    assert_eq!(run(&mut hall, &mut wire(1_000.0), (1_500 * MS, 2_000 * MS), MS), []);
    assert_eq!(hall.state(), Normal);
    let [alarm] = run(&mut hall, &mut wire(2_000.0), (2_500 * MS, 3_000 * MS), MS)[..] else {
        panic!("one reading");
    };
    assert_eq!((alarm.state, alarm.resynced), (Alarm, true));
}

#[test]
fn too_few_samples_are_no_measurement() {
    let mut hall = galaxy();
    run(&mut hall, &mut wire(1_000.0), (0, 1_000 * MS), MS);
    // Eleven in a window, where twelve are asked for.
    let readings = run(&mut hall, &mut wire(1_000.0), (1_000 * MS, 4_000 * MS), 10 * MS);
    assert_eq!((states(&readings), hall.state()), (std::vec![Unknown], Unknown));
}

#[test]
fn forgetting_is_unknown_at_once() {
    let mut hall = galaxy();
    run(&mut hall, &mut wire(1_000.0), (0, 1_000 * MS), MS);
    hall.forget();
    assert_eq!((hall.state(), hall.ohms(), hall.expire(u64::MAX)), (Unknown, None, None));
    let readings = run(&mut hall, &mut wire(1_000.0), (1_000 * MS, 2_000 * MS), MS);
    assert!(readings[0].resynced, "{readings:?}");
}

proptest! {
    /// Whatever is fed in whatever order of times: no panic, no state twice, no time in the future
    /// or before the one reported last, and the same again for the same samples.
    #[test]
    fn no_samples_and_no_times_confuse_it(
        samples in prop::collection::vec(
            (0_u16..=5_000, prop_oneof![0_u64..20, 90_u64..400], 1_u32..400), 1..60,
        ),
        backwards in any::<bool>(),
    ) {
        let (mut one, mut other) = (galaxy(), galaxy());
        let (mut now, mut last) = (0, LoopReading { state: Unknown, at_ns: 0, ohms: None, resynced: false });
        for (counts, step, repeat) in samples {
            for i in 0..repeat {
                now += step * MS;
                let at_ns = if backwards && i % 7 == 3 { now.saturating_sub(50 * MS) } else { now };
                let sample = Sample { counts, full_scale: 4096 };
                let report = one.feed(sample, at_ns);
                prop_assert_eq!(report, other.feed(sample, at_ns));
                if let Some(reading) = report.reading {
                    prop_assert_ne!(reading.state, last.state);
                    prop_assert!(reading.at_ns <= now && reading.at_ns >= last.at_ns, "{:?} {:?}", last, reading);
                    prop_assert_eq!(reading.state, one.state());
                    last = reading;
                }
            }
        }
    }

    /// What holds for a second is what is told, from any state before.
    #[test]
    fn what_lasts_is_told(before in 0_u16..=4096, after in 0_u16..=4096, phase in 0_u64..100) {
        let mut hall = galaxy();
        let mut feed = |counts, (from, to): (u64, u64)| {
            for at in from..to {
                hall.feed(Sample { counts, full_scale: 4096 }, at * MS);
            }
        };
        feed(before, (0, 1_000 + phase));
        feed(after, (1_000 + phase, 2_000 + phase));
        let ohms = ohms::Ratio::of(Sample { counts: after, full_scale: 4096 }).ohms(Ohms(1_000));
        let bands = Preset::GalaxyDouble1k.bands();
        // Hysteresis: any band that is closer than 3 % of the normal resistance or of its own.
        let margin = 31.max(ohms.0 / 32);
        let low = bands.band(Ohms(ohms.0.saturating_sub(margin)), None);
        let high = bands.band(Ohms(ohms.0.saturating_add(margin)), None);
        let near = (low..=high).any(|band| bands.state_of(band) == hall.state());
        prop_assert!(near, "{ohms}: {:?}", hall.state());
    }
}
