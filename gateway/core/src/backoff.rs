//! When to try again: exponential, full jitter, the cap applied last.

use std::time::Duration;

/// A schedule of waits between attempts.
///
/// Wait `n` is drawn evenly from `0..=min(cap, base · 2ⁿ)` (full jitter: a district's boxes that
/// lost their broker together must not come back together), and never shorter than `floor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// For a broker that cannot be reached: up to 60 s. With 3,000 boxes in a district the last
    /// comes back within a minute, at 50 connects a second.
    pub const UNREACHABLE: Self =
        Self::new(Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(60));

    /// For a broker that refused the credentials: nobody but a person can mend that, and many
    /// brokers lock out who keeps knocking. From 30 s up to 15 min.
    pub const REFUSED: Self =
        Self::new(Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(900));

    /// For a unit of the daemon that died: from a quarter of a second up to 60 s.
    pub const UNIT: Self =
        Self::new(Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(60));

    /// A schedule. `floor` and `base` above `cap` are taken as `cap`.
    pub const fn new(floor: Duration, base: Duration, cap: Duration) -> Self {
        Self { floor, base, cap, attempt: 0 }
    }

    /// The next wait. `random` is even in `0.0..1.0`; anything else is clamped.
    pub fn next(&mut self, random: f64) -> Duration {
        let ceiling = self.ceiling();
        self.attempt = self.attempt.saturating_add(1);
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.5 };
        ceiling.mul_f64(random).max(self.floor).min(self.cap)
    }

    /// The longest that the next wait can be.
    pub fn ceiling(&self) -> Duration {
        let factor = 2u32.checked_pow(self.attempt).unwrap_or(u32::MAX);
        self.base.checked_mul(factor).unwrap_or(Duration::MAX).min(self.cap)
    }

    /// Begins anew: what was tried has worked.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }

    /// The attempts since the last success.
    pub const fn attempts(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_wait_is_outside_its_bounds(
            floor in 0u64..5_000, base in 0u64..100_000, cap in 0u64..1_000_000,
            draws in prop::collection::vec(prop::num::f64::ANY, 1..80),
        ) {
            let ms = Duration::from_millis;
            let mut backoff = Backoff::new(ms(floor), ms(base), ms(cap));
            for draw in draws {
                let ceiling = backoff.ceiling();
                let wait = backoff.next(draw);
                prop_assert!(wait <= ms(cap));
                prop_assert!(wait <= ceiling.max(ms(floor)));
                prop_assert!(wait >= ms(floor.min(cap)));
            }
        }
    }

    #[test]
    fn the_cap_comes_last_and_a_success_starts_anew() {
        let mut backoff = Backoff::UNREACHABLE;
        let waits: Vec<_> = (0..40).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits[..4], [500, 1000, 2000, 4000]);
        assert_eq!(waits[39], 60_000);
        backoff.reset();
        assert_eq!(backoff.next(1.0).as_millis(), 500);
    }

    #[test]
    fn refused_credentials_are_tried_far_less_often_than_a_broker_that_is_away() {
        let total =
            |mut backoff: Backoff| -> u64 { (0..10).map(|_| backoff.next(0.5).as_secs()).sum() };
        assert!(total(Backoff::REFUSED) > 8 * total(Backoff::UNREACHABLE));
    }
}
