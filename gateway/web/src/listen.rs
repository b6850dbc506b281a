//! The socket of a page: plain on this machine, with TLS for others.
//!
//! Bounds ([`Bounds`]): so many connections at a time, the next one waits in the kernel; so many of one
//! address, the next one is shut; a handshake has [`HANDSHAKE`]; one on which nothing moves is shut.
//! A certificate that was renewed serves the next connection; one that cannot be read is told in the
//! log, and the last good one goes on.

use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use gatehouse_link::{ServerTls, Stamp, TlsError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// How much is served at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections: a browser opens six for one page.
    pub connections: usize,
    /// Connections of one address, so that one machine cannot keep all others out.
    pub of_one: usize,
    /// A connection on which nothing was read or written for so long is shut; none: it stays.
    pub idle: Option<Duration>,
}

impl Bounds {
    /// Of a control room: many screens, perhaps all behind one address.
    pub const ROOM: Self = Self { connections: 256, of_one: 256, idle: None };
}

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The pause after a failed accept: mostly there are no file descriptors, and somebody must close
/// one first.
const PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// See the module's page.
pub struct Socket {
    listener: TcpListener,
    keys: Option<Keys>,
    bounds: Bounds,
    room: Arc<Semaphore>,
    /// How many connections each address has.
    each: Each,
    shaking: JoinSet<Option<(Io, SocketAddr)>>,
}

struct Keys {
    files: ServerTls,
    stamp: Stamp,
    acceptor: TlsAcceptor,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Each = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection's place among all, and among those of its address; free when it is dropped.
struct Place {
    _room: OwnedSemaphorePermit,
    each: Each,
    address: IpAddr,
}

impl Place {
    /// None: the address has its share already.
    fn take(room: OwnedSemaphorePermit, each: &Each, address: IpAddr, most: usize) -> Option<Self> {
        let mut all = each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { _room: room, each: Arc::clone(each), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// One connection; its place is free when it is dropped.
pub struct Io {
    stream: Box<dyn Duplex>,
    /// When it is shut unless something moves.
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
    _place: Place,
}

impl Io {
    fn new(stream: Box<dyn Duplex>, idle: Option<Duration>, place: Place) -> Self {
        let idle = idle.map(|idle| (idle, Box::pin(sleep(idle))));
        Self { stream, idle, _place: place }
    }

    /// Something moved.
    fn moved(&mut self) {
        if let Some((idle, end)) = &mut self.idle {
            end.as_mut().reset(Instant::now() + *idle);
        }
    }
}

impl Keys {
    fn read(files: ServerTls) -> Result<Self, TlsError> {
        let stamp = Stamp::of(files.files());
        let acceptor = files.acceptor()?;
        Ok(Self { files, stamp, acceptor })
    }

    /// The present certificate.
    fn current(&mut self) -> TlsAcceptor {
        let stamp = Stamp::of(self.files.files());
        if stamp != self.stamp {
            match self.files.acceptor() {
                Ok(acceptor) => self.acceptor = acceptor,
                Err(error) => tracing::error!(%error, "the page keeps its old certificate"),
            }
            self.stamp = stamp;
        }
        self.acceptor.clone()
    }
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Mostly the port is in use, or below 1024 and not allowed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Socket {
    /// Reads certificate and key, if there are any, and listens.
    ///
    /// # Errors
    /// [`SocketError`]: nothing listens.
    pub async fn open(
        address: SocketAddr,
        tls: Option<ServerTls>,
        bounds: Bounds,
    ) -> Result<Self, SocketError> {
        let keys = tls.map(Keys::read).transpose()?;
        let listener = TcpListener::bind(address).await?;
        let room = Arc::new(Semaphore::new(bounds.connections));
        Ok(Self { listener, keys, bounds, room, each: Each::default(), shaking: JoinSet::new() })
    }

    /// The next TCP connection and its place.
    async fn next(
        listener: &TcpListener,
        room: &Arc<Semaphore>,
        (each, of_one): (&Each, usize),
    ) -> (TcpStream, SocketAddr, Place) {
        loop {
            let Ok(place) = Arc::clone(room).acquire_owned().await else {
                // Nobody closes it.
                sleep(PAUSE).await;
                continue;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(place) = Place::take(place, each, peer.ip(), of_one) else {
                        tracing::debug!(%peer, "an address has too many connections");
                        continue;
                    };
                    // What the stream of events says is said at once.
                    let _ = stream.set_nodelay(true);
                    return (stream, peer, place);
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Listener for Socket {
    type Io = Io;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Io, SocketAddr) {
        loop {
            let Self { listener, keys, bounds, room, each, shaking } = self;
            let idle = bounds.idle;
            tokio::select! {
                (stream, peer, place) = Self::next(listener, room, (each, bounds.of_one)) => {
                    let Some(keys) = keys else {
                        return (Io::new(Box::new(stream), idle, place), peer);
                    };
                    let acceptor = keys.current();
                    shaking.spawn(async move {
                        let shaken = timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?;
                        let stream = Box::new(shaken.ok()?);
                        Some((Io::new(stream, idle, place), peer))
                    });
                }
                Some(shaken) = shaking.join_next(), if !shaking.is_empty() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Socket>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Socket>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.moved();
        }
        if read.is_pending()
            && let Some((_, end)) = &mut self.idle
            && end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.moved();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}
