//! A GPIO chip of the kernel, through its character device (uAPI v2).
//!
//! All lines of a chip are one request, opened with both edges, bias and `CLOCK_MONOTONIC` stamps
//! from the start: edge detection is never switched on later, so nothing is missed between the first
//! reading of the levels and the first edge. Lines are never requested active-low: levels are
//! electrical, what they mean is the driver's.
//!
//! # Limits
//!
//! - At most 64 lines of one chip (`GPIO_V2_LINES_MAX`).
//! - The kernel's queue: 256 edges per line are asked for, and the kernel gives at most 1,024 to
//!   one request, so 16 per line with 64 lines. Rule when it is full: the kernel drops the oldest
//!   edge. That shows as a gap in the numbers of the edges ([`Signal::Lost`]), after which all
//!   levels are read again; a line that changed unseen is told as an edge with `lost_before`.
//! - Every `recheck` (60 s) all levels are read and compared, for edges that neither came nor left a
//!   gap. That costs one system call.
//! - A chip that is unplugged is noticed at once by kernels from 6.6 on, which wake the reader, and
//!   by older ones within [`PRESENCE`]. It is looked for again after 100 ms, then ever less
//!   often up to [`RETRY_CAP`], for ever.

mod lines;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use embedded_hal::digital::PinState;
use gatehouse_config::Bias;
use gpiocdev::Request;
use gpiocdev::chip::Chip;
use gpiocdev::line::{EdgeDetection, EventClock, Value, Values};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep_until};

use self::lines::{Drained, Lines};
use super::Signal;
use super::find::{OpenError, open_chip};
use super::stamp::LineClock;

/// Who holds our lines, as `gpioinfo` shows it.
pub(super) const CONSUMER: &str = "gatehouse";

/// `GPIO_V2_LINES_MAX`.
pub const MAX_LINES: usize = 64;

/// `GPIO_V2_LINES_MAX * 16`: the kernel quietly takes less for more.
const MAX_KERNEL_QUEUE: u32 = 1024;

/// How deep the kernel's queue should be for each line: a bouncing contact makes some 20 edges, a
/// chattering relay 100 in a second, and the reader may be away for that long.
const QUEUE_PER_LINE: u32 = 256;

/// How often the chip is asked whether it is still there (one cheap system call, no bus traffic).
pub const PRESENCE: Duration = Duration::from_secs(2);

/// How long an edge may be on its way from the interrupt to the queue. What is missing for longer,
/// or differs from the wire for longer, is lost. A threaded interrupt of an expander on a slow bus
/// takes 1 to 5 ms.
const GRACE: Duration = Duration::from_millis(20);

/// The first wait before a chip is looked for again. Doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// The longest such wait: local, without cost for others, and doors are unprotected meanwhile.
pub const RETRY_CAP: Duration = Duration::from_secs(2);

/// What is watched of a chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipConfig {
    /// Its name (`gpiochip0`) or its label.
    pub chip: String,
    /// Its lines, each once.
    pub lines: Vec<(u32, Bias)>,
    /// Filters the bounce of contacts in the kernel, below 100 ms. Every edge comes later by this.
    pub kernel_debounce: Option<Duration>,
    /// How often all levels are compared.
    pub recheck: Duration,
}

/// A chip, opened or looked for.
#[derive(Debug)]
pub struct GpioChip<C> {
    config: ChipConfig,
    clock: C,
    state: State,
    /// When something is to be done without an edge.
    timer: Pin<Box<Sleep>>,
    /// The label that the chip had when it was first open.
    label: Option<String>,
    retry: Duration,
}

#[derive(Debug)]
enum State {
    Down,
    Up(Box<Open>),
}

/// Tries whether a chip and its lines can be opened, and lets go of them.
///
/// # Errors
///
/// What a person has to change.
pub fn probe(config: &ChipConfig) -> Result<(), OpenError> {
    let (chip, info) = open_chip(&config.chip, None)?;
    request(config, &chip, &info).map(drop)
}

/// Looks whether a chip is there and has these lines, and whether somebody else has one of them; takes
/// none. Returns its label.
///
/// # Errors
///
/// What a person has to change.
pub fn examine(chip: &str, lines: &[u32]) -> Result<String, OpenError> {
    let (chip, info) = open_chip(chip, None)?;
    for &line in lines {
        has_line(&chip, &info, line)?;
        let unreadable = |source| OpenError::Chip { path: chip.path().to_owned(), source };
        let held = chip.line_info(line).map_err(unreadable)?;
        if held.used && held.consumer != CONSUMER {
            let (path, consumer) = (chip.path().to_owned(), held.consumer);
            return Err(OpenError::LineTaken { path, line, consumer });
        }
    }
    Ok(info.label)
}

impl<C: LineClock> GpioChip<C> {
    /// The chip is opened by the first `read`.
    ///
    /// Must be called within a tokio runtime.
    pub fn new(config: ChipConfig, clock: C) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { config, clock, state: State::Down, timer, label: None, retry: RETRY_FIRST }
    }

    /// As [`super::Source::read`].
    pub(super) async fn read(&mut self, signals: &mut Vec<Signal>) {
        while signals.is_empty() {
            let State::Up(open) = &mut self.state else {
                self.timer.as_mut().await;
                self.open(signals);
                continue;
            };
            let result = tokio::select! {
                biased;
                ready = open.fd.readable() => match ready {
                    Ok(mut ready) => {
                        let result = open.lines.drain(open.fd.get_ref(), signals);
                        if matches!(result, Ok(Drained::All)) {
                            ready.clear_ready();
                        }
                        result.map(drop)
                    }
                    Err(error) => Err(error.into()),
                },
                () = self.timer.as_mut() => open.on_timer(&self.config, &self.clock, signals),
            };
            match result {
                Ok(()) => self.timer.as_mut().reset(open.next_timer()),
                Err(lost) => self.down(&lost, signals),
            }
        }
    }

    /// As [`super::Source::drain`].
    pub(super) fn drain(&mut self, signals: &mut Vec<Signal>) {
        let State::Up(open) = &mut self.state else { return };
        match open.lines.drain(open.fd.get_ref(), signals) {
            Ok(_) => self.timer.as_mut().reset(open.next_timer()),
            Err(lost) => self.down(&lost, signals),
        }
    }

    fn open(&mut self, signals: &mut Vec<Signal>) {
        match Open::new(&self.config, self.label.as_deref()) {
            Ok((open, label)) => {
                for (line, watched) in open.lines.watched.iter().enumerate() {
                    signals.push(Signal::Level { line, level: watched.level });
                }
                signals.push(Signal::Up);
                self.label.get_or_insert(label);
                self.retry = RETRY_FIRST;
                self.timer.as_mut().reset(open.next_timer());
                self.state = State::Up(Box::new(open));
            }
            Err(error) => {
                signals.push(Signal::Down { cause: error.to_string() });
                self.try_again();
            }
        }
    }

    /// Lets go of the chip at once: as long as it is held, the kernel keeps its number taken.
    fn down(&mut self, lost: &LostChip, signals: &mut Vec<Signal>) {
        let State::Up(open) = std::mem::replace(&mut self.state, State::Down) else { return };
        let path = open.path.display();
        signals.push(Signal::Down { cause: format!("{path} is gone or failed: {lost}") });
        self.try_again();
    }

    fn try_again(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(RETRY_CAP);
    }
}

/// An open chip failed: unplugged, or its bus is broken.
#[derive(Debug, thiserror::Error)]
enum LostChip {
    #[error("reading edges: {0}")]
    Edges(#[from] io::Error),
    #[error("{0}")]
    Chip(#[from] gpiocdev::Error),
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    chip: Chip,
    fd: AsyncFd<Request>,
    lines: Lines,
    presence: Instant,
    recheck: Instant,
    /// When what is missing, or differs, counts as lost.
    verdict: Option<Instant>,
}

impl Open {
    fn new(config: &ChipConfig, known: Option<&str>) -> Result<(Self, String), OpenError> {
        let (chip, info) = open_chip(&config.chip, known)?;
        let path = chip.path().to_owned();
        let request = request(config, &chip, &info)?;
        let io = |source: io::Error| OpenError::Io { path: path.clone(), source };
        // Blocking by default; a reader that is woken for nothing must not hang.
        let flags = fcntl_getfl(&request).map_err(|errno| io(errno.into()))?;
        fcntl_setfl(&request, flags | OFlags::NONBLOCK).map_err(|errno| io(errno.into()))?;
        let levels = levels(&request, config.lines.iter().map(|&(offset, _)| offset))
            .map_err(|source| OpenError::Chip { path: path.clone(), source })?;
        let lines = Lines::new(levels, request.edge_event_size());
        // gpiocdev's own `AsyncRequest` calls the same; it cannot be used beside reads of our own,
        // it spins when it is woken and finds the queue empty.
        #[expect(
            deprecated,
            reason = "the new `register` is unsafe, as not every type keeps its file open; a \
                      gpiocdev Request owns its file and never replaces it"
        )]
        let fd = AsyncFd::with_interest(request, Interest::READABLE).map_err(io)?;
        let now = Instant::now();
        let (presence, recheck) = (now + PRESENCE, now + config.recheck);
        Ok((Self { path, chip, fd, lines, presence, recheck, verdict: None }, info.label))
    }

    fn next_timer(&self) -> Instant {
        let next = self.presence.min(self.recheck);
        let next = self.verdict.map_or(next, |verdict| verdict.min(next));
        // Something became doubtful just now: `on_timer` sets the time of the verdict.
        if self.lines.doubtful && self.verdict.is_none() { Instant::now() } else { next }
    }

    fn on_timer<C: LineClock>(
        &mut self,
        config: &ChipConfig,
        clock: &C,
        signals: &mut Vec<Signal>,
    ) -> Result<(), LostChip> {
        let now = Instant::now();
        if now >= self.presence {
            self.presence = now + PRESENCE;
            self.chip.info()?;
        }
        if self.verdict.is_some_and(|verdict| now >= verdict) {
            self.verdict = None;
            self.compare(Some(clock), signals)?;
        }
        if now >= self.recheck {
            self.recheck = now + config.recheck;
            self.lines.doubtful = true;
        }
        if self.lines.doubtful && self.verdict.is_none() {
            self.lines.doubtful = false;
            self.compare(None::<&C>, signals)?;
            self.verdict = Some(now + GRACE);
        }
        Ok(())
    }

    /// Reads all levels, and compares them with what the edges said. A difference becomes a
    /// suspicion; at the verdict (with a clock) what was suspect before and still is becomes an edge.
    fn compare<C: LineClock>(
        &mut self,
        verdict: Option<&C>,
        signals: &mut Vec<Signal>,
    ) -> Result<(), LostChip> {
        let request = self.fd.get_ref();
        let offsets = self.lines.watched.iter().map(|watched| watched.offset);
        let wire = levels(request, offsets)?;
        // Stamped after the reading, and after it whatever edges came before it.
        let at_ns = verdict.map(LineClock::monotonic_ns);
        self.lines.drain(request, signals)?;
        self.lines.compare(&wire, at_ns, signals);
        Ok(())
    }
}

/// Takes the lines: one request for all of them.
fn request(
    config: &ChipConfig,
    chip: &Chip,
    info: &gpiocdev::chip::Info,
) -> Result<Request, OpenError> {
    for &(offset, _) in &config.lines {
        has_line(chip, info, offset)?;
    }
    let path = chip.path();
    let mut builder = Request::builder();
    builder
        .on_chip(path)
        .with_consumer(CONSUMER)
        .with_kernel_event_buffer_size(kernel_queue(config.lines.len()));
    for &(offset, bias) in &config.lines {
        builder
            .with_line(offset)
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_event_clock(EventClock::Monotonic)
            .with_bias(kernel_bias(bias));
        if let Some(period) = config.kernel_debounce {
            builder.with_debounce_period(period);
        }
    }
    let offsets = config.lines.iter().map(|&(offset, _)| offset);
    builder.request().map_err(|source| refused(chip, offsets, source))
}

/// Whether a chip has a line.
pub(super) fn has_line(
    chip: &Chip,
    info: &gpiocdev::chip::Info,
    line: u32,
) -> Result<(), OpenError> {
    if line < info.num_lines {
        return Ok(());
    }
    let (label, last) = (info.label.clone(), info.num_lines.saturating_sub(1));
    Err(OpenError::NoSuchLine { path: chip.path().to_owned(), label, line, last })
}

/// Why the kernel did not give these lines. It says only "busy": the line's info tells who has it.
pub(super) fn refused(
    chip: &Chip,
    offsets: impl IntoIterator<Item = u32>,
    source: gpiocdev::Error,
) -> OpenError {
    let held = offsets.into_iter().find_map(|offset| {
        let info = chip.line_info(offset).ok()?;
        info.used.then_some((offset, info.consumer))
    });
    let path = chip.path().to_owned();
    match held {
        Some((line, consumer)) => OpenError::LineTaken { path, line, consumer },
        None => OpenError::Chip { path, source },
    }
}

fn kernel_queue(lines: usize) -> u32 {
    let lines = u32::try_from(lines).unwrap_or(u32::MAX);
    lines.saturating_mul(QUEUE_PER_LINE).clamp(QUEUE_PER_LINE, MAX_KERNEL_QUEUE)
}

const fn kernel_bias(bias: Bias) -> Option<gpiocdev::line::Bias> {
    match bias {
        Bias::AsIs => None,
        Bias::PullUp => Some(gpiocdev::line::Bias::PullUp),
        Bias::PullDown => Some(gpiocdev::line::Bias::PullDown),
        Bias::Disabled => Some(gpiocdev::line::Bias::Disabled),
    }
}

/// The levels of these lines now, in this order, by one system call.
fn levels(
    request: &Request,
    offsets: impl Iterator<Item = u32>,
) -> Result<Vec<(u32, PinState)>, gpiocdev::Error> {
    let offsets: Vec<_> = offsets.collect();
    let mut values = Values::from_offsets(&offsets);
    request.values(&mut values)?;
    let level = |offset| PinState::from(values.get(offset) == Some(Value::Active));
    Ok(offsets.into_iter().map(|offset| (offset, level(offset))).collect())
}

#[cfg(test)]
mod tests {
    use super::super::stamp::KernelClock;
    use super::*;

    #[test]
    fn the_kernel_is_asked_for_no_more_than_it_gives() {
        assert_eq!([1, 2, 4, 5, 64].map(kernel_queue), [256, 512, 1024, 1024, 1024]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chip_that_is_not_there_is_looked_for_ever_less_often_up_to_the_cap() {
        let config = ChipConfig {
            chip: "no-such-chip".into(),
            lines: vec![(0, Bias::PullUp)],
            kernel_debounce: None,
            recheck: Duration::from_secs(60),
        };
        let error = probe(&config).unwrap_err();
        assert!(error.to_string().starts_with("there is no GPIO chip \"no-such-chip\""), "{error}");
        let mut chip = GpioChip::new(config, KernelClock::new());
        let mut waits = Vec::new();
        for _ in 0..7 {
            let before = Instant::now();
            let mut signals = Vec::new();
            chip.read(&mut signals).await;
            assert!(matches!(signals.as_slice(), [Signal::Down { .. }]), "{signals:?}");
            waits.push(before.elapsed().as_millis());
        }
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 2000]);
    }
}
