//! Dropping what is old, by age per class and by bytes.
//!
//! Never dropped: an alarm-lane event that the control room has not received, and the newest event
//! (its hash is the next one's `prev`). An undelivered normal-lane event is dropped only for
//! bytes, and its number is then named by a `system.gap` event of the same transaction.

use gatehouse_core::event::{Draft, Lane};
use gatehouse_core::id::Seq;
use gatehouse_core::time::{ClockState, Now};
use rusqlite::OptionalExtension;
use serde::Deserialize;

use crate::block::{BLOCK, Block};
use crate::error::Failure;
use crate::own::GAP;
use crate::record::Record;
use crate::schema::{number, signed};
use crate::store::Store;

/// Events that one call drops at most: a few milliseconds in which an alarm waits for the writer.
const STEP: usize = 1024;

/// Rows that one call looks at at most, where undelivered alarms have to be stepped over.
const LOOKED_AT: usize = 8 * STEP;

/// Wall times before this are of a clock that was never set (2020-01-01).
const PLAUSIBLE_MS: i64 = 1_577_836_800_000;

/// What one call of `retain` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Dropped events that the control room had received.
    pub delivered: u64,
    /// Dropped events that it had not; each is named by a `system.gap` event.
    pub undelivered: u64,
    /// The call reached its bound before its goal: call again soon.
    pub more: bool,
    /// `max_bytes` is exceeded, and all that is left are alarms that were not received.
    pub over_limit: bool,
}

/// What to drop, collected before it is dropped.
#[derive(Default)]
struct Plan {
    gone: Vec<Seq>,
    /// Inclusive ranges of numbers that can never be sent from now on.
    gaps: Vec<(Seq, Seq)>,
    retained: Retained,
}

#[derive(Deserialize)]
struct GapBody {
    detail: Range,
}

#[derive(Deserialize)]
struct Range {
    from: Seq,
    to: Seq,
}

impl Store {
    /// One bounded step of retention: what it did, the records of its gap events, and the seqs
    /// that are gone.
    pub(crate) fn retain(
        &mut self,
        now: &Now,
        host_upto: Seq,
        limits: &Limits,
    ) -> Result<(Retained, Vec<Record>, Vec<Seq>), Failure> {
        let used = self.used_bytes()?;
        let mut plan = Plan::default();
        self.plan_by_age(now, host_upto, limits, &mut plan)?;
        if used > limits.max_bytes {
            let excess = used - limits.max_bytes;
            self.plan_by_bytes(host_upto, excess, &mut plan)?;
        }
        if plan.gone.is_empty() {
            return Ok((plan.retained, Vec::new(), plan.gone));
        }
        plan.gone.sort_unstable();
        let Plan { gone, gaps, retained } = plan;
        let records = self.transaction(|store| {
            for seq in &gone {
                store
                    .conn
                    .prepare_cached("DELETE FROM event WHERE seq = ?1")?
                    .execute([signed(seq.0)])?;
            }
            store.summarise_again(&gone)?;
            let gaps = store.merge(gaps)?;
            let mut drafts: Vec<Draft> =
                gaps.iter().map(|gap| store.author.gap(now, *gap, "retention")).collect();
            let mut drafts: Vec<&mut Draft> = drafts.iter_mut().collect();
            store.append(&mut drafts, now)
        })?;
        Ok((retained, records, gone))
    }

    fn plan_by_age(
        &self,
        now: &Now,
        host_upto: Seq,
        limits: &Limits,
        plan: &mut Plan,
    ) -> Result<(), Failure> {
        // A clock that was never set would drop everything, or nothing. Bytes still limit.
        if now.clock == ClockState::Never {
            return Ok(());
        }
        for (class, age) in (0u8..).zip(limits.max_age) {
            let Some(age) = age else { continue };
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let cutoff = now.utc.0.saturating_sub(age);
            // An implausible wall time says nothing; such events go when all of their block, or a
            // later one, is known to be older.
            let known: Option<i64> = self
                .conn
                .prepare_cached(
                    "SELECT n FROM block WHERE utc_max >= ?1 AND utc_max < ?2 \
                     ORDER BY n DESC LIMIT 1",
                )?
                .query_row((PLAUSIBLE_MS, cutoff), |row| row.get(0))
                .optional()?;
            let old_upto = known.map_or(-1, |n| n * signed(BLOCK) + signed(BLOCK) - 1);
            let blocks = "SELECT e.seq FROM block b CROSS JOIN event e \
                 ON e.seq BETWEEN b.n * ?5 AND b.n * ?5 + ?5 - 1 \
                 WHERE b.n * ?5 <= ?1 AND b.utc_min < ?2 AND b.classes & (1 << ?3) \
                 AND e.class = ?3 AND e.seq <= ?1 AND e.seq < ?7 AND e.utc_ms < ?2 \
                 AND (e.utc_ms >= ?6 OR e.seq <= ?8) LIMIT ?4";
            let direct = "SELECT e.seq FROM event e \
                 WHERE e.seq >= (SELECT coalesce(max(n) + 1, 0) FROM block) * ?5 \
                 AND e.class = ?3 AND e.seq <= ?1 AND e.seq < ?7 AND e.utc_ms < ?2 \
                 AND (e.utc_ms >= ?6 OR e.seq <= ?8) LIMIT ?4";
            for sql in [blocks, direct] {
                let left = STEP.saturating_sub(plan.gone.len());
                let mut statement = self.conn.prepare_cached(sql)?;
                let mut rows = statement.query((
                    signed(host_upto.0),
                    cutoff,
                    class,
                    i64::try_from(left).unwrap_or(0),
                    signed(BLOCK),
                    PLAUSIBLE_MS,
                    signed(self.tail.head.0),
                    old_upto,
                ))?;
                while let Some(row) = rows.next()? {
                    plan.gone.push(Seq(number(row, 0)?));
                    plan.retained.delivered += 1;
                }
            }
            if plan.gone.len() >= STEP {
                plan.retained.more = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn plan_by_bytes(&self, host_upto: Seq, excess: u64, plan: &mut Plan) -> Result<(), Failure> {
        let already: Vec<Seq> = {
            let mut gone = plan.gone.clone();
            gone.sort_unstable();
            gone
        };
        let mut freed = 0;
        let mut looked_at = 0;
        // Oldest first: so what was delivered goes before what was not.
        let sql = "SELECT seq, class, length(CAST(body AS BLOB)), \
                   CASE WHEN class = 8 AND seq > ?1 THEN body END FROM event WHERE seq < ?2 \
                   ORDER BY seq";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query((signed(host_upto.0), signed(self.tail.head.0)))?;
        while let Some(row) = rows.next()? {
            if freed >= excess || plan.gone.len() >= STEP || looked_at >= LOOKED_AT {
                plan.retained.more = freed < excess;
                return Ok(());
            }
            looked_at += 1;
            let seq = Seq(number(row, 0)?);
            let class: u8 = row.get(1)?;
            let delivered = seq <= host_upto;
            let lane = if class < 3 { Lane::Alarm } else { Lane::Normal };
            if already.binary_search(&seq).is_ok() || (lane == Lane::Alarm && !delivered) {
                continue;
            }
            // The row's other columns and its index entries.
            freed += number(row, 2)? + 70;
            plan.gone.push(seq);
            if delivered {
                plan.retained.delivered += 1;
                continue;
            }
            plan.retained.undelivered += 1;
            plan.gaps.push((seq, seq));
            if let Ok(body) = row.get_ref(3)?.as_str()
                && body.contains(GAP)
                && let Ok(gap) = serde_json::from_str::<GapBody>(body)
            {
                // What this event would have told must still be told.
                plan.gaps.push((gap.detail.from, gap.detail.to));
            }
        }
        plan.retained.over_limit = plan.gone.is_empty() && excess > 0;
        Ok(())
    }

    /// The blocks of events that are gone, summarised from what is left.
    fn summarise_again(&mut self, gone: &[Seq]) -> Result<(), Failure> {
        let mut last = None;
        for seq in gone {
            let n = Block::of(*seq);
            if last == Some(n) {
                continue;
            }
            last = Some(n);
            let block = Block::summarise(&self.conn, n)?;
            if n == self.tail.block.n {
                self.tail.block = block;
            } else {
                block.write(&self.conn)?;
            }
        }
        // A session that no event names any more.
        let sql = "DELETE FROM session WHERE n < (SELECT session FROM event ORDER BY seq LIMIT 1)";
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Ranges between which no event is left become one: every number in between is accounted for
    /// already, by delivery or by another gap.
    fn merge(&self, mut ranges: Vec<(Seq, Seq)>) -> Result<Vec<(Seq, Seq)>, Failure> {
        ranges.sort_unstable();
        let mut merged: Vec<(Seq, Seq)> = Vec::new();
        let sql = "SELECT 1 FROM event WHERE seq > ?1 AND seq < ?2 LIMIT 1";
        let mut between = self.conn.prepare_cached(sql)?;
        for (from, to) in ranges {
            if let Some(last) = merged.last_mut()
                && (from <= last.1.next() || !between.exists((signed(last.1.0), signed(from.0)))?)
            {
                last.1 = last.1.max(to);
                continue;
            }
            merged.push((from, to));
        }
        Ok(merged)
    }
}

/// The limits that retention enforces.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub max_bytes: u64,
    pub max_age: [Option<std::time::Duration>; 10],
}
