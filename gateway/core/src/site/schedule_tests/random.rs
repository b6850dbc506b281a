//! Random schedules over random histories of the clock: what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::site::zone_tests::random::{begins_and_ends, cases};

/// Zones with their changes in 2026, and the day before each: where schedules can go wrong.
const ZONES: [(&str, &str); 8] = [
    // Central Europe, forward and back.
    ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-28T10:00:00Z"),
    ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-24T10:00:00Z"),
    // New York.
    ("EST5EDT,M3.2.0,M11.1.0", "2026-03-07T15:00:00Z"),
    ("EST5EDT,M3.2.0,M11.1.0", "2026-10-31T15:00:00Z"),
    // Chile, where midnight is left out.
    ("<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2026-09-05T12:00:00Z"),
    // Lord Howe, by half an hour.
    ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-10-03T02:00:00Z"),
    ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-04-04T02:00:00Z"),
    // Shanghai has none.
    ("CST-8", "2026-03-28T10:00:00Z"),
];

#[derive(Clone, Debug)]
enum Op {
    /// So many seconds pass.
    Pass(u64),
    /// The wall clock is set forward or back by so many seconds.
    Step(i64),
    /// The clock is as good as that.
    Clock(ClockState, Option<u32>),
    /// The box is off for so many seconds.
    Dark(u64),
    Arm(Mode),
    Disarm,
    Postpone(u64),
    Window(Condition),
}

fn op() -> impl Strategy<Value = Op> {
    let clock = prop_oneof![
        4 => Just((ClockState::Synced, Some(50))),
        1 => Just((ClockState::Holdover, Some(20_000))),
        1 => Just((ClockState::Holdover, Some(400_000))),
        1 => Just((ClockState::Never, None)),
    ];
    let window = proptest::sample::select(vec![
        Condition::Normal,
        Condition::Normal,
        Condition::Active,
        Condition::Unknown,
    ]);
    let armed = proptest::sample::select(Mode::ARMED.to_vec());
    prop_oneof![
        8 => (1..12_000_u64).prop_map(Op::Pass),
        2 => (-8_000..8_000_i64).prop_map(Op::Step),
        1 => (-200_000..200_000_i64).prop_map(Op::Step),
        2 => clock.prop_map(|(state, err)| Op::Clock(state, err)),
        2 => (0..20_000_u64).prop_map(Op::Dark),
        1 => armed.prop_map(Op::Arm),
        1 => Just(Op::Disarm),
        1 => (1..10_000_u64).prop_map(Op::Postpone),
        2 => window.prop_map(Op::Window),
    ]
}

fn schedule() -> impl Strategy<Value = ScheduleConfig> {
    // Half of the times in the small hours, where clocks change.
    let minute = || prop_oneof![0..240_u16, 0..1440_u16];
    let some = |minute| proptest::option::weighted(0.8, minute);
    let times = (some(minute().boxed()), some(minute().boxed()), some(minute().boxed()));
    let length = || prop_oneof![Just(0_u64), 1..2_000_u64];
    let rest = (length(), length(), length(), any::<bool>(), any::<bool>(), 1..128_u8);
    let mode = proptest::sample::select(Mode::ARMED.to_vec());
    (times, rest, mode).prop_map(|((arm, disarm, armed_by), rest, mode)| {
        let (warning, retry, postpone, force, holidays, days) = rest;
        let all = [0, 1, 2, 3, 4, 5, 6]
            .map(|n| jiff::civil::Weekday::from_monday_zero_offset(n).expect("seven days"));
        let days = all.into_iter().enumerate().filter(|(n, _)| days >> n & 1 == 1);
        ScheduleConfig {
            arm,
            disarm,
            armed_by,
            mode,
            warning: Duration::from_secs(warning),
            retry: Duration::from_secs(retry),
            postpone: Duration::from_secs(postpone * 10),
            force,
            holidays,
            days: Days::of(days.map(|(_, day)| day)),
            ..ScheduleConfig::new(id("s"), 0)
        }
    })
}

/// A site, and when it begins.
fn site() -> impl Strategy<Value = (SiteConfig, &'static str)> {
    let schedules = proptest::collection::vec(schedule(), 1..4);
    let exit = prop_oneof![Just(0_u64), 1..60_u64];
    (schedules, 0..ZONES.len(), exit, any::<bool>()).prop_map(|(mut schedules, zone, exit, day)| {
        for (n, schedule) in schedules.iter_mut().enumerate() {
            schedule.id = id(&format!("s{n}"));
        }
        let (posix, begins) = ZONES[zone];
        let mut config = config(schedules);
        config.access.time_zone = TimeZone::posix(posix).unwrap();
        let delays = ModeConfig { exit: Duration::from_secs(exit), entry: Duration::ZERO };
        config.partitions[0].modes = [Some(delays); 4];
        if day {
            let dates = Dates::Yearly { from: (10, 1), until: (3, 29) };
            let like = Some(jiff::civil::Weekday::Sunday);
            config.holidays = vec![HolidayConfig { id: id("winter"), dates, like }];
        }
        (config, begins)
    })
}

fn scripts() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 1..24)
}

impl World {
    fn act(&mut self, op: &Op) {
        match *op {
            Op::Pass(s) => self.pass(s * 1_000),
            Op::Step(s) => {
                self.wall += s * 1_000;
                // A step that is taken back before anybody looks was none.
                self.pass(61_000);
            }
            Op::Clock(state, err) => (self.clock, self.err_ms) = (state, err),
            Op::Dark(s) => self.dark(s * 1_000),
            Op::Arm(mode) => {
                self.want(Verb::Arm { partition: 0, mode, force: true, at_once: true });
            }
            Op::Disarm => self.disarm(),
            Op::Postpone(s) => {
                self.want(Verb::Postpone { partition: 0, by: Duration::from_secs(s) });
            }
            Op::Window(condition) => self.window(condition),
        }
    }
}

/// What a draft of a schedule is about: its id and the act, and the instants that it names.
fn moment(draft: &Draft) -> Option<(String, String, String)> {
    let detail = draft.detail.as_ref()?;
    let text = |key: &str| detail[key].as_str().map(str::to_owned);
    Some((draft.source.id.to_string(), text("act")?, text("due")?))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn each_moment_runs_at_most_once_and_nothing_disarms_without_a_good_clock(
        (config, begins) in site(), script in scripts(),
    ) {
        let mut world = World::new(config, begins);
        let mut ran = BTreeSet::new();
        for op in &script {
            let before = world.drafts.len();
            world.act(op);
            let good = world.clock != ClockState::Never && world.err_ms.is_some_and(|e| e <= 300_000);
            for draft in &world.drafts[before..] {
                if draft.kind == "schedule.ran" {
                    let (schedule, act, due) = moment(draft).unwrap();
                    // By its date on the wall: what was put off has another instant.
                    let at: UtcMs = serde_json::from_value(due.into()).unwrap();
                    let then = Timestamp::from_millisecond(at.0).unwrap();
                    let put_off = act == "arm"
                        && world.drafts.iter().any(|d| d.kind == "schedule.postponed");
                    let date = world.config.access.time_zone.to_datetime(then).date();
                    prop_assert!(put_off || ran.insert((schedule.clone(), act.clone(), date)),
                        "{schedule} ran {act} of {date} twice");
                    let late = draft.detail.as_ref().unwrap()["late_s"].as_u64().unwrap();
                    prop_assert!(late <= if act == "disarm" { 900 } else { 3600 }, "{late} s late");
                }
                let by_schedule = draft.detail.as_ref().is_some_and(|d| d["via"] == "schedule");
                if draft.kind == "partition.disarmed" && by_schedule {
                    prop_assert!(good, "disarmed with {:?} {:?}", draft.time.clock, draft.time.err_ms);
                }
                if draft.kind == "schedule.ran" {
                    prop_assert!(draft.time.clock != ClockState::Never);
                }
            }
        }
    }

    #[test]
    fn none_is_left_out_without_an_event(
        (config, begins) in site(), script in scripts(),
    ) {
        // Without steps back, without what moves the moment itself, and with a clock that is good
        // at the end: each that the wall has passed since the first look ran, or is counted in a
        // failure.
        let mut world = World::new(config, begins);
        world.pass(11_000);
        let first = world.wall;
        for op in &script {
            match op {
                Op::Step(by) if *by < 0 => {}
                Op::Postpone(_) => {}
                op => world.act(op),
            }
        }
        (world.clock, world.err_ms) = (ClockState::Synced, Some(50));
        world.pass(120_000);
        let mut told: BTreeMap<(String, String), u64> = BTreeMap::new();
        for draft in &world.drafts {
            let Some((schedule, act, _)) = moment(draft) else { continue };
            let detail = draft.detail.as_ref().unwrap();
            // An arming that begins and then is not ready has been told by its beginning.
            let count = match &*draft.kind {
                "schedule.ran" => 1,
                "schedule.arm_failed" | "schedule.disarm_failed" => {
                    detail["count"].as_u64().unwrap()
                }
                _ => continue,
            };
            *told.entry((schedule, act)).or_default() += count;
        }
        for schedule in &world.config.schedules {
            for act in ["arm", "disarm"] {
                let (zone, holidays) = (&world.config.access.time_zone, &world.config.holidays);
                let place = if act == "arm" { ScheduleAct::Arm } else { ScheduleAct::Disarm };
                let (mut after, mut expected) = (UtcMs(first), 0);
                let next = |after| schedule_after(schedule, holidays, zone, after).at[place as usize];
                while let Some(at) = next(after).filter(|at| at.0 <= world.wall) {
                    expected += 1;
                    after = at;
                }
                let key = (schedule.id.to_string(), act.to_owned());
                let is = told.get(&key).copied().unwrap_or(0);
                prop_assert_eq!(is, expected, "{} {}", schedule.id, act);
            }
        }
    }

    #[test]
    fn a_moment_is_when_a_clock_on_the_wall_first_shows_it_or_more(
        (config, begins) in site(), from in 0..7_000_i64,
    ) {
        // Minute by minute, without any knowledge of changes.
        let zone = &config.access.time_zone;
        let begin = utc(begins) - utc(begins) % 60_000 - from * 60_000;
        let wall = |ms: i64| zone.to_datetime(Timestamp::from_millisecond(ms).unwrap());
        let schedule = ScheduleConfig { days: Days::ALL, ..config.schedules[0].clone() };
        if let Some(minute) = schedule.arm {
            let mut expected = Vec::new();
            let mut day = wall(begin).date().tomorrow().unwrap();
            for ms in (begin..begin + 3 * 86_400_000).step_by(60_000) {
                let [hour, minute] = [minute / 60, minute % 60].map(|n| i8::try_from(n).unwrap());
                if wall(ms) >= day.at(hour, minute, 0, 0) {
                    expected.push(UtcMs(ms));
                    day = day.tomorrow().unwrap();
                }
            }
            let mut found = Vec::new();
            let mut after = expected.first().map_or(UtcMs(begin), |first| UtcMs(first.0 - 1));
            for _ in 0..expected.len() {
                after = schedule_after(&schedule, &[], zone, after).at[1].unwrap();
                found.push(after);
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_same_inputs_tell_the_same_and_whatever_begins_ends_once_or_is_open(
        (config, begins) in site(), script in scripts(),
    ) {
        let run = || {
            let mut world = World::new(config.clone(), begins);
            for op in &script {
                world.act(op);
                prop_assert_eq!(world.site.next, world.site.earliest());
            }
            Ok(world.drafts)
        };
        let (one, other) = (run()?, run()?);
        begins_and_ends(&one)?;
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_restart_at_any_step_goes_on_as_if_there_had_been_none(
        (config, begins) in site(), script in scripts(), cut in 0..30_usize,
    ) {
        // The daemon is started again within a moment, and its first readings have come.
        let mut whole = World::new(config.clone(), begins);
        let mut cut_one = World::new(config, begins);
        let mut restarted = false;
        for (step, op) in script.iter().enumerate() {
            if let Op::Dark(_) = op {
                continue;
            }
            whole.act(op);
            cut_one.act(op);
            let quiet = |world: &World| {
                let leaving = matches!(
                    world.site.partitions[0].arming(),
                    partition::Arming::Leaving { .. }
                );
                let unknown = world.site.zones[0].condition() != Condition::Normal;
                !leaving && !unknown
            };
            if step >= cut && !restarted && quiet(&whole) {
                restarted = true;
                cut_one.restart();
                // What waits for the first reading is as late as that.
                cut_one.pass(12_000);
                whole.pass(12_000);
            }
        }
        let told = |world: &World| -> BTreeSet<(String, String, String)> {
            let ran = world.drafts.iter().filter(|draft| draft.kind == "schedule.ran");
            ran.filter_map(moment).collect()
        };
        prop_assert_eq!(told(&whole), told(&cut_one));
        prop_assert_eq!(whole.mode(), cut_one.mode());
    }
}
