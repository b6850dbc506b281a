//! The local web page: static files, one stream of snapshots, and a few acts.
//!
//! It listens on 127.0.0.1 only. Another web site in the same browser must not be able to cut the
//! power: every request must name this server as its host (which ends DNS rebinding), and an act
//! must carry the header `x-gatehouse-demo`, which a foreign page cannot send without a preflight
//! that is never answered; if it carries an `Origin`, that must be this page's.
//!
//! Bounds: [`MAX_WATCHERS`] streams at a time; each holds only the newest snapshot, so a slow
//! browser skips some and is never behind.

mod acts;
mod evidence;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

pub(crate) use acts::{Act, Asked, Move};
pub(crate) use evidence::Evidence;

/// Open pages at a time.
const MAX_WATCHERS: usize = 16;

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
    evidence: Evidence,
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
        evidence: Evidence,
    ) -> io::Result<()> {
        let watchers = Arc::new(Semaphore::new(MAX_WATCHERS));
        let shared = Shared { port: self.address.port(), acts, view, watchers, evidence };
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
        .route("/cameras.css", get(text("text/css; charset=utf-8", include_str!("cameras.css"))))
        .route("/cameras.js", get(script(include_str!("cameras.js"))))
        .route("/api/picture/{sha256}", get(evidence::picture))
        .route("/api/clip/{name}", get(evidence::clip))
        .route("/api/camera/{verb}", post(acts::camera))
        .route("/api/snapshot", get(snapshot))
        .route("/api/live", get(live))
        .route("/api/doors/{id}/{verb}", post(acts::door))
        .route("/api/zones/{id}/{verb}", post(acts::zone))
        .route("/api/partitions/{id}/{verb}", post(acts::partition))
        .route("/api/incidents/{id}/{verb}", post(acts::incident))
        .route("/api/break-in", post(acts::break_in))
        .route("/api/broker/{verb}", post(acts::broker))
        .route("/api/power/cut", post(acts::power))
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
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
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
            include_str!("cameras.js"),
            include_str!("cameras.css"),
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
