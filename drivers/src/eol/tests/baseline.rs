//! Drift and other resistors, window by window, over hours and days.

use core::time::Duration;

use super::super::baseline::Baseline;
use super::*;

const SECOND: u64 = 1_000 * MS;
const HOUR: u64 = 3_600 * SECOND;

struct Days {
    baseline: Baseline,
    now_ns: u64,
}

impl Days {
    fn new() -> Self {
        Self { baseline: Baseline::new(Ohms(1_000), 80, 20), now_ns: 0 }
    }

    /// Lets the loop be at rest for a time, at resistances (in ohm) of that time (in hours).
    fn rest(&mut self, hours: f64, ohms: impl Fn(f64) -> f64) -> Vec<Notice> {
        self.rest_as(Normal, hours, ohms)
    }

    fn rest_as(&mut self, state: LoopState, hours: f64, ohms: impl Fn(f64) -> f64) -> Vec<Notice> {
        let mut notices = Vec::new();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days")]
        for window in 0..(hours * 36_000.0) as u32 {
            let milliohms = (ohms(f64::from(window) / 36_000.0) * 1_000.0) as u64;
            notices.extend(self.baseline.feed(state, milliohms, self.now_ns));
            self.now_ns += 100 * MS;
        }
        notices
    }

    fn away(&mut self, ns: u64) {
        self.baseline.interrupt();
        self.now_ns += ns;
    }
}

#[test]
fn the_resistance_is_learned_in_a_minute() {
    let mut days = Days::new();
    assert_eq!((days.rest(0.016, |_| 1_020.0), days.baseline.learned()), (Vec::new(), None));
    assert_eq!(days.rest(0.001, |_| 1_020.0), [Notice::Learned { installed: Ohms(1_020) }]);
    let learned = Learned { installed: Ohms(1_020), last: Ohms(1_020) };
    assert_eq!(days.baseline.learned(), Some(learned));
}

#[test]
fn a_resistance_in_a_warning_band_is_not_learned_as_good() {
    let mut days = Days::new();
    let notices = days.rest_as(HighR, 0.5, |_| 1_240.0);
    let warning = Notice::Drifted { side: Side::High, installed: Ohms(1_000), now: Ohms(1_240) };
    assert_eq!((notices, days.baseline.learned()), (std::vec![warning], None));
}

#[test]
fn slow_drift_is_warned_of_once_a_day_and_is_no_other_resistor() {
    let mut days = Days::new();
    days.rest(0.1, |_| 1_000.0);
    // 0.5 % an hour to 10 %, a day there, and back.
    let up = days.rest(20.0, |hours| 1_000.0 + 5.0 * hours);
    let [Notice::Drifted { side: Side::High, installed: Ohms(1_000), now }] = up[..] else {
        panic!("{up:?}");
    };
    assert!((1_080..1_083).contains(&now.0), "{now}");
    let day = days.rest(24.0, |_| 1_100.0);
    assert!(matches!(day[..], [Notice::Drifted { side: Side::High, .. }]), "{day:?}");
    assert_eq!(days.rest(4.0, |hours| 1_100.0 - 7.5 * hours), []);
    assert_eq!(days.rest(24.0, |_| 1_070.0), []);
}

#[test]
fn a_resistance_that_falls_is_warned_of_too() {
    let mut days = Days::new();
    days.rest(0.1, |_| 1_000.0);
    let down = days.rest(12.0, |hours| 1_000.0 - 8.0 * hours);
    assert!(matches!(down[..], [Notice::Drifted { side: Side::Low, .. }]), "{down:?}");
}

#[test]
fn a_step_is_another_resistor_and_is_told_once() {
    for (to, told) in [(1_015.0, false), (985.0, false), (1_025.0, true), (970.0, true)] {
        let mut days = Days::new();
        days.rest(2.0, |_| 1_000.0);
        let began = days.now_ns;
        let notices = days.rest(2.0, |_| to);
        match notices[..] {
            [] => assert!(!told, "{to}"),
            [Notice::Substituted { from: Ohms(1_000), at_ns, .. }] => {
                assert!(told && at_ns.abs_diff(began) <= SECOND, "{to}: {notices:?}");
            }
            _ => panic!("{to}: {notices:?}"),
        }
    }
}

/// A door that was open for an hour on a hot day, and one whose resistor was changed behind it.
#[test]
fn after_an_absence_what_the_weather_explains_is_no_other_resistor() {
    for (to, told) in [(1_025.0, false), (1_035.0, true)] {
        let mut days = Days::new();
        days.rest(1.0, |_| 1_000.0);
        days.away(HOUR);
        assert_eq!(!days.rest(1.0, |_| to).is_empty(), told, "{to}");
    }
    // However long: never more than what is warned of as drift.
    let mut days = Days::new();
    days.rest(1.0, |_| 1_000.0);
    days.away(1_000 * HOUR);
    let notices = days.rest(1.0, |_| 1_105.0);
    assert!(matches!(notices[0], Notice::Substituted { .. }), "{notices:?}");
}

#[test]
fn a_resistor_that_was_changed_while_the_box_was_off_is_noticed() {
    for (to, told) in [(1_020.0, false), (1_060.0, true), (940.0, true)] {
        let mut days = Days::new();
        let learned = Learned { installed: Ohms(1_000), last: Ohms(1_005) };
        days.baseline.resume(learned, Duration::from_secs(2 * 3_600));
        assert_eq!(days.baseline.learned(), Some(learned));
        let notices = days.rest(0.5, |_| to);
        let noticed = notices.iter().any(|notice| matches!(notice, Notice::Substituted { .. }));
        assert_eq!(noticed, told, "{to}: {notices:?}");
    }
}

#[test]
fn a_disturbance_of_two_seconds_is_no_other_resistor() {
    let mut days = Days::new();
    days.rest(1.0, |_| 1_000.0);
    let seconds = |seconds: f64| seconds / 3_600.0;
    let mut notices = days.rest(seconds(2.1), |_| 1_100.0);
    notices.extend(days.rest(1.0, |_| 1_000.0));
    assert_eq!(notices, []);
}
