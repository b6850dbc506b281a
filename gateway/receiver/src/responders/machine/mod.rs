//! Who is told what when: a machine without I/O. Time and the file come in, deeds come out.
//!
//! ```text
//!  call ──(gather)──▶ matter ──▶ round 0 ──▶ a telling for each member ──▶ ways, in passes
//!                       ▲           │ repeat until acknowledged, at most so often
//!   a storm: many calls ┘           ▼ nobody told: the next member, then the `otherwise` list
//! ```
//!
//! * A *matter* is one message: a call, or a storm of calls of one type for one list.
//! * In a *round* each member is told once. A repeat, or a storm that has grown, is another round.
//! * A *pass* tries each way of a member in order. When all have failed it is tried again after
//!   a pause, [`PASSES`] times; who comes next is told after the first pass already.
//! * What was tried is a row of the database. Played back in its order ([`Machine::recall`]) it makes
//!   the machine of a receiver that takes over.

mod matter;
mod storms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;

use super::call::{Call, End};
use super::file::Roster;
use crate::storms::StormRule;
use matter::Matter;

/// Calls wait so long for others of their kind: what reaches many sites at once reaches the control
/// room within a second or two, and is one message then.
pub(crate) const GATHER: Duration = Duration::from_secs(2);

/// A storm that has grown is told again after so long: the district's people need its extent, not
/// each of its steps.
const GROWN: Duration = Duration::from_secs(60);

/// How often all ways of somebody are tried in a round.
const PASSES: u32 = 5;

/// Before the second, third, … pass, in seconds: a server that restarts is back after the first,
/// a line that is mended after the last.
const PAUSES_S: [i64; (PASSES - 1) as usize] = [10, 30, 60, 120];

/// Somebody is to be told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Send {
    pub(crate) matter: i64,
    /// The list by which this member is told.
    pub(crate) list: Id,
    pub(crate) round: u32,
    pub(crate) member: Id,
    pub(crate) pass: u32,
    /// Place among the member's ways.
    pub(crate) way: usize,
    /// The same for each attempt to tell this member in this round: who gets it twice can know.
    pub(crate) key: String,
    /// What is told: the calls that are open, the first one first.
    pub(crate) calls: Vec<Call>,
    /// How many gateways they are of.
    pub(crate) gateways: usize,
}

/// What came of an attempt, as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) matter: i64,
    pub(crate) list: Id,
    pub(crate) round: u32,
    /// None: nobody could be tried.
    pub(crate) member: Option<Id>,
    /// One of [`super::file::WAYS`]; empty where nobody could be tried.
    pub(crate) way: String,
    pub(crate) place: usize,
    pub(crate) pass: u32,
    pub(crate) at: UtcMs,
    /// The error says what failed, without an address.
    pub(crate) result: Result<(), String>,
    /// When the same member is tried next, if so.
    pub(crate) next: Option<UtcMs>,
    pub(crate) key: String,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// These calls are told by one message.
    Gather {
        matter: i64,
        calls: Vec<i64>,
    },
    /// Nobody is told of this call any more.
    Over {
        call: i64,
        end: End,
    },
    /// Nobody could be tried: to be recorded.
    Nobody(Outcome),
    Send(Send),
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Machine {
    rule: StormRule,
    /// Open calls that no message has yet.
    waiting: BTreeMap<i64, Call>,
    matters: BTreeMap<i64, Matter>,
}

impl Machine {
    pub(crate) fn new(rule: StormRule) -> Self {
        Self { rule, waiting: BTreeMap::new(), matters: BTreeMap::new() }
    }

    /// Every call of the district that is open, as the database has them now. Those that are gone
    /// were acknowledged, closed or ended here.
    pub(crate) fn open(&mut self, calls: Vec<Call>) {
        let mut still = BTreeMap::new();
        self.waiting.clear();
        for call in calls {
            match call.matter {
                Some(matter) => {
                    let calls: &mut BTreeMap<i64, Call> = still.entry(matter).or_default();
                    calls.insert(call.number, call);
                }
                None => drop(self.waiting.insert(call.number, call)),
            }
        }
        self.matters.retain(|number, _| still.contains_key(number));
        for (number, calls) in still {
            match self.matters.get_mut(&number) {
                Some(matter) => matter.set_calls(calls),
                None => drop(self.matters.insert(number, Matter::new(number, calls))),
            }
        }
    }

    /// What was tried before, in its order: by this receiver or by another.
    pub(crate) fn recall(&mut self, roster: &Roster, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if let Some(matter) = self.matters.get_mut(&outcome.matter) {
                matter.recall(roster, outcome);
            }
        }
    }

    /// What is to be done at this moment. A [`Deed::Gather`] takes effect with the next
    /// [`Machine::open`]: only what is in the database is told.
    pub(crate) fn due(&mut self, roster: &Roster, now: UtcMs) -> Vec<Deed> {
        let mut deeds = storms::gather(&self.waiting, &self.matters, self.rule, roster, now);
        for deed in &deeds {
            match deed {
                Deed::Gather { calls, .. } => {
                    for call in calls {
                        self.waiting.remove(call);
                    }
                }
                Deed::Over { call, .. } => drop(self.waiting.remove(call)),
                Deed::Nobody(_) | Deed::Send(_) => {}
            }
        }
        for matter in self.matters.values_mut() {
            matter.due(roster, now, &mut deeds);
        }
        deeds
    }

    /// An attempt has come to its end: what is to be recorded of it.
    pub(crate) fn done(
        &mut self,
        roster: &Roster,
        send: &Send,
        way: &str,
        at: UtcMs,
        result: Result<(), String>,
    ) -> Outcome {
        let mut outcome = Outcome {
            matter: send.matter,
            list: send.list.clone(),
            round: send.round,
            member: Some(send.member.clone()),
            way: way.to_owned(),
            place: send.way,
            pass: send.pass,
            at,
            result,
            next: None,
            key: send.key.clone(),
        };
        if let Some(matter) = self.matters.get_mut(&send.matter) {
            outcome.next = matter.apply(roster, &outcome);
        }
        outcome
    }
}

/// Saturates far beyond any date.
fn plus(at: UtcMs, duration: Duration) -> UtcMs {
    UtcMs(at.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Calls for tests.

    use gatehouse_core::event::Class;
    use gatehouse_core::id::Seq;

    use super::*;
    use crate::store::{Basis, When};

    /// A call that came in when it happened, for the list `patrol`.
    pub(crate) fn call(number: i64, site: &str, gateway: &str, kind: &str, at: i64) -> Call {
        Call {
            number,
            site: site.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
            seq: Seq(number.unsigned_abs()),
            event: format!("e{number}"),
            incident: format!("a{number}").parse().unwrap(),
            class: Class::Alarm,
            kind: kind.to_owned(),
            severity: 2,
            source: "zone/hall".to_owned(),
            list: Some("patrol".parse().unwrap()),
            escalated: false,
            when: When { utc: UtcMs(at), basis: Basis::Gateway },
            recv: UtcMs(at),
            matter: None,
        }
    }

    /// As the machine would have it sent.
    pub(crate) fn send(calls: Vec<Call>) -> Send {
        Send {
            matter: 1,
            list: "patrol".parse().unwrap(),
            round: 0,
            member: "p-1".parse().unwrap(),
            pass: 0,
            way: 0,
            key: "k".to_owned(),
            gateways: 1,
            calls,
        }
    }
}
