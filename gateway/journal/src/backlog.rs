//! How much waits to be delivered, counted by blocks.

use gatehouse_core::event::Lane;
use gatehouse_core::id::Seq;
use gatehouse_core::time::{Mono, UtcMs};
use rusqlite::{Connection, OptionalExtension};

use crate::block::{BLOCK, Block};
use crate::error::Failure;
use crate::read::{Linked, Rows};
use crate::schema::{number, signed};
use crate::store::lane_term;

/// What waits, per lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Of the alarm lane.
    pub alarm: LaneBacklog,
    /// Of the normal lane.
    pub normal: LaneBacklog,
}

impl Backlog {
    /// Of this lane.
    pub const fn of(&self, lane: Lane) -> &LaneBacklog {
        match lane {
            Lane::Alarm => &self.alarm,
            Lane::Normal => &self.normal,
        }
    }
}

/// What waits in one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneBacklog {
    /// Events that the control room has not received.
    pub pending: u64,
    /// Of these, events that the broker has not acknowledged either.
    pub unacked: u64,
    /// The oldest event that the control room has not received.
    pub oldest: Option<Oldest>,
}

/// The oldest event that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// Its number.
    pub seq: Seq,
    /// When it was stored, on the boot-time clock.
    pub stored: Mono,
    /// `stored` is of this boot.
    pub this_boot: bool,
    /// Wall time of the happening: the age, when it is of another boot.
    pub utc: UtcMs,
}

/// Events of a lane after `after`.
fn pending(conn: &Connection, lane: Lane, after: Seq) -> Result<u64, Failure> {
    let start = after.next();
    // The block in which `after` lies, and the newest, which has no summary, are counted by row;
    // whole blocks in between by their summaries. No step reads more than 512 rows.
    let whole = start.0.div_ceil(BLOCK);
    let open: u64 = conn
        .prepare_cached("SELECT coalesce(max(n) + 1, 0) FROM block")?
        .query_row([], |row| number(row, 0))?;
    let rows = format!(
        "SELECT count(*) FROM event WHERE seq BETWEEN ?1 AND ?2 AND {}",
        lane_term(Some(lane))
    );
    let mut rows = conn.prepare_cached(&rows)?;
    let mut between = |from: Seq, to: Seq| -> Result<u64, Failure> {
        Ok(rows.query_row((signed(from.0), signed(to.0)), |row| number(row, 0))?)
    };
    if whole >= open {
        return between(start, Seq(u64::MAX));
    }
    let sum = match lane {
        Lane::Alarm => "SELECT coalesce(sum(alarms), 0) FROM block WHERE n >= ?1",
        Lane::Normal => "SELECT coalesce(sum(events - alarms), 0) FROM block WHERE n >= ?1",
    };
    let in_blocks = conn.prepare_cached(sum)?.query_row([signed(whole)], |row| number(row, 0))?;
    Ok(between(start, Seq((whole * BLOCK).saturating_sub(1)))?
        + in_blocks
        + between(Block::first(open), Seq(u64::MAX))?)
}

/// The first event of a lane after `after`.
fn oldest(
    conn: &Connection,
    rows: &mut Rows,
    lane: Lane,
    after: Seq,
) -> Result<Option<Linked>, Failure> {
    let mut first = |after: Seq, upto: Seq| -> Result<Option<Linked>, Failure> {
        Ok(rows.after(conn, Some(lane), after, upto, 1, usize::MAX)?.pop())
    };
    if lane == Lane::Normal {
        // A long run of alarms is skipped by block, not row by row.
        let n = Block::of(after.next());
        if let Some(found) = first(after, Block::last(n))? {
            return Ok(Some(found));
        }
        let sql = "SELECT n FROM block WHERE n > ?1 AND events > alarms ORDER BY n LIMIT 1";
        let next: Option<u64> =
            conn.prepare_cached(sql)?.query_row([signed(n)], |row| number(row, 0)).optional()?;
        if let Some(n) = next {
            return first(after.max(Seq(Block::first(n).0 - 1)), Block::last(n));
        }
        let open: u64 = conn
            .prepare_cached("SELECT coalesce(max(n) + 1, 0) FROM block")?
            .query_row([], |row| number(row, 0))?;
        return first(after.max(Seq(Block::first(open).0.saturating_sub(1))), Seq(u64::MAX));
    }
    first(after, Seq(u64::MAX))
}

pub(crate) fn backlog(
    conn: &Connection,
    rows: &mut Rows,
    host_upto: Seq,
    acked: crate::options::Cursors,
) -> Result<Backlog, Failure> {
    let snapshot = conn.unchecked_transaction()?;
    let mut found = Backlog::default();
    for lane in [Lane::Alarm, Lane::Normal] {
        let oldest = oldest(conn, rows, lane, host_upto)?.map(|linked| Oldest {
            seq: linked.record.seq,
            stored: linked.record.stored,
            this_boot: linked.record.this_boot,
            utc: linked.record.utc,
        });
        let counts = LaneBacklog {
            pending: pending(conn, lane, host_upto)?,
            unacked: pending(conn, lane, host_upto.max(acked.of(lane)))?,
            oldest,
        };
        match lane {
            Lane::Alarm => found.alarm = counts,
            Lane::Normal => found.normal = counts,
        }
    }
    drop(snapshot);
    Ok(found)
}
