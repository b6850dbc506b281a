//! `/metrics`: what monitoring sees of a receiver, in Prometheus' text format 0.0.4.
//!
//! Counters count since the receiver started, and only its own work: where several share a
//! PostgreSQL, add them up. Gauges are what it believes at this moment. Whatever a district has many
//! of is summed up, ranked or counted, never named: no label has more than a handful of values,
//! however many gateways there are. No answer holds an id of a site, a gateway or a person.
//!
//! Plain HTTP, for this machine. Bounds: as many connections as the wall's.

mod sums;
mod text;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gatehouse_web::listen::{Bounds, Peer, Socket, SocketError};
use tokio::sync::Semaphore;

use crate::config::ReceiverConfig;
use crate::desk::QUEUE;
use crate::meter::Meter;
use crate::operator::Operator;

/// What a scraper is told of the format.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where it is.
#[derive(Clone, Copy, Debug)]
pub struct MetricsConfig {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// Although other machines can come: something before it says who may.
    pub plain: bool,
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Anybody could read how the district does.
    #[error(
        "--metrics {0} is open to other machines, and anybody there could read it; listen on \
         127.0.0.1, or say --metrics-plain if something before it says who may"
    )]
    Plain(SocketAddr),
    /// Mostly the port is in use.
    #[error("cannot listen on --metrics {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Everything that an answer is made of.
#[derive(Clone, Debug)]
pub struct Gauges {
    pub(crate) config: Arc<ReceiverConfig>,
    pub(crate) operator: Operator,
    pub(crate) meter: Arc<Meter>,
    pub(crate) slots: Arc<Semaphore>,
}

impl Gauges {
    /// Messages that have come and are not committed yet.
    fn backlog(&self) -> u64 {
        let queued = QUEUE.saturating_sub(self.slots.available_permits());
        queued as u64 + self.meter.in_hand.load(Relaxed)
    }
}

/// The listening page.
pub struct Metrics {
    socket: Socket,
    address: SocketAddr,
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    gauges: Gauges,
    /// The port, if only this machine can come.
    here: Option<u16>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Listens.
    ///
    /// # Errors
    /// [`MetricsError`]: other machines could come, or the address cannot be had.
    pub async fn open(config: MetricsConfig, gauges: Gauges) -> Result<Self, MetricsError> {
        let here = config.address.ip().is_loopback();
        if !here && !config.plain {
            return Err(MetricsError::Plain(config.address));
        }
        let listen = |source| MetricsError::Listen { address: config.address, source };
        let socket = Socket::open(config.address, None, Bounds::ROOM).await;
        let socket = socket.map_err(|error| match error {
            SocketError::Io(source) => listen(source),
            SocketError::Tls(error) => listen(io::Error::other(error)),
        })?;
        let address = axum::serve::Listener::local_addr(&socket).map_err(listen)?;
        let shared = Shared { gauges, here: here.then_some(address.port()) };
        Ok(Self { socket, address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for as long as it is polled.
    ///
    /// # Errors
    /// None that is known: connections that fail are their own matter.
    pub async fn serve(self) -> io::Result<()> {
        let router = Router::new().route("/metrics", get(answer)).with_state(self.shared);
        axum::serve(self.socket, router.into_make_service_with_connect_info::<Peer>()).await
    }
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    // A page of another origin must not read it by a name that leads here.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if let Some(port) = shared.here
        && !["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host == format!("{name}:{port}"))
    {
        let what = "ask for this machine by its own name: 127.0.0.1, localhost or [::1]\n";
        return (StatusCode::FORBIDDEN, what).into_response();
    }
    ([(header::CONTENT_TYPE, KIND)], text::page(&shared.gauges)).into_response()
}
