//! Lines that the box drives: of a GPIO chip of the kernel (uAPI v2), or of a simulated world.
//!
//! A [`DriveLine`] owns one line, and what is wired back from its load. The unit hands [`OutPin`] and
//! [`BackPin`] to the drivers, which know neither kernel nor world, and lets the line be
//! [tended](DriveLine::tend): a chip that is gone is looked for again, with back-off, for ever.
//!
//! # What becomes of a line that nobody holds
//!
//! The kernel promises nothing for a line once its holder is gone, orderly or killed: some chips keep
//! driving it as it was, some make it an input again, which then floats to what the board's resistors
//! make of it (on a Raspberry Pi a parameter of its pin controller decides). So a siren that sounds
//! while the gateway is killed may sound on. Three things bound that: an orderly stop and a panic write
//! the safe state before the line is let go; after anything else systemd runs
//! `gatehouse safe-outputs`, which takes each line, writes the safe state, and lets go
//! ([`set_once`]); and the next start writes it first of all. On a chip that does not keep what was
//! written, and while the box has no power, only a resistor at the relay holds it off.

use std::io::Write;
use std::net::Shutdown;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::digital::{self, ErrorKind, ErrorType, InputPin, OutputPin, PinState};
use gatehouse_config::{Drive, Level};
use gpiocdev::Request;
use gpiocdev::chip::{Chip, Info};
use gpiocdev::line::{Bias, Drive as KernelDrive, Value};
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::find::{OpenError, open_chip};
use super::gpiochip::{self, CONSUMER, PRESENCE, RETRY_CAP};
use super::sim::{GREETING, Origin, ScriptError, Sim};
use super::stamp::KernelClock;
use super::{Signal, Source};

/// The first wait before a chip is looked for again. Doubles, up to [`RETRY_CAP`].
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// How often a simulated read-back is asked for its level, as a lost edge is found.
const RECHECK: Duration = Duration::from_secs(60);

/// Where a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// A chip of the kernel, by name or label.
    Gpio(String),
    /// Simulated wiring.
    Sim(Origin),
}

/// The line that tells what the load does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackConfig {
    /// Where it is.
    pub place: Where,
    /// Its number there.
    pub offset: u32,
    /// Its level while the load is on; the box pulls it to the other.
    pub active: Level,
}

/// One line, how it is driven and what is wired back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveConfig {
    /// Where it is.
    pub place: Where,
    /// Its number there.
    pub offset: u32,
    /// How it is driven.
    pub drive: Drive,
    /// The level it gets when it is taken; `None`: the one it has, if it is driven already.
    pub first: Option<PinState>,
    /// The level of a line that is taken with the one it has, and has none.
    pub off: PinState,
    /// What is wired back.
    pub back: Option<BackConfig>,
}

/// The line could not be written or read; what it does is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Its chip is not there, or is just being looked for.
    #[error("its chip is not there")]
    Gone,
    /// The chip or the world did not take it.
    #[error("its chip failed")]
    Failed,
}

impl digital::Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

#[derive(Debug)]
enum OutWire {
    Gpio {
        chip: Chip,
        request: Request,
    },
    World(Arc<UnixStream>),
    /// A script looks at nothing that is driven.
    Nowhere,
}

#[derive(Debug, Default)]
struct Cell {
    offset: u32,
    out: Option<OutWire>,
    back: Option<Request>,
    back_offset: u32,
    /// The level of a simulated read-back.
    level: Option<PinState>,
    /// The kernel refused something: the chip is to be opened anew.
    failed: Option<String>,
}

#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Cell>>);

impl Shared {
    fn cell(&self) -> MutexGuard<'_, Cell> {
        // A panic while it is held leaves plain values that are each valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pin that switches the load.
#[derive(Debug)]
pub struct OutPin(Shared);

/// The pin that tells what the load does.
#[derive(Debug)]
pub struct BackPin(Shared);

impl ErrorType for OutPin {
    type Error = PinError;
}

impl ErrorType for BackPin {
    type Error = PinError;
}

impl OutputPin for OutPin {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.set_state(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.set_state(PinState::High)
    }

    fn set_state(&mut self, level: PinState) -> Result<(), PinError> {
        let mut cell = self.0.cell();
        let offset = cell.offset;
        match &cell.out {
            None => Err(PinError::Gone),
            Some(OutWire::Nowhere) => Ok(()),
            Some(OutWire::Gpio { request, .. }) => match request.set_value(offset, value(level)) {
                Ok(()) => Ok(()),
                Err(error) => {
                    cell.failed = Some(error.to_string());
                    Err(PinError::Failed)
                }
            },
            Some(OutWire::World(stream)) => {
                let line = drive_line(offset, level);
                match stream.try_write(line.as_bytes()) {
                    Ok(written) if written == line.len() => Ok(()),
                    // The end of the connection shows when it is read.
                    _ => Err(PinError::Failed),
                }
            }
        }
    }
}

impl InputPin for BackPin {
    fn is_high(&mut self) -> Result<bool, PinError> {
        let mut cell = self.0.cell();
        let Some(request) = &cell.back else {
            return cell.level.map(|level| level == PinState::High).ok_or(PinError::Gone);
        };
        match request.value(cell.back_offset) {
            Ok(value) => Ok(value == Value::Active),
            Err(error) => {
                cell.failed = Some(error.to_string());
                Err(PinError::Failed)
            }
        }
    }

    fn is_low(&mut self) -> Result<bool, PinError> {
        self.is_high().map(|high| !high)
    }
}

/// One driven line, open or looked for.
#[derive(Debug)]
pub struct DriveLine {
    config: DriveConfig,
    shared: Shared,
    /// The world, if the line or its read-back is there.
    sim: Option<Source<KernelClock>>,
    sim_up: bool,
    signals: Vec<Signal>,
    /// The next look at a chip of the kernel.
    timer: Pin<Box<Sleep>>,
    retry: Duration,
    /// The label that the chip had when it was first open.
    label: Option<String>,
    /// Why it is down.
    cause: Option<String>,
}

impl DriveLine {
    /// A line with its pins. It is opened by the first [`tend`](Self::tend).
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The script of the simulated wiring is none.
    pub fn new(config: DriveConfig) -> Result<(Self, OutPin, BackPin), ScriptError> {
        let back_offset = config.back.as_ref().map_or(0, |back| back.offset);
        let cell = Cell { offset: config.offset, back_offset, ..Cell::default() };
        let shared = Shared(Arc::new(Mutex::new(cell)));
        let back = config.back.as_ref();
        let sim_back = back.and_then(|back| match &back.place {
            Where::Sim(origin) => Some((origin, back.offset)),
            Where::Gpio(_) => None,
        });
        let origin = match &config.place {
            Where::Sim(origin) => Some(origin),
            Where::Gpio(_) => sim_back.map(|(origin, _)| origin),
        };
        let sim = origin.map(|origin| {
            let offsets: Vec<u32> = sim_back.iter().map(|(_, offset)| *offset).collect();
            Sim::new(origin.clone(), &offsets, RECHECK, KernelClock::new()).map(Source::Sim)
        });
        let line = Self {
            sim: sim.transpose()?,
            sim_up: false,
            signals: Vec::new(),
            timer: Box::pin(sleep_until(Instant::now())),
            retry: RETRY_FIRST,
            label: None,
            cause: None,
            shared: shared.clone(),
            config,
        };
        Ok((line, OutPin(shared.clone()), BackPin(shared)))
    }

    /// Whether it can be written, and what is wired back can be read.
    pub fn is_up(&self) -> bool {
        let cell = self.shared.cell();
        let kernels_back = self.back_chip().is_none() || cell.back.is_some();
        cell.out.is_some()
            && cell.failed.is_none()
            && kernels_back
            && (self.sim.is_none() || self.sim_up)
    }

    /// Why it is down, for a person; `None`: it is not, or nobody has tried yet.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    fn back_chip(&self) -> Option<(&str, &BackConfig)> {
        let back = self.config.back.as_ref()?;
        match &back.place {
            Where::Gpio(chip) => Some((chip, back)),
            Where::Sim(_) => None,
        }
    }

    /// Waits until something has changed: it is up or down, or the read-back has moved.
    ///
    /// Cancel safe.
    pub async fn tend(&mut self) {
        let kernel = matches!(self.config.place, Where::Gpio(_)) || self.back_chip().is_some();
        loop {
            tokio::select! {
                biased;
                () = read(self.sim.as_mut(), &mut self.signals) => {
                    if self.hear() {
                        return;
                    }
                }
                () = self.timer.as_mut(), if kernel => {
                    if self.look() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes what the world has said. Says whether it matters.
    fn hear(&mut self) -> bool {
        let mut matters = false;
        for signal in std::mem::take(&mut self.signals) {
            matters = true;
            match signal {
                Signal::Level { level, .. } => self.shared.cell().level = Some(level),
                Signal::Edge { edge, .. } => self.shared.cell().level = Some(edge.level),
                Signal::Lost { .. } => {}
                Signal::Up => {
                    self.sim_up = true;
                    if matches!(self.config.place, Where::Sim(_)) {
                        let writer = self.sim.as_ref().and_then(Source::writer);
                        self.shared.cell().out =
                            Some(writer.map_or(OutWire::Nowhere, OutWire::World));
                    }
                }
                Signal::Down { cause } => {
                    self.sim_up = false;
                    let mut cell = self.shared.cell();
                    cell.level = None;
                    if matches!(cell.out, Some(OutWire::World(_) | OutWire::Nowhere)) {
                        cell.out = None;
                    }
                    drop(cell);
                    self.went_down(cause);
                }
            }
        }
        if self.is_up() {
            self.cause = None;
        }
        matters
    }

    /// Opens the kernel's chips, or asks whether they are still there. Says whether it matters.
    fn look(&mut self) -> bool {
        let mut cell = self.shared.cell();
        let here = match (&cell.out, &cell.failed) {
            (_, Some(failed)) => Err(failed.clone()),
            (Some(OutWire::Gpio { chip, .. }), None) => {
                chip.info().map(drop).map_err(|error| error.to_string())
            }
            _ => Ok(()),
        };
        if let Err(error) = here {
            // At once: as long as a chip that went is held, the kernel keeps its number taken.
            cell.failed = None;
            cell.back = None;
            if matches!(cell.out, Some(OutWire::Gpio { .. })) {
                cell.out = None;
            }
            drop(cell);
            self.went_down(format!("the chip is gone or failed: {error}"));
            self.again();
            return true;
        }
        let needs_out = matches!(self.config.place, Where::Gpio(_)) && cell.out.is_none();
        let needs_back = self.back_chip().is_some() && cell.back.is_none();
        drop(cell);
        if !needs_out && !needs_back {
            self.timer.as_mut().reset(Instant::now() + PRESENCE);
            return false;
        }
        match self.open(needs_out, needs_back) {
            Ok(()) => {
                self.retry = RETRY_FIRST;
                self.timer.as_mut().reset(Instant::now() + PRESENCE);
                if self.is_up() {
                    self.cause = None;
                }
            }
            Err(error) => {
                self.went_down(error.to_string());
                self.again();
            }
        }
        true
    }

    fn open(&mut self, out: bool, back: bool) -> Result<(), OpenError> {
        if let (true, Where::Gpio(name)) = (out, &self.config.place) {
            let (chip, info) = open_chip(name, self.label.as_deref())?;
            let request = take(&chip, &info, &self.config)?;
            self.label.get_or_insert(info.label);
            self.shared.cell().out = Some(OutWire::Gpio { chip, request });
        }
        if let Some((name, back)) = self.back_chip().filter(|_| back) {
            let (chip, info) = open_chip(name, None)?;
            gpiochip::has_line(&chip, &info, back.offset)?;
            let bias = if back.active == Level::Low { Bias::PullUp } else { Bias::PullDown };
            let request = Request::builder()
                .on_chip(chip.path())
                .with_consumer(CONSUMER)
                .with_line(back.offset)
                .as_input()
                .with_bias(bias)
                .request()
                .map_err(|source| gpiochip::refused(&chip, [back.offset], source))?;
            self.shared.cell().back = Some(request);
        }
        Ok(())
    }

    fn went_down(&mut self, cause: String) {
        if self.cause.as_ref() != Some(&cause) {
            tracing::warn!("an output is not there, trying again: {cause}");
        }
        self.cause = Some(cause);
    }

    fn again(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(RETRY_CAP);
    }
}

async fn read(sim: Option<&mut Source<KernelClock>>, signals: &mut Vec<Signal>) {
    match sim {
        Some(sim) => sim.read(signals).await,
        None => std::future::pending().await,
    }
}

/// Takes a line of a chip, with its first level from the beginning.
fn take(chip: &Chip, info: &Info, config: &DriveConfig) -> Result<Request, OpenError> {
    let offset = config.offset;
    gpiochip::has_line(chip, info, offset)?;
    let first = match config.first {
        Some(first) => first,
        None => as_it_is(chip, offset)?.unwrap_or(config.off),
    };
    let drive = match config.drive {
        Drive::PushPull => KernelDrive::PushPull,
        Drive::OpenDrain => KernelDrive::OpenDrain,
    };
    Request::builder()
        .on_chip(chip.path())
        .with_consumer(CONSUMER)
        .with_line(offset)
        .as_output(value(first))
        .with_drive(drive)
        .request()
        .map_err(|source| gpiochip::refused(chip, [offset], source))
}

/// The level of a line that is driven already; `None`: it is an input.
fn as_it_is(chip: &Chip, offset: u32) -> Result<Option<PinState>, OpenError> {
    let refused = |source| gpiochip::refused(chip, [offset], source);
    let info = chip.line_info(offset).map_err(refused)?;
    if info.direction != gpiocdev::line::Direction::Output {
        return Ok(None);
    }
    let request = Request::builder()
        .on_chip(chip.path())
        .with_consumer(CONSUMER)
        .with_line(offset)
        .as_is()
        .request()
        .map_err(refused)?;
    let level = request.value(offset).map_err(refused)?;
    Ok(Some(PinState::from(level == Value::Active)))
}

fn value(level: PinState) -> Value {
    if level == PinState::High { Value::Active } else { Value::Inactive }
}

fn drive_line(offset: u32, level: PinState) -> String {
    format!("drive {offset} {}\n", u8::from(level == PinState::High))
}

/// Why a line could not be set once.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The kernel's line.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The simulated world.
    #[error("the simulated world at {path}: {source}")]
    World {
        /// Its socket.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Takes a line, sets it to a level, and lets go of it.
///
/// # Errors
///
/// The line is held by somebody, or is not there.
pub fn set_once(config: &DriveConfig, level: PinState) -> Result<(), SetError> {
    match &config.place {
        Where::Gpio(name) => {
            let (chip, info) = open_chip(name, None)?;
            let config = DriveConfig { first: Some(level), ..config.clone() };
            take(&chip, &info, &config)?;
            Ok(())
        }
        Where::Sim(Origin::Socket(path)) => tell_world(path, config.offset, level)
            .map_err(|source| SetError::World { path: path.clone(), source }),
        Where::Sim(Origin::Script(_)) => Ok(()),
    }
}

fn tell_world(path: &Path, offset: u32, level: PinState) -> std::io::Result<()> {
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.write_all(drive_line(offset, level).as_bytes())?;
    // It has read that once it sees our end and closes, too; until then it tells its levels.
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(GREETING))?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}
