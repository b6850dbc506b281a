//! A limit that must be passed for a while to count, and left by some margin.

use std::time::Duration;

/// Decides whether a value is beyond its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    hold_ns: u64,
    beyond: bool,
    /// Since when the value says something else.
    against_ns: Option<u64>,
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
        Self { hold_ns, beyond: false, against_ns: None }
    }

    /// Takes a value. A change that counts: whether it is beyond now, and since when.
    pub(crate) fn feed(&mut self, place: Place, now_ns: u64) -> Option<(bool, u64)> {
        let against = match place {
            Place::Beyond => !self.beyond,
            Place::Within => self.beyond,
            Place::Near => false,
        };
        if !against {
            self.against_ns = None;
            return None;
        }
        let since_ns = *self.against_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(since_ns) < self.hold_ns {
            return None;
        }
        self.against_ns = None;
        self.beyond = !self.beyond;
        Some((self.beyond, since_ns))
    }

    /// Nothing was measured: what has begun does not go on.
    pub(crate) const fn gap(&mut self) {
        self.against_ns = None;
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
    fn what_was_not_measured_does_not_last() {
        let mut limit = Limit::new(Duration::from_nanos(10));
        assert_eq!(limit.feed(Place::below(71, 70, 2), 0), None);
        limit.gap();
        assert_eq!(limit.feed(Place::below(71, 70, 2), 50), None);
        assert_eq!(limit.feed(Place::below(71, 70, 2), 60), Some((true, 50)));
    }
}
