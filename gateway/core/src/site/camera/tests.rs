//! Cameras: scripted cases, and random ones against what must hold at every step.

use proptest::prelude::*;

use super::super::zone_tests::{Box_, id, now, partition, zone};
use super::super::*;
use super::*;

fn config() -> SiteConfig {
    let area = |name, tells| CameraAreaConfig { tells, ..CameraAreaConfig::new(id(name)) };
    let camera = |name: &str| CameraConfig {
        bus: Some(0),
        ..CameraConfig::new(id(name), format!("rtsp://10.0.0.1/{name}"))
    };
    let gate = CameraConfig {
        doors: vec![0],
        areas: vec![
            CameraAreaConfig { records: true, ..area("drive", Tells::Always) },
            area("yard", Tells::Armed),
            area("tree", Tells::Never),
        ],
        ..camera("gate")
    };
    let hall = CameraConfig { partition: Some(0), zones: vec![0], ..camera("hall") };
    SiteConfig {
        zones: vec![zone("window", ZoneKind::Instant)],
        doors: vec![DoorConfig {
            rex: Some(RexConfig {
                driver: "sim:rex".to_owned(),
                hold: Duration::from_secs(5),
                releases: false,
                stuck_after: Duration::from_secs(600),
            }),
            ..DoorConfig::new(id("main"), "sim:main".to_owned())
        }],
        partitions: vec![partition("flat")],
        buses: vec![BusConfig::new(id("switch"), Duration::ZERO)],
        cameras: vec![CameraConfig { partition: Some(0), ..gate }, hall],
        ..SiteConfig::default()
    }
}

fn up(site: SiteConfig) -> Box_ {
    let mut this = Box_::of(site);
    for camera in 0..2 {
        assert!(this.link(camera, CameraLink::Up).is_empty());
    }
    this.at(10)
}

impl Box_ {
    fn says(&mut self, camera: usize, says: CameraSays) -> Vec<String> {
        let at = Mono(self.ms * 1_000_000);
        self.put(Input::Camera { camera, says, at })
    }

    fn link(&mut self, camera: usize, link: CameraLink) -> Vec<String> {
        self.says(camera, CameraSays::Link { link, cause: None })
    }

    fn tamper(&mut self, kind: CameraTamper, on: bool) -> Vec<String> {
        self.says(0, CameraSays::Tamper { kind, on })
    }

    fn motion(&mut self, area: &str, on: bool) -> Vec<String> {
        self.says(0, CameraSays::Motion { area: id(area), on })
    }

    /// Who is to take a picture of what follows from this input.
    fn seen(&mut self, input: Input) -> Vec<(String, usize, bool)> {
        let mut seen = Vec::new();
        let mut last = String::new();
        for effect in self.site.apply(input, &now(self.ms)) {
            match effect {
                Effect::Record(draft) => last = draft.kind.to_string(),
                Effect::Look { camera, silent } => seen.push((last.clone(), camera, silent)),
                _ => {}
            }
        }
        seen
    }
}

#[test]
fn a_camera_is_lost_after_its_hold_off_once_whatever_the_reason_becomes() {
    let mut this = up(config());
    assert!(this.link(0, CameraLink::Silent).is_empty());
    assert!(this.link(0, CameraLink::Unreachable).is_empty());
    assert!(this.tick(11).is_empty());
    assert_eq!(this.tick(12), ["gate camera.lost"]);
    assert!(this.link(0, CameraLink::Unauthorised).is_empty());
    assert_eq!(
        this.link(0, CameraLink::Degraded),
        ["gate camera.lost_restored", "gate camera.degraded"]
    );
    assert_eq!(this.link(0, CameraLink::Up), ["gate camera.degraded_restored"]);
    // A blip wakes nobody.
    assert!(this.link(0, CameraLink::Silent).is_empty());
    assert!(this.link(0, CameraLink::Up).is_empty());
    assert!(this.tick(60).is_empty());
}

#[test]
fn a_camera_that_never_came_is_lost() {
    let mut this = Box_::of(config());
    let effects = this.site.restore([], &id("g"), &now(1_000));
    this.take(effects);
    assert_eq!(this.tick(60), ["gate camera.lost", "hall camera.lost"]);
    let words: Vec<_> = this.site.states().filter(|(of, ..)| of.kind() == "camera").collect();
    assert!(words.iter().all(|(_, _, word)| *word == "unknown"), "{words:?}");
}

#[test]
fn a_switch_that_fails_is_one_fault_for_all_its_cameras() {
    let mut this = up(config());
    this.link(0, CameraLink::Unreachable);
    this.ms += 1_500;
    assert_eq!(this.link(1, CameraLink::Silent), ["switch bus.lost"]);
    // Also when the box was off meanwhile.
    let (mut this, told) = this.restarted(config(), "boot-2", 30_000);
    assert!(told.is_empty(), "{told:?}");
    this.link(0, CameraLink::Unreachable);
    assert!(this.link(1, CameraLink::Unreachable).is_empty());
    assert_eq!(this.tick(60), ["window zone.lost"]);
    assert_eq!(this.link(0, CameraLink::Up), ["switch bus.restored"]);
    // What does not come back with its switch is lost by itself.
    assert_eq!(this.tick(120), ["hall camera.lost"]);
}

#[test]
fn tampering_stands_through_a_loss_and_a_restart_until_it_is_seen_to_be_mended() {
    let mut this = up(config());
    assert_eq!(this.tamper(CameraTamper::Covered, true), ["gate camera.covered"]);
    assert!(this.tamper(CameraTamper::Covered, true).is_empty());
    this.link(0, CameraLink::Unreachable);
    assert_eq!(this.tick(20), ["gate camera.lost"]);
    let (mut this, told) = this.restarted(config(), "boot-2", 30_000);
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(this.link(0, CameraLink::Up), ["gate camera.lost_restored"]);
    assert_eq!(this.tamper(CameraTamper::Covered, false), ["gate camera.covered_restored"]);
    assert!(!this.kept.contains_key("camera/gate"), "{:?}", this.kept);
}

#[test]
fn motion_is_told_where_and_when_it_is_wanted_and_ends_with_the_camera() {
    let mut this = up(config());
    assert_eq!(this.motion("drive", true), ["gate camera.motion"]);
    assert!(this.motion("yard", true).is_empty(), "not armed");
    assert!(this.motion("yard", false).is_empty());
    assert!(this.motion("tree", true).is_empty(), "never");
    this.arm(Mode::Away);
    assert_eq!(this.motion("yard", true), ["gate camera.motion"]);
    let ended = this.link(0, CameraLink::Silent);
    assert_eq!(ended, ["gate camera.motion_ended", "gate camera.motion_ended"]);
    assert!(this.motion("nowhere", true).is_empty());
}

#[test]
fn an_area_is_asleep_outside_its_hours_but_not_while_the_time_is_unknown() {
    let mut site = config();
    // Second 0 of these tests is Mon 2026-09-21 13:33 UTC.
    site.cameras[0].areas[0].weekly = vec![Weekly::parse("daily 22:00-06:00").unwrap()];
    let mut this = up(site);
    assert!(this.motion("drive", true).is_empty());
    assert!(this.motion("drive", false).is_empty());
    let unknown = Now { clock: crate::time::ClockState::Never, err_ms: None, ..now(11_000) };
    let says = CameraSays::Motion { area: id("drive"), on: true };
    let effects =
        this.site.apply(Input::Camera { camera: 0, says, at: Mono(11_000_000_000) }, &unknown);
    assert_eq!(this.take(effects), ["gate camera.motion"]);
}

#[test]
fn what_a_camera_looks_at_gets_its_picture() {
    let mut this = up(config());
    let at = Mono(this.ms * 1_000_000);
    this.put(Input::Contact { door: 0, contact: Contact::Closed, at, resynced: false });
    let open = Input::Contact { door: 0, contact: Contact::Open, at, resynced: false };
    let mut seen = this.seen(open);
    this.ms = 20_000;
    seen.extend(this.seen(Input::Tick));
    assert_eq!(seen, [("door.forced".to_owned(), 0, false)]);
    this.arm(Mode::Away);
    let at = Mono(this.ms * 1_000_000);
    let condition = Condition::Active;
    let window = Input::Zone { zone: 0, condition, at, resynced: false };
    // The one that looks at the zone, and the other of the same partition.
    let alarm = |camera| ("zone.alarm".to_owned(), camera, false);
    assert_eq!(this.seen(window), [alarm(0), alarm(1)]);
    let says = CameraSays::Tamper { kind: CameraTamper::Moved, on: true };
    let seen = this.seen(Input::Camera { camera: 1, says, at });
    assert!(seen.contains(&("camera.moved".to_owned(), 1, false)), "{seen:?}");
    let says = CameraSays::Motion { area: id("drive"), on: true };
    let seen = this.seen(Input::Camera { camera: 0, says, at });
    assert_eq!(seen, [("camera.motion".to_owned(), 0, false)]);
}

#[test]
fn what_is_silent_is_seen_silently() {
    let mut site = config();
    site.zones[0] = zone("window", ZoneKind::SilentPanic);
    let mut this = up(site);
    let at = Mono(this.ms * 1_000_000);
    let seen =
        this.seen(Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false });
    assert!(!seen.is_empty() && seen.iter().all(|(_, _, silent)| *silent), "{seen:?}");
}

#[test]
fn a_camera_that_is_lost_or_covered_is_in_the_ledger() {
    let mut this = up(config());
    this.tamper(CameraTamper::Covered, true);
    this.tick(20);
    this.tamper(CameraTamper::Covered, false);
    this.link(1, CameraLink::Silent);
    this.tick(50);
    let facts = this.site.unprotected(Mono(50_000_000_000));
    assert_eq!(facts["cameras_s"]["gate"]["covered"], 10);
    assert_eq!(facts["cameras_s"]["hall"]["lost"], 30);
}

#[test]
fn another_configuration_ends_what_is_gone_and_keeps_the_rest() {
    let mut this = up(config());
    this.tamper(CameraTamper::Moved, true);
    this.motion("drive", true);
    let mut fewer = config();
    fewer.cameras[0].areas.remove(0);
    let effects = this.site.reconfigure(fewer.clone(), &now(12_000));
    assert_eq!(this.take(effects), ["gate camera.motion_ended"]);
    fewer.cameras.remove(0);
    let effects = this.site.reconfigure(fewer, &now(13_000));
    assert_eq!(this.take(effects), ["gate camera.moved_restored"]);
    let words: Vec<_> = this.site.states().map(|(_, id, word)| format!("{id} {word}")).collect();
    assert!(words.contains(&"hall up".to_owned()), "{words:?}");
}

mod zones;

fn random() -> impl Strategy<Value = (u64, usize, CameraSays)> {
    let link = prop_oneof![
        3 => Just(CameraLink::Up),
        1 => Just(CameraLink::Degraded),
        1 => Just(CameraLink::Silent),
        1 => Just(CameraLink::Unreachable),
        1 => Just(CameraLink::Unauthorised),
    ];
    let says = prop_oneof![
        link.prop_map(|link| CameraSays::Link { link, cause: None }),
        any::<bool>().prop_map(|on| CameraSays::Storage { on }),
        any::<bool>().prop_map(CameraSays::Watches),
        (0..CameraTamper::ALL.len(), any::<bool>())
            .prop_map(|(kind, on)| CameraSays::Tamper { kind: CameraTamper::ALL[kind], on }),
        (prop_oneof!["drive", "yard", "tree"], any::<bool>())
            .prop_map(|(area, on)| CameraSays::Motion { area: area.parse().unwrap(), on }),
    ];
    (0_u64..5_000, 0_usize..2, says)
}

proptest! {
    /// Whatever cameras say, with restarts between: nothing is told twice before it has ended,
    /// nothing ends that was not told, and motion never outlives its camera.
    #[test]
    fn beginnings_and_ends_alternate(
        steps in prop::collection::vec((random(), prop::bool::weighted(0.05)), 1..80),
    ) {
        let mut this = up(config());
        let mut open = std::collections::BTreeSet::new();
        for ((ms, camera, says), restart) in steps {
            this.ms += ms;
            let mut told = if restart {
                let at = this.ms;
                let (new, told) = this.restarted(config(), "again", at);
                this = new;
                told
            } else {
                Vec::new()
            };
            let at = Mono(this.ms * 1_000_000);
            let lost = matches!(&says, CameraSays::Link { link, .. } if link.is_lost());
            told.extend(this.put(Input::Camera { camera, says, at }));
            for one in told {
                let one = one.replace("bus.restored", "bus.lost_restored");
                let ended = one.strip_suffix("_restored");
                match ended {
                    // Of motion there are as many as areas.
                    _ if one.contains("camera.motion") => {}
                    Some(began) => prop_assert!(open.remove(began), "{one} ends nothing"),
                    None => prop_assert!(open.insert(one.clone()), "{one} is told twice"),
                }
            }
            if lost {
                let camera = &this.site.cameras[camera];
                prop_assert!(camera.areas.iter().all(|area| !area.told && !area.moves));
            }
        }
    }
}
