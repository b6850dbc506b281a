//! Detectors with more than one line, and alarms that latch.

use super::*;

fn of(config: ZoneConfig) -> Box_ {
    Box_::of(SiteConfig {
        zones: vec![config],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    })
}

fn line(flat: &mut Box_, line: ZoneLine, active: bool) -> Vec<String> {
    let at = Mono(flat.ms * 1_000_000);
    flat.put(Input::ZoneLine { zone: 0, line, active: Some(active), at, resynced: false })
}

fn pir() -> ZoneConfig {
    let lines = LinesConfig { fault: true, mask: true, ..LinesConfig::default() };
    ZoneConfig { lines, record: false, ..zone("pir", ZoneKind::Instant) }
}

#[test]
fn a_masked_detector_prevents_arming_is_told_and_still_alarms() {
    let mut flat = of(pir());
    flat.site.grade = 3;
    assert_eq!(flat.site.blockers(0, Mode::Away, false)[0].why, "unknown");
    line(&mut flat, ZoneLine::Fault, false);
    line(&mut flat, ZoneLine::Mask, false);
    flat.arm(Mode::Away);
    assert_eq!(line(&mut flat, ZoneLine::Mask, true), [""; 0]);
    assert_eq!(flat.tick(12), ["pir zone.masked"], "after its hold-off");
    assert_eq!(flat.is(0, Condition::Active), ["pir zone.alarm"], "a mask hides no alarm");
    assert_eq!(flat.is(0, Condition::Normal), ["pir zone.alarm_restored"]);
    flat.want(Verb::Disarm { partition: 0 });
    let blockers = flat.site.blockers(0, Mode::Away, false);
    assert_eq!(blockers[0].why, "masked", "EN 50131-1, Table 4, from grade 3");
    assert_eq!(line(&mut flat, ZoneLine::Fault, true), ["pir zone.masked_restored"]);
    assert_eq!(flat.tick(30), ["pir zone.fault"], "the graver one");
    assert_eq!(line(&mut flat, ZoneLine::Mask, false), [""; 0]);
    assert_eq!(line(&mut flat, ZoneLine::Fault, false), ["pir zone.fault_restored"]);
    assert!(flat.site.blockers(0, Mode::Away, false).is_empty());
}

#[test]
fn a_fault_line_that_is_never_heard_is_a_lost_zone() {
    let config = SiteConfig {
        zones: vec![pir()],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    };
    let (mut flat, _) = Box_::of(config.clone()).restarted(config, "boot", 1_000);
    flat.is(0, Condition::Normal);
    line(&mut flat, ZoneLine::Mask, false);
    assert_eq!(flat.tick(12), ["pir zone.lost"]);
    assert_eq!(line(&mut flat, ZoneLine::Fault, false), ["pir zone.lost_restored"]);
}

#[test]
fn two_buttons_are_a_panic_only_together_and_one_alone_is_told() {
    let lines = LinesConfig { second: Some(Duration::from_secs(2)), ..LinesConfig::default() };
    let mut flat = of(ZoneConfig { lines, ..zone("desk", ZoneKind::Panic) });
    line(&mut flat, ZoneLine::Second, false);
    assert_eq!(flat.is(0, Condition::Active), ["desk panic.single"]);
    assert_eq!(line(&mut flat, ZoneLine::Second, true), ["desk panic.alarm"]);
    assert_eq!(flat.is(0, Condition::Normal), [""; 0], "one is held yet");
    assert_eq!(line(&mut flat, ZoneLine::Second, false), ["desk panic.alarm_restored"]);
}

#[test]
fn a_latched_button_stays_in_alarm_over_a_restart_until_somebody_resets_it() {
    let config = SiteConfig {
        zones: vec![ZoneConfig { latch: true, ..zone("desk", ZoneKind::Panic) }],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    };
    let mut flat = Box_::of(config.clone());
    assert_eq!(flat.want(Verb::Reset { zone: 0 }), (Answer::Already, vec![]));
    assert_eq!(flat.is(0, Condition::Active), ["desk panic.alarm"]);
    let refused = Answer::Refused { reason: Refusal::Active, blockers: Vec::new() };
    assert_eq!(flat.want(Verb::Reset { zone: 0 }), (refused, vec![]));
    assert_eq!(flat.is(0, Condition::Normal), [""; 0]);
    let (mut flat, _) = flat.restarted(config, "other boot", 60_000);
    assert_eq!(flat.is(0, Condition::Normal), [""; 0]);
    let (answer, kinds) = flat.want(Verb::Reset { zone: 0 });
    assert_eq!((answer, &kinds[..]), (Answer::Done, &["desk panic.alarm_restored".to_owned()][..]));
    assert_eq!(
        flat.want(Verb::Reset { zone: 1 }).0,
        Answer::Refused { reason: Refusal::Unknown, blockers: Vec::new() }
    );
}

#[test]
fn who_presses_again_before_the_reset_calls_again_and_the_operator_hears_it() {
    let mut flat = of(ZoneConfig { latch: true, ..zone("desk", ZoneKind::Panic) });
    flat.is(0, Condition::Active);
    flat.is(0, Condition::Normal);
    let act = Act::Acknowledge;
    flat.want(Verb::Incident { id: id("a1"), act });
    let kinds = flat.is(0, Condition::Active);
    assert_eq!(kinds, ["desk panic.alarm_restored", "desk panic.alarm"]);
    assert!(
        flat.site.incidents().any(|incident| incident.id == id("a2")),
        "an incident of its own"
    );
}
