//! One POST, with Digest when it is asked for: each is a connection of its own.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use gatehouse_core::time::UtcMs;
use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, DATE, HOST, HeaderMap, USER_AGENT, WWW_AUTHENTICATE,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{OnvifError, OnvifSettings, time};
use crate::source::Address;

/// What is posted.
pub(super) struct Post<'a> {
    pub(super) to: &'a Address,
    pub(super) action: &'a str,
    pub(super) envelope: String,
    /// How long the answer may take, from the connection on.
    pub(super) limit: Duration,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) challenge: Option<PasswordClient>,
    /// By the camera's clock.
    pub(super) date: Option<UtcMs>,
    pub(super) body: Bytes,
}

pub(super) async fn post(
    settings: &OnvifSettings,
    digest: Option<&mut PasswordClient>,
    post: Post<'_>,
) -> Result<Answer, OnvifError> {
    let (to, limit) = (post.to, post.limit);
    let protocol =
        |said: &str| OnvifError::Protocol { detail: to.scrub(said, settings.credentials.as_ref()) };
    let request = request(settings, digest, post).map_err(|said| protocol(&said))?;
    let unreachable = |detail: String| OnvifError::Unreachable { detail };
    let connecting = TcpStream::connect(to.endpoint());
    let stream = tokio::time::timeout(settings.answer, connecting)
        .await
        .map_err(|_| unreachable(format!("no connection within {:?}", settings.answer)))?
        .map_err(|error| unreachable(error.to_string()))?;
    let whole = async {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            // A camera's head is some hundred bytes.
            .max_buf_size(16 << 10)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| protocol(&error.to_string()))?;
        let mut asked = pin!(async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|error| protocol(&error.to_string()))?;
            read(response, settings.largest).await.map_err(|said| protocol(&said))
        });
        tokio::select! {
            biased;
            answer = asked.as_mut() => answer,
            // Closed by the camera: what it sent before is still to be read.
            _ = pin!(connection) => asked.await,
        }
    };
    tokio::time::timeout(limit, whole).await.map_err(|_| OnvifError::Hung { limit })?
}

fn request(
    settings: &OnvifSettings,
    digest: Option<&mut PasswordClient>,
    post: Post<'_>,
) -> Result<Request<Full<Bytes>>, String> {
    let url = post.to.url();
    let uri = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let kind = format!(r#"application/soap+xml; charset=utf-8; action="{}""#, post.action);
    let mut request = Request::post(&uri)
        .header(HOST, host)
        .header(USER_AGENT, "Gatehouse")
        .header(CONTENT_TYPE, kind)
        .header(CONNECTION, "close");
    if let (Some(challenge), Some(credentials)) = (digest, &settings.credentials) {
        request = request.header(
            AUTHORIZATION,
            challenge.respond(&PasswordParams {
                username: credentials.user(),
                password: credentials.password(),
                uri: &uri,
                method: "POST",
                body: Some(post.envelope.as_bytes()),
            })?,
        );
    }
    request.body(Full::new(post.envelope.into())).map_err(|error| error.to_string())
}

async fn read(response: Response<hyper::body::Incoming>, largest: usize) -> Result<Answer, String> {
    let status = response.status().as_u16();
    let challenge = challenge(response.headers());
    let date = response.headers().get(DATE).and_then(|date| time::http(date.to_str().ok()?));
    let body = Limited::new(response.into_body(), largest).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status, challenge, date, body })
}

/// A Digest only: for Basic the password would go over the wire as it is, to whoever answers.
fn challenge(headers: &HeaderMap) -> Option<PasswordClient> {
    let mut builder = PasswordClient::builder();
    for header in headers.get_all(WWW_AUTHENTICATE) {
        if let Ok(text) = header.to_str() {
            builder = builder.challenges(text);
        }
    }
    builder.build().ok().filter(|client| matches!(client, PasswordClient::Digest(_)))
}
