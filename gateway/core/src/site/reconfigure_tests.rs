//! Another configuration for a site that goes on: scripted cases, and random ones.

use std::time::Duration;

use proptest::prelude::*;

use super::access_tests::random as doors;
use super::zone_tests::random::{self, begins_and_ends, cases, drafts};
use super::zone_tests::{Box_, id, now, partition, zone};
use super::*;
use crate::event::Draft;

impl Box_ {
    fn becomes(&mut self, config: SiteConfig) -> Vec<String> {
        let effects = self.site.reconfigure(config, &now(self.ms));
        self.take(effects)
    }
}

fn flat(zones: Vec<ZoneConfig>) -> SiteConfig {
    SiteConfig { zones, partitions: vec![partition("flat")], ..SiteConfig::default() }
}

fn window() -> ZoneConfig {
    zone("window", ZoneKind::Instant)
}

fn armed() -> Box_ {
    let mut this = Box_::of(flat(vec![window(), zone("hall", ZoneKind::EntryExit)]));
    this.arm(Mode::Away);
    this.tick(40);
    this
}

#[test]
fn an_armed_site_with_an_open_alarm_goes_on_with_a_zone_more_before_all_others() {
    let mut this = armed();
    assert_eq!(this.is(0, Condition::Active), ["window zone.alarm"]);
    let more = vec![zone("attic", ZoneKind::Instant), window(), zone("hall", ZoneKind::EntryExit)];
    assert!(this.becomes(flat(more)).is_empty());
    let words: Vec<_> = this.site.states().map(|(_, id, word)| (id.to_string(), word)).collect();
    let words: Vec<_> = words.iter().map(|(id, word)| (id.as_str(), *word)).collect();
    assert_eq!(
        words,
        [("attic", "unknown"), ("window", "active"), ("hall", "normal"), ("flat", "triggered")]
    );
    // It stands at another place, and its alarm ends there, once.
    assert_eq!(this.is(1, Condition::Normal), ["window zone.alarm_restored"]);
    assert_eq!(this.is(0, Condition::Active), ["attic zone.alarm"]);
}

#[test]
fn an_entry_delay_runs_on_over_a_change_of_places() {
    let mut this = armed();
    assert_eq!(this.is(1, Condition::Active), ["hall zone.opened", "flat partition.entry"]);
    assert!(this.becomes(flat(vec![zone("hall", ZoneKind::EntryExit), window()])).is_empty());
    assert_eq!(this.tick(60), ["hall zone.entry_alarm"]);
}

#[test]
fn a_zone_that_is_gone_ends_its_alarm_with_a_cause_and_the_incident_with_it() {
    let mut this = armed();
    this.is(0, Condition::Active);
    let effects =
        this.site.reconfigure(flat(vec![zone("hall", ZoneKind::EntryExit)]), &now(this.ms));
    let ended: Vec<_> = drafts(&effects);
    assert_eq!(ended.len(), 1);
    assert_eq!((&*ended[0].kind, ended[0].closes), ("zone.alarm_restored", Some("zone.alarm")));
    assert_eq!(ended[0].cause.as_deref(), Some("taken out of the configuration"));
    assert_eq!(this.site.incidents().next().unwrap().phase, Phase::Restored);
    this.take(effects);
    assert!(!this.kept.contains_key("zone/window"), "something of it is left behind");
    assert!(this.kept.contains_key("partition/flat"));
}

#[test]
fn a_zone_on_another_wire_is_unknown_until_its_first_reading() {
    let mut this = armed();
    let elsewhere = ZoneConfig { driver: "sim:elsewhere".to_owned(), ..window() };
    let config = flat(vec![elsewhere, zone("hall", ZoneKind::EntryExit)]);
    assert!(this.becomes(config).is_empty());
    assert_eq!(this.site.states().next().unwrap().2, "unknown");
    assert!(this.is(0, Condition::Normal).is_empty(), "it is as it was");
    assert_eq!(this.is(0, Condition::Active), ["window zone.alarm"]);
}

#[test]
fn a_zone_on_another_wire_that_says_nothing_is_lost() {
    let mut this = armed();
    let elsewhere = ZoneConfig { driver: "sim:elsewhere".to_owned(), ..window() };
    this.becomes(flat(vec![elsewhere, zone("hall", ZoneKind::EntryExit)]));
    assert_eq!(this.tick(51), ["window zone.lost"]);
}

#[test]
fn a_zone_at_fault_on_another_wire_that_says_nothing_is_lost_and_at_fault_no_more() {
    let mut this = armed();
    this.is(0, Condition::Fault);
    assert_eq!(this.tick(50), ["window zone.fault"]);
    let elsewhere = ZoneConfig { driver: "sim:elsewhere".to_owned(), ..window() };
    this.becomes(flat(vec![elsewhere, zone("hall", ZoneKind::EntryExit)]));
    assert_eq!(this.tick(70), ["window zone.fault_restored", "window zone.lost"]);
}

#[test]
fn a_zone_at_fault_that_says_nothing_after_a_restart_is_lost_and_at_fault_no_more() {
    let mut this = armed();
    this.is(0, Condition::Fault);
    assert_eq!(this.tick(50), ["window zone.fault"]);
    let config = flat(vec![window(), zone("hall", ZoneKind::EntryExit)]);
    let (mut this, _) = this.restarted(config, "other", 60_000);
    this.is(1, Condition::Normal);
    assert_eq!(this.tick(90), ["window zone.fault_restored", "window zone.lost"]);
}

#[test]
fn a_zone_that_means_something_else_is_looked_at_anew() {
    let mut this = armed();
    this.is(0, Condition::Active);
    let fire = zone("window", ZoneKind::Fire);
    let config = flat(vec![fire, zone("hall", ZoneKind::EntryExit)]);
    assert_eq!(this.becomes(config), ["window zone.alarm_restored", "window fire.alarm"]);
}

#[test]
fn what_is_kept_of_a_reconfigured_site_is_what_a_restart_goes_on_with() {
    let mut this = armed();
    let config = flat(vec![zone("attic", ZoneKind::Instant), window()]);
    this.becomes(config.clone());
    let mut again = Site::new(config, "other");
    let kept = this.kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    again.restore(kept, &id("g"), &now(50_000));
    assert_eq!(again.partitions[0].mode(), Mode::Away);
}

#[test]
fn what_was_said_under_the_old_configuration_finds_its_thing_or_nothing() {
    let old = flat(vec![window(), zone("hall", ZoneKind::EntryExit)]).layout();
    let new = flat(vec![zone("hall", ZoneKind::EntryExit)]);
    let says = |zone| {
        let (condition, at) = (Condition::Active, Mono(1));
        Input::Zone { zone, condition, at, resynced: false }.moved(&old, &new.layout())
    };
    assert!(matches!(says(1), Input::Zone { zone: 0, .. }));
    let mut site = Site::new(new.clone(), "boot");
    assert!(site.apply(says(0), &now(1)).is_empty());
    let verb = Verb::Bypass { zone: 0 };
    let command = Command { id: 7, via: Via::Cli, actor: None, verb, at: Mono(1) };
    let effects = site.apply(Input::Command(command).moved(&old, &new.layout()), &now(1));
    let refused = Answer::Refused { reason: Refusal::Unknown, blockers: Vec::new() };
    assert_eq!(effects, [Effect::Answer { command: 7, answer: refused }]);
}

/// Everything that a site is, in words.
fn whole(site: &Site) -> String {
    format!("{site:?}")
}

/// Drafts without what follows from their number.
fn told(effects: &[Effect], without: &[&str]) -> Vec<Draft> {
    let mut all = drafts(effects);
    all.retain(|draft| !without.contains(&draft.source.id.as_str()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn an_equal_configuration_at_any_step_changes_nothing(
        config in random::config(), script in random::scripts(),
    ) {
        let mut site = Site::new(config.clone(), "boot");
        let mut ms = 1_000;
        for (wait, op) in &script {
            ms += wait;
            site.apply(random::input(op, now(ms).mono), &now(ms));
            let before = whole(&site);
            let effects = site.reconfigure(config.clone(), &now(ms));
            prop_assert_eq!(effects, vec![]);
            prop_assert_eq!(before, whole(&site));
        }
    }

    #[test]
    fn an_equal_configuration_of_doors_and_readers_changes_nothing(
        plan in doors::plan(), script in doors::scripts(),
    ) {
        let config = plan.config();
        let mut site = Site::new(config.clone(), "boot");
        let mut ms = 10_000;
        for (wait, op) in &script {
            ms += wait;
            site.apply(doors::input(op, now(ms).mono), &now(ms));
            let before = whole(&site);
            let effects = site.reconfigure(config.clone(), &now(ms));
            prop_assert_eq!(effects, vec![]);
            prop_assert_eq!(before, whole(&site));
        }
    }

    #[test]
    fn a_zone_more_leaves_everything_else_as_it_was(
        config in random::config(), script in random::scripts(), step in 0..40_usize,
        place in 0..6_usize,
    ) {
        let mut more = config.clone();
        let annex = ZoneConfig { partition: None, ..zone("annex", ZoneKind::Fire) };
        more.zones.insert(place.min(config.zones.len()), annex);
        let (from, to) = (config.layout(), more.layout());
        let mut still = Site::new(config, "boot");
        let mut grows = still.clone();
        let (mut ms, mut grown) = (1_000, false);
        for (number, (wait, op)) in script.iter().enumerate() {
            ms += wait;
            let mut expected = Vec::new();
            let mut found = Vec::new();
            if number == step {
                expected.append(&mut still.apply(Input::Tick, &now(ms)));
                found.append(&mut grows.reconfigure(more.clone(), &now(ms)));
                grown = true;
            }
            let input = random::input(op, now(ms).mono);
            expected.append(&mut still.apply(input.clone(), &now(ms)));
            let input = if grown { input.moved(&from, &to) } else { input };
            found.append(&mut grows.apply(input, &now(ms)));
            prop_assert_eq!(told(&expected, &[]), told(&found, &["annex"]));
        }
        let mut words: Vec<_> = grows.states().map(|(_, id, word)| (id.clone(), word)).collect();
        words.retain(|(id, _)| id.as_str() != "annex");
        let expected: Vec<_> = still.states().map(|(_, id, word)| (id.clone(), word)).collect();
        prop_assert_eq!(expected, words);
    }

    #[test]
    fn over_any_change_of_configuration_whatever_begins_ends_once_or_is_open(
        first in random::config(), second in random::config(),
        script in random::scripts(), changes in proptest::collection::vec(0..40_usize, 1..5),
    ) {
        let both = [first, second];
        let mut site = Site::new(both[0].clone(), "boot");
        let (mut ms, mut present, mut all) = (1_000, 0, Vec::new());
        for (number, (wait, op)) in script.iter().enumerate() {
            ms += wait;
            if changes.contains(&number) {
                present = 1 - present;
                all.append(&mut site.reconfigure(both[present].clone(), &now(ms)));
                prop_assert_eq!(site.next, site.earliest());
            }
            all.append(&mut site.apply(random::input(op, now(ms).mono), &now(ms)));
        }
        let open = begins_and_ends(&drafts(&all))?;
        // And nothing stands open of what the site does not have any more.
        let known: Vec<_> = site.states().map(|(_, id, _)| id.to_string()).collect();
        prop_assert!(open.iter().all(|(id, _)| known.contains(id)), "{open:?} of {known:?}");
        // What an incident holds open stands open in the record.
        for incident in site.incidents() {
            for (source, kind) in &incident.open {
                let id = source.split_once('/').unwrap().1.to_owned();
                prop_assert!(open.contains(&(id, kind.clone())), "{source} {kind} is over");
            }
        }
    }
}

#[test]
fn the_window_of_a_group_goes_on_over_a_change_of_places() {
    let cross = |zones| {
        let crosses =
            vec![CrossConfig { id: id("both"), need: 2, window: Duration::from_secs(30) }];
        SiteConfig { crosses, ..flat(zones) }
    };
    let member = |name| ZoneConfig { cross: Some(0), ..zone(name, ZoneKind::Hours24) };
    let mut this = Box_::of(cross(vec![member("one"), member("two")]));
    assert_eq!(this.is(0, Condition::Active), ["one zone.unverified"]);
    this.becomes(cross(vec![member("zero"), member("one"), member("two")]));
    assert_eq!(this.is(2, Condition::Active), ["two zone.24h_alarm"]);
}
