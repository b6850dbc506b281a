//! One message on its way to everybody whom it is for.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::{Deed, GROWN, Outcome, PASSES, PAUSES_S, Send, plus};
use crate::responders::call::{Call, End};
use crate::responders::file::{MOST_OTHERWISE, Order, Roster};

/// How far somebody is with being told in this round.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Telling {
    list: Id,
    pass: u32,
    way: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be tried from then on.
    Waits(UtcMs),
    InFlight,
    Told,
    GivenUp,
}

impl Telling {
    /// All ways have failed once, and none has worked.
    const fn has_failed(&self) -> bool {
        !matches!(self.state, State::Told)
            && (self.pass > 0 || matches!(self.state, State::GivenUp))
    }

    const fn is_settled(&self) -> bool {
        matches!(self.state, State::Told | State::GivenUp)
    }
}

#[derive(Debug)]
struct Round {
    number: u32,
    began: UtcMs,
    tellings: BTreeMap<Id, Telling>,
    /// The lists that were turned to, in their order.
    lists: Vec<Id>,
    /// Of a list in order: who follows.
    waiting: Vec<Id>,
    /// How many calls there were.
    calls: usize,
    /// Nobody could be tried, and that is recorded.
    nobody: bool,
}

#[derive(Debug)]
pub(super) struct Matter {
    pub(super) number: i64,
    calls: BTreeMap<i64, Call>,
    round: Option<Round>,
    /// Rounds that were repeats, as opposed to news of a storm.
    repeats: u32,
}

impl Matter {
    /// Of calls that are at least one.
    pub(super) fn new(number: i64, calls: BTreeMap<i64, Call>) -> Self {
        Self { number, calls, round: None, repeats: 0 }
    }

    pub(super) fn set_calls(&mut self, calls: BTreeMap<i64, Call>) {
        self.calls = calls;
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    pub(super) fn first(&self) -> &Call {
        self.calls.values().next().expect("a matter without open calls is dropped at once")
    }

    fn gateways(&self) -> usize {
        self.calls.values().map(|c| (&c.site, &c.gateway)).collect::<BTreeSet<_>>().len()
    }

    /// What is to be done now.
    pub(super) fn due(&mut self, roster: &Roster, now: UtcMs, deeds: &mut Vec<Deed>) {
        let Some(list) = roster.list_of(self.first()).cloned() else {
            // Another file than when it began: nobody is meant any more.
            self.end(End::NoList, deeds);
            return;
        };
        match self.another(roster, &list, now) {
            Another::Begin { repeat } => {
                self.repeats += u32::from(repeat);
                let number = self.round.as_ref().map_or(0, |round| round.number + 1);
                self.begin(roster, number, now);
            }
            Another::Never => {
                self.end(End::Told, deeds);
                return;
            }
            Another::NotYet => {}
        }
        let (number, gateways) = (self.number, self.gateways());
        let key = self.first().event.clone();
        let calls: Vec<Call> = self.calls.values().cloned().collect();
        let Some(round) = &mut self.round else { return };
        if round.tellings.is_empty() && !round.nobody {
            round.nobody = true;
            deeds.push(Deed::Nobody(Outcome {
                matter: number,
                list: list.clone(),
                round: round.number,
                member: None,
                way: String::new(),
                place: 0,
                pass: 0,
                at: now,
                result: Err("nobody of the list is on duty for it".to_owned()),
                next: None,
                key: format!("{key}-{list}-{}", round.number),
            }));
        }
        for (member, telling) in &mut round.tellings {
            if matches!(telling.state, State::Waits(due) if due <= now) {
                telling.state = State::InFlight;
                deeds.push(Deed::Send(Send {
                    matter: number,
                    list: telling.list.clone(),
                    round: round.number,
                    member: member.clone(),
                    pass: telling.pass,
                    way: telling.way,
                    key: format!("{key}-{list}-{}-{member}", round.number),
                    calls: calls.clone(),
                    gateways,
                }));
            }
        }
    }

    fn end(&self, end: End, deeds: &mut Vec<Deed>) {
        deeds.extend(self.calls.keys().map(|call| Deed::Over { call: *call, end }));
    }

    /// Whether another round is to begin.
    fn another(&self, roster: &Roster, list: &Id, now: UtcMs) -> Another {
        let Some(round) = &self.round else { return Another::Begin { repeat: false } };
        let repeat = roster.lists.get(list).and_then(|list| list.repeat);
        if let Some(repeat) = repeat.filter(|repeat| self.repeats < repeat.most) {
            let due = plus(round.began, repeat.every) <= now;
            if due {
                return Another::Begin { repeat: true };
            }
        }
        let quiet = plus(round.began, GROWN) <= now;
        if quiet && self.calls.len() > round.calls {
            return Another::Begin { repeat: false };
        }
        let settled = round.tellings.values().all(Telling::is_settled);
        let last = repeat.is_none_or(|repeat| self.repeats >= repeat.most);
        // A storm stays open for those that may still join it.
        if last && settled && quiet { Another::Never } else { Another::NotYet }
    }

    fn begin(&mut self, roster: &Roster, number: u32, now: UtcMs) {
        let mut round = Round {
            number,
            began: now,
            tellings: BTreeMap::new(),
            lists: Vec::new(),
            waiting: Vec::new(),
            calls: self.calls.len(),
            nobody: false,
        };
        if let Some(list) = roster.list_of(self.first()).cloned() {
            turn_to(&mut round, roster, &list, self.first(), now);
        }
        self.round = Some(round);
    }

    /// An attempt of the present round has ended. Says when the same member is tried next.
    pub(super) fn apply(&mut self, roster: &Roster, outcome: &Outcome) -> Option<UtcMs> {
        let first = self.first().clone();
        let round = self.round.as_mut().filter(|round| round.number == outcome.round)?;
        let name = outcome.member.as_ref()?;
        let telling = round.tellings.get_mut(name)?;
        if outcome.result.is_ok() {
            telling.state = State::Told;
            return None;
        }
        let ways = roster.member(name).map_or(0, |member| member.ways.len());
        (telling.pass, telling.way) = (outcome.pass, outcome.place);
        let next = if outcome.place + 1 < ways {
            telling.way = outcome.place + 1;
            Some(outcome.at)
        } else if outcome.pass + 1 < PASSES {
            let pause =
                PAUSES_S[usize::try_from(outcome.pass).unwrap_or(0).min(PAUSES_S.len() - 1)];
            (telling.pass, telling.way) = (outcome.pass + 1, 0);
            Some(UtcMs(outcome.at.0 + pause * 1000))
        } else {
            telling.pass = outcome.pass + 1;
            None
        };
        telling.state = next.map_or(State::GivenUp, State::Waits);
        if telling.has_failed() {
            follow(round, roster, &first, outcome.at);
        }
        next
    }

    /// Plays back an attempt.
    pub(super) fn recall(&mut self, roster: &Roster, outcome: &Outcome) {
        if self.round.as_ref().is_none_or(|round| round.number < outcome.round) {
            // Which of them were repeats is not recorded: taken for repeats, it is told rather
            // once less than once more.
            self.repeats = outcome.round;
            self.begin(roster, outcome.round, outcome.at);
        }
        match (&mut self.round, &outcome.member) {
            (Some(round), None) => round.nobody = true,
            _ => drop(self.apply(roster, outcome)),
        }
    }
}

enum Another {
    Begin { repeat: bool },
    NotYet,
    Never,
}

/// Tells a list, or the one that is named for when nobody of it can be.
fn turn_to(round: &mut Round, roster: &Roster, list: &Id, call: &Call, now: UtcMs) {
    let mut next = Some(list);
    while let Some(name) = next.filter(|_| round.lists.len() <= MOST_OTHERWISE) {
        let Some(of) = roster.lists.get(name).filter(|_| !round.lists.contains(name)) else {
            return;
        };
        round.lists.push(name.clone());
        let mut members = roster.on_duty(name, call, now);
        members.retain(|member| !round.tellings.contains_key(member));
        if !members.is_empty() {
            if of.order == Order::InOrder {
                round.waiting = members.split_off(1);
            }
            for member in members {
                add(round, member, name.clone(), now);
            }
            return;
        }
        next = of.otherwise.as_ref();
    }
}

fn add(round: &mut Round, member: Id, list: Id, now: UtcMs) {
    let telling = Telling { list, pass: 0, way: 0, state: State::Waits(now) };
    round.tellings.insert(member, telling);
}

/// All ways of somebody have failed: who is next? In order, the next one of the list; then, and
/// where everybody was told at once and nobody could be, the `otherwise` list.
fn follow(round: &mut Round, roster: &Roster, call: &Call, now: UtcMs) {
    if !round.tellings.values().all(Telling::has_failed) {
        return;
    }
    let Some(list) = round.lists.last().cloned() else { return };
    if round.waiting.is_empty() {
        if let Some(next) = roster.lists.get(&list).and_then(|of| of.otherwise.clone()) {
            turn_to(round, roster, &next, call, now);
        }
    } else {
        let member = round.waiting.remove(0);
        add(round, member, list, now);
    }
}
