//! The stream that a page listens to (server-sent events).
//!
//! | event | data |
//! |---|---|
//! | `now` | everything that is shown ([`show::picture`]), whenever it has changed |
//! | `beat` | `{now}` in ms since 1970, every two seconds: the stream lives |
//! | `end` | `{}`: the session has ended, or the account was changed |
//!
//! Without a beat for a few seconds a page knows nothing any more, and says so. The state is painted
//! once for all pages, at most four times a second; a slow browser skips to the newest.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use gatehouse_web::guard::refuse;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::Shared;
use super::routes::Signed;
use super::show;
use crate::control::{self, Sources};

/// How often a page is told that the stream lives. The page's own patience is two of these and a half.
const BEAT: Duration = Duration::from_secs(2);

/// The pause between two paintings.
const PAUSE: Duration = Duration::from_millis(250);

/// What no change wakes for (how old the oldest event is) is looked at so often.
const AGAIN: Duration = Duration::from_secs(5);

/// The state as JSON in one line; empty: nothing is painted yet.
pub(super) type Painted = Arc<str>;

/// Paints for as long as it is polled.
pub(super) async fn paint(sources: Sources, painted: watch::Sender<Painted>) {
    let mut board = sources.board.watch();
    let (mut heads, mut running) = (sources.heads.clone(), sources.running.clone());
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        board.mark_unchanged();
        let unconfirmed = sources.changes.watch();
        let config = Arc::clone(&running.borrow_and_update().config);
        // Also while nobody looks: whoever comes next sees what is, not what was.
        let shown = show::picture(&control::report(&sources), &config).to_string();
        painted.send_if_modified(|before| {
            let differs = **before != *shown;
            if differs {
                *before = shown.into();
            }
            differs
        });
        sleep(PAUSE).await;
        tokio::select! {
            _ = board.changed() => {}
            _ = heads.changed() => {}
            _ = running.changed() => {}
            () = unconfirmed => {}
            _ = again.tick() => {}
        }
    }
}

struct Live {
    shared: Shared,
    signed: Signed,
    painted: watch::Receiver<Painted>,
    beats: Interval,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// Opens a stream.
pub(super) async fn live(State(shared): State<Shared>, signed: Signed) -> Response {
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy");
    };
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut painted = shared.painted.clone();
    painted.mark_changed();
    let live = Live { painted, shared, signed, beats, ended: false, _place: place };
    let stream = unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    Sse::new(stream).into_response()
}

impl Live {
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            let event = tokio::select! {
                biased;
                changed = self.painted.changed() => {
                    // The page's unit ends, and the stream with it: the page says so.
                    changed.ok()?;
                    let data = Arc::clone(&self.painted.borrow_and_update());
                    if data.is_empty() {
                        continue;
                    }
                    Event::default().event("now").data(&*data)
                }
                _ = self.beats.tick() => {
                    let now = self.shared.sources.clock.now().utc.0;
                    Event::default().event("beat").data(format!("{{\"now\":{now}}}"))
                }
            };
            // Before anything is told: the account may have been changed meanwhile.
            if self.shared.signed(&self.signed.token).is_none() {
                self.ended = true;
                return Some(Event::default().event("end").data("{}"));
            }
            return Some(event);
        }
    }
}
