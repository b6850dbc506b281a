//! Taking over what can be read of a damaged file, newest events first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use gatehouse_core::event::{Event, chain_hash};
use gatehouse_core::id::Seq;
use gatehouse_core::time::Mono;
use rusqlite::Connection;

use crate::block::Block;
use crate::error::Failure;
use crate::options::Options;
use crate::read::{Linked, Rows, find_session};
use crate::record::{Record, Session, compact};
use crate::schema::{self, number};
use crate::store::{Row, insert};

/// The time that salvage may take before recording goes on without the rest: newest events first,
/// and at some 100,000 a second all of a usual journal.
const SALVAGE_TIME: Duration = Duration::from_secs(10);

/// Events per transaction of salvage: what a disk that fills up meanwhile can take back.
const SALVAGE_STEP: u64 = 4096;

/// Runs of lost numbers that get a `system.gap` event each; older than that all is given up.
const SALVAGE_HOLES: usize = 256;

/// The longest stretch of numbers that is skipped at once where pages cannot be read.
const LONGEST_JUMP: u64 = 4096;

/// Reads that may fail before salvage is given up.
const SALVAGE_FAILURES: u32 = 10_000;

/// Takes events over into a new file, newest first.
pub(crate) struct Salvage<'a> {
    options: &'a Options,
    conn: &'a Connection,
    deadline: Mono,
    pub salvaged: u64,
    pub newest: Option<(Seq, [u8; 32])>,
    pub oldest: Option<Seq>,
    /// `prev` of the event read last, taken over or not, and its number.
    successor: Option<(Seq, [u8; 32])>,
    pub holes: Vec<(Seq, Seq)>,
    sessions: HashMap<u64, Session>,
}

impl<'a> Salvage<'a> {
    pub(crate) fn new(options: &'a Options, conn: &'a Connection, now: Mono) -> Self {
        let deadline = now.plus(SALVAGE_TIME);
        Self {
            options,
            conn,
            deadline,
            salvaged: 0,
            newest: None,
            oldest: None,
            successor: None,
            holes: Vec::new(),
            sessions: HashMap::new(),
        }
    }

    pub(crate) fn run(
        &mut self,
        hot: &[Record],
        old: Option<&Connection>,
        upto: Option<Seq>,
    ) -> Result<(), Failure> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let outcome = self.take_all(hot, old, upto);
        match outcome {
            Ok(()) => {}
            // What was taken over so far stays; the rest is lost.
            Err(Failure::Full(why)) => {
                tracing::error!(why, "the disk is full: not all events could be salvaged");
                if !self.conn.is_autocommit() {
                    self.conn.execute_batch("ROLLBACK")?;
                }
                self.recount()?;
                self.conn.execute_batch("BEGIN IMMEDIATE")?;
            }
            Err(other) => return Err(other),
        }
        let blocks = {
            let mut statement =
                self.conn.prepare("SELECT DISTINCT seq / 256 FROM event ORDER BY 1")?;
            let blocks = statement.query_map([], |row| number(row, 0))?;
            blocks.collect::<Result<Vec<u64>, _>>()?
        };
        // Without the newest: its row is written when an event of a later block is stored.
        for n in blocks.into_iter().rev().skip(1) {
            Block::summarise(self.conn, n)?.write(self.conn)?;
        }
        self.conn.execute_batch("COMMIT")?;
        Ok(())
    }

    fn take_all(
        &mut self,
        hot: &[Record],
        old: Option<&Connection>,
        upto: Option<Seq>,
    ) -> Result<(), Failure> {
        for record in hot.iter().rev() {
            self.take(record, old)?;
        }
        let Some(old) = old else { return Ok(()) };
        let mut rows = Rows::new(self.options.boot.clone());
        let mut at = Seq(self.oldest.map_or(u64::MAX, |seq| seq.0 - 1));
        let mut jump = 1;
        for _ in 0..SALVAGE_FAILURES {
            let mut reached = None;
            let mut ours: Option<Failure> = None;
            let outcome = rows.descend(old, at, |read| {
                // A row that is damaged in itself leaves a hole.
                if let Ok(linked) = read {
                    reached = Some(linked.record.seq);
                    ours = self.consider(&linked, old).err();
                }
                ours.is_none() && self.in_time() && self.holes.len() < SALVAGE_HOLES
            });
            if let Some(failure) = ours {
                return Err(failure);
            }
            if outcome.is_ok() || !self.in_time() {
                return Ok(());
            }
            // A page that cannot be read: try below it, further below each time.
            let next = match (reached, upto) {
                (Some(seq), _) => {
                    jump = 1;
                    seq.0.checked_sub(1)
                }
                (None, Some(upto)) if at.0 == u64::MAX => Some(upto.0),
                (None, None) if at.0 == u64::MAX => None,
                (None, _) => {
                    jump = (jump * 2).min(LONGEST_JUMP);
                    at.0.checked_sub(jump / 2)
                }
            };
            let Some(next) = next else { return Ok(()) };
            at = Seq(next);
        }
        Ok(())
    }

    fn in_time(&self) -> bool {
        self.options.clock.now().mono < self.deadline
    }

    /// Takes an event over if it is the one that its successor follows.
    fn consider(&mut self, linked: &Linked, old: &Connection) -> Result<(), Failure> {
        let seq = linked.record.seq;
        let linked_to = self.successor.filter(|(next, _)| *next == seq.next());
        self.successor = Some((seq, linked.prev));
        if linked_to.is_some_and(|(_, prev)| prev != linked.hash) {
            return Ok(());
        }
        self.take(&linked.record, Some(old))
    }

    fn take(&mut self, record: &Record, old: Option<&Connection>) -> Result<(), Failure> {
        let Ok(event) = serde_json::from_slice::<Event>(&record.payload) else { return Ok(()) };
        if event.seq != record.seq || event.draft.class != record.class {
            return Ok(());
        }
        let Some(prev) = unhex(&event.prev) else { return Ok(()) };
        let source = &event.draft.source;
        let number = schema::source_number(self.conn, &source.kind, &source.id)?;
        let session = self.session(record.session, old)?;
        let hash = chain_hash(&record.payload);
        let mut body = Vec::new();
        compact(session, record.seq, &prev, record.utc, &record.payload, &mut body);
        insert(
            self.conn,
            &Row {
                seq: record.seq,
                class: record.class,
                source: number,
                session: record.session,
                stored: record.stored,
                utc_ms: record.utc.0,
                prev: &prev,
                hash: &hash,
                body: &body,
            },
        )?;
        if let Some(later) = self.oldest
            && record.seq.next() < later
        {
            self.holes.push((record.seq.next(), Seq(later.0 - 1)));
        }
        self.oldest = Some(record.seq);
        self.newest.get_or_insert((record.seq, hash));
        self.successor = Some((record.seq, prev));
        self.salvaged += 1;
        if self.salvaged.is_multiple_of(SALVAGE_STEP) {
            self.conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(PASSIVE); BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// The session of an event that is taken over: as the old file knows it, or, for one that only
    /// memory has, as this process does.
    fn session(&mut self, number: u64, old: Option<&Connection>) -> Result<&Session, Failure> {
        match self.sessions.entry(number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let ours = || (self.options.gateway.clone(), self.options.boot.clone());
                let found = old.and_then(|old| find_session(old, number).ok());
                let (gateway, boot) = found.unwrap_or_else(ours);
                schema::write_session(self.conn, number, &gateway, &boot)?;
                Ok(place.insert(Session { number, gateway, boot, this_boot: false }))
            }
        }
    }

    /// What is in the file after a transaction of salvage was taken back.
    fn recount(&mut self) -> Result<(), Failure> {
        let sql = "SELECT count(*), coalesce(min(seq), 0) FROM event";
        let (events, oldest) =
            self.conn.query_row(sql, [], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
        self.salvaged = events;
        self.oldest = (events > 0).then_some(Seq(oldest));
        if events == 0 {
            self.newest = None;
            self.holes.clear();
        }
        self.holes.retain(|(from, _)| from.0 > oldest);
        Ok(())
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}
