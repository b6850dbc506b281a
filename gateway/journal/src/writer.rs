//! The one thread that writes.
//!
//! It commits whatever was queued when the last commit ended: one event costs one flush of
//! latency, a storm costs few, and there is no timer.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatehouse_core::event::{Draft, Lane};
use gatehouse_core::time::{Mono, Now};

use crate::error::{AppendError, Failure, FlushError, RetainError};
use crate::files::{self, Paths, Reserve};
use crate::journal::{Committed, Shared};
use crate::kept::{Keep, Kept};
use crate::options::Options;
use crate::queue::{Append, Control, Order, Work};
use crate::record::Record;
use crate::recover;
use crate::retain::{Limits, Retained};
use crate::stats::{Degraded, add};
use crate::store::Store;

/// A full disk is looked at again at most this often.
const RESTORE_EVERY: Duration = Duration::from_secs(2);

/// The size of the file is looked at again after this many bytes of events.
const MEASURE_EVERY: u64 = 1 << 20;

/// A commit is tried again after the disk was found full, and after the file was replaced.
const TRIES: usize = 4;

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub options: Options,
    pub paths: Paths,
    /// `None` while the database cannot be replaced: tried again with every append.
    pub store: Option<Store>,
    /// What the database keeps, for the day on which it has to be replaced.
    pub kept: Kept,
    /// Events of the journal itself that wait for the next commit.
    pub own: Vec<Draft>,
    pub tried_restore: Mono,
    pub measured_at: u64,
    /// Held as long as this process may write.
    pub lock: File,
}

impl Writer {
    pub(crate) fn run(mut self) {
        // However this ends, a caller gets an answer.
        let _close = CloseOnDrop(Arc::clone(&self.shared));
        loop {
            match self.shared.queue.next() {
                Work::Batch(batch) => self.store_batch(batch),
                Work::Control(Control::Retain(now, reply)) => {
                    let _ = reply.send(self.retain(&now));
                }
                Work::Control(Control::Flush(reply)) => {
                    let _ = reply.send(self.flush());
                }
                Work::Control(Control::Damaged(generation, why)) => {
                    if generation == self.shared.counters.quarantines.load(Ordering::Relaxed) {
                        if let Err(failure) = self.replace(why) {
                            tracing::error!(%failure, "the damaged journal cannot be replaced");
                        }
                        self.store_own();
                    }
                }
                Work::End => break,
            }
            self.maintain();
        }
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "closing the journal");
        }
        self.shared.reader.forget();
        if let Some(store) = &mut self.store
            && let Err(error) = store.rest()
        {
            tracing::warn!(%error, "the WAL stays, and is read at the next start");
        }
        self.store = None;
        files::unlock(&self.lock);
    }

    fn store_batch(&mut self, batch: Vec<Append>) {
        let now = self.options.clock.now();
        self.restore_if_possible(&now, false);
        let mut drafts = Vec::new();
        let mut keeps = Vec::new();
        let mut waiting = Vec::with_capacity(batch.len());
        for Append { drafts: more, keeps: facts, done, order } in batch {
            if order.as_ref().is_some_and(Order::is_broken) {
                // What was to be stored before this was given back, and comes again before it.
                let why = "an earlier append was not stored".to_owned();
                quietly("done", || done(Err(AppendError::Io { drafts: more, why })));
                continue;
            }
            waiting.push((more.len(), done, order));
            drafts.extend(more);
            keeps.extend(facts);
        }
        if waiting.is_empty() {
            return;
        }
        let mut stored: Vec<Option<Record>> = vec![None; drafts.len()];
        let failure = self.attempt(&mut drafts, &mut stored, &keeps, &now).err();
        let mut drafts = drafts.into_iter();
        let mut stored = stored.into_iter();
        let mut refused = (0, 0);
        let mut answers = Vec::with_capacity(waiting.len());
        for (count, done, order) in waiting {
            let drafts: Vec<Draft> = drafts.by_ref().take(count).collect();
            let outcomes: Vec<Option<Record>> = stored.by_ref().take(count).collect();
            let outcome = if let Some(failure) = &failure {
                if let Some(order) = order {
                    order.set_broken(true);
                }
                Err(AppendError::Io { drafts, why: failure.to_string() })
            } else if outcomes.iter().all(Option::is_some) {
                Ok(outcomes.into_iter().flatten().collect())
            } else {
                let mut stored = Vec::new();
                let mut back = Vec::new();
                for (outcome, draft) in outcomes.into_iter().zip(drafts) {
                    match outcome {
                        Some(record) => stored.push(record),
                        None => back.push(draft),
                    }
                }
                refused.0 += back.len();
                refused.1 += back.iter().filter(|d| d.class.lane() == Lane::Alarm).count();
                Err(AppendError::DiskFull { stored, refused: back })
            };
            answers.push((done, outcome));
        }
        // Counted before it is told: who is told may look at once.
        add(&self.shared.counters.refused, refused.0);
        if let Some(degraded) = self.shared.degraded().as_mut() {
            degraded.refused += refused.0 as u64;
            degraded.refused_alarms += refused.1 as u64;
        }
        for (done, outcome) in answers {
            quietly("done", || done(outcome));
        }
    }

    /// Stores what can be stored now; what cannot for want of space stays `None`.
    fn attempt(
        &mut self,
        drafts: &mut [Draft],
        stored: &mut [Option<Record>],
        keeps: &[Keep],
        now: &Now,
    ) -> Result<(), Failure> {
        let mut outcome = Ok(());
        let mut tries = 0;
        while tries < TRIES {
            tries += 1;
            if self.store.is_none() {
                self.replace("the last attempt to replace it failed".to_owned())?;
            }
            let Some(store) = self.store.as_mut() else { break };
            let degraded = self.shared.degraded().is_some();
            let marks = self.shared.marks();
            let mut places = Vec::with_capacity(drafts.len());
            let mut chosen = Vec::with_capacity(drafts.len() + self.own.len());
            for (place, draft) in drafts.iter_mut().enumerate() {
                if degraded && draft.class.lane() != Lane::Alarm {
                    continue;
                }
                places.push(place);
                chosen.push(draft);
            }
            chosen.extend(self.own.iter_mut());
            if chosen.is_empty() && keeps.is_empty() {
                return Ok(());
            }
            match store.commit(&mut chosen, keeps, now, &marks) {
                Ok(records) => {
                    self.own.clear();
                    for keep in keeps {
                        match &keep.value {
                            Some(value) => self.kept.insert(keep.key.clone(), value.clone()),
                            None => self.kept.remove(&keep.key),
                        };
                    }
                    self.publish(&records);
                    for (place, record) in places.into_iter().zip(records) {
                        stored[place] = Some(record);
                    }
                    return Ok(());
                }
                Err(failure) => {
                    // The numbers that these were filled with were taken back.
                    for draft in drafts.iter_mut().filter(|draft| draft.closes.is_some()) {
                        draft.opens = None;
                    }
                    outcome = Err(failure.clone());
                    match failure {
                        Failure::Corrupt(why) => self.replace(why)?,
                        Failure::Full(why) if degraded => {
                            if !self.shrink_reserve() {
                                tracing::error!(why, "no space is left, not even for alarms");
                                return Ok(());
                            }
                            // The number of slices bounds this.
                            tries -= 1;
                        }
                        Failure::Full(why) => self.degrade(why, now),
                        other => return Err(other),
                    }
                }
            }
        }
        outcome
    }

    /// Makes records visible: first to the uplink, then to whoever stored them.
    fn publish(&self, records: &[Record]) {
        let Some(store) = &self.store else { return };
        let counters = &self.shared.counters;
        add(&counters.events, records.len());
        add(&counters.commits, 1);
        counters.largest_batch.fetch_max(records.len() as u64, Ordering::Relaxed);
        let payload: usize = records.iter().map(|record| record.payload.len()).sum();
        add(&counters.payload_bytes, payload);
        {
            let mut ring = self.shared.ring();
            for record in records {
                ring.push(record.clone());
            }
        }
        self.shared.set_heads(store.tail.head, store.tail.heads);
        let committed = Committed { records, head: store.tail.head, heads: store.tail.heads };
        for observer in self.shared.observers().iter() {
            quietly("on_commit", || observer(&committed));
        }
    }

    /// Stores what the journal itself has to say, outside any append.
    fn store_own(&mut self) {
        if self.own.is_empty() {
            return;
        }
        let now = self.options.clock.now();
        if let Err(failure) = self.attempt(&mut [], &mut [], &[], &now) {
            tracing::error!(%failure, "an event about the journal could not be stored");
        }
    }

    fn degrade(&mut self, why: String, now: &Now) {
        tracing::error!(why, "the disk is full: only alarms are recorded, from the reserve");
        if let Some(store) = &self.store {
            self.own.push(store.author.disk_full(now, &why));
        }
        self.tried_restore = now.mono;
        *self.shared.degraded() =
            Some(Degraded { since: now.mono, why, refused: 0, refused_alarms: 0 });
    }

    /// Gives the disk a slice of the reserve, to be used at once. `false` when there is none left.
    fn shrink_reserve(&self) -> bool {
        let shrunk = Reserve::shrink(&self.paths).unwrap_or_else(|error| {
            tracing::error!(%error, "the reserve cannot be used");
            false
        });
        shrunk && self.limit_pages()
    }

    fn limit_pages(&self) -> bool {
        let left = Reserve::left(&self.paths);
        self.store.as_ref().is_none_or(|store| store.limit_pages(left).is_ok())
    }

    /// Leaves the degraded state when the reserve can be had again.
    fn restore_if_possible(&mut self, now: &Now, at_once: bool) {
        let due = at_once || now.mono.since(self.tried_restore) >= RESTORE_EVERY;
        if !due || self.shared.degraded().is_none() {
            return;
        }
        self.tried_restore = now.mono;
        let Some(store) = &self.store else { return };
        if !store.quota_has_room().unwrap_or(false)
            || Reserve::create(&self.paths, self.options.reserve_bytes).is_err()
            || !self.limit_pages()
        {
            return;
        }
        let Some(was) = self.shared.degraded().take() else { return };
        tracing::info!(refused = was.refused, "the disk has space again");
        self.own.push(store.author.disk_restored(now));
        self.own.push(store.author.refused(now, was.refused, was.refused_alarms));
    }

    /// Sets a damaged database aside and goes on in a new one.
    fn replace(&mut self, why: String) -> Result<(), Failure> {
        let (mark, head) = match &self.store {
            Some(store) => (store.mark, store.tail.head),
            None => (self.shared.last_mark(), self.shared.head()),
        };
        self.shared.set_last_mark(mark);
        self.store = None;
        self.shared.reader.forget();
        let hot = self.shared.ring().snapshot();
        let (mut store, _) =
            recover::quarantine_running(&self.options, &self.paths, why, mark, &hot, head)
                .map_err(|error| Failure::Io(error.to_string()))?;
        add(&self.shared.counters.quarantines, 1);
        self.shared.set_last_mark(store.mark);
        // What the new file says about itself is read from it: the ring begins again.
        self.shared.reset(store.tail.head, store.tail.heads, self.options.hot_records);
        store.limit_pages(Reserve::left(&self.paths))?;
        store.keep_all(&self.kept)?;
        self.shared.reader.forget();
        self.store = Some(store);
        let committed =
            Committed { records: &[], head: self.shared.head(), heads: self.shared.heads() };
        for observer in self.shared.observers().iter() {
            quietly("on_commit", || observer(&committed));
        }
        Ok(())
    }

    fn retain(&mut self, now: &Now) -> Result<Retained, RetainError> {
        self.restore_if_possible(now, true);
        self.store_own();
        let marks = self.shared.marks();
        let limits = Limits { max_bytes: self.options.max_bytes, max_age: self.options.max_age };
        let Some(store) = self.store.as_mut() else {
            return Err(RetainError::Failed("the journal is being replaced".to_owned()));
        };
        // Only a durable mark may let an event go: after a power cut an older mark would ask for
        // events again that are not there, and that no gap event names.
        let outcome =
            store.flush(&marks, now).and_then(|()| store.retain(now, marks.host_upto, &limits));
        match outcome {
            Ok((retained, records, gone)) => {
                self.shared.ring().drop_all(&gone);
                if !records.is_empty() {
                    self.publish(&records);
                }
                Ok(retained)
            }
            Err(failure) => {
                let why = failure.to_string();
                if let Failure::Corrupt(why) = failure
                    && let Err(failure) = self.replace(why)
                {
                    tracing::error!(%failure, "the damaged journal cannot be replaced");
                }
                Err(RetainError::Failed(why))
            }
        }
    }

    fn flush(&mut self) -> Result<(), FlushError> {
        let now = self.options.clock.now();
        self.restore_if_possible(&now, false);
        self.store_own();
        let marks = self.shared.marks();
        let Some(store) = self.store.as_mut() else {
            return Err(FlushError("the journal is being replaced".to_owned()));
        };
        store.flush(&marks, &now).map_err(|failure| FlushError(failure.to_string()))
    }

    /// After the answers: checkpoints, and the limit of bytes when a storm outruns the daemon's
    /// own calls of `retain`.
    fn maintain(&mut self) {
        let max_bytes = self.options.max_bytes;
        let Some(store) = self.store.as_mut() else { return };
        if let Err(failure) = store.checkpoint_if_due() {
            tracing::warn!(%failure, "the WAL could not be copied into the database");
            // The WAL goes on growing until the disk is really full; from here on that space is
            // the alarms'.
            if let Failure::Full(why) = failure
                && self.shared.degraded().is_none()
            {
                let now = self.options.clock.now();
                self.degrade(why, &now);
                self.store_own();
            }
        }
        let Some(store) = self.store.as_ref() else { return };
        if store.payload_bytes - self.measured_at < MEASURE_EVERY {
            return;
        }
        self.measured_at = store.payload_bytes;
        let Ok(used) = store.used_bytes() else { return };
        self.shared.counters.used_bytes.store(used, Ordering::Relaxed);
        if used > max_bytes {
            let now = self.options.clock.now();
            // Each step frees about half a mebibyte, so a few keep up with what was just stored.
            for _ in 0..4 {
                match self.retain(&now) {
                    Ok(retained) if retained.more => {}
                    _ => break,
                }
            }
        }
    }
}

/// Runs a caller's function; its panic must not end the journal.
fn quietly(what: &'static str, call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!(what, "a callback of the journal panicked");
    }
}

/// Closes the queue when the writer ends, and answers what still waits.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.queue.close();
        loop {
            match self.0.queue.next() {
                Work::Batch(batch) => {
                    for Append { drafts, done, .. } in batch {
                        quietly("done", || done(Err(AppendError::Closed { drafts })));
                    }
                }
                Work::Control(_) => {}
                Work::End => return,
            }
        }
    }
}
