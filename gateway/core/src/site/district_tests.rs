//! Commands of the district in a site: what they do, their events, and restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::commands::{Fresh, Lowering, Lowerings, Order, Outcome, Reason, Rights, Signed, Verbs};
use crate::contract::{self, CommandStatus};
use crate::time::{ClockState, UtcMs};

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn now(s: u64) -> Now {
    let utc = UtcMs(i64::try_from(s).unwrap() * 1000);
    Now { mono: Mono(s * 1_000_000_000), utc, err_ms: Some(5), clock: ClockState::Synced }
}

fn config() -> SiteConfig {
    let partition = PartitionConfig {
        id: id("flat"),
        common_to: Vec::new(),
        modes: [Some(ModeConfig::default()), None, None, None],
    };
    let hall = ZoneConfig::new(id("hall"), ZoneKind::Instant, Some(0), "sim:1".to_owned());
    let output = |name: &str, role| OutputConfig::new(id(name), role, format!("sim:{name}"));
    let gate = DoorConfig {
        lock: Some(LockConfig { output: 1, pulse: Duration::from_secs(5), fail: Fail::Secure }),
        release_allowed: true,
        ..DoorConfig::new(id("gate"), "sim:0".to_owned())
    };
    let all = [Lowering::Disarm, Lowering::Bypass, Lowering::Output, Lowering::Config];
    SiteConfig {
        doors: vec![gate],
        zones: vec![hall],
        partitions: vec![partition],
        outputs: vec![output("fan", Role::Other), output("strike", Role::Lock)],
        commands: Rights {
            roles: vec![crate::commands::Role { id: id("operator"), verbs: Verbs::ALL }],
            lowering: Lowerings::of(all),
            signed: false,
        },
        ..SiteConfig::default()
    }
}

/// A site with what the journal would hold of it.
struct Box {
    site: Site,
    kept: BTreeMap<String, String>,
    at: u64,
}

impl Box {
    fn new() -> Self {
        let mut this = Self { site: Site::new(config(), "boot"), kept: BTreeMap::new(), at: 1_000 };
        this.restart();
        let condition = Condition::Normal;
        let at = now(this.at).mono;
        this.put(Input::Zone { zone: 0, condition, at, resynced: false });
        this
    }

    fn keep(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        for effect in &effects {
            if let Effect::Keep { key, value } = effect {
                match value {
                    Some(value) => drop(self.kept.insert(key.clone(), value.clone())),
                    None => drop(self.kept.remove(key)),
                }
            }
        }
        effects
    }

    fn restart(&mut self) -> Vec<Effect> {
        self.site = Site::new(config(), "boot");
        let kept = self.kept.clone();
        let kept = kept.iter().map(|(key, value)| (&**key, &**value));
        let effects = self.site.restore(kept, &id("g-1"), &now(self.at));
        self.keep(effects)
    }

    fn put(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.site.apply(input, &now(self.at));
        self.keep(effects)
    }

    fn want(&mut self, verb: Verb) -> Vec<Effect> {
        let at = now(self.at).mono;
        self.put(Input::Command(Command { id: 7, via: Via::District, actor: None, verb, at }))
    }

    fn order(&mut self, name: &str, verb: &str, args: Value) -> (Outcome, Vec<Effect>) {
        let utc = now(self.at).utc;
        let Value::Object(args) = args else { panic!() };
        let said = contract::Command {
            verb: verb.to_owned(),
            args,
            issued: utc,
            expires: Some(UtcMs(utc.0 + 30_000)),
            nonce: None,
            operator: "op-7".to_owned(),
            role: None,
            sig: None,
        };
        let (signed, fresh) = (Signed::No, Fresh::Unknown);
        let order = Order { id: id(name), said: Ok(said), signed, fresh, retained: false };
        let effects = self.want(Verb::District(std::boxed::Box::new(order)));
        (told(&effects), effects)
    }
}

fn told(effects: &[Effect]) -> Outcome {
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Answer { command: 7, answer: Answer::Commanded { outcome, recorded } } => {
            assert!(*recorded);
            outcome.clone()
        }
        _ => None,
    });
    answer.unwrap_or_else(|| panic!("no answer: {effects:?}"))
}

fn kinds(effects: &[Effect]) -> Vec<&str> {
    effects.iter().filter_map(Effect::record).map(|draft| &*draft.kind).collect()
}

#[test]
fn a_command_does_what_it_says_and_its_event_says_who_and_what() {
    let mut it = Box::new();
    let (outcome, effects) =
        it.order("c-1", "arm", json!({ "partition": "flat", "at_once": true }));
    assert_eq!(outcome, Outcome::done(None));
    assert_eq!(kinds(&effects), ["partition.armed", "command.done"]);
    // The answer names the newest event before it: the command's own.
    let last = effects.iter().filter_map(Effect::record).next_back().unwrap();
    assert_eq!((&*last.source.kind, last.source.id.as_str()), ("command", "c-1"));
    assert_eq!(last.actor.as_deref(), Some("op-7"));
    let args = json!({ "partition": "flat", "mode": "away", "force": false, "at_once": true });
    let detail = json!({ "via": "district", "verb": "arm", "role": "operator", "args": args });
    assert_eq!(last.detail, Some(detail));
    let by = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!(
        (by.actor.as_deref(), &by.detail.as_ref().unwrap()["via"]),
        (Some("op-7"), &json!("district"))
    );

    let (outcome, _) = it.order("c-2", "arm", json!({ "partition": "flat" }));
    assert_eq!(outcome.detail, Some(json!({ "already": true })));
    let (outcome, effects) = it.order("c-3", "disarm", json!({ "partition": "flat" }));
    assert_eq!(
        (outcome, kinds(&effects)),
        (Outcome::done(None), vec!["partition.disarmed", "command.done"])
    );
}

#[test]
fn what_does_not_exist_is_refused_with_what_does_and_what_is_not_ready_fails() {
    let mut it = Box::new();
    let (outcome, effects) = it.order("c-1", "bypass", json!({ "zone": "cellar" }));
    let known = Some(json!({ "known": ["hall"] }));
    assert_eq!(outcome, Outcome::refused(Reason::UnknownZone, known));
    assert_eq!(kinds(&effects), ["command.refused"]);
    for (verb, args, reason) in [
        ("arm", json!({ "partition": "attic" }), Reason::UnknownPartition),
        ("arm", json!({ "partition": "flat", "mode": "night" }), Reason::UnknownMode),
        ("output", json!({ "door": "attic" }), Reason::UnknownDoor),
        ("output", json!({ "output": "attic", "seconds": 1 }), Reason::UnknownOutput),
        ("output", json!({ "output": "strike", "seconds": 1 }), Reason::NotConfigured),
        ("snapshot", json!({ "camera": "c1" }), Reason::NoCamera),
    ] {
        let (outcome, _) =
            it.order(&format!("x-{}", reason.as_str().replace('_', "-")), verb, args);
        assert_eq!((outcome.status, outcome.reason), (CommandStatus::Refused, Some(reason)));
    }
    let (condition, at) = (Condition::Active, now(it.at).mono);
    it.put(Input::Zone { zone: 0, condition, at, resynced: false });
    let (outcome, _) = it.order("c-9", "arm", json!({ "partition": "flat" }));
    assert_eq!((outcome.status, outcome.reason), (CommandStatus::Failed, Some(Reason::NotReady)));
    assert_eq!(outcome.detail.unwrap()["blockers"][0]["id"], "hall");
}

#[test]
fn a_door_is_released_and_a_plain_output_pulsed() {
    let mut it = Box::new();
    let drives = |effects: &[Effect]| -> Vec<_> {
        let drives = effects.iter().filter_map(|effect| match effect {
            Effect::Output { output, drive } => Some((*output, *drive)),
            _ => None,
        });
        drives.collect()
    };
    let (_, effects) = it.order("c-1", "output", json!({ "door": "gate" }));
    assert_eq!(drives(&effects), [(1, Drive::Pulse(Duration::from_secs(5)))]);
    let (_, effects) = it.order("c-2", "output", json!({ "output": "fan", "seconds": 9 }));
    assert_eq!(drives(&effects), [(0, Drive::Pulse(Duration::from_secs(9)))]);
    // The same once more: nothing moves.
    let (outcome, effects) = it.order("c-2", "output", json!({ "output": "fan", "seconds": 9 }));
    assert_eq!((outcome.status, drives(&effects)), (CommandStatus::Duplicate, vec![]));
}

#[test]
fn a_command_is_a_duplicate_after_a_restart_too() {
    let mut it = Box::new();
    it.order("c-1", "arm", json!({ "partition": "flat", "at_once": true }));
    it.order("c-2", "disarm", json!({ "partition": "flat" }));
    it.restart();
    let (outcome, effects) =
        it.order("c-1", "arm", json!({ "partition": "flat", "at_once": true }));
    assert_eq!(outcome.status, CommandStatus::Duplicate);
    assert_eq!(outcome.detail.unwrap()["was"], "done");
    assert_eq!(kinds(&effects), ["command.duplicate"]);
    assert_eq!(it.site.states().find(|(_, id, _)| id.as_str() == "flat").unwrap().2, "disarmed");
    // A day later nothing of it is kept any more.
    it.at += 86_401;
    it.order("c-3", "silence", json!({}));
    let commands = it.kept.keys().filter(|key| key.starts_with("command/"));
    assert!(commands.eq(["command/c-3"]), "{:?}", it.kept.keys());
}

#[test]
fn what_others_carry_out_is_accepted_told_when_it_is_over_and_cut_off_by_a_restart() {
    let mut it = Box::new();
    let (outcome, effects) = it.order("c-1", "diag", json!({}));
    assert_eq!(
        (outcome.status, kinds(&effects)),
        (CommandStatus::Accepted, vec!["command.accepted"])
    );
    let over = |outcome| Verb::DistrictOver { id: id("c-1"), outcome };
    let effects = it.want(over(Outcome::done(Some(json!({ "rss_kib": 1 })))));
    assert_eq!(
        (told(&effects).status, kinds(&effects)),
        (CommandStatus::Done, vec!["command.done"])
    );
    let done = effects.iter().find_map(Effect::record).unwrap();
    assert_eq!(
        (done.actor.as_deref(), &done.detail.as_ref().unwrap()["verb"]),
        (Some("op-7"), &json!("diag"))
    );
    assert!(done.detail.as_ref().unwrap().get("rss_kib").is_none(), "facts are for who asked");
    let effects = it.want(over(Outcome::done(None)));
    assert!(kinds(&effects).is_empty(), "it was over before");

    it.order("c-2", "resend", json!({ "from": 1, "to": 2 }));
    let effects = it.restart();
    let cut =
        effects.iter().filter_map(Effect::record).find(|draft| draft.kind == "command.failed");
    assert_eq!(cut.unwrap().cause.as_deref(), Some("restart"));
    let (outcome, _) = it.order("c-2", "resend", json!({ "from": 1, "to": 2 }));
    assert_eq!((outcome.status, outcome.reason), (CommandStatus::Duplicate, Some(Reason::Restart)));
    assert!(kinds(&it.restart()).iter().all(|kind| *kind != "command.failed"), "told once");
}

#[test]
fn another_configuration_keeps_the_ids_and_brings_its_own_rights() {
    let mut it = Box::new();
    it.order("c-1", "disarm", json!({ "partition": "flat" }));
    let mut strict = config();
    strict.commands.lowering = Lowerings::default();
    it.site.reconfigure(strict, &now(it.at));
    let (outcome, _) = it.order("c-1", "disarm", json!({ "partition": "flat" }));
    assert_eq!(outcome.status, CommandStatus::Duplicate);
    let (outcome, _) = it.order("c-2", "disarm", json!({ "partition": "flat" }));
    assert_eq!(outcome.reason, Some(Reason::LowersProtection));
}
