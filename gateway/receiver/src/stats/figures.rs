//! The figures, and how they come of what was collected.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Period;

/// The median and the 95th percentile of some times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// How many times.
    pub count: u64,
    /// In milliseconds; none of none.
    pub median_ms: Option<u64>,
    /// In milliseconds.
    pub p95_ms: Option<u64>,
}

impl Times {
    pub(super) fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        // The smallest that so many hundredths of all do not exceed.
        let rank = |percent: usize| {
            let place = (all.len() * percent).div_ceil(100);
            all.get(place.saturating_sub(1)).copied()
        };
        Self { count: all.len() as u64, median_ms: rank(50), p95_ms: rank(95) }
    }
}

/// How operators judged incidents when they closed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// A danger that was there.
    pub real: u64,
    /// None was.
    pub r#false: u64,
    /// Somebody tried whether it works.
    pub test: u64,
    /// Nobody found out.
    pub unknown: u64,
    /// Closed without a reason.
    pub unsaid: u64,
}

impl Judged {
    /// Thousandths of those that were judged real or false which were false; none of none.
    pub fn false_permille(&self) -> Option<u64> {
        let judged = self.real + self.r#false;
        (judged > 0).then(|| (self.r#false * 1000 + judged / 2) / judged)
    }
}

/// Patrol rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words are the field's own")]
pub struct Rounds {
    pub done: u64,
    pub late: u64,
    pub missed: u64,
}

/// The ways to a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Paths {
    /// How often a path failed.
    pub faults: u64,
    /// Seconds in which a path had failed, added up over all paths.
    pub down_s: u64,
    /// Seconds in which no path worked, added up over all gateways.
    pub unreachable_s: u64,
    /// Seconds of whole days of which a gateway told nothing, not even its ledger, added up over all
    /// gateways: it was dead, or is.
    pub silent_s: u64,
    /// Seconds of the period, from a gateway's first event on, times the gateways that were heard in it.
    pub watched_s: u64,
}

impl Paths {
    /// Parts of a million of the time in which a gateway could be reached; none without one.
    pub fn available_ppm(&self) -> Option<u64> {
        let reached = self.watched_s.saturating_sub(self.unreachable_s + self.silent_s);
        (self.watched_s > 0)
            .then(|| u64::try_from(u128::from(reached) * 1_000_000 / u128::from(self.watched_s)))
            .and_then(Result::ok)
    }
}

/// Everything of one site, or of all, in the period or in one of its days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Incidents that began, by class: `panic`, `alarm`, `tamper`.
    pub incidents: BTreeMap<&'static str, u64>,
    /// Of these: nobody took them in time, or somebody called for more help.
    pub escalated: u64,
    /// Of these: from the first alarm to the operator who took it.
    pub acknowledged: Times,
    /// Of these: from the first alarm to the operator who closed it.
    pub closed: Times,
    /// Of these: over and acknowledged for a day, so that they closed by themselves.
    pub closed_by_itself: u64,
    /// Of these: how they were judged.
    pub judged: Judged,
    /// Seconds in which a zone, reader or camera did not protect, added up over all of them, by reason.
    pub unprotected_s: BTreeMap<String, u64>,
    /// Patrol rounds.
    pub rounds: Rounds,
    /// The ways to the site.
    pub paths: Paths,
}

/// What is not protected because somebody wants it so: disarmed by day, on test.
const WANTED: [&str; 2] = ["disarmed", "test"];

impl Figures {
    /// All incidents.
    pub fn total(&self) -> u64 {
        self.incidents.values().sum()
    }

    /// Seconds in which a zone, reader or camera should have protected and did not.
    pub fn unprotected(&self) -> u64 {
        let unwanted = self.unprotected_s.iter().filter(|(why, _)| !WANTED.contains(&why.as_str()));
        unwanted.map(|(_, seconds)| seconds).sum()
    }

    /// Seconds in which a zone was disarmed or on test.
    pub fn disarmed(&self) -> u64 {
        WANTED.iter().filter_map(|why| self.unprotected_s.get(*why)).sum()
    }
}

/// One site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SiteFigures {
    /// Gateways of it that were heard in the period.
    pub gateways: usize,
    /// The whole period.
    pub whole: Figures,
    /// Each of its days.
    pub days: Vec<Figures>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of when.
    pub period: Period,
    /// Of every site of which anything was stored.
    pub sites: BTreeMap<String, SiteFigures>,
    /// Of all of them together.
    pub all: SiteFigures,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_a_time_that_was_there() {
        assert_eq!(Times::of(vec![]), Times::default());
        let of = |all: Vec<u64>| {
            let times = Times::of(all);
            (times.count, times.median_ms.unwrap(), times.p95_ms.unwrap())
        };
        assert_eq!(of(vec![7]), (1, 7, 7));
        assert_eq!(of(vec![4, 1, 3, 2]), (4, 2, 4));
        assert_eq!(of((1..=100).rev().collect()), (100, 50, 95));
    }

    #[test]
    fn who_was_not_judged_does_not_change_the_share() {
        let judged = Judged { real: 1, r#false: 2, test: 5, unknown: 7, unsaid: 9 };
        assert_eq!(judged.false_permille(), Some(667));
        assert_eq!(Judged { test: 5, ..Judged::default() }.false_permille(), None);
    }
}
