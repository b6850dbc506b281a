//! TLS to a server, in the crate's terms: files read anew for each connection, and verified.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use gatehouse_link::{OverError, Tls, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};

/// Makes TLS, or nothing where the configuration says that there is none.
#[derive(Clone)]
pub(super) struct Securing(pub(super) Option<Tls>);

/// For one connection.
pub(super) struct To {
    tls: Option<Tls>,
    host: String,
}

/// A secured stream.
pub(super) struct Secured<S>(TlsStream<S>);

impl<S> MakeTlsConnect<S> for Securing
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secured<S>;
    type TlsConnect = To;
    type Error = OverError;

    fn make_tls_connect(&mut self, host: &str) -> Result<To, OverError> {
        Ok(To { tls: self.0.clone(), host: host.to_owned() })
    }
}

impl<S> TlsConnect<S> for To
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secured<S>;
    type Error = OverError;
    type Future = Pin<Box<dyn Future<Output = Result<Secured<S>, OverError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let Self { tls, host } = self;
            // Never asked without: the configuration then says `disable`.
            let tls = tls.ok_or_else(|| OverError::Name(host.clone()))?;
            tls.over(&host, stream).await.map(Secured)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
