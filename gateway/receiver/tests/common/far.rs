//! The far ends of telling: an HTTP server and a mail server, real ones, each of the test's own.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gatehouse_core::time::{Mono, Now, UtcMs};
use gatehouse_receiver::Clock;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{free_port, within};

/// What was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Posted {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// How the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    Refuses,
    Redirects,
    /// Takes the message, and says nothing.
    Hangs,
}

/// A web server on a free loopback port.
pub struct Hooks {
    pub url: String,
    pub posted: mpsc::Receiver<Posted>,
    mood: Arc<Mutex<Mood>>,
    _tasks: JoinSet<()>,
}

type Shared = (mpsc::Sender<Posted>, Arc<Mutex<Mood>>);

async fn take(State((told, mood)): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
    let headers = head.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let path = head.uri.path().to_owned();
    let mood = *mood.lock().unwrap();
    // Whoever is sent on comes here, and must not.
    assert_ne!(path, "/elsewhere", "a redirect was followed");
    told.send(Posted { path, headers: headers.collect(), body }).await.unwrap();
    match mood {
        Mood::Takes => "taken".into_response(),
        Mood::Refuses => (StatusCode::SERVICE_UNAVAILABLE, "not now").into_response(),
        Mood::Redirects => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response()
        }
        Mood::Hangs => std::future::pending().await,
    }
}

impl Hooks {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, posted) = mpsc::channel(1000);
        let mood = Arc::new(Mutex::new(Mood::Takes));
        let router = Router::new().fallback(take).with_state((told, Arc::clone(&mood)));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, posted, mood, _tasks: tasks }
    }

    pub fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub async fn next(&mut self) -> Posted {
        within("something is posted", self.posted.recv()).await.unwrap()
    }
}

/// A mail server on a free loopback port; ended with the value.
pub struct Mail {
    pub port: u16,
    child: Child,
    lines: mpsc::Receiver<Value>,
}

/// The Python that `tests/run setup` makes for it.
fn python() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let mut candidates = me.ancestors().map(|folder| folder.join("python/mail/bin/python3"));
    candidates.find(|path| path.exists()).expect("tests/run setup makes a Python for this suite")
}

impl Mail {
    /// Without TLS and for everybody; or with this certificate and key, only for `gatehouse`.
    pub async fn start(tls: Option<(&str, &str)>) -> Self {
        let port = free_port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail.py");
        let mut command = Command::new(python());
        command.arg(script).arg(port.to_string()).stdout(Stdio::piped());
        if let Some((certificate, key)) = tls {
            command.args([certificate, key]);
        }
        let mut child = command.spawn().unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        let (said, mut lines) = mpsc::channel(1000);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if said.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let ready = within("the mail server is there", lines.recv()).await.unwrap();
        assert_eq!(ready, "ready");
        Self { port, child, lines }
    }

    pub async fn next(&mut self) -> Value {
        within("a mail comes", self.lines.recv()).await.unwrap()
    }

    pub fn is_quiet(&mut self) -> bool {
        self.lines.try_recv().is_err()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A clock that a test sets forward: it runs with the machine's, unless its wall time is held.
#[derive(Default)]
pub struct Set(Mutex<i64>, Mutex<Option<i64>>);

impl Set {
    /// From now on wall time stands still, but for what it is set forward.
    pub fn hold(&self) {
        *self.1.lock().unwrap() = Some(gatehouse_receiver::SystemClock.now().utc.0);
    }

    /// That long from now on, in seconds.
    pub fn forward(&self, seconds: i64) {
        *self.0.lock().unwrap() += seconds * 1000;
    }

    /// To this time of the day, UTC.
    pub fn to_hour(&self, hour: i64) {
        let day = 86_400_000;
        let now = self.now().utc.0;
        let wanted = now - now.rem_euclid(day) + hour * 3_600_000;
        *self.0.lock().unwrap() += wanted - now;
    }
}

impl Clock for Set {
    fn now(&self) -> Now {
        let now = gatehouse_receiver::SystemClock.now();
        let ahead = *self.0.lock().unwrap();
        let mono = now.mono.0 + ahead.max(0).unsigned_abs() * 1_000_000;
        let utc = self.1.lock().unwrap().unwrap_or(now.utc.0);
        Now { utc: UtcMs(utc + ahead), mono: Mono(mono), ..now }
    }
}
