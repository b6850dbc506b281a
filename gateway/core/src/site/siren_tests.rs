//! Sirens, strobes, beeps and challenges: scripted cases here, random ones in `random`.

mod challenge;
mod random;

use super::zone_tests::{S, id, now, partition, zone};
use super::*;
use crate::event::Qualifier;

/// A site whose outputs are watched.
pub(super) struct House {
    pub(super) site: Site,
    pub(super) ms: u64,
    /// What each output was last told.
    pub(super) on: Vec<bool>,
    pub(super) sounds: Vec<(Thing, Sound)>,
    pub(super) kept: std::collections::BTreeMap<String, String>,
    pub(super) told: Vec<Draft>,
    pub(super) answer: Option<Answer>,
}

impl House {
    pub(super) fn new(config: &SiteConfig) -> Self {
        let mut house = Self::dark(config, "boot");
        for zone in 0..config.zones.len() {
            house.is(zone, Condition::Normal);
        }
        house
    }

    pub(super) fn dark(config: &SiteConfig, boot: &str) -> Self {
        Self {
            site: Site::new(config.clone(), boot),
            ms: 1_000,
            on: vec![false; config.outputs.len()],
            sounds: Vec::new(),
            kept: std::collections::BTreeMap::new(),
            told: Vec::new(),
            answer: None,
        }
    }

    /// Started again, with its outputs in their safe state.
    pub(super) fn restarted(&self, config: &SiteConfig, boot: &str, ms: u64) -> Self {
        let mut new = Self::dark(config, boot);
        (new.ms, new.kept) = (ms, self.kept.clone());
        let kept = self.kept.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let effects = new.site.restore(kept, &id("g"), &now(ms));
        new.take(effects);
        new
    }

    pub(super) fn take(&mut self, effects: Vec<Effect>) -> Vec<String> {
        let mut kinds = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(draft) => {
                    kinds.push(format!("{} {}", draft.source.id, draft.kind));
                    self.told.push(draft);
                }
                Effect::Output { output, drive } => self.on[output] = drive != Drive::Off,
                Effect::Chime { of, sound } => self.sounds.push((of, sound)),
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

    pub(super) fn at(&self) -> Mono {
        Mono(self.ms * 1_000_000)
    }

    pub(super) fn is(&mut self, zone: usize, condition: Condition) -> Vec<String> {
        self.put(Input::Zone { zone, condition, at: self.at(), resynced: false })
    }

    pub(super) fn tick(&mut self, s: u64) -> Vec<String> {
        self.ms = s * 1_000;
        self.put(Input::Tick)
    }

    pub(super) fn want(&mut self, verb: Verb) -> Vec<String> {
        let (via, at) = (Via::Cli, self.at());
        self.put(Input::Command(Command { id: 7, via, actor: Some("a1".into()), verb, at }))
    }

    fn arm(&mut self) {
        let verb = Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: true };
        self.want(verb);
    }
}

fn siren(name: &str) -> OutputConfig {
    OutputConfig::new(id(name), Role::Siren, format!("sim:{name}"))
}

fn strobe(name: &str) -> OutputConfig {
    OutputConfig::new(id(name), Role::Strobe, format!("sim:{name}"))
}

fn flat(zones: Vec<ZoneConfig>, outputs: Vec<OutputConfig>) -> SiteConfig {
    SiteConfig { zones, outputs, partitions: vec![partition("flat")], ..SiteConfig::default() }
}

const DISARM: Verb = Verb::Disarm { partition: 0 };
const SILENCE: Verb = Verb::Silence { partition: None };

#[test]
fn a_siren_ends_after_its_time_and_the_zone_is_bypassed_and_told_and_the_rest_protects_on() {
    let zones = vec![zone("window", ZoneKind::Instant), zone("hatch", ZoneKind::Instant)];
    let mut flat = House::new(&flat(zones, vec![siren("yard"), strobe("flash")]));
    flat.tick(10);
    flat.arm();
    let kinds = flat.is(0, Condition::Active);
    assert_eq!(kinds, ["window zone.alarm", "yard output.on", "flash output.on"]);
    assert_eq!(flat.on, [true, true]);
    assert_eq!(flat.tick(189), ["a1 alarm.escalated"]);
    assert_eq!(flat.on, [true, true]);
    assert_eq!(flat.tick(190), ["yard output.off", "window zone.bypassed"]);
    assert_eq!(flat.on, [false, true], "a strobe shows where it was");
    assert_eq!(flat.site.partitions[0].mode(), Mode::Away, "its end never disarms");
    let end = flat.told.iter().find(|draft| draft.kind == "output.off").unwrap();
    assert_eq!(end.cause.as_deref(), Some("its time is over"));
    // What is open sounds no more; what is not, does.
    assert_eq!(flat.is(1, Condition::Active), ["hatch zone.alarm", "yard output.on"]);
    let kinds = flat.is(0, Condition::Normal);
    assert_eq!(kinds, ["window zone.alarm_restored", "window zone.unbypassed"]);
    assert_eq!(
        flat.want(DISARM),
        ["yard output.off", "flash output.off", "flat partition.disarmed"]
    );
    assert_eq!(flat.on, [false, false]);
}

#[test]
fn silence_stops_sirens_and_disarms_nothing() {
    let zones = vec![zone("window", ZoneKind::Instant)];
    let mut flat = House::new(&flat(zones, vec![siren("yard"), strobe("flash")]));
    flat.arm();
    flat.is(0, Condition::Active);
    assert_eq!(flat.want(SILENCE), ["yard output.off"]);
    assert_eq!((flat.answer.take(), &flat.on[..]), (Some(Answer::Done), &[false, true][..]));
    assert_eq!(flat.told.last().unwrap().actor.as_deref(), Some("a1"));
    assert_eq!(flat.site.partitions[0].mode(), Mode::Away);
    flat.want(SILENCE);
    assert_eq!(flat.answer, Some(Answer::Already));
    flat.want(Verb::Silence { partition: Some(3) });
    assert!(matches!(flat.answer, Some(Answer::Refused { reason: Refusal::Unknown, .. })));
}

#[test]
fn whoever_disarms_for_a_burglary_does_not_silence_a_fire() {
    let zones = vec![zone("window", ZoneKind::Instant), zone("smoke", ZoneKind::Fire)];
    let mut flat = House::new(&flat(zones, vec![siren("yard"), strobe("flash")]));
    flat.tick(10);
    flat.arm();
    flat.is(0, Condition::Active);
    flat.tick(100);
    assert_eq!(flat.is(1, Condition::Active), ["smoke fire.alarm"]);
    flat.want(DISARM);
    assert_eq!(flat.on, [true, false]);
    flat.tick(279);
    assert_eq!(flat.on, [true, false], "the fire has its whole time");
    assert_eq!(flat.tick(280), ["yard output.off"]);
}

#[test]
fn a_fire_is_silenced_by_silence() {
    let mut flat = House::new(&flat(vec![zone("smoke", ZoneKind::Fire)], vec![siren("yard")]));
    flat.is(0, Condition::Active);
    assert_eq!(flat.on, [true]);
    assert_eq!(flat.want(SILENCE), ["yard output.off"]);
}

#[test]
fn another_burglary_makes_a_siren_no_longer_and_a_fire_is_not_made_shorter() {
    let zones = vec![
        zone("a", ZoneKind::Instant),
        zone("b", ZoneKind::Instant),
        zone("smoke", ZoneKind::Fire),
    ];
    let mut flat = House::new(&flat(zones, vec![siren("yard")]));
    flat.tick(10);
    flat.arm();
    flat.is(0, Condition::Active);
    flat.tick(100);
    flat.is(1, Condition::Active);
    flat.tick(189);
    assert_eq!(flat.on, [true]);
    flat.tick(190);
    assert_eq!(flat.on, [false]);
}

#[test]
fn an_external_siren_never_sounds_for_a_tamper_while_unset() {
    let outside = OutputConfig { outside: true, ..siren("yard") };
    let config = flat(vec![zone("lid", ZoneKind::Tamper)], vec![outside, siren("hall")]);
    let mut flat = House::new(&config);
    flat.is(0, Condition::Active);
    assert_eq!(flat.on, [false, true]);
    flat.is(0, Condition::Normal);
    flat.want(DISARM);
    assert_eq!(flat.on, [false, false]);
    flat.arm();
    flat.is(0, Condition::Active);
    assert_eq!(flat.on, [true, true], "set, it does");
}

#[test]
fn a_silent_panic_makes_nothing_sound() {
    let mut config = flat(vec![zone("desk", ZoneKind::SilentPanic)], vec![siren("yard")]);
    config.outputs[0].dangers = Dangers::of([Danger::SilentPanic, Danger::Panic]);
    let mut flat = House::new(&config);
    assert_eq!(flat.is(0, Condition::Active), ["desk panic.silent"]);
    assert_eq!(flat.on, [false]);
}

#[test]
fn what_is_tested_makes_nothing_sound() {
    let zones = vec![ZoneConfig { soak: true, ..zone("hall", ZoneKind::Hours24) }];
    let mut flat = House::new(&flat(zones, vec![siren("yard")]));
    assert_eq!(flat.is(0, Condition::Active), ["hall zone.24h_alarm"]);
    assert_eq!(flat.on, [false]);
}

#[test]
fn a_siren_is_for_its_partitions_and_its_dangers() {
    let zones = vec![zone("window", ZoneKind::Hours24), zone("smoke", ZoneKind::Fire)];
    let mut config = flat(zones, vec![siren("other"), siren("fire"), siren("all")]);
    config.partitions.push(partition("shop"));
    config.outputs[0].partitions = vec![1];
    config.outputs[1].dangers = Dangers::of([Danger::Fire]);
    let mut flat = House::new(&config);
    flat.is(0, Condition::Active);
    assert_eq!(flat.on, [false, false, true]);
    flat.is(1, Condition::Active);
    assert_eq!(flat.on, [false, true, true]);
}

#[test]
fn a_siren_that_ran_out_in_the_dark_has_run_out_and_one_that_did_not_sounds_the_rest() {
    let config =
        flat(vec![zone("window", ZoneKind::Instant)], vec![siren("yard"), strobe("flash")]);
    let mut flat = House::new(&config);
    flat.tick(10);
    flat.arm();
    flat.is(0, Condition::Active);
    for boot in ["boot", "other boot"] {
        let mut soon = flat.restarted(&config, boot, 100_000);
        assert_eq!(soon.on, [true, true], "{boot}");
        assert!(soon.tick(189).iter().all(|kind| !kind.contains("output")));
        let kinds = soon.tick(190);
        assert!(kinds.contains(&"yard output.off".to_owned()), "{boot}: {kinds:?}");
        assert_eq!(soon.on, [false, true]);
        let late = flat.restarted(&config, boot, 400_000);
        assert_eq!(late.on, [false, true], "{boot}");
        assert!(late.told.iter().any(|draft| draft.kind == "output.off"));
        assert_eq!(late.site.partitions[0].mode(), Mode::Away);
    }
}

#[test]
fn an_alarm_and_its_disarming_in_one_look_leave_nothing_on() {
    let zones = vec![zone("door", ZoneKind::EntryExit)];
    let mut flat = House::new(&flat(zones, vec![siren("yard")]));
    flat.tick(10);
    flat.arm();
    flat.is(0, Condition::Active);
    // The box hung from 11 s to 40 s: the delay has ended at 30 s, somebody disarmed at 40 s.
    flat.ms = 40_000;
    let kinds = flat.want(DISARM);
    assert_eq!(
        kinds,
        ["door zone.entry_alarm", "yard output.on", "yard output.off", "flat partition.disarmed"]
    );
    assert_eq!(flat.on, [false]);
}

#[test]
fn a_siren_of_a_tamper_while_disarmed_is_silenced_by_disarming() {
    let mut flat = House::new(&flat(vec![zone("window", ZoneKind::Instant)], vec![siren("hall")]));
    assert_eq!(flat.is(0, Condition::Tamper), ["window zone.tamper", "hall output.on"]);
    flat.want(DISARM);
    assert_eq!((flat.answer.take(), &flat.on[..]), (Some(Answer::Done), &[false][..]));
    flat.want(DISARM);
    assert_eq!(flat.answer, Some(Answer::Already));
}

#[test]
fn the_delays_are_heard_and_so_is_their_end() {
    let mut flat = House::new(&flat(vec![zone("door", ZoneKind::EntryExit)], vec![]));
    flat.tick(10);
    flat.want(Verb::Arm { partition: 0, mode: Mode::Away, force: false, at_once: false });
    flat.tick(40);
    flat.is(0, Condition::Active);
    flat.want(DISARM);
    let hall = Thing::Partition(0);
    let expected = [
        (hall, Sound::Leaving { until: Mono(40 * S) }),
        (hall, Sound::Quiet),
        (hall, Sound::Entered { until: Mono(60 * S) }),
        (hall, Sound::Quiet),
    ];
    assert_eq!(flat.sounds, expected);
}

#[test]
fn a_fault_of_an_output_has_its_restore_also_over_a_restart() {
    let config = flat(vec![], vec![siren("yard")]);
    let mut flat = House::new(&config);
    let says = |house: &mut House, does, fault: Option<&str>| {
        let at = house.at();
        house.put(Input::Output { output: 0, does, fault: fault.map(str::to_owned), at })
    };
    assert!(says(&mut flat, Does::Off, None).is_empty());
    assert_eq!(says(&mut flat, Does::Unknown, Some("a fuse")), ["yard output.fault"]);
    assert!(says(&mut flat, Does::Unknown, Some("a fuse")).is_empty());
    let mut flat = flat.restarted(&config, "boot", 5_000);
    assert!(says(&mut flat, Does::Unknown, Some("a fuse")).is_empty(), "it is told already");
    assert_eq!(says(&mut flat, Does::Off, None), ["yard output.restored"]);
    assert!(!flat.kept.contains_key("output/yard"));
}
