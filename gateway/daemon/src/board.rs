//! What the daemon knows of itself at this moment, for status, heartbeat and retained states.
//!
//! Writers are the rules and the uplink; readers are everybody. Nothing here is the truth of an
//! event: that is the journal.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{self, DoorState};
use gatehouse_core::time::UtcMs;
use gatehouse_core::uplink::Progress;
use tokio::sync::watch;

/// One door as shown.
#[derive(Clone, Debug)]
pub struct DoorView {
    /// Its id.
    pub id: Id,
    /// Its state; `unknown` until a reading was stable.
    pub state: DoorState,
    /// Since when.
    pub since: UtcMs,
    /// The event that brought it; zero if none has in this session.
    pub seq: Seq,
    /// Counts the changes, so that a reader knows what it has shown.
    pub version: u64,
}

/// The uplink as shown.
#[derive(Clone, Debug, Default)]
pub struct UplinkView {
    /// The broker that it is connected to.
    pub broker: Option<Id>,
    /// Why it is not.
    pub trouble: Option<String>,
    /// Since when either is so.
    pub since: UtcMs,
    /// Where delivery stands.
    pub progress: Progress,
    /// The control room says that it is there.
    pub host_online: Option<bool>,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The doors, in the order of the configuration.
    pub doors: Vec<DoorView>,
    /// Units that are degraded.
    pub degraded: BTreeSet<String>,
    /// The uplink.
    pub uplink: UplinkView,
}

impl View {
    /// 16 hex digits over all door states: equal digests, equal states.
    pub fn digest(&self) -> String {
        site::digest(self.doors.iter().map(|door| (&door.id, door.state)))
    }
}

/// The shared view, and the wish to know when it changes.
#[derive(Clone, Debug)]
pub struct Board {
    view: Arc<Mutex<View>>,
    changed: watch::Sender<u64>,
}

impl Board {
    /// A board whose doors are all unknown.
    pub fn new(doors: impl IntoIterator<Item = Id>, now: UtcMs) -> Self {
        let door =
            |id| DoorView { id, state: DoorState::Unknown, since: now, seq: Seq::ZERO, version: 1 };
        let doors = doors.into_iter().map(door).collect();
        let uplink = UplinkView { since: now, ..UplinkView::default() };
        let view = View { doors, uplink, ..View::default() };
        Self { view: Arc::new(Mutex::new(view)), changed: watch::Sender::new(0) }
    }

    /// Reads it.
    pub fn view(&self) -> MutexGuard<'_, View> {
        // A panic while holding it leaves plain values that are each valid.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it and wakes who waits.
    pub fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
        self.changed.send_modify(|n| *n += 1);
    }

    /// Changes what nobody waits for.
    pub fn note(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
    }

    /// Wakes on every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
