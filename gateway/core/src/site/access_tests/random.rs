//! Random houses, random inputs: what must hold whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::event::Lane;
use crate::site::zone_tests::random::{begins_and_ends, cases};
use crate::time::UtcMs;

#[derive(Clone, Debug)]
pub(in crate::site) enum Op {
    Contact(usize, Contact),
    Rex(bool),
    /// A card (of four known ones and two unknown) at a reader, with a PIN or not; so old, in ms.
    Card(usize, u8, Option<&'static str>, u64),
    Status(usize, ReaderPart, bool),
    Release(usize, u64),
    Arm,
    Disarm,
    Tick,
    /// The wall clock steps by so many seconds.
    Step(i64),
}

/// What is left open of a house.
#[derive(Clone, Debug)]
pub(in crate::site) struct Plan {
    forced: bool,
    rex: bool,
    releases: bool,
    allowed: bool,
    pin: bool,
    secure: bool,
    attempts: u8,
    duress: bool,
    /// Weekly and other limits; a clock that steps decides over them.
    limited: bool,
}

pub(in crate::site) fn plan() -> impl Strategy<Value = Plan> {
    let bools = proptest::array::uniform8(any::<bool>());
    (bools, 0..4_u8).prop_map(
        |([forced, rex, releases, allowed, pin, secure, duress, limited], attempts)| Plan {
            forced,
            rex,
            releases,
            allowed,
            pin,
            secure,
            attempts,
            duress,
            limited,
        },
    )
}

impl Plan {
    pub(in crate::site) fn config(&self) -> SiteConfig {
        let mut config = house();
        let main = &mut config.doors[0];
        let seconds = Duration::from_secs;
        (main.held_open, main.propped) = (Some(seconds(4)), Some(seconds(7)));
        main.forced = self.forced;
        main.release_allowed = self.allowed;
        let rex = RexConfig {
            releases: self.releases,
            hold: seconds(2),
            stuck_after: seconds(9),
            ..RexConfig::new("sim:rex".to_owned())
        };
        main.rex = self.rex.then_some(rex);
        for reader in &mut config.readers {
            reader.pin = self.pin;
            reader.secure = self.secure;
            reader.hold_off = seconds(2);
            let (window, lasts) = (seconds(20), seconds(15));
            reader.lockout = Lockout { attempts: self.attempts, window, lasts };
        }
        let seldom = Weekly { days: Days::WORK, from: 0, until: 600 };
        config.credentials = (1..=4)
            .map(|n| Credential {
                pin: Some(pin(n, "1")),
                duress_pin: self.duress.then(|| pin(n, "2")),
                duress: self.duress && n == 3,
                arms: vec![0],
                disarms: if n == 2 { vec![0] } else { vec![] },
                weekly: if self.limited && n == 4 { vec![seldom] } else { vec![] },
                ..Credential::new(hash(n))
            })
            .collect();
        config
    }
}

fn op() -> impl Strategy<Value = Op> {
    let contacts = vec![
        Contact::Open,
        Contact::Closed,
        Contact::Open,
        Contact::Closed,
        Contact::Unknown,
        Contact::Tamper,
    ];
    let contact = proptest::sample::select(contacts);
    let pin = proptest::sample::select(vec![None, Some("1"), Some("1"), Some("2"), Some("3")]);
    let part = proptest::sample::select(vec![
        ReaderPart::Case,
        ReaderPart::Power,
        ReaderPart::Link,
        ReaderPart::Channel,
        ReaderPart::Channel,
    ]);
    let age = prop_oneof![4 => Just(0_u64), 1 => 0..7_000_u64];
    prop_oneof![
        6 => (0..2_usize, contact).prop_map(|(door, contact)| Op::Contact(door, contact)),
        3 => any::<bool>().prop_map(Op::Rex),
        6 => (0..2_usize, 1..7_u8, pin, age.clone()).prop_map(|(r, n, p, a)| Op::Card(r, n, p, a)),
        3 => (0..2_usize, part, proptest::bool::weighted(0.7))
            .prop_map(|(reader, part, good)| Op::Status(reader, part, good)),
        1 => (0..3_usize, age).prop_map(|(door, age)| Op::Release(door, age)),
        1 => Just(Op::Arm),
        1 => Just(Op::Disarm),
        3 => Just(Op::Tick),
        1 => (-400_000..400_000_i64).prop_map(Op::Step),
    ]
}

pub(in crate::site) fn scripts() -> impl Strategy<Value = Vec<(u64, Op)>> {
    proptest::collection::vec((0..2_500_u64, op()), 1..60)
}

pub(in crate::site) fn input(op: &Op, now: Mono) -> Input {
    let old = |age: u64| Mono(now.0.saturating_sub(age * 1_000_000));
    let (verb, at) = match *op {
        Op::Contact(door, contact) => {
            return Input::Contact { door, contact, at: now, resynced: false };
        }
        Op::Rex(pressed) => return Input::Rex { door: 0, pressed, at: now },
        Op::Card(reader, n, digits, age) => {
            let pin = digits.map(|digits| pin(n, digits));
            let credential = hash(n);
            return Input::Card(Card { reader, credential, pin, at: old(age), late: age == 6_000 });
        }
        Op::Status(reader, part, good) => {
            return Input::ReaderStatus { reader, part, good, cause: None, at: now };
        }
        Op::Tick | Op::Step(_) => return Input::Tick,
        Op::Release(door, age) => (Verb::Release { door }, old(age)),
        Op::Arm => {
            let (mode, force) = (Mode::Away, true);
            (Verb::Arm { partition: 0, mode, force, at_once: true }, now)
        }
        Op::Disarm => (Verb::Disarm { partition: 0 }, now),
    };
    Input::Command(Command { id: 0, via: Via::Web, actor: None, verb, at })
}

/// A run: at each step its time, what was done, and what came of it. Deadlines that end with a step
/// are looked at before it.
struct Run {
    steps: Vec<(u64, Op, Vec<Effect>)>,
}

impl Run {
    fn of(config: &SiteConfig, script: &[(u64, Op)], steps: bool) -> Self {
        let mut site = Site::new(config.clone(), "boot");
        let (mut ms, mut step, mut all) = (10_000, 0, Vec::new());
        for (wait, op) in script {
            ms += wait;
            if let (Op::Step(by), true) = (op, steps) {
                step += by * 1_000;
            }
            let mut now = now(ms);
            now.utc.0 += step;
            all.push((ms, Op::Tick, site.apply(Input::Tick, &now)));
            all.push((ms, op.clone(), site.apply(input(op, now.mono), &now)));
            assert_eq!(site.next, site.earliest(), "the next deadline is remembered wrong");
        }
        Self { steps: all }
    }

    fn drafts(&self) -> impl Iterator<Item = (u64, &Op, &Draft)> {
        self.steps.iter().flat_map(|(ms, op, effects)| {
            effects.iter().filter_map(Effect::record).map(move |draft| (*ms, op, draft))
        })
    }
}

/// The same without what the wall clock says.
fn timeless(mut draft: Draft) -> Draft {
    draft.time.utc = UtcMs(0);
    draft
}

/// What can be noticed at the site of an effect.
fn seen(effect: &Effect) -> bool {
    let kept = matches!(effect, Effect::Keep { key, .. } if key.starts_with("incident/"));
    !effect.is_silent() && !kept
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_released_without_a_grant_or_an_allowed_wish(
        plan in plan(), script in scripts(),
    ) {
        for (_, op, effects) in Run::of(&plan.config(), &script, true).steps {
            let drives = effects.iter().filter(|e| matches!(e, Effect::Output { .. })).count();
            let kinds = told(&effects);
            let count = |kind: &str| kinds.iter().filter(|told| *told == kind).count();
            let causes = count("access.granted") + count("door.released");
            prop_assert_eq!(drives, if plan.allowed { causes } else { 0 });
            prop_assert!(plan.allowed || count("door.released") == 0);
            match op {
                Op::Card(_, n, _, age) => {
                    let acts = drives > 0 || count("access.granted") > 0;
                    prop_assert!(!acts || (n <= 4 && age <= 5_000), "{op:?} opened");
                }
                Op::Release(door, age) => {
                    prop_assert_eq!(drives == 1, plan.allowed && door == 0 && age <= 5_000);
                }
                Op::Rex(pressed) => {
                    prop_assert!(drives == 0 || (pressed && plan.rex && plan.releases));
                }
                _ => prop_assert_eq!(drives, 0),
            }
        }
    }

    #[test]
    fn nothing_is_forced_after_a_grant_or_a_request_within_its_window(
        plan in plan(), script in scripts(),
    ) {
        // The openings of the main door, by when they were; and until when each was explained.
        let run = Run::of(&plan.config(), &script, true);
        let mut until = 0;
        let mut held = false;
        let mut explained: BTreeMap<u64, bool> = BTreeMap::new();
        for (ms, op, effects) in &run.steps {
            let kinds = told(effects);
            let has = |kind: &str| kinds.iter().any(|told| told == kind);
            if has("access.granted") || (has("door.released") && !matches!(op, Op::Rex(_))) {
                until = until.max(ms + 8_000);
            }
            if let (Op::Rex(pressed), true) = (op, plan.rex) {
                if *pressed || held {
                    until = until.max(ms + 2_000);
                }
                held = *pressed;
            }
            if matches!(op, Op::Contact(0, Contact::Open)) && has("door.opened") {
                explained.insert(*ms, held || *ms <= until);
            }
            for draft in effects.iter().filter_map(Effect::record) {
                if draft.kind == "door.forced" {
                    prop_assert!(plan.forced);
                    prop_assert_eq!(draft.source.id.as_str(), "main");
                    let at = draft.time.mono_ns.0 / 1_000_000;
                    // A button that is tied down explains nothing: it is told as stuck before.
                    let stuck = run.drafts().any(|(_, _, draft)| draft.kind == "door.rex_stuck");
                    prop_assert!(stuck || explained.get(&at) == Some(&false), "forced at {at}");
                }
            }
        }
    }

    #[test]
    fn whatever_begins_ends_once_or_is_open_and_every_type_is_in_the_list(
        plan in plan(), script in scripts(),
    ) {
        let run = Run::of(&plan.config(), &script, true);
        let open = begins_and_ends(run.drafts().map(|(_, _, draft)| draft))?;
        // A door that is known to be closed stands in no alarm.
        let mut last = run.steps.iter().flat_map(|(_, _, effects)| effects).filter_map(|e| match e {
            Effect::State { of: Thing::Door(0), state, .. } => Some(*state),
            _ => None,
        });
        if last.next_back() == Some("closed") {
            for kind in ["door.forced", "door.propped", "door.held_open", "door.opened"] {
                prop_assert!(!open.contains(&("main".to_owned(), kind.to_owned())), "{kind}");
            }
        }
    }

    #[test]
    fn steps_of_the_wall_clock_decide_only_over_what_is_limited_in_time(
        plan in plan(), script in scripts(),
    ) {
        let config = Plan { limited: false, ..plan }.config();
        let of = |steps| -> Vec<Draft> {
            let run = Run::of(&config, &script, steps);
            run.drafts().map(|(_, _, draft)| timeless(draft.clone())).collect()
        };
        prop_assert_eq!(of(false), of(true));
    }

    /// Every credential is shown under duress or not; who looks on cannot tell which.
    #[test]
    fn duress_cannot_be_noticed_at_the_site(plan in plan(), script in scripts()) {
        let calm = Plan { duress: false, ..plan.clone() }.config();
        let mut forced = calm.clone();
        for credential in &mut forced.credentials {
            credential.duress = true;
        }
        let (calm, forced) = (Run::of(&calm, &script, true), Run::of(&forced, &script, true));
        let mut calls = 0;
        for ((_, op, calm), (_, _, forced)) in calm.steps.iter().zip(&forced.steps) {
            calls += forced.iter().filter_map(Effect::record).filter(|d| d.kind == "access.duress").count();
            let calm: Vec<_> = calm.iter().filter(|effect| seen(effect)).collect();
            let forced: Vec<_> = forced.iter().filter(|effect| seen(effect)).collect();
            prop_assert_eq!(calm, forced, "at {:?}", op);
        }
        // It is no proof if nobody called.
        let granted = calm.drafts().filter(|(_, _, draft)| draft.kind == "access.granted").count();
        prop_assert!(calls >= granted);
    }

    #[test]
    fn a_restart_at_any_step_goes_on_as_if_there_had_been_none(
        plan in plan(), script in scripts(), cut in 0..60_usize,
    ) {
        let mut config = plan.config();
        // What was shown last at a reader is forgotten; how long a button is held counts anew.
        config.readers[OUT].arms = None;
        if let Some(rex) = &mut config.doors[0].rex {
            rex.stuck_after = Duration::from_secs(1_000);
        }
        let mut whole = Site::new(config.clone(), "boot");
        let (mut ms, mut kept) = (10_000, BTreeMap::<String, String>::new());
        let mut other: Option<Site> = None;
        let mut lines = [Contact::Unknown; 2];
        let mut parts = BTreeMap::new();
        let mut pressed = false;
        whole.apply(Input::Rex { door: 0, pressed, at: now(ms).mono }, &now(ms));
        // Seconds that something stands open, held or lost are counted anew after a restart.
        let timed = ["door.held_open", "door.propped", "reader.lost",
            "reader.power_lost", "partition.arming", "alarm.escalated"];
        for (step, (wait, op)) in script.iter().enumerate() {
            ms += wait;
            let now = now(ms);
            // What a door does while its line is lost and the box is down, nobody sees.
            let blind = { lines }.into_iter().zip(&whole.doors).any(|(line, door)| {
                !matches!(line, Contact::Open | Contact::Closed)
                    && door.recorded() != DoorState::Unknown
            });
            if other.is_none() && step >= cut && !blind {
                let mut new = Site::new(config.clone(), "boot");
                let keep = |kept: &mut BTreeMap<String, String>, effects: Vec<Effect>| {
                    for effect in effects {
                        match effect {
                            Effect::Keep { key, value: Some(value) } => {
                                kept.insert(key, value);
                            }
                            Effect::Keep { key, value: None } => {
                                kept.remove(&key);
                            }
                            _ => {}
                        }
                    }
                };
                keep(&mut kept, whole.apply(Input::Tick, &now));
                let given = kept.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                let mut news: Vec<_> = told(&new.restore(given, &id("g"), &now));
                let states: Vec<_> = whole.door_states().map(|(_, state)| state).collect();
                for (door, contact) in lines.into_iter().enumerate() {
                    new.apply(Input::Recall { door, state: states[door] }, &now);
                    let at = now.mono;
                    let found = Input::Contact { door, contact, at, resynced: false };
                    news.extend(told(&new.apply(found, &now)));
                }
                for ((reader, part), good) in &parts {
                    let at = now.mono;
                    let input = Input::ReaderStatus { reader: *reader, part: *part, good: *good, cause: None, at };
                    news.extend(told(&new.apply(input, &now)));
                }
                news.extend(told(&new.apply(Input::Rex { door: 0, pressed, at: now.mono }, &now)));
                news.retain(|kind| !timed.contains(&kind.trim_end_matches("_restored")));
                prop_assert!(news.is_empty(), "the restart told {news:?}");
                other = Some(new);
            }
            match op {
                Op::Contact(door, contact) => lines[*door] = *contact,
                Op::Status(reader, part, good) => {
                    parts.insert((*reader, *part), *good);
                }
                Op::Rex(down) => pressed = *down,
                _ => {}
            }
            let expected = whole.apply(input(op, now.mono), &now);
            if let Some(other) = &mut other {
                let same = other.apply(input(op, now.mono), &now);
                let told = |effects: &[Effect]| -> Vec<_> {
                    let all = effects.iter().filter_map(Effect::record);
                    let all = all.filter(|draft| {
                        !timed.iter().any(|kind| draft.kind.starts_with(kind))
                            && draft.kind != "system.dark"
                    });
                    all.map(|draft| (draft.source.id.clone(), draft.kind.clone(), draft.cause.clone()))
                        .collect()
                };
                prop_assert_eq!(told(&expected), told(&same), "after {:?}", op);
                let drives = |effects: &[Effect]| {
                    effects.iter().filter(|e| matches!(e, Effect::Output { .. })).count()
                };
                prop_assert_eq!(drives(&expected), drives(&same));
            }
            for effect in expected {
                match effect {
                    Effect::Keep { key, value: Some(value) } => {
                        kept.insert(key, value);
                    }
                    Effect::Keep { key, value: None } => {
                        kept.remove(&key);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn the_alarm_lane_holds_what_must_go_first() {
    for (kind, lane) in [
        ("door.forced", Lane::Alarm),
        ("door.propped", Lane::Alarm),
        ("door.tamper", Lane::Alarm),
        ("access.lockout", Lane::Alarm),
        ("access.duress", Lane::Alarm),
        ("access.granted", Lane::Normal),
        ("reader.lost", Lane::Normal),
    ] {
        let mut config = house();
        config.credentials.push(Credential { duress: true, ..Credential::new(hash(9)) });
        let mut this = box_of(config);
        let mut all = Vec::new();
        let at = mono(&this);
        let tamper = Input::Contact { door: 1, contact: Contact::Tamper, at, resynced: false };
        let lost =
            Input::ReaderStatus { reader: 1, part: ReaderPart::Link, good: false, cause: None, at };
        let open = Input::Contact { door: 0, contact: Contact::Open, at, resynced: false };
        let mut inputs = vec![tamper, lost, Input::Card(shown(&this, OUT, 9))];
        inputs.extend((200..205).map(|n| Input::Card(shown(&this, OUT, n))));
        all.extend(this.site.apply(open, &now(this.ms)));
        this.ms += 1_000;
        for input in inputs {
            all.extend(this.site.apply(input, &now(this.ms)));
        }
        all.extend(this.site.apply(Input::Tick, &now(300_000)));
        assert_eq!(draft(&all, kind).class.lane(), lane, "{kind}");
    }
}
