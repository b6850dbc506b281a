//! What a district asks about a site and a period: incidents and how fast they were taken, false
//! alarms, what did not protect, patrol rounds, and whether the site could be reached.
//!
//! Computed from the stored events alone, in any order, each time anew: the same events give the
//! same figures at every receiver, and what comes late corrects them.
//!
//! | figure | of which events |
//! |---|---|
//! | incidents, by class | the first event of a period's incident (`detail.incident`); tests do not count |
//! | time to acknowledge, to close | `incident.acked`, `incident.closed` by an operator; up to a week after the period |
//! | false alarms | the reason of `incident.closed`, among those that were judged real or false |
//! | unprotected | `ledger.day` of the period's days, in seconds of a zone or reader, by reason |
//! | rounds | `round.done`, `round.late`, `round.missed` |
//! | paths | `path.fault` until `path.restored`; `uplink.lost` until `uplink.restored`: not reachable at all |
//! | silent | whole days of which a gateway that was heard before tells nothing, not even its `ledger.day` |
//!
//! Limits: a gateway of which the whole period has no event is not in it; a fault of a path that began before the period and did not end in it or the week after is not
//! known; what was never recorded (a box without power) stands in the ledger of the day as `dark`.

mod collect;
mod csv;
mod figures;
mod read;
mod table;
#[cfg(test)]
mod tests;

pub use collect::Collector;
pub use csv::csv;
pub use figures::{Figures, Judged, Paths, Report, Rounds, SiteFigures, Times};
pub(crate) use read::{ReadError, read};
pub(crate) use table::{json, table};

use gatehouse_core::time::UtcMs;

/// How long after the period an incident's end is looked for: a week is longer than any stays open
/// that somebody works on.
pub const TAIL_MS: i64 = 7 * 86_400_000;

/// The longest period, in days: more than a year is asked for in parts.
pub const MOST_DAYS: usize = 400;

/// The period: the begins of its days, and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    bounds: Vec<UtcMs>,
}

/// Days that are no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no period: give 1 to {MOST_DAYS} days, each later than the one before")]
pub struct PeriodError;

impl Period {
    /// From the begins of days and the end of the last.
    ///
    /// # Errors
    /// When they are too few, too many, or not in order.
    pub fn new(bounds: Vec<UtcMs>) -> Result<Self, PeriodError> {
        let days = bounds.len().saturating_sub(1);
        let ordered = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if (1..=MOST_DAYS).contains(&days) && ordered {
            Ok(Self { bounds })
        } else {
            Err(PeriodError)
        }
    }

    /// Its begin.
    pub fn from(&self) -> UtcMs {
        self.bounds[0]
    }

    /// Its end, which is not part of it.
    pub fn to(&self) -> UtcMs {
        self.bounds[self.bounds.len() - 1]
    }

    /// Each day: its begin and its end.
    pub fn days(&self) -> impl Iterator<Item = (UtcMs, UtcMs)> {
        self.bounds.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// How many days.
    pub fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Never: a period has a day at least.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The day in which this instant lies, if it lies in the period.
    fn day(&self, at: UtcMs) -> Option<usize> {
        let after = self.bounds.partition_point(|bound| *bound <= at);
        (1..self.bounds.len()).contains(&after).then(|| after - 1)
    }
}
