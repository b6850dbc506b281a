//! The stream that a page listens to (server-sent events): first everything its account may see,
//! then what changes, the events as they are committed, and a beat every two seconds.
//!
//! | event | data |
//! |---|---|
//! | `full` | `{now, room, storms, rooms, gateways, incidents}`: forget all else |
//! | `change` | the same with what is new; `null`: gone |
//! | `event` | `{site, gateway, recv, replayed, event}` |
//! | `beat` | `{now}`: the stream lives |
//! | `end` | `{}`: the session has ended, or the account was changed |
//!
//! Without a beat for a few seconds a page knows nothing any more, and says so. A slow browser
//! skips: it is told what differs from what it has, never a queue. Events it skips are counted
//! (`missed`); the history has them.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use gatehouse_core::event::Class;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Shared;
use super::guard::{Signed, refuse};
use super::handovers;
use super::picture::Picture;
use crate::snapshot::Committed;

/// How often a page is told that the stream lives. The page's own patience is three of these.
const BEAT: Duration = Duration::from_secs(2);

struct Live {
    shared: Shared,
    signed: Signed,
    pictures: watch::Receiver<Arc<Picture>>,
    events: broadcast::Receiver<Arc<Committed>>,
    beats: Interval,
    /// What the page has: each piece with the picture it is of.
    sent: HashMap<String, u64>,
    room: u64,
    storms: u64,
    rooms: u64,
    begun: bool,
    ready: VecDeque<Event>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// Opens a stream.
pub(crate) async fn live(State(shared): State<Shared>, signed: Signed) -> Response {
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy");
    };
    let Some(events) = shared.operator.events() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ending");
    };
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let live = Live {
        pictures: shared.pictures.clone(),
        shared,
        signed,
        events,
        beats,
        sent: HashMap::new(),
        room: 0,
        storms: 0,
        rooms: 0,
        begun: false,
        ready: VecDeque::new(),
        ended: false,
        _place: place,
    };
    let stream = unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    Sse::new(stream).into_response()
}

impl Live {
    async fn next(&mut self) -> Option<Event> {
        if !self.begun {
            self.begun = true;
            let picture = Arc::clone(&self.pictures.borrow_and_update());
            return self.change(&picture, "full");
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            // Before anything is told: the account may have been changed meanwhile.
            if !self.is_signed() {
                self.ended = true;
                return Some(Event::default().event("end").data("{}"));
            }
            tokio::select! {
                // Changes first: the sound of an alarm comes from there.
                biased;
                changed = self.pictures.changed() => {
                    changed.ok()?;
                    let picture = Arc::clone(&self.pictures.borrow_and_update());
                    let change = self.change(&picture, "change");
                    self.ready.extend(change);
                }
                _ = self.beats.tick() => {
                    let now = self.shared.operator.now();
                    let beat = format!("{{\"now\":{}}}", now.0);
                    self.ready.push_back(Event::default().event("beat").data(beat));
                }
                event = self.events.recv() => match event {
                    Ok(event) => self.ready.extend(self.event(&event)),
                    Err(RecvError::Lagged(missed)) => {
                        let missed = format!("{{\"missed\":{missed}}}");
                        self.ready.push_back(Event::default().event("event").data(missed));
                    }
                    // The receiver ends, and the stream with it: the page says so.
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Whether the session still holds, and its account is as it was at the beginning.
    fn is_signed(&self) -> bool {
        let now = self.shared.signed(&self.signed.token);
        now.is_some_and(|now| *now.account == *self.signed.account)
    }

    /// What the page does not have yet; none: nothing.
    fn change(&mut self, picture: &Picture, name: &str) -> Option<Event> {
        let scope = &self.signed.account.scope;
        let mut sent = std::mem::take(&mut self.sent);
        let (mut gateways, mut incidents) = (Map::default(), Map::default());
        let mut has = HashMap::with_capacity(sent.len());
        for (key, piece) in &picture.gateways {
            if !scope.site(piece.address.site.as_str()) {
                continue;
            }
            let (key_of, before) = taken(&mut sent, key);
            if before != Some(piece.changed) {
                gateways.put(key, &piece.json(scope));
            }
            has.insert(key_of, piece.changed);
        }
        for (key, piece) in &picture.incidents {
            if !scope.site(&piece.site) || !scope.class(piece.class) {
                continue;
            }
            let (key_of, before) = taken(&mut sent, key);
            if before != Some(piece.changed) {
                incidents.put(key, &piece.json);
            }
            has.insert(key_of, piece.changed);
        }
        for key in sent.into_keys() {
            // `site/gateway`, or with an incident after it.
            let gone = if key.matches('/').count() == 1 { &mut gateways } else { &mut incidents };
            gone.put(&key, "null");
        }
        self.sent = has;
        // Before the first picture is painted nothing is known, which the page says.
        let room = self.room != picture.room_changed;
        self.room = picture.room_changed;
        // They tell of every site.
        let may = scope.sites.is_none() && scope.class(Class::Fault);
        let storms = may && self.storms != picture.storms_changed;
        self.storms = picture.storms_changed;
        let rooms = self.rooms != picture.rooms_changed;
        self.rooms = picture.rooms_changed;
        let fresh = room || storms || rooms;
        if name != "full" && !fresh && gateways.0.is_empty() && incidents.0.is_empty() {
            return None;
        }
        let mut data = format!("{{\"now\":{}", self.shared.operator.now().0);
        // A String takes everything.
        if room {
            let _ = write!(data, ",\"room\":{}", picture.room);
        }
        if storms {
            let _ = write!(data, ",\"storms\":{}", picture.storms);
        }
        if rooms {
            let _ = write!(data, ",\"rooms\":{}", handovers::seen(&picture.snapshot.rooms, scope));
        }
        let _ =
            write!(data, ",\"gateways\":{{{}}},\"incidents\":{{{}}}}}", gateways.0, incidents.0);
        Some(Event::default().event(name).data(data))
    }

    /// A committed event, if the account may see it.
    fn event(&self, committed: &Committed) -> Option<Event> {
        let (scope, address) = (&self.signed.account.scope, &committed.address);
        let may =
            scope.site(address.site.as_str()) && scope.event(committed.class, &committed.body);
        if committed.duplicate || !may {
            return None;
        }
        // Canonical bytes are one line of JSON; anything else is not shown.
        let body = std::str::from_utf8(&committed.body).ok().filter(|body| !body.contains('\n'))?;
        let data = format!(
            "{{\"site\":\"{}\",\"gateway\":\"{}\",\"recv\":{},\"replayed\":{},\"event\":{body}}}",
            address.site, address.gateway, committed.received.utc.0, committed.replayed
        );
        Some(Event::default().event("event").data(data))
    }
}

/// The key with what was sent of it, taken out of what is left over.
fn taken(sent: &mut HashMap<String, u64>, key: &str) -> (String, Option<u64>) {
    match sent.remove_entry(key) {
        Some((key, changed)) => (key, Some(changed)),
        None => (key.to_owned(), None),
    }
}

/// The inside of a JSON object whose keys are made of ids, which need no escaping.
#[derive(Default)]
struct Map(String);

impl Map {
    fn put(&mut self, key: &str, json: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}\"{key}\":{json}");
    }
}
