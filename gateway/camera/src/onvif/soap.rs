//! SOAP 1.2 envelopes: what is asked, with WS-UsernameToken and WS-Addressing, and what is answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatehouse_core::time::UtcMs;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use ring::rand::{SecureRandom as _, SystemRandom};
use roxmltree::Node;

use super::error::{FaultKind, OnvifError};
use super::xml::{self, escape};
use super::{subscription::Subscription, time};
use crate::source::Credentials;

/// Prefixes of everything that is asked.
const NAMESPACES: &str = concat!(
    r#"xmlns:s="http://www.w3.org/2003/05/soap-envelope" "#,
    r#"xmlns:a="http://www.w3.org/2005/08/addressing" "#,
    r#"xmlns:tds="http://www.onvif.org/ver10/device/wsdl" "#,
    r#"xmlns:trt="http://www.onvif.org/ver10/media/wsdl" "#,
    r#"xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" "#,
    r#"xmlns:tev="http://www.onvif.org/ver10/events/wsdl" "#,
    r#"xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" "#,
    r#"xmlns:tt="http://www.onvif.org/ver10/schema""#,
);

/// OASIS WSS UsernameToken Profile 1.0.
const WSS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Its name, for errors.
    pub(super) name: &'static str,
    /// Its `Action`.
    pub(super) action: &'a str,
    /// What stands in the body.
    pub(super) body: &'a str,
    /// The subscription that it is about.
    pub(super) of: Option<&'a Subscription>,
}

/// The envelope of a call.
pub(super) fn envelope(call: &Call<'_>, token: Option<&str>) -> String {
    let mut head = String::new();
    if let Some(of) = call.of {
        let (action, to) = (call.action, escape(&of.to));
        head = format!(r#"<a:Action s:mustUnderstand="1">{action}</a:Action><a:To>{to}</a:To>"#);
        head.extend(of.parameters.iter().enumerate().map(|(n, parameter)| parameter.as_header(n)));
    }
    head += token.unwrap_or_default();
    let body = call.body;
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><s:Envelope {NAMESPACES}><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

/// A `Security` header with a fresh nonce, created by the camera's clock. `None`: that clock shows
/// what no date can be.
pub(super) fn token(credentials: &Credentials, created: UtcMs) -> Option<String> {
    let mut nonce = [0; 16];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let created = time::written(created)?;
    let digest = password_digest(&nonce, &created, credentials.password());
    let (user, nonce) = (escape(credentials.user()), BASE64.encode(nonce));
    Some(format!(
        r#"<w:Security s:mustUnderstand="1" xmlns:w="{WSS}-wssecurity-secext-1.0.xsd" xmlns:u="{WSS}-wssecurity-utility-1.0.xsd"><w:UsernameToken><w:Username>{user}</w:Username><w:Password Type="{WSS}-username-token-profile-1.0#PasswordDigest">{digest}</w:Password><w:Nonce EncodingType="{WSS}-soap-message-security-1.0#Base64Binary">{nonce}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken></w:Security>"#
    ))
}

/// Base64 of SHA-1 of nonce, date and password.
fn password_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in [nonce, created.as_bytes(), password.as_bytes()] {
        sha1.update(part);
    }
    BASE64.encode(sha1.finish())
}

/// Reads what is in an answer's body, which must have this name.
pub(super) fn answer<R>(
    what: &'static str,
    expected: &'static str,
    body: &[u8],
    with: impl FnOnce(Node<'_, '_>) -> Result<R, OnvifError>,
) -> Result<R, OnvifError> {
    xml::read(body, |root| {
        let content = content(root)?;
        match content.tag_name().name() {
            "Fault" => Err(fault(what, content)),
            name if name == expected => with(content),
            _ => Err(OnvifError::Protocol { detail: format!("{what} has another call's answer") }),
        }
    })
}

/// The fault in an answer, if it is one.
pub(super) fn refusal(what: &'static str, body: &[u8]) -> Option<OnvifError> {
    xml::read(body, |root| {
        let content = content(root)?;
        Ok(xml::is(content, "Fault").then(|| fault(what, content)))
    })
    .ok()
    .flatten()
}

fn content<'a, 'i>(root: Node<'a, 'i>) -> Result<Node<'a, 'i>, OnvifError> {
    let envelope = Some(root).filter(|root| xml::is(*root, "Envelope"));
    let body = envelope.and_then(|root| xml::at(root, &["Body"]));
    let content = body.and_then(|body| body.first_element_child());
    content.ok_or_else(|| OnvifError::Protocol { detail: "the answer is no SOAP".to_owned() })
}

/// SOAP 1.2, and 1.1 of some older cameras.
fn fault(what: &'static str, fault: Node<'_, '_>) -> OnvifError {
    let codes = fault.descendants().filter(|node| xml::is(*node, "Value"));
    let codes = codes.chain(xml::children(fault, "faultcode"));
    let mut kind = FaultKind::Other;
    for code in codes.filter_map(xml::text) {
        match code.rsplit(':').next().unwrap_or_default() {
            "NotAuthorized" | "OperationProhibited" | "FailedAuthentication" => {
                kind = FaultKind::NotAuthorised;
            }
            "ActionNotSupported" | "OptionalActionNotImplemented" => kind = FaultKind::NotSupported,
            _ => {}
        }
    }
    let reason = xml::find(fault, "Text").or_else(|| xml::find(fault, "faultstring"));
    let longest_wait = xml::find(fault, "PullMessagesFaultResponse")
        .and_then(|detail| xml::text_at(detail, &["MaxTimeout"]))
        .and_then(|text| time::span(&text));
    let reason = reason.and_then(xml::text).unwrap_or_default();
    OnvifError::Fault { what, kind, reason, longest_wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_specification() {
        // ONVIF Programmer's Guide, 6.1.1.3.
        let nonce = BASE64.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let digest = password_digest(&nonce, "2010-09-16T07:50:45Z", "userpassword");
        assert_eq!(digest, "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
    }

    #[test]
    fn a_token_shows_no_password_and_no_two_are_the_same() {
        let credentials = Credentials::new("a<b", "s3cret");
        let (one, two) =
            (token(&credentials, UtcMs(0)).unwrap(), token(&credentials, UtcMs(0)).unwrap());
        assert_ne!(one, two);
        assert!(!one.contains("s3cret") && one.contains("<w:Username>a&lt;b</w:Username>"));
        assert!(one.contains("<u:Created>1970-01-01T00:00:00.000Z</u:Created>"));
    }
}
