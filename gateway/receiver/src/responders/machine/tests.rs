//! Who is told what when, without a network: a database that is a list, and a clock that is a number.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::call;
use super::*;
use crate::responders::file;

const T: i64 = 1_795_478_400_000;

/// What the database would hold, and who can be told.
struct World {
    roster: Roster,
    machine: Machine,
    calls: BTreeMap<i64, Call>,
    over: BTreeMap<i64, End>,
    outcomes: Vec<Outcome>,
    /// Members that cannot be told, by any way.
    deaf: Vec<&'static str>,
    now: i64,
}

const FILE: &str = r#"
[smtp]
host = "localhost"
tls = "none"
from = "a@b.c"
[member.p-1]
ways = [{ webhook = "https://h/1" }, { email = "p-1@b.c" }]
[member.p-2]
ways = [{ email = "p-2@b.c" }]
[member.night]
on-duty = ["daily 22:00-06:00"]
ways = [{ email = "n@b.c" }]
[member.boss]
ways = [{ email = "boss@b.c" }]
[list.patrol]
members = ["p-1", "p-2"]
ORDER
otherwise = "bosses"
[list.nights]
members = ["night"]
[list.bosses]
members = ["boss"]
[[rule]]
severity-at-most = 1
list = "bosses"
"#;

fn world(order: &str) -> World {
    let roster = file::of_text(&FILE.replace("ORDER", order)).unwrap();
    let machine = Machine::new(StormRule::default());
    let (calls, over) = (BTreeMap::new(), BTreeMap::new());
    World { roster, machine, calls, over, outcomes: Vec::new(), deaf: Vec::new(), now: T }
}

impl World {
    fn happens(&mut self, call: Call) {
        self.calls.insert(call.number, call);
    }

    fn open(&mut self) {
        let open = self.calls.values().filter(|call| !self.over.contains_key(&call.number));
        self.machine.open(open.cloned().collect());
    }

    /// One step of the teller: what is in the database, what is due, and what comes of it. Says who
    /// was told, or tried, as `member way`, an `!` for a failure.
    fn step(&mut self) -> Vec<String> {
        self.open();
        let mut said = Vec::new();
        for deed in self.machine.due(&self.roster, UtcMs(self.now)) {
            match deed {
                Deed::Gather { matter, calls } => {
                    for call in calls {
                        self.calls.get_mut(&call).unwrap().matter = Some(matter);
                    }
                }
                Deed::Over { call, end } => drop(self.over.insert(call, end)),
                Deed::Nobody(outcome) => {
                    said.push(format!("nobody: {}", outcome.result.clone().unwrap_err()));
                    self.outcomes.push(outcome);
                }
                Deed::Send(send) => {
                    let way = self.roster.member(&send.member).unwrap().ways[send.way].kind();
                    let fails = self.deaf.contains(&send.member.as_str());
                    let result = if fails { Err("refused".to_owned()) } else { Ok(()) };
                    let of = if send.gateways > 1 {
                        format!(" x{}", send.gateways)
                    } else {
                        String::new()
                    };
                    said.push(format!("{} {way}{of}{}", send.member, if fails { "!" } else { "" }));
                    let at = UtcMs(self.now);
                    self.outcomes.push(self.machine.done(&self.roster, &send, way, at, result));
                }
            }
        }
        said
    }

    /// Steps of a second until so many have passed; what was said, with the second.
    fn run(&mut self, seconds: i64) -> Vec<String> {
        let mut all = Vec::new();
        let end = self.now + seconds * 1000;
        while self.now < end {
            let at = (self.now - T) / 1000;
            // A second step tells what the first has gathered, and whoever follows.
            for _ in 0..8 {
                all.extend(self.step().into_iter().map(|said| format!("{at} {said}")));
            }
            self.now += 1000;
        }
        all
    }

    /// The receiver is killed, and another one takes over with what the database holds.
    fn killed(&mut self) {
        self.machine = Machine::new(StormRule::default());
        self.open();
        self.machine.recall(&self.roster, &self.outcomes);
    }
}

#[test]
fn everybody_of_a_list_is_told_once_after_the_calls_were_gathered() {
    let mut world = world("");
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    assert_eq!(world.run(300), ["2 p-1 webhook", "2 p-2 email"]);
    assert_eq!(world.over[&1], End::Told);
}

#[test]
fn in_order_the_next_is_told_when_all_ways_of_one_have_failed_and_the_other_list_when_all_have() {
    let mut world = world("tell = \"in-order\"");
    world.deaf = vec!["p-1"];
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    let said = world.run(4);
    assert_eq!(said, ["2 p-1 webhook!", "2 p-1 email!", "2 p-2 email"]);
    // The first one is tried again meanwhile, after 10, 30, 60 and 120 s, and then given up.
    let said = world.run(400);
    assert_eq!(
        said,
        [
            "12 p-1 webhook!",
            "12 p-1 email!",
            "42 p-1 webhook!",
            "42 p-1 email!",
            "102 p-1 webhook!",
            "102 p-1 email!",
            "222 p-1 webhook!",
            "222 p-1 email!"
        ]
    );
    let next = |n: usize| world.outcomes[n].next.map(|at| (at.0 - T) / 1000);
    assert_eq!((next(0), next(1), next(10)), (Some(2), Some(12), None));

    let mut world = self::world("tell = \"in-order\"");
    world.deaf = vec!["p-1", "p-2"];
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    assert_eq!(world.run(4), ["2 p-1 webhook!", "2 p-1 email!", "2 p-2 email!", "2 boss email"]);
}

#[test]
fn at_once_the_other_list_is_told_only_when_nobody_could_be() {
    let mut world = world("");
    world.deaf = vec!["p-1"];
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    assert_eq!(world.run(4), ["2 p-1 webhook!", "2 p-2 email", "2 p-1 email!"]);
    let mut world = self::world("");
    world.deaf = vec!["p-1", "p-2"];
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    assert_eq!(world.run(4).last().unwrap(), "2 boss email");
}

#[test]
fn it_is_told_again_until_somebody_acknowledges_and_at_most_so_often() {
    let mut world = world("repeat-min = 5\nat-most = 2");
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    assert_eq!(
        world.run(1000),
        [
            "2 p-1 webhook",
            "2 p-2 email",
            "302 p-1 webhook",
            "302 p-2 email",
            "602 p-1 webhook",
            "602 p-2 email"
        ]
    );
    let keys: std::collections::BTreeSet<_> = world.outcomes.iter().map(|one| &one.key).collect();
    assert_eq!(keys.len(), 6, "each telling has its own key");
    assert_eq!(world.over[&1], End::Told);

    let mut world = self::world("repeat-min = 5\nat-most = 2");
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    world.run(100);
    world.over.insert(1, End::Acknowledged);
    assert_eq!(world.run(1000), Vec::<String>::new());
}

#[test]
fn who_is_not_on_duty_is_not_told_and_that_nobody_is_is_said() {
    let mut world = world("");
    // T is midnight: the night is on duty, and not at noon.
    let nights = |n, at| Call {
        list: Some("nights".parse().unwrap()),
        ..call(n, "s", "g", "zone.alarm", at)
    };
    world.happens(nights(1, T));
    assert_eq!(world.run(3), ["2 night email"]);
    world.now = T + 12 * 3_600_000;
    world.happens(nights(2, world.now));
    assert_eq!(world.run(3).len(), 1);
    assert_eq!(world.outcomes[1].result, Err("nobody of the list is on duty for it".to_owned()));
}

#[test]
fn a_rule_names_the_list_where_the_event_names_none_and_who_has_none_is_left_alone() {
    let mut world = world("");
    let unnamed = |n, severity| Call { list: None, severity, ..call(n, "s", "g", "zone.alarm", T) };
    world.happens(unnamed(1, 1));
    world.happens(unnamed(2, 3));
    // A list that is not in the file is none.
    world.happens(Call { list: Some("gone".parse().unwrap()), ..unnamed(3, 3) });
    assert_eq!(world.run(3), ["2 boss email"]);
    assert_eq!((world.over[&2], world.over[&3]), (End::NoList, End::NoList));
}

#[test]
fn what_comes_in_too_late_is_not_told_and_that_is_recorded() {
    let mut world = world("");
    let late = call(1, "s", "g", "zone.alarm", T - 3_601_000);
    world.happens(Call { recv: UtcMs(T), ..late.clone() });
    let in_time = Call { recv: UtcMs(T), ..call(2, "s", "g-2", "zone.alarm", T - 3_500_000) };
    world.happens(in_time);
    let said = world.run(4);
    assert_eq!(said[0], "0 nobody: it came more than 60 min after it happened");
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(world.over[&1], End::TooLate);
}

#[test]
fn a_storm_is_one_message_and_what_joins_it_is_told_with_the_next() {
    let mut world = world("");
    for n in 0..500 {
        world.happens(call(n + 1, &format!("s-{n}"), "g", "zone.alarm", T + n));
    }
    assert_eq!(world.run(10), ["2 p-1 webhook x500", "2 p-2 email x500"]);
    world.happens(call(501, "s-late", "g", "zone.alarm", T + 10_000));
    assert_eq!(world.run(100), ["62 p-1 webhook x501", "62 p-2 email x501"]);
    // Another type is another matter.
    let mut world = self::world("");
    for n in 0..8 {
        let kind = if n % 2 == 0 { "zone.alarm" } else { "panic.alarm" };
        world.happens(call(n + 1, &format!("s-{n}"), "g", kind, T));
    }
    assert_eq!(world.run(3).len(), 16, "four of a type are no storm");
}

#[test]
fn neighbours_that_follow_one_by_one_become_a_storm_with_the_fifth() {
    let mut world = world("");
    let mut said = Vec::new();
    for n in 0..7 {
        world.happens(call(n + 1, &format!("s-{n}"), "g", "zone.alarm", world.now));
        said.extend(world.run(5));
    }
    let first: Vec<_> = said.iter().filter(|said| said.contains("p-1")).collect();
    // Four by themselves, then one for the fifth; the others join it.
    assert_eq!(first.len(), 5, "{said:?}");
    assert!(world.run(80).iter().any(|said| said.ends_with("p-1 webhook x3")), "what has joined");
}

#[test]
fn who_takes_over_tells_what_was_not_told_and_nobody_twice() {
    let mut world = world("repeat-min = 5");
    world.happens(call(1, "s-1", "g-1", "zone.alarm", T));
    world.killed();
    world.now += 2000;
    world.step();
    world.killed();
    world.deaf = vec!["p-2"];
    assert_eq!(world.step(), ["p-1 webhook", "p-2 email!"]);
    world.killed();
    assert_eq!(world.step(), Vec::<String>::new());
    world.deaf.clear();
    assert_eq!(world.run(30), ["12 p-2 email"], "the pause holds for the new one too");
    assert_eq!(world.run(300).len(), 2, "and so does the repeat");
}

proptest! {
    /// Whatever fails, whoever is killed when: everybody who can be told is, and in a round nobody
    /// twice; and a list without repeats comes to an end.
    #[test]
    fn everybody_who_can_be_told_is_told_once(
        ordered in any::<bool>(),
        deaf in prop::sample::subsequence(vec!["p-1", "p-2"], 0..=2),
        calls in prop::collection::vec((0usize..3, 0i64..90), 1..12),
        kills in prop::collection::btree_set(0i64..200, 0..6),
    ) {
        let mut world = world(if ordered { "tell = \"in-order\"" } else { "" });
        world.deaf.clone_from(&deaf);
        let mut told: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut calls: Vec<_> = calls.into_iter().enumerate().collect();
        calls.sort_by_key(|(_, (_, at))| *at);
        for second in 0..700 {
            for (n, (site, at)) in &calls {
                if *at == second {
                    let number = i64::try_from(*n).unwrap() + 1;
                    world.happens(call(number, &format!("s-{site}"), "g", "zone.alarm", world.now));
                }
            }
            if kills.contains(&second) {
                world.killed();
            }
            world.run(1);
        }
        for outcome in world.outcomes.iter().filter(|outcome| outcome.result.is_ok()) {
            let member = outcome.member.as_ref().unwrap().to_string();
            *told.entry((outcome.key.clone(), member)).or_default() += 1;
        }
        prop_assert!(told.values().all(|times| *times == 1), "{told:?}");
        let can: Vec<_> = ["p-1", "p-2"].into_iter().filter(|name| !deaf.contains(name)).collect();
        let expected: Vec<&str> = match (&can[..], ordered) {
            ([], _) => vec!["boss"],
            ([first, ..], true) => vec![first],
            (all, false) => all.to_vec(),
        };
        for number in world.calls.keys() {
            let matter = world.calls[number].matter;
            for name in &expected {
                let has = world.outcomes.iter().any(|one| Some(one.matter) == matter
                    && one.result.is_ok() && one.member.as_ref().is_some_and(|m| m.as_str() == *name));
                prop_assert!(has, "{name} was not told of {number}: {:?}", world.outcomes);
            }
            prop_assert_eq!(world.over.get(number), Some(&End::Told));
        }
    }
}
