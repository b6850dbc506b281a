//! The audit: every link of the chain, and that no number is missing.

use gatehouse_core::event::{self, Class};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Mono;
use serde::{Deserialize, Serialize};

use super::super::{FORMER, Store, StoreError};
use super::Reading;
use crate::gaps::GapTracker;
use crate::retention::{self, Stump};

/// What the database says of its own completeness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Events stored.
    pub events: u64,
    /// Gateways they are of.
    pub gateways: u64,
    /// How often a gateway has begun anew: its flash was wiped, and it numbers from 1 again.
    pub began_anew: u64,
    /// Ranges below a gateway's newest event of which nothing is known.
    pub holes: u64,
    /// The numbers in them.
    pub missing: u64,
    /// Numbers that a `system.gap` accounts for and that have not come after all.
    pub accounted: u64,
    /// Numbers of which only an unreadable payload came.
    pub quarantined: u64,
    /// Events whose `prev` is not the hash of the event before, or whose bytes are not what their
    /// place says.
    pub breaks: u64,
    /// Deliveries of an event that was stored already.
    pub duplicates: u64,
    /// Other contents that came under the number of a stored event.
    pub conflicts: u64,
}

impl Audit {
    /// Whether every event is there, unchanged, or its absence is accounted for.
    pub const fn is_clean(&self) -> bool {
        self.holes == 0 && self.breaks == 0 && self.conflicts == 0 && self.quarantined == 0
    }
}

/// One finding of the audit, for people.
pub(crate) type Finding<'a> = &'a mut dyn FnMut(String);

/// A gateway between two wipes of its flash.
#[derive(Clone, Debug)]
pub(in super::super) struct Life {
    pub(in super::super) row: i64,
    pub(in super::super) site: String,
    /// With `#1` and so on, if it has begun anew since.
    pub(in super::super) gateway: String,
    pub(in super::super) duplicates: u64,
}

/// What accounts for numbers without an event.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Side {
    /// Ranges of `system.gap`.
    pub(in super::super) gaps: Vec<(Seq, Seq)>,
    /// Numbers of unreadable payloads, in order.
    pub(in super::super) quarantined: Vec<Seq>,
    pub(in super::super) conflicts: u64,
}

impl Store {
    /// Reads every event, checks each link of the chain and that no number is missing.
    ///
    /// # Errors
    /// When the database cannot be read on.
    pub fn audit(&self, gateway: Option<&Id>, finding: Finding<'_>) -> Result<Audit, StoreError> {
        let reading = self.reading();
        let mut audit = Audit::default();
        // Receivers may be writing meanwhile.
        reading.still(&mut || {
            for life in reading.lives(gateway)? {
                one(reading, &life, &mut audit, finding)?;
            }
            Ok(())
        })?;
        Ok(audit)
    }
}

fn one(
    reading: &dyn Reading,
    life: &Life,
    audit: &mut Audit,
    finding: Finding<'_>,
) -> Result<(), StoreError> {
    let name = format!("{}/{}", life.site, life.gateway);
    let id = match life.gateway.split_once(FORMER) {
        None => {
            audit.gateways += 1;
            life.gateway.as_str()
        }
        Some((id, _)) => {
            audit.began_anew += 1;
            finding(format!("{name}: sent before this gateway began anew, numbers from 1"));
            id
        }
    };
    audit.duplicates += life.duplicates;
    let mut tracker = GapTracker::default();
    let mut before: Option<(u64, [u8; 32])> = None;
    reading.bodies(life.row, &mut |Seq(number), class, body| {
        tracker.resolve(Seq(number), Seq(number), Mono::default());
        audit.events += 1;
        let expected =
            before.filter(|(seq, _)| seq + 1 == number).map(|(_, hash)| event::hex(&hash));
        if let Some(complaint) = complaint(body, id, number, class, expected.as_deref()) {
            audit.breaks += 1;
            finding(format!("{name} seq {number}: {complaint}"));
        }
        before = Some((number, retention::chain_hash(body)));
    })?;
    let side = reading.side(life.row)?;
    for (from, to) in side.gaps {
        audit.accounted += tracker.resolve(from, to, Mono::default());
    }
    for seq in side.quarantined {
        audit.quarantined += tracker.resolve(seq, seq, Mono::default());
    }
    for (from, to) in tracker.holes() {
        audit.holes += 1;
        finding(format!("{name}: {from}..={to} missing"));
    }
    audit.missing += tracker.missing();
    audit.conflicts += side.conflicts;
    Ok(())
}

/// What is wrong with the bytes of an event at their place, if anything is.
fn complaint(
    body: &[u8],
    gateway: &str,
    number: u64,
    class: i64,
    expected: Option<&str>,
) -> Option<String> {
    #[derive(Deserialize)]
    struct Link<'a> {
        #[serde(borrow)]
        gw: std::borrow::Cow<'a, str>,
        seq: u64,
        #[serde(borrow)]
        prev: std::borrow::Cow<'a, str>,
        class: Class,
    }
    if let Some(stump) = Stump::read(body) {
        return linked(expected, &stump.prev);
    }
    let link: Link<'_> = match serde_json::from_slice(body) {
        Ok(link) => link,
        Err(error) => return Some(format!("the stored bytes are no event: {error}")),
    };
    if link.seq != number || link.gw != gateway || link.class as i64 != class {
        return Some(format!(
            "the stored bytes are of {} seq {} class {}",
            link.gw,
            link.seq,
            link.class.as_str()
        ));
    }
    linked(expected, &link.prev)
}

fn linked(expected: Option<&str>, prev: &str) -> Option<String> {
    let expected = expected.filter(|expected| *expected != prev)?;
    Some(format!("prev is {prev}, the event before hashes to {expected}"))
}
