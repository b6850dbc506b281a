//! A recording replayed to the same configuration tells the same, and to another what differs.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::Draft;
use crate::site::access_tests::random as doors;
use crate::site::zone_tests::random::{self, cases};
use crate::site::zone_tests::{Box_, id, now, partition, zone};
use crate::site::{Condition, Input, Mode, Site, ZoneConfig, ZoneKind};
use crate::time::UtcMs;

fn flat(zones: Vec<ZoneConfig>) -> SiteConfig {
    SiteConfig { zones, partitions: vec![partition("flat")], ..SiteConfig::default() }
}

fn replay(present: &SiteConfig, proposed: &SiteConfig, events: &[Draft]) -> Replayed {
    let mut recording = Recording::new(present);
    for event in events {
        recording.hear(event, true);
    }
    recording.replay(proposed, &id("g"), UtcMs(0))
}

/// A night: somebody leaves, comes in through the hall, and stays; a window is opened.
fn night(config: &SiteConfig) -> Vec<Draft> {
    let mut this = Box_::of(config.clone());
    let mut all = Vec::new();
    let mut at = |this: &mut Box_, s: u64, input: Option<Input>| {
        this.ms = s * 1_000;
        let effects = this.site.apply(input.unwrap_or(Input::Tick), &now(this.ms));
        all.extend(drafts_of(&effects));
    };
    let is = |zone, s: u64, condition| {
        let at = now(s * 1_000).mono;
        Some(Input::Zone { zone, condition, at, resynced: false })
    };
    let arm = random::input(&random::Op::Arm(0, Mode::Away, false, false), now(10_000).mono);
    at(&mut this, 10, Some(arm));
    at(&mut this, 100, None);
    at(&mut this, 200, is(0, 200, Condition::Active));
    at(&mut this, 205, is(0, 205, Condition::Normal));
    at(&mut this, 230, None);
    at(&mut this, 300, is(1, 300, Condition::Active));
    at(&mut this, 310, is(1, 310, Condition::Normal));
    at(&mut this, 400, is(2, 400, Condition::Active));
    at(&mut this, 410, is(2, 410, Condition::Normal));
    all
}

fn drafts_of(effects: &[crate::site::Effect]) -> Vec<Draft> {
    effects.iter().filter_map(|effect| effect.record().cloned()).collect()
}

fn house() -> SiteConfig {
    flat(vec![
        zone("hall", ZoneKind::EntryExit),
        zone("window", ZoneKind::Instant),
        zone("counter", ZoneKind::SilentPanic),
    ])
}

fn told(replayed: &Replayed) -> Vec<String> {
    let one = |difference: &Difference| {
        let by = difference.by_ms.map_or_else(String::new, |ms| format!(" by {ms}"));
        format!("{:?}{by} {} {}", difference.how, difference.event.id, difference.event.kind)
    };
    replayed.shown().map(one).collect()
}

#[test]
fn the_same_configuration_makes_no_difference() {
    let (present, events) = (house(), night(&house()));
    let replayed = replay(&present, &present, &events);
    assert_eq!((told(&replayed), replayed.faithful, replayed.invented), (vec![], (3, 3), 0));
}

#[test]
fn a_longer_entry_delay_tells_the_same_alarm_later() {
    let mut proposed = house();
    proposed.zones[0].entry = Some(Duration::from_secs(45));
    let replayed = replay(&house(), &proposed, &night(&house()));
    assert_eq!(told(&replayed), ["Later by 25000 hall zone.entry_alarm"]);
    assert_eq!(replayed.alarms(), Counts { shifted: 1, ..Counts::default() });
}

#[test]
fn another_kind_is_one_alarm_more_and_one_missed() {
    let mut proposed = house();
    proposed.zones[1] = zone("window", ZoneKind::Hours24);
    let replayed = replay(&house(), &proposed, &night(&house()));
    assert_eq!(told(&replayed), ["More window zone.24h_alarm", "Missed window zone.alarm"]);
}

#[test]
fn an_entry_zone_that_becomes_instant_alarms_at_once() {
    let mut proposed = house();
    proposed.zones[0] = zone("hall", ZoneKind::Instant);
    let replayed = replay(&house(), &proposed, &night(&house()));
    let alarms = Counts { more: 1, missed: 1, shifted: 0 };
    assert_eq!(replayed.alarms(), alarms);
    assert_eq!(
        told(&replayed),
        ["Missed flat partition.entry", "More hall zone.alarm", "Missed hall zone.entry_alarm"]
    );
}

#[test]
fn a_zone_at_another_place_or_taken_out_is_compared_by_its_id() {
    let mut proposed = house();
    proposed.zones.reverse();
    assert!(told(&replay(&house(), &proposed, &night(&house()))).is_empty());
    proposed.zones.remove(1);
    let replayed = replay(&house(), &proposed, &night(&house()));
    assert_eq!(told(&replayed), ["Missed window zone.alarm"]);
}

#[test]
fn a_silent_panic_is_compared_and_never_shown() {
    let mut proposed = house();
    proposed.zones.pop();
    let replayed = replay(&house(), &proposed, &night(&house()));
    assert_eq!((told(&replayed), replayed.alarms()), (vec![], Counts::default()));
    assert_eq!(replayed.differences.len(), 1);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let mut present = house();
    present.zones[1].record = false;
    let mut proposed = present.clone();
    proposed.zones.push(zone("attic", ZoneKind::Instant));
    let replayed = replay(&present, &proposed, &night(&present));
    let says = |text: &str| replayed.not_comparable.iter().any(|note| note.contains(text));
    assert!(says("zone/window: its openings are recorded only while it protects"));
    assert!(says("zone/attic: it is new"));
}

/// What a box records; no two things in one nanosecond, as no two edges are.
fn record(config: &SiteConfig, script: &[(u64, random::Op)]) -> Vec<Draft> {
    let mut site = Site::new(config.clone(), "boot");
    let (mut ms, mut all) = (1_000, Vec::new());
    for (wait, op) in script {
        ms += wait + 2;
        all.extend(drafts_of(&site.apply(Input::Tick, &now(ms))));
        all.extend(drafts_of(&site.apply(random::input(op, now(ms).mono), &now(ms))));
    }
    all
}

fn said(events: &[Draft]) -> Vec<String> {
    let say = |draft: &Draft| {
        let cause = draft.cause.as_deref().unwrap_or_default();
        format!("{} {} {} {cause}", draft.time.mono_ns.0, draft.source.id, draft.kind)
    };
    events.iter().map(say).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_recording_replayed_to_the_same_configuration_tells_the_same_alarms(
        config in random::config(), script in random::scripts(),
    ) {
        let events = record(&config, &script);
        let replayed = replay(&config, &config, &events);
        prop_assert!(replayed.differences.is_empty());
        let (recorded, again) = replayed.faithful;
        prop_assert_eq!((recorded, replayed.invented), (again, 0), "{:#?}", said(&events));
    }

    #[test]
    fn a_recording_of_doors_tells_the_same_alarms_but_for_what_readers_decided(
        plan in doors::plan(), script in doors::scripts(),
    ) {
        let config = plan.config();
        let mut site = Site::new(config.clone(), "boot");
        let (mut ms, mut events) = (10_000, Vec::new());
        for (wait, op) in &script {
            ms += wait + 2;
            events.extend(drafts_of(&site.apply(Input::Tick, &now(ms))));
            events.extend(drafts_of(&site.apply(doors::input(op, now(ms).mono), &now(ms))));
        }
        let replayed = replay(&config, &config, &events);
        prop_assert!(replayed.differences.is_empty());
        let (recorded, again) = replayed.faithful;
        prop_assert_eq!((recorded, replayed.invented), (again, 0), "{:#?}", said(&events));
    }
}
