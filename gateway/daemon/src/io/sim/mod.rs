//! Simulated wiring: a world behind a Unix socket, or a script.
//!
//! The world is a server and outlives the box, as real wires do: it keeps its levels while the box
//! is away. This connects, and connects again, and tells the same [`Signal`]s as a GPIO chip, so
//! that everything above is the same code with real lines. A connection that ends is a chip that was
//! unplugged.
//!
//! # Limits
//!
//! - A line of the protocol has at most 128 bytes; a world that says anything else is left, and
//!   tried again.
//! - A world must be `ready` within [`GREETING`] of the connect.
//! - Edges wait in the socket (some 200 KB, thousands of edges); then the world waits.

pub(crate) mod chips;
mod eye;
mod protocol;
mod script;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_drivers::Edge;
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep_until};

use self::protocol::{Foreign, MAX_LINE, Message};
pub use self::script::ScriptError;
use self::script::{Act, Step};
use super::Signal;
use super::gpiochip::RETRY_CAP;
use super::sequence::LineSequence;
use super::stamp::LineClock;

/// How long a world may take to tell its levels.
pub const GREETING: Duration = Duration::from_secs(5);

/// The first wait before a world is looked for again. Doubles, up to [`RETRY_CAP`].
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// How much is read from the socket at once: some 150 edges.
const INBOX: usize = 4096;

/// Where the wiring is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The socket of a world.
    Socket(PathBuf),
    /// A script file.
    Script(PathBuf),
}

/// The lines of a simulated chip.
#[derive(Debug)]
pub struct Sim<C> {
    place: Place,
    clock: C,
    recheck: Duration,
    lines: Vec<SimLine>,
    link: Link,
    /// The next connect, step, recheck, or the end of patience.
    timer: Pin<Box<Sleep>>,
    retry: Duration,
}

#[derive(Debug)]
enum Place {
    Socket(PathBuf),
    Script(Vec<Step>),
}

#[derive(Clone, Copy, Debug)]
struct SimLine {
    offset: u32,
    /// After the last edge, or as told. `None`: the world has not told it.
    level: Option<PinState>,
    sequence: LineSequence,
}

#[derive(Debug)]
enum Link {
    Down,
    World { stream: Arc<UnixStream>, inbox: Vec<u8>, ready: bool },
    Script(Play),
}

/// A script that runs.
#[derive(Debug)]
struct Play {
    started: Instant,
    started_ns: u64,
    next: usize,
    gone: bool,
    /// For each line: the level of the wire, the number of its last edge.
    wires: Vec<(PinState, u32)>,
}

/// Why a world was left.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("it closed the connection")]
    Closed,
    #[error("it does not read what it is asked")]
    Deaf,
    #[error(transparent)]
    Foreign(#[from] Foreign),
    #[error("it sent a line of more than {MAX_LINE} bytes")]
    Endless,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it was not `ready` within {} s", GREETING.as_secs())]
    Silent,
}

impl<C: LineClock> Sim<C> {
    /// A world is connected by the first `read`, and a script begins with it.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The script cannot be read, or has lines that are none.
    pub fn new(
        origin: Origin,
        offsets: &[u32],
        recheck: Duration,
        clock: C,
    ) -> Result<Self, ScriptError> {
        let place = match origin {
            Origin::Socket(path) => Place::Socket(path),
            Origin::Script(path) => Place::Script(script::load(&path, offsets)?),
        };
        let line = |&offset| SimLine { offset, level: None, sequence: LineSequence::default() };
        Ok(Self {
            place,
            clock,
            recheck,
            lines: offsets.iter().map(line).collect(),
            link: Link::Down,
            timer: Box::pin(sleep_until(Instant::now())),
            retry: RETRY_FIRST,
        })
    }

    /// As [`super::Source::read`].
    pub(super) async fn read(&mut self, signals: &mut Vec<Signal>) {
        while signals.is_empty() {
            match &self.link {
                Link::Down => {
                    self.timer.as_mut().await;
                    self.open(signals).await;
                }
                Link::World { stream, .. } => {
                    let timer = tokio::select! {
                        biased;
                        // An error of the socket shows when it is read.
                        _ = stream.readable() => false,
                        () = self.timer.as_mut() => true,
                    };
                    if timer {
                        self.on_timer(signals);
                    } else {
                        self.drain(signals);
                    }
                }
                Link::Script(_) => {
                    self.timer.as_mut().await;
                    self.drain(signals);
                }
            }
        }
    }

    /// As [`super::Source::writer`].
    pub(super) fn writer(&self) -> Option<Arc<UnixStream>> {
        match &self.link {
            Link::World { stream, .. } => Some(Arc::clone(stream)),
            Link::Down | Link::Script(_) => None,
        }
    }

    /// As [`super::Source::drain`].
    pub(super) fn drain(&mut self, signals: &mut Vec<Signal>) {
        match &mut self.link {
            Link::Down => {}
            Link::World { stream, inbox, ready } => {
                let was_ready = *ready;
                let result = drain(stream, inbox, ready, &mut self.lines, signals);
                if *ready && !was_ready {
                    self.retry = RETRY_FIRST;
                    self.timer.as_mut().reset(Instant::now() + self.recheck);
                }
                if let Err(left) = result {
                    self.down(&left, signals);
                }
            }
            Link::Script(play) => {
                let Place::Script(steps) = &self.place else { return };
                play.play(steps, &mut self.lines, signals);
                // After the last step nothing happens any more; the timer just has to be somewhere.
                let next = steps.get(play.next).map_or(self.recheck, |step| step.after);
                let from = if play.next < steps.len() { play.started } else { Instant::now() };
                self.timer.as_mut().reset(from + next);
            }
        }
    }

    async fn open(&mut self, signals: &mut Vec<Signal>) {
        for line in &mut self.lines {
            line.level = None;
            line.sequence = LineSequence::default();
        }
        let path = match &self.place {
            Place::Script(_) => {
                let (started, started_ns) = (Instant::now(), self.clock.monotonic_ns());
                let wires = vec![(PinState::Low, 0); self.lines.len()];
                // Plugged in by the first steps, once the levels at 0 are known.
                self.link = Link::Script(Play { started, started_ns, next: 0, gone: true, wires });
                self.drain(signals);
                return;
            }
            Place::Socket(path) => path,
        };
        match UnixStream::connect(path).await {
            Ok(stream) => {
                let inbox = Vec::with_capacity(INBOX);
                self.link = Link::World { stream: Arc::new(stream), inbox, ready: false };
                self.timer.as_mut().reset(Instant::now() + GREETING);
            }
            Err(error) => self.down(&error.into(), signals),
        }
    }

    fn on_timer(&mut self, signals: &mut Vec<Signal>) {
        let Link::World { stream, ready, .. } = &self.link else { return };
        if !ready {
            return self.down(&Left::Silent, signals);
        }
        match self.lines.iter().try_for_each(|line| ask(stream, line.offset)) {
            Ok(()) => self.timer.as_mut().reset(Instant::now() + self.recheck),
            Err(left) => self.down(&left, signals),
        }
    }

    fn down(&mut self, left: &Left, signals: &mut Vec<Signal>) {
        self.link = Link::Down;
        if let Place::Socket(path) = &self.place {
            let cause = format!(
                "the simulated world at {} is gone: {left}\nhint: start it, or name its socket in \
                 [sim]",
                path.display()
            );
            signals.push(Signal::Down { cause });
        }
        self.timer.as_mut().reset(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(RETRY_CAP);
    }
}

/// Takes what the world has said: at most a socket's buffer full, so that a world that never stops
/// talking lets others have their turn.
fn drain(
    stream: &UnixStream,
    inbox: &mut Vec<u8>,
    ready: &mut bool,
    lines: &mut [SimLine],
    signals: &mut Vec<Signal>,
) -> Result<(), Left> {
    for _ in 0..16 {
        let mut chunk = [0; INBOX];
        let read = match stream.try_read(&mut chunk) {
            Ok(0) => return Err(Left::Closed),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        inbox.extend_from_slice(&chunk[..read]);
        let mut rest = inbox.as_slice();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let message = Message::parse(&rest[..end])?;
            rest = &rest[end + 1..];
            hear(&message, stream, ready, lines, signals)?;
        }
        if rest.len() > MAX_LINE {
            return Err(Left::Endless);
        }
        let heard = inbox.len() - rest.len();
        inbox.drain(..heard);
    }
    Ok(())
}

fn hear(
    message: &Message,
    stream: &UnixStream,
    ready: &mut bool,
    lines: &mut [SimLine],
    signals: &mut Vec<Signal>,
) -> Result<(), Left> {
    let find = |offset| move |line: &SimLine| line.offset == offset;
    match *message {
        Message::Ready => {
            *ready = true;
            up(lines, signals);
        }
        // Chips are for the connections of their buses.
        Message::Chip { .. } => {}
        // The wiring may have more lines than are used.
        Message::Level { offset, level, at_ns } => {
            if let Some(index) = lines.iter().position(find(offset)) {
                told(index, &mut lines[index], level, at_ns, *ready, signals);
            }
        }
        Message::Edge { offset, level, at_ns, line_seqno } => {
            let index = lines.iter().position(find(offset)).filter(|_| *ready);
            if let Some(index) = index
                && changed(index, &mut lines[index], level, at_ns, line_seqno, signals) > 0
            {
                ask(stream, offset)?;
            }
        }
    }
    Ok(())
}

fn up(lines: &[SimLine], signals: &mut Vec<Signal>) {
    for (line, sim) in lines.iter().enumerate() {
        if let Some(level) = sim.level {
            signals.push(Signal::Level { line, level });
        }
    }
    signals.push(Signal::Up);
}

/// A level was told: a part of the greeting, or an answer. Answers come in order with the edges, so
/// a difference is a change that left no edge.
fn told(
    line: usize,
    sim: &mut SimLine,
    level: PinState,
    at_ns: u64,
    ready: bool,
    signals: &mut Vec<Signal>,
) {
    let before = sim.level.replace(level);
    if !ready || before == Some(level) {
        return;
    }
    if before.is_none() {
        signals.push(Signal::Level { line, level });
        return;
    }
    let why = "the line changed without an edge";
    signals.push(Signal::Lost { line: Some(line), count: 1, why });
    let edge = Edge { level, at_ns, line_seqno: None, lost_before: 1 };
    signals.push(Signal::Edge { line, edge });
}

/// An edge was told. Returns how many were lost before it.
fn changed(
    line: usize,
    sim: &mut SimLine,
    level: PinState,
    at_ns: u64,
    line_seqno: u32,
    signals: &mut Vec<Signal>,
) -> u32 {
    let lost_before = sim.sequence.take(line_seqno);
    sim.level = Some(level);
    if lost_before > 0 {
        let why = "numbers are missing";
        signals.push(Signal::Lost { line: Some(line), count: lost_before, why });
    }
    let edge = Edge { level, at_ns, line_seqno: Some(line_seqno), lost_before };
    signals.push(Signal::Edge { line, edge });
    lost_before
}

/// Asks the world for a level. A world that leaves hundreds of questions unread is stuck.
fn ask(stream: &UnixStream, offset: u32) -> Result<(), Left> {
    let question = format!("get {offset}\n");
    match stream.try_write(question.as_bytes()) {
        Ok(written) if written == question.len() => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
        _ => Err(Left::Deaf),
    }
}

impl Play {
    /// Does the steps whose time has come.
    fn play(&mut self, steps: &[Step], lines: &mut [SimLine], signals: &mut Vec<Signal>) {
        let now = self.started.elapsed();
        let first = self.next == 0;
        while let Some(step) = steps.get(self.next).filter(|step| step.after <= now) {
            if first && !step.after.is_zero() && self.gone {
                // All levels at 0 are set: the chip is there.
                self.plug_in(lines, signals);
            }
            self.next += 1;
            let at_ns = u64::try_from(step.after.as_nanos()).unwrap_or(u64::MAX);
            self.act(step.act, self.started_ns.saturating_add(at_ns), lines, signals);
        }
        if first && self.gone {
            self.plug_in(lines, signals);
        }
    }

    fn act(&mut self, act: Act, at_ns: u64, lines: &mut [SimLine], signals: &mut Vec<Signal>) {
        let find = |offset| move |line: &SimLine| line.offset == offset;
        match act {
            Act::Level { offset, level } => {
                let Some(line) = lines.iter().position(find(offset)) else { return };
                let (wire, seqno) = &mut self.wires[line];
                *wire = level;
                if !self.gone {
                    *seqno += 1;
                    changed(line, &mut lines[line], level, at_ns, *seqno, signals);
                }
            }
            Act::Lose { offset, count } => {
                if let Some(line) = lines.iter().position(find(offset)) {
                    let seqno = &mut self.wires[line].1;
                    *seqno = seqno.saturating_add(count);
                }
            }
            Act::Gone => {
                self.gone = true;
                let cause = "the script has unplugged the simulated chip".into();
                signals.push(Signal::Down { cause });
            }
            Act::Back => self.plug_in(lines, signals),
        }
    }

    fn plug_in(&mut self, lines: &mut [SimLine], signals: &mut Vec<Signal>) {
        self.gone = false;
        for (line, (wire, seqno)) in lines.iter_mut().zip(&mut self.wires) {
            *seqno = 0;
            line.level = Some(*wire);
            line.sequence = LineSequence::default();
        }
        up(lines, signals);
    }
}

#[cfg(test)]
mod tests;
