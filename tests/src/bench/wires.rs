//! Wires that never lose an edge: when the daemon does not read, whoever turns them waits.
//!
//! The protocol is that of [`gatehouse_tests::World`]. That one keeps a bounded buffer and loses
//! what does not fit, as a kernel does; and its edges pass through a task. Here the edge is on the
//! socket when [`Wires::turn`] returns.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_tests::wait::{SOON, monotonic_ns};
use tempfile::TempDir;

/// The wiring of one box.
#[derive(Debug)]
pub(crate) struct Wires {
    folder: TempDir,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    connected: Condvar,
}

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    stream: Option<UnixStream>,
    /// How often a box has connected.
    connections: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    high: bool,
    since_ns: u64,
    number: u32,
}

impl Wires {
    /// So many lines, all low: closed doors.
    pub(crate) fn start(lines: u32) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-wires-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join("world.sock"))?;
        let line = Line { high: false, since_ns: monotonic_ns(), number: 0 };
        let lines = vec![line; usize::try_from(lines)?];
        let state = Mutex::new(State { lines, stream: None, connections: 0 });
        let shared = Arc::new(Shared { state, connected: Condvar::new() });
        let served = Arc::downgrade(&shared);
        // Ends with the program, or with the next connection after the wires are gone.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(shared) = served.upgrade() else { return };
                // A box that goes in the middle of the greeting comes again.
                let _ = shared.serve(stream);
            }
        });
        Ok(Self { folder, shared })
    }

    /// For `[sim] socket`.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("world.sock")
    }

    /// Waits until a box has connected this often.
    pub(crate) fn wait_for_box(&self, connections: u64) -> anyhow::Result<()> {
        let state = self.shared.state();
        let missing = |state: &mut State| state.connections < connections;
        let waited = self.shared.connected.wait_timeout_while(state, SOON, missing);
        let timeout = waited.unwrap_or_else(PoisonError::into_inner).1;
        ensure!(!timeout.timed_out(), "no box came to the wires within {SOON:?}");
        Ok(())
    }

    /// Turns these lines over, in this order, and returns the time of the last edge.
    pub(crate) fn turn(&self, lines: impl IntoIterator<Item = usize>) -> anyhow::Result<u64> {
        let mut state = self.shared.state();
        let mut text = String::new();
        let mut last = 0;
        for index in lines {
            let line = &mut state.lines[index];
            let since_ns = monotonic_ns();
            *line = Line { high: !line.high, since_ns, number: line.number + 1 };
            let (level, number) = (u8::from(line.high), line.number);
            writeln!(text, "edge {index} {level} {since_ns} {number}")?;
            last = since_ns;
        }
        let stream = state.stream.as_mut().context("no box is connected to the wires")?;
        stream.write_all(text.as_bytes()).context("the box has left the wires")?;
        Ok(last)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: UnixStream) -> anyhow::Result<()> {
        // A box that hangs must not hang the bench.
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        let questions = BufReader::new(stream.try_clone()?);
        {
            let mut state = self.state();
            let mut greeting = String::new();
            for (index, line) in state.lines.iter_mut().enumerate() {
                line.number = 0;
                greeting.push_str(&line.told(index));
            }
            greeting.push_str("ready\n");
            let mut stream = stream;
            stream.write_all(greeting.as_bytes())?;
            state.stream = Some(stream);
            state.connections += 1;
        }
        self.connected.notify_all();
        for question in questions.lines() {
            let question = question?;
            let asked = question.strip_prefix("get ").and_then(|line| line.parse::<usize>().ok());
            let mut state = self.state();
            if let Some(index) = asked
                && let Some(line) = state.lines.get(index)
            {
                let answer = line.told(index);
                if let Some(stream) = &mut state.stream {
                    stream.write_all(answer.as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

impl Line {
    fn told(&self, index: usize) -> String {
        format!("level {index} {} {}\n", u8::from(self.high), self.since_ns)
    }
}
