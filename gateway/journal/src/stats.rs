//! What the journal counts about itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::id::Seq;
use gatehouse_core::time::Mono;

/// A snapshot of the journal's counters, since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events stored.
    pub events: u64,
    /// Transactions that stored events; each was flushed to the disk once.
    pub commits: u64,
    /// Canonical bytes of the events stored.
    pub payload_bytes: u64,
    /// Bytes that the writer caused to be written to the device, by the kernel's own count of its
    /// thread: WAL, checkpoints and marks in whole pages of the page cache. The file system's own
    /// journal comes on top. `None` when the kernel does not count (`CONFIG_TASK_IO_ACCOUNTING`).
    pub bytes_written: Option<u64>,
    /// Events in the largest commit.
    pub largest_batch: u64,
    /// Drafts refused because the disk was full.
    pub refused: u64,
    /// Drafts refused because the queue was full.
    pub queue_full: u64,
    /// Times that the database was set aside while running.
    pub quarantines: u64,
    /// Bytes of pages in use, as of the last commit that looked (each mebibyte).
    pub used_bytes: u64,
    /// The newest event.
    pub head: Seq,
    /// The disk is full or fails.
    pub degraded: Option<Degraded>,
}

/// Since when and why the journal does not record everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// On the boot-time clock.
    pub since: Mono,
    /// In SQLite's words.
    pub why: String,
    /// Drafts refused since.
    pub refused: u64,
    /// Of these, drafts of the alarm lane: the reserve is used up too.
    pub refused_alarms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub events: AtomicU64,
    pub commits: AtomicU64,
    pub payload_bytes: AtomicU64,
    pub largest_batch: AtomicU64,
    pub refused: AtomicU64,
    pub queue_full: AtomicU64,
    pub quarantines: AtomicU64,
    pub used_bytes: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// The kernel's account of one thread's input and output. Readable from every thread of the
/// process, so that counting costs nothing until somebody asks.
#[derive(Debug)]
pub(crate) struct ThreadIo(PathBuf);

impl ThreadIo {
    /// The account of the calling thread.
    pub(crate) fn here() -> Self {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        Self(format!("/proc/self/task/{thread}/io").into())
    }

    pub(crate) fn bytes_written(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.0).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
        line.trim().parse().ok()
    }
}
