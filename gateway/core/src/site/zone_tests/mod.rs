//! Zones and partitions: scripted cases here, random ones in `random`.

mod box_faults;
mod buses;
mod help;
mod incidents;
mod ledger;
mod lines;
pub(super) mod random;
mod restart;
mod rounds;
mod rounds_random;
mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::event::{Class, Flag, Qualifier};
use crate::id::Id;
use crate::time::{ClockState, UtcMs};

pub(super) const S: u64 = 1_000_000_000;

pub(super) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(super) fn now(ms: u64) -> Now {
    let utc = UtcMs(1_790_000_000_000 + i64::try_from(ms).unwrap());
    Now { mono: Mono(ms * 1_000_000), utc, err_ms: Some(5), clock: ClockState::Synced }
}

/// A flat with 30 s to leave and 20 s to enter in every mode.
pub(super) fn partition(name: &str) -> PartitionConfig {
    let delays = ModeConfig { exit: Duration::from_secs(30), entry: Duration::from_secs(20) };
    PartitionConfig { id: id(name), common_to: Vec::new(), modes: [Some(delays); 4] }
}

pub(super) fn zone(name: &str, kind: ZoneKind) -> ZoneConfig {
    ZoneConfig::new(id(name), kind, Some(0), format!("sim:{name}"))
}

/// A site that is driven second by second.
pub(super) struct Box_ {
    pub(super) site: Site,
    pub(super) ms: u64,
    pub(super) kept: BTreeMap<String, String>,
    pub(super) answer: Option<Answer>,
}

impl Box_ {
    pub(super) fn new(zones: Vec<ZoneConfig>) -> Self {
        Self::of(SiteConfig { zones, partitions: vec![partition("flat")], ..SiteConfig::default() })
    }

    /// Every zone normal, from second 1 on.
    pub(super) fn of(config: SiteConfig) -> Self {
        let zones = config.zones.len();
        let site = Site::new(config, "boot");
        let mut this = Self { site, ms: 1_000, kept: BTreeMap::new(), answer: None };
        for zone in 0..zones {
            this.is(zone, Condition::Normal);
        }
        this
    }

    pub(super) fn at(mut self, s: u64) -> Self {
        self.ms = s * 1_000;
        self
    }

    pub(super) fn take(&mut self, effects: Vec<Effect>) -> Vec<String> {
        let mut kinds = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(draft) => {
                    kinds.push(format!("{} {}", draft.source.id, draft.kind));
                }
                Effect::Keep { key, value: Some(value) } => {
                    self.kept.insert(key, value);
                }
                Effect::Keep { key, value: None } => {
                    self.kept.remove(&key);
                }
                Effect::Answer { answer, .. } => self.answer = Some(answer),
                _ => {}
            }
        }
        kinds
    }

    pub(super) fn put(&mut self, input: Input) -> Vec<String> {
        let effects = self.site.apply(input, &now(self.ms));
        self.take(effects)
    }

    pub(super) fn is(&mut self, zone: usize, condition: Condition) -> Vec<String> {
        let at = Mono(self.ms * 1_000_000);
        self.put(Input::Zone { zone, condition, at, resynced: false })
    }

    pub(super) fn tick(&mut self, s: u64) -> Vec<String> {
        self.ms = s * 1_000;
        self.put(Input::Tick)
    }

    pub(super) fn want(&mut self, verb: Verb) -> (Answer, Vec<String>) {
        let at = Mono(self.ms * 1_000_000);
        let command = Command { id: 1, via: Via::Cli, actor: Some("a1".into()), verb, at };
        let kinds = self.put(Input::Command(command));
        (self.answer.take().unwrap(), kinds)
    }

    pub(super) fn arm(&mut self, mode: Mode) {
        let verb = Verb::Arm { partition: 0, mode, force: false, at_once: true };
        assert_eq!(self.want(verb).0, Answer::Done);
    }

    pub(super) fn restarted(self, config: SiteConfig, boot: &str, ms: u64) -> (Self, Vec<String>) {
        let mut new = Self { site: Site::new(config, boot), ms, kept: self.kept, answer: None };
        let kept = new.kept.clone();
        let kept = kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let effects = new.site.restore(kept, &id("g"), &now(ms));
        let kinds = new.take(effects);
        (new, kinds)
    }
}

#[test]
fn an_instant_zone_alarms_while_armed_and_is_restored_when_it_is_normal() {
    let mut flat = Box_::new(vec![zone("window", ZoneKind::Instant)]);
    assert_eq!(flat.is(0, Condition::Active), ["window zone.opened"]);
    assert_eq!(flat.is(0, Condition::Normal), ["window zone.closed"]);
    flat.arm(Mode::Away);
    assert_eq!(flat.is(0, Condition::Active), ["window zone.alarm"]);
    // Disarming does not end what stands open.
    flat.want(Verb::Disarm { partition: 0 });
    assert_eq!(flat.is(0, Condition::Normal), ["window zone.alarm_restored"]);
}

#[test]
fn what_is_always_live_alarms_disarmed_and_says_what_it_is() {
    for (kind, event, class) in [
        (ZoneKind::Panic, "panic.alarm", Class::Panic),
        (ZoneKind::SilentPanic, "panic.silent", Class::Panic),
        (ZoneKind::Tamper, "tamper.alarm", Class::Tamper),
        (ZoneKind::Fire, "fire.alarm", Class::Alarm),
        (ZoneKind::Flood, "flood.alarm", Class::Alarm),
        (ZoneKind::Gas, "gas.alarm", Class::Alarm),
        (ZoneKind::Technical, "technical.alarm", Class::Alarm),
        (ZoneKind::Hours24, "zone.24h_alarm", Class::Alarm),
    ] {
        let mut flat = Box_::new(vec![zone("z", kind)]);
        let at = Mono(flat.ms * 1_000_000);
        let input = Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false };
        let effects = flat.site.apply(input, &now(flat.ms));
        let drafts: Vec<_> = effects.iter().filter_map(Effect::record).collect();
        assert_eq!(drafts.len(), 1, "{kind:?}");
        assert_eq!((&*drafts[0].kind, drafts[0].class), (event, class));
    }
}

#[test]
fn a_silent_panic_shows_nothing_here() {
    let mut flat = Box_::new(vec![zone("desk", ZoneKind::SilentPanic)]);
    let at = Mono(flat.ms * 1_000_000);
    let input = Input::Zone { zone: 0, condition: Condition::Active, at, resynced: false };
    let words = |site: &Site| site.states().map(|(.., word)| word).collect::<Vec<_>>();
    let before = words(&flat.site);
    for effect in flat.site.apply(input, &now(flat.ms)) {
        match effect {
            Effect::State { of: Thing::Zone(0), state, flags, .. } => {
                assert_eq!((state, flags), ("normal", Vec::new()));
            }
            Effect::State { .. } => panic!("the partition showed it: {effect:?}"),
            _ => {}
        }
    }
    assert_eq!(words(&flat.site), before);
}

#[test]
fn the_entry_delay_runs_and_disarming_in_time_is_no_alarm() {
    let zones = vec![zone("door", ZoneKind::EntryExit), zone("hall", ZoneKind::Follower)];
    let mut flat = Box_::new(zones).at(10);
    flat.arm(Mode::Away);
    assert_eq!(flat.is(0, Condition::Active), ["door zone.opened", "flat partition.entry"]);
    assert_eq!(flat.is(1, Condition::Active), ["hall zone.opened"]);
    assert_eq!(flat.site.next_deadline(), Some(Mono(30 * S)));
    assert!(flat.tick(29).is_empty());
    assert_eq!(flat.want(Verb::Disarm { partition: 0 }).1, ["flat partition.disarmed"]);
    assert!(flat.tick(60).is_empty());
}

#[test]
fn an_entry_delay_that_ends_tells_every_zone_of_the_way_at_its_end() {
    let zones = vec![zone("door", ZoneKind::EntryExit), zone("hall", ZoneKind::Follower)];
    let mut flat = Box_::new(zones).at(10);
    flat.arm(Mode::Away);
    flat.is(0, Condition::Active);
    flat.is(0, Condition::Normal);
    flat.is(1, Condition::Active);
    // Nobody looked until 40 s: the alarm is stamped with the end of the delay all the same.
    flat.ms = 40_000;
    let effects = flat.site.apply(Input::Tick, &now(40_000));
    let alarms: Vec<_> = effects.iter().filter_map(Effect::record).collect();
    let told: Vec<_> =
        alarms.iter().map(|draft| (draft.source.id.as_str(), draft.time.mono_ns)).collect();
    assert_eq!(told, [("door", Mono(30 * S)), ("hall", Mono(30 * S))]);
    assert_eq!(alarms[0].cause.as_deref(), Some("entry delay ended"));
}

#[test]
fn a_follower_without_an_entry_alarms_at_once() {
    let mut flat = Box_::new(vec![zone("hall", ZoneKind::Follower)]);
    flat.arm(Mode::Away);
    assert_eq!(flat.is(0, Condition::Active), ["hall zone.alarm"]);
}

#[test]
fn an_instant_zone_alarms_while_an_entry_door_stays_open() {
    // A delayed zone that is open must not hide the ones behind it.
    let zones = vec![zone("door", ZoneKind::EntryExit), zone("safe", ZoneKind::Instant)];
    let mut flat = Box_::new(zones);
    flat.arm(Mode::Away);
    flat.is(0, Condition::Active);
    assert_eq!(flat.is(1, Condition::Active), ["safe zone.alarm"]);
}

#[test]
fn the_shorter_pending_delay_wins() {
    let mut slow = zone("garage", ZoneKind::EntryExit);
    slow.entry = Some(Duration::from_secs(60));
    let mut flat = Box_::new(vec![slow, zone("door", ZoneKind::EntryExit)]).at(10);
    flat.arm(Mode::Away);
    flat.is(0, Condition::Active);
    assert_eq!(flat.site.next_deadline(), Some(Mono(70 * S)));
    flat.is(1, Condition::Active);
    assert_eq!(flat.site.next_deadline(), Some(Mono(30 * S)));
    // And a longer one that comes later is not waited for.
    flat.is(0, Condition::Normal);
    flat.is(0, Condition::Active);
    assert_eq!(flat.site.next_deadline(), Some(Mono(30 * S)));
}

#[test]
fn an_open_zone_prevents_arming_and_force_bypasses_and_tells_it() {
    let mut flat = Box_::new(vec![zone("window", ZoneKind::Instant)]);
    flat.is(0, Condition::Active);
    let arm = |force| Verb::Arm { partition: 0, mode: Mode::Away, force, at_once: true };
    let (answer, kinds) = flat.want(arm(false));
    let Answer::Refused { reason: Refusal::NotReady, blockers } = answer else { panic!() };
    assert_eq!((blockers[0].id.as_str(), &*blockers[0].why), ("window", "active"));
    assert_eq!(kinds, ["flat partition.arm_failed"]);
    let (answer, kinds) = flat.want(arm(true));
    assert_eq!(answer, Answer::Done);
    assert_eq!(kinds, ["window zone.bypassed", "flat partition.armed"]);
    // Closed, it protects again by itself.
    assert_eq!(flat.is(0, Condition::Normal), ["window zone.closed", "window zone.unbypassed"]);
    assert_eq!(flat.is(0, Condition::Active), ["window zone.alarm"]);
}

#[test]
fn a_hold_up_that_is_active_cannot_be_passed_over() {
    let mut flat = Box_::new(vec![zone("desk", ZoneKind::Panic)]);
    flat.is(0, Condition::Active);
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: true, at_once: true };
    assert!(matches!(flat.want(verb).0, Answer::Refused { reason: Refusal::NotReady, .. }));
}

#[test]
fn what_prevents_arming_depends_on_the_grade_as_table_4_says() {
    for (condition, from_grade) in [
        (Condition::Active, 1),
        (Condition::Unknown, 1),
        (Condition::Tamper, 2),
        (Condition::Fault, 2),
        (Condition::Masked, 3),
    ] {
        for grade in 1..=4 {
            let mut flat = Box_::of(SiteConfig {
                zones: vec![zone("pir", ZoneKind::Instant)],
                partitions: vec![partition("flat")],
                grade,
                ..SiteConfig::default()
            });
            flat.is(0, condition);
            let blocked = !flat.site.blockers(0, Mode::Away, false).is_empty();
            assert_eq!(blocked, grade >= from_grade, "{condition:?} in grade {grade}");
        }
    }
}

#[test]
fn the_way_out_may_be_open_while_people_leave_but_not_at_the_end() {
    let mut flat = Box_::new(vec![zone("door", ZoneKind::EntryExit)]).at(10);
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: false };
    flat.is(0, Condition::Active);
    assert_eq!(flat.want(verb.clone()).1, ["flat partition.arming"]);
    assert_eq!(flat.tick(40), ["flat partition.arm_failed"]);
    flat.is(0, Condition::Normal);
    assert_eq!(flat.want(verb).1, ["flat partition.arming"]);
    assert_eq!(flat.tick(70), ["flat partition.armed"]);
}

#[test]
fn the_seventh_alarm_of_one_arming_is_not_told_and_the_limit_is() {
    let mut flat = Box_::new(vec![zone("fence", ZoneKind::Instant)]);
    flat.arm(Mode::Away);
    for alarm in 1..=6 {
        let kinds = flat.is(0, Condition::Active);
        assert_eq!(kinds.contains(&"fence zone.swinger".to_owned()), alarm == 6, "{kinds:?}");
        assert_eq!(flat.is(0, Condition::Normal), ["fence zone.alarm_restored"]);
    }
    assert_eq!(flat.is(0, Condition::Active), ["fence zone.opened"]);
    flat.is(0, Condition::Normal);
    let (_, kinds) = flat.want(Verb::Disarm { partition: 0 });
    assert_eq!(kinds, ["flat partition.disarmed", "fence zone.swinger_restored"]);
    flat.arm(Mode::Away);
    assert_eq!(flat.is(0, Condition::Active), ["fence zone.alarm"]);
}

#[test]
fn two_of_a_group_within_the_window_are_one_verified_alarm() {
    let zones =
        ["a", "b", "c"].map(|name| ZoneConfig { cross: Some(0), ..zone(name, ZoneKind::Instant) });
    let window = Duration::from_secs(60);
    let mut flat = Box_::of(SiteConfig {
        zones: zones.into(),
        partitions: vec![partition("flat")],
        crosses: vec![CrossConfig { id: id("x"), need: 2, window }],
        ..SiteConfig::default()
    });
    flat.arm(Mode::Away);
    assert_eq!(flat.is(0, Condition::Active), ["a zone.opened", "a zone.unverified"]);
    // The same one again is not a second witness.
    flat.is(0, Condition::Normal);
    assert!(flat.is(0, Condition::Active).contains(&"a zone.unverified".to_owned()));
    flat.ms += 61_000;
    assert!(flat.is(1, Condition::Active).contains(&"b zone.unverified".to_owned()));
    flat.ms += 59_000;
    assert_eq!(flat.is(2, Condition::Active), ["c zone.alarm"]);
}

#[test]
fn fault_tamper_and_alarm_are_three_things_each_with_its_end() {
    let mut flat = Box_::new(vec![zone("pir", ZoneKind::Instant)]).at(10);
    assert_eq!(flat.is(0, Condition::Tamper), ["pir zone.tamper"]);
    // A lost line is not a closed case.
    assert!(flat.is(0, Condition::Unknown).is_empty());
    assert_eq!(flat.tick(20), ["pir zone.lost"]);
    assert_eq!(
        flat.is(0, Condition::Normal),
        ["pir zone.tamper_restored", "pir zone.lost_restored"]
    );
    // A fault shorter than its hold-off wakes nobody.
    flat.is(0, Condition::Fault);
    flat.ms += 9_000;
    assert!(flat.is(0, Condition::Normal).is_empty());
    assert!(flat.tick(60).is_empty());
}

#[test]
fn a_bus_that_is_lost_is_one_fault_and_what_does_not_come_back_is_told_then() {
    let on_bus = |name: &str| ZoneConfig { bus: Some(0), ..zone(name, ZoneKind::Instant) };
    let hold_off = Duration::from_secs(5);
    let mut flat = Box_::of(SiteConfig {
        zones: vec![on_bus("a"), on_bus("b"), zone("c", ZoneKind::Instant)],
        partitions: vec![partition("flat")],
        buses: vec![BusConfig::new(id("i2c-1"), hold_off)],
        ..SiteConfig::default()
    })
    .at(10);
    // One of its devices is lost a moment before the bus itself is known to be.
    flat.is(0, Condition::Unknown);
    let at = Mono(10 * S);
    flat.put(Input::Bus { bus: 0, lost: Some("SDA is held low".into()), at });
    flat.is(1, Condition::Unknown);
    flat.is(2, Condition::Unknown);
    assert_eq!(flat.tick(60), ["i2c-1 bus.lost", "c zone.lost"]);
    let at = Mono(60 * S);
    assert_eq!(flat.put(Input::Bus { bus: 0, lost: None, at }), ["i2c-1 bus.restored"]);
    assert!(flat.is(0, Condition::Normal).is_empty());
    assert_eq!(flat.tick(100), ["b zone.lost"]);
    // A blip wakes nobody.
    let at = Mono(100 * S);
    flat.put(Input::Bus { bus: 0, lost: Some("timeout".into()), at });
    flat.ms += 4_000;
    let at = Mono(flat.ms * 1_000_000);
    assert!(flat.put(Input::Bus { bus: 0, lost: None, at }).is_empty());
}

#[test]
fn what_was_passed_over_while_it_was_not_known_protects_again_once_it_is_normal() {
    let mut flat = Box_::new(vec![zone("window", ZoneKind::Instant)]);
    flat.is(0, Condition::Unknown);
    let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: true, at_once: true };
    assert_eq!(flat.want(verb).1, ["window zone.bypassed", "flat partition.armed"]);
    assert_eq!(flat.is(0, Condition::Normal), ["window zone.unbypassed"]);
    assert_eq!(flat.is(0, Condition::Active), ["window zone.alarm"]);
}

#[test]
fn a_siren_that_ran_its_time_disarms_nothing_and_the_rest_goes_on_protecting() {
    let zones = vec![zone("door", ZoneKind::Instant), zone("window", ZoneKind::Instant)];
    let mut flat = Box_::new(zones);
    flat.arm(Mode::Away);
    flat.is(0, Condition::Active);
    let at = now(flat.ms);
    let mut out = Out::new("boot", &at);
    flat.site.rearm_after_siren(0, at.mono, &mut out);
    let effects = out.effects;
    assert_eq!(flat.take(effects), ["door zone.bypassed"]);
    assert_eq!(flat.is(1, Condition::Active), ["window zone.alarm"]);
    let kinds = flat.is(0, Condition::Normal);
    assert_eq!(kinds, ["door zone.alarm_restored", "door zone.unbypassed"]);
}

#[test]
fn a_common_area_is_armed_exactly_while_all_its_users_are() {
    let mut stair = partition("stair");
    stair.common_to = vec![0, 1];
    let mut house = Box_::of(SiteConfig {
        partitions: vec![partition("left"), partition("right"), stair],
        ..SiteConfig::default()
    });
    let arm = |partition, mode| Verb::Arm { partition, mode, force: false, at_once: true };
    assert_eq!(house.want(arm(0, Mode::Away)).1, ["left partition.armed"]);
    let (_, kinds) = house.want(arm(1, Mode::Home));
    assert_eq!(kinds, ["right partition.armed", "stair partition.armed"]);
    assert_eq!(house.site.partitions[2].mode(), Mode::Home);
    assert_eq!(
        house.want(arm(2, Mode::Away)).0,
        Answer::Refused { reason: Refusal::Common, blockers: vec![] }
    );
    let (_, kinds) = house.want(Verb::Disarm { partition: 0 });
    assert_eq!(kinds, ["left partition.disarmed", "stair partition.disarmed"]);
}

#[test]
fn a_common_area_without_the_mode_of_its_users_is_disarmed_for_them() {
    let mut stair = partition("stair");
    stair.common_to = vec![0];
    // People who are in walk down the stair.
    stair.modes[Mode::Home as usize - 1] = None;
    let mut house = Box_::of(SiteConfig {
        partitions: vec![partition("flat"), stair],
        ..SiteConfig::default()
    });
    let arm = |mode| Verb::Arm { partition: 0, mode, force: false, at_once: true };
    assert_eq!(house.want(arm(Mode::Home)).1, ["flat partition.armed"]);
    let (_, kinds) = house.want(arm(Mode::Away));
    assert_eq!(kinds, ["flat partition.armed", "stair partition.armed"]);
    let (_, kinds) = house.want(arm(Mode::Home));
    assert_eq!(kinds, ["flat partition.armed", "stair partition.disarmed"]);
}

#[test]
fn every_pair_of_alarm_kinds_is_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for kind in ZoneKind::ALL {
        let (new, restored) = kind.alarm();
        assert_eq!(format!("{new}_restored"), restored);
        seen.insert(new);
    }
    // Instant and follower tell the same thing.
    assert_eq!(seen.len(), ZoneKind::ALL.len() - 1);
}
