//! What EN 50136-1 wants to know of a path: its availability over 7 days, and mean and 95th
//! percentile of the transmission time over the last 1,000 events.
//!
//! *Available* is a path of which it was seen that it works: by the connection that uses it, or by
//! the last look at a standby. Time in which nobody looked (the box was off) counts for neither;
//! [`PathMeasures::observed_s`] says how much of the week the figure is of. A failure counts from
//! when it was noticed.
//!
//! *Transmission time* runs from the event on flash to the control room's receipt. It is taken of
//! events that were stored while the path was in use: what waited for a path is unavailability.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Seq;
use crate::time::Mono;

/// Hours of a week.
const HOURS: usize = 7 * 24;

const HOUR: Duration = Duration::from_secs(3600);

/// Events that the transmission time is taken of.
const EVENTS: usize = 1000;

/// Events whose receipt is waited for, at most: of a longer burst the rest is not measured.
const WAITING: usize = 1024;

/// The measures of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathMeasures {
    /// Parts of a million of the observed time in which the path worked; `None`: not observed yet.
    pub available_ppm: Option<u32>,
    /// Seconds of the last 7 days in which the path was observed.
    pub observed_s: u32,
    /// Mean transmission time in milliseconds; `None`: no event yet.
    pub mean_ms: Option<u32>,
    /// Its 95th percentile (nearest rank).
    pub p95_ms: Option<u32>,
    /// Events that both are of, at most 1,000.
    pub events: u32,
}

/// A path's measures as they are kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLedger {
    /// Milliseconds observed and available of each hour, the newest last.
    hours: Vec<(u32, u32)>,
    /// Transmission times in milliseconds, the newest last.
    took_ms: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    observed: Duration,
    available: Duration,
}

/// Keeps the measures of one path.
#[derive(Clone, Debug)]
pub struct PathLedger {
    /// The newest last; never empty.
    hours: VecDeque<Hour>,
    /// When the newest hour began.
    began: Mono,
    works: Option<bool>,
    /// Everything up to here is counted.
    counted: Mono,
    took_ms: VecDeque<u32>,
}

impl PathLedger {
    /// Of a path of which nothing is known.
    pub fn new(now: Mono) -> Self {
        let hours = VecDeque::from([Hour::default()]);
        Self { hours, began: now, works: None, counted: now, took_ms: VecDeque::new() }
    }

    /// Goes on with what was kept; `away` is how long ago that was, if anybody knows.
    pub fn restored(kept: &KeptLedger, away: Option<Duration>, now: Mono) -> Self {
        let mut ledger = Self::new(now);
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let hours = kept.hours.iter().rev().take(HOURS).rev();
        let hours = hours.map(|(observed, available)| Hour {
            observed: ms(*observed).min(HOUR),
            available: ms(*available).min(ms(*observed)).min(HOUR),
        });
        ledger.hours = hours.collect();
        let gone = away.map_or(0, |away| away.as_secs() / HOUR.as_secs());
        let gone = usize::try_from(gone).unwrap_or(HOURS).min(HOURS);
        (0..=gone).for_each(|_| ledger.next_hour());
        ledger.took_ms = kept.took_ms.iter().rev().take(EVENTS).rev().copied().collect();
        ledger
    }

    /// What is to be kept over a restart.
    pub fn kept(&self) -> KeptLedger {
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let hours = self.hours.iter().map(|hour| (ms(hour.observed), ms(hour.available)));
        KeptLedger { hours: hours.collect(), took_ms: self.took_ms.iter().copied().collect() }
    }

    /// From now on the path works, does not, or nobody knows.
    pub fn works(&mut self, works: Option<bool>, now: Mono) {
        self.count(now);
        self.works = works;
    }

    /// An event has taken so long from flash to receipt.
    pub fn transmitted(&mut self, took: Duration) {
        if self.took_ms.len() >= EVENTS {
            self.took_ms.pop_front();
        }
        self.took_ms.push_back(u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
    }

    /// The measures now.
    pub fn measures(&mut self, now: Mono) -> PathMeasures {
        self.count(now);
        let sum = |of: fn(&Hour) -> Duration| self.hours.iter().map(of).sum::<Duration>();
        let (observed, available) = (sum(|hour| hour.observed), sum(|hour| hour.available));
        let part = available.as_millis() * 1_000_000;
        let ppm = part.checked_div(observed.as_millis());
        let mut sorted: Vec<u32> = self.took_ms.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100);
        let total: u64 = sorted.iter().map(|ms| u64::from(*ms)).sum();
        let mean = total.checked_div(sorted.len() as u64);
        PathMeasures {
            available_ppm: ppm.and_then(|ppm| u32::try_from(ppm).ok()),
            observed_s: u32::try_from(observed.as_secs()).unwrap_or(u32::MAX),
            mean_ms: mean.and_then(|mean| u32::try_from(mean).ok()),
            p95_ms: rank.checked_sub(1).and_then(|place| sorted.get(place).copied()),
            events: u32::try_from(sorted.len()).unwrap_or(u32::MAX),
        }
    }

    fn count(&mut self, now: Mono) {
        loop {
            let end = self.began.plus(HOUR);
            let until = now.min(end);
            let time = until.since(self.counted);
            if let (Some(works), Some(hour)) = (self.works, self.hours.back_mut()) {
                hour.observed += time;
                if works {
                    hour.available += time;
                }
            }
            self.counted = self.counted.max(until);
            if now < end {
                return;
            }
            self.began = end;
            self.next_hour();
        }
    }

    fn next_hour(&mut self) {
        if self.hours.len() >= HOURS {
            self.hours.pop_front();
        }
        self.hours.push_back(Hour::default());
    }
}

/// Events on their way over one connection.
#[derive(Clone, Debug)]
pub struct Transit {
    up_since: Mono,
    waiting: BTreeMap<Seq, Mono>,
}

impl Transit {
    /// Over a connection that is up since now.
    pub fn new(now: Mono) -> Self {
        Self { up_since: now, waiting: BTreeMap::new() }
    }

    /// An event that was stored then was handed over.
    pub fn sent(&mut self, seq: Seq, stored: Mono) {
        if stored >= self.up_since && self.waiting.len() < WAITING {
            self.waiting.insert(seq, stored);
        }
    }

    /// The control room has everything up to this one: how long each of them took.
    pub fn received(&mut self, upto: Seq, now: Mono) -> impl Iterator<Item = Duration> + use<> {
        let later = self.waiting.split_off(&upto.next());
        let received = std::mem::replace(&mut self.waiting, later);
        received.into_values().map(move |stored| now.since(stored))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn availability_is_of_the_time_that_was_observed() {
        let mut path = PathLedger::new(s(0));
        assert_eq!(path.measures(s(100)).available_ppm, None, "nobody has looked");
        path.works(Some(true), s(100));
        path.works(Some(false), s(8_100));
        path.works(Some(true), s(10_100));
        let measures = path.measures(s(10_100));
        assert_eq!((measures.available_ppm, measures.observed_s), (Some(800_000), 10_000));
        path.works(None, s(10_100));
        assert_eq!(path.measures(s(99_999)).observed_s, 10_000);
    }

    #[test]
    fn a_week_is_remembered_and_no_more() {
        let mut path = PathLedger::new(s(0));
        path.works(Some(false), s(0));
        path.works(Some(true), s(3600));
        let week = 7 * 24 * 3600;
        let before = path.measures(s(week - 1));
        assert_eq!(before.observed_s, 604_799);
        assert_eq!(before.available_ppm, Some(994_047), "one hour of 168");
        let after = path.measures(s(week));
        assert_eq!((after.available_ppm, after.observed_s), (Some(1_000_000), 604_800 - 3600));
        // And after a year without a look at the figures.
        let later = path.measures(s(365 * 86_400 + 1800));
        assert_eq!(later.observed_s, 604_800 - 1800);
    }

    #[test]
    fn transmission_times_are_of_the_last_thousand_events() {
        let mut path = PathLedger::new(s(0));
        assert_eq!(path.measures(s(0)), PathMeasures::default());
        (0..500).for_each(|_| path.transmitted(Duration::from_secs(3600)));
        (1..=1000).for_each(|ms| path.transmitted(Duration::from_millis(ms)));
        let measures = path.measures(s(1));
        assert_eq!((measures.mean_ms, measures.p95_ms), (Some(500), Some(950)));
        assert_eq!(measures.events, 1000);
        let mut path = PathLedger::new(s(0));
        path.transmitted(Duration::from_millis(7));
        let measures = path.measures(s(1));
        assert_eq!((measures.mean_ms, measures.p95_ms, measures.events), (Some(7), Some(7), 1));
    }

    #[test]
    fn only_what_was_stored_while_the_path_was_in_use_is_measured() {
        let mut transit = Transit::new(s(100));
        transit.sent(Seq(5), s(10));
        transit.sent(Seq(6), s(101));
        transit.sent(Seq(8), s(102));
        let took: Vec<_> = transit.received(Seq(6), s(103)).collect();
        assert_eq!(took, [Duration::from_secs(2)]);
        assert_eq!(transit.received(Seq(6), s(104)).count(), 0, "each once");
        assert_eq!(transit.received(Seq(9), s(104)).count(), 1);
        (0..5000).for_each(|n| transit.sent(Seq(n), s(200)));
        assert_eq!(transit.received(Seq(9999), s(201)).count(), WAITING);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was(
            spans in prop::collection::vec((any::<Option<bool>>(), 1u64..20_000), 1..60),
            took in prop::collection::vec(0u32..100_000, 0..50),
            away in prop::option::of(0usize..400),
        ) {
            let mut path = PathLedger::new(s(0));
            let mut now = 0;
            for (works, seconds) in spans {
                path.works(works, s(now));
                now += seconds;
            }
            for ms in &took {
                path.transmitted(Duration::from_millis((*ms).into()));
            }
            let before = path.measures(s(now));
            let text = serde_json::to_string(&path.kept()).unwrap();
            let kept: KeptLedger = serde_json::from_str(&text).unwrap();
            let gone = away.map(|hours| Duration::from_secs(hours as u64 * 3600));
            // Another boot, whose clock begins anew.
            let mut again = PathLedger::restored(&kept, gone, s(5));
            let after = again.measures(s(5));
            prop_assert_eq!((after.mean_ms, after.p95_ms), (before.mean_ms, before.p95_ms));
            prop_assert!(after.observed_s <= before.observed_s);
            if away.unwrap_or(0) + path.hours.len() < HOURS {
                prop_assert_eq!(after, before);
            }
            if away.is_some_and(|hours| hours >= HOURS) {
                prop_assert_eq!(after.available_ppm, None);
            }
        }
    }
}
