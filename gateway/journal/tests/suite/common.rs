//! What the suites share: a journal in a folder, drafts, a clock that is told the time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::event::{Class, Draft, Event, Qualifier, Source, Transition};
use gatehouse_core::time::{ClockState, Mono, Now, Time, UtcMs};
use gatehouse_journal::{ClockSource, Journal, Opened, Options, Record};

/// 2026-09-30T11:00:00Z.
pub(crate) const EPOCH_MS: i64 = 1_790_766_000_000;

/// A clock that a test moves; synchronised, `mono` and `utc` in step.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Now {
        let ms = self.0.load(Ordering::Relaxed);
        Now {
            mono: Mono(60_000_000_000 + ms * 1_000_000),
            utc: UtcMs(EPOCH_MS + i64::try_from(ms).unwrap()),
            err_ms: Some(5),
            clock: ClockState::Synced,
        }
    }

    pub(crate) fn source(&self) -> ClockSource {
        let clock = self.clone();
        ClockSource::new(move || clock.now())
    }
}

pub(crate) fn options(dir: &Path, clock: &TestClock) -> Options {
    Options {
        reserve_bytes: 64 << 10,
        ..Options::new(dir, "g-7f3a".parse().unwrap(), "boot-1".into(), clock.source())
    }
}

pub(crate) fn open(dir: &Path) -> (Journal, Opened) {
    Journal::open(options(dir, &TestClock::default())).unwrap()
}

pub(crate) fn draft_at(class: Class, kind: &'static str, id: &str, now: &Now) -> Draft {
    Draft {
        class,
        kind: kind.into(),
        qualifier: Qualifier::New,
        severity: 4,
        partition: None,
        source: Source {
            kind: "door".into(),
            id: id.parse().unwrap(),
            driver: Some("gpiochip0:17".into()),
        },
        time: Time {
            utc: now.utc,
            boot: "5e1c7f3a-0b0a-4b7e-9c53-0123456789ab".into(),
            mono_ns: now.mono,
            err_ms: now.err_ms,
            clock: now.clock,
        },
        state: Some(Transition { from: "closed".into(), to: "open".into() }),
        arming: None,
        actor: None,
        cause: None,
        opens: None,
        detail: None,
        closes: None,
        test: false,
        flags: Vec::new(),
    }
}

pub(crate) fn draft(class: Class, kind: &'static str, id: &str) -> Draft {
    draft_at(class, kind, id, &TestClock::default().now())
}

pub(crate) fn door() -> Draft {
    draft(Class::Door, "door.opened", "lobby-main")
}

pub(crate) fn event(record: &Record) -> Event {
    serde_json::from_slice(&record.payload).unwrap()
}

/// Every event, in order, page by page.
pub(crate) fn all(journal: &Journal) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    loop {
        let after = found.last().map_or(gatehouse_core::id::Seq::ZERO, |record| record.seq);
        let page = journal.range(after.next(), gatehouse_core::id::Seq(u64::MAX), 500).unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}
