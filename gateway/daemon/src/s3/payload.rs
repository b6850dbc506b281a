//! What a request carries.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use gatehouse_core::checkpoint::to_hex;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use ring::digest::{SHA256, digest};
use tokio::sync::watch;

use super::answer::S3Error;

/// The body of a request, with what is to be known of it before it is sent.
pub(crate) struct Payload {
    pub(super) body: UnsyncBoxBody<Bytes, io::Error>,
    pub(super) bytes: u64,
    /// 64 hex digits.
    pub(super) sha256: String,
    /// Changes while it is alive: a piece was taken, or it waits for a reason of its own.
    pub(super) pulse: Option<watch::Receiver<u64>>,
    pub(super) ended: Ended,
}

/// Why a payload broke off, if it did that itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended(Arc<Mutex<Option<S3Error>>>);

impl Ended {
    /// It breaks off for this.
    pub(crate) fn put(&self, why: S3Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(super) fn take(&self) -> Option<S3Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Payload {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::text(Bytes::new())
    }

    /// Bytes that are in memory.
    pub(crate) fn text(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = to_hex(digest(&SHA256, &bytes).as_ref());
        let length = bytes.len() as u64;
        let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        Self { body, bytes: length, sha256, pulse: None, ended: Ended::default() }
    }

    /// So many bytes with this hash, as they come. `pulse` changes as long as somebody looks after it, and
    /// `ended` says why, if the stream breaks off by itself.
    pub(crate) fn stream(
        stream: Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>,
        (bytes, sha256): (u64, String),
        pulse: watch::Receiver<u64>,
        ended: Ended,
    ) -> Self {
        let body = StreamBody::new(stream).boxed_unsync();
        Self { body, bytes, sha256, pulse: Some(pulse), ended }
    }
}
