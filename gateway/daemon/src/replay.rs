//! What would have been different under another configuration, read from the journal's file.
//!
//! `gatehouse replay` reads all that is asked for; a change that is looked at reads [`DAYS`] within
//! bounds that a small box has room for, or says that it does not.

use gatehouse_config::Config;
use gatehouse_core::event::Event;
use gatehouse_core::site::{Recording, Replayed};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_journal::{Query, ReadError, Reader};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::clock::Clock;

/// Days that a change is compared over.
pub const DAYS: u32 = 30;

/// Events that are played for a change, at most: some hundred bytes each, so 15 MB for a moment.
pub const MOST: u64 = 50_000;

/// Reading them may take so long, in seconds: people wait for it.
const PATIENCE_S: u64 = 20;

/// Events that one read of the journal brings.
const PAGE: usize = 4096;

const DAY_MS: i64 = 86_400_000;

/// So long before the time that is compared the record is read too: who was armed then, and what was
/// open.
const BEFORE_MS: i64 = 7 * DAY_MS;

/// How much is read.
pub(crate) struct Bounds<'a> {
    /// Events.
    pub(crate) most: u64,
    /// Until then, by this clock.
    pub(crate) until: Option<(Mono, &'a Clock)>,
}

impl Bounds<'_> {
    /// Everything.
    pub(crate) const NONE: Self = Self { most: u64::MAX, until: None };
}

/// Why a replay did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More than the bounds allow.
    #[error("the journal has more events than {0}")]
    TooMany(u64),
    /// It takes too long.
    #[error("reading the journal takes too long")]
    TooLong,
}

/// What would have been different, in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "replay")]
pub enum Summary {
    /// Nothing changes that an alarm depends on.
    Unaffected,
    /// Compared.
    Compared {
        /// Over so many days.
        days: u32,
        /// Events of the record in them.
        events: u64,
        /// Alarms that it would have raised, and what holds did not.
        more: usize,
        /// Alarms that it would not have raised.
        missed: usize,
        /// Alarms at another time.
        shifted: usize,
        /// Everything else that would have been different: faults, refused armings, entries.
        others: usize,
        /// Alarms of the record, and how many of them the replay told again under what holds: how far
        /// this can be believed.
        recorded: usize,
        /// See `recorded`.
        again: usize,
        /// Schedules change, which are not played again.
        schedules: bool,
        /// What no record can tell.
        not_comparable: Vec<String>,
    },
    /// Not compared.
    Skipped {
        /// Why not.
        skipped: Skipped,
    },
}

/// Why nothing was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skipped {
    /// More events than are played for this.
    TooMany,
    /// It would take too long.
    TooLong,
    /// The journal cannot be read.
    Unreadable,
}

/// The journal's events as steps, page by page.
pub(crate) fn record(
    present: &Config,
    since: UtcMs,
    reader: &Reader,
    bounds: &Bounds<'_>,
) -> Result<Recording, RecordError> {
    let mut recording = Recording::new(&present.site());
    let mut query = Query {
        since: Some(UtcMs(since.0.saturating_sub(BEFORE_MS))),
        limit: PAGE,
        ..Query::default()
    };
    let mut read = 0;
    loop {
        let records = reader.query(&query)?;
        read += records.len() as u64;
        if read > bounds.most {
            return Err(RecordError::TooMany(bounds.most));
        }
        if bounds.until.is_some_and(|(until, clock)| clock.mono() > until) {
            return Err(RecordError::TooLong);
        }
        for record in &records {
            // What cannot be read has its own event.
            if let Ok(event) = serde_json::from_slice::<Event>(&record.payload) {
                recording.hear(&event.draft, event.draft.time.utc >= since);
            }
        }
        match records.last() {
            Some(last) if records.len() == PAGE => query.after = Some(last.seq),
            _ => return Ok(recording),
        }
    }
}

/// What a change would have made different, within bounds; reads files, so it may block.
pub(crate) fn summary(present: &Config, proposed: &Config, clock: &Clock) -> Summary {
    if present.site() == proposed.site() {
        return Summary::Unaffected;
    }
    let now = clock.now();
    let since = UtcMs(now.utc.0.saturating_sub(i64::from(DAYS) * DAY_MS));
    let until = now.mono.plus(std::time::Duration::from_secs(PATIENCE_S));
    let bounds = Bounds { most: MOST, until: Some((until, clock)) };
    let reader = Reader::open(&present.state_dir.join("journal"), clock.boot());
    let replayed = match record(present, since, &reader, &bounds) {
        Ok(recording) => recording.replay(&proposed.site(), &present.address.gateway, since),
        Err(RecordError::TooMany(_)) => return Summary::Skipped { skipped: Skipped::TooMany },
        Err(RecordError::TooLong) => return Summary::Skipped { skipped: Skipped::TooLong },
        Err(RecordError::Read(error)) => {
            warn!(%error, "the journal cannot be read for a replay");
            return Summary::Skipped { skipped: Skipped::Unreadable };
        }
    };
    compared(&replayed, present.schedules != proposed.schedules)
}

fn compared(replayed: &Replayed, schedules: bool) -> Summary {
    let (alarms, others) = (replayed.alarms(), replayed.others());
    let (recorded, again) = replayed.faithful;
    Summary::Compared {
        days: DAYS,
        events: replayed.events,
        more: alarms.more,
        missed: alarms.missed,
        shifted: alarms.shifted,
        others: others.more + others.missed + others.shifted,
        recorded,
        again,
        schedules,
        not_comparable: replayed.not_comparable.clone(),
    }
}
