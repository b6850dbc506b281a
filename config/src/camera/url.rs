//! Where something of a camera is on the network.

use std::fmt;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Wrong, text};

/// Where a stream, an ONVIF device service or a snapshot is; shows itself as in the file, which has
/// neither user nor password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraUrl {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Host name or IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, from the first `/`.
    pub path: String,
}

/// How a camera is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// A stream.
    Rtsp,
    /// ONVIF and snapshots.
    Http,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Http => "http",
        }
    }

    /// RFC 2326, section 3.2; RFC 9110, section 4.2.1.
    const fn port(self) -> u16 {
        match self {
            Self::Rtsp => 554,
            Self::Http => 80,
        }
    }
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.scheme.as_str(), &self.host);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]")
        } else {
            write!(f, "{scheme}://{host}")
        }?;
        if self.port != self.scheme.port() {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl CameraUrl {
    /// Without what stands behind a `?`: some makes put passwords there.
    pub fn shown(&self) -> String {
        let text = self.to_string();
        text.split_once('?').map_or(text.clone(), |(before, _)| before.to_owned())
    }

    /// What stands behind `scheme://`: host, port and path, without user and password.
    fn parse(scheme: Scheme, rest: &str) -> Result<Self, Wrong> {
        let (place, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if place.contains('@') {
            return Err(Wrong {
                hint: Some("put the user into `username`, the password into a file".into()),
                confidential: true,
            });
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(scheme.port()), str::parse);
        let good = |c: char| c.is_ascii_graphic();
        let host_good = !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b));
        match port {
            Ok(port) if port > 0 && host_good && path.len() <= 512 && path.chars().all(good) => {
                Ok(Self { scheme, host: host.to_owned(), port, path: path.to_owned() })
            }
            _ => Err(Wrong::default()),
        }
    }
}

/// [`CameraUrl`] as a value of a key, and what is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlKind {
    /// An RTSP stream.
    Stream,
    /// An ONVIF device service.
    Onvif,
    /// A picture, anew for each request.
    Snapshot,
}

impl UrlKind {
    const fn scheme(self) -> Scheme {
        match self {
            Self::Stream => Scheme::Rtsp,
            Self::Onvif | Self::Snapshot => Scheme::Http,
        }
    }

    /// As in the manual page; what stands for the host is replaced in a hint.
    const fn example(self) -> (&'static str, &'static str) {
        match self {
            Self::Stream => ("rtsp://", "/stream1"),
            Self::Onvif => ("http://", "/onvif/device_service"),
            Self::Snapshot => ("http://", "/snapshot.jpg"),
        }
    }

    /// Why an address of another scheme, or of none, does not do.
    fn other(self, given: &str) -> Wrong {
        let scheme = given.split_once("://").map(|(scheme, _)| scheme);
        match (self, scheme) {
            (Self::Stream, Some("rtsps")) => Wrong::hint("streams over TLS are not supported"),
            (Self::Stream, Some("http" | "https")) => Wrong::hint(
                "the camera's page is not its stream; look for its RTSP address, or write the \
                 address of single pictures as `snapshot`",
            ),
            (Self::Onvif, Some("https")) => Wrong::hint("ONVIF over TLS is not supported"),
            (Self::Snapshot, Some("https")) => Wrong::hint("snapshots over TLS are not supported"),
            (_, Some("rtsp")) => Wrong::hint("that is a stream: write it as `stream`"),
            // It may hold a password.
            _ if given.contains(['@', '?']) => Wrong::default(),
            // A host alone has the usual path; of a stream nobody knows it.
            (Self::Onvif, _) => {
                Wrong::hint(format!("write \"http://{given}/onvif/device_service\""))
            }
            _ => Wrong::hint(format!("write \"{}://{given}\"", self.scheme().as_str())),
        }
    }

    fn parse(self, given: &str) -> Result<CameraUrl, Wrong> {
        let scheme = self.scheme();
        let rest = given.strip_prefix(scheme.as_str()).and_then(|rest| rest.strip_prefix("://"));
        let mut url = CameraUrl::parse(scheme, rest.ok_or_else(|| self.other(given))?)?;
        if self == Self::Onvif && url.path == "/" {
            // The path that nearly all cameras have.
            self.example().1.clone_into(&mut url.path);
        }
        Ok(url)
    }
}

impl Kind for UrlKind {
    type Out = CameraUrl;

    fn allowed(&self) -> String {
        let (scheme, path) = self.example();
        format!("an address as \"{scheme}10.0.0.7{path}\", without user and password")
    }

    fn schema(&self) -> Value {
        let (scheme, _) = self.example();
        json!({ "type": "string", "pattern": format!("^{scheme}[^@]+$") })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<CameraUrl, Wrong> {
        self.parse(text(name, value)?)
    }

    // A wrong one may hold a password.
    fn confidential(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_port_and_shown_without_its_query() {
        let url = UrlKind::Stream.parse("rtsp://cam.local:8554/h264?user=a&pw=b").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("cam.local", 8554));
        assert_eq!(url.shown(), "rtsp://cam.local:8554/h264");
        for (kind, text, host) in [
            (UrlKind::Stream, "rtsp://[fd00::7]/1", "fd00::7"),
            (UrlKind::Onvif, "http://cam:8080/a?b", "cam"),
            (UrlKind::Snapshot, "http://[fd00::7]/snap.jpg?channel=1", "fd00::7"),
        ] {
            let url = kind.parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.to_string().as_str()), (host, text));
        }
        let url = UrlKind::Onvif.parse("http://10.0.0.7").unwrap();
        assert_eq!(url.to_string(), "http://10.0.0.7/onvif/device_service");
    }

    #[test]
    fn what_is_no_such_address_is_refused_and_a_password_is_confidential() {
        let wrong: [(UrlKind, &[&str]); 3] = [
            (UrlKind::Stream, &["http://10.0.0.7", "rtsp://", "rtsp://h:0/", "rtsp://h/ä"]),
            (UrlKind::Onvif, &["https://10.0.0.7/", "10.0.0.7", "http://", "rtsp://10.0.0.7/1"]),
            (UrlKind::Snapshot, &["https://h/a.jpg", "h/a.jpg", "http:///", "rtsp://h/1"]),
        ];
        for (kind, texts) in wrong {
            for text in texts {
                assert!(kind.parse(text).is_err(), "{text}");
            }
            let login = format!("{}://a:b@10.0.0.7/", kind.scheme().as_str());
            assert!(kind.parse(&login).unwrap_err().confidential, "{login}");
        }
    }
}
