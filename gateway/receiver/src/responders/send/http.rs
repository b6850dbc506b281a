//! One POST on a connection of its own. No redirect is followed: what is told must not be sent
//! wherever a server says. An answer's body is looked at only as far as an error wants it.

use std::fmt::Write as _;

use bytes::Bytes;
use gatehouse_link::Tls;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use ring::hmac;

use crate::responders::file::Url;

/// Bytes of an answer that are read: enough for a reason.
const ANSWER: usize = 16 * 1024;

pub(super) async fn post(
    url: &Url,
    tls: Option<&Tls>,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<(), String> {
    let stream = gatehouse_link::open(&url.host, url.port, tls)
        .await
        .map_err(|error| error.told("server"))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| said(&error))?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&url.path)
        .header(header::HOST, &url.authority)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, concat!("gatehouse-receiver/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| said(&error))?;
        judged(answer.status(), answer.into_body()).await
    };
    tokio::pin!(answer);
    tokio::select! {
        // The answer is read while the connection works, and may outlive it.
        answer = &mut answer => answer,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(said(&error)),
        },
    }
}

async fn judged(status: StatusCode, mut body: hyper::body::Incoming) -> Result<(), String> {
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        return Err(format!(
            "the server answers {} and wants it sent elsewhere, which is not done; write the right \
             address",
            status.as_u16()
        ));
    }
    let mut read = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(&data[..data.len().min(ANSWER - read.len())]);
        }
        if read.len() >= ANSWER {
            break;
        }
    }
    let text = String::from_utf8_lossy(&read);
    let text = text.trim();
    let short: String = text.chars().take(100).collect();
    let shown = if short.is_empty() || short.starts_with('<') {
        String::new()
    } else {
        format!(": {short}")
    };
    Err(format!("the server answers {}{shown}", status.as_u16()))
}

fn said(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "the server ends the connection without an answer".to_owned();
    }
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        let _ = write!(text, ": {cause}");
    }
    text
}

/// `sha256=` and the HMAC-SHA256 of the body under the secret, in hex.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    let mut text = "sha256=".to_owned();
    for byte in tag.as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A title as a header carries it: as it is, or as an encoded word of RFC 2047.
pub(super) fn encoded_word(text: &str) -> String {
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut word = "=?utf-8?q?".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            word.push(char::from(byte));
        } else {
            let _ = write!(word, "={byte:02X}");
        }
    }
    word.push_str("?=");
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        let signed = signature("Jefe", b"what do ya want for nothing?");
        let wanted = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signed, wanted);
    }

    #[test]
    fn a_title_in_other_letters_is_a_word_that_headers_carry() {
        assert_eq!(encoded_word("ALARM: s-1"), "ALARM: s-1");
        assert_eq!(encoded_word("报 1"), "=?utf-8?q?=E6=8A=A5=201?=");
    }
}
