//! The handle: what the rest of the gateway sees of the journal.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use gatehouse_core::event::{Draft, Event, Lane};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::Now;

use crate::backlog::{Backlog, backlog};
use crate::error::{AppendError, FlushError, MarkError, OpenError, ReadError, RetainError};
use crate::files::{self, Paths, Reserve, SeqMark};
use crate::kept::{self, Keep};
use crate::options::{Cursors, Marks, Opened, Options};
use crate::queue::{Append, Control, Done, Order, Queue};
use crate::read::{Query, Reader};
use crate::record::Record;
use crate::recover;
use crate::retain::Retained;
use crate::ring::Ring;
use crate::schema::Meta;
use crate::stats::{Counters, Degraded, Stats, ThreadIo, add};
use crate::verify::{Verified, verify_with};
use crate::writer::Writer;

/// What a commit stored. An empty `records` says that the file was replaced: read again.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// The events, in order.
    pub records: &'a [Record],
    /// The newest event.
    pub head: Seq,
    /// The newest event of each lane.
    pub heads: Cursors,
}

type Observer = Box<dyn Fn(&Committed<'_>) + Send + Sync>;

/// What the handles and the writer share.
pub(crate) struct Shared {
    pub queue: Queue,
    pub reader: Reader,
    pub counters: Counters,
    ring: Mutex<Ring>,
    marks: Mutex<Meta>,
    ends: Mutex<(Seq, Cursors)>,
    last_mark: Mutex<SeqMark>,
    observers: Mutex<Vec<Observer>>,
    degraded: Mutex<Option<Degraded>>,
    thread: Mutex<Option<(JoinHandle<()>, ThreadIo)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each is replaced whole: a panic elsewhere cannot leave it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        lock(&self.ring)
    }

    pub(crate) fn marks(&self) -> Meta {
        *lock(&self.marks)
    }

    pub(crate) fn head(&self) -> Seq {
        lock(&self.ends).0
    }

    pub(crate) fn heads(&self) -> Cursors {
        lock(&self.ends).1
    }

    pub(crate) fn set_heads(&self, head: Seq, heads: Cursors) {
        *lock(&self.ends) = (head, heads);
    }

    pub(crate) fn last_mark(&self) -> SeqMark {
        *lock(&self.last_mark)
    }

    pub(crate) fn set_last_mark(&self, mark: SeqMark) {
        *lock(&self.last_mark) = mark;
    }

    pub(crate) fn observers(&self) -> MutexGuard<'_, Vec<Observer>> {
        lock(&self.observers)
    }

    pub(crate) fn degraded(&self) -> MutexGuard<'_, Option<Degraded>> {
        lock(&self.degraded)
    }

    /// After the file was replaced: what it holds is read from it.
    pub(crate) fn reset(&self, head: Seq, heads: Cursors, places: usize) {
        *self.ring() = Ring::new(places, heads);
        self.set_heads(head, heads);
    }
}

/// The open journal. Clones share it; it closes with the last of them, or by [`Journal::close`].
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue.close();
        join(&self.0);
    }
}

/// Waits for the writer to end, unless this is the writer (a callback held the last handle).
fn join(shared: &Shared) {
    let thread = lock(&shared.thread).take();
    if let Some((thread, _)) = thread
        && thread.thread().id() != std::thread::current().id()
        && thread.join().is_err()
    {
        tracing::error!("the journal's writer panicked");
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("head", &self.0.0.head()).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal of this folder, or makes one, and starts its writer.
    ///
    /// A damaged or missing database is no error: it is set aside, what can be read is taken over,
    /// and [`Opened::quarantined`] says so.
    ///
    /// # Errors
    /// Another process has it open, its files cannot be written at all, or a newer version of this
    /// program wrote it.
    pub fn open(options: Options) -> Result<(Self, Opened), OpenError> {
        let paths = Paths::new(&options.dir);
        let io = |what, path: &std::path::Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { what, path, source }
        };
        std::fs::create_dir_all(&paths.dir).map_err(io("cannot make", &paths.dir))?;
        let held = files::lock(&paths).map_err(io("cannot lock", &paths.lock))?;
        let Some(held) = held else {
            return Err(OpenError::InUse { dir: paths.dir });
        };
        let (store, quarantined) = recover::open(&options, &paths)?;
        let now = options.clock.now();
        // The database comes first: if only one of the two fits, it is this one.
        let degraded = Reserve::create(&paths, options.reserve_bytes).err().map(|error| {
            tracing::error!(%error, "no space for the reserve: only alarms are recorded");
            Degraded { since: now.mono, why: error.to_string(), refused: 0, refused_alarms: 0 }
        });
        store.limit_pages(Reserve::left(&paths)).map_err(|failure| OpenError::Database {
            path: paths.database.clone(),
            why: failure.to_string(),
        })?;
        let own = degraded
            .as_ref()
            .map(|degraded| store.author.disk_full(&now, &degraded.why))
            .into_iter()
            .collect();

        let meta = *store.written();
        let tail = store.tail;
        let kept = kept::read(&store.conn).map_err(|failure| OpenError::Database {
            path: paths.database.clone(),
            why: failure.to_string(),
        })?;
        let opened = Opened {
            kept: kept.clone(),
            session: store.session(),
            head: tail.head,
            heads: tail.heads,
            host_upto: meta.host_upto,
            acked: meta.acked,
            quarantined,
        };
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue_drafts),
            reader: Reader::open(&paths.dir, options.boot.clone()),
            counters: Counters::default(),
            ring: Mutex::new(Ring::new(options.hot_records, tail.heads)),
            marks: Mutex::new(meta),
            ends: Mutex::new((tail.head, tail.heads)),
            last_mark: Mutex::new(store.mark),
            observers: Mutex::default(),
            degraded: Mutex::new(degraded),
            thread: Mutex::new(None),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            options,
            paths: paths.clone(),
            store: Some(store),
            kept,
            own,
            tried_restore: now.mono,
            measured_at: 0,
            lock: held,
        };
        let (tell, told) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                let _ = tell.send(ThreadIo::here());
                writer.run();
            })
            .map_err(io("cannot start the writer of", &paths.dir))?;
        if let Ok(account) = told.recv() {
            *lock(&shared.thread) = Some((thread, account));
        }
        Ok((Self(Arc::new(Handle(shared))), opened))
    }

    /// Stores drafts, all in one transaction, in order. `done` is called once, on the writer's
    /// thread after the flush, with one record per draft; it must not block. When the queue is
    /// full or closed it is called at once, on this thread, and the drafts come back.
    pub fn append(
        &self,
        drafts: Vec<Draft>,
        done: impl FnOnce(Result<Vec<Record>, AppendError>) + Send + 'static,
    ) {
        self.append_in(None, drafts, Vec::new(), Box::new(done));
    }

    /// A way to append without waiting for each answer that still keeps the order.
    pub fn appender(&self) -> Appender {
        Appender { journal: self.clone(), order: Order::default() }
    }

    fn append_in(&self, order: Option<Order>, drafts: Vec<Draft>, keeps: Vec<Keep>, done: Done) {
        let shared = &self.0.0;
        if let Err((done, error)) = shared.queue.append(Append { drafts, keeps, done, order }) {
            if let AppendError::QueueFull { drafts, .. } = &error {
                add(&shared.counters.queue_full, drafts.len());
            }
            done(Err(error));
        }
    }

    /// Stores drafts and waits for the flush. Not for the threads of an async runtime, nor for a
    /// callback of this journal.
    ///
    /// # Errors
    /// As told to `done` of [`Self::append`].
    pub fn append_and_wait(&self, drafts: Vec<Draft>) -> Result<Vec<Record>, AppendError> {
        let (tell, told) = sync_channel(1);
        self.append(drafts, move |outcome| {
            let _ = tell.send(outcome);
        });
        told.recv().unwrap_or(Err(AppendError::Closed { drafts: Vec::new() }))
    }

    /// Calls `wake` after each commit, on the writer's thread, before the commit's `done`s. It must
    /// not block; a wake-up for the uplink is what it is for.
    pub fn on_commit(&self, wake: impl Fn(&Committed<'_>) + Send + Sync + 'static) {
        self.0.0.observers().push(Box::new(wake));
    }

    /// Events after `after`, of one lane or both, oldest first: at most `limit` of them and about
    /// `max_bytes` of payload, but always one if there is one. From memory when they are recent.
    ///
    /// # Errors
    /// The file is damaged or cannot be read; see [`ReadError`].
    pub fn read(
        &self,
        lane: Option<Lane>,
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let hot = self.0.0.ring().read(lane, after, limit, max_bytes);
        match hot {
            Some(found) => Ok(found),
            None => self.reading(|reader| reader.read(lane, after, limit, max_bytes)),
        }
    }

    /// Events from `from` to `to`, both included, oldest first.
    ///
    /// # Errors
    /// The file is damaged or cannot be read; see [`ReadError`].
    pub fn range(&self, from: Seq, to: Seq, limit: usize) -> Result<Vec<Record>, ReadError> {
        self.reading(|reader| reader.range(from, to, limit))
    }

    /// Events that match.
    ///
    /// # Errors
    /// The file is damaged or cannot be read; see [`ReadError`].
    pub fn query(&self, query: &Query) -> Result<Vec<Record>, ReadError> {
        self.reading(|reader| reader.query(query))
    }

    /// The newest events of a source, newest first: reads the blocks of 256 events that it has
    /// events in, and no more. What a door's state is recalled from after a restart.
    ///
    /// # Errors
    /// The file is damaged or cannot be read; see [`ReadError`].
    pub fn last_of_source(
        &self,
        kind: &str,
        id: &Id,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        self.reading(|reader| reader.last_of_source(kind, id, limit))
    }

    /// Remembers how far delivery has come. Written with a later commit, by
    /// [`Self::flush_marks`], or on closing; losing one costs a duplicate, no event.
    ///
    /// # Errors
    /// A mark names what was never stored. Of these marks nothing is taken: cut down to the head
    /// it would say of real events that they are delivered, and retention would drop them.
    pub fn mark(&self, marks: Marks) -> Result<(), MarkError> {
        let head = self.0.0.head();
        let acked = marks.acked.unwrap_or_default();
        let told = marks.host_upto.unwrap_or_default().max(acked.alarm).max(acked.normal);
        if told > head {
            return Err(MarkError { told, head });
        }
        let mut meta = lock(&self.0.0.marks);
        meta.host_upto = meta.host_upto.max(marks.host_upto.unwrap_or_default());
        meta.acked.alarm = meta.acked.alarm.max(acked.alarm);
        meta.acked.normal = meta.acked.normal.max(acked.normal);
        Ok(())
    }

    /// How far delivery has come, as of the marks in memory.
    pub fn delivered(&self) -> Marks {
        let meta = self.0.0.marks();
        Marks { host_upto: Some(meta.host_upto), acked: Some(meta.acked) }
    }

    /// Makes marks durable and waits for it. For idle times: commits carry them anyway.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn flush_marks(&self) -> Result<(), FlushError> {
        let (tell, told) = sync_channel(1);
        if !self.0.0.queue.control(Control::Flush(tell)) {
            return Err(FlushError("the journal is closed".to_owned()));
        }
        told.recv().unwrap_or_else(|_| Err(FlushError("the journal is closed".to_owned())))
    }

    /// How much waits to be delivered, as of the marks in memory. Counts by blocks of 256: a
    /// million pending events take about a millisecond.
    ///
    /// # Errors
    /// The file is damaged or cannot be read; see [`ReadError`].
    pub fn backlog(&self) -> Result<Backlog, ReadError> {
        let meta = self.0.0.marks();
        self.reading(|reader| {
            reader.with(|conn, rows| backlog(conn, rows, meta.host_upto, meta.acked))
        })
    }

    /// Drops what is older than its class is kept, and the oldest when the file is too large. One
    /// bounded step: call again soon when [`Retained::more`] says so. Waits for the writer.
    ///
    /// # Errors
    /// Nothing was dropped: the disk is full or fails, or the journal is closed.
    pub fn retain(&self, now: Now) -> Result<Retained, RetainError> {
        let (tell, told) = sync_channel(1);
        if !self.0.0.queue.control(Control::Retain(now, tell)) {
            return Err(RetainError::Closed);
        }
        told.recv().unwrap_or(Err(RetainError::Closed))
    }

    /// The journal's counters.
    pub fn stats(&self) -> Stats {
        let shared = &self.0.0;
        let counters = &shared.counters;
        let thread = lock(&shared.thread);
        Stats {
            events: counters.events.load(Ordering::Relaxed),
            commits: counters.commits.load(Ordering::Relaxed),
            payload_bytes: counters.payload_bytes.load(Ordering::Relaxed),
            bytes_written: thread.as_ref().and_then(|(_, account)| account.bytes_written()),
            largest_batch: counters.largest_batch.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            queue_full: counters.queue_full.load(Ordering::Relaxed),
            quarantines: counters.quarantines.load(Ordering::Relaxed),
            used_bytes: counters.used_bytes.load(Ordering::Relaxed),
            head: shared.head(),
            degraded: shared.degraded().clone(),
        }
    }

    /// Checks the chain of every event from `from` on.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn verify(&self, from: Seq) -> Result<Verified, ReadError> {
        verify_with(&self.0.0.reader, from)
    }

    /// Stores what is queued, writes the marks, copies the WAL, and ends the writer. Appends after
    /// this come back as closed.
    pub fn close(&self) {
        self.0.0.queue.close();
        join(&self.0.0);
    }

    /// Reads; damage is told to the writer, which sets the file aside.
    fn reading<T>(&self, work: impl Fn(&Reader) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let shared = &self.0.0;
        let generation = shared.counters.quarantines.load(Ordering::Relaxed);
        let outcome = work(&shared.reader);
        if let Err(ReadError::Damaged(why)) = &outcome {
            shared.queue.control(Control::Damaged(generation, why.clone()));
        }
        outcome
    }
}

/// Appends of one caller, in order: when one comes back unstored ([`AppendError::Io`],
/// [`AppendError::QueueFull`]), so do all that were made behind it, until [`Self::resume`].
#[derive(Debug)]
pub struct Appender {
    journal: Journal,
    order: Order,
}

impl Appender {
    /// As [`Journal::append`]; `keeps` are kept in the same transaction, also when the disk is too
    /// full for the drafts. They do not come back with an error: who wants them keeps a copy.
    pub fn append(
        &self,
        drafts: Vec<Draft>,
        keeps: Vec<Keep>,
        done: impl FnOnce(Result<Vec<Record>, AppendError>) + Send + 'static,
    ) {
        self.journal.append_in(Some(self.order.clone()), drafts, keeps, Box::new(done));
    }

    /// Takes appends again. To be called once every append has its answer: then what came back can
    /// be appended anew, in its order.
    pub fn resume(&self) {
        self.order.set_broken(false);
    }
}
