//! Once a day, in small steps between the commits: what has had its time is emptied.
//!
//! A clock that has jumped must not empty a database. So time goes on here only as far as a day beyond
//! what the gateways say that it is.

use std::time::Duration;

use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, Now, UtcMs};

use crate::meter::{Meter, add};
use crate::retention::{Keep, stump};
use crate::store::{Expiring, StoreError, Writer};

/// Events that are looked at in one step: some milliseconds, in which no alarm is committed.
const STEP: u32 = 500;

/// Between two steps.
const PAUSE: Duration = Duration::from_millis(50);

/// From the end of a pass to the begin of the next.
const PASS: Duration = Duration::from_secs(24 * 3600);

/// After a database that failed.
const LATER: Duration = Duration::from_secs(600);

/// So far time may be ahead of the newest event, in milliseconds: a day.
const AHEAD_MS: i64 = 86_400_000;

/// Before every event.
const BEGIN: (i64, i64) = (i64::MIN, i64::MIN);

/// See the module's page.
#[derive(Debug)]
pub(super) struct Expiry {
    keep: Keep,
    due: Option<Mono>,
    /// Where the pass has come to, and what it takes for now.
    after: (i64, i64),
    now: Option<UtcMs>,
    gone: u64,
}

impl Expiry {
    pub(super) fn new(keep: Keep, now: Mono) -> Self {
        let due = (!keep.is_for_ever()).then_some(now);
        Self { keep, due, after: BEGIN, now: None, gone: 0 }
    }

    /// When there is something to do; none: never.
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Takes a step if it is time.
    pub(super) fn step(&mut self, writer: &mut dyn Writer, now: Now, meter: &Meter) {
        if self.due.is_none_or(|due| due > now.mono) {
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
        self.due = Some(now.mono.plus(next));
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
            *self.now.insert(now)
        };
        let Some(until) = self.keep.horizon(now) else { return Ok(self.end()) };
        let left = |class: Class, utc: UtcMs, seq: Seq, body: &[u8]| {
            let over = self.keep.before(class, now).is_some_and(|before| utc < before);
            over.then(|| stump(seq, body)).flatten()
        };
        let expiring = Expiring { after: self.after, until, limit: STEP, left: &left };
        let expired = writer.expire(&expiring)?;
        self.after = expired.last;
        self.gone += expired.gone;
        add(&meter.expired, expired.gone);
        if expired.looked == STEP {
            return Ok(PAUSE);
        }
        Ok(self.end())
    }

    /// The pass is over; when the next begins.
    fn end(&mut self) -> Duration {
        if self.gone > 0 {
            tracing::info!(rows = self.gone, "emptied what has had its time");
        }
        (self.after, self.now, self.gone) = (BEGIN, None, 0);
        PASS
    }
}
