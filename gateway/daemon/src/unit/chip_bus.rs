//! The chips on one I2C bus, or on one chip select of SPI, as one thread.
//!
//! The thread owns the bus. Each chip says when it is to be served next; whoever has been due for
//! longest is served, one bounded piece of work at a time. What the chips tell goes to the rules as
//! readings of the doors and zones on their lines, and as reports of the box itself.
//!
//! A chip that does not answer is lost after a few tries. To the rules it is a bus of its own, so
//! that all on its lines are one fault; when every chip is lost, or a line is held, it is the bus that
//! is lost. What comes back is configured and read anew.
//!
//! # Limits
//!
//! - A chip that is lost is looked for after 250 ms, then ever less often up to 5 s, and never
//!   for more than a twentieth of the time: it must not delay the others.
//! - A transfer takes as long as the kernel's adapter lets it, see [`crate::io::wire`]. All others
//!   wait for it.
//! - A start tells nothing before a chip answers or is lost: a bus that is started anew over a reload
//!   leaves no gap that anybody must know of, and its first readings say that they were found.
//! - The readings go through a bounded channel. When it is full the thread waits; an expander with
//!   16 contacts that changed keeps them, two changes between two readings are one or none.
//! - A loop learns its resistor anew at each start of the unit: what was replaced while the box was
//!   off is not noticed as such, only if it is in another band.

mod bell;
mod converter;
mod expander;
mod limit;
mod plan;
mod seat;
mod sensor;
mod still;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use gatehouse_config::Sim;
use gatehouse_core::site::{Condition, Input};
use gatehouse_core::time::Mono;
use gatehouse_drivers::Recovery;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

pub(super) use self::bell::Bell;
pub(super) use self::limit::{Limit, Place};
pub(super) use self::plan::{ChipBus, Places, plans};
use self::seat::{Failed, News, Seat, Served};
use super::owner::Owner;
use crate::gauges::Gauges;
use crate::io::LineClock;
use crate::io::sim::chips::{self, SimBoard};
use crate::io::wire::Wire;
use crate::lenses::Lenses;
use crate::rules::Inputs;

/// The first wait before a bus that cannot be opened is tried again, or a lost chip looked for.
/// Doubles.
const RETRY: Duration = Duration::from_millis(250);

/// The longest.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// A lost chip may cost so much of the time: one part in so many.
const SHARE: u32 = 20;

/// A bus that is held is freed at most so often: a short is not.
const RECOVER_EVERY_NS: u64 = 5_000_000_000;

/// Why the unit ended. It does not end for a bus or chip that is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChipBusError {
    /// The system has no thread for it.
    #[error("{bus}: no thread: {source}")]
    Thread {
        /// The bus.
        bus: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// Nobody listens any more, or a mistake of ours.
    #[error("{bus}: the bus's thread ended: {why}")]
    Ended {
        /// The bus.
        bus: String,
        /// How.
        why: &'static str,
    },
}

/// Ends the thread when the unit's future is dropped.
struct Life<'b>(&'b Bell);

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.0.next_life();
    }
}

/// Serves the bus until it is to `end`; when this returns, the thread has ended.
///
/// # Errors
///
/// There is no thread, or it ended by itself.
pub(super) async fn run<C: LineClock + 'static>(
    plan: ChipBus,
    places: Places,
    clock: C,
    bell: Bell,
    mut end: watch::Receiver<bool>,
    out: Out,
) -> Result<(), ChipBusError> {
    let name = plan.name();
    let board = plan.board();
    let (tell, mut ended) = oneshot::channel();
    let life = bell.next_life();
    let life_ends = Life(&bell);
    let interrupts: Vec<_> = plan
        .chips
        .iter()
        .filter_map(|plan| {
            Some((plan.chip.id.to_string(), plan.chip.interrupt.as_ref()?.to_string()))
        })
        .collect();
    let ring = |id: &str| {
        if let Some((_, line)) = interrupts.iter().find(|(chip, _)| chip == id) {
            bell.ring(line, clock.monotonic_ns());
        }
    };
    let world = plan.world.clone();
    let parts = (plan, places, clock.clone(), bell.clone(), board.clone(), out);
    std::thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            let (plan, places, clock, bell, board, out) = parts;
            let why = Bus::new(plan, &places, clock, bell, life, board, out).serve();
            // If nobody waits any more, the unit was ended.
            let _ = tell.send(why);
        })
        .map_err(|source| ChipBusError::Thread { bus: name.clone(), source })?;
    let moved = async {
        match (board, world) {
            (Some(board), Some(Sim::Socket(path))) => {
                match chips::follow(board, &path, ring).await {}
            }
            (Some(board), Some(Sim::Script(_))) => board.plug_in(),
            _ => {}
        }
        std::future::pending::<Infallible>().await
    };
    // Also when nobody is left who could ask for it.
    let asked = async move { drop(end.wait_for(|end| *end).await) };
    tokio::select! {
        why = &mut ended => {
            let why = why.unwrap_or("it panicked");
            return Err(ChipBusError::Ended { bus: name, why });
        }
        never = moved => match never {},
        () = asked => {}
    }
    drop(life_ends);
    let _ = ended.await;
    Ok(())
}

/// What chips tell, and to whom.
#[derive(Clone)]
pub(super) struct Out {
    pub(super) inputs: Inputs,
    pub(super) gauges: Gauges,
    pub(super) lenses: Lenses,
}

/// What is around a chip.
struct Around<'a> {
    places: &'a Places,
    wire: &'a Wire,
    /// The simulated bus, if it is one.
    board: Option<&'a SimBoard>,
    lenses: &'a Lenses,
}

struct Bus<C> {
    plan: ChipBus,
    /// The places of the bus and its chips in the rules.
    place: usize,
    chips: Vec<usize>,
    clock: C,
    bell: Bell,
    life: u64,
    board: Option<SimBoard>,
    out: Inputs,
    gauges: Gauges,
    wire: Wire,
    seats: Vec<Seat>,
    /// Whose first reading follows a life of the unit in which there were others.
    anew: BTreeSet<Owner>,
    /// What the rules were told of the bus itself.
    #[expect(
        clippy::option_option,
        reason = "told nothing yet, told that it is there, told why not"
    )]
    lost: Option<Option<String>>,
    retry: Duration,
    recovered_ns: Option<u64>,
    /// What one service has to tell; kept for its room.
    news: Vec<News>,
}

impl<C: LineClock + 'static> Bus<C> {
    fn new(
        plan: ChipBus,
        places: &Places,
        clock: C,
        bell: Bell,
        life: u64,
        board: Option<SimBoard>,
        Out { inputs: out, gauges, lenses }: Out,
    ) -> Self {
        let wire = Wire::default();
        let around = Around { places, wire: &wire, board: board.as_ref(), lenses: &lenses };
        let seats = plan.chips.iter().map(|chip| Seat::new(chip, &around, &clock)).collect();
        let anew = places.owners.values().copied().filter(|_| life > 1).collect();
        Self {
            plan,
            place: places.bus,
            chips: places.chips.clone(),
            clock,
            bell,
            life,
            board,
            out,
            gauges,
            wire,
            seats,
            anew,
            lost: None,
            retry: RETRY,
            recovered_ns: None,
            news: Vec::new(),
        }
    }

    /// Until the unit ends.
    fn serve(&mut self) -> &'static str {
        match self.go_on() {
            Ok(never) => match never {},
            Err(why) => why,
        }
    }

    fn go_on(&mut self) -> Result<Infallible, &'static str> {
        loop {
            let wait = if self.wire.is_open() { self.until_due() } else { self.open()? };
            let rung = self.bell.wait(self.life, wait).ok_or("it was ended")?;
            for (line, at_ns) in rung {
                self.seats.iter_mut().for_each(|seat| seat.ring(&line, at_ns));
            }
            let now_ns = self.clock.monotonic_ns();
            let due = |(_, seat): &(usize, &Seat)| seat.due_ns();
            let next = self.seats.iter().enumerate().min_by_key(due);
            let next = next.filter(|(_, seat)| seat.due_ns() <= now_ns).map(|(index, _)| index);
            if let (Some(index), true) = (next, self.wire.is_open()) {
                self.turn(index, now_ns)?;
            }
        }
    }

    fn until_due(&self) -> Duration {
        let due_ns = self.seats.iter().map(Seat::due_ns).min();
        let now_ns = self.clock.monotonic_ns();
        due_ns.map_or(RETRY_CAP, |due_ns| Duration::from_nanos(due_ns.saturating_sub(now_ns)))
    }

    /// Opens the bus, or says how long to wait before that is tried again.
    fn open(&mut self) -> Result<Duration, &'static str> {
        match self.wire.open(&self.plan.bus.device, self.board.as_ref(), self.plan.speed_hz()) {
            Ok(()) => {
                self.retry = RETRY;
                Ok(Duration::ZERO)
            }
            Err(cause) => {
                for index in 0..self.seats.len() {
                    if self.seats[index].give_up("the bus cannot be opened") {
                        self.chip_lost(index)?;
                    }
                }
                self.bus_is(Some(cause))?;
                let wait = self.retry;
                self.retry = (self.retry * 2).min(RETRY_CAP);
                Ok(wait)
            }
        }
    }

    /// One piece of work for one chip.
    fn turn(&mut self, index: usize, now_ns: u64) -> Result<(), &'static str> {
        let served = self.seats[index].serve(&self.clock, now_ns, &mut self.news);
        match served {
            Served::Well { found } => {
                if found {
                    // The bus first: what is still away is told after it.
                    self.look_at_bus()?;
                    let at_ns = self.clock.monotonic_ns();
                    self.tell_chip(index, None, at_ns)?;
                }
            }
            Served::Badly(failed) => self.failed(index, failed)?,
        }
        self.tell_news()
    }

    fn failed(&mut self, index: usize, failed: Failed) -> Result<(), &'static str> {
        if failed.bus_held {
            self.recover();
        }
        if failed.lost {
            self.chip_lost(index)?;
            self.look_at_bus()?;
        }
        Ok(())
    }

    fn recover(&mut self) {
        let now_ns = self.clock.monotonic_ns();
        if self.recovered_ns.is_some_and(|at| now_ns < at.saturating_add(RECOVER_EVERY_NS)) {
            return;
        }
        let Some(result) = self.wire.recover(self.plan.bus.recovery.as_ref()) else { return };
        self.recovered_ns = Some(now_ns);
        let bus = &self.plan.bus.id;
        match result {
            Ok(Recovery::Freed { clocks }) => {
                info!(%bus, clocks, "a chip held the data line, and has let go");
            }
            Ok(Recovery::WasIdle) => {}
            Err(error) => warn!(%bus, error, "the bus cannot be freed"),
        }
    }

    /// A chip is lost, and with it all on its lines: the rules are told of the chip first.
    fn chip_lost(&mut self, index: usize) -> Result<(), &'static str> {
        let cause = self.seats[index].lost().map(str::to_owned);
        warn!(chip = %self.plan.chips[index].chip.id, cause, "the chip is lost");
        self.tell_chip(index, cause, self.clock.monotonic_ns())?;
        self.forget(index)
    }

    /// Everything on the lines of a chip is unknown.
    fn forget(&mut self, index: usize) -> Result<(), &'static str> {
        self.seats[index].forget(self.clock.monotonic_ns(), &mut self.news);
        self.tell_news()
    }

    /// Whether it is the bus that is lost, by what its chips are.
    fn look_at_bus(&mut self) -> Result<(), &'static str> {
        let lost: Vec<_> = self.seats.iter().filter_map(Seat::lost).collect();
        let held = self.seats.iter().any(Seat::is_lost_by_bus);
        let all = !lost.is_empty() && lost.len() == self.seats.len();
        let cause = match (all, held) {
            (true, true) => Some(format!("a line of the bus is held: {}", lost[0])),
            // With one chip nobody can tell which of them it is; the chip is nearer.
            (true, false) if lost.len() > 1 => {
                Some(format!("none of its {} chips answers: {}", lost.len(), lost[0]))
            }
            _ => None,
        };
        self.bus_is(cause)
    }

    fn bus_is(&mut self, lost: Option<String>) -> Result<(), &'static str> {
        let was = self.lost.as_ref().map(Option::is_some);
        if was == Some(lost.is_some()) {
            return Ok(());
        }
        if let Some(cause) = &lost {
            warn!(bus = %self.plan.bus.id, cause, "the bus is lost");
        }
        self.lost = Some(lost.clone());
        let at = self.at(self.clock.monotonic_ns());
        self.send(Input::Bus { bus: self.place, lost: lost.map(short), at })
    }

    fn tell_chip(
        &self,
        index: usize,
        lost: Option<String>,
        at_ns: u64,
    ) -> Result<(), &'static str> {
        let (bus, at) = (self.chips[index], self.at(at_ns));
        self.send(Input::Bus { bus, lost: lost.map(short), at })
    }

    fn tell_news(&mut self) -> Result<(), &'static str> {
        let mut news = std::mem::take(&mut self.news);
        for mut news in news.drain(..) {
            if let News::Line { owner, condition, resynced, .. } = &mut news
                && *condition != Condition::Unknown
            {
                *resynced |= self.anew.remove(owner);
            }
            if let News::Gauge { sensor, gauge } = &news {
                self.gauges.set(sensor, *gauge);
            }
            if let Some(input) = news.input(|at_ns| self.at(at_ns)) {
                self.send(input)?;
            }
        }
        self.news = news;
        Ok(())
    }

    fn at(&self, at_ns: u64) -> Mono {
        self.clock.boot(at_ns)
    }

    fn send(&self, input: Input) -> Result<(), &'static str> {
        self.out.blocking_send(input).map_err(|_| "nobody takes its readings")
    }
}

/// A cause as events hold it.
fn short(cause: String) -> String {
    if cause.len() <= 200 { cause } else { cause.chars().take(200).collect() }
}
