//! The wiring of a simulated box: it outlives the box, as real wires do.
//!
//! A Unix socket on which the box's `io/sim` connects. On connect it is told the level of every
//! line and `ready`, then each edge with its time on `CLOCK_MONOTONIC` and its number on that line
//! and connection. It may ask (`get 3`) and drive outputs (`drive 3 1`).
//!
//! The chips of a simulated bus are in the box itself; here is only what is wired to them. The box
//! comes with a connection for each such bus, and every connection is told everything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::record::Record;
use crate::wait::{SOON, monotonic_ns};

/// Edges that wait for the box at most. One more is lost, and the gap in the line's numbers tells
/// the box so: a kernel's edge buffer does the same.
const BUFFER: usize = 4096;

/// What the box did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It connected; the number counts its connections from 1.
    Connected(u64),
    /// It is gone.
    Gone(u64),
    /// It drives this output.
    Output(u32, bool),
    /// It asked for this line.
    Asked(u32),
    /// It said something that is no part of the protocol, or named a line that does not exist.
    Nonsense(String),
}

/// The wiring; it ends with its handle.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    wires: Mutex<Wires>,
    steps: Record<Step>,
}

#[derive(Debug, Default)]
struct Wires {
    levels: BTreeMap<u32, Level>,
    /// What is said of chips to a box that connects: `pin exp1 3` and `1`.
    chips: BTreeMap<String, String>,
    /// The ways to the box, by their numbers: one for its inputs, one for each output.
    open: BTreeMap<u64, Connection>,
    connections: u64,
    /// Lines that follow an output: a loop-back, the second contact of a relay.
    follow: BTreeMap<u32, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    high: bool,
    since_ns: u64,
}

/// A way to the box, and how many edges each line had on it.
#[derive(Debug)]
struct Connection {
    lines: mpsc::Sender<String>,
    /// How many edges each line had on this connection.
    edges: BTreeMap<u32, u32>,
}

impl World {
    /// A world with these lines, all at level 0: normally closed contacts of closed doors.
    pub fn start(lines: impl IntoIterator<Item = u32>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-world-").tempdir()?;
        let path = folder.path().join("world.sock");
        let listener =
            UnixListener::bind(&path).with_context(|| format!("listen on {}", path.display()))?;
        let shared = Arc::new(Shared::default());
        let low = Level { high: false, since_ns: monotonic_ns() };
        shared.wires().levels.extend(lines.into_iter().map(|line| (line, low)));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { folder, shared, _tasks: tasks })
    }

    /// The socket, for `[sim] socket`.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("world.sock")
    }

    /// The folder of the socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything the box did, in order.
    pub fn steps(&self) -> &Record<Step> {
        &self.shared.steps
    }

    /// Waits until the box has connected for the `count`th time.
    pub async fn connected(&self, count: u64) -> anyhow::Result<()> {
        let find = |steps: &[Step]| steps.contains(&Step::Connected(count)).then_some(());
        self.steps().wait_for(&format!("connection {count} of the box"), SOON, find).await
    }

    /// Sets a line and sends the edge; returns its time on `CLOCK_MONOTONIC`.
    ///
    /// A line that already is at this level makes no edge, as on a wire.
    pub fn set(&self, line: u32, high: bool) -> u64 {
        self.shared.wires().turn(line, high, true)
    }

    /// Sets a line, and its edge is lost on the way: the next one shows the gap.
    pub fn set_unseen(&self, line: u32, high: bool) -> u64 {
        self.shared.wires().turn(line, high, false)
    }

    /// A wire at an expander: pulled to ground (a contact that is closed), or open.
    pub fn pin(&self, chip: &str, line: u8, high: bool) {
        self.shared.wires().say(format!("pin {chip} {line}"), &u8::from(high).to_string());
    }

    /// The resistance of the loop at a converter; `None`: it is cut.
    pub fn ohms(&self, chip: &str, input: u8, ohms: Option<u32>) {
        let ohms = ohms.map_or_else(|| "open".into(), |ohms| ohms.to_string());
        self.shared.wires().say(format!("ohms {chip} {input}"), &ohms);
    }

    /// What a sensor measures: millivolts, hundredths of a degree, 1 for somebody who is there and
    /// for a clock that runs.
    pub fn value(&self, chip: &str, value: i32) {
        self.shared.wires().say(format!("value {chip}"), &value.to_string());
    }

    /// Pulls a chip out, or plugs it in again.
    pub fn plugged(&self, chip: &str, is: bool) {
        self.shared.wires().say(format!("chip {chip}"), if is { "back" } else { "gone" });
    }

    /// The supply of a chip dips: it forgets its registers, and nobody is told.
    pub fn dip(&self, chip: &str) {
        self.shared.wires().tell_all(&format!("chip {chip} dip\n"));
    }

    /// A chip of this bus holds the data line for so many clocks; more than 9: for ever.
    pub fn held(&self, bus: &str, clocks: u32) {
        self.shared.wires().tell_all(&format!("held {bus} {clocks}\n"));
    }

    /// What a Wiegand reader on these two lines sends for these bits: a pulse of 50 µs each
    /// millisecond, the last one just now. Both lines rest at level 1.
    pub fn wiegand(&self, (d0, d1): (u32, u32), bits: &[bool]) {
        const MS: u64 = 1_000_000;
        let mut wires = self.shared.wires();
        let end_ns = monotonic_ns();
        for (bit, left) in bits.iter().zip((1..=bits.len() as u64).rev()) {
            let at_ns = end_ns - left * MS;
            let line = if *bit { d1 } else { d0 };
            for (level, at_ns) in [(0, at_ns), (1, at_ns + MS / 20)] {
                for connection in wires.open.values_mut() {
                    let number = connection.edges.entry(line).or_default();
                    *number += 1;
                    let edge = format!("edge {line} {level} {at_ns} {number}\n");
                    let _ = connection.lines.try_send(edge);
                }
            }
        }
    }

    /// The present level of a line.
    pub fn level(&self, line: u32) -> Option<bool> {
        self.shared.wires().levels.get(&line).map(|level| level.high)
    }

    /// Cuts the connections to the box; it may come back.
    pub fn disconnect(&self) {
        self.shared.wires().open.clear();
    }

    /// Since when a line has its level, on `CLOCK_MONOTONIC`.
    pub fn since(&self, line: u32) -> Option<u64> {
        self.shared.wires().levels.get(&line).map(|level| level.since_ns)
    }

    /// From now on `input` follows what the box drives at `output`.
    pub fn wire(&self, output: u32, input: u32) {
        self.shared.wires().follow.insert(output, input);
    }

    /// Cuts that wire.
    pub fn cut(&self, output: u32) {
        self.shared.wires().follow.remove(&output);
    }

    /// Waits until the box drives a line to this level.
    pub async fn driven(&self, line: u32, high: bool) -> anyhow::Result<()> {
        let what = format!("line {line} driven to {}", u8::from(high));
        let is = |_: &[Step]| (self.level(line) == Some(high)).then_some(());
        self.steps().wait_for(&what, SOON, is).await
    }
}

impl Shared {
    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The greeting and later edges are in one queue, so no edge falls between them.
    fn connect(&self) -> (u64, mpsc::Receiver<String>) {
        let mut wires = self.wires();
        let greeting = wires.levels.len() + wires.chips.len() + 1;
        let (lines, outbox) = mpsc::channel(BUFFER + greeting);
        let levels: Vec<u32> = wires.levels.keys().copied().collect();
        for line in levels {
            let _ = lines.try_send(wires.tell(line));
        }
        for (what, is) in &wires.chips {
            let _ = lines.try_send(format!("{what} {is}\n"));
        }
        let _ = lines.try_send("ready\n".into());
        wires.connections += 1;
        let number = wires.connections;
        wires.open.insert(number, Connection { lines, edges: BTreeMap::new() });
        (number, outbox)
    }

    /// Obeys one line of the box, on this connection.
    fn obey(&self, number: u64, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        let line_of = |word: &str| word.parse::<u32>().ok();
        let mut wires = self.wires();
        let step = match words.as_slice() {
            ["get", line] => match line_of(line).filter(|line| wires.levels.contains_key(line)) {
                Some(line) => {
                    let answer = wires.tell(line);
                    if let Some(connection) = wires.open.get(&number) {
                        let _ = connection.lines.try_send(answer);
                    }
                    Step::Asked(line)
                }
                None => Step::Nonsense(text.into()),
            },
            ["drive", line, level @ ("0" | "1")] => match line_of(line) {
                Some(line) => {
                    let high = *level == "1";
                    let since_ns = monotonic_ns();
                    wires.levels.insert(line, Level { high, since_ns });
                    if let Some(input) = wires.follow.get(&line).copied() {
                        wires.turn(input, high, true);
                    }
                    Step::Output(line, high)
                }
                None => Step::Nonsense(text.into()),
            },
            _ => Step::Nonsense(text.into()),
        };
        drop(wires);
        self.steps.push(step);
    }
}

impl Wires {
    fn tell(&self, line: u32) -> String {
        let level = self.levels[&line];
        format!("level {line} {} {}\n", u8::from(level.high), level.since_ns)
    }

    /// Says it now, and to every box that connects.
    fn say(&mut self, what: String, is: &str) {
        self.tell_all(&format!("{what} {is}\n"));
        self.chips.insert(what, is.to_owned());
    }

    fn tell_all(&self, line: &str) {
        for connection in self.open.values() {
            // A full buffer has a box behind it that does not read: it will be left.
            let _ = connection.lines.try_send(line.to_owned());
        }
    }

    fn turn(&mut self, line: u32, high: bool, seen: bool) -> u64 {
        let since_ns = monotonic_ns();
        let level = self.levels.entry(line).or_insert(Level { high: !high, since_ns });
        if level.high == high {
            return level.since_ns;
        }
        *level = Level { high, since_ns };
        for connection in self.open.values_mut() {
            let number = connection.edges.entry(line).or_default();
            *number += 1;
            if seen {
                let edge = format!("edge {line} {} {since_ns} {number}\n", u8::from(high));
                // A full buffer loses the edge; its number is spent, so the box will know.
                let _ = connection.lines.try_send(edge);
            }
        }
        since_ns
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (number, outbox) = shared.connect();
                shared.steps.push(Step::Connected(number));
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    serve(number, stream, outbox, &shared).await;
                    shared.wires().open.remove(&number);
                    shared.steps.push(Step::Gone(number));
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Ends when the box goes, or when the test disconnects.
async fn serve(
    number: u64,
    mut stream: UnixStream,
    mut outbox: mpsc::Receiver<String>,
    shared: &Shared,
) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    loop {
        tokio::select! {
            line = outbox.recv() => {
                let Some(line) = line else { return };
                if write.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
            line = lines.next_line() => match line {
                Ok(Some(line)) => shared.obey(number, &line),
                _ => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(lines: &mut tokio::io::Lines<impl tokio::io::AsyncBufRead + Unpin>) -> String {
        let line = tokio::time::timeout(SOON, lines.next_line()).await.expect("a line in time");
        line.unwrap().expect("the connection lives")
    }

    #[tokio::test]
    async fn a_box_is_told_all_levels_then_each_edge_and_sees_the_lost_one_as_a_gap() {
        let world = World::start([3, 4]).unwrap();
        world.set(4, true);
        let stream = UnixStream::connect(world.socket()).await.unwrap();
        let (from, mut to) = stream.into_split();
        let mut lines = BufReader::new(from).lines();
        assert!(read(&mut lines).await.starts_with("level 3 0 "));
        assert!(read(&mut lines).await.starts_with("level 4 1 "));
        assert_eq!(read(&mut lines).await, "ready");

        let at = world.set(3, true);
        assert_eq!(world.set(3, true), at, "no edge without a change");
        world.set_unseen(3, false);
        let last = world.set(3, true);
        assert_eq!(read(&mut lines).await, format!("edge 3 1 {at} 1"));
        assert_eq!(read(&mut lines).await, format!("edge 3 1 {last} 3"));

        to.write_all(b"get 4\ndrive 9 1\nget 77\n").await.unwrap();
        assert!(read(&mut lines).await.starts_with("level 4 1 "));
        let steps = [
            Step::Connected(1),
            Step::Asked(4),
            Step::Output(9, true),
            Step::Nonsense("get 77".into()),
        ];
        world
            .steps()
            .wait_for("four steps", SOON, |all| (all.len() >= 4).then_some(()))
            .await
            .unwrap();
        assert_eq!(world.steps().all(), steps);

        world.disconnect();
        let end = tokio::time::timeout(SOON, lines.next_line()).await.expect("an end in time");
        assert_eq!(end.unwrap(), None);
    }
}
