//! What the daemon knows of itself at this moment, for status, heartbeat and retained states.
//!
//! Writers are the rules and the uplink; readers are everybody. Nothing here is the truth of an
//! event: that is the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::contract::PathState;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{self, Coming, Incident, Thing};
use gatehouse_core::time::UtcMs;
use gatehouse_core::uplink::Progress;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Things that are gone and remembered, at most: more than four configurations without anything in
/// common. Of more, what the broker has of the first is not taken back.
const MAX_GONE: usize = 1024;

/// A door, a zone or a partition as shown.
#[derive(Clone, Debug)]
pub struct ThingView {
    /// What it is.
    pub thing: Thing,
    /// Its id.
    pub id: Id,
    /// The word for its state; `unknown` until a reading was stable.
    pub state: &'static str,
    /// Remarks, as `bypassed`.
    pub flags: Vec<&'static str>,
    /// Since when.
    pub since: UtcMs,
    /// The event that brought it; zero if none has in this session.
    pub seq: Seq,
    /// Counts the changes, so that a reader knows what it has shown.
    pub version: u64,
}

/// An incident as shown.
#[derive(Clone, Debug)]
pub struct IncidentView {
    /// What it is now; `None`: it is closed, which is shown once more.
    pub incident: Option<Incident>,
    /// The newest event of it in this session.
    pub seq: Seq,
    /// Counts the changes.
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
    /// Whether alarms wait for the broker's word; of the connection that there is.
    pub alarms: AlarmsView,
    /// The control room says that it is there.
    pub host_online: Option<bool>,
    /// Every path, in order of preference.
    pub paths: Vec<PathState>,
}

/// Alarms on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmsView {
    /// The newest that the uplink knows of.
    pub upto: Seq,
    /// One of them is not acknowledged by the broker.
    pub wait: bool,
}

/// The store for pictures and clips as shown. Of what is silent nothing is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreView {
    /// Where it is.
    pub endpoint: String,
    /// Its bucket.
    pub bucket: String,
    /// Pictures and clips that it does not have yet.
    pub pending: usize,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Of these, such as it has refused: each is tried again, later and later.
    pub refused: usize,
    /// What it has taken since the daemon's start.
    pub stored: u64,
    /// The newest of these: when, and which file.
    pub last: Option<(UtcMs, String)>,
    /// It has taken something since the daemon's start, be it the object that it is checked with.
    pub works: bool,
    /// What is wrong with it, and what to do.
    pub trouble: Option<String>,
    /// Since when either is so.
    pub since: UtcMs,
    /// Nothing is sent now: alarms go first.
    pub gives_way: bool,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Doors, then zones, then partitions, each in the order of the configuration.
    pub things: Vec<ThingView>,
    /// Counts how often the places of things have changed.
    pub layout: u64,
    /// Things that the configuration has no more, by kind and id: the broker is told to forget them
    /// on every connection of this session.
    pub gone: BTreeSet<(&'static str, Id)>,
    /// Open incidents, and closed ones whose end was not published yet.
    pub incidents: BTreeMap<Id, IncidentView>,
    /// What comes next of each schedule, by its place in the configuration.
    pub schedules: BTreeMap<usize, Coming>,
    /// Units that are degraded.
    pub degraded: BTreeSet<String>,
    /// The uplink.
    pub uplink: UplinkView,
    /// The store for pictures and clips, if there is one.
    pub store: Option<StoreView>,
}

impl View {
    /// 16 hex digits over all states: equal digests, equal states.
    pub fn digest(&self) -> String {
        site::digest(self.things.iter().map(|view| (view.thing.kind(), &view.id, view.state)))
    }

    /// The things of one kind, as `door`.
    pub fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &ThingView> {
        self.things.iter().filter(move |view| view.thing.kind() == kind)
    }

    /// Another configuration holds: what is there still is shown as it was, what is new as it is,
    /// and what is gone is remembered until its end was published.
    pub fn replace_things(&mut self, things: Vec<(Thing, Id, &'static str)>, now: UtcMs) {
        let mut before: BTreeMap<_, _> = std::mem::take(&mut self.things)
            .into_iter()
            .map(|view| ((view.thing.kind(), view.id.clone()), view))
            .collect();
        let shown = things.into_iter().map(|(thing, id, state)| {
            let key = (thing.kind(), id);
            self.gone.remove(&key);
            match before.remove(&key) {
                Some(view) => ThingView { thing, ..view },
                None => ThingView {
                    thing,
                    id: key.1,
                    state,
                    flags: Vec::new(),
                    since: now,
                    seq: Seq::ZERO,
                    version: 1,
                },
            }
        });
        self.things = shown.collect();
        self.things.sort_by_key(|view| view.thing);
        self.gone.extend(before.into_keys());
        while self.gone.len() > MAX_GONE {
            self.gone.pop_first();
        }
        self.layout += 1;
    }

    /// The place here of a thing, by kind and id.
    pub fn place(&self, kind: &str, id: &Id) -> Option<usize> {
        self.things.iter().position(|view| view.thing.kind() == kind && view.id == *id)
    }

    /// A thing, to be changed.
    pub fn thing_mut(&mut self, thing: Thing) -> Option<&mut ThingView> {
        // Each kind is in the order of its places, and the kinds in the order of `Thing`.
        let place = self.things.binary_search_by_key(&thing, |view| view.thing).ok()?;
        self.things.get_mut(place)
    }
}

/// The shared view, and the wish to know when it changes.
#[derive(Clone, Debug)]
pub struct Board {
    view: Arc<Mutex<View>>,
    changed: watch::Sender<u64>,
}

impl Board {
    /// A board of things that are all unknown.
    pub fn new(things: impl IntoIterator<Item = (Thing, Id)>, now: UtcMs) -> Self {
        let unknown = |(thing, id)| ThingView {
            thing,
            id,
            state: "unknown",
            flags: Vec::new(),
            since: now,
            seq: Seq::ZERO,
            version: 1,
        };
        let mut things: Vec<_> = things.into_iter().map(unknown).collect();
        things.sort_by_key(|view| view.thing);
        let uplink = UplinkView { since: now, ..UplinkView::default() };
        let view = View { things, uplink, ..View::default() };
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
