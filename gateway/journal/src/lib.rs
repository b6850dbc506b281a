//! The durable event log of a gateway: an event exists once it is in here.
//!
//! One SQLite file in WAL mode with full flushes, one writer, and these promises:
//!
//! - An append is answered after its flush: whatever was answered survives a power cut.
//! - Numbers have no holes and are never used twice with different content, not even when the file
//!   is lost. What can never be sent is named by a `system.gap` event.
//! - Each event carries the hash of the one before, over the bytes as stored.
//! - A damaged file is set aside and said so; a full disk still records alarms. Recording goes on.
//! - How far delivery has come is three numbers, not a row per event.
//!
//! Limits: one process writes, any number reads; events of up to 8 KiB; 2^63 numbers. The format,
//! and the reasoning about crashes, is in `FORMAT.md` beside this crate.
//!
//! ```
//! use gatehouse_core::event::{Class, Draft, Qualifier, Source};
//! use gatehouse_core::id::Seq;
//! use gatehouse_core::time::{ClockState, Now, Time};
//! use gatehouse_journal::{ClockSource, Journal, Marks, Options};
//!
//! # let dir = tempfile::tempdir()?;
//! let clock = ClockSource::new(Now::default);
//! let options = Options::new(dir.path(), "g-7f3a".parse()?, "boot-1".to_owned(), clock);
//! let (journal, opened) = Journal::open(options)?;
//! assert_eq!((opened.session, opened.head), (1, Seq(0)));
//!
//! let opened = Draft {
//!     class: Class::Door,
//!     kind: "door.opened".into(),
//!     qualifier: Qualifier::New,
//!     severity: 4,
//!     partition: None,
//!     source: Source { kind: "door".into(), id: "lobby".parse()?, driver: None },
//!     time: Time { boot: "boot-1".into(), err_ms: None, clock: ClockState::Never,
//!                  utc: Default::default(), mono_ns: Default::default() },
//!     state: None,
//!     arming: None,
//!     actor: None,
//!     cause: None,
//!     opens: None,
//!     detail: None,
//!     closes: None,
//!     test: false,
//!     flags: vec![],
//! };
//! let stored = journal.append_and_wait(vec![opened])?;
//! assert_eq!(stored[0].seq, Seq(1));
//! assert_eq!(journal.read(None, Seq::ZERO, 10, usize::MAX)?, stored);
//! journal.mark(Marks { host_upto: Some(Seq(1)), acked: None })?;
//! assert_eq!(journal.backlog()?.normal.pending, 0);
//! journal.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backlog;
mod block;
mod error;
mod files;
mod journal;
mod kept;
mod opens;
mod options;
pub mod own;
mod queue;
mod read;
mod record;
mod recover;
mod retain;
mod ring;
mod salvage;
mod schema;
mod stats;
mod store;
mod tail;
mod verify;
mod writer;

pub use backlog::{Backlog, LaneBacklog, Oldest};
pub use error::{AppendError, FlushError, MarkError, OpenError, ReadError, RetainError};
pub use journal::{Appender, Committed, Journal};
pub use kept::{Keep, Kept};
pub use options::{ClockSource, Cursors, Marks, Opened, Options, Quarantine};
pub use read::{Query, Reader};
pub use record::Record;
pub use retain::Retained;
pub use stats::{Degraded, Stats};
pub use verify::{Break, Verified, verify};
