//! Events that the broker does not take.
//!
//! A PUBACK with an error is answered with patience: twice more after 1 s and 2 s, then the event
//! is *set aside* with a fault, so that one event cannot hold up the others, and is tried again
//! every 5 min to 1 h, on every new connection, and when a receipt names it as missing: then at once,
//! but each further time only after twice the pause, since a receiver may ask every 2 s for ever. When
//! one set aside is taken, all are sent. A broker
//! that tears the connection instead of refusing (Mosquitto 2.0.11 on its own size limit, answered
//! with a code that rumqttc cannot read) is found by the record that stands first in flight on three
//! such connections: it is then sent alone, and set aside when that ends the same way twice more. Such
//! an event is not tried because somebody asks: that costs everybody the connection.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{Class, Lane, Qualifier};
use crate::id::{Id, Seq};
use crate::site::Report;
use crate::time::Mono;

/// Refusals after which an event is set aside.
const REFUSALS: u32 = 3;
/// Connections lost at the same event after which it is sent alone.
const LOST_BEFORE_SOLO: u32 = 3;
/// Connections lost at the same event after which it is set aside.
const LOST_BEFORE_ASIDE: u32 = 5;
/// The most events of the normal lane that wait aside: then the lane stops, since a broker that
/// refuses so much refuses everything.
const MOST_ASIDE: usize = 1024;
/// How long an event that was set aside rests at first; doubles up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_secs(300);
/// See [`FIRST_REST`].
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// After a try because a receipt asked, the next such try comes at the earliest so much later;
/// doubles up to [`FIRST_REST`]. Two of the contract's asks (5 s) apart, so that it is not each.
const FIRST_ASK: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for its time.
    Rests(Mono),
    /// Is being sent again.
    Again,
    /// Will come by its lane again, after the connection was lost.
    InLane,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    lane: Lane,
    refusals: u32,
    aside: bool,
    /// It ended connections: not to be tried again with each of them.
    tears: bool,
    phase: Phase,
    /// How often it was tried because a receipt asked, and until when the next asks are passed over.
    asked: (u32, Mono),
}

#[derive(Debug, Default)]
pub(super) struct Refused {
    entries: BTreeMap<Seq, Entry>,
    suspect: Option<(Seq, u32)>,
}

impl Refused {
    /// Notes a refusal; true if the event is set aside by it.
    pub(super) fn refuse(&mut self, seq: Seq, lane: Lane, now: Mono) -> bool {
        let entry = self.entries.entry(seq).or_insert(Entry {
            lane,
            refusals: 0,
            aside: false,
            tears: false,
            phase: Phase::Again,
            asked: (0, Mono(0)),
        });
        entry.refusals += 1;
        let newly = !entry.aside && entry.refusals >= REFUSALS;
        entry.aside |= newly;
        let rest = if entry.aside {
            let doublings = (entry.refusals - REFUSALS).min(8);
            (FIRST_REST * (1 << doublings)).min(LONGEST_REST)
        } else {
            Duration::from_secs(1 << (entry.refusals - 1))
        };
        entry.phase = Phase::Rests(now.plus(rest));
        newly
    }

    /// An event was taken. If it had been set aside, the others are to be sent again too.
    pub(super) fn taken(&mut self, seq: Seq) -> Vec<Seq> {
        if self.suspect.is_some_and(|(suspect, _)| suspect == seq) {
            self.suspect = None;
        }
        match self.entries.remove(&seq) {
            Some(entry) if entry.aside => {
                let resting = self.entries.iter_mut();
                let resting = resting.filter(|(_, entry)| matches!(entry.phase, Phase::Rests(_)));
                resting
                    .map(|(seq, entry)| {
                        entry.phase = Phase::Again;
                        *seq
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// A connection was ended by the peer; `head` was first in flight. Some if it is set aside now.
    pub(super) fn connection_lost(&mut self, head: Option<(Seq, Lane)>, now: Mono) -> Option<Seq> {
        let (seq, lane) = head?;
        let lost = match self.suspect {
            Some((suspect, lost)) if suspect == seq => lost + 1,
            _ => 1,
        };
        if lost < LOST_BEFORE_ASIDE {
            self.suspect = Some((seq, lost));
            return None;
        }
        self.suspect = None;
        let phase = Phase::Rests(now.plus(FIRST_REST));
        let known = self.entries.get(&seq).is_some_and(|entry| entry.aside);
        let asked = (0, Mono(0));
        let entry = Entry { lane, refusals: REFUSALS, aside: true, tears: true, phase, asked };
        self.entries.insert(seq, entry);
        (!known).then_some(seq)
    }

    /// What was to be sent again comes by its lane; what is aside rests on.
    pub(super) fn disconnected(&mut self, now: Mono) {
        for entry in self.entries.values_mut() {
            if !entry.aside {
                entry.phase = Phase::InLane;
            } else if entry.phase == Phase::Again {
                entry.phase = Phase::Rests(now.plus(FIRST_REST));
            }
        }
    }

    /// A connection is up: perhaps somebody has mended what was refused.
    pub(super) fn reconnected(&mut self, now: Mono) {
        for entry in self.entries.values_mut().filter(|entry| entry.aside && !entry.tears) {
            entry.phase = Phase::Rests(now);
        }
    }

    /// A receipt names these as missing: what rests aside of them is due at once, if it was not
    /// tried for the same reason a short while ago.
    pub(super) fn asked(&mut self, from: Seq, to: Seq, now: Mono) {
        if from > to {
            return;
        }
        for entry in self.entries.range_mut(from..=to).map(|(_, entry)| entry) {
            let (times, not_before) = entry.asked;
            let rests = matches!(entry.phase, Phase::Rests(until) if until > now);
            if entry.aside && !entry.tears && rests && not_before <= now {
                entry.phase = Phase::Rests(now);
                let pause = (FIRST_ASK * (1 << times.min(8))).min(FIRST_REST);
                entry.asked = (times.saturating_add(1), now.plus(pause));
            }
        }
    }

    /// Whether the suspect is to be sent alone.
    pub(super) fn solo(&self) -> bool {
        self.suspect.is_some_and(|(_, lost)| lost >= LOST_BEFORE_SOLO)
    }

    /// The numbers whose rest is over.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Seq> {
        let mut due = Vec::new();
        for (seq, entry) in &mut self.entries {
            if matches!(entry.phase, Phase::Rests(until) if until <= now) {
                entry.phase = Phase::Again;
                due.push(*seq);
            }
        }
        due
    }

    pub(super) fn next_retry(&self) -> Option<Mono> {
        let resting = self.entries.values().filter_map(|entry| match entry.phase {
            Phase::Rests(until) => Some(until),
            Phase::Again | Phase::InLane => None,
        });
        resting.min()
    }

    pub(super) fn is_aside(&self, seq: Seq) -> bool {
        self.entries.get(&seq).is_some_and(|entry| entry.aside)
    }

    /// Whether this event will be sent again without anybody asking.
    pub(super) fn waits(&self, seq: Seq) -> bool {
        self.entries.contains_key(&seq)
    }

    /// The first event of a lane that is not aside and still owed to the broker.
    pub(super) fn first_pending(&self, lane: Lane) -> Option<Seq> {
        let mut owed = self.entries.iter().filter(|(_, entry)| {
            entry.lane == lane && !entry.aside && entry.phase != Phase::InLane
        });
        owed.next().map(|(seq, _)| *seq)
    }

    /// Whether the normal lane is to stop.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= MOST_ASIDE
    }

    pub(super) fn count(&self) -> u32 {
        let aside = self.entries.values().filter(|entry| entry.aside).count();
        u32::try_from(aside).unwrap_or(u32::MAX)
    }

    /// The control room has these, by whatever way.
    pub(super) fn received(&mut self, upto: Seq) {
        self.entries = self.entries.split_off(&upto.next());
    }

    /// Another broker, or one that begins anew, may take what this one refused.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
    }
}

/// The fault that an event was set aside.
pub(super) fn report(gateway: &Id, seq: Seq, code: Option<u8>) -> Report {
    let cause = match code {
        Some(code) => format!("the broker refuses it with reason 0x{code:02X}"),
        None => "the broker ends the connection whenever it is sent".to_owned(),
    };
    Report {
        class: Class::Fault,
        kind: "uplink.set_aside",
        qualifier: Qualifier::New,
        severity: 2,
        source: ("gateway", gateway.clone()),
        closes: None,
        cause: Some(cause),
        detail: Some(serde_json::json!({ "seq": seq })),
        at: None,
    }
}
