//! How long what did not protect, and when the box was off.

use super::*;

const DAY: u64 = 86_400;

fn config() -> SiteConfig {
    SiteConfig {
        zones: vec![zone("hall", ZoneKind::Instant), zone("smoke", ZoneKind::Fire)],
        partitions: vec![partition("flat")],
        ..SiteConfig::default()
    }
}

/// Begun at midnight UTC, at second 0 of the boot.
fn begun() -> Box_ {
    let (mut flat, _) = Box_::of(config()).restarted(config(), "boot", midnight());
    flat.is(0, Condition::Normal);
    flat.is(1, Condition::Normal);
    flat
}

/// The first midnight after the tests' epoch, in milliseconds of the boot.
fn midnight() -> u64 {
    let day = i64::try_from(DAY * 1_000).unwrap();
    u64::try_from(day - now(0).utc.0.rem_euclid(day)).unwrap()
}

fn day(flat: &mut Box_, at_ms: u64) -> serde_json::Value {
    flat.ms = at_ms;
    let effects = flat.site.apply(Input::Tick, &now(at_ms));
    let mut days = effects.iter().filter_map(Effect::record).filter(|d| d.kind == "ledger.day");
    let detail = days.next().expect("a day has ended").detail.clone().unwrap();
    assert!(days.next().is_none(), "one day, one event");
    detail["zones_s"].clone()
}

#[test]
fn a_day_tells_for_how_long_each_zone_did_not_protect_why_and_by_whose_wish() {
    let mut flat = begun();
    let start = flat.ms;
    flat.ms = start + 3_600_000;
    flat.arm(Mode::Away);
    flat.ms += 1_800_000;
    flat.want(Verb::Disarm { partition: 0 });
    flat.ms += 60_000;
    flat.is(1, Condition::Fault);
    flat.ms += 30_000;
    flat.is(1, Condition::Normal);
    let seconds = day(&mut flat, start + DAY * 1_000);
    let disarmed_later = DAY - 3_600 - 1_800;
    assert_eq!(seconds["hall"]["disarmed"], 3_600);
    assert_eq!(seconds["hall"]["disarmed by a1"], disarmed_later);
    assert_eq!(seconds["smoke"], serde_json::json!({ "fault": 30 }));
    // The next day begins at nought.
    let seconds = day(&mut flat, start + 2 * DAY * 1_000);
    assert_eq!(seconds["hall"], serde_json::json!({ "disarmed by a1": DAY }));
    assert!(seconds.get("smoke").is_none());
}

#[test]
fn the_dark_time_is_nobodys_protection_and_is_told() {
    let mut flat = begun();
    let start = flat.ms;
    flat.tick(start / 1_000 + 1_000);
    // The last note of its life is of 1,000 s; it is on again at 4,500 s.
    let (mut flat, kinds) = flat.restarted(config(), "other boot", start + 4_500_000);
    assert!(kinds.is_empty(), "{kinds:?}");
    assert_eq!(flat.site.dark().unwrap()["at_most_s"], 3_500);
    let told = flat.site.unprotected(now(start + 4_500_000).mono);
    assert_eq!(told["zones_s"]["smoke"]["dark"], 3_500);
}

#[test]
fn after_an_orderly_stop_the_dark_interval_begins_at_the_stop_and_nothing_counted_is_lost() {
    let mut flat = begun();
    let start = flat.ms;
    flat.ms = start + 100_000;
    flat.arm(Mode::Away);
    // 200 s after the last note of its life, and 800 s before the ledger would be kept.
    flat.ms = start + 500_000;
    let effects = flat.site.stop(&now(flat.ms));
    let kinds = flat.take(effects);
    assert!(kinds.is_empty(), "{kinds:?}");
    let (mut flat, _) = flat.restarted(config(), "other boot", start + 620_000);
    assert_eq!(flat.site.dark().unwrap()["at_most_s"], 120);
    let told = flat.site.unprotected(now(start + 620_000).mono);
    assert_eq!(told["zones_s"]["hall"]["disarmed"], 100, "{told}");
    assert_eq!(told["zones_s"]["hall"]["dark"], 120, "{told}");
}

#[test]
fn a_reader_that_is_lost_or_locked_out_has_its_hours_too() {
    let config = || SiteConfig {
        readers: vec![ReaderConfig::new(id("gate"), "sim:0".to_owned(), None)],
        ..config()
    };
    let (mut flat, _) = Box_::of(config()).restarted(config(), "boot", midnight());
    let start = flat.ms;
    let says = |flat: &mut Box_, part, good| {
        let at = now(flat.ms).mono;
        flat.put(Input::ReaderStatus { reader: 0, part, good, cause: None, at });
    };
    flat.ms = start + 5_000;
    says(&mut flat, ReaderPart::Link, true);
    flat.ms = start + 60_000;
    says(&mut flat, ReaderPart::Case, false);
    flat.ms = start + 90_000;
    let (answer, _) = flat.want(Verb::Ask(Question::Ledger));
    let Answer::Told { facts } = answer else { panic!("{answer:?}") };
    assert_eq!(facts["readers_s"]["gate"], serde_json::json!({ "lost": 5, "tamper": 30 }));
    let effects = flat.site.apply(Input::Tick, &now(start + DAY * 1_000));
    let days = effects.iter().filter_map(Effect::record).find(|d| d.kind == "ledger.day").unwrap();
    assert_eq!(days.detail.as_ref().unwrap()["readers_s"]["gate"]["tamper"], DAY - 60);
}

#[test]
fn what_changed_while_dark_says_when_that_was() {
    let mut flat = begun();
    flat.arm(Mode::Away);
    let (mut flat, _) = flat.restarted(config(), "other boot", midnight() + 600_000);
    let at = now(flat.ms).mono;
    let input = Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false };
    let effects = flat.site.apply(input, &now(flat.ms));
    let alarm = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!(alarm.detail.as_ref().unwrap()["dark"]["at_most_s"], 600);
}
