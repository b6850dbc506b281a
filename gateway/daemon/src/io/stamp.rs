//! The clock of edges, and its relation to the clock of events.
//!
//! The kernel stamps edges with `CLOCK_MONOTONIC`; everything else here counts on
//! `CLOCK_BOOTTIME`, which also runs while the machine sleeps. The difference is a constant
//! between two sleeps, so it is kept, and replaced only when it has moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};

/// A difference below this is the time between the two readings, not a sleep of the machine. A
/// stable difference keeps the distance between two events exactly that of their stamps.
const JITTER_NS: u64 = 1_000_000;

/// The clocks that a unit of lines needs.
pub trait LineClock: Clone + Send + Sync {
    /// The clock that edges are stamped with, in nanoseconds.
    fn monotonic_ns(&self) -> u64;

    /// An instant of that clock on the clock of events.
    fn boot(&self, monotonic_ns: u64) -> Mono;
}

/// The kernel's own clocks.
#[derive(Clone, Debug)]
pub struct KernelClock {
    /// `CLOCK_BOOTTIME` minus `CLOCK_MONOTONIC`: never negative.
    offset_ns: Arc<AtomicU64>,
}

impl KernelClock {
    /// Reads the difference of the clocks.
    pub fn new() -> Self {
        Self { offset_ns: Arc::new(AtomicU64::new(sampled_offset_ns())) }
    }
}

impl Default for KernelClock {
    fn default() -> Self {
        Self::new()
    }
}

impl LineClock for KernelClock {
    fn monotonic_ns(&self) -> u64 {
        read_ns(ClockId::Monotonic)
    }

    fn boot(&self, monotonic_ns: u64) -> Mono {
        let kept = self.offset_ns.load(Ordering::Relaxed);
        let sampled = sampled_offset_ns();
        let offset_ns = if kept.abs_diff(sampled) < JITTER_NS { kept } else { sampled };
        self.offset_ns.store(offset_ns, Ordering::Relaxed);
        Mono(monotonic_ns.saturating_add(offset_ns))
    }
}

fn sampled_offset_ns() -> u64 {
    // Monotonic first: an interruption in between makes the offset too large by its length, and
    // never negative.
    let monotonic = read_ns(ClockId::Monotonic);
    read_ns(ClockId::Boottime).saturating_sub(monotonic)
}

fn read_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Both clocks start at zero with the machine: negative only if the kernel is broken.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_of_now_is_an_event_of_now() {
        let clock = KernelClock::new();
        let before = read_ns(ClockId::Boottime);
        let edge = clock.boot(clock.monotonic_ns());
        let after = read_ns(ClockId::Boottime);
        assert!(edge.0 + JITTER_NS >= before, "{edge:?} is before {before}");
        assert!(edge.0 <= after + JITTER_NS, "{edge:?} is after {after}");
    }

    #[test]
    fn the_distance_of_two_events_is_that_of_their_edges() {
        let clock = KernelClock::new();
        let first = clock.monotonic_ns();
        assert_eq!(clock.boot(first + 123).0 - clock.boot(first).0, 123);
    }

    #[test]
    fn a_sleep_of_the_machine_moves_the_difference() {
        let clock = KernelClock::new();
        let edge = clock.monotonic_ns();
        let awake = clock.boot(edge);
        // As if the machine had slept for an hour less when the difference was last read.
        let hour = 3_600_000_000_000;
        clock.offset_ns.fetch_add(hour, Ordering::Relaxed);
        let healed = clock.boot(edge);
        assert!(healed.0.abs_diff(awake.0) < JITTER_NS * 10, "{healed:?}, {awake:?}");
    }
}
