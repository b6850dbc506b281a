//! Signature Version 4 of a request, in its `Authorization` header ("Authenticating Requests: Using the
//! Authorization Header (AWS Signature Version 4)" in Amazon's S3 API reference).
//!
//! The hash of the payload is signed, never `UNSIGNED-PAYLOAD`: what came another way is refused by the
//! store. `rusty-s3` signs only addresses (presigned queries, without the payload) and brings an HMAC, a
//! SHA-2 and an XML parser of its own; `aws-sigv4` brings the SDK's runtime. ring has all that is needed.

use std::fmt::Write as _;

use gatehouse_config::Secret;
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::time::UtcMs;
use ring::digest::{SHA256, digest};
use ring::hmac;

/// What every key is bound to: no service but S3 is spoken to.
const SERVICE: &str = "s3";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// As it is sent: [`encoded`], from the first `/`.
    pub(super) path: &'a str,
    /// Names and values as they are meant.
    pub(super) query: &'a [(&'a str, String)],
    /// Names in small letters; with `host`, without those that signing adds.
    pub(super) headers: &'a [(&'a str, String)],
    /// Of the payload, 64 hex digits.
    pub(super) payload: &'a str,
}

/// Who signs, where.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a Secret,
    pub(super) region: &'a str,
}

/// What signing adds to a request's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// `authorization`.
    pub(super) authorization: String,
    /// `x-amz-date`.
    pub(super) date: String,
}

impl Signer<'_> {
    pub(super) fn sign(&self, request: &Unsigned<'_>, at: UtcMs) -> Signed {
        let date = basic_date(at);
        let day = &date[..8];
        let mut headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.trim())).collect();
        headers.push(("x-amz-content-sha256", request.payload));
        headers.push(("x-amz-date", &date));
        headers.sort_unstable();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical =
            format!("{}\n{}\n{}\n", request.method, request.path, query(request.query));
        for (name, value) in &headers {
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{}", request.payload);
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let hash = to_hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let text = format!("{ALGORITHM}\n{date}\n{scope}\n{hash}");
        let signature = to_hex(hmac::sign(&self.key(day), text.as_bytes()).as_ref());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.access_key
        );
        Signed { authorization, date }
    }

    /// The key of a day.
    fn key(&self, day: &str) -> hmac::Key {
        let secret = zeroize::Zeroizing::new(format!("AWS4{}", self.secret_key.expose()));
        let first = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        [day, self.region, SERVICE, "aws4_request"].into_iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        })
    }
}

/// As `20130524T000000Z`.
fn basic_date(at: UtcMs) -> String {
    // A clock beyond the years that have four digits is refused by the store, which is then told.
    let text = UtcMs(at.0.clamp(0, 253_402_300_799_000)).to_string();
    let mut date: String = text.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    date.push('Z');
    date
}

/// The query as it is sent and signed: by name, encoded, each with its `=`.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let mut all: Vec<_> =
        pairs.iter().map(|(name, value)| (encoded(name, false), encoded(value, false))).collect();
    all.sort_unstable();
    let all: Vec<_> = all.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    all.join("&")
}

/// `UriEncode` of the reference: all but letters, digits and `-._~`; in a path the `/` stays.
pub(super) fn encoded(text: &str, path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || (path && byte == b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use gatehouse_config::PasswordSource;

    use super::*;

    /// The examples of the reference: "Examples: Signature Calculations", 24 May 2013.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const THEN: UtcMs = UtcMs(1_369_353_600_000);

    /// A secret as it is read of a file.
    pub(in crate::s3) fn secret(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        PasswordSource::File(file.path().to_owned()).read().unwrap()
    }

    fn signature(
        method: &str,
        path: &str,
        query: &[(&str, String)],
        headers: &[(&str, &str)],
        payload: &str,
    ) -> String {
        let secret = secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let signer =
            Signer { access_key: "AKIAIOSFODNN7EXAMPLE", secret_key: &secret, region: "us-east-1" };
        let host = [("host", "examplebucket.s3.amazonaws.com")];
        let headers: Vec<_> =
            host.iter().chain(headers).map(|(name, value)| (*name, (*value).to_owned())).collect();
        let request = Unsigned { method, path, query, headers: &headers, payload };
        let signed = signer.sign(&request, THEN);
        assert_eq!(signed.date, "20130524T000000Z");
        let start = "AWS4-HMAC-SHA256 \
                     Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,";
        assert!(signed.authorization.starts_with(start), "{}", signed.authorization);
        signed.authorization.rsplit_once('=').unwrap().1.to_owned()
    }

    #[test]
    fn the_examples_of_amazons_reference_have_their_signatures() {
        let range = [("range", "bytes=0-9")];
        assert_eq!(
            signature("GET", "/test.txt", &[], &range, EMPTY),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let headers = [
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ];
        let welcome = to_hex(digest(&SHA256, b"Welcome to Amazon S3.").as_ref());
        assert_eq!(
            signature("PUT", &encoded("/test$file.text", true), &[], &headers, &welcome),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "/", &[("lifecycle", String::new())], &[], EMPTY),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        let list = [("prefix", "J".to_owned()), ("max-keys", "2".to_owned())];
        assert_eq!(
            signature("GET", "/", &list, &[], EMPTY),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn what_is_no_letter_is_encoded_once_and_folders_stay_folders() {
        assert_eq!(encoded("/a b/é+~.mp4", true), "/a%20b/%C3%A9%2B~.mp4");
        assert_eq!(encoded("a/b=", false), "a%2Fb%3D");
        let pairs = [("uploadId", "a+/=".to_owned()), ("partNumber", "2".to_owned())];
        assert_eq!(query(&pairs), "partNumber=2&uploadId=a%2B%2F%3D");
    }

    #[test]
    fn a_clock_that_is_nowhere_still_signs_something() {
        assert_eq!(basic_date(UtcMs(-1)), "19700101T000000Z");
        assert_eq!(basic_date(UtcMs(i64::MAX)), "99991231T235959Z");
    }
}
