//! A deadline that outlives the box.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{ClockState, Mono, Now, UtcMs};

/// A deadline as it is kept over a restart.
///
/// Within one boot `CLOCK_BOOTTIME` decides, and no step of the wall clock moves it. After another
/// boot only the wall clock can tell how much of it is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptTimer {
    boot: String,
    mono: Mono,
    /// `None`: the wall clock was not known when it was set.
    utc: Option<UtcMs>,
}

impl KeptTimer {
    /// A deadline at `at`, set now.
    pub(crate) fn new(at: Mono, boot: &str, now: &Now) -> Self {
        let utc = (now.clock != ClockState::Never).then(|| now.utc_at(at));
        Self { boot: boot.to_owned(), mono: at, utc }
    }

    /// The deadline on `CLOCK_BOOTTIME`, if it was set in this boot.
    pub(crate) fn mono(&self, boot: &str) -> Option<Mono> {
        (self.boot == boot).then_some(self.mono)
    }

    /// The instant on the wall clock as it stands now; `None`: it was set in another boot, without
    /// a clock.
    pub(crate) fn utc(&self, boot: &str, now: &Now) -> Option<UtcMs> {
        if self.boot == boot { Some(now.utc_at(self.mono)) } else { self.utc }
    }

    /// The same deadline on the clock of this boot, never further away than `longest`.
    ///
    /// What cannot be known has run out: a delay protects nobody, its end does.
    pub(crate) fn on(&self, boot: &str, now: &Now, longest: Duration) -> Mono {
        self.this_boot(boot, now, longest, Duration::ZERO)
    }

    /// The same, but what cannot be known lasts whole: of a deadline that keeps somebody out.
    pub(crate) fn on_or_whole(&self, boot: &str, now: &Now, longest: Duration) -> Mono {
        self.this_boot(boot, now, longest, longest)
    }

    fn this_boot(&self, boot: &str, now: &Now, longest: Duration, unknown: Duration) -> Mono {
        if self.boot == boot {
            return self.mono;
        }
        let left = match self.utc {
            Some(utc) if now.clock != ClockState::Never => {
                let left = u64::try_from(utc.0.saturating_sub(now.utc.0)).unwrap_or(0);
                Duration::from_millis(left).min(longest)
            }
            _ => unknown,
        };
        now.mono.plus(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn now(mono_s: u64, utc_s: i64, clock: ClockState) -> Now {
        Now { mono: Mono(mono_s * S), utc: UtcMs(utc_s * 1000), err_ms: Some(5), clock }
    }

    #[test]
    fn within_one_boot_no_step_of_the_wall_clock_moves_a_deadline() {
        let set = KeptTimer::new(Mono(130 * S), "a", &now(100, 1_000, ClockState::Synced));
        let later = now(110, 999_999, ClockState::Never);
        assert_eq!(set.on("a", &later, Duration::from_secs(1)), Mono(130 * S));
    }

    #[test]
    fn after_another_boot_the_rest_is_waited_for_and_what_ran_out_has_run_out() {
        let set = KeptTimer::new(Mono(130 * S), "a", &now(100, 1_000, ClockState::Synced));
        let longest = Duration::from_secs(60);
        // Ten of the thirty seconds were spent dark.
        let after = now(5, 1_010, ClockState::Synced);
        assert_eq!(set.on("b", &after, longest), Mono(25 * S));
        let long_after = now(5, 2_000, ClockState::Synced);
        assert_eq!(set.on("b", &long_after, longest), Mono(5 * S));
        // A clock that went back does not make a delay longer than it can be.
        let before = now(5, 10, ClockState::Synced);
        assert_eq!(set.on("b", &before, longest), Mono(65 * S));
        // Without a clock nobody knows: it has run out.
        let blind = now(5, 1_010, ClockState::Never);
        assert_eq!(set.on("b", &blind, longest), Mono(5 * S));
        // Unless it keeps somebody out.
        assert_eq!(set.on_or_whole("b", &blind, longest), Mono(65 * S));
        assert_eq!(set.on_or_whole("b", &after, longest), Mono(25 * S));
    }
}
