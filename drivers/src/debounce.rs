//! When a level counts: the debounce rule without pins, tasks or clocks.

use embedded_hal::digital::PinState;

/// A level that has been stable for the debounce time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The level.
    pub level: PinState,
    /// When it began: the time of its edge, not of the decision.
    pub since_ns: u64,
}

/// Decides which levels of a line were long enough to count.
///
/// A level counts once it has lasted for `period_ns`, measured between the time stamps of edges.
/// So it is enough to [`feed`](Self::feed) all edges in order, however late: a signal that began
/// and ended before anybody looked is decided as it would have been on time. While the line is
/// quiet, [`expire`](Self::expire) decides at the [`deadline`](Self::deadline); call it only when
/// no edge waits to be fed, or a short signal whose end is not yet read is taken for a long one.
///
/// With a period of 0 every change of level counts at once.
#[derive(Clone, Copy, Debug)]
pub struct Debouncer {
    period_ns: u64,
    stable: Option<PinState>,
    raw: Option<Change>,
}

impl Debouncer {
    /// Knows nothing yet.
    pub const fn new(period_ns: u64) -> Self {
        Self { period_ns, stable: None, raw: None }
    }

    /// Takes the level after an edge (or a level that was read) and the time from which it holds.
    ///
    /// The same level again changes nothing: it only says that time has passed. A time before that
    /// of the previous edge is taken as equal to it.
    pub fn feed(&mut self, level: PinState, at_ns: u64) -> Option<Change> {
        self.take(level, at_ns, Gap::None)
    }

    /// As [`feed`](Self::feed), when edges were lost before this one.
    ///
    /// What lasted long enough until now is believed to have lasted (an alarm that may have been
    /// is reported); from here on the count begins anew, even at the same level.
    pub fn feed_after_loss(&mut self, level: PinState, at_ns: u64) -> Option<Change> {
        self.take(level, at_ns, Gap::Edges)
    }

    /// When [`expire`](Self::expire) will have something to say, if no edge comes before.
    pub fn deadline(&self) -> Option<u64> {
        let raw = self.raw?;
        (self.stable != Some(raw.level)).then(|| raw.since_ns.saturating_add(self.period_ns))
    }

    /// Decides by the passing of time alone. Call it when all edges up to `now_ns` are fed.
    pub fn expire(&mut self, now_ns: u64) -> Option<Change> {
        if now_ns < self.deadline()? {
            return None;
        }
        let raw = self.raw?;
        self.stable = Some(raw.level);
        Some(raw)
    }

    /// The level that counts; `None` until one has been stable.
    pub const fn stable(&self) -> Option<PinState> {
        self.stable
    }

    /// Forgets everything: the level is unknown until it is stable again.
    pub const fn reset(&mut self) {
        self.stable = None;
        self.raw = None;
    }

    fn take(&mut self, level: PinState, at_ns: u64, gap: Gap) -> Option<Change> {
        // Interrupt threads may stamp out of order by microseconds; a negative length must not
        // wrap into an endless one.
        let at_ns = self.raw.map_or(at_ns, |raw| at_ns.max(raw.since_ns));
        let ended = self.expire(at_ns);
        let begins = self.raw.is_none_or(|raw| raw.level != level) || gap == Gap::Edges;
        if begins {
            self.raw = Some(Change { level, since_ns: at_ns });
        }
        // At most one of both: what begins at `at_ns` lasts long enough at `at_ns` only if the
        // period is 0, and then nothing was pending.
        ended.or_else(|| self.expire(at_ns))
    }
}

/// Whether the edges up to this one are all known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Edges,
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use embedded_hal::digital::PinState::{High, Low};
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const PERIOD: u64 = 350 * MS;

    fn quiet_low() -> Debouncer {
        let mut line = Debouncer::new(PERIOD);
        assert_eq!(line.feed(Low, 0), None);
        assert_eq!(line.expire(PERIOD), Some(Change { level: Low, since_ns: 0 }));
        line
    }

    #[test]
    fn nothing_is_known_before_the_first_level_was_stable() {
        let mut line = Debouncer::new(PERIOD);
        assert_eq!((line.stable(), line.deadline()), (None, None));
        line.feed(High, 7);
        assert_eq!((line.stable(), line.deadline()), (None, Some(7 + PERIOD)));
        assert_eq!(line.expire(6 + PERIOD), None);
        assert_eq!(line.expire(7 + PERIOD), Some(Change { level: High, since_ns: 7 }));
        assert_eq!(line.deadline(), None);
    }

    #[test]
    fn a_signal_that_came_and_went_before_anybody_looked_is_still_reported() {
        let mut line = quiet_low();
        assert_eq!(line.feed(High, 1_000 * MS), None);
        let signal = Change { level: High, since_ns: 1_000 * MS };
        assert_eq!(line.feed(Low, 1_400 * MS), Some(signal));
        let end = Change { level: Low, since_ns: 1_400 * MS };
        assert_eq!(line.expire(9_000 * MS), Some(end));
    }

    #[test]
    fn a_decision_taken_too_early_is_corrected_by_the_late_edge() {
        let mut line = quiet_low();
        line.feed(High, 1_000 * MS);
        assert!(line.expire(1_350 * MS).is_some());
        // The end of a 340 ms signal, read after the deadline.
        assert_eq!(line.feed(Low, 1_340 * MS), None);
        let end = Change { level: Low, since_ns: 1_340 * MS };
        assert_eq!(line.expire(1_690 * MS), Some(end));
    }

    #[test]
    fn with_no_debounce_every_change_counts_at_once() {
        let mut line = Debouncer::new(0);
        for (level, at_ns) in [(Low, 5), (High, 6), (Low, 6), (High, 9)] {
            assert_eq!(line.feed(level, at_ns), Some(Change { level, since_ns: at_ns }));
            assert_eq!(line.deadline(), None);
        }
        assert_eq!(line.feed(High, 10), None, "no change, no report");
    }

    #[test]
    fn a_stamp_that_goes_back_is_taken_as_equal() {
        let mut line = quiet_low();
        line.feed(High, 1_000 * MS);
        assert_eq!(line.feed(Low, 1), None);
        assert_eq!(line.expire(1_000 * MS), None);
        assert_eq!(line.feed(High, 5_000 * MS), None);
        assert_eq!(line.deadline(), Some(5_350 * MS));
    }

    #[test]
    fn after_a_loss_the_count_begins_anew_and_what_had_lasted_is_reported() {
        let mut line = quiet_low();
        line.feed(High, 1_000 * MS);
        assert_eq!(line.feed_after_loss(High, 1_200 * MS), None);
        assert_eq!(line.deadline(), Some(1_550 * MS), "200 ms before the loss do not count");
        let signal = Change { level: High, since_ns: 1_200 * MS };
        assert_eq!(line.feed_after_loss(Low, 1_560 * MS), Some(signal));
        assert_eq!(line.deadline(), Some(1_910 * MS));
    }

    /// Edges of a pulse train: the length of each level in milliseconds, and how long after it
    /// happened each edge is read.
    fn train() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let length = prop_oneof![1u64..=299, 300u64..400, 400u64..=401, 400u64..5_000];
        let lateness = prop_oneof![Just(0u64), 0u64..50, 0u64..10_000];
        prop::collection::vec((length, lateness), 1..60)
    }

    /// What a reader does: takes edges when they reach it, and asks at the deadline in between if
    /// nothing waits. Returns all reports, and the start and length of each level.
    fn play(train: &[(u64, u64)]) -> (Vec<Change>, Vec<(Change, u64)>) {
        let mut levels = Vec::new();
        let (mut at_ns, mut level) = (0, Low);
        for &(length, _) in train {
            levels.push((Change { level, since_ns: at_ns }, length * MS));
            at_ns += length * MS;
            level = !level;
        }
        let end_ns = at_ns;
        let mut line = Debouncer::new(PERIOD);
        let mut reports = Vec::new();
        let mut now = 0;
        for ((edge, _), &(_, lateness)) in levels.iter().zip(train) {
            let read_at = now.max(edge.since_ns + lateness * MS);
            // The reader was idle until the edge happened: a deadline before that is served.
            if let Some(deadline) = line.deadline()
                && deadline < edge.since_ns.min(read_at)
                && now < edge.since_ns
            {
                reports.extend(line.expire(deadline));
            }
            now = read_at;
            reports.extend(line.feed(edge.level, edge.since_ns));
        }
        reports.extend(line.expire(now.max(end_ns)));
        (reports, levels)
    }

    proptest! {
        #[test]
        fn from_400_ms_always_reported_below_300_ms_never(train in train()) {
            let (reports, levels) = play(&train);
            let mut stable = None;
            for (level, length) in &levels {
                let reported = reports.contains(level);
                if *length >= 400 * MS && stable != Some(level.level) {
                    prop_assert!(reported, "{level:?} of {length} ns was not reported: {reports:?}");
                }
                if *length < 300 * MS && level != &levels[levels.len() - 1].0 {
                    prop_assert!(!reported, "{level:?} of {length} ns was reported");
                }
                if reported {
                    stable = Some(level.level);
                }
            }
            for pair in reports.windows(2) {
                prop_assert_ne!(pair[0].level, pair[1].level);
                prop_assert!(pair[0].since_ns < pair[1].since_ns);
            }
        }

        #[test]
        fn late_reading_changes_no_report(train in train()) {
            let punctual: Vec<_> = train.iter().map(|&(length, _)| (length, 0)).collect();
            let ((late, _), (punctual, _)) = (play(&train), play(&punctual));
            // The last level is open-ended: a later look sees it last longer.
            let common = late.len().min(punctual.len());
            prop_assert!(late.len().abs_diff(punctual.len()) <= 1);
            prop_assert_eq!(&late[..common], &punctual[..common]);
        }

        #[test]
        fn no_order_of_calls_panics_or_repeats_a_level(
            calls in prop::collection::vec((0u8..4, any::<bool>(), any::<u64>()), 0..200),
            period in prop_oneof![Just(0u64), any::<u64>()],
        ) {
            let mut line = Debouncer::new(period);
            let mut last = None;
            for (call, high, at_ns) in calls {
                let level = PinState::from(high);
                let change = match call {
                    0 => line.feed(level, at_ns),
                    1 => line.feed_after_loss(level, at_ns),
                    2 => line.expire(at_ns),
                    _ => { line.reset(); last = None; None }
                };
                if let Some(change) = change {
                    prop_assert_ne!(Some(change.level), last);
                    prop_assert_eq!(Some(change.level), line.stable());
                    last = Some(change.level);
                }
            }
        }
    }
}
