//! The receiver's two clocks, injected so that tests can hold them still.

use gatehouse_core::time::{Mono, Now, UtcMs};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Reads `CLOCK_BOOTTIME` and wall time at one instant.
pub trait Clock: Send + Sync + 'static {
    /// Both readings. Nothing is claimed about the wall clock's error.
    fn now(&self) -> Now;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let boot = clock_gettime(ClockId::Boottime);
        let wall = clock_gettime(ClockId::Realtime);
        Now {
            mono: Mono(u64::try_from(nanos(boot)).unwrap_or(0)),
            utc: UtcMs(i64::try_from(nanos(wall).div_euclid(1_000_000)).unwrap_or(0)),
            ..Now::default()
        }
    }
}

fn nanos(at: Timespec) -> i128 {
    i128::from(at.tv_sec) * 1_000_000_000 + i128::from(at.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_never_goes_back_and_the_wall_clock_is_of_this_century() {
        let (first, second) = (SystemClock.now(), SystemClock.now());
        assert!(second.mono >= first.mono);
        assert!(first.utc > UtcMs(1_700_000_000_000));
    }
}
