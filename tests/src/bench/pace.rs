//! Doing things at a rate.

use std::time::Duration;

use gatehouse_tests::wait::monotonic_ns;

/// Sleeps until this instant of `CLOCK_MONOTONIC`.
#[expect(clippy::disallowed_methods, reason = "a rate is made by waiting; nothing else happens")]
pub(crate) fn until(at_ns: u64) {
    let left = at_ns.saturating_sub(monotonic_ns());
    if left > 0 {
        std::thread::sleep(Duration::from_nanos(left));
    }
}
