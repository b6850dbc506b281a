//! What a journal is opened with, and what opening it found.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::kept::Kept;
use gatehouse_core::event::{Class, Lane};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Now;
use serde::{Deserialize, Serialize};

/// Reads all clocks at one instant. The journal reads no clock of its own.
#[derive(Clone)]
pub struct ClockSource(Arc<dyn Fn() -> Now + Send + Sync>);

impl ClockSource {
    /// A source that calls `read`, from any thread.
    pub fn new(read: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn now(&self) -> Now {
        (self.0)()
    }
}

impl fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockSource")
    }
}

/// How to open a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of all its files; created if missing.
    pub dir: PathBuf,
    /// The gateway that writes; its id stands in every event.
    pub gateway: Id,
    /// The kernel's boot id: `stored` times of another boot do not compare with ours.
    pub boot: String,
    /// Stamps `stored`, and the events that the journal writes about itself.
    pub clock: ClockSource,
    /// The limit of the database file. The oldest events go when it is reached.
    pub max_bytes: u64,
    /// How long delivered events of a class are kept, by [`Class`] number. `None`: until
    /// `max_bytes` needs their place.
    pub max_age: [Option<Duration>; 10],
    /// Disk space set aside for alarms while the disk is full.
    pub reserve_bytes: u64,
    /// How many of the newest events are kept in memory for the uplink.
    pub hot_records: usize,
    /// How many drafts may wait for the writer before [`AppendError::QueueFull`].
    pub queue_drafts: usize,
    /// A quota on the database, below the disk's own limit; `None` outside tests and shared disks.
    /// It counts pages in use, and the reserve counts against it as it does on a disk.
    pub quota_bytes: Option<u64>,
    /// The page size of a new database; see FORMAT.md for the measurement behind the default.
    pub page_size: u32,
    /// The WAL is copied into the database when it has grown to this size.
    pub checkpoint_bytes: u64,
}

impl Options {
    /// The defaults of a gateway with a small flash.
    pub fn new(dir: impl Into<PathBuf>, gateway: Id, boot: String, clock: ClockSource) -> Self {
        Self {
            dir: dir.into(),
            gateway,
            boot,
            clock,
            // At 370 bytes per event more than a million events: a year of a busy lobby.
            max_bytes: 512 << 20,
            max_age: [None; 10],
            // About 5,000 alarms, with the pages of their indexes and the WAL's frames.
            reserve_bytes: 4 << 20,
            // 1 MiB of real events: 20 s of the fastest storm a broker takes.
            hot_records: 2048,
            // Two seconds of that storm.
            queue_drafts: 16 * 1024,
            quota_bytes: None,
            page_size: 2048,
            // Large enough that a page which many lone events touch is copied once for all of
            // them; small enough to be replayed in milliseconds after a power cut.
            checkpoint_bytes: 4 << 20,
        }
    }

    /// Keeps delivered events of `class` for `age` at most.
    pub fn keep(mut self, class: Class, age: Duration) -> Self {
        self.max_age[class as usize] = Some(age);
        self
    }
}

/// One number per lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursors {
    /// Of the alarm lane.
    pub alarm: Seq,
    /// Of the normal lane.
    pub normal: Seq,
}

impl Cursors {
    /// The number of this lane.
    pub const fn of(&self, lane: Lane) -> Seq {
        match lane {
            Lane::Alarm => self.alarm,
            Lane::Normal => self.normal,
        }
    }

    pub(crate) fn of_mut(&mut self, lane: Lane) -> &mut Seq {
        match lane {
            Lane::Alarm => &mut self.alarm,
            Lane::Normal => &mut self.normal,
        }
    }
}

/// How far delivery has come. A mark never goes back, and never beyond the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The control room has committed every event up to here (or was told of the gap).
    pub host_upto: Option<Seq>,
    /// The broker has acknowledged every event of the lane up to here.
    pub acked: Option<Cursors>,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Counts the starts of this gateway's daemon; durable before `open` returns.
    pub session: u64,
    /// The newest event, those that opening itself wrote included; zero when there is none.
    pub head: Seq,
    /// The newest event of each lane; zero when there is none.
    pub heads: Cursors,
    /// The last durable mark of this name; up to a few seconds behind what was marked.
    pub host_upto: Seq,
    /// The last durable mark of this name.
    pub acked: Cursors,
    /// What was kept with the events, as [`Keep`](crate::Keep) asked for.
    pub kept: Kept,
    /// The database could not be used and was set aside, or was missing.
    pub quarantined: Option<Quarantine>,
}

/// A journal that could not be used, and what became of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Where the unusable file is now; `None` when there was no file at all.
    pub path: Option<PathBuf>,
    /// What was wrong with it.
    pub reason: String,
    /// How many events were taken over into the new file.
    pub salvaged: u64,
    /// First and last number that may have been used and cannot be read any more. Numbers below
    /// the first were salvaged, or are named in `system.gap` events of their own.
    pub lost: (Seq, Seq),
}
