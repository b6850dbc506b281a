//! What the receiver counts of its own work since it started, for `/metrics`.
//!
//! Plain atomics: the database's thread adds, whoever asks reads. Nothing waits for anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use gatehouse_core::event::Class;

use crate::pictures::Refused;
use crate::responders::WAYS;

/// Upper bounds of a commit's time, in microseconds: a fast disk needs one millisecond, a busy
/// server tens, and from ten seconds on somebody has to look.
const COMMIT_US: [u64; 14] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000, 10_000_000,
];

/// Upper bounds of the messages in one commit, up to the queue's length.
const MESSAGES: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 4_096];

/// Counts in classes of size.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds: what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    fn add(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Each bound with how many were at most so large, then how many there were, and their sum.
    pub(crate) fn read(&self) -> (Vec<(u64, u64)>, u64, u64) {
        let mut total = 0;
        let mut below = Vec::with_capacity(self.bounds.len());
        for (place, count) in self.counts.iter().enumerate() {
            total += count.load(Relaxed);
            if let Some(bound) = self.bounds.get(place) {
                below.push((*bound, total));
            }
        }
        (below, total, self.sum.load(Relaxed))
    }
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Meter {
    events: [AtomicU64; Class::ALL.len()],
    pub(crate) duplicates: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    pub(crate) deferred: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// By way: told, and not told.
    told: [[AtomicU64; 2]; WAYS.len()],
    /// Pictures that were kept and had not been there.
    pub(crate) pictures: AtomicU64,
    /// By [`Refused`].
    refused: [AtomicU64; Refused::ALL.len()],
    /// Pictures that had to make room.
    pub(crate) trimmed: AtomicU64,
    /// Events of which only the place is left.
    pub(crate) expired: AtomicU64,
    /// In microseconds.
    pub(crate) commits: Histogram,
    pub(crate) messages: Histogram,
    /// Messages that the database's thread has taken and not committed yet.
    pub(crate) in_hand: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            events: Default::default(),
            duplicates: AtomicU64::default(),
            conflicts: AtomicU64::default(),
            quarantined: AtomicU64::default(),
            deferred: AtomicU64::default(),
            failures: AtomicU64::default(),
            told: Default::default(),
            pictures: AtomicU64::default(),
            refused: Default::default(),
            trimmed: AtomicU64::default(),
            expired: AtomicU64::default(),
            commits: Histogram::new(&COMMIT_US),
            messages: Histogram::new(&MESSAGES),
            in_hand: AtomicU64::default(),
        }
    }
}

impl Meter {
    /// An event of this class is committed.
    pub(crate) fn event(&self, class: Class) {
        if let Some(place) = Class::ALL.iter().position(|one| *one == class) {
            self.events[place].fetch_add(1, Relaxed);
        }
    }

    /// Every class with the events that were committed.
    pub(crate) fn events(&self) -> impl Iterator<Item = (Class, u64)> {
        Class::ALL.into_iter().zip(&self.events).map(|(class, count)| (class, count.load(Relaxed)))
    }

    /// Somebody was told by this way, or could not be.
    pub(crate) fn told(&self, way: &str, told: bool) {
        if let Some(place) = WAYS.iter().position(|one| *one == way) {
            self.told[place][usize::from(!told)].fetch_add(1, Relaxed);
        }
    }

    /// Every way with how often somebody was told by it, and could not be.
    pub(crate) fn told_by_way(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let of = |(way, [told, failed]): (&'static str, &[AtomicU64; 2])| {
            (way, told.load(Relaxed), failed.load(Relaxed))
        };
        WAYS.into_iter().zip(&self.told).map(of)
    }

    /// What came as a picture is not kept.
    pub(crate) fn refused(&self, why: Refused) {
        count(&self.refused[why as usize]);
    }

    /// Every reason with how much was not kept for it.
    pub(crate) fn refused_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::ALL.into_iter().map(|why| (why.as_str(), self.refused[why as usize].load(Relaxed)))
    }

    /// A commit of so many messages has returned.
    pub(crate) fn commit(&self, took: Duration, messages: usize) {
        self.commits.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.messages.add(messages as u64);
    }
}

/// One more of these.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// So many more.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_at_most_its_bound() {
        let histogram = Histogram::new(&[1, 5]);
        for value in [0, 1, 2, 5, 6, 100] {
            histogram.add(value);
        }
        assert_eq!(histogram.read(), (vec![(1, 2), (5, 4)], 6, 114));
    }

    #[test]
    fn every_class_has_its_own_count() {
        let meter = Meter::default();
        meter.event(Class::Door);
        meter.event(Class::Door);
        meter.event(Class::Panic);
        let counted: Vec<_> = meter.events().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Class::Panic, 1), (Class::Door, 2)]);
        assert_eq!(meter.events().count(), Class::ALL.len());
    }
}
