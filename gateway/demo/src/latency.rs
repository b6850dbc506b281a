//! How long events take from the edge to the broker.

use std::collections::VecDeque;

use serde::Serialize;

/// Samples kept: at ten events a second the last quarter of an hour.
const KEPT: usize = 10_000;

/// The last samples, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    samples: VecDeque<u64>,
}

/// Median and 99th percentile, in milliseconds; `null` without a single sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

impl Latency {
    pub(crate) fn add(&mut self, took_ns: u64) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(took_ns);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let mut sorted: Vec<u64> = self.samples.iter().copied().collect();
        sorted.sort_unstable();
        // Nearest rank: a percentile is a time that was really measured.
        let rank = |percent: usize| {
            let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(place).map(|ns| milliseconds(*ns))
        };
        Percentiles { p50: rank(50), p99: rank(99) }
    }
}

/// Milliseconds with three digits after the point.
fn milliseconds(ns: u64) -> f64 {
    let us = u32::try_from(ns / 1000).unwrap_or(u32::MAX);
    f64::from(us) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentiles(), Percentiles::default());
        for ms in (1..=200).rev() {
            latency.add(ms * 1_000_000);
        }
        assert_eq!(latency.percentiles(), Percentiles { p50: Some(100.0), p99: Some(198.0) });
    }

    #[test]
    fn old_samples_make_room() {
        let mut latency = Latency::default();
        for _ in 0..KEPT {
            latency.add(9_000_000);
        }
        for _ in 0..KEPT {
            latency.add(1_500_000);
        }
        assert_eq!(latency.percentiles().p99, Some(1.5));
    }
}
