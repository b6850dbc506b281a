//! One connection to a store, and the calls over it.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use gatehouse_config::Store;
use gatehouse_core::time::{ClockState, UtcMs};
use gatehouse_link::{Local, Tls, open_from};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, DATE, ETAG, HeaderMap};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use super::answer::{Fault, Listed, Refusal, S3Error, http_date, line, parts, text_of};
use super::payload::Payload;
use super::sign::{Signer, Unsigned, encoded, query};
use crate::clock::Clock;

/// A line that takes longer to connect carries nothing else either.
const CONNECT: Duration = Duration::from_secs(20);

/// A store that has everything answers within this, unless it puts an object together.
const ANSWER: Duration = Duration::from_secs(60);

/// "Processing of a Complete Multipart Upload request could take several minutes" (the API reference).
const PUT_TOGETHER: Duration = Duration::from_secs(600);

/// An answer's body is that large at most: a page of 500 parts has 150 KiB.
const BODY: usize = 512 << 10;

/// Parts in one page of `ListParts`.
const PARTS: u32 = 500;

/// What hyper holds of a payload before the socket takes it, and of an answer's head.
const BUFFER: usize = 64 << 10;

/// How long the kernel's buffer lasts at the rate that is allowed, and its bounds: what is in it goes out
/// before an alarm that comes behind it.
const AHEAD: Duration = Duration::from_millis(125);
const AHEAD_BYTES: (u64, u64) = (16 << 10, 1 << 20);

/// What an object is, for whoever finds it in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Its type, as `video/mp4`.
    pub(crate) content_type: &'static str,
    /// `x-amz-meta-…`: names in small letters, values of ASCII.
    pub(crate) meta: Vec<(&'static str, String)>,
}

/// What a store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// How long it is.
    pub(crate) bytes: u64,
    /// `x-amz-meta-sha256`, if the store keeps what it is told.
    pub(crate) sha256: Option<String>,
}

/// A client of one bucket.
pub(crate) struct Client {
    store: Store,
    clock: Clock,
    open: Option<Open>,
    /// What signatures add to our time.
    ahead_ms: i64,
    /// That has changed, and nothing was asked since.
    adopted: bool,
}

struct Open {
    sender: http1::SendRequest<UnsyncBoxBody<Bytes, io::Error>>,
    /// Reads and writes; ends with this value.
    _connection: JoinSet<()>,
}

/// One request.
struct Call<'a> {
    method: &'static str,
    key: &'a str,
    query: &'a [(&'a str, String)],
    about: Option<&'a About>,
    payload: Payload,
    patience: Duration,
}

/// An answer that is no refusal.
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, open: None, ahead_ms: 0, adopted: false }
    }

    /// Ends the connection: nothing is to be sent for a while.
    pub(crate) fn rest(&mut self) {
        self.open = None;
    }

    /// Whether the store's time was just taken for signatures: then what was refused is worth another try.
    pub(crate) fn has_its_time(&mut self) -> bool {
        std::mem::take(&mut self.adopted)
    }

    /// Puts an object, whole.
    pub(crate) async fn put(
        &mut self,
        key: &str,
        about: &About,
        payload: Payload,
    ) -> Result<(), S3Error> {
        let call = Call { about: Some(about), ..Call::new("PUT", key, payload) };
        self.request(call).await.map(drop)
    }

    /// Asks for an object; `None`: there is none.
    pub(crate) async fn head(&mut self, key: &str) -> Result<Option<Object>, S3Error> {
        let answer = match self.request(Call::new("HEAD", key, Payload::empty())).await {
            Ok(answer) => answer,
            // Also without a word: an answer to HEAD has no body.
            Err(error) if error.has_status(404) => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = |name: &str| answer.headers.get(name)?.to_str().ok().map(str::to_owned);
        let bytes = text(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
        let garbled = || S3Error::Garbled("an object without a length".to_owned());
        let sha256 = text("x-amz-meta-sha256");
        Ok(Some(Object { bytes: bytes.ok_or_else(garbled)?, sha256 }))
    }

    /// Begins an upload in parts; gives its id.
    pub(crate) async fn create(&mut self, key: &str, about: &About) -> Result<String, S3Error> {
        let query = [("uploads", String::new())];
        let call =
            Call { query: &query, about: Some(about), ..Call::new("POST", key, Payload::empty()) };
        let body = self.request(call).await?.body;
        text_of(&body, "InitiateMultipartUpload", "UploadId")
            .ok_or_else(|| S3Error::Garbled("an upload without an id".to_owned()))
    }

    /// Sends a part; gives the store's name for it.
    pub(crate) async fn part(
        &mut self,
        key: &str,
        upload: &str,
        number: u32,
        payload: Payload,
    ) -> Result<String, S3Error> {
        let query = [("partNumber", number.to_string()), ("uploadId", upload.to_owned())];
        let answer = self.request(Call { query: &query, ..Call::new("PUT", key, payload) }).await?;
        let etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        etag.map(str::to_owned).ok_or_else(|| S3Error::Garbled("a part without an ETag".to_owned()))
    }

    /// What the store has of an upload.
    pub(crate) async fn parts(&mut self, key: &str, upload: &str) -> Result<Vec<Listed>, S3Error> {
        let mut all = Vec::new();
        let mut behind = 0;
        loop {
            let query = [
                ("max-parts", PARTS.to_string()),
                ("part-number-marker", behind.to_string()),
                ("uploadId", upload.to_owned()),
            ];
            let call = Call { query: &query, ..Call::new("GET", key, Payload::empty()) };
            let body = self.request(call).await?.body;
            let page =
                parts(&body).ok_or_else(|| S3Error::Garbled("no list of parts".to_owned()))?;
            all.extend(page.parts);
            match page.next {
                Some(next) if next > behind => behind = next,
                _ => return Ok(all),
            }
        }
    }

    /// Makes an object of parts: their numbers and names, in order.
    pub(crate) async fn complete(
        &mut self,
        key: &str,
        upload: &str,
        parts: &[(u32, String)],
    ) -> Result<(), S3Error> {
        let mut body = "<CompleteMultipartUpload \
                        xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            .to_owned();
        for (number, etag) in parts {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            let _ =
                write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        let query = [("uploadId", upload.to_owned())];
        let call = Call {
            query: &query,
            patience: PUT_TOGETHER,
            ..Call::new("POST", key, Payload::text(body))
        };
        let answer = self.request(call).await?;
        // It may begin to answer 200 before it knows: the document says what came of it.
        let refusal = Refusal::read(200, &answer.body, None);
        if refusal.code.is_empty() { Ok(()) } else { Err(S3Error::Answered(refusal)) }
    }

    /// Ends an upload that will not be completed. One that is not there any more is ended.
    pub(crate) async fn abort(&mut self, key: &str, upload: &str) -> Result<(), S3Error> {
        let query = [("uploadId", upload.to_owned())];
        let call = Call { query: &query, ..Call::new("DELETE", key, Payload::empty()) };
        match self.request(call).await {
            Ok(_) => Ok(()),
            Err(error) if error.is("NoSuchUpload") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Where a key is, by path and host.
    fn place(&self, key: &str) -> (String, String) {
        let authority = self.store.endpoint.authority();
        let key = encoded(key, true);
        if self.store.path_style {
            (format!("/{}/{key}", self.store.bucket), authority)
        } else {
            (format!("/{key}"), format!("{}.{authority}", self.store.bucket))
        }
    }

    async fn request(&mut self, call: Call<'_>) -> Result<Answer, S3Error> {
        let streamed = call.payload.pulse.is_some();
        let answer = self.exchange(call).await;
        // What is left of a payload that nobody wants is not sent.
        let broken = match &answer {
            Ok(_) => false,
            Err(S3Error::Answered(_)) => streamed,
            Err(_) => true,
        };
        if broken {
            self.open = None;
        }
        if let Err(S3Error::Answered(refusal)) = &answer
            && let (Some(Fault::Clock), Some(ahead)) =
                (answer.as_ref().err().and_then(S3Error::fault), refusal.ahead_ms)
            && self.clock.now().clock != ClockState::Synced
        {
            self.ahead_ms = self.ahead_ms.saturating_add(ahead);
            self.adopted = true;
            let seconds = self.ahead_ms / 1000;
            warn!(seconds, "this box's clock is not synchronised: requests have the store's time");
        }
        answer
    }

    async fn exchange(&mut self, call: Call<'_>) -> Result<Answer, S3Error> {
        let (path, host) = self.place(call.key);
        let Payload { body, bytes, sha256, pulse, ended } = call.payload;
        let mut headers = vec![("host", host)];
        if let Some(about) = call.about {
            headers.push(("content-type", about.content_type.to_owned()));
            headers.extend(about.meta.iter().cloned());
        }
        let at = self.signing_time();
        let signed = {
            let secret = self.store.secret_key.read();
            let secret = secret.map_err(|error| S3Error::Secret(error.to_string()))?;
            let signer = Signer {
                access_key: &self.store.access_key,
                secret_key: &secret,
                region: &self.store.region,
            };
            let unsigned = Unsigned {
                method: call.method,
                path: &path,
                query: call.query,
                headers: &headers,
                payload: &sha256,
            };
            signer.sign(&unsigned, at)
        };
        let uri = match query(call.query) {
            none if none.is_empty() => path,
            query => format!("{path}?{query}"),
        };
        let mut request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header("authorization", signed.authorization)
            .header("x-amz-date", signed.date)
            .header("x-amz-content-sha256", sha256)
            .header("user-agent", concat!("gatehouse/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if matches!(call.method, "PUT" | "POST") {
            request = request.header(CONTENT_LENGTH, bytes);
        }
        let request = request.body(body).map_err(|error| S3Error::Garbled(error.to_string()))?;
        let open = self.opened().await?;
        let answered = async {
            let answer = open.sender.send_request(request).await.map_err(|error| said(&error))?;
            read(answer).await
        };
        let silence = async {
            if let Some(mut pulse) = pulse {
                loop {
                    match timeout(call.patience, pulse.changed()).await {
                        Ok(Ok(())) => {}
                        // All was taken: from now on the answer is waited for.
                        Ok(Err(_)) => break,
                        Err(_) => return,
                    }
                }
            }
            tokio::time::sleep(call.patience).await;
        };
        let answered = tokio::select! {
            biased;
            answered = answered => answered,
            () = silence => {
                let seconds = call.patience.as_secs();
                Err(S3Error::Unreachable(format!("the store is silent for {seconds} s")))
            }
        };
        let (status, headers, body) = answered.map_err(|error| ended.take().unwrap_or(error))?;
        if (200..300).contains(&status) {
            return Ok(Answer { headers, body });
        }
        let date = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        let ahead_ms = date.map(|date| date.0.saturating_sub(self.signing_time().0));
        Err(S3Error::Answered(Refusal::read(status, &body, ahead_ms)))
    }

    fn signing_time(&self) -> UtcMs {
        UtcMs(self.clock.now().utc.0.saturating_add(self.ahead_ms))
    }

    /// The connection, opened if there is none.
    async fn opened(&mut self) -> Result<&mut Open, S3Error> {
        // One that the store has closed meanwhile is no fault.
        if let Some(open) = &mut self.open
            && open.sender.ready().await.is_err()
        {
            self.open = None;
        }
        let open = if let Some(open) = self.open.take() { open } else { self.dial().await? };
        Ok(self.open.insert(open))
    }

    async fn dial(&self) -> Result<Open, S3Error> {
        let endpoint = &self.store.endpoint;
        let host = if self.store.path_style {
            endpoint.host.clone()
        } else {
            format!("{}.{}", self.store.bucket, endpoint.host)
        };
        let tls = endpoint.tls.then(|| Tls {
            ca: self.store.ca.clone(),
            client: None,
            server_name: None,
        });
        let per_second = u128::from(self.store.rate) * AHEAD.as_millis() / 1000;
        let ahead = u64::try_from(per_second).unwrap_or(u64::MAX);
        let ahead = ahead.clamp(AHEAD_BYTES.0, AHEAD_BYTES.1);
        let local = Local { send_buffer: u32::try_from(ahead).ok(), ..Local::default() };
        let dialled = timeout(CONNECT, open_from(&local, &host, endpoint.port, tls.as_ref())).await;
        let stream = match dialled {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.is_refusal() => {
                return Err(S3Error::Untrusted(error.told("store")));
            }
            Ok(Err(error)) => return Err(S3Error::Unreachable(error.told("store"))),
            Err(_) => {
                let seconds = CONNECT.as_secs();
                let why = format!("no connection to {endpoint} within {seconds} s");
                return Err(S3Error::Unreachable(why));
            }
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| said(&error))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // What went wrong with it is said by the request.
            let _ = connection.await;
        });
        Ok(Open { sender, _connection: task })
    }
}

impl<'a> Call<'a> {
    fn new(method: &'static str, key: &'a str, payload: Payload) -> Self {
        Self { method, key, query: &[], about: None, payload, patience: ANSWER }
    }
}

async fn read(answer: Response<hyper::body::Incoming>) -> Result<(u16, HeaderMap, Bytes), S3Error> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, BODY).collect().await;
    let body = body.map_err(|error| S3Error::Unreachable(line(&error.to_string())))?.to_bytes();
    Ok((head.status.as_u16(), head.headers, body))
}

fn said(error: &hyper::Error) -> S3Error {
    if error.is_incomplete_message() {
        return S3Error::Unreachable("the store ends the connection without an answer".to_owned());
    }
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        let _ = write!(text, ": {cause}");
    }
    if error.is_parse() {
        return S3Error::Garbled(line(&text));
    }
    S3Error::Unreachable(line(&text))
}

#[cfg(test)]
mod tests;
