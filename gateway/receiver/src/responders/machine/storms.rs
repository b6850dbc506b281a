//! Which calls are one message. Calls of one type for one list that follow each other within the
//! receiver's storm window and are of as many gateways as make a storm fold into one. On the wall an
//! alarm is never one of many; a telephone that rings 500 times tells nobody anything.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::matter::Matter;
use super::{Deed, GATHER, Outcome, plus};
use crate::responders::call::{Call, End};
use crate::responders::file::Roster;
use crate::storms::StormRule;

/// What may fold: the list, the type, and whether it is an escalation.
type Key = (Id, String);

pub(super) fn gather(
    waiting: &BTreeMap<i64, Call>,
    matters: &BTreeMap<i64, Matter>,
    rule: StormRule,
    roster: &Roster,
    now: UtcMs,
) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let mut groups: BTreeMap<Key, Vec<&Call>> = BTreeMap::new();
    let not_after = i64::try_from(roster.not_after.as_millis()).unwrap_or(i64::MAX);
    for call in waiting.values() {
        let Some(list) = roster.list_of(call) else {
            deeds.push(Deed::Over { call: call.number, end: End::NoList });
            continue;
        };
        if now.0.saturating_sub(call.when.utc.0) > not_after {
            deeds.push(Deed::Over { call: call.number, end: End::TooLate });
            deeds.push(Deed::Nobody(too_late(call, list, roster, now)));
            continue;
        }
        groups.entry((list.clone(), call.kind.clone())).or_default().push(call);
    }
    for ((list, kind), mut calls) in groups {
        // The oldest one says when the group is complete enough.
        if calls.iter().all(|call| plus(call.recv, GATHER) > now) {
            continue;
        }
        calls.sort_by_key(|call| (call.when.utc, call.number));
        fold(&list, &kind, &calls, matters, rule, roster, &mut deeds);
    }
    deeds
}

/// What is told so late would only frighten. That it was not told must be seen all the same.
fn too_late(call: &Call, list: &Id, roster: &Roster, now: UtcMs) -> Outcome {
    let minutes = roster.not_after.as_secs() / 60;
    Outcome {
        matter: call.number,
        list: list.clone(),
        round: 0,
        member: None,
        way: String::new(),
        place: 0,
        pass: 0,
        at: now,
        result: Err(format!("it came more than {minutes} min after it happened")),
        next: None,
        key: format!("{}-{list}-0", call.event),
    }
}

fn fold(
    list: &Id,
    kind: &str,
    calls: &[&Call],
    matters: &BTreeMap<i64, Matter>,
    rule: StormRule,
    roster: &Roster,
    deeds: &mut Vec<Deed>,
) {
    let window = i64::try_from(rule.window.as_millis()).unwrap_or(i64::MAX);
    let alike = |matter: &&Matter| {
        let first = matter.first();
        first.kind == kind && roster.list_of(first) == Some(list)
    };
    let known: Vec<&Matter> = matters.values().filter(alike).collect();
    // What was told one by one counts: the fifth neighbour makes it a storm.
    let mut order: Vec<(&Call, Option<&Matter>)> = calls.iter().map(|call| (*call, None)).collect();
    order.extend(known.iter().flat_map(|m| m.calls().map(move |call| (call, Some(*m)))));
    order.sort_by_key(|(call, _)| (call.when.utc, call.number));
    for group in
        order.chunk_by(|(a, _), (b, _)| b.when.utc.0.saturating_sub(a.when.utc.0) <= window)
    {
        let fresh: Vec<i64> =
            group.iter().filter(|(_, m)| m.is_none()).map(|(call, _)| call.number).collect();
        let Some(first) = fresh.first().copied() else { continue };
        let gateways = |known: bool| {
            let of = group.iter().filter(|(_, matter)| !known || matter.is_some());
            of.map(|(call, _)| (&call.site, &call.gateway)).collect::<BTreeSet<_>>().len()
        };
        if gateways(false) < rule.gateways {
            let each = fresh.into_iter();
            deeds.extend(each.map(|call| Deed::Gather { matter: call, calls: vec![call] }));
            continue;
        }
        // One that is a storm already is joined: its message is the newest of the group.
        let newest = group.iter().filter_map(|(_, matter)| matter.map(|one| one.number)).max();
        let storm = newest.filter(|_| gateways(true) >= rule.gateways);
        deeds.push(Deed::Gather { matter: storm.unwrap_or(first), calls: fresh });
    }
}
