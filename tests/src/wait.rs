//! Waiting for a fact that announces itself nowhere: probing with a limit; and the clock.

use std::time::Duration;

use anyhow::bail;
use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};

/// Long enough for anything that ought to happen at once on a loaded two-core machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Probes are so far apart. Short against every limit, long against a probe.
const STEP: Duration = Duration::from_millis(5);

/// Probes until `probe` returns something; `what` names the missing fact.
pub async fn until<R>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<Option<R>>,
) -> anyhow::Result<R> {
    let probing = async {
        loop {
            if let Some(found) = probe().await? {
                return Ok(found);
            }
            tokio::time::sleep(STEP).await;
        }
    };
    match tokio::time::timeout(limit, probing).await {
        Ok(found) => found,
        Err(_) => bail!("waited {limit:?} for {what}"),
    }
}

/// `CLOCK_BOOTTIME`, the clock of every duration in the product.
pub fn boottime() -> Mono {
    Mono(nanos(ClockId::Boottime))
}

/// `CLOCK_MONOTONIC` in nanoseconds, as the kernel stamps GPIO edges.
pub fn monotonic_ns() -> u64 {
    nanos(ClockId::Monotonic)
}

fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).expect("these clocks start at zero");
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("0 to 999,999,999")
}
