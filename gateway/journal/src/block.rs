//! Summaries of 256 consecutive numbers each: what makes counting and searching by time, class or
//! source cheap without an index that every event would have to write. An index on the source alone
//! was most of what a storm of many doors wrote: a page for each door that moved in a commit.
//!
//! A block's row is written once, when the first event of a later block is stored, in the same
//! transaction; the summary of the newest block lives in memory and is rebuilt from at most 256
//! rows at open. Retention rewrites the rows of the blocks it thins.

use gatehouse_core::event::{Class, Lane};
use gatehouse_core::id::Seq;
use gatehouse_core::time::UtcMs;
use rusqlite::Connection;

use crate::error::Failure;
use crate::schema::{number, signed};

/// Numbers in one block: one row of some 50 bytes per 256 events, and never more than 256 rows to scan.
pub(crate) const BLOCK: u64 = 256;

/// What is known of the events in one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub n: u64,
    pub events: u64,
    pub alarms: u64,
    /// Bit `c` is set when an event of class number `c` is there.
    pub classes: u16,
    pub utc_min: i64,
    pub utc_max: i64,
    pub sources: Sources,
}

/// Which sources have events in a block: a bit per number of the source, modulo 256. So a bit that
/// is set may mean another source (of a box with more than 256), and one that is not is sure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources([u64; 4]);

impl Sources {
    /// Column and bit of a source.
    fn place(source: i64) -> (usize, u64) {
        let n = u8::try_from(source.rem_euclid(256)).unwrap_or(0);
        (usize::from(n / 64), 1 << (n % 64))
    }

    pub(crate) fn insert(&mut self, source: i64) {
        let (column, bit) = Self::place(source);
        self.0[column] |= bit;
    }

    /// A condition on `block b` that holds for each block with events of this source.
    pub(crate) fn condition(source: i64) -> String {
        let (column, bit) = Self::place(source);
        format!("b.sources_{column} & {}", bit.cast_signed())
    }
}

impl Block {
    pub(crate) const fn of(seq: Seq) -> u64 {
        seq.0 / BLOCK
    }

    pub(crate) const fn first(n: u64) -> Seq {
        Seq(n * BLOCK)
    }

    pub(crate) const fn last(n: u64) -> Seq {
        Seq(n * BLOCK + BLOCK - 1)
    }

    /// Counts one event in; returns the block that it completed, if it begins another.
    pub(crate) fn add(&mut self, seq: Seq, class: Class, utc: UtcMs, source: i64) -> Option<Self> {
        let n = Self::of(seq);
        let done = (self.events > 0 && self.n != n).then_some(*self);
        if self.n != n || self.events == 0 {
            *self = Self { n, utc_min: utc.0, utc_max: utc.0, ..Self::default() };
        }
        self.events += 1;
        self.alarms += u64::from(class.lane() == Lane::Alarm);
        self.classes |= 1 << (class as u8);
        self.utc_min = self.utc_min.min(utc.0);
        self.utc_max = self.utc_max.max(utc.0);
        self.sources.insert(source);
        done
    }

    /// The summary of the rows that are there now.
    pub(crate) fn summarise(conn: &Connection, n: u64) -> Result<Self, Failure> {
        let sql = concat!(
            "SELECT count(*), coalesce(sum(class < 3), 0), coalesce(min(utc_ms), 0), ",
            "coalesce(max(utc_ms), 0), coalesce(max(class = 0) + max(class = 1) * 2 + ",
            "max(class = 2) * 4 + max(class = 3) * 8 + max(class = 4) * 16 + ",
            "max(class = 5) * 32 + max(class = 6) * 64 + max(class = 7) * 128 + ",
            "max(class = 8) * 256 + max(class = 9) * 512, 0) FROM event WHERE seq BETWEEN ?1 AND ?2"
        );
        let range = (signed(Self::first(n).0), signed(Self::last(n).0));
        let mut sources = Sources::default();
        let distinct = "SELECT DISTINCT source FROM event WHERE seq BETWEEN ?1 AND ?2";
        let mut statement = conn.prepare_cached(distinct)?;
        let mut rows = statement.query(range)?;
        while let Some(row) = rows.next()? {
            sources.insert(row.get(0)?);
        }
        Ok(conn.prepare_cached(sql)?.query_row(range, |row| {
            Ok(Self {
                n,
                events: number(row, 0)?,
                alarms: number(row, 1)?,
                utc_min: row.get(2)?,
                utc_max: row.get(3)?,
                classes: row.get(4)?,
                sources,
            })
        })?)
    }

    /// Writes the row of this block, or removes it when nothing is left.
    pub(crate) fn write(&self, conn: &Connection) -> Result<(), Failure> {
        if self.events == 0 {
            conn.prepare_cached("DELETE FROM block WHERE n = ?1")?.execute([signed(self.n)])?;
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        conn.prepare_cached(sql)?.execute((
            signed(self.n),
            signed(self.events),
            signed(self.alarms),
            self.classes,
            self.utc_min,
            self.utc_max,
            self.sources.0[0].cast_signed(),
            self.sources.0[1].cast_signed(),
            self.sources.0[2].cast_signed(),
            self.sources.0[3].cast_signed(),
        ))?;
        Ok(())
    }
}
