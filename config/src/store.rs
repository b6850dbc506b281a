//! The district's store for pictures and clips: where it is, and what is sent there.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Word, Wrong, text};
use crate::secret::PasswordSource;

/// A store that speaks S3 (Amazon's REST API of 2006-03-01, Signature Version 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The bucket, which is there already.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// What stands before the gateway's id in every key: empty, or it ends with a `/`.
    pub prefix: String,
    /// The bucket stands in the path, not before the host.
    pub path_style: bool,
    /// Who signs: no secret, it stands in every request.
    pub access_key: String,
    /// Where the secret key is.
    pub secret_key: PasswordSource,
    /// The certificates that sign the store's, in PEM.
    pub ca: PathBuf,
    /// Bytes in a second, at most.
    pub rate: u64,
    /// Larger files are sent in parts of so many bytes.
    pub part_bytes: u64,
    /// It must fail for so long to be a fault.
    pub hold_off: Duration,
    /// Whether pictures are sent.
    pub pictures: bool,
    /// Whether clips are sent.
    pub clips: bool,
    /// What pictures and clips are of.
    pub of: StoreOf,
}

/// Of what pictures and clips are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOf {
    /// Of everything, alarms first.
    All,
    /// Of events of the classes `panic`, `alarm` and `tamper`.
    Alarms,
}

impl Word for StoreOf {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::All, "everything", "whatever a picture or clip is of, alarms before the rest"),
        (Self::Alarms, "alarms", "only those of panics, alarms and tampers"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("all", "everything"), ("any", "everything"), ("alarm", "alarms")];
}

/// The address of a store: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Over TLS.
    pub tls: bool,
    /// Host name or IP address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// Whether it runs on this machine, as far as its name says.
    pub fn is_local(&self) -> bool {
        let bare = self.host.trim_end_matches('.').to_ascii_lowercase();
        bare == "localhost"
            || bare.ends_with(".localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Host and port as they stand in a request: the usual port of the scheme is left out
    /// (RFC 9110, section 7.2).
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port(self.tls) { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

const fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// [`Endpoint`] as a value of a key.
pub(crate) struct EndpointKind;

impl EndpointKind {
    fn parse(given: &str) -> Result<Endpoint, Wrong> {
        let (tls, rest) = match given.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(Wrong::hint("a store is spoken to by https")),
            None if given.contains('@') => return Err(with_login()),
            None => return Err(Wrong::hint(format!("write \"https://{given}\""))),
        };
        if rest.contains('@') {
            return Err(with_login());
        }
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if let Some((place, bucket)) = place.split_once('/') {
            let scheme = if tls { "https" } else { "http" };
            let bucket = bucket.split('/').next().unwrap_or_default();
            return Err(Wrong::hint(format!(
                "write \"{scheme}://{place}\" and bucket = \"{bucket}\""
            )));
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(usual_port(tls)), str::parse);
        let good = |b: u8| b.is_ascii_alphanumeric() || b".-:_".contains(&b);
        match port {
            Ok(port) if port > 0 && (1..=253).contains(&host.len()) && host.bytes().all(good) => {
                Ok(Endpoint { tls, host: host.to_owned(), port })
            }
            _ => Err(Wrong::default()),
        }
    }
}

fn with_login() -> Wrong {
    Wrong {
        hint: Some("the access key goes into `access-key`, the secret one into a file".into()),
        confidential: true,
    }
}

impl Kind for EndpointKind {
    type Out = Endpoint;

    fn allowed(&self) -> String {
        "an address as \"https://s3.district.example\", without a path".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^https?://[A-Za-z0-9._:\\[\\]-]{1,260}/?$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Endpoint, Wrong> {
        Self::parse(text(name, value)?)
    }
}

/// The name of a bucket, as most stores take one.
pub(crate) struct BucketKind;

impl Kind for BucketKind {
    type Out = String;

    fn allowed(&self) -> String {
        "the name of a bucket: 3 to 63 of a-z, 0-9, '.' and '-', a letter or digit at either end"
            .into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let given = text(name, value)?;
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
        let end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = given.as_bytes();
        let good = (3..=63).contains(&bytes.len()) && bytes.iter().all(|b| inner(*b));
        if good && end(bytes.first()) && end(bytes.last()) && !given.contains("..") {
            return Ok(given.to_owned());
        }
        let bare = given.strip_prefix("s3://").unwrap_or(given).trim_end_matches('/');
        let lower = bare.to_ascii_lowercase();
        Err(match lower.split_once('/') {
            Some((bucket, prefix)) => {
                Wrong::hint(format!("write {name} = \"{bucket}\" and prefix = \"{prefix}\""))
            }
            None if lower != given && lower.bytes().all(inner) => {
                Wrong::hint(format!("write {name} = \"{lower}\""))
            }
            None => Wrong::default(),
        })
    }
}

/// A word of letters that need no escape in a request: a region, an access key, the folders before a key.
pub(crate) struct Plain {
    /// The most characters.
    pub(crate) max: usize,
    /// What it may hold besides letters and digits.
    pub(crate) others: &'static str,
    /// People may put a secret in its place.
    pub(crate) confidential: bool,
}

impl Plain {
    fn good(&self, given: &str) -> bool {
        let letter = |c: char| c.is_ascii_alphanumeric() || self.others.contains(c);
        (1..=self.max).contains(&given.len()) && given.chars().all(letter)
    }

    fn shown(&self) -> String {
        let all: Vec<_> = self.others.chars().map(|c| format!("'{c}'")).collect();
        match all.split_last() {
            Some((last, [])) => format!("and {last}"),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl Kind for Plain {
    type Out = String;

    fn allowed(&self) -> String {
        format!("1 to {} of A-Z, a-z, 0-9, {}", self.max, self.shown())
    }

    fn schema(&self) -> Value {
        // '-' last, so that it is no range.
        let dash = if self.others.contains('-') { "-" } else { "" };
        let others = self.others.replace('-', "");
        let pattern = format!("^[A-Za-z0-9{others}{dash}]{{1,{}}}$", self.max);
        json!({ "type": "string", "pattern": pattern })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let given = text(name, value)?;
        if self.good(given) {
            return Ok(given.to_owned());
        }
        Err(Wrong { hint: None, confidential: self.confidential })
    }
}

/// The folders before every key; they end with a `/`.
pub(crate) struct Prefix;

/// 1,024 bytes are a key's limit, and what stands behind takes some 200.
const PREFIX: Plain = Plain { max: 200, others: "/._-", confidential: false };

impl Kind for Prefix {
    type Out = String;

    fn allowed(&self) -> String {
        format!("folders as \"evidence/north\": {}", PREFIX.allowed())
    }

    fn schema(&self) -> Value {
        PREFIX.schema()
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<String, Wrong> {
        let given = text(name, value)?;
        let bare = given.trim_matches('/');
        let folder = |part: &str| !matches!(part, "" | "." | "..");
        if !PREFIX.good(given) || !bare.split('/').all(folder) {
            return Err(Wrong::default());
        }
        if given.starts_with('/') {
            return Err(Wrong::hint(format!("write {name} = \"{bare}\"")));
        }
        Ok(format!("{bare}/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> DeValue<'_> {
        DeValue::String(text.into())
    }

    #[test]
    fn an_endpoint_is_read_with_its_port_and_shown_as_requests_name_it() {
        for (given, host, port, authority) in [
            ("https://s3.example", "s3.example", 443, "s3.example"),
            ("https://s3.example:9000/", "s3.example", 9000, "s3.example:9000"),
            ("http://127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1:9000"),
            ("https://[fd00::7]", "fd00::7", 443, "[fd00::7]"),
            ("http://localhost:80", "localhost", 80, "localhost"),
        ] {
            let endpoint = EndpointKind::parse(given).unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port), "{given}");
            assert_eq!(endpoint.authority(), authority);
        }
        assert!(EndpointKind::parse("http://127.0.0.1:9000").unwrap().is_local());
        assert!(!EndpointKind::parse("https://10.0.0.1").unwrap().is_local());
        for wrong in ["ftp://a", "https://", "https://a:0", "https://a b", "https://a/b", "a"] {
            assert!(EndpointKind::parse(wrong).is_err(), "{wrong}");
        }
        assert!(EndpointKind::parse("https://key:secret@a").unwrap_err().confidential);
        assert!(EndpointKind::parse("key:secret@a").unwrap_err().confidential);
    }

    #[test]
    fn buckets_and_folders_are_what_every_store_takes() {
        let bucket = |text: &str| BucketKind.read("bucket", &value(text));
        assert_eq!(bucket("evidence.d-3").unwrap(), "evidence.d-3");
        for wrong in ["ab", "Evidence", "-ab", "ab-", "a..b", "a_b", "s3://a/b", &"a".repeat(64)] {
            assert!(bucket(wrong).is_err(), "{wrong}");
        }
        let hint = bucket("s3://Evidence/north").unwrap_err().hint.unwrap();
        assert_eq!(hint, "write bucket = \"evidence\" and prefix = \"north\"");
        let prefix = |text: &str| Prefix.read("prefix", &value(text));
        assert_eq!(prefix("d-3/north").unwrap(), "d-3/north/");
        assert_eq!(prefix("d-3/").unwrap(), "d-3/");
        for wrong in ["/d-3", "..", "a/../b", "a//b", "a b", "", "/"] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}
