//! Enrolling a card, and another list of credentials.

use super::*;

fn wish(this: &mut Box_, id: u64, verb: Verb) -> Vec<Effect> {
    let actor = Some("uid-0".to_owned());
    let command = Command { id, via: Via::Cli, actor, verb, at: mono(this) };
    let effects = this.site.apply(Input::Command(command), &now(this.ms));
    this.take(effects.clone());
    effects
}

fn answers(effects: &[Effect]) -> Vec<(u64, Answer)> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer { command, answer } => Some((*command, answer.clone())),
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

fn refused(reason: Refusal) -> Answer {
    Answer::Refused { reason, blockers: Vec::new() }
}

fn enrol(this: &mut Box_, id: u64, reader: usize) -> Vec<(u64, Answer)> {
    answers(&wish(this, id, Verb::Enrol { reader, lasts: LONGEST_ENROL }))
}

#[test]
fn the_next_unknown_card_is_told_opens_nothing_and_is_no_wrong_attempt() {
    let mut this = box_of(house());
    assert_eq!(enrol(&mut this, 7, OUT), []);
    // Whoever is known passes meanwhile as always.
    assert_eq!(show(&mut this, 1), ["access.granted"]);
    for _ in 0..Lockout::default().attempts {
        let shown = shown(&this, OUT, 9);
        let effects = card(&mut this, shown);
        assert_eq!(told(&effects), ["credential.captured"]);
        assert_eq!(answers(&effects), [(7, Answer::Shown { credential: hash(9) })]);
        assert!(!released(&effects));
        assert_eq!(draft(&effects, "credential.captured").actor, Some(hash(9).to_string()));
        // The one after it is a stranger's again.
        assert_eq!(enrol(&mut this, 7, OUT), []);
    }
    let late = Card { late: true, ..shown(&this, OUT, 8) };
    assert_eq!(told(&card(&mut this, late)), ["access.late"], "nobody stands there");
}

#[test]
fn nobody_who_comes_too_late_or_to_another_reader_is_enrolled() {
    let mut this = box_of(house());
    assert_eq!(enrol(&mut this, 7, 9), [(7, refused(Refusal::Unknown))]);
    assert_eq!(enrol(&mut this, 7, OUT), []);
    assert_eq!(enrol(&mut this, 8, OUT), [(8, refused(Refusal::Busy))]);
    let other = shown(&this, IN, 9);
    assert_eq!(told(&card(&mut this, other)), ["access.denied unknown"]);
    this.ms += 60_000;
    let effects = this.site.apply(Input::Tick, &now(this.ms));
    assert_eq!(answers(&effects), [(7, refused(Refusal::TimeOut))]);
    assert_eq!(show(&mut this, 9), ["access.denied unknown"]);
}

#[test]
fn another_list_counts_from_its_event_on_and_the_same_one_is_none() {
    let mut config = house();
    "one".clone_into(&mut config.credentials_hash);
    let mut this = box_of(config);
    this.site.restore([], &id("g"), &now(this.ms));
    let list = vec![Credential::new(hash(9))];
    let load = |hash: &str| Verb::Credentials { list: list.clone(), hash: hash.to_owned() };
    let effects = wish(&mut this, 1, load("one"));
    assert_eq!(answers(&effects), [(1, Answer::Already)]);
    assert!(told(&effects).is_empty());
    assert_eq!(show(&mut this, 1), ["access.granted"]);
    // Who is in the lobby by that is forgotten with the credential.
    contact(&mut this, 0, Contact::Open);
    contact(&mut this, 0, Contact::Closed);
    let effects = wish(&mut this, 2, load("two"));
    assert_eq!(answers(&effects), [(2, Answer::Done)]);
    let changed = draft(&effects, "credentials.changed");
    assert_eq!(changed.actor.as_deref(), Some("uid-0"));
    assert_eq!(
        changed.detail,
        Some(
            serde_json::json!({ "via": "cli", "before": "one", "after": "two", "credentials": 1 })
        )
    );
    let forgotten = Effect::Keep { key: format!("place/{}", hash(1)), value: None };
    assert!(effects.contains(&forgotten), "{effects:?}");
    assert_eq!(show(&mut this, 1), ["access.denied unknown"]);
    assert_eq!(show(&mut this, 9), ["access.granted"]);
    assert_eq!(answers(&wish(&mut this, 3, load("two"))), [(3, Answer::Already)]);
}
