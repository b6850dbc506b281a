//! A chip's place on the bus: its driver, its health, and when it is to be served.

use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::site::{Condition, Input, Report};
use gatehouse_core::time::Mono;
use gatehouse_drivers::ChipErrorKind;

use super::converter::Converter;
use super::expander::Contacts;
use super::plan::ChipPlan;
use super::sensor::Sensor;
use super::still::Still;
use super::{Around, RETRY, RETRY_CAP, SHARE};
use crate::gauges::Gauge;
use crate::io::LineClock;
use crate::unit::owner::Owner;

/// What a chip has to tell.
#[derive(Debug)]
pub(super) enum News {
    /// What is on one of its lines.
    Line { owner: Owner, condition: Condition, at_ns: u64, resynced: bool },
    /// Of the box itself.
    Report { report: Report, at_ns: u64 },
    /// What a sensor of the box measured; `None`: it is lost.
    Gauge { sensor: Id, gauge: Option<Gauge> },
}

impl News {
    /// What it is to the rules, if it is anything.
    pub(super) fn input(self, boot: impl Fn(u64) -> Mono) -> Option<Input> {
        match self {
            Self::Line { owner, condition, at_ns, resynced } => {
                owner.condition(condition, boot(at_ns), resynced)
            }
            Self::Report { report, at_ns } => {
                Some(Input::Report(Report { at: Some(boot(at_ns)), ..report }))
            }
            Self::Gauge { .. } => None,
        }
    }
}

/// Why a chip could not be served.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: ChipErrorKind,
    pub(super) cause: String,
}

/// A driver with what is wired to its chip.
pub(super) trait Device {
    /// How many failures in a row make the chip lost.
    fn patience(&self) -> u32;

    /// One bounded piece of work. Says when the next is due.
    fn serve(
        &mut self,
        now_ns: u64,
        interrupt_ns: Option<u64>,
        news: &mut Vec<News>,
    ) -> Result<u64, Trouble>;

    /// Whether what it did last proves the chip. Of many steps of which only the last does, the others
    /// neither find a chip nor make up for a failure.
    fn proven(&self) -> bool {
        true
    }

    /// When to try again after a failure that has not made the chip lost.
    fn try_again(&self, now_ns: u64) -> u64;

    /// The chip is lost: everything on its lines is unknown.
    fn forget(&mut self, now_ns: u64, news: &mut Vec<News>);
}

/// How a service went.
pub(super) enum Served {
    /// It answered; for the first time, or for the first time again.
    Well {
        found: bool,
    },
    Badly(Failed),
}

/// What a failure means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    /// The chip is lost with this failure.
    pub(super) lost: bool,
    /// It is the bus that fails.
    pub(super) bus_held: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Health {
    /// Not tried yet.
    New,
    Good,
    Lost {
        cause: String,
        by_bus: bool,
    },
}

pub(super) struct Seat {
    device: Box<dyn Device>,
    health: Health,
    failures: u32,
    retry: Duration,
    due_ns: u64,
    /// The line that its interrupt pin is wired to.
    interrupt: Option<String>,
    /// When its interrupt came, if it did since the last service.
    rung_ns: Option<u64>,
}

impl Seat {
    pub(super) fn new<C: LineClock + 'static>(
        plan: &ChipPlan,
        around: &Around<'_>,
        clock: &C,
    ) -> Self {
        let Around { places, wire, .. } = *around;
        let kind = plan.chip.kind;
        let device: Box<dyn Device> = match () {
            () if plan.still.is_some() => Box::new(Still::new(plan, around, clock.clone())),
            () if kind.is_expander() => Box::new(Contacts::new(plan, places, wire.clone())),
            () if kind.is_converter() => Box::new(Converter::new(plan, places, wire.clone())),
            () => Box::new(Sensor::new(plan, places, wire.clone())),
        };
        let health = Health::New;
        let interrupt = plan.chip.interrupt.as_ref().map(ToString::to_string);
        Self { device, health, failures: 0, retry: RETRY, due_ns: 0, interrupt, rung_ns: None }
    }

    pub(super) const fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Its interrupt came. A lost chip is looked for at its own pace: a line that is stuck low
    /// tells nothing.
    pub(super) fn ring(&mut self, line: &str, at_ns: u64) {
        let mine = self.interrupt.as_deref() == Some(line);
        if mine && !matches!(self.health, Health::Lost { .. }) {
            self.rung_ns.get_or_insert(at_ns);
            self.due_ns = self.due_ns.min(at_ns);
        }
    }

    /// Why it is lost, if it is.
    pub(super) fn lost(&self) -> Option<&str> {
        match &self.health {
            Health::Lost { cause, .. } => Some(cause),
            Health::New | Health::Good => None,
        }
    }

    pub(super) const fn is_lost_by_bus(&self) -> bool {
        matches!(self.health, Health::Lost { by_bus: true, .. })
    }

    /// It cannot be asked at all. Says whether that is news.
    pub(super) fn give_up(&mut self, cause: &str) -> bool {
        let news = self.lost().is_none();
        if news {
            self.health = Health::Lost { cause: cause.to_owned(), by_bus: true };
        }
        self.due_ns = 0;
        news
    }

    pub(super) fn forget(&mut self, now_ns: u64, news: &mut Vec<News>) {
        self.device.forget(now_ns, news);
    }

    pub(super) fn serve(
        &mut self,
        clock: &impl LineClock,
        now_ns: u64,
        news: &mut Vec<News>,
    ) -> Served {
        match self.device.serve(now_ns, self.rung_ns.take(), news) {
            Ok(due_ns) => {
                self.due_ns = due_ns;
                if !self.device.proven() {
                    return Served::Well { found: false };
                }
                self.failures = 0;
                self.retry = RETRY;
                let found = self.health != Health::Good;
                self.health = Health::Good;
                Served::Well { found }
            }
            // Nothing is wrong: it was asked too early.
            Err(Trouble { kind: ChipErrorKind::NotReady, .. })
                if self.failures < self.device.patience() =>
            {
                self.failures += 1;
                self.due_ns = self.device.try_again(now_ns);
                Served::Well { found: false }
            }
            Err(trouble) => {
                let took_ns = clock.monotonic_ns().saturating_sub(now_ns);
                Served::Badly(self.failed(trouble, clock.monotonic_ns(), took_ns))
            }
        }
    }

    fn failed(&mut self, trouble: Trouble, now_ns: u64, took_ns: u64) -> Failed {
        let Trouble { kind, cause } = trouble;
        let by_bus = kind == ChipErrorKind::Bus;
        self.failures = self.failures.saturating_add(1);
        let was_lost = self.lost().is_some();
        if !was_lost && self.failures < self.device.patience() {
            self.due_ns = self.device.try_again(now_ns);
            return Failed { lost: false, bus_held: by_bus };
        }
        self.health = Health::Lost { cause, by_bus };
        let fair = Duration::from_nanos(took_ns) * SHARE;
        let wait = self.retry.max(fair);
        self.due_ns = now_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        self.retry = (self.retry * 2).min(RETRY_CAP);
        Failed { lost: !was_lost, bus_held: by_bus }
    }
}

/// The next time of a pace that began at `due_ns`: without catching up what was missed.
pub(super) fn next(due_ns: u64, period: Duration, now_ns: u64) -> u64 {
    let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    let next_ns = due_ns.saturating_add(period_ns);
    if next_ns > now_ns { next_ns } else { now_ns - now_ns % period_ns + period_ns }
}
