//! A stream to a broker, for who speaks MQTT on it without rumqttc's event loop.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::Tls;
use crate::local::{Local, tcp};
use crate::tunnel::{DialError, Far, encrypted, rustls_error};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens a stream to a broker. What TLS says later, as the refusal of our certificate, comes as an
/// error of reading or writing with a [`DialError`] inside.
///
/// There is no time limit in it: the caller has one for all of its connecting.
///
/// # Errors
/// When the files cannot be used, the broker cannot be reached, or one end refuses the other.
pub async fn open(host: &str, port: u16, tls: Option<&Tls>) -> Result<Box<dyn Stream>, DialError> {
    open_from(&Local::default(), host, port, tls).await
}

/// The same by a network interface or from an address of this machine.
///
/// # Errors
/// As [`open`], and when this machine has no such interface or address.
pub async fn open_from(
    local: &Local,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
) -> Result<Box<dyn Stream>, DialError> {
    let Some(tls) = tls else { return Ok(Box::new(tcp(local, host, port).await?)) };
    let (stream, far) = encrypted(local, host, port, tls).await?;
    Ok(Box::new(Explained { stream, far }))
}

/// What TLS has to say in this error of a stream, if it has.
pub fn tls_word(error: &io::Error) -> Option<&DialError> {
    error.get_ref()?.downcast_ref()
}

/// Says in whose certificate a mistake is.
struct Explained {
    stream: TlsStream<TcpStream>,
    far: Far,
}

impl Explained {
    fn explain<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        polled.map_err(|error| match rustls_error(&error) {
            Some(_) => io::Error::new(error.kind(), self.far.explain(error)),
            None => error,
        })
    }
}

impl AsyncRead for Explained {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.explain(polled)
    }
}

impl AsyncWrite for Explained {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.explain(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.explain(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.explain(polled)
    }
}
