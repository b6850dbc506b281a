//! Zones that are made of a camera's motion.

use super::*;

/// A passive infrared detector and a camera in the hall; the camera sees the stairs as well.
fn house() -> SiteConfig {
    let area = |name| CameraAreaConfig { tells: Tells::Never, ..CameraAreaConfig::new(id(name)) };
    let camera = CameraConfig {
        bus: Some(0),
        areas: vec![area("floor"), area("stairs")],
        ..CameraConfig::new(id("hall"), "rtsp://10.0.0.1/hall".to_owned())
    };
    let other =
        CameraConfig { bus: Some(0), ..CameraConfig::new(id("yard"), "rtsp://10.0.0.2/".into()) };
    let seen = |name, area: Option<&str>| ZoneConfig {
        camera: Some(MotionConfig { camera: 0, area: area.map(id) }),
        record: false,
        hold_off: Duration::from_secs(5),
        ..zone(name, ZoneKind::Instant)
    };
    SiteConfig {
        zones: vec![zone("pir", ZoneKind::Instant), seen("seen", Some("floor")), seen("any", None)],
        partitions: vec![partition("flat")],
        buses: vec![BusConfig::new(id("switch"), Duration::ZERO)],
        cameras: vec![camera, other],
        grade: 2,
        ..SiteConfig::default()
    }
}

fn watching(site: SiteConfig) -> Box_ {
    let mut this = Box_::of(site);
    assert!(this.link(0, CameraLink::Up).is_empty());
    assert!(this.link(1, CameraLink::Up).is_empty());
    assert_eq!(word(&this, "seen"), "unknown", "nobody knows yet whether it sees");
    assert!(this.says(0, CameraSays::Watches(true)).is_empty());
    assert_eq!(word(&this, "seen"), "normal");
    this.at(10)
}

fn word(this: &Box_, zone: &str) -> &'static str {
    this.site.states().find(|(_, known, _)| known.as_str() == zone).unwrap().2
}

#[test]
fn motion_in_its_area_is_an_activation_and_no_wire_can_make_one() {
    let mut this = watching(house());
    assert!(this.motion("floor", true).is_empty(), "disarmed");
    this.motion("floor", false);
    this.arm(Mode::Away);
    assert!(this.is(1, Condition::Active).is_empty());
    assert_eq!(this.motion("stairs", true), ["any zone.alarm"]);
    assert_eq!(this.motion("floor", true), ["seen zone.alarm"]);
    assert!(this.motion("stairs", false).is_empty(), "something moves in the other yet");
    let ended = this.motion("floor", false);
    assert_eq!(ended, ["seen zone.alarm_restored", "any zone.alarm_restored"]);
}

#[test]
fn a_camera_that_is_lost_makes_its_zones_lost_and_prevents_arming() {
    let mut this = watching(house());
    this.link(0, CameraLink::Silent);
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: true };
    let (answer, told) = this.want(verb.clone());
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(told, ["flat partition.arm_failed"]);
    assert_eq!(this.tick(14), ["hall camera.lost"]);
    assert_eq!(this.tick(15), ["seen zone.lost", "any zone.lost"]);
    let facts = this.site.unprotected(Mono(15_000_000_000));
    assert_eq!(facts["zones_s"]["seen"]["lost"], 5);
    let back = this.link(0, CameraLink::Up);
    let expected =
        ["hall camera.lost_restored", "seen zone.lost_restored", "any zone.lost_restored"];
    assert_eq!(back, expected);
    assert_eq!(this.want(verb).0, Answer::Done);
}

#[test]
fn armed_by_force_without_its_camera_it_protects_again_as_soon_as_it_sees() {
    let mut this = watching(house());
    this.link(0, CameraLink::Silent);
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: true, at_once: true };
    let (answer, told) = this.want(verb);
    assert_eq!(answer, Answer::Done);
    assert!(told.contains(&"seen zone.bypassed".to_owned()), "{told:?}");
    let back = this.link(0, CameraLink::Up);
    assert!(back.contains(&"seen zone.unbypassed".to_owned()), "{back:?}");
    assert_eq!(this.motion("floor", true), ["seen zone.alarm", "any zone.alarm"]);
}

#[test]
fn a_camera_that_is_moved_makes_its_zones_tampered_with() {
    let mut this = watching(house());
    let told = this.tamper(CameraTamper::Moved, true);
    assert_eq!(told, ["hall camera.moved", "seen zone.tamper", "any zone.tamper"]);
    assert_eq!(word(&this, "seen"), "tamper");
    assert!(this.motion("floor", true).is_empty(), "that is not the floor");
    this.motion("floor", false);
    let told = this.tamper(CameraTamper::Moved, false);
    let expected =
        ["hall camera.moved_restored", "seen zone.tamper_restored", "any zone.tamper_restored"];
    assert_eq!(told, expected);
}

#[test]
fn a_poor_picture_is_a_fault_that_hides_no_motion() {
    let mut this = watching(house());
    this.arm(Mode::Away);
    assert_eq!(this.link(0, CameraLink::Degraded), ["hall camera.degraded"]);
    assert_eq!(this.motion("floor", true), ["seen zone.alarm", "any zone.alarm"]);
    assert_eq!(this.tick(15), ["seen zone.fault", "any zone.fault"]);
    this.motion("floor", false);
    let well = this.link(0, CameraLink::Up);
    let expected =
        ["hall camera.degraded_restored", "seen zone.fault_restored", "any zone.fault_restored"];
    assert_eq!(well, expected);
    // A picture that may stand still is one as well.
    this.tamper(CameraTamper::Frozen, true);
    assert_eq!(this.tick(30), ["seen zone.fault", "any zone.fault"]);
}

#[test]
fn a_camera_whose_events_are_not_heard_any_more_is_not_taken_for_quiet() {
    let mut this = watching(house());
    this.arm(Mode::Away);
    assert!(this.says(0, CameraSays::Watches(false)).is_empty());
    assert_eq!(word(&this, "seen"), "unknown");
    assert_eq!(this.tick(15), ["seen zone.lost", "any zone.lost"]);
    let back = this.says(0, CameraSays::Watches(true));
    assert_eq!(back, ["seen zone.lost_restored", "any zone.lost_restored"]);
}

#[test]
fn a_switch_that_fails_is_one_fault_for_its_cameras_and_their_zones() {
    let mut this = watching(house());
    this.link(0, CameraLink::Unreachable);
    this.ms += 1_000;
    assert_eq!(this.link(1, CameraLink::Unreachable), ["switch bus.lost"]);
    assert!(this.tick(60).is_empty());
    assert_eq!(word(&this, "seen"), "unknown");
}

#[test]
fn a_camera_confirms_a_detector_and_never_silences_one() {
    let mut site = house();
    site.zones.truncate(2);
    site.crosses = vec![CrossConfig { id: id("both"), need: 2, window: Duration::from_secs(30) }];
    for zone in &mut site.zones {
        zone.cross = Some(0);
        zone.hold_off = Duration::from_secs(300);
    }
    let mut this = watching(site);
    this.arm(Mode::Away);
    assert_eq!(this.is(0, Condition::Active), ["pir zone.opened", "pir zone.unverified"]);
    assert_eq!(this.motion("floor", true), ["seen zone.alarm"]);
    this.motion("floor", false);
    this.is(0, Condition::Normal);
    // A minute later the camera is gone: the detector is enough.
    this.ms = 100_000;
    this.link(0, CameraLink::Silent);
    assert_eq!(this.is(0, Condition::Active), ["pir zone.alarm"]);
    this.is(0, Condition::Normal);
    this.ms = 200_000;
    this.link(0, CameraLink::Up);
    assert_eq!(this.is(0, Condition::Active), ["pir zone.opened", "pir zone.unverified"]);
}

#[test]
fn a_walk_test_ticks_it_off() {
    let mut this = watching(house());
    let verb = Verb::WalkTest { partition: 0, lasts: Duration::from_secs(60) };
    assert_eq!(this.want(verb).0, Answer::Done);
    assert_eq!(this.motion("floor", true), ["seen zone.walked", "any zone.walked"]);
}

#[test]
fn its_alarm_is_given_the_picture_of_its_camera() {
    let mut this = watching(house());
    this.arm(Mode::Away);
    let (says, at) = (CameraSays::Motion { area: id("floor"), on: true }, Mono(10_000_000_000));
    let seen = this.seen(Input::Camera { camera: 0, says, at });
    let alarm = ("zone.alarm".to_owned(), 0, false);
    assert_eq!(seen, [alarm.clone(), alarm]);
}

#[test]
fn a_restart_in_the_midst_of_a_motion_invents_no_alarm_and_loses_none() {
    let mut this = watching(house());
    this.arm(Mode::Away);
    this.motion("floor", true);
    let (mut this, told) = this.restarted(house(), "boot-2", 30_000);
    assert!(told.is_empty(), "{told:?}");
    this.is(0, Condition::Normal);
    this.link(0, CameraLink::Up);
    let still = this.says(0, CameraSays::Watches(true));
    assert_eq!(still, ["seen zone.alarm_restored", "any zone.alarm_restored"]);
    assert_eq!(this.motion("floor", true), ["seen zone.alarm", "any zone.alarm"]);
}

#[test]
fn another_camera_for_the_same_zone_is_unknown_until_it_sees() {
    let mut this = watching(house());
    let mut site = house();
    site.cameras[0].driver = "rtsp://10.0.0.9/".to_owned();
    let effects = this.site.reconfigure(site.clone(), &now(11_000));
    assert!(this.take(effects).is_empty());
    assert_eq!(word(&this, "seen"), "unknown");
    this.link(0, CameraLink::Up);
    this.says(0, CameraSays::Watches(true));
    assert_eq!(word(&this, "seen"), "normal");
    // And of a camera that is gone nothing is known.
    site.zones.truncate(2);
    site.zones[1].camera = Some(MotionConfig { camera: 1, area: None });
    let effects = this.site.reconfigure(site, &now(12_000));
    assert!(this.take(effects).is_empty());
    assert_eq!(word(&this, "seen"), "unknown");
}

#[test]
fn motion_that_was_told_before_a_restart_ends_when_it_is_seen_to_be_over() {
    let mut site = house();
    site.zones.truncate(1);
    site.cameras[0].areas[0].tells = Tells::Always;
    let mut this = Box_::of(site.clone());
    this.link(0, CameraLink::Up);
    this.says(0, CameraSays::Watches(true));
    assert_eq!(this.motion("floor", true), ["hall camera.motion"]);
    let (mut this, _) = this.restarted(site, "boot-2", 30_000);
    this.link(0, CameraLink::Up);
    assert_eq!(this.says(0, CameraSays::Watches(true)), ["hall camera.motion_ended"]);
}
