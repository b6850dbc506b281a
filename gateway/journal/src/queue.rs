//! The bounded queue in front of the one writer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use gatehouse_core::event::{Draft, Lane};
use gatehouse_core::time::Now;

use crate::error::{AppendError, FlushError, RetainError};
use crate::kept::Keep;
use crate::record::Record;
use crate::retain::Retained;

/// Drafts in one transaction at most: some ten milliseconds of a slow box, and a bound on memory.
pub(crate) const MOST_IN_A_COMMIT: usize = 4096;

/// Control jobs that may wait: each has a caller who waits for it.
const CONTROLS: usize = 1024;

/// Called once with what became of an append.
pub(crate) type Done = Box<dyn FnOnce(Result<Vec<Record>, AppendError>) + Send>;

pub(crate) struct Append {
    pub drafts: Vec<Draft>,
    pub keeps: Vec<Keep>,
    pub done: Done,
    /// Of an appender that keeps its order.
    pub order: Option<Order>,
}

/// Whether an append of one appender came back: then those behind it come back too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order(Arc<AtomicBool>);

impl Order {
    pub(crate) fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        self.0.store(broken, Ordering::Release);
    }
}

pub(crate) enum Control {
    Retain(Now, SyncSender<Result<Retained, RetainError>>),
    Flush(SyncSender<Result<(), FlushError>>),
    /// A reader met damage in the file of this generation.
    Damaged(u64, String),
}

pub(crate) enum Work {
    Batch(Vec<Append>),
    Control(Control),
    /// Closed and drained.
    End,
}

enum Job {
    Append(Append),
    Control(Control),
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    drafts: usize,
    controls: usize,
    closed: bool,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    limit: usize,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), ready: Condvar::new(), limit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves a queue that is still a queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes drafts, or gives them back with the error that says why.
    pub(crate) fn append(&self, append: Append) -> Result<(), (Done, AppendError)> {
        let Append { drafts, keeps, done, order } = append;
        let mut state = self.state();
        if state.closed {
            return Err((done, AppendError::Closed { drafts }));
        }
        // The alarm lane may use a quarter more: a flood of the other must not shut it out.
        let alarm = drafts.iter().any(|draft| draft.class.lane() == Lane::Alarm);
        let limit = if alarm { self.limit + self.limit / 4 } else { self.limit };
        // An empty queue takes any append, so that one of more drafts than the limit is possible.
        if state.drafts > 0 && state.drafts + drafts.len() > limit {
            let waiting = state.drafts;
            if let Some(order) = order {
                order.set_broken(true);
            }
            return Err((done, AppendError::QueueFull { drafts, waiting }));
        }
        state.drafts += drafts.len();
        state.jobs.push_back(Job::Append(Append { drafts, keeps, done, order }));
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Whether the job was taken.
    pub(crate) fn control(&self, control: Control) -> bool {
        let mut state = self.state();
        if state.closed || state.controls >= CONTROLS {
            return false;
        }
        state.controls += 1;
        state.jobs.push_back(Job::Control(control));
        drop(state);
        self.ready.notify_one();
        true
    }

    /// Takes no more; what waits is still done.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.ready.notify_one();
    }

    /// All appends that wait, up to a bound, or the next control job.
    pub(crate) fn next(&self) -> Work {
        let mut state = self.state();
        loop {
            match state.jobs.pop_front() {
                Some(Job::Control(control)) => {
                    state.controls -= 1;
                    return Work::Control(control);
                }
                Some(Job::Append(first)) => {
                    let mut count = first.drafts.len();
                    let mut batch = vec![first];
                    while let Some(Job::Append(append)) = state.jobs.front()
                        && count + append.drafts.len() <= MOST_IN_A_COMMIT
                    {
                        count += append.drafts.len();
                        let Some(Job::Append(append)) = state.jobs.pop_front() else { break };
                        batch.push(append);
                    }
                    state.drafts -= count;
                    return Work::Batch(batch);
                }
                None if state.closed => return Work::End,
                None => {
                    state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
