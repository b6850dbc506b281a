use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::{Event, Flag, GENESIS, Qualifier, Stamp, Transition, render};
use crate::id::Seq;
use crate::time::{ClockState, UtcMs};

const S: u64 = 1_000_000_000;

fn site(doors: usize) -> Site {
    let door = |n: usize| DoorConfig {
        held_open: Some(Duration::from_secs(60)),
        ..DoorConfig::new(format!("door-{n}").parse().unwrap(), format!("sim:{n}"))
    };
    Site::new(SiteConfig { doors: (0..doors).map(door).collect(), ..SiteConfig::default() }, "boot")
}

fn now(s: u64) -> Now {
    let utc = UtcMs(i64::try_from(s).unwrap() * 1000);
    Now { mono: Mono(s * S), utc, err_ms: Some(5), clock: ClockState::Synced }
}

fn contact(contact: Contact, s: u64) -> Input {
    Input::Contact { door: 0, contact, at: Mono(s * S), resynced: false }
}

fn kinds(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| effect.record().map(|draft| draft.kind.to_string()))
        .collect()
}

#[test]
fn a_door_that_opens_and_closes_gives_an_event_and_its_restore() {
    let mut site = site(1);
    site.apply(contact(Contact::Closed, 1), &now(1));
    let effects = site.apply(contact(Contact::Open, 5), &now(6));
    let [Effect::Record(opened), Effect::State { state, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((&*opened.kind, *state), ("door.opened", "open"));
    // The time is the edge's, not the time of looking at it.
    assert_eq!((opened.time.mono_ns, opened.time.utc), (Mono(5 * S), UtcMs(5000)));
    let effects = site.apply(contact(Contact::Closed, 9), &now(9));
    let Effect::Record(closed) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((closed.qualifier, closed.closes), (Qualifier::Restore, Some("door.opened")));
}

#[test]
fn held_open_is_told_at_its_time_even_when_nobody_ticked() {
    let mut site = site(1);
    site.apply(contact(Contact::Open, 10), &now(10));
    assert_eq!(site.next_deadline(), Some(Mono(70 * S)));
    assert!(kinds(&site.apply(Input::Tick, &now(69))).is_empty());
    // The close is seen late, at 90 s: the door was held open before.
    let effects = site.apply(contact(Contact::Closed, 80), &now(90));
    assert_eq!(kinds(&effects), ["door.held_open", "door.held_open_ended", "door.closed"]);
    let Effect::Record(held) = &effects[0] else { panic!() };
    assert_eq!(held.time.mono_ns, Mono(70 * S));
}

#[test]
fn a_close_before_the_limit_that_is_seen_after_it_is_not_held_open() {
    let mut site = site(1);
    site.apply(contact(Contact::Open, 10), &now(10));
    let effects = site.apply(contact(Contact::Closed, 69), &now(75));
    assert_eq!(kinds(&effects), ["door.closed"]);
}

#[test]
fn the_first_reading_of_a_door_that_the_record_does_not_know_is_recorded() {
    let first = |is| {
        let mut site = site(1);
        site.apply(Input::Recall { door: 0, state: DoorState::Unknown }, &now(1));
        let effects = site.apply(contact(is, 2), &now(2));
        let [Effect::Record(found), Effect::State { .. }] = &effects[..] else {
            panic!("{effects:?}")
        };
        // Again, and after it was lost for a while: nothing more to find.
        assert!(kinds(&site.apply(contact(is, 3), &now(3))).is_empty());
        site.apply(contact(Contact::Unknown, 4), &now(4));
        assert_eq!(kinds(&site.apply(contact(is, 5), &now(5))), ["door.known"]);
        found.clone()
    };
    let closed = first(Contact::Closed);
    assert_eq!(
        (&*closed.kind, closed.qualifier, closed.severity),
        ("door.found", Qualifier::Status, 5)
    );
    assert_eq!(closed.state, Some(Transition { from: "unknown".into(), to: "closed".into() }));
    assert!(closed.flags.is_empty(), "nobody knows whether it moved while the box was down");
    // An open door gets a beginning, which its closing can end.
    let open = first(Contact::Open);
    assert_eq!((&*open.kind, open.qualifier), ("door.opened", Qualifier::New));
    assert_eq!(open.state, Some(Transition { from: "unknown".into(), to: "open".into() }));
    assert!(open.flags.is_empty());
}

#[test]
fn a_door_never_used_and_opened_while_the_box_was_down_is_told_as_such() {
    let mut before = site(1);
    let effects = before.apply(contact(Contact::Closed, 1), &now(1));
    let Effect::Record(found) = effects[0].clone() else { panic!("{effects:?}") };
    let gateway = "g".parse().unwrap();
    let stamp = Stamp { gateway: &gateway, session: 1, seq: Seq(1), prev: GENESIS };
    let event: Event = serde_json::from_slice(&render(&stamp, &found).unwrap()).unwrap();

    let mut site = site(1);
    site.apply(Input::Recall { door: 0, state: recalled([&event]) }, &now(1));
    let effects = site.apply(contact(Contact::Open, 2), &now(2));
    let Effect::Record(opened) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((&*opened.kind, &opened.flags[..]), ("door.opened", &[Flag::WhileDown][..]));
    assert_eq!(opened.state, Some(Transition { from: "closed".into(), to: "open".into() }));
}

#[test]
fn a_door_opened_while_the_box_was_down_is_told_as_such() {
    let mut site = site(1);
    site.apply(Input::Recall { door: 0, state: DoorState::Closed }, &now(1));
    let effects = site.apply(contact(Contact::Open, 2), &now(2));
    let Effect::Record(opened) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((&*opened.kind, &opened.flags[..]), ("door.opened", &[Flag::WhileDown][..]));
}

#[test]
fn a_door_found_as_it_was_left_makes_no_event() {
    for (state, is) in [(DoorState::Closed, Contact::Closed), (DoorState::Open, Contact::Open)] {
        let mut site = site(1);
        site.apply(Input::Recall { door: 0, state }, &now(1));
        assert!(kinds(&site.apply(contact(is, 2), &now(2))).is_empty());
        assert_eq!(site.door_states().next().unwrap().1, state);
    }
}

#[test]
fn a_door_held_open_before_the_restart_and_closed_after_it_gets_both_restores() {
    let mut site = site(1);
    site.apply(Input::Recall { door: 0, state: DoorState::HeldOpen }, &now(1));
    let effects = site.apply(contact(Contact::Closed, 2), &now(2));
    assert_eq!(kinds(&effects), ["door.held_open_ended", "door.closed"]);
}

#[test]
fn a_lost_line_makes_the_door_unknown_and_what_changed_meanwhile_is_found() {
    let mut site = site(1);
    site.apply(contact(Contact::Closed, 1), &now(1));
    assert_eq!(kinds(&site.apply(contact(Contact::Unknown, 2), &now(2))), ["door.unknown"]);
    assert_eq!(site.door_states().next().unwrap().1, DoorState::Unknown);
    // Told once.
    assert!(kinds(&site.apply(contact(Contact::Unknown, 3), &now(3))).is_empty());
    let effects = site.apply(contact(Contact::Open, 4), &now(4));
    assert_eq!(kinds(&effects), ["door.known", "door.opened"]);
    let Effect::Record(opened) = &effects[1] else { panic!() };
    assert_eq!(opened.flags, [Flag::Resynced]);
}

fn input() -> impl Strategy<Value = (u64, Input)> {
    let kinds = prop_oneof![Just(Contact::Unknown), Just(Contact::Closed), Just(Contact::Open)];
    let input = prop_oneof![
        1 => Just(None),
        4 => (0usize..4, kinds, 0u64..3, any::<bool>()).prop_map(Some),
    ];
    (0u64..40, input).prop_map(|(step, input)| match input {
        None => (step, Input::Tick),
        Some((door, contact, late, resynced)) => {
            (step, Input::Contact { door, contact, at: Mono(late * S), resynced })
        }
    })
}

proptest! {
    /// Whatever comes: opened and closed alternate, every restore follows its beginning, the
    /// shown state is the one that the events lead to, and the same inputs give the same effects.
    #[test]
    fn the_record_and_the_state_never_disagree(steps in prop::collection::vec(input(), 1..120)) {
        let (mut a, mut b) = (site(3), site(3));
        let mut t = 100;
        let mut open = [false; 3];
        let mut held = [false; 3];
        let mut known = [false; 3];
        for (step, input) in steps {
            t += step;
            let input = match input {
                Input::Contact { door, contact, at, resynced } => {
                    let at = Mono((t * S).saturating_sub(at.0));
                    Input::Contact { door, contact, at, resynced }
                }
                other => other,
            };
            let effects = a.apply(input.clone(), &now(t));
            prop_assert_eq!(&effects, &b.apply(input, &now(t)));
            for effect in &effects {
                let Effect::Record(draft) = effect else { continue };
                let n: usize = draft.source.id.as_str()[5..].parse().unwrap();
                // The first that the record says of a door is where it stands; said once.
                let begins = !known[n] && ["door.found", "door.opened"].contains(&&*draft.kind);
                match &*draft.kind {
                    "door.found" => prop_assert!(begins),
                    "door.opened" => prop_assert!(!std::mem::replace(&mut open[n], true)),
                    "door.closed" => prop_assert!(std::mem::replace(&mut open[n], false)),
                    "door.held_open" => {
                        prop_assert!(open[n]);
                        prop_assert!(!std::mem::replace(&mut held[n], true));
                    }
                    "door.held_open_ended" => {
                        prop_assert!(std::mem::replace(&mut held[n], false));
                    }
                    _ => {}
                }
                prop_assert!(std::mem::replace(&mut known[n], true) || begins);
            }
            for (n, (_, state)) in a.door_states().enumerate() {
                match state {
                    DoorState::Unknown => {}
                    DoorState::Closed => prop_assert!(!open[n] && !held[n]),
                    DoorState::Open => prop_assert!(open[n]),
                    DoorState::HeldOpen => prop_assert!(open[n] && held[n]),
                }
            }
            if let Some(deadline) = a.next_deadline() {
                prop_assert!(deadline > now(t).mono);
            }
        }
    }
}
