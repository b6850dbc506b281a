//! Faults of the box itself: told once, also over a restart, and what they prevent.

use super::*;

fn config() -> SiteConfig {
    SiteConfig {
        zones: vec![zone("window", ZoneKind::Instant)],
        partitions: vec![partition("flat")],
        buses: vec![BusConfig::new(id("ups"), Duration::from_secs(1))],
        grade: 2,
        ..SiteConfig::default()
    }
}

fn report(kind: &'static str, closes: Option<&'static str>, source: (&'static str, &str)) -> Input {
    let qualifier = if closes.is_some() { Qualifier::Restore } else { Qualifier::New };
    Input::Report(Report {
        class: Class::Fault,
        kind,
        qualifier,
        severity: 2,
        source: (source.0, id(source.1)),
        closes,
        cause: None,
        detail: None,
        at: None,
    })
}

fn mains(lost: bool) -> Input {
    if lost {
        report("supply.lost", None, ("sensor", "ups"))
    } else {
        report("supply.lost_restored", Some("supply.lost"), ("sensor", "ups"))
    }
}

#[test]
fn a_fault_of_the_box_that_was_told_before_a_restart_is_not_told_again_and_ends_once() {
    let mut flat = Box_::of(config());
    assert!(flat.put(mains(false)).is_empty(), "nothing was lost");
    assert_eq!(flat.put(mains(true)), ["ups supply.lost"]);
    let (mut flat, kinds) = flat.restarted(config(), "other boot", 5_000);
    assert!(kinds.is_empty(), "{kinds:?}");
    assert!(flat.put(mains(true)).is_empty(), "the sensor finds it as it was");
    assert_eq!(flat.put(mains(false)), ["ups supply.lost_restored"]);
    let (mut flat, _) = flat.restarted(config(), "third boot", 9_000);
    assert!(flat.put(mains(false)).is_empty(), "it has ended");
}

#[test]
fn a_sensor_that_is_taken_out_leaves_no_fault_behind() {
    let mut flat = Box_::of(config());
    flat.put(mains(true));
    let without = SiteConfig { buses: Vec::new(), ..config() };
    let now = now(flat.ms);
    let effects = flat.site.reconfigure(without.clone(), &now);
    assert_eq!(flat.take(effects), ["ups supply.lost_restored"]);
    assert!(!flat.kept.keys().any(|key| key.starts_with("box/")), "{:?}", flat.kept);

    let mut flat = Box_::of(config());
    flat.put(mains(true));
    let (flat, _) = flat.restarted(without, "other boot", 5_000);
    assert!(!flat.kept.keys().any(|key| key.starts_with("box/")), "kept for ever");
}

#[test]
fn mains_and_battery_faults_prevent_arming_by_who_can_insist() {
    let lost = [
        ("supply.lost", ("sensor", "ups"), "mains"),
        ("battery.low", ("sensor", "ups"), "battery"),
    ];
    for (kind, source, why) in lost {
        for grade in 1..=4 {
            let mut flat = Box_::of(SiteConfig { grade, ..config() });
            flat.put(report(kind, None, source));
            let away = |force| Verb::Arm { partition: 0, mode: Mode::Away, force, at_once: true };
            let (answer, kinds) = flat.want(away(false));
            if grade == 1 {
                assert_eq!(answer, Answer::Done, "{kind}: Table 4, optional in grade 1");
                continue;
            }
            let Answer::Refused { blockers, .. } = answer else { panic!("{kind}: {answer:?}") };
            assert_eq!((&*blockers[0].kind, &*blockers[0].why), ("box", why));
            assert_eq!(kinds, ["flat partition.arm_failed"]);
            assert_eq!(flat.want(away(true)).0, Answer::Done, "{kind}: by force");
        }
    }
}

#[test]
fn who_cannot_be_asked_arms_all_the_same_and_it_is_told() {
    for via in [Via::Schedule, Via::KeySwitch, Via::Reader] {
        let mut flat = Box_::of(config());
        flat.put(mains(true));
        let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: true };
        let at = Mono(flat.ms * 1_000_000);
        let command = Command { id: 1, via, actor: None, verb, at };
        let effects = flat.site.apply(Input::Command(command), &now(flat.ms));
        let mut drafts = effects.iter().filter_map(Effect::record);
        let armed = drafts.find(|draft| draft.kind == "partition.armed").expect("armed");
        let despite = &armed.detail.as_ref().unwrap()["despite"][0];
        assert_eq!((&despite["kind"], &despite["why"]), (&"box".into(), &"mains".into()));
    }
}

#[test]
fn an_outage_at_the_district_leaves_no_site_unarmed_and_the_arming_tells_it() {
    let mut flat = Box_::of(config());
    flat.put(report("uplink.lost", None, ("gateway", "g")));
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: true };
    let at = Mono(flat.ms * 1_000_000);
    let command = Command { id: 1, via: Via::Cli, actor: None, verb, at };
    let effects = flat.site.apply(Input::Command(command), &now(flat.ms));
    let mut drafts = effects.iter().filter_map(Effect::record);
    let armed = drafts.find(|draft| draft.kind == "partition.armed").expect("armed");
    assert_eq!(armed.detail.as_ref().unwrap()["despite"][0]["why"], "transmission");
}

#[test]
fn a_siren_at_fault_prevents_arming_what_it_is_for() {
    let siren = OutputConfig::new(id("siren"), Role::Siren, "sim:siren".into());
    let config = SiteConfig { outputs: vec![siren], ..config() };
    let mut flat = Box_::of(config);
    let at = Mono(flat.ms * 1_000_000);
    flat.put(Input::Output { output: 0, does: Does::Off, fault: Some("open".into()), at });
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: true };
    let (Answer::Refused { blockers, .. }, _) = flat.want(verb.clone()) else {
        panic!("armed with a dead siren");
    };
    assert_eq!((&*blockers[0].kind, blockers[0].id.as_str()), ("output", "siren"));
    flat.put(Input::Output { output: 0, does: Does::Off, fault: None, at });
    assert_eq!(flat.want(verb).0, Answer::Done);
}
