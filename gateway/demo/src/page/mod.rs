//! The local web page: static files, one stream of snapshots, and a few acts.
//!
//! It listens on 127.0.0.1 only. Another web site in the same browser must not be able to cut the
//! power: every request must name this server as its host (which ends DNS rebinding), and an act
//! must carry the header `x-gatehouse-demo`, which a foreign page cannot send without a preflight
//! that is never answered; if it carries an `Origin`, that must be this page's.
//!
//! Bounds: [`MAX_WATCHERS`] streams at a time; each holds only the newest snapshot, so a slow
//! browser skips some and is never behind.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use futures_util::stream::unfold;
use gatehouse_core::contract::AlarmOp;
use gatehouse_core::site::Mode;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::wish::Refused;

/// Open pages at a time.
const MAX_WATCHERS: usize = 16;

/// Something that the viewer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Opens or closes the door with this id.
    Door {
        /// The door's id.
        id: String,
        /// Opens, or else closes.
        open: bool,
    },
    /// Moves the alarm sensor with this id.
    Sensor {
        /// The sensor's id.
        id: String,
        /// How.
        moves: Move,
    },
    /// Arms a partition.
    Arm {
        /// The partition's id.
        partition: String,
        /// In which mode.
        mode: Mode,
        /// Passes over what is not ready.
        force: bool,
    },
    /// Disarms a partition.
    Disarm {
        /// The partition's id.
        partition: String,
    },
    /// Does something about an incident, at the control room.
    Incident {
        /// The incident's id.
        id: String,
        /// What.
        op: AlarmOp,
    },
    /// Lets somebody break in.
    BreakIn,
    /// Kills the broker.
    CutBroker,
    /// Starts a new broker.
    RestoreBroker,
    /// Kills the box.
    CutPower,
}

/// How a sensor is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Opened, or wet.
    Activate,
    /// Shut, or dry.
    Calm,
    /// Walked past, or pressed: it comes back to rest by itself.
    Pulse,
}

/// An act and where its outcome goes: nothing, or why not.
pub(crate) type Asked = (Act, oneshot::Sender<Result<(), Refused>>);

/// The listening page.
#[derive(Debug)]
pub(crate) struct Page {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Shared {
    port: u16,
    acts: mpsc::Sender<Asked>,
    view: watch::Receiver<Arc<str>>,
    watchers: Arc<Semaphore>,
}

impl Page {
    /// Listens on this port of 127.0.0.1; 0 takes any free one.
    ///
    /// # Errors
    /// Mostly the port is in use.
    pub(crate) async fn listen(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves for as long as it is polled. `view` holds the rendered snapshot.
    pub(crate) async fn serve(
        self,
        acts: mpsc::Sender<Asked>,
        view: watch::Receiver<Arc<str>>,
    ) -> io::Result<()> {
        let watchers = Arc::new(Semaphore::new(MAX_WATCHERS));
        let shared = Shared { port: self.address.port(), acts, view, watchers };
        axum::serve(self.listener, router(shared)).await
    }
}

fn router(shared: Shared) -> Router {
    let text = |kind, body| move || async move { ([(header::CONTENT_TYPE, kind)], body) };
    let script = |body| text("text/javascript; charset=utf-8", body);
    Router::new()
        .route("/", get(text("text/html; charset=utf-8", include_str!("index.html"))))
        .route("/style.css", get(text("text/css; charset=utf-8", include_str!("style.css"))))
        .route("/lists.css", get(text("text/css; charset=utf-8", include_str!("lists.css"))))
        .route("/plan.css", get(text("text/css; charset=utf-8", include_str!("plan.css"))))
        .route("/page.js", get(script(include_str!("page.js"))))
        .route("/plan.js", get(script(include_str!("plan.js"))))
        .route("/guard.js", get(script(include_str!("guard.js"))))
        .route("/events.js", get(script(include_str!("events.js"))))
        .route("/words.js", get(script(include_str!("words.js"))))
        .route("/icon.svg", get(text("image/svg+xml", include_str!("icon.svg"))))
        .route("/api/snapshot", get(snapshot))
        .route("/api/live", get(live))
        .route("/api/doors/{id}/{verb}", post(door))
        .route("/api/zones/{id}/{verb}", post(zone))
        .route("/api/partitions/{id}/{verb}", post(partition))
        .route("/api/incidents/{id}/{verb}", post(incident))
        .route("/api/break-in", post(break_in))
        .route("/api/broker/{verb}", post(broker))
        .route("/api/power/cut", post(power))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Refuses what does not come from this page, and sets the headers of every answer.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let refused = refusal(shared.port, request.method(), request.headers());
    let mut response = match refused {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why a request is refused, if it is.
fn refusal(port: u16, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // A browser leaves out the port when it is 80, and then so must we.
    let ours = hosts.iter().any(|ours| ours == host || ours.strip_suffix(":80") == Some(host));
    if !ours {
        return Some("this server is 127.0.0.1 and localhost only\n");
    }
    if method == Method::GET || method == Method::HEAD {
        return None;
    }
    if !headers.contains_key("x-gatehouse-demo") {
        return Some("an act needs the header x-gatehouse-demo: 1\n");
    }
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let same = format!("http://{host}");
    match origin {
        Some(origin) if origin != same.as_bytes() => Some("an act must come from this page\n"),
        _ => None,
    }
}

async fn snapshot(State(shared): State<Shared>) -> Response {
    let body = shared.view.borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn live(State(shared): State<Shared>) -> Response {
    match shared.watchers.try_acquire_owned() {
        Ok(permit) => Sse::new(snapshots(shared.view, permit))
            .keep_alive(KeepAlive::default())
            .into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "16 pages are open already\n").into_response(),
    }
}

/// The newest snapshot at once, and then each that follows, as fast as the browser takes them.
fn snapshots(
    mut view: watch::Receiver<Arc<str>>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    view.mark_changed();
    unfold((view, permit), |(mut view, permit)| async move {
        view.changed().await.ok()?;
        let event = Event::default().event("snapshot").data(&*view.borrow_and_update());
        Some((Ok(event), (view, permit)))
    })
}

async fn door(State(shared): State<Shared>, Path((id, verb)): Path<(String, String)>) -> Response {
    match verb.as_str() {
        "open" => ask(&shared, Act::Door { id, open: true }).await,
        "close" => ask(&shared, Act::Door { id, open: false }).await,
        _ => unknown("a door can be opened and closed\n"),
    }
}

async fn zone(State(shared): State<Shared>, Path((id, verb)): Path<(String, String)>) -> Response {
    let moves = match verb.as_str() {
        "activate" => Move::Activate,
        "calm" => Move::Calm,
        "pulse" => Move::Pulse,
        _ => return unknown("a sensor can activate, calm and pulse\n"),
    };
    ask(&shared, Act::Sensor { id, moves }).await
}

/// With `?force` what is not ready is passed over.
async fn partition(
    State(shared): State<Shared>,
    Path((partition, verb)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let mode = match verb.as_str() {
        "away" => Mode::Away,
        "home" => Mode::Home,
        "night" => Mode::Night,
        "disarm" => return ask(&shared, Act::Disarm { partition }).await,
        _ => return unknown("a partition can away, home, night and disarm\n"),
    };
    ask(&shared, Act::Arm { partition, mode, force: query.as_deref() == Some("force") }).await
}

async fn incident(
    State(shared): State<Shared>,
    Path((id, verb)): Path<(String, String)>,
) -> Response {
    let op = match verb.as_str() {
        "ack" => AlarmOp::Ack,
        "close" => AlarmOp::Close,
        "escalate" => AlarmOp::Escalate,
        _ => return unknown("an operator can ack, close and escalate\n"),
    };
    ask(&shared, Act::Incident { id, op }).await
}

async fn break_in(State(shared): State<Shared>) -> Response {
    ask(&shared, Act::BreakIn).await
}

fn unknown(allowed: &'static str) -> Response {
    (StatusCode::NOT_FOUND, allowed).into_response()
}

async fn broker(State(shared): State<Shared>, Path(verb): Path<String>) -> Response {
    match verb.as_str() {
        "cut" => ask(&shared, Act::CutBroker).await,
        "restore" => ask(&shared, Act::RestoreBroker).await,
        _ => unknown("the broker can be cut and restored\n"),
    }
}

async fn power(State(shared): State<Shared>) -> Response {
    ask(&shared, Act::CutPower).await
}

/// Has it done, and says how it went.
async fn ask(shared: &Shared, act: Act) -> Response {
    let (answer, outcome) = oneshot::channel();
    if shared.acts.try_send((act, answer)).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many acts at once\n").into_response();
    }
    match outcome.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(refused)) => (StatusCode::CONFLICT, Json(refused)).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the demo is ending\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        refusal(8090, method, &map).is_some()
    }

    #[test]
    fn only_this_page_may_act_and_only_under_its_own_name() {
        let (host, act) = (("host", "localhost:8090"), ("x-gatehouse-demo", "1"));
        assert!(!refused(&Method::GET, &[host]));
        assert!(!refused(&Method::POST, &[host, act]));
        assert!(!refused(&Method::POST, &[host, act, ("origin", "http://localhost:8090")]));

        assert!(refused(&Method::GET, &[]));
        assert!(refused(&Method::GET, &[("host", "evil.example:8090")]));
        assert!(refused(&Method::GET, &[("host", "localhost:8091")]));
        assert!(refused(&Method::POST, &[host]));
        assert!(refused(&Method::POST, &[host, act, ("origin", "http://evil.example")]));
        assert!(refused(&Method::POST, &[host, act, ("origin", "null")]));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_every_word_has_both_languages() {
        for text in [
            include_str!("index.html"),
            include_str!("lists.css"),
            include_str!("style.css"),
            include_str!("plan.css"),
            include_str!("page.js"),
            include_str!("plan.js"),
            include_str!("guard.js"),
            include_str!("events.js"),
        ] {
            // A name, not an address: what makes an SVG element an SVG element.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("://") && !text.contains("src=\"//"), "an external resource");
        }
        let words = include_str!("words.js");
        let (english, chinese) = words.split_once("\n  zh: {").unwrap();
        let html = include_str!("index.html");
        for key in html.split("data-t=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            for (language, words) in [("en", english), ("zh", chinese)] {
                let found = words.contains(&format!(" {key}: "));
                assert!(found, "words.js has no {key:?} in {language}");
            }
        }
    }
}
