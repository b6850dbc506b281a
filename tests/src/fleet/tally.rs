//! What the fleet's gateways have seen, in one place: samples, connects, bytes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatehouse_core::event::Lane;
use gatehouse_core::time::Mono;
use serde::Serialize;

/// One event's way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) lane: Lane,
    /// When it was stored.
    pub(super) stored: Mono,
    pub(super) took: Duration,
}

/// Everything that is counted. Shared by all tasks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    samples: Mutex<Vec<Sample>>,
    /// Connections that came up, by second since the start.
    connects: Mutex<BTreeMap<u64, u32>>,
    pub(super) online: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) reports: Mutex<BTreeMap<String, u64>>,
    pub(super) written: AtomicU64,
    pub(super) read: AtomicU64,
}

/// Times in milliseconds, by share of the events.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Times {
    pub(super) events: usize,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Times {
    /// Of times in any order.
    pub(super) fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |share: usize| {
            let place = (took.len() * share).div_ceil(1000).saturating_sub(1);
            took.get(place).map_or(0.0, |took| (took.as_secs_f64() * 10_000.0).round() / 10.0)
        };
        Self {
            events: took.len(),
            p50_ms: at(500),
            p95_ms: at(950),
            p99_ms: at(990),
            max_ms: at(1000),
        }
    }
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn of(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(super) fn confirmed(&self, sample: Sample) {
        self.samples.lock().expect("nobody panics holding it").push(sample);
    }

    pub(super) fn connected(&self, second: u64) {
        *self.connects.lock().expect("nobody panics holding it").entry(second).or_default() += 1;
    }

    pub(super) fn reported(&self, kind: &str) {
        let mut reports = self.reports.lock().expect("nobody panics holding it");
        *reports.entry(kind.to_owned()).or_default() += 1;
    }

    pub(super) fn confirmed_count(&self) -> u64 {
        self.samples.lock().expect("nobody panics holding it").len() as u64
    }

    pub(super) fn all_reports(&self) -> BTreeMap<String, u64> {
        self.reports.lock().expect("nobody panics holding it").clone()
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().expect("nobody panics holding it").clone()
    }

    pub(super) fn connects(&self) -> BTreeMap<u64, u32> {
        self.connects.lock().expect("nobody panics holding it").clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_seen() {
        let times = Times::of((1..=200).rev().map(Duration::from_millis).collect());
        let Times { events, p50_ms, p95_ms, p99_ms, max_ms } = times;
        assert_eq!((events, p50_ms, p95_ms, p99_ms, max_ms), (200, 100.0, 190.0, 198.0, 200.0));
        assert_eq!(Times::of(vec![]).events, 0);
    }
}
