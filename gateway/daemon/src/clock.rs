//! The one place that reads clocks.
//!
//! Durations come from `CLOCK_BOOTTIME`, which neither steps nor stops; wall time is read beside
//! it, with what is known of its quality. `systemd-timesyncd` and chrony's helper touch
//! `/run/systemd/timesync/synchronized` at every synchronisation: its age bounds the error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Touched by the time daemon at each synchronisation.
const SYNC_MARK: &str = "/run/systemd/timesync/synchronized";

/// A crystal of a small board drifts up to 100 ppm over its temperature range.
const DRIFT_PPM: u64 = 100;

/// What NTP over the internet is trusted to, right after a synchronisation.
const SYNC_ERROR_MS: u64 = 50;

/// After so long without a synchronisation the clock only holds over: timesyncd polls at most
/// every 2,048 s.
const SYNCED_FOR: Duration = Duration::from_secs(3 * 2048);

/// How often the mark is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads all clocks of this machine.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    boot: String,
    mark: PathBuf,
    /// `CLOCK_BOOTTIME` ns of the last look at the mark; 0 before the first.
    looked: AtomicU64,
    /// Age of the mark in ms at that look, plus one; 0 when there is none.
    age: AtomicU64,
}

impl Clock {
    /// The clocks of this machine.
    /// `GATEHOUSE_SYNC_MARK` names another file than systemd-timesyncd's, where another time daemon
    /// touches one at each synchronisation.
    pub fn system() -> Self {
        let named = std::env::var_os("GATEHOUSE_SYNC_MARK");
        Self::with_mark(named.as_deref().map_or(Path::new(SYNC_MARK), Path::new))
    }

    pub(crate) fn with_mark(mark: &Path) -> Self {
        // Without /proc there is no boot id; then every start counts as a boot of its own.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| format!("start-{}", nanos(ClockId::Realtime)), |id| id.trim().into());
        let (looked, age) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { boot, mark: mark.to_owned(), looked, age }))
    }

    /// The kernel's boot id: boot-time stamps compare only within one boot.
    pub fn boot(&self) -> &str {
        &self.0.boot
    }

    /// The boot-time clock.
    pub fn mono(&self) -> Mono {
        Mono(nanos(ClockId::Boottime))
    }

    /// All clocks at one instant.
    pub fn now(&self) -> Now {
        let mono = self.mono();
        let utc = UtcMs(i64::try_from(nanos(ClockId::Realtime) / 1_000_000).unwrap_or(i64::MAX));
        let (clock, err_ms) = self.quality(mono);
        Now { mono, utc, err_ms, clock }
    }

    fn quality(&self, now: Mono) -> (ClockState, Option<u32>) {
        let inner = &*self.0;
        let looked = Mono(inner.looked.load(Ordering::Relaxed));
        if looked.0 == 0 || now.since(looked) >= LOOK_EVERY {
            let age = std::fs::metadata(&inner.mark)
                .and_then(|meta| meta.modified())
                .ok()
                .map(|at| at.elapsed().unwrap_or_default());
            let age =
                age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX - 1) + 1);
            inner.age.store(age, Ordering::Relaxed);
            inner.looked.store(now.0, Ordering::Relaxed);
        }
        match inner.age.load(Ordering::Relaxed) {
            0 => (ClockState::Never, None),
            age => {
                let age = Duration::from_millis(age - 1);
                let drift = u64::try_from(age.as_millis()).unwrap_or(u64::MAX) / 1_000_000;
                let err = SYNC_ERROR_MS.saturating_add(drift.saturating_mul(DRIFT_PPM));
                let state =
                    if age <= SYNCED_FOR { ClockState::Synced } else { ClockState::Holdover };
                (state, Some(u32::try_from(err).unwrap_or(u32::MAX)))
            }
        }
    }
}

fn nanos(clock: ClockId) -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    // Both are positive for the clocks that are read here, but for a wall clock before 1970.
    let (seconds, nanos) = (u64::try_from(tv_sec), u64::try_from(tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_says_so_and_one_that_was_has_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("synchronized");
        let clock = Clock::with_mark(&mark);
        assert_eq!((clock.now().clock, clock.now().err_ms), (ClockState::Never, None));
        std::fs::write(&mark, "").unwrap();
        let clock = Clock::with_mark(&mark);
        assert_eq!((clock.now().clock, clock.now().err_ms), (ClockState::Synced, Some(50)));
        let now = clock.now();
        let file = std::fs::File::options().write(true).open(&mark).unwrap();
        let then = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(100_000);
        file.set_modified(then).unwrap();
        let clock = Clock::with_mark(&mark);
        assert_eq!((clock.now().clock, clock.now().err_ms), (ClockState::Holdover, Some(10_050)));
        assert!(clock.now().mono >= now.mono);
    }
}
