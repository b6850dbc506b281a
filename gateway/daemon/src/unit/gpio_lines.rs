//! All contacts on one GPIO chip, as one task.
//!
//! The task owns the chip. It hands each edge to its line, polls that line's
//! [`Contact`], and sends what comes to count. There is no timer between an edge and its reading if
//! the debounce is 0; otherwise one timer serves all lines, set to the earliest deadline. Edges are
//! always read before a deadline is believed, so a task that is late decides as a punctual one.
//!
//! # Limits
//!
//! - The reports go through a bounded channel. When it is full the task waits: edges then queue in
//!   the kernel, whose rule is in [`crate::io::gpiochip`]. Nothing is dropped here.
//! - Every start begins with `unknown` for each line.
//! - A fault is reported once, and restored when it is over: a chip or line that is gone, when it is
//!   back; lost edges, after [`LOSS_QUIET`] without another loss. A storm makes two reports.

use std::collections::HashSet;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_config::Bias;
use gatehouse_core::time::Mono;
pub use gatehouse_drivers::ContactState;
use gatehouse_drivers::{Contact, ContactConfig, Wiring};
use tokio::sync::mpsc;

use crate::io::gpiochip::{ChipConfig, GpioChip, MAX_LINES};
use crate::io::line::line;
use crate::io::sim::{Origin, ScriptError, Sim};
use crate::io::{LineClock, LineFeed, LinePin, Signal, Source};

/// How often all levels are compared, if nothing else is said: a missed edge may leave a door
/// unseen for that long, and the comparison costs one system call.
pub const RECHECK: Duration = Duration::from_secs(60);

/// After so long without another loss the fault is over.
pub const LOSS_QUIET: Duration = Duration::from_secs(10);

/// What the unit watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioLines {
    /// The chip.
    pub chip: LineSource,
    /// Its lines, each once, at most 64.
    pub lines: Vec<LineConfig>,
    /// How often all levels are read again.
    pub recheck: Duration,
}

/// Where the lines are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSource {
    /// A chip of the kernel, by name or label.
    Gpio {
        /// The name or label.
        chip: String,
        /// A filter for bounce in the kernel; rarely needed beside the contact's own.
        kernel_debounce: Option<Duration>,
    },
    /// Simulated wiring.
    Sim(Origin),
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineConfig {
    /// Its number on the chip.
    pub offset: u32,
    /// Its resistor.
    pub bias: Bias,
    /// What is wired to it.
    pub contact: ContactConfig,
}

impl LineConfig {
    /// A door contact.
    pub fn door(line: &gatehouse_config::Line, door: &gatehouse_config::Door) -> Self {
        Self::contact(line, door.contact, door.bias, door.debounce)
    }

    /// The contact of a detector.
    pub fn zone(line: &gatehouse_config::Line, zone: &gatehouse_config::Zone) -> Self {
        Self::contact(line, zone.contact, zone.bias, zone.debounce)
    }

    /// The contact that a challenge closes.
    pub fn challenge(test: &gatehouse_config::Challenge) -> Self {
        Self::contact(&test.input, test.contact, test.bias, test.debounce)
    }

    /// The interrupt pin of a chip: low while it is pulled, and never bounces. Its own resistor is
    /// not needed where the board has one, and does no harm.
    pub fn interrupt(line: &gatehouse_config::Line) -> Self {
        let closed = gatehouse_config::Contact::NormallyOpen;
        Self::contact(line, closed, Bias::PullUp, Duration::ZERO)
    }

    /// The contact of a key switch.
    pub fn key_switch(switch: &gatehouse_config::KeySwitch) -> Self {
        Self::contact(&switch.input, switch.contact, switch.bias, switch.debounce)
    }

    /// An input beside a door or a reader.
    pub fn input(input: &gatehouse_config::WiredInput) -> Self {
        Self::contact(&input.line, input.contact, input.bias, input.debounce)
    }

    /// With a pull-down it is wired to the supply, else to ground.
    fn contact(
        line: &gatehouse_config::Line,
        contact: gatehouse_config::Contact,
        bias: Bias,
        debounce: Duration,
    ) -> Self {
        let wiring = match contact {
            gatehouse_config::Contact::NormallyClosed => Wiring::NormallyClosed,
            gatehouse_config::Contact::NormallyOpen => Wiring::NormallyOpen,
        };
        let closed_level = if bias == Bias::PullDown { PinState::High } else { PinState::Low };
        let contact = ContactConfig { closed_level, debounce, ..ContactConfig::door(wiring) };
        Self { offset: line.offset, bias, contact }
    }
}

/// A state of a line that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The line, as `gpiochip0:17` or `sim:3`.
    pub line: String,
    /// Its state.
    pub state: ContactState,
    /// When the state began: for an edge, the kernel's stamp.
    pub at: Mono,
    /// Edges were lost or the line was gone before this: the state may have begun earlier, and more
    /// may have happened in between.
    pub resynced: bool,
}

/// What the unit tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitReport {
    /// A state.
    Reading(Reading),
    /// Something cannot be relied on.
    Fault {
        /// The line or the chip.
        what: String,
        /// Why, for a person.
        cause: String,
        /// Since when.
        at: Mono,
    },
    /// It can be relied on again.
    Restore {
        /// The line or the chip, as in its fault.
        what: String,
        /// What there is to know of the time in between.
        cause: String,
        /// Since when.
        at: Mono,
    },
}

/// Why the unit ended. It does not end for a chip that is not there.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// Nobody listens any more: the daemon stops.
    #[error("nobody takes the readings of {0}")]
    Closed(String),
    /// A line is named twice: two doors on one contact, a mistake of the configuration.
    #[error("line {line} of {chip} is named twice")]
    Doubled {
        /// The chip.
        chip: String,
        /// The line.
        line: u32,
    },
    /// None or too many lines: our mistake, the configuration is checked before.
    #[error("{chip} can watch 1 to {MAX_LINES} lines, not {lines}")]
    Lines {
        /// The chip.
        chip: String,
        /// How many.
        lines: usize,
    },
    /// The script of the simulated wiring is none: configuration.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// Watches the lines for ever.
///
/// # Errors
///
/// The configuration cannot be carried out, or nobody listens any more. A chip that is not there,
/// or may not be opened, is a [`UnitReport::Fault`]: it is looked for again.
pub async fn run<C: LineClock>(
    config: GpioLines,
    clock: C,
    out: mpsc::Sender<UnitReport>,
) -> Result<Infallible, UnitError> {
    let (mut source, mut unit) = Unit::new(config, clock, out)?;
    unit.all_unknown(Told::Always).await?;
    let mut signals = Vec::new();
    loop {
        let deadline = unit.deadline();
        let now_ns = source.gather(deadline, &unit.clock, &mut signals).await;
        for signal in signals.drain(..) {
            unit.hear(signal).await?;
        }
        unit.expire(now_ns).await?;
    }
}

struct Unit<C> {
    chip: String,
    clock: C,
    out: mpsc::Sender<UnitReport>,
    lines: Vec<Line>,
    up: bool,
    /// While the chip is down: why it went, as reported.
    down: Option<String>,
    /// What the last attempt to open it met, as logged.
    met: String,
    /// Losses of which the line is not known.
    losses: Option<Losses>,
}

struct Line {
    name: String,
    feed: LineFeed,
    contact: Contact<LinePin>,
    missing: bool,
    losses: Option<Losses>,
}

/// Edges that were lost lately.
#[derive(Clone, Copy)]
struct Losses {
    count: u32,
    last_ns: u64,
}

/// Which states to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Always,
    IfChanged,
}

impl<C: LineClock> Unit<C> {
    fn new(
        config: GpioLines,
        clock: C,
        out: mpsc::Sender<UnitReport>,
    ) -> Result<(Source<C>, Self), UnitError> {
        let chip = match &config.chip {
            LineSource::Gpio { chip, .. } => chip.clone(),
            LineSource::Sim(_) => "sim".to_owned(),
        };
        if !(1..=MAX_LINES).contains(&config.lines.len()) {
            return Err(UnitError::Lines { chip, lines: config.lines.len() });
        }
        let mut seen = HashSet::new();
        if let Some(doubled) = config.lines.iter().find(|line| !seen.insert(line.offset)) {
            return Err(UnitError::Doubled { chip, line: doubled.offset });
        }
        let source = match config.chip {
            LineSource::Gpio { chip, kernel_debounce } => {
                let lines = config.lines.iter().map(|line| (line.offset, line.bias)).collect();
                let recheck = config.recheck;
                let config = ChipConfig { chip, lines, kernel_debounce, recheck };
                Source::Chip(GpioChip::new(config, clock.clone()))
            }
            LineSource::Sim(origin) => {
                let offsets: Vec<_> = config.lines.iter().map(|line| line.offset).collect();
                Source::Sim(Sim::new(origin, &offsets, config.recheck, clock.clone())?)
            }
        };
        let line = |config: &LineConfig| {
            let (feed, pin) = line();
            let contact = Contact::new(pin, config.contact);
            let name = format!("{chip}:{}", config.offset);
            Line { name, feed, contact, missing: false, losses: None }
        };
        let lines = config.lines.iter().map(line).collect();
        Ok((
            source,
            Self {
                chip,
                clock,
                out,
                lines,
                up: false,
                down: None,
                met: String::new(),
                losses: None,
            },
        ))
    }

    /// The next time at which something is decided without an edge.
    fn deadline(&self) -> Option<u64> {
        let losses = |losses: Option<Losses>| losses.map(|losses| losses.over_ns());
        let lines = self.lines.iter();
        lines
            .flat_map(|line| [line.contact.deadline(), losses(line.losses)])
            .chain([losses(self.losses)])
            .flatten()
            .min()
    }

    async fn hear(&mut self, signal: Signal) -> Result<(), UnitError> {
        match signal {
            Signal::Level { line, level } => {
                self.lines[line].feed.level(Some(level));
                if self.up {
                    // A line that the chip did not have at first.
                    self.poll(line, self.clock.monotonic_ns()).await?;
                }
                Ok(())
            }
            Signal::Up => self.came_up().await,
            Signal::Down { cause } => self.went_down(cause).await,
            Signal::Edge { line, edge } => {
                self.lines[line].feed.edge(edge);
                // Time is known up to this edge: later ones of this line may be in the same batch.
                self.poll(line, edge.at_ns).await
            }
            Signal::Lost { line, count, why } => self.lost(line, count, why).await,
        }
    }

    async fn came_up(&mut self) -> Result<(), UnitError> {
        self.up = true;
        let now_ns = self.clock.monotonic_ns();
        if let Some(cause) = self.down.take() {
            tracing::info!(chip = self.chip, "the chip is back");
            self.met.clear();
            let cause = format!("the chip is back; before: {cause}");
            self.report(None, now_ns, |what, at| UnitReport::Restore { what, cause, at }).await?;
        }
        for line in 0..self.lines.len() {
            self.poll(line, now_ns).await?;
        }
        Ok(())
    }

    async fn went_down(&mut self, met: String) -> Result<(), UnitError> {
        if self.met != met {
            tracing::warn!(chip = self.chip, "the chip is not there, trying again: {met}");
        }
        // The hint is for whoever can act on it, at the box: it stays in the log.
        let cause = met.lines().next().unwrap_or_default().to_owned();
        self.met = met;
        // One outage is one fault, whatever the attempts to end it meet.
        if self.down.is_some() {
            return Ok(());
        }
        self.up = false;
        for line in &self.lines {
            line.feed.level(None);
        }
        self.down = Some(cause.clone());
        let now_ns = self.clock.monotonic_ns();
        self.report(None, now_ns, |what, at| UnitReport::Fault { what, cause, at }).await?;
        self.all_unknown(Told::IfChanged).await
    }

    async fn all_unknown(&mut self, told: Told) -> Result<(), UnitError> {
        let now_ns = self.clock.monotonic_ns();
        for index in 0..self.lines.len() {
            let contact = &mut self.lines[index].contact;
            let known = contact.state() != ContactState::Unknown;
            if told == Told::IfChanged {
                // Also of a level that was still to become stable: it cannot be watched any more.
                contact.forget();
            }
            if known || told == Told::Always {
                self.reading(index, ContactState::Unknown, now_ns, false).await?;
            }
        }
        Ok(())
    }

    async fn lost(
        &mut self,
        index: Option<usize>,
        count: u32,
        why: &'static str,
    ) -> Result<(), UnitError> {
        let last_ns = self.clock.monotonic_ns();
        let losses = index.map_or(&mut self.losses, |index| &mut self.lines[index].losses);
        let before = losses.map_or(0, |losses| losses.count);
        let first =
            losses.replace(Losses { count: before.saturating_add(count), last_ns }).is_none();
        tracing::debug!(chip = self.chip, ?index, count, why, "edges were lost");
        if first {
            let cause = format!("edges were lost ({why}); levels are read again");
            self.report(index, last_ns, |what, at| UnitReport::Fault { what, cause, at }).await?;
        }
        Ok(())
    }

    /// Lets time decide, when all edges up to `now_ns` are told.
    async fn expire(&mut self, now_ns: u64) -> Result<(), UnitError> {
        for index in 0..self.lines.len() {
            let line = &mut self.lines[index];
            if line.contact.deadline().is_some_and(|deadline| deadline <= now_ns) {
                self.poll(index, now_ns).await?;
            }
            if let Some(over) =
                self.lines[index].losses.take_if(|losses| losses.over_ns() <= now_ns)
            {
                self.losses_over(Some(index), over, now_ns).await?;
            }
        }
        if let Some(over) = self.losses.take_if(|losses| losses.over_ns() <= now_ns) {
            self.losses_over(None, over, now_ns).await?;
        }
        Ok(())
    }

    async fn losses_over(
        &self,
        index: Option<usize>,
        losses: Losses,
        now_ns: u64,
    ) -> Result<(), UnitError> {
        let cause = format!("{} edges were lost, none in the last {LOSS_QUIET:?}", losses.count);
        self.report(index, now_ns, |what, at| UnitReport::Restore { what, cause, at }).await
    }

    /// Tells all that this contact has to say. Each turn takes an edge of a bounded queue.
    async fn poll(&mut self, index: usize, now_ns: u64) -> Result<(), UnitError> {
        // Whoever feeds a line also polls it: there is nobody to wake.
        let poll = |contact: &mut Contact<_>| {
            contact.poll_reading(&mut Context::from_waker(Waker::noop()), now_ns)
        };
        while let Poll::Ready(result) = poll(&mut self.lines[index].contact) {
            match result {
                Ok(reading) => {
                    self.found(index, now_ns).await?;
                    self.reading(index, reading.state, reading.at_ns, reading.resynced).await?;
                }
                // A retry comes with the next signal of this line, which is also what heals it.
                Err(_) => return self.missed(index, now_ns).await,
            }
        }
        Ok(())
    }

    /// The chip is there, this line is not.
    async fn missed(&mut self, index: usize, now_ns: u64) -> Result<(), UnitError> {
        if std::mem::replace(&mut self.lines[index].missing, true) {
            return Ok(());
        }
        let cause = "the chip is there, but it does not tell this line".to_owned();
        self.report(Some(index), now_ns, |what, at| UnitReport::Fault { what, cause, at }).await
    }

    async fn found(&mut self, index: usize, now_ns: u64) -> Result<(), UnitError> {
        if !std::mem::take(&mut self.lines[index].missing) {
            return Ok(());
        }
        let cause = "the chip tells this line now".to_owned();
        self.report(Some(index), now_ns, |what, at| UnitReport::Restore { what, cause, at }).await
    }

    async fn reading(
        &self,
        index: usize,
        state: ContactState,
        at_ns: u64,
        resynced: bool,
    ) -> Result<(), UnitError> {
        let (line, at) = (self.lines[index].name.clone(), self.clock.boot(at_ns));
        self.send(UnitReport::Reading(Reading { line, state, at, resynced })).await
    }

    async fn report(
        &self,
        index: Option<usize>,
        at_ns: u64,
        report: impl FnOnce(String, Mono) -> UnitReport,
    ) -> Result<(), UnitError> {
        let what = index.map_or(&self.chip, |index| &self.lines[index].name).clone();
        self.send(report(what, self.clock.boot(at_ns))).await
    }

    async fn send(&self, report: UnitReport) -> Result<(), UnitError> {
        self.out.send(report).await.map_err(|_| UnitError::Closed(self.chip.clone()))
    }
}

impl Losses {
    fn over_ns(&self) -> u64 {
        let quiet = u64::try_from(LOSS_QUIET.as_nanos()).unwrap_or(u64::MAX);
        self.last_ns.saturating_add(quiet)
    }
}

#[cfg(test)]
mod tests;
