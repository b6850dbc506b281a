use proptest::prelude::*;

use super::*;

fn s(seconds: u64) -> Mono {
    Mono(seconds * 1_000_000_000)
}

/// A picture of a camera that gives one each second.
fn picture(second: u64) -> Seen {
    Seen::Picture { media: i64::try_from(second).unwrap() * 90_000, width: 640, height: 360 }
}

/// A ladder that has told `Up` at second 30.
fn up(settings: HealthSettings) -> Ladder {
    let mut ladder = Ladder::new(settings, s(0));
    let reports: Vec<_> = (0..=30).filter_map(|n| ladder.seen(s(n), picture(n))).collect();
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].state, reports[0].since), (State::Up, s(0)));
    ladder
}

#[test]
fn a_camera_that_stays_dead_is_told_within_the_hold_off_and_so_is_its_return() {
    let mut ladder = up(HealthSettings::default());
    ladder.seen(s(31), Seen::Lost(Loss::Silent(Cause::Ended)));
    ladder.seen(s(33), Seen::Lost(Loss::Unreachable));
    assert_eq!(ladder.tick(s(40)), None);
    let report = ladder.tick(s(41)).expect("10 s after the loss, whatever it became meanwhile");
    assert_eq!((report.state, report.since), (State::Unreachable, s(31)));
    assert!(report.is_loss());
    let back: Vec<_> = (100..200).filter_map(|n| ladder.seen(s(n), picture(n))).collect();
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].state, back[0].since), (State::Up, s(100)));
    assert_eq!(back[0].before, Some(State::Unreachable));
}

#[test]
fn silence_that_no_source_tells_of_is_seen_and_dates_from_the_last_picture() {
    let mut ladder = up(HealthSettings::default());
    let report = (31..60).find_map(|n| ladder.tick(s(n))).expect("a report");
    assert_eq!((report.state, report.since), (State::Silent(Cause::Stalled), s(30)));
    assert_eq!(ladder.last, s(40));
}

#[test]
fn a_camera_that_never_said_anything_is_silent_and_one_without_pictures_too() {
    let mut ladder = Ladder::new(HealthSettings::default(), s(5));
    assert_eq!(ladder.state_at(s(6)), None, "unknown is not closed");
    let report = (6..60).find_map(|n| ladder.tick(s(n))).expect("a report");
    assert_eq!(report.state, State::Silent(Cause::Stalled));
    ladder.seen(s(61), Seen::Lost(Loss::Unauthorised));
    let report = (62..80).find_map(|n| ladder.tick(s(n))).expect("a report");
    assert_eq!(report.state, State::Unauthorised);
}

#[test]
fn each_shortfall_degrades() {
    type Feed<'f> = &'f dyn Fn(&mut Ladder, u64) -> Option<Report>;
    let told = |settings: HealthSettings, feed: Feed| {
        let mut ladder = up(settings);
        (31..200).find_map(|n| feed(&mut ladder, n).or_else(|| ladder.tick(s(n))).map(|r| r.state))
    };
    let usual = HealthSettings::default();
    let normal: Feed = &|ladder, n| ladder.seen(s(n), picture(n));
    assert_eq!(told(usual, normal), None);

    let sized = HealthSettings { size: Some((640, 360)), ..usual };
    let other: Feed = &|ladder, n| {
        let media = i64::try_from(n).unwrap() * 90_000;
        ladder.seen(s(n), Seen::Picture { media, width: 320, height: 240 })
    };
    let size = Shortfall::Resolution { width: 320, height: 240 };
    assert_eq!(told(sized, other), Some(State::Degraded(size)));

    let fast: Feed = &|ladder, n| {
        let media = i64::try_from(n).unwrap() * 100_000;
        ladder.seen(s(n), Seen::Picture { media, width: 640, height: 360 })
    };
    assert_eq!(told(usual, fast), Some(State::Degraded(Shortfall::ClockDrift)));

    let broken: Feed =
        &|ladder, n| ladder.seen(s(n), picture(n)).or_else(|| ladder.seen(s(n), Seen::Undecodable));
    assert_eq!(told(usual, broken), Some(State::Degraded(Shortfall::Undecodable)));

    let many = HealthSettings { least_per_100_s: Some(90), ..usual };
    assert_eq!(told(many, normal), None);
    let half: Feed = &|ladder, n| if n % 2 == 0 { ladder.seen(s(n), picture(n)) } else { None };
    let Some(State::Degraded(Shortfall::FewPictures { per_100_s })) = told(many, half) else {
        panic!("half of the pictures are too few");
    };
    // The stretch in which it was told began before the rate fell.
    assert!((45..90).contains(&per_100_s), "{per_100_s}");
}

#[test]
fn what_begins_with_the_event_that_made_another_due_is_timed_from_there() {
    let mut ladder = Ladder::new(HealthSettings::default(), s(0));
    ladder.seen(s(1), Seen::Lost(Loss::Silent(Cause::Ended)));
    let first = ladder.seen(s(11), Seen::Lost(Loss::Unreachable)).expect("10 s silent");
    assert_eq!((first.state, first.since), (State::Silent(Cause::Ended), s(1)));
    let second = (12..40).find_map(|n| ladder.tick(s(n))).expect("10 s unreachable");
    assert_eq!((second.state, second.since, ladder.last), (State::Unreachable, s(11), s(21)));
}

/// It falls from rank to rank and climbs as far as not quite up: what is told has lasted.
#[test]
fn a_camera_that_was_only_refused_for_half_a_minute_is_not_told_up() {
    let mut ladder = up(HealthSettings::default());
    ladder.seen(s(31), Seen::Lost(Loss::Unreachable));
    assert_eq!(ladder.tick(s(41)).map(|report| report.state), Some(State::Unreachable));
    ladder.seen(s(42), Seen::Lost(Loss::Unauthorised));
    for n in 62..72 {
        assert_eq!(ladder.seen(s(n), picture(n)), None);
    }
    let report = ladder.seen(s(72), picture(72)).expect("30 s better");
    assert_eq!((report.state, report.since), (State::Unauthorised, s(42)));
    let report = (73..100).find_map(|n| ladder.seen(s(n), picture(n))).expect("up");
    assert_eq!((report.state, report.since), (State::Up, s(62)));
}

/// Down for 5 s and up for 5 s, again and again: below every hold-off, and still not well.
#[test]
fn a_camera_that_flaps_is_told_once_as_unstable() {
    let mut ladder = up(HealthSettings::default());
    let mut reports = Vec::new();
    for n in 31..600 {
        let seen = match n % 10 {
            0 => Seen::Lost(Loss::Silent(Cause::Ended)),
            5..=9 => picture(n),
            _ => continue,
        };
        reports.extend(ladder.seen(s(n), seen).map(|report| report.state));
    }
    assert_eq!(reports, [State::Degraded(Shortfall::Unstable)]);
}

fn any_seen() -> impl Strategy<Value = Option<Seen>> {
    prop_oneof![
        4 => (any::<i64>(), 1u32..3).prop_map(|(media, width)| {
            Some(Seen::Picture { media, width, height: 1 })
        }),
        1 => Just(Some(Seen::Answered)),
        1 => Just(Some(Seen::Undecodable)),
        1 => Just(Some(Seen::Lost(Loss::Unreachable))),
        1 => Just(Some(Seen::Lost(Loss::Unauthorised))),
        1 => Just(Some(Seen::Lost(Loss::Silent(Cause::Ended)))),
        2 => Just(None),
    ]
}

proptest! {
    #[test]
    fn no_two_reports_are_equal_and_up_has_lasted(
        steps in prop::collection::vec((0u64..8_000, any_seen()), 0..300),
    ) {
        let settings = HealthSettings { size: Some((1, 1)), ..HealthSettings::default() };
        let mut ladder = Ladder::new(settings, s(0));
        let (mut now, mut last, mut lost) = (0, None::<State>, None::<Mono>);
        for (pause, seen) in steps {
            now += pause * 1_000_000;
            let reports = match seen {
                Some(seen) => ladder.seen(Mono(now), seen),
                None => ladder.tick(Mono(now)),
            };
            if let Some(report) = reports {
                prop_assert!(report.since <= Mono(now));
                prop_assert_eq!(report.before, last);
                if let Some(before) = last {
                    prop_assert_ne!(report.state.rank(), before.rank());
                }
                if report.state == State::Up {
                    let long = |lost| Mono(now).since(lost) >= settings.restore_after;
                    prop_assert!(lost.is_none_or(long), "lost a moment ago");
                }
                last = Some(report.state);
            }
            if let Some(Seen::Lost(_)) = seen {
                lost = Some(Mono(now));
            }
        }
    }

    #[test]
    fn whatever_came_before_a_dead_camera_is_told_in_time(
        steps in prop::collection::vec((0u64..8_000, any_seen()), 0..60),
    ) {
        let settings = HealthSettings::default();
        let mut ladder = Ladder::new(settings, s(0));
        let mut now = 0;
        for (pause, seen) in steps {
            now += pause * 1_000_000;
            if let Some(seen) = seen {
                ladder.seen(Mono(now), seen);
            }
        }
        ladder.seen(Mono(now), Seen::Lost(Loss::Unreachable));
        // What it was a moment before may have become due with it; then this is news of its own.
        for _ in 0..2 {
            let limit = Mono(now).plus(settings.loss_after);
            while Mono(now) < limit {
                now += 1_000_000_000;
                ladder.tick(Mono(now));
            }
            prop_assert!(ladder.told().is_some_and(|told| !told.shows()));
        }
        prop_assert_eq!(ladder.told(), Some(State::Unreachable));
    }

    #[test]
    fn one_that_flaps_faster_than_the_hold_off_is_told_at_most_a_few_times(
        period_ms in 200u64..9_000, cycles in 10u64..400,
    ) {
        let mut ladder = Ladder::new(HealthSettings::default(), s(0));
        let mut reports = 0;
        for n in 0..cycles {
            let at = Mono(n * period_ms * 1_000_000);
            let half = Mono(at.0 + period_ms * 500_000);
            reports += ladder.seen(at, Seen::Lost(Loss::Unreachable)).iter().count();
            let media = i64::try_from(half.0 / 100_000 * 9).unwrap();
            let picture = Seen::Picture { media, width: 1, height: 1 };
            reports += ladder.seen(half, picture).iter().count();
        }
        // The first of all, and that it is unstable; after that nothing is news.
        prop_assert!(reports <= 3, "{} reports", reports);
    }
}
