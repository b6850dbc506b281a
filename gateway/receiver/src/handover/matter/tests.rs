use gatehouse_core::contract::AlarmOp;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use serde_json::json;

use super::*;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn offer() -> Offer {
    let incident = json!({"id": "a1", "phase": "active", "danger": "burglary", "class": "alarm",
        "severity": 1, "since": "2026-11-29T00:00:00.000Z", "sources": [], "open": []});
    Offer {
        district: id("d-1"),
        site: id("s-1"),
        gateway: id("g-1"),
        incident: serde_json::from_value(incident).unwrap(),
        operator: "op-7".into(),
        bundle: vec![],
    }
}

/// Both sides of one offer: the giver's and the taker's.
fn both() -> (Handover, Handover) {
    let mut taker = Handover::taking(id("h-1"), id("north"), &offer(), UtcMs(1000));
    taker.heard = 1;
    let mut giver = Handover::giving(id("h-1"), id("south"), &offer(), UtcMs(900));
    giver.said = 1;
    (giver, taker)
}

fn act(op: AlarmOp) -> Act {
    Act { op, operator: "op-9".into(), text: None, reason: None }
}

fn event(seq: u64, kind: &str, by: &str) -> Event {
    let body = json!({"v": 1, "gw": "g-1", "session": 1, "seq": seq, "prev": "00", "id": "x",
        "class": "arm", "type": kind, "qualifier": "status", "severity": 4,
        "source": {"kind": "incident", "id": "a1"}, "actor": by, "test": false, "cause": "patrol goes",
        "time": {"utc": "2026-11-29T00:00:05.000Z", "boot": "b", "mono_ns": 1, "clock": "synced"}});
    serde_json::from_value(body).unwrap()
}

#[test]
fn only_the_takers_word_makes_it_the_takers_and_only_once() {
    let (mut giver, mut taker) = both();
    assert!(!giver.is_theirs() && giver.is_open());
    let said = taker.accept("op-9", UtcMs(2000)).unwrap();
    assert!(!giver.is_theirs(), "accepted there is not heard of here");
    assert!(giver.hear(said, UtcMs(2000), &id("north"), UtcMs(2100)).is_empty());
    assert!(giver.is_theirs());
    assert_eq!(giver.answered, Some(Mark { by: "op-9@south".into(), at: UtcMs(2100) }));
    assert_eq!(taker.accept("op-8", UtcMs(3000)), Err(NotNow::State(id("h-1"), State::Accepted)));
    assert!(giver.accept("op-7", UtcMs(3000)).is_err(), "the giver does not answer itself");
    // A refusal that comes after it has no effect.
    let late = Said::Refused { operator: None, why: "x".into() };
    giver.hear(late, UtcMs(3000), &id("north"), UtcMs(3000));
    assert!(giver.is_theirs());
}

#[test]
fn a_refusal_leaves_it_with_the_giver_and_says_why() {
    let (mut giver, mut taker) = both();
    let said = taker.refuse(Some("op-9"), "not our street", UtcMs(2000)).unwrap();
    giver.hear(said, UtcMs(2000), &id("north"), UtcMs(2100));
    assert_eq!((giver.state, giver.why.as_deref()), (State::Refused, Some("not our street")));
    assert!(!giver.is_theirs() && !giver.is_open());
    assert!(taker.ask(act(AlarmOp::Ack), UtcMs(2200)).is_err());
}

#[test]
fn an_act_is_done_once_and_one_that_comes_late_or_before_the_word_is_told_so() {
    let (mut giver, mut taker) = both();
    let early = Said::Act(act(AlarmOp::Ack));
    let told = giver.hear(early, UtcMs(0), &id("north"), UtcMs(10));
    let refused = |act, why: &str| vec![Said::Done { act, seq: None, error: Some(why.to_owned()) }];
    assert_eq!(told, refused(1, "not_accepted"));
    assert_eq!(taker.ask(act(AlarmOp::Ack), UtcMs(1)), Err(NotNow::NotAccepted(id("h-1"))));
    let word = taker.accept("op-9", UtcMs(2000)).unwrap();
    giver.hear(word, UtcMs(2000), &id("north"), UtcMs(2000));
    // Number 3 by the giver's count; in the taker's it is number 2.
    taker.said = 2;
    let said = taker.ask(act(AlarmOp::Ack), UtcMs(3000)).unwrap();
    assert!(
        giver.hear(said.clone(), UtcMs(3000), &id("north"), UtcMs(3000 + ACT_LIVES_MS)).is_empty()
    );
    let done = giver.outcome(3, Outcome::Done(Seq(9))).unwrap();
    assert_eq!(giver.outcome(3, Outcome::Failed("x".into())), None, "it has an outcome");
    taker.hear(done, UtcMs(0), &id("south"), UtcMs(0));
    assert_eq!(taker.acts[0].outcome, Some(Outcome::Done(Seq(9))));
    let late = giver.hear(said, UtcMs(3000), &id("north"), UtcMs(3001 + ACT_LIVES_MS));
    assert_eq!(late, refused(4, "expired"));
    // A note is worth reading whenever it comes.
    let note = Said::Act(act(AlarmOp::Note));
    assert!(giver.hear(note, UtcMs(0), &id("north"), UtcMs(10 * ACT_LIVES_MS)).is_empty());
}

#[test]
fn both_rooms_acts_stand_in_both_histories_under_their_rooms_names() {
    let (mut giver, mut taker) = both();
    let events = [
        event(5, "incident.noted", "op-7"),
        event(6, "incident.acked", "op-9@south"),
        event(6, "incident.acked", "op-9@south"),
        event(7, "incident.closed", "op-9@south"),
    ];
    for one in &events {
        giver.happened(one, &id("north"));
        let body = serde_json::to_string(one).unwrap();
        taker.hear(Said::Event { body }, UtcMs(0), &id("south"), UtcMs(0));
    }
    let by = |of: &Handover| -> Vec<_> {
        of.history.iter().map(|entry| (entry.seq.0, entry.by.clone().unwrap())).collect()
    };
    let told = |all: [(u64, &str); 3]| all.map(|(seq, by)| (seq, by.to_owned())).to_vec();
    assert_eq!(by(&giver), told([(5, "op-7"), (6, "op-9@south"), (7, "op-9@south")]));
    assert_eq!(by(&taker), told([(5, "op-7@north"), (6, "op-9"), (7, "op-9")]));
    assert_eq!(taker.incident.notes[0].text, "patrol goes");
    assert_eq!((giver.state, taker.state), (State::Ended, State::Ended));
    // The word that crossed the end changes nothing.
    giver.hear(Said::Accepted { operator: "op-9".into() }, UtcMs(0), &id("north"), UtcMs(0));
    assert_eq!(giver.state, State::Ended);
}

#[test]
fn an_offer_that_is_taken_back_stays_the_givers_whatever_crosses_it() {
    let (mut giver, mut taker) = both();
    let word = taker.accept("op-9", UtcMs(2000)).unwrap();
    let back = giver.withdraw("op-7", UtcMs(2000)).unwrap();
    giver.hear(word, UtcMs(2000), &id("north"), UtcMs(2100));
    taker.hear(back, UtcMs(2000), &id("south"), UtcMs(2100));
    assert_eq!((giver.state, taker.state), (State::Withdrawn, State::Withdrawn));
    assert!(!giver.is_theirs() && taker.ask(act(AlarmOp::Ack), UtcMs(2200)).is_err());
    assert_eq!(taker.answered.clone().unwrap().by, "op-7@north");
    assert!(taker.withdraw("op-9", UtcMs(1)).is_err(), "it is not the taker's to withdraw");
    let (mut giver, _) = both();
    giver.hear(Said::Accepted { operator: "op-9".into() }, UtcMs(0), &id("north"), UtcMs(0));
    assert_eq!(giver.withdraw("op-7", UtcMs(9)), Err(NotNow::State(id("h-1"), State::Accepted)));
}
