//! The wall's socket: plain on this machine, with TLS for others.
//!
//! Bounds: [`CONNECTIONS`] at a time, the next one waits in the kernel; a handshake has
//! [`HANDSHAKE`]. A certificate that was renewed serves the next connection; one that cannot be
//! read is told in the log, and the last good one goes on.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use gatehouse_link::{ServerTls, Stamp, TlsError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Connections at a time: a browser opens six for one page.
const CONNECTIONS: usize = 256;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The pause after a failed accept: mostly there are no file descriptors, and somebody must close
/// one first.
const PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// See the module's page.
pub(crate) struct Socket {
    listener: TcpListener,
    keys: Option<Keys>,
    room: Arc<Semaphore>,
    shaking: JoinSet<Option<(Io, SocketAddr)>>,
}

struct Keys {
    files: ServerTls,
    stamp: Stamp,
    acceptor: TlsAcceptor,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One connection; its place is free when it is dropped.
pub(crate) struct Io {
    stream: Box<dyn Duplex>,
    _place: OwnedSemaphorePermit,
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
                Err(error) => tracing::error!(%error, "the wall keeps its old certificate"),
            }
            self.stamp = stamp;
        }
        self.acceptor.clone()
    }
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Socket {
    pub(crate) async fn open(
        address: SocketAddr,
        tls: Option<ServerTls>,
    ) -> Result<Self, SocketError> {
        let keys = tls.map(Keys::read).transpose()?;
        let listener = TcpListener::bind(address).await?;
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        Ok(Self { listener, keys, room, shaking: JoinSet::new() })
    }

    /// The next TCP connection and its place.
    async fn next(
        listener: &TcpListener,
        room: &Arc<Semaphore>,
    ) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            let Ok(place) = Arc::clone(room).acquire_owned().await else {
                // Nobody closes it.
                sleep(PAUSE).await;
                continue;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
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
            let Self { listener, keys, room, shaking } = self;
            tokio::select! {
                (stream, peer, place) = Self::next(listener, room) => {
                    let Some(keys) = keys else {
                        return (Io { stream: Box::new(stream), _place: place }, peer);
                    };
                    let acceptor = keys.current();
                    shaking.spawn(async move {
                        let shaken = timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?;
                        let stream = Box::new(shaken.ok()?);
                        Some((Io { stream, _place: place }, peer))
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
        Pin::new(&mut *self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}
