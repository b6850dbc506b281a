//! Who asks, and whether it is a page of ours that asks.
//!
//! * The cookie is HttpOnly and SameSite=Strict: no script reads it, no foreign page sends it.
//! * An act is JSON (which a foreign page cannot send without asking first, and is never allowed
//!   to), names no other origin, and carries the session's token in `x-gatehouse-csrf`.
//! * On this machine alone, a request must name this machine as its host: that ends DNS rebinding.
//! * The page loads nothing from elsewhere, and stands in no frame.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Shared;
use super::accounts::{Account, Role};

/// The header of an act.
pub(crate) const CSRF: &str = "x-gatehouse-csrf";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) account: Arc<Account>,
    pub(crate) token: String,
    pub(crate) csrf: String,
}

/// Somebody who may act: an operator, and it is his own page that asks.
#[derive(Clone, Debug)]
pub(crate) struct Acting(pub(crate) Signed);

/// What is wrong with a request, in one word for the page.
pub(crate) fn refuse(status: StatusCode, error: &str) -> Response {
    (status, axum::Json(json!({"error": error}))).into_response()
}

/// Refuses what does not come from a page of ours, and sets the headers of every answer.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&shared, request.method(), request.headers()) {
        Some(error) => refuse(StatusCode::FORBIDDEN, error),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if shared.secure {
        // A year: whoever has come by TLS once never comes without.
        let value = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

fn refusal(shared: &Shared, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"));
    let host = text("host");
    if let Some(port) = shared.here {
        let ours = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
            // A browser leaves out the port when it is the scheme's own.
            let bare = matches!((shared.secure, port), (false, 80) | (true, 443));
            host == format!("{name}:{port}") || (bare && host == *name)
        });
        if !ours {
            return Some("host");
        }
    }
    if method == Method::GET || method == Method::HEAD {
        return None;
    }
    let scheme = if shared.secure { "https" } else { "http" };
    let origin = text("origin");
    if !origin.is_empty() && origin != format!("{scheme}://{host}") {
        return Some("origin");
    }
    if !["", "same-origin"].contains(&text("sec-fetch-site")) {
        return Some("origin");
    }
    let json =
        text("content-type").split(';').next().is_some_and(|kind| kind == "application/json");
    (!json).then_some("json")
}

impl FromRequestParts<Shared> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let signed = cookie(&parts.headers, &shared.cookie).and_then(|token| shared.signed(token));
        signed.ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "login"))
    }
}

impl FromRequestParts<Shared> for Acting {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let signed = Signed::from_request_parts(parts, shared).await?;
        let token = parts.headers.get(CSRF).map_or(&b""[..], HeaderValue::as_bytes);
        if token != signed.csrf.as_bytes() {
            return Err(refuse(StatusCode::FORBIDDEN, "csrf"));
        }
        if signed.account.role != Role::Operator {
            return Err(refuse(StatusCode::FORBIDDEN, "viewer"));
        }
        Ok(Self(signed))
    }
}

/// The value of this cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}
