//! Durations on the callers' clocks.

use core::time::Duration;

/// A duration in nanoseconds; what is longer than 584 years lasts for ever.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
