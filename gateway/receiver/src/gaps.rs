//! Which numbers of a gateway are accounted for, and which are missing.
//!
//! Kept as the holes below the newest number: a healthy gateway has none, so a tracker is a few
//! words whatever the history. A number is *accounted for* when its event is committed, when a
//! `system.gap` says that it can never come, or when its payload lies in quarantine.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::id::Seq;
use gatehouse_core::time::Mono;

/// The most holes kept per gateway: some 200 KiB. What would make one more is refused; the gateway
/// has no receipt for it, so it still holds it and sends it again when older holes are filled.
pub const MAX_HOLES: usize = 4096;

/// The largest number that can be kept: the database's integers are signed.
pub const MAX_SEQ: u64 = i64::MAX as u64;

/// The numbers of one gateway.
#[derive(Clone, Debug, Default)]
pub struct GapTracker {
    /// The newest number that is accounted for.
    head: u64,
    /// First number of each hole to its last, and since when it is known; all below `head`.
    holes: BTreeMap<u64, Hole>,
    /// How many numbers lie in holes.
    missing: u64,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    to: u64,
    since: Mono,
}

/// What [`GapTracker::insert`] made of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Accounted for from now on.
    New,
    /// Was accounted for already.
    Known,
    /// Zero, above [`MAX_SEQ`], or it would make more than [`MAX_HOLES`].
    Refused,
}

impl GapTracker {
    /// A tracker that begins after `upto`: everything up to it is accounted for.
    pub fn resumed(upto: Seq) -> Self {
        Self { head: upto.0, ..Self::default() }
    }

    /// A tracker with this newest number and these holes below it, in order, as a database kept
    /// them. `None`: they make no sense, and are to be counted anew.
    pub fn restored(
        head: Seq,
        holes: impl IntoIterator<Item = (Seq, Seq)>,
        now: Mono,
    ) -> Option<Self> {
        let mut tracker = Self { head: head.0, ..Self::default() };
        let mut free = 1;
        for (Seq(from), Seq(to)) in holes {
            if from < free || from > to || to >= head.0 {
                return None;
            }
            free = to + 2;
            tracker.missing += to - from + 1;
            tracker.holes.insert(from, Hole { to, since: now });
        }
        Some(tracker)
    }

    /// Holes that the older state of this tracker knew keep the time since when they are known.
    pub fn inherit(&mut self, older: &Self) {
        for (from, hole) in &mut self.holes {
            if let Some((_, known)) = older.hole_around(*from) {
                hole.since = known.since;
            }
        }
    }

    /// Every number up to this one is accounted for.
    pub fn upto(&self) -> Seq {
        Seq(self.holes.first_key_value().map_or(self.head, |(from, _)| from - 1))
    }

    /// The newest number that is accounted for.
    pub fn head(&self) -> Seq {
        Seq(self.head)
    }

    /// How many numbers below the newest are missing.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Whether this number is accounted for.
    pub fn contains(&self, seq: Seq) -> bool {
        seq.0 > 0 && seq.0 <= self.head && self.hole_around(seq.0).is_none()
    }

    /// Each hole, first and last number, oldest number first.
    pub fn holes(&self) -> impl ExactSizeIterator<Item = (Seq, Seq)> {
        self.holes.iter().map(|(from, hole)| (Seq(*from), Seq(hole.to)))
    }

    /// Each hole with the time since when it is known.
    pub fn known_since(&self) -> impl Iterator<Item = (Seq, Mono)> {
        self.holes.iter().map(|(from, hole)| (Seq(*from), hole.since))
    }

    /// Accounts for one number.
    pub fn insert(&mut self, seq: Seq, now: Mono) -> Seen {
        if seq.0 == 0 || seq.0 > MAX_SEQ {
            return Seen::Refused;
        }
        if self.contains(seq) {
            return Seen::Known;
        }
        let one_more = match self.hole_around(seq.0) {
            Some((from, hole)) => from < seq.0 && seq.0 < hole.to,
            None => seq.0 > self.head + 1,
        };
        if one_more && self.holes.len() >= MAX_HOLES {
            return Seen::Refused;
        }
        self.resolve(seq, seq, now);
        Seen::New
    }

    /// Accounts for a whole range, both ends included, and says how many of it were missing.
    /// An empty range, zero and what is above [`MAX_SEQ`] are nothing.
    pub fn resolve(&mut self, from: Seq, to: Seq, now: Mono) -> u64 {
        let (from, to) = (from.0.max(1), to.0.min(MAX_SEQ));
        if from > to {
            return 0;
        }
        let mut resolved = 0;
        if to > self.head {
            if from > self.head + 1 {
                let hole = Hole { to: from - 1, since: now };
                self.missing += hole.to - self.head;
                self.holes.insert(self.head + 1, hole);
            }
            resolved += to - self.head.max(from - 1);
            self.head = to;
        }
        // Cut the range out of every hole that it touches: from the last such hole downwards.
        while let Some((start, hole)) = self.holes.range(..=to).next_back() {
            let (start, hole) = (*start, *hole);
            if hole.to < from {
                break;
            }
            self.holes.remove(&start);
            let cut = hole.to.min(to) - start.max(from) + 1;
            self.missing -= cut;
            resolved += cut;
            if hole.to > to {
                self.holes.insert(to + 1, hole);
            }
            if start < from {
                self.holes.insert(start, Hole { to: from - 1, since: hole.since });
                break;
            }
        }
        resolved
    }

    /// The holes known for at least `wait`, oldest number first, at most `limit` of them.
    pub fn overdue(&self, now: Mono, wait: Duration, limit: usize) -> Vec<(Seq, Seq)> {
        self.holes
            .iter()
            .filter(|(_, hole)| hole.since.plus(wait) <= now)
            .map(|(from, hole)| (Seq(*from), Seq(hole.to)))
            .take(limit)
            .collect()
    }

    fn hole_around(&self, seq: u64) -> Option<(u64, Hole)> {
        let (from, hole) = self.holes.range(..=seq).next_back()?;
        (seq <= hole.to).then_some((*from, *hole))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        One(u64),
        Range(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u64..60).prop_map(Step::One),
            1 => (0u64..60, 0u64..12).prop_map(|(from, len)| Step::Range(from, from + len)),
        ]
    }

    proptest! {
        #[test]
        fn a_tracker_agrees_with_a_plain_set_after_every_step(
            steps in prop::collection::vec(step(), 0..120), upto in 0u64..5,
        ) {
            let mut tracker = GapTracker::resumed(Seq(upto));
            let mut set: BTreeSet<u64> = (1..=upto).collect();
            for (at, step) in (0u64..).zip(&steps) {
                match *step {
                    Step::One(seq) => {
                        let expected = match seq {
                            0 => Seen::Refused,
                            _ if set.insert(seq) => Seen::New,
                            _ => Seen::Known,
                        };
                        prop_assert_eq!(tracker.insert(Seq(seq), Mono(at)), expected);
                    }
                    Step::Range(from, to) => {
                        let fresh = (from.max(1)..=to).filter(|seq| set.insert(*seq)).count();
                        let resolved = tracker.resolve(Seq(from), Seq(to), Mono(at));
                        prop_assert_eq!(resolved, fresh as u64);
                    }
                }
                let head = set.last().copied().unwrap_or(0);
                let missing: Vec<u64> = (1..=head).filter(|seq| !set.contains(seq)).collect();
                let listed: Vec<u64> =
                    tracker.holes().flat_map(|(from, to)| from.0..=to.0).collect();
                prop_assert_eq!(&listed, &missing);
                prop_assert_eq!(tracker.missing(), missing.len() as u64);
                prop_assert_eq!(tracker.head(), Seq(head));
                prop_assert_eq!(tracker.upto(), Seq(missing.first().map_or(head, |seq| seq - 1)));
                for seq in 0..75 {
                    prop_assert_eq!(tracker.contains(Seq(seq)), set.contains(&seq));
                }
                // Holes never touch each other: what is one hole is listed as one.
                let holes: Vec<_> = tracker.holes().collect();
                prop_assert!(holes.windows(2).all(|pair| pair[0].1.0 + 1 < pair[1].0.0));
            }
        }

        #[test]
        fn the_order_of_arrival_changes_nothing_but_the_waiting(
            order in Just((1u64..=40).collect::<Vec<_>>()).prop_shuffle(), kept in 1usize..40,
        ) {
            let mut tracker = GapTracker::default();
            for seq in &order {
                tracker.insert(Seq(*seq), Mono(1));
            }
            prop_assert_eq!((tracker.upto(), tracker.missing()), (Seq(40), 0));

            let mut part = GapTracker::default();
            for seq in &order[..kept] {
                part.insert(Seq(*seq), Mono(1));
            }
            let set: BTreeSet<_> = order[..kept].iter().copied().collect();
            let upto = (1..=40).take_while(|seq| set.contains(seq)).count() as u64;
            prop_assert_eq!(part.upto(), Seq(upto));
        }

        #[test]
        fn a_hole_is_listed_only_after_its_wait_and_keeps_its_age_when_it_shrinks(
            born in 0u64..1000, asked in 0u64..2000,
        ) {
            let wait = Duration::from_nanos(500);
            let mut tracker = GapTracker::resumed(Seq(10));
            tracker.insert(Seq(20), Mono(born));
            tracker.insert(Seq(15), Mono(born + 400));
            let expected: &[_] = if asked >= born + 500 {
                &[(Seq(11), Seq(14)), (Seq(16), Seq(19))]
            } else {
                &[]
            };
            prop_assert_eq!(tracker.overdue(Mono(asked), wait, 64), expected);
            prop_assert!(tracker.overdue(Mono(asked), wait, 1).len() <= 1);
        }
    }

    #[test]
    fn what_would_make_one_hole_too_many_is_refused_and_filling_goes_on() {
        let mut tracker = GapTracker::default();
        for n in 1..=MAX_HOLES as u64 {
            assert_eq!(tracker.insert(Seq(n * 2), Mono(0)), Seen::New);
        }
        let next = MAX_HOLES as u64 * 2 + 2;
        assert_eq!(tracker.insert(Seq(next), Mono(0)), Seen::Refused);
        assert!(!tracker.contains(Seq(next)));
        assert_eq!(tracker.insert(Seq(1), Mono(0)), Seen::New);
        assert_eq!(tracker.insert(Seq(next), Mono(0)), Seen::New);
        assert_eq!(tracker.insert(Seq(u64::MAX), Mono(0)), Seen::Refused);
    }
}
