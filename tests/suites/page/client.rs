//! HTTPS as anybody can send it: one connection for each request, byte by byte as it is written.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use gatehouse_tests::wait::SOON;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Whoever trusts the page's certificate and no other.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: TlsConnector,
    /// The certificate that the page showed.
    pub(crate) certificate: Vec<u8>,
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The page's word for what is wrong.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr, state: &Path) -> anyhow::Result<Self> {
        let file = state.join("page/identity.pem");
        let certificate = CertificateDer::from_pem_file(&file).context("the page's certificate")?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let config =
            ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { address, tls, certificate: certificate.to_vec(), cookie: None, csrf: None })
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost")?;
        Ok(timeout(SOON, self.tls.connect(name, stream)).await??)
    }

    /// Sends a request as it is given; the cookie, if there is one, and nothing else is added.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Answer> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        let cookie = self.cookie.iter().map(|cookie| ("cookie", cookie.as_str()));
        for (name, value) in headers.iter().copied().chain(cookie) {
            write!(text, "{name}: {value}\r\n")?;
        }
        let length = body.len();
        write!(text, "content-length: {length}\r\nconnection: close\r\n\r\n{body}")?;
        let mut stream = self.connect().await?;
        stream.write_all(text.as_bytes()).await?;
        let mut bytes = Vec::new();
        timeout(SOON * 3, stream.read_to_end(&mut bytes))
            .await
            .context("no end of an answer")??;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no head")?;
        let head = String::from_utf8(bytes[..end].to_vec())?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
        let chunked = answer.header("transfer-encoding") == Some("chunked");
        Ok(if chunked { Answer { body: whole(&answer.body)?, ..answer } } else { answer })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, &[], "").await
    }

    /// An act as the page sends it.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let csrf = self.csrf.as_deref().unwrap_or_default();
        let headers = [("content-type", "application/json"), ("x-gatehouse-csrf", csrf)];
        self.send("POST", path, &headers, &body.to_string()).await
    }

    /// Logs in, or makes the first account; from then on it is that account.
    pub(crate) async fn enter(&self, path: &str, body: &Value) -> anyhow::Result<Self> {
        let answer = self.post(path, body).await?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.error());
        let cookie = answer.header("set-cookie").context("no cookie")?;
        for wanted in ["__Host-", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            ensure!(cookie.contains(wanted), "{cookie}");
        }
        let cookie = cookie.split(';').next().map(str::to_owned);
        let csrf = answer.json()["csrf"].as_str().map(str::to_owned);
        Ok(Self { cookie, csrf, ..self.clone() })
    }
}

/// A body that came in chunks.
fn whole(mut chunks: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").context("a cut chunk")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end])?, 16)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend(chunks.get(end + 2..end + 2 + length).context("a cut chunk")?);
        chunks = &chunks[end + 4 + length..];
    }
}
