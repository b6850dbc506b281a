//! The rules of schedules, one by one.

use super::*;

const MIN: u64 = 60_000;
const ARMED: [&str; 2] = ["schedule.ran", "partition.armed"];
const DISARMED: [&str; 2] = ["schedule.ran", "partition.disarmed"];

#[test]
fn a_night_is_armed_and_disarmed_at_its_minutes() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T20:59:59.999Z");
    assert!(flat.told().is_empty());
    flat.until("2026-03-10T21:00:00Z");
    assert_eq!(flat.told(), ARMED);
    let armed = flat.drafts.last().unwrap();
    assert_eq!(armed.time.utc, UtcMs(utc("2026-03-10T21:00:00Z")));
    assert_eq!(armed.actor.as_deref(), Some("nights"));
    assert_eq!(armed.detail.as_ref().unwrap()["via"], "schedule");
    flat.until("2026-03-11T05:00:00Z");
    assert_eq!(flat.told(), DISARMED);
}

#[test]
fn a_week_over_the_change_of_clocks_keeps_to_the_clock_on_the_wall() {
    for (from, first_arm, days) in [
        ("2026-03-26T12:00:00Z", "2026-03-26T21:00:00Z", 7),
        ("2026-10-22T12:00:00Z", "2026-10-22T20:00:00Z", 7),
    ] {
        let mut flat = World::new(config(vec![nightly()]), from);
        flat.pass(days * 24 * 60 * MIN);
        let zone = TimeZone::posix(EUROPE).unwrap();
        let at = |kind: &str| -> Vec<String> {
            let of = flat.drafts.iter().filter(|draft| draft.kind == kind);
            let wall = |draft: &Draft| {
                let then = Timestamp::from_millisecond(draft.time.utc.0).unwrap();
                zone.to_datetime(then).time().to_string()
            };
            of.map(wall).collect()
        };
        assert_eq!(at("partition.armed"), vec!["22:00:00"; 7], "{from}");
        assert_eq!(at("partition.disarmed"), vec!["06:00:00"; 7], "{from}");
        let first = flat.drafts.iter().find(|draft| draft.kind == "partition.armed").unwrap();
        assert_eq!(first.time.utc, UtcMs(utc(first_arm)));
    }
}

#[test]
fn a_time_that_is_left_out_runs_at_the_first_minute_after_and_one_that_comes_twice_runs_once() {
    let odd = ScheduleConfig { arm: Some(130), disarm: Some(170), ..nightly() };
    let mut flat = World::new(config(vec![odd.clone()]), "2026-03-29T00:00:00Z");
    flat.until("2026-03-29T00:59:59Z");
    assert!(flat.told().is_empty());
    flat.until("2026-03-29T01:00:00Z");
    // Both in the order of their times.
    assert_eq!(flat.told(), [ARMED, DISARMED].concat());
    let mut flat = World::new(config(vec![odd]), "2026-10-24T23:00:00Z");
    flat.until("2026-10-25T12:00:00Z");
    assert_eq!(flat.told(), [ARMED, DISARMED].concat());
}

#[test]
fn who_disarms_after_hours_is_left_alone_until_the_next_arming() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T22:00:00Z");
    flat.told();
    flat.disarm();
    assert_eq!(flat.told(), ["partition.disarmed"]);
    flat.until("2026-03-11T20:59:00Z");
    assert_eq!(flat.told(), ["schedule.ran"], "06:00 found it disarmed already");
    flat.until("2026-03-11T21:00:00Z");
    assert_eq!(flat.told(), ARMED);
}

#[test]
fn a_clock_set_forward_over_an_arming_runs_it_and_over_a_night_only_what_should_be() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.pass(MIN);
    flat.set("2026-03-10T21:40:00Z");
    flat.pass(MIN);
    assert_eq!(flat.told(), ARMED, "forty minutes late is within the hour");
    // Over two nights: the last is a disarming, hours late.
    flat.set("2026-03-12T12:00:00Z");
    flat.pass(MIN);
    assert_eq!(
        flat.told(),
        ["schedule.disarm_failed", "schedule.arm_failed", "schedule.disarm_failed"]
    );
    assert_eq!(flat.mode(), Mode::Away, "a late disarming is never caught up");
    assert_eq!(flat.cause("schedule.disarm_failed"), Some("too late to disarm"));
    // Far into the night: told as failed, and armed all the same.
    let mut flat = World::new(config(vec![nightly()]), "2026-03-12T20:00:00Z");
    flat.pass(MIN);
    flat.set("2026-03-12T23:30:00Z");
    flat.pass(MIN);
    assert_eq!(flat.told(), ["schedule.arm_failed", "partition.armed"]);
}

#[test]
fn a_disarming_runs_a_quarter_of_an_hour_late_and_not_a_minute_more() {
    for (set_to, mode) in
        [("2026-03-11T05:14:00Z", Mode::Disarmed), ("2026-03-11T05:16:00Z", Mode::Away)]
    {
        let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
        flat.until("2026-03-11T04:00:00Z");
        flat.set(set_to);
        flat.pass(1);
        assert_eq!(flat.mode(), mode, "{set_to}");
    }
}

#[test]
fn a_clock_set_back_never_runs_a_date_again() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T21:05:00Z");
    assert_eq!(flat.told(), ARMED);
    flat.disarm();
    flat.told();
    flat.set("2026-03-10T20:30:00Z");
    flat.until("2026-03-10T22:00:00Z");
    assert!(flat.told().is_empty(), "{:?}", flat.told);
    // Days later a clock that was wrong is set back: the arming that does not come again is told.
    flat.until("2026-03-14T12:00:00Z");
    flat.told();
    flat.set("2026-03-11T20:30:00Z");
    flat.until("2026-03-11T21:30:00Z");
    assert_eq!(flat.told(), ["schedule.arm_failed"]);
}

#[test]
fn without_a_clock_nothing_moves_and_that_is_told() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.pass(MIN);
    (flat.clock, flat.err_ms) = (ClockState::Never, None);
    flat.until("2026-03-10T21:30:00Z");
    assert_eq!(flat.told(), ["schedule.held"]);
    // It is known again, within the hour.
    (flat.clock, flat.err_ms) = (ClockState::Synced, Some(50));
    flat.pass(MIN);
    assert_eq!(flat.told(), ["schedule.held_restored", "schedule.ran", "partition.armed"]);
    // Holding over with too large an error: nothing disarms, and the next arming is done.
    (flat.clock, flat.err_ms) = (ClockState::Holdover, Some(400_000));
    flat.until("2026-03-11T20:00:00Z");
    assert_eq!(flat.told(), ["schedule.held"]);
    assert_eq!(flat.mode(), Mode::Away);
    flat.disarm();
    flat.told();
    flat.until("2026-03-11T21:00:00Z");
    assert_eq!(flat.told(), ARMED);
}

#[test]
fn a_disarming_that_was_held_back_runs_when_the_clock_is_good_in_time_and_fails_if_not() {
    for (good_at, told) in [
        ("2026-03-11T05:10:00Z", vec!["schedule.ran", "partition.disarmed"]),
        ("2026-03-11T05:20:00Z", vec!["schedule.disarm_failed"]),
    ] {
        let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
        flat.until("2026-03-11T04:55:00Z");
        (flat.clock, flat.err_ms) = (ClockState::Holdover, Some(400_000));
        flat.until(good_at);
        flat.told();
        (flat.clock, flat.err_ms) = (ClockState::Synced, Some(50));
        flat.pass(MIN);
        let mut all = flat.told();
        all.retain(|kind| !kind.starts_with("schedule.held"));
        assert_eq!(all, told, "{good_at}");
    }
}

#[test]
fn an_arming_in_the_dark_is_done_after_the_start_and_an_old_one_only_if_nobody_was_there_since() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T20:50:00Z");
    flat.dark(20 * MIN);
    flat.pass(MIN);
    assert_eq!(flat.told(), ARMED);
    // The clock was not known at 22:00; somebody disarmed after that.
    (flat.clock, flat.err_ms) = (ClockState::Never, None);
    flat.until("2026-03-11T21:30:00Z");
    flat.disarm();
    flat.told();
    (flat.clock, flat.err_ms) = (ClockState::Synced, Some(50));
    flat.pass(MIN);
    assert!(flat.told().contains(&"schedule.arm_failed".to_owned()));
    assert_eq!(flat.mode(), Mode::Disarmed);
    let cause = flat.cause("schedule.arm_failed");
    assert_eq!(cause, Some("late, and somebody has armed or disarmed since"));
}

#[test]
fn arming_is_announced_and_may_be_put_off_but_not_for_ever() {
    let schedule = ScheduleConfig { warning: Duration::from_secs(300), ..nightly() };
    let mut flat = World::new(config(vec![schedule]), "2026-03-10T12:00:00Z");
    let postpone =
        |minutes: u64| Verb::Postpone { partition: 0, by: Duration::from_secs(minutes * 60) };
    let refused = |reason| Answer::Refused { reason, blockers: Vec::new() };
    assert_eq!(flat.want(postpone(30)), refused(Refusal::NotScheduled), "nine hours ahead");
    flat.until("2026-03-10T20:55:00Z");
    assert_eq!((flat.told(), flat.chimes), (vec!["schedule.warning".to_owned()], 1));
    assert_eq!(flat.want(postpone(30)), Answer::Done);
    assert_eq!(flat.want(postpone(91)), refused(Refusal::TooLong));
    assert_eq!(flat.want(postpone(90)), Answer::Done);
    assert_eq!(flat.told(), ["schedule.postponed", "schedule.postponed"]);
    flat.until("2026-03-10T22:54:00Z");
    assert!(flat.told().is_empty());
    flat.until("2026-03-10T22:55:00Z");
    assert_eq!((flat.told(), flat.chimes), (vec!["schedule.warning".to_owned()], 2));
    flat.dark(MIN);
    flat.until("2026-03-10T22:59:00Z");
    assert!(flat.told().is_empty());
    flat.until("2026-03-10T23:00:00Z");
    assert_eq!(flat.told(), ARMED);
    assert_eq!(flat.want(postpone(30)), refused(Refusal::Armed));
}

#[test]
fn nobody_is_locked_in_by_an_arming_that_was_not_announced() {
    let schedule = ScheduleConfig { warning: Duration::from_secs(300), ..nightly() };
    let mut flat = World::new(config(vec![schedule]), "2026-03-10T20:00:00Z");
    flat.pass(MIN);
    flat.set("2026-03-10T21:10:00Z");
    flat.pass(MIN);
    assert_eq!(flat.told(), ["schedule.ran", "schedule.warning"]);
    flat.pass(3 * MIN);
    assert_eq!(flat.mode(), Mode::Disarmed);
    flat.pass(2 * MIN);
    assert_eq!(flat.told(), ["partition.armed"]);
}

#[test]
fn what_is_not_ready_is_waited_for_then_forced_or_told_as_failed() {
    let retry = Duration::from_secs(600);
    for force in [false, true] {
        let schedule = ScheduleConfig { retry, force, ..nightly() };
        let mut flat = World::new(config(vec![schedule.clone()]), "2026-03-10T20:00:00Z");
        flat.window(Condition::Active);
        flat.told();
        flat.until("2026-03-10T21:09:00Z");
        assert_eq!(flat.told(), ["schedule.ran"]);
        // The daemon is started again meanwhile; it goes on where it was.
        flat.dark(1_000);
        flat.window(Condition::Active);
        flat.until("2026-03-10T21:09:59Z");
        flat.told();
        flat.until("2026-03-10T21:10:30Z");
        if force {
            assert_eq!(flat.told(), ["zone.bypassed", "partition.armed"]);
        } else {
            assert_eq!(flat.told(), ["schedule.arm_failed"]);
            let failed = flat.drafts.last().unwrap();
            assert_eq!(failed.detail.as_ref().unwrap()["blockers"][0]["id"], "window");
        }
        // Closed in time, it is armed within a minute.
        let mut flat = World::new(config(vec![schedule]), "2026-03-10T20:00:00Z");
        flat.window(Condition::Active);
        flat.until("2026-03-10T21:05:30Z");
        flat.window(Condition::Normal);
        flat.told();
        flat.until("2026-03-10T21:06:00Z");
        assert_eq!(flat.told(), ["partition.armed"]);
    }
}

#[test]
fn an_exit_delay_that_ends_with_an_open_window_is_tried_again_and_not_for_ever() {
    let schedule = ScheduleConfig { retry: Duration::from_secs(120), ..nightly() };
    let mut site = config(vec![schedule]);
    let delays = ModeConfig { exit: Duration::from_secs(30), entry: Duration::ZERO };
    site.partitions[0].modes = [Some(delays); 4];
    let mut flat = World::new(site, "2026-03-10T20:59:00Z");
    flat.until("2026-03-10T21:00:00Z");
    assert_eq!(flat.told(), ["schedule.ran", "partition.arming"]);
    flat.window(Condition::Active);
    flat.told();
    flat.until("2026-03-10T21:10:00Z");
    assert_eq!(flat.told(), ["partition.arm_failed", "schedule.arm_failed"]);
    assert!(!flat.coming[&0].trying);
    // Somebody who disarms while it is leaving is not there to be locked in a minute later.
    flat.window(Condition::Normal);
    flat.until("2026-03-11T21:00:10Z");
    flat.told();
    flat.disarm();
    assert_eq!(flat.told(), ["partition.disarmed", "schedule.arm_failed"]);
    flat.until("2026-03-11T22:00:00Z");
    assert!(flat.told().is_empty());
}

#[test]
fn what_people_armed_stays_as_they_did_and_a_schedule_arms_only_more() {
    let evening = ScheduleConfig {
        disarm: None,
        arm: Some(18 * 60),
        mode: Mode::Home,
        id: id("evenings"),
        ..nightly()
    };
    let mut flat = World::new(config(vec![nightly(), evening]), "2026-03-10T12:00:00Z");
    flat.until("2026-03-10T18:00:00Z");
    assert_eq!(flat.mode(), Mode::Home);
    flat.until("2026-03-10T22:00:00Z");
    assert_eq!(flat.mode(), Mode::Away);
    flat.until("2026-03-11T12:00:00Z");
    flat.arm(Mode::Home);
    flat.until("2026-03-11T22:00:00Z");
    assert_eq!(flat.mode(), Mode::Home, "people are in");
    flat.until("2026-03-12T12:00:00Z");
    assert_eq!(flat.mode(), Mode::Disarmed);
}

#[test]
fn a_schedule_does_not_end_an_alarm() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-11T04:00:00Z");
    flat.window(Condition::Active);
    flat.told();
    flat.until("2026-03-11T05:30:00Z");
    assert!(flat.told().contains(&"schedule.disarm_failed".to_owned()));
    assert_eq!(flat.mode(), Mode::Away);
}

#[test]
fn a_shop_that_nobody_closed_in_time_is_told_until_it_is() {
    let shop = ScheduleConfig { arm: None, disarm: None, armed_by: Some(20 * 60), ..nightly() };
    let mut flat = World::new(config(vec![shop]), "2026-03-10T12:00:00Z");
    flat.until("2026-03-10T19:00:00Z");
    assert_eq!(flat.told(), ["schedule.late_to_close"]);
    flat.dark(MIN);
    flat.pass(MIN);
    flat.arm(Mode::Away);
    assert_eq!(flat.told(), ["partition.armed", "schedule.late_to_close_restored"]);
    flat.until("2026-03-11T19:30:00Z");
    assert!(flat.told().is_empty());
}

#[test]
fn a_year_that_the_clock_jumps_is_told_in_few_events() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.pass(MIN);
    flat.set("2036-03-10T23:00:00Z");
    flat.pass(MIN);
    let told = flat.told();
    assert!(told.len() <= 6, "{told:?}");
    assert_eq!(flat.mode(), Mode::Away);
    let failed = flat.drafts.iter().find(|draft| draft.kind == "schedule.disarm_failed").unwrap();
    assert_eq!(failed.detail.as_ref().unwrap()["count"], 400);
}

#[test]
fn other_times_in_the_configuration_are_another_schedule() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T20:50:00Z");
    flat.config.schedules[0].arm = Some(18 * 60);
    flat.dark(MIN);
    flat.until("2026-03-11T16:59:00Z");
    assert!(!flat.told().contains(&"partition.armed".to_owned()), "18:00 was before it was so");
    flat.until("2026-03-11T17:00:00Z");
    assert_eq!(flat.told(), ARMED);
}

#[test]
fn what_comes_next_is_shown_with_what_was_put_off() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.pass(MIN);
    let at = |text: &str| Some(UtcMs(utc(text)));
    let shown = flat.coming[&0];
    assert_eq!(shown.at, [at("2026-03-11T05:00:00Z"), at("2026-03-10T21:00:00Z"), None]);
    let by = Duration::from_secs(1800);
    flat.want(Verb::Postpone { partition: 0, by });
    let shown = flat.coming[&0];
    assert_eq!((shown.at[1], shown.postponed), (at("2026-03-10T21:30:00Z"), by));
}

#[test]
fn another_configuration_goes_on_with_what_ran_and_begins_what_is_new() {
    let mut flat = World::new(config(vec![nightly()]), "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T21:30:00Z");
    flat.disarm();
    flat.told();
    // With an equal one nothing happens.
    let now = flat.now();
    assert_eq!(flat.site.reconfigure(flat.config.clone(), &now), []);
    let early = ScheduleConfig { id: id("early"), arm: Some(20 * 60), disarm: None, ..nightly() };
    let shop = ScheduleConfig {
        id: id("shop"),
        arm: None,
        disarm: None,
        armed_by: Some(1380),
        ..nightly()
    };
    let effects = flat.site.reconfigure(config(vec![early, nightly(), shop]), &now);
    flat.take(effects);
    flat.pass(MIN);
    assert!(flat.told().is_empty(), "20:00 was before it was so, and 22:00 ran");
    flat.until("2026-03-10T22:00:00Z");
    assert_eq!(flat.told(), ["schedule.late_to_close"]);
    let now = flat.now();
    let effects = flat.site.reconfigure(config(vec![nightly()]), &now);
    flat.take(effects);
    assert_eq!(flat.told(), ["schedule.late_to_close_restored"]);
    assert_eq!(flat.kept.keys().filter(|key| key.starts_with("schedule/")).count(), 1);
    flat.until("2026-03-11T21:00:00Z");
    assert_eq!(flat.told(), ["schedule.ran", "schedule.ran", "partition.armed"]);
}

#[test]
fn what_is_recalled_before_what_was_kept_begins_nothing() {
    let mut site = config(vec![nightly()]);
    site.doors.push(DoorConfig::new(id("gate"), "sim:1".into()));
    let mut flat = World::new(site, "2026-03-10T20:00:00Z");
    flat.until("2026-03-10T20:50:00Z");
    // As the daemon starts: the doors' past from the record, whose effects nobody carries out.
    flat.mono += 20 * MIN;
    flat.wall += 20 * 60_000;
    flat.site = Site::new(flat.config.clone(), "boot-0");
    let recall = Input::Recall { door: 0, state: DoorState::Closed };
    assert_eq!(flat.site.apply(recall, &flat.now()), []);
    flat.start();
    flat.pass(MIN);
    assert_eq!(flat.told(), ARMED);
}
