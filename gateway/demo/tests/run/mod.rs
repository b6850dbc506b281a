//! Starts the demo, reads what it says, and looks after its child processes.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test that uses it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// A running demo; killed when the test fails before its end.
pub(crate) struct Demo {
    child: Child,
    /// Everything it says on both outputs, line by line.
    lines: Receiver<(bool, String)>,
    readers: Vec<JoinHandle<()>>,
    story: std::cell::RefCell<Vec<(bool, String)>>,
}

impl Demo {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatehouse-demo"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = sync_channel(10_000);
        let outputs: [(bool, Box<dyn Read + Send>); 2] = [
            (true, Box::new(child.stdout.take().unwrap())),
            (false, Box::new(child.stderr.take().unwrap())),
        ];
        let readers = outputs.map(|(out, from)| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    let _ = sender.send((out, line));
                }
            })
        });
        Self { child, lines, readers: readers.into(), story: std::cell::RefCell::default() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the page and returns its address.
    pub(crate) fn page(&self) -> String {
        loop {
            let Ok((out, line)) = self.lines.recv_timeout(Duration::from_secs(40)) else {
                panic!("no page: {}", self.told());
            };
            let ready = line.contains("everything is up");
            self.story.borrow_mut().push((out, line));
            if ready {
                let story = self.story.borrow();
                let url = story.iter().find_map(|(_, line)| line.split_once("http://"));
                return url.unwrap().1.trim_matches('/').to_owned();
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Its exit code, the last line of its standard output, and all it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let code = self.child.wait().unwrap().code();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.story.borrow_mut().extend(self.lines.try_iter());
        let story = self.story.borrow();
        let last = story.iter().rev().find(|(out, _)| *out).map(|(_, line)| line.clone());
        drop(story);
        (code, last.unwrap_or_default(), self.told())
    }

    fn told(&self) -> String {
        let story = self.story.borrow();
        story.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command lines of the child processes that this demo started and that still run.
pub(crate) fn parts_of(demo: u32) -> Vec<String> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        // A process that ends meanwhile has no command line any more, as a zombie has none.
        let Ok(line) = std::fs::read_to_string(entry.path().join("cmdline")) else { continue };
        let words: Vec<&str> = line.split_terminator('\0').collect();
        if words.windows(2).any(|pair| pair == ["--parent", &demo.to_string()]) {
            parts.push(words.join(" "));
        }
    }
    parts
}

/// Waits until it is so; fails after the limit.
pub(crate) fn until(limit: Duration, what: &str, so: impl FnMut() -> bool) {
    assert!(finished(limit, so), "not within {limit:?}: {what}");
}

/// Waits until it is so; `false` after the limit.
pub(crate) fn finished(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let now = || {
        let time = clock_gettime(ClockId::Monotonic);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
    };
    let end = now() + limit;
    loop {
        if so() {
            return true;
        }
        if now() > end {
            return false;
        }
        // Nothing tells when another process has changed its mind; it is asked again.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A plain HTTP client: one connection per request.
pub(crate) struct Http {
    host: String,
}

impl Http {
    pub(crate) fn at(host: &str) -> Self {
        Self { host: host.to_owned() }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What the page shows.
    pub(crate) fn view(&self) -> Value {
        let request = format!("GET /api/snapshot HTTP/1.1\r\nHost: {}\r\n", self.host);
        let answer = self.ask(&request);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// An act, as the page does it. Its status.
    pub(crate) fn post(&self, path: &str) -> u16 {
        let host = &self.host;
        self.status(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             x-gatehouse-demo: 1\r\n"
        ))
    }

    /// An act that is refused: why.
    pub(crate) fn refused(&self, path: &str) -> Value {
        let host = &self.host;
        let answer =
            self.ask(&format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nx-gatehouse-demo: 1\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 409 "), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    pub(crate) fn status(&self, request: &str) -> u16 {
        let answer = self.ask(request);
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{request}Content-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}
