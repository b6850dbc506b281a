//! The walk test.

use super::*;

#[test]
fn a_walk_test_ticks_off_what_it_sees_and_names_what_it_did_not() {
    let config = SiteConfig {
        zones: vec![zone("a", ZoneKind::Instant), zone("b", ZoneKind::Hours24)],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    };
    let mut flat = Box_::of(config.clone()).at(10);
    let walk = |s| Verb::WalkTest { partition: 0, lasts: Duration::from_secs(s) };
    assert_eq!(flat.want(walk(600)).1, ["flat walk.begun"]);
    let at = Mono(10 * S);
    let input = Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false };
    let effects = flat.site.apply(input, &now(flat.ms));
    let told: Vec<_> = effects.iter().filter_map(Effect::record).collect();
    assert!(told.iter().all(|draft| draft.test), "{told:?}");
    assert_eq!(told[0].kind, "zone.walked");
    // Seen once is seen.
    flat.is(0, Condition::Normal);
    assert_eq!(flat.is(0, Condition::Active), ["a zone.opened"]);
    flat.is(0, Condition::Normal);
    flat.ms = 700_000;
    let effects = flat.site.apply(Input::Tick, &now(flat.ms));
    let ended = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!((&*ended.kind, ended.time.mono_ns), ("walk.ended", Mono(610 * S)));
    assert_eq!(ended.detail.as_ref().unwrap()["unseen"], serde_json::json!(["b"]));
    // And what was in the test is live again.
    assert_eq!(flat.is(1, Condition::Active), ["b zone.24h_alarm"]);
    flat.is(1, Condition::Normal);
    flat.want(Verb::Incident { id: id("a1"), act: Act::Close });
    // A restart ends a test too.
    flat.want(walk(600));
    let (mut flat, kinds) = flat.restarted(config, "boot", 800_000);
    assert_eq!(kinds, ["flat walk.ended"]);
    assert_eq!(flat.is(1, Condition::Active), ["b zone.24h_alarm"]);
}

#[test]
fn a_walk_test_is_for_the_disarmed_and_arming_ends_it() {
    let mut flat = Box_::new(vec![zone("a", ZoneKind::Instant)]);
    let walk = Verb::WalkTest { partition: 0, lasts: Duration::from_secs(60) };
    flat.want(walk.clone());
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: true };
    assert_eq!(flat.want(verb).1, ["flat walk.ended", "flat partition.armed"]);
    assert!(matches!(flat.want(walk).0, Answer::Refused { reason: Refusal::Armed, .. }));
    assert_eq!(flat.is(0, Condition::Active), ["a zone.alarm"]);
}
