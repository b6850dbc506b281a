//! How the box itself is.

use std::path::Path;
use std::time::Duration;

use gatehouse_core::time::{Mono, Now};
use gatehouse_journal::Backlog;

/// Resident memory of this process in KiB; 0 when the kernel does not tell.
pub fn resident_kib() -> u64 {
    // statm counts pages: size, resident, …
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|statm| {
        statm.split_whitespace().nth(1).and_then(|resident| resident.parse::<u64>().ok())
    });
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    pages.unwrap_or(0) * page / 1024
}

/// Memory that could still be given to a program, in KiB; 0 when the kernel does not tell.
pub fn memory_free_kib() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0)
}

/// What this process takes of one core, from one look to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuShare {
    last: Option<(Mono, Duration)>,
}

impl CpuShare {
    /// In thousandths since the look before; `None` at the first.
    pub fn permille(&mut self, now: Mono) -> Option<u32> {
        let taken = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let taken = Duration::try_from(taken).unwrap_or_default();
        let (since, before) = self.last.replace((now, taken))?;
        let (wall, busy) = (now.since(since).as_micros(), taken.saturating_sub(before).as_micros());
        u32::try_from((busy * 1000).checked_div(wall)?).ok()
    }
}

/// Free bytes on the file system of `path`; 0 when it cannot be asked.
pub fn disk_free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// How long the oldest event without a receipt has waited; by the wall clock if it was stored
/// before this boot.
pub fn oldest_age(waiting: &Backlog, now: &Now) -> Duration {
    let lanes = [waiting.alarm.oldest, waiting.normal.oldest];
    let age = |oldest: gatehouse_journal::Oldest| {
        if oldest.this_boot {
            now.mono.since(oldest.stored)
        } else {
            let ms = now.utc.0.saturating_sub(oldest.utc.0);
            Duration::from_millis(u64::try_from(ms).unwrap_or(0))
        }
    };
    lanes.into_iter().flatten().map(age).max().unwrap_or_default()
}
