//! Patrol rounds, scripted: done, late, missed, out of order, and clocks that are not to be trusted.

use super::*;
use crate::event::Draft;

/// 2026-09-21T14:13:20Z, a Monday, is 0 ms; the round begins between 15:00 and 15:30.
const DUE: u64 = 2_800_000;
pub(super) const MIN: u64 = 60_000;

pub(super) fn round(order: Order) -> SiteConfig {
    let window = Weekly { days: Days::ALL, from: 15 * 60, until: 15 * 60 + 30 };
    let round = RoundConfig {
        order,
        leg_min: Duration::from_secs(60),
        leg_max: Duration::from_secs(600),
        ..RoundConfig::new(id("evening"), vec![0, 1, 2], vec![window])
    };
    let checkpoint = |name: &str| CheckpointConfig::new(id(name), format!("sim:{name}"));
    SiteConfig {
        checkpoints: ["gate", "garage", "roof"].map(checkpoint).into(),
        rounds: vec![round],
        ..SiteConfig::default()
    }
}

/// Started, with all buttons known.
fn started(order: Order) -> Box_ {
    let config = round(order);
    let (mut this, _) = Box_::of(config.clone()).restarted(config, "boot", 1_000);
    known(&mut this);
    this
}

fn known(this: &mut Box_) {
    let at = Mono(this.ms * 1_000_000);
    for checkpoint in 0..3 {
        this.put(Input::Checkpoint { checkpoint, pressed: Some(false), at });
    }
}

/// What pressing a checkpoint brings, but for the visit itself.
fn press(this: &mut Box_, checkpoint: usize, ms: u64) -> Vec<String> {
    this.ms = ms;
    let at = Mono(ms * 1_000_000);
    let mut kinds = this.put(Input::Checkpoint { checkpoint, pressed: Some(true), at });
    kinds.extend(this.put(Input::Checkpoint { checkpoint, pressed: Some(false), at }));
    kinds.retain(|kind| !kind.ends_with("checkpoint.seen"));
    kinds
}

fn drafts(this: &mut Box_, input: Input) -> Vec<Draft> {
    let effects = this.site.apply(input, &now(this.ms));
    effects.iter().filter_map(Effect::record).cloned().collect()
}

#[test]
fn a_round_in_its_order_and_in_time_is_done() {
    let mut this = started(Order::Strict);
    assert!(this.tick(DUE / 1_000 + 1).is_empty(), "it is due, and that is no event");
    assert_eq!(press(&mut this, 0, DUE + 10 * MIN), ["evening round.begun"]);
    assert!(press(&mut this, 0, DUE + 10 * MIN + 500).is_empty(), "people press twice");
    assert!(press(&mut this, 1, DUE + 15 * MIN).is_empty());
    assert_eq!(press(&mut this, 2, DUE + 20 * MIN), ["evening round.done"]);
    assert!(press(&mut this, 0, DUE + 21 * MIN).is_empty(), "once in its window");
}

#[test]
fn who_does_not_come_is_overdue_at_once_then_late_or_missed() {
    let mut this = started(Order::Strict);
    press(&mut this, 0, DUE + 10 * MIN);
    // Ten minutes for the way, and one that is still in time.
    let at = (DUE + 21 * MIN) / 1_000;
    assert!(this.tick(at - 1).is_empty());
    this.ms = at * 1_000;
    let overdue = drafts(&mut this, Input::Tick);
    assert_eq!((&*overdue[0].kind, overdue[0].class), ("round.overdue", Class::Alarm));
    assert_eq!(overdue[0].detail.as_ref().unwrap()["visited"], 1);
    press(&mut this, 1, DUE + 40 * MIN);
    assert_eq!(press(&mut this, 2, DUE + 45 * MIN), ["evening round.late"]);
    // The next day nobody comes on the way: given up half an hour after it was overdue.
    let day = DUE + 86_400_000;
    assert_eq!(press(&mut this, 0, day + MIN), ["evening round.begun"]);
    let kinds = this.tick((day + 42 * MIN) / 1_000);
    assert_eq!(kinds, ["evening round.overdue", "evening round.missed"]);
}

#[test]
fn a_round_that_nobody_begins_in_its_window_is_missed_and_a_visit_later_is_none() {
    let mut this = started(Order::Strict);
    assert!(this.tick((DUE + 30 * MIN) / 1_000).is_empty(), "a minute is still in time");
    this.ms = DUE + 31 * MIN;
    let missed = drafts(&mut this, Input::Tick);
    assert_eq!((&*missed[0].kind, missed[0].severity), ("round.missed", 2));
    assert_eq!(missed[0].closes, None, "it had not begun");
    this.ms += MIN;
    let at = Mono(this.ms * 1_000_000);
    let seen = drafts(&mut this, Input::Checkpoint { checkpoint: 0, pressed: Some(true), at });
    assert_eq!((seen.len(), &*seen[0].kind), (1, "checkpoint.seen"));
    assert!(seen[0].detail.as_ref().unwrap()["round"].is_null());
}

#[test]
fn another_checkpoint_than_the_next_is_out_of_order_and_does_not_count() {
    let mut this = started(Order::Strict);
    assert_eq!(press(&mut this, 2, DUE + MIN), ["evening round.out_of_order"]);
    assert_eq!(press(&mut this, 0, DUE + 2 * MIN), ["evening round.begun"]);
    this.ms = DUE + 4 * MIN;
    let at = Mono(this.ms * 1_000_000);
    let told = drafts(&mut this, Input::Checkpoint { checkpoint: 2, pressed: Some(true), at });
    this.put(Input::Checkpoint { checkpoint: 2, pressed: Some(false), at });
    let detail = told[1].detail.as_ref().unwrap();
    assert_eq!((&detail["at"], &detail["expected"]), (&"roof".into(), &"garage".into()));
    press(&mut this, 1, DUE + 5 * MIN);
    assert_eq!(press(&mut this, 2, DUE + 8 * MIN), ["evening round.done"]);
}

#[test]
fn in_any_order_each_counts_once_and_nobody_flies() {
    let mut this = started(Order::Any);
    assert_eq!(press(&mut this, 2, DUE + MIN), ["evening round.begun"]);
    assert!(press(&mut this, 2, DUE + 3 * MIN).is_empty());
    let too_fast = press(&mut this, 0, DUE + MIN + 30_000);
    assert_eq!(too_fast, ["evening round.too_fast"], "30 s for a way of at least 60");
    assert_eq!(press(&mut this, 1, DUE + 5 * MIN), ["evening round.done"]);
}

#[test]
fn a_round_goes_on_over_a_power_cut_and_what_fell_into_the_dark_is_told() {
    let mut this = started(Order::Strict);
    press(&mut this, 0, DUE + 10 * MIN);
    let config = round(Order::Strict);
    let (mut this, kinds) = this.restarted(config.clone(), "second", DUE + 13 * MIN);
    assert!(kinds.is_empty(), "{kinds:?}");
    known(&mut this);
    assert!(press(&mut this, 1, DUE + 15 * MIN).is_empty());
    assert_eq!(press(&mut this, 2, DUE + 18 * MIN), ["evening round.done"]);
    // Dark for three days: each of the three is told.
    let (_, kinds) = this.restarted(config, "third", DUE + 3 * 86_400_000 + 40 * MIN);
    assert_eq!(kinds, ["evening round.missed"; 3]);
}

#[test]
fn a_clock_that_steps_passes_no_round_over_in_silence_and_opens_none_twice() {
    let mut this = started(Order::Strict);
    let stepped = |this: &mut Box_, ms: u64, by_s: i64| {
        let mut now = now(ms);
        now.utc.0 += by_s * 1_000;
        let effects = this.site.apply(Input::Tick, &now);
        this.take(effects)
    };
    // Two days and two hours forward: the three that it passed over.
    assert_eq!(stepped(&mut this, 10_000, 2 * 86_400 + 7_200), ["evening round.missed"; 3]);
    // And back: not again, until the day after.
    assert!(stepped(&mut this, 20_000, 0).is_empty());
    assert!(stepped(&mut this, DUE + 40 * MIN, 0).is_empty());
    assert!(stepped(&mut this, DUE + 86_400_000 + 40 * MIN, 0).is_empty());
    // Years forward: one event for what is further back than a month, sixteen one by one.
    let kinds = stepped(&mut this, DUE + 86_400_000 + 41 * MIN, 3_000 * 86_400);
    assert_eq!(kinds, ["evening round.missed"; 18]);
}

#[test]
fn while_the_time_is_not_known_that_is_told_and_then_what_was_due() {
    let config = round(Order::Strict);
    let (mut this, _) = Box_::of(config.clone()).restarted(config, "boot", 1_000);
    known(&mut this);
    let blind = |this: &mut Box_, s: u64| {
        let now = Now { clock: ClockState::Never, err_ms: None, ..now(s * 1_000) };
        let effects = this.site.apply(Input::Tick, &now);
        this.take(effects)
    };
    assert!(blind(&mut this, 10).is_empty());
    assert_eq!(blind(&mut this, 1_000), ["g round.clock_unknown"]);
    assert!(blind(&mut this, 4_000).is_empty());
    let kinds = this.tick((DUE + 60 * MIN) / 1_000);
    assert_eq!(kinds, ["evening round.missed", "g round.clock_unknown_restored"]);
}

#[test]
fn a_button_found_pressed_is_no_visit_and_a_lost_one_is_told() {
    let mut this = started(Order::Strict);
    this.tick(DUE / 1_000 + 1);
    let at = Mono(this.ms * 1_000_000);
    assert!(this.put(Input::Checkpoint { checkpoint: 0, pressed: None, at }).is_empty());
    assert_eq!(this.tick(DUE / 1_000 + 11), ["gate checkpoint.lost"]);
    let at = Mono(this.ms * 1_000_000);
    let kinds = this.put(Input::Checkpoint { checkpoint: 0, pressed: Some(true), at });
    assert_eq!(kinds, ["gate checkpoint.lost_restored"]);
}

#[test]
fn a_card_at_a_checkpoint_is_a_visit_of_its_holder() {
    let hash = crate::credential::SiteKey::new([7; 32]).card(64, &[1]);
    let mut config = round(Order::Strict);
    config.readers = vec![ReaderConfig::new(id("gate-reader"), "sim:r".to_owned(), None)];
    config.credentials = vec![Credential::new(hash)];
    config.checkpoints[0] = CheckpointConfig {
        driver: None,
        reader: Some(0),
        ..CheckpointConfig::new(id("gate"), String::new())
    };
    let (mut this, _) = Box_::of(config.clone()).restarted(config, "boot", 1_000);
    this.ms = DUE + MIN;
    let at = Mono(this.ms * 1_000_000);
    let card = Card { reader: 0, credential: hash, pin: None, at, late: false };
    let told = drafts(&mut this, Input::Card(card.clone()));
    let seen = told.iter().find(|draft| draft.kind == "checkpoint.seen").unwrap();
    assert_eq!(seen.actor, Some(hash.to_string()));
    assert!(told.iter().any(|draft| draft.kind == "round.begun"));
    let told = drafts(&mut this, Input::Card(Card { late: true, ..card }));
    assert_eq!((told.len(), &*told[0].kind), (1, "access.late"));
}

#[test]
fn what_is_due_under_way_and_next_can_be_asked_for() {
    let mut this = started(Order::Strict);
    press(&mut this, 0, DUE + MIN);
    let Answer::Told { facts } = this.want(Verb::Ask(Question::Rounds)).0 else { panic!() };
    let round = &facts["rounds"][0];
    assert_eq!((&round["id"], &round["now"]["visited"]), (&"evening".into(), &1.into()));
    assert_eq!(round["expected"], "garage");
    assert_eq!(round["next"]["opens"], "2026-09-22T15:00:00.000Z");
    assert_eq!(facts["time_known"], true);
}

#[test]
fn a_round_goes_on_under_a_new_configuration_and_one_that_is_gone_is_missed() {
    let mut this = started(Order::Strict);
    press(&mut this, 0, DUE + MIN);
    let mut config = round(Order::Strict);
    // Its checkpoints stand at other places, and a window is added that passed this morning.
    config.checkpoints.rotate_left(1);
    config.rounds[0].checkpoints = vec![2, 0, 1];
    let morning = Weekly { days: Days::ALL, from: 8 * 60, until: 9 * 60 };
    config.rounds[0].starts.push(morning);
    this.ms = DUE + 2 * MIN;
    let effects = this.site.reconfigure(config.clone(), &now(this.ms));
    assert!(this.take(effects).is_empty(), "what did not change does not notice");
    assert!(press(&mut this, 0, DUE + 5 * MIN).is_empty(), "the garage, at its new place");
    // It goes another way from now on.
    config.rounds[0].checkpoints = vec![2, 1];
    let effects = this.site.reconfigure(config.clone(), &now(this.ms));
    assert_eq!(this.take(effects), ["evening round.missed"]);
    press(&mut this, 2, DUE + 86_400_000 + MIN);
    config.rounds.clear();
    let effects = this.site.reconfigure(config, &now(this.ms));
    assert_eq!(this.take(effects), ["evening round.missed"]);
    assert!(!this.kept.contains_key("round/evening"), "something of it is left behind");
}
