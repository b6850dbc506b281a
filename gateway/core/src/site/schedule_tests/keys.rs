//! Key switches: only an edge that was seen, in time, acts.

use super::*;

fn with(motion: KeyMotion) -> World {
    let mut site = config(Vec::new());
    site.key_switches.push(KeySwitchConfig {
        id: id("gate-key"),
        driver: "sim:9".into(),
        partition: 0,
        mode: Mode::Away,
        motion,
        arms: true,
        disarms: true,
        stuck: Duration::from_secs(30),
    });
    World::new(site, "2026-03-10T12:00:00Z")
}

impl World {
    fn key(&mut self, turned: Option<bool>) -> Vec<String> {
        let at = self.now().mono;
        self.put(Input::KeySwitch { switch: 0, turned, at, resynced: false });
        self.told()
    }
}

#[test]
fn a_momentary_switch_arms_and_disarms_in_turn() {
    let mut flat = with(KeyMotion::Momentary);
    assert!(flat.key(Some(false)).is_empty());
    assert_eq!(flat.key(Some(true)), ["partition.armed"]);
    assert_eq!(flat.drafts.last().unwrap().detail.as_ref().unwrap()["via"], "key-switch");
    assert!(flat.key(Some(false)).is_empty());
    assert_eq!(flat.key(Some(true)), ["partition.disarmed"]);
}

#[test]
fn a_maintained_switch_found_turned_says_nothing_and_only_its_edges_act() {
    let mut flat = with(KeyMotion::Maintained);
    assert!(flat.key(Some(true)).is_empty());
    assert_eq!(flat.mode(), Mode::Disarmed);
    flat.arm(Mode::Away);
    flat.told();
    // After a restart and after a lost line it is found at rest: that disarms nothing.
    flat.dark(1_000);
    assert!(flat.key(Some(false)).is_empty());
    flat.key(None);
    assert!(flat.key(Some(false)).is_empty());
    assert_eq!(flat.mode(), Mode::Away);
    assert!(flat.key(Some(true)).is_empty(), "armed already");
    assert_eq!(flat.key(Some(false)), ["partition.disarmed"]);
    assert_eq!(flat.key(Some(true)), ["partition.armed"]);
}

#[test]
fn a_late_edge_and_one_that_was_not_seen_do_nothing() {
    let mut flat = with(KeyMotion::Momentary);
    flat.key(Some(false));
    let at = flat.now().mono;
    flat.pass(6_000);
    flat.told();
    flat.put(Input::KeySwitch { switch: 0, turned: Some(true), at, resynced: false });
    assert_eq!(flat.told(), ["key_switch.late"]);
    flat.key(Some(false));
    let at = flat.now().mono;
    flat.put(Input::KeySwitch { switch: 0, turned: Some(true), at, resynced: true });
    assert!(flat.told().is_empty());
    assert_eq!(flat.mode(), Mode::Disarmed);
}

#[test]
fn a_switch_that_stays_turned_is_stuck_until_it_is_at_rest_also_over_a_restart() {
    let mut flat = with(KeyMotion::Momentary);
    flat.key(Some(false));
    flat.key(Some(true));
    flat.pass(29_999);
    assert!(flat.told().is_empty());
    flat.pass(1);
    assert_eq!(flat.told(), ["key_switch.stuck"]);
    flat.dark(1_000);
    assert!(flat.key(Some(true)).is_empty());
    flat.pass(60_000);
    assert!(flat.told().is_empty(), "it was told");
    assert_eq!(flat.key(Some(false)), ["key_switch.stuck_restored"]);
    assert!(flat.kept.keys().all(|key| !key.starts_with("key-switch")));
}

#[test]
fn a_key_does_not_arm_what_is_not_ready_and_that_is_told() {
    let mut flat = with(KeyMotion::Momentary);
    flat.key(Some(false));
    flat.window(Condition::Active);
    flat.told();
    assert_eq!(flat.key(Some(true)), ["partition.arm_failed"]);
    assert_eq!(flat.mode(), Mode::Disarmed);
}

#[test]
fn a_key_that_only_arms_never_disarms() {
    let mut flat = with(KeyMotion::Maintained);
    flat.config.key_switches[0].disarms = false;
    flat.dark(1_000);
    flat.key(Some(false));
    assert_eq!(flat.key(Some(true)), ["partition.armed"]);
    assert!(flat.key(Some(false)).is_empty());
    assert_eq!(flat.mode(), Mode::Away);
}
