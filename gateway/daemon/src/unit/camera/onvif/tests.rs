//! What a camera tells, and what becomes of it.

use gatehouse_config::Config;

use super::*;

const S: u64 = 1_000_000_000;

/// A camera that watches itself: what moves in `drive` its rule says, in `any` every rule.
fn ear() -> Ear {
    let text = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
        [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
        [[zone]]\nid = \"glass\"\nkind = \"24h\"\ncamera-input = \"gate:IN 1\"\n\
        [[camera]]\nid = \"gate\"\nonvif = \"http://10.0.0.7\"\nevents = \"both\"\n\
        [[camera.area]]\nid = \"drive\"\nshape = \"0,0 1,0 1,1\"\nrules = [\"Drive\"]\n\
        [[camera.area]]\nid = \"any\"\nshape = \"0,0 1,0 1,1\"\n";
    let config = Config::parse(text, "test").unwrap_or_else(|errors| panic!("{errors}"));
    let (_, plan) = super::super::plan(&config).next().unwrap();
    let mut ear = Ear::of(&plan, Mono(0));
    // Whoever is listened to has a way.
    ear.heard = Some(mpsc::channel(1).1);
    ear
}

fn rule(name: &str) -> Rule {
    Rule { topic: "RuleEngine/CellMotionDetector/Motion".into(), names: vec![name.into()] }
}

fn motion(name: &str, on: bool, told: How) -> Event {
    let finding = Finding::Motion { on, source: format!("Rule={name}"), rule: rule(name) };
    Event { finding, told, received: Mono(1), camera_time: None }
}

fn event(finding: Finding, told: How) -> Event {
    Event { finding, told, received: Mono(1), camera_time: None }
}

fn told(ear: &mut Ear) -> Vec<Told> {
    std::mem::take(&mut ear.next).into_iter().map(|(told, _)| told).collect()
}

fn moves(area: &str, on: bool) -> Told {
    Told::Says(CameraSays::Motion { area: area.parse().unwrap(), on })
}

fn lost() -> Link {
    Link::Lost(OnvifError::Missing { what: "events" })
}

#[test]
fn what_stood_so_is_no_alarm_and_what_changed_meanwhile_is_one() {
    let mut ear = ear();
    ear.event(motion("Other", true, How::State { before: None }));
    assert!(told(&mut ear).is_empty(), "state is no alarm");
    ear.event(motion("Other", true, How::State { before: Some(false) }));
    assert_eq!(told(&mut ear), [moves("any", true)]);
    ear.event(motion("Other", false, How::State { before: Some(true) }));
    assert_eq!(told(&mut ear), [moves("any", false)]);
    ear.event(motion("Other", true, How::Change));
    told(&mut ear);
    ear.link(&lost(), Mono(2));
    let says = told(&mut ear);
    assert!(says.contains(&moves("any", false)), "its end is not heard: {says:?}");
    assert!(says.contains(&Told::Says(CameraSays::Watches(false))), "{says:?}");
    let contact = Told::Contact { token: "IN 1".into(), on: None, found: true };
    assert!(says.contains(&contact), "{says:?}");
}

#[test]
fn a_rule_is_motion_in_the_areas_that_name_it_and_in_those_that_name_none() {
    let mut ear = ear();
    ear.event(motion("Drive", true, How::Change));
    assert_eq!(told(&mut ear), [moves("drive", true), moves("any", true)]);
    ear.event(motion("Other", true, How::Change));
    assert_eq!(told(&mut ear), [moves("any", true)], "which the rules know");
    ear.event(motion("Drive", false, How::Change));
    assert_eq!(told(&mut ear), [moves("drive", false)], "the other rule still sees something");
}

#[test]
fn a_rule_that_the_camera_does_not_tell_of_is_told_with_those_that_it_does() {
    let mut ear = ear();
    ear.link(&Link::Listening { anew: true }, Mono(S));
    ear.event(motion("Steps", false, How::State { before: None }));
    assert_eq!(ear.shortfall(Mono(30 * S)), None, "it may yet come");
    let (link, why) = ear.shortfall(Mono(31 * S)).unwrap();
    assert_eq!(link, CameraLink::Degraded);
    assert_eq!(why, "it has told of no rule “Drive”; of these it has: “Steps”");
    ear.event(motion("Drive", false, How::State { before: None }));
    assert_eq!(ear.shortfall(Mono(99 * S)), None);
}

#[test]
fn a_camera_that_is_not_heard_is_degraded_with_the_reason() {
    let mut ear = ear();
    assert_eq!(ear.shortfall(Mono(9 * S)), None);
    let why = |ear: &Ear, s| ear.shortfall(Mono(s * S)).map(|(_, why)| why);
    let unheard = "its own events are not heard: it has not answered yet";
    assert_eq!(why(&ear, 10).as_deref(), Some(unheard));
    ear.link(&Link::Lost(OnvifError::Missing { what: "events" }), Mono(20 * S));
    let unheard = "its own events are not heard: it does not answer as it should";
    assert_eq!(why(&ear, 30).as_deref(), Some(unheard));
}

#[test]
fn a_lost_signal_is_silence_and_failing_storage_is_told_even_if_it_stood_so() {
    let mut ear = ear();
    ear.link(&Link::Listening { anew: true }, Mono(S));
    told(&mut ear);
    let signal = |on| Finding::SignalLoss { on, source: "lens".into() };
    ear.event(event(signal(true), How::Change));
    assert_eq!(told(&mut ear), [Told::Link]);
    assert_eq!(ear.shortfall(Mono(2 * S)).unwrap().0, CameraLink::Silent);
    ear.event(event(signal(false), How::Change));
    assert_eq!(ear.shortfall(Mono(2 * S)), None);
    let storage = |on| Finding::StorageFailure { on, source: "sd".into() };
    told(&mut ear);
    ear.event(event(storage(true), How::State { before: None }));
    assert_eq!(told(&mut ear), [Told::Says(CameraSays::Storage { on: true })]);
    ear.event(event(storage(false), How::Change));
    assert_eq!(told(&mut ear), [Told::Says(CameraSays::Storage { on: false })]);
}

#[test]
fn an_input_is_told_only_if_something_hangs_on_it() {
    let mut ear = ear();
    let input = |token: &str| Finding::DigitalInput { token: token.into(), on: true };
    ear.event(event(input("IN 2"), How::Change));
    assert!(told(&mut ear).is_empty());
    ear.event(event(input("IN 1"), How::State { before: None }));
    let contact = Told::Contact { token: "IN 1".into(), on: Some(true), found: true };
    assert_eq!(told(&mut ear), [contact]);
}

#[test]
fn what_two_find_is_over_when_both_say_so() {
    let mut ear = ear();
    let motion = |on| CameraSays::Motion { area: "drive".parse().unwrap(), on };
    assert!(ear.with_own(motion(true)).is_some());
    assert!(ear.stands("camera lens", &motion(true)));
    assert!(ear.with_own(motion(false)).is_none(), "the camera still sees it");
    assert!(ear.stands("camera lens", &motion(false)));
    assert!(ear.with_own(motion(false)).is_some(), "the rules know whether that is news");
}
