//! Whether it is a page of ours that asks, and the headers of every answer.
//!
//! * The cookie is HttpOnly and SameSite=Strict: no script reads it, no foreign page sends it.
//! * An act is JSON (which a foreign page cannot send without asking first, and is never allowed
//!   to), names no other origin, and carries the session's token in `x-gatehouse-csrf`.
//! * On this machine alone, a request must name this machine as its host: that ends DNS rebinding.
//! * The page loads nothing from elsewhere, and stands in no frame.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The header of an act.
pub const CSRF: &str = "x-gatehouse-csrf";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      media-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Where a page is served, as far as requests are judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// With TLS.
    pub secure: bool,
    /// The port, if only this machine can come.
    pub here: Option<u16>,
}

/// What is wrong with a request, in one word for the page.
pub fn refuse(status: StatusCode, error: &str) -> Response {
    (status, axum::Json(json!({"error": error}))).into_response()
}

/// Whether a request bears this token of its session.
pub fn has_csrf(headers: &HeaderMap, csrf: &str) -> bool {
    headers.get(CSRF).map_or(&b""[..], HeaderValue::as_bytes) == csrf.as_bytes()
}

/// The value of this cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

impl Guard {
    /// Why a request does not come from a page of ours; none: it may.
    pub fn refusal(self, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"));
        let host = text("host");
        if let Some(port) = self.here {
            let ours = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
                // A browser leaves out the port when it is the scheme's own.
                let bare = matches!((self.secure, port), (false, 80) | (true, 443));
                host == format!("{name}:{port}") || (bare && host == *name)
            });
            if !ours {
                return Some("host");
            }
        }
        if method == Method::GET || method == Method::HEAD {
            return None;
        }
        let scheme = if self.secure { "https" } else { "http" };
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

    /// Sets the headers that every answer has.
    pub fn seal(self, headers: &mut HeaderMap) {
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.secure {
            // A year: whoever has come by TLS once never comes without.
            let value = HeaderValue::from_static("max-age=31536000");
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
    }

    /// The header that sets a cookie for so many seconds; 0 takes it back.
    pub fn set_cookie(self, name: &str, token: &str, lasts_s: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={token}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: Guard = Guard { secure: true, here: None };

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            ((*name).parse().unwrap(), HeaderValue::from_static(value))
        };
        all.iter().map(pair).collect::<HeaderMap>()
    }

    #[test]
    fn an_act_is_json_of_the_same_origin() {
        let (host, json) = (("host", "box.lan"), ("content-type", "application/json"));
        let of = |more: &[(&'static str, &'static str)]| {
            let all = [&[host], more].concat();
            LAN.refusal(&Method::POST, &headers(&all))
        };
        assert_eq!(of(&[json]), None);
        assert_eq!(of(&[json, ("origin", "https://box.lan")]), None);
        assert_eq!(of(&[json, ("origin", "https://evil.example")]), Some("origin"));
        assert_eq!(of(&[json, ("origin", "http://box.lan")]), Some("origin"), "without TLS");
        assert_eq!(of(&[json, ("sec-fetch-site", "cross-site")]), Some("origin"));
        assert_eq!(of(&[("content-type", "text/plain")]), Some("json"));
        assert_eq!(of(&[]), Some("json"));
        assert_eq!(LAN.refusal(&Method::GET, &headers(&[host])), None);
    }

    #[test]
    fn on_this_machine_alone_another_name_for_it_is_refused() {
        let here = Guard { secure: true, here: Some(8443) };
        let of = |host| here.refusal(&Method::GET, &headers(&[("host", host)]));
        assert_eq!(of("127.0.0.1:8443"), None);
        assert_eq!(of("localhost:8443"), None);
        assert_eq!(of("evil.example:8443"), Some("host"));
        assert_eq!(of("localhost"), Some("host"), "8443 is not the port of https");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let all = headers(&[("cookie", "a=1; __Host-page=t0 ; b=__Host-page")]);
        assert_eq!(cookie(&all, "__Host-page"), Some("t0"));
        assert_eq!(cookie(&all, "page"), None);
        assert!(LAN.set_cookie("c", "t", 9).ends_with("HttpOnly; SameSite=Strict; Secure"));
    }
}
