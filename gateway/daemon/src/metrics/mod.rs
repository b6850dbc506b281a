//! `/metrics`: what monitoring sees of this box, in Prometheus' text format 0.0.4 (`[metrics]`).
//!
//! The figures are those of `gatehouse status` and of the box's own sensors: how delivery stands, which path
//! works, what of the wiring answers, how disk and flash are. Nobody learns from them what happens at the site:
//! nothing says what is open, armed or in alarm, whether anybody is at home, or that a silent alarm goes on. No
//! answer holds a name, a person, a secret or an id of the site; labels are ids of brokers and of sensors.
//!
//! A unit like any other: nothing depends on it. Plain HTTP; without `[metrics]` nothing listens, and without
//! `plain = true` only this machine can come.
//!
//! Bounds: 8 connections, one minute idle. Another `[metrics]` holds by a reload; connections of the old one
//! answer nothing more.

mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gatehouse_config::Metrics;
use gatehouse_web::listen::{Bounds, Peer, Socket};
use tracing::info;

use crate::control::{self, Sources};
use crate::supervise::Outcome;

/// What a scraper is told of the format.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A scraper has one connection, people who look have a few.
const BOUNDS: Bounds = Bounds { connections: 8, of_one: 8, idle: Some(Duration::from_secs(60)) };

#[derive(Clone)]
struct Shared {
    sources: Sources,
    /// The port, if only this machine can come.
    here: Option<u16>,
    /// It is served elsewhere by now, or nowhere.
    closed: Arc<AtomicBool>,
}

/// Closes what was served, when it moves or its unit ends.
struct Closing(Arc<AtomicBool>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Serves figures until the task is ended, as the configuration that holds says; without `[metrics]` it only
/// waits for one.
///
/// # Errors
/// The address cannot be used, mostly since something else listens there; tried again by the supervisor.
pub async fn run(sources: Sources) -> Outcome {
    let mut running = sources.running.clone();
    loop {
        let wanted = running.borrow_and_update().config.metrics;
        let elsewhere = async {
            if running.wait_for(|now| now.config.metrics != wanted).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let serve = async {
            match wanted {
                Some(metrics) => serve(&sources, metrics).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = serve => return ended,
            () = elsewhere => info!("metrics are configured anew"),
        }
    }
}

async fn serve(sources: &Sources, metrics: Metrics) -> Outcome {
    let listen = metrics.listen;
    let socket = Socket::open(listen, None, BOUNDS)
        .await
        .map_err(|error| format!("metrics cannot listen on {listen}: {error}"))?;
    info!(%listen, "metrics are served");
    let here = listen.ip().to_canonical().is_loopback().then_some(listen.port());
    let closed = Arc::new(AtomicBool::new(false));
    let _closing = Closing(Arc::clone(&closed));
    let shared = Shared { sources: sources.clone(), here, closed };
    let router = Router::new().route("/metrics", get(answer)).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(socket, service).await.map_err(|error| error.to_string())
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if shared.closed.load(Ordering::Relaxed) {
        let gone = [(header::CONNECTION, "close")];
        return (StatusCode::GONE, gone, "metrics are served elsewhere by now\n").into_response();
    }
    // A page of another origin must not read it by a name that leads here.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if let Some(port) = shared.here
        && !["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host == format!("{name}:{port}"))
    {
        let what = "ask for this machine by its own name: 127.0.0.1, localhost or [::1]\n";
        return (StatusCode::FORBIDDEN, what).into_response();
    }
    let report = control::report(&shared.sources);
    let config = Arc::clone(&shared.sources.running.borrow().config);
    let machine = text::Machine::of(&config.state_dir, &shared.sources.gauges);
    ([(header::CONTENT_TYPE, KIND)], text::page(&report, &machine)).into_response()
}
