//! Each refusal by its name, and what holds of any commands in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::time::UtcMs;

const S: i64 = 1_000;
const NOW_MS: i64 = 1_790_000_000 * S;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn now(after_s: i64) -> Now {
    Now {
        mono: Mono(u64::try_from(1_000 + after_s).unwrap() * 1_000_000_000),
        utc: UtcMs(NOW_MS + after_s * S),
        err_ms: Some(50),
        clock: ClockState::Synced,
    }
}

fn untrusted() -> Now {
    Now { clock: ClockState::Never, err_ms: None, ..now(0) }
}

fn command(verb: &str, args: Value) -> Command {
    let Value::Object(args) = args else { panic!("{args}") };
    Command {
        verb: verb.to_owned(),
        args,
        issued: UtcMs(NOW_MS - S),
        expires: Some(UtcMs(NOW_MS + 30 * S)),
        nonce: None,
        operator: "op-7".to_owned(),
        role: None,
        sig: None,
    }
}

fn order(id: &str, command: Command) -> Order {
    Order {
        id: id.parse().unwrap(),
        said: Ok(command),
        signed: Signed::No,
        fresh: Fresh::Unknown,
        retained: false,
    }
}

fn disarm() -> Command {
    command("disarm", json!({ "partition": "flat" }))
}

fn arm() -> Command {
    command("arm", json!({ "partition": "flat" }))
}

/// A site that lets operators do everything, and guards arm.
fn rights() -> Rights {
    Rights {
        roles: vec![
            Role { id: id("operator"), verbs: Verbs::ALL },
            Role { id: id("guard"), verbs: Verbs::of([Verb::Arm]) },
        ],
        lowering: Lowerings::of([
            Lowering::Disarm,
            Lowering::Bypass,
            Lowering::Output,
            Lowering::Config,
        ]),
        signed: false,
    }
}

fn judge(rights: Rights, order: &Order, now: &Now) -> Verdict {
    Commands::new(rights).judge(order, "boot", now)
}

fn refused(order: &Order) -> Option<Reason> {
    refused_at(rights(), order, &now(0))
}

fn refused_at(rights: Rights, order: &Order, now: &Now) -> Option<Reason> {
    match judge(rights, order, now) {
        Verdict::Told(Outcome { status: CommandStatus::Refused, reason, .. }) => reason,
        Verdict::Accept(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_command_is_accepted() {
    assert_eq!(refused(&order("c-1", disarm())), None);
    assert_eq!(refused(&order("c-1", arm())), None);
}

#[test]
fn a_retained_command_does_nothing_and_is_told_once() {
    let mut commands = Commands::new(rights());
    let kept = Order { retained: true, ..order("c-1", disarm()) };
    let Verdict::Told(told) = commands.judge(&kept, "boot", &now(0)) else { panic!() };
    assert_eq!(told, Outcome::refused(Reason::Retained, None));
    // It comes again with each connection.
    assert_eq!(commands.judge(&kept, "boot", &now(9)), Verdict::Untold(None));
    assert_eq!(commands.remembered(), 0, "the same id is good for one that is not retained");
}

#[test]
fn an_expired_command_is_never_carried_out() {
    for late in [31, 30, 3_600] {
        let Verdict::Told(told) = judge(rights(), &order("c-1", arm()), &now(late)) else {
            panic!("{late}")
        };
        assert_eq!((told.status, told.reason), (CommandStatus::Expired, Some(Reason::Late)));
    }
    // With a clock that may be a second behind, the last second is too late.
    let unsure = Now { err_ms: Some(1_000), ..now(29) };
    assert!(matches!(judge(rights(), &order("c-1", arm()), &unsure), Verdict::Told(_)));
    assert!(matches!(judge(rights(), &order("c-1", arm()), &now(29)), Verdict::Accept(_)));
}

#[test]
fn a_command_of_the_future_is_refused() {
    let (issued, expires) = (UtcMs(NOW_MS + 61 * S), Some(UtcMs(NOW_MS + 90 * S)));
    let ahead = order("c-1", Command { issued, expires, ..arm() });
    assert_eq!(refused(&ahead), Some(Reason::NotYet));
    let issued = UtcMs(NOW_MS + 60 * S);
    assert_eq!(refused(&order("c-1", Command { issued, expires, ..arm() })), None);
}

#[test]
fn a_command_without_expiry_is_refused() {
    let endless = order("c-1", Command { expires: None, ..arm() });
    assert_eq!(refused(&endless), Some(Reason::NoExpiry));
    assert_eq!(refused_at(rights(), &endless, &untrusted()), Some(Reason::NoExpiry));
}

#[test]
fn a_command_that_would_outlive_the_memory_of_its_id_is_refused() {
    let day = i64::try_from(REMEMBERED.as_millis()).unwrap();
    let until = |ms| order("c-1", Command { expires: Some(UtcMs(NOW_MS - S + ms)), ..arm() });
    assert_eq!(refused(&until(day)), None);
    assert_eq!(refused(&until(day + 1)), Some(Reason::BadExpiry));
    assert_eq!(refused(&until(0)), Some(Reason::BadExpiry));
}

#[test]
fn a_second_command_of_the_same_id_is_a_duplicate_whatever_it_wants() {
    let mut commands = Commands::new(rights());
    let first = order("c-1", disarm());
    assert!(matches!(commands.judge(&first, "boot", &now(0)), Verdict::Accept(_)));
    commands.over(&id("c-1"), &Outcome::done(None), "boot", &now(0));
    for again in [first, order("c-1", arm())] {
        // Also when it would be late by now.
        for at in [1, 3_600] {
            let Verdict::Told(told) = commands.judge(&again, "boot", &now(at)) else { panic!() };
            assert_eq!(told.status, CommandStatus::Duplicate);
            assert_eq!(told.detail, Some(json!({ "was": "done", "reason": null })));
        }
    }
    // A day later its id is forgotten, and its command has long been late.
    let again = order("c-2", Command { expires: Some(UtcMs(NOW_MS + 87_000 * S)), ..arm() });
    let again = Order {
        said: again.said.map(|command| Command { issued: UtcMs(NOW_MS + 86_400 * S), ..command }),
        ..again
    };
    assert!(matches!(commands.judge(&again, "boot", &now(86_401)), Verdict::Accept(_)));
    let Verdict::Told(told) = commands.judge(&order("c-1", arm()), "boot", &now(86_402)) else {
        panic!()
    };
    assert_eq!(told.status, CommandStatus::Expired);
}

#[test]
fn an_unknown_verb_and_wrong_arguments_are_refused_with_what_is_allowed() {
    let Verdict::Told(told) = judge(rights(), &order("c", command("open", json!({}))), &now(0))
    else {
        panic!()
    };
    assert_eq!(told.reason, Some(Reason::UnknownVerb));
    assert!(told.detail.unwrap()["verbs"].as_array().unwrap().contains(&json!("config.get")));
    let wrong = command("arm", json!({ "partition": "flat", "forse": true }));
    let Verdict::Told(told) = judge(rights(), &order("c", wrong), &now(0)) else { panic!() };
    assert_eq!(told.reason, Some(Reason::BadArgs));
    assert!(told.detail.unwrap()["why"].as_str().unwrap().contains("forse"));
}

#[test]
fn a_role_does_what_the_site_lets_it_do_and_an_unknown_one_nothing() {
    let as_role = |role: &str, command| order("c", Command { role: Some(id(role)), ..command });
    assert_eq!(refused(&as_role("guard", arm())), None);
    assert_eq!(refused(&as_role("guard", disarm())), Some(Reason::NotAllowed));
    assert_eq!(refused(&as_role("chief", arm())), Some(Reason::UnknownRole));
    assert_eq!(
        refused_at(Rights::default(), &order("c", arm()), &now(0)),
        Some(Reason::UnknownRole)
    );
}

#[test]
fn what_lowers_protection_is_off_unless_the_site_allows_it() {
    let usual = || Rights { lowering: Lowerings::default(), ..rights() };
    for (verb, args) in [
        ("disarm", json!({ "partition": "flat" })),
        ("bypass", json!({ "zone": "hall" })),
        ("output", json!({ "door": "gate" })),
        ("config.get", json!({})),
        ("config.propose", json!({ "text": "x" })),
        ("config.confirm", json!({ "hash": "0123456789abcdef" })),
    ] {
        let order = order("c", command(verb, args));
        assert_eq!(refused_at(usual(), &order, &now(0)), Some(Reason::LowersProtection), "{verb}");
        assert_eq!(refused(&order), None, "{verb}");
    }
    assert_eq!(refused_at(usual(), &order("c", arm()), &now(0)), None);
}

#[test]
fn without_a_trusted_clock_what_must_not_be_late_needs_a_nonce() {
    let poor = Now { err_ms: Some(TRUSTED_ERR_MS + 1), ..now(0) };
    for blind in [untrusted(), poor] {
        let with = |fresh| {
            let order = Order { fresh, ..order("c", disarm()) };
            refused_at(rights(), &order, &blind)
        };
        assert_eq!(with(Fresh::Unknown), Some(Reason::NoNonce));
        assert_eq!(with(Fresh::Yes), None);
        assert_eq!(refused_at(rights(), &order("c", arm()), &blind), None, "it protects");
    }
}

#[test]
fn a_stale_nonce_is_no_nonce() {
    let stale = Order { fresh: Fresh::No, ..order("c", disarm()) };
    assert_eq!(refused_at(rights(), &stale, &untrusted()), Some(Reason::StaleNonce));
    assert_eq!(refused(&stale), None, "a trusted clock needs none");
}

#[test]
fn a_wrong_signature_is_refused_also_where_none_is_needed() {
    let wrong = Order { signed: Signed::Wrong, ..order("c", arm()) };
    assert_eq!(refused(&wrong), Some(Reason::BadSignature));
}

#[test]
fn an_unsigned_command_is_refused_where_the_site_wants_signatures() {
    let strict = || Rights { signed: true, ..rights() };
    assert_eq!(refused_at(strict(), &order("c", arm()), &now(0)), Some(Reason::Unsigned));
    let signed = Signed::By { key: id("k"), role: id("operator") };
    let signed = Order { signed, ..order("c", arm()) };
    assert_eq!(refused_at(strict(), &signed, &now(0)), None);
}

#[test]
fn a_foreign_key_and_a_key_of_another_role_are_refused() {
    let foreign = Order { signed: Signed::Foreign, ..order("c", arm()) };
    assert_eq!(refused(&foreign), Some(Reason::ForeignKey));
    let signed = Signed::By { key: id("k"), role: id("guard") };
    let other = Order { signed, ..order("c", arm()) };
    assert_eq!(refused(&other), Some(Reason::KeyOfAnotherRole));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for reason in [Reason::Malformed, Reason::TooLarge] {
        assert_eq!(refused(&Order { said: Err(reason), ..order("c", arm()) }), Some(reason));
    }
    for who in ["", "Li Wei", "a\u{7}", &"x".repeat(65)] {
        let order = order("c", Command { operator: who.to_owned(), ..arm() });
        assert_eq!(refused(&order), Some(Reason::Malformed), "{who:?}");
    }
}

#[test]
fn a_flood_is_refused_without_events_and_ends_by_itself() {
    let mut commands = Commands::new(rights());
    let mut next = 0;
    let mut one = |at| {
        next += 1;
        commands.judge(&order(&format!("c-{next}"), arm()), "boot", &now(at))
    };
    let taken = (0..100).filter(|_| matches!(one(0), Verdict::Accept(_))).count();
    assert_eq!(taken, usize::try_from(BURST).unwrap());
    let busy = Verdict::Untold(Some(Outcome::refused(Reason::Busy, None)));
    assert_eq!(one(0), busy);
    assert!(matches!(one(1), Verdict::Accept(_)));
    assert_eq!(one(1), busy);
}

#[test]
fn a_full_memory_forgets_nothing_that_could_still_be_carried_out() {
    let mut commands = Commands::new(rights());
    let at = |n: usize| i64::try_from(n).unwrap();
    let lasting = |n: usize| {
        let issued = UtcMs(NOW_MS + at(n) * S);
        let expires = Some(UtcMs(NOW_MS + at(n) * S + 3_600 * S));
        order(&format!("c-{n}"), Command { issued, expires, ..arm() })
    };
    for n in 0..MAX_REMEMBERED {
        assert!(matches!(commands.judge(&lasting(n), "boot", &now(at(n))), Verdict::Accept(_)));
    }
    let busy = Verdict::Told(Outcome::refused(Reason::Busy, None));
    assert_eq!(commands.judge(&lasting(2_000), "boot", &now(2_000)), busy);
    // The first one is late by now: it cannot come back.
    assert!(matches!(commands.judge(&lasting(3_600), "boot", &now(3_601)), Verdict::Accept(_)));
    assert_eq!(commands.remembered(), MAX_REMEMBERED);
}

/// What the journal would hold.
type Kept = BTreeMap<String, String>;

fn keep(commands: &mut Commands, kept: &mut Kept) {
    for (key, value) in commands.changes() {
        match value {
            Some(value) => drop(kept.insert(key, value)),
            None => drop(kept.remove(&key)),
        }
    }
}

fn restarted(kept: &Kept, rights: Rights, boot: &str, now: &Now) -> Commands {
    let mut commands = Commands::new(rights);
    for (key, value) in kept {
        let id = key.strip_prefix("command/").unwrap();
        assert!(commands.restore(id, value, boot, now).unwrap());
    }
    commands
}

#[derive(Clone, Debug)]
enum Step {
    /// An id, a verb, seconds until it expires, whether it is fresh.
    Command(u8, u8, i64, bool),
    /// So many seconds pass.
    Wait(i64),
    /// The daemon is killed; in another boot or in the same.
    Restart(bool),
    /// The clock is trusted, or not.
    Clock(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..12u8, 0..16u8, -5..100i64, any::<bool>())
            .prop_map(|(id, verb, expires, fresh)| Step::Command(id, verb, expires, fresh)),
        2 => (0..40i64).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => any::<bool>().prop_map(Step::Clock),
    ];
    proptest::collection::vec(step, 1..80)
}

fn args(verb: Verb) -> Value {
    match verb {
        Verb::Arm | Verb::Disarm => json!({ "partition": "flat" }),
        Verb::Bypass | Verb::Unbypass => json!({ "zone": "hall" }),
        Verb::Snapshot | Verb::Clip => json!({ "camera": "c1" }),
        Verb::Resend => json!({ "from": 1, "to": 9 }),
        Verb::WalkTest => json!({ "partition": "flat", "minutes": 30 }),
        Verb::Challenge => json!({ "nonce": "n-1" }),
        Verb::Output => json!({ "door": "gate" }),
        Verb::ConfigPropose => json!({ "text": "x" }),
        Verb::ConfigConfirm => json!({ "hash": "0123456789abcdef" }),
        Verb::Silence | Verb::State | Verb::ConfigGet | Verb::Diag => json!({}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_id_is_carried_out_twice_and_nothing_late_whatever_happens(steps in steps()) {
        let lowering = Lowerings::of([Lowering::Disarm, Lowering::Output]);
        let rights = || Rights { lowering, ..rights() };
        let (mut commands, mut kept) = (Commands::new(rights()), Kept::new());
        let (mut at, mut boots, mut trusted) = (0, 0, true);
        let mut carried_out = std::collections::BTreeSet::new();
        for step in steps {
            let boot = format!("boot-{boots}");
            let clock = |at| if trusted { now(at) } else { Now { mono: now(at).mono, ..untrusted() } };
            match step {
                Step::Wait(seconds) => at += seconds,
                Step::Clock(is) => trusted = is,
                Step::Restart(another) => {
                    boots += i64::from(another);
                    commands = restarted(&kept, rights(), &format!("boot-{boots}"), &clock(at));
                }
                Step::Command(number, verb, expires, fresh) => {
                    let verb = Verb::ALL[usize::from(verb)];
                    let issued = UtcMs(NOW_MS + (at - 10) * S);
                    let until = UtcMs(NOW_MS + (at + expires) * S);
                    let one = Command {
                        issued, expires: Some(until), ..command(verb.as_str(), args(verb))
                    };
                    let fresh = if fresh { Fresh::Yes } else { Fresh::No };
                    let one = Order { fresh, ..order(&format!("c-{number}"), one) };
                    match commands.judge(&one, &boot, &clock(at)) {
                        Verdict::Accept(wanted) => {
                            prop_assert_eq!(wanted.verb(), verb);
                            prop_assert!(carried_out.insert(number), "twice: {}", number);
                            prop_assert!(!trusted || expires > 0, "late: {}", expires);
                            let good = trusted || fresh == Fresh::Yes || !verb.must_not_be_late();
                            prop_assert!(good, "without a clock: {verb:?}");
                            prop_assert!(rights().allows(verb));
                        }
                        Verdict::Told(told) if carried_out.contains(&number) => {
                            prop_assert_eq!(told.status, CommandStatus::Duplicate);
                        }
                        Verdict::Told(told) => {
                            prop_assert_ne!(told.status, CommandStatus::Duplicate);
                        }
                        Verdict::Untold(told) => {
                            prop_assert_eq!(told.and_then(|told| told.reason), Some(Reason::Busy));
                        }
                    }
                    keep(&mut commands, &mut kept);
                    prop_assert_eq!(kept.len(), commands.remembered());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_a_command_or_none_and_a_command_is_written_as_it_was_read(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "\\PC{0,200}",
    ) {
        for bytes in [&bytes[..], text.as_bytes()] {
            if let Ok(command) = serde_json::from_slice::<Command>(bytes) {
                let again = serde_json::to_vec(&command).unwrap();
                prop_assert_eq!(serde_json::from_slice::<Command>(&again).unwrap(), command);
            }
        }
    }
}
