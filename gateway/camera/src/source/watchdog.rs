//! When a stream that is still connected counts as stalled.

use std::time::Duration;

use gatehouse_core::time::Mono;

/// No stall is seen later than this after the last frame, unless the camera's own setting is
/// longer.
const LATEST: Duration = Duration::from_millis(4500);

/// So many of its usual pauses does a stream get.
const PAUSES: u32 = 3;

/// Measures the pauses of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watchdog {
    least: Duration,
    last: Option<Mono>,
    /// Smoothed pause between two frames.
    usual: Duration,
}

impl Watchdog {
    /// `least`: no shorter silence is a stall.
    pub(crate) fn new(least: Duration) -> Self {
        Self { least, last: None, usual: Duration::ZERO }
    }

    /// A frame has come.
    pub(crate) fn frame(&mut self, at: Mono) {
        if let Some(last) = self.last.replace(at) {
            let pause = at.since(last);
            self.usual = if self.usual.is_zero() { pause } else { (self.usual * 7 + pause) / 8 };
        }
    }

    /// So long may the next frame take.
    pub(crate) fn limit(&self) -> Duration {
        (self.usual * PAUSES).min(LATEST).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slow_stream_gets_three_of_its_pauses_but_never_more_than_the_bound() {
        let mut slow = Watchdog::new(Duration::from_secs(3));
        assert_eq!(slow.limit(), Duration::from_secs(3));
        for second in 0..40 {
            slow.frame(Mono(second * 1_200_000_000));
        }
        assert_eq!(slow.limit(), Duration::from_millis(3600));
        for minute in 2..40 {
            slow.frame(Mono(minute * 60_000_000_000));
        }
        assert_eq!(slow.limit(), LATEST);
        assert_eq!(Watchdog::new(Duration::from_secs(20)).limit(), Duration::from_secs(20));
    }

    proptest! {
        #[test]
        fn a_stall_is_seen_within_five_seconds_whatever_came_before(
            times in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut watchdog = Watchdog::new(Duration::from_secs(3));
            for at in times {
                watchdog.frame(Mono(at));
            }
            prop_assert!(watchdog.limit() >= Duration::from_secs(3));
            prop_assert!(watchdog.limit() < Duration::from_secs(5));
        }
    }
}
