//! What one site told and the other did not.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::steps::Recording;
use crate::id::Id;
use crate::site::SiteConfig;
use crate::time::{Mono, UtcMs};

/// Recorded and told again so near to each other, two events are the same: a restart reads its
/// clocks at more than one moment. Two replays read the same clocks.
const SAME: Duration = Duration::from_secs(1);

/// Told within so long of each other, they are the same event at another time: no delay is longer.
const SHIFTED: Duration = Duration::from_secs(600);

/// An event, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of its source, as `zone`.
    pub thing: String,
    /// The id of its source.
    pub id: Id,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<Id>,
    /// It begins an alarm.
    pub alarm: bool,
    /// When, on the wall.
    pub utc: UtcMs,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(skip)]
    pub(super) life: u32,
    #[serde(skip)]
    pub(super) at: Mono,
    /// Nobody at the site may notice it.
    #[serde(skip)]
    pub silent: bool,
}

/// How the proposed configuration differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It would have told it; the present one does not.
    More,
    /// It would not have told it.
    Missed,
    /// It would have told it earlier.
    Earlier,
    /// It would have told it later.
    Later,
}

/// One event that would have been different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How.
    pub how: How,
    /// By how many milliseconds, of an event at another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_ms: Option<u64>,
    /// The event, as the proposed configuration tells it, or the present one if only that does.
    #[serde(flatten)]
    pub event: Told,
}

/// Differences, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Only the proposed configuration tells them.
    pub more: usize,
    /// Only the present one does.
    pub missed: usize,
    /// Both do, at another time.
    pub shifted: usize,
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Events of the journal in the time that is compared.
    pub events: u64,
    /// Every difference, in the order of time; those that nobody here may notice are among them.
    pub differences: Vec<Difference>,
    /// Alarms of the record, and how many of them the site as it is tells again in the replay: how
    /// far the result can be believed.
    pub faithful: (usize, usize),
    /// Alarms that the site as it is tells in the replay and the record does not have.
    pub invented: usize,
    /// What no record can tell.
    pub not_comparable: Vec<String>,
}

impl Replayed {
    /// Alarms counted, as far as they may be seen here.
    pub fn alarms(&self) -> Counts {
        self.count(|difference| difference.event.alarm)
    }

    /// Everything else counted: faults, refused armings, entries, doors held open.
    pub fn others(&self) -> Counts {
        self.count(|difference| !difference.event.alarm)
    }

    fn count(&self, of: impl Fn(&Difference) -> bool) -> Counts {
        let mut counts = Counts::default();
        for difference in self.shown().filter(|difference| of(difference)) {
            match difference.how {
                How::More => counts.more += 1,
                How::Missed => counts.missed += 1,
                How::Earlier | How::Later => counts.shifted += 1,
            }
        }
        counts
    }

    /// The differences that may be shown at the site: no silent panic among them.
    pub fn shown(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| !difference.event.silent)
    }
}

impl Recording {
    pub(super) fn finish(self, proposed: &SiteConfig, present: &[Told], then: &[Told]) -> Replayed {
        let not_comparable = self.not_comparable(proposed);
        let alarms = |told: &[Told]| -> Vec<Told> {
            told.iter().filter(|told| told.alarm).cloned().collect()
        };
        let recorded = alarms(&self.told);
        let (_, lost, invented) = pair(&recorded, &alarms(present), SAME);
        let faithful = (recorded.len(), recorded.len() - lost.len());
        let (_, missed, more) = pair(present, then, Duration::ZERO);
        // What is left on both sides may be the same at another time.
        let left: Vec<_> = missed.iter().map(|place| present[*place].clone()).collect();
        let new: Vec<_> = more.iter().map(|place| then[*place].clone()).collect();
        let (moved, missed, more) = pair(&left, &new, SHIFTED);
        let moved = moved.into_iter().map(|(was, is)| {
            let (was, is) = (&left[was], &new[is]);
            let (how, by) = if is.at > was.at {
                (How::Later, is.at.since(was.at))
            } else {
                (How::Earlier, was.at.since(is.at))
            };
            let by_ms = Some(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
            Difference { how, by_ms, event: is.clone() }
        });
        let one = |how, event: &Told| Difference { how, by_ms: None, event: event.clone() };
        let missed = missed.iter().map(|place| one(How::Missed, &left[*place]));
        let more = more.iter().map(|place| one(How::More, &new[*place]));
        let mut differences: Vec<_> = moved.chain(missed).chain(more).collect();
        differences.sort_by(|a, b| {
            (a.event.utc, &a.event.id, a.how).cmp(&(b.event.utc, &b.event.id, b.how))
        });
        let (events, invented) = (self.events, invented.len());
        Replayed { events, differences, faithful, invented, not_comparable }
    }

    /// What no record can tell, of these two configurations.
    fn not_comparable(&self, proposed: &SiteConfig) -> Vec<String> {
        let mut all: Vec<String> = self.notes.iter().cloned().collect();
        let present = &self.present;
        for zone in &proposed.zones {
            let before = present.zones.iter().find(|known| known.id == zone.id);
            let id = &zone.id;
            match before {
                None => all.push(format!("zone/{id}: it is new, nothing of it is recorded")),
                Some(before) if before.driver != zone.driver => all.push(format!(
                    "zone/{id}: it is wired elsewhere; what it tells is that of the old wire"
                )),
                Some(before) if !before.record && before.kind.needs_arming() => all.push(format!(
                    "zone/{id}: its openings are recorded only while it protects (record = false)"
                )),
                Some(before) if before.hold_off > zone.hold_off => all.push(format!(
                    "zone/{id}: faults shorter than {} s were not recorded",
                    before.hold_off.as_secs()
                )),
                Some(_) => {}
            }
        }
        for door in &proposed.doors {
            if !present.doors.iter().any(|known| known.id == door.id) {
                all.push(format!("door/{}: it is new, nothing of it is recorded", door.id));
            }
        }
        for (part, mode) in present.partitions.iter().zip(&self.modes) {
            if mode.is_none() && self.events > 0 {
                all.push(format!(
                    "partition/{}: nobody armed or disarmed it in this time; it is taken as disarmed",
                    part.id
                ));
            }
        }
        all.push(
            "contacts that moved for less than their debounce, and edges that were lost".into(),
        );
        all
    }
}

/// Pairs events of one type and source, each with the nearest that is not farther than `within`:
/// the pairs, and what is left of either side.
fn pair(
    these: &[Told],
    those: &[Told],
    within: Duration,
) -> (Vec<(usize, usize)>, Vec<usize>, Vec<usize>) {
    type Key<'a> = (&'a str, &'a str, &'a Id, u32);
    fn key(told: &Told) -> Key<'_> {
        (&told.kind, &told.thing, &told.id, told.life)
    }
    let mut by_key: BTreeMap<Key<'_>, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (place, told) in these.iter().enumerate() {
        by_key.entry(key(told)).or_default().0.push(place);
    }
    for (place, told) in those.iter().enumerate() {
        by_key.entry(key(told)).or_default().1.push(place);
    }
    let (mut pairs, mut left, mut right) = (Vec::new(), Vec::new(), Vec::new());
    for (mine, theirs) in by_key.into_values() {
        // Both are in the order of time: the earliest finds the earliest that is near enough.
        let mut theirs = theirs.into_iter().peekable();
        for place in mine {
            let at = these[place].at;
            while let Some(other) = theirs.next_if(|other| those[*other].at.plus(within) < at) {
                right.push(other);
            }
            match theirs.next_if(|other| those[*other].at <= at.plus(within)) {
                Some(other) => pairs.push((place, other)),
                None => left.push(place),
            }
        }
        right.extend(theirs);
    }
    left.sort_unstable();
    right.sort_unstable();
    (pairs, left, right)
}
