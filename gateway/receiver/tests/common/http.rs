//! A browser's part in HTTP, as far as the wall needs it: cookie, JSON, server-sent events.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::within;

/// A page that may be logged in.
#[derive(Clone)]
pub struct Page {
    pub address: SocketAddr,
    pub cookie: Option<String>,
    pub csrf: String,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// The same with whatever bytes.
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or_default().to_owned())
    }
}

impl Page {
    pub fn at(address: SocketAddr) -> Self {
        Self { address, cookie: None, csrf: String::new() }
    }

    /// A page of somebody who is logged in.
    pub async fn of(address: SocketAddr, name: &str, password: &str) -> Self {
        let mut page = Self::at(address);
        let answer = page.login(name, password).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        page
    }

    pub async fn login(&mut self, name: &str, password: &str) -> Answer {
        let body = serde_json::json!({"name": name, "password": password}).to_string();
        let answer = self.send("POST", "/api/login", &[], &body).await;
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
            answer.json()["csrf"].as_str().unwrap().clone_into(&mut self.csrf);
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// An answer that is no text.
    pub async fn bytes(&self, path: &str) -> Raw {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(self.request("GET", path, &[], "").as_bytes()).await.unwrap();
        let mut all = Vec::new();
        within(path, stream.read_to_end(&mut all)).await.unwrap();
        let end = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Raw { status, head, body: all[end + 4..].to_vec() }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string()).await
    }

    /// A request as a browser sends it; further headers replace its own.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut stream = BufReader::new(stream);
        let request = self.request(method, path, more, body);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = String::new();
        within(path, stream.read_to_string(&mut all)).await.unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn request(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> String {
        let host = self.address.to_string();
        let origin = format!("http://{host}");
        let mut headers = vec![("host", host.as_str()), ("connection", "close")];
        if method == "POST" {
            headers.extend([
                ("origin", origin.as_str()),
                ("content-type", "application/json"),
                ("x-gatehouse-csrf", self.csrf.as_str()),
            ]);
        }
        headers.extend(self.cookie.as_deref().map(|cookie| ("cookie", cookie)));
        headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        let length = body.len().to_string();
        headers.push(("content-length", &length));
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        format!("{text}\r\n{body}")
    }

    /// Listens to the stream.
    pub async fn live(&self) -> Live {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
        let request = self.request("GET", "/api/live", &[], "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = String::new();
        within("the stream's head", stream.read_line(&mut line)).await.unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        Live { stream }
    }
}

/// What a page hears.
pub struct Live {
    stream: BufReader<TcpStream>,
}

impl Live {
    /// The next event: its name and data; none: the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            let count = within("the stream", self.stream.read_line(&mut line)).await.unwrap();
            if count == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                event.trim().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data.trim()).unwrap()));
            }
        }
    }

    /// The first event of this name for which this is so.
    pub async fn until(&mut self, name: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let (found, data) = self.next().await.expect("the stream has ended");
            if found == name && is(&data) {
                return data;
            }
        }
    }
}
