//! From any task to the bus's thread: an interrupt line was pulled, or the unit has ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes the thread of a bus. Outlives the unit; clones are the same bell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The interrupt lines that were pulled, each with the first time: at most one entry a line.
    rung: BTreeMap<String, u64>,
    /// Counts the lives of the unit: the thread of an older one ends.
    life: u64,
}

impl Bell {
    /// An interrupt line of its chips was pulled, at this monotonic time.
    pub(crate) fn ring(&self, line: &str, at_ns: u64) {
        self.state().rung.entry(line.to_owned()).or_insert(at_ns);
        self.0.news.notify_all();
    }

    /// Ends the thread of the life before, if it still runs.
    pub(super) fn next_life(&self) -> u64 {
        let mut state = self.state();
        state.life += 1;
        let life = state.life;
        drop(state);
        self.0.news.notify_all();
        life
    }

    /// Waits up to `wait` for interrupts. `None`: the unit has ended.
    pub(super) fn wait(&self, life: u64, wait: Duration) -> Option<BTreeMap<String, u64>> {
        let state = self.state();
        let idle = |state: &mut State| state.life == life && state.rung.is_empty();
        let (mut state, _) = self
            .0
            .news
            .wait_timeout_while(state, wait, idle)
            .unwrap_or_else(PoisonError::into_inner);
        // Mostly nothing was pulled: then nothing is allocated either.
        (state.life == life).then(|| std::mem::take(&mut state.rung))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
