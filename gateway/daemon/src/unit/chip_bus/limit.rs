//! A limit that must be passed for a while to count, and left by some margin.

use std::time::Duration;

/// Decides whether a value is beyond its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    hold_ns: u64,
    /// `None`: not known yet.
    beyond: Option<bool>,
    /// What the value says otherwise, and since when.
    against: Option<(bool, u64)>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Within the limit, by its margin.
    Within,
    /// Within, and nearer than the margin: as it was.
    Near,
    /// Beyond.
    Beyond,
}

impl Place {
    /// Where `value` is to a limit that it must not fall below.
    pub(crate) const fn above(value: i32, limit: i32, margin: i32) -> Self {
        if value < limit {
            Self::Beyond
        } else if value < limit.saturating_add(margin) {
            Self::Near
        } else {
            Self::Within
        }
    }

    /// Where `value` is to a limit that it must not rise above.
    pub(crate) const fn below(value: i32, limit: i32, margin: i32) -> Self {
        if value > limit {
            Self::Beyond
        } else if value > limit.saturating_sub(margin) {
            Self::Near
        } else {
            Self::Within
        }
    }
}

impl Limit {
    pub(crate) fn new(hold: Duration) -> Self {
        let hold_ns = u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX);
        Self { hold_ns, beyond: None, against: None }
    }

    /// Takes a value. What counts, also for the first time: whether it is beyond now, and since when.
    pub(crate) fn feed(&mut self, place: Place, now_ns: u64) -> Option<(bool, u64)> {
        let says = match place {
            Place::Beyond => Some(true),
            Place::Within => Some(false),
            Place::Near => None,
        };
        let Some(beyond) = says.filter(|_| says != self.beyond) else {
            self.against = None;
            return None;
        };
        let since_ns = match self.against {
            Some((same, since_ns)) if same == beyond => since_ns,
            _ => now_ns,
        };
        self.against = Some((beyond, since_ns));
        if now_ns.saturating_sub(since_ns) < self.hold_ns {
            return None;
        }
        self.against = None;
        self.beyond = Some(beyond);
        Some((beyond, since_ns))
    }

    /// Nothing was measured: what has begun does not go on.
    pub(crate) const fn gap(&mut self) {
        self.against = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_after_its_hold_off_and_is_left_by_its_margin() {
        let mut limit = Limit::new(Duration::from_nanos(10));
        let mut feed = |mv, now| limit.feed(Place::above(mv, 13_000, 200), now);
        assert_eq!(feed(12_999, 0), None);
        assert_eq!(feed(13_500, 5), None, "a dip");
        assert_eq!(feed(12_000, 20), None);
        assert_eq!(feed(12_000, 30), Some((true, 20)));
        assert_eq!(feed(12_000, 90), None, "once");
        assert_eq!(feed(13_100, 100), None);
        assert_eq!(feed(13_100, 200), None, "within the margin it stays as it was");
        assert_eq!(feed(13_200, 210), None);
        assert_eq!(feed(13_200, 220), Some((false, 210)));
    }

    #[test]
    fn a_good_start_is_told_as_well_since_nobody_knows_how_it_was_before() {
        let mut limit = Limit::new(Duration::from_nanos(10));
        assert_eq!(limit.feed(Place::above(13_500, 13_000, 200), 0), None);
        assert_eq!(limit.feed(Place::above(13_500, 13_000, 200), 10), Some((false, 0)));
        assert_eq!(limit.feed(Place::above(13_500, 13_000, 200), 20), None);
    }

    #[test]
    fn what_was_not_measured_does_not_last() {
        let mut limit = Limit::new(Duration::from_nanos(10));
        assert_eq!(limit.feed(Place::below(71, 70, 2), 0), None);
        limit.gap();
        assert_eq!(limit.feed(Place::below(71, 70, 2), 50), None);
        assert_eq!(limit.feed(Place::below(71, 70, 2), 60), Some((true, 50)));
    }
}
