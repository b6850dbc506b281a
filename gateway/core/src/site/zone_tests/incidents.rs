//! What an operator handles.

use super::*;

fn act(flat: &mut Box_, incident: &str, act: Act) -> (Answer, Vec<String>) {
    flat.want(Verb::Incident { id: id(incident), act })
}

fn phases(flat: &Box_) -> Vec<(String, Phase)> {
    flat.site.incidents().map(|incident| (incident.id.to_string(), incident.phase)).collect()
}

#[test]
fn alarms_of_one_danger_in_one_partition_are_one_incident_until_it_is_acknowledged() {
    let zones = ["a", "b", "c"].map(|name| zone(name, ZoneKind::Instant));
    let mut flat = Box_::new(zones.into());
    flat.arm(Mode::Away);
    flat.is(0, Condition::Active);
    flat.is(1, Condition::Active);
    assert_eq!(phases(&flat), [("a1".into(), Phase::Active)]);
    let sources = flat.site.incidents().next().unwrap().sources.clone();
    assert_eq!(sources, ["zone/a", "zone/b"]);
    assert_eq!(
        act(&mut flat, "a1", Act::Acknowledge),
        (Answer::Done, vec!["a1 incident.acked".into()])
    );
    assert_eq!(act(&mut flat, "a1", Act::Acknowledge).0, Answer::Already);
    // News after the acknowledgement must be heard.
    flat.is(2, Condition::Active);
    assert_eq!(phases(&flat), [("a1".into(), Phase::Acked), ("a2".into(), Phase::Active)]);
    flat.is(2, Condition::Normal);
    assert_eq!(phases(&flat)[1].1, Phase::Restored);
    assert_eq!(act(&mut flat, "a2", Act::Close).1, ["a2 incident.closed"]);
    assert_eq!(
        act(&mut flat, "a2", Act::Close).0,
        Answer::Refused { reason: Refusal::Unknown, blockers: vec![] }
    );
}

#[test]
fn the_alarm_itself_says_which_incident_it_belongs_to() {
    let mut flat = Box_::new(vec![zone("smoke", ZoneKind::Fire), zone("desk", ZoneKind::Panic)]);
    for (zone, incident) in [(0, "a1"), (1, "a2")] {
        let at = Mono(flat.ms * 1_000_000);
        let input = Input::Zone { zone, condition: Condition::Active, at, resynced: false };
        let effects = flat.site.apply(input, &now(flat.ms));
        let alarm = effects.iter().find_map(Effect::record).unwrap();
        assert_eq!(alarm.detail.as_ref().unwrap()["incident"], incident);
    }
}

#[test]
fn an_alarm_that_nobody_acknowledges_is_escalated_once_at_its_time() {
    let mut flat = Box_::new(vec![zone("smoke", ZoneKind::Fire)]).at(10);
    flat.is(0, Condition::Active);
    assert!(flat.tick(69).is_empty());
    flat.ms = 90_000;
    let effects = flat.site.apply(Input::Tick, &now(90_000));
    let draft = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!(
        (&*draft.kind, draft.class, draft.time.mono_ns),
        ("alarm.escalated", Class::Alarm, Mono(70 * S))
    );
    assert!(flat.tick(1_000).is_empty());
    // And one that was acknowledged in time is not.
    flat.is(0, Condition::Normal);
    act(&mut flat, "a1", Act::Close);
    flat.is(0, Condition::Active);
    act(&mut flat, "a2", Act::Acknowledge);
    assert!(flat.tick(2_000).is_empty());
}

#[test]
fn an_incident_and_its_time_to_acknowledge_outlive_a_restart() {
    let config = SiteConfig { zones: vec![zone("smoke", ZoneKind::Fire)], ..SiteConfig::default() };
    let mut flat = Box_::of(config.clone()).at(10);
    flat.is(0, Condition::Active);
    let note = Act::Note("the caretaker is on the way".into());
    assert_eq!(act(&mut flat, "a1", note).1, ["a1 incident.noted"]);
    let (mut flat, kinds) = flat.restarted(config.clone(), "other boot", 30_000);
    assert!(kinds.is_empty(), "{kinds:?}");
    assert!(flat.is(0, Condition::Active).is_empty(), "it was told before the restart");
    let incident = flat.site.incidents().next().unwrap();
    assert_eq!(incident.notes[0].text, "the caretaker is on the way");
    assert_eq!(flat.tick(71), ["a1 alarm.escalated"]);
    // The next one has a number of its own, also after all are closed.
    act(&mut flat, "a1", Act::Close);
    let (mut flat, _) = flat.restarted(config, "boot", 80_000);
    assert_eq!(flat.is(0, Condition::Normal), ["smoke fire.alarm_restored"]);
    flat.is(0, Condition::Active);
    assert_eq!(phases(&flat), [("a2".into(), Phase::Active)]);
}

#[test]
fn what_is_over_and_acknowledged_closes_after_a_day() {
    let mut flat = Box_::new(vec![zone("smoke", ZoneKind::Fire)]).at(10);
    flat.is(0, Condition::Active);
    act(&mut flat, "a1", Act::Acknowledge);
    assert!(flat.tick(10 + 2 * 86_400).is_empty(), "it is not over yet");
    flat.is(0, Condition::Normal);
    assert_eq!(flat.tick(10 + 3 * 86_400 + 1), ["a1 incident.closed"]);
}

#[test]
fn a_zone_on_a_soak_test_opens_no_incident() {
    let mut soak = zone("fence", ZoneKind::Hours24);
    soak.soak = true;
    let mut flat = Box_::new(vec![soak]);
    assert_eq!(flat.is(0, Condition::Active), ["fence zone.24h_alarm"]);
    assert_eq!(flat.site.incidents().count(), 0);
}

#[test]
fn an_act_that_came_before_a_restart_is_not_done_again() {
    let config = SiteConfig { zones: vec![zone("desk", ZoneKind::Panic)], ..SiteConfig::default() };
    let mut flat = Box_::of(config.clone());
    flat.is(0, Condition::Active);
    let once = |flat: &mut Box_, nonce: &str| {
        let (nonce, act) = (nonce.to_owned(), Act::Note("called back".to_owned()));
        flat.want(Verb::IncidentOnce { nonce, id: id("a1"), act })
    };
    assert_eq!(once(&mut flat, "n-1"), (Answer::Done, vec!["a1 incident.noted".to_owned()]));
    assert_eq!(once(&mut flat, "n-1"), (Answer::Already, vec![]));
    let (mut flat, _) = flat.restarted(config, "other boot", 5_000);
    assert_eq!(once(&mut flat, "n-1"), (Answer::Already, vec![]), "the broker sent it again");
    assert_eq!(once(&mut flat, "n-2").0, Answer::Done);
}

#[test]
fn who_closes_an_incident_may_say_what_it_was() {
    let mut flat = Box_::new(vec![zone("desk", ZoneKind::Panic)]);
    flat.is(0, Condition::Active);
    let act = Act::CloseAs(crate::site::CloseReason::False);
    let (verb, at) = (Verb::Incident { id: id("a1"), act }, Mono(flat.ms * 1_000_000));
    let command = Command { id: 1, via: Via::Cli, actor: None, verb, at };
    let effects = flat.site.apply(Input::Command(command), &now(flat.ms));
    let closed = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!(closed.kind, "incident.closed");
    assert_eq!(closed.detail.as_ref().unwrap()["reason"], "false");
}
