//! A camera on SPI: a picture every so often, to whoever looks through its lens.
//!
//! Each service is one step of the driver: at most 2 KiB of the picture, or a poll. Only the first
//! step after the chip was lost takes longer, some 0.3 s, and there is nothing else on its chip select.
//!
//! The sensor's I2C bus is opened here a second time: the kernel's adapter does one transfer after the
//! other, whoever wants it.

use std::time::Duration;

use gatehouse_config::Device as Place;
use gatehouse_drivers::ChipErrorKind;
use gatehouse_drivers::ov2640::{MAX_LENGTH, Ov2640, Piece, StillConfig, StillError};
use linux_embedded_hal::Delay;

use super::Around;
use super::plan::{ChipPlan, StillPlan};
use super::seat::{Device, News, Trouble, next};
use crate::io::LineClock;
use crate::io::sim::chips::SimBoard;
use crate::io::wire::{Wire, WireError};
use crate::lenses::{Lens, Shot};

/// Two pictures in a row: one may be noise on the wires. Of a sensor that has stopped that is 5 s with
/// what it takes to settle between them, less than the camera's unit waits for a picture.
const PATIENCE: u32 = 2;

/// Between two polls: 200 of them are a second, which the driver's usual setting counts on.
const POLL: Duration = Duration::from_millis(5);

/// A sensor that settles is asked again so soon.
const SETTLING: Duration = Duration::from_millis(250);

/// A whole read wants room for what the driver holds back, and a burst.
const PIECE: usize = 2050;

pub(super) struct Still<C> {
    driver: Ov2640<Wire, Wire, Delay>,
    sensor: Wire,
    at: Place,
    board: Option<SimBoard>,
    every: Duration,
    lens: Lens,
    clock: C,
    step: Step,
    due_ns: u64,
    picture: Vec<u8>,
    /// The last picture came whole.
    proven: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Poll,
    /// Of a frame that was there at this time.
    Read(u64),
}

impl<C: LineClock> Still<C> {
    pub(super) fn new(plan: &ChipPlan, around: &Around<'_>, clock: C) -> Self {
        let sensor = Wire::default();
        let still = plan.still.clone();
        let StillPlan { sensor: at, every } =
            still.expect("only a chip that is a camera has this driver");
        let driver =
            Ov2640::new(around.wire.clone(), sensor.clone(), Delay, StillConfig::default());
        Self {
            driver,
            sensor,
            at,
            board: around.board.cloned(),
            every,
            lens: around.lenses.of(&plan.chip.id),
            clock,
            step: Step::Start,
            due_ns: 0,
            picture: Vec::new(),
            proven: false,
        }
    }

    fn step(&mut self, now_ns: u64) -> Result<u64, StillError<WireError, WireError>> {
        let soon = |wait: Duration| {
            now_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
        };
        match self.step {
            Step::Start => match self.driver.start(now_ns) {
                Ok(()) => {
                    self.due_ns = now_ns;
                    self.step = Step::Poll;
                    Ok(soon(POLL))
                }
                // It answers, and needs its time.
                Err(error) if error.kind() == ChipErrorKind::NotReady => Ok(soon(SETTLING)),
                Err(error) => Err(error),
            },
            Step::Poll => {
                if self.driver.poll()?.is_some() {
                    self.picture.clear();
                    self.step = Step::Read(now_ns);
                    return Ok(now_ns);
                }
                Ok(soon(POLL))
            }
            Step::Read(at_ns) => {
                let filled = self.picture.len();
                self.picture.resize(filled + PIECE, 0);
                let piece = self.driver.read(&mut self.picture[filled..])?;
                let (Piece::More(length) | Piece::Last(length)) = piece;
                self.picture.truncate(filled + length);
                if let Piece::More(_) = piece {
                    return Ok(now_ns);
                }
                let jpeg = std::mem::take(&mut self.picture).into();
                self.lens.show(Shot::Picture { jpeg, at: self.clock.boot(at_ns) });
                self.step = Step::Start;
                self.proven = true;
                Ok(next(self.due_ns, self.every, now_ns))
            }
        }
    }
}

impl<C: LineClock> Device for Still<C> {
    fn patience(&self) -> u32 {
        PATIENCE
    }

    fn serve(
        &mut self,
        now_ns: u64,
        _interrupt_ns: Option<u64>,
        _news: &mut Vec<News>,
    ) -> Result<u64, Trouble> {
        if !self.sensor.is_open() {
            let opened = self.sensor.open_i2c(&self.at, self.board.as_ref());
            opened.map_err(|cause| Trouble { kind: ChipErrorKind::Absent, cause })?;
        }
        debug_assert!(self.picture.len() <= MAX_LENGTH as usize + PIECE, "the driver counts");
        self.step(now_ns).map_err(|error| {
            if self.step != Step::Start {
                self.lens.show(Shot::Broken(self.clock.boot(now_ns)));
            }
            self.step = Step::Start;
            self.proven = false;
            self.picture = Vec::new();
            let kind = match error.kind() {
                // Nothing that a seat would pass over: it was started, and has forgotten that.
                ChipErrorKind::NotReady => ChipErrorKind::Reset,
                kind => kind,
            };
            Trouble { kind, cause: error.to_string() }
        })
    }

    fn proven(&self) -> bool {
        self.proven
    }

    fn try_again(&self, now_ns: u64) -> u64 {
        next(now_ns, SETTLING, now_ns)
    }

    fn forget(&mut self, now_ns: u64, _news: &mut Vec<News>) {
        self.driver.lost();
        self.step = Step::Start;
        self.proven = false;
        self.lens.show(Shot::Lost(self.clock.boot(now_ns)));
    }
}
