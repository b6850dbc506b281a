//! Where a camera is, without its secrets: these are apart, and never shown.

use std::fmt;

use thiserror::Error;
use url::Url;

/// An `rtsp://` or `http://` address without user name and password.
///
/// [`Display`](fmt::Display) leaves out the query, and a path with `=` in it: some makes want the
/// password there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// Why an address is refused. None of these repeats it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not a URL. Wrong configuration.
    #[error("not a URL such as rtsp://192.0.2.7:554/stream1")]
    Malformed,
    /// `rtsp` was wanted, or `http`. Wrong configuration; RTSP over TLS is not supported.
    #[error("the scheme must be {wanted}")]
    Scheme {
        /// What it must be.
        wanted: &'static str,
    },
    /// User name or password in the address, where every log would show it.
    #[error("user name and password do not belong in the address: give them as credentials")]
    Secrets,
    /// No host.
    #[error("the address names no host")]
    NoHost,
}

impl Address {
    /// Reads an address of a stream: `rtsp://host[:port]/path`.
    ///
    /// # Errors
    /// [`AddressError`], which never repeats the text.
    pub fn rtsp(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, "rtsp")
    }

    /// Reads an address of a snapshot: `http://host[:port]/path`.
    ///
    /// # Errors
    /// [`AddressError`], which never repeats the text.
    pub fn http(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, "http")
    }

    fn parse(text: &str, wanted: &'static str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Secrets);
        }
        if url.scheme() != wanted {
            return Err(AddressError::Scheme { wanted });
        }
        match url.host_str() {
            Some(host) if !host.is_empty() => Ok(Self(url)),
            _ => Err(AddressError::NoHost),
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Path and query, which may hold secrets.
    pub fn path(&self) -> String {
        let query = self.0.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.0.path())
    }

    /// Host and port, where the TCP connection goes.
    pub fn endpoint(&self) -> (String, u16) {
        let standard = if self.0.scheme() == "rtsp" { 554 } else { 80 };
        // The brackets of an IPv6 address are the URL's, not the resolver's.
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, self.0.port().unwrap_or(standard))
    }

    /// `/user=admin_password=…_channel=1.sdp`, as XMeye cameras have it.
    fn secret_path(&self) -> bool {
        self.0.path().contains('=')
    }

    /// What a foreign library said, made fit for a log: one line, bounded, and without anything of
    /// the address's query or the credentials.
    pub(crate) fn scrub(&self, said: &str, credentials: Option<&Credentials>) -> String {
        const LONGEST: usize = 200;
        let mut line = said.lines().next().unwrap_or_default().to_owned();
        let values: Vec<_> = self.0.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let path = self.secret_path().then(|| self.0.path());
        let secrets = self.0.query().into_iter().chain(path);
        let secrets = secrets.chain(values.iter().map(String::as_str));
        let secrets = secrets.chain(credentials.into_iter().flat_map(|c| [c.password(), c.user()]));
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            line = line.replace(secret, "***");
        }
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        if self.secret_path() {
            shown.set_path("/***");
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// User name and password of a camera.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// For Basic and Digest, whichever the camera asks for.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_refused_without_repeating_it() {
        let error = Address::rtsp("rtsp://admin:s3cret@192.0.2.7/1").unwrap_err();
        assert_eq!(error, AddressError::Secrets);
        assert!(!error.to_string().contains("s3cret"));
        assert_eq!(Address::rtsp("rtsp://admin@192.0.2.7/1"), Err(AddressError::Secrets));
        assert_eq!(
            Address::rtsp("rtsps://192.0.2.7/1").unwrap_err().to_string(),
            "the scheme must be rtsp"
        );
        assert_eq!(Address::rtsp("192.0.2.7"), Err(AddressError::Malformed));
    }

    #[test]
    fn what_is_shown_has_neither_query_nor_credentials() {
        let address = Address::rtsp("rtsp://192.0.2.7/live?user=bob&pwd=s3cret").unwrap();
        assert_eq!(address.to_string(), "rtsp://192.0.2.7/live");
        assert_eq!(format!("{address:?}"), "Address(rtsp://192.0.2.7/live)");
        let xmeye = Address::rtsp("rtsp://192.0.2.7/user=admin_password=s3cret_channel=1.sdp");
        let xmeye = xmeye.unwrap();
        assert_eq!(xmeye.to_string(), "rtsp://192.0.2.7/***");
        assert!(
            !xmeye.scrub(&format!("404 for {:?}", xmeye.url().as_str()), None).contains("s3cret")
        );
        let credentials = Credentials::new("carol", "0pen");
        assert_eq!(format!("{credentials:?}"), "Credentials(hidden)");
        let said = "404 for rtsp://192.0.2.7/live?user=bob&pwd=s3cret by carol/0pen\nconn: 1";
        let line = address.scrub(said, Some(&credentials));
        assert_eq!(line, "404 for rtsp://192.0.2.7/live?*** by ***/***");
    }

    #[test]
    fn the_endpoint_has_the_standard_port_and_no_brackets() {
        let of = |text| Address::rtsp(text).unwrap().endpoint();
        assert_eq!(of("rtsp://192.0.2.7/1"), ("192.0.2.7".into(), 554));
        assert_eq!(of("rtsp://[2001:db8::7]:8554/1"), ("2001:db8::7".into(), 8554));
    }
}
