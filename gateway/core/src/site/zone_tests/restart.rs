//! What a restart finds, and what it goes on with.

use super::*;

#[test]
fn a_window_opened_while_the_box_was_dark_is_an_alarm_with_its_flag() {
    let config = SiteConfig {
        zones: vec![zone("window", ZoneKind::Instant)],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    };
    let mut flat = Box_::of(config.clone());
    flat.arm(Mode::Away);
    let (mut flat, kinds) = flat.restarted(config, "other boot", 5_000);
    assert!(kinds.is_empty(), "{kinds:?}");
    assert_eq!(flat.site.partitions[0].mode(), Mode::Away, "it came back disarmed");
    let at = Mono(flat.ms * 1_000_000);
    let input = Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false };
    let effects = flat.site.apply(input, &now(flat.ms));
    let draft = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!((&*draft.kind, &draft.flags[..]), ("zone.alarm", &[Flag::WhileDown][..]));
}

#[test]
fn a_safe_opened_while_the_box_was_dark_is_an_alarm_with_its_flag_though_it_is_not_recorded() {
    let config =
        SiteConfig { zones: vec![zone("safe", ZoneKind::Hours24)], ..SiteConfig::default() };
    assert!(!config.zones[0].record, "the default of what protects at any time");
    let mut site = Box_::of(config.clone());
    site.is(0, Condition::Normal);
    let (mut site, kinds) = site.restarted(config, "other boot", 5_000);
    assert!(kinds.is_empty(), "{kinds:?}");
    let at = Mono(site.ms * 1_000_000);
    let input = Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false };
    let effects = site.site.apply(input, &now(site.ms));
    let draft = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!((&*draft.kind, &draft.flags[..]), ("zone.24h_alarm", &[Flag::WhileDown][..]));
}

#[test]
fn an_entry_delay_that_ran_out_in_the_dark_has_run_out() {
    let config = SiteConfig {
        zones: vec![zone("door", ZoneKind::EntryExit)],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    };
    let mut flat = Box_::of(config.clone()).at(10);
    flat.arm(Mode::Away);
    flat.is(0, Condition::Active);
    let (_, kinds) = flat.restarted(config, "other boot", 90_000);
    assert_eq!(kinds, ["door zone.entry_alarm"]);
}

#[test]
fn a_bypass_outlives_a_restart_and_what_cannot_be_read_is_told() {
    let config = SiteConfig {
        zones: vec![zone("a", ZoneKind::Instant), zone("b", ZoneKind::Instant)],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    };
    let mut flat = Box_::of(config.clone());
    flat.want(Verb::Bypass { zone: 0 });
    flat.want(Verb::Bypass { zone: 1 });
    flat.kept.insert("zone/b".into(), "{".into());
    flat.kept.insert("zone/gone".into(), "{}".into());
    let (flat, kinds) = flat.restarted(config, "boot", 5_000);
    assert_eq!(kinds, ["g state.unreadable"]);
    assert!(flat.site.zones[0].bypass().is_some());
    assert!(!flat.kept.contains_key("zone/gone"), "a zone that is gone is not kept for ever");
}
