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
fn the_next_unknown_card_is_told_denied_opens_nothing_and_is_no_wrong_attempt() {
    let mut this = box_of(house());
    assert_eq!(enrol(&mut this, 7, OUT), []);
    // Whoever is known passes meanwhile as always.
    assert_eq!(show(&mut this, 1), ["access.granted"]);
    for _ in 0..Lockout::default().attempts {
        let shown = shown(&this, OUT, 9);
        let effects = card(&mut this, shown);
        assert_eq!(told(&effects), ["access.denied unknown", "credential.captured"]);
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
    let changed = Credential { blocked: true, ..Credential::new(hash(2)) };
    let list = vec![changed, Credential::new(hash(9))];
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
    let facts = serde_json::json!({
        "via": "cli", "before": "one", "after": "two", "credentials": 2,
        "added": [hash(9)], "added_count": 1, "removed": [hash(1)], "removed_count": 1,
        "changed": [hash(2)], "changed_count": 1,
    });
    assert_eq!(changed.detail, Some(facts));
    let forgotten = Effect::Keep { key: format!("place/{}", hash(1)), value: None };
    assert!(effects.contains(&forgotten), "{effects:?}");
    assert_eq!(show(&mut this, 1), ["access.denied unknown"]);
    assert_eq!(show(&mut this, 9), ["access.granted"]);
    assert_eq!(answers(&wish(&mut this, 3, load("two"))), [(3, Answer::Already)]);
}

#[test]
fn whoever_wanted_a_card_may_give_up_and_nobody_else_ends_it() {
    let mut this = box_of(house());
    let ask = |this: &mut Box_, actor: &str| {
        let verb = Verb::Enrol { reader: OUT, lasts: Duration::ZERO };
        let actor = Some(actor.to_owned());
        let command = Command { id: 8, via: Via::Web, actor, verb, at: mono(this) };
        let effects = this.site.apply(Input::Command(command), &now(this.ms));
        this.take(effects.clone());
        answers(&effects)
    };
    assert_eq!(ask(&mut this, "uid-0"), [(8, Answer::Already)], "nobody waits");
    assert_eq!(enrol(&mut this, 7, OUT), []);
    assert_eq!(ask(&mut this, "lin"), [(8, Answer::Already)], "it is another's");
    let told_both = [(7, refused(Refusal::TimeOut)), (8, Answer::Done)];
    assert_eq!(ask(&mut this, "uid-0"), told_both);
    assert_eq!(show(&mut this, 9), ["access.denied unknown"], "a stranger's again");
    assert_eq!(enrol(&mut this, 7, OUT), [], "and it may be wanted anew");
}

#[test]
fn a_list_of_thousands_makes_an_event_of_a_bounded_size() {
    let mut config = house();
    "one".clone_into(&mut config.credentials_hash);
    let mut this = box_of(config);
    this.site.restore([], &id("g"), &now(this.ms));
    let list: Vec<_> = (3..=200).map(|n| Credential::new(hash(n))).collect();
    let effects = wish(&mut this, 1, Verb::Credentials { list, hash: "two".to_owned() });
    let detail = draft(&effects, "credentials.changed").detail.as_ref().unwrap();
    assert_eq!(detail["added"].as_array().map(Vec::len), Some(16));
    assert_eq!((&detail["added_count"], &detail["removed_count"]), (&198.into(), &2.into()));
}
