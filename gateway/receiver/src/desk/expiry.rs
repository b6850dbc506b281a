//! Once a day, in small steps between the commits: what has had its time is emptied.
//!
//! Events first, then pictures with theirs, then who looked at what has gone.
//!
//! A clock that has jumped must not empty a database. So time goes on here only as far as a day beyond
//! what the gateways say that it is.

use std::time::Duration;

use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, Now, UtcMs};

use crate::meter::{Meter, add};
use crate::retention::{Keep, stump};
use crate::store::{Expiring, ExpiringLooks, StoreError, Writer};

/// Events that are looked at in one step: some milliseconds, in which no alarm is committed.
const STEP: u32 = 500;

/// Between two steps.
const PAUSE: Duration = Duration::from_millis(50);

/// From the end of a pass to the begin of the next.
const PASS: Duration = Duration::from_secs(24 * 3600);

/// Pictures that are taken away in one step: as each may be 256 KiB, of which nothing may be left in a
/// file, few.
const PICTURES: u32 = 20;

/// How often it is looked, while pictures come, whether there are too many.
const TRIM: Duration = Duration::from_secs(10);

/// After a database that failed.
const LATER: Duration = Duration::from_secs(600);

/// So far time may be ahead of the newest event, in milliseconds: a day.
const AHEAD_MS: i64 = 86_400_000;

/// Before every event.
const BEGIN: (i64, i64) = (i64::MIN, i64::MIN);

/// What a pass is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Events,
    Pictures,
    Looks,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Expiry {
    keep: Keep,
    due: Mono,
    /// Where the pass has come to, and what it takes for now.
    at: Stage,
    after: (i64, i64),
    now: Option<UtcMs>,
    gone: u64,
    /// The most bytes of pictures, and when it is looked whether there are more.
    most: u64,
    trim: Option<Mono>,
}

impl Expiry {
    pub(super) fn new(keep: Keep, most: u64, now: Mono) -> Self {
        // The bound may be lower than it was.
        let trim = Some(now);
        let at = Stage::Events;
        Self { keep, due: now, at, after: BEGIN, now: None, gone: 0, most, trim }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Mono {
        self.trim.map_or(self.due, |trim| trim.min(self.due))
    }

    /// Pictures were stored.
    pub(super) fn stored(&mut self, now: Mono) {
        self.trim.get_or_insert(now.plus(TRIM));
    }

    /// Takes a step if it is time.
    pub(super) fn step(&mut self, writer: &mut dyn Writer, now: Now, meter: &Meter) {
        if self.trim.is_some_and(|due| due <= now.mono) {
            self.trim = self.trim(writer, meter).map(|next| now.mono.plus(next));
        }
        if self.due > now.mono {
            return;
        }
        let next = match self.try_step(writer, now.utc, meter) {
            Ok(next) => next,
            Err(error) => {
                // A file may stand in the middle of its transaction.
                writer.roll_back();
                tracing::warn!(%error, "what has had its time cannot be emptied now; later again");
                LATER
            }
        };
        self.due = now.mono.plus(next);
    }

    /// Makes room for pictures. Says when to look again; none: when more have come.
    fn trim(&self, writer: &mut dyn Writer, meter: &Meter) -> Option<Duration> {
        match writer.trim_pictures(self.most, PICTURES) {
            Ok(0) => None,
            Ok(gone) => {
                add(&meter.trimmed, gone);
                tracing::info!(
                    pictures = gone,
                    "there are too many bytes of pictures; the oldest \
                               of the camera that has the most have made room"
                );
                Some(PAUSE)
            }
            Err(error) => {
                writer.roll_back();
                tracing::warn!(%error, "pictures cannot make room now; later again");
                Some(LATER)
            }
        }
    }

    fn try_step(
        &mut self,
        writer: &mut dyn Writer,
        clock: UtcMs,
        meter: &Meter,
    ) -> Result<Duration, StoreError> {
        let now = if let Some(now) = self.now {
            now
        } else {
            let Some(newest) = writer.newest()? else { return Ok(LATER) };
            let now = clock.min(UtcMs(newest.0.saturating_add(AHEAD_MS)));
            if let Some(before) = self.keep.odd_before(now) {
                self.gone += writer.expire_odd(before)?;
            }
            let over = |class: Class, at: UtcMs| {
                self.keep.before(class, now).is_some_and(|before| at < before)
            };
            if self.keep.horizon(now).is_some() {
                self.gone += writer.expire_told(&over)?;
            }
            *self.now.insert(now)
        };
        match self.at {
            Stage::Events => self.events(writer, now, meter),
            Stage::Pictures => self.pictures(writer, now),
            Stage::Looks => self.looks(writer, now),
        }
    }

    /// Empties events.
    fn events(
        &mut self,
        writer: &mut dyn Writer,
        now: UtcMs,
        meter: &Meter,
    ) -> Result<Duration, StoreError> {
        let Some(until) = self.keep.horizon(now) else { return Ok(self.next(Stage::Looks)) };
        let left = |class: Class, utc: UtcMs, seq: Seq, body: &[u8]| {
            let over = self.keep.before(class, now).is_some_and(|before| utc < before);
            over.then(|| stump(seq, body)).flatten()
        };
        let expiring = Expiring { after: self.after, until, limit: STEP, left: &left };
        let expired = writer.expire(&expiring)?;
        self.after = expired.last;
        self.gone += expired.gone;
        add(&meter.expired, expired.gone);
        Ok(if expired.looked == STEP { PAUSE } else { self.next(Stage::Pictures) })
    }

    /// Takes away what has had its time with its event.
    fn pictures(&mut self, writer: &mut dyn Writer, now: UtcMs) -> Result<Duration, StoreError> {
        let before = self.keep.before(Class::Camera, now);
        let gone = before.map(|before| writer.expire_pictures(before, PICTURES)).transpose()?;
        self.gone += gone.unwrap_or(0);
        Ok(if gone.is_some_and(|gone| gone > 0) { PAUSE } else { self.next(Stage::Looks) })
    }

    /// Takes away looks whose time is over, at what is not there any more.
    fn looks(&mut self, writer: &mut dyn Writer, now: UtcMs) -> Result<Duration, StoreError> {
        let before = self.keep.looks_before(now);
        let bundles = self.keep.all_before(now).map(|all| all.min(before));
        let expiring = ExpiringLooks { after: self.after.0, before, bundles, limit: STEP };
        let expired = writer.expire_looks(&expiring)?;
        self.after = expired.last;
        self.gone += expired.gone;
        Ok(if expired.looked == STEP { PAUSE } else { self.end() })
    }

    /// The pass goes on with what comes next.
    fn next(&mut self, at: Stage) -> Duration {
        (self.at, self.after) = (at, BEGIN);
        PAUSE
    }

    /// The pass is over; when the next begins.
    fn end(&mut self) -> Duration {
        if self.gone > 0 {
            tracing::info!(rows = self.gone, "emptied what has had its time");
        }
        (self.at, self.after, self.now, self.gone) = (Stage::Events, BEGIN, None, 0);
        PASS
    }
}
