//! One GET, with Basic or Digest when it is asked for.

use std::pin::pin;

use bytes::Bytes;
use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{SnapshotError, SnapshotSettings};

/// Remembers the camera's challenge, so that a digest costs one refusal and not one for each picture.
pub(super) struct Client<'s> {
    settings: &'s SnapshotSettings,
    challenge: Option<PasswordClient>,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    challenge: Option<PasswordClient>,
    body: Bytes,
}

impl<'s> Client<'s> {
    pub(super) fn new(settings: &'s SnapshotSettings) -> Self {
        Self { settings, challenge: None }
    }

    /// The body of a picture's answer.
    pub(super) async fn take(&mut self) -> Result<Bytes, SnapshotError> {
        let limit = self.settings.answer;
        // Connecting has the limit to itself, so that the two can be told apart.
        match tokio::time::timeout(limit * 2, self.take_whole()).await {
            Ok(taken) => taken,
            Err(_) => Err(SnapshotError::Hung { limit: limit * 2 }),
        }
    }

    async fn take_whole(&mut self) -> Result<Bytes, SnapshotError> {
        let mut answer = self.ask().await?;
        // The first time, or the challenge was too old.
        if answer.status == StatusCode::UNAUTHORIZED && self.settings.credentials.is_some() {
            self.challenge = answer.challenge.take();
            if self.challenge.is_some() {
                answer = self.ask().await?;
            }
        }
        match answer.status.as_u16() {
            200 => Ok(answer.body),
            status @ (401 | 403) => {
                self.challenge = None;
                Err(SnapshotError::Unauthorised { status })
            }
            status => Err(SnapshotError::Refused { status }),
        }
    }

    async fn ask(&mut self) -> Result<Answer, SnapshotError> {
        let settings = self.settings;
        let request = self.request()?;
        let endpoint = settings.address.endpoint();
        let connected = tokio::time::timeout(settings.answer, TcpStream::connect(endpoint)).await;
        let unreachable = |detail: String| SnapshotError::Unreachable { detail };
        let stream = connected
            .map_err(|_| unreachable(format!("no connection within {:?}", settings.answer)))?
            .map_err(|error| unreachable(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            // A camera's head is some hundred bytes.
            .max_buf_size(16 << 10)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.protocol(&error))?;
        let mut asked = pin!(async {
            let response = sender.send_request(request).await;
            self.read(response.map_err(|error| self.protocol(&error))?).await
        });
        let answer = async {
            tokio::select! {
                biased;
                answer = asked.as_mut() => answer,
                // Closed by the camera: what it sent before is still to be read.
                _ = pin!(connection) => asked.await,
            }
        };
        let hung = |_| SnapshotError::Hung { limit: settings.answer };
        tokio::time::timeout(settings.answer, answer).await.map_err(hung)?
    }

    fn request(&mut self) -> Result<Request<Empty<Bytes>>, SnapshotError> {
        let settings = self.settings;
        let url = settings.address.url();
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut request = Request::get(&uri)
            .header(HOST, host)
            .header(USER_AGENT, "Gatehouse")
            .header(CONNECTION, "close");
        if let (Some(challenge), Some(credentials)) = (&mut self.challenge, &settings.credentials) {
            let answer = challenge.respond(&PasswordParams {
                username: credentials.user(),
                password: credentials.password(),
                uri: &uri,
                method: "GET",
                body: Some(&[]),
            });
            let answer = answer.map_err(|error| SnapshotError::Protocol {
                detail: settings.address.scrub(&error, Some(credentials)),
            })?;
            request = request.header(AUTHORIZATION, answer);
        }
        request.body(Empty::new()).map_err(|error| SnapshotError::Protocol {
            detail: settings.address.scrub(&error.to_string(), settings.credentials.as_ref()),
        })
    }

    async fn read(
        &self,
        response: Response<hyper::body::Incoming>,
    ) -> Result<Answer, SnapshotError> {
        let status = response.status();
        let mut builder = PasswordClient::builder();
        for header in response.headers().get_all(WWW_AUTHENTICATE) {
            if let Ok(text) = header.to_str() {
                builder = builder.challenges(text);
            }
        }
        let challenge = builder.build().ok();
        if status != StatusCode::OK {
            return Ok(Answer { status, challenge, body: Bytes::new() });
        }
        let body = Limited::new(response.into_body(), self.settings.largest).collect().await;
        let body = body.map_err(|error| SnapshotError::Protocol {
            detail: self.settings.address.scrub(&error.to_string(), None),
        })?;
        // One allocation without what the reading had reserved.
        let body = Bytes::copy_from_slice(&body.to_bytes());
        Ok(Answer { status, challenge, body })
    }

    fn protocol(&self, error: &hyper::Error) -> SnapshotError {
        let credentials = self.settings.credentials.as_ref();
        let detail = self.settings.address.scrub(&error.to_string(), credentials);
        SnapshotError::Protocol { detail }
    }
}
